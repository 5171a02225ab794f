//! Writing TOML byte for byte as BurntSushi/toml 1.6 does: plain keys first, then tables, nested
//! tables indented by two spaces a level.

use std::borrow::Cow;
use std::fmt::Write;

use go_text_template::{Text, Value};

use super::date_format::format;
use super::moment::{Moment, Named};
use super::record::Record;
use super::toml_read::LOCAL_ZONES;
use crate::number::write_go_float;

/// Nesting beyond which values are refused.
const MAX_DEPTH: usize = 500;
const TOO_DEEP: &str = "toml: the value nests too deeply";

/// What a value is to TOML.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Nil,
    Scalar,
    Array,
    Table,
    Tables,
}

/// `value` as a TOML document.
///
/// # Errors
/// What TOML cannot express, in the encoder's words.
pub(super) fn to_string(value: &Value) -> Result<String, String> {
    let mut writer = Writer { out: String::new() };
    writer.encode(&mut Vec::new(), value)?;
    Ok(writer.out)
}

/// The entries of a table in writing order; records keep theirs.
fn entries(value: &Value) -> Option<Vec<(Text, Value)>> {
    if let Some(record) = value.downcast::<Record>() {
        return Some(
            record
                .fields
                .iter()
                .map(|field| (field.name.into(), field.value.clone()))
                .collect(),
        );
    }
    value.as_map().map(|map| map.entries().to_vec())
}

fn shape(value: &Value, depth: usize) -> Result<Shape, String> {
    let depth = depth.checked_sub(1).ok_or(TOO_DEEP)?;
    Ok(match value {
        Value::Nil => Shape::Nil,
        Value::Map(map) if map.is_nil() => Shape::Nil,
        Value::List(list) if list.is_nil() => Shape::Nil,
        Value::Map(_) => Shape::Table,
        Value::Object(_) if value.downcast::<Record>().is_some() => Shape::Table,
        Value::List(list) => {
            let mut tables = !list.is_empty();
            for item in list.iter() {
                match shape(item, depth)? {
                    Shape::Nil => {
                        return Err("toml: cannot encode array with nil element".to_owned());
                    }
                    found => tables &= found == Shape::Table,
                }
            }
            if tables { Shape::Tables } else { Shape::Array }
        }
        _ => Shape::Scalar,
    })
}

struct Writer {
    out: String,
}

impl Writer {
    fn encode(&mut self, path: &mut Vec<Text>, value: &Value) -> Result<(), String> {
        if path.len() > MAX_DEPTH {
            return Err(TOO_DEEP.to_owned());
        }
        match shape(value, MAX_DEPTH)? {
            Shape::Nil if path.is_empty() && value.as_list().is_some() => self.element(value, 0),
            Shape::Nil => Ok(()),
            Shape::Table => self.table(path, value),
            Shape::Tables if path.is_empty() => {
                Err("toml: top-level values must be Go maps or structs".to_owned())
            }
            Shape::Tables => self.tables(path, value),
            Shape::Scalar | Shape::Array if path.is_empty() => self.element(value, 0),
            Shape::Scalar | Shape::Array => {
                self.indent(path);
                let key = path
                    .last()
                    .map(|key| quoted_key(&key.to_str()).into_owned())
                    .unwrap_or_default();
                self.out.push_str(&key);
                self.out.push_str(" = ");
                self.element(value, 0)?;
                self.out.push('\n');
                Ok(())
            }
        }
    }

    fn indent(&mut self, path: &[Text]) {
        self.out
            .extend(std::iter::repeat_n("  ", path.len().saturating_sub(1)));
    }

