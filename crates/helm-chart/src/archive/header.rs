//! [`is_readable`]: whether Go takes a tar header for one. It owns the numbers that nothing here reads
//! and that still must be numbers; it refuses to know what an entry is for. After `readHeader` and
//! `parseNumeric` of Go's `archive/tar`.

use std::ops::Range;

/// Mode, user, group, size and time of every header.
const NUMBERS: [Range<usize>; 5] = [100..108, 108..116, 116..124, 124..136, 136..148];
/// The device's numbers, which the oldest format does not have.
const DEVICE: [Range<usize>; 2] = [329..337, 337..345];
const MAGIC: Range<usize> = 257..265;

/// Whether each number of a header is one.
pub(super) fn is_readable(header: &tar::Header) -> bool {
    let bytes = header.as_bytes();
    let magic = &bytes[MAGIC];
    let is_oldest = !magic.starts_with(b"ustar\0") && magic != b"ustar  \0";
    let device = if is_oldest { &[] } else { &DEVICE[..] };
    let mut fields = NUMBERS.iter().chain(device);
    fields.all(|field| is_number(&bytes[field.clone()]))
}

/// Whether a field is a number: octal digits, padded, or, where the first bit is set, a binary one that
/// fits 63 bits and a sign.
fn is_number(field: &[u8]) -> bool {
    let (first, rest) = (field[0], &field[1..]);
    if first & 0x80 != 0 {
        let sign = if first & 0x40 == 0 { 0 } else { 0xFF };
        let mut bytes = rest.iter().map(|byte| byte ^ sign).rev();
        let low: Vec<u8> = bytes.by_ref().take(8).collect();
        let is_small = low.get(7).is_none_or(|top| top & 0x80 == 0);
        return is_small && matches!(first ^ sign, 0 | 0x80) && bytes.all(|byte| byte == 0);
    }
    let is_padding = |byte: &u8| matches!(byte, b' ' | 0);
    let from = field.iter().position(|byte| !is_padding(byte));
    let to = field.iter().rposition(|byte| !is_padding(byte));
    let (Some(from), Some(to)) = (from, to) else {
        // An empty field is zero.
        return true;
    };
    let text = field[from..=to].split(|byte| *byte == 0).next();
    text.is_some_and(|digits| digits.iter().all(|digit| matches!(digit, b'0'..=b'7')))
}

#[cfg(test)]
mod tests {
    use super::is_number;

    #[test]
    fn numbers_are_octal_or_binary() {
        let numbers: &[&[u8]] = &[
            b"0000644\0",
            b"   644 \0",
            b"0644\0xyz",
            b"\x00\x00\x00\x00\x00644",
            b"        ",
            b"\0\0\0\0\0\0\0\0",
            b"\x80\0\0\0\0\0\x01\x01",
            b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
            b"\x80\0\0\0\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        ];
        for number in numbers {
            assert!(is_number(number), "{number:?}");
        }
        let others: &[&[u8]] = &[
            b"zzzz\0\0\0\0",
            b"0000999\0",
            b"-1\0\0\0\0\0\0",
            b"0x1f\0\0\0\0",
            b"06 44\0\0\0",
            b"0644 \0xy",
            b"\x80\0\0\0\x80\0\0\0\0\0\0\0",
            b"\x80\0\0\x01\0\0\0\0\0\0\0\0",
        ];
        for other in others {
            assert!(!is_number(other), "{other:?}");
        }
    }
}
