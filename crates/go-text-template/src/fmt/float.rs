//! Floats as Go's `strconv.FormatFloat` writes them.

use std::fmt::LowerExp;
use std::str::FromStr;

use super::number::write_u64;

/// Go's `strconv.FormatFloat(number, verb, precision, 64)`; `None` asks for the fewest digits that
/// read back as the same number. Verbs: `e E f g G x X b`; any other is read as `g`.
///
/// ```
/// use go_text_template::fmt::format_float;
///
/// assert_eq!(format_float(1_000_000.0, 'g', None), "1e+06");
/// assert_eq!(format_float(123_456.5, 'g', None), "123456.5");
/// assert_eq!(format_float(2.5, 'f', Some(3)), "2.500");
/// ```
pub fn format_float(number: f64, verb: char, precision: Option<usize>) -> String {
    let mut out = Vec::with_capacity(24);
    write_float(&mut out, number, verb, precision);
    String::from_utf8_lossy(&out).into_owned()
}

/// The fewest digits that read back as a float (`f64` or `f32`, finite), in Rust's scientific form:
/// `1.5e-7`. Of two that are as near, the even one, as Go chooses; Rust takes the greater.
///
/// ```
/// use go_text_template::fmt::shortest;
///
/// assert_eq!(shortest(0.15_f64), "1.5e-1");
/// assert_eq!(shortest(900_719_925_474_099.25_f64), "9.007199254740992e14");
/// ```
pub fn shortest<F: Copy + FromStr + LowerExp + PartialEq>(number: F) -> String {
    let text = format!("{number:e}");
    let digits = text
        .bytes()
        .take_while(|byte| *byte != b'e')
        .filter(u8::is_ascii_digit)
        .count();
    // So near to each other are floats that only a number with nearly all its digits is between two.
    if digits < 7 {
        return text;
    }
    // Rust rounds half to even where the number of digits is given.
    let nearest = format!("{number:.*e}", digits - 1);
    match nearest.parse::<F>() {
        Ok(read) if read == number => nearest,
        _ => text,
    }
}

/// Appends the shortest `g` form.
pub(super) fn write_shortest(out: &mut Vec<u8>, number: f64) {
    if number.fract() == 0.0 && number.abs() < 1e6 && (number != 0.0 || number.is_sign_positive()) {
        super::number::write_i64(out, number as i64);
    } else {
        write_float(out, number, 'g', None);
    }
}

pub(super) fn write_float(out: &mut Vec<u8>, number: f64, verb: char, precision: Option<usize>) {
    if number.is_nan() {
        out.extend_from_slice(b"NaN");
        return;
    }
    if number.is_infinite() {
        out.extend_from_slice(if number > 0.0 { b"+Inf" } else { b"-Inf" });
        return;
    }
    if number.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = number.abs();
    match verb {
        'e' | 'E' => Decimal::of(magnitude, precision.map(|precision| precision + 1))
            .write_exponent(out, precision, verb),
        'f' | 'F' => write_fixed(out, magnitude, precision),
        'b' => write_binary(out, magnitude),
        'x' | 'X' => write_hexadecimal(out, magnitude, precision, verb),
        _ => write_general(out, magnitude, precision, verb),
    }
}

/// More digits than any `f64` has; beyond it, digits are zeros.
const DIGITS: usize = 1100;

/// Decimal digits with the point after `point` of them.
struct Decimal {
    digits: Vec<u8>,
    point: i32,
}

impl Decimal {
    /// The shortest digits, or exactly `count` (at least one) correctly rounded ones.
    fn of(magnitude: f64, count: Option<usize>) -> Self {
        let text = match count {
            None => shortest(magnitude),
            Some(count) => format!("{magnitude:.*e}", count.clamp(1, DIGITS) - 1),
        };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = mantissa.bytes().filter(|byte| *byte != b'.').collect();
        let exponent: i32 = exponent.parse().unwrap_or(0);
        Self {
            digits,
            point: if magnitude == 0.0 { 0 } else { exponent + 1 },
        }
    }

    fn exponent(&self) -> i32 {
        if self.digits.iter().all(|digit| *digit == b'0') {
            0
        } else {
            self.point - 1
        }
    }

    /// `d.ddde±dd`, with `precision` digits after the point or as many as there are.
    fn write_exponent(&self, out: &mut Vec<u8>, precision: Option<usize>, verb: char) {
        out.push(self.digits[0]);
        let wanted = precision.unwrap_or(self.digits.len() - 1);
        if wanted > 0 {
            out.push(b'.');
            let given = &self.digits[1..];
            out.extend_from_slice(&given[..given.len().min(wanted)]);
            out.resize(out.len() + wanted.saturating_sub(given.len()), b'0');
        }
        out.push(verb as u8);
        write_exponent_digits(out, self.exponent());
    }

