//! Dictionaries: making, reading, changing. `set` and `unset` change the map they are given, under
//! every name it has.

use go_text_template::{FunctionError, List, Map, MapType, Purity, Text, Type, Value};

use super::arguments::{Answer, any, map, text, to_text};
use super::entry::Entry;
use super::record::Record;

/// Nesting beyond which a copy is refused; Go's stack would overflow.
const MAX_DEPTH: usize = 1_000;
/// Values beyond which a copy is refused: what is shared counts each time it is met.
const MAX_COPIED: usize = 1_000_000;

const COPY: Entry = Entry::new(
    "deepCopy",
    &[Type::Any],
    |_, args| match any(args, 0) {
        Value::Nil => Err("reflect: call of reflect.Value.Type on zero Value".into()),
        value => {
            let mut left = MAX_COPIED;
            deep_copy(value, MAX_DEPTH, &mut left)
        }
    },
    "A copy that shares nothing with the value.",
);

/// Dictionary functions.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::variadic(
        "dict",
        &[Type::Any],
        |_, args| Ok(dict(args)),
        "A map of the keys and values given in turn.",
    ),
    Entry::new(
        "get",
        &[Type::Map, Type::String],
        |_, args| Ok(entry(map(args, 0)?, text(args, 1)?).unwrap_or_else(|| "".into())),
        "The value under a key, or an empty text.",
    ),
    Entry::new(
        "set",
        &[Type::Map, Type::String, Type::Any],
        |_, args| set(args),
        "Sets a key of the map, and returns the map.",
    )
    .purity(Purity::Mutates),
    Entry::new(
        "unset",
        &[Type::Map, Type::String],
        |_, args| {
            map(args, 0)?.remove(text(args, 1)?.as_bytes());
            Ok(any(args, 0).clone())
        },
        "Removes a key of the map, and returns the map.",
    )
    .purity(Purity::Mutates),
    Entry::new(
        "hasKey",
        &[Type::Map, Type::String],
        |_, args| Ok(entry(map(args, 0)?, text(args, 1)?).is_some().into()),
        "Whether the map has a key.",
    ),
    Entry::variadic(
        "pluck",
        &[Type::String, Type::Map],
        |_, args| {
            let key = text(args, 0)?;
            Ok(args[1..]
                .iter()
                .filter_map(|dict| entry(dict.as_map()?, key))
                .collect::<Vec<_>>()
                .into())
        },
        "The values under one key in several maps.",
    ),
    Entry::variadic(
        "keys",
        &[Type::Map],
        |_, args| {
            Ok(Value::strings(
                args.iter().filter_map(Value::as_map).flat_map(Map::keys),
            ))
        },
        "The keys of the maps, sorted within each (Go's order is random).",
    ),
    Entry::new(
        "values",
        &[Type::Map],
        |_, args| {
            Ok(map(args, 0)?
                .entries()
                .iter()
                .map(|(_, value)| value.clone())
                .collect::<Vec<_>>()
                .into())
        },
        "The values of the map in the order of the keys (Go's order is random).",
    ),
    Entry::variadic(
        "pick",
        &[Type::Map, Type::String],
        |_, args| {
            let source = map(args, 0)?;
            let found =
                |key: &Value| Some((key.as_text()?.clone(), entry(source, key.as_text()?)?));
            Ok(Value::map(args[1..].iter().filter_map(found)))
        },
        "A new map with only these keys.",
    ),
    Entry::variadic(
        "omit",
        &[Type::Map, Type::String],
        |_, args| {
            let kept = |key: &Text| {
                !args[1..]
                    .iter()
                    .any(|omitted| omitted.as_text() == Some(key))
            };
            Ok(Value::map(
                map(args, 0)?
                    .entries()
                    .iter()
                    .filter(|(key, _)| kept(key))
                    .cloned(),
            ))
        },
        "A new map without these keys.",
    ),
    Entry::variadic(
        "dig",
        &[Type::Any],
        |_, args| dig(args),
        "The value at a path of keys, or a default: dig KEY… DEFAULT MAP.",
    ),
    COPY,
    COPY.named("mustDeepCopy"),
];

fn entry(map: &Map, key: &Text) -> Option<Value> {
    map.get_bytes(key.as_bytes())
}

fn dict(args: &[Value]) -> Value {
    let pairs = args.chunks(2).map(|pair| {
        (
            to_text(&pair[0]),
            pair.get(1).cloned().unwrap_or_else(|| "".into()),
        )
    });
    Value::map(pairs)
}

fn set(args: &[Value]) -> Answer {
    let target = map(args, 0)?;
    if target.is_nil() {
        return Err("assignment to entry in nil map".into());
    }
    target.insert(text(args, 1)?, any(args, 2).clone());
    Ok(any(args, 0).clone())
}

/// Go's refusal to see another type in an interface.
fn conversion(value: &Value, wanted: &str) -> FunctionError {
    let found = if value.is_nil() {
        "nil"
    } else {
        value.go_type()
    };
    FunctionError::new(format!(
        "interface conversion: interface {{}} is {found}, not {wanted}"
    ))
}

/// Only the plain map type will do; `.Values` has another.
fn plain_map(value: &Value) -> Result<&Map, FunctionError> {
    value
        .as_map()
        .filter(|map| map.map_type() == MapType::ANY)
        .ok_or_else(|| conversion(value, MapType::ANY.name()))
}

fn dig(args: &[Value]) -> Answer {
    let [path @ .., default, dict] = args else {
        return Err("dig needs at least three arguments".into());
    };
    if path.is_empty() {
        return Err("dig needs at least three arguments".into());
    }
    plain_map(dict)?;
    if let Some(key) = path.iter().find(|key| key.as_text().is_none()) {
        return Err(conversion(key, "string"));
    }
    let mut step = dict.clone();
    for key in path {
        let key = key.as_text().map(Text::as_bytes).unwrap_or_default();
        match plain_map(&step)?.get_bytes(key) {
            Some(next) => step = next,
            None => return Ok(default.clone()),
        }
    }
    Ok(step)
}

/// A copy of every map and list inside `value`.
fn deep_copy(value: &Value, depth: usize, left: &mut usize) -> Answer {
    let depth = depth
        .checked_sub(1)
        .ok_or("a value nests too deeply to be copied")?;
    *left = left
        .checked_sub(1)
        .ok_or("a value holds too many others to be copied")?;
    Ok(match value {
        Value::Map(map) if map.is_nil() => value.clone(),
        Value::Map(map) => Value::Map(map.try_map(|value| deep_copy(value, depth, left))?),
        Value::List(list) if list.is_nil() => value.clone(),
        Value::List(list) => {
            let mut copy = Vec::with_capacity(list.len());
            for item in list.iter() {
                copy.push(deep_copy(item, depth, left)?);
            }
            Value::List(List::with_type(list.list_type(), copy))
        }
        other => match other.downcast::<Record>() {
            // What Go does not export is not copied.
            Some(record) if record.unexported.is_some() => {
                let mut copy = record.clone();
                if let Some((_, _, value)) = &mut copy.unexported {
                    *value = "".into();
                }
                Value::object(copy)
            }
            _ => other.clone(),
        },
    })
}
