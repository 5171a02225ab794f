//! [`Patience`]: one wait for an effect that nothing announces, so that it is looked for again and
//! again. It joins clock, deadline and pauses; it refuses to decide what is waited for. What the API
//! server announces is waited for by a watch ([`wait_until`](crate::wait_until)).

use std::time::Duration;

use converge::{Backoff, Deadline, Observer};
use tokio::time::{Instant, sleep};

/// A wait that tells its reason to the observer, pauses, and ends.
#[derive(Debug)]
pub struct Patience<'a> {
    observer: &'a Observer,
    origin: Instant,
    deadline: Deadline,
    pauses: Backoff,
}

impl<'a> Patience<'a> {
    /// A wait of at most `limit`, with pauses from `first` to `ceiling`.
    pub fn new(
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

    /// Tells `reason` and pauses, longer each time; `false` once the wait is over. The last pause ends
    /// with the limit, so that one more look follows it.
    ///
    /// # Cancellation
    /// Nothing is left behind.
    pub async fn pause(&mut self, reason: &str) -> bool {
        let pause = self.pauses.next().unwrap_or(self.deadline.limit());
        self.pause_for(reason, pause).await
    }

    /// As [`pause`](Self::pause), for this long.
    ///
    /// # Cancellation
    /// Nothing is left behind.
    pub async fn pause_for(&mut self, reason: &str, pause: Duration) -> bool {
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
    pub fn limit(&self) -> Duration {
        self.deadline.limit()
    }
}
