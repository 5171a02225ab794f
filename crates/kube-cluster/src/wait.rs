//! [`wait_until`]: waiting for objects by following them, never by sleeping. It owns the deadline,
//! the reasons and the early end on failure; it refuses to write.

mod follow;
mod watches;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use converge::{Observer, Readiness};
use tokio::time::Instant;

pub use watches::Watches;

use crate::explain::{explain_by, has_pods};
use crate::{Cluster, ClusterError, Kind, Object, ObjectRef, readiness};
use follow::Seen;

/// How long a wait lasts before pods and events are followed for its reason.
const SETTLE: Duration = Duration::from_millis(500);
/// How long changes are gathered before a reason is told.
const GATHER: Duration = Duration::from_millis(10);

/// What to wait for.
#[derive(Debug, Clone)]
pub struct Target {
    /// The object.
    pub object: ObjectRef,
    /// When it is there.
    pub until: Until,
    /// Its state as a write has just answered it; a wait that this already ends makes no request.
    pub seen: Option<Object>,
}

/// When a wait for one object is over.
#[derive(Clone, Default)]
pub enum Until {
    /// [`readiness`] says current.
    #[default]
    Ready,
    /// It exists.
    Exists,
    /// It is gone.
    Gone,
    /// A judgement of the caller's says current, or failed.
    Judged(Arc<dyn Fn(&Object) -> Readiness + Send + Sync>),
}

impl Target {
    /// Waits until the object is ready.
    pub fn ready(object: ObjectRef) -> Self {
        Self {
            object,
            until: Until::Ready,
            seen: None,
        }
    }

    /// Waits until the object is gone.
    pub fn gone(object: ObjectRef) -> Self {
        Self {
            object,
            until: Until::Gone,
            seen: None,
        }
    }

    /// Waits until `judge` says current.
    pub fn judged(
        object: ObjectRef,
        judge: impl Fn(&Object) -> Readiness + Send + Sync + 'static,
    ) -> Self {
        Self {
            object,
            until: Until::Judged(Arc::new(judge)),
            seen: None,
        }
    }

    /// The same, starting from the state that a write has just answered.
    #[must_use]
    pub fn seen(mut self, live: Object) -> Self {
        self.seen = Some(live);
        self
    }

    fn judge(&self, live: Option<&Object>) -> Readiness {
        match (&self.until, live) {
            (Until::Gone, None) => Readiness::Current("gone".into()),
            (Until::Gone, Some(object)) => match readiness(object) {
                Readiness::Terminating(reason) => Readiness::Terminating(reason),
                _ => Readiness::InProgress("still there, and nobody has deleted it".into()),
            },
            (_, None) => Readiness::NotFound,
            (Until::Exists, Some(_)) => Readiness::Current("exists".into()),
            (Until::Ready, Some(object)) => readiness(object),
            (Until::Judged(judge), Some(object)) => judge(object),
        }
    }
}

impl fmt::Debug for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::Exists => "exists",
            Self::Gone => "gone",
            Self::Judged(_) => "judged",
        })
    }
}

/// A wait that did not end well. Nothing was written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum WaitError {
    /// One object will not get there by waiting.
    #[error("{object}: {reason}")]
    #[diagnostic(code(aka::cluster::wait_failed))]
    Failed {
        /// Which.
        object: ObjectRef,
        /// Why.
        reason: String,
    },

    /// Not all were there in time.
    #[error("not done after {limit:?}; still waiting for {}", listed(.pending))]
    #[diagnostic(
        code(aka::cluster::wait_deadline),
        help("run again to continue waiting; what was reached stays")
    )]
    Deadline {
        /// How long was waited.
        limit: Duration,
        /// What was waited for, and what each was doing.
        pending: Vec<(ObjectRef, Readiness)>,
    },

    /// The cluster could not be asked.
    #[error("cannot follow what is waited for")]
    #[diagnostic(code(aka::cluster::wait))]
    Cluster(
        #[source]
        #[diagnostic_source]
        ClusterError,
    ),
}

fn listed(pending: &[(ObjectRef, Readiness)]) -> String {
    let sentences: Vec<String> = pending
        .iter()
        .map(|(object, state)| format!("{object}: {}", state.reason()))
        .collect();
    sentences.join("; ")
}

