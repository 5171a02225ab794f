//! TOML into text and back; see [`super::toml_write`] and [`super::toml_read`].

use go_text_template::{FunctionError, Type, Value};

use super::arguments::{any, string};
use super::entry::Entry;
use super::{toml_read, toml_write};

/// TOML functions.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "toToml",
        &[Type::Any],
        |_, args| {
            refuse_nil(any(args, 0))?;
            Ok(toml_write::to_string(any(args, 0))
                .unwrap_or_else(|error| error)
                .into())
        },
        "The value as TOML, or the text of the error.",
    ),
    Entry::new(
        "mustToToml",
        &[Type::Any],
        |_, args| {
            refuse_nil(any(args, 0))?;
            Ok(toml_write::to_string(any(args, 0))?.into())
        },
        "The value as TOML, or an error.",
    )
    .since_helm4(),
    Entry::new(
        "fromToml",
        &[Type::String],
        |_, args| {
            let parsed = toml_read::parse(&string(args, 0)?);
            Ok(parsed.map_or_else(|error| Value::map([("Error", error)]), Value::Map))
        },
        "The map a TOML text holds.",
    ),
];

fn refuse_nil(value: &Value) -> Result<(), FunctionError> {
    if value.is_nil() {
        Err("reflect: call of reflect.Value.Type on zero Value".into())
    } else {
        Ok(())
    }
}
