//! [`Patience`]: one wait for an effect. It joins clock, deadline and pauses; it refuses to decide
//! what is waited for.

use std::time::Duration;

use converge::{Backoff, Deadline, Observer};
use tokio::time::{Instant, sleep};

/// A wait that tells its reason, pauses, and ends.
pub(crate) struct Patience<'a> {
    observer: &'a Observer,
    origin: Instant,
    deadline: Deadline,
    pauses: Backoff,
}

impl<'a> Patience<'a> {
    /// A wait of at most `limit`, with pauses from `first` to `ceiling`.
    pub(crate) fn new(
        observer: &'a Observer,
        limit: Duration,
        first: Duration,
        ceiling: Duration,
    ) -> Self {
        Self {
            observer,
            origin: Instant::now(),
            deadline: Deadline::starting(Duration::ZERO, limit),
            pauses: Backoff::new(first, ceiling, limit.as_nanos() as u64),
        }
    }

    /// Tells `reason` and pauses; `false` once the wait is over.
    pub(crate) async fn pause(&mut self, reason: &str) -> bool {
        let pause = self.pauses.next().unwrap_or(self.deadline.limit());
        self.pause_for(reason, pause).await
    }

    /// Tells `reason` and pauses for this long; `false` once the wait is over.
    pub(crate) async fn pause_for(&mut self, reason: &str, pause: Duration) -> bool {
        let now = self.origin.elapsed();
        let Some(left) = self.deadline.remaining(now) else {
            return false;
        };
        let limit = self.deadline.limit();
        self.observer
            .waiting(reason, self.deadline.elapsed(now), limit);
        sleep(pause.min(left)).await;
        true
    }

    /// How long the wait may last in all.
    pub(crate) fn limit(&self) -> Duration {
        self.deadline.limit()
    }
}
