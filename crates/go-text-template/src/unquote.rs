//! Go literals in template text: strings, characters and numbers.
//!
//! Source of the rules: the Go specification (literals) and the documentation of `strconv`.

use std::borrow::Cow;

/// The content of a quoted or raw string literal, borrowed where it is all between the quotes; `None`
/// if it is not one.
pub(crate) fn unquote(literal: &str) -> Option<Cow<'_, [u8]>> {
    let mark = *literal.as_bytes().first()?;
    let body = literal.get(1..)?.strip_suffix(mark as char)?;
    if mark == b'`' && body.contains('\r') {
        let kept = body.bytes().filter(|byte| *byte != b'\r');
        return Some(Cow::Owned(kept.collect()));
    }
    if mark == b'`' || !body.contains(['\\', '"', '\n']) {
        return Some(Cow::Borrowed(body.as_bytes()));
    }
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while !rest.is_empty() {
        if rest.starts_with(['"', '\n']) {
            return None;
        }
        let (character, after) = unquote_char(rest, '"')?;
        match character {
            Unquoted::Byte(byte) => out.push(byte),
            Unquoted::Char(character) => {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        rest = after;
    }
    Some(Cow::Owned(out))
}

/// One character of a literal: a code point, or a byte written as such.
pub(crate) enum Unquoted {
    Byte(u8),
    Char(char),
}

impl Unquoted {
    pub(crate) fn code(&self) -> i64 {
        match self {
            Self::Byte(byte) => i64::from(*byte),
            Self::Char(character) => i64::from(u32::from(*character)),
        }
    }
}

/// The first character of a literal's body and what follows it.
pub(crate) fn unquote_char(text: &str, mark: char) -> Option<(Unquoted, &str)> {
    let mut characters = text.chars();
    let first = characters.next()?;
    if first == mark {
        return None;
    }
    if first != '\\' {
        return Some((Unquoted::Char(first), characters.as_str()));
    }
    let escape = characters.next()?;
    let rest = characters.as_str();
    let simple = |character| Some((Unquoted::Char(character), rest));
    match escape {
        'a' => simple('\u{7}'),
        'b' => simple('\u{8}'),
        'f' => simple('\u{c}'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\u{b}'),
        '\\' => simple('\\'),
        '\'' | '"' if escape == mark => simple(escape),
        'x' => coded(rest, 2, 16).map(|(code, rest)| (Unquoted::Byte(code as u8), rest)),
        'u' => coded(rest, 4, 16)
            .and_then(|(code, rest)| Some((Unquoted::Char(char::from_u32(code)?), rest))),
        'U' => coded(rest, 8, 16)
            .and_then(|(code, rest)| Some((Unquoted::Char(char::from_u32(code)?), rest))),
        '0'..='7' => {
            let (code, rest) = coded(&text[1..], 3, 8)?;
            Some((Unquoted::Byte(u8::try_from(code).ok()?), rest))
        }
        _ => None,
    }
}

fn coded(text: &str, digits: usize, radix: u32) -> Option<(u32, &str)> {
    let (code, rest) = text.split_at_checked(digits)?;
    if !code.chars().all(|character| character.is_digit(radix)) {
        return None;
    }
    Some((u32::from_str_radix(code, radix).ok()?, rest))
}

/// A number literal with every reading Go allows of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Number {
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    /// Real and imaginary part.
    pub(crate) complex: Option<(f64, f64)>,
    /// Written as a float: has a point or an exponent, and is neither hexadecimal nor a rune.
    pub(crate) looks_float: bool,
}

impl Number {
    pub(crate) fn of_char(code: i64) -> Self {
        Self {
            int: Some(code),
            uint: Some(code as u64),
            float: Some(code as f64),
            ..Self::default()
        }
    }

    /// Reads a literal like `12`, `0x1F`, `1e3` or `2i`.
    ///
    /// # Errors
    /// Go's complaint.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(imaginary) = text.strip_suffix('i')
            && let Some(imaginary) = parse_float(imaginary)
        {
            return Ok(Self::of_complex(0.0, imaginary));
        }
        let mut number = Self {
            uint: parse_uint(text),
            int: parse_int(text),
            ..Self::default()
        };
        if number.int == Some(0) {
            number.uint = number.uint.or(Some(0));
        }
        let hexadecimal =
            (text.starts_with("0x") || text.starts_with("0X")) && !text.contains(['p', 'P']);
        let floaty = text.contains(['.', 'e', 'E', 'p', 'P']);
        number.looks_float = floaty && !hexadecimal;
        number.float = match (number.int, number.uint) {
            (Some(int), _) => Some(int as f64),
            (None, Some(uint)) => Some(uint as f64),
            (None, None) => {
                let float = parse_float(text);
                if float.is_some() && !floaty {
                    return Err(format!(
                        "integer overflow: {}",
                        crate::fmt::quote(text.as_bytes())
                    ));
                }
                if let Some(float) = float {
                    number.take_integers(float);
                }
                float
            }
        };
        if number.float.is_none() {
            return Err(format!(
                "illegal number syntax: {}",
                crate::fmt::quote(text.as_bytes())
            ));
        }
        Ok(number)
    }

    /// Reads `1+2i`.
    ///
    /// # Errors
    /// Go's complaint.
    pub(crate) fn parse_complex(text: &str) -> Result<Self, String> {
        let split = text.char_indices().skip(1).filter(|(index, character)| {
            matches!(character, '+' | '-') && !text[..*index].ends_with(['e', 'E', 'p', 'P'])
        });
        let parsed = split.last().and_then(|(index, _)| {
            Some((
                parse_float(&text[..index])?,
                parse_float(text[index..].strip_suffix('i')?)?,
            ))
        });
        let (real, imaginary) = parsed.ok_or("syntax error scanning complex number")?;
        Ok(Self::of_complex(real, imaginary))
    }

    fn of_complex(real: f64, imaginary: f64) -> Self {
        let mut number = Self {
            complex: Some((real, imaginary)),
            ..Self::default()
        };
        if imaginary == 0.0 {
            number.float = Some(real);
            number.take_integers(real);
        }
        number
    }

    #[expect(
        clippy::float_cmp,
        reason = "the question is whether the conversion is exact"
    )]
    fn take_integers(&mut self, float: f64) {
        self.int = Some(float as i64).filter(|int| *int as f64 == float && float.abs() < 9.3e18);
        self.uint = Some(float as u64).filter(|uint| *uint as f64 == float && float >= 0.0);
    }
}

fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_uint(digits)?;
    if negative {
        return 0_i64.checked_sub_unsigned(magnitude);
    }
    i64::try_from(magnitude).ok()
}

/// Base by prefix, `_` between digits.
fn parse_uint(text: &str) -> Option<u64> {
    let lower = text.get(..2).unwrap_or("").to_ascii_lowercase();
    let (radix, digits) = match lower.as_str() {
        "0x" => (16, &text[2..]),
        "0o" => (8, &text[2..]),
        "0b" => (2, &text[2..]),
        _ if text.len() > 1 && text.starts_with('0') => (8, &text[1..]),
        _ => (10, text),
    };
    if text.contains('_') && !underscores_fit(text) {
        return None;
    }
    let digits = digits.replace('_', "");
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(&digits, radix).ok()
}

fn parse_float(text: &str) -> Option<f64> {
    if text.contains('_') && !underscores_fit(text) {
        return None;
    }
    let plain = text.replace('_', "");
    let unsigned = plain.trim_start_matches(['+', '-']);
    if unsigned.starts_with("0x") || unsigned.starts_with("0X") {
        return parse_hex_float(&plain);
    }
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    plain.parse().ok().filter(|float: &f64| float.is_finite())
}

fn parse_hex_float(text: &str) -> Option<f64> {
    let negative = text.starts_with('-');
    let body = text.trim_start_matches(['+', '-']).get(2..)?;
    let (mantissa, exponent) = body.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    let mut value = 0.0_f64;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let exponent: i32 = exponent.parse().ok()?;
    let scaled =
        value * 2.0_f64.powi(exponent.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?);
    Some(if negative { -scaled } else { scaled }).filter(|float| float.is_finite())
}

/// Go's rule: `_` only between digits, or between a base prefix and a digit.
fn underscores_fit(text: &str) -> bool {
    let text = text.trim_start_matches(['+', '-']);
    let lower = text.to_ascii_lowercase();
    let prefixed = ["0x", "0o", "0b"]
        .iter()
        .any(|prefix| lower.starts_with(prefix));
    let body = if prefixed { &lower[2..] } else { &lower };
    let mut before_is_digit = prefixed;
    let mut after_underscore = false;
    for character in body.chars() {
        if character == '_' {
            if !before_is_digit {
                return false;
            }
            (before_is_digit, after_underscore) = (false, true);
        } else if character.is_ascii_hexdigit() {
            (before_is_digit, after_underscore) = (true, false);
        } else {
            if after_underscore {
                return false;
            }
            before_is_digit = false;
        }
    }
    !after_underscore
}
