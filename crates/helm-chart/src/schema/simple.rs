//! [`SimpleSchema`]: a schema that uses no more than the schemas of charts mostly do: types,
//! properties, items, choices, bounds, patterns and references to its own definitions. Whether values
//! fit is told without compiling it.
//!
//! Owns a part of the drafts 7 and 2020-12 in which every schema is sound, and in which "fits" is
//! what the compiled schema says, too. Refuses all else: another keyword, or values that may not fit,
//! are for the compiled schema, which words the problems.

mod read;

use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::{Number, Value};

use self::read::Root;
use super::equality::{compare, twins};
use crate::functions::Pattern;

/// Deeper values are for the compiled schema; so are references that lead in a circle.
const MAX_DEPTH: usize = 64;

/// A schema that was read whole.
#[derive(Debug)]
pub(crate) struct SimpleSchema {
    root: Schema,
    definitions: HashMap<String, Schema>,
}

#[derive(Debug)]
enum Schema {
    Always(bool),
    /// To a definition of the root, by its place there. In draft 7 what else is said beside it means
    /// nothing.
    Reference {
        name: String,
        alone: bool,
    },
    Rules(Box<Rules>),
}

#[derive(Debug, Default)]
struct Rules {
    types: Option<Types>,
    /// In the order of their names.
    properties: Vec<(String, Schema)>,
    additional: Option<Schema>,
    required: Vec<String>,
    least_properties: usize,
    items: Option<Schema>,
    unique_items: bool,
    bounds: Vec<Bound>,
    pattern: Option<Pattern>,
    options: Option<Vec<Value>>,
    any_of: Vec<Schema>,
    one_of: Vec<Schema>,
    /// Whether strings must have a form that is not known here.
    formatted: bool,
}

/// Of a number, in which orders it must not be to another.
#[derive(Debug)]
struct Bound {
    other: Number,
    refused: &'static [Ordering],
}

impl Bound {
    fn named(name: &str, other: Number) -> Self {
        let refused: &[Ordering] = match name {
            "minimum" => &[Ordering::Less],
            "maximum" => &[Ordering::Greater],
            "exclusiveMinimum" => &[Ordering::Less, Ordering::Equal],
            _ => &[Ordering::Greater, Ordering::Equal],
        };
        Self { other, refused }
    }

    fn includes(&self, number: &Number) -> bool {
        !self.refused.contains(&compare(number, &self.other))
    }
}

/// The types a value may have, a bit for each.
#[derive(Clone, Copy, Debug)]
struct Types(u8);

