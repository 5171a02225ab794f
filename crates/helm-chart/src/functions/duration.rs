//! Go durations: signed nanoseconds, their text form (`1h2m3.5s`) and its parser.
//!
//! Owns the arithmetic and the spelling of `time.Duration`. Calendars, zones and instants are
//! [`super::instant`]'s business.

use std::fmt::{self, Write};

/// One second, in nanoseconds.
pub(crate) const SECOND: i64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND as u64;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A span of time in nanoseconds, as Go's `time.Duration`: about 292 years either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GoDuration(pub(crate) i64);

impl GoDuration {
    /// `seconds` as a duration; overflow wraps, as Go's multiplication does.
    pub(crate) fn from_seconds(seconds: i64) -> Self {
        Self(seconds.wrapping_mul(SECOND))
    }

    /// Rounds to whole seconds, halves away from zero.
    pub(crate) fn rounded_to_second(self) -> Self {
        let rest = self.0 % SECOND;
        let down = self.0 - rest;
        if rest.abs() * 2 < SECOND {
            Self(down)
        } else {
            Self(down.saturating_add(SECOND * rest.signum()))
        }
    }

    /// The duration in its single largest unit (`3mo`, `2h`), as sprig's `durationRound` prints it.
    pub(crate) fn largest_unit(self) -> String {
        let span = self.0.unsigned_abs();
        let units = [
            (365 * DAY, "y"),
            (30 * DAY, "mo"),
            (DAY, "d"),
            (HOUR, "h"),
            (MINUTE, "m"),
            (SECOND as u64, "s"),
        ];
        units.iter().find(|(unit, _)| span > *unit).map_or_else(
            || "0s".to_owned(),
            |(unit, name)| format!("{}{name}", span / unit),
        )
    }

    /// Parses Go's duration syntax: a sign and numbers with units (`-1.5h10m`).
    ///
    /// # Errors
    /// Go's text, naming the part that is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let invalid = || format!("time: invalid duration {}", quote(text));
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let limit = 1u64 << 63;
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (whole, after_whole) = leading_digits(rest);
            let (fraction, after) = match after_whole.strip_prefix('.') {
                Some(tail) => leading_digits(tail),
                None => ("", after_whole),
            };
            if whole.is_empty() && fraction.is_empty() {
                return Err(invalid());
            }
            let unit_len = after
                .bytes()
                .position(|byte| byte == b'.' || byte.is_ascii_digit())
                .unwrap_or(after.len());
            if unit_len == 0 {
                return Err(format!("time: missing unit in duration {}", quote(text)));
            }
            let (unit_name, next) = after.split_at(unit_len);
            let Some(unit) = unit_size(unit_name) else {
                return Err(format!(
                    "time: unknown unit {} in duration {}",
                    quote(unit_name),
                    quote(text)
                ));
            };
            let amount = if whole.is_empty() {
                0
            } else {
                whole.parse::<u64>().map_err(|_| invalid())?
            };
            let scaled = amount
                .checked_mul(unit)
                .and_then(|value| value.checked_add(fraction_of(fraction, unit)))
                .filter(|value| *value <= limit)
                .ok_or_else(invalid)?;
            total = total
                .checked_add(scaled)
                .filter(|value| *value <= limit)
                .ok_or_else(invalid)?;
            rest = next;
        }
        if negative {
            return Ok(Self((total as i64).wrapping_neg()));
        }
        i64::try_from(total).map(Self).map_err(|_| invalid())
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = self.0.unsigned_abs();
        if span == 0 {
            return out.write_str("0s");
        }
        if self.0 < 0 {
            out.write_str("-")?;
        }
        let second = SECOND as u64;
        if span < second {
            let (unit, digits, name) = match span {
                0..1_000 => return write!(out, "{span}ns"),
                1_000..1_000_000 => (1_000, 3, "µs"),
                _ => (1_000_000, 6, "ms"),
            };
            write!(out, "{}", span / unit)?;
            write_fraction(out, span % unit, digits)?;
            return out.write_str(name);
        }
        let (hours, minutes) = (span / HOUR, span / MINUTE % 60);
        if hours > 0 {
            write!(out, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(out, "{minutes}m")?;
        }
        write!(out, "{}", span / second % 60)?;
        write_fraction(out, span % second, 9)?;
        out.write_str("s")
    }
}

fn write_fraction(out: &mut fmt::Formatter<'_>, value: u64, digits: usize) -> fmt::Result {
    if value == 0 {
        return Ok(());
    }
    let text = format!("{value:0digits$}");
    write!(out, ".{}", text.trim_end_matches('0'))
}

fn leading_digits(text: &str) -> (&str, &str) {
    let end = text
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// `0.fraction` of `unit`, cut to whole nanoseconds; digits beyond 18 do not matter.
fn fraction_of(fraction: &str, unit: u64) -> u64 {
    let digits = &fraction[..fraction.len().min(18)];
    if digits.is_empty() {
        return 0;
    }
    let value: u64 = digits.parse().unwrap_or(0);
    let scale = 10u64.pow(digits.len() as u32);
    (u128::from(value) * u128::from(unit) / u128::from(scale)) as u64
}

fn unit_size(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND as u64,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

/// Quotes as Go's `time` package does in its errors: `"` and `\` escaped, and every byte outside
/// printable ASCII as `\xNN`.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                quoted.push('\\');
                quoted.push(char::from(byte));
            }
            b' '..0x7f => quoted.push(char::from(byte)),
            _ => {
                let _ = write!(quoted, "\\x{byte:02x}");
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::GoDuration;

    fn check(text: &str, expected: Result<&str, &str>) {
        let parsed = GoDuration::parse(text).map(|duration| duration.to_string());
        assert_eq!(
            parsed.as_deref().map_err(String::as_str),
            expected,
            "{text:?}"
        );
    }

    #[test]
    fn durations_parse_and_print_as_in_go() {
        check("1h", Ok("1h0m0s"));
        check("-1.5h", Ok("-1h30m0s"));
        check("90s", Ok("1m30s"));
        check("1.5ms", Ok("1.5ms"));
        check("3us", Ok("3µs"));
        check("0", Ok("0s"));
        check("1h2m3.25s", Ok("1h2m3.25s"));
        check("-9223372036854775808ns", Ok("-2562047h47m16.854775808s"));
    }

    #[test]
    fn bad_durations_are_named_in_go_words() {
        check("", Err("time: invalid duration \"\""));
        check("5", Err("time: missing unit in duration \"5\""));
        check("5x", Err("time: unknown unit \"x\" in duration \"5x\""));
        check(
            "9223372036854775808ns",
            Err("time: invalid duration \"9223372036854775808ns\""),
        );
    }

    #[test]
    fn rounding_keeps_the_largest_unit() {
        assert_eq!(GoDuration::parse("3h10m").unwrap().largest_unit(), "3h");
        assert_eq!(GoDuration::parse("800h").unwrap().largest_unit(), "1mo");
        assert_eq!(GoDuration(1).largest_unit(), "0s");
    }
}
