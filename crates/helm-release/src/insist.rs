//! [`insist`]: repeating a write whose answer was lost. It owns the pauses; its callers own that
//! the repetition does no harm. (Reads and applies are repeated by the cluster's backend.)

use std::time::Duration;

use converge::Backoff;
use kube_cluster::ClusterError;

/// How often a write is tried in all.
const TRIES: usize = 4;

/// Repeats `write` while its failure may pass. A write that took effect although its answer was
/// lost is repeated, too.
pub(crate) async fn insist<T, F>(mut write: impl FnMut() -> F) -> Result<T, ClusterError>
where
    F: Future<Output = Result<T, ClusterError>>,
{
    let mut pauses = pauses();
    loop {
        match write().await {
            Err(error) if error.is_transient() => match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            },
            other => return other,
        }
    }
}

/// The pauses between tries; as many as there are further tries.
pub(crate) fn pauses() -> impl Iterator<Item = Duration> {
    Backoff::new(Duration::from_millis(250), Duration::from_secs(2), 1).take(TRIES - 1)
}
