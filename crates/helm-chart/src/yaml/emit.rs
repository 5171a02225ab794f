//! Values to YAML text, byte for byte as Helm's `toYaml` (sigs.k8s.io/yaml 1.6 over go-yaml v2.4)
//! and `toYamlPretty` (go-yaml v3) write them. Refuses what their own detour over JSON refuses.

use std::borrow::Cow;

use super::key_order::{Generation, sort_entries};
use super::scalar_style::{Style, is_multiline, key_style, value_style};
use super::scanner::{MAX_DEPTH, is_control};
use crate::MAX_TEXT;
use crate::number::{not_finite, write_go_float, write_int, write_json_float, write_uint};
use crate::tree::{Tree, TreeSink};

const BEST_WIDTH: usize = 80;
const BEST_INDENT: usize = 2;
/// How many letters of base64 go-yaml v3 puts into a line.
const BASE64_LINE: usize = 70;
const LONGEST_SIMPLE_KEY: usize = 128;
/// The longest quoted key the YAML reader accepts when the JSON text is read again.
const LONGEST_JSON_KEY: usize = 1024;

/// A value that has no YAML text; Helm's `toYaml` answers with an empty string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// A number that JSON cannot express, infinity or not a number; the field is Go's name for it.
    #[error("error marshaling into JSON: json: unsupported value: {0}")]
    NotFinite(&'static str),
    /// A value of this Go type.
    #[error("error marshaling into JSON: json: unsupported type: {0}")]
    NoData(&'static str),
    /// A character that YAML 1.1 readers refuse even where JSON allows it.
    #[error("yaml: control characters are not allowed")]
    ControlCharacter,
    /// A key too long to be read back.
    #[error("yaml: did not find expected ',' or '}}'")]
    KeyTooLong,
    /// A value nested too deeply, or one that contains itself.
    #[error("json: unsupported value: encountered a cycle")]
    TooDeep,
    /// More than [`MAX_TEXT`] bytes: a few shared values can print as very many.
    #[error("yaml: the text exceeds the limit of {MAX_TEXT} bytes")]
    TooLong,
}

/// Writes `value` as Helm's `toYaml` does, without the final line break.
///
/// # Errors
/// [`EmitError`] where Helm's function returns an empty string.
pub fn to_string<T: Tree + ?Sized>(value: &T) -> Result<String, EmitError> {
    let mut out = String::new();
    write(&mut out, value)?;
    Ok(out)
}

/// Appends to `out` what [`to_string`] returns.
///
/// # Errors
/// See [`to_string`]; `out` may then hold a part of the text.
pub fn write<T: Tree + ?Sized>(out: &mut String, value: &T) -> Result<(), EmitError> {
    write_as(out, value, Generation::V2)
}

/// Writes `value` as Helm's `toYamlPretty` does: sequences indented, no folding, without the final
/// line break.
///
/// # Errors
/// [`EmitError::TooDeep`]; other values always have a text.
pub fn to_string_pretty<T: Tree + ?Sized>(value: &T) -> Result<String, EmitError> {
    let mut out = String::new();
    write_as(&mut out, value, Generation::V3)?;
    Ok(out)
}

fn write_as<T: Tree + ?Sized>(
    out: &mut String,
    value: &T,
    generation: Generation,
) -> Result<(), EmitError> {
    let mut emitter = Emitter {
        out,
        generation,
        line_start: 0,
        column: 0,
        whitespace: true,
        indention: true,
        indent: None,
        context: Context::Root,
        depth: 0,
    };
    emitter.line_start = emitter.out.len();
    value.accept(&mut emitter)?;
    emitter.indent = None;
    emitter.write_indent();
    if emitter.out.ends_with('\n') {
        emitter.out.pop();
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Root,
    Sequence,
    MappingValue,
}

struct Emitter<'o> {
    out: &'o mut String,
    generation: Generation,
    line_start: usize,
    column: usize,
    /// The last character separates tokens.
    whitespace: bool,
    /// Only indentation and indicators stand on the line so far.
    indention: bool,
    /// Column of the current collection; `None` outside any.
    indent: Option<usize>,
    context: Context,
    depth: usize,
}

impl Emitter<'_> {
    fn put(&mut self, character: char) {
        self.out.push(character);
        self.column += 1;
    }

    fn put_ascii(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.len();
    }

    fn put_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    /// Writes a line break of the text itself, in its own spelling.
    fn write_break(&mut self, character: char) {
        self.out.push(character);
        self.column = 0;
    }

    fn write_indent(&mut self) {
        self.write_indent_at(self.indent.unwrap_or(0));
    }

    fn write_indent_at(&mut self, indent: usize) {
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn write_indicator(&mut self, indicator: &str, needs_space: bool, indents: bool) {
        if needs_space && !self.whitespace {
            self.put(' ');
        }
        self.put_ascii(indicator);
        self.whitespace = false;
        self.indention &= indents;
    }

    fn write_plain_ascii(&mut self, text: &str) {
        if !self.whitespace {
            self.put(' ');
        }
        self.put_ascii(text);
        self.whitespace = false;
        self.indention = false;
    }

    fn scalar_indent(&self) -> usize {
        self.indent
            .map_or(BEST_INDENT, |indent| indent + BEST_INDENT)
    }

    fn folds(&self) -> bool {
        self.generation == Generation::V2
    }

    fn write_number(&mut self, write: impl FnOnce(&mut String)) {
        if !self.whitespace {
            self.put(' ');
        }
        let before = self.out.len();
        write(self.out);
        self.column += self.out.len() - before;
        self.whitespace = false;
        self.indention = false;
    }

    /// The text as it survives the detour over JSON and a YAML reader.
    fn checked<'t>(&self, text: &'t str, key: bool) -> Result<Cow<'t, str>, EmitError> {
        if self.generation == Generation::V3
            || text.bytes().all(|byte| (0x20..0x7F).contains(&byte))
        {
            return self
                .check_key_length(text, key)
                .map(|()| Cow::Borrowed(text));
        }
        let refused = |c: char| c > '\x1F' && is_control(c);
        if text.chars().any(refused) {
            return Err(EmitError::ControlCharacter);
        }
        self.check_key_length(text, key)?;
        if !text.contains('\u{85}') {
            return Ok(Cow::Borrowed(text));
        }
        if key {
            return Err(EmitError::KeyTooLong);
        }
        Ok(Cow::Owned(fold_next_lines(text)))
    }

    fn check_key_length(&self, text: &str, key: bool) -> Result<(), EmitError> {
        if key && self.generation == Generation::V2 && text.len() > LONGEST_JSON_KEY / 6 {
            let mut quoted = String::new();
            crate::json::write_string(&mut quoted, text, true);
            if quoted.chars().count() > LONGEST_JSON_KEY {
                return Err(EmitError::KeyTooLong);
            }
        }
        Ok(())
    }

    fn write_styled(&mut self, text: &str, style: Style, is_key: bool) {
        let indent = self.scalar_indent();
        let folds = self.folds() && !is_key;
        match style {
            Style::Plain => self.write_plain(text, indent, folds),
            Style::SingleQuoted => self.write_single_quoted(text, indent, folds),
            Style::DoubleQuoted => self.write_double_quoted(text, indent, folds),
            Style::Literal => self.write_literal(text, indent),
        }
    }

    fn write_plain(&mut self, text: &str, indent: usize, folds: bool) {
        if !self.whitespace {
            self.put(' ');
        }
        if !folds || self.column + text.len() <= BEST_WIDTH {
            self.out.push_str(text);
            self.column += text.chars().count();
        } else {
            self.write_folding(text, indent, |_, _| false, |_, character| character);
        }
        self.whitespace = false;
        self.indention = false;
    }

    /// Writes text, breaking lines at single spaces past the best width.
    fn write_folding(
        &mut self,
        text: &str,
        indent: usize,
        keeps: impl Fn(usize, usize) -> bool,
        before: impl Fn(&mut Self, char) -> char,
    ) {
        let mut spaces = false;
        let mut breaks = false;
        let bytes = text.as_bytes();
        for (at, character) in text.char_indices() {
            if character == ' ' {
                let folds_here = !spaces
                    && self.column > BEST_WIDTH
                    && bytes.get(at + 1) != Some(&b' ')
                    && !keeps(at, bytes.len());
                if folds_here {
                    self.write_indent_at(indent);
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else if is_break(character) {
                if !breaks && character == '\n' {
                    self.put_break();
                }
                self.write_break(character);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent_at(indent);
                }
                let character = before(self, character);
                self.put(character);
                self.indention = false;
                spaces = false;
                breaks = false;
            }
        }
    }

    fn write_single_quoted(&mut self, text: &str, indent: usize, folds: bool) {
        self.write_indicator("'", true, false);
        let at_edge = move |at: usize, length: usize| !folds || at == 0 || at + 1 >= length;
        self.write_folding(text, indent, at_edge, |emitter, character| {
            if character == '\'' {
                emitter.put('\'');
            }
            character
        });
        self.write_indicator("'", false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn write_double_quoted(&mut self, text: &str, indent: usize, folds: bool) {
        self.write_indicator("\"", true, false);
        // A byte-order mark at the start makes go-yaml escape every character.
        let escapes_all = text.starts_with('\u{feff}');
        let mut spaces = false;
        let bytes = text.as_bytes();
        for (at, character) in text.char_indices() {
            if escapes_all || must_escape(character) {
                self.write_escape(character);
                spaces = false;
            } else if character == ' ' {
                let folds_here =
                    folds && !spaces && self.column > BEST_WIDTH && at > 0 && at + 1 < bytes.len();
                if folds_here {
                    self.write_indent_at(indent);
                    if bytes.get(at + 1) == Some(&b' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else {
                self.put(character);
                spaces = false;
            }
        }
        self.write_indicator("\"", false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn write_escape(&mut self, character: char) {
        let short = match character {
            '\0' => "\\0",
            '\x07' => "\\a",
            '\x08' => "\\b",
            '\t' => "\\t",
            '\n' => "\\n",
            '\x0B' => "\\v",
            '\x0C' => "\\f",
            '\r' => "\\r",
            '\x1B' => "\\e",
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{85}' => "\\N",
            '\u{A0}' => "\\_",
            '\u{2028}' => "\\L",
            '\u{2029}' => "\\P",
            _ => {
                let code = u32::from(character);
                let (letter, digits) = match code {
                    ..=0xFF => ('x', 2),
                    0x100..=0xFFFF => ('u', 4),
                    _ => ('U', 8),
                };
                self.put('\\');
                self.put(letter);
                for digit in (0..digits).rev() {
                    let digit = char::from_digit((code >> (4 * digit)) & 0xF, 16).unwrap_or('0');
                    self.put(digit.to_ascii_uppercase());
                }
                return;
            }
        };
        self.put_ascii(short);
    }

    fn write_literal(&mut self, text: &str, indent: usize) {
        self.write_indicator("|", true, false);
        if text.starts_with(|character| character == ' ' || is_break(character)) {
            self.write_indicator("2", false, false);
        }
        let mut ending = text.chars().rev();
        let chomping = match (ending.next().is_some_and(is_break), ending.next()) {
            (false, _) => "-",
            (true, None) => "+",
            (true, Some(before)) if is_break(before) => "+",
            _ => "",
        };
        if !chomping.is_empty() {
            self.write_indicator(chomping, false, false);
        }
        self.put_break();
        self.indention = true;
        self.whitespace = true;
        for line in text.split_inclusive(is_break) {
            let body = line.trim_end_matches(is_break);
            if !body.is_empty() {
                self.write_indent_at(indent);
                self.out.push_str(body);
                self.column += body.chars().count();
                self.indention = false;
            }
            if let Some(character) = line[body.len()..].chars().next() {
                self.write_break(character);
                self.indention = true;
            }
        }
    }

    fn enter(&mut self) -> Result<(), EmitError> {
        self.depth += 1;
        if self.out.len() > MAX_TEXT {
            Err(EmitError::TooLong)
        } else if self.depth > MAX_DEPTH {
            Err(EmitError::TooDeep)
        } else {
            Ok(())
        }
    }

    fn write_key(&mut self, key: &str) -> Result<bool, EmitError> {
        let key = self.checked(key, true)?;
        let tabs_in_blocks = self.generation == Generation::V3;
        if key.len() <= LONGEST_SIMPLE_KEY && !is_multiline(&key) {
            let style = key_style(&key, tabs_in_blocks);
            self.write_styled(&key, style, true);
            self.write_indicator(":", false, false);
            return Ok(true);
        }
        self.write_indicator("?", true, true);
        let style = value_style(&key, tabs_in_blocks);
        self.write_styled(&key, style, false);
        self.write_indent();
        self.write_indicator(":", true, true);
        Ok(false)
    }
}

impl Emitter<'_> {
    /// A mapping of these entries, in this order.
    fn write_entries<T: Tree>(&mut self, entries: Vec<(&str, &T)>) -> Result<(), EmitError> {
        if entries.is_empty() {
            self.write_plain_ascii("{}");
            return Ok(());
        }
        self.enter()?;
        let outer = self.indent;
        self.indent = Some(outer.map_or(0, |indent| indent + BEST_INDENT));
        for (key, value) in entries {
            self.write_indent();
            self.write_key(key)?;
            self.context = Context::MappingValue;
            value.accept(self)?;
        }
        self.indent = outer;
        self.depth -= 1;
        Ok(())
    }
}

impl TreeSink for Emitter<'_> {
    type Error = EmitError;

    fn null(&mut self) -> Result<(), EmitError> {
        self.write_plain_ascii("null");
        Ok(())
    }

    fn boolean(&mut self, value: bool) -> Result<(), EmitError> {
        self.write_plain_ascii(if value { "true" } else { "false" });
        Ok(())
    }

    fn int(&mut self, value: i64) -> Result<(), EmitError> {
        self.write_number(|out| write_int(out, value));
        Ok(())
    }

    fn uint(&mut self, value: u64) -> Result<(), EmitError> {
        self.write_number(|out| write_uint(out, value));
        Ok(())
    }

    fn float(&mut self, value: f64) -> Result<(), EmitError> {
        if self.generation == Generation::V3 {
            match (value.is_nan(), value.is_infinite()) {
                (true, _) => self.write_plain_ascii(".nan"),
                (_, true) => self.write_plain_ascii(if value > 0.0 { ".inf" } else { "-.inf" }),
                _ => self.write_number(|out| write_go_float(out, value)),
            }
            return Ok(());
        }
        if !value.is_finite() {
            return Err(EmitError::NotFinite(not_finite(value)));
        }
        // JSON writes integers up to 1e21 in full; read again they are integers if they fit.
        let in_full = value.fract() == 0.0
            && value > -9_223_372_036_854_775_808.0
            && value < 18_446_744_073_709_551_616.0;
        self.write_number(|out| {
            if value == 0.0 {
                out.push('0');
            } else if in_full {
                write_json_float(out, value);
            } else {
                write_go_float(out, value);
            }
        });
        Ok(())
    }

    fn no_data(&mut self, go_type: &'static str) -> Result<(), EmitError> {
        Err(EmitError::NoData(go_type))
    }

    fn string(&mut self, value: &str) -> Result<(), EmitError> {
        let text = self.checked(value, false)?;
        let style = value_style(&text, self.generation == Generation::V3);
        self.write_styled(&text, style, false);
        Ok(())
    }

    fn damaged_string(&mut self, value: &[u8]) -> Result<(), EmitError> {
        if self.generation == Generation::V2 {
            return self.string(&go_text_template::Text::from(value).to_str());
        }
        let encoded = data_encoding::BASE64.encode(value);
        self.write_plain_ascii("!!binary");
        if encoded.len() < BASE64_LINE {
            self.write_styled(&encoded, Style::Plain, false);
        } else {
            let lines = encoded.as_bytes().chunks(BASE64_LINE);
            let lines = lines.map(|line| format!("{}\n", String::from_utf8_lossy(line)));
            self.write_styled(&lines.collect::<String>(), Style::Literal, false);
        }
        Ok(())
    }

    fn bytes(&mut self, value: &[u8]) -> Result<(), EmitError> {
        match self.generation {
            Generation::V2 => self.string(&data_encoding::BASE64.encode(value)),
            Generation::V3 => {
                let numbers: Vec<serde_json::Value> =
                    value.iter().map(|byte| (*byte).into()).collect();
                self.list(numbers.iter())
            }
        }
    }

    fn nil_collection(&mut self, is_map: bool) -> Result<(), EmitError> {
        let text = match (self.generation, is_map) {
            (Generation::V2, _) => "null",
            (Generation::V3, true) => "{}",
            (Generation::V3, false) => "[]",
        };
        self.write_plain_ascii(text);
        Ok(())
    }

    fn list<'n, T: Tree + 'n>(
        &mut self,
        items: impl ExactSizeIterator<Item = &'n T>,
    ) -> Result<(), EmitError> {
        if items.len() == 0 {
            self.write_plain_ascii("[]");
            return Ok(());
        }
        self.enter()?;
        let outer = self.indent;
        let indentless = self.generation == Generation::V2
            && self.context == Context::MappingValue
            && !self.indention;
        self.indent = Some(match outer {
            None => 0,
            Some(indent) if indentless => indent,
            Some(indent) => indent + BEST_INDENT,
        });
        for item in items {
            self.write_indent();
            self.write_indicator("-", true, true);
            self.context = Context::Sequence;
            item.accept(self)?;
        }
        self.indent = outer;
        self.depth -= 1;
        Ok(())
    }

    fn moment(&mut self, value: &str) -> Result<(), EmitError> {
        match self.generation {
            Generation::V2 => self.string(value),
            Generation::V3 => {
                self.write_plain_ascii(value);
                Ok(())
            }
        }
    }

    fn wants_go_fields(&self) -> bool {
        self.generation == Generation::V3
    }

    fn fields<'n, T: Tree + 'n>(
        &mut self,
        entries: impl ExactSizeIterator<Item = (&'n str, &'n T)>,
    ) -> Result<(), EmitError> {
        match self.generation {
            // Go through JSON, which forgets the order.
            Generation::V2 => self.map(entries),
            Generation::V3 => self.write_entries(entries.collect()),
        }
    }

    fn map<'n, T: Tree + 'n>(
        &mut self,
        entries: impl ExactSizeIterator<Item = (&'n str, &'n T)>,
    ) -> Result<(), EmitError> {
        let mut entries: Vec<(&str, &T)> = entries.collect();
        sort_entries(&mut entries, self.generation);
        self.write_entries(entries)
    }
}

fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn must_escape(character: char) -> bool {
    match character {
        '"' | '\\' | '\u{2028}' | '\u{2029}' | '\u{feff}' => true,
        ' '..='~' | '\u{A0}'..='\u{FFFD}' => false,
        _ => true,
    }
}

/// Folds U+0085, a line break for YAML, as a reader of the JSON text does: blanks around it go, one
/// break becomes a space, further ones become line feeds.
fn fold_next_lines(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{85}') {
        folded.push_str(rest[..at].trim_end_matches(' '));
        let gap = rest[at..].trim_start_matches(['\u{85}', ' ']);
        let breaks = rest[at..rest.len() - gap.len()].matches('\u{85}').count();
        if breaks == 1 {
            folded.push(' ');
        } else {
            folded.extend((1..breaks).map(|_| '\n'));
        }
        rest = gap;
    }
    folded.push_str(rest);
    folded
}
