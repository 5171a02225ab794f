//! Base64, base32 and checksums.

use go_text_template::{Text, Type};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::arguments::text;
use super::entry::Entry;

const ONE: &[Type] = &[Type::String];

/// Encoding functions.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "b64enc",
        ONE,
        |_, args| Ok(encode_base64(text(args, 0)?.as_bytes()).into()),
        "The text in base64.",
    ),
    Entry::new(
        "b64dec",
        ONE,
        |_, args| {
            Ok(decode_base64(text(args, 0)?.as_bytes())
                .map_or_else(Text::from, Text::from)
                .into())
        },
        "What a base64 text stands for, or the text of the error.",
    ),
    Entry::new(
        "b32enc",
        ONE,
        |_, args| {
            Ok(data_encoding::BASE32
                .encode(text(args, 0)?.as_bytes())
                .into())
        },
        "The text in base32.",
    ),
    Entry::new(
        "b32dec",
        ONE,
        |_, args| {
            Ok(decode_base32(text(args, 0)?.as_bytes())
                .map_or_else(Text::from, Text::from)
                .into())
        },
        "What a base32 text stands for, or the text of the error.",
    ),
    Entry::new(
        "sha1sum",
        ONE,
        |_, args| Ok(hex::<Sha1>(text(args, 0)?).into()),
        "The SHA-1 of the text in hexadecimal.",
    ),
    Entry::new(
        "sha256sum",
        ONE,
        |_, args| Ok(hex::<Sha256>(text(args, 0)?).into()),
        "The SHA-256 of the text in hexadecimal.",
    ),
    Entry::new(
        "sha512sum",
        ONE,
        |_, args| Ok(hex::<Sha512>(text(args, 0)?).into()),
        "The SHA-512 of the text in hexadecimal.",
    ),
    Entry::new(
        "adler32sum",
        ONE,
        |_, args| Ok(adler32(text(args, 0)?.as_bytes()).to_string().into()),
        "The Adler-32 of the text in decimal.",
    ),
];

fn hex<D: Digest>(source: &Text) -> String {
    data_encoding::HEXLOWER.encode(&D::digest(source.as_bytes()))
}

fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    // So many bytes cannot overflow the sums before they are reduced.
    const BLOCK: usize = 5_552;
    let (mut low, mut high) = (1u32, 0u32);
    for block in bytes.chunks(BLOCK) {
        for byte in block {
            low += u32::from(*byte);
            high += low;
        }
        low %= MODULUS;
        high %= MODULUS;
    }
    high << 16 | low
}

/// Standard base64 with padding.
pub(super) fn encode_base64(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}

/// Standard base64, padded, line breaks anywhere.
///
/// # Errors
/// Go's text, with the offset of the first byte that is wrong.
pub(super) fn decode_base64(source: &[u8]) -> Result<Vec<u8>, String> {
    let corrupt = |at: usize| Err(format!("illegal base64 data at input byte {at}"));
    let mut out = Vec::with_capacity(source.len() / 4 * 3);
    let (mut group, mut filled) = (0u32, 0usize);
    for (at, byte) in source.iter().enumerate() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'\n' | b'\r' => continue,
            b'=' if filled >= 2 => return close_base64(source, at, group, filled, out),
            _ => return corrupt(at),
        };
        group = group << 6 | u32::from(value);
        filled += 1;
        if filled == 4 {
            out.extend_from_slice(&group.to_be_bytes()[1..]);
            (group, filled) = (0, 0);
        }
    }
    if filled > 0 {
        // Go counts back from the end, over the bytes of the unfinished group.
        return corrupt(source.len() - filled);
    }
    Ok(out)
}

/// The end of a base64 text from its first padding at `at` on.
fn close_base64(
    source: &[u8],
    at: usize,
    group: u32,
    filled: usize,
    mut out: Vec<u8>,
) -> Result<Vec<u8>, String> {
    let corrupt = |at: usize| Err(format!("illegal base64 data at input byte {at}"));
    let after_breaks = |from: usize| {
        let more = source[from..]
            .iter()
            .take_while(|byte| matches!(byte, b'\n' | b'\r'))
            .count();
        from + more
    };
    let mut next = at + 1;
    if filled == 2 {
        next = after_breaks(next);
        match source.get(next) {
            None => return corrupt(source.len()),
            Some(b'=') => next += 1,
            Some(_) => return corrupt(next - 1),
        }
    }
    next = after_breaks(next);
    if next < source.len() {
        return corrupt(next);
    }
    let bytes = (group << (6 * (4 - filled) as u32)).to_be_bytes();
    out.extend_from_slice(&bytes[1..filled]);
    Ok(out)
}

/// Standard base32, padded, line breaks anywhere.
fn decode_base32(source: &[u8]) -> Result<Vec<u8>, String> {
    let corrupt = |at: usize| Err(format!("illegal base32 data at input byte {at}"));
    let source: Vec<u8> = source
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
        .collect();
    let mut out = Vec::with_capacity(source.len() / 8 * 5);
    let mut at = 0;
    while at < source.len() {
        let (mut group, mut filled) = (0u64, 0usize);
        while filled < 8 {
            let Some(byte) = source.get(at) else {
                return corrupt(source.len() - filled);
            };
            at += 1;
            let left = source.len() - at;
            let value = match byte {
                b'=' if filled >= 2 && left < 8 => {
                    if left + filled < 7 {
                        return corrupt(source.len());
                    }
                    let padding = &source[at..source.len().min(at + 7 - filled)];
                    if let Some(offset) = padding.iter().position(|byte| *byte != b'=') {
                        return corrupt(at + offset - 1);
                    }
                    if matches!(filled, 3 | 6) {
                        return corrupt(at - 1);
                    }
                    let bytes = (group << (5 * (8 - filled) as u32)).to_be_bytes();
                    out.extend_from_slice(&bytes[3..3 + filled * 5 / 8]);
                    return Ok(out);
                }
                b'A'..=b'Z' => byte - b'A',
                b'2'..=b'7' => byte - b'2' + 26,
                _ => return corrupt(at - 1),
            };
            group = group << 5 | u64::from(value);
            filled += 1;
        }
        out.extend_from_slice(&group.to_be_bytes()[3..]);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::{adler32, decode_base32, decode_base64};

    fn base64(text: &str) -> String {
        decode_base64(text.as_bytes()).map_or_else(
            |error| error,
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    #[test]
    fn base64_errors_carry_the_offset() {
        assert_eq!(base64("YWJj\nZA==\n"), "abcd");
        assert_eq!(base64("YWJ"), "illegal base64 data at input byte 0");
        assert_eq!(base64("!!"), "illegal base64 data at input byte 0");
        assert_eq!(base64("YWJjZA=="), "abcd");
        assert_eq!(base64("YWJjZA="), "illegal base64 data at input byte 7");
        assert_eq!(base64("YWJjZA==x"), "illegal base64 data at input byte 8");
        assert_eq!(base64("YWJjZA=x"), "illegal base64 data at input byte 6");
    }

    #[test]
    fn base32_goes_there_and_back() {
        assert_eq!(decode_base32(b"MFRGG===").unwrap(), b"abc");
        assert!(decode_base32(b"MFRGG").is_err());
        assert!(decode_base32(b"mfrgg===").is_err());
    }

    #[test]
    fn adler_is_reduced() {
        assert_eq!(adler32(&vec![0xff; 20_000]), 0x9f51_d664);
    }
}
