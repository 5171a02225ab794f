//! Reading an instant by a Go reference layout.
//!
//! Follows `time.ParseInLocation` of Go 1.26, its error texts included.

use jiff::tz::TimeZone;

use super::date_format::{MONTHS, WEEKDAYS};
use super::date_layout::{Element, OffsetStyle, Piece, next_piece};
use super::duration::quote;
use super::instant::{Civil, Instant, Zone, days_in, is_leap};

/// Why an element did not match.
enum Mismatch {
    /// Not what the layout asks for.
    Bad,
    /// The right form, but no such hour, month, …
    OutOfRange(&'static str),
}

use Mismatch::{Bad, OutOfRange};

/// What has been read so far.
#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<u32>,
    day: Option<u32>,
    year_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    morning: bool,
    afternoon: bool,
    utc: bool,
    offset: Option<i32>,
    zone_name: String,
}

/// Reads `value` by `layout`; without a zone in `value`, `local` is meant.
///
/// # Errors
/// Go's text: `parsing time "…" as "…": cannot parse "…" as "…"`, or what is out of range.
pub(crate) fn parse(layout: &str, value: &str, local: &TimeZone) -> Result<Instant, String> {
    let mut fields = Fields::default();
    let (mut pattern, mut rest) = (layout, value);
    let mismatch = |held: &str, element: &str| {
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quote(value),
            quote(layout),
            quote(held),
            quote(element)
        )
    };
    let problem = |what: &str| format!("parsing time {}: {what}", quote(value));
    loop {
        let piece = next_piece(pattern);
        rest = skip(rest, piece.literal).map_err(|held| mismatch(held, piece.literal))?;
        let Some(element) = piece.element else {
            if rest.is_empty() {
                break;
            }
            return Err(problem(&format!("extra text: {}", quote(rest))));
        };
        rest = fields
            .read(element, rest, &piece)
            .map_err(|failure| match failure {
                Bad => mismatch(rest, piece.spelling),
                OutOfRange(what) => problem(&format!("{what} out of range")),
            })?;
        pattern = piece.rest;
    }
    fields.finish(local).map_err(problem)
}

/// Matches layout text; one space in it matches any run of spaces.
fn skip<'a>(mut value: &'a str, literal: &str) -> Result<&'a str, &'a str> {
    let mut literal = literal;
    while let Some(first) = literal.chars().next() {
        if first == ' ' {
            if !value.is_empty() && !value.starts_with(' ') {
                return Err(value);
            }
            literal = literal.trim_start_matches(' ');
            value = value.trim_start_matches(' ');
            continue;
        }
        match value.strip_prefix(first) {
            Some(rest) => value = rest,
            None => return Err(value),
        }
        literal = &literal[first.len_utf8()..];
    }
    Ok(value)
}

