//! Reading a [`SimpleSchema`](super::SimpleSchema) keyword by keyword, straight from its text: what is not
//! simple ends the reading.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{Bound, Rules, Schema, Types};
use crate::functions::Pattern;

/// What is read of the outermost schema.
pub(super) struct Root {
    pub(super) is_draft_7: bool,
    pub(super) schema: Schema,
    pub(super) definitions: HashMap<String, Schema>,
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

pub(super) const DRAFT_7: &str = "http://json-schema.org/draft-07/schema";
pub(super) const DRAFT_2020_12: &str = "https://json-schema.org/draft/2020-12/schema";
/// Is 2020-12 for all who check schemas.
pub(super) const LATEST_DRAFT: &str = "http://json-schema.org/schema";

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
                "definitions" | "$defs" if self.is_root => {
                    let named = keywords.next_value::<Properties>()?.0.into_iter();
                    definitions.extend(
                        named.map(|(name, schema)| (format!("#/{keyword}/{name}"), schema)),
                    );
                }
                "$ref" => {
                    let target = keywords.next_value::<String>()?;
                    let mut parts = target.split('/');
                    let is_definition = parts.next() == Some("#")
                        && matches!(parts.next(), Some("definitions" | "$defs"))
                        && parts.next().is_some_and(|name| !name.contains(['~', '%']))
                        && parts.next().is_none();
                    if !is_definition {
                        return Err(A::Error::custom("another document"));
                    }
                    reference = Some(target);
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
                "uniqueItems" => rules.unique_items = keywords.next_value()?,
                "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
                    let other = keywords.next_value()?;
                    rules.bounds.push(Bound::named(&keyword, other));
                }
                "pattern" => {
                    let pattern = keywords.next_value::<String>()?;
                    let compiled = Pattern::compile(&pattern).map_err(A::Error::custom)?;
                    rules.pattern = Some(compiled);
                }
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
                alone: seen
                    .iter()
                    .all(|keyword| matches!(&**keyword, "$ref" | "definitions" | "$defs")),
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
