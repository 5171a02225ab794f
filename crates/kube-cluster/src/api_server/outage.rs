//! [`Outage`]: when the API server was last lost. It owns how long a server that answers again is
//! believed to be starting; it refuses to know any request.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a server may take from its first answer until it has read its roles and bindings: some
/// seconds on a busy machine.
const STARTING: Duration = Duration::from_secs(10);

/// When a connection was last cut, did not come about, or was made in place of one that was lost. Clones
/// share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Outage(Arc<Mutex<Option<Instant>>>);

impl Outage {
    /// The server was lost just now.
    pub(super) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether the server was lost so short a time ago that it may be starting.
    pub(super) fn is_recent(&self) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|at| at.elapsed() < STARTING)
    }
}
