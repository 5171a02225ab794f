//! [`Backoff`]: the pauses between tries. It owns growth, ceiling and jitter and refuses to sleep
//! or to draw randomness of its own: the seed is a value.

use std::time::Duration;

/// An endless iterator of pauses: exponential with a ceiling, each shortened by up to a quarter so
/// that many clients do not march in step.
///
/// ```
/// use std::time::Duration;
/// let pauses: Vec<_> = converge::Backoff::new(Duration::from_millis(100), Duration::from_secs(1), 7)
///     .take(5)
///     .collect();
/// assert!(pauses[0] <= Duration::from_millis(100));
/// assert!(pauses[4] <= Duration::from_secs(1) && pauses[4] >= Duration::from_millis(750));
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
    ceiling: Duration,
    seed: u64,
}

impl Backoff {
    /// Pauses from `first`, doubling, never above `ceiling`; `seed` decides the jitter.
    pub fn new(first: Duration, ceiling: Duration, seed: u64) -> Self {
        Self {
            next: first.min(ceiling),
            ceiling,
            seed,
        }
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.next = (pause * 2).min(self.ceiling);
        // SplitMix64 (Steele, Lea, Flood 2014): enough for jitter, reproducible from the seed.
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let share = ((mixed ^ (mixed >> 31)) >> 40) as f64 / f64::from(1u32 << 24);
        Some(pause.mul_f64(1.0 - share / 4.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_pauses() {
        let pauses = |seed| {
            Backoff::new(Duration::from_millis(10), Duration::from_secs(1), seed)
                .take(9)
                .collect::<Vec<_>>()
        };
        assert_eq!(pauses(1), pauses(1));
        assert_ne!(pauses(1), pauses(2));
    }
}
