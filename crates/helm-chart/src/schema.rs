//! `values.schema.json`: values checked against the schemas of a chart and its subcharts, with the
//! messages Helm prints (santhosh-tekuri/jsonschema v6). Schemas are compiled once per chart;
//! nothing is fetched: a remote `$ref` is an error.

mod simple;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ReferencingError, Retrieve, Uri, ValidationError};
use serde_json::Value;

use crate::chart::{Chart, ResolvedChart};
use crate::values::Table;
use crate::values::coalesce::{go_type, go_value};

pub(crate) use simple::SimpleSchema;

/// A schema ready for use.
pub(crate) type Validator = jsonschema::Validator;

/// Values that a schema refuses.
///
/// Displayed as Helm prints it; the order of messages is by place and keyword, where Helm's is
/// random.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error(
    "values don't meet the specifications of the schema(s) in the following chart(s):\n{report}"
)]
#[diagnostic(
    code(aka::values::schema),
    help("compare the values with the chart's values.schema.json")
)]
#[non_exhaustive]
pub struct SchemaError {
    /// Per chart a line with its name, then one line per problem.
    pub report: String,
}

/// Checks the final values of `chart` and its subcharts.
///
/// # Errors
/// [`SchemaError`] with every problem found; also when a schema cannot be compiled.
pub fn validate(chart: &ResolvedChart<'_>, values: &Table) -> Result<(), SchemaError> {
    validate_value(chart, &Value::Object(values.clone()), Keep::Compiled)
}

/// Whether compiled schemas are kept for the next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Compiled,
    Nothing,
}

/// As [`validate`], without a copy of the values.
pub(crate) fn validate_value(
    chart: &ResolvedChart<'_>,
    values: &Value,
    keep: Keep,
) -> Result<(), SchemaError> {
    let mut report = String::new();
    validate_into(chart, values, keep, &mut report);
    if report.is_empty() {
        Ok(())
    } else {
        Err(SchemaError { report })
    }
}

fn validate_into(chart: &ResolvedChart<'_>, values: &Value, keep: Keep, report: &mut String) {
    if let Some(problems) = problems(chart.chart(), values, keep) {
        let _ = write!(report, "{}:\n{problems}", chart.name());
    }
    for child in chart.children() {
        match values.get(child.name()) {
            None | Some(Value::Null) => {}
            Some(table @ Value::Object(_)) => validate_into(child, table, keep, report),
            Some(other) => {
                let (name, found) = (child.name(), go_type(other));
                let _ = writeln!(
                    report,
                    "{name}:\ninvalid type for values: expected object (map), got {found}"
                );
            }
        }
    }
}

fn problems(chart: &Chart, values: &Value, keep: Keep) -> Option<String> {
    let schema = chart.schema()?;
    let accepts = |simple: &Option<SimpleSchema>| {
        let simple = simple.as_ref();
        simple.is_some_and(|simple| simple.accepts(values))
    };
    let read = || SimpleSchema::read(schema);
    let is_accepted = match keep {
        Keep::Compiled => accepts(chart.simple_schema.get_or_init(read)),
        Keep::Nothing => accepts(&read()),
    };
    if is_accepted {
        return None;
    }
    let fresh;
    let validator = match (chart.validator.get(), keep) {
        (Some(known), _) => known,
        (None, Keep::Compiled) => chart.validator.get_or_init(|| compile(schema)),
        (None, Keep::Nothing) => {
            fresh = compile(schema);
            &fresh
        }
    };
    let whole;
    let values = if counts_whole_numbers_apart(schema) {
        whole = with_whole_numbers(values);
        &whole
    } else {
        values
    };
    match validator {
        Err(problem) => Some(problem.clone()),
        Ok(validator) if validator.is_valid(values) => None,
        Ok(validator) => {
            let errors: Vec<_> = validator.iter_errors(values).collect();
            let root = Place::of(&errors);
            let mut text = String::new();
            root.show("", 0, true, &mut text);
            Some(text.trim_start_matches('\n').to_owned() + "\n")
        }
    }
}

