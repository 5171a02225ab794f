//! [`Environment`]: everything a render may know that is not in the chart: the time, the zone and
//! a source of random bytes. [`Tape`] is its use by one render, and the account of that use.
//!
//! Owns determinism: equal environments give equal renders. Refuses to ask the operating system
//! for anything.

use std::collections::HashMap;
use std::fmt;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;
use jiff::{Timestamp, tz::TimeZone};
use sha2::{Digest, Sha256};

/// What a render may know beside chart, values and release.
///
/// ```
/// use helm_chart::Environment;
///
/// let environment = Environment::new("2026-01-02T03:04:05Z".parse()?, [7; 32]);
/// assert_eq!(environment.now().to_string(), "2026-01-02T03:04:05Z");
/// # Ok::<(), jiff::Error>(())
/// ```
#[derive(Clone)]
pub struct Environment {
    now: Timestamp,
    zone: TimeZone,
    seed: [u8; 32],
}

impl Environment {
    /// An environment in which it is `now`, in UTC, and all randomness follows from `seed`.
    ///
    /// The seed is as secret as the passwords and keys a chart draws from it.
    pub fn new(now: Timestamp, seed: [u8; 32]) -> Self {
        Self {
            now,
            zone: TimeZone::UTC,
            seed,
        }
    }

    /// A fixed environment for tests and comparisons: 1 January 2024 in UTC and a published seed.
    /// Nothing drawn in it is secret.
    pub fn sealed() -> Self {
        Self::new(
            Timestamp::constant(1_704_067_200, 0),
            *b"a sealed environment has no luck",
        )
    }

    /// The same environment in another local zone, which `date` and `toDate` use.
    #[must_use]
    pub fn with_zone(self, zone: TimeZone) -> Self {
        Self { zone, ..self }
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A fresh tape for one render. Tapes of equal environments hold the same bytes.
    pub fn tape(&self) -> Tape {
        Tape {
            environment: self.clone(),
            counts: HashMap::new(),
            sources: Vec::new(),
        }
    }
}

/// Shows the time and the zone, never the seed.
impl fmt::Debug for Environment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Environment")
            .field("now", &self.now)
            .field("zone", &self.zone.iana_name())
            .finish_non_exhaustive()
    }
}

/// What kind of thing outside the chart a function asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// The current time.
    Clock,
    /// Random bytes.
    Random,
}

/// One use of the clock or of randomness by a template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The template file being rendered.
    pub template: String,
    /// The function that asked.
    pub function: &'static str,
    /// What it asked for.
    pub kind: SourceKind,
}

/// One render's use of an [`Environment`].
///
/// Each draw has its own stream, found by template, function and how often that template called
/// that function before. A draw that comes or goes (because a `lookup` found something, say) does
/// not disturb those of other templates.
pub struct Tape {
    environment: Environment,
    counts: HashMap<(String, &'static str), u64>,
    sources: Vec<Source>,
}

impl Tape {
    /// The time, asked for by `function` in `template`.
    pub fn now(&mut self, template: &str, function: &'static str) -> Timestamp {
        self.record(template, function, SourceKind::Clock);
        self.environment.now
    }

    /// The local zone; asking for it is not recorded, it does not change between renders.
    pub fn zone(&self) -> &TimeZone {
        &self.environment.zone
    }

    /// The stream of random bytes for the next call of `function` in `template`.
    pub fn draw(&mut self, template: &str, function: &'static str) -> ChaCha20Rng {
        self.record(template, function, SourceKind::Random);
        let count = self
            .counts
            .entry((template.to_owned(), function))
            .or_default();
        let mut hash = Sha256::new();
        hash.update(self.environment.seed);
        hash.update((template.len() as u64).to_be_bytes());
        hash.update(template);
        hash.update((function.len() as u64).to_be_bytes());
        hash.update(function);
        hash.update(count.to_be_bytes());
        *count += 1;
        ChaCha20Rng::from_seed(hash.finalize().into())
    }

    /// Every use so far, in order.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Every use, in order.
    pub fn into_sources(self) -> Vec<Source> {
        self.sources
    }

    fn record(&mut self, template: &str, function: &'static str, kind: SourceKind) {
        self.sources.push(Source {
            template: template.to_owned(),
            function,
            kind,
        });
    }
}

/// Shows the uses, never the seed.
impl fmt::Debug for Tape {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tape")
            .field("environment", &self.environment)
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use chacha20::rand_core::Rng;

    use super::{Environment, SourceKind};

    #[test]
    fn equal_environments_draw_equal_bytes() {
        let mut first = Environment::sealed().tape();
        let mut second = Environment::sealed().tape();
        second.draw("other.yaml", "uuidv4");
        assert_eq!(
            first.draw("a.yaml", "uuidv4").next_u64(),
            second.draw("a.yaml", "uuidv4").next_u64()
        );
    }

    #[test]
    fn draws_differ_by_template_function_and_turn() {
        let mut tape = Environment::sealed().tape();
        let mut drawn: Vec<u64> = [("a", "f"), ("a", "f"), ("a", "g"), ("b", "f")]
            .map(|(template, function)| tape.draw(template, function).next_u64())
            .into();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 4);
        assert!(
            tape.sources()
                .iter()
                .all(|source| source.kind == SourceKind::Random)
        );
    }

    #[test]
    fn debug_output_has_no_seed() {
        let environment = Environment::new(jiff::Timestamp::UNIX_EPOCH, [b'Q'; 32]);
        assert!(!format!("{environment:?} {:?}", environment.tape()).contains("81, 81"));
    }
}
