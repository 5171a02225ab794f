//! Pipelines, commands and operands.

use super::{Execution, Observer, Operand, Running};
use crate::error::Error;
use crate::node::{At, Command, Expr, ExprKind, Pipe};
use crate::unquote::Number;
use crate::value::Value;

impl<O: Observer> Execution<'_, O> {
    /// Evaluates a pipeline and sets its variables.
    pub(super) fn pipeline<'p>(
        &mut self,
        running: &mut Running<'p>,
        dot: &Operand,
        pipe: &'p Pipe,
    ) -> Result<Value, Error> {
        running.at = At::Pipe(pipe);
        let tables = running.tables();
        let mut value = None;
        for command in tables.commands(pipe) {
            value = Some(self.command(running, dot, command, value.take())?.value);
        }
        let value = value.unwrap_or_default();
        for target in tables.targets(pipe) {
            if target.slot.is_none() {
                let name = target.name.of(running.source());
                return Err(running.refuse(format!("undefined variable: {name}")));
            }
            self.set(running, target.slot, Operand::concrete(value.clone()));
        }
        Ok(value)
    }

    /// Evaluates a command; `last` is the value of the one before it.
    fn command<'p>(
        &mut self,
        running: &mut Running<'p>,
        dot: &Operand,
        command: &'p Command,
        last: Option<Value>,
    ) -> Result<Operand, Error> {
        let tables = running.tables();
        let Some((word, arguments)) = tables.words(command).split_first() else {
            return Ok(Operand::default());
        };
        match word.kind {
            ExprKind::Function(callee) => {
                running.at = At::Expr(word);
                self.call(
                    running,
                    dot,
                    At::Command(command),
                    word,
                    callee,
                    arguments,
                    last,
                )
            }
            ExprKind::Fields(_) | ExprKind::Chain { .. } | ExprKind::Variable { .. } => {
                self.reference(running, dot, word, arguments, last)
            }
            ExprKind::Pipe(pipe) => {
                not_a_function(running, word, arguments, last.as_ref())?;
                let pipe = tables.pipe(pipe);
                crate::stack::grow(|| self.pipeline(running, dot, pipe)).map(Operand::concrete)
            }
            _ => {
                running.at = At::Expr(word);
                not_a_function(running, word, arguments, last.as_ref())?;
                match word.kind {
                    ExprKind::Dot => Ok(self.dot(dot)),
                    ExprKind::Nil => Err(running.refuse("nil is not a command")),
                    _ => literal(running, word).map(Operand::concrete),
                }
            }
        }
    }

    /// Evaluates a field, a chain or a variable, with arguments for a method at its end.
    pub(super) fn reference<'p>(
        &mut self,
        running: &mut Running<'p>,
        dot: &Operand,
        expr: &'p Expr,
        arguments: &'p [Expr],
        last: Option<Value>,
    ) -> Result<Operand, Error> {
        running.at = At::Expr(expr);
        match expr.kind {
            ExprKind::Fields(fields) => {
                if O::ACTIVE {
                    self.observer.dot(&dot.value);
                }
                self.fields(running, dot, dot, expr, fields, arguments, last)
            }
            ExprKind::Chain { base, fields } => {
                let base = running.tables().expr(base);
                let receiver = self.operand(running, dot, base)?;
                self.fields(running, dot, &receiver, expr, fields, arguments, last)
            }
            ExprKind::Variable { slot, fields } => {
                let slot = slot.ok_or_else(|| {
                    let name = expr.word(running.source());
                    running.refuse(format!("undefined variable: {name}"))
                })?;
                let index = running.base + slot.index();
                let variable = self.variables.get(index).cloned().unwrap_or_default();
                if O::ACTIVE {
                    self.observer.variable(index);
                }
                if fields.is_empty() {
                    not_a_function(running, expr, arguments, last.as_ref())?;
                    return Ok(variable);
                }
                self.fields(running, dot, &variable, expr, fields, arguments, last)
            }
            _ => self.operand(running, dot, expr),
        }
    }

    fn dot(&mut self, dot: &Operand) -> Operand {
        if O::ACTIVE {
            self.observer.dot(&dot.value);
        }
        dot.clone()
    }

    /// Evaluates an operand for which no type is wanted.
    pub(super) fn operand<'p>(
        &mut self,
        running: &mut Running<'p>,
        dot: &Operand,
        expr: &'p Expr,
    ) -> Result<Operand, Error> {
        running.at = At::Expr(expr);
        match expr.kind {
            ExprKind::Dot => Ok(self.dot(dot)),
            ExprKind::Nil => Ok(Operand::default()),
            ExprKind::Fields(_) | ExprKind::Chain { .. } | ExprKind::Variable { .. } => {
                self.reference(running, dot, expr, &[], None)
            }
            ExprKind::Pipe(pipe) => {
                let pipe = running.tables().pipe(pipe);
                crate::stack::grow(|| self.pipeline(running, dot, pipe)).map(Operand::concrete)
            }
            ExprKind::Function(callee) => {
                self.call(running, dot, At::Expr(expr), expr, callee, &[], None)
            }
            _ => literal(running, expr).map(Operand::concrete),
        }
    }
}

/// The value of a literal for which no type is wanted.
pub(super) fn literal(running: &Running<'_>, expr: &Expr) -> Result<Value, Error> {
    match expr.kind {
        ExprKind::Bool(value) => Ok(Value::Bool(value)),
        ExprKind::String(place) => Ok(running.loaded.string(place)),
        ExprKind::Number(place) => ideal(running.tables().number(place)).ok_or_else(|| {
            let text = expr.word(running.source());
            running.refuse(format!("{text} overflows int"))
        }),
        _ => Ok(Value::Nil),
    }
}

/// The value of a number whose type nothing else decides.
fn ideal(number: &Number) -> Option<Value> {
    if let Some((real, imaginary)) = number.complex {
        return Some(crate::value::complex(real, imaginary));
    }
    match (number.looks_float, number.float, number.int) {
        (true, Some(float), _) => Some(Value::Float64(float)),
        (_, _, Some(int)) => Some(Value::Int(int)),
        _ => None,
    }
}

fn not_a_function(
    running: &Running<'_>,
    word: &Expr,
    arguments: &[Expr],
    last: Option<&Value>,
) -> Result<(), Error> {
    if arguments.is_empty() && last.is_none() {
        return Ok(());
    }
    let text = running.text_of(match word.kind {
        ExprKind::Pipe(pipe) => At::Pipe(running.tables().pipe(pipe)),
        _ => At::Expr(word),
    });
    Err(running.refuse(format!("can't give argument to non-function {text}")))
}