/// Whether `1.0` is no integer to our validator, as the text of draft 4 has it. To Helm's it is one
/// with every draft, and what it is given is `1.0` for each `1` of a values file.
fn counts_whole_numbers_apart(schema: &[u8]) -> bool {
    memchr::memmem::find(schema, b"draft-04").is_some()
}

/// The same values with each whole number written as an integer.
fn with_whole_numbers(values: &Value) -> Value {
    match values {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0);
            // Beyond 2^53 a float may stand for other integers, too.
            match whole.filter(|number| number.abs() < 9_007_199_254_740_992.0) {
                Some(whole) => Value::from(whole as i64),
                None => values.clone(),
            }
        }
        Value::Array(items) => items.iter().map(with_whole_numbers).collect(),
        Value::Object(entries) => {
            let entries = entries.iter();
            let entries = entries.map(|(key, value)| (key.clone(), with_whole_numbers(value)));
            Value::Object(entries.collect())
        }
        other => other.clone(),
    }
}

/// A schema that cannot be used is one problem, without a line end, as Helm prints it.
fn compile(schema: &[u8]) -> Result<Validator, String> {
    let schema: Value = serde_json::from_slice(schema).map_err(|error| error.to_string())?;
    jsonschema::options()
        .with_retriever(Nowhere)
        .build(&schema)
        .map_err(|error| match error.kind() {
            ValidationErrorKind::Referencing(ReferencingError::Unretrievable { uri, source }) => {
                format!("failing loading {uri:?}: {source}")
            }
            _ => error.to_string(),
        })
}

/// Where schemas refer to others: names (`urn:`) allow everything, as in Helm; addresses and files
/// are refused, because a render does no I/O.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        if uri.scheme().as_str() == "urn" {
            Ok(Value::Bool(true))
        } else {
            Err("a render fetches nothing".into())
        }
    }
}

/// The problems at one place of the values and below it.
#[derive(Default)]
struct Place {
    own: Vec<Problem>,
    below: BTreeMap<String, Place>,
}

struct Problem {
    text: String,
    causes: Vec<Place>,
    missing: Vec<String>,
}

impl Place {
    fn of<'e>(errors: impl IntoIterator<Item = &'e ValidationError<'e>>) -> Self {
        let errors: Vec<_> = errors.into_iter().collect();
        let ends = Ends::of(&errors);
        let mut place = Self::default();
        for error in errors {
            if !ends.before(error) {
                place.add(error);
            }
        }
        place
    }

    fn add(&mut self, error: &ValidationError<'_>) {
        let mut place = self;
        for segment in error.instance_path().as_str().split('/').skip(1) {
            place = place.below.entry(segment.to_owned()).or_default();
        }
        if let ValidationErrorKind::Required { property } = error.kind() {
            let name = property.as_str().unwrap_or_default().to_owned();
            // All properties missing at a place share one message.
            if let Some(problem) = place
                .own
                .iter_mut()
                .find(|problem| !problem.missing.is_empty())
            {
                problem.missing.push(name);
            } else {
                place.own.push(Problem {
                    text: String::new(),
                    causes: Vec::new(),
                    missing: vec![name],
                });
            }
            return;
        }
        place.own.push(Problem {
            text: describe(error),
            causes: causes(error),
            missing: Vec::new(),
        });
    }

    fn show(&self, path: &str, indent: usize, is_root: bool, into: &mut String) {
        let mut indent = indent;
        if !is_root && self.own.len() + self.below.len() > 1 {
            line(path, indent, "validation failed", into);
            indent += 1;
        }
        for problem in &self.own {
            let text = match problem.missing.as_slice() {
                [] => problem.text.clone(),
                [one] => format!("missing property {}", quote(one)),
                several => format!("missing properties {}", join_quoted(several)),
            };
            line(path, indent, &text, into);
            for cause in &problem.causes {
                cause.show("", indent + 1, false, into);
            }
        }
        for (segment, place) in &self.below {
            place.show(&format!("{path}/{segment}"), indent, false, into);
        }
    }
}

