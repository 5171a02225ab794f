//! Characters to tokens: owns the lexical rules of YAML 1.1 as go-yaml v2 applies them, including
//! which texts it rejects and the line it names. Refuses to build nodes; that is `compose`.

mod characters;
mod properties;
mod scalars;

use std::borrow::Cow;
use std::collections::VecDeque;

use super::YamlError;

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
    /// Whether the first token is settled: no later one can come before it.
    settled: bool,
    ended: bool,
    /// Room for line breaks, kept from scalar to scalar.
    leading_break: String,
    trailing_breaks: String,
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
            settled: false,
            ended: false,
            leading_break: String::new(),
            trailing_breaks: String::new(),
        })
    }

    /// The next token, which stays in place; after the end of the stream, its end token.
    pub(super) fn peek(&mut self) -> Scan<&Token<'a>> {
        while !self.settled {
            if self.needs_more()? {
                self.fetch_next()?;
            } else {
                self.settled = true;
            }
        }
        Ok(&self.tokens[0])
    }

    /// Takes the token [`Self::peek`] showed.
    pub(super) fn take(&mut self) -> Scan<Token<'a>> {
        self.peek()?;
        let token = self.tokens.pop_front();
        self.tokens_taken += 1;
        self.settled = false;
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
            Some(number) => self.insert(number, token),
            None => self.tokens.push_back(token),
        }
        Ok(())
    }

    /// Inserts a token before the one of this number; like go-yaml, at the end if that one is taken.
    fn insert(&mut self, number: usize, token: Token<'a>) {
        match number.checked_sub(self.tokens_taken) {
            Some(position) => self.tokens.insert(position.min(self.tokens.len()), token),
            None => self.tokens.push_back(token),
        }
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
            self.skip_run(self.spaces());
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
        self.skip_run(self.line_length());
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
            self.insert(key.token_number, token);
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
