//! `values.schema.json`: values checked against the schemas of a chart and its subcharts, with the
//! messages Helm prints (santhosh-tekuri/jsonschema v6). Schemas are compiled once per chart;
//! nothing is fetched: a remote `$ref` is an error.

mod check;
mod compiled;
mod document;
mod equality;
mod format;
mod problem;
mod scope;
mod simple;
mod text;
mod unevaluated;

use std::fmt::Write as _;

use serde_json::Value;

use crate::chart::{Chart, ResolvedChart};
use crate::values::Table;
use crate::values::coalesce::go_type;

pub(crate) use compiled::Compiled;
pub(crate) use simple::SimpleSchema;

/// Values that a schema refuses.
///
/// Displayed as Helm prints it; what Helm tells in the random order of a map is told by name.
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
    let compiled = match (chart.compiled_schema.get(), keep) {
        (Some(known), _) => known,
        (None, Keep::Compiled) => chart.compiled_schema.get_or_init(|| Compiled::of(schema)),
        (None, Keep::Nothing) => {
            fresh = Compiled::of(schema);
            &fresh
        }
    };
    match compiled {
        // Without a line end, as Helm prints it.
        Err(problem) => Some(problem.clone()),
        Ok(compiled) => compiled.check(values).err(),
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
    fn problems_of_schemas_within_schemas_keep_their_shape() {
        let schema = r##"{"$schema": "http://json-schema.org/draft-07/schema#", "additionalProperties": false,
            "properties": {"a": {"allOf": [{"oneOf": [{"required": ["b"]}, {"required": ["c"]}]}, {"maxProperties": 0}]},
                "n": {"maximum": 1000}, "e": {"$ref": "#/definitions/e"}, "t": {"format": "ipv4"}},
            "if": {"required": ["n"]}, "then": {"required": ["s"]}, "dependencies": {"a": ["d"]},
            "definitions": {"e": {"type": "array", "items": {"const": 1}, "minItems": 3}}}"##;
        assert_eq!(
            report(schema, "a: {x: 1}\n'n': 1234567\ne: [1, 2]\nt: x\nz: 1\n").unwrap_err(),
            "p:\n- at '': properties 'd' required, if 'a' exists\n- at '/a': 'allOf' failed\n  \
             - at '/a': 'oneOf' failed, none matched\n    - at '/a': missing property 'b'\n    \
             - at '/a': missing property 'c'\n  - at '/a': maxProperties: got 1, want 0\n\
             - at '/e': validation failed\n  - at '/e': minItems: got 2, want 3\n  \
             - at '/e/1': value must be 1\n- at '/n': maximum: got 1.234567×10⁰⁶, want 1,000\n\
             - at '/t': 'x' is not valid ipv4: expected four decimals\n\
             - at '': additional properties 'z' not allowed\n- at '': missing property 's'\n"
        );
    }

    #[test]
    fn numbers_are_wanted_as_the_schema_writes_them() {
        let schema = r#"{"properties": {"a": {"const": 1.0}, "b": {"enum": [1e3, 2, 0.10, "x"]},
            "c": {"const": 1E+2}, "d": {"const": "1"}, "e/f": {"const": 3.0}}}"#;
        assert_eq!(
            report(schema, "a: 2\nb: 3\nc: 100\nd: 1.0\ne/f: 0\n").unwrap_err(),
            "p:\n- at '/a': value must be 1.0\n- at '/b': value must be one of 1e3, 2, 0.10, 'x'\n\
             - at '/e~1f': value must be 3.0\n"
        );
    }

    #[test]
    fn items_behind_the_first_are_counted_from_there() {
        let schema =
            r#"{"properties": {"l": {"prefixItems": [true], "items": {"type": "string"}}}}"#;
        assert_eq!(
            report(schema, "l: [1, a, 2]\n").unwrap_err(),
            "p:\n- at '/l/1': got number, want string\n"
        );
    }

    #[test]
    fn a_schema_that_leads_in_a_circle_is_refused() {
        let schema = r##"{"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"allOf": [{"$ref": "#/$defs/x"}]}}}"##;
        let report = report(schema, "a: 1\n").unwrap_err();
        assert!(report.contains("causing reference cycle"), "{report}");
    }

    #[test]
    fn no_schema_keeps_the_check_busy_without_end() {
        // Each definition asks the next one twice: two to the hundredth questions.
        let definitions: Vec<String> = (0..100)
            .map(|index| {
                let next = format!("{{\"$ref\": \"#/$defs/d{}\"}}", index + 1);
                format!("\"d{index}\": {{\"allOf\": [{next}, {next}]}}")
            })
            .collect();
        let schema = format!(
            "{{\"$ref\": \"#/$defs/d0\", \"$defs\": {{{}, \"d100\": {{\"type\": \"object\"}}}}}}",
            definitions.join(", ")
        );
        let problem = report(&schema, "a: 1\n").unwrap_err();
        assert!(problem.contains("the schema leads too far"), "{problem}");
        // One definition leads to the next, ten thousand times.
        let definitions: Vec<String> = (0..10_000)
            .map(|index| format!("\"d{index}\": {{\"$ref\": \"#/$defs/d{}\"}}", index + 1))
            .collect();
        let schema = format!(
            "{{\"$ref\": \"#/$defs/d0\", \"$defs\": {{{}, \"d10000\": {{}}}}}}",
            definitions.join(", ")
        );
        let problem = report(&schema, "a: 1\n").unwrap_err();
        assert!(problem.contains("the schema leads too far"), "{problem}");
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
