//! [`Path`]: the way to a field, in the notations of `fieldsV1` and of conflict messages. It owns
//! both notations; it refuses values.

use std::fmt;

use serde_json::Value;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Element {
    /// `f:name`: a field of a map.
    Field(String),
    /// `k:{…}`: an item of an associative list, by its keys as compact JSON.
    Key(String),
    /// `v:…`: an item of a set, as JSON.
    Value(String),
    /// `i:n`: an item by position.
    Index(usize),
}

/// Steps from the object's root.
pub(crate) type Path = Vec<Element>;

impl Element {
    /// As a key of `fieldsV1`.
    pub(crate) fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => format!("k:{keys}"),
            Self::Value(value) => format!("v:{value}"),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    /// From a key of `fieldsV1`.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        Some(match kind {
            "f" => Self::Field(rest.to_owned()),
            "k" => Self::Key(serde_json::from_str::<Value>(rest).ok()?.to_string()),
            "v" => Self::Value(serde_json::from_str::<Value>(rest).ok()?.to_string()),
            "i" => Self::Index(rest.parse().ok()?),
            _ => return None,
        })
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                let parsed: serde_json::Map<String, Value> =
                    serde_json::from_str(keys).unwrap_or_default();
                let parts: Vec<_> = parsed
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                write!(f, "[{}]", parts.join(","))
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// As conflicts name it: `.spec.template.spec.containers[name="web"].image`.
pub(crate) fn text(path: &[Element]) -> String {
    path.iter().map(ToString::to_string).collect()
}