impl SimpleSchema {
    /// Reads a schema; `None` if it is not so simple, or not sound.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let Root {
            is_draft_7,
            schema: root,
            definitions,
        } = serde_json::from_slice(text).ok()?;
        let sound = |name: &String, alone| definitions.contains_key(name) && (alone || is_draft_7);
        let is_sound = root.references_are(&sound)
            && definitions
                .values()
                .all(|schema| schema.references_are(&sound));
        is_sound.then_some(Self { root, definitions })
    }

    /// Whether the values certainly fit.
    pub(crate) fn accepts(&self, values: &Value) -> bool {
        self.check(&self.root, values, 0) == Some(true)
    }

    /// Whether a value fits; `None` if that is not known here.
    fn check(&self, schema: &Schema, value: &Value, depth: usize) -> Option<bool> {
        if depth > MAX_DEPTH {
            return None;
        }
        match schema {
            Schema::Always(answer) => Some(*answer),
            Schema::Reference { name, .. } => {
                self.check(self.definitions.get(name)?, value, depth + 1)
            }
            Schema::Rules(rules) => self.check_rules(rules, value, depth + 1),
        }
    }

    fn check_rules(&self, rules: &Rules, value: &Value, depth: usize) -> Option<bool> {
        let mut fits = Some(
            rules
                .types
                .map_or(Some(true), |types| types.include(value))?,
        );
        let mut also = |answer: Option<bool>| {
            fits = match (fits, answer) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (None, _) | (_, None) => None,
                (Some(true), Some(true)) => Some(true),
            };
        };
        if let Some(options) = &rules.options {
            also(Some(options.contains(value)));
        }
        match value {
            Value::Number(number) => {
                also(Some(
                    rules.bounds.iter().all(|bound| bound.includes(number)),
                ));
            }
            Value::String(_) if rules.formatted => also(None),
            Value::String(text) => {
                let found = |pattern: &Pattern| pattern.is_match(text.as_bytes());
                also(Some(rules.pattern.as_ref().is_none_or(found)));
            }
            Value::Array(items) => {
                also(Some(!rules.unique_items || twins(items).is_none()));
                if let Some(schema) = &rules.items {
                    for item in items {
                        also(self.check(schema, item, depth));
                    }
                }
            }
            Value::Object(entries) => {
                let present = |name: &String| entries.contains_key(name);
                also(Some(rules.required.iter().all(present)));
                also(Some(entries.len() >= rules.least_properties));
                for (name, entry) in entries {
                    let property = rules
                        .properties
                        .binary_search_by(|(known, _)| known.cmp(name));
                    let schema = match property {
                        Ok(index) => Some(&rules.properties[index].1),
                        Err(_) => rules.additional.as_ref(),
                    };
                    if let Some(schema) = schema {
                        also(self.check(schema, entry, depth));
                    }
                }
            }
            _ => {}
        }
        if !rules.any_of.is_empty() {
            let mut answers = rules.any_of.iter().map(|one| self.check(one, value, depth));
            let all: Vec<_> = answers.by_ref().collect();
            also(if all.contains(&Some(true)) {
                Some(true)
            } else if all.contains(&None) {
                None
            } else {
                Some(false)
            });
        }
        if !rules.one_of.is_empty() {
            let answers = rules.one_of.iter().map(|one| self.check(one, value, depth));
            let all: Option<Vec<bool>> = answers.collect();
            also(all.map(|all| all.iter().filter(|fits| **fits).count() == 1));
        }
        fits
    }
}

impl Types {
    const NULL: u8 = 1;
    const BOOLEAN: u8 = 2;
    const NUMBER: u8 = 4;
    const INTEGER: u8 = 8;
    const STRING: u8 = 16;
    const ARRAY: u8 = 32;
    const OBJECT: u8 = 64;

    fn named(name: &str) -> Option<Self> {
        Some(Self(match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "number" => Self::NUMBER,
            "integer" => Self::INTEGER,
            "string" => Self::STRING,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => return None,
        }))
    }

    fn include(self, value: &Value) -> Option<bool> {
        let has = |one: u8| self.0 & one != 0;
        Some(match value {
            Value::Null => has(Self::NULL),
            Value::Bool(_) => has(Self::BOOLEAN),
            Value::Number(_) if has(Self::NUMBER) => true,
            Value::Number(number) if has(Self::INTEGER) => {
                let number = number.as_f64().filter(|number| number.abs() < 9e15)?;
                number.fract() == 0.0
            }
            Value::Number(_) => false,
            Value::String(_) => has(Self::STRING),
            Value::Array(_) => has(Self::ARRAY),
            Value::Object(_) => has(Self::OBJECT),
        })
    }
}

