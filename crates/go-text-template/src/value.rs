//! [`Value`]: what a template computes with. A single-threaded, cheaply cloned value that keeps
//! Go's dynamic types apart, because templates can see them (`typeOf`, `eq`, `printf "%T"`).
//!
//! Owns types, sharing and equality. Refuses text: how a value prints belongs to [`crate::fmt`].
//!
//! Cloning never copies content: strings, lists, maps and objects are reference counted. Maps are
//! shared *and* mutable, as Go's are: a map reached through two names is one map.

mod complex;
mod list;
mod map;
mod object;
mod text;
mod types;

use std::cell::Cell;
use std::fmt::{self, Debug, Display, Formatter};
use std::rc::Rc;
use std::sync::Arc;

pub(crate) use complex::{Complex, complex};
pub use list::List;
pub use map::{Entries, Map};
pub use object::Object;
pub use text::Text;
pub use types::{Kind, ListType, MapType, Type};

/// A dynamic value with one of the Go types that templates can tell apart.
///
/// [`Value::Nil`] is Go's untyped `nil` as well as a nil `interface{}`.
///
/// ```
/// use go_text_template::{Map, Value};
///
/// let labels = Map::new();
/// labels.insert("tier", "web");
/// let alias = Value::from(labels.clone());
/// labels.insert("replicas", 3_i64);
/// assert_eq!(alias.to_string(), "map[replicas:3 tier:web]");
/// ```
#[derive(Clone, Default)]
pub enum Value {
    /// `nil`.
    #[default]
    Nil,
    /// `bool`.
    Bool(bool),
    /// `int`: what integer literals, `len` and `until` produce.
    Int(i64),
    /// `int64`: what integer arithmetic and `--set` produce.
    Int64(i64),
    /// `int32`, also called `rune`.
    Int32(i32),
    /// `uint8`, also called `byte`.
    Uint8(u8),
    /// `uint64`.
    Uint64(u64),
    /// `float64`: every number of a values file.
    Float64(f64),
    /// `string`.
    String(Text),
    /// `[]uint8`, that is `[]byte`.
    Bytes(Arc<[u8]>),
    /// A slice of any other element type.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// Anything else: structs, pointers, functions.
    Object(Rc<dyn Object>),
}

impl Value {
    /// The `map[string]interface {}` value with these entries; a later key replaces an earlier one.
    pub fn map<K: Into<Text>, V: Into<Value>>(entries: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Map(Map::from_iter(entries))
    }

    /// The `[]interface {}` value of these items.
    pub fn list<V: Into<Value>>(items: impl IntoIterator<Item = V>) -> Self {
        Self::List(List::from_iter(items))
    }

    /// The `[]string` value of these items.
    pub fn strings<S: Into<Text>>(items: impl IntoIterator<Item = S>) -> Self {
        let items = items.into_iter().map(|item| Self::String(item.into()));
        Self::List(List::with_type(ListType::STRING, items.collect()))
    }

    /// Wraps an object.
    pub fn object(object: impl Object) -> Self {
        Self::Object(Rc::new(object))
    }

    /// Whether this is `nil`.
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// Go's truth: false, zero, `""`, `nil` and empty collections are false; structs are true.
    pub fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) | Self::Int64(value) => *value != 0,
            Self::Int32(value) => *value != 0,
            Self::Uint8(value) => *value != 0,
            Self::Uint64(value) => *value != 0,
            Self::Float64(value) => *value != 0.0,
            Self::String(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Object(object) => object.truth(),
        }
    }

    /// The dynamic Go type, as `%T` prints it; `"<nil>"` for `nil`.
    pub fn go_type(&self) -> &str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Int64(_) => "int64",
            Self::Int32(_) => "int32",
            Self::Uint8(_) => "uint8",
            Self::Uint64(_) => "uint64",
            Self::Float64(_) => "float64",
            Self::String(_) => "string",
            Self::Bytes(_) => "[]uint8",
            Self::List(list) => list.list_type().name(),
            Self::Map(map) => map.map_type().name(),
            Self::Object(object) => object.go_type(),
        }
    }

    /// The Go kind (`reflect.Kind`).
    pub fn kind(&self) -> Kind {
        match self {
            Self::Nil => Kind::Invalid,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Int64(_) => Kind::Int64,
            Self::Int32(_) => Kind::Int32,
            Self::Uint8(_) => Kind::Uint8,
            Self::Uint64(_) => Kind::Uint64,
            Self::Float64(_) => Kind::Float64,
            Self::String(_) => Kind::String,
            Self::Bytes(_) | Self::List(_) => Kind::Slice,
            Self::Map(_) => Kind::Map,
            Self::Object(object) => object.kind(),
        }
    }

    /// The text of a `string` that is valid UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => text.as_str(),
            _ => None,
        }
    }

    /// The `string`, whatever bytes it holds.
    pub fn as_text(&self) -> Option<&Text> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number if this has any integer type and fits an `i64`.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(value) | Self::Int64(value) => Some(*value),
            Self::Int32(value) => Some(i64::from(*value)),
            Self::Uint8(value) => Some(i64::from(*value)),
            Self::Uint64(value) => i64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// The number if this is a `float64`.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float64(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of a `bool`.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The list, if this is one; `[]byte` is not.
    pub fn as_list(&self) -> Option<&List> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The map, if this is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// A number that all handles of one map or list have in common and no other living value has;
    /// `None` for everything that is not shared.
    pub fn identity(&self) -> Option<usize> {
        match self {
            Self::List(list) => Some(list.identity()),
            Self::Map(map) => Some(map.identity()),
            _ => None,
        }
    }

    /// The object of concrete type `T`, if this holds one.
    pub fn downcast<T: Object>(&self) -> Option<&T> {
        match self {
            Self::Object(object) => (object.as_ref() as &dyn std::any::Any).downcast_ref(),
            _ => None,
        }
    }

    /// The number of elements or bytes; `None` where Go's `len` would fail.
    pub fn length(&self) -> Option<usize> {
        match self {
            Self::String(text) => Some(text.len()),
            Self::Bytes(bytes) => Some(bytes.len()),
            Self::List(list) => Some(list.len()),
            Self::Map(map) => Some(map.len()),
            Self::Object(object) => object.length(),
            _ => None,
        }
    }

    /// `reflect.DeepEqual`: same dynamic types, same content (`1` and `1.0` differ).
    ///
    /// Nesting beyond 10,000 levels counts as different.
    pub fn deep_equal(&self, other: &Self) -> bool {
        types::deep_equal(self, other, 10_000, &Cell::new(10_000_000))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// Makes a Go `int`; use [`Value::Int64`] where Go has an `int64`.
impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float64(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}

impl From<Text> for Value {
    fn from(value: Text) -> Self {
        Self::String(value)
    }
}

impl From<List> for Value {
    fn from(value: List) -> Self {
        Self::List(value)
    }
}

impl From<Map> for Value {
    fn from(value: Map) -> Self {
        Self::Map(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(value: Vec<Value>) -> Self {
        Self::List(value.into())
    }
}

/// Prints like Go's `%v`.
impl Display for Value {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(&String::from_utf8_lossy(
            crate::fmt::sprint_value(self).as_bytes(),
        ))
    }
}

/// Prints the Go type and the `%v` text; for diagnostics only.
impl Debug for Value {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}({self})", self.go_type())
    }
}
