//! Characters to tokens: owns the lexical rules of YAML 1.1 as go-yaml v2 applies them, including
//! which texts it rejects and the line it names. Refuses to build nodes; that is `compose`.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::YamlError;
use super::error::Origin;

/// The deepest nesting accepted; beyond it a hostile document could exhaust the stack.
pub(crate) const MAX_DEPTH: usize = 256;
const MAX_SIMPLE_KEY: usize = 1024;

/// A place in the source; all parts count from zero, columns and index in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    pub(super) index: usize,
    pub(super) line: u32,
    pub(super) column: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScalarStyle {
    Plain,
    Quoted,
    Block,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind<'a> {
    StreamEnd,
    Version(u8, u8),
    TagDirective { handle: &'a str, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    Tag { handle: String, suffix: String },
    Scalar(Cow<'a, str>, ScalarStyle),
}

#[derive(Debug, Clone)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind<'a>,
    pub(super) start: Mark,
}

#[derive(Debug, Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    required: bool,
    /// The parser waits until it is clear whether this is a key.
    awaited: bool,
    token_number: usize,
    mark: Mark,
}

pub(super) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    mark: Mark,
    flow_level: usize,
    indent: i64,
    indents: Vec<i64>,
    simple_keys: Vec<SimpleKey>,
    simple_key_allowed: bool,
    tokens: VecDeque<Token<'a>>,
    tokens_taken: usize,
    ended: bool,
}

type Scan<T> = Result<T, YamlError>;

