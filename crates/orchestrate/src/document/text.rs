//! Reading documents: base and overlays become one [`Deployment`], and every problem finds its
//! place in the text it came from. It owns merging and places; it refuses files and environment:
//! texts come as values.

use helm_chart::yaml::{self, Spanned};
use serde_json::{Map, Value};

use super::problem::{Place, Rule};
use super::schema::{self, Violation};
use super::{Deployment, DocumentError, Problem, check};

/// One text of a document: the base or an overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file's name, for messages.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Deployment {
    /// Reads one text.
    ///
    /// # Errors
    /// Every problem at once, each with path and line. Nothing was read from any world.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        Self::load(&[Source {
            name: "document".into(),
            text: text.to_owned(),
        }])
    }

    /// Reads a base and its overlays, in this order: tables are merged, everything else is
    /// replaced, and `null` takes a key away.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn load(sources: &[Source]) -> Result<Self, DocumentError> {
        let parsed = sources.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let mut merged = Value::Object(Map::new());
        for (_, spanned) in &parsed {
            overlay(&mut merged, &spanned.value);
        }
        let violations = schema::violations(&merged);
        if !violations.is_empty() {
            return Err(place(violations, &parsed));
        }
        let deployment: Self = serde_json::from_value(merged).map_err(|error| {
            DocumentError::new(vec![Problem {
                rule: Rule::Type,
                path: String::new(),
                place: None,
                message: error.to_string(),
                help: None,
            }])
        })?;
        let violations = check::violations(&deployment);
        if violations.is_empty() {
            Ok(deployment)
        } else {
            Err(place(violations, &parsed))
        }
    }
}

type Parsed<'a> = (&'a Source, Spanned);

fn parse(source: &Source) -> Result<Parsed<'_>, DocumentError> {
    let problem = |rule, line: Option<u32>, column: Option<u32>, message| {
        DocumentError::new(vec![Problem {
            rule,
            path: String::new(),
            place: line.map(|line| Place {
                file: source.name.clone(),
                line: line as usize,
                column: column.unwrap_or(1) as usize,
            }),
            message,
            help: None,
        }])
    };
    let spanned = yaml::parse_spanned(&source.text).map_err(|error| {
        problem(
            Rule::Syntax,
            error.line(),
            error.column(),
            format!("not YAML: {}", error.reason()),
        )
    })?;
    match spanned.value {
        Value::Object(_) | Value::Null => Ok((source, spanned)),
        _ => Err(problem(
            Rule::Type,
            Some(1),
            None,
            "the document must be a table".into(),
        )),
    }
}

/// Lays `top` over `base`.
fn overlay(base: &mut Value, top: &Value) {
    let (Value::Object(base), Value::Object(top)) = (&mut *base, top) else {
        if !top.is_null() {
            *base = top.clone();
        }
        return;
    };
    for (key, value) in top {
        match (base.get_mut(key), value) {
            (Some(_), Value::Null) => {
                base.remove(key);
            }
            (Some(below @ Value::Object(_)), Value::Object(_)) => overlay(below, value),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Gives every violation the place of its key in the topmost text that has it.
fn place(violations: Vec<Violation>, parsed: &[Parsed<'_>]) -> DocumentError {
    let problems = violations.into_iter().map(
        |Violation {
             pointer,
             mut problem,
         }| {
            let exact = parsed
                .iter()
                .rev()
                .find_map(|(source, spanned)| Some((source, spanned.key_position(&pointer)?)));
            let nearest = || {
                parsed.iter().rev().find_map(|(source, spanned)| {
                    Some((source, spanned.nearest_position(&pointer)?))
                })
            };
            problem.place = exact.or_else(nearest).map(|(source, position)| Place {
                file: source.name.clone(),
                line: position.line as usize,
                column: position.column as usize,
            });
            problem
        },
    );
    DocumentError::new(problems.collect())
}
