//! The shape shared by every kind of value the crate reads or writes: [`Tree`] is what a writer
//! walks, [`Builder`] what a reader fills. With them YAML and JSON work on `serde_json::Value`, on
//! the templates' values, or on anything else without copying one into the other.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// A value a writer can walk.
///
/// An implementation calls exactly one method of the sink, once.
pub trait Tree {
    /// Shows this value to `sink`.
    ///
    /// # Errors
    /// Passes on the error of the sink.
    fn accept<S: TreeSink>(&self, sink: &mut S) -> Result<(), S::Error>;
}

/// Where a [`Tree`] shows itself.
pub trait TreeSink: Sized {
    /// Why the walk stops.
    type Error;

    /// Nothing, Go's `nil`.
    ///
    /// # Errors
    /// Whatever stops the sink; this holds for every method.
    fn null(&mut self) -> Result<(), Self::Error>;
    /// A boolean.
    ///
    /// # Errors
    /// See [`TreeSink::null`].
    fn boolean(&mut self, value: bool) -> Result<(), Self::Error>;
    /// A signed integer.
    ///
    /// # Errors
    /// See [`TreeSink::null`].
    fn int(&mut self, value: i64) -> Result<(), Self::Error>;
    /// An unsigned integer.
    ///
    /// # Errors
    /// See [`TreeSink::null`].
    fn uint(&mut self, value: u64) -> Result<(), Self::Error>;
    /// A floating-point number.
    ///
    /// # Errors
    /// See [`TreeSink::null`].
    fn float(&mut self, value: f64) -> Result<(), Self::Error>;
    /// A string.
    ///
    /// # Errors
    /// See [`TreeSink::null`].
    fn string(&mut self, value: &str) -> Result<(), Self::Error>;
    /// A string that is not UTF-8: each damaged byte is U+FFFD.
    ///
    /// # Errors
    /// See [`TreeSink::null`].
    fn damaged_string(&mut self, value: &[u8]) -> Result<(), Self::Error> {
        self.string(&go_text_template::Text::from(value).to_str())
    }
    /// A `[]byte`: JSON, and what goes through it, has it in base64.
    ///
    /// # Errors
    /// See [`TreeSink::null`].
    fn bytes(&mut self, value: &[u8]) -> Result<(), Self::Error> {
        self.string(&data_encoding::BASE64.encode(value))
    }
    /// A nil list or map, which JSON does not tell from nothing.
    ///
    /// # Errors
    /// See [`TreeSink::null`].
    fn nil_collection(&mut self, _is_map: bool) -> Result<(), Self::Error> {
        self.null()
    }
    /// A moment in time, which JSON has as a string.
    ///
    /// # Errors
    /// See [`TreeSink::null`].
    fn moment(&mut self, value: &str) -> Result<(), Self::Error> {
        self.string(value)
    }
    /// A value of a Go type that is no data, such as `complex128`; by default, it is an empty map.
    ///
    /// # Errors
    /// See [`TreeSink::null`].
    fn no_data(&mut self, _go_type: &'static str) -> Result<(), Self::Error> {
        self.map(std::iter::empty::<(&str, &Value)>())
    }
    /// Whether structs are to show all their fields, by their Go names in lower case, and in
    /// [`TreeSink::fields`]; else they are the maps that JSON makes of them.
    fn wants_go_fields(&self) -> bool {
        false
    }
    /// The fields of a struct, in order.
    ///
    /// # Errors
    /// See [`TreeSink::null`].
    fn fields<'n, T: Tree + 'n>(
        &mut self,
        entries: impl ExactSizeIterator<Item = (&'n str, &'n T)>,
    ) -> Result<(), Self::Error> {
        self.map(entries)
    }
    /// A list, in order.
    ///
    /// # Errors
    /// See [`TreeSink::null`].
    fn list<'n, T: Tree + 'n>(
        &mut self,
        items: impl ExactSizeIterator<Item = &'n T>,
    ) -> Result<(), Self::Error>;
    /// A map, in any order; keys are distinct.
    ///
    /// # Errors
    /// See [`TreeSink::null`].
    fn map<'n, T: Tree + 'n>(
        &mut self,
        entries: impl ExactSizeIterator<Item = (&'n str, &'n T)>,
    ) -> Result<(), Self::Error>;
}

