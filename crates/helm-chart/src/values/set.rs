//! The grammars of `--set`, `--set-string`, `--set-json`, `--set-file` and `--set-literal` (Helm
//! `pkg/strvals`), with Helm's error texts.

use serde_json::Value;

use super::Table;
use super::coalesce::go_type;
use crate::Profile;
use crate::json;
use crate::tree::FloatNumbers;

const MAX_INDEX: i64 = 65_536;
const MAX_NESTING: usize = 30;

/// A `--set` argument that cannot be read, in Helm's words without its prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SetError(String);

/// How the texts behind `=` become values.
pub(super) enum Mode<'r> {
    /// Numbers, booleans and null are recognised.
    Typed,
    /// Everything is a string.
    Strings,
    /// JSON.
    Json,
    /// Names of files, whose text is the value.
    Files(&'r mut dyn FnMut(&str) -> Result<String, String>),
    /// The rest of the argument, as it is.
    Literal,
}

enum Stop {
    /// The argument ended where it may.
    End,
    Fail(String),
}

impl From<String> for Stop {
    fn from(message: String) -> Self {
        Self::Fail(message)
    }
}

type Parse<T> = Result<T, Stop>;

/// Applies one argument to `table`, as `profile` reads it.
pub(super) fn apply(
    table: &mut Table,
    argument: &str,
    mode: Mode<'_>,
    profile: Profile,
) -> Result<(), SetError> {
    let mut parser = Parser {
        text: argument,
        at: 0,
        mode,
        profile,
    };
    loop {
        match parser.key(table, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Fail(message)) => return Err(SetError(message)),
        }
    }
}

struct Parser<'t, 'r> {
    text: &'t str,
    at: usize,
    mode: Mode<'r>,
    profile: Profile,
}

impl Parser<'_, '_> {
    fn next(&mut self) -> Option<char> {
        let character = self.text[self.at..].chars().next()?;
        self.at += character.len_utf8();
        Some(character)
    }

