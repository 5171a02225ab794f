//! Comparing quantities: `1Gi` and `1024Mi` are one value. It owns the suffixes; it refuses
//! arithmetic beyond comparison. Pure.
//!
//! Source: `apimachinery/pkg/api/resource/quantity.go` at Kubernetes v1.35.

/// Whether two texts are the same quantity; `false` if either is none.
pub(crate) fn same_quantity(left: &str, right: &str) -> bool {
    matches!((parse(left), parse(right)), (Some(left), Some(right)) if left == right)
}

/// A sign, decimal digits without leading or trailing zeros, and powers of ten and two.
#[derive(Debug, PartialEq, Eq)]
struct Quantity {
    negative: bool,
    /// The number in units of 10⁻⁹, the finest the server keeps.
    nanos: u128,
}

fn parse(text: &str) -> Option<Quantity> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = rest
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(rest.len());
    let (digits, suffix) = rest.split_at(end);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let (twos, tens) = scale(suffix)?;
    let mut number: u128 = format!("{whole}{fraction}").parse().ok()?;
    number = number.checked_mul(1_u128.checked_shl(twos)?)?;
    let power = 9 + tens - i32::try_from(fraction.len()).ok()?;
    let factor = 10_u128.checked_pow(power.unsigned_abs())?;
    let nanos = if power >= 0 {
        number.checked_mul(factor)?
    } else {
        // Finer than the server keeps: it rounds up.
        number.div_ceil(factor)
    };
    Some(Quantity {
        negative: negative && nanos != 0,
        nanos,
    })
}

/// A suffix as powers of two and ten.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (0, 0),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let tens: i32 = exponent.parse().ok()?;
            (tens.abs() <= 18).then_some((0, tens))?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::same_quantity;

    #[test]
    fn quantities_compare_by_value() {
        for (left, right) in [
            ("1Gi", "1024Mi"),
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1k", "1000"),
            ("1e3", "1k"),
            ("1.5Gi", "1536Mi"),
            ("0", "-0"),
            ("+1", "1"),
        ] {
            assert!(same_quantity(left, right), "{left} {right}");
        }
        for (left, right) in [
            ("1Gi", "1G"),
            ("1", "1m"),
            ("-1", "1"),
            ("x", "x"),
            ("", ""),
            ("1.2.3", "1.2.3"),
        ] {
            assert!(!same_quantity(left, right), "{left} {right}");
        }
    }
}
