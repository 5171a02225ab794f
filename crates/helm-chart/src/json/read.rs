//! JSON text to values: strict, with the messages of Go's `encoding/json`.

use std::borrow::Cow;

use go_text_template::{Text, fmt};
use serde_json::Value;

use crate::tree::{Builder, FloatNumbers};
use crate::yaml::MAX_DEPTH;

/// A text that is not JSON, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct JsonError {
    message: String,
    /// Byte offset at which the problem was noticed.
    pub offset: usize,
}

/// Reads one JSON value; every number becomes an `f64`, as in Go.
///
/// # Errors
/// [`JsonError`] when `text` is not exactly one JSON value.
pub fn parse(text: &str) -> Result<Value, JsonError> {
    parse_with(text, &mut FloatNumbers)
}

/// Reads one JSON value with `builder`; numbers are shown to it as floats.
///
/// # Errors
/// See [`parse`].
pub fn parse_with<B: Builder>(text: &str, builder: &mut B) -> Result<B::Output, JsonError> {
    match parse_partly(text.as_bytes(), builder)? {
        (value, None) => Ok(value),
        (_, Some(error)) => Err(error),
    }
}

/// Reads one JSON value with `builder` as far as Go does: a number that is no `float64` is left
/// out, as null, and the first of them told beside the value. Bytes that are not UTF-8 become
/// U+FFFD within strings.
///
/// # Errors
/// [`JsonError`] when the bytes are not exactly one JSON value.
pub(crate) fn parse_partly<B: Builder>(
    bytes: &[u8],
    builder: &mut B,
) -> Result<(B::Output, Option<JsonError>), JsonError> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(Text::from(bytes).to_str().into_owned()),
    };
    let mut reader = Reader::new(&text, builder);
    let value = reader.value().and_then(|value| {
        reader.skip_space();
        match reader.byte() {
            None => Ok(value),
            Some(_) => Err(reader.unexpected("after top-level value")),
        }
    });
    match value {
        Ok(value) => Ok((value, reader.beyond_float)),
        Err(error) => Err(error.about(bytes)),
    }
}

/// Reads the JSON value `text` begins with; also the offset behind it.
pub(crate) fn parse_prefix<B: Builder>(
    text: &str,
    builder: &mut B,
) -> Result<(B::Output, usize), JsonError> {
    let mut reader = Reader::new(text, builder);
    let value = reader.value()?;
    match reader.beyond_float {
        Some(error) => Err(error),
        None => Ok((value, reader.at)),
    }
}

/// A byte as Go shows it: as the character of that number.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        other => {
            let quoted = fmt::quote(char::from(other).encode_utf8(&mut [0; 4]).as_bytes());
            format!("'{}'", quoted.trim_matches('"'))
        }
    }
}

impl JsonError {
    /// The error with the byte that really is in its place, where U+FFFD stands for it.
    fn about(mut self, bytes: &[u8]) -> Self {
        let mut at = 0;
        for chunk in bytes.utf8_chunks() {
            at += chunk.valid().len();
            for byte in chunk.invalid() {
                if at == self.offset {
                    let shown = quoted("\u{fffd}".as_bytes()[0]);
                    self.message = self.message.replacen(&shown, &quoted(*byte), 1);
                }
                at += char::REPLACEMENT_CHARACTER.len_utf8();
            }
        }
        self
    }
}

struct Reader<'t, 'b, B: Builder> {
    text: &'t str,
    at: usize,
    depth: usize,
    builder: &'b mut B,
    /// The first number that is no `float64`.
    beyond_float: Option<JsonError>,
}

impl<'t, 'b, B: Builder> Reader<'t, 'b, B> {
    fn new(text: &'t str, builder: &'b mut B) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            builder,
            beyond_float: None,
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn error(&self, message: String) -> JsonError {
        JsonError {
            message,
            offset: self.at,
        }
    }

    /// `invalid character 'x' …`, or the complaint about an early end.
    fn unexpected(&self, context: &str) -> JsonError {
        match self.byte() {
            None => self.error("unexpected end of JSON input".to_owned()),
            Some(byte) => self.error(format!("invalid character {} {context}", quoted(byte))),
        }
    }

    /// The same within a token, where Go takes the end for a space.
    fn unexpected_in_token(&self, context: &str) -> JsonError {
        let byte = self.byte().unwrap_or(b' ');
        self.error(format!("invalid character {} {context}", quoted(byte)))
    }

