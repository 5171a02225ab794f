//! Laying out text: indentation and wrapping.

use go_text_template::{FunctionError, Text, Type, Value};

use super::arguments::{int, text};
use super::entry::Entry;
use super::strings::bounded;

/// Layout functions.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "indent",
        &[Type::Int, Type::String],
        |_, args| indent("", int(args, 0)?, text(args, 1)?).map(Value::from),
        "Puts so many spaces before every line, empty ones included.",
    ),
    Entry::new(
        "nindent",
        &[Type::Int, Type::String],
        |_, args| indent("\n", int(args, 0)?, text(args, 1)?).map(Value::from),
        "Like indent, after a line break.",
    ),
    Entry::new(
        "wrap",
        &[Type::Int, Type::String],
        |_, args| wrap(text(args, 1)?, int(args, 0)?, b"\n", false).map(Value::from),
        "Breaks the text into lines of at most so many bytes at spaces; long words stay whole.",
    ),
    Entry::new(
        "wrapWith",
        &[Type::Int, Type::String, Type::String],
        |_, args| {
            let separator = text(args, 1)?.as_bytes();
            let separator = if separator.is_empty() {
                b"\n"
            } else {
                separator
            };
            wrap(text(args, 2)?, int(args, 0)?, separator, true).map(Value::from)
        },
        "Like wrap, with a separator of one's own, and breaking long words.",
    ),
];

fn indent(before: &str, spaces: i64, source: &Text) -> Result<Text, FunctionError> {
    let spaces = usize::try_from(spaces).map_err(|_| "strings: negative Repeat count")?;
    let Some(whole) = source.as_str() else {
        return indent_bytes(before.as_bytes(), spaces, source.as_bytes());
    };
    let lines = 1 + memchr::memchr_iter(b'\n', whole.as_bytes()).count();
    let length = before.len() + whole.len() + lines.saturating_mul(spaces);
    bounded(length)?;
    let mut out = String::with_capacity(length);
    out.push_str(before);
    for line in whole.split_inclusive('\n') {
        push_spaces(&mut out, spaces);
        out.push_str(line);
    }
    if whole.is_empty() || whole.ends_with('\n') {
        push_spaces(&mut out, spaces);
    }
    Ok(out.into())
}

fn push_spaces(out: &mut String, mut count: usize) {
    const SPACES: &str = "                                ";
    while count > SPACES.len() {
        out.push_str(SPACES);
        count -= SPACES.len();
    }
    out.push_str(&SPACES[..count]);
}

fn indent_bytes(before: &[u8], spaces: usize, source: &[u8]) -> Result<Text, FunctionError> {
    let mut out = before.to_vec();
    for (index, line) in source.split(|byte| *byte == b'\n').enumerate() {
        if index > 0 {
            out.push(b'\n');
        }
        bounded(out.len().saturating_add(spaces))?;
        out.resize(out.len() + spaces, b' ');
        out.extend_from_slice(line);
    }
    Ok(out.into())
}

fn wrap(
    source: &Text,
    width: i64,
    separator: &[u8],
    break_words: bool,
) -> Result<Text, FunctionError> {
    let bytes = source.as_bytes();
    let width = usize::try_from(width.max(1)).unwrap_or(1);
    bounded(
        bytes
            .len()
            .saturating_add((bytes.len() / width).saturating_mul(separator.len())),
    )?;
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / width * separator.len());
    let mut offset = 0;
    while bytes.len().saturating_sub(offset) > width {
        if bytes[offset] == b' ' {
            offset += 1;
            continue;
        }
        let end = offset + width;
        let (stop, next) = match bytes[offset..=end].iter().rposition(|byte| *byte == b' ') {
            Some(space) => (offset + space, offset + space + 1),
            None if break_words => (end, end),
            None => match bytes[end..].iter().position(|byte| *byte == b' ') {
                Some(space) => (end + space, end + space + 1),
                None => break,
            },
        };
        out.extend_from_slice(&bytes[offset..stop]);
        out.extend_from_slice(separator);
        offset = next;
    }
    out.extend_from_slice(&bytes[offset.min(bytes.len())..]);
    Ok(out.into())
}
