//! [`Hold`]: the Lease that shows whether the client of a pending revision is alive. It owns taking,
//! renewing and giving back; it refuses to decide what a dead client's revision means.
//!
//! Source: `coordination.k8s.io/v1`; liveness is judged by watching whether the Lease moves, not by
//! comparing clocks.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube_cluster::{
    Cluster, ClusterError, Created, DeleteOptions, Object, ObjectRef, Replaced, WriteOptions,
    insist,
};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::ReleaseId;
use crate::engine::Clock;

/// How long a Lease lasts without renewal.
pub(crate) const DURATION: Duration = Duration::from_secs(15);
/// How often it is renewed: most releases end sooner and cost no request for it.
pub(crate) const RENEWAL: Duration = Duration::from_secs(7);
/// How soon a renewal that had no answer is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// How often a stranger's Lease is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How long whoever waits for a Lease that was given back may take to have it.
pub(crate) const YIELD: Duration = Duration::from_secs(3);

/// A Lease of ours, renewed in the background until it is given back or dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    cluster: Arc<dyn Cluster>,
    target: ObjectRef,
    lost: watch::Receiver<Option<String>>,
    renewal: JoinHandle<()>,
}

/// The answer to an attempt to take the Lease.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is ours.
    Ours(Hold),
    /// This client holds it and is alive.
    HeldBy(String),
}

/// Which Lease belongs to a release.
pub(crate) fn lease_of(release: &ReleaseId) -> ObjectRef {
    ObjectRef::namespaced(
        "coordination.k8s.io/v1",
        "Lease",
        &release.namespace,
        format!("aks-airflow.release.{}", release.name),
    )
}

/// Who holds the release's Lease and is alive. A Lease that ran out by the clocks belongs to the
/// dead; one that did not is watched until it moves, or for as long as it lasts: a client that was
/// killed a moment ago keeps nobody from planning. Makes no Write.
pub(crate) async fn holder(
    cluster: &dyn Cluster,
    release: &ReleaseId,
    clock: &Clock,
) -> Result<Option<String>, ClusterError> {
    let mut seen: Option<(String, Instant)> = None;
    loop {
        let Some(lease) = cluster.get(lease_of(release)).await? else {
            return Ok(None);
        };
        let renewed = lease
            .text("/spec/renewTime")
            .and_then(|text| text.parse().ok());
        let is_fresh = renewed.is_some_and(|renewed: Timestamp| {
            clock().duration_since(renewed).unsigned_abs() < lasts(&lease)
        });
        let Some(holder) = lease.text("/spec/holderIdentity").filter(|_| is_fresh) else {
            return Ok(None);
        };
        let position = lease.resource_version().unwrap_or_default();
        let since = match &seen {
            Some((last, _)) if last != position => return Ok(Some(holder.to_owned())),
            Some((_, since)) => *since,
            None => Instant::now(),
        };
        if since.elapsed() >= lasts(&lease) {
            return Ok(None);
        }
        seen = Some((position.to_owned(), since));
        tokio::time::sleep(LOOK).await;
    }
}

/// Takes the Lease. If somebody else holds it, watches it for as long as a Lease lasts: one that
/// does not move in that time belongs to the dead.
///
/// # Cancellation
/// May leave the Lease taken; it runs out by itself.
pub(crate) async fn take(
    cluster: &Arc<dyn Cluster>,
    release: &ReleaseId,
    holder: &str,
    clock: &Clock,
    on_wait: impl Fn(&str, Duration),
) -> Result<Taken, ClusterError> {
    let target = lease_of(release);
    let mut seen: Option<(String, Instant)> = None;
    // Almost always there is none: creating it is the look.
    let mut is_absent = true;
    loop {
        if is_absent {
            let fresh = lease(&target, None, holder, clock());
            if let Created::New(lease) =
                insist(|| cluster.create(fresh.clone(), WriteOptions::default())).await?
            {
                return Ok(hold(cluster, target, lease, holder, clock));
            }
        }
        let found = cluster.get(target.clone()).await?;
        is_absent = found.is_none();
        let Some(found) = found else { continue };
        let other = found.text("/spec/holderIdentity").unwrap_or_default();
        let position = found.resource_version().unwrap_or_default().to_owned();
        // Ours already: also where an earlier try took it and its answer was lost.
        let is_free = other.is_empty() || other == holder;
        let since = match &seen {
            Some((last, since)) if *last == position => *since,
            Some(_) if !is_free => return Ok(Taken::HeldBy(other.to_owned())),
            _ => Instant::now(),
        };
        if is_free || since.elapsed() >= lasts(&found) {
            let next = lease(&target, Some(&found), holder, clock());
            match insist(|| cluster.replace(next.clone(), WriteOptions::default())).await? {
                Replaced::Done(lease) => return Ok(hold(cluster, target, lease, holder, clock)),
                Replaced::Stale | Replaced::Absent => continue,
            }
        }
        on_wait(other, since.elapsed());
        seen = Some((position, since));
        tokio::time::sleep(LOOK).await;
    }
}

