//! The entries to the reader: which documents, which numbers, how strict.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::YamlError;
use super::compose::Composer;
use super::decode::{Unobserved, decode};
use super::lines;
use crate::tree::{Builder, ExactNumbers, FloatNumbers};

/// Reads the first document of `text` with `builder`; an empty text is null.
///
/// # Errors
/// [`YamlError`] when the first document is not YAML that JSON can express. Later documents are
/// not looked at.
pub fn parse_with<B: Builder>(text: &str, builder: &mut B) -> Result<B::Output, YamlError> {
    if let Some(value) = lines::read(text, builder) {
        return Ok(value);
    }
    parse_whole_language(text, builder)
}

/// Reads a text as [`parse_with`] does, however simple it is.
pub(super) fn parse_whole_language<B: Builder>(
    text: &str,
    builder: &mut B,
) -> Result<B::Output, YamlError> {
    match Composer::new(text)?.next_document()? {
        Some(document) => decode(&document, builder, &mut Unobserved, false),
        None => Ok(builder.null()),
    }
}

/// Reads the first document of a text that need not be UTF-8, as [`parse_with`] does.
///
/// # Errors
/// See [`parse_with`]; also for the first byte that is not UTF-8.
pub fn parse_bytes_with<B: Builder>(bytes: &[u8], builder: &mut B) -> Result<B::Output, YamlError> {
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => return parse_with(text, builder),
        Err(error) => error.valid_up_to(),
    };
    // What comes first is found first.
    if let Some(Ok(text)) = bytes.get(..valid).map(std::str::from_utf8) {
        Composer::new(text)?;
    }
    let damaged = bytes.get(valid..).unwrap_or_default();
    Err(YamlError::syntax(damage(damaged), None))
}

/// The text that go-yaml reads from bytes: UTF-8, or UTF-16 that begins with its mark.
///
/// # Errors
/// For the first bytes that are no character, unless what comes before them is wrong.
pub(crate) fn text_of(bytes: &[u8]) -> Result<Cow<'_, str>, YamlError> {
    let units = |unit: fn([u8; 2]) -> u16| -> Vec<u16> {
        let pairs = bytes[2..].chunks_exact(2);
        pairs.map(|pair| unit([pair[0], pair[1]])).collect()
    };
    let wide = match bytes {
        [0xFF, 0xFE, ..] => units(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => units(u16::from_be_bytes),
        _ => {
            if let Ok(text) = std::str::from_utf8(bytes) {
                return Ok(Cow::Borrowed(text));
            }
            let mut exact = ExactNumbers;
            return match parse_bytes_with(bytes, &mut exact) {
                Ok(_) => Ok(String::from_utf8_lossy(bytes)),
                Err(error) => Err(error),
            };
        }
    };
    String::from_utf16(&wide)
        .map(Cow::Owned)
        .map_err(|_| YamlError::syntax("unexpected low surrogate area", None))
}

/// What go-yaml's reader says of bytes whose first letter is not UTF-8.
fn damage(bytes: &[u8]) -> &'static str {
    let width = match bytes {
        [0xC0..=0xDF, ..] => 2,
        [0xE0..=0xEF, ..] => 3,
        [0xF0..=0xF7, ..] => 4,
        _ => return "invalid leading UTF-8 octet",
    };
    let trailing = |byte: &u8| byte & 0xC0 == 0x80;
    match bytes {
        _ if bytes.len() < width => "incomplete UTF-8 octet sequence",
        _ if !bytes[1..width].iter().all(trailing) => "invalid trailing UTF-8 octet",
        [0xC0 | 0xC1, ..] | [0xE0, ..=0x9F, ..] | [0xF0, ..=0x8F, ..] => {
            "invalid length of a UTF-8 sequence"
        }
        _ => "invalid Unicode character",
    }
}

/// Reads the first document as Helm reads values: every number is an `f64`.
///
/// # Errors
/// See [`parse_with`].
pub fn parse(text: &str) -> Result<Value, YamlError> {
    parse_with(text, &mut FloatNumbers)
}

/// Reads the first document and keeps integers integers, as Kubernetes objects need.
///
/// # Errors
/// See [`parse_with`].
pub fn parse_exact(text: &str) -> Result<Value, YamlError> {
    parse_with(text, &mut ExactNumbers)
}

/// Reads the first document as [`parse`], refusing duplicate keys (`UnmarshalStrict`).
///
/// # Errors
/// See [`parse_with`]; also for a key that a mapping holds twice.
pub fn parse_strict(text: &str) -> Result<Value, YamlError> {
    match Composer::new(text)?.next_document()? {
        Some(document) => decode(&document, &mut FloatNumbers, &mut Unobserved, true),
        None => Ok(Value::Null),
    }
}

/// Reads the first document, which must be a mapping or empty.
///
/// # Errors
/// See [`parse_with`]; also when the document is something else than a mapping.
pub fn parse_table(text: &str) -> Result<Map<String, Value>, YamlError> {
    into_table(parse(text)?)
}

/// Reads every document as [`parse`] does.
///
/// # Errors
/// See [`parse_with`], for any document.
pub fn parse_documents(text: &str) -> Result<Vec<Value>, YamlError> {
    documents(text, &mut FloatNumbers)
}

/// Reads every document as [`parse_exact`] does.
///
/// # Errors
/// See [`parse_with`], for any document.
pub fn parse_exact_documents(text: &str) -> Result<Vec<Value>, YamlError> {
    documents(text, &mut ExactNumbers)
}

fn documents<B: Builder>(text: &str, builder: &mut B) -> Result<Vec<B::Output>, YamlError> {
    let mut composer = Composer::new(text)?;
    let mut values = Vec::new();
    while let Some(document) = composer.next_document()? {
        values.push(decode(&document, builder, &mut Unobserved, false)?);
    }
    Ok(values)
}

fn into_table(value: Value) -> Result<Map<String, Value>, YamlError> {
    let found = match value {
        Value::Object(map) => return Ok(map),
        Value::Null => return Ok(Map::new()),
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
    };
    Err(YamlError::mismatch(found, "map[string]interface {}"))
}
