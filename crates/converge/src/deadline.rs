//! [`Deadline`]: the moment a wait ends. It owns the arithmetic and refuses to read a clock.

use std::time::Duration;

/// The end of a wait, on a clock the caller reads: every time is a [`Duration`] since an origin of
/// the caller's choice (tokio's clock in the engines, virtual time in tests).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    started: Duration,
    limit: Duration,
}

impl Deadline {
    /// A wait that starts `now` and lasts at most `limit`.
    pub fn starting(now: Duration, limit: Duration) -> Self {
        Self {
            started: now,
            limit,
        }
    }

    /// How long the whole wait may last.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// How long the wait has lasted.
    pub fn elapsed(&self, now: Duration) -> Duration {
        now.saturating_sub(self.started)
    }

    /// How long the wait may still last; `None` once it is over.
    pub fn remaining(&self, now: Duration) -> Option<Duration> {
        self.limit
            .checked_sub(self.elapsed(now))
            .filter(|left| !left.is_zero())
    }

    /// Whether the wait is over.
    pub fn is_over(&self, now: Duration) -> bool {
        self.remaining(now).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_counts_down_and_ends() {
        let at = Duration::from_secs;
        let deadline = Deadline::starting(at(10), at(5));
        assert_eq!(deadline.remaining(at(12)), Some(at(3)));
        assert_eq!(deadline.remaining(at(15)), None);
        assert!(deadline.is_over(at(99)));
        assert_eq!(deadline.elapsed(at(3)), Duration::ZERO);
    }
}
