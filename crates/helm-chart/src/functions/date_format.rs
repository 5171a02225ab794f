//! Printing an instant by a Go reference layout.
//!
//! Follows `time.Time.Format` and `time.Time.String` of Go 1.26.

use std::fmt::{self, Write};

use super::date_layout::{Element, OffsetStyle, next_piece};
use super::instant::{Civil, Instant};

/// Month names, January first.
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Weekday names, Sunday first.
pub(super) const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// `instant` as `layout` describes it.
pub(crate) fn format(instant: &Instant, layout: &str) -> String {
    let civil = instant.civil();
    let (offset, name) = instant.offset();
    let mut out = String::with_capacity(layout.len() + 10);
    let mut rest = layout;
    loop {
        let piece = next_piece(rest);
        out.push_str(piece.literal);
        let Some(element) = piece.element else {
            return out;
        };
        // Writing to a String cannot fail.
        let _ = write_element(&mut out, element, &civil, instant.nanos, offset, &name);
        rest = piece.rest;
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&format(self, "2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

fn write_element(
    out: &mut String,
    element: Element,
    civil: &Civil,
    nanos: u32,
    offset: i32,
    zone: &str,
) -> fmt::Result {
    let month = MONTHS[civil.month as usize - 1];
    let weekday = WEEKDAYS[civil.weekday()];
    let hour12 = if civil.hour.is_multiple_of(12) {
        12
    } else {
        civil.hour % 12
    };
    match element {
        Element::LongMonth => out.write_str(month),
        Element::ShortMonth => out.write_str(&month[..3]),
        Element::Month => write!(out, "{}", civil.month),
        Element::ZeroMonth => write!(out, "{:02}", civil.month),
        Element::LongWeekday => out.write_str(weekday),
        Element::ShortWeekday => out.write_str(&weekday[..3]),
        Element::Day => write!(out, "{}", civil.day),
        Element::SpaceDay => write!(out, "{:2}", civil.day),
        Element::ZeroDay => write!(out, "{:02}", civil.day),
        Element::SpaceYearDay => write!(out, "{:3}", civil.year_day()),
        Element::ZeroYearDay => write!(out, "{:03}", civil.year_day()),
        Element::Hour => write!(out, "{:02}", civil.hour),
        Element::Hour12 => write!(out, "{hour12}"),
        Element::ZeroHour12 => write!(out, "{hour12:02}"),
        Element::Minute => write!(out, "{}", civil.minute),
        Element::ZeroMinute => write!(out, "{:02}", civil.minute),
        Element::Second => write!(out, "{}", civil.second),
        Element::ZeroSecond => write!(out, "{:02}", civil.second),
        Element::LongYear if civil.year < 0 => write!(out, "-{:04}", civil.year.unsigned_abs()),
        Element::LongYear => write!(out, "{:04}", civil.year),
        Element::ShortYear => write!(out, "{:02}", civil.year.max(0) % 100),
        Element::UpperHalf => out.write_str(if civil.hour >= 12 { "PM" } else { "AM" }),
        Element::LowerHalf => out.write_str(if civil.hour >= 12 { "pm" } else { "am" }),
        Element::ZoneName if zone.is_empty() => write_offset(out, offset, OffsetStyle::Minutes),
        Element::ZoneName => out.write_str(zone),
        Element::Offset { zulu: true, .. } if offset == 0 => out.write_char('Z'),
        Element::Offset { style, .. } => write_offset(out, offset, style),
        Element::Fraction {
            digits,
            trim,
            separator,
        } => write_fraction(out, nanos, digits, trim, char::from(separator)),
    }
}

fn write_offset(out: &mut String, offset: i32, style: OffsetStyle) -> fmt::Result {
    let sign = if offset < 0 { '-' } else { '+' };
    let span = offset.unsigned_abs();
    let (hours, minutes, seconds) = (span / 3600, span / 60 % 60, span % 60);
    write!(out, "{sign}{hours:02}")?;
    match style {
        OffsetStyle::Hours => Ok(()),
        OffsetStyle::Minutes => write!(out, "{minutes:02}"),
        OffsetStyle::ColonMinutes => write!(out, ":{minutes:02}"),
        OffsetStyle::Seconds => write!(out, "{minutes:02}{seconds:02}"),
        OffsetStyle::ColonSeconds => write!(out, ":{minutes:02}:{seconds:02}"),
    }
}

fn write_fraction(
    out: &mut String,
    nanos: u32,
    digits: usize,
    trim: bool,
    separator: char,
) -> fmt::Result {
    let text = format!("{nanos:09}");
    let mut shown = &text[..digits.min(9)];
    if trim {
        shown = shown.trim_end_matches('0');
        if shown.is_empty() {
            return Ok(());
        }
    }
    write!(out, "{separator}{shown}")
}

#[cfg(test)]
mod tests {
    use super::format;
    use crate::functions::instant::{Instant, Zone};

    fn check(layout: &str, expected: &str) {
        let instant = Instant {
            seconds: 1_136_239_445,
            nanos: 120_000_000,
            zone: Zone::Utc,
        };
        assert_eq!(format(&instant, layout), expected, "{layout}");
    }

    #[test]
    fn layouts_print_as_in_go() {
        check(
            "Mon Jan _2 15:04:05.000 MST 2006",
            "Mon Jan  2 22:04:05.120 UTC 2006",
        );
        check(
            "Monday, 02-Jan-06 3:04pm Z07:00 -0700",
            "Monday, 02-Jan-06 10:04pm Z +0000",
        );
        check("002 __2 .999999", "002   2 .12");
        check("5 4 3 2 1", "5 4 10 2 1");
    }
}