    fn newline(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn header(&mut self, path: &[Text], brackets: (&str, &str)) {
        self.indent(path);
        let names: Vec<String> = path
            .iter()
            .map(|key| quoted_key(&key.to_str()).into_owned())
            .collect();
        let _ = writeln!(self.out, "{}{}{}", brackets.0, names.join("."), brackets.1);
    }

    fn table(&mut self, path: &mut Vec<Text>, value: &Value) -> Result<(), String> {
        if path.len() == 1 {
            self.newline();
        }
        if !path.is_empty() {
            self.header(path, ("[", "]"));
        }
        self.entries(path, value)
    }

    fn tables(&mut self, path: &mut Vec<Text>, value: &Value) -> Result<(), String> {
        for item in value.as_list().iter().flat_map(|list| list.iter()) {
            self.newline();
            self.header(path, ("[[", "]]"));
            self.entries(path, item)?;
        }
        Ok(())
    }

    fn entries(&mut self, path: &mut Vec<Text>, value: &Value) -> Result<(), String> {
        for (key, value) in ordered(value)? {
            path.push(key);
            self.encode(path, &value)?;
            path.pop();
        }
        Ok(())
    }

    fn element(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(TOO_DEEP.to_owned());
        }
        match value {
            Value::Bool(truth) => self.out.push_str(if *truth { "true" } else { "false" }),
            Value::Float64(number) => self.out.push_str(&float(*number)),
            Value::String(text) => self.out.push_str(&quoted(&text.to_str())),
            Value::Bytes(bytes) => {
                self.array(bytes.iter().map(|byte| Value::Uint8(*byte)), depth)?;
            }
            Value::List(list) => self.array(list.iter().cloned(), depth)?,
            Value::Nil => {}
            other => {
                if let Some(moment) = other.downcast::<Moment>() {
                    let (_, zone) = moment.0.offset();
                    let local = LOCAL_ZONES.iter().find(|(name, _)| *name == zone);
                    let layout =
                        local.map_or("2006-01-02T15:04:05.999999999Z07:00", |(_, layout)| layout);
                    self.out.push_str(&format(&moment.0, layout));
                } else if other
                    .downcast::<Named>()
                    .is_some_and(|named| named.number() == 0)
                {
                    self.out.push_str(&quoted(&other.to_string()));
                } else if entries(other).is_some() {
                    self.inline_table(other, depth)?;
                } else if other.as_i64().is_some() || matches!(other, Value::Uint64(_)) {
                    self.out.push_str(&other.to_string());
                } else {
                    self.out.push_str(&quoted(&other.to_string()));
                }
            }
        }
        Ok(())
    }

    fn array(&mut self, items: impl Iterator<Item = Value>, depth: usize) -> Result<(), String> {
        self.out.push('[');
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.out.push_str(", ");
            }
            self.element(&item, depth + 1)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn inline_table(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        self.out.push('{');
        for (index, (key, value)) in ordered(value)?.into_iter().enumerate() {
            if index > 0 {
                self.out.push_str(", ");
            }
            self.out.push_str(&quoted_key(&key.to_str()));
            self.out.push_str(" = ");
            self.element(&value, depth + 1)?;
        }
        self.out.push('}');
        Ok(())
    }
}

/// What is no table first, then the tables; nil entries are left out.
fn ordered(value: &Value) -> Result<Vec<(Text, Value)>, String> {
    let (mut plain, mut tables) = (Vec::new(), Vec::new());
    for (key, value) in entries(value).unwrap_or_default() {
        match shape(&value, MAX_DEPTH)? {
            Shape::Nil => {}
            Shape::Table | Shape::Tables => tables.push((key, value)),
            Shape::Scalar | Shape::Array => plain.push((key, value)),
        }
    }
    plain.append(&mut tables);
    Ok(plain)
}

fn float(number: f64) -> String {
    if number.is_nan() {
        return if number.is_sign_negative() {
            "-nan"
        } else {
            "nan"
        }
        .to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let mut text = String::new();
    write_go_float(&mut text, number);
    if text.contains(['.', 'e']) {
        text
    } else {
        text + ".0"
    }
}

pub(super) fn quoted_key(key: &str) -> Cow<'_, str> {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !key.is_empty() && key.bytes().all(bare) {
        Cow::Borrowed(key)
    } else {
        Cow::Owned(quoted(key))
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' | '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}
