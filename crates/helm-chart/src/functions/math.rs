//! Arithmetic: integers as int64, floats through decimals, and sequences of numbers.

use go_text_template::{FunctionError, List, ListType, Type, Value};

use super::arguments::{Answer, any, int};
use super::casts::{to_decimal, to_float, to_int};
use super::decimal::Decimal;
use super::entry::Entry;

/// The longest sequence `until` and its kin make.
const MAX_SEQUENCE: usize = 1_000_000;

const ONE: &[Type] = &[Type::Any];
const TWO: &[Type] = &[Type::Any, Type::Any];

const MAX: Entry = Entry::variadic(
    "max",
    TWO,
    |_, args| Ok(Value::Int64(args.iter().map(to_int).max().unwrap_or(0))),
    "The largest of the integers.",
);

/// Number functions.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "add1",
        ONE,
        |_, args| Ok(Value::Int64(to_int(any(args, 0)).wrapping_add(1))),
        "The integer plus one.",
    ),
    Entry::variadic(
        "add",
        ONE,
        |_, args| {
            Ok(Value::Int64(
                args.iter().map(to_int).fold(0, i64::wrapping_add),
            ))
        },
        "The sum of integers.",
    ),
    Entry::new(
        "sub",
        TWO,
        |_, args| {
            Ok(Value::Int64(
                to_int(any(args, 0)).wrapping_sub(to_int(any(args, 1))),
            ))
        },
        "The difference of two integers.",
    ),
    Entry::new(
        "div",
        TWO,
        |_, args| divided(args, i64::wrapping_div),
        "The quotient of two integers, cut to an integer.",
    ),
    Entry::new(
        "mod",
        TWO,
        |_, args| divided(args, i64::wrapping_rem),
        "The remainder of two integers.",
    ),
    Entry::variadic(
        "mul",
        TWO,
        |_, args| {
            Ok(Value::Int64(
                args.iter().map(to_int).fold(1, i64::wrapping_mul),
            ))
        },
        "The product of integers.",
    ),
    MAX,
    MAX.named("biggest"),
    Entry::variadic(
        "min",
        TWO,
        |_, args| Ok(Value::Int64(args.iter().map(to_int).min().unwrap_or(0))),
        "The smallest of the integers.",
    ),
    Entry::new(
        "add1f",
        ONE,
        |_, args| {
            decimals(any(args, 0), &[Value::Int(1)], |left, right| {
                Ok(left.plus(right))
            })
        },
        "The float plus one.",
    ),
    Entry::variadic(
        "addf",
        ONE,
        |_, args| decimals(&Value::Int(0), args, |left, right| Ok(left.plus(right))),
        "The sum of floats.",
    ),
    Entry::variadic(
        "subf",
        TWO,
        |_, args| {
            decimals(
                any(args, 0),
                &args[1..],
                |left, right| Ok(left.minus(right)),
            )
        },
        "The first float minus the others.",
    ),
    Entry::variadic(
        "divf",
        TWO,
        |_, args| decimals(any(args, 0), &args[1..], Decimal::divided_by),
        "The first float divided by the others.",
    ),
    Entry::variadic(
        "mulf",
        TWO,
        |_, args| {
            decimals(
                any(args, 0),
                &args[1..],
                |left, right| Ok(left.times(right)),
            )
        },
        "The product of floats.",
    ),
    Entry::variadic(
        "maxf",
        TWO,
        |_, args| Ok(extreme(args, true).into()),
        "The largest of the floats.",
    ),
    Entry::variadic(
        "minf",
        TWO,
        |_, args| Ok(extreme(args, false).into()),
        "The smallest of the floats.",
    ),
    Entry::new(
        "floor",
        ONE,
        |_, args| Ok(to_float(any(args, 0)).floor().into()),
        "The float rounded down.",
    ),
    Entry::new(
        "ceil",
        ONE,
        |_, args| Ok(to_float(any(args, 0)).ceil().into()),
        "The float rounded up.",
    ),
    Entry::variadic(
        "round",
        &[Type::Any, Type::Int, Type::Float64],
        |_, args| {
            let from = args.get(2).and_then(Value::as_f64).unwrap_or(0.5);
            Ok(round(to_float(any(args, 0)), int(args, 1)?, from).into())
        },
        "The float rounded to so many places; up if the rest is at least the third argument (0.5).",
    ),
    Entry::new(
        "until",
        &[Type::Int],
        |_, args| {
            let end = int(args, 0)?;
            sequence(0, end, if end < 0 { -1 } else { 1 }).map(ints)
        },
        "The integers from 0 up (or down) to before the argument.",
    ),
    Entry::new(
        "untilStep",
        &[Type::Int, Type::Int, Type::Int],
        |_, args| sequence(int(args, 0)?, int(args, 1)?, int(args, 2)?).map(ints),
        "The integers from the first to before the second, by steps.",
    ),
    Entry::variadic(
        "seq",
        &[Type::Int],
        |_, args| {
            let numbers: Vec<i64> = args.iter().filter_map(Value::as_i64).collect();
            let texts: Vec<String> = inclusive(&numbers)?.iter().map(i64::to_string).collect();
            Ok(texts.join(" ").into())
        },
        "The integers of a range, both ends included, as text with spaces: end, start end, or start step end.",
    ),
];

