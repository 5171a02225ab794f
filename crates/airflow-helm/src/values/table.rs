//! [`Table`]: nested values written by dotted path. It refuses to overwrite a table by a value.

use serde_json::{Map, Value};

/// A nested table under construction.
#[derive(Debug, Default)]
pub(super) struct Table(Map<String, Value>);

impl Table {
    /// Sets the value at `path`, making the tables on the way. Path segments hold no dots.
    pub(super) fn set(&mut self, path: &str, value: impl Into<Value>) {
        let (tables, leaf) = path.rsplit_once('.').unwrap_or(("", path));
        let mut table = &mut self.0;
        for key in tables.split('.').filter(|key| !key.is_empty()) {
            table = table
                .entry(key)
                .or_insert_with(|| Value::Object(Map::new()))
                .as_object_mut()
                .expect("a path leads through tables only");
        }
        table.insert(leaf.to_owned(), value.into());
    }

    /// The whole.
    pub(super) fn into_map(self) -> Map<String, Value> {
        self.0
    }
}
