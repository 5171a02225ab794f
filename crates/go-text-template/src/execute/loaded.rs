//! [`Loaded`]: a unit with what one execution keeps about it: its string literals as values, and
//! hints where things were found before. A hint is tried first and never trusted.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::node::CallAt;
use crate::unit::Unit;
use crate::value::Value;

/// Nothing was found yet.
const NOWHERE: u32 = u32::MAX;

pub(super) struct Loaded {
    pub(super) unit: Arc<Unit>,
    /// Its string literals, as far as they were needed.
    strings: Box<[OnceCell<Value>]>,
    /// Of each field, its place in the map it was found in last.
    fields: Box<[Cell<u32>]>,
    /// Of each call of a template, where that is.
    calls: Box<[Cell<u32>]>,
}

impl Loaded {
    pub(super) fn new(unit: Arc<Unit>) -> Rc<Self> {
        let tables = &unit.tables;
        let strings = vec![OnceCell::new(); tables.strings.len()].into();
        let fields = match unit.found.get() {
            Some(found) => found.iter().copied().map(Cell::new).collect(),
            None => vec![Cell::new(NOWHERE); tables.fields.len()].into(),
        };
        let calls = vec![Cell::new(NOWHERE); tables.calls.len()].into();
        Rc::new(Self {
            unit,
            strings,
            fields,
            calls,
        })
    }

    pub(super) fn string(&self, place: u32) -> Value {
        let value = || Value::String(self.unit.string(place as usize));
        self.strings[place as usize].get_or_init(value).clone()
    }

    /// The hint of the field at this place.
    #[inline]
    pub(super) fn field(&self, place: usize) -> &Cell<u32> {
        &self.fields[place]
    }

    /// The hint of a call.
    #[inline]
    pub(super) fn called(&self, at: CallAt) -> &Cell<u32> {
        &self.calls[at.0 as usize]
    }
}

/// What was found is left to the next executions. Calls are not: another set of templates may share
/// the unit.
impl Drop for Loaded {
    fn drop(&mut self) {
        self.unit.found.get_or_init(|| {
            let fields = std::mem::take(&mut self.fields).into_vec();
            fields.into_iter().map(Cell::into_inner).collect()
        });
    }
}
