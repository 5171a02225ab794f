//! `html`, `js` and `urlquery`.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::fmt::is_printable;
use crate::value::Text;

pub(super) fn html(text: Text) -> Text {
    if !text
        .as_bytes()
        .iter()
        .any(|byte| matches!(byte, b'\0' | b'"' | b'\'' | b'&' | b'<' | b'>'))
    {
        return text;
    }
    let mut out = Vec::with_capacity(text.len() + 16);
    for byte in text.as_bytes() {
        match byte {
            b'\0' => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            other => out.push(*other),
        }
    }
    out.into()
}

pub(super) fn javascript(text: Text) -> Text {
    let special = |byte: &u8| matches!(byte, b'\\' | b'\'' | b'"' | b'<' | b'>' | b'&' | b'=' | 0..0x20 | 0x80..);
    if !text.as_bytes().iter().any(special) {
        return text;
    }
    let mut out = Vec::with_capacity(text.len() + 16);
    for chunk in text.as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            let _ = match character {
                '\\' | '\'' | '"' => write!(out, "\\{character}"),
                '<' | '>' | '&' | '=' | '\0'..' ' => write!(out, "\\u{:04X}", u32::from(character)),
                _ if is_printable(character) || character == '\u{7f}' => write!(out, "{character}"),
                _ => write!(out, "\\u{:04X}", u32::from(character)),
            };
        }
        // Go takes such a byte for U+FFFD, finds that printable, and copies the byte.
        out.extend_from_slice(chunk.invalid());
    }
    out.into()
}

pub(super) fn url_query(text: &Text) -> Text {
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.as_bytes() {
        let _ = match byte {
            b' ' => write!(out, "+"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                write!(out, "{}", *byte as char)
            }
            other => write!(out, "%{other:02X}"),
        };
    }
    out.into()
}
