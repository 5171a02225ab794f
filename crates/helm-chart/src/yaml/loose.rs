//! [`Loose`]: a document as go-yaml hands it over, with keys of any scalar type and numbers that JSON
//! does not know. Owns what sigs.k8s.io/yaml says of such a value, and its form in Go syntax.
//!
//! Nearly no document needs it: the decoder comes here once it met something JSON cannot express,
//! which a later entry of the same key may have replaced.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::YamlError;
use crate::number::{write_go_float, write_go_float32};
use crate::tree::Builder;

/// A value before it is made fit for JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Loose {
    Scalar(Scalar),
    List(Vec<Loose>),
    /// Of several entries of one key the last is left.
    Map(BTreeMap<Scalar, Loose>),
}

/// A scalar, which can be a key. Ordered as Go prints keys: by type, in the order that Helm's build
/// happens to have, then by value.
#[derive(Debug, Clone)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Float(f64),
    Int(i64),
    Text(String),
    Uint(u64),
}

impl Scalar {
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 5,
            Self::Float(_) => 4,
            Self::Int(_) => 3,
            Self::Text(_) => 1,
            Self::Uint(_) => 2,
        }
    }

    /// Go's `%#v` within a container.
    fn go_syntax(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("interface {}(nil)"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Float(value) => write_go_float(out, *value),
            Self::Int(value) => out.push_str(&value.to_string()),
            Self::Text(text) => out.push_str(&go_text_template::fmt::quote(text.as_bytes())),
            Self::Uint(value) => out.push_str(&format!("{value:#x}")),
        }
    }

    /// The key as JSON has it.
    ///
    /// # Errors
    /// The type and the key as Go prints them, if this cannot be a key.
    pub(super) fn json_key(&self) -> Result<Cow<'_, str>, String> {
        Ok(match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Self::Int(value) => Cow::Owned(value.to_string()),
            Self::Float(value) => {
                let mut key = String::new();
                match (value.is_nan(), value.is_infinite()) {
                    (true, _) => key.push_str(".nan"),
                    (_, true) => key.push_str(if *value > 0.0 { ".inf" } else { "-.inf" }),
                    _ => write_go_float32(&mut key, *value),
                }
                Cow::Owned(key)
            }
            Self::Uint(value) => return Err(format!("uint64, key: {value:#x}")),
            Self::Null => return Err("%!s(<nil>), key: <nil>".to_owned()),
        })
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => left.cmp(right),
            (Self::Float(left), Self::Float(right)) => left.total_cmp(right),
            (Self::Int(left), Self::Int(right)) => left.cmp(right),
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            (Self::Uint(left), Self::Uint(right)) => left.cmp(right),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar {}

impl Loose {
    /// Go's `%#v`.
    pub(super) fn go_syntax(&self) -> String {
        if let Self::Scalar(Scalar::Null) = self {
            return "<nil>".to_owned();
        }
        let mut out = String::new();
        self.write_go_syntax(&mut out);
        out
    }

    fn write_go_syntax(&self, out: &mut String) {
        match self {
            Self::Scalar(scalar) => scalar.go_syntax(out),
            Self::List(items) => {
                out.push_str("[]interface {}{");
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    item.write_go_syntax(out);
                }
                out.push('}');
            }
            Self::Map(entries) => {
                out.push_str("map[interface {}]interface {}{");
                for (index, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    key.go_syntax(out);
                    out.push(':');
                    value.write_go_syntax(out);
                }
                out.push('}');
            }
        }
    }

    /// The value that `builder` makes of this one.
    ///
    /// # Errors
    /// For a key that cannot be a string, and for a number JSON does not have, in this order.
    pub(super) fn build<B: Builder>(&self, builder: &mut B) -> Result<B::Output, YamlError> {
        self.check_keys()?;
        self.checked(builder)
    }

    fn check_keys(&self) -> Result<(), YamlError> {
        match self {
            Self::Scalar(_) => Ok(()),
            Self::List(items) => items.iter().try_for_each(Self::check_keys),
            Self::Map(entries) => {
                for (key, value) in entries {
                    if let Err(found) = key.json_key() {
                        return Err(YamlError::unrepresentable(format!(
                            "unsupported map key of type: {found}, value: {}",
                            value.go_syntax()
                        )));
                    }
                    value.check_keys()?;
                }
                Ok(())
            }
        }
    }

    fn checked<B: Builder>(&self, builder: &mut B) -> Result<B::Output, YamlError> {
        Ok(match self {
            Self::Scalar(Scalar::Null) => builder.null(),
            Self::Scalar(Scalar::Bool(value)) => builder.boolean(*value),
            Self::Scalar(Scalar::Int(value)) => builder.int(*value),
            Self::Scalar(Scalar::Uint(value)) => builder.uint(*value),
            Self::Scalar(Scalar::Text(text)) => builder.string(text.into()),
            Self::Scalar(Scalar::Float(value)) if value.is_finite() => builder.float(*value),
            Self::Scalar(Scalar::Float(value)) => {
                let mut reason = "json: unsupported value: ".to_owned();
                write_go_float(&mut reason, *value);
                return Err(YamlError::unrepresentable(reason));
            }
            Self::List(items) => {
                let items: Result<_, _> = items.iter().map(|item| item.checked(builder)).collect();
                builder.list(items?)
            }
            Self::Map(entries) => {
                let mut built = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = key.json_key().map_err(YamlError::unrepresentable)?;
                    built.push((key, value.checked(builder)?));
                }
                built.sort_by(|(left, _), (right, _)| left.cmp(right));
                builder.map(built)
            }
        })
    }
}
