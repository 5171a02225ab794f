//! [`requeue`]: has the volume controller look at a claim again. It owns when, and the mark that is
//! left; it refuses to judge whether the claim is bound.

use std::convert::Infallible;
use std::time::Duration;

use converge::Backoff;
use kube_cluster::{Cluster, Object, ObjectRef, WriteOptions};
use serde_json::{Value, json};

/// The annotation that is changed: the version of the claim it was changed at.
const MARK: &str = "aks-airflow.io/requeued";
/// How long the controller may take by itself: some hundredths of a second, and a few tenths while the
/// API server takes in the operator's definitions. A wait that lasts half a second asks for reasons.
const FIRST: Duration = Duration::from_millis(450);
/// The longest pause.
const CEILING: Duration = Duration::from_secs(5);
/// After as many times its own next round has come.
const TIMES: usize = 5;

/// Changes an annotation of the claim after a while, and again, for as long as it is polled. Whatever
/// fails is left to whoever waits for the claim.
///
/// Kubernetes' controller binds a claim that names its volume in two workers: the claim's writes the
/// reference into the volume and then its phase; the volume's, woken by the reference, writes the
/// same phase. If the claim's comes second it gives up over the conflict, and the claim, which
/// nobody has changed, is looked at only in the next round, up to 15 seconds later. The same becomes
/// of a claim that was seen before its volume. Any change of the claim ends that at once.
/// Source: Kubernetes, `syncUnboundClaim`, `bind`, `syncVolume`, `--pvclaimbinder-sync-period`.
///
/// `live` is the claim as it was last seen. A claim that has changed since is left alone: that has
/// queued it already.
///
/// # Cancellation
/// A change may be on its way; it does no harm to a claim that is bound.
pub(crate) async fn requeue(
    cluster: &dyn Cluster,
    claim: &ObjectRef,
    mut live: Option<Object>,
) -> Infallible {
    // A claim that was there before its volume needs two turns: the second comes as soon as the first.
    let pauses = std::iter::once(FIRST).chain(Backoff::new(FIRST, CEILING, 0));
    for pause in pauses.take(TIMES) {
        tokio::time::sleep(pause).await;
        if live.is_none() {
            live = cluster.get(claim.clone()).await.ok().flatten();
        }
        let Some(operations) = live.take().as_ref().and_then(mark) else {
            continue;
        };
        let patch = cluster.patch(claim.clone(), operations, WriteOptions::default());
        live = patch.await.ok().flatten();
    }
    futures::future::pending().await
}

/// The change, made only to this very version.
fn mark(live: &Object) -> Option<Value> {
    let version = live.resource_version()?;
    let set = if live.at("/metadata/annotations").is_some() {
        let path = format!("/metadata/annotations/{}", MARK.replace('/', "~1"));
        json!({"op": "add", "path": path, "value": version})
    } else {
        json!({"op": "add", "path": "/metadata/annotations", "value": {MARK: version}})
    };
    let unchanged = json!({"op": "test", "path": "/metadata/resourceVersion", "value": version});
    Some(json!([unchanged, set]))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use kube_cluster::{ClusterError, ClusterErrorKind, MockCluster};

    use super::*;
    use crate::VolumeSettings;

    fn claim(version: &str, annotations: Value) -> Object {
        let mut claim = VolumeSettings::default().claim();
        let metadata = claim.metadata();
        metadata.insert("resourceVersion".into(), version.into());
        if !annotations.is_null() {
            metadata.insert("annotations".into(), annotations);
        }
        claim
    }

    /// What was sent for this long.
    async fn sent(mut cluster: MockCluster, live: Option<Object>, seconds: u64) -> Vec<Value> {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&sent);
        cluster.expect_patch().returning(move |_, operations, _| {
            let mut log = log.lock().unwrap();
            log.push(operations);
            if log.len() == 1 {
                return Ok(Some(claim("8", json!({"team": "a"}))));
            }
            let target = VolumeSettings::default().claim_ref();
            let kind = ClusterErrorKind::Conflict("changed".into());
            Err(ClusterError::about("patch", &target, kind))
        });
        let target = VolumeSettings::default().claim_ref();
        let work = requeue(&cluster, &target, live);
        let _ = tokio::time::timeout(Duration::from_secs(seconds), work).await;
        let sent = sent.lock().unwrap();
        sent.clone()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_change_keeps_what_is_there_and_is_made_to_the_version_that_was_seen() {
        let bare = sent(MockCluster::new(), Some(claim("7", Value::Null)), 0).await;
        assert!(bare.is_empty(), "the controller has its time: {bare:?}");
        let bare = sent(MockCluster::new(), Some(claim("7", Value::Null)), 1).await;
        let version =
            |version| json!({"op": "test", "path": "/metadata/resourceVersion", "value": version});
        let path = "/metadata/annotations/aks-airflow.io~1requeued";
        assert_eq!(
            bare,
            [
                json!([version("7"), {
                    "op": "add", "path": "/metadata/annotations", "value": {"aks-airflow.io/requeued": "7"},
                }]),
                json!([version("8"), {"op": "add", "path": path, "value": "8"}]),
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_that_has_changed_is_looked_at_before_it_is_changed_again() {
        let mut cluster = MockCluster::new();
        cluster
            .expect_get()
            .times(3)
            .returning(|_| Ok(Some(claim("9", Value::Null))));
        let all = sent(cluster, Some(claim("7", Value::Null)), 3600).await;
        assert_eq!(all.len(), TIMES, "{all:?}");
        assert_eq!(all[4][0]["value"], "9");
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_that_is_gone_is_left_to_whoever_waits_for_it() {
        let mut cluster = MockCluster::new();
        cluster.expect_get().returning(|_| Ok(None));
        assert!(sent(cluster, None, 3600).await.is_empty());
    }
}
