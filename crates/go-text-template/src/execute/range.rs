//! `range`: over lists, maps, bytes and numbers.

use super::{Execution, Flow, Observer, Operand, Running};
use crate::error::Error;
use crate::node::Branch;
use crate::value::{Type, Value};

impl<O: Observer> Execution<'_, O> {
    /// Executes the body for each item of a value, or what stands after `else` if there is none.
    pub(super) fn range<'p>(
        &mut self,
        running: &mut Running<'p>,
        dot: &Operand,
        value: Value,
        branch: &'p Branch,
    ) -> Result<Flow, Error> {
        let two = running.tables().pipe(branch.pipe).targets.count > 1;
        let ran = match value {
            Value::Nil => false,
            Value::Int(count) => {
                self.range_integers(running, branch, two, count, &value, Value::Int)?
            }
            Value::Int64(count) => {
                self.range_integers(running, branch, two, count, &value, Value::Int64)?
            }
            Value::Int32(count) => {
                self.range_integers(running, branch, two, count.into(), &value, |index| {
                    Value::Int32(index as i32)
                })?
            }
            Value::Uint8(count) => {
                self.range_integers(running, branch, two, count.into(), &value, |index| {
                    Value::Uint8(index as u8)
                })?
            }
            Value::Uint64(count) => {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.range_integers(running, branch, two, count, &value, |index| {
                    Value::Uint64(index as u64)
                })?
            }
            Value::Bytes(bytes) => {
                for (index, byte) in bytes.iter().enumerate() {
                    let index = Value::Int(index as i64);
                    if self.iterate(
                        running,
                        branch,
                        index,
                        &Operand::concrete(Value::Uint8(*byte)),
                    )? == Flow::Break
                    {
                        break;
                    }
                }
                !bytes.is_empty()
            }
            Value::List(list) => {
                let interface = list.list_type().element() == Type::Any;
                for (index, item) in list.iter().enumerate() {
                    let item = &Operand {
                        value: item.clone(),
                        interface,
                    };
                    if self.iterate(running, branch, Value::Int(index as i64), item)? == Flow::Break
                    {
                        break;
                    }
                }
                !list.is_empty()
            }
            Value::Map(map) => {
                let interface = map.map_type().element() == Type::Any;
                let entries = map.entries();
                for (key, item) in entries.iter() {
                    let item = &Operand {
                        value: item.clone(),
                        interface,
                    };
                    if self.iterate(running, branch, Value::String(key.clone()), item)?
                        == Flow::Break
                    {
                        break;
                    }
                }
                !entries.is_empty()
            }
            other => return Err(running.refuse(format!("range can't iterate over {other}"))),
        };
        match branch.otherwise {
            Some(nodes) if !ran => crate::stack::grow(|| self.walk(running, dot, nodes)),
            _ => Ok(Flow::Next),
        }
    }

    fn range_integers<'p>(
        &mut self,
        running: &mut Running<'p>,
        branch: &'p Branch,
        two: bool,
        count: i64,
        shown: &Value,
        make: impl Fn(i64) -> Value,
    ) -> Result<bool, Error> {
        if two {
            return Err(running.refuse(format!(
                "can't use {shown} to iterate over more than one variable"
            )));
        }
        for index in 0..count.max(0) {
            if self.iterate(running, branch, Value::Nil, &Operand::concrete(make(index)))?
                == Flow::Break
            {
                break;
            }
        }
        Ok(count > 0)
    }

    fn iterate<'p>(
        &mut self,
        running: &mut Running<'p>,
        branch: &'p Branch,
        index: Value,
        item: &Operand,
    ) -> Result<Flow, Error> {
        self.spend(running)?;
        let tables = running.tables();
        match tables.targets(tables.pipe(branch.pipe)) {
            [] => {}
            [only] => self.set(running, only.slot, item.clone()),
            [first, second, ..] => {
                self.set(running, first.slot, Operand::concrete(index));
                self.set(running, second.slot, item.clone());
            }
        }
        let flow = crate::stack::grow(|| self.walk(running, item, branch.body));
        flow.map_err(|error| self.with_reach(error, running, item))
    }
}