impl<'a> Scanner<'a> {
    /// Starts on `text`, after checking that it holds no character YAML forbids.
    pub(super) fn new(text: &'a str) -> Scan<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if contains_control(text) {
            return Err(YamlError::syntax(
                "control characters are not allowed",
                None,
            ));
        }
        Ok(Self {
            text,
            bytes: text.as_bytes(),
            pos: 0,
            mark: Mark::default(),
            flow_level: 0,
            indent: -1,
            indents: Vec::new(),
            simple_keys: vec![SimpleKey::default()],
            simple_key_allowed: true,
            tokens: VecDeque::with_capacity(16),
            tokens_taken: 0,
            ended: false,
        })
    }

    /// The next token, which stays in place; after the end of the stream, its end token.
    pub(super) fn peek(&mut self) -> Scan<&Token<'a>> {
        while self.needs_more()? {
            self.fetch_next()?;
        }
        Ok(&self.tokens[0])
    }

    /// Takes the token [`Self::peek`] showed.
    pub(super) fn take(&mut self) -> Scan<Token<'a>> {
        self.peek()?;
        let token = self.tokens.pop_front();
        self.tokens_taken += 1;
        Ok(token.unwrap_or(Token {
            kind: TokenKind::StreamEnd,
            start: self.mark,
        }))
    }

    fn needs_more(&mut self) -> Scan<bool> {
        if self.tokens.is_empty() {
            return Ok(true);
        }
        for position in 0..self.simple_keys.len() {
            let key = self.simple_keys[position];
            if key.possible && key.awaited && key.token_number == self.tokens_taken {
                return Ok(self.simple_key_is_valid(position)? && !self.ended);
            }
        }
        Ok(false)
    }

    // ------------------------------------------------------------------ characters

    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.pos + ahead).copied().unwrap_or(0)
    }

    fn at_end(&self) -> bool {
        self.pos >= self.bytes.len()
    }

    fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t')
    }

    fn is_break(&self, ahead: usize) -> bool {
        match self.byte(ahead) {
            b'\n' | b'\r' => true,
            0xC2 => self.byte(ahead + 1) == 0x85,
            0xE2 => self.byte(ahead + 1) == 0x80 && matches!(self.byte(ahead + 2), 0xA8 | 0xA9),
            _ => false,
        }
    }

    fn is_break_or_end(&self, ahead: usize) -> bool {
        self.pos + ahead >= self.bytes.len() || self.is_break(ahead)
    }

    fn is_blank_or_end(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_break_or_end(ahead)
    }

    fn skip(&mut self) {
        let width = match self.byte(0) {
            0..=0x7F => 1,
            0x80..=0xDF => 2,
            0xE0..=0xEF => 3,
            _ => 4,
        };
        self.pos = (self.pos + width).min(self.bytes.len());
        self.mark.index += 1;
        self.mark.column += 1;
    }

    /// Advances over `length` bytes that contain no line break.
    fn skip_run(&mut self, length: usize) {
        let run = &self.bytes[self.pos..self.pos + length];
        let characters = run.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        self.pos += length;
        self.mark.index += characters;
        self.mark.column += characters as u32;
    }

    fn skip_line(&mut self) {
        let (width, characters) = match self.byte(0) {
            b'\r' if self.byte(1) == b'\n' => (2, 2),
            b'\r' | b'\n' => (1, 1),
            0xC2 => (2, 1),
            0xE2 => (3, 1),
            _ => return,
        };
        self.pos += width;
        self.mark.index += characters;
        self.mark.column = 0;
        self.mark.line += 1;
    }

    fn read(&mut self, into: &mut String) {
        let start = self.pos;
        self.skip();
        into.push_str(&self.text[start..self.pos]);
    }

    fn read_line(&mut self, into: &mut String) {
        match self.byte(0) {
            0xE2 => into.push_str(&self.text[self.pos..self.pos + 3]),
            b'\r' | b'\n' | 0xC2 => into.push('\n'),
            _ => return,
        }
        self.skip_line();
    }

    fn error<T>(&self, context: Mark, problem: impl Into<String>) -> Scan<T> {
        Err(YamlError::located(
            problem.into(),
            Origin::Scanner,
            Some(context),
            self.mark,
        ))
    }

    fn push(&mut self, kind: TokenKind<'a>, start: Mark) {
        self.tokens.push_back(Token { kind, start });
    }

    // ------------------------------------------------------------------ structure

    fn simple_key_is_valid(&mut self, position: usize) -> Scan<bool> {
        let key = self.simple_keys[position];
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < self.mark.line || key.mark.index + MAX_SIMPLE_KEY < self.mark.index {
            if key.required {
                return self.error(key.mark, "could not find expected ':'");
            }
            self.simple_keys[position].possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn save_simple_key(&mut self) -> Scan<()> {
        if self.simple_key_allowed {
            let required = self.flow_level == 0 && self.indent == i64::from(self.mark.column);
            self.remove_simple_key()?;
            let key = SimpleKey {
                possible: true,
                required,
                awaited: true,
                token_number: self.tokens_taken + self.tokens.len(),
                mark: self.mark,
            };
            if let Some(last) = self.simple_keys.last_mut() {
                *last = key;
            }
        }
        Ok(())
    }

    fn remove_simple_key(&mut self) -> Scan<()> {
        let mark = match self.simple_keys.last_mut() {
            Some(key) if key.possible && key.required => key.mark,
            Some(key) => {
                key.possible = false;
                return Ok(());
            }
            None => return Ok(()),
        };
        self.error(mark, "could not find expected ':'")
    }

    fn roll_indent(
        &mut self,
        column: u32,
        at: Option<usize>,
        kind: TokenKind<'a>,
        mark: Mark,
    ) -> Scan<()> {
        if self.flow_level > 0 || self.indent >= i64::from(column) {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = i64::from(column);
        if self.indents.len() > MAX_DEPTH {
            return self.error(mark, format!("exceeded max depth of {MAX_DEPTH}"));
        }
        let token = Token { kind, start: mark };
        match at {
            Some(number) => self
                .tokens
                .insert(number.saturating_sub(self.tokens_taken), token),
            None => self.tokens.push_back(token),
        }
        Ok(())
    }

    fn unroll_indent(&mut self, column: i64) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            self.push(TokenKind::BlockEnd, self.mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn skip_to_next_token(&mut self) {
        loop {
            while self.byte(0) == b' '
                || (self.byte(0) == b'\t' && (self.flow_level > 0 || !self.simple_key_allowed))
            {
                self.skip();
            }
            if self.byte(0) == b'#' {
                self.skip_comment();
            }
            if !self.is_break(0) {
                return;
            }
            self.skip_line();
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    fn skip_comment(&mut self) {
        let mut length = 0;
        while !self.is_break_or_end(length) {
            length += 1;
        }
        self.skip_run(length);
    }

    fn at_document_marker(&self, marker: u8) -> bool {
        self.mark.column == 0
            && self.byte(0) == marker
            && self.byte(1) == marker
            && self.byte(2) == marker
            && self.is_blank_or_end(3)
    }

    fn fetch_next(&mut self) -> Scan<()> {
        self.skip_to_next_token();
        self.unroll_indent(i64::from(self.mark.column));
        if self.at_end() {
            return self.fetch_stream_end();
        }
        if self.mark.column == 0 && self.byte(0) == b'%' {
            return self.fetch_directive();
        }
        if self.at_document_marker(b'-') {
            return self.fetch_document_marker(TokenKind::DocumentStart);
        }
        if self.at_document_marker(b'.') {
            return self.fetch_document_marker(TokenKind::DocumentEnd);
        }
        let in_flow = self.flow_level > 0;
        match self.byte(0) {
            b'[' => self.fetch_flow_start(TokenKind::FlowSequenceStart),
            b'{' => self.fetch_flow_start(TokenKind::FlowMappingStart),
            b']' => self.fetch_flow_end(TokenKind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(TokenKind::FlowMappingEnd),
            b',' => self.fetch_flow_entry(),
            b'-' if self.is_blank_or_end(1) => self.fetch_block_entry(),
            b'?' if in_flow || self.is_blank_or_end(1) => self.fetch_key(),
            b':' if in_flow || self.is_blank_or_end(1) => self.fetch_value(),
            b'*' => self.fetch_anchor(true),
            b'&' => self.fetch_anchor(false),
            b'!' => self.fetch_tag(),
            b'|' if !in_flow => self.fetch_block_scalar(true),
            b'>' if !in_flow => self.fetch_block_scalar(false),
            b'\'' => self.fetch_flow_scalar(true),
            b'"' => self.fetch_flow_scalar(false),
            b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'?' if in_flow => self.cannot_start(),
            b'#' | b'%' | b'@' | b'`' | b' ' | b'\t' => self.cannot_start(),
            _ => self.fetch_plain_scalar(),
        }
    }

    fn cannot_start(&self) -> Scan<()> {
        self.error(self.mark, "found character that cannot start any token")
    }

    fn fetch_stream_end(&mut self) -> Scan<()> {
        if self.mark.column != 0 {
            self.mark.column = 0;
            self.mark.line += 1;
        }
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.ended = true;
        self.push(TokenKind::StreamEnd, self.mark);
        Ok(())
    }

    fn fetch_document_marker(&mut self, kind: TokenKind<'a>) -> Scan<()> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        self.skip_run(3);
        self.push(kind, start);
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: TokenKind<'a>) -> Scan<()> {
        self.save_simple_key()?;
        let token_number = self.tokens_taken + self.tokens.len();
        self.simple_keys.push(SimpleKey {
            mark: self.mark,
            token_number,
            ..SimpleKey::default()
        });
        self.flow_level += 1;
        if self.flow_level > MAX_DEPTH {
            return self.error(self.mark, format!("exceeded max depth of {MAX_DEPTH}"));
        }
        self.simple_key_allowed = true;
        self.push_indicator(kind);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: TokenKind<'a>) -> Scan<()> {
        self.remove_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            let closed = self.simple_keys.pop().unwrap_or_default();
            // go-yaml forgets by token number, and an empty collection shares its own with its key.
            for key in &mut self.simple_keys {
                key.awaited &= key.token_number != closed.token_number;
            }
        }
        self.simple_key_allowed = false;
        self.push_indicator(kind);
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Scan<()> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(TokenKind::FlowEntry);
        Ok(())
    }

    fn push_indicator(&mut self, kind: TokenKind<'a>) {
        let start = self.mark;
        self.skip();
        self.push(kind, start);
    }

    fn fetch_block_entry(&mut self) -> Scan<()> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return self.error(
                    Mark::default(),
                    "block sequence entries are not allowed in this context",
                );
            }
            self.roll_indent(
                self.mark.column,
                None,
                TokenKind::BlockSequenceStart,
                self.mark,
            )?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(TokenKind::BlockEntry);
        Ok(())
    }

    fn fetch_key(&mut self) -> Scan<()> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return self.error(
                    Mark::default(),
                    "mapping keys are not allowed in this context",
                );
            }
            self.roll_indent(
                self.mark.column,
                None,
                TokenKind::BlockMappingStart,
                self.mark,
            )?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.push_indicator(TokenKind::Key);
        Ok(())
    }

    fn fetch_value(&mut self) -> Scan<()> {
        let last = self.simple_keys.len() - 1;
        if self.simple_key_is_valid(last)? {
            let key = self.simple_keys[last];
            let token = Token {
                kind: TokenKind::Key,
                start: key.mark,
            };
            self.tokens
                .insert(key.token_number - self.tokens_taken, token);
            self.roll_indent(
                key.mark.column,
                Some(key.token_number),
                TokenKind::BlockMappingStart,
                key.mark,
            )?;
            self.simple_keys[last].possible = false;
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    return self.error(
                        Mark::default(),
                        "mapping values are not allowed in this context",
                    );
                }
                self.roll_indent(
                    self.mark.column,
                    None,
                    TokenKind::BlockMappingStart,
                    self.mark,
                )?;
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.push_indicator(TokenKind::Value);
        Ok(())
    }

    // ------------------------------------------------------------------ properties and directives

    fn alphabetic_run(&self) -> usize {
        let mut length = 0;
        while self.byte(length).is_ascii_alphanumeric() || matches!(self.byte(length), b'_' | b'-')
        {
            length += 1;
        }
        length
    }

    fn fetch_anchor(&mut self, alias: bool) -> Scan<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        self.skip();
        let length = self.alphabetic_run();
        let name = &self.text[self.pos..self.pos + length];
        self.skip_run(length);
        let terminated = self.is_blank_or_end(0)
            || matches!(
                self.byte(0),
                b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'
            );
        if name.is_empty() || !terminated {
            return self.error(
                start,
                "did not find expected alphabetic or numeric character",
            );
        }
        self.push(
            if alias {
                TokenKind::Alias(name)
            } else {
                TokenKind::Anchor(name)
            },
            start,
        );
        Ok(())
    }

    fn fetch_tag(&mut self) -> Scan<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        let (mut handle, mut suffix);
        if self.byte(1) == b'<' {
            self.skip_run(2);
            handle = String::new();
            suffix = self.scan_tag_uri("", start)?;
            if self.byte(0) != b'>' {
                return self.error(start, "did not find the expected '>'");
            }
            self.skip();
        } else {
            let name = self.scan_tag_handle(false, start)?;
            if name.len() > 1 && name.ends_with('!') {
                suffix = self.scan_tag_uri("", start)?;
                handle = name.to_owned();
            } else {
                suffix = self.scan_tag_uri(name, start)?;
                handle = "!".to_owned();
                if suffix.is_empty() {
                    std::mem::swap(&mut handle, &mut suffix);
                }
            }
        }
        if !self.is_blank_or_end(0) {
            return self.error(start, "did not find expected whitespace or line break");
        }
        self.push(TokenKind::Tag { handle, suffix }, start);
        Ok(())
    }

    fn scan_tag_handle(&mut self, directive: bool, start: Mark) -> Scan<&'a str> {
        if self.byte(0) != b'!' {
            return self.error(start, "did not find expected '!'");
        }
        let from = self.pos;
        self.skip();
        let length = self.alphabetic_run();
        self.skip_run(length);
        if self.byte(0) == b'!' {
            self.skip();
        } else if directive && length > 0 {
            return self.error(start, "did not find expected '!'");
        }
        Ok(&self.text[from..self.pos])
    }

    fn scan_tag_uri(&mut self, head: &str, start: Mark) -> Scan<String> {
        let mut uri = head.get(1..).unwrap_or_default().as_bytes().to_vec();
        let mut found = !head.is_empty();
        loop {
            let byte = self.byte(0);
            if byte == b'%' {
                let digits = self.text.get(self.pos + 1..self.pos + 3);
                let Some(octet) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())
                else {
                    return self.error(start, "did not find URI escaped octet");
                };
                uri.push(octet);
                self.skip_run(3);
            } else if byte.is_ascii_alphanumeric() || b"_-;/?:@&=+$,.!~*'()[]".contains(&byte) {
                uri.push(byte);
                self.skip();
            } else {
                break;
            }
            found = true;
        }
        if !found {
            return self.error(start, "did not find expected tag URI");
        }
        match String::from_utf8(uri) {
            Ok(uri) => Ok(uri),
            Err(_) => self.error(start, "found an incorrect trailing UTF-8 octet"),
        }
    }

    fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.skip();
        }
    }

    fn fetch_directive(&mut self) -> Scan<()> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        self.skip();
        let length = self.alphabetic_run();
        let name = &self.text[self.pos..self.pos + length];
        self.skip_run(length);
        if name.is_empty() {
            return self.error(start, "could not find expected directive name");
        }
        if !self.is_blank_or_end(0) {
            return self.error(start, "found unexpected non-alphabetical character");
        }
        let kind = match name {
            "YAML" => {
                self.skip_blanks();
                let major = self.scan_version_number(start)?;
                if self.byte(0) != b'.' {
                    return self.error(start, "did not find expected digit or '.' character");
                }
                self.skip();
                TokenKind::Version(major, self.scan_version_number(start)?)
            }
            "TAG" => {
                self.skip_blanks();
                let handle = self.scan_tag_handle(true, start)?;
                if !self.is_blank(0) {
                    return self.error(start, "did not find expected whitespace");
                }
                self.skip_blanks();
                let prefix = self.scan_tag_uri("", start)?;
                if !self.is_blank_or_end(0) {
                    return self.error(start, "did not find expected whitespace or line break");
                }
                TokenKind::TagDirective { handle, prefix }
            }
            _ => return self.error(start, "found unknown directive name"),
        };
        self.finish_line(start)?;
        self.push(kind, start);
        Ok(())
    }

    fn scan_version_number(&mut self, start: Mark) -> Scan<u8> {
        let mut value = 0;
        let mut length = 0;
        while self.byte(0).is_ascii_digit() {
            length += 1;
            if length > 2 {
                return self.error(start, "found extremely long version number");
            }
            value = value * 10 + (self.byte(0) - b'0');
            self.skip();
        }
        if length == 0 {
            return self.error(start, "did not find expected version number");
        }
        Ok(value)
    }

    /// Blanks and a comment, then the line break that must follow.
    fn finish_line(&mut self, start: Mark) -> Scan<()> {
        self.skip_blanks();
        if self.byte(0) == b'#' {
            self.skip_comment();
        }
        if !self.is_break_or_end(0) {
            return self.error(start, "did not find expected comment or line break");
        }
        self.skip_line();
        Ok(())
    }

    // ------------------------------------------------------------------ scalars

    fn fetch_block_scalar(&mut self, literal: bool) -> Scan<()> {
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

    fn scan_block_lines(
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
            let mut length = 0;
            while !self.is_break_or_end(length) {
                length += 1;
            }
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

    fn scan_block_breaks(
        &mut self,
        indent: &mut i64,
        breaks: &mut String,
        start: Mark,
    ) -> Scan<()> {
        let mut widest = 0;
        loop {
            while self.byte(0) == b' ' && (*indent == 0 || i64::from(self.mark.column) < *indent) {
                self.skip();
            }
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

    fn fetch_flow_scalar(&mut self, single: bool) -> Scan<()> {
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
    fn simple_quoted(&mut self, single: bool) -> Option<&'a str> {
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

    fn scan_quoted(&mut self, single: bool, start: Mark) -> Scan<String> {
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

    fn scan_escape(&mut self, value: &mut String, start: Mark) -> Scan<()> {
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

    fn fetch_plain_scalar(&mut self) -> Scan<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark;
        let indent = self.indent + 1;
        let from = self.pos;
        let mut to = self.pos;
        let mut folded: Option<String> = None;
        let mut leading_break = String::new();
        let mut trailing_breaks = String::new();
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
        let value = folded.map_or(Cow::Borrowed(&self.text[from..to]), Cow::Owned);
        self.push(TokenKind::Scalar(value, ScalarStyle::Plain), start);
        Ok(())
    }

    /// Bytes from here that belong to a plain scalar without a blank between them.
    fn plain_run(&self) -> usize {
        let mut length = 0;
        while !self.is_blank_or_end(length) {
            match self.byte(length) {
                b':' if self.is_blank_or_end(length + 1) => break,
                b',' | b'?' | b'[' | b']' | b'{' | b'}' if self.flow_level > 0 => break,
                _ => length += 1,
            }
        }
        length
    }
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

/// Whether go-yaml's reader refuses a character of `text`.
pub(crate) fn contains_control(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut suspicious = false;
    for byte in bytes {
        suspicious |= (*byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r'))
            || *byte == 0x7F
            || matches!(byte, 0xC2 | 0xEF);
    }
    suspicious && text.chars().any(is_control)
}

/// A character that YAML 1.1 keeps out of a stream.
pub(crate) fn is_control(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\0'..='\x1F' | '\u{7F}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}' => true,
        _ => false,
    }
}
