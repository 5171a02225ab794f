//! Go's own functions.

use smallvec::SmallVec;

use super::call::{Arguments, check_count, frame_error, price};
use super::{Execution, NO_VALUE, Observer, Operand, Running, compare, escape};
use crate::error::Error;
use crate::fmt;
use crate::function::{FunctionError, Scope};
use crate::node::{At, Builtin, Expr};
use crate::value::{Kind, List, Text, Type, Value};

type Operands = SmallVec<[Operand; 4]>;

impl Builtin {
    /// The number of parameters, and whether the last one repeats.
    fn arity(self) -> (usize, bool) {
        match self {
            Self::Not | Self::Len => (1, false),
            Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge => (2, false),
            Self::Html | Self::Js | Self::UrlQuery | Self::Print | Self::Println => (1, true),
            Self::And
            | Self::Or
            | Self::Index
            | Self::Slice
            | Self::Printf
            | Self::Call
            | Self::Eq => (2, true),
        }
    }
}

impl<O: Observer> Execution<'_, O> {
    #[expect(
        clippy::too_many_arguments,
        reason = "the state of one evaluation step"
    )]
    pub(super) fn call_builtin<'p>(
        &mut self,
        running: &mut Running<'p>,
        dot: &Operand,
        node: At<'p>,
        name: &str,
        builtin: Builtin,
        arguments: &'p [Expr],
        last: Option<Value>,
    ) -> Result<Operand, Error> {
        let (parameters, variadic) = builtin.arity();
        check_count(
            running,
            name,
            parameters,
            variadic,
            arguments.len(),
            last.is_some(),
        )?;
        if matches!(builtin, Builtin::And | Builtin::Or) {
            return self.short_circuit(running, dot, builtin == Builtin::Or, arguments, last);
        }
        let format = builtin == Builtin::Printf;
        let mut operands = Operands::new();
        for (index, argument) in arguments.iter().enumerate() {
            operands.push(if format && index == 0 {
                Operand::concrete(self.argument(running, dot, argument, Type::String)?)
            } else {
                self.operand(running, dot, argument)?
            });
        }
        if let Some(last) = last {
            let operand = Operand::concrete(last);
            operands.push(if format && operands.is_empty() {
                Operand::concrete(super::call::validate(running, operand, Type::String)?)
            } else {
                operand
            });
        }
        self.spend(running)?;
        if O::ACTIVE {
            let values: SmallVec<[&Value; 4]> =
                operands.iter().map(|operand| &operand.value).collect();
            self.observer.call_builtin(name, &values);
        }
        let result = self.evaluate(builtin, &operands, arguments, running);
        if let Ok(operand) = &result {
            self.steps += price(&operand.value);
        }
        result.map_err(|error| {
            running.at = node;
            frame_error(running, name, error)
        })
    }

    /// `and` and `or`: the first operand that decides, or the last one.
    fn short_circuit<'p>(
        &mut self,
        running: &mut Running<'p>,
        dot: &Operand,
        decisive: bool,
        arguments: &'p [Expr],
        last: Option<Value>,
    ) -> Result<Operand, Error> {
        let mut operand = Operand::default();
        for argument in arguments {
            operand = self.operand(running, dot, argument)?;
            if operand.value.truth() == decisive {
                return Ok(operand);
            }
        }
        Ok(last.map_or(operand, Operand::concrete))
    }

    fn evaluate(
        &mut self,
        builtin: Builtin,
        operands: &[Operand],
        arguments: &[Expr],
        running: &Running<'_>,
    ) -> Result<Operand, FunctionError> {
        let values = || {
            operands
                .iter()
                .map(|operand| operand.value.clone())
                .collect::<Arguments>()
        };
        let shown = || {
            let show = |value: Value| match &value {
                Value::Object(object) => object.pointee().unwrap_or(value),
                _ if value.is_nil() => NO_VALUE.into(),
                _ => value,
            };
            fmt::sprint(&values().into_iter().map(show).collect::<Arguments>())
        };
        let truth = |truth: bool| Ok(Operand::concrete(Value::Bool(truth)));
        let text = |text: Text| Ok(Operand::concrete(Value::String(text)));
        match (builtin, operands) {
            (Builtin::Not, [operand]) => truth(!operand.value.truth()),
            (Builtin::Len, [operand]) => {
                length(operand).map(|length| Operand::concrete(Value::Int(length as i64)))
            }
            (Builtin::Index, [item, indexes @ ..]) => index(item, indexes),
            (Builtin::Slice, [item, indexes @ ..]) => slice(item, indexes).map(Operand::concrete),
            (Builtin::Html, _) => text(escape::html(shown())),
            (Builtin::Js, _) => text(escape::javascript(shown())),
            (Builtin::UrlQuery, _) => text(escape::url_query(&shown())),
            (Builtin::Print, _) => text(fmt::sprint(&values())),
            (Builtin::Println, _) => text(fmt::sprintln(&values())),
            (Builtin::Printf, [format, rest @ ..]) => {
                let format = format.value.as_text().cloned().unwrap_or_default();
                let rest: Arguments = rest.iter().map(|operand| operand.value.clone()).collect();
                text(fmt::sprintf(format.as_bytes(), &rest))
            }
            (Builtin::Call, [function, rest @ ..]) => {
                let name = match arguments.first() {
                    Some(expr) => running.text_of(At::Expr(expr)),
                    // What `reflect.Value.String` says of a value that came through a pipe.
                    None => match &function.value {
                        Value::String(text) => text.to_string(),
                        Value::Nil => "<invalid Value>".to_owned(),
                        other => format!("<{} Value>", other.go_type()),
                    },
                };
                self.call_value(&name, &function.value, rest)
            }
            (Builtin::Eq, [first, rest @ ..]) => truth(compare::equal_any(first, rest)?),
            (Builtin::Ne, [left, right]) => truth(!compare::equal(&left.value, &right.value)?),
            (Builtin::Lt, [left, right]) => truth(compare::less(&left.value, &right.value)?),
            (Builtin::Le, [left, right]) => {
                truth(compare::less_or_equal(&left.value, &right.value)?)
            }
            (Builtin::Gt, [left, right]) => {
                truth(!compare::less_or_equal(&left.value, &right.value)?)
            }
            (Builtin::Ge, [left, right]) => truth(!compare::less(&left.value, &right.value)?),
            _ => Ok(Operand::default()),
        }
    }

    /// `call`: runs a function value.
    fn call_value(
        &mut self,
        name: &str,
        function: &Value,
        rest: &[Operand],
    ) -> Result<Operand, FunctionError> {
        let Value::Object(object) = function else {
            return Err(match function {
                Value::Nil => "call of nil".into(),
                other => {
                    FunctionError::new(format!("non-function {name} of type {}", other.go_type()))
                }
            });
        };
        let Some(function) = object.as_function() else {
            return Err(FunctionError::new(format!(
                "non-function {name} of type {}",
                object.go_type()
            )));
        };
        let wanted = function.parameters().len();
        if function.is_variadic() && rest.len() + 1 < wanted {
            let least = wanted - 1;
            let message = format!(
                "wrong number of args for {name}: got {} want at least {least}",
                rest.len()
            );
            return Err(message.into());
        }
        if !function.is_variadic() && rest.len() != wanted {
            return Err(format!(
                "wrong number of args for {name}: got {} want {wanted}",
                rest.len()
            )
            .into());
        }
        let mut arguments = Arguments::new();
        for (index, operand) in rest.iter().enumerate() {
            let parameter = function.parameter(index).unwrap_or(Type::Any);
            let value = operand.value.clone();
            let value = if value.is_nil() {
                if !parameter.can_be_nil() {
                    let name = parameter.name();
                    return Err(
                        format!("arg {index}: value is nil; should be of type {name}").into(),
                    );
                }
                parameter.zero()
            } else {
                parameter.assign(value).map_err(|value| {
                    let (got, wanted) = (value.go_type(), parameter.name());
                    format!("arg {index}: value has type {got}; should be {wanted}")
                })?
            };
            arguments.push(value);
        }
        let function = *function;
        function
            .call(&mut Scope::new(self), &arguments)
            .map(Operand::concrete)
    }
}

