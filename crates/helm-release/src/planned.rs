//! [`Planned`]: what a plan has seen, handed on to the apply that follows it at once. It owns how long
//! that may be relied on; it refuses to be used twice, or for another intent.
//!
//! What others do in between is caught where it matters: the record's creation and each of its
//! compare-and-swaps, server-side apply's conflicts, uids on deletion, and for objects that were not
//! there an apply that makes them or nothing.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::observe::Survey;
use crate::{Policy, ReleaseIntent, digest};

/// How long it may be relied on: as long as a person looks at a plan that is carried out at once.
const FRESH: Duration = Duration::from_secs(30);

/// What a plan has seen; empty by default. Clones share it: whoever applies first takes it.
#[derive(Clone, Default)]
pub struct Planned(Arc<Mutex<Option<Seen>>>);

struct Seen {
    at: Instant,
    policy: Policy,
    survey: Box<Survey>,
}

impl Planned {
    pub(crate) fn new(survey: Survey, policy: &Policy) -> Self {
        Self(Arc::new(Mutex::new(Some(Seen {
            at: Instant::now(),
            policy: policy.clone(),
            survey: Box::new(survey),
        }))))
    }

    /// Takes it, if it is about this intent under this policy and young enough.
    pub(crate) fn take(&self, intent: &ReleaseIntent, policy: &Policy) -> Option<Survey> {
        let seen = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        let is_fitting = seen.at.elapsed() < FRESH
            && seen.policy == *policy
            && seen.survey.digest == digest::of_intent(intent, &seen.survey.capabilities);
        is_fitting.then_some(*seen.survey)
    }
}

impl fmt::Debug for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Planned")
    }
}
