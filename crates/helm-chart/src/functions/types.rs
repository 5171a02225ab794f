//! Go types and kinds of values.

use go_text_template::{Type, Value};

use super::arguments::{any, string};
use super::entry::Entry;

const NAME_AND_VALUE: &[Type] = &[Type::String, Type::Any];

/// Type functions.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "typeOf",
        &[Type::Any],
        |_, args| Ok(any(args, 0).go_type().into()),
        "The Go type of the value.",
    ),
    Entry::new(
        "typeIs",
        NAME_AND_VALUE,
        |_, args| Ok((string(args, 0)? == any(args, 1).go_type()).into()),
        "Whether the value has the Go type.",
    ),
    Entry::new(
        "typeIsLike",
        NAME_AND_VALUE,
        |_, args| {
            let (wanted, found) = (string(args, 0)?, any(args, 1).go_type());
            Ok((wanted == found || found.strip_prefix('*') == Some(&*wanted)).into())
        },
        "Whether the value has the Go type, or is a pointer to it.",
    ),
    Entry::new(
        "kindOf",
        &[Type::Any],
        |_, args| Ok(any(args, 0).kind().name().into()),
        "The Go kind of the value.",
    ),
    Entry::new(
        "kindIs",
        NAME_AND_VALUE,
        |_, args| Ok((string(args, 0)? == any(args, 1).kind().name()).into()),
        "Whether the value has the Go kind.",
    ),
    Entry::new(
        "deepEqual",
        &[Type::Any, Type::Any],
        |_, args| Ok(Value::Bool(any(args, 0).deep_equal(any(args, 1)))),
        "Whether two values are equal in type and content.",
    ),
];
