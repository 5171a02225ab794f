//! Loose conversions to numbers, as spf13/cast 1.7 does them: what has no number is zero.

use go_text_template::{FunctionError, Type, Value, fmt};

use super::arguments::{any, string};
use super::entry::Entry;
use super::moment::Named;

/// Conversion functions.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "int",
        &[Type::Any],
        |_, arguments| Ok(Value::Int(to_int(any(arguments, 0)))),
        "The value as an int; fractions are cut, text without a number is 0.",
    ),
    Entry::new(
        "int64",
        &[Type::Any],
        |_, arguments| Ok(Value::Int64(to_int(any(arguments, 0)))),
        "The value as an int64; fractions are cut, text without a number is 0.",
    ),
    Entry::new(
        "float64",
        &[Type::Any],
        |_, arguments| Ok(Value::Float64(to_float(any(arguments, 0)))),
        "The value as a float64; text without a number is 0.",
    ),
    Entry::new(
        "atoi",
        &[Type::String],
        |_, arguments| Ok(Value::Int(decimal_prefixless(&string(arguments, 0)?))),
        "The decimal integer a text holds, or 0.",
    ),
    Entry::new(
        "toDecimal",
        &[Type::Any],
        |_, arguments| Ok(Value::Int64(octal(any(arguments, 0)))),
        "The number an octal text stands for (777 is 511), or 0.",
    ),
];

/// `int64(v)`.
pub(super) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(number) | Value::Int64(number) => *number,
        Value::Int32(number) => i64::from(*number),
        Value::Uint8(number) => i64::from(*number),
        Value::Uint64(number) => *number as i64,
        Value::Float64(number) => truncate(*number),
        Value::Bool(truth) => i64::from(*truth),
        Value::String(text) => text.as_str().and_then(go_integer).unwrap_or(0),
        Value::Object(_) => value.downcast::<Named>().map_or(0, Named::number),
        _ => 0,
    }
}

/// `float64(v)`.
pub(super) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Float64(number) => *number,
        Value::Uint64(number) => *number as f64,
        Value::String(text) => text.as_str().and_then(go_float).unwrap_or(0.0),
        other => to_int(other) as f64,
    }
}

/// Like [`to_float`], refusing what decimal arithmetic cannot hold.
pub(super) fn to_decimal(value: &Value) -> Result<super::decimal::Decimal, FunctionError> {
    super::decimal::Decimal::from_float(to_float(value)).map_err(FunctionError::from)
}

/// Go's conversion on amd64: what does not fit becomes the smallest integer.
fn truncate(number: f64) -> i64 {
    let whole = number.trunc();
    let limit = 2f64.powi(63);
    if whole >= -limit && whole < limit {
        whole as i64
    } else {
        i64::MIN
    }
}

/// An integer in Go's literal syntax: base prefixes, underscores, and `.000` cut off.
fn go_integer(text: &str) -> Option<i64> {
    let text = without_zero_fraction(text);
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let (base, body) = match lower.as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    let prefixed = body.len() < digits.len();
    let body = without_underscores(body, prefixed)?;
    if body.is_empty() || !body.chars().all(|digit| digit.is_digit(base)) {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(&body, base).ok()?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// Underscores may stand between digits, and between a base prefix and the first digit.
fn without_underscores(body: &str, prefixed: bool) -> Option<String> {
    if !body.contains('_') {
        return Some(body.to_owned());
    }
    let misplaced =
        body.ends_with('_') || body.contains("__") || (!prefixed && body.starts_with('_'));
    (!misplaced).then(|| body.replace('_', ""))
}

/// Cuts `.`, if only zeros (at least one) follow it.
fn without_zero_fraction(text: &str) -> &str {
    match text.rsplit_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => {
            whole
        }
        _ => text,
    }
}

fn go_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.eq_ignore_ascii_case("nan") {
        return (unsigned.len() == text.len()).then_some(f64::NAN);
    }
    if unsigned.starts_with(['+', '-']) {
        return None;
    }
    let hexadecimal = unsigned
        .get(..2)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("0x"));
    let plain = without_float_underscores(unsigned, hexadecimal)?;
    let spelled = plain.starts_with(['i', 'I']);
    let number = if hexadecimal {
        hex_float(&plain[2..])?
    } else {
        plain.parse().ok()?
    };
    let signed = if text.starts_with('-') {
        -number
    } else {
        number
    };
    (number.is_finite() || spelled).then_some(signed)
}

/// Underscores may stand between digits, and between `0x` and the first digit.
fn without_float_underscores(text: &str, hexadecimal: bool) -> Option<String> {
    let bytes = text.as_bytes();
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (hexadecimal && byte.is_ascii_hexdigit());
    let between = |at: usize| {
        let after_prefix = hexadecimal && at == 2;
        (after_prefix || bytes[..at].last().is_some_and(is_digit))
            && bytes.get(at + 1).is_some_and(is_digit)
    };
    let misplaced = (0..bytes.len()).any(|at| bytes[at] == b'_' && !between(at));
    (!misplaced).then(|| text.replace('_', ""))
}

/// `1.8p3` in hexadecimal; the exponent is required.
fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let value = u64::from_str_radix(&digits, 16).ok()? as f64;
    let shift = exponent
        .parse::<i32>()
        .ok()?
        .saturating_sub(4 * fraction.len() as i32);
    Some(value * 2f64.powi(shift))
}

/// `strconv.Atoi` with its error ignored: 0 for no number, the nearest limit for too large a one.
pub(super) fn decimal_prefixless(text: &str) -> i64 {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    let limit = if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    text.parse().unwrap_or(limit)
}

fn octal(value: &Value) -> i64 {
    let text = fmt::sprint_value(value);
    let text = text.to_str();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain {
        i64::from_str_radix(&text, 8).unwrap_or(0)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::{decimal_prefixless, go_integer, to_float, to_int};
    use go_text_template::Value;

    #[test]
    fn integers_follow_go_literals() {
        for (text, expected) in [
            ("12", Some(12)),
            ("5.0", Some(5)),
            ("12.7", None),
            ("0x1f", Some(31)),
            ("010", Some(8)),
            ("08", None),
            ("1_000", Some(1000)),
            ("1__0", None),
            ("0x_f", Some(15)),
            (" 5 ", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("0", Some(0)),
            ("0.0", Some(0)),
            ("", None),
        ] {
            assert_eq!(go_integer(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_has_no_number_is_zero() {
        assert_eq!(to_int(&Value::Float64(1e30)), i64::MIN);
        assert_eq!(to_int(&Value::Float64(-1.9)), -1);
        assert_eq!(to_float(&Value::from("1e999")).to_bits(), 0);
        assert_eq!(decimal_prefixless("12x"), 0);
        assert_eq!(decimal_prefixless("99999999999999999999"), i64::MAX);
    }
}
