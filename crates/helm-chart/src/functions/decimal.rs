//! Decimal arithmetic of any size, for the functions that add, multiply and divide floats without
//! binary rounding (`addf`, `mulf`, `divf`).
//!
//! Follows shopspring/decimal 1.4: a float enters with its shortest digits, division keeps sixteen
//! places and rounds halves away from zero. Numbers are short here, so schoolbook methods do.

use std::cmp::Ordering;

/// Places a quotient keeps after the point.
const DIVISION_PLACES: i64 = 16;

/// `±digits × 10^exponent`.
#[derive(Clone, Debug)]
pub(super) struct Decimal {
    negative: bool,
    /// Decimal digits, least significant first, without leading zeros; empty is zero.
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    /// The shortest decimal that reads back as `value`.
    ///
    /// # Errors
    /// Not-a-number and the infinities have no decimal.
    pub(super) fn from_float(value: f64) -> Result<Self, String> {
        if !value.is_finite() {
            let name = if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            };
            return Err(format!("Cannot create a Decimal from {name}"));
        }
        let text = go_text_template::fmt::shortest(value.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let places = mantissa.len().saturating_sub(2) as i64;
        let mut digits: Vec<u8> = mantissa
            .bytes()
            .rev()
            .filter(u8::is_ascii_digit)
            .map(|byte| byte - b'0')
            .collect();
        trim(&mut digits);
        let exponent = exponent.parse::<i64>().unwrap_or(0) - places;
        Ok(Self {
            negative: value < 0.0,
            digits,
            exponent,
        })
    }

    /// The nearest float.
    pub(super) fn to_float(&self) -> f64 {
        if self.digits.is_empty() {
            return 0.0;
        }
        let mut text = String::with_capacity(self.digits.len() + 8);
        if self.negative {
            text.push('-');
        }
        text.extend(
            self.digits
                .iter()
                .rev()
                .map(|digit| char::from(b'0' + digit)),
        );
        text.push('e');
        text.push_str(&self.exponent.to_string());
        text.parse().unwrap_or(0.0)
    }

    /// The exact sum.
    pub(super) fn plus(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        let (left, right) = (self.scaled(exponent), other.scaled(exponent));
        let (negative, digits) = if self.negative == other.negative {
            (self.negative, add(&left, &right))
        } else if compare(&left, &right) == Ordering::Less {
            (other.negative, subtract(&right, &left))
        } else {
            (self.negative, subtract(&left, &right))
        };
        Self {
            negative,
            digits,
            exponent,
        }
    }

    /// The exact difference.
    pub(super) fn minus(&self, other: &Self) -> Self {
        self.plus(&Self {
            negative: !other.negative,
            ..other.clone()
        })
    }

    /// The exact product.
    pub(super) fn times(&self, other: &Self) -> Self {
        Self {
            negative: self.negative != other.negative,
            digits: multiply(&self.digits, &other.digits),
            exponent: self.exponent + other.exponent,
        }
    }

    /// The quotient to sixteen places, halves away from zero.
    ///
    /// # Errors
    /// If `other` is zero.
    pub(super) fn divided_by(&self, other: &Self) -> Result<Self, String> {
        if other.digits.is_empty() {
            return Err("decimal division by 0".to_owned());
        }
        let shift = self.exponent - other.exponent + DIVISION_PLACES;
        let numerator = shifted(&self.digits, shift.max(0));
        let denominator = shifted(&other.digits, (-shift).max(0));
        let (mut quotient, remainder) = divide(&numerator, &denominator);
        if compare(&add(&remainder, &remainder), &denominator) != Ordering::Less {
            quotient = add(&quotient, &[1]);
        }
        Ok(Self {
            negative: self.negative != other.negative,
            digits: quotient,
            exponent: -DIVISION_PLACES,
        })
    }

    fn scaled(&self, exponent: i64) -> Vec<u8> {
        shifted(&self.digits, self.exponent - exponent)
    }
}

fn shifted(digits: &[u8], places: i64) -> Vec<u8> {
    if digits.is_empty() {
        return Vec::new();
    }
    let mut out = vec![0; places as usize];
    out.extend_from_slice(digits);
    out
}

fn trim(digits: &mut Vec<u8>) {
    while digits.last() == Some(&0) {
        digits.pop();
    }
}

fn compare(left: &[u8], right: &[u8]) -> Ordering {
    left.len()
        .cmp(&right.len())
        .then_with(|| left.iter().rev().cmp(right.iter().rev()))
}

fn add(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(left.len().max(right.len()) + 1);
    let mut carry = 0;
    for index in 0..left.len().max(right.len()) {
        let sum = left.get(index).unwrap_or(&0) + right.get(index).unwrap_or(&0) + carry;
        out.push(sum % 10);
        carry = sum / 10;
    }
    if carry > 0 {
        out.push(carry);
    }
    out
}

/// `left - right`, where `left` is not the smaller.
fn subtract(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(left.len());
    let mut borrow = 0;
    for (index, digit) in left.iter().enumerate() {
        let take = right.get(index).unwrap_or(&0) + borrow;
        borrow = u8::from(*digit < take);
        out.push(digit + borrow * 10 - take);
    }
    trim(&mut out);
    out
}

fn multiply(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut sums = vec![0u32; left.len() + right.len() + 1];
    for (at, digit) in left.iter().enumerate() {
        for (offset, other) in right.iter().enumerate() {
            sums[at + offset] += u32::from(*digit) * u32::from(*other);
        }
    }
    let mut carry = 0;
    let mut out: Vec<u8> = sums
        .into_iter()
        .map(|sum| {
            let value = sum + carry;
            carry = value / 10;
            (value % 10) as u8
        })
        .collect();
    trim(&mut out);
    out
}

fn divide(numerator: &[u8], denominator: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut quotient = vec![0; numerator.len()];
    let mut remainder: Vec<u8> = Vec::with_capacity(denominator.len() + 1);
    for index in (0..numerator.len()).rev() {
        remainder.insert(0, numerator[index]);
        trim(&mut remainder);
        while compare(&remainder, denominator) != Ordering::Less {
            remainder = subtract(&remainder, denominator);
            quotient[index] += 1;
        }
    }
    trim(&mut quotient);
    (quotient, remainder)
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    fn decimal(value: f64) -> Decimal {
        Decimal::from_float(value).unwrap()
    }

    fn same(left: f64, right: f64) {
        assert_eq!(left.to_bits(), right.to_bits(), "{left} {right}");
    }

    #[test]
    fn sums_and_products_do_not_round_in_binary() {
        same(decimal(0.1).plus(&decimal(0.2)).to_float(), 0.3);
        same(decimal(0.1).times(&decimal(3.0)).to_float(), 0.3);
        same(decimal(1.0).minus(&decimal(0.9)).to_float(), 0.1);
        same(decimal(1e300).plus(&decimal(1e-300)).to_float(), 1e300);
        same(decimal(-2.5).minus(&decimal(-2.5)).to_float(), 0.0);
    }

    #[test]
    fn quotients_keep_sixteen_places() {
        same(
            decimal(1.0).divided_by(&decimal(3.0)).unwrap().to_float(),
            0.333_333_333_333_333_3,
        );
        same(
            decimal(2.0).divided_by(&decimal(-3.0)).unwrap().to_float(),
            -0.666_666_666_666_666_7,
        );
        same(
            decimal(1e-17).divided_by(&decimal(1.0)).unwrap().to_float(),
            0.0,
        );
        assert!(decimal(1.0).divided_by(&decimal(0.0)).is_err());
    }
}