fn divided(args: &[Value], divide: fn(i64, i64) -> i64) -> Answer {
    match to_int(any(args, 1)) {
        0 => Err("runtime error: integer divide by zero".into()),
        divisor => Ok(Value::Int64(divide(to_int(any(args, 0)), divisor))),
    }
}

fn decimals(
    first: &Value,
    rest: &[Value],
    combine: fn(&Decimal, &Decimal) -> Result<Decimal, String>,
) -> Answer {
    let mut total = to_decimal(first)?;
    for value in rest {
        total = combine(&total, &to_decimal(value)?)?;
    }
    Ok(total.to_float().into())
}

/// `math.Max` or `math.Min` over all: an infinity in that direction wins, then not-a-number.
fn extreme(args: &[Value], largest: bool) -> f64 {
    let winner = if largest {
        f64::INFINITY
    } else {
        f64::NEG_INFINITY
    };
    args.iter()
        .map(to_float)
        .reduce(|left, right| {
            if left.to_bits() == winner.to_bits() || right.to_bits() == winner.to_bits() {
                winner
            } else if left.is_nan() || right.is_nan() {
                f64::NAN
            } else if (left.total_cmp(&right).is_gt()) == largest {
                left
            } else {
                right
            }
        })
        .unwrap_or(0.0)
}

fn round(value: f64, places: i64, from: f64) -> f64 {
    let places = i32::try_from(places).unwrap_or(if places < 0 { i32::MIN } else { i32::MAX });
    let power = 10f64.powi(places);
    let digit = power * value;
    let rest = if digit.is_infinite() {
        f64::NAN
    } else {
        digit - digit.trunc()
    };
    let whole = if rest >= from {
        digit.ceil()
    } else {
        digit.floor()
    };
    whole / power
}

/// The integers from `start` to before `stop`; none if the step leads away.
fn sequence(start: i64, stop: i64, step: i64) -> Result<Vec<i64>, FunctionError> {
    if (stop < start && step >= 0) || (stop >= start && step <= 0) {
        return Ok(Vec::new());
    }
    let count = (i128::from(stop) - i128::from(start))
        .unsigned_abs()
        .div_ceil(u128::from(step.unsigned_abs()));
    if count > MAX_SEQUENCE as u128 {
        return Err(FunctionError::new(format!(
            "a sequence of {count} numbers exceeds the limit of {MAX_SEQUENCE}"
        )));
    }
    Ok((0..count as i64)
        .map(|index| start + index * step)
        .collect())
}

fn ints(numbers: Vec<i64>) -> Value {
    Value::List(List::with_type(
        ListType::INT,
        numbers.into_iter().map(Value::Int).collect(),
    ))
}

fn inclusive(numbers: &[i64]) -> Result<Vec<i64>, FunctionError> {
    let towards = |start: i64, end: i64| if end < start { -1 } else { 1 };
    match *numbers {
        [end] => sequence(1, end.saturating_add(towards(1, end)), towards(1, end)),
        [start, end] => sequence(
            start,
            end.saturating_add(towards(start, end)),
            towards(start, end),
        ),
        [start, step, end] if end < start && step > 0 => sequence(start, end, 1),
        [start, step, end] => sequence(start, end.saturating_add(towards(start, end)), step),
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::{inclusive, round, sequence};

    #[test]
    fn ties_round_towards_positive_infinity_only_above_zero() {
        for (value, places, expected) in [
            (2.5, 0, "3"),
            (-2.5, 0, "-3"),
            (1.2345, 2, "1.23"),
            (123.555_555, 3, "123.556"),
            (1234.0, -2, "1200"),
        ] {
            assert_eq!(round(value, places, 0.5).to_string(), expected);
        }
    }

    #[test]
    fn sequences_end_where_go_ends_them() {
        assert_eq!(sequence(0, -3, -1).unwrap(), [0, -1, -2]);
        assert_eq!(sequence(0, 5, 2).unwrap(), [0, 2, 4]);
        assert_eq!(sequence(3, 3, 1).unwrap(), [0i64; 0]);
        assert!(sequence(0, i64::MAX, 1).is_err());
        assert_eq!(inclusive(&[-2]).unwrap(), [1, 0, -1, -2]);
        assert_eq!(inclusive(&[0, 2, 5]).unwrap(), [0, 2, 4]);
        assert_eq!(inclusive(&[5, 2, 0]).unwrap(), [0i64; 0]);
    }
}
