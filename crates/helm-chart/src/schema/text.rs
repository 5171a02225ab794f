//! The text of a schema: read as Go's decoder does, with the numbers that are written in another
//! way than ours, since messages quote them as they are written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::problem::display;
use crate::json::{self, JsonError};
use crate::tree::{Builder, ExactNumbers};

/// Numbers by their places, if not written as [`display`] would.
#[derive(Debug)]
pub(super) enum Numbers {
    One(String),
    Below(BTreeMap<String, Numbers>),
}

impl Numbers {
    /// What is known of the place that a JSON pointer's tokens lead to.
    pub(super) fn at<'a>(&self, mut tokens: impl Iterator<Item = &'a str>) -> Option<&Self> {
        tokens.try_fold(self, |at, token| match at {
            Self::One(_) => None,
            Self::Below(entries) => entries.get(token),
        })
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::One(text) => Some(text),
            Self::Below(_) => None,
        }
    }
}

/// Reads the text of a schema.
///
/// # Errors
/// Helm's text.
pub(super) fn read(schema: &[u8]) -> Result<(Value, Option<Numbers>), String> {
    // A number beyond all floats is as good as the largest one.
    json::parse_partly(schema, &mut Texts)
        .map(|(read, _)| read)
        .map_err(|error| not_json(schema, &error))
}

/// Why a text is no JSON, in the words of Go's streaming decoder.
fn not_json(text: &[u8], error: &JsonError) -> String {
    match error.to_string().as_str() {
        "unexpected end of JSON input" if text.trim_ascii().is_empty() => "EOF".to_owned(),
        "unexpected end of JSON input" => "unexpected EOF".to_owned(),
        other if other.ends_with("after top-level value") => {
            "invalid character after top-level value".to_owned()
        }
        other => other.to_owned(),
    }
}

/// Builds values along with the [`Numbers`] in them.
struct Texts;

type Read = (Value, Option<Numbers>);

fn below(entries: BTreeMap<String, Numbers>) -> Option<Numbers> {
    (!entries.is_empty()).then_some(Numbers::Below(entries))
}

impl Builder for Texts {
    type Output = Read;

    fn null(&mut self) -> Read {
        (Value::Null, None)
    }
    fn boolean(&mut self, value: bool) -> Read {
        (Value::Bool(value), None)
    }
    fn int(&mut self, value: i64) -> Read {
        (Value::from(value), None)
    }
    fn uint(&mut self, value: u64) -> Read {
        (Value::from(value), None)
    }
    fn float(&mut self, value: f64) -> Read {
        (Value::from(value), None)
    }
    fn number(&mut self, text: &str) -> Read {
        let float = || {
            let float: f64 = text.parse().unwrap_or_default();
            Value::from(float.clamp(f64::MIN, f64::MAX))
        };
        let value = match (text.parse::<i64>(), text.parse::<u64>()) {
            (Ok(value), _) if text != "-0" => Value::from(value),
            (_, Ok(value)) => Value::from(value),
            _ => float(),
        };
        let number = (display(&value) != text).then(|| Numbers::One(text.to_owned()));
        (value, number)
    }
    fn string(&mut self, value: Cow<'_, str>) -> Read {
        (Value::String(value.into_owned()), None)
    }
    fn list(&mut self, items: Vec<Read>) -> Read {
        let mut numbers = BTreeMap::new();
        let values = items.into_iter().enumerate().map(|(index, (value, own))| {
            numbers.extend(own.map(|own| (index.to_string(), own)));
            value
        });
        let values = ExactNumbers.list(values.collect());
        (values, below(numbers))
    }
    fn map(&mut self, entries: Vec<(Cow<'_, str>, Read)>) -> Read {
        let mut numbers = BTreeMap::new();
        let mut values = Vec::with_capacity(entries.len());
        for (name, (value, own)) in entries {
            match own {
                Some(own) => numbers.insert(name.clone().into_owned(), own),
                None => numbers.remove(name.as_ref()),
            };
            values.push((name, value));
        }
        (ExactNumbers.map(values), below(numbers))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read;

    #[test]
    fn numbers_are_known_as_they_are_written() {
        let text = br#"{"a": [1, 1.0, {"b/c": 1E+2}], "d": 2.5, "d": 0.10, "e": 1.0, "e": 1}"#;
        let (value, numbers) = read(text).unwrap();
        assert_eq!(
            value,
            json!({"a": [1, 1.0, {"b/c": 100.0}], "d": 0.1, "e": 1})
        );
        let numbers = numbers.unwrap();
        let at = |place: &[&str]| {
            let found = numbers.at(place.iter().copied());
            found.and_then(|found| found.text())
        };
        assert_eq!(at(&["a", "1"]), Some("1.0"));
        assert_eq!(at(&["a", "2", "b/c"]), Some("1E+2"));
        assert_eq!(at(&["d"]), Some("0.10"));
        assert_eq!(at(&["a", "0"]), None);
        assert_eq!(at(&["e"]), None);
        assert!(read(b"[1, 2e5]").unwrap().1.is_some());
        assert!(read(b"[1, 2.5, 1e400]").is_ok());
    }

    #[test]
    fn what_is_no_json_is_told_in_gos_words() {
        for (text, refusal) in [
            ("", "EOF"),
            (" \n", "EOF"),
            ("{\"a\": ", "unexpected EOF"),
            ("{} x", "invalid character after top-level value"),
            (
                "{a: 1}",
                "invalid character 'a' looking for beginning of object key string",
            ),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err(), refusal, "{text}");
        }
    }
}
