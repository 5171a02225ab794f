//! [`insist`]: repeating a write whose answer was lost. It owns the pauses; its callers own that
//! the repetition does no harm. (Reads and applies are repeated by the cluster's backend.)

use std::time::Duration;

use converge::Backoff;

use crate::ClusterError;

/// How often a write is tried in all.
const TRIES: usize = 4;

/// Repeats `write` while its failure may pass, four times in all with growing pauses from 250 ms.
///
/// A create, replace, patch or delete is not repeated by [`Cluster`](crate::Cluster) itself: only
/// its caller knows what a second one does. A write that took effect although its answer was lost is
/// repeated, too: a create then answers [`AlreadyExists`](crate::Created::AlreadyExists), a replace
/// [`Stale`](crate::Replaced::Stale), and the caller looks whether what is there is its own.
///
/// # Errors
/// The last failure. Something may have been written.
pub async fn insist<T, F>(mut write: impl FnMut() -> F) -> Result<T, ClusterError>
where
    F: Future<Output = Result<T, ClusterError>>,
{
    let mut pauses = insistence();
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

/// The pauses of [`insist`]; as many as there are further tries.
pub fn insistence() -> impl Iterator<Item = Duration> {
    Backoff::new(Duration::from_millis(250), Duration::from_secs(2), 1).take(TRIES - 1)
}
