//! When JSON values are equal, and what numbers are multiples of each other: decimals, not floats.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use serde_json::{Number, Value};

/// Which of two numbers is larger.
pub(super) fn compare(one: &Number, other: &Number) -> Ordering {
    if let (Some(one), Some(other)) = (one.as_i64(), other.as_i64()) {
        return one.cmp(&other);
    }
    // Nothing is added, but for the sign of a zero.
    let float = |number: &Number| number.as_f64().unwrap_or_default() + 0.0;
    let order = float(one).total_cmp(&float(other));
    if !order.is_eq() {
        return order;
    }
    // Integers may differ in digits that floats do not have.
    let exact = || scaled(decimal(one)?, decimal(other)?);
    exact().map_or(order, |(one, other)| one.cmp(&other))
}

/// Whether two values are the same; `1` and `1.0` are. To Helm, a number is also what a text writes
/// as one, but not the other way round.
pub(super) fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => compare(one, other).is_eq(),
        (Value::Number(one), Value::String(text)) => is_written(one, text),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let has = |(name, value)| other.get(name).is_some_and(|other| equal(value, other));
            one.len() == other.len() && one.iter().all(has)
        }
        (one, other) => one == other,
    }
}

/// Whether a text writes the number: `1.0`, `0x1f`, `3/2`.
fn is_written(number: &Number, text: &str) -> bool {
    let unsigned = text.trim_start_matches(['+', '-']);
    let integer = |text: &str| {
        let digits = |prefix: &str| {
            text.to_ascii_lowercase()
                .strip_prefix(prefix)
                .map(str::to_owned)
        };
        let (digits, base) = [("0x", 16), ("0b", 2), ("0o", 8)]
            .into_iter()
            .find_map(|(prefix, base)| Some((digits(prefix)?, base)))
            .unwrap_or_else(|| (text.to_owned(), 10));
        let is_plain = digits.starts_with(|first: char| first.is_ascii_alphanumeric());
        i128::from_str_radix(&digits, base)
            .ok()
            .filter(|_| is_plain)
    };
    let (above, below) = if let Some((above, below)) = unsigned.split_once('/') {
        (integer(above).map(|above| (above, 0)), integer(below))
    } else {
        let whole = integer(unsigned).map(|whole| (whole, 0));
        (whole.or_else(|| decimal_text(unsigned)), Some(1))
    };
    let same = || {
        let ((above, shift), below, (number, own)) = (above?, below?, decimal(number)?);
        let sign = if text.starts_with('-') { -1 } else { 1 };
        let product = (number.checked_mul(below)?, own);
        let (product, above) = scaled(product, (sign * above, shift))?;
        Some(below != 0 && product == above)
    };
    text.len() - unsigned.len() < 2 && same() == Some(true)
}

/// The first item that is there before, with the one before.
pub(super) fn twins(items: &[Value]) -> Option<(usize, usize)> {
    /// Of so many items Helm compares each with each.
    const FEW: usize = 20;
    if items.len() <= FEW {
        let pairs = (1..items.len()).flat_map(|later| (0..later).map(move |first| (first, later)));
        return pairs
            .into_iter()
            .find(|(first, later)| equal(&items[*later], &items[*first]));
    }
    let mut seen: HashMap<String, Vec<usize>> = HashMap::new();
    for (later, item) in items.iter().enumerate() {
        let mut key = String::new();
        write_key(item, &mut key);
        let alike = seen.entry(key).or_default();
        let mut before = alike.iter();
        if let Some(first) = before.find(|first| equal(&items[**first], item)) {
            return Some((*first, later));
        }
        alike.push(later);
    }
    None
}

/// Appends a text that equal values share.
fn write_key(value: &Value, into: &mut String) {
    match value {
        Value::Number(number) => {
            let _ = write!(into, "{:?}", number.as_f64().unwrap_or_default() + 0.0);
        }
        Value::Array(items) => {
            into.push('[');
            for item in items {
                write_key(item, into);
                into.push(',');
            }
            into.push(']');
        }
        Value::Object(entries) => {
            into.push('{');
            for (name, entry) in entries.iter().collect::<BTreeMap<_, _>>() {
                let _ = write!(into, "{name:?}:");
                write_key(entry, into);
                into.push(',');
            }
            into.push('}');
        }
        other => {
            let _ = write!(into, "{other}");
        }
    }
}