impl Schema {
    /// Whether this holds for the name of every reference, and for whether it stands alone.
    fn references_are(&self, sound: &impl Fn(&String, bool) -> bool) -> bool {
        match self {
            Self::Always(_) => true,
            Self::Reference { name, alone } => sound(name, *alone),
            Self::Rules(rules) => {
                let properties = rules.properties.iter().map(|(_, schema)| schema);
                let choices = rules.any_of.iter().chain(&rules.one_of);
                properties
                    .chain(&rules.additional)
                    .chain(&rules.items)
                    .chain(choices)
                    .all(|schema| schema.references_are(sound))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::SimpleSchema;
    use super::read::{DRAFT_7, DRAFT_2020_12, LATEST_DRAFT};

    fn read(schema: &Value) -> Option<SimpleSchema> {
        SimpleSchema::read(schema.to_string().as_bytes())
    }

    #[test]
    fn what_certainly_fits_is_accepted() {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#", "description": "d", "type": "object",
            "properties": {
                "n": {"type": ["integer", "null"], "default": 1, "x-y": {"pattern": "("}},
                "l": {"type": "array", "items": {"$ref": "#/definitions/s", "description": "d"}},
                "o": {"oneOf": [{"type": "string"}, {"type": "boolean"}], "enum": ["a", true]},
                "t": {"type": "string", "format": "date-time"},
                "p": {"type": ["string", "integer"], "pattern": "^a+$", "minimum": 0, "exclusiveMaximum": 100},
                "u": {"uniqueItems": true, "items": {"$ref": "#/$defs/s"}},
            },
            "additionalProperties": false, "required": ["n"], "minProperties": 1,
            "$defs": {"s": {"type": ["string", "number"]}},
            "definitions": {"s": {"anyOf": [{"type": "string"}, {"$ref": "#/definitions/s"}]}},
        });
        let simple = read(&schema).unwrap();
        for (values, fit) in [
            (json!({"n": 1.0, "l": ["a"], "o": true}), true),
            (json!({"n": null}), true),
            (json!({"n": 1.5}), false),
            (json!({"l": []}), false),
            (json!({"n": 1, "other": 1}), false),
            (json!({"n": 1, "l": [1]}), false),
            (json!({"n": 1, "o": "b"}), false),
            (json!({"n": 1, "t": "2020-01-01T00:00:00Z"}), false),
            (json!({"n": 1, "p": "aa", "u": ["1", 2, "2"]}), true),
            (json!({"n": 1, "p": "ab"}), false),
            (json!({"n": 1, "p": 99}), true),
            (json!({"n": 1, "p": 100}), false),
            (json!({"n": 1, "p": -1}), false),
            (json!({"n": 1, "u": ["1", 1.0, 1]}), false),
            (json!({"n": 1, "u": [true]}), false),
            (json!([]), false),
        ] {
            assert_eq!(simple.accepts(&values), fit, "{values}");
        }
    }

    #[test]
    fn other_schemas_are_not_simple() {
        for schema in [
            json!({"pattern": "("}),
            json!({"minimum": "1"}),
            json!({"uniqueItems": 1}),
            json!({"properties": {"a": {"minLength": 1}}}),
            json!({"type": "text"}),
            json!({"type": []}),
            json!({"type": ["string", "string"]}),
            json!({"type": [["string"]]}),
            json!({"required": ["a", "a"]}),
            json!({"items": [true]}),
            json!({"enum": [1]}),
            json!({"enum": ["a", "a"]}),
            json!({"anyOf": []}),
            json!({"$ref": "#/definitions/none"}),
            json!({"$ref": "#/definitions/a/b", "definitions": {"a": {}, "a/b": {}}}),
            json!({"$ref": "#/$defs/a", "definitions": {"a": true}}),
            json!({"$ref": "https://example.com/s.json"}),
            json!({"$ref": "#/definitions/a", "type": "string", "definitions": {"a": true}}),
            json!({"$schema": "http://json-schema.org/draft-04/schema#"}),
            json!({"description": 1}),
            json!({"examples": 1}),
            json!({"minProperties": -1}),
            json!({"properties": {"a": 1}}),
            json!(1),
        ] {
            assert!(read(&schema).is_none(), "{schema}");
        }
        assert!(SimpleSchema::read(b"{\"type\": \"null\", \"type\": \"string\"}").is_none());
        let twice = br##"{"$ref": "#/$defs/a", "$defs": {"a": true}, "$defs": {}}"##;
        assert!(SimpleSchema::read(twice).is_none());
        assert!(SimpleSchema::read(b"{").is_none());
    }

    #[test]
    fn what_is_said_for_forms_means_nothing() {
        let schema = json!({
            "$schema": "http://json-schema.org/schema#", "type": "object", "form": true,
            "properties": {"size": {"type": "string", "render": "slider", "sliderMin": 1, "hidden": {"value": 1}}},
        });
        let simple = read(&schema).unwrap();
        assert!(simple.accepts(&json!({"size": "1Gi"})));
        assert!(!simple.accepts(&json!({"size": 1})));
    }

    #[test]
    #[ignore = "needs the official charts in AKS_AIRFLOW_SHARED"]
    fn the_official_charts_need_no_compiled_schema() {
        fn check(chart: &crate::chart::ResolvedChart<'_>, values: &Value) -> usize {
            let own = chart.chart().schema().map_or(0, |schema| {
                let simple = SimpleSchema::read(schema).unwrap();
                assert!(simple.accepts(values), "{}", chart.name());
                1
            });
            let children = chart.children().iter();
            own + children
                .map(|child| check(child, &values[child.name()]))
                .sum::<usize>()
        }
        let shared = std::env::var("AKS_AIRFLOW_SHARED").unwrap();
        for (name, schemas) in [
            ("airflow-1.15.0", 2),
            ("airflow-1.22.0", 2),
            ("external-secrets-0.10.5", 1),
            ("external-secrets-2.9.0", 1),
        ] {
            let archive = std::fs::read(format!("{shared}/charts/{name}.tgz")).unwrap();
            let chart = crate::Chart::from_archive(&archive).unwrap();
            let none = crate::values::Table::new();
            let resolved = chart.resolve(&none, crate::Profile::Helm4).unwrap();
            let values = Value::Object(resolved.values);
            assert_eq!(check(&resolved.root, &values), schemas, "{name}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Value::from),
            prop::sample::select(vec![json!(1), json!(1.0), json!(1.5), json!(-2)]),
            prop::sample::select(vec![json!("a"), json!("b"), json!(""), json!("1")]),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            let name = prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(name, inner, 0..3)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    fn schemas() -> impl Strategy<Value = Value> {
        let names = vec![
            "null", "boolean", "number", "integer", "string", "array", "object",
        ];
        let leaf = prop_oneof![
            4 => prop::sample::select(names.clone()).prop_map(|name| json!({"type": name})),
            2 => prop::sample::subsequence(names, 1..4).prop_map(|names| json!({"type": names})),
            1 => any::<bool>().prop_map(Value::from),
            1 => Just(json!({"enum": ["a", null, true]})),
            1 => Just(json!({"required": ["a"], "minProperties": 2})),
            1 => Just(json!({"$ref": "#/definitions/d"})),
            1 => Just(json!({"$ref": "#/definitions/d", "type": "string"})),
            1 => Just(json!({"$ref": "#/$defs/d"})),
            1 => Just(json!({"pattern": "^a?$", "uniqueItems": true})),
            1 => Just(json!({"minimum": 1, "maximum": 1.5})),
            1 => Just(json!({"exclusiveMinimum": -2.0, "exclusiveMaximum": 1.5})),
            1 => Just(json!({"type": "string", "format": "ipv4"})),
        ];
        leaf.prop_recursive(3, 16, 3, |inner| {
            let two = (inner.clone(), inner.clone());
            prop_oneof![
                two.clone()
                    .prop_map(|(a, b)| json!({"properties": {"b": b, "a": a}})),
                two.clone()
                    .prop_map(|(a, b)| json!({"properties": {"a": a}, "additionalProperties": b})),
                two.clone().prop_map(|(a, b)| json!({"anyOf": [a, b]})),
                two.prop_map(|(a, b)| json!({"oneOf": [a, b]})),
                inner.prop_map(|item| json!({"items": item, "type": ["array", "object"]})),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_accepted_fits_the_compiled_schema(
            root in schemas(), definition in schemas(), other in schemas(), values in values(),
            draft in prop::sample::select(vec![DRAFT_7, DRAFT_2020_12, LATEST_DRAFT]),
            mark in prop::sample::select(vec!["", "#"]),
        ) {
            let mut schema = json!({"anyOf": [root], "definitions": {"d": definition}, "$defs": {"d": other}});
            schema["$schema"] = json!(format!("{draft}{mark}"));
            if let Some(simple) = read(&schema)
                && simple.accepts(&values)
            {
                let compiled = crate::schema::Compiled::of(schema.to_string().as_bytes());
                prop_assert!(compiled.is_ok_and(|compiled| compiled.is_valid(&values)), "{schema} {values}");
            }
        }
    }
}
