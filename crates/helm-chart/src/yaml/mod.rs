//! YAML in Go's dialect: what go-yaml v2 under sigs.k8s.io/yaml reads and writes, as Helm uses it.
//!
//! The reader accepts and refuses what Go does (YAML 1.1 booleans also as keys, octal and binary
//! integers, merge keys, duplicate keys where the last wins, limits on depth and aliases) and words
//! its errors alike. The writer is byte-exact. Everything here is pure text work.

mod compose;
mod decode;
mod emit;
mod error;
mod fields;
mod key_order;
mod lines;
mod loose;
mod read;
mod resolve;
mod scalar_style;
mod scanner;
mod spanned;
#[cfg(test)]
mod tests;

pub use emit::{EmitError, to_string, to_string_pretty, write};
pub use error::YamlError;
pub(crate) use fields::{Fields, parse_fields, parse_fields_before};
pub(crate) use read::text_of;
pub use read::{
    parse, parse_bytes_with, parse_documents, parse_exact, parse_exact_documents, parse_strict,
    parse_table, parse_with,
};
pub(crate) use scanner::MAX_DEPTH;
pub use spanned::{Position, Spanned, parse_spanned, parse_spanned_documents};
