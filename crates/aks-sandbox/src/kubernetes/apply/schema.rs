//! [`Node`]: how a field merges: as a granular map, an atomic value, an associative list or a set.
//! It owns finding that out, from the built-in table or a CRD's schema; it refuses validation.

use serde_json::{Map, Value};

use super::builtin;
use super::path::{Element, text};

/// How the value at a node merges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum How {
    /// Field by field, if it is a map; else as a whole.
    Granular,
    /// As a whole.
    Atomic,
    /// A list whose items are known by these fields.
    Keyed(Vec<String>),
    /// A list of scalars, each once.
    Set,
}

#[derive(Debug, Clone, Copy)]
enum Type<'a> {
    Builtin(&'static str),
    Schema(&'a Value),
    Untyped,
}

/// A place in a kind's schema.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    /// How its value merges.
    pub(crate) how: How,
    kind: Type<'a>,
}

/// An object does not fit its schema's lists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct SchemaError {
    message: String,
}

impl SchemaError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }

    pub(super) fn duplicate(element: &Element) -> Self {
        Self::new(format!("duplicate entries for key {element}"))
    }

    pub(super) fn at(self, path: &[Element]) -> Self {
        Self::new(format!("{}: {}", text(path), self.message))
    }
}

impl<'a> Node<'a> {
    /// The root of a built-in kind.
    pub(crate) fn builtin(kind: &str) -> Self {
        Self {
            how: How::Granular,
            kind: Type::Builtin(builtin::root(kind)),
        }
    }

    /// The root of a custom resource, by its version's `openAPIV3Schema`.
    pub(crate) fn custom(schema: &'a Value) -> Self {
        Self {
            how: How::Granular,
            kind: Type::Schema(schema),
        }
    }

    /// The node of a map's field.
    pub(crate) fn child(&self, name: &str) -> Self {
        match self.kind {
            Type::Builtin(kind) => match builtin::field(kind, name) {
                Some((how, child)) => Self {
                    how,
                    kind: Type::Builtin(child),
                },
                None => Self::untyped(),
            },
            Type::Schema(schema) => {
                if name == "metadata"
                    && schema.pointer("/properties/metadata/properties").is_none()
                    && schema
                        .get("properties")
                        .is_some_and(|p| p.get("kind").is_some())
                {
                    return Self {
                        how: How::Granular,
                        kind: Type::Builtin("ObjectMeta"),
                    };
                }
                schema
                    .get("properties")
                    .and_then(|properties| properties.get(name))
                    .or_else(|| {
                        schema
                            .get("additionalProperties")
                            .filter(|more| more.is_object())
                    })
                    .map_or_else(
                        || {
                            if name == "metadata" {
                                Self {
                                    how: How::Granular,
                                    kind: Type::Builtin("ObjectMeta"),
                                }
                            } else {
                                Self::untyped()
                            }
                        },
                        Self::of_schema,
                    )
            }
            Type::Untyped => Self::untyped(),
        }
    }

    /// The node of a list's items.
    pub(crate) fn item(&self) -> Self {
        match self.kind {
            Type::Builtin(kind) => Self {
                how: builtin::item(kind),
                kind: Type::Builtin(kind),
            },
            Type::Schema(schema) => schema
                .get("items")
                .map_or_else(Self::untyped, Self::of_schema),
            Type::Untyped => Self::untyped(),
        }
    }

    fn untyped() -> Self {
        Self {
            how: How::Granular,
            kind: Type::Untyped,
        }
    }

    fn of_schema(schema: &'a Value) -> Self {
        let text = |key: &str| schema.get(key).and_then(Value::as_str);
        let how = match (
            text("x-kubernetes-list-type"),
            text("x-kubernetes-map-type"),
        ) {
            (Some("map"), _) => How::Keyed(
                schema["x-kubernetes-list-map-keys"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|key| key.as_str().map(str::to_owned))
                    .collect(),
            ),
            (Some("set"), _) => How::Set,
            (_, Some("atomic")) => How::Atomic,
            _ => How::Granular,
        };
        Self {
            how,
            kind: Type::Schema(schema),
        }
    }

    /// The step to an item of this list.
    pub(crate) fn element(&self, item: &Value, index: usize) -> Result<Element, SchemaError> {
        match &self.how {
            How::Keyed(keys) => {
                let mut found = Map::new();
                for key in keys {
                    let value = item
                        .get(key)
                        .filter(|value| !value.is_null())
                        .cloned()
                        .or_else(|| self.key_default(key));
                    let value = value.ok_or_else(|| {
                        SchemaError::new(format!(
                            "element {index}: associative list with keys has an element that omits key field \"{key}\" (and doesn't have default value)"
                        ))
                    })?;
                    found.insert(key.clone(), value);
                }
                // Keys are written in order, whatever the map's own order is.
                let mut sorted: Vec<_> = found.into_iter().collect();
                sorted.sort_by(|a, b| a.0.cmp(&b.0));
                let parts: Vec<_> = sorted
                    .iter()
                    .map(|(key, value)| format!("{}:{value}", Value::from(key.as_str())))
                    .collect();
                Ok(Element::Key(format!("{{{}}}", parts.join(","))))
            }
            How::Set => Ok(Element::Value(item.to_string())),
            How::Granular | How::Atomic => Ok(Element::Index(index)),
        }
    }

    fn key_default(&self, key: &str) -> Option<Value> {
        match self.kind {
            Type::Builtin(_) => (key == "protocol").then(|| Value::from("TCP")),
            Type::Schema(schema) => schema
                .get("items")?
                .get("properties")?
                .get(key)?
                .get("default")
                .cloned(),
            Type::Untyped => None,
        }
    }
}
