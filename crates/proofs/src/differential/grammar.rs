//! Random values and templates. It owns the grammar: what is likely to be written in charts, what
//! is just legal, and what is a mistake. It refuses what cannot be compared: randomness, clocks,
//! the network, the order of Go's maps.

mod choices;
mod documents;
mod expressions;
mod mistakes;
mod odd;
mod schemas;
mod statements;
mod trees;
mod values;

pub use choices::Choices;
pub use schemas::schema_chart;
pub use statements::template;
pub use trees::tree;
pub use values::{PLAIN, sets, values};

/// Stands in a template for the number of its case, so that names it defines are its own.
pub const CASE: &str = "CASE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_case() {
        let case = |seed| {
            let mut choices = Choices::seeded(seed);
            (
                values(&mut choices),
                sets(&mut choices),
                template(&mut choices),
                tree(&mut choices),
                schema_chart(&mut choices),
            )
        };
        assert_eq!(case(7), case(7));
        assert_ne!(case(7), case(8));
    }
}
