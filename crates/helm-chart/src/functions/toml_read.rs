//! Reading TOML 1.0: integers become int64, floats float64, dates times, arrays of tables lists.
//!
//! Errors name the line and the last key, and say what is wrong, as BurntSushi/toml 1.5 does for
//! the usual mistakes.

use std::collections::HashSet;

use go_text_template::{List, ListType, Map, Type, Value, fmt};
use jiff::tz::TimeZone;

use super::date_parse;
use super::instant::Zone;
use super::moment::Moment;

/// Nesting beyond which a document is refused.
const MAX_DEPTH: usize = 256;

/// `[]map[string]interface {}`, what an array of tables becomes.
const TABLES: ListType = ListType::named("[]map[string]interface {}", Type::Map);

/// The table a document holds.
///
/// # Errors
/// `toml: line N: …` for what is not TOML.
pub(super) fn parse(source: &str) -> Result<Map, String> {
    let mut reader = Reader {
        source,
        at: 0,
        context: Vec::new(),
        last_key: Vec::new(),
        headers: HashSet::new(),
        arrays: HashSet::new(),
    };
    let root = Map::new();
    match reader.document(&root) {
        Ok(()) => Ok(root),
        Err(problem) => {
            let line = source
                .get(..reader.at)
                .unwrap_or(source)
                .matches('\n')
                .count();
            let key = if reader.last_key.is_empty() {
                String::new()
            } else {
                format!(
                    " (last key {})",
                    fmt::quote(reader.last_key.join(".").as_bytes())
                )
            };
            Err(format!("toml: line {}{key}: {problem}", line + 1))
        }
    }
}

/// The zones that mark what has none, and how it is written.
pub(super) const LOCAL_ZONES: [(&str, &str); 3] = [
    ("datetime-local", "2006-01-02T15:04:05.999999999"),
    ("date-local", "2006-01-02"),
    ("time-local", "15:04:05.999999999"),
];

