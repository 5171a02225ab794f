//! The entries to the reader: which documents, which numbers, how strict.

use serde_json::{Map, Value};

use super::YamlError;
use super::compose::Composer;
use super::decode::{Unobserved, decode};
use crate::tree::{Builder, ExactNumbers, FloatNumbers};

/// Reads the first document of `text` with `builder`; an empty text is null.
///
/// # Errors
/// [`YamlError`] when the first document is not YAML that JSON can express. Later documents are
/// not looked at.
pub fn parse_with<B: Builder>(text: &str, builder: &mut B) -> Result<B::Output, YamlError> {
    match Composer::new(text)?.next_document()? {
        Some(document) => decode(&document, builder, &mut Unobserved, false),
        None => Ok(builder.null()),
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
