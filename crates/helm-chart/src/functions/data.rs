//! Template values as data: writing them as YAML or JSON, and building them from it.

use std::borrow::Cow;

use go_text_template::{Kind, Text, Value};

use super::defaults::is_empty;
use super::moment::{Moment, Named};
use super::record::{Field, Record};
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
            Self::Bytes(bytes) => sink.bytes(bytes),
            Self::List(list) if list.is_nil() => sink.nil_collection(false),
            Self::List(list) => sink.list(list.iter()),
            Self::Map(map) if map.is_nil() => sink.nil_collection(true),
            Self::Map(map) => {
                let entries = map.entries();
                if entries.iter().all(|(key, _)| key.as_str().is_some()) {
                    let plain = |(key, value)| (Text::as_str(key).unwrap_or_default(), value);
                    return sink.map(entries.iter().map(|(key, value)| plain((key, value))));
                }
                let keys: Vec<Cow<'_, str>> = entries.iter().map(|(key, _)| key.to_str()).collect();
                let values = entries.iter().map(|(_, value)| value);
                sink.map(keys.iter().map(|key| &**key).zip(values))
            }
            Self::Object(_) => accept_object(self, sink),
        }
    }
}

/// Objects show what their Go types marshal to; one without exported fields is an empty map.
fn accept_object<S: TreeSink>(value: &Value, sink: &mut S) -> Result<(), S::Error> {
    if let Some(record) = value.downcast::<Record>() {
        if sink.wants_go_fields() {
            return GoFields::of(record).accept(sink);
        }
        let shown = record
            .fields
            .iter()
            .filter(|field| !(field.omit_empty && is_empty(&field.value)));
        let entries: Vec<(&str, &Value)> = shown.map(|field| (field.key, &field.value)).collect();
        return sink.fields(entries.into_iter());
    }
    if let Some(moment) = value.downcast::<Moment>() {
        return sink.moment(&super::date_format::format(
            &moment.0,
            "2006-01-02T15:04:05.999999999Z07:00",
        ));
    }
    if let Some(named) = value.downcast::<Named>() {
        return sink.int(named.plain());
    }
    if value.kind() == Kind::Complex128 {
        return sink.no_data(Kind::Complex128.name());
    }
    if let Value::Object(object) = value
        && object.is_stringer()
    {
        return sink.string(&object.print());
    }
    sink.map(std::iter::empty::<(&str, &Value)>())
}

/// A struct as go-yaml v3 sees one without tags.
enum GoFields<'v> {
    Value(&'v Value),
    Struct(Vec<(String, GoFields<'v>)>),
}

impl<'v> GoFields<'v> {
    fn of(record: &'v Record) -> Self {
        let shown = |fields: &'v [Field]| {
            let shown = |field: &'v Field| (field.name.to_lowercase(), Self::Value(&field.value));
            fields.iter().map(shown).collect()
        };
        let Some((name, count)) = record.embedded else {
            return Self::Struct(shown(&record.fields));
        };
        let (inner, outer) = record.fields.split_at(count.min(record.fields.len()));
        let mut fields = vec![(name.to_lowercase(), Self::Struct(shown(inner)))];
        fields.extend(shown(outer));
        Self::Struct(fields)
    }
}

impl Tree for GoFields<'_> {
    fn accept<S: TreeSink>(&self, sink: &mut S) -> Result<(), S::Error> {
        match self {
            Self::Value(value) => value.accept(sink),
            Self::Struct(fields) => {
                sink.fields(fields.iter().map(|(name, value)| (name.as_str(), value)))
            }
        }
    }
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