/// Where Helm's validator looks no further: a value of another type, constant, enumeration or format
/// is the only problem of its schema. Schema and place of the values lead to the rank of the problem.
struct Ends<'e>(HashMap<(&'e str, &'e str), u8>);

impl<'e> Ends<'e> {
    fn of(errors: &[&'e ValidationError<'e>]) -> Self {
        let mut ends = HashMap::new();
        for error in errors {
            if let Some(rank) = rank(error) {
                let first = ends.entry(place_of(error)).or_insert(rank);
                *first = rank.min(*first);
            }
        }
        Self(ends)
    }

    /// Whether the validator has ended before it would find this problem.
    fn before(&self, error: &ValidationError<'_>) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let (schema, instance) = place_of(error);
        let at = |schema, instance| self.0.get(&(schema, instance));
        let sooner = at(schema, instance).is_some_and(|first| {
            let own = rank(error);
            own.is_none_or(|own| *first < own)
        });
        // Whatever ended a schema above this one did so before this one was looked at.
        let mut schemas = above(schema).skip(1);
        sooner
            || schemas.any(|schema| above(instance).any(|instance| at(schema, instance).is_some()))
    }
}

/// The order in which what ends the validation of a schema is looked at.
fn rank(error: &ValidationError<'_>) -> Option<u8> {
    match error.kind() {
        ValidationErrorKind::Type { .. } => Some(0),
        ValidationErrorKind::Constant { .. } => Some(1),
        ValidationErrorKind::Enum { .. } => Some(2),
        ValidationErrorKind::Format { .. } => Some(3),
        _ => None,
    }
}

/// The way to the schema a problem belongs to, and the place of the values.
fn place_of<'e>(error: &'e ValidationError<'_>) -> (&'e str, &'e str) {
    let keyword = error.evaluation_path().as_str();
    let schema = keyword.rsplit_once('/').map_or("", |(schema, _)| schema);
    (schema, error.instance_path().as_str())
}

/// A path and all paths it is below of.
fn above(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| Some(path.rsplit_once('/')?.0))
}

fn line(path: &str, indent: usize, text: &str, into: &mut String) {
    into.push('\n');
    for _ in 0..indent {
        into.push_str("  ");
    }
    let _ = write!(into, "- at {}: {text}", quote(path));
}

fn causes(error: &ValidationError<'_>) -> Vec<Place> {
    match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            context.iter().map(Place::of).collect()
        }
        ValidationErrorKind::PropertyNames { error } => vec![Place::of([&**error])],
        _ => Vec::new(),
    }
}

