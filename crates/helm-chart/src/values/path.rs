//! Dotted paths into values, such as `postgresql.enabled`.

use serde_json::Value;

use super::Table;

/// The table at `path`, whose parts are separated by dots.
pub(crate) fn lookup_table<'t>(values: &'t Table, path: &str) -> Option<&'t Table> {
    path.split('.')
        .try_fold(values, |table, key| table.get(key)?.as_object())
}

/// The value at `path`; tables do not count as values.
pub(crate) fn lookup_value<'t>(values: &'t Table, path: &str) -> Option<&'t Value> {
    let (table, key) = match path.rsplit_once('.') {
        Some((parents, key)) => (lookup_table(values, parents)?, key),
        None => (values, path),
    };
    table.get(key).filter(|value| !value.is_object())
}