/// Whether the quotient of the two decimals is an integer.
pub(super) fn is_multiple(number: &Number, of: &Number) -> bool {
    let exact = || {
        let (number, of) = scaled(decimal(number)?, decimal(of)?)?;
        number.checked_rem(of).map(|rest| rest == 0)
    };
    exact().unwrap_or_else(|| {
        let [number, of] = [number, of].map(|number| number.as_f64().unwrap_or_default());
        let quotient = number / of;
        quotient.is_infinite() || quotient.fract() == 0.0
    })
}

/// Two decimals as multiples of the same power of ten.
fn scaled((one, shift): (i128, i32), (other, other_shift): (i128, i32)) -> Option<(i128, i128)> {
    let common = shift.min(other_shift);
    let scaled = |digits: i128, shift: i32| {
        let power = 10_i128.checked_pow(u32::try_from(shift.checked_sub(common)?).ok()?)?;
        digits.checked_mul(power)
    };
    Some((scaled(one, shift)?, scaled(other, other_shift)?))
}

/// The digits of a number and the power of ten behind them.
fn decimal(number: &Number) -> Option<(i128, i32)> {
    let text = number.to_string();
    let unsigned = text.trim_start_matches('-');
    let (digits, shift) = decimal_text(unsigned)?;
    Some((if unsigned == text { digits } else { -digits }, shift))
}

/// The same of a text without a sign.
fn decimal_text(text: &str) -> Option<(i128, i32)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let is_plain = digits.bytes().all(|digit| digit.is_ascii_digit());
    let digits = digits.parse().ok().filter(|_| is_plain)?;
    let exponent: i32 = exponent.parse().ok()?;
    Some((
        digits,
        exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?,
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    #[test]
    fn multiples_are_those_of_decimals() {
        for (number, of, answer) in [
            (json!(0.3), json!(0.1), true),
            (json!(4.5), json!(1.5), true),
            (json!(1e21), json!(3), false),
            (json!(9e20), json!(3), true),
            (json!(1e-7), json!(1e-8), true),
            (json!(1e300), json!(1e-300), true),
            (json!(7), json!(2), false),
        ] {
            let [Value::Number(number), Value::Number(of)] = [number, of] else {
                panic!("no numbers");
            };
            assert_eq!(super::is_multiple(&number, &of), answer, "{number} {of}");
        }
    }

    #[test]
    fn a_number_is_what_a_text_writes_as_one() {
        for (number, text, answer) in [
            (json!(1), "1", true),
            (json!(1.0), "1", true),
            (json!(-1.5), "-3/2", true),
            (json!(31), "0x1F", true),
            (json!(1000), "+1e3", true),
            (json!(0.5), ".5", true),
            (json!(8), "010", false),
            (json!(10), "010", true),
            (json!(1), "", false),
            (json!(1), "++1", false),
            (json!(0), "0/0", false),
            (json!(1), "1 ", false),
            (json!(1), "one", false),
        ] {
            assert_eq!(
                super::equal(&number, &json!(text)),
                answer,
                "{number} {text:?}"
            );
            assert!(!super::equal(&json!(text), &number));
        }
        assert_eq!(super::twins(&[json!("1"), json!(1)]), Some((0, 1)));
        assert_eq!(super::twins(&[json!(1), json!("1")]), None);
    }

    #[test]
    fn values_are_equal_whatever_their_numbers_look_like() {
        let items = [
            json!(1),
            json!({"a": [1, null], "b": -0.0}),
            json!("x"),
            json!({"b": 0, "a": [1.0, null]}),
        ];
        assert_eq!(super::twins(&items), Some((1, 3)));
        assert_eq!(super::twins(&items[..3]), None);
    }
}