fn describe(error: &ValidationError<'_>) -> String {
    let value = error.instance().as_ref();
    let size = match value {
        Value::Array(items) => items.len(),
        Value::Object(entries) => entries.len(),
        Value::String(text) => text.chars().count(),
        _ => 0,
    };
    match error.kind() {
        ValidationErrorKind::AdditionalItems { limit } => {
            format!(
                "last {} additionalItem(s) not allowed",
                size.saturating_sub(*limit)
            )
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            format!(
                "additional properties {} not allowed",
                join_quoted(unexpected)
            )
        }
        ValidationErrorKind::AnyOf { .. } => "'anyOf' failed".to_owned(),
        ValidationErrorKind::OneOfNotValid { .. } => "'oneOf' failed, none matched".to_owned(),
        ValidationErrorKind::OneOfMultipleValid { context } => {
            let mut matched = (0..context.len()).filter(|index| context[*index].is_empty());
            let (first, second) = (matched.next().unwrap_or(0), matched.next().unwrap_or(1));
            format!("'oneOf' failed, subschemas {first}, {second} matched")
        }
        ValidationErrorKind::Not { .. } => "'not' failed".to_owned(),
        ValidationErrorKind::Constant { expected_value } => match &**expected_value {
            Value::Array(_) | Value::Object(_) => "'const' failed".to_owned(),
            wanted => format!("value must be {}", display(wanted)),
        },
        ValidationErrorKind::Contains => {
            "min 1 items required to match contains schema, but none matched".to_owned()
        }
        ValidationErrorKind::Enum { options } => describe_enum(options),
        ValidationErrorKind::ExclusiveMaximum { limit } => bound("exclusiveMaximum", value, limit),
        ValidationErrorKind::ExclusiveMinimum { limit } => bound("exclusiveMinimum", value, limit),
        ValidationErrorKind::Maximum { limit } => bound("maximum", value, limit),
        ValidationErrorKind::Minimum { limit } => bound("minimum", value, limit),
        ValidationErrorKind::MultipleOf { multiple_of } => {
            bound("multipleOf", value, &Value::from(*multiple_of))
        }
        ValidationErrorKind::FalseSchema => "false schema".to_owned(),
        ValidationErrorKind::Format { format } => {
            format!("{} is not valid {format}", display(value))
        }
        ValidationErrorKind::MaxItems { limit } => format!("maxItems: got {size}, want {limit}"),
        ValidationErrorKind::MinItems { limit } => format!("minItems: got {size}, want {limit}"),
        ValidationErrorKind::MaxLength { limit } => format!("maxLength: got {size}, want {limit}"),
        ValidationErrorKind::MinLength { limit } => format!("minLength: got {size}, want {limit}"),
        ValidationErrorKind::MaxProperties { limit } => {
            format!("maxProperties: got {size}, want {limit}")
        }
        ValidationErrorKind::MinProperties { limit } => {
            format!("minProperties: got {size}, want {limit}")
        }
        ValidationErrorKind::Pattern { pattern } => {
            format!(
                "{} does not match pattern {}",
                display(value),
                quote(pattern)
            )
        }
        ValidationErrorKind::PropertyNames { error } => {
            format!("invalid propertyName {}", display(error.instance()))
        }
        ValidationErrorKind::Type { kind } => {
            let wanted: Vec<&str> = match kind {
                TypeKind::Single(one) => vec![type_name(*one)],
                TypeKind::Multiple(several) => several.into_iter().map(type_name).collect(),
            };
            format!("got {}, want {}", json_type(value), wanted.join(" or "))
        }
        ValidationErrorKind::UniqueItems => {
            let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let twin = (1..items.len()).find_map(|later| {
                Some((
                    items[..later]
                        .iter()
                        .position(|item| *item == items[later])?,
                    later,
                ))
            });
            let (first, second) = twin.unwrap_or_default();
            format!("items at {first} and {second} are equal")
        }
        _ => error.to_string(),
    }
}

fn describe_enum(options: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    if options
        .iter()
        .any(|option| option.is_array() || option.is_object())
    {
        return "'enum' failed".to_owned();
    }
    let shown: Vec<String> = options.iter().map(display).collect();
    match shown.as_slice() {
        [one] => format!("value must be {one}"),
        several => format!("value must be one of {}", several.join(", ")),
    }
}

fn bound(keyword: &str, value: &Value, limit: &Value) -> String {
    format!(
        "{keyword}: got {}, want {}",
        plain_number(value),
        plain_number(limit)
    )
}

/// A number in the fewest digits, without exponent where it has none in the source.
fn plain_number(value: &Value) -> String {
    match value.as_f64() {
        Some(number) => number.to_string(),
        None => go_value(value),
    }
}

fn display(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Array(_) | Value::Object(_) => "value".to_owned(),
        other => go_value(other),
    }
}

fn quote(text: &str) -> String {
    let escaped = format!("{text:?}")
        .replace("\\\"", "\"")
        .replace('\'', "\\'");
    format!("'{}'", &escaped[1..escaped.len() - 1])
}

fn join_quoted(texts: &[String]) -> String {
    texts
        .iter()
        .map(|text| quote(text))
        .collect::<Vec<_>>()
        .join(", ")
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn type_name(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "array",
        JsonType::Boolean => "boolean",
        JsonType::Integer => "integer",
        JsonType::Null => "null",
        JsonType::Number => "number",
        JsonType::Object => "object",
        JsonType::String => "string",
    }
}

