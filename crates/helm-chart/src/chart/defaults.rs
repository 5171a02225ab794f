//! The default values of a chart that takes part: as packaged, or with those of its subcharts in
//! them. What is combined once is remembered with the chart: it does not depend on the user's values
//! but through the subcharts they choose.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use crate::values::Table;

/// The default values of one chart.
#[derive(Debug, Clone)]
pub(super) enum Defaults<'c> {
    /// As in `values.yaml`.
    Packaged(&'c Table),
    /// A part of them, while something is decided.
    Part(Arc<Table>),
    /// With those of the subcharts, and what is imported from them.
    Combined(Arc<Combined>),
}

/// Default values with those of the subcharts in them.
#[derive(Debug)]
pub(super) struct Combined {
    pub(super) values: Table,
    /// What Helm says when it combines them.
    pub(super) warnings: Vec<String>,
}

impl Deref for Defaults<'_> {
    type Target = Table;

    fn deref(&self) -> &Table {
        match self {
            Self::Packaged(values) => values,
            Self::Part(values) => values,
            Self::Combined(combined) => &combined.values,
        }
    }
}

/// The combined defaults of one chart, by the shape of its subcharts.
#[derive(Debug, Default)]
pub(super) struct CombinedDefaults {
    by_shape: Mutex<Vec<(String, Arc<Combined>)>>,
}

impl CombinedDefaults {
    /// Shapes beyond this number are combined every time.
    const CAPACITY: usize = 32;

    pub(super) fn get(&self, shape: &str) -> Option<Arc<Combined>> {
        let by_shape = self.by_shape.lock().ok()?;
        let known = by_shape.iter().find(|(of, _)| of == shape)?;
        Some(Arc::clone(&known.1))
    }

    pub(super) fn keep(&self, shape: String, combined: Combined) -> Arc<Combined> {
        let combined = Arc::new(combined);
        if let Ok(mut by_shape) = self.by_shape.lock()
            && by_shape.len() < Self::CAPACITY
        {
            by_shape.push((shape, Arc::clone(&combined)));
        }
        combined
    }
}
