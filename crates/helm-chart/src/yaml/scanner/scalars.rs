//! Scalars in their three notations: block, quoted, plain.

use std::borrow::Cow;

use super::{Mark, ScalarStyle, Scan, Scanner, TokenKind};

impl<'a> Scanner<'a> {
    pub(super) fn fetch_block_scalar(&mut self, literal: bool) -> Scan<()> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        let start = self.mark;
        self.skip();
        let mut chomping = None;
        let mut increment = 0;
        for _ in 0..2 {
            match self.byte(0) {
                sign @ (b'+' | b'-') if chomping.is_none() => chomping = Some(sign),
                b'0' if increment == 0 => {
                    return self.error(start, "found an indentation indicator equal to 0");
                }
                digit @ b'1'..=b'9' if increment == 0 => increment = i64::from(digit - b'0'),
                _ => break,
            }
            self.skip();
        }
        self.finish_line(start)?;
        let mut indent = if increment > 0 {
            self.indent.max(0) + increment
        } else {
            0
        };
        let value = self.scan_block_lines(literal, chomping, &mut indent, start)?;
        self.push(
            TokenKind::Scalar(Cow::Owned(value), ScalarStyle::Block),
            start,
        );
        Ok(())
    }

    pub(super) fn scan_block_lines(
        &mut self,
        literal: bool,
        chomping: Option<u8>,
        indent: &mut i64,
        start: Mark,
    ) -> Scan<String> {
        let mut value = String::new();
        let mut leading_break = String::new();
        let mut trailing_breaks = String::new();
        let mut leading_blank = false;
        self.scan_block_breaks(indent, &mut trailing_breaks, start)?;
        while i64::from(self.mark.column) == *indent && !self.at_end() {
            let trailing_blank = self.is_blank(0);
            if !literal && !leading_blank && !trailing_blank && leading_break.starts_with('\n') {
                if trailing_breaks.is_empty() {
                    value.push(' ');
                }
            } else {
                value.push_str(&leading_break);
            }
            leading_break.clear();
            value.push_str(&trailing_breaks);
            trailing_breaks.clear();
            leading_blank = trailing_blank;
            let length = self.line_length();
            value.push_str(&self.text[self.pos..self.pos + length]);
            self.skip_run(length);
            self.read_line(&mut leading_break);
            self.scan_block_breaks(indent, &mut trailing_breaks, start)?;
        }
        if chomping != Some(b'-') {
            value.push_str(&leading_break);
        }
        if chomping == Some(b'+') {
            value.push_str(&trailing_breaks);
        }
        Ok(value)
    }

    pub(super) fn scan_block_breaks(
        &mut self,
        indent: &mut i64,
        breaks: &mut String,
        start: Mark,
    ) -> Scan<()> {
        let mut widest = 0;
        loop {
            let most = match *indent {
                0 => usize::MAX,
                indent => usize::try_from(indent - i64::from(self.mark.column)).unwrap_or(0),
            };
            self.skip_run(self.spaces().min(most));
            widest = widest.max(i64::from(self.mark.column));
            if self.byte(0) == b'\t' && (*indent == 0 || i64::from(self.mark.column) < *indent) {
                return self.error(
                    start,
                    "found a tab character where an indentation space is expected",
                );
            }
            if !self.is_break(0) {
                break;
            }
            self.read_line(breaks);
        }
        if *indent == 0 {
            *indent = widest.max(self.indent + 1).max(1);
        }
        Ok(())
    }

    pub(super) fn fetch_flow_scalar(&mut self, single: bool) -> Scan<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        self.skip();
        let value = match self.simple_quoted(single) {
            Some(value) => Cow::Borrowed(value),
            None => Cow::Owned(self.scan_quoted(single, start)?),
        };
        self.push(TokenKind::Scalar(value, ScalarStyle::Quoted), start);
        Ok(())
    }

    /// The text of a quoted scalar on one line without escapes, which needs no copy.
    pub(super) fn simple_quoted(&mut self, single: bool) -> Option<&'a str> {
        let quote = if single { b'\'' } else { b'"' };
        let rest = &self.bytes[self.pos..];
        let length = rest.iter().position(|byte| {
            *byte == quote || matches!(byte, b'\\' | b'\n' | b'\r' | 0xC2 | 0xE2)
        })?;
        let closed = rest[length] == quote && !(single && rest.get(length + 1) == Some(&b'\''));
        if !closed {
            return None;
        }
        let value = &self.text[self.pos..self.pos + length];
        self.skip_run(length + 1);
        Some(value)
    }

    pub(super) fn scan_quoted(&mut self, single: bool, start: Mark) -> Scan<String> {
        let mut value = String::new();
        let mut whitespaces = String::new();
        let mut leading_break = String::new();
        let mut trailing_breaks = String::new();
        loop {
            if self.at_document_marker(b'-') || self.at_document_marker(b'.') {
                return self.error(start, "found unexpected document indicator");
            }
            if self.at_end() {
                return self.error(start, "found unexpected end of stream");
            }
            let mut leading_blanks = false;
            while !self.is_blank_or_end(0) {
                match self.byte(0) {
                    b'\'' if single && self.byte(1) == b'\'' => {
                        value.push('\'');
                        self.skip_run(2);
                    }
                    b'\'' if single => break,
                    b'"' if !single => break,
                    b'\\' if !single && self.is_break(1) => {
                        self.skip();
                        self.skip_line();
                        leading_blanks = true;
                        break;
                    }
                    b'\\' if !single => self.scan_escape(&mut value, start)?,
                    _ => self.read(&mut value),
                }
            }
            if self.byte(0) == if single { b'\'' } else { b'"' } {
                break;
            }
            while self.is_blank(0) || self.is_break(0) {
                if self.is_blank(0) {
                    if leading_blanks {
                        self.skip();
                    } else {
                        self.read(&mut whitespaces);
                    }
                } else if leading_blanks {
                    self.read_line(&mut trailing_breaks);
                } else {
                    whitespaces.clear();
                    self.read_line(&mut leading_break);
                    leading_blanks = true;
                }
            }
            if leading_blanks {
                fold(&mut value, &mut leading_break, &mut trailing_breaks);
            } else {
                value.push_str(&whitespaces);
                whitespaces.clear();
            }
        }
        self.skip();
        Ok(value)
    }

    pub(super) fn scan_escape(&mut self, value: &mut String, start: Mark) -> Scan<()> {
        let plain = match self.byte(1) {
            b'0' => '\0',
            b'a' => '\x07',
            b'b' => '\x08',
            b't' | b'\t' => '\t',
            b'n' => '\n',
            b'v' => '\x0B',
            b'f' => '\x0C',
            b'r' => '\r',
            b'e' => '\x1B',
            b' ' => ' ',
            b'"' => '"',
            b'\'' => '\'',
            b'\\' => '\\',
            b'N' => '\u{85}',
            b'_' => '\u{A0}',
            b'L' => '\u{2028}',
            b'P' => '\u{2029}',
            kind @ (b'x' | b'u' | b'U') => {
                let length = match kind {
                    b'x' => 2,
                    b'u' => 4,
                    _ => 8,
                };
                self.skip_run(2);
                let digits = self
                    .bytes
                    .get(self.pos..self.pos + length)
                    .unwrap_or_default();
                if digits.len() < length || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return self.error(start, "did not find expected hexdecimal number");
                }
                let number = u32::from_str_radix(&self.text[self.pos..self.pos + length], 16);
                let Some(character) = number.ok().and_then(char::from_u32) else {
                    return self.error(start, "found invalid Unicode character escape code");
                };
                value.push(character);
                self.skip_run(length);
                return Ok(());
            }
            _ => return self.error(start, "found unknown escape character"),
        };
        value.push(plain);
        self.skip_run(2);
        Ok(())
    }

    pub(super) fn fetch_plain_scalar(&mut self) -> Scan<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        let indent = self.indent + 1;
        let from = self.pos;
        let mut to = self.pos;
        let mut folded: Option<String> = None;
        let mut leading_break = std::mem::take(&mut self.leading_break);
        let mut trailing_breaks = std::mem::take(&mut self.trailing_breaks);
        let mut leading_blanks = false;
        loop {
            if self.at_document_marker(b'-')
                || self.at_document_marker(b'.')
                || self.byte(0) == b'#'
            {
                break;
            }
            let run = self.plain_run();
            if run > 0 {
                if leading_blanks {
                    let value = folded.get_or_insert_with(|| self.text[from..to].to_owned());
                    fold(value, &mut leading_break, &mut trailing_breaks);
                    leading_blanks = false;
                } else if let Some(value) = &mut folded {
                    value.push_str(&self.text[to..self.pos]);
                }
                if let Some(value) = &mut folded {
                    value.push_str(&self.text[self.pos..self.pos + run]);
                }
                self.skip_run(run);
                to = self.pos;
            }
            if !(self.is_blank(0) || self.is_break(0)) {
                break;
            }
            while self.is_blank(0) || self.is_break(0) {
                if self.is_blank(0) {
                    if leading_blanks
                        && i64::from(self.mark.column) < indent
                        && self.byte(0) == b'\t'
                    {
                        return self
                            .error(start, "found a tab character that violates indentation");
                    }
                    self.skip();
                } else if leading_blanks {
                    self.read_line(&mut trailing_breaks);
                } else {
                    self.read_line(&mut leading_break);
                    leading_blanks = true;
                }
            }
            if self.flow_level == 0 && i64::from(self.mark.column) < indent {
                break;
            }
        }
        if leading_blanks {
            self.simple_key_allowed = true;
        }
        leading_break.clear();
        trailing_breaks.clear();
        (self.leading_break, self.trailing_breaks) = (leading_break, trailing_breaks);
        let value = folded.map_or(Cow::Borrowed(&self.text[from..to]), Cow::Owned);
        self.push(TokenKind::Scalar(value, ScalarStyle::Plain), start);
        Ok(())
    }

    /// Bytes from here that belong to a plain scalar without a blank between them.
    pub(super) fn plain_run(&self) -> usize {
        let mut length = 0;
        loop {
            let rest = self.bytes.get(self.pos + length..).unwrap_or_default();
            let Some(at) = rest.iter().position(|byte| may_end_plain(*byte)) else {
                return length + rest.len();
            };
            length += at;
            match self.byte(length) {
                b':' if self.is_blank_or_end(length + 1) => return length,
                b',' | b'?' | b'[' | b']' | b'{' | b'}' if self.flow_level > 0 => return length,
                _ if self.is_blank_or_end(length) => return length,
                _ => length += 1,
            }
        }
    }
}

/// Whether a plain scalar can end before this byte.
fn may_end_plain(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t' | b'\n' | b'\r' | b':' | b',' | b'?' | b'[' | b']' | b'{' | b'}' | 0xC2 | 0xE2
    )
}

/// Line folding: one break becomes a space, further breaks stay.
fn fold(value: &mut String, leading_break: &mut String, trailing_breaks: &mut String) {
    if !leading_break.starts_with('\n') {
        value.push_str(leading_break);
    } else if trailing_breaks.is_empty() {
        value.push(' ');
    }
    value.push_str(trailing_breaks);
    leading_break.clear();
    trailing_breaks.clear();
}
