//! Format strings: finding verbs, flags, widths and argument indices, as Go's `Sprintf` does.

use super::printer::{Flags, Printer};
use crate::value::Value;

/// Widths and precisions beyond this are refused, as in Go.
const TOO_LARGE: i64 = 1_000_000;

pub(super) fn sprintf(format: &[u8], arguments: &[Value]) -> Vec<u8> {
    let mut state = State {
        format,
        at: 0,
        arguments,
        next: 0,
        reordered: false,
        good_index: true,
        after_index: false,
    };
    let mut printer = Printer {
        out: Vec::with_capacity(format.len() + 16),
        ..Printer::default()
    };
    while state.copy_text(&mut printer) {
        state.verb(&mut printer);
    }
    if !state.reordered && state.next < arguments.len() {
        printer.flags = Flags::default();
        printer.out.extend_from_slice(b"%!(EXTRA ");
        for (index, argument) in arguments[state.next..].iter().enumerate() {
            if index > 0 {
                printer.out.extend_from_slice(b", ");
            }
            if !argument.is_nil() {
                printer.out.extend_from_slice(argument.go_type().as_bytes());
                printer.out.push(b'=');
            }
            printer.print(argument, 'v');
        }
        printer.out.push(b')');
    }
    printer.out
}

struct State<'a> {
    format: &'a [u8],
    at: usize,
    arguments: &'a [Value],
    next: usize,
    reordered: bool,
    good_index: bool,
    after_index: bool,
}

impl State<'_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    /// Copies text up to and including the next `%`; false at the end of the format.
    fn copy_text(&mut self, printer: &mut Printer) -> bool {
        let rest = &self.format[self.at..];
        let length = rest
            .iter()
            .position(|byte| *byte == b'%')
            .unwrap_or(rest.len());
        printer.out.extend_from_slice(&rest[..length]);
        self.at += length + 1;
        length < rest.len()
    }

    fn verb(&mut self, printer: &mut Printer) {
        self.good_index = true;
        self.after_index = false;
        printer.flags = self.flags();
        self.index();
        self.width(printer);
        self.precision(printer);
        if !self.after_index {
            self.index();
        }
        let Some((verb, length)) = decode(&self.format[self.at.min(self.format.len())..]) else {
            printer.out.extend_from_slice(b"%!(NOVERB)");
            self.at = self.format.len();
            return;
        };
        self.at += length;
        let complaint: &[u8] = if verb == '%' {
            printer.out.push(b'%');
            return;
        } else if !self.good_index {
            b"(BADINDEX)"
        } else if self.next >= self.arguments.len() {
            b"(MISSING)"
        } else {
            if matches!(verb, 'v' | 'w') {
                printer.flags.sharp_v = std::mem::take(&mut printer.flags.sharp);
                printer.flags.plus_v = std::mem::take(&mut printer.flags.plus);
            }
            printer.print(&self.arguments[self.next], verb);
            self.next += 1;
            return;
        };
        printer.out.extend_from_slice(b"%!");
        printer
            .out
            .extend_from_slice(verb.encode_utf8(&mut [0; 4]).as_bytes());
        printer.out.extend_from_slice(complaint);
    }

    fn flags(&mut self) -> Flags {
        let mut flags = Flags::default();
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
        flags
    }

    /// `[n]`: continue with argument n.
    fn index(&mut self) {
        self.after_index = false;
        if self.peek() != Some(b'[') {
            return;
        }
        self.reordered = true;
        let rest = &self.format[self.at..];
        let Some(close) = rest.iter().position(|byte| *byte == b']') else {
            self.good_index = false;
            self.at += 1;
            return;
        };
        let digits = &rest[1..close];
        self.at += close + 1;
        let number = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|digits| digits.parse::<usize>().ok())
            .filter(|number| *number <= TOO_LARGE as usize * 10);
        match number {
            Some(number) if (1..=self.arguments.len()).contains(&number) => {
                self.next = number - 1;
                self.after_index = true;
            }
            Some(_) => {
                self.good_index = false;
                self.after_index = true;
            }
            None => self.good_index = false,
        }
    }

    fn width(&mut self, printer: &mut Printer) {
        if self.peek() == Some(b'*') {
            self.at += 1;
            match self.integer_argument() {
                None => printer.out.extend_from_slice(b"%!(BADWIDTH)"),
                Some(width) => {
                    if width < 0 {
                        printer.flags.minus = true;
                        printer.flags.zero = false;
                    }
                    printer.flags.width = Some(width.unsigned_abs() as usize);
                }
            }
            self.after_index = false;
            return;
        }
        printer.flags.width = self.number();
        if self.after_index && printer.flags.width.is_some() {
            self.good_index = false;
        }
    }

    fn precision(&mut self, printer: &mut Printer) {
        if self.peek() != Some(b'.') || self.at + 1 > self.format.len() {
            return;
        }
        self.at += 1;
        if self.after_index {
            self.good_index = false;
        }
        self.index();
        if self.peek() == Some(b'*') {
            self.at += 1;
            let precision = self.integer_argument();
            printer.flags.precision =
                precision.and_then(|precision| usize::try_from(precision).ok());
            if printer.flags.precision.is_none() {
                printer.out.extend_from_slice(b"%!(BADPREC)");
            }
            self.after_index = false;
            return;
        }
        printer.flags.precision = Some(self.number().unwrap_or(0));
    }

    fn integer_argument(&mut self) -> Option<i64> {
        let argument = self.arguments.get(self.next)?;
        self.next += 1;
        argument
            .as_i64()
            .filter(|number| (-TOO_LARGE..=TOO_LARGE).contains(number))
    }

    /// A decimal number, if one is here; one that is too large swallows the rest of the format.
    fn number(&mut self) -> Option<usize> {
        let mut number: Option<i64> = None;
        while let Some(byte) = self.peek().filter(u8::is_ascii_digit) {
            let so_far = number.unwrap_or(0);
            if so_far > TOO_LARGE {
                self.at = self.format.len();
                return None;
            }
            number = Some(so_far * 10 + i64::from(byte - b'0'));
            self.at += 1;
        }
        number.and_then(|number| usize::try_from(number).ok())
    }
}

/// The next character; U+FFFD for one byte that is not UTF-8.
fn decode(bytes: &[u8]) -> Option<(char, usize)> {
    let chunk = bytes.utf8_chunks().next()?;
    Some(
        chunk
            .valid()
            .chars()
            .next()
            .map_or(('\u{fffd}', 1), |character| {
                (character, character.len_utf8())
            }),
    )
}