    fn value(&mut self) -> Result<B::Output, JsonError> {
        self.skip_space();
        match self.byte() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => {
                let text = self.string()?;
                Ok(self.builder.string(text))
            }
            Some(b't') => self.literal("true").map(|()| self.builder.boolean(true)),
            Some(b'f') => self.literal("false").map(|()| self.builder.boolean(false)),
            Some(b'n') => self.literal("null").map(|()| self.builder.null()),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), JsonError> {
        for (index, expected) in word.char_indices() {
            if self.byte() != Some(expected as u8) {
                let context = format!("in literal {word} (expecting '{expected}')");
                debug_assert!(index > 0);
                return Err(self.unexpected_in_token(&context));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn nest(&mut self) -> Result<(), JsonError> {
        self.depth += 1;
        self.at += 1;
        if self.depth > MAX_DEPTH {
            Err(self.error("exceeded max depth".to_owned()))
        } else {
            Ok(())
        }
    }

    fn object(&mut self) -> Result<B::Output, JsonError> {
        self.nest()?;
        let mut entries = Vec::new();
        loop {
            self.skip_space();
            match self.byte() {
                Some(b'}') if entries.is_empty() => break,
                Some(b'"') => {}
                _ => return Err(self.unexpected("looking for beginning of object key string")),
            }
            let key = self.string()?;
            self.skip_space();
            if self.byte() != Some(b':') {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            let value = self.value()?;
            entries.push((key, value));
            self.skip_space();
            match self.byte() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.unexpected("after object key:value pair")),
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(self.builder.map(entries))
    }

    fn array(&mut self) -> Result<B::Output, JsonError> {
        self.nest()?;
        let mut items = Vec::new();
        loop {
            self.skip_space();
            if items.is_empty() && self.byte() == Some(b']') {
                break;
            }
            items.push(self.value()?);
            self.skip_space();
            match self.byte() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.unexpected("after array element")),
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(self.builder.list(items))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<B::Output, JsonError> {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else if self.digits() == 0 {
            return Err(self.unexpected_in_token("in numeric literal"));
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.unexpected_in_token("after decimal point in numeric literal"));
            }
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.unexpected_in_token("in exponent of numeric literal"));
            }
        }
        let text = &self.text[start..self.at];
        // Only with an exponent, or with hundreds of digits, is a number beyond all floats.
        let may_be_beyond = text.len() > 300 || text.contains(['e', 'E']);
        if may_be_beyond && !text.parse::<f64>().is_ok_and(f64::is_finite) {
            let message =
                format!("json: cannot unmarshal number {text} into Go value of type float64");
            let error = self.error(message);
            self.beyond_float.get_or_insert(error);
        }
        Ok(self.builder.number(text))
    }

    fn string(&mut self) -> Result<Cow<'t, str>, JsonError> {
        self.at += 1;
        let start = self.at;
        let mut owned: Option<String> = None;
        let mut copied = start;
        loop {
            match self.byte() {
                None => return Err(self.unexpected("")),
                Some(b'"') => {
                    let tail = &self.text[copied..self.at];
                    self.at += 1;
                    return Ok(match owned {
                        None => Cow::Borrowed(tail),
                        Some(text) => Cow::Owned(text + tail),
                    });
                }
                Some(b'\\') => {
                    let before = &self.text[copied..self.at];
                    let text = owned.get_or_insert_default();
                    text.push_str(before);
                    let character = self.escape()?;
                    text.push(character);
                    copied = self.at;
                }
                Some(0..=0x1F) => return Err(self.unexpected("in string literal")),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        self.at += 1;
        let character = match self.byte() {
            Some(plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'b') => '\x08',
            Some(b'f') => '\x0C',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                let first = self.hex()?;
                let pair = (0xD800..0xDC00).contains(&first) && self.rest().starts_with("\\u");
                if pair {
                    let before = self.at;
                    self.at += 2;
                    let second = self.hex()?;
                    if (0xDC00..0xE000).contains(&second) {
                        let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                        return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    self.at = before;
                }
                return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            _ => return Err(self.unexpected_in_token("in string escape code")),
        };
        self.at += 1;
        Ok(character)
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.byte().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.unexpected_in_token("in \\u hexadecimal character escape"));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}