/// How long this Lease lasts without renewal; never longer than a minute, whoever wrote it.
fn lasts(lease: &Object) -> Duration {
    let seconds = lease
        .at("/spec/leaseDurationSeconds")
        .and_then(serde_json::Value::as_u64);
    seconds.map_or(DURATION, |seconds| Duration::from_secs(seconds.min(60)))
}

/// The Lease as `holder` has it from `now`.
fn lease(target: &ObjectRef, previous: Option<&Object>, holder: &str, now: Timestamp) -> Object {
    let mut lease = previous.cloned().unwrap_or_else(|| Object::named(target));
    let same = previous.and_then(|lease| lease.text("/spec/holderIdentity")) == Some(holder);
    let previous_time = previous
        .filter(|_| same)
        .and_then(|lease| lease.text("/spec/acquireTime"));
    let transitions = previous
        .and_then(|lease| lease.at("/spec/leaseTransitions"))
        .and_then(serde_json::Value::as_u64)
        .unwrap_or_default();
    let now = format!("{now:.6}");
    let spec = json!({
        "holderIdentity": holder,
        "leaseDurationSeconds": DURATION.as_secs(),
        "acquireTime": previous_time.unwrap_or(&now),
        "renewTime": now,
        "leaseTransitions": if same || previous.is_none() { transitions } else { transitions + 1 },
    });
    lease.as_map_mut().insert("spec".into(), spec);
    lease.metadata().remove("managedFields");
    lease
}

fn hold(
    cluster: &Arc<dyn Cluster>,
    target: ObjectRef,
    lease: Object,
    holder: &str,
    clock: &Clock,
) -> Taken {
    let (tell, lost) = watch::channel(None);
    let renewal = tokio::spawn(renew(
        Arc::clone(cluster),
        target.clone(),
        lease,
        holder.to_owned(),
        Arc::clone(clock),
        tell,
    ));
    Taken::Ours(Hold {
        cluster: Arc::clone(cluster),
        target,
        lost,
        renewal,
    })
}

/// Renews until somebody else has the Lease, or until it ran out for want of an answer.
async fn renew(
    cluster: Arc<dyn Cluster>,
    target: ObjectRef,
    mut held: Object,
    holder: String,
    clock: Clock,
    lost: watch::Sender<Option<String>>,
) {
    let mut renewed = Instant::now();
    let mut pause = RENEWAL;
    loop {
        tokio::time::sleep(pause).await;
        pause = RETRY;
        let next = lease(&target, Some(&held), &holder, clock());
        match cluster.replace(next, WriteOptions::default()).await {
            Ok(Replaced::Done(lease)) => {
                held = lease;
                renewed = Instant::now();
                pause = RENEWAL;
            }
            Ok(Replaced::Absent) => {
                let _ = lost.send(Some("the Lease was deleted".into()));
                return;
            }
            Ok(Replaced::Stale) => match cluster.get(target.clone()).await {
                Ok(Some(found)) if found.text("/spec/holderIdentity") == Some(&holder) => {
                    held = found;
                }
                Ok(Some(found)) => {
                    let other = found.text("/spec/holderIdentity").unwrap_or_default();
                    let _ = lost.send(Some(format!("`{other}` took the Lease")));
                    return;
                }
                Ok(None) | Err(_) => {}
            },
            Err(_) => {}
        }
        if renewed.elapsed() >= DURATION {
            let _ = lost.send(Some("the Lease could not be renewed in time".into()));
            return;
        }
    }
}

impl Hold {
    /// Why the Lease is no longer ours, if it is not.
    pub(crate) fn lost(&self) -> Option<String> {
        self.lost.borrow().clone()
    }

    /// Gives the Lease back, so that nobody has to wait until it runs out.
    pub(crate) async fn release(self) -> Result<(), ClusterError> {
        self.renewal.abort();
        if self.lost().is_none() {
            let target = self.target.clone();
            insist(|| {
                self.cluster
                    .delete(target.clone(), DeleteOptions::default())
            })
            .await?;
        }
        Ok(())
    }
}

/// Ends the renewal; the Lease runs out by itself.
impl Drop for Hold {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}