    /// The text up to one of `stops`, and which; `None` at the end of the argument.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let escapes = !matches!(self.mode, Mode::Literal);
        let mut text = String::new();
        while let Some(character) = self.next() {
            if stops.contains(&character) {
                return (text, Some(character));
            }
            if character == '\\' && escapes {
                match self.next() {
                    Some(escaped) => text.push(escaped),
                    None => return (text, None),
                }
            } else {
                text.push(character);
            }
        }
        (text, None)
    }

    fn key(&mut self, table: &mut Table, nesting: usize) -> Parse<()> {
        let stops: &[char] = if matches!(self.mode, Mode::Literal) {
            &['=', '[', '.']
        } else {
            &['=', '[', ',', '.']
        };
        let (key, stop) = self.until(stops);
        match stop {
            None if key.is_empty() => Err(Stop::End),
            None => Err(format!("key {key:?} has no value").into()),
            Some('[') => {
                let index = self.index()?;
                let mut list = match table.get_mut(&key) {
                    None => Vec::new(),
                    Some(Value::Array(list)) => std::mem::take(list),
                    Some(other) => return Err(conversion(other, "[]interface {}")),
                };
                let result = self.item(&mut list, index, nesting);
                set(table, key, Value::Array(list));
                result
            }
            Some('=') => {
                let (value, after) = self.value()?;
                set(table, key, value);
                after
            }
            Some(',') => {
                let message = format!("key {key:?} has no value (cannot end with ,)");
                set(table, key, Value::String(String::new()));
                Err(message.into())
            }
            Some(_) => self.nested(table, key, nesting + 1),
        }
    }

    fn nested(&mut self, table: &mut Table, key: String, nesting: usize) -> Parse<()> {
        if nesting > MAX_NESTING {
            return Err(too_nested());
        }
        let mut inner = match table.get_mut(&key) {
            None => Table::new(),
            Some(Value::Object(inner)) => std::mem::take(inner),
            Some(other) => return Err(conversion(other, "map[string]interface {}")),
        };
        let result = self.key(&mut inner, nesting);
        if inner.is_empty() {
            if result.is_ok() {
                return Err(format!("key map {key:?} has no value").into());
            }
        } else {
            set(table, key, Value::Object(inner));
        }
        result
    }

    fn index(&mut self) -> Parse<i64> {
        let (digits, stop) = self.until(&[']']);
        if stop.is_none() {
            // Helm 4 takes this for the end of the argument (`errors.Is(err, io.EOF)`).
            return Err(match self.profile {
                Profile::Helm3 => Stop::Fail("error parsing index: EOF".to_owned()),
                Profile::Helm4 => Stop::End,
            });
        }
        digits.parse().map_err(|_| {
            let reason =
                format!("error parsing index: strconv.Atoi: parsing {digits:?}: invalid syntax");
            Stop::Fail(reason)
        })
    }

    fn item(&mut self, list: &mut Vec<Value>, index: i64, nesting: usize) -> Parse<()> {
        if index < 0 {
            return Err(format!("negative {index} index not allowed").into());
        }
        if nesting > MAX_NESTING {
            return Err(too_nested());
        }
        let slot = usize::try_from(index).unwrap_or(usize::MAX);
        let (rest, stop) = self.until(&['[', '.', '=']);
        if !rest.is_empty() {
            let shown: Vec<String> = rest.chars().map(go_rune).collect();
            let reason = format!(
                "unexpected data at end of array index: [{}]",
                shown.join(" ")
            );
            return Err(reason.into());
        }
        match stop {
            None => Err(Stop::End),
            Some('=') => {
                let (value, after) = self.value()?;
                if let Err(stop @ Stop::Fail(_)) = after {
                    return Err(stop);
                }
                set_index(list, index, value)?;
                // Unlike for keys, the end of the argument shows only at the next one.
                Ok(())
            }
            Some('[') => {
                let next = self.index()?;
                let mut inner = match list.get_mut(slot) {
                    None | Some(Value::Null) => Vec::new(),
                    Some(Value::Array(inner)) => std::mem::take(inner),
                    Some(other) => return Err(conversion(other, "[]interface {}")),
                };
                self.item(&mut inner, next, nesting + 1)?;
                set_index(list, index, Value::Array(inner))
            }
            Some(_) => {
                let mut inner = match list.get_mut(slot) {
                    Some(Value::Object(inner)) => std::mem::take(inner),
                    _ => Table::new(),
                };
                match self.key(&mut inner, nesting) {
                    Ok(()) => set_index(list, index, Value::Object(inner)),
                    Err(stop) => {
                        if !inner.is_empty() {
                            set_index(list, index, Value::Object(inner))?;
                        }
                        Err(stop)
                    }
                }
            }
        }
    }

    /// The value behind `=`, and whether the argument goes on after it.
    fn value(&mut self) -> Parse<(Value, Parse<()>)> {
        match self.mode {
            Mode::Literal => {
                let (text, _) = self.until(&[]);
                Ok((Value::String(text), Ok(())))
            }
            Mode::Json => self.json_value().map(|value| (value, Ok(()))),
            _ if self.at == self.text.len() => Ok((Value::String(String::new()), Err(Stop::End))),
            _ if self.text[self.at..].starts_with('{') => {
                self.at += 1;
                self.list().map(|list| (list, Ok(())))
            }
            _ => {
                let (text, _) = self.until(&[',']);
                let value = self.convert(text)?;
                Ok((value, Ok(())))
            }
        }
    }

    fn json_value(&mut self) -> Parse<Value> {
        if self.skip_empty() {
            return Ok(Value::Null);
        }
        let rest = &self.text[self.at..];
        let (value, length) = json::parse_prefix(rest, &mut FloatNumbers)
            .map_err(|error| Stop::Fail(error.to_string()))?;
        self.at += length;
        self.skip_empty();
        Ok(value)
    }

    /// Skips blanks; whether a comma, which is taken, or the end follows.
    fn skip_empty(&mut self) -> bool {
        loop {
            let before = self.at;
            match self.next() {
                None | Some(',') => return true,
                Some(character) if character.is_whitespace() => {}
                Some(_) => {
                    self.at = before;
                    return false;
                }
            }
        }
    }

    fn list(&mut self) -> Parse<Value> {
        let mut list = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}']);
            match stop {
                None => return Err("list must terminate with '}'".to_owned().into()),
                Some('}') => {
                    if self.text[self.at..].starts_with(',') {
                        self.at += 1;
                    }
                    list.push(self.convert(text)?);
                    return Ok(Value::Array(list));
                }
                Some(_) => list.push(self.convert(text)?),
            }
        }
    }

    fn convert(&mut self, text: String) -> Parse<Value> {
        match &mut self.mode {
            Mode::Typed => Ok(typed(text)),
            Mode::Files(read) => read(&text).map(Value::String).map_err(Stop::Fail),
            _ => Ok(Value::String(text)),
        }
    }
}

fn typed(text: String) -> Value {
    if text.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    if text.eq_ignore_ascii_case("null") {
        return Value::Null;
    }
    if (text == "0" || !text.starts_with('0'))
        && let Ok(number) = text.parse::<i64>()
    {
        return Value::from(number);
    }
    Value::String(text)
}

fn set(table: &mut Table, key: String, value: Value) {
    if !key.is_empty() {
        table.insert(key, value);
    }
}

fn set_index(list: &mut Vec<Value>, index: i64, value: Value) -> Parse<()> {
    if index > MAX_INDEX {
        let reason =
            format!("index of {index} is greater than maximum supported index of {MAX_INDEX}");
        return Err(reason.into());
    }
    let slot = index as usize;
    if list.len() <= slot {
        list.resize(slot + 1, Value::Null);
    }
    list[slot] = value;
    Ok(())
}

/// A character as Go's `%q` prints it.
fn go_rune(character: char) -> String {
    match character {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        other => format!("'{}'", other.escape_debug()),
    }
}

fn too_nested() -> Stop {
    let reason = format!(
        "value name nested level is greater than maximum supported nested level of {MAX_NESTING}"
    );
    reason.into()
}

fn conversion(found: &Value, wanted: &str) -> Stop {
    let found = go_type(found);
    format!("unable to parse key: interface conversion: interface {{}} is {found}, not {wanted}")
        .into()
}
