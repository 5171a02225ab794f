//! The document's JSON Schema: exported for editors, and the judge of every document. It owns the
//! translation of violations into [`Problem`]s; it refuses to stop at the first.

use std::sync::OnceLock;

use jsonschema::Validator;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

use super::problem::Rule;
use super::{Deployment, Problem};

/// The JSON Schema (2020-12) of a [`Deployment`].
pub fn schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(Deployment).to_value())
}

/// A violation: where (JSON pointers) and what.
#[derive(Debug)]
pub(super) struct Violation {
    /// The JSON pointer of the value, or of the key that should not be there.
    pub(super) pointer: String,
    /// The problem, without its place.
    pub(super) problem: Problem,
}

/// Everything in `document` that the schema refuses.
pub(super) fn violations(document: &Value) -> Vec<Violation> {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    let validator = VALIDATOR
        .get_or_init(|| jsonschema::validator_for(schema()).expect("the derived schema is valid"));
    validator
        .iter_errors(document)
        .flat_map(|error| {
            let pointer = error.instance_path().as_str().to_owned();
            translate(&pointer, error.kind(), error.instance())
        })
        .collect()
}

/// One violation in our words. An unknown-key violation may name several keys.
fn translate(pointer: &str, kind: &ValidationErrorKind, instance: &Value) -> Vec<Violation> {
    let shape = Shape::at(pointer);
    if shape.is_secret_reference() {
        return vec![violation(
            pointer,
            Rule::LiteralSecret,
            "must be a reference, not the secret itself".into(),
            Some("write `{keyVault: NAME}`, `{env: VARIABLE}` or `{file: PATH}`".into()),
        )];
    }
    let options = shape.options();
    match kind {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = shape.keys();
            unexpected
                .iter()
                .map(|key| {
                    violation(
                        &format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")),
                        Rule::UnknownKey,
                        "unknown key".into(),
                        did_you_mean(key, &known),
                    )
                })
                .collect()
        }
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            vec![violation(
                pointer,
                Rule::Missing,
                format!("`{key}` is missing"),
                Some(format!("add `{key}`")),
            )]
        }
        ValidationErrorKind::Type { kind } => vec![violation(
            pointer,
            Rule::Type,
            format!("must be {}, not {}", type_words(kind), words_for(instance)),
            None,
        )],
        _ if !options.is_empty() => {
            let written = instance.as_str().unwrap_or_default();
            let list = options
                .iter()
                .map(|option| format!("`{option}`"))
                .collect::<Vec<_>>();
            vec![violation(
                pointer,
                Rule::Value,
                format!("{} is not one of {}", shown(instance), list.join(", ")),
                did_you_mean(written, &options),
            )]
        }
        ValidationErrorKind::OneOfNotValid { .. }
        | ValidationErrorKind::OneOfMultipleValid { .. }
        | ValidationErrorKind::AnyOf { .. } => {
            let keys = shape.keys();
            vec![violation(
                pointer,
                Rule::Type,
                if keys.is_empty() {
                    format!("{} has the wrong form", shown(instance))
                } else {
                    format!(
                        "must be exactly one of {}",
                        keys.iter()
                            .map(|key| format!("`{key}: …`"))
                            .collect::<Vec<_>>()
                            .join(", ")
                    )
                },
                None,
            )]
        }
        ValidationErrorKind::Pattern { pattern } => vec![violation(
            pointer,
            Rule::Value,
            format!("{} does not match `{pattern}`", shown(instance)),
            None,
        )],
        ValidationErrorKind::Minimum { limit } => vec![violation(
            pointer,
            Rule::Value,
            format!("{instance} is less than {limit}"),
            None,
        )],
        ValidationErrorKind::Maximum { limit } => vec![violation(
            pointer,
            Rule::Value,
            format!("{instance} is more than {limit}"),
            None,
        )],
        other => vec![violation(
            pointer,
            Rule::Value,
            format!("{} breaks the rule `{}`", shown(instance), other.keyword()),
            None,
        )],
    }
}

fn violation(pointer: &str, rule: Rule, message: String, help: Option<String>) -> Violation {
    Violation {
        pointer: pointer.to_owned(),
        problem: Problem {
            rule,
            path: dotted(pointer),
            place: None,
            message,
            help,
        },
    }
}

/// A JSON pointer as people write paths: `airflow.images.airflow`, `objects[0].kind`.
pub(super) fn dotted(pointer: &str) -> String {
    let mut path = String::new();
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        if token.bytes().all(|byte| byte.is_ascii_digit()) && !token.is_empty() {
            path.push('[');
            path.push_str(&token);
            path.push(']');
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&token);
        }
    }
    path
}

/// The nearest known word, if it is near enough to be a slip.
pub(super) fn did_you_mean(written: &str, known: &[String]) -> Option<String> {
    let written = written.to_ascii_lowercase();
    known
        .iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&written, &candidate.to_ascii_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min()
        .map(|(_, candidate)| format!("did you mean `{candidate}`?"))
}

/// The part of the schema that speaks about one place, references followed, alternatives together.
struct Shape(Vec<&'static Value>, bool);

impl Shape {
    fn at(pointer: &str) -> Self {
        let mut shape = Self(Vec::new(), false);
        shape.open(schema());
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let mut next = Self(Vec::new(), false);
            for node in &shape.0 {
                let child = node
                    .pointer("/properties")
                    .and_then(|properties| properties.get(&token))
                    .or_else(|| node.get("items").filter(|items| items.is_object()))
                    .or_else(|| {
                        node.get("additionalProperties")
                            .filter(|rest| rest.is_object())
                    });
                if let Some(child) = child {
                    next.open(child);
                }
            }
            shape = next;
        }
        shape
    }

    /// Adds a schema and everything it refers to or offers as an alternative.
    fn open(&mut self, node: &'static Value) {
        self.0.push(node);
        if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
            self.1 |= reference.ends_with("/SecretRef");
            if let Some(target) = schema().pointer(reference.trim_start_matches('#')) {
                self.open(target);
            }
        }
        for alternatives in ["anyOf", "oneOf", "allOf"] {
            for alternative in node
                .get(alternatives)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                self.open(alternative);
            }
        }
    }

    fn is_secret_reference(&self) -> bool {
        self.1
    }

    fn keys(&self) -> Vec<String> {
        self.0
            .iter()
            .filter_map(|node| node.get("properties")?.as_object())
            .flat_map(|properties| properties.keys().cloned())
            .collect()
    }

    fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        for node in &self.0 {
            let constant = node.get("const").into_iter();
            let list = node
                .get("enum")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            options.extend(
                constant
                    .chain(list)
                    .filter_map(Value::as_str)
                    .map(str::to_owned),
            );
        }
        options
    }
}

fn type_words(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => article(&one.to_string()),
        TypeKind::Multiple(many) => many
            .iter()
            .map(|one| one.to_string())
            .filter(|name| name != "null")
            .map(|name| article(&name))
            .collect::<Vec<_>>()
            .join(" or "),
    }
}

fn article(json_type: &str) -> String {
    match json_type {
        "object" => "a table".into(),
        "array" => "a list".into(),
        "string" => "a text".into(),
        "integer" => "a whole number".into(),
        "boolean" => "`true` or `false`".into(),
        other => format!("a {other}"),
    }
}

fn words_for(value: &Value) -> String {
    match value {
        Value::Null => "empty".into(),
        Value::Object(_) => "a table".into(),
        Value::Array(_) => "a list".into(),
        Value::String(text) => format!("the text `{text}`"),
        Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Object(_) | Value::Array(_) => words_for(value),
        other => format!("`{other}`"),
    }
}
