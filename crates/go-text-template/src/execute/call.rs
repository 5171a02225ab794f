//! Calls: counting and checking arguments, running the function, and framing its error.

use smallvec::SmallVec;

use super::pipeline::literal;
use super::{Execution, Observer, Operand, Running};
use crate::error::{Error, ErrorKind};
use crate::function::{Function, FunctionError, Scope};
use crate::node::{At, Callee, Expr, ExprKind};
use crate::value::{Type, Value};

/// What a function returned costs, in steps: what is not paid for could grow without end.
pub(super) fn price(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64 / 8,
        Value::List(list) => list.len() as u64,
        _ => 0,
    }
}

pub(super) type Arguments = SmallVec<[Value; 6]>;

impl<O: Observer> Execution<'_, O> {
    /// Calls what the identifier `word` names; `node` is what an error of the function points at.
    #[expect(
        clippy::too_many_arguments,
        reason = "the state of one evaluation step"
    )]
    pub(super) fn call<'p>(
        &mut self,
        running: &mut Running<'p>,
        dot: &Operand,
        node: At<'p>,
        word: &'p Expr,
        callee: Callee,
        arguments: &'p [Expr],
        last: Option<Value>,
    ) -> Result<Operand, Error> {
        match callee {
            Callee::Builtin(builtin) => {
                let name = word.word(running.source());
                self.call_builtin(running, dot, node, name, builtin, arguments, last)
            }
            Callee::Function(index) => {
                let function = *self.templates.functions().at(index);
                self.call_function(running, dot, node, &function, None, arguments, last)
                    .map(Operand::returned)
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the state of one evaluation step"
    )]
    pub(super) fn call_method<'p>(
        &mut self,
        running: &mut Running<'p>,
        dot: &Operand,
        node: &'p Expr,
        method: &Function,
        receiver: &Value,
        arguments: &'p [Expr],
        last: Option<Value>,
    ) -> Result<Operand, Error> {
        self.call_function(
            running,
            dot,
            At::Expr(node),
            method,
            Some(receiver),
            arguments,
            last,
        )
        .map(Operand::returned)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the state of one evaluation step"
    )]
    fn call_function<'p>(
        &mut self,
        running: &mut Running<'p>,
        dot: &Operand,
        node: At<'p>,
        function: &Function,
        receiver: Option<&Value>,
        arguments: &'p [Expr],
        last: Option<Value>,
    ) -> Result<Value, Error> {
        let least = function.parameters().len();
        check_count(
            running,
            function.name(),
            least,
            function.is_variadic(),
            arguments.len(),
            last.is_some(),
        )?;
        let mut values = Arguments::new();
        values.extend(receiver.cloned());
        for (index, argument) in arguments.iter().enumerate() {
            let wanted = function.parameter(index).unwrap_or(Type::Any);
            values.push(self.argument(running, dot, argument, wanted)?);
        }
        if let Some(last) = last {
            let wanted = function.parameter(arguments.len()).unwrap_or(Type::Any);
            values.push(validate(running, Operand::concrete(last), wanted)?);
        }
        for value in values.iter_mut().skip(usize::from(receiver.is_some())) {
            if let Value::Object(object) = value
                && let Some(copied) = object.copied()
            {
                *value = copied;
            }
        }
        self.spend(running)?;
        self.impurities[function.purity() as usize] += 1;
        if O::ACTIVE {
            let place = running.place(node.offset());
            self.observer.call(function, &values, place);
        }
        let result = function.call(&mut Scope::new(self), &values);
        if let Ok(value) = &result {
            self.steps += price(value);
        }
        result.map_err(|error| {
            running.at = node;
            frame_error(running, function.name(), error)
        })
    }

    /// Evaluates an argument for a parameter of this type.
    pub(super) fn argument<'p>(
        &mut self,
        running: &mut Running<'p>,
        dot: &Operand,
        expr: &'p Expr,
        wanted: Type,
    ) -> Result<Value, Error> {
        running.at = At::Expr(expr);
        match expr.kind {
            ExprKind::Nil if wanted.can_be_nil() => Ok(wanted.zero()),
            ExprKind::Nil => Err(running.refuse(format!("cannot assign nil to {}", wanted.name()))),
            ExprKind::Bool(_) | ExprKind::Number(_) | ExprKind::String(_) => {
                Self::typed_literal(running, expr, wanted)
            }
            _ => {
                let operand = self.operand(running, dot, expr)?;
                validate(running, operand, wanted)
            }
        }
    }

    /// A literal takes the type of its parameter, as an untyped constant does in Go.
    fn typed_literal(running: &Running<'_>, expr: &Expr, wanted: Type) -> Result<Value, Error> {
        let number = |place| running.tables().number(place);
        let fitting = match (wanted, expr.kind) {
            (Type::Any, _) | (Type::String, ExprKind::String(_)) => {
                return literal(running, expr);
            }
            (Type::Bool, ExprKind::Bool(value)) => Some(Value::Bool(value)),
            (Type::Int, ExprKind::Number(place)) => number(place).int.map(Value::Int),
            (Type::Int64, ExprKind::Number(place)) => number(place).int.map(Value::Int64),
            (Type::Uint32, ExprKind::Number(place)) => number(place).uint.map(Value::Uint64),
            (Type::Float64, ExprKind::Number(place)) => number(place).float.map(Value::Float64),
            _ => None,
        };
        fitting.ok_or_else(|| {
            let text = running.text_of(At::Expr(expr));
            running.refuse(match wanted {
                Type::Bool => format!("expected bool; found {text}"),
                Type::String => format!("expected string; found {text}"),
                Type::Int | Type::Int64 => format!("expected integer; found {text}"),
                Type::Uint32 => format!("expected unsigned integer; found {text}"),
                Type::Float64 => format!("expected float; found {text}"),
                other => format!("can't handle {text} for arg of type {}", other.name()),
            })
        })
    }
}

