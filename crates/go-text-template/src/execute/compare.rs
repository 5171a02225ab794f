//! `eq`, `ne`, `lt`, `le`, `gt`, `ge`: Go's strict comparison of basic kinds.

use super::Operand;
use crate::fmt;
use crate::function::FunctionError;
use crate::value::{Kind, Value};

#[derive(PartialEq)]
enum Basic<'v> {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    String(&'v [u8]),
}

fn basic(value: &Value) -> Option<Basic<'_>> {
    Some(match value {
        Value::Bool(value) => Basic::Bool(*value),
        Value::Int(value) | Value::Int64(value) => Basic::Int(*value),
        Value::Int32(value) => Basic::Int(i64::from(*value)),
        Value::Uint8(value) => Basic::Uint(u64::from(*value)),
        Value::Uint64(value) => Basic::Uint(*value),
        Value::Float64(value) => Basic::Float(*value),
        Value::String(text) => Basic::String(text.as_bytes()),
        Value::Nil | Value::Bytes(_) | Value::List(_) | Value::Map(_) | Value::Object(_) => {
            return None;
        }
    })
}

fn incompatible(left: &Value, right: &Value) -> FunctionError {
    format!(
        "incompatible types for comparison: {} and {}",
        left.go_type(),
        right.go_type()
    )
    .into()
}

/// Whether the first equals any of the others.
pub(super) fn equal_any(first: &Operand, rest: &[Operand]) -> Result<bool, FunctionError> {
    if rest.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in rest {
        if equal(&first.value, &other.value)? {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn equal(left: &Value, right: &Value) -> Result<bool, FunctionError> {
    match (basic(left), basic(right)) {
        (Some(Basic::Int(int)), Some(Basic::Uint(uint)))
        | (Some(Basic::Uint(uint)), Some(Basic::Int(int))) => Ok(u64::try_from(int) == Ok(uint)),
        (Some(basic_left), Some(basic_right)) => {
            if std::mem::discriminant(&basic_left) == std::mem::discriminant(&basic_right) {
                Ok(basic_left == basic_right)
            } else {
                Err(incompatible(left, right))
            }
        }
        (None, None) => equal_others(left, right),
        _ if left.is_nil() || right.is_nil() => Ok(false),
        _ => Err(incompatible(left, right)),
    }
}

fn is_nil(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::List(list) => list.is_nil(),
        Value::Map(map) => map.is_nil(),
        _ => false,
    }
}

fn equal_others(left: &Value, right: &Value) -> Result<bool, FunctionError> {
    if !left.is_nil() && !right.is_nil() && left.kind() != right.kind() {
        let text = |value: &Value| fmt::sprintf(b"%s", std::slice::from_ref(value)).to_string();
        let message = format!(
            "non-comparable types {}: {}, {}: {right}",
            text(left),
            left.go_type(),
            right.go_type()
        );
        return Err(message.into());
    }
    if is_nil(left) || is_nil(right) {
        return Ok(is_nil(left) == is_nil(right));
    }
    if let (Value::Object(left), Value::Object(right)) = (left, right)
        && right.is_comparable()
    {
        // Pointers are equal if they point at the same thing, structs if they hold the same.
        return Ok(std::rc::Rc::ptr_eq(left, right)
            || left.kind() != Kind::Pointer && left.deep_equal(right.as_ref()));
    }
    let text = fmt::sprintf(b"%s", std::slice::from_ref(right));
    Err(format!("non-comparable type {text}: {}", right.go_type()).into())
}

pub(super) fn less(left: &Value, right: &Value) -> Result<bool, FunctionError> {
    let (Some(basic_left), Some(basic_right)) = (basic(left), basic(right)) else {
        return Err("invalid type for comparison".into());
    };
    match (basic_left, basic_right) {
        (Basic::Int(left), Basic::Int(right)) => Ok(left < right),
        (Basic::Uint(left), Basic::Uint(right)) => Ok(left < right),
        (Basic::Float(left), Basic::Float(right)) => Ok(left < right),
        (Basic::String(left), Basic::String(right)) => Ok(left < right),
        (Basic::Int(left), Basic::Uint(right)) => {
            Ok(u64::try_from(left).is_ok_and(|left| left < right) || left < 0)
        }
        (Basic::Uint(left), Basic::Int(right)) => {
            Ok(u64::try_from(right).is_ok_and(|right| left < right))
        }
        (Basic::Bool(_), Basic::Bool(_)) => Err("invalid type for comparison".into()),
        _ => Err(incompatible(left, right)),
    }
}

pub(super) fn less_or_equal(left: &Value, right: &Value) -> Result<bool, FunctionError> {
    Ok(less(left, right)? || equal(left, right)?)
}