/// Waits until every target is there, at most `limit`. Answers the objects' last states in the
/// order of the targets (those waited to be gone are left out).
///
/// One watch per kind and namespace, none where the state that was [seen](Target::seen) is enough; a
/// watch that ends or expires is taken up again with a growing pause. A workload's reason comes from
/// its pods and their events, which are followed, too, once the wait lasts; the observer is told
/// whenever a reason changes. Ends early when one target fails. A kind the server does not serve
/// yet is waited for.
///
/// # Errors
/// [`WaitError`]. Nothing was written.
///
/// # Cancellation
/// Dropping it ends the watches.
pub async fn wait_until(
    cluster: &Arc<dyn Cluster>,
    targets: &[Target],
    limit: Duration,
    observer: &Observer,
) -> Result<Vec<Object>, WaitError> {
    let mut watches = Watches::of_single_objects(Arc::clone(cluster));
    wait_on(&mut watches, targets, limit, observer).await
}

/// [`wait_until`] over watches that outlast it: several waits share one watch per kind.
///
/// # Errors
/// [`WaitError`]. Nothing was written.
///
/// # Cancellation
/// Dropping it keeps the watches.
pub async fn wait_on(
    watches: &mut Watches,
    targets: &[Target],
    limit: Duration,
    observer: &Observer,
) -> Result<Vec<Object>, WaitError> {
    let started = Instant::now();
    let deadline = started + limit;
    let mut wait = Wait::new(watches, targets, observer, started, limit);
    if !wait.is_over()? {
        wait.follow();
    }
    loop {
        if wait.is_over()? {
            return Ok(wait.objects());
        }
        tokio::select! {
            biased;
            seen = wait.watches.next() => match seen {
                Ok(seen) => wait.take(&seen),
                Err(error) => return Err(WaitError::Cluster(error)),
            },
            () = tokio::time::sleep_until(deadline) => return Err(wait.give_up(limit)),
            () = tokio::time::sleep_until(wait.explain_at) => wait.explain(),
        }
    }
}

/// Waits until every object is gone, at most `limit`.
///
/// # Errors
/// As [`wait_until`].
pub async fn wait_gone(
    cluster: &Arc<dyn Cluster>,
    objects: &[ObjectRef],
    limit: Duration,
    observer: &Observer,
) -> Result<(), WaitError> {
    let targets: Vec<Target> = objects.iter().cloned().map(Target::gone).collect();
    wait_until(cluster, &targets, limit, observer).await?;
    Ok(())
}

struct Wait<'a> {
    watches: &'a mut Watches,
    observer: &'a Observer,
    started: Instant,
    limit: Duration,
    pending: Vec<Pending<'a>>,
    explain_at: Instant,
}

struct Pending<'a> {
    target: &'a Target,
    /// Whether it was looked for at least once.
    known: bool,
    live: Option<Object>,
    state: Readiness,
    told: Option<String>,
}

impl<'a> Pending<'a> {
    fn new(target: &'a Target) -> Self {
        let (known, state) = match &target.seen {
            Some(seen) => (true, target.judge(Some(seen))),
            None => (false, Readiness::InProgress("not looked at yet".into())),
        };
        Self {
            target,
            known,
            live: target.seen.clone(),
            state,
            told: None,
        }
    }

    fn is_over(&self) -> bool {
        self.known && self.state.is_current()
    }

    /// Whether what a watch tells is older than what is known: a watch that outlasts a wait may
    /// still hold what was before the write.
    fn is_news(&self, version: Option<&str>) -> bool {
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
        let held = self.live.as_ref().and_then(Object::resource_version);
        match (number(held), number(version)) {
            (Some(held), Some(told)) => told >= held,
            _ => true,
        }
    }
}

impl<'a> Wait<'a> {
    fn new(
        watches: &'a mut Watches,
        targets: &'a [Target],
        observer: &'a Observer,
        started: Instant,
        limit: Duration,
    ) -> Self {
        let mut pending: Vec<Pending<'a>> = targets.iter().map(Pending::new).collect();
        for one in &mut pending {
            match watches.held(one.target) {
                Some(Some(held)) if one.is_news(held.resource_version()) => {
                    one.live = Some(held.clone());
                }
                Some(None) if one.live.is_none() => {}
                _ => continue,
            }
            one.known = true;
            one.state = one.target.judge(one.live.as_ref());
        }
        Self {
            watches,
            observer,
            started,
            limit,
            pending,
            explain_at: started + SETTLE,
        }
    }

