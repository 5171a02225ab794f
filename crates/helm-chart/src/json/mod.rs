//! JSON as Go's `encoding/json` writes and reads it: sorted keys, escaped `<`, `>`, `&`, U+2028 and
//! U+2029, Go's floats and Go's error texts. Used by `toJson`, `fromJson` and the release record.

mod read;
mod write;

pub use read::{JsonError, parse, parse_with};
pub(crate) use read::{parse_partly, parse_prefix};
pub(crate) use write::write_string;
pub use write::{WriteError, to_string, to_string_pretty, to_string_raw};
