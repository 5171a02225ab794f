//! How a string is written: one pass over it finds what libyaml's emitter needs to know, and
//! go-yaml's rule picks the style. Refuses to write anything.

use super::resolve::{is_old_bool, reads_as_text};

/// The notations the emitter uses for strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

#[derive(Debug, Clone, Copy, Default)]
struct Findings {
    indicators: bool,
    line_breaks: bool,
    newline: bool,
    special: bool,
    tab: bool,
    edge_space: bool,
    trailing_space: bool,
    edge_break: bool,
    break_space: bool,
    space_break: bool,
}

/// The style of a value.
pub(super) fn value_style(text: &str, tabs_in_blocks: bool) -> Style {
    let found = analyse(text);
    let preferred = if found.newline {
        Style::Literal
    } else if reads_as_text(text) && !(tabs_in_blocks && is_old_bool(text)) {
        Style::Plain
    } else {
        Style::DoubleQuoted
    };
    settle(preferred, &found, tabs_in_blocks)
}

/// The style of a key that fits on its line.
pub(super) fn key_style(text: &str, tabs_in_blocks: bool) -> Style {
    let found = analyse(text);
    if found.line_breaks || !reads_as_text(text) || (tabs_in_blocks && is_old_bool(text)) {
        return Style::DoubleQuoted;
    }
    settle(Style::Plain, &found, tabs_in_blocks)
}

/// Whether a key holds a line break of any kind.
pub(super) fn is_multiline(text: &str) -> bool {
    analyse(text).line_breaks
}

fn settle(preferred: Style, found: &Findings, tabs_in_blocks: bool) -> Style {
    let special = found.special || (found.tab && !tabs_in_blocks);
    let unquotable = found.break_space || found.space_break || special || found.tab;
    match preferred {
        Style::Literal if found.space_break || special || found.trailing_space => {
            Style::DoubleQuoted
        }
        Style::Plain => {
            let plain =
                !found.indicators && !found.line_breaks && !found.edge_space && !found.edge_break;
            match (plain && !unquotable, unquotable) {
                (true, _) => Style::Plain,
                (false, false) => Style::SingleQuoted,
                (false, true) => Style::DoubleQuoted,
            }
        }
        other => other,
    }
}

fn analyse(text: &str) -> Findings {
    let bytes = text.as_bytes();
    let mut found = Findings::default();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return found;
    };
    let blank_after = |at: usize| matches!(bytes.get(at + 1), None | Some(b' ' | b'\t'));
    found.edge_space = *first == b' ' || *last == b' ';
    found.trailing_space = *last == b' ';
    found.indicators = match first {
        b'#' | b',' | b'[' | b']' | b'{' | b'}' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\''
        | b'"' | b'%' | b'@' | b'`' => true,
        b'?' | b':' => blank_after(0),
        b'-' => blank_after(0) || text.starts_with("---"),
        b'.' => text.starts_with("..."),
        _ => false,
    };
    let (mut previous_space, mut previous_break) = (false, false);
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        let (mut width, mut is_break) = (1, false);
        match byte {
            b' ' => {
                found.break_space |= previous_break;
                (previous_space, previous_break) = (true, false);
                at += 1;
                continue;
            }
            b'\n' => {
                found.newline = true;
                is_break = true;
            }
            b'\r' => {
                found.special = true;
                is_break = true;
            }
            b'\t' => found.tab = true,
            b':' => found.indicators |= at > 0 && blank_after(at),
            b'#' => {
                let before = at.checked_sub(1).map(|before| bytes[before]);
                found.indicators |= previous_space || previous_break || before == Some(b'\t');
            }
            0x21..=0x7E => {}
            0..=0x1F | 0x7F => found.special = true,
            0xC2 => {
                width = 2;
                is_break = bytes.get(at + 1) == Some(&0x85);
                found.special |= bytes.get(at + 1).is_some_and(|next| *next < 0xA0);
            }
            0x80..=0xC1 | 0xC3..=0xDF => width = 2,
            0xE0..=0xEF => {
                width = 3;
                let rest = bytes.get(at + 1..at + 3).unwrap_or_default();
                is_break = byte == 0xE2 && matches!(rest, [0x80, 0xA8 | 0xA9]);
                found.special |= byte == 0xEF && matches!(rest, [0xBB, 0xBF] | [0xBF, 0xBE | 0xBF]);
            }
            0xF0..=0xFF => {
                width = 4;
                found.special = true;
            }
        }
        if is_break {
            found.line_breaks = true;
            found.edge_break |= at == 0 || at + width == bytes.len();
            found.space_break |= previous_space;
        }
        (previous_space, previous_break) = (false, is_break);
        at += width;
    }
    found
}
