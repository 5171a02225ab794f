//! How a [`Record`] becomes the text in a Secret and back: JSON, gzip, base64. It owns the bytes and
//! refuses to know Secrets.
//!
//! A record is stored anew for each state of its release, and most of it never changes: chart, values
//! and manifest, megabytes that take longer to compress than the API server to keep. A [`Packer`]
//! compresses them once. DEFLATE lets blocks that refer to nothing before them be put together, and a
//! CRC of the whole follows from those of its parts (RFC 1951, RFC 1952), so that what comes out is
//! one gzip member like any other.
//!
//! Source: `pkg/storage/driver/util.go` of Helm v4.2.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

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

/// A gzip member's head: no name, no time, the best compression, an unknown system.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0x02, 0xff];

/// The text Helm keeps under the key `release`, before the Secret's own base64.
pub(crate) fn encode(record: &Record, profile: Profile) -> Result<String, RecordError> {
    Packer::default().encode(record, profile)
}

/// Encodes the states of one record; clones share what is compressed once.
#[derive(Clone, Default)]
pub(crate) struct Packer(Arc<Mutex<Option<Lasting>>>);

/// What all states of a record have in common.
struct Lasting {
    /// SHA-256 of the text, by which it is known again.
    digest: [u8; 32],
    part: Arc<Part>,
}

/// A stretch of a record's JSON, compressed so that it can stand before others.
struct Part {
    packed: Vec<u8>,
    crc: Crc,
}

impl Part {
    fn new(text: &str) -> io::Result<Self> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes())?;
        // Flushed, it ends with a whole byte and says that more follows.
        encoder.flush()?;
        Ok(Self {
            packed: std::mem::take(encoder.get_mut()),
            crc: crc(text),
        })
    }
}

impl Packer {
    /// The text Helm keeps under the key `release`, before the Secret's own base64.
    pub(crate) fn encode(&self, record: &Record, profile: Profile) -> Result<String, RecordError> {
        let json = json(record, profile)?;
        let packed = self.pack(&json).map_err(RecordError::Gzip)?;
        Ok(STANDARD.encode(packed))
    }

    fn pack(&self, json: &str) -> io::Result<Vec<u8>> {
        let (head, lasting, tail) = parts(json);
        let (head, lasting) = (Part::new(head)?, self.lasting(lasting)?);
        let mut packed = Vec::with_capacity(lasting.packed.len() + json.len() / 16);
        packed.extend(GZIP_HEAD);
        packed.extend(&head.packed);
        packed.extend(&lasting.packed);
        let mut last = DeflateEncoder::new(packed, Compression::best());
        last.write_all(tail.as_bytes())?;
        let mut packed = last.finish()?;
        let mut crc = head.crc;
        crc.combine(&lasting.crc);
        crc.combine(&self::crc(tail));
        packed.extend(crc.sum().to_le_bytes());
        packed.extend(crc.amount().to_le_bytes());
        Ok(packed)
    }

    /// What lasts, compressed now or before.
    fn lasting(&self, text: &str) -> io::Result<Arc<Part>> {
        let digest: [u8; 32] = Sha256::digest(text).into();
        let held = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = held().as_ref().filter(|known| known.digest == digest) {
            return Ok(Arc::clone(&known.part));
        }
        let part = Arc::new(Part::new(text)?);
        *held() = Some(Lasting {
            digest,
            part: Arc::clone(&part),
        });
        Ok(part)
    }
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Packer")
    }
}

fn crc(text: &str) -> Crc {
    let mut crc = Crc::new();
    crc.update(text.as_bytes());
    crc
}

/// What changes before chart, values and manifest, these, and what changes after them. Anywhere else
/// the seams would be as right, but spare less.
fn parts(json: &str) -> (&str, &str, &str) {
    let from = json.find(r#","chart":"#).unwrap_or_default();
    let to = json.rfind(r#","hooks":"#).unwrap_or_default().max(from);
    (&json[..from], &json[from..to], &json[to..])
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
