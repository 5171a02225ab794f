//! `.Field.Field`: map keys, struct fields and methods.

use super::{Execution, Observer, Operand, Running};
use crate::error::Error;
use crate::function::Function;
use crate::node::{Expr, Places};
use crate::value::{Type, Value};

impl<O: Observer> Execution<'_, O> {
    /// Walks a chain of fields from a receiver; arguments go to a method at its end.
    #[expect(
        clippy::too_many_arguments,
        reason = "the state of one evaluation step"
    )]
    pub(super) fn fields<'p>(
        &mut self,
        running: &mut Running<'p>,
        dot: &Operand,
        receiver: &Operand,
        node: &'p Expr,
        fields: Places,
        arguments: &'p [Expr],
        last: Option<Value>,
    ) -> Result<Operand, Error> {
        let mut sites = fields.range();
        let Some(end) = sites.next_back() else {
            return Ok(receiver.clone());
        };
        let mut current = None;
        for site in sites {
            let receiver = current.as_ref().unwrap_or(receiver);
            current = Some(self.field(running, dot, receiver, node, site, &[], None)?);
        }
        self.field(
            running,
            dot,
            current.as_ref().unwrap_or(receiver),
            node,
            end,
            arguments,
            last,
        )
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the state of one evaluation step"
    )]
    fn field<'p>(
        &mut self,
        running: &mut Running<'p>,
        dot: &Operand,
        receiver: &Operand,
        node: &'p Expr,
        site: usize,
        arguments: &'p [Expr],
        last: Option<Value>,
    ) -> Result<Operand, Error> {
        let name = running.tables().fields[site].of(running.source());
        if receiver.value.is_nil() {
            if receiver.interface {
                return Err(running.refuse(format!("nil pointer evaluating interface {{}}.{name}")));
            }
            return Ok(Operand::default());
        }
        if let Some(method) = method(&receiver.value, name) {
            return self.call_method(running, dot, node, method, &receiver.value, arguments, last);
        }
        let has_arguments = !arguments.is_empty() || last.is_some();
        match &receiver.value {
            Value::Map(map) => {
                if has_arguments {
                    return Err(running.refuse(format!("{name} is not a method but has arguments")));
                }
                let element = map.map_type().element();
                let hint = running.loaded.field(site);
                let value = map
                    .get_hinted(name.as_bytes(), hint)
                    .unwrap_or_else(|| element.zero());
                if O::ACTIVE {
                    self.observer.field(&receiver.value, name, &value);
                }
                Ok(Operand {
                    value,
                    interface: element == Type::Any,
                })
            }
            Value::Object(object) => match object.field(name) {
                Some(_) if has_arguments => Err(running.refuse(format!(
                    "{name} has arguments but cannot be invoked as function"
                ))),
                Some(value) => {
                    if O::ACTIVE {
                        self.observer.field(&receiver.value, name, &value);
                    }
                    Ok(Operand::concrete(value))
                }
                None => Err(cannot_evaluate(running, receiver, name)),
            },
            _ => Err(cannot_evaluate(running, receiver, name)),
        }
    }
}

fn cannot_evaluate(running: &Running<'_>, receiver: &Operand, name: &str) -> Error {
    running.refuse(format!(
        "can't evaluate field {name} in type {}",
        receiver.type_name()
    ))
}

fn method(receiver: &Value, name: &str) -> Option<&'static Function> {
    let methods = match receiver {
        Value::Map(map) => map.map_type().methods(),
        Value::List(list) => list.list_type().methods(),
        Value::Object(object) => object.methods(),
        _ => return None,
    };
    methods.iter().find(|method| method.name() == name)
}
