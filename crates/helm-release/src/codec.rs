//! How a [`Record`] becomes the text in a Secret and back: JSON, gzip, base64. It owns the bytes and
//! refuses to know Secrets.
//!
//! Source: `pkg/storage/driver/util.go` of Helm v4.2.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::{Profile, Record};

/// What a Secret's data may hold in all: `MaxSecretSize` in `pkg/apis/core/types.go` of Kubernetes.
pub(crate) const SECRET_LIMIT: usize = 1024 * 1024;

/// More than any record of a chart Helm accepts; stops a decompression bomb.
const DECODED_LIMIT: u64 = 512 * 1024 * 1024;

const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

/// Why a record's text cannot be read or made.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[diagnostic(code(aka::release::record))]
#[non_exhaustive]
pub enum RecordError {
    /// The Secret has no key `release`.
    #[error("Secret `{0}` has no key `release`")]
    Missing(String),
    /// It is not base64.
    #[error("it is not base64")]
    Base64(#[source] base64::DecodeError),
    /// It cannot be decompressed.
    #[error("it cannot be decompressed")]
    Gzip(#[source] std::io::Error),
    /// It decompresses to more than 512 MiB.
    #[error("it decompresses to more than 512 MiB")]
    Huge,
    /// It is not the JSON of a record.
    #[error("it is not a Helm release in JSON")]
    Json(#[source] serde_json::Error),
}

/// The text Helm keeps under the key `release`, before the Secret's own base64.
pub(crate) fn encode(record: &Record, profile: Profile) -> Result<String, RecordError> {
    let json = json(record, profile)?;
    let mut gzip = GzEncoder::new(Vec::with_capacity(json.len() / 4), Compression::best());
    gzip.write_all(json.as_bytes()).map_err(RecordError::Gzip)?;
    let packed = gzip.finish().map_err(RecordError::Gzip)?;
    Ok(STANDARD.encode(packed))
}

/// The record in the text under the key `release`; text that was not compressed is accepted.
pub(crate) fn decode(text: &str) -> Result<Record, RecordError> {
    let bytes = STANDARD
        .decode(text.trim_ascii())
        .map_err(RecordError::Base64)?;
    let json = if bytes.starts_with(&GZIP_MAGIC) {
        let mut json = Vec::new();
        GzDecoder::new(bytes.as_slice())
            .take(DECODED_LIMIT + 1)
            .read_to_end(&mut json)
            .map_err(RecordError::Gzip)?;
        if json.len() as u64 > DECODED_LIMIT {
            return Err(RecordError::Huge);
        }
        json
    } else {
        bytes
    };
    serde_json::from_slice(&json).map_err(RecordError::Json)
}

/// The record as Go's `encoding/json` writes it.
fn json(record: &Record, profile: Profile) -> Result<String, RecordError> {
    let text = match profile {
        Profile::Helm4 => serde_json::to_string(record),
        Profile::Helm3 => serde_json::to_value(record).and_then(|mut value| {
            write_zero_times(&mut value);
            serde_json::to_string(&value)
        }),
    }
    .map_err(RecordError::Json)?;
    Ok(escape_as_go(&text))
}

/// Helm 3 writes a time that is not set as `""` and knows no `apply_method`.
fn write_zero_times(record: &mut Value) {
    const RUN: [&str; 2] = ["started_at", "completed_at"];
    fill_empty(
        record.get_mut("info"),
        &["first_deployed", "last_deployed", "deleted"],
    );
    let hooks = record.get_mut("hooks").and_then(Value::as_array_mut);
    for hook in hooks.into_iter().flatten() {
        fill_empty(hook.get_mut("last_run"), &RUN);
    }
    if let Some(table) = record.as_object_mut() {
        table.remove("apply_method");
    }
}

fn fill_empty(table: Option<&mut Value>, keys: &[&str]) {
    if let Some(table) = table.and_then(Value::as_object_mut) {
        for key in keys {
            table
                .entry(*key)
                .or_insert_with(|| Value::String(String::new()));
        }
    }
}

/// Go escapes these characters for HTML's sake. Outside of strings JSON has none of them.
fn escape_as_go(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len() + json.len() / 16);
    for character in json.chars() {
        match character {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
