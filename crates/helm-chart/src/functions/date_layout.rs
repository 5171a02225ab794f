//! Go's reference layouts (`Mon Jan 2 15:04:05 MST 2006`): splitting one into elements.
//!
//! Owns the recognition of elements, shared by the formatter and the parser. What an element
//! prints is in [`super::date_format`], what it accepts in [`super::date_parse`].

/// How a numeric zone offset is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OffsetStyle {
    /// `-07`
    Hours,
    /// `-0700`
    Minutes,
    /// `-07:00`
    ColonMinutes,
    /// `-070000`
    Seconds,
    /// `-07:00:00`
    ColonSeconds,
}

/// One element of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    LongMonth,
    ShortMonth,
    Month,
    ZeroMonth,
    LongWeekday,
    ShortWeekday,
    Day,
    SpaceDay,
    ZeroDay,
    SpaceYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    ShortYear,
    UpperHalf,
    LowerHalf,
    ZoneName,
    /// A numeric offset; `zulu` prints and accepts `Z` for UTC.
    Offset {
        style: OffsetStyle,
        zulu: bool,
    },
    /// Fractional seconds; `trim` drops trailing zeros (`.999`), else exactly `digits` (`.000`).
    Fraction {
        digits: usize,
        trim: bool,
        separator: u8,
    },
}

/// The part of a layout up to and including its next element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// Text before the element, copied or matched verbatim.
    pub(super) literal: &'a str,
    /// The element; none when only text is left.
    pub(super) element: Option<Element>,
    /// The element as the layout spells it.
    pub(super) spelling: &'a str,
    /// What follows.
    pub(super) rest: &'a str,
}

const OFFSETS: [(&str, OffsetStyle); 5] = [
    ("070000", OffsetStyle::Seconds),
    ("07:00:00", OffsetStyle::ColonSeconds),
    ("0700", OffsetStyle::Minutes),
    ("07:00", OffsetStyle::ColonMinutes),
    ("07", OffsetStyle::Hours),
];

/// Splits off the first element of `layout`.
pub(super) fn next_piece(layout: &str) -> Piece<'_> {
    let bytes = layout.as_bytes();
    for start in 0..bytes.len() {
        if !layout.is_char_boundary(start) {
            continue;
        }
        if let Some((element, skip, length)) = element_at(&layout[start..], bytes[start]) {
            let begin = start + skip;
            return Piece {
                literal: &layout[..begin],
                element: Some(element),
                spelling: &layout[begin..start + length],
                rest: &layout[start + length..],
            };
        }
    }
    Piece {
        literal: layout,
        element: None,
        spelling: "",
        rest: "",
    }
}

/// The element `text` starts with: what it is, how many bytes before it are still literal, and
/// how many bytes are used up in all.
fn element_at(text: &str, first: u8) -> Option<(Element, usize, usize)> {
    let lower_after = |length: usize| {
        text.as_bytes()
            .get(length)
            .is_some_and(u8::is_ascii_lowercase)
    };
    let found = |element, length| Some((element, 0, length));
    match first {
        b'J' if text.starts_with("January") => found(Element::LongMonth, 7),
        b'J' if text.starts_with("Jan") && !lower_after(3) => found(Element::ShortMonth, 3),
        b'M' if text.starts_with("Monday") => found(Element::LongWeekday, 6),
        b'M' if text.starts_with("Mon") && !lower_after(3) => found(Element::ShortWeekday, 3),
        b'M' if text.starts_with("MST") => found(Element::ZoneName, 3),
        b'0' => match text.as_bytes().get(1)? {
            b'1' => found(Element::ZeroMonth, 2),
            b'2' => found(Element::ZeroDay, 2),
            b'3' => found(Element::ZeroHour12, 2),
            b'4' => found(Element::ZeroMinute, 2),
            b'5' => found(Element::ZeroSecond, 2),
            b'6' => found(Element::ShortYear, 2),
            b'0' if text.starts_with("002") => found(Element::ZeroYearDay, 3),
            _ => None,
        },
        b'1' if text.starts_with("15") => found(Element::Hour, 2),
        b'1' => found(Element::Month, 1),
        b'2' if text.starts_with("2006") => found(Element::LongYear, 4),
        b'2' => found(Element::Day, 1),
        b'_' if text.starts_with("_2006") => Some((Element::LongYear, 1, 5)),
        b'_' if text.starts_with("_2") => found(Element::SpaceDay, 2),
        b'_' if text.starts_with("__2") => found(Element::SpaceYearDay, 3),
        b'3' => found(Element::Hour12, 1),
        b'4' => found(Element::Minute, 1),
        b'5' => found(Element::Second, 1),
        b'P' if text.starts_with("PM") => found(Element::UpperHalf, 2),
        b'p' if text.starts_with("pm") => found(Element::LowerHalf, 2),
        b'-' | b'Z' => OFFSETS
            .iter()
            .find(|(spelling, _)| text[1..].starts_with(spelling))
            .map(|(spelling, style)| {
                (
                    Element::Offset {
                        style: *style,
                        zulu: first == b'Z',
                    },
                    0,
                    1 + spelling.len(),
                )
            }),
        b'.' | b',' => fraction_at(text.as_bytes(), first),
        _ => None,
    }
}

/// `.000` or `.999` (or with a comma), if no other digit follows the run.
fn fraction_at(text: &[u8], separator: u8) -> Option<(Element, usize, usize)> {
    let digit = *text.get(1).filter(|digit| matches!(digit, b'0' | b'9'))?;
    let digits = text[1..].iter().take_while(|byte| **byte == digit).count();
    if text.get(1 + digits).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((
        Element::Fraction {
            digits,
            trim: digit == b'9',
            separator,
        },
        0,
        1 + digits,
    ))
}

#[cfg(test)]
mod tests {
    use super::{Element, next_piece};

    fn elements(mut layout: &str) -> Vec<Element> {
        let mut found = Vec::new();
        loop {
            let piece = next_piece(layout);
            let Some(element) = piece.element else {
                return found;
            };
            found.push(element);
            layout = piece.rest;
        }
    }

    #[test]
    fn the_reference_time_is_all_elements() {
        assert_eq!(
            elements("Mon Jan _2 15:04:05 2006"),
            [
                Element::ShortWeekday,
                Element::ShortMonth,
                Element::SpaceDay,
                Element::Hour,
                Element::ZeroMinute,
                Element::ZeroSecond,
                Element::LongYear,
            ]
        );
    }

    #[test]
    fn words_that_only_begin_like_an_element_are_text() {
        assert_eq!(elements("Month Janet"), []);
        assert_eq!(elements(".001"), [Element::ZeroMonth]);
    }

    #[test]
    fn an_underscore_before_the_year_is_text() {
        let piece = next_piece("_2006");
        assert_eq!(
            (piece.literal, piece.element),
            ("_", Some(Element::LongYear))
        );
    }
}
