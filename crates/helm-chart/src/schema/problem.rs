//! [`Problem`]: what is wrong with a value, in Helm's words (santhosh-tekuri/jsonschema v6:
//! `kind/kind.go`, `output.go`, printed by `golang.org/x/text/message` in English).

use std::fmt::Write as _;

use serde_json::{Number, Value};

use super::compiled::Wanted;
use super::document::push_token;
use crate::number::write_go_float;
use crate::values::coalesce::go_value;

/// A problem at a place of the values, with what led to it.
#[derive(Debug, Default)]
pub(super) struct Problem {
    /// JSON pointer.
    pub(super) place: String,
    pub(super) kind: Kind,
    pub(super) causes: Vec<Problem>,
}

#[derive(Debug, Default)]
pub(super) enum Kind {
    /// Several problems of one schema; also of one that nobody asks about.
    #[default]
    Group,
    /// A schema that another one refers to.
    Reference,
    /// In other words.
    Text(String),
}

impl Problem {
    pub(super) fn new(place: String, text: String) -> Self {
        Self {
            place,
            kind: Kind::Text(text),
            causes: Vec::new(),
        }
    }

    /// What is shown at the top: the problem, or those of a group.
    pub(super) fn at_the_top(self) -> Vec<Self> {
        match self.kind {
            Kind::Group => self.causes,
            _ => vec![self],
        }
    }

    /// Appends a line for the problem, `indent` levels deep, and those of its causes below it.
    pub(super) fn show(&self, indent: usize, into: &mut String) {
        // A reference with one problem is seen through.
        let is_seen_through = matches!(self.kind, Kind::Reference) && self.causes.len() == 1;
        let mut below = indent;
        if !is_seen_through {
            into.push('\n');
            for _ in 1..indent {
                into.push_str("  ");
            }
            let text = match &self.kind {
                Kind::Text(text) => text,
                Kind::Group | Kind::Reference => "validation failed",
            };
            let _ = write!(into, "- at {}: {text}", quote(&self.place));
            below += 1;
        }
        for cause in &self.causes {
            cause.show(below, into);
        }
    }
}

/// The place of a value: a linked list of tokens, which only problems spell out.
#[derive(Clone, Copy)]
pub(super) enum Place<'p> {
    Top,
    Name(&'p Place<'p>, &'p str),
    Index(&'p Place<'p>, usize),
}

impl Place<'_> {
    /// As a JSON pointer.
    pub(super) fn pointer(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, into: &mut String) {
        match self {
            Place::Top => {}
            Place::Name(around, name) => {
                around.write(into);
                push_token(into, name);
            }
            Place::Index(around, index) => {
                around.write(into);
                let _ = write!(into, "/{index}");
            }
        }
    }
}

/// `keyword: got 1,234, want 5`, of counts.
pub(super) fn count(keyword: &str, got: i64, want: i64) -> String {
    format!("{keyword}: got {}, want {}", grouped(got), grouped(want))
}

/// `keyword: got 1.5, want 2`, of numbers.
pub(super) fn bound(keyword: &str, got: &Number, want: &Number) -> String {
    format!("{keyword}: got {}, want {}", number(got), number(want))
}

/// An integer as English groups it.
pub(super) fn grouped(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", in_threes(&number.unsigned_abs().to_string()))
}

fn in_threes(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A float as English writes it: `12,345.5` below a million, `1.5×10⁰⁷` beyond.
fn number(number: &Number) -> String {
    let mut text = String::new();
    // Nothing is added, but for the sign of a zero.
    write_go_float(&mut text, number.as_f64().unwrap_or_default() + 0.0);
    if let Some((mantissa, exponent)) = text.split_once('e') {
        let power: String = exponent.chars().filter_map(superscript).collect();
        return format!("{mantissa}×10{power}");
    }
    let whole = text.trim_start_matches('-');
    let sign = &text[..text.len() - whole.len()];
    match whole.split_once('.') {
        Some((whole, fraction)) => format!("{sign}{}.{fraction}", in_threes(whole)),
        None => format!("{sign}{}", in_threes(whole)),
    }
}

/// A character of an exponent, raised; a plus is not written.
fn superscript(character: char) -> Option<char> {
    match character {
        '+' => None,
        '-' => Some('⁻'),
        '1' => Some('¹'),
        '2' => Some('²'),
        '3' => Some('³'),
        other => char::from_u32('⁰' as u32 + other.to_digit(10)?),
    }
}

/// A value as it is told.
pub(super) fn display(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Array(_) | Value::Object(_) => "value".to_owned(),
        Value::Number(number) if !number.is_f64() => number.to_string(),
        other => go_value(other),
    }
}

/// A value that is wanted, as the schema writes it.
pub(super) fn wanted(wanted: &Wanted) -> String {
    let text = wanted.text.clone();
    text.unwrap_or_else(|| display(&wanted.value))
}

/// What `enum` wants.
pub(super) fn options(options: &[Wanted]) -> String {
    let is_large = |option: &Wanted| option.value.is_array() || option.value.is_object();
    if options.iter().any(is_large) {
        return "'enum' failed".to_owned();
    }
    let shown: Vec<String> = options.iter().map(wanted).collect();
    match shown.as_slice() {
        [one] => format!("value must be {one}"),
        several => format!("value must be one of {}", several.join(", ")),
    }
}

/// A text in single quotes, escaped as Go does.
pub(super) fn quote(text: &str) -> String {
    let quoted = go_text_template::fmt::quote(text.as_bytes());
    let escaped = quoted.replace("\\\"", "\"").replace('\'', "\\'");
    format!("'{}'", &escaped[1..escaped.len() - 1])
}

/// Texts in single quotes, with commas.
pub(super) fn join_quoted<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let quoted: Vec<String> = texts.into_iter().map(|text| quote(text.as_ref())).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::Number;

    #[test]
    fn numbers_read_as_in_an_english_text() {
        for (value, text) in [
            (100_000.0, "100,000"),
            (999_999.5, "999,999.5"),
            (1_000_000.0, "1×10⁰⁶"),
            (12_345_678.5, "1.23456785×10⁰⁷"),
            (-12_345.678, "-12,345.678"),
            (0.0001, "0.0001"),
            (0.000_012_34, "1.234×10⁻⁰⁵"),
            (2.5e-300, "2.5×10⁻³⁰⁰"),
            (100.0, "100"),
            (-0.0, "0"),
        ] {
            assert_eq!(super::number(&Number::from_f64(value).unwrap()), text);
        }
        assert_eq!(super::grouped(-1_234_567), "-1,234,567");
        assert_eq!(super::grouped(999), "999");
    }
}