impl Fields {
    fn read<'a>(
        &mut self,
        element: Element,
        value: &'a str,
        piece: &Piece<'_>,
    ) -> Result<&'a str, Mismatch> {
        let rest;
        match element {
            Element::ShortYear => {
                let year;
                (year, rest) = fixed(value, 2)?;
                self.year = i64::from(year) + if year >= 69 { 1900 } else { 2000 };
            }
            Element::LongYear => {
                let year;
                (year, rest) = fixed(value, 4)?;
                self.year = i64::from(year);
            }
            Element::ShortMonth => {
                let index;
                (index, rest) = name(value, &MONTHS, 3)?;
                self.month = Some(index as u32 + 1);
            }
            Element::LongMonth => {
                let index;
                (index, rest) = name(value, &MONTHS, 9)?;
                self.month = Some(index as u32 + 1);
            }
            Element::Month | Element::ZeroMonth => {
                let month;
                (month, rest) = number(value, element == Element::ZeroMonth)?;
                self.month = Some(in_range(month, 1..=12, "month")?);
            }
            Element::ShortWeekday => (_, rest) = name(value, &WEEKDAYS, 3)?,
            Element::LongWeekday => (_, rest) = name(value, &WEEKDAYS, 9)?,
            Element::Day | Element::SpaceDay | Element::ZeroDay => {
                let trimmed = match value.strip_prefix(' ') {
                    Some(trimmed) if element == Element::SpaceDay => trimmed,
                    _ => value,
                };
                let day;
                (day, rest) = number(trimmed, element == Element::ZeroDay)?;
                self.day = Some(day);
            }
            Element::SpaceYearDay | Element::ZeroYearDay => {
                let mut trimmed = value;
                for _ in 0..2 {
                    if element == Element::SpaceYearDay {
                        trimmed = trimmed.strip_prefix(' ').unwrap_or(trimmed);
                    }
                }
                let day;
                (day, rest) = up_to_three(trimmed, element == Element::ZeroYearDay)?;
                self.year_day = Some(day);
            }
            Element::Hour => {
                (self.hour, rest) = number(value, false)?;
                in_range(self.hour, 0..=23, "hour")?;
            }
            Element::Hour12 | Element::ZeroHour12 => {
                (self.hour, rest) = number(value, element == Element::ZeroHour12)?;
                in_range(self.hour, 0..=12, "hour")?;
            }
            Element::Minute | Element::ZeroMinute => {
                (self.minute, rest) = number(value, element == Element::ZeroMinute)?;
                in_range(self.minute, 0..=59, "minute")?;
            }
            Element::Second | Element::ZeroSecond => {
                let after;
                (self.second, after) = number(value, element == Element::ZeroSecond)?;
                in_range(self.second, 0..=59, "second")?;
                rest = self.unannounced_fraction(after, piece)?;
            }
            Element::UpperHalf => rest = self.half_of_day(value, ["AM", "PM"])?,
            Element::LowerHalf => rest = self.half_of_day(value, ["am", "pm"])?,
            Element::ZoneName => rest = self.zone_name(value)?,
            Element::Offset { style, zulu } => rest = self.offset(value, style, zulu)?,
            Element::Fraction {
                digits,
                trim: false,
                ..
            } => {
                rest = self.fraction(value, 1 + digits)?;
            }
            Element::Fraction { .. } => {
                let digits = fraction_digits(value);
                rest = if digits == 0 {
                    value
                } else {
                    self.fraction(value, 1 + digits)?
                };
            }
        }
        Ok(rest)
    }

    /// A fraction after the seconds that the layout does not mention is accepted.
    fn unannounced_fraction<'a>(
        &mut self,
        value: &'a str,
        piece: &Piece<'_>,
    ) -> Result<&'a str, Mismatch> {
        let digits = fraction_digits(value);
        let announced = matches!(
            next_piece(piece.rest).element,
            Some(Element::Fraction { .. })
        );
        if digits == 0 || announced {
            Ok(value)
        } else {
            self.fraction(value, 1 + digits)
        }
    }

    fn fraction<'a>(&mut self, value: &'a str, length: usize) -> Result<&'a str, Mismatch> {
        let text = value.get(..length).ok_or(Bad)?;
        if !text.starts_with(['.', ',']) {
            return Err(Bad);
        }
        let digits = &text[1..length.min(10)];
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Bad);
        }
        let number: u32 = digits.parse().map_err(|_| Bad)?;
        self.nanos = number * 10u32.pow(9 - digits.len() as u32);
        Ok(&value[length..])
    }

    fn half_of_day<'a>(&mut self, value: &'a str, names: [&str; 2]) -> Result<&'a str, Mismatch> {
        if let Some(rest) = value.strip_prefix(names[0]) {
            self.morning = true;
            return Ok(rest);
        }
        let rest = value.strip_prefix(names[1]).ok_or(Bad)?;
        self.afternoon = true;
        Ok(rest)
    }

    fn zone_name<'a>(&mut self, value: &'a str) -> Result<&'a str, Mismatch> {
        if let Some(rest) = value.strip_prefix("UTC") {
            self.utc = true;
            return Ok(rest);
        }
        let length = abbreviation_length(value).ok_or(Bad)?;
        value[..length].clone_into(&mut self.zone_name);
        Ok(&value[length..])
    }

    fn offset<'a>(
        &mut self,
        value: &'a str,
        style: OffsetStyle,
        zulu: bool,
    ) -> Result<&'a str, Mismatch> {
        if zulu && let Some(rest) = value.strip_prefix('Z') {
            self.utc = true;
            return Ok(rest);
        }
        let (length, colons, minute_at, second_at): (usize, &[usize], _, _) = match style {
            OffsetStyle::Hours => (3, &[], None, None),
            OffsetStyle::Minutes => (5, &[], Some(3), None),
            OffsetStyle::ColonMinutes => (6, &[3], Some(4), None),
            OffsetStyle::Seconds => (7, &[], Some(3), Some(5)),
            OffsetStyle::ColonSeconds => (9, &[3, 6], Some(4), Some(7)),
        };
        let text = value.get(..length).ok_or(Bad)?;
        if colons.iter().any(|at| text.as_bytes()[*at] != b':') {
            return Err(Bad);
        }
        let two = |at: Option<usize>| match at {
            Some(at) => text
                .get(at..at + 2)
                .ok_or(Bad)
                .and_then(|part| number(part, true)),
            None => Ok((0, "")),
        };
        let hours = two(Some(1))?.0;
        let minutes = two(minute_at)?.0;
        let seconds = two(second_at)?.0;
        in_range(hours, 0..=24, "time zone offset hour")?;
        in_range(minutes, 0..=60, "time zone offset minute")?;
        in_range(seconds, 0..=60, "time zone offset second")?;
        let span = (hours * 3600 + minutes * 60 + seconds) as i32;
        self.offset = Some(match text.as_bytes()[0] {
            b'+' => span,
            b'-' => -span,
            _ => return Err(Bad),
        });
        Ok(&value[length..])
    }

    fn finish(mut self, local: &TimeZone) -> Result<Instant, &'static str> {
        if self.afternoon && self.hour < 12 {
            self.hour += 12;
        } else if self.morning && self.hour == 12 {
            self.hour = 0;
        }
        let (month, day) = match self.year_day {
            Some(year_day) => self.date_of_year_day(year_day)?,
            None => (self.month.unwrap_or(1), self.day.unwrap_or(1)),
        };
        if day < 1 || day > days_in(month, self.year) {
            return Err("day out of range");
        }
        let (hour, minute, second) = (self.hour, self.minute, self.second);
        let civil = Civil {
            year: self.year,
            month,
            day,
            hour,
            minute,
            second,
        };
        Ok(self.in_zone(civil, local))
    }

    fn date_of_year_day(&self, year_day: u32) -> Result<(u32, u32), &'static str> {
        let length = if is_leap(self.year) { 366 } else { 365 };
        if year_day < 1 || year_day > length {
            return Err("day-of-year out of range");
        }
        let (mut month, mut day) = (1, year_day);
        while day > days_in(month, self.year) {
            day -= days_in(month, self.year);
            month += 1;
        }
        if self.month.is_some_and(|given| given != month) {
            return Err("day-of-year does not match month");
        }
        if self.day.is_some_and(|given| given != day) {
            return Err("day-of-year does not match day");
        }
        Ok((month, day))
    }

    fn in_zone(self, civil: Civil, local: &TimeZone) -> Instant {
        let here = Zone::Named(local.clone());
        if self.utc {
            return Instant::from_civil(civil, self.nanos, Zone::Utc);
        }
        if let Some(offset) = self.offset {
            let seconds = civil.seconds() - i64::from(offset);
            let (in_force, name) = here.at(seconds);
            let is_local =
                in_force == offset && (self.zone_name.is_empty() || name == self.zone_name);
            let zone = if is_local {
                here
            } else {
                Zone::Fixed {
                    offset,
                    name: self.zone_name,
                }
            };
            return Instant {
                seconds,
                nanos: self.nanos,
                zone,
            };
        }
        if self.zone_name.is_empty() {
            return Instant::from_civil(civil, self.nanos, here);
        }
        // An abbreviation is only known if the local zone uses it at that time; otherwise Go makes up
        // a zone of that name, and reads the time as UTC whatever the name says.
        let at_home = Instant::from_civil(civil, self.nanos, here);
        if at_home.offset().1 == self.zone_name {
            return at_home;
        }
        let hours = self
            .zone_name
            .strip_prefix("GMT")
            .and_then(|text| text.parse::<i32>().ok());
        let offset = hours.unwrap_or(0) * 3600;
        let zone = Zone::Fixed {
            offset,
            name: self.zone_name,
        };
        Instant {
            seconds: civil.seconds(),
            nanos: self.nanos,
            zone,
        }
    }
}

