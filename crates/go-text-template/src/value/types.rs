//! Go's types as templates see them: kinds, type names, assignability, and what follows from them
//! for whole values (deep equality, taking deep values apart).

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::{List, Map, Text, Value};
use crate::function::Function;

/// A Go kind (`reflect.Kind`), limited to those a template can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// No value at all: `nil`.
    Invalid,
    /// `bool`.
    Bool,
    /// `int`.
    Int,
    /// `int32`.
    Int32,
    /// `int64`.
    Int64,
    /// `uint8`.
    Uint8,
    /// `uint64`.
    Uint64,
    /// `float64`.
    Float64,
    /// `complex128`.
    Complex128,
    /// `string`.
    String,
    /// A slice.
    Slice,
    /// A map.
    Map,
    /// A struct.
    Struct,
    /// A pointer.
    Pointer,
    /// A function.
    Func,
}

impl Kind {
    /// The name Go prints, such as `slice` or `ptr`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint64 => "uint64",
            Self::Float64 => "float64",
            Self::Complex128 => "complex128",
            Self::String => "string",
            Self::Slice => "slice",
            Self::Map => "map",
            Self::Struct => "struct",
            Self::Pointer => "ptr",
            Self::Func => "func",
        }
    }
}

/// A static Go type: what a parameter or an element is declared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Type {
    /// `interface {}`: everything.
    Any,
    /// `bool`.
    Bool,
    /// `int`.
    Int,
    /// `int64`.
    Int64,
    /// `uint32`; delivered as [`Value::Uint64`].
    Uint32,
    /// `float64`.
    Float64,
    /// `string`.
    String,
    /// `[]interface {}`; `nil` arrives as a nil [`List`].
    List,
    /// `[]uint8`.
    Bytes,
    /// `map[string]interface {}`; `nil` arrives as a nil [`Map`].
    Map,
    /// Any other type, by name; only an object of exactly this Go type fits.
    Named(&'static str),
}

impl Type {
    /// The name Go prints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Uint32 => "uint32",
            Self::Float64 => "float64",
            Self::String => "string",
            Self::List => "[]interface {}",
            Self::Bytes => "[]uint8",
            Self::Map => "map[string]interface {}",
            Self::Named(name) => name,
        }
    }

    /// Whether `nil` is a value of this type.
    pub(crate) fn can_be_nil(self) -> bool {
        match self {
            Self::Any | Self::List | Self::Map | Self::Bytes => true,
            Self::Named(name) => {
                name.starts_with(['*', '[', 'm'])
                    && (!name.starts_with('m') || name.starts_with("map["))
            }
            _ => false,
        }
    }

    /// The zero value: what a missing map key of this element type gives.
    pub(crate) fn zero(self) -> Value {
        match self {
            Self::Any | Self::Named(_) => Value::Nil,
            Self::Bool => Value::Bool(false),
            Self::Int => Value::Int(0),
            Self::Int64 => Value::Int64(0),
            Self::Uint32 => Value::Uint64(0),
            Self::Float64 => Value::Float64(0.0),
            Self::String => Value::String(Text::default()),
            Self::List => Value::List(List::nil(ListType::ANY)),
            Self::Bytes => Value::Bytes(Arc::from([])),
            Self::Map => Value::Map(Map::nil(MapType::ANY)),
        }
    }

    /// The value as this type, if Go would assign it; a named map type becomes the unnamed one.
    pub(crate) fn assign(self, value: Value) -> Result<Value, Value> {
        let fits = match (self, &value) {
            (Self::Map, Value::Map(map)) => {
                if map.map_type() == MapType::ANY {
                    return Ok(value);
                }
                if map.map_type().element() != Self::Any {
                    return Err(value);
                }
                return Ok(Value::Map(map.retyped(MapType::ANY)));
            }
            (Self::Any, _)
            | (Self::Bool, Value::Bool(_))
            | (Self::Int, Value::Int(_))
            | (Self::Int64, Value::Int64(_))
            | (Self::Float64, Value::Float64(_))
            | (Self::String, Value::String(_))
            | (Self::Bytes, Value::Bytes(_)) => true,
            (Self::List, Value::List(list)) => list.list_type() == ListType::ANY,
            (Self::Named(name), other) => other.go_type() == name,
            _ => false,
        };
        if fits { Ok(value) } else { Err(value) }
    }
}

/// The Go type of a [`Map`].
#[derive(Clone, Copy)]
pub struct MapType {
    name: &'static str,
    element: Type,
    methods: &'static [Function],
}

impl MapType {
    /// `map[string]interface {}`.
    pub const ANY: Self = Self::named("map[string]interface {}", Type::Any);
    /// `map[string]string`.
    pub const STRING: Self = Self::named("map[string]string", Type::String);

