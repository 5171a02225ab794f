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
    float(one).total_cmp(&float(other))
}

/// Whether two values are the same; `1` and `1.0` are.
pub(super) fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => compare(one, other).is_eq(),
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

/// The first item that is there before, with the one before.
pub(super) fn twins(items: &[Value]) -> Option<(usize, usize)> {
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
        let ((number, shift), (of, of_shift)) = (decimal(number)?, decimal(of)?);
        let common = shift.min(of_shift);
        let scaled = |digits: i128, shift: i32| {
            let power = 10_i128.checked_pow(u32::try_from(shift - common).ok()?)?;
            digits.checked_mul(power)
        };
        scaled(number, shift)?
            .checked_rem(scaled(of, of_shift)?)
            .map(|rest| rest == 0)
    };
    exact().unwrap_or_else(|| {
        let [number, of] = [number, of].map(|number| number.as_f64().unwrap_or_default());
        let quotient = number / of;
        quotient.is_infinite() || quotient.fract() == 0.0
    })
}

/// The digits of a number and the power of ten behind them.
fn decimal(number: &Number) -> Option<(i128, i32)> {
    let text = number.to_string();
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}").parse().ok()?;
    let exponent: i32 = exponent.parse().ok()?;
    Some((digits, exponent - i32::try_from(fraction.len()).ok()?))
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
    fn values_are_equal_whatever_their_numbers_look_like() {
        let items = [
            json!(1),
            json!({"a": [1, null], "b": -0.0}),
            json!("1"),
            json!({"b": 0, "a": [1.0, null]}),
        ];
        assert_eq!(super::twins(&items), Some((1, 3)));
        assert_eq!(super::twins(&items[..3]), None);
    }
}