/// Go's check of the number of arguments.
pub(super) fn check_count(
    running: &Running<'_>,
    name: &str,
    parameters: usize,
    variadic: bool,
    given: usize,
    piped: bool,
) -> Result<(), Error> {
    let total = given + usize::from(piped);
    if variadic && total + 1 < parameters {
        let least = parameters - 1;
        return Err(running.refuse(format!(
            "wrong number of args for {name}: want at least {least} got {given}"
        )));
    }
    if !variadic && total != parameters {
        return Err(running.refuse(format!(
            "wrong number of args for {name}: want {parameters} got {total}"
        )));
    }
    Ok(())
}

/// The value as an argument of this type.
pub(super) fn validate(
    running: &Running<'_>,
    operand: Operand,
    wanted: Type,
) -> Result<Value, Error> {
    if wanted == Type::Any {
        return Ok(operand.value);
    }
    if operand.value.is_nil() && !operand.interface {
        if wanted.can_be_nil() {
            return Ok(wanted.zero());
        }
        return Err(running.refuse(format!("invalid value; expected {}", wanted.name())));
    }
    let wrong = |got: &str| {
        running.refuse(format!(
            "wrong type for value; expected {}; got {got}",
            wanted.name()
        ))
    };
    if operand.value.is_nil() {
        return Err(wrong("interface {}"));
    }
    wanted
        .assign(operand.value)
        .map_err(|value| wrong(value.go_type()))
}

/// Wraps what a function reported, as seen from the current node.
pub(super) fn frame_error(running: &Running<'_>, name: &str, error: FunctionError) -> Error {
    let calling = |message: &str| format!("error calling {name}: {message}");
    let failed =
        |kind, message: String| running.error(kind, calling(&message)).with_reason(message);
    match error {
        FunctionError::Message(message) => failed(ErrorKind::Function, message),
        FunctionError::Fail(message) => failed(ErrorKind::Fail, message),
        FunctionError::Required(message) => failed(ErrorKind::Required, message),
        FunctionError::Template { prefix, cause } => cause.within(running.frame(calling(&prefix))),
        FunctionError::Abort(payload) => running
            .error(ErrorKind::Abort, calling("execution stopped"))
            .with_payload(payload),
    }
}
