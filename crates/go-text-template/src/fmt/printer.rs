//! One value under one verb: Go's `pp.printArg` as a function of our values.

use super::float::write_float;
use super::quote::{is_printable, quote_with};
use crate::value::{Complex, List, Map, Object, Value};

/// Nesting beyond this prints as `...`; Go would run out of stack.
const MAX_DEPTH: usize = 1000;
/// A text this long ends with `...` in place of further lists and maps: a few shared values can
/// print as very many.
const MAX_NESTED_BYTES: usize = 16 << 20;

/// The flags, width and precision of a verb.
#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) plus: bool,
    pub(super) minus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%+v`.
    pub(super) plus_v: bool,
    /// `%#v`.
    pub(super) sharp_v: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
}

/// Text under construction, with the flags of the current verb.
#[derive(Default)]
pub(super) struct Printer {
    pub(super) out: Vec<u8>,
    pub(super) flags: Flags,
    pub(super) depth: usize,
    /// Whether a complaint about a verb is being printed, in which Go asks no `String()`.
    pub(super) complaining: bool,
}

impl Printer {
    /// Prints an argument of the outermost level.
    pub(super) fn print(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::Nil, 'v' | 'T') => self.pad(b"<nil>"),
            (Value::Nil, _) | (Value::List(_) | Value::Map(_) | Value::Object(_), 'w') => {
                self.bad_verb(value, verb);
            }
            (_, 'T') => {
                let name = self.truncated(value.go_type().as_bytes()).to_vec();
                self.pad(&name);
            }
            (_, 'p') => self.print_pointer(value),
            _ => self.print_value(value, verb),
        }
    }

    fn print_value(&mut self, value: &Value, verb: char) {
        match value {
            Value::Nil if self.flags.sharp_v => self.out.extend_from_slice(b"interface {}(nil)"),
            Value::Nil => self.out.extend_from_slice(b"<nil>"),
            Value::Bool(flag) => match verb {
                'v' | 't' => self.pad(if *flag { b"true" } else { b"false" }),
                _ => self.bad_verb(value, verb),
            },
            Value::Int(number) | Value::Int64(number) => {
                self.print_integer(value, *number as u64, true, verb);
            }
            Value::Int32(number) => {
                self.print_integer(value, i64::from(*number) as u64, true, verb);
            }
            Value::Uint8(number) => self.print_integer(value, u64::from(*number), false, verb),
            Value::Uint64(number) => self.print_integer(value, *number, false, verb),
            Value::Float64(number) => self.print_float(value, *number, verb),
            Value::String(text) => self.print_string(value, text.as_bytes(), verb),
            Value::Bytes(bytes) => self.print_bytes(value, bytes, verb),
            Value::List(list) => self.nested(|printer| printer.print_list(list, verb)),
            Value::Map(map) => self.nested(|printer| printer.print_map(map, verb)),
            Value::Object(object) => self.print_object(value, object.as_ref(), verb),
        }
    }

    fn print_object(&mut self, value: &Value, object: &dyn Object, verb: char) {
        if let Some(complex) = value.downcast::<Complex>() {
            return self.print_complex(value, *complex, verb);
        }
        if self.flags.sharp_v
            && !self.complaining
            && let Some(text) = object.print_go_syntax()
        {
            return self.print_string(value, text.as_bytes(), 's');
        }
        let asks_text = matches!(verb, 'v' | 's' | 'x' | 'X' | 'q');
        if object.is_stringer() && asks_text && !self.complaining && !self.flags.sharp_v {
            return self.print_string(value, object.print().as_bytes(), verb);
        }
        if let Some(Value::Int(number) | Value::Int64(number)) = object.underlying() {
            return self.print_integer(value, number as u64, true, verb);
        }
        match object.printed_fields() {
            Some(fields) => {
                self.nested(|printer| printer.print_struct(value.go_type(), &fields, verb));
            }
            None if object.is_stringer() => {
                self.print_string(value, object.print().as_bytes(), verb);
            }
            None => self.out.extend_from_slice(object.print().as_bytes()),
        }
    }

    fn nested(&mut self, print: impl FnOnce(&mut Self)) {
        if self.depth == MAX_DEPTH || self.out.len() > MAX_NESTED_BYTES {
            self.out.extend_from_slice(b"...");
            return;
        }
        self.depth += 1;
        crate::stack::grow(|| print(self));
        self.depth -= 1;
    }

    fn print_list(&mut self, list: &List, verb: char) {
        let go_syntax = self.flags.sharp_v;
        if go_syntax {
            self.out
                .extend_from_slice(list.list_type().name().as_bytes());
            if list.is_nil() {
                self.out.extend_from_slice(b"(nil)");
                return;
            }
        }
        self.out.push(if go_syntax { b'{' } else { b'[' });
        for (index, item) in list.iter().enumerate() {
            if index > 0 {
                self.out
                    .extend_from_slice(if go_syntax { b", " } else { b" " });
            }
            self.print_value(item, verb);
        }
        self.out.push(if go_syntax { b'}' } else { b']' });
    }

    fn print_map(&mut self, map: &Map, verb: char) {
        let go_syntax = self.flags.sharp_v;
        if go_syntax {
            self.out.extend_from_slice(map.map_type().name().as_bytes());
            if map.is_nil() {
                self.out.extend_from_slice(b"(nil)");
                return;
            }
            self.out.push(b'{');
        } else {
            self.out.extend_from_slice(b"map[");
        }
        for (index, (key, item)) in map.entries().iter().enumerate() {
            if index > 0 {
                self.out
                    .extend_from_slice(if go_syntax { b", " } else { b" " });
            }
            self.print_value(&Value::String(key.clone()), verb);
            self.out.push(b':');
            self.print_value(item, verb);
        }
        self.out.push(if go_syntax { b'}' } else { b']' });
    }

    fn print_struct(&mut self, go_type: &str, fields: &[(&str, Value)], verb: char) {
        let (go_syntax, names) = (self.flags.sharp_v, self.flags.sharp_v || self.flags.plus_v);
        let name = match go_type.strip_prefix('*') {
            Some(name) => {
                self.out.push(b'&');
                name
            }
            None => go_type,
        };
        if go_syntax {
            self.out.extend_from_slice(name.as_bytes());
        }
        self.out.push(b'{');
        for (index, (name, value)) in fields.iter().enumerate() {
            if index > 0 {
                self.out
                    .extend_from_slice(if go_syntax { b", " } else { b" " });
            }
            if names {
                self.out.extend_from_slice(name.as_bytes());
                self.out.push(b':');
            }
            self.print_value(value, verb);
        }
        self.out.push(b'}');
    }

    fn print_string(&mut self, value: &Value, bytes: &[u8], verb: char) {
        match verb {
            'v' if self.flags.sharp_v => self.print_quoted(bytes),
            'v' | 's' => {
                let shown = self.truncated(bytes).to_vec();
                self.pad(&shown);
            }
            'x' => self.print_hexadecimal(bytes, *b"0123456789abcdefx"),
            'X' => self.print_hexadecimal(bytes, *b"0123456789ABCDEFX"),
            'q' => self.print_quoted(bytes),
            _ => self.bad_verb(value, verb),
        }
    }

    fn print_bytes(&mut self, value: &Value, bytes: &[u8], verb: char) {
        match verb {
            's' | 'x' | 'X' | 'q' => self.print_string(value, bytes, verb),
            'v' if self.flags.sharp_v => {
                // Go knows the type by its short name only where it need not look for it.
                let nested = self.depth > 0;
                self.out
                    .extend_from_slice(if nested { b"[]uint8{" } else { b"[]byte{" });
                for (index, byte) in bytes.iter().enumerate() {
                    self.out
                        .extend_from_slice(if index > 0 { b", " } else { b"" });
                    self.print_integer(value, u64::from(*byte), false, verb);
                }
                self.out.push(b'}');
            }
            _ => {
                let go_syntax = self.flags.sharp_v;
                self.out
                    .extend_from_slice(if go_syntax { b"[]uint8{" } else { b"[" });
                for (index, byte) in bytes.iter().enumerate() {
                    if index > 0 {
                        self.out
                            .extend_from_slice(if go_syntax { b", " } else { b" " });
                    }
                    self.print_value(&Value::Uint8(*byte), verb);
                }
                self.out.push(if go_syntax { b'}' } else { b']' });
            }
        }
    }

    fn print_quoted(&mut self, bytes: &[u8]) {
        let bytes = self.truncated(bytes);
        let raw = self
            .flags
            .sharp
            .then(|| std::str::from_utf8(bytes).ok())
            .flatten()
            .filter(|text| {
                text.chars().all(|character| {
                    character == '\t'
                        || character != '`'
                            && character != '\u{7f}'
                            && character != '\u{feff}'
                            && character >= ' '
                })
            });
        let text = match raw {
            Some(text) => format!("`{text}`"),
            None => quote_with(bytes, '"', self.flags.plus),
        };
        self.pad(text.as_bytes());
    }

    fn print_hexadecimal(&mut self, bytes: &[u8], digits: [u8; 17]) {
        let shown = &bytes[..bytes.len().min(self.flags.precision.unwrap_or(usize::MAX))];
        let mut text = Vec::with_capacity(shown.len() * 2 + 2);
        for (index, byte) in shown.iter().enumerate() {
            if self.flags.space && index > 0 {
                text.push(b' ');
            }
            if self.flags.sharp && (index == 0 || self.flags.space) {
                text.extend_from_slice(&[b'0', digits[16]]);
            }
            text.extend_from_slice(&[
                digits[usize::from(byte >> 4)],
                digits[usize::from(byte & 15)],
            ]);
        }
        self.pad(&text);
    }

    fn print_integer(&mut self, value: &Value, bits: u64, signed: bool, verb: char) {
        match verb {
            'v' if self.flags.sharp_v && !signed => {
                let sharp = std::mem::replace(&mut self.flags.sharp, true);
                self.write_integer(bits, 16, false, verb);
                self.flags.sharp = sharp;
            }
            'v' | 'd' => self.write_integer(bits, 10, signed, verb),
            'b' => self.write_integer(bits, 2, signed, verb),
            'o' | 'O' => self.write_integer(bits, 8, signed, verb),
            'x' | 'X' => self.write_integer(bits, 16, signed, verb),
            'c' => {
                let character = u32::try_from(bits)
                    .ok()
                    .and_then(char::from_u32)
                    .unwrap_or('\u{fffd}');
                self.pad(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            'q' => {
                let character = u32::try_from(bits)
                    .ok()
                    .and_then(char::from_u32)
                    .unwrap_or('\u{fffd}');
                let text = quote_with(
                    character.encode_utf8(&mut [0; 4]).as_bytes(),
                    '\'',
                    self.flags.plus,
                );
                self.pad(text.as_bytes());
            }
            'U' => self.print_unicode(bits),
            _ => self.bad_verb(value, verb),
        }
    }

    fn print_unicode(&mut self, bits: u64) {
        let width = self.flags.precision.map_or(4, |precision| precision.max(4));
        let mut text = format!("U+{bits:0>width$X}", width = width.min(1_000));
        if self.flags.sharp
            && let Some(character) = u32::try_from(bits)
                .ok()
                .and_then(char::from_u32)
                .filter(|c| is_printable(*c))
        {
            text.push_str(" '");
            text.push(character);
            text.push('\'');
        }
        self.without_zero(|printer| printer.pad(text.as_bytes()));
    }

    fn write_integer(&mut self, bits: u64, base: u32, signed: bool, verb: char) {
        let negative = signed && (bits as i64) < 0;
        let magnitude = if negative { bits.wrapping_neg() } else { bits };
        let flags = self.flags;
        let mut least = 0;
        if let Some(precision) = flags.precision {
            least = precision;
            if precision == 0 && magnitude == 0 {
                self.without_zero(|printer| printer.write_padding(flags.width.unwrap_or(0)));
                return;
            }
        } else if flags.zero && !flags.minus && flags.width.is_some() {
            least = flags.width.unwrap_or(0);
            if negative || flags.plus || flags.space {
                least = least.saturating_sub(1);
            }
        }
        let digits = match base {
            2 => format!("{magnitude:b}"),
            8 => format!("{magnitude:o}"),
            16 if verb == 'X' => format!("{magnitude:X}"),
            16 => format!("{magnitude:x}"),
            _ => magnitude.to_string(),
        };
        let mut text = Vec::with_capacity(digits.len().max(least) + 4);
        text.extend_from_slice(match (negative, flags.plus, flags.space) {
            (true, _, _) => b"-",
            (false, true, _) => b"+",
            (false, false, true) => b" ",
            _ => b"",
        });
        let zeros = least.saturating_sub(digits.len());
        if verb == 'O' {
            text.extend_from_slice(b"0o");
        }
        if flags.sharp {
            match base {
                2 => text.extend_from_slice(b"0b"),
                8 if zeros == 0 && !digits.starts_with('0') => text.push(b'0'),
                16 => text.extend_from_slice(if verb == 'X' { b"0X" } else { b"0x" }),
                _ => {}
            }
        }
        text.resize(text.len() + zeros, b'0');
        text.extend_from_slice(digits.as_bytes());
        self.without_zero(|printer| printer.pad(&text));
    }

    fn print_float(&mut self, value: &Value, number: f64, verb: char) {
        let (format, precision) = match verb {
            'v' => ('g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => (verb, None),
            'f' | 'e' | 'E' => (verb, Some(6)),
            'F' => ('f', Some(6)),
            _ => return self.bad_verb(value, verb),
        };
        let precision = self.flags.precision.or(precision);
        let mut text = vec![b'+'];
        write_float(&mut text, number, format, precision);
        if matches!(text.get(1), Some(b'-' | b'+')) {
            text.remove(0);
        }
        let flags = self.flags;
        if flags.space && text[0] == b'+' && !flags.plus {
            text[0] = b' ';
        }
        if !number.is_finite() {
            if number.is_nan() && !flags.space && !flags.plus {
                text.remove(0);
            }
            let shown = if text[0] == b'+' && !flags.plus && !number.is_nan() {
                &text[..]
            } else {
                &text
            };
            self.without_zero(|printer| printer.pad(shown));
            return;
        }
        if flags.sharp && format != 'b' {
            force_point(&mut text, format, precision);
        }
        if flags.plus || text[0] != b'+' {
            if flags.zero && !flags.minus && flags.width.is_some_and(|width| width > text.len()) {
                self.out.push(text[0]);
                self.write_padding(flags.width.unwrap_or(0) - text.len());
                self.out.extend_from_slice(&text[1..]);
                return;
            }
            self.pad(&text);
            return;
        }
        self.pad(&text[1..]);
    }

    fn print_complex(&mut self, value: &Value, complex: Complex, verb: char) {
        if !matches!(
            verb,
            'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E'
        ) {
            return self.bad_verb(value, verb);
        }
        self.out.push(b'(');
        self.print_float(value, complex.real, verb);
        let plus = std::mem::replace(&mut self.flags.plus, true);
        self.print_float(value, complex.imaginary, verb);
        self.flags.plus = plus;
        self.out.extend_from_slice(b"i)");
    }

    fn print_pointer(&mut self, value: &Value) {
        // Addresses differ from run to run; a constant keeps output reproducible.
        const ADDRESS: u64 = 0xc0_0001_0000;
        let is_pointer = match value {
            Value::Map(_) | Value::List(_) | Value::Bytes(_) => true,
            Value::Object(object) => object.go_type().starts_with('*'),
            _ => false,
        };
        if !is_pointer {
            return self.bad_verb(value, 'p');
        }
        self.flags.sharp = !self.flags.sharp;
        self.write_integer(ADDRESS, 16, false, 'p');
        self.flags.sharp = !self.flags.sharp;
    }

    fn bad_verb(&mut self, value: &Value, verb: char) {
        self.out.extend_from_slice(b"%!");
        self.out
            .extend_from_slice(verb.encode_utf8(&mut [0; 4]).as_bytes());
        self.out.push(b'(');
        if value.is_nil() {
            self.out.extend_from_slice(b"<nil>");
        } else {
            self.out.extend_from_slice(value.go_type().as_bytes());
            self.out.push(b'=');
            let complaining = std::mem::replace(&mut self.complaining, true);
            self.print(value, 'v');
            self.complaining = complaining;
        }
        self.out.push(b')');
    }

    /// The bytes up to the precision, counted in characters.
    fn truncated<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(precision) = self.flags.precision else {
            return bytes;
        };
        let mut left = precision;
        let mut end = 0;
        for chunk in bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                if left == 0 {
                    return &bytes[..end];
                }
                left -= 1;
                end += character.len_utf8();
            }
            for _ in chunk.invalid() {
                if left == 0 {
                    return &bytes[..end];
                }
                left -= 1;
                end += 1;
            }
        }
        bytes
    }

    fn without_zero(&mut self, print: impl FnOnce(&mut Self)) {
        let zero = std::mem::replace(&mut self.flags.zero, false);
        print(self);
        self.flags.zero = zero;
    }

    fn write_padding(&mut self, count: usize) {
        let byte = if self.flags.zero && !self.flags.minus {
            b'0'
        } else {
            b' '
        };
        self.out.resize(self.out.len() + count, byte);
    }

    fn pad(&mut self, text: &[u8]) {
        let Some(width) = self.flags.width.filter(|width| *width > 0) else {
            self.out.extend_from_slice(text);
            return;
        };
        let length: usize = text
            .utf8_chunks()
            .map(|chunk| chunk.valid().chars().count() + chunk.invalid().len())
            .sum();
        let missing = width.saturating_sub(length);
        if self.flags.minus {
            self.out.extend_from_slice(text);
            self.write_padding(missing);
        } else {
            self.write_padding(missing);
            self.out.extend_from_slice(text);
        }
    }
}

/// The `#` flag of floats: a decimal point always, trailing zeros kept for `g`.
fn force_point(text: &mut Vec<u8>, format: char, precision: Option<usize>) {
    let mut missing = match format {
        'g' | 'G' | 'x' => precision.map_or(6, |precision| precision as i64),
        _ => 0,
    };
    let exponent_marks: &[u8] = if matches!(format, 'x' | 'X') {
        b"pP"
    } else {
        b"pPeE"
    };
    let tail_start = text
        .iter()
        .skip(1)
        .position(|byte| exponent_marks.contains(byte))
        .map_or(text.len(), |index| index + 1);
    let tail = text.split_off(tail_start);
    let (mut point, mut nonzero) = (false, false);
    for byte in &text[1..] {
        if *byte == b'.' {
            point = true;
            continue;
        }
        nonzero |= *byte != b'0';
        missing -= i64::from(nonzero);
    }
    if !point {
        if text.len() == 2 && text[1] == b'0' {
            missing -= 1;
        }
        text.push(b'.');
    }
    text.resize(text.len() + missing.max(0) as usize, b'0');
    text.extend_from_slice(&tail);
}
