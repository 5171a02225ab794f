//! Go string literals: `strconv.Quote` and its relatives.

use std::fmt::Write as _;

/// Go's `strconv.Quote`, the `%q` of a string: double quotes and Go escapes. Bytes that are not
/// UTF-8 come out as `\xNN`.
///
/// ```
/// assert_eq!(go_text_template::fmt::quote("a\"\tü\u{7f}".as_bytes()), r#""a\"\tü\x7f""#);
/// ```
pub fn quote(bytes: &[u8]) -> String {
    quote_with(bytes, '"', false)
}

/// Quotes with this quotation mark, optionally escaping everything beyond ASCII.
pub(crate) fn quote_with(bytes: &[u8], mark: char, ascii_only: bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push(mark);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_escaped(&mut out, character, mark, ascii_only);
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push(mark);
    out
}

fn push_escaped(out: &mut String, character: char, mark: char, ascii_only: bool) {
    match character {
        '\\' => out.push_str("\\\\"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        _ if character == mark => {
            out.push('\\');
            out.push(character);
        }
        ' '..='~' => out.push(character),
        _ if !character.is_ascii() && !ascii_only && is_printable(character) => out.push(character),
        _ => {
            let code = u32::from(character);
            let _ = match code {
                0..0x80 => write!(out, "\\x{code:02x}"),
                0x80..0x1_0000 => write!(out, "\\u{code:04x}"),
                _ => write!(out, "\\U{code:08x}"),
            };
        }
    }
}

/// Whether Go's `unicode.IsPrint` holds: letters, marks, numbers, punctuation, symbols, and the
/// plain space.
pub(crate) fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return (' '..='~').contains(&character);
    }
    // `str::escape_debug` escapes exactly the unprintable characters, save for marks in front.
    let mut buffer = [b'a'; 5];
    let length = 1 + character.encode_utf8(&mut buffer[1..]).len();
    std::str::from_utf8(&buffer[..length])
        .is_ok_and(|text| !text.escape_debug().any(|escaped| escaped == '\\'))
}