fn in_range(
    value: u32,
    range: std::ops::RangeInclusive<u32>,
    what: &'static str,
) -> Result<u32, Mismatch> {
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(OutOfRange(what))
    }
}

/// Exactly `length` digits.
fn fixed(value: &str, length: usize) -> Result<(u32, &str), Mismatch> {
    let text = value.get(..length).ok_or(Bad)?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Bad);
    }
    Ok((text.parse().map_err(|_| Bad)?, &value[length..]))
}

/// One or two digits; exactly two if `padded`.
fn number(value: &str, padded: bool) -> Result<(u32, &str), Mismatch> {
    match digits(value, 2) {
        0 => Err(Bad),
        1 if padded => Err(Bad),
        length => fixed(value, length),
    }
}

/// One to three digits; exactly three if `padded`.
fn up_to_three(value: &str, padded: bool) -> Result<(u32, &str), Mismatch> {
    match digits(value, 3) {
        0 => Err(Bad),
        length if padded && length != 3 => Err(Bad),
        length => fixed(value, length),
    }
}

fn digits(value: &str, at_most: usize) -> usize {
    value
        .bytes()
        .take(at_most)
        .take_while(u8::is_ascii_digit)
        .count()
}

/// How many digits follow a leading `.` or `,`.
fn fraction_digits(value: &str) -> usize {
    match value.strip_prefix(['.', ',']) {
        Some(rest) => digits(rest, usize::MAX),
        None => 0,
    }
}

