//! Looking at characters and stepping over them; owns the marks, refuses to know tokens.

use super::{Mark, Scan, Scanner, Token, TokenKind};
use crate::yaml::YamlError;
use crate::yaml::error::Origin;

impl<'a> Scanner<'a> {
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.pos + ahead).copied().unwrap_or(0)
    }

    pub(super) fn at_end(&self) -> bool {
        self.pos >= self.bytes.len()
    }

    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t')
    }

    pub(super) fn is_break(&self, ahead: usize) -> bool {
        match self.byte(ahead) {
            b'\n' | b'\r' => true,
            0xC2 => self.byte(ahead + 1) == 0x85,
            0xE2 => self.byte(ahead + 1) == 0x80 && matches!(self.byte(ahead + 2), 0xA8 | 0xA9),
            _ => false,
        }
    }

    pub(super) fn is_break_or_end(&self, ahead: usize) -> bool {
        self.pos + ahead >= self.bytes.len() || self.is_break(ahead)
    }

    pub(super) fn is_blank_or_end(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_break_or_end(ahead)
    }

    pub(super) fn skip(&mut self) {
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
    pub(super) fn skip_run(&mut self, length: usize) {
        let run = &self.bytes[self.pos..self.pos + length];
        let characters = run.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        self.pos += length;
        self.mark.index += characters;
        self.mark.column += characters as u32;
    }

    /// The number of spaces from here.
    pub(super) fn spaces(&self) -> usize {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        rest.iter()
            .position(|byte| *byte != b' ')
            .unwrap_or(rest.len())
    }

    /// The number of bytes before the next line break, or the end.
    pub(super) fn line_length(&self) -> usize {
        let mut length = 0;
        loop {
            let rest = self.bytes.get(self.pos + length..).unwrap_or_default();
            let may_break = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0xC2 | 0xE2);
            match rest.iter().position(may_break) {
                None => return length + rest.len(),
                Some(at) if self.is_break(length + at) => return length + at,
                Some(at) => length += at + 1,
            }
        }
    }

    pub(super) fn skip_line(&mut self) {
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

    pub(super) fn read(&mut self, into: &mut String) {
        let start = self.pos;
        self.skip();
        into.push_str(&self.text[start..self.pos]);
    }

    pub(super) fn read_line(&mut self, into: &mut String) {
        match self.byte(0) {
            0xE2 => into.push_str(&self.text[self.pos..self.pos + 3]),
            b'\r' | b'\n' | 0xC2 => into.push('\n'),
            _ => return,
        }
        self.skip_line();
    }

    pub(super) fn error<T>(&self, context: Mark, problem: impl Into<String>) -> Scan<T> {
        Err(YamlError::located(
            problem.into(),
            Origin::Scanner,
            Some(context),
            self.mark,
        ))
    }

    pub(super) fn push(&mut self, kind: TokenKind<'a>, start: Mark) {
        self.tokens.push_back(Token { kind, start });
    }
}