    /// Follows what is not there yet.
    fn follow(&mut self) {
        let open: Vec<&Target> = self
            .pending
            .iter()
            .filter(|one| !one.is_over())
            .map(|one| one.target)
            .collect();
        self.watches.follow(&open);
    }

    /// Takes what was seen; the state is judged at once, the reason a little later.
    fn take(&mut self, seen: &Seen) {
        for pending in &mut self.pending {
            let object = &pending.target.object;
            if !seen.group().covers(object) {
                continue;
            }
            match seen {
                Seen::All(_, items) => {
                    pending.known = true;
                    pending.live = items
                        .iter()
                        .find(|item| item.name() == object.name)
                        .cloned();
                }
                Seen::Opened(_) => pending.known = true,
                Seen::Applied(_, item) if item.name() == object.name => {
                    if !pending.is_news(item.resource_version()) {
                        continue;
                    }
                    pending.known = true;
                    pending.live = Some(item.clone());
                }
                Seen::Deleted(_, item) if item.name() == object.name => {
                    if !pending.is_news(item.resource_version()) {
                        continue;
                    }
                    pending.live = None;
                }
                Seen::Trouble(_, trouble) => {
                    pending.state = Readiness::InProgress(trouble.clone());
                    continue;
                }
                _ => continue,
            }
            pending.state = pending.target.judge(pending.live.as_ref());
        }
        // The reason is worth a look once the wait has lasted a little.
        let soon = Instant::now() + GATHER;
        let soon = soon.max(self.started + SETTLE);
        self.explain_at = self.explain_at.min(soon);
    }

    /// Whether all are there.
    fn is_over(&self) -> Result<bool, WaitError> {
        for pending in &self.pending {
            if pending.known
                && let Readiness::Failed(reason) = &pending.state
            {
                return Err(WaitError::Failed {
                    object: pending.target.object.clone(),
                    reason: reason.clone(),
                });
            }
        }
        Ok(self.pending.iter().all(Pending::is_over))
    }

    /// Finds the reasons of those not there yet and tells the ones that changed.
    fn explain(&mut self) {
        self.explain_at = self.started + self.limit;
        for pending in &mut self.pending {
            if pending.state.is_current() {
                continue;
            }
            if let (Until::Ready, Some(object)) = (&pending.target.until, &pending.live) {
                let namespace = object.namespace().map(str::to_owned);
                let mut complete = true;
                if has_pods(object) {
                    complete &= self.watches.reasons(&pod(), namespace.clone());
                }
                // Definitions and webhooks, what is waited for beyond namespaces, say it themselves.
                if namespace.is_some() {
                    complete &= self.watches.reasons(&event(), namespace.clone());
                }
                if !complete {
                    continue;
                }
                let pods = self.watches.all(&pod(), object.namespace());
                let events = match &namespace {
                    Some(_) => self.watches.all(&event(), object.namespace()),
                    None => Vec::new(),
                };
                pending.state = explain_by(object, &pods, &events);
            }
            let sentence = format!("{}: {}", pending.target.object, pending.state.reason());
            if pending.told.as_ref() != Some(&sentence) {
                self.observer
                    .waiting(sentence.clone(), self.started.elapsed(), self.limit);
                pending.told = Some(sentence);
            }
        }
    }

    fn give_up(self, limit: Duration) -> WaitError {
        WaitError::Deadline {
            limit,
            pending: self
                .pending
                .into_iter()
                .filter(|one| !one.state.is_current())
                .map(|one| (one.target.object.clone(), one.state))
                .collect(),
        }
    }

    fn objects(self) -> Vec<Object> {
        self.pending
            .into_iter()
            .filter_map(|one| one.live)
            .collect()
    }
}

fn pod() -> Kind {
    Kind::new("v1", "Pod")
}

fn event() -> Kind {
    Kind::new("v1", "Event")
}