    /// A type of this name whose values have this type, such as `common.Values`.
    pub const fn named(name: &'static str, element: Type) -> Self {
        Self {
            name,
            element,
            methods: &[],
        }
    }

    /// The same type with methods. Each takes the map as its first argument, which is not among
    /// its parameter types.
    #[must_use]
    pub const fn with_methods(self, methods: &'static [Function]) -> Self {
        Self { methods, ..self }
    }

    /// The name Go prints.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The type of the values.
    pub const fn element(self) -> Type {
        self.element
    }

    /// The methods.
    pub const fn methods(self) -> &'static [Function] {
        self.methods
    }
}

impl PartialEq for MapType {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for MapType {}

impl std::fmt::Debug for MapType {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}

/// The Go type of a [`List`].
#[derive(Clone, Copy)]
pub struct ListType {
    name: &'static str,
    element: Type,
    methods: &'static [Function],
}

impl ListType {
    /// `[]interface {}`.
    pub const ANY: Self = Self::named("[]interface {}", Type::Any);
    /// `[]string`.
    pub const STRING: Self = Self::named("[]string", Type::String);
    /// `[]int`.
    pub const INT: Self = Self::named("[]int", Type::Int);

    /// A type of this name whose items have this type.
    pub const fn named(name: &'static str, element: Type) -> Self {
        Self {
            name,
            element,
            methods: &[],
        }
    }

    /// The same type with methods. Each takes the list as its first argument, which is not among
    /// its parameter types.
    #[must_use]
    pub const fn with_methods(self, methods: &'static [Function]) -> Self {
        Self { methods, ..self }
    }

    /// The name Go prints.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The type of the items.
    pub const fn element(self) -> Type {
        self.element
    }

    /// The methods.
    pub const fn methods(self) -> &'static [Function] {
        self.methods
    }
}

impl PartialEq for ListType {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for ListType {}

impl std::fmt::Debug for ListType {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}

/// Go's `reflect.DeepEqual`; `false` once `budget` comparisons are spent or `depth` is reached.
pub(super) fn deep_equal(left: &Value, right: &Value, depth: usize, budget: &Cell<usize>) -> bool {
    let (Some(depth), Some(rest)) = (depth.checked_sub(1), budget.get().checked_sub(1)) else {
        return false;
    };
    budget.set(rest);
    match (left, right) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Int(left), Value::Int(right)) | (Value::Int64(left), Value::Int64(right)) => {
            left == right
        }
        (Value::Int32(left), Value::Int32(right)) => left == right,
        (Value::Uint8(left), Value::Uint8(right)) => left == right,
        (Value::Uint64(left), Value::Uint64(right)) => left == right,
        #[expect(clippy::float_cmp, reason = "DeepEqual compares floats with ==")]
        (Value::Float64(left), Value::Float64(right)) => left == right,
        (Value::String(left), Value::String(right)) => left == right,
        (Value::Bytes(left), Value::Bytes(right)) => left == right,
        (Value::List(left), Value::List(right)) => deep_equal_lists(left, right, depth, budget),
        (Value::Map(left), Value::Map(right)) => deep_equal_maps(left, right, depth, budget),
        (Value::Object(left), Value::Object(right)) => {
            Rc::ptr_eq(left, right)
                || left.go_type() == right.go_type() && left.deep_equal(right.as_ref())
        }
        _ => false,
    }
}

fn deep_equal_lists(left: &List, right: &List, depth: usize, budget: &Cell<usize>) -> bool {
    left.list_type() == right.list_type()
        && left.is_nil() == right.is_nil()
        && left.len() == right.len()
        && (left.ptr_eq(right)
            || crate::stack::grow(|| {
                left.iter()
                    .zip(right.iter())
                    .all(|(left, right)| deep_equal(left, right, depth, budget))
            }))
}

fn deep_equal_maps(left: &Map, right: &Map, depth: usize, budget: &Cell<usize>) -> bool {
    if left.map_type() != right.map_type()
        || left.is_nil() != right.is_nil()
        || left.len() != right.len()
    {
        return false;
    }
    if left.ptr_eq(right) {
        return true;
    }
    let (left, right) = (left.entries(), right.entries());
    crate::stack::grow(|| {
        left.iter()
            .zip(right.iter())
            .all(|((left_key, left), (right_key, right))| {
                left_key == right_key && deep_equal(left, right, depth, budget)
            })
    })
}

pub(super) fn is_container(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Map(_))
}

/// Drops values without recursion, however deeply they nest.
pub(super) fn dismantle(mut values: Vec<Value>) {
    while let Some(value) = values.pop() {
        match value {
            Value::List(list) => values.append(&mut list.into_unshared_items()),
            Value::Map(map) => values.append(&mut map.into_unshared_items()),
            _ => {}
        }
    }
}
