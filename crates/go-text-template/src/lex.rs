//! The lexer: template text into tokens, with trimming and comments already done.
//!
//! Source of the grammar: the documentation of Go's `text/template`, Go 1.26. Token positions are
//! byte offsets, lines start at 1; both appear in error texts.

use std::borrow::Cow;

use crate::fmt::{is_printable, quote};

/// The kinds of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    Eof,
    Text,
    LeftDelimiter,
    RightDelimiter,
    Space,
    Assign,
    Declare,
    Pipe,
    LeftParen,
    RightParen,
    Char,
    String,
    RawString,
    CharConstant,
    Number,
    Complex,
    Bool,
    Field,
    Identifier,
    Variable,
    Dot,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl Kind {
    fn keyword(word: &str) -> Option<Self> {
        Some(match word {
            "block" => Self::Block,
            "break" => Self::Break,
            "continue" => Self::Continue,
            "define" => Self::Define,
            "else" => Self::Else,
            "end" => Self::End,
            "if" => Self::If,
            "nil" => Self::Nil,
            "range" => Self::Range,
            "template" => Self::Template,
            "with" => Self::With,
            _ => return None,
        })
    }

    /// Whether Go prints tokens of this kind in angle brackets.
    fn is_keyword(self) -> bool {
        matches!(
            self,
            Self::Dot
                | Self::Block
                | Self::Break
                | Self::Continue
                | Self::Define
                | Self::Else
                | Self::End
                | Self::If
                | Self::Nil
                | Self::Range
                | Self::Template
                | Self::With
        )
    }
}

/// A token: its kind, its text and its place. That of [`Kind::Error`] has no text, but a
/// [complaint](Lexer::complaint).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'t> {
    pub(crate) kind: Kind,
    pub(crate) text: &'t str,
    pub(crate) at: u32,
    pub(crate) line: u32,
}

impl Token<'_> {
    /// The token as Go shows it in complaints.
    pub(crate) fn describe(&self) -> String {
        match self.kind {
            Kind::Eof => "EOF".to_owned(),
            kind if kind.is_keyword() => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                let cut: String = self.text.chars().take(10).collect();
                format!("{}...", quote(cut.as_bytes()))
            }
            _ => quote(self.text.as_bytes()),
        }
    }
}

/// Where functions named `break` or `continue` exist, those words are not keywords.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keywords {
    pub(crate) break_: bool,
    pub(crate) continue_: bool,
}

/// Produces tokens one by one.
#[derive(Debug)]
pub(crate) struct Lexer<'t> {
    source: &'t str,
    text: &'t str,
    keywords: Keywords,
    at: usize,
    start: usize,
    line: u32,
    start_line: u32,
    inside: bool,
    parens: u32,
    complaint: Cow<'static, str>,
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

fn is_space(character: char) -> bool {
    SPACES.contains(&character)
}

/// Go's letters and digits: approximated by Unicode's alphabetic and numeric properties.
fn is_alphanumeric(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn has_left_trim(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next() == Some('-') && characters.next().is_some_and(is_space)
}

fn has_right_trim(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(is_space) && characters.next() == Some('-')
}

/// Where the next action begins. Texts are short, so that preparing a search would take longer.
fn find_left(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'{', bytes).find(|at| bytes.get(at + 1) == Some(&b'{'))
}