/// The type that `len` and `index` complain about: they follow pointers first.
fn pointed_type(value: &Value) -> &str {
    let name = value.go_type();
    match value.kind() {
        Kind::Pointer => name.strip_prefix('*').unwrap_or(name),
        _ => name,
    }
}

fn length(operand: &Operand) -> Result<usize, FunctionError> {
    match &operand.value {
        Value::Nil if operand.interface => Err("len of nil pointer".into()),
        Value::Nil => Err("reflect: call of reflect.Value.Type on zero Value".into()),
        value => value
            .length()
            .ok_or_else(|| format!("len of type {}", pointed_type(value)).into()),
    }
}

fn index(item: &Operand, indexes: &[Operand]) -> Result<Operand, FunctionError> {
    if item.value.is_nil() {
        return Err("index of untyped nil".into());
    }
    let mut current = item.clone();
    for index in indexes {
        let index = &index.value;
        current = match &current.value {
            Value::Nil => return Err("index of nil pointer".into()),
            Value::String(text) => {
                let at = position(index, text.len())?;
                Operand::concrete(Value::Uint8(
                    *text.as_bytes().get(at).ok_or_else(beyond_string)?,
                ))
            }
            Value::Bytes(bytes) => {
                let at = position(index, bytes.len())?;
                Operand::concrete(Value::Uint8(*bytes.get(at).ok_or_else(beyond_slice)?))
            }
            Value::List(list) => {
                let at = position(index, list.len())?;
                let value = list.get(at).cloned().ok_or_else(beyond_slice)?;
                Operand {
                    value,
                    interface: list.list_type().element() == Type::Any,
                }
            }
            Value::Map(map) => {
                let element = map.map_type().element();
                let value = match index {
                    Value::String(key) => map
                        .get_bytes(key.as_bytes())
                        .unwrap_or_else(|| element.zero()),
                    Value::Nil => return Err("value is nil; should be of type string".into()),
                    other => {
                        return Err(format!(
                            "value has type {}; should be string",
                            other.go_type()
                        )
                        .into());
                    }
                };
                Operand {
                    value,
                    interface: element == Type::Any,
                }
            }
            other => return Err(format!("can't index item of type {}", pointed_type(other)).into()),
        };
    }
    Ok(current)
}

