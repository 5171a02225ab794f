//! Template values as data: writing them as YAML or JSON, and building them from it.

use std::borrow::Cow;

use go_text_template::{Text, Value};

use super::defaults::is_empty;
use super::encoding::encode_base64;
use super::moment::{Moment, Named};
use super::record::Record;
use crate::tree::{Builder, Tree, TreeSink};

impl Tree for Value {
    fn accept<S: TreeSink>(&self, sink: &mut S) -> Result<(), S::Error> {
        match self {
            Self::Nil => sink.null(),
            Self::Bool(value) => sink.boolean(*value),
            Self::Int(value) | Self::Int64(value) => sink.int(*value),
            Self::Int32(value) => sink.int(i64::from(*value)),
            Self::Uint8(value) => sink.int(i64::from(*value)),
            Self::Uint64(value) => sink.uint(*value),
            Self::Float64(value) => sink.float(*value),
            Self::String(text) => match text.as_str() {
                Some(text) => sink.string(text),
                None => sink.damaged_string(text.as_bytes()),
            },
            Self::Bytes(bytes) => sink.string(&encode_base64(bytes)),
            Self::List(list) if list.is_nil() => sink.null(),
            Self::List(list) => sink.list(list.iter()),
            Self::Map(map) if map.is_nil() => sink.null(),
            Self::Map(map) => {
                let entries = map.entries();
                sink.map(
                    entries
                        .iter()
                        .map(|(key, value)| (key.as_str().unwrap_or("\u{FFFD}"), value)),
                )
            }
            Self::Object(_) => accept_object(self, sink),
        }
    }
}

/// Objects show what their Go types marshal to; one without exported fields is an empty map.
fn accept_object<S: TreeSink>(value: &Value, sink: &mut S) -> Result<(), S::Error> {
    if let Some(record) = value.downcast::<Record>() {
        let shown = record
            .fields
            .iter()
            .filter(|field| !(field.omit_empty && is_empty(&field.value)));
        let entries: Vec<(&str, &Value)> = shown.map(|field| (field.key, &field.value)).collect();
        return sink.map(entries.into_iter());
    }
    if let Some(moment) = value.downcast::<Moment>() {
        return sink.string(&super::date_format::format(
            &moment.0,
            "2006-01-02T15:04:05.999999999Z07:00",
        ));
    }
    if let Some(named) = value.downcast::<Named>() {
        return sink.int(named.plain());
    }
    if let Value::Object(object) = value
        && object.is_stringer()
    {
        return sink.string(&object.print());
    }
    sink.map(std::iter::empty::<(&str, &Value)>())
}

/// Builds template values as Go's `encoding/json` does: every number becomes a `float64`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TemplateValues;

impl Builder for TemplateValues {
    type Output = Value;

    fn null(&mut self) -> Value {
        Value::Nil
    }

    fn boolean(&mut self, value: bool) -> Value {
        value.into()
    }

    fn int(&mut self, value: i64) -> Value {
        Value::Float64(value as f64)
    }

    fn uint(&mut self, value: u64) -> Value {
        Value::Float64(value as f64)
    }

    fn float(&mut self, value: f64) -> Value {
        value.into()
    }

    fn string(&mut self, value: Cow<'_, str>) -> Value {
        value.into_owned().into()
    }

    fn list(&mut self, items: Vec<Value>) -> Value {
        items.into()
    }

    fn map(&mut self, entries: Vec<(Cow<'_, str>, Value)>) -> Value {
        Value::map(
            entries
                .into_iter()
                .map(|(key, value)| (Text::from(key), value)),
        )
    }
}
