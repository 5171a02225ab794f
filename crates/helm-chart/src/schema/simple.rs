//! Schemas that use no more than the schemas of charts mostly do: types, properties, items, choices
//! and references to their own definitions. Whether values fit is told without compiling them.
//!
//! Owns a part of the drafts 7 and 2020-12 in which every schema is sound, and in which "fits" is
//! what the compiled schema says, too. Refuses all else: another keyword, or values that may not fit, are for the
//! compiled schema, which words the problems.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

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
    /// To a definition of the root. In draft 7 what else is said beside it means nothing.
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
    options: Option<Vec<Value>>,
    any_of: Vec<Schema>,
    one_of: Vec<Schema>,
    /// Whether strings must have a form that is not known here.
    formatted: bool,
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
            Value::String(_) if rules.formatted => also(None),
            Value::Array(items) => {
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

/// What is read of the outermost schema.
struct Root {
    is_draft_7: bool,
    schema: Schema,
    definitions: HashMap<String, Schema>,
}

impl<'de> Deserialize<'de> for Root {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Parts { is_root: true })
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let root = deserializer.deserialize_any(Parts { is_root: false })?;
        Ok(root.schema)
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

const DRAFT_7: &str = "http://json-schema.org/draft-07/schema";
const DRAFT_2020_12: &str = "https://json-schema.org/draft/2020-12/schema";
/// Is 2020-12 for all who check schemas.
const LATEST_DRAFT: &str = "http://json-schema.org/schema";

/// What the forms that are made of schemas read (Bitnami's charts); no draft knows these.
const FORMS: &[&str] = &[
    "form",
    "hidden",
    "render",
    "sliderMax",
    "sliderMin",
    "sliderUnit",
];

/// Reads a schema keyword by keyword.
struct Parts {
    is_root: bool,
}

impl<'de> Visitor<'de> for Parts {
    type Value = Root;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a simple schema")
    }

    fn visit_bool<E>(self, answer: bool) -> Result<Root, E> {
        Ok(Root {
            is_draft_7: false,
            schema: Schema::Always(answer),
            definitions: HashMap::new(),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut keywords: A) -> Result<Root, A::Error> {
        let mut is_draft_7 = false;
        let mut rules = Rules::default();
        let mut definitions = HashMap::new();
        let mut reference = None;
        let mut seen = HashSet::new();
        while let Some(keyword) = keywords.next_key::<String>()? {
            match keyword.as_str() {
                "description" | "title" | "$comment" => {
                    keywords.next_value::<String>()?;
                    continue;
                }
                "examples" => {
                    keywords.next_value::<Vec<IgnoredAny>>()?;
                    continue;
                }
                "default" => {
                    keywords.next_value::<IgnoredAny>()?;
                    continue;
                }
                name if name.starts_with("x-") || FORMS.contains(&name) => {
                    keywords.next_value::<IgnoredAny>()?;
                    continue;
                }
                "$schema" if self.is_root => {
                    let draft = keywords.next_value::<String>()?;
                    match draft.strip_suffix('#').unwrap_or(&draft) {
                        DRAFT_7 => is_draft_7 = true,
                        DRAFT_2020_12 | LATEST_DRAFT => {}
                        _ => return Err(A::Error::custom("another draft")),
                    }
                    continue;
                }
                "definitions" if self.is_root => {
                    definitions = keywords.next_value::<Properties>()?.0.into_iter().collect();
                    continue;
                }
                "$ref" => {
                    let target = keywords.next_value::<String>()?;
                    let name = target.strip_prefix("#/definitions/");
                    let plain = |name: &&str| !name.contains(['/', '~', '%']);
                    let name = name.filter(plain).map(str::to_owned);
                    reference = Some(name.ok_or_else(|| A::Error::custom("another document"))?);
                }
                "type" => rules.types = Some(keywords.next_value()?),
                "properties" => rules.properties = keywords.next_value::<Properties>()?.0,
                "additionalProperties" => rules.additional = Some(keywords.next_value()?),
                "required" => {
                    rules.required = keywords.next_value()?;
                    let names: HashSet<&String> = rules.required.iter().collect();
                    if names.len() < rules.required.len() {
                        return Err(A::Error::custom("a name is repeated"));
                    }
                }
                "minProperties" => rules.least_properties = keywords.next_value()?,
                "items" => rules.items = Some(keywords.next_value()?),
                "enum" => {
                    let options: Vec<Value> = keywords.next_value()?;
                    let plain = |option: &Value| {
                        matches!(option, Value::Null | Value::Bool(_) | Value::String(_))
                    };
                    let is_new =
                        |(index, option): (usize, &Value)| !options[..index].contains(option);
                    if options.is_empty() || !options.iter().all(plain) {
                        return Err(A::Error::custom("an option that is no plain value"));
                    }
                    if !options.iter().enumerate().all(is_new) {
                        return Err(A::Error::custom("an option twice"));
                    }
                    rules.options = Some(options);
                }
                "anyOf" | "oneOf" => {
                    let schemas: Vec<Schema> = keywords.next_value()?;
                    if schemas.is_empty() {
                        return Err(A::Error::custom("no choice"));
                    }
                    if keyword == "anyOf" {
                        rules.any_of = schemas;
                    } else {
                        rules.one_of = schemas;
                    }
                }
                "format" => {
                    // Those that Kubernetes gives its numbers mean nothing in JSON schemas.
                    let format = keywords.next_value::<String>()?;
                    rules.formatted = !matches!(format.as_str(), "int32" | "int64" | "double");
                }
                _ => return Err(A::Error::custom("another keyword")),
            }
            if !seen.insert(keyword) {
                return Err(A::Error::custom("a keyword is repeated"));
            }
        }
        let schema = match reference {
            None => Schema::Rules(Box::new(rules)),
            Some(name) => Schema::Reference {
                name,
                alone: seen.len() == 1,
            },
        };
        Ok(Root {
            is_draft_7,
            schema,
            definitions,
        })
    }
}

/// Schemas by name, in the order of the names.
struct Properties(Vec<(String, Schema)>);

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Properties;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("schemas by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Properties, A::Error> {
                let mut entries: Vec<(String, Schema)> = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                entries.sort_by(|(left, _), (right, _)| left.cmp(right));
                entries.shrink_to_fit();
                if entries.windows(2).any(|two| two[0].0 == two[1].0) {
                    return Err(A::Error::custom("a name is repeated"));
                }
                Ok(Properties(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

impl<'de> Deserialize<'de> for Types {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Clone, Copy)]
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = Types;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("names of types")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Types, E> {
                Types::named(name).ok_or_else(|| E::custom("another type"))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Types, A::Error> {
                let mut all = 0;
                while let Some(name) = names.next_element::<String>()? {
                    let Types(one) = self.visit_str(&name)?;
                    if all & one != 0 {
                        return Err(A::Error::custom("a type is repeated"));
                    }
                    all |= one;
                }
                if all == 0 {
                    return Err(A::Error::custom("no type"));
                }
                Ok(Types(all))
            }
        }

        deserializer.deserialize_any(Names)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{DRAFT_7, DRAFT_2020_12, LATEST_DRAFT, SimpleSchema};

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
            },
            "additionalProperties": false, "required": ["n"], "minProperties": 1,
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
            (json!([]), false),
        ] {
            assert_eq!(simple.accepts(&values), fit, "{values}");
        }
    }

    #[test]
    fn other_schemas_are_not_simple() {
        for schema in [
            json!({"pattern": "a"}),
            json!({"properties": {"a": {"minimum": 1}}}),
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
    fn the_guides_charts_need_no_compiled_schema() {
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
        for (name, schemas) in [("airflow-1.15.0", 2), ("external-secrets-2.9.0", 1)] {
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
            prop::sample::select(vec![json!("a"), json!("b"), json!("")]),
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
            root in schemas(), definition in schemas(), values in values(),
            draft in prop::sample::select(vec![DRAFT_7, DRAFT_2020_12, LATEST_DRAFT]),
            mark in prop::sample::select(vec!["", "#"]),
        ) {
            let mut schema = json!({"anyOf": [root], "definitions": {"d": definition}});
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