/// What a key names.
#[derive(Clone, Copy)]
enum Keys {
    /// A table: `[a.b]`.
    OfHeader,
    /// A value: `a.b = 1`.
    OfValue,
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    /// The path of the table being filled.
    context: Vec<String>,
    /// The path of the key whose value is being read; empty between values.
    last_key: Vec<String>,
    /// Tables that have had their header.
    headers: HashSet<usize>,
    /// Paths of arrays of tables made by headers.
    arrays: HashSet<Vec<String>>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn take_while(&mut self, matches: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|letter| !matches(letter)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn blanks(&mut self) {
        self.take_while(|letter| letter == ' ' || letter == '\t');
    }

    /// Blanks, line breaks and comments.
    fn space(&mut self) -> Result<(), String> {
        loop {
            self.take_while(|letter| matches!(letter, ' ' | '\t' | '\n' | '\r'));
            if self.peek() != Some('#') {
                return Ok(());
            }
            self.comment()?;
        }
    }

    fn comment(&mut self) -> Result<(), String> {
        let text = self.take_while(|letter| letter != '\n');
        let control = |letter: char| letter.is_ascii_control() && letter != '\t' && letter != '\r';
        if text.contains(control) {
            Err("control characters are not allowed inside comments".to_owned())
        } else {
            Ok(())
        }
    }

    fn end_of_line(&mut self) -> Result<(), String> {
        self.blanks();
        if self.peek() == Some('#') {
            self.comment()?;
        }
        match self.peek() {
            None | Some('\n') => Ok(()),
            Some('\r') if self.rest().starts_with("\r\n") => Ok(()),
            Some(found) => Err(format!(
                "expected a top-level item to end with a newline, comment, or EOF, but got {} instead",
                shown(Some(found))
            )),
        }
    }

    fn document(&mut self, root: &Map) -> Result<(), String> {
        let mut table = root.clone();
        loop {
            self.space()?;
            match self.peek() {
                None => return Ok(()),
                Some('[') => table = self.header(root)?,
                Some(_) => self.assignment(&table, 0)?,
            }
            self.end_of_line()?;
        }
    }

    fn header(&mut self, root: &Map) -> Result<Map, String> {
        let array = self.take("[[");
        if !array {
            self.take("[");
        }
        let path = self.key(Keys::OfHeader)?;
        if !self.take(if array { "]]" } else { "]" }) {
            return Err(self.unended_header());
        }
        let Some((last, parents)) = path.split_last() else {
            return Err("a table needs a name".to_owned());
        };
        path.clone_into(&mut self.context);
        let parent = Self::descend(root, parents)?;
        if array {
            return self.next_of_array(&parent, &path, last);
        }
        let table = match parent.get(last) {
            None => {
                let table = Map::new();
                parent.insert(last.as_str(), table.clone());
                table
            }
            Some(Value::Map(table)) => table,
            Some(_) => {
                return Err(format!(
                    "Key '{}' has already been defined.",
                    path.join(".")
                ));
            }
        };
        if !self.headers.insert(table.address()) {
            return Err(format!(
                "Key '{}' has already been defined.",
                path.join(".")
            ));
        }
        Ok(table)
    }

    fn next_of_array(&mut self, parent: &Map, path: &[String], last: &str) -> Result<Map, String> {
        let mut items = match parent.get(last) {
            None => Vec::new(),
            Some(Value::List(list)) if self.arrays.contains(path) => list.to_vec(),
            Some(_) => {
                return Err(format!(
                    "Key '{}' was already created and cannot be used as an array.",
                    path.join(".")
                ));
            }
        };
        let table = Map::new();
        items.push(Value::Map(table.clone()));
        parent.insert(last, Value::List(List::with_type(TABLES, items)));
        self.arrays.insert(path.to_vec());
        Ok(table)
    }

    /// The table at a path, made on the way if need be; of an array of tables, the last one.
    fn descend(from: &Map, path: &[String]) -> Result<Map, String> {
        let mut table = from.clone();
        for key in path {
            let next = match table.get(key) {
                None => {
                    let next = Map::new();
                    table.insert(key.as_str(), next.clone());
                    next
                }
                Some(Value::Map(next)) => next,
                Some(Value::List(list)) if list.list_type() == TABLES => match list.last() {
                    Some(Value::Map(next)) => next.clone(),
                    _ => return Err(format!("Key '{key}' is no table.")),
                },
                Some(_) => return Err(format!("Key '{key}' has already been defined.")),
            };
            table = next;
        }
        Ok(table)
    }

    /// Helm's reader has taken the character that does not fit, a line's end included.
    fn unended_header(&mut self) -> String {
        let found = self.peek();
        self.at += found.map_or(0, char::len_utf8);
        let found = found.map_or("'\\x00'".to_owned(), |letter| shown(Some(letter)));
        format!("expected '.' or ']' to end table name, but got {found} instead")
    }

    /// A dotted key.
    fn key(&mut self, keys: Keys) -> Result<Vec<String>, String> {
        let mut path = Vec::new();
        loop {
            self.blanks();
            path.push(match self.peek() {
                Some('"') => self.basic_string()?,
                Some('\'') => self.literal_string()?,
                _ => {
                    let bare = self.take_while(|letter| {
                        letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'
                    });
                    if bare.is_empty() {
                        return Err(self.nameless(keys, path.is_empty()));
                    }
                    bare.to_owned()
                }
            });
            self.blanks();
            if !self.take(".") {
                return Ok(path);
            }
        }
    }

    /// Why there is no name where one should be.
    fn nameless(&mut self, keys: Keys, is_first: bool) -> String {
        let words = match (keys, self.peek(), is_first) {
            (Keys::OfHeader, None | Some(']'), _) => {
                "unexpected end of table name (table names cannot be empty)"
            }
            (Keys::OfHeader, Some('.'), _) => {
                "unexpected table separator (table names cannot be empty)"
            }
            (Keys::OfHeader, Some(_), _) => return self.unended_header(),
            (Keys::OfValue, Some('='), true) => "unexpected '=': key name appears blank",
            (Keys::OfValue, Some('.'), true) => "unexpected '.': keys cannot start with a '.'",
            (Keys::OfValue, None | Some('='), false) => "unexpected '='",
            (Keys::OfValue, Some('.'), false) => "unexpected '.'",
            (Keys::OfValue, found, _) => {
                return format!("expected '.' or '=', but got {} instead", shown(found));
            }
        };
        words.to_owned()
    }

    fn assignment(&mut self, table: &Map, depth: usize) -> Result<(), String> {
        let path = self.key(Keys::OfValue)?;
        if !self.take("=") {
            return Err(match self.peek() {
                None => "unexpected EOF; expected key separator '='".to_owned(),
                found => format!("expected '.' or '=', but got {} instead", shown(found)),
            });
        }
        self.blanks();
        if self.last_key.is_empty() {
            self.last_key.clone_from(&self.context);
        }
        self.last_key.extend_from_slice(&path);
        let value = self.value(depth)?;
        self.define(table, &path, value)?;
        if depth == 0 {
            self.last_key.clear();
        }
        Ok(())
    }

    fn define(&mut self, table: &Map, path: &[String], value: Value) -> Result<(), String> {
        let Some((last, parents)) = path.split_last() else {
            return Err("expected a key".to_owned());
        };
        let mut target = table.clone();
        for parent in parents {
            let next = match target.get(parent) {
                Some(Value::Map(next)) if !self.headers.contains(&next.address()) => next,
                None => {
                    let next = Map::new();
                    target.insert(parent.as_str(), next.clone());
                    next
                }
                Some(_) => return Err(format!("Key '{parent}' has already been defined.")),
            };
            target = next;
        }
        if target.contains_key(last) {
            return Err(format!(
                "Key '{}' has already been defined.",
                self.last_key.join(".")
            ));
        }
        target.insert(last.as_str(), value);
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err("values nest too deeply".to_owned());
        }
        match self.peek() {
            Some('"') if self.take("\"\"\"") => self.multi_line("\"\"\"", true).map(Value::from),
            Some('\'') if self.take("'''") => self.multi_line("'''", false).map(Value::from),
            Some('"') => self.basic_string().map(Value::from),
            Some('\'') => self.literal_string().map(Value::from),
            Some('[') => self.array(depth),
            Some('{') => self.inline_table(depth),
            Some(_) => self.scalar(),
            None => Err("unexpected EOF; expected value".to_owned()),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, String> {
        self.take("[");
        let mut items = Vec::new();
        loop {
            self.space()?;
            if self.take("]") {
                return Ok(items.into());
            }
            items.push(self.value(depth + 1)?);
            self.space()?;
            if !self.take(",") && self.peek() != Some(']') {
                let found = shown(self.peek());
                return Err(format!(
                    "expected a comma (',') or array terminator (']'), but got {found}"
                ));
            }
        }
    }

    fn inline_table(&mut self, depth: usize) -> Result<Value, String> {
        self.take("{");
        let table = Map::new();
        self.blanks();
        if !self.take("}") {
            let outer = self.last_key.len();
            loop {
                self.blanks();
                self.last_key.truncate(outer);
                self.assignment(&table, depth + 1)?;
                self.blanks();
                if self.take("}") {
                    self.last_key.truncate(outer);
                    break;
                }
                if !self.take(",") {
                    let found = shown(self.peek());
                    return Err(format!(
                        "expected a comma or an inline table terminator '}}', but got {found} instead"
                    ));
                }
            }
        }
        Ok(table.into())
    }

    fn literal_string(&mut self) -> Result<String, String> {
        self.take("'");
        let text = self.take_while(|letter| letter != '\'' && letter != '\n');
        if self.take("'") {
            Ok(text.to_owned())
        } else {
            Err(self.unclosed("\"'\""))
        }
    }

    fn basic_string(&mut self) -> Result<String, String> {
        self.take("\"");
        let mut out = String::new();
        loop {
            out.push_str(self.take_while(|letter| !matches!(letter, '"' | '\\' | '\n')));
            match self.peek() {
                Some('"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some('\\') => out.push(self.escape()?),
                _ => return Err(self.unclosed("'\"'")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        self.take("\\");
        let letter = self.peek().ok_or("unexpected EOF")?;
        self.at += letter.len_utf8();
        let digits = match letter {
            'b' => return Ok('\u{8}'),
            't' => return Ok('\t'),
            'n' => return Ok('\n'),
            'f' => return Ok('\u{c}'),
            'r' => return Ok('\r'),
            '"' | '\\' => return Ok(letter),
            'u' => 4,
            'U' => 8,
            other => return Err(format!("invalid escape in string '\\{other}'")),
        };
        let code = self.rest().get(..digits).ok_or("unexpected EOF")?;
        let parsed = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
        self.at += digits;
        parsed.ok_or_else(|| format!("Escaped character '\\u{code}' is not valid UTF-8."))
    }

    fn multi_line(&mut self, quotes: &str, escapes: bool) -> Result<String, String> {
        if !self.take("\n") {
            self.take("\r\n");
        }
        let mut out = String::new();
        loop {
            let quote = quotes.chars().next().unwrap_or('"');
            out.push_str(self.take_while(|letter| letter != quote && !(escapes && letter == '\\')));
            if self.rest().starts_with(quotes) {
                // Up to two quotes may stand right before the closing ones.
                let run = self
                    .rest()
                    .chars()
                    .take_while(|letter| *letter == quote)
                    .count();
                out.extend(std::iter::repeat_n(quote, (run - 3).min(2)));
                self.at += run.min(5);
                return Ok(out);
            }
            match self.peek() {
                None => return Err(format!("unexpected EOF; expected '{quotes}'")),
                Some('\\') if escapes => {
                    let after = self.rest()[1..].trim_start_matches([' ', '\t', '\r']);
                    if after.starts_with('\n') {
                        self.at = self.source.len() - after.trim_start().len();
                    } else {
                        out.push(self.escape()?);
                    }
                }
                Some(letter) => {
                    out.push(letter);
                    self.at += letter.len_utf8();
                }
            }
        }
    }

    /// A string that ends with its line or with the text.
    fn unclosed(&self, quote: &str) -> String {
        match self.peek() {
            None => format!("unexpected EOF; expected {quote}"),
            Some(_) => "strings cannot contain newlines".to_owned(),
        }
    }

    fn scalar(&mut self) -> Result<Value, String> {
        let start = self.at;
        let mut word =
            self.take_while(|letter| letter.is_ascii_alphanumeric() || "+-._:".contains(letter));
        // A space may stand between date and time.
        let date = word.len() == 10 && word.as_bytes()[4] == b'-';
        if date
            && self.rest().len() > 2
            && self.rest().starts_with(' ')
            && self.rest().as_bytes()[1].is_ascii_digit()
        {
            self.at += 1;
            self.take_while(|letter| letter.is_ascii_alphanumeric() || "+-.:".contains(letter));
            word = &self.source[start..self.at];
        }
        match word {
            "true" => return Ok(true.into()),
            "false" => return Ok(false.into()),
            "inf" | "+inf" => return Ok(f64::INFINITY.into()),
            "-inf" => return Ok(f64::NEG_INFINITY.into()),
            "nan" | "+nan" | "-nan" => return Ok(f64::NAN.into()),
            "" if self.peek() == Some('\n') => {
                return Err("unexpected EOF; expected value".to_owned());
            }
            "" => {
                return Err(format!(
                    "expected value but found {} instead",
                    shown(self.peek())
                ));
            }
            _ => {}
        }
        integer(word)
            .or_else(|| float(word))
            .or_else(|| date_time(word))
            .ok_or_else(|| refused(word))
    }
}

/// A character as errors show it: as Go quotes one.
fn shown(found: Option<char>) -> String {
    match found {
        None => "end of file".to_owned(),
        Some('"') => "'\"'".to_owned(),
        Some('\'') => "'\\''".to_owned(),
        Some(letter) => {
            let quoted = fmt::quote(letter.encode_utf8(&mut [0; 4]).as_bytes());
            format!("'{}'", quoted.trim_matches('"'))
        }
    }
}

/// What is wrong with a word that is no value.
fn refused(word: &str) -> String {
    let body = word.strip_prefix(['+', '-']).unwrap_or(word);
    let quoted = fmt::quote(word.as_bytes());
    if !body.starts_with(|letter: char| letter.is_ascii_digit()) {
        return format!("expected value but found {quoted} instead");
    }
    if body.len() > 4 && (body.as_bytes()[4] == b'-' || body.contains(':')) {
        return format!("invalid datetime: {quoted}");
    }
    let kind = if body.contains(['.', 'e', 'E']) && !body.starts_with("0x") {
        "float"
    } else {
        "integer"
    };
    let misplaced = body.ends_with('_') || body.contains("__");
    if misplaced {
        format!("Invalid {kind} {quoted}: underscores must be surrounded by digits")
    } else if body.len() > 1
        && body.starts_with('0')
        && body.bytes().all(|byte| byte.is_ascii_digit())
    {
        format!("Invalid {kind} {quoted}: cannot have leading zeroes")
    } else if body.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("{word} is out of range for int64")
    } else {
        format!("Invalid {kind} {quoted}: '.' must be followed by one or more digits")
    }
}

/// Digits with single underscores between them.
fn digits(text: &str, base: u32) -> Option<String> {
    let misplaced =
        text.starts_with('_') || text.ends_with('_') || text.contains("__") || text.is_empty();
    let plain = text.replace('_', "");
    (!misplaced && plain.chars().all(|digit| digit.is_digit(base))).then_some(plain)
}

fn integer(word: &str) -> Option<Value> {
    for (prefix, base) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(body) = word.strip_prefix(prefix) {
            return i64::from_str_radix(&digits(body, base)?, base)
                .ok()
                .map(Value::Int64);
        }
    }
    let body = word.strip_prefix(['+', '-']).unwrap_or(word);
    let plain = digits(body, 10)?;
    if plain.len() > 1 && plain.starts_with('0') {
        return None;
    }
    let sign = if word.starts_with('-') { "-" } else { "" };
    format!("{sign}{plain}").parse().ok().map(Value::Int64)
}

fn float(word: &str) -> Option<Value> {
    let body = word.strip_prefix(['+', '-']).unwrap_or(word);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let whole = digits(whole, 10)?;
    if whole.len() > 1 && whole.starts_with('0') {
        return None;
    }
    if let Some(fraction) = fraction {
        digits(fraction, 10)?;
    }
    if let Some(exponent) = exponent {
        digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent), 10)?;
    }
    if fraction.is_none() && exponent.is_none() {
        return None;
    }
    word.replace('_', "").parse::<f64>().ok().map(Value::from)
}

fn date_time(word: &str) -> Option<Value> {
    let text = word.replacen([' ', 't'], "T", 1).replace('z', "Z");
    let layouts = [
        ("2006-01-02T15:04:05Z07:00", ""),
        ("2006-01-02T15:04:05", LOCAL_ZONES[0].0),
        ("2006-01-02", LOCAL_ZONES[1].0),
        ("15:04:05", LOCAL_ZONES[2].0),
    ];
    let (mut parsed, zone) = layouts.iter().find_map(|(layout, zone)| {
        Some((
            date_parse::parse(layout, &text, &TimeZone::UTC).ok()?,
            *zone,
        ))
    })?;
    if !zone.is_empty() {
        parsed = parsed.shown_in(Zone::Fixed {
            offset: 0,
            name: zone.to_owned(),
        });
    }
    Some(Value::object(Moment(parsed)))
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
}
