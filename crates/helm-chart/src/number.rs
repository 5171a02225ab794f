//! Numbers as Go prints them: `strconv.FormatFloat(x, 'g', -1, 64)`, the floats of `encoding/json`,
//! and integers without allocation. Refuses to read numbers.

use std::fmt::{LowerExp, Write as _};
use std::str::FromStr;

use go_text_template::fmt::shortest;

/// Significant digits and the decimal exponent of the first of them; `value` is finite and positive.
struct Shortest {
    digits: String,
    exponent: i32,
}

impl Shortest {
    fn of<F: Copy + FromStr + LowerExp + PartialEq>(value: F) -> Self {
        let scientific = shortest(value);
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        Self {
            digits: mantissa.replace('.', ""),
            exponent: exponent.parse().unwrap_or_default(),
        }
    }
}

/// Appends `value` as Go's `%v` and `'g'` format do: shortest digits, scientific below `1e-4` and
/// from `1e+06` up.
pub fn write_go_float(out: &mut String, value: f64) {
    if value.is_finite() {
        write_shortest(out, value.is_sign_negative(), &Shortest::of(value.abs()));
    } else {
        out.push_str(not_finite(value));
    }
}

/// Appends `value` as [`write_go_float`], with the digits a 32-bit float needs.
pub fn write_go_float32(out: &mut String, value: f64) {
    let single = value as f32;
    if single.is_finite() {
        write_shortest(out, value.is_sign_negative(), &Shortest::of(single.abs()));
    } else {
        out.push_str(not_finite(f64::from(single)));
    }
}

fn write_shortest(out: &mut String, negative: bool, number: &Shortest) {
    if negative {
        out.push('-');
    }
    if number.exponent < -4 || number.exponent >= 6 {
        write_scientific(out, number, 2);
    } else {
        write_fixed(out, number);
    }
}

fn write_scientific(out: &mut String, number: &Shortest, width: usize) {
    out.push_str(&number.digits[..1]);
    if number.digits.len() > 1 {
        out.push('.');
        out.push_str(&number.digits[1..]);
    }
    out.push('e');
    out.push(if number.exponent < 0 { '-' } else { '+' });
    let _ = write!(out, "{:0width$}", number.exponent.unsigned_abs());
}

fn write_fixed(out: &mut String, number: &Shortest) {
    let count = number.digits.len() as i32;
    if number.exponent < 0 {
        out.push_str("0.");
        out.extend((1..-number.exponent).map(|_| '0'));
        out.push_str(&number.digits);
    } else if count <= number.exponent + 1 {
        out.push_str(&number.digits);
        out.extend((count..=number.exponent).map(|_| '0'));
    } else {
        let (whole, fraction) = number.digits.split_at(number.exponent as usize + 1);
        out.push_str(whole);
        out.push('.');
        out.push_str(fraction);
    }
}

/// Go's name for infinity or not a number.
pub(crate) fn not_finite(value: f64) -> &'static str {
    match (value.is_nan(), value > 0.0) {
        (true, _) => "NaN",
        (false, true) => "+Inf",
        (false, false) => "-Inf",
    }
}

/// Appends `value` as Go's `encoding/json` does: fixed notation from `1e-6` up to `1e21`, otherwise
/// scientific with the shortest exponent. Non-finite numbers have no JSON form and become `null`.
pub fn write_json_float(out: &mut String, value: f64) {
    if !value.is_finite() {
        out.push_str("null");
        return;
    }
    let magnitude = value.abs();
    if magnitude < 1e15 && magnitude.fract() == 0.0 && (value != 0.0 || value.is_sign_positive()) {
        write_int(out, value as i64);
        return;
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    let number = Shortest::of(magnitude);
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        write_scientific(out, &number, 1);
    } else {
        write_fixed(out, &number);
    }
}

/// Appends a decimal integer.
pub fn write_int(out: &mut String, value: i64) {
    if value < 0 {
        out.push('-');
    }
    write_uint(out, value.unsigned_abs());
}

/// Appends a decimal integer.
pub fn write_uint(out: &mut String, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use super::{write_go_float, write_json_float};

    fn check(value: f64, go: &str, json: &str) {
        let mut text = String::new();
        write_go_float(&mut text, value);
        assert_eq!(text, go);
        text.clear();
        write_json_float(&mut text, value);
        assert_eq!(text, json);
    }

    #[test]
    fn floats_print_as_go_prints_them() {
        check(5432.0, "5432", "5432");
        check(999_999.0, "999999", "999999");
        check(1e6, "1e+06", "1000000");
        check(1_234_567.0, "1.234567e+06", "1234567");
        check(123_456.5, "123456.5", "123456.5");
        check(123_456_789.5, "1.234567895e+08", "123456789.5");
        check(0.0001, "0.0001", "0.0001");
        check(0.00001, "1e-05", "0.00001");
        check(1e-7, "1e-07", "1e-7");
        check(1e20, "1e+20", "100000000000000000000");
        check(1e21, "1e+21", "1e+21");
        check(
            12_345_678_901_234_567.0,
            "1.2345678901234568e+16",
            "12345678901234568",
        );
        // As near to …2 as to …3: the even one.
        check(
            7_205_759_403_792_794.0 / 8.0,
            "9.007199254740992e+14",
            "900719925474099.2",
        );
        check(-0.5, "-0.5", "-0.5");
        check(0.0, "0", "0");
        check(-0.0, "-0", "-0");
        check(
            f64::MAX,
            "1.7976931348623157e+308",
            "1.7976931348623157e+308",
        );
    }
}
