//! Some fields of a document: the whole text is checked, and only what was asked for is kept.
//!
//! A manifest of half a megabyte is sorted by three of its fields; building the rest would cost
//! more than reading it.

use std::borrow::Cow;
use std::cell::Cell;

use serde_json::{Map, Value};

use super::YamlError;
use super::compose::Composer;
use super::decode::{Observer, Step, decode};
use super::lines;
use crate::tree::{Builder, ExactNumbers};

/// What was kept of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fields {
    /// A mapping with the fields that were asked for; anything else keeps its kind, not its content.
    pub(crate) value: Value,
    /// Where the mapping ends in entries that nobody asked for, if that is known: a key at the
    /// beginning of a line.
    pub(crate) rest: Option<usize>,
}

impl From<Value> for Fields {
    fn from(value: Value) -> Self {
        Self { value, rest: None }
    }
}

/// Reads the first document as [`parse_exact`](super::parse_exact) does, with its errors, and keeps
/// of a mapping only the fields named.
///
/// # Errors
/// See [`parse_with`](super::parse_with).
pub(crate) fn parse_fields(text: &str, names: &[&str]) -> Result<Fields, YamlError> {
    if let Some(fields) = lines::read_fields(text, names) {
        return Ok(fields);
    }
    parse_fields_of_whole_language(text, names).map(Fields::from)
}

/// Reads a text as [`parse_fields`] does, but for its end, if that is the `rest` of another text
/// whose fields were read by these names. `None` if it ends otherwise, or if it takes more to know.
pub(crate) fn parse_fields_before(text: &str, names: &[&str], rest: &str) -> Option<Fields> {
    lines::read_fields_before(text, names, rest)
}

/// Reads a text as [`parse_fields`] does, however simple it is.
pub(super) fn parse_fields_of_whole_language(
    text: &str,
    names: &[&str],
) -> Result<Value, YamlError> {
    let Some(document) = Composer::new(text)?.next_document()? else {
        return Ok(Value::Null);
    };
    let keeps = Cell::new(true);
    let mut place = Place {
        names,
        keeps: &keeps,
        depth: 0,
    };
    let value = decode(&document, &mut Kept { keeps: &keeps }, &mut place, false)?;
    Ok(value.map_or(Value::Null, |value| *value))
}

/// Knows whether the decoder is within a wanted field.
struct Place<'n> {
    names: &'n [&'n str],
    keeps: &'n Cell<bool>,
    depth: usize,
}

impl Observer for Place<'_> {
    fn enter(&mut self, step: Step<'_>) {
        if self.depth == 0 {
            self.keeps.set(match step {
                Step::Key(key, _) => self.names.contains(&key),
                Step::Index(_) => false,
            });
        }
        self.depth += 1;
    }

    fn leave(&mut self) {
        self.depth -= 1;
        if self.depth == 0 {
            self.keeps.set(true);
        }
    }
}

/// Builds what is wanted; the rest is `None`, which takes no memory.
struct Kept<'n> {
    keeps: &'n Cell<bool>,
}

impl Kept<'_> {
    fn keep(&self, value: impl FnOnce() -> Value) -> Option<Box<Value>> {
        self.keeps.get().then(|| Box::new(value()))
    }
}

impl Builder for Kept<'_> {
    type Output = Option<Box<Value>>;

    fn null(&mut self) -> Self::Output {
        self.keep(|| Value::Null)
    }

    fn boolean(&mut self, value: bool) -> Self::Output {
        self.keep(|| Value::Bool(value))
    }

    fn int(&mut self, value: i64) -> Self::Output {
        self.keep(|| ExactNumbers.int(value))
    }

    fn uint(&mut self, value: u64) -> Self::Output {
        self.keep(|| ExactNumbers.uint(value))
    }

    fn float(&mut self, value: f64) -> Self::Output {
        self.keep(|| ExactNumbers.float(value))
    }

    fn string(&mut self, value: Cow<'_, str>) -> Self::Output {
        self.keep(|| Value::String(value.into_owned()))
    }

    fn list(&mut self, items: Vec<Self::Output>) -> Self::Output {
        self.keep(|| items.into_iter().flatten().map(|item| *item).collect())
    }

    fn map(&mut self, entries: Vec<(Cow<'_, str>, Self::Output)>) -> Self::Output {
        self.keep(|| {
            let mut map = Map::new();
            for (key, value) in entries {
                if let Some(value) = value {
                    map.insert(key.into_owned(), *value);
                }
            }
            Value::Object(map)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{parse_fields, parse_fields_before};
    use crate::yaml::parse_exact;

    const NAMES: &[&str] = &["kind", "metadata"];

    fn kept_of(text: &str) -> Value {
        parse_fields(text, NAMES).unwrap().value
    }

    #[test]
    fn only_the_named_fields_are_kept() {
        let text = "x: &x\n  kind: [merged]\n  rest: {kind: 1}\nkind: A\nmetadata: {name: 7, l: [a, 1.5], none: null}\nspec: {kind: B}\n";
        let kept = json!({"kind": "A", "metadata": {"name": 7, "l": ["a", 1.5], "none": null}});
        assert_eq!(kept_of(text), kept);
        let merged = "x: &x {kind: M, spec: 1}\n<<: *x\n";
        assert_eq!(kept_of(merged), json!({"kind": "M"}));
        let repeated = "kind: A\nkind: B\n";
        assert_eq!(kept_of(repeated), json!({"kind": "B"}));
    }

    #[test]
    fn what_is_no_mapping_keeps_its_kind() {
        assert_eq!(kept_of(""), json!(null));
        assert_eq!(kept_of("# none\n"), json!(null));
        assert_eq!(kept_of("text"), json!("text"));
        assert_eq!(kept_of("- kind: a\n- b\n"), json!([]));
    }

    #[test]
    fn fields_that_are_not_kept_are_checked_all_the_same() {
        for text in [
            "kind: A\nspec: [1, 2\n",
            "kind: A\nspec: {a: .inf}\n",
            "kind: A\nspec: *none\n",
            "kind: A\nspec: {[a]: b}\n",
            "kind: A\nspec: a: b\n",
        ] {
            let error = parse_exact(text).unwrap_err();
            assert_eq!(parse_fields(text, NAMES).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn an_end_that_is_known_is_not_read_again() {
        let text = "kind: A\nmetadata:\n  name: a\nspec:\n  b: 1\nstatus: {}\n";
        let read = parse_fields(text, NAMES).unwrap();
        let rest = &text[read.rest.unwrap()..];
        assert_eq!(rest, "spec:\n  b: 1\nstatus: {}\n");
        let other = format!("kind: B\nmetadata:\n  name: |\n    b\n\n{rest}");
        let before = parse_fields_before(&other, NAMES, rest).unwrap();
        assert_eq!(
            before.value,
            json!({"kind": "B", "metadata": {"name": "b\n"}})
        );
        assert_eq!(&other[before.rest.unwrap()..], rest);
        for other in [
            format!("kind: B\nspec: {{}}\n{}", &rest[1..]),
            format!("kind: B\n {rest}"),
            format!("  kind: B\n{rest}"),
            format!("kind: \"\n{rest}"),
            rest.to_owned(),
        ] {
            assert_eq!(parse_fields_before(&other, NAMES, rest), None, "{other}");
        }
        // What is asked for may come last.
        let text = "spec: 1\nkind: A\n";
        assert_eq!(parse_fields(text, NAMES).unwrap().rest, None);
    }
}