/// Makes values of its own kind out of what a reader finds.
pub trait Builder {
    /// The kind of value made.
    type Output;

    /// Nothing, Go's `nil`.
    fn null(&mut self) -> Self::Output;
    /// A boolean.
    fn boolean(&mut self, value: bool) -> Self::Output;
    /// An integer.
    fn int(&mut self, value: i64) -> Self::Output;
    /// An integer above the range of `i64`.
    fn uint(&mut self, value: u64) -> Self::Output;
    /// A floating-point number, always finite.
    fn float(&mut self, value: f64) -> Self::Output;
    /// A number of a JSON text, as it is written. By default a float, or null beyond all floats.
    fn number(&mut self, text: &str) -> Self::Output {
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => self.float(value),
            _ => self.null(),
        }
    }
    /// A string.
    fn string(&mut self, value: Cow<'_, str>) -> Self::Output;
    /// A list.
    fn list(&mut self, items: Vec<Self::Output>) -> Self::Output;
    /// A map; of equal keys the last one counts.
    fn map(&mut self, entries: Vec<(Cow<'_, str>, Self::Output)>) -> Self::Output;
}

/// Builds `serde_json::Value` as Go's `encoding/json` does: every number becomes an `f64`.
#[derive(Debug, Clone, Copy, Default)]
pub struct FloatNumbers;

/// Builds `serde_json::Value` and keeps integers integers, which Kubernetes objects need.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExactNumbers;

macro_rules! build_json {
    ($builder:ty, $int:expr, $uint:expr) => {
        impl Builder for $builder {
            type Output = Value;

            fn null(&mut self) -> Value {
                Value::Null
            }
            fn boolean(&mut self, value: bool) -> Value {
                Value::Bool(value)
            }
            fn int(&mut self, value: i64) -> Value {
                $int(value)
            }
            fn uint(&mut self, value: u64) -> Value {
                $uint(value)
            }
            fn float(&mut self, value: f64) -> Value {
                Value::from(value)
            }
            fn string(&mut self, value: Cow<'_, str>) -> Value {
                Value::String(value.into_owned())
            }
            fn list(&mut self, items: Vec<Value>) -> Value {
                Value::Array(items)
            }
            fn map(&mut self, entries: Vec<(Cow<'_, str>, Value)>) -> Value {
                let mut map = Map::new();
                for (key, value) in entries {
                    map.insert(key.into_owned(), value);
                }
                Value::Object(map)
            }
        }
    };
}

build_json!(
    FloatNumbers,
    |value: i64| Value::from(value as f64),
    |value: u64| Value::from(value as f64)
);
build_json!(
    ExactNumbers,
    |value: i64| Value::from(value),
    |value: u64| Value::from(value)
);

impl Tree for Value {
    fn accept<S: TreeSink>(&self, sink: &mut S) -> Result<(), S::Error> {
        match self {
            Self::Null => sink.null(),
            Self::Bool(value) => sink.boolean(*value),
            Self::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => sink.int(value),
                (None, Some(value)) => sink.uint(value),
                (None, None) => sink.float(number.as_f64().unwrap_or_default()),
            },
            Self::String(value) => sink.string(value),
            Self::Array(items) => sink.list(items.iter()),
            Self::Object(entries) => entries.accept(sink),
        }
    }
}

impl Tree for Map<String, Value> {
    fn accept<S: TreeSink>(&self, sink: &mut S) -> Result<(), S::Error> {
        sink.map(self.iter().map(|(key, value)| (key.as_str(), value)))
    }
}

impl<T: Tree + ?Sized> Tree for &T {
    fn accept<S: TreeSink>(&self, sink: &mut S) -> Result<(), S::Error> {
        (**self).accept(sink)
    }
}
