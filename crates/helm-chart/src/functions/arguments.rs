//! Taking arguments out of a call, and values into Go strings.
//!
//! The executor has checked arity and parameter types; these accessors turn that knowledge into
//! Rust types and report a mismatch instead of panicking.

use std::borrow::Cow;

use go_text_template::{FunctionError, Map, Scope, Text, Value, fmt};

use crate::environment::Tape;

/// What functions return.
pub(super) type Answer = Result<Value, FunctionError>;

/// What Go reports when a function follows a nil pointer.
pub(super) const NIL_POINTER: &str =
    "runtime error: invalid memory address or nil pointer dereference";

fn wrong(index: usize, wanted: &str) -> FunctionError {
    FunctionError::new(format!("argument {} is not a {wanted}", index + 1))
}

/// The argument at `index`; nil beyond the last.
pub(super) fn any(arguments: &[Value], index: usize) -> &Value {
    const NIL: &Value = &Value::Nil;
    arguments.get(index).unwrap_or(NIL)
}

/// The string at `index`, any bytes.
pub(super) fn text(arguments: &[Value], index: usize) -> Result<&Text, FunctionError> {
    any(arguments, index)
        .as_text()
        .ok_or_else(|| wrong(index, "string"))
}

/// The string at `index`, with U+FFFD for what is not UTF-8.
pub(super) fn string(arguments: &[Value], index: usize) -> Result<Cow<'_, str>, FunctionError> {
    text(arguments, index).map(Text::to_str)
}

/// What `change` makes of a text of any bytes. `change` must look at nothing beyond ASCII: bytes
/// that are not UTF-8 reach it as other letters, and leave it as the same bytes.
pub(super) fn bytewise(source: &Text, change: impl Fn(&str) -> String) -> Text {
    if let Some(text) = source.as_str() {
        return change(text).into();
    }
    let letters: String = source.as_bytes().iter().copied().map(char::from).collect();
    let changed = change(&letters);
    let bytes: Vec<u8> = changed.chars().map(|letter| letter as u8).collect();
    bytes.into()
}

/// The integer at `index`.
pub(super) fn int(arguments: &[Value], index: usize) -> Result<i64, FunctionError> {
    any(arguments, index)
        .as_i64()
        .ok_or_else(|| wrong(index, "number"))
}

/// The map at `index`.
pub(super) fn map(arguments: &[Value], index: usize) -> Result<&Map, FunctionError> {
    any(arguments, index)
        .as_map()
        .ok_or_else(|| wrong(index, "map"))
}

/// The text of a value as `toString` gives it: strings and bytes as they are, else `%v`.
pub(super) fn to_text(value: &Value) -> Text {
    match value {
        Value::Bytes(bytes) => Text::from(&bytes[..]),
        other => fmt::sprint_value(other),
    }
}

/// The items of a slice of any type.
pub(super) fn items(value: &Value) -> Option<Cow<'_, [Value]>> {
    match value {
        Value::List(list) => Some(Cow::Borrowed(list)),
        Value::Bytes(bytes) => Some(Cow::Owned(
            bytes.iter().copied().map(Value::Uint8).collect(),
        )),
        _ => None,
    }
}

/// The tape of the running render.
pub(super) fn tape<'s>(scope: &'s mut Scope<'_>) -> Result<&'s mut Tape, FunctionError> {
    scope.state::<Tape>().ok_or_else(|| {
        FunctionError::new("the render has no environment to ask for time or randomness")
    })
}
