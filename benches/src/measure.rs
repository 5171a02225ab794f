//! Numbers of a run: medians, ratios, and how they are shown.

use std::fmt;

/// Two series of one measure, taken in turns.
#[derive(Debug, Clone, Default)]
pub struct Pair {
    ours: Vec<f64>,
    rival: Vec<f64>,
}

impl Pair {
    /// Adds one round.
    pub fn add(&mut self, ours: f64, rival: f64) {
        self.ours.push(ours);
        self.rival.push(rival);
    }

    /// The median of ours.
    pub fn ours(&self) -> f64 {
        median(&self.ours)
    }

    /// The median of the rival's.
    pub fn rival(&self) -> f64 {
        median(&self.rival)
    }

    /// How many times the rival's median is ours.
    pub fn ratio(&self) -> f64 {
        self.rival() / self.ours()
    }
}

/// The middle value; the mean of the two middle ones of an even number; 0 for none.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (None, _) => 0.0,
        (Some(value), 1) => *value,
        (Some(value), _) => f64::midpoint(values[middle - 1], *value),
    }
}

/// One line of the table of results.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// The measure, ours and the rival's.
    pub pair: Pair,
    /// Its unit.
    pub unit: &'static str,
    /// Whether more is better.
    pub more_is_better: bool,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = if self.more_is_better {
            1.0 / self.pair.ratio()
        } else {
            self.pair.ratio()
        };
        let Self { name, unit, .. } = self;
        let (ours, rival) = (self.pair.ours(), self.pair.rival());
        write!(f, "| {name} | {ours:.1} {unit} | {rival:.1} {unit} | ")?;
        if ratio.is_finite() {
            write!(f, "{ratio:.1}× |")
        } else {
            // Of nothing there is no multiple.
            write!(f, "– |")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pair, Row, median};

    #[test]
    #[expect(clippy::float_cmp, reason = "these are exact")]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn a_row_says_how_many_times_better_we_are() {
        let mut pair = Pair::default();
        pair.add(2.0, 10.0);
        let row = Row {
            name: "x".into(),
            pair,
            unit: "ms",
            more_is_better: false,
        };
        assert_eq!(row.to_string(), "| x | 2.0 ms | 10.0 ms | 5.0× |");
        assert!(
            Row {
                more_is_better: true,
                ..row
            }
            .to_string()
            .ends_with("| 0.2× |")
        );
    }
}