fn newlines(text: &str) -> u32 {
    memchr::memchr_iter(b'\n', text.as_bytes()).count() as u32
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str, keywords: Keywords) -> Self {
        Self {
            source: text,
            text,
            keywords,
            at: 0,
            start: 0,
            line: 1,
            start_line: 1,
            inside: false,
            parens: 0,
            complaint: Cow::Borrowed(""),
        }
    }

    /// What is wrong, once there was a [`Kind::Error`].
    pub(crate) fn complaint(&self) -> &str {
        &self.complaint
    }

    /// The whole text.
    pub(crate) fn source(&self) -> &'t str {
        self.source
    }

    /// The next token; after the end or an error, [`Kind::Eof`] for ever.
    pub(crate) fn next(&mut self) -> Token<'t> {
        if self.inside {
            self.lex_inside()
        } else {
            self.lex_text()
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        self.line += u32::from(character == '\n');
        Some(character)
    }

    /// Takes letters, digits and underscores.
    fn skip_word(&mut self) {
        loop {
            let rest = self.rest().as_bytes();
            let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            self.at += rest.iter().take_while(|byte| is_plain(byte)).count();
            match self.peek() {
                Some(character) if !character.is_ascii() && is_alphanumeric(character) => {
                    self.bump();
                }
                _ => return,
            }
        }
    }

    fn accept(&mut self, set: &str) -> bool {
        let found = self.peek().is_some_and(|character| set.contains(character));
        if found {
            self.bump();
        }
        found
    }

    fn accept_run(&mut self, set: &str) {
        while self.accept(set) {}
    }

    fn emit(&mut self, kind: Kind) -> Token<'t> {
        let token = Token {
            kind,
            text: &self.text[self.start..self.at],
            at: self.start as u32,
            line: self.start_line,
        };
        self.start = self.at;
        self.start_line = self.line;
        token
    }

    /// Moves over text that was not taken by [`Lexer::bump`], and forgets it.
    fn skip(&mut self, length: usize) {
        self.line += newlines(&self.text[self.at..self.at + length]);
        self.at += length;
        self.start = self.at;
        self.start_line = self.line;
    }

    fn fail(&mut self, message: impl Into<Cow<'static, str>>) -> Token<'t> {
        let token = Token {
            kind: Kind::Error,
            text: "",
            at: self.start as u32,
            line: self.start_line,
        };
        self.complaint = message.into();
        self.text = "";
        self.at = 0;
        self.start = 0;
        self.inside = false;
        token
    }

    fn lex_text(&mut self) -> Token<'t> {
        loop {
            let Some(length) = find_left(self.rest()) else {
                let length = self.rest().len();
                self.line += newlines(self.rest());
                self.at += length;
                return self.emit(if length > 0 { Kind::Text } else { Kind::Eof });
            };
            if length > 0 {
                let text = &self.rest()[..length];
                let kept = if has_left_trim(&self.rest()[length + LEFT.len()..]) {
                    text.trim_end_matches(SPACES)
                } else {
                    text
                };
                self.at += kept.len();
                self.line += newlines(kept);
                let token = self.emit(Kind::Text);
                self.skip(length - kept.len());
                if !token.text.is_empty() {
                    return token;
                }
            }
            let marker = if has_left_trim(&self.rest()[LEFT.len()..]) {
                2
            } else {
                0
            };
            if self.rest()[LEFT.len() + marker..].starts_with("/*") {
                if let Some(error) = self.skip_comment(LEFT.len() + marker) {
                    return error;
                }
                continue;
            }
            self.at += LEFT.len();
            let token = self.emit(Kind::LeftDelimiter);
            self.inside = true;
            self.parens = 0;
            self.skip(marker);
            return token;
        }
    }

    /// Skips a comment whose `/*` is `offset` bytes ahead; returns an error token if it is broken.
    fn skip_comment(&mut self, offset: usize) -> Option<Token<'t>> {
        self.skip(offset);
        let Some(length) = self.rest()[2..].find("*/") else {
            return Some(self.fail("unclosed comment"));
        };
        let body = length + 4;
        let after = &self.rest()[body..];
        let trimmed = has_right_trim(after) && after[2..].starts_with(RIGHT);
        if !trimmed && !after.starts_with(RIGHT) {
            return Some(self.fail("comment ends before closing delimiter"));
        }
        self.skip(body);
        if trimmed {
            self.skip(2 + RIGHT.len());
            self.skip(self.rest().len() - self.rest().trim_start_matches(SPACES).len());
        } else {
            self.skip(RIGHT.len());
        }
        None
    }

    fn at_right_delimiter(&self) -> Option<bool> {
        match self.rest().as_bytes() {
            [b'}', b'}', ..] => Some(false),
            [b' ' | b'\t' | b'\r' | b'\n', b'-', b'}', b'}', ..] => Some(true),
            _ => None,
        }
    }

    fn lex_right_delimiter(&mut self, trimmed: bool) -> Token<'t> {
        if trimmed {
            self.skip(2);
        }
        self.at += RIGHT.len();
        let token = self.emit(Kind::RightDelimiter);
        if trimmed {
            self.skip(self.rest().len() - self.rest().trim_start_matches(SPACES).len());
        }
        self.inside = false;
        token
    }

    fn lex_inside(&mut self) -> Token<'t> {
        if let Some(trimmed) = self.at_right_delimiter() {
            if self.parens == 0 {
                return self.lex_right_delimiter(trimmed);
            }
            return self.fail("unclosed left paren");
        }
        let Some(character) = self.peek() else {
            return self.fail("unclosed action");
        };
        if is_space(character) {
            return self.lex_space();
        }
        if matches!(character, '+' | '-' | '0'..='9') {
            return self.lex_number();
        }
        if is_alphanumeric(character) {
            return self.lex_identifier();
        }
        self.bump();
        match character {
            '=' => self.emit(Kind::Assign),
            ':' => {
                if self.bump() != Some('=') {
                    return self.fail("expected :=");
                }
                self.emit(Kind::Declare)
            }
            '|' => self.emit(Kind::Pipe),
            '"' => self.lex_quoted('"', Kind::String, "unterminated quoted string"),
            '\'' => self.lex_quoted('\'', Kind::CharConstant, "unterminated character constant"),
            '`' => self.lex_raw(),
            '$' => self.lex_name(Kind::Variable),
            // As in Go, a dot that ends the text begins a number.
            '.' if self.peek().is_none_or(|next| next.is_ascii_digit()) => {
                self.at -= 1;
                self.lex_number()
            }
            '.' => self.lex_name(Kind::Field),
            '(' => {
                self.parens += 1;
                self.emit(Kind::LeftParen)
            }
            ')' if self.parens == 0 => self.fail("unexpected right paren"),
            ')' => {
                self.parens -= 1;
                self.emit(Kind::RightParen)
            }
            _ if character.is_ascii_graphic() => self.emit(Kind::Char),
            _ => self.fail(format!(
                "unrecognized character in action: {}",
                describe(Some(character))
            )),
        }
    }

    fn lex_space(&mut self) -> Token<'t> {
        let rest = self.rest();
        let length = rest.len() - rest.trim_start_matches(SPACES).len();
        let last = &rest[length - 1..];
        if has_right_trim(last) && last[2..].starts_with(RIGHT) {
            if length == 1 {
                return self.lex_right_delimiter(true);
            }
            self.at += length - 1;
            self.line += newlines(&rest[..length - 1]);
        } else {
            self.at += length;
            self.line += newlines(&rest[..length]);
        }
        self.emit(Kind::Space)
    }

    /// Whether an identifier may end here.
    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(character) => is_space(character) || self.rest().starts_with(RIGHT),
        }
    }

    fn lex_identifier(&mut self) -> Token<'t> {
        self.skip_word();
        if !self.at_terminator() {
            return self.fail(format!("bad character {}", describe(self.peek())));
        }
        let word = &self.text[self.start..self.at];
        let kind = match Kind::keyword(word) {
            Some(Kind::Break) if !self.keywords.break_ => Kind::Identifier,
            Some(Kind::Continue) if !self.keywords.continue_ => Kind::Identifier,
            Some(keyword) => keyword,
            None if word == "true" || word == "false" => Kind::Bool,
            None => Kind::Identifier,
        };
        self.emit(kind)
    }

    /// A field or variable; its `.` or `$` has been taken.
    fn lex_name(&mut self, kind: Kind) -> Token<'t> {
        if self.at_terminator() {
            return self.emit(if kind == Kind::Field { Kind::Dot } else { kind });
        }
        self.skip_word();
        if !self.at_terminator() {
            return self.fail(format!("bad character {}", describe(self.peek())));
        }
        self.emit(kind)
    }

    fn lex_quoted(&mut self, mark: char, kind: Kind, complaint: &'static str) -> Token<'t> {
        loop {
            let plain = |character: char| character != mark && !matches!(character, '\\' | '\n');
            self.at += self.rest().find(|character| !plain(character)).unwrap_or(0);
            match self.bump() {
                None | Some('\n') => return self.fail(complaint),
                Some('\\') => {
                    if matches!(self.bump(), None | Some('\n')) {
                        return self.fail(complaint);
                    }
                }
                Some(character) if character == mark => return self.emit(kind),
                Some(_) => {}
            }
        }
    }

    fn lex_raw(&mut self) -> Token<'t> {
        loop {
            match self.bump() {
                None => return self.fail("unterminated raw quoted string"),
                Some('`') => return self.emit(Kind::RawString),
                Some(_) => {}
            }
        }
    }

    fn lex_number(&mut self) -> Token<'t> {
        let mut kind = Kind::Number;
        let mut good = self.scan_number();
        if good && matches!(self.peek(), Some('+' | '-')) {
            kind = Kind::Complex;
            good = self.scan_number() && self.text[..self.at].ends_with('i');
        }
        if good {
            return self.emit(kind);
        }
        let text = quote(&self.text.as_bytes()[self.start..self.at]);
        self.fail(format!("bad number syntax: {text}"))
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        let exponent = match digits.len() {
            11 => "eE",
            23 => "pP",
            _ => "",
        };
        if self.accept(exponent) {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.bump();
            return false;
        }
        true
    }
}

/// Go's `%#U`.
fn describe(character: Option<char>) -> String {
    match character {
        None => "U+FFFFFFFFFFFFFFFF".to_owned(),
        Some(character) if is_printable(character) => {
            format!("U+{:04X} '{character}'", u32::from(character))
        }
        Some(character) => format!("U+{:04X}", u32::from(character)),
    }
}
