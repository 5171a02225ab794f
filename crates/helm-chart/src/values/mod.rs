//! What configures a chart: values files, the `--set` family, and how they combine with the
//! defaults of charts and subcharts. Warnings are returned, never printed.

pub(crate) mod coalesce;
mod origin;
mod path;
mod set;
mod user;
mod value_path;

pub use coalesce::{CoalesceError, coalesce_tables, merge_tables};
pub use origin::{Origin, Origins};
pub(crate) use path::{lookup_table, lookup_value};
pub use set::SetError;
pub(crate) use user::parse_table;
pub use user::{ValueOptions, Values, ValuesError};
pub use value_path::ValuePath;

/// A YAML table: keys to values.
pub type Table = serde_json::Map<String, serde_json::Value>;
