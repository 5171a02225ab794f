//! YAML and JSON into text and back, as Helm spells these functions.
//!
//! The plain forms swallow errors: writers return an empty text, readers a map with the key
//! `Error` (or a list with the text). Formats are [`crate::yaml`]'s and [`crate::json`]'s.

use go_text_template::{FunctionError, List, ListType, Map, MapType, Type, Value};

use super::arguments::{Answer, any, text};
use super::data::TemplateValues;
use super::entry::Entry;
use crate::json::{self, WriteError};
use crate::yaml::{self, EmitError};

const ANY: &[Type] = &[Type::Any];
const TEXT: &[Type] = &[Type::String];

/// YAML and JSON functions.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "toYaml",
        ANY,
        |_, args| or_empty(yaml::to_string(any(args, 0)), &EmitError::TooLong),
        "The value as YAML.",
    ),
    Entry::new(
        "mustToYaml",
        ANY,
        |_, args| must(yaml::to_string(any(args, 0))),
        "The value as YAML, or an error.",
    )
    .since_helm4(),
    Entry::new(
        "toYamlPretty",
        ANY,
        |_, args| or_empty(yaml::to_string_pretty(any(args, 0)), &EmitError::TooLong),
        "The value as YAML with indented sequences.",
    ),
    Entry::new(
        "fromYaml",
        TEXT,
        |_, args| Ok(table(from_yaml(args), YAML_PREFIX)),
        "The map a YAML text holds.",
    ),
    Entry::new(
        "fromYamlArray",
        TEXT,
        |_, args| Ok(array(from_yaml(args), YAML_PREFIX)),
        "The list a YAML text holds.",
    ),
    Entry::new(
        "toJson",
        ANY,
        |_, args| or_empty(json::to_string(any(args, 0)), &WriteError::TooLong),
        "The value as JSON.",
    ),
    Entry::new(
        "mustToJson",
        ANY,
        |_, args| must(json::to_string(any(args, 0))),
        "The value as JSON, or an error.",
    ),
    Entry::new(
        "toPrettyJson",
        ANY,
        |_, args| {
            or_empty(
                json::to_string_pretty(any(args, 0), "  "),
                &WriteError::TooLong,
            )
        },
        "The value as indented JSON.",
    ),
    Entry::new(
        "mustToPrettyJson",
        ANY,
        |_, args| must(json::to_string_pretty(any(args, 0), "  ")),
        "The value as indented JSON, or an error.",
    ),
    Entry::new(
        "toRawJson",
        ANY,
        |_, args| must(json::to_string_raw(any(args, 0))),
        "The value as JSON without HTML escapes.",
    ),
    Entry::new(
        "mustToRawJson",
        ANY,
        |_, args| must(json::to_string_raw(any(args, 0))),
        "The value as JSON without HTML escapes, or an error.",
    ),
    Entry::new(
        "fromJson",
        TEXT,
        |_, args| {
            Ok(
                match json::parse_partly(text(args, 0)?.as_bytes(), &mut TemplateValues) {
                    Ok((Value::Map(map), Some(error))) => {
                        map.insert("Error", error.to_string());
                        map.into()
                    }
                    Ok((value, error)) => table::<String>(Ok(number_if(error.as_ref(), value)), ""),
                    Err(error) => table(Err(error), ""),
                },
            )
        },
        "The map a JSON text holds.",
    ),
    Entry::new(
        "fromJsonArray",
        TEXT,
        |_, args| {
            Ok(
                match json::parse_partly(text(args, 0)?.as_bytes(), &mut TemplateValues) {
                    Ok((Value::List(_), Some(error))) | Err(error) => array(Err(error), ""),
                    Ok((value, error)) => array::<String>(Ok(number_if(error.as_ref(), value)), ""),
                },
            )
        },
        "The list a JSON text holds.",
    ),
    Entry::new(
        "mustFromJson",
        TEXT,
        |_, args| from_json(args).map_err(FunctionError::from),
        "The value a JSON text holds, or an error.",
    ),
];

/// What sigs.k8s.io/yaml puts before the complaints of `encoding/json`.
const YAML_PREFIX: &str = "error unmarshaling JSON: while decoding JSON: ";

/// A number left out for being no `float64` is a number still where another kind is wanted.
fn number_if(left_out: Option<&json::JsonError>, value: Value) -> Value {
    match left_out {
        Some(_) if value.is_nil() => Value::Float64(0.0),
        _ => value,
    }
}

fn from_json(args: &[Value]) -> Result<Value, String> {
    let source = text(args, 0).map_err(|error| error.to_string())?;
    match json::parse_partly(source.as_bytes(), &mut TemplateValues) {
        Ok((value, None)) => Ok(value),
        Ok((_, Some(error))) | Err(error) => Err(error.to_string()),
    }
}

fn from_yaml(args: &[Value]) -> Result<Value, String> {
    let source = text(args, 0).map_err(|error| error.to_string())?;
    yaml::parse_bytes_with(source.as_bytes(), &mut TemplateValues)
        .map_err(|error| error.to_string())
}

/// Helm's forms without `must` answer with an empty text, except where a limit of ours is met.
fn or_empty<E: ToString + PartialEq>(text: Result<String, E>, too_long: &E) -> Answer {
    match text {
        Err(error) if error == *too_long => Err(FunctionError::new(error.to_string())),
        other => Ok(other.unwrap_or_default().into()),
    }
}

fn must<E: ToString>(text: Result<String, E>) -> Answer {
    text.map(Value::from)
        .map_err(|error| FunctionError::new(error.to_string()))
}

/// What `encoding/json` says of a value it cannot put into a Go type.
fn mismatch(found: &Value, wanted: &str, prefix: &str) -> String {
    let found = match found {
        Value::Bool(_) => "bool",
        Value::String(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
        _ => "number",
    };
    format!("{prefix}json: cannot unmarshal {found} into Go value of type {wanted}")
}

fn table<E: ToString>(parsed: Result<Value, E>, prefix: &str) -> Value {
    let problem = match parsed {
        Ok(Value::Map(map)) => return Value::Map(map),
        // A JSON null makes Go's map nil, an empty YAML document leaves it empty.
        Ok(Value::Nil) if prefix.is_empty() => return Value::Map(Map::nil(MapType::ANY)),
        Ok(Value::Nil) => return Map::new().into(),
        Ok(other) => mismatch(&other, "map[string]interface {}", prefix),
        Err(error) => error.to_string(),
    };
    Value::map([("Error", problem)])
}

fn array<E: ToString>(parsed: Result<Value, E>, prefix: &str) -> Value {
    let problem = match parsed {
        Ok(Value::List(list)) => return Value::List(list),
        Ok(Value::Nil) if prefix.is_empty() => return Value::List(List::nil(ListType::ANY)),
        Ok(Value::Nil) => return List::new().into(),
        Ok(other) => mismatch(&other, "[]interface {}", prefix),
        Err(error) => error.to_string(),
    };
    Value::list([problem])
}
