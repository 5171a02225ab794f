//! Reading TOML 1.0: integers become int64, floats float64, dates times, arrays of tables lists.
//!
//! Owns which keys may be defined again and what scalars are worth; the text is taken apart by
//! [`super::toml_scan`]. Errors name the line and the last key, and say what is wrong, as
//! BurntSushi/toml 1.6 does.

use std::collections::{HashMap, HashSet};

use go_text_template::{List, ListType, Map, Type, Value, fmt};
use jiff::tz::TimeZone;

use super::date_parse;
use super::instant::Zone;
use super::moment::Moment;
use super::toml_scan::{After, Fault, Form, Piece, Scanner, Start, Top};
use super::toml_write::quoted_key;

/// Nesting beyond which a document is refused.
const MAX_DEPTH: usize = 256;
/// A zero among so many bytes is taken for another encoding.
const PROBED: usize = 6;

/// `[]map[string]interface {}`, what an array of tables becomes.
const TABLES: ListType = ListType::named("[]map[string]interface {}", Type::Map);

/// The zones that mark what has none, and how it is written.
pub(super) const LOCAL_ZONES: [(&str, &str); 3] = [
    ("datetime-local", "2006-01-02T15:04:05.999999999"),
    ("date-local", "2006-01-02"),
    ("time-local", "15:04:05.999999999"),
];

/// How dates and times may be written, and the zone of those that name none.
const LAYOUTS: [(&str, &str); 7] = [
    ("2006-01-02T15:04:05.999999999Z07:00", ""),
    ("2006-01-02T15:04:05.999999999", "datetime-local"),
    ("2006-01-02", "date-local"),
    ("15:04:05.999999999", "time-local"),
    ("2006-01-02T15:04Z07:00", ""),
    ("2006-01-02T15:04", "datetime-local"),
    ("15:04", "time-local"),
];

/// The table a document holds.
///
/// # Errors
/// `toml: line N: …` for what is not TOML.
pub(super) fn parse(source: &str) -> Result<Map, String> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    if source.bytes().take(PROBED).any(|byte| byte == 0) {
        return Err("toml: line 1: files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8".to_owned());
    }
    let mut reader = Reader {
        scanner: Scanner::new(source),
        root: Map::new(),
        context: Vec::new(),
        key: String::new(),
        key_line: 1,
        implicit: HashSet::new(),
        arrays: HashMap::new(),
    };
    match reader.document() {
        Ok(()) => Ok(reader.root),
        Err(Fault { line, words }) => {
            let key = reader.last_key();
            let key = if key.is_empty() {
                key
            } else {
                format!(" (last key {})", fmt::quote(key.as_bytes()))
            };
            Err(format!("toml: line {line}{key}: {words}"))
        }
    }
}

struct Reader<'a> {
    scanner: Scanner<'a>,
    root: Map,
    /// The path of the table being filled.
    context: Vec<String>,
    /// The key in it whose value is being read; empty between values.
    key: String,
    /// The line of the first part of that key.
    key_line: usize,
    /// Tables that no header and no key of their own has defined yet.
    implicit: HashSet<String>,
    /// Whether what was last defined at a path is an array.
    arrays: HashMap<String, bool>,
}

impl<'a> Reader<'a> {
    fn last_key(&self) -> String {
        if self.key.is_empty() {
            dotted(&self.context)
        } else if self.context.is_empty() {
            self.key.clone()
        } else {
            format!("{}.{}", dotted(&self.context), self.key)
        }
    }

    /// A fault at the key being defined.
    fn refuse<T>(&self, words: String) -> Result<T, Fault> {
        Err(Fault {
            line: self.key_line,
            words,
        })
    }

    fn document(&mut self) -> Result<(), Fault> {
        loop {
            match self.scanner.top()? {
                Top::End => return Ok(()),
                Top::Table => self.header(false)?,
                Top::ArrayTable => self.header(true)?,
                Top::Key => {
                    let outer = self.context.clone();
                    self.assignment(0)?;
                    self.context = outer;
                    self.key.clear();
                }
            }
            self.scanner.end_of_line()?;
        }
    }

    fn header(&mut self, array: bool) -> Result<(), Fault> {
        let path = self.name(Scanner::table_name, Scanner::after_table_name)?;
        if array {
            self.scanner.end_of_array_table()?;
        }
        self.enter(&path, array)?;
        self.note(&self.context.clone(), false);
        Ok(())
    }

