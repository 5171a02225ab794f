//! [`Clock`]: what time it is in the world. It follows tokio's clock, so paused tests run on
//! virtual time; it refuses to read the machine's clock after it started.

use jiff::{Timestamp, ToSpan};
use tokio::time::{Duration, Instant};

/// A start time plus tokio's elapsed time.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Timestamp,
    started: Instant,
}

impl Clock {
    /// A clock that shows `start` now.
    pub fn starting_at(start: Timestamp) -> Self {
        Self {
            start,
            started: Instant::now(),
        }
    }

    /// The time in the world.
    pub fn now(&self) -> Timestamp {
        let elapsed = self.started.elapsed();
        self.start
            .checked_add((elapsed.as_millis() as i64).milliseconds())
            .unwrap_or(self.start)
    }

    /// Milliseconds since 1970.
    pub fn millis(&self) -> i64 {
        self.now().as_millisecond()
    }

    /// tokio's instant at which the world shows `millis`.
    pub fn instant_at(&self, millis: i64) -> Instant {
        let ahead = millis - self.start.as_millisecond();
        self.started + Duration::from_millis(ahead.max(0) as u64)
    }
}

/// As Kubernetes writes `metav1.Time`: whole seconds, `Z`.
pub(crate) fn seconds(millis: i64) -> String {
    Timestamp::from_millisecond(millis)
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        .unwrap_or_default()
}

/// Reads either form back; `None` if it is no time.
pub(crate) fn parse(text: &str) -> Option<i64> {
    text.parse::<Timestamp>()
        .ok()
        .map(Timestamp::as_millisecond)
}
