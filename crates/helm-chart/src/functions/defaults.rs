//! Emptiness and what to use instead.

use go_text_template::{Type, Value};

use super::arguments::any;
use super::entry::Entry;

/// Functions around emptiness.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::variadic(
        "default",
        &[Type::Any, Type::Any],
        |_, args| Ok(any(args, usize::from(!is_empty(any(args, 1)))).clone()),
        "The second value unless it is empty (false and 0 are), else the first.",
    ),
    Entry::new(
        "empty",
        &[Type::Any],
        |_, args| Ok(is_empty(any(args, 0)).into()),
        "Whether the value is empty.",
    ),
    Entry::variadic(
        "coalesce",
        &[Type::Any],
        |_, args| {
            Ok(args
                .iter()
                .find(|value| !is_empty(value))
                .cloned()
                .unwrap_or_default())
        },
        "The first value that is not empty.",
    ),
    Entry::variadic(
        "all",
        &[Type::Any],
        |_, args| Ok((!args.iter().any(is_empty)).into()),
        "Whether no value is empty.",
    ),
    Entry::variadic(
        "any",
        &[Type::Any],
        |_, args| Ok((!args.iter().all(is_empty)).into()),
        "Whether some value is not empty.",
    ),
    Entry::new(
        "ternary",
        &[Type::Any, Type::Any, Type::Bool],
        |_, args| {
            Ok(any(
                args,
                usize::from(args.get(2).and_then(Value::as_bool) != Some(true)),
            )
            .clone())
        },
        "The first value if the third is true, else the second.",
    ),
];

/// Whether a value is empty: nil, false, 0, or without elements. Structs never are.
pub(super) fn is_empty(value: &Value) -> bool {
    !value.truth()
}
