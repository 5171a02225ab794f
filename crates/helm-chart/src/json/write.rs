//! Values to JSON text.

use crate::MAX_TEXT;
use crate::number::{not_finite, write_int, write_json_float, write_uint};
use crate::tree::{Tree, TreeSink};
use crate::yaml::MAX_DEPTH;

/// A value that has no JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Infinity or not a number; the field is Go's name for it.
    #[error("json: unsupported value: {0}")]
    NotFinite(&'static str),
    /// A value of this Go type.
    #[error("json: unsupported type: {0}")]
    NoData(&'static str),
    /// A value nested too deeply, or one that contains itself.
    #[error("json: unsupported value: encountered a cycle")]
    TooDeep,
    /// More than [`MAX_TEXT`] bytes: a few shared values can print as very many.
    #[error("json: the text exceeds the limit of {MAX_TEXT} bytes")]
    TooLong,
}

/// Compact JSON with HTML-safe escapes, as `json.Marshal`.
///
/// # Errors
/// [`WriteError`] for numbers and cycles that JSON cannot express.
pub fn to_string<T: Tree + ?Sized>(value: &T) -> Result<String, WriteError> {
    write(value, true, None)
}

/// Compact JSON that leaves `<`, `>` and `&` alone, as `toRawJson`.
///
/// # Errors
/// See [`to_string`].
pub fn to_string_raw<T: Tree + ?Sized>(value: &T) -> Result<String, WriteError> {
    write(value, false, None)
}

/// JSON indented by `indent` per level, as `json.MarshalIndent(value, "", indent)`.
///
/// # Errors
/// See [`to_string`].
pub fn to_string_pretty<T: Tree + ?Sized>(value: &T, indent: &str) -> Result<String, WriteError> {
    write(value, true, Some(indent))
}

fn write<T: Tree + ?Sized>(
    value: &T,
    html: bool,
    indent: Option<&str>,
) -> Result<String, WriteError> {
    let mut writer = Writer {
        out: String::new(),
        html,
        indent,
        depth: 0,
    };
    value.accept(&mut writer)?;
    Ok(writer.out)
}

struct Writer<'i> {
    out: String,
    html: bool,
    indent: Option<&'i str>,
    depth: usize,
}

impl Writer<'_> {
    fn line(&mut self) {
        if let Some(indent) = self.indent {
            self.out.push('\n');
            for _ in 0..self.depth {
                self.out.push_str(indent);
            }
        }
    }

    fn open(&mut self, bracket: char) -> Result<(), WriteError> {
        self.out.push(bracket);
        self.depth += 1;
        if self.out.len() > MAX_TEXT {
            Err(WriteError::TooLong)
        } else if self.depth > MAX_DEPTH {
            Err(WriteError::TooDeep)
        } else {
            Ok(())
        }
    }

    fn close(&mut self, bracket: char, filled: bool) {
        self.depth -= 1;
        if filled {
            self.line();
        }
        self.out.push(bracket);
    }
}

impl TreeSink for Writer<'_> {
    type Error = WriteError;

    fn null(&mut self) -> Result<(), WriteError> {
        self.out.push_str("null");
        Ok(())
    }

    fn boolean(&mut self, value: bool) -> Result<(), WriteError> {
        self.out.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn int(&mut self, value: i64) -> Result<(), WriteError> {
        write_int(&mut self.out, value);
        Ok(())
    }

    fn uint(&mut self, value: u64) -> Result<(), WriteError> {
        write_uint(&mut self.out, value);
        Ok(())
    }

    fn float(&mut self, value: f64) -> Result<(), WriteError> {
        if !value.is_finite() {
            return Err(WriteError::NotFinite(not_finite(value)));
        }
        write_json_float(&mut self.out, value);
        Ok(())
    }

    fn no_data(&mut self, go_type: &'static str) -> Result<(), WriteError> {
        Err(WriteError::NoData(go_type))
    }

    fn string(&mut self, value: &str) -> Result<(), WriteError> {
        write_string(&mut self.out, value, self.html);
        Ok(())
    }

    fn damaged_string(&mut self, value: &[u8]) -> Result<(), WriteError> {
        self.out.push('"');
        for chunk in value.utf8_chunks() {
            write_escaped(&mut self.out, chunk.valid(), self.html);
            for _ in chunk.invalid() {
                self.out.push_str("\\ufffd");
            }
        }
        self.out.push('"');
        Ok(())
    }

    fn list<'n, T: Tree + 'n>(
        &mut self,
        items: impl ExactSizeIterator<Item = &'n T>,
    ) -> Result<(), WriteError> {
        let filled = items.len() > 0;
        self.open('[')?;
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.line();
            item.accept(self)?;
        }
        self.close(']', filled);
        Ok(())
    }

    fn map<'n, T: Tree + 'n>(
        &mut self,
        entries: impl ExactSizeIterator<Item = (&'n str, &'n T)>,
    ) -> Result<(), WriteError> {
        let mut entries: Vec<(&str, &T)> = entries.collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        self.fields(entries.into_iter())
    }

    /// As in Go, a struct keeps its order.
    fn fields<'n, T: Tree + 'n>(
        &mut self,
        entries: impl ExactSizeIterator<Item = (&'n str, &'n T)>,
    ) -> Result<(), WriteError> {
        let filled = entries.len() > 0;
        self.open('{')?;
        for (index, (key, value)) in entries.enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.line();
            write_string(&mut self.out, key, self.html);
            self.out
                .push_str(if self.indent.is_some() { ": " } else { ":" });
            value.accept(self)?;
        }
        self.close('}', filled);
        Ok(())
    }
}

/// Appends a quoted JSON string; `html` also escapes `<`, `>` and `&`.
pub(crate) fn write_string(out: &mut String, text: &str, html: bool) {
    out.push('"');
    write_escaped(out, text, html);
    out.push('"');
}

fn write_escaped(out: &mut String, text: &str, html: bool) {
    let mut written = 0;
    for (at, character) in text.char_indices() {
        let escape = match character {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\x08' => "\\b",
            '\x0C' => "\\f",
            '<' if html => "\\u003c",
            '>' if html => "\\u003e",
            '&' if html => "\\u0026",
            '\u{2028}' => "\\u2028",
            '\u{2029}' => "\\u2029",
            '\0'..='\x1F' => {
                out.push_str(&text[written..at]);
                out.push_str("\\u00");
                out.push(if character < '\x10' { '0' } else { '1' });
                out.push(char::from_digit(u32::from(character) & 0xF, 16).unwrap_or('0'));
                written = at + 1;
                continue;
            }
            _ => continue,
        };
        out.push_str(&text[written..at]);
        out.push_str(escape);
        written = at + character.len_utf8();
    }
    out.push_str(&text[written..]);
}