fn beyond_string() -> FunctionError {
    "reflect: string index out of range".into()
}

fn beyond_slice() -> FunctionError {
    "reflect: slice index out of range".into()
}

/// An index or slice bound between 0 and `limit`.
fn position(index: &Value, limit: usize) -> Result<usize, FunctionError> {
    let number = match (index, index.kind()) {
        (Value::Uint64(number), _) => *number as i64,
        (Value::Nil, _) => return Err("cannot index slice/array with nil".into()),
        (other, Kind::Int | Kind::Int32 | Kind::Int64 | Kind::Uint8) => {
            other.as_i64().unwrap_or(-1)
        }
        (other, _) => {
            return Err(format!("cannot index slice/array with type {}", other.go_type()).into());
        }
    };
    usize::try_from(number)
        .ok()
        .filter(|number| *number <= limit)
        .ok_or_else(|| format!("index out of range: {number}").into())
}

fn slice(item: &Operand, indexes: &[Operand]) -> Result<Value, FunctionError> {
    if item.value.is_nil() {
        return Err("slice of untyped nil".into());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()).into());
    }
    let length = match &item.value {
        Value::String(_) if indexes.len() == 3 => {
            return Err("cannot 3-index slice a string".into());
        }
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        other => return Err(format!("can't slice item of type {}", other.go_type()).into()),
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = position(&index.value, length)?;
    }
    let [start, end, capacity] = bounds;
    if start > end {
        return Err(format!("invalid slice index: {start} > {end}").into());
    }
    if indexes.len() == 3 && end > capacity {
        return Err(format!("invalid slice index: {end} > {capacity}").into());
    }
    Ok(match &item.value {
        Value::String(text) => Value::String(text.as_bytes()[start..end].into()),
        Value::Bytes(bytes) => Value::Bytes(bytes[start..end].into()),
        Value::List(list) => {
            Value::List(List::with_type(list.list_type(), list[start..end].to_vec()))
        }
        _ => Value::Nil,
    })
}
