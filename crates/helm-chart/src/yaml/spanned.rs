//! A document together with the places of its parts, for messages such as `guide.yaml:31:7`.

use std::collections::HashMap;

use serde_json::Value;

use super::YamlError;
use super::compose::{Composer, Node};
use super::decode::{Observer, Step, decode};
use super::scanner::Mark;
use crate::tree::ExactNumbers;

/// A place in a text; line and column count from one, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from one.
    pub line: u32,
    /// Column in characters, from one.
    pub column: u32,
}

impl From<Mark> for Position {
    fn from(mark: Mark) -> Self {
        Self {
            line: mark.line + 1,
            column: mark.column + 1,
        }
    }
}

/// A decoded document that remembers where each part was written.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Spanned {
    /// The document; integers stay integers.
    pub value: Value,
    keys: HashMap<String, Position>,
    values: HashMap<String, Position>,
}

impl Spanned {
    /// Where the value at `pointer` begins; `pointer` is a JSON pointer (RFC 6901), `""` the root.
    pub fn position(&self, pointer: &str) -> Option<Position> {
        self.values.get(pointer).copied()
    }

    /// Where the key of the entry at `pointer` is written; list items answer with their value's place.
    pub fn key_position(&self, pointer: &str) -> Option<Position> {
        self.keys
            .get(pointer)
            .copied()
            .or_else(|| self.position(pointer))
    }

    /// The place of `pointer`, or of its nearest parent that was written.
    pub fn nearest_position(&self, pointer: &str) -> Option<Position> {
        let mut pointer = pointer;
        loop {
            if let Some(position) = self.key_position(pointer) {
                return Some(position);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }
}

/// Reads the first document of `text` with the place of every key and value.
///
/// Values that come from an alias or a merge are placed where the anchor defines them.
///
/// # Errors
/// [`YamlError`] when the text is not YAML that JSON can express.
pub fn parse_spanned(text: &str) -> Result<Spanned, YamlError> {
    match Composer::new(text)?.next_document()? {
        Some(document) => observe(&document),
        None => Ok(Spanned {
            value: Value::Null,
            keys: HashMap::new(),
            values: HashMap::new(),
        }),
    }
}

/// Reads every document of `text` with the place of every key and value.
///
/// # Errors
/// See [`parse_spanned`].
pub fn parse_spanned_documents(text: &str) -> Result<Vec<Spanned>, YamlError> {
    let mut composer = Composer::new(text)?;
    let mut documents = Vec::new();
    while let Some(document) = composer.next_document()? {
        documents.push(observe(&document)?);
    }
    Ok(documents)
}

fn observe(document: &super::compose::Document<'_>) -> Result<Spanned, YamlError> {
    let mut places = Places::default();
    let value = decode(document, &mut ExactNumbers, &mut places, false)?;
    Ok(Spanned {
        value,
        keys: places.keys,
        values: places.values,
    })
}

#[derive(Default)]
struct Places {
    pointer: String,
    lengths: Vec<usize>,
    keys: HashMap<String, Position>,
    values: HashMap<String, Position>,
}

impl Observer for Places {
    fn enter(&mut self, step: Step<'_>) {
        self.lengths.push(self.pointer.len());
        self.pointer.push('/');
        match step {
            Step::Key(key, node) => {
                self.pointer
                    .push_str(&key.replace('~', "~0").replace('/', "~1"));
                self.keys.insert(self.pointer.clone(), node.mark.into());
            }
            Step::Index(index) => self.pointer.push_str(&index.to_string()),
        }
    }

    fn leave(&mut self) {
        self.pointer
            .truncate(self.lengths.pop().unwrap_or_default());
    }

    fn node(&mut self, node: &Node<'_>) {
        self.values.insert(self.pointer.clone(), node.mark.into());
    }
}
