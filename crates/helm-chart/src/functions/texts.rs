//! Values into text and back: quoting, joining, splitting, and lists of strings.

use go_text_template::{List, ListType, Map, MapType, Text, Type, Value, fmt};

use super::arguments::{any, int, items, text, to_text};
use super::entry::Entry;
use super::strings::split;

/// Functions between values, lists and text.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "toString",
        &[Type::Any],
        |_, args| Ok(to_text(any(args, 0)).into()),
        "The value as text.",
    ),
    Entry::new(
        "toStrings",
        &[Type::Any],
        |_, args| match any(args, 0) {
            Value::List(list) if list.list_type() == ListType::STRING => {
                Ok(Value::List(list.clone()))
            }
            value => Ok(Value::strings(texts(value))),
        },
        "The items as text, without the nil ones.",
    ),
    Entry::variadic(
        "quote",
        &[Type::Any],
        |_, args| Ok(joined(args, |value| fmt::quote(to_text(value).as_bytes()).into()).into()),
        "Each value in double quotes with Go escapes, nil ones left out.",
    ),
    Entry::variadic(
        "squote",
        &[Type::Any],
        |_, args| {
            Ok(joined(args, |value| {
                let shown = fmt::sprint_value(value);
                [b"'", shown.as_bytes(), b"'"].concat().into()
            })
            .into())
        },
        "Each value in single quotes without escapes, nil ones left out.",
    ),
    Entry::variadic(
        "cat",
        &[Type::Any],
        |_, args| {
            let parts: Vec<Text> = args
                .iter()
                .filter(|value| !value.is_nil())
                .map(fmt::sprint_value)
                .collect();
            Ok(join(b" ", &parts).into())
        },
        "The values with spaces between them, nil ones left out.",
    ),
    Entry::new(
        "join",
        &[Type::String, Type::Any],
        |_, args| Ok(join(text(args, 0)?.as_bytes(), &texts(any(args, 1))).into()),
        "The items as text with a separator between them, nil ones left out.",
    ),
    Entry::new(
        "split",
        &[Type::String, Type::String],
        |_, args| Ok(numbered(split(text(args, 1)?, text(args, 0)?, None))),
        "The parts of a text between separators, as _0, _1, …",
    ),
    Entry::new(
        "splitn",
        &[Type::String, Type::Int, Type::String],
        |_, args| {
            let limit = usize::try_from(int(args, 1)?).ok();
            let parts = if limit == Some(0) {
                Vec::new()
            } else {
                split(text(args, 2)?, text(args, 0)?, limit)
            };
            Ok(numbered(parts))
        },
        "Like split, into at most so many parts.",
    ),
    Entry::new(
        "splitList",
        &[Type::String, Type::String],
        |_, args| Ok(Value::strings(split(text(args, 1)?, text(args, 0)?, None))),
        "The parts of a text between separators, as a list.",
    ),
    Entry::new(
        "sortAlpha",
        &[Type::Any],
        |_, args| {
            let value = any(args, 0);
            if let Value::List(list) = value
                && list.list_type() == ListType::STRING
            {
                // Go sorts the very slice that it was given.
                list.sort();
                return Ok(value.clone());
            }
            if items(value).is_none() {
                return Ok(Value::strings([to_text(value)]));
            }
            let mut sorted = texts(value);
            sorted.sort();
            Ok(Value::strings(sorted))
        },
        "The items as text, sorted bytewise; a list of strings is sorted where it is.",
    ),
];

/// The items of a slice, or the value itself, as texts; nil ones are left out.
fn texts(value: &Value) -> Vec<Text> {
    match (items(value), value) {
        (Some(items), _) => items
            .iter()
            .filter(|item| !item.is_nil())
            .map(to_text)
            .collect(),
        (None, Value::Nil) => Vec::new(),
        (None, other) => vec![to_text(other)],
    }
}

fn join(separator: &[u8], parts: &[Text]) -> Text {
    match parts {
        [] => Text::default(),
        [only] => only.clone(),
        _ => {
            let parts: Vec<&[u8]> = parts.iter().map(Text::as_bytes).collect();
            parts.join(separator).into()
        }
    }
}

fn joined(values: &[Value], quote: impl Fn(&Value) -> Text) -> Text {
    let values = values.iter().filter(|value| !value.is_nil());
    join(b" ", &values.map(quote).collect::<Vec<Text>>())
}

fn numbered(parts: Vec<Text>) -> Value {
    let map = Map::with_type(MapType::STRING);
    for (index, part) in parts.into_iter().enumerate() {
        map.insert(format!("_{index}"), part);
    }
    Value::Map(map)
}

/// The `[]string` of these texts, which is nil if `nil` says so.
pub(super) fn string_list(parts: Vec<Text>, nil: bool) -> Value {
    if nil {
        Value::List(List::nil(ListType::STRING))
    } else {
        Value::strings(parts)
    }
}
