//! [`Left`]: what `unevaluatedProperties` and `unevaluatedItems` will speak of.

use std::collections::BTreeSet;

use serde_json::Value;

use super::compiled::Node;

/// What no keyword has spoken of so far, for `unevaluatedProperties` and `unevaluatedItems`.
#[derive(Default)]
pub(super) struct Left<'v> {
    pub(super) names: BTreeSet<&'v str>,
    pub(super) indices: BTreeSet<usize>,
}

impl<'v> Left<'v> {
    pub(super) fn of(value: &'v Value, node: &Node, is_wanted: bool) -> Self {
        let mut left = Self::default();
        match value {
            Value::Object(entries)
                if !node.takes_all_properties()
                    && (is_wanted || node.unevaluated_properties.is_some()) =>
            {
                left.names = entries.keys().map(String::as_str).collect();
            }
            Value::Array(items)
                if !node.takes_all_items() && (is_wanted || node.unevaluated_items.is_some()) =>
            {
                left.indices = (node.first_items.len()..items.len()).collect();
            }
            _ => {}
        }
        left
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.names.retain(|name| other.names.contains(name));
        self.indices.retain(|index| other.indices.contains(index));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.indices.is_empty()
    }
}