/// The index of the name `value` starts with, cut to `length` letters, in any case.
fn name<'a>(value: &'a str, names: &[&str], length: usize) -> Result<(usize, &'a str), Mismatch> {
    names
        .iter()
        .map(|full| &full[..full.len().min(length)])
        .position(|name| {
            value
                .get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
        })
        .map(|index| (index, &value[names[index].len().min(length)..]))
        .ok_or(Bad)
}

/// How much of `value` looks like a zone abbreviation.
fn abbreviation_length(value: &str) -> Option<usize> {
    if value.len() < 3 {
        return None;
    }
    if value.starts_with("ChST") || value.starts_with("MeST") {
        return Some(4);
    }
    if let Some(rest) = value.strip_prefix("GMT") {
        return Some(3 + signed_hours_length(rest));
    }
    if value.starts_with(['+', '-']) {
        return Some(signed_hours_length(value)).filter(|length| *length > 0);
    }
    let upper = value
        .bytes()
        .take(6)
        .take_while(u8::is_ascii_uppercase)
        .count();
    let known = match upper {
        3 => true,
        4 => value.as_bytes()[3] == b'T' || value.starts_with("WITA"),
        5 => value.as_bytes()[4] == b'T',
        _ => false,
    };
    known.then_some(upper)
}

/// The length of a signed hour of at most 23, or 0.
fn signed_hours_length(value: &str) -> usize {
    let Some(rest) = value.strip_prefix(['+', '-']) else {
        return 0;
    };
    let length = digits(rest, usize::MAX);
    let fits = rest[..length].parse::<u64>().is_ok_and(|hours| hours <= 23);
    if fits { 1 + length } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use jiff::tz::TimeZone;

    fn check(layout: &str, value: &str, expected: Result<&str, &str>) {
        let parsed = parse(layout, value, &TimeZone::UTC).map(|instant| instant.to_string());
        assert_eq!(
            parsed.as_deref().map_err(String::as_str),
            expected,
            "{layout} {value}"
        );
    }

    #[test]
    fn values_are_read_as_in_go() {
        check(
            "2006-01-02",
            "2024-02-29",
            Ok("2024-02-29 00:00:00 +0000 UTC"),
        );
        check(
            "2006-01-02T15:04:05Z07:00",
            "2024-01-02T03:04:05.678+02:00",
            Ok("2024-01-02 03:04:05.678 +0200 +0200"),
        );
        check(
            "Jan _2 3:04PM 06",
            "feb  3 1:15PM 99",
            Ok("1999-02-03 13:15:00 +0000 UTC"),
        );
        check("2006 __2", "2024  60", Ok("2024-02-29 00:00:00 +0000 UTC"));
        check(
            "15:04 MST",
            "10:00 PST",
            Ok("0000-01-01 10:00:00 +0000 PST"),
        );
    }

    #[test]
    fn failures_are_told_in_go_words() {
        check(
            "2006-01-02",
            "bad",
            Err("parsing time \"bad\" as \"2006-01-02\": cannot parse \"bad\" as \"2006\""),
        );
        check(
            "2006-01-02",
            "2023-02-29",
            Err("parsing time \"2023-02-29\": day out of range"),
        );
        check(
            "2006-01",
            "2023-13",
            Err("parsing time \"2023-13\": month out of range"),
        );
        check(
            "2006",
            "2023x",
            Err("parsing time \"2023x\": extra text: \"x\""),
        );
    }
}
