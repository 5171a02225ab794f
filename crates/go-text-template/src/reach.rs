//! [`Reach`]: what a failing node could see, in short: `.` and the variables.
//!
//! Owns the summary of a value. It holds no value, so that an error can leave the thread; it judges
//! no secret: who knows which values are secret hides them with [`Seen::hide`].

use std::fmt::{self, Display, Formatter};

use crate::value::Value;

/// The longest text that is shown, in bytes; of longer ones and of those with line breaks only the
/// length is kept.
const LONGEST: usize = 60;

/// So many keys of a map are kept.
const KEYS: usize = 12;

/// What the failing node of a [`Frame`](crate::Frame) could see.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reach {
    /// `.`, set by the innermost `with` or `range`, or the template's argument.
    pub dot: Seen,
    /// `$` and the declared variables, outermost first, without those that others hide.
    pub variables: Vec<Seen>,
}

impl Reach {
    /// `.` and the variables.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Seen> {
        std::iter::once(&mut self.dot).chain(&mut self.variables)
    }
}

/// One name in reach, and what it held when the template failed.
///
/// Displays as `$name  string "web"`, or `.  map of 2: image, name`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// `.`, `$` or `$name`.
    pub name: String,
    /// The pipeline that set it as Go prints it; empty for the argument of the template.
    pub pipeline: String,
    /// The Go type.
    pub go_type: String,
    /// The value.
    pub value: Glimpse,
}

/// A value in short.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Glimpse {
    /// `nil`.
    Nil,
    /// A truth or a number, as it prints.
    Scalar(String),
    /// A text of one line, at most 60 bytes long.
    Text(String),
    /// A longer text, bytes, or text that is not UTF-8: the length in bytes.
    LongText(usize),
    /// The length of a list.
    List(usize),
    /// The first dozen keys of a map, in order, and how many there are.
    Map {
        /// The keys.
        keys: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// A struct; its type says all.
    Object,
    /// A value that was hidden with [`Seen::hide`].
    Hidden,
}

impl Seen {
    pub(crate) fn new(name: &str, pipeline: String, value: &Value) -> Self {
        Self {
            name: name.to_owned(),
            pipeline,
            go_type: value.go_type().to_owned(),
            value: Glimpse::of(value),
        }
    }

    /// Forgets the value; name and type stay.
    pub fn hide(&mut self) {
        self.value = Glimpse::Hidden;
    }
}

impl Glimpse {
    fn of(value: &Value) -> Self {
        match value {
            Value::Nil => Self::Nil,
            Value::Bool(_)
            | Value::Int(_)
            | Value::Int64(_)
            | Value::Int32(_)
            | Value::Uint8(_)
            | Value::Uint64(_)
            | Value::Float64(_) => Self::Scalar(value.to_string()),
            Value::String(text) => match text.as_str() {
                Some(text) if text.len() <= LONGEST && !text.contains(char::is_control) => {
                    Self::Text(text.to_owned())
                }
                _ => Self::LongText(text.as_bytes().len()),
            },
            Value::Bytes(bytes) => Self::LongText(bytes.len()),
            Value::List(list) => Self::List(list.len()),
            Value::Map(map) => {
                let entries = map.entries();
                let keys = entries.iter().take(KEYS);
                Self::Map {
                    keys: keys.map(|(key, _)| key.to_str().into_owned()).collect(),
                    count: entries.iter().len(),
                }
            }
            Value::Object(_) => Self::Object,
        }
    }
}

impl Display for Seen {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { name, go_type, .. } = self;
        match &self.value {
            Glimpse::Nil => write!(out, "{name}  nil"),
            Glimpse::Scalar(text) => write!(out, "{name}  {go_type} {text}"),
            Glimpse::Text(text) => {
                let text = crate::fmt::quote(text.as_bytes());
                write!(out, "{name}  {go_type} {text}")
            }
            Glimpse::LongText(length) => write!(out, "{name}  {go_type} of {length} bytes"),
            Glimpse::List(length) => write!(out, "{name}  list of {length}"),
            Glimpse::Map { keys, count } => {
                write!(out, "{name}  map of {count}")?;
                if !keys.is_empty() {
                    write!(out, ": {}", keys.join(", "))?;
                }
                if keys.len() < *count {
                    out.write_str(", …")?;
                }
                Ok(())
            }
            Glimpse::Object => write!(out, "{name}  {go_type}"),
            Glimpse::Hidden => write!(out, "{name}  {go_type} (hidden)"),
        }
    }
}
