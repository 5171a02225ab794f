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

/// Reads the first document as [`parse_exact`](super::parse_exact) does, with its errors, and keeps
/// of a mapping only the fields named. Anything else than a mapping keeps its kind, not its content.
///
/// # Errors
/// See [`parse_with`](super::parse_with).
pub(crate) fn parse_fields(text: &str, names: &[&str]) -> Result<Value, YamlError> {
    if let Some(fields) = lines::read_fields(text, names) {
        return Ok(fields);
    }
    parse_fields_of_whole_language(text, names)
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
    use serde_json::json;

    use super::parse_fields;
    use crate::yaml::parse_exact;

    const NAMES: &[&str] = &["kind", "metadata"];

    #[test]
    fn only_the_named_fields_are_kept() {
        let text = "x: &x\n  kind: [merged]\n  rest: {kind: 1}\nkind: A\nmetadata: {name: 7, l: [a, 1.5], none: null}\nspec: {kind: B}\n";
        let kept = json!({"kind": "A", "metadata": {"name": 7, "l": ["a", 1.5], "none": null}});
        assert_eq!(parse_fields(text, NAMES).unwrap(), kept);
        let merged = "x: &x {kind: M, spec: 1}\n<<: *x\n";
        assert_eq!(parse_fields(merged, NAMES).unwrap(), json!({"kind": "M"}));
        let repeated = "kind: A\nkind: B\n";
        assert_eq!(parse_fields(repeated, NAMES).unwrap(), json!({"kind": "B"}));
    }

    #[test]
    fn what_is_no_mapping_keeps_its_kind() {
        assert_eq!(parse_fields("", NAMES).unwrap(), json!(null));
        assert_eq!(parse_fields("# none\n", NAMES).unwrap(), json!(null));
        assert_eq!(parse_fields("text", NAMES).unwrap(), json!("text"));
        assert_eq!(parse_fields("- kind: a\n- b\n", NAMES).unwrap(), json!([]));
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
}