    /// The parts of a name with dots between them; at least one.
    fn name(
        &mut self,
        part: fn(&mut Scanner<'a>) -> Result<Piece<'a>, Fault>,
        after: fn(&mut Scanner<'a>) -> Result<After, Fault>,
    ) -> Result<Vec<String>, Fault> {
        let mut path = Vec::new();
        loop {
            let piece = part(&mut self.scanner)?;
            if path.is_empty() {
                self.key_line = piece.line;
            }
            path.push(text(piece)?);
            if after(&mut self.scanner)? == After::End {
                return Ok(path);
            }
        }
    }

    /// `a.b = value` in the current table, which it leaves for the one the value is in. Answers
    /// with the parts of the key before the last, and the value.
    fn assignment(&mut self, depth: usize) -> Result<(Vec<String>, Value), Fault> {
        let mut path = self.name(Scanner::key_name, Scanner::after_key_name)?;
        self.key = path.pop().unwrap_or_default();
        for part in &path {
            let mut table = self.context.clone();
            table.push(part.clone());
            self.implicit.insert(dotted(&table));
            self.enter(&table, false)?;
        }
        let (value, is_array) = self.value(depth, false)?;
        let key = self.key.clone();
        self.set(&key, value.clone())?;
        let mut whole = self.context.clone();
        whole.push(key);
        self.note(&whole, is_array);
        Ok((path, value))
    }

    /// Remembers whether an array was defined at a path.
    fn note(&mut self, path: &[String], is_array: bool) {
        self.arrays.insert(dotted(path), is_array);
    }

    /// Makes the table at `path` the current one; it must be new, or known by implication alone. Of
    /// an array of tables it is a new item.
    fn enter(&mut self, path: &[String], array: bool) -> Result<(), Fault> {
        let Some((last, parents)) = path.split_last() else {
            return Ok(());
        };
        let mut table = self.root.clone();
        for (index, key) in parents.iter().enumerate() {
            let held = table.get(key).unwrap_or_else(|| {
                self.implicit.insert(dotted(&parents[..=index]));
                let new = Value::Map(Map::new());
                table.insert(key.as_str(), new.clone());
                new
            });
            let Some(next) = as_table(&held) else {
                let key = dotted(&parents[..=index]);
                return self.refuse(format!("Key '{key}' was already created as a hash."));
            };
            table = next;
        }
        self.context = parents.to_vec();
        if array {
            let mut items = match table.get(last) {
                None => Vec::new(),
                Some(Value::List(list)) if list.list_type() == TABLES => list.to_vec(),
                Some(_) => {
                    let key = dotted(path);
                    return self.refuse(format!(
                        "Key '{key}' was already created and cannot be used as an array."
                    ));
                }
            };
            items.push(Value::Map(Map::new()));
            table.insert(last.as_str(), Value::List(List::with_type(TABLES, items)));
        } else {
            self.set(last, Value::Map(Map::new()))?;
        }
        self.context.push(last.clone());
        Ok(())
    }

    /// Defines a key of the current table.
    fn set(&mut self, key: &str, value: Value) -> Result<(), Fault> {
        let mut table = self.root.clone();
        for (index, part) in self.context.iter().enumerate() {
            let Some(next) = table.get(part).as_ref().and_then(as_table) else {
                let key = dotted(&self.context[..=index]);
                return self.refuse(format!("Key '{key}' has already been defined."));
            };
            table = next;
        }
        let mut whole = self.context.clone();
        whole.push(key.to_owned());
        let whole = dotted(&whole);
        if !table.contains_key(key) {
            table.insert(key, value);
            return Ok(());
        }
        // What was only implied may be defined once: an array in its own right, a table as it is.
        if !self.implicit.remove(&whole) {
            return self.refuse(format!("Key '{whole}' has already been defined."));
        }
        if self.arrays.get(&whole) == Some(&true) {
            table.insert(key, value);
        }
        Ok(())
    }

    /// A value, and whether it is an array.
    fn value(&mut self, depth: usize, in_array: bool) -> Result<(Value, bool), Fault> {
        if depth > MAX_DEPTH {
            return self.refuse("values nest too deeply".to_owned());
        }
        match self.scanner.value()? {
            Start::Scalar(piece) => Ok((scalar(piece)?, false)),
            Start::Array => Ok((self.array(depth)?, true)),
            Start::Table => Ok((self.inline_table(depth, in_array)?, false)),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut whole = self.context.clone();
        whole.push(self.key.clone());
        self.note(&whole, true);
        let mut items = Vec::new();
        while self.scanner.item(items.is_empty())? {
            items.push(self.value(depth + 1, true)?.0);
        }
        Ok(items.into())
    }

    fn inline_table(&mut self, depth: usize, in_array: bool) -> Result<Value, Fault> {
        let (outer, outer_key) = (self.context.clone(), std::mem::take(&mut self.key));
        let mut path = outer.clone();
        path.push(outer_key.clone());
        self.context.clone_from(&path);
        self.implicit.insert(dotted(&path));
        self.enter(&path, in_array)?;
        let held = Map::new();
        let mut is_first = true;
        while self.scanner.entry(is_first)? {
            is_first = false;
            let (parents, value) = self.assignment(depth + 1)?;
            let mut table = held.clone();
            for parent in &parents {
                table = match table.get(parent) {
                    Some(Value::Map(next)) => next,
                    Some(_) => {
                        let key = fmt::quote(dotted(&self.context).as_bytes());
                        return self.refuse(format!("{key} is not a table"));
                    }
                    None => {
                        let next = Map::new();
                        table.insert(parent.as_str(), next.clone());
                        next
                    }
                };
            }
            table.insert(self.key.as_str(), value);
            self.context.clone_from(&path);
        }
        self.context = outer;
        self.key = outer_key;
        Ok(held.into())
    }
}

/// The table a value is, or the last one of an array of tables.
fn as_table(value: &Value) -> Option<Map> {
    match value {
        Value::Map(table) => Some(table.clone()),
        Value::List(list) if list.list_type() == TABLES => match list.last() {
            Some(Value::Map(table)) => Some(table.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// A path as TOML writes it.
fn dotted(path: &[String]) -> String {
    let parts: Vec<_> = path.iter().map(|part| quoted_key(part)).collect();
    parts.join(".")
}

fn refuse<T>(piece: Piece<'_>, words: String) -> Result<T, Fault> {
    Err(Fault {
        line: piece.line,
        words,
    })
}

/// The text a string or a bare key stands for.
fn text(piece: Piece<'_>) -> Result<String, Fault> {
    let unbroken = piece
        .text
        .strip_prefix("\r\n")
        .or(piece.text.strip_prefix('\n'));
    let unbroken = unbroken.unwrap_or(piece.text);
    match piece.form {
        Form::Escaped => unescaped(piece, piece.text),
        Form::MultiLine => unescaped(piece, &joined(unbroken)),
        Form::RawMultiLine => Ok(unbroken.to_owned()),
        _ => Ok(piece.text.to_owned()),
    }
}

/// The text without its escaped line ends and the space around them.
fn joined(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find('\\') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        out.push_str(before);
        if let Some(next) = after.strip_prefix('\\') {
            out.push_str("\\\\");
            rest = next;
            continue;
        }
        let next = after.trim_start_matches([' ', '\t', '\r', '\n']);
        if after[..after.len() - next.len()].contains('\n') {
            rest = next;
        } else {
            out.push('\\');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

fn unescaped(piece: Piece<'_>, source: &str) -> Result<String, Fault> {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let letter = after.chars().next().unwrap_or('\\');
        let mut length = letter.len_utf8();
        out.push(match letter {
            'b' => '\u{8}',
            't' => '\t',
            'n' => '\n',
            'f' => '\u{c}',
            'r' => '\r',
            'e' => '\u{1b}',
            ' ' | '\t' => return refuse(piece, format!("invalid escape: '\\{letter}'")),
            'x' | 'u' | 'U' => {
                let count = match letter {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let code = after.get(1..=count).unwrap_or_default();
                length += code.len();
                let parsed = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
                let Some(character) = parsed else {
                    let words = format!("Escaped character '\\u{code}' is not valid UTF-8.");
                    return refuse(piece, words);
                };
                character
            }
            other => other,
        });
        rest = &after[length.min(after.len())..];
    }
    out.push_str(rest);
    Ok(out)
}

fn scalar(piece: Piece<'_>) -> Result<Value, Fault> {
    match piece.form {
        Form::Bool => Ok((piece.text == "true").into()),
        Form::Integer => integer(piece),
        Form::Float => float(piece),
        Form::DateTime => date_time(piece),
        _ => text(piece).map(Value::from),
    }
}

/// Whether each underscore follows a digit, and the last character is one.
fn underscores_fit(text: &str) -> bool {
    const WORDS: [&str; 6] = ["nan", "+nan", "-nan", "inf", "-inf", "+inf"];
    let mut after_digit = false;
    for letter in text.chars() {
        if letter == '_' && !after_digit {
            return WORDS.contains(&text);
        }
        after_digit = letter.is_ascii_hexdigit();
    }
    after_digit || WORDS.contains(&text)
}

fn leading_zero(text: &str) -> bool {
    let bytes = text.as_bytes();
    match bytes {
        [b'0', next, ..] => !matches!(next, b'b' | b'o' | b'x'),
        [b'+' | b'-', b'0', _, ..] => true,
        _ => false,
    }
}

fn integer(piece: Piece<'_>) -> Result<Value, Fault> {
    let quoted = || fmt::quote(piece.text.as_bytes());
    if !underscores_fit(piece.text) {
        let words = "underscores must be surrounded by digits";
        return refuse(piece, format!("Invalid integer {}: {words}", quoted()));
    }
    if leading_zero(piece.text) {
        let words = format!("Invalid integer {}: cannot have leading zeroes", quoted());
        return refuse(piece, words);
    }
    let plain = piece.text.replace('_', "");
    let (digits, base) = match plain.get(..2) {
        Some("0x") => (&plain[2..], 16),
        Some("0o") => (&plain[2..], 8),
        Some("0b") => (&plain[2..], 2),
        _ => (plain.as_str(), 10),
    };
    match i64::from_str_radix(digits, base) {
        Ok(number) => Ok(Value::Int64(number)),
        Err(_) => refuse(piece, format!("{} is out of range for int64", piece.text)),
    }
}

fn float(piece: Piece<'_>) -> Result<Value, Fault> {
    let invalid = |why: &str| {
        let quoted = fmt::quote(piece.text.as_bytes());
        refuse(piece, format!("Invalid float {quoted}: {why}"))
    };
    let mut parts = piece
        .text
        .split(['.', 'e', 'E'])
        .filter(|part| !part.is_empty());
    if !parts.clone().all(underscores_fit) {
        return invalid("underscores must be surrounded by digits");
    }
    if parts.next().is_some_and(leading_zero) {
        return invalid("cannot have leading zeroes");
    }
    let mut after_points = piece.text.split('.').skip(1);
    if !after_points.all(|part| part.starts_with(|letter: char| letter.is_ascii_digit())) {
        return invalid("'.' must be followed by one or more digits");
    }
    let plain = piece.text.replace('_', "");
    match plain.parse::<f64>() {
        Ok(number) if number.is_infinite() && !plain.ends_with("inf") => {
            refuse(piece, format!("{} is out of range for float64", piece.text))
        }
        Ok(number) => Ok(number.into()),
        Err(_) => {
            let quoted = fmt::quote(piece.text.as_bytes());
            refuse(piece, format!("Invalid float value: {quoted}"))
        }
    }
}

fn date_time(piece: Piece<'_>) -> Result<Value, Fault> {
    let text = piece.text.replace([' ', 't'], "T").replace('z', "Z");
    let parsed = LAYOUTS.iter().find_map(|(layout, zone)| {
        let parsed = date_parse::parse(layout, &text, &TimeZone::UTC).ok()?;
        Some((parsed, *layout, *zone))
    });
    match parsed {
        Some((moment, layout, zone)) if !lacks_zero(&text, layout) => {
            let moment = if zone.is_empty() {
                moment
            } else {
                moment.shown_in(Zone::Fixed {
                    offset: 0,
                    name: zone.to_owned(),
                })
            };
            Ok(Value::object(Moment(moment)))
        }
        _ => {
            let quoted = fmt::quote(text.as_bytes());
            refuse(piece, format!("invalid datetime: {quoted}"))
        }
    }
}

/// Whether a number is shorter than its layout, so that what separates them stands elsewhere.
fn lacks_zero(text: &str, layout: &str) -> bool {
    let pairs = layout.bytes().zip(text.bytes());
    pairs
        .take_while(|(wanted, _)| !matches!(wanted, b'.' | b'Z'))
        .any(|(wanted, found)| !wanted.is_ascii_digit() && wanted != found)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn documents_are_read() {
        let table = parse("a = 1 # one\n'b c'.d = \"\\u00e9\"\n[[e]]\nf = [1.5, '''\nx''']\n[[e]]\n[e.g]\nh = {i = true}\n").unwrap();
        assert_eq!(
            go_text_template::Value::Map(table).to_string(),
            "map[a:1 b c:map[d:é] e:[map[f:[1.5 x]] map[g:map[h:map[i:true]]]]]"
        );
    }

    #[test]
    fn what_is_not_toml_is_refused_with_its_line() {
        for (text, line) in [
            ("a = 1\na = 2", 2),
            ("[a]\n[a]", 2),
            ("a = 01", 1),
            ("a = 1 b = 2", 1),
            ("\n\na", 3),
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                error.starts_with(&format!("toml: line {line}")),
                "{text:?}: {error}"
            );
        }
    }

    #[test]
    fn the_key_a_mistake_is_told_with_is_the_last_one_known() {
        for (text, words) in [
            (
                "[x]\nb 2",
                "line 2 (last key \"x\"): expected '.' or '=', but got '2' instead",
            ),
            (
                "a = {b = 1, c -",
                "line 1 (last key \"a.b\"): expected '.' or '=', but got '-' instead",
            ),
            (
                "a = \n",
                "line 1 (last key \"a\"): expected value but found '\\n' instead",
            ),
            (
                "\"b c\".d = 0x",
                "line 1 (last key \"\\\"b c\\\".d\"): not a hexadecimal number: '0x\0'",
            ),
        ] {
            assert_eq!(
                parse(text).unwrap_err(),
                format!("toml: {words}"),
                "{text:?}"
            );
        }
    }
}
