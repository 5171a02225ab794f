//! What a plain scalar means: go-yaml v2's resolution of YAML 1.1 types. One truth for both
//! directions: the decoder types scalars with it, the emitter quotes a string exactly when it
//! would not come back as a string.

/// The namespace that `!!` abbreviates.
pub(super) const CORE_PREFIX: &str = "tag:yaml.org,2002:";

/// The meaning of a scalar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Resolved {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    /// A date; kept as its text, but never written without quotes.
    Timestamp,
    /// `<<`, which merges mappings when it is a key.
    Merge,
    Text,
}

/// The meaning of the untagged plain scalar `text` (go-yaml v2 `resolve`).
pub(super) fn resolve(text: &str) -> Resolved {
    let Some(first) = text.as_bytes().first() else {
        return Resolved::Null;
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        b'.' => match word(text) {
            // Here Go's `ParseFloat` decides, which takes single underscores between digits.
            Resolved::Text if text.contains('_') => {
                let joined = text.replace('_', "");
                let fits = !text.ends_with('_')
                    && text.as_bytes().windows(3).all(|three| {
                        three[1] != b'_' || (three[0].is_ascii_digit() && three[2].is_ascii_digit())
                    });
                if fits && is_yaml_float(&joined) {
                    float(&joined)
                } else {
                    Resolved::Text
                }
            }
            Resolved::Text if is_yaml_float(text) => float(text),
            resolved => resolved,
        },
        b'0'..=b'9' => number(text),
        b'+' | b'-' => match word(text) {
            Resolved::Text => number(text),
            resolved => resolved,
        },
        b'<' if text == "<<" => Resolved::Merge,
        _ => Resolved::Text,
    }
}

/// Whether `text`, written plain, would be read as the same string.
pub(super) fn reads_as_text(text: &str) -> bool {
    matches!(resolve(text), Resolved::Text | Resolved::Merge) && !is_base_60(text)
}

/// The words that older YAML reads as booleans; newer dialects quote but do not read them so.
pub(super) fn is_old_bool(text: &str) -> bool {
    matches!(
        text,
        "y" | "Y"
            | "yes"
            | "Yes"
            | "YES"
            | "on"
            | "On"
            | "ON"
            | "n"
            | "N"
            | "no"
            | "No"
            | "NO"
            | "off"
            | "Off"
            | "OFF"
    )
}

fn word(text: &str) -> Resolved {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Resolved::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Resolved::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Resolved::Null,
        ".nan" | ".NaN" | ".NAN" => Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Resolved::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Resolved::Float(f64::NEG_INFINITY),
        _ => Resolved::Text,
    }
}

fn number(text: &str) -> Resolved {
    if is_timestamp(text) {
        return Resolved::Timestamp;
    }
    // Short decimal integers are by far the most frequent numbers.
    let bytes = text.as_bytes();
    if bytes.len() < 19
        && (bytes[0] != b'0' || bytes.len() == 1)
        && bytes.iter().all(u8::is_ascii_digit)
    {
        return text.parse().map_or(Resolved::Text, Resolved::Int);
    }
    let joined;
    let plain = if text.contains('_') {
        joined = text.replace('_', "");
        joined.as_str()
    } else {
        text
    };
    if let Some(resolved) = integer(plain) {
        return resolved;
    }
    if is_yaml_float(plain) {
        float(plain)
    } else {
        Resolved::Text
    }
}