#[cfg(test)]
mod tests {
    use super::validate;
    use crate::{Chart, ChartFile, Profile, Values};

    /// What is wrong with values of a chart with this schema.
    fn report(schema: &str, values: &str) -> Result<(), String> {
        let chart = Chart::from_files(vec![
            ChartFile::new("Chart.yaml", "apiVersion: v2\nname: p\nversion: 1.0.0\n"),
            ChartFile::new("values.schema.json", schema),
        ])
        .unwrap();
        let values = Values::parse(values).unwrap();
        let resolved = chart.resolve(values.as_table(), Profile::Helm4).unwrap();
        validate(&resolved.root, &resolved.values).map_err(|error| error.report)
    }

    #[test]
    fn problems_read_as_helm_prints_them() {
        let schema = r#"{"type": "object", "required": ["name"], "properties": {
            "age": {"type": "integer", "minimum": 0},
            "o": {"oneOf": [{"type": "string"}, {"type": "boolean"}]},
            "e": {"enum": ["a", "b"]}}}"#;
        assert_eq!(
            report(schema, "age: -1\no: 5\ne: c\n").unwrap_err(),
            "p:\n- at '': missing property 'name'\n- at '/age': minimum: got -1, want 0\n\
             - at '/e': value must be one of 'a', 'b'\n- at '/o': 'oneOf' failed, none matched\n\
             \u{20} - at '/o': got number, want string\n  - at '/o': got number, want boolean\n"
        );
        assert_eq!(report(schema, "name: x\nage: 2.0\n"), Ok(()));
    }

    #[test]
    fn a_value_of_the_wrong_type_has_no_other_problem() {
        let schema = r#"{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {
            "p": {"type": "string", "enum": ["a"], "allOf": [{"minLength": 2}, {"type": "array"}]},
            "q": {"enum": [{"a": 1}], "properties": {"b": {"type": "null"}}},
            "r": {"items": {"type": "string", "const": "x"}}}}"#;
        assert_eq!(
            report(schema, "p: 1\nq: {b: 1}\nr: [1, z]\n").unwrap_err(),
            "p:\n- at '/p': got number, want string\n- at '/q': 'enum' failed\n\
             - at '/r': validation failed\n  - at '/r/0': got number, want string\n\
             \u{20} - at '/r/1': value must be 'x'\n"
        );
    }

    #[test]
    fn a_whole_number_is_an_integer_to_every_draft() {
        for draft in [
            "http://json-schema.org/draft-04/schema#",
            "http://json-schema.org/draft-07/schema#",
            "https://json-schema.org/draft/2020-12/schema",
        ] {
            let schema = format!(
                "{{\"$schema\": {draft:?}, \"properties\": {{\"age\": {{\"type\": \"integer\"}}, \
                 \"l\": {{\"items\": {{\"anyOf\": [{{\"type\": \"integer\"}}]}}}}}}}}"
            );
            assert_eq!(
                report(&schema, "age: 3\nl: [1, 2.0, -4e2]\n"),
                Ok(()),
                "{draft}"
            );
            assert_eq!(
                report(&schema, "age: 3.5\n").unwrap_err(),
                "p:\n- at '/age': got number, want integer\n",
                "{draft}"
            );
        }
    }

    #[test]
    fn only_names_of_other_schemas_are_taken_on_trust() {
        let report = |reference: &str| {
            let schema = format!("{{\"properties\": {{\"a\": {{\"$ref\": \"{reference}\"}}}}}}");
            report(&schema, "a: 1\n")
        };
        assert_eq!(report("urn:example:unknown"), Ok(()));
        assert_eq!(
            report("https://example.com/s.json"),
            Err(
                "p:\nfailing loading \"https://example.com/s.json\": a render fetches nothing"
                    .to_owned()
            )
        );
    }
}
