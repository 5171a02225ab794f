//! [`wait_until`]: waiting for objects by following them, never by sleeping. It owns the list and
//! watch of each kind, the deadline and the early end on failure; it refuses to write.

mod follow;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use converge::{Observer, Readiness};
use futures::StreamExt;
use futures::stream::SelectAll;
use tokio::time::Instant;

use crate::{Cluster, ClusterError, Kind, Object, ObjectRef, explain, readiness};
use follow::{Seen, follow};

/// How often the reason of a wait is looked up anew while nothing changes.
const EXPLAIN_EVERY: Duration = Duration::from_secs(10);
/// How long changes are gathered before the reason is looked up.
const SETTLE: Duration = Duration::from_millis(500);

/// What to wait for.
#[derive(Debug, Clone)]
pub struct Target {
    /// The object.
    pub object: ObjectRef,
    /// When it is there.
    pub until: Until,
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
        }
    }

    /// Waits until the object is gone.
    pub fn gone(object: ObjectRef) -> Self {
        Self {
            object,
            until: Until::Gone,
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
        }
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
/// One list and watch per kind and namespace; a watch that ends or expires is taken up again with a
/// growing pause. A workload's reason comes from its pods and events ([`explain`]); the observer
/// is told whenever a reason changes. Ends early when one target fails. A kind the server does not
/// serve yet is waited for.
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
    let started = Instant::now();
    let mut wait = Wait::new(cluster, targets, observer, started, limit);
    let deadline = started + limit;
    loop {
        if wait.is_over()? {
            return Ok(wait.objects());
        }
        tokio::select! {
            biased;
            seen = wait.changes.next() => match seen {
                Some(Ok(seen)) => wait.take(&seen),
                Some(Err(error)) => return Err(WaitError::Cluster(error)),
                None => tokio::time::sleep_until(deadline).await,
            },
            () = tokio::time::sleep_until(deadline) => return Err(wait.give_up(limit)),
            () = tokio::time::sleep_until(wait.explain_at) => wait.explain().await?,
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
    cluster: &'a Arc<dyn Cluster>,
    observer: &'a Observer,
    started: Instant,
    limit: Duration,
    changes: SelectAll<follow::Changes>,
    pending: Vec<Pending<'a>>,
    explain_at: Instant,
}

struct Pending<'a> {
    target: &'a Target,
    /// Whether its kind was listed at least once.
    known: bool,
    live: Option<Object>,
    state: Readiness,
    told: Option<String>,
}

impl<'a> Wait<'a> {
    fn new(
        cluster: &'a Arc<dyn Cluster>,
        targets: &'a [Target],
        observer: &'a Observer,
        started: Instant,
        limit: Duration,
    ) -> Self {
        let mut groups: BTreeMap<(Kind, Option<String>), Vec<&ObjectRef>> = BTreeMap::new();
        for target in targets {
            let key = (target.object.kind.clone(), target.object.namespace.clone());
            groups.entry(key).or_default().push(&target.object);
        }
        let streams = groups
            .into_iter()
            .map(|(group, objects)| follow(Arc::clone(cluster), group, &objects));
        Self {
            cluster,
            observer,
            started,
            limit,
            changes: streams.collect(),
            pending: targets
                .iter()
                .map(|target| Pending {
                    target,
                    known: false,
                    live: None,
                    state: Readiness::InProgress("not looked at yet".into()),
                    told: None,
                })
                .collect(),
            explain_at: started + SETTLE,
        }
    }

    /// Takes what was seen; the state is judged at once, the reason a little later.
    fn take(&mut self, seen: &Seen) {
        let group = seen.group().clone();
        for pending in &mut self.pending {
            let object = &pending.target.object;
            if (&object.kind, &object.namespace) != (&group.0, &group.1) {
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
                Seen::Applied(_, item) if item.name() == object.name => {
                    pending.live = Some(item.clone());
                }
                Seen::Deleted(_, name) if *name == object.name => pending.live = None,
                Seen::Trouble(_, trouble) => {
                    pending.state = Readiness::InProgress(trouble.clone());
                    continue;
                }
                _ => continue,
            }
            pending.state = pending.target.judge(pending.live.as_ref());
        }
        let soon = Instant::now() + SETTLE;
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
        Ok(self
            .pending
            .iter()
            .all(|one| one.known && one.state.is_current()))
    }

    /// Looks up the reasons of those not there yet and tells the ones that changed.
    async fn explain(&mut self) -> Result<(), WaitError> {
        for pending in &mut self.pending {
            if pending.state.is_current() {
                continue;
            }
            if let (Until::Ready, Some(object)) = (&pending.target.until, &pending.live) {
                match explain(self.cluster.as_ref(), object).await {
                    Ok(state) => pending.state = state,
                    Err(error) if error.is_transient() => {}
                    Err(error) => return Err(WaitError::Cluster(error)),
                }
            }
            let sentence = format!("{}: {}", pending.target.object, pending.state.reason());
            if pending.told.as_ref() != Some(&sentence) {
                self.observer
                    .waiting(sentence.clone(), self.started.elapsed(), self.limit);
                pending.told = Some(sentence);
            }
        }
        self.explain_at = Instant::now() + EXPLAIN_EVERY;
        Ok(())
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