/// An integer as Go's `strconv.ParseInt(text, 0, 64)`, then `ParseUint`, read it.
fn integer(text: &str) -> Option<Resolved> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (Some(true), &text[1..]),
        b'+' => (Some(false), &text[1..]),
        _ => (None, text),
    };
    let bytes = digits.as_bytes();
    let (radix, digits) = match (bytes.first(), bytes.get(1)) {
        (Some(b'0'), Some(b'x' | b'X')) => (16, &digits[2..]),
        (Some(b'0'), Some(b'b' | b'B')) => (2, &digits[2..]),
        (Some(b'0'), Some(b'o' | b'O')) => (8, &digits[2..]),
        (Some(b'0'), Some(_)) => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match (sign, i64::try_from(magnitude)) {
        (Some(true), Ok(value)) => Some(Resolved::Int(-value)),
        (Some(true), Err(_)) if magnitude == 1 << 63 => Some(Resolved::Int(i64::MIN)),
        (_, Ok(value)) => Some(Resolved::Int(value)),
        (None, Err(_)) => Some(Resolved::Uint(magnitude)),
        _ => None,
    }
}

fn float(text: &str) -> Resolved {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Resolved::Float(value),
        _ => Resolved::Text,
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_yaml_float(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let mut at = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let whole = digits(at);
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if whole == 0 && fraction == 0 {
            return false;
        }
        at += 1 + fraction;
    } else if whole == 0 {
        return false;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at.min(bytes.len()));
        if exponent == 0 {
            return false;
        }
        at += exponent;
    }
    at == bytes.len()
}

/// `[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?`, the sexagesimal numbers of YAML 1.1.
fn is_base_60(text: &str) -> bool {
    if !text.contains(':') {
        return false;
    }
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (groups, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'_')
    {
        return false;
    }
    let mut groups = groups.split(':');
    let first = groups.next().unwrap_or_default().as_bytes();
    first.first().is_some_and(u8::is_ascii_digit)
        && first
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b'_')
        && groups.all(|group| match group.as_bytes() {
            [digit] => digit.is_ascii_digit(),
            [tens, digit] => (b'0'..=b'5').contains(tens) && digit.is_ascii_digit(),
            _ => false,
        })
}

/// Whether go-yaml v2 takes `text` for a date or a time of day on a date.
pub(super) fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let Some((year, rest)) = take_number(text, 4, 4) else {
        return false;
    };
    let date = rest
        .strip_prefix('-')
        .and_then(|rest| take_number(rest, 1, 2))
        .and_then(|(month, rest)| {
            let (day, rest) = take_number(rest.strip_prefix('-')?, 1, 2)?;
            Some((month, day, rest))
        });
    let Some((month, day, rest)) = date else {
        return false;
    };
    if month == 0 || month > 12 || day == 0 || day > days_in(month, year) {
        return false;
    }
    match rest.as_bytes().first() {
        None => true,
        Some(b'T' | b't') => time_of_day(&rest[1..]).is_some_and(is_zone),
        Some(b' ') => time_of_day(rest.trim_start_matches(' ')).is_some_and(str::is_empty),
        _ => false,
    }
}

fn take_number(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let length = text
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    if length < least {
        return None;
    }
    Some((text[..length].parse().ok()?, &text[length..]))
}

/// Skips `15:4:5.999…`; the rest of the text.
fn time_of_day(text: &str) -> Option<&str> {
    let (hour, rest) = take_number(text, 1, 2)?;
    let (minute, rest) = take_number(rest.strip_prefix(':')?, 1, 2)?;
    let (second, rest) = take_number(rest.strip_prefix(':')?, 1, 2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    match rest.strip_prefix(['.', ',']) {
        Some(fraction) if fraction.starts_with(|c: char| c.is_ascii_digit()) => {
            Some(fraction.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        _ => Some(rest),
    }
}

fn is_zone(text: &str) -> bool {
    if text == "Z" {
        return true;
    }
    let Some(rest) = text.strip_prefix(['+', '-']) else {
        return false;
    };
    let Some((hours, rest)) = take_number(rest, 2, 2) else {
        return false;
    };
    let Some((minutes, "")) = rest
        .strip_prefix(':')
        .and_then(|rest| take_number(rest, 2, 2))
    else {
        return false;
    };
    hours <= 24 && minutes < 60
}

fn days_in(month: u32, year: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