    /// `ddd.ddd` with as many digits after the point as there are.
    fn write_plain(&self, out: &mut Vec<u8>) {
        if self.point <= 0 {
            out.push(b'0');
            if self.exponent() == 0
                && self.point == 0
                && self.digits.iter().all(|digit| *digit == b'0')
            {
                return;
            }
            out.push(b'.');
            out.resize(out.len() + self.point.unsigned_abs() as usize, b'0');
            out.extend_from_slice(&self.digits);
            return;
        }
        let point = self.point as usize;
        let whole = self.digits.len().min(point);
        out.extend_from_slice(&self.digits[..whole]);
        out.resize(out.len() + (point - whole), b'0');
        if self.digits.len() > point {
            out.push(b'.');
            out.extend_from_slice(&self.digits[point..]);
        }
    }
}

fn write_exponent_digits(out: &mut Vec<u8>, exponent: i32) {
    out.push(if exponent < 0 { b'-' } else { b'+' });
    let exponent = exponent.unsigned_abs();
    if exponent < 10 {
        out.push(b'0');
    }
    write_u64(out, u64::from(exponent));
}

fn write_fixed(out: &mut Vec<u8>, magnitude: f64, precision: Option<usize>) {
    match precision {
        None => Decimal::of(magnitude, None).write_plain(out),
        Some(precision) => {
            let shown = precision.min(DIGITS);
            out.extend_from_slice(format!("{magnitude:.shown$}").as_bytes());
            out.resize(out.len() + (precision - shown), b'0');
        }
    }
}

fn write_general(out: &mut Vec<u8>, magnitude: f64, precision: Option<usize>, verb: char) {
    let mut decimal = Decimal::of(magnitude, precision);
    while decimal.digits.len() > 1 && decimal.digits.last() == Some(&b'0') {
        decimal.digits.pop();
    }
    let threshold = match precision {
        None => 6,
        Some(precision) => {
            let precision = precision.max(1);
            let count = decimal.digits.len();
            let point = decimal.point;
            let integral = i64::try_from(count).is_ok_and(|count| count >= i64::from(point));
            if precision > count && integral {
                count
            } else {
                precision
            }
        }
    };
    let exponent = decimal.exponent();
    if exponent < -4 || i64::from(exponent) >= threshold as i64 {
        decimal.write_exponent(out, None, if verb == 'G' { 'E' } else { 'e' });
    } else {
        decimal.write_plain(out);
    }
}

/// The mantissa and the power of two, as `strconv` splits them.
fn parts(magnitude: f64) -> (u64, i32) {
    let bits = magnitude.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match (bits >> 52) & 0x7ff {
        0 => (fraction, -1074),
        exponent => (fraction | 1 << 52, exponent as i32 - 1075),
    }
}

fn write_binary(out: &mut Vec<u8>, magnitude: f64) {
    let (mantissa, exponent) = parts(magnitude);
    write_u64(out, mantissa);
    out.push(b'p');
    out.push(if exponent < 0 { b'-' } else { b'+' });
    write_u64(out, u64::from(exponent.unsigned_abs()));
}

fn write_hexadecimal(out: &mut Vec<u8>, magnitude: f64, precision: Option<usize>, verb: char) {
    let (mut mantissa, mut exponent) = parts(magnitude);
    if mantissa != 0 {
        let shift = mantissa.leading_zeros() - 3;
        mantissa <<= shift;
        exponent += 60 - shift as i32;
    } else {
        exponent = 0;
    }
    if let Some(precision) = precision.filter(|precision| *precision < 15) {
        let shift = (precision * 4) as u32;
        let extra = (mantissa << shift) & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        if extra | (mantissa & 1) > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & (1 << 61) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let digits = if verb == 'X' {
        b"0123456789ABCDEF"
    } else {
        b"0123456789abcdef"
    };
    out.extend_from_slice(&[b'0', verb as u8, b'0' + ((mantissa >> 60) & 1) as u8]);
    mantissa <<= 4;
    if precision.map_or(mantissa != 0, |precision| precision > 0) {
        out.push(b'.');
        let mut count = 0;
        while precision.map_or(mantissa != 0, |precision| count < precision) {
            out.push(digits[(mantissa >> 60) as usize]);
            mantissa <<= 4;
            count += 1;
        }
    }
    out.push(if verb == 'X' { b'P' } else { b'p' });
    write_exponent_digits(out, exponent);
}
