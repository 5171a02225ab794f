//! Charts with `values.schema.json`: schemas of every draft, and values that were made along with
//! them, so that they fit until chance changes a part.

mod words;

use std::fmt::Write as _;

use super::Choices;
use words::{DRAFTS, FORMATS, NAMES, NUMBERS, PATTERNS, TEXTS, TYPES};

/// A chart with a schema, subcharts with schemas of their own among them, as path and text.
pub fn schema_chart(choices: &mut Choices) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let children = &["s1", "s2", "s3"][..choices.below(4)];
    for child in children {
        chart(choices, &mut files, &format!("charts/{child}/"), child, &[]);
    }
    chart(choices, &mut files, "", "c", children);
    files
}

fn chart(
    choices: &mut Choices,
    files: &mut Vec<(String, String)>,
    folder: &str,
    name: &str,
    children: &[&str],
) {
    let mut metadata = format!("apiVersion: v2\nname: {name}\nversion: 0.1.0\n");
    for (index, child) in children.iter().enumerate() {
        // Their order is that of this list.
        let key = if index == 0 { "dependencies:\n" } else { "" };
        let _ = writeln!(metadata, "{key}- {{name: {child}, version: 0.1.0}}");
    }
    files.push((format!("{folder}Chart.yaml"), metadata));
    let (schema, value) = root(choices);
    files.push((format!("{folder}values.schema.json"), schema));
    files.push((format!("{folder}values.yaml"), value + "\n"));
    let template = "values: {{ .Values | toJson | quote }}\n".to_owned();
    files.push((format!("{folder}templates/v.yaml"), template));
}

/// A schema, and a value that likely fits.
type Pair = (String, String);

/// What the schemas of one document know.
struct Around<'c> {
    choices: &'c mut Choices,
    draft: u16,
    /// References, each with a value that likely fits what they lead to.
    known: Vec<Pair>,
    /// Whether there is a reference that likely leads nowhere.
    is_astray: bool,
}

fn root(choices: &mut Choices) -> Pair {
    let (named, draft) = DRAFTS[choices.below(DRAFTS.len())];
    let mut around = Around {
        choices,
        draft,
        known: Vec::new(),
        is_astray: false,
    };
    let mut members = Vec::new();
    if !named.is_empty() {
        members.push(format!("\"$schema\": \"{named}\""));
    }
    if around.choices.one_in(8) {
        let id = around.choices.pick(&[
            "file:///other/root.json",
            "values.json",
            "urn:example:root",
            "file:///values.schema.json",
        ]);
        let keyword = if draft == 4 { "id" } else { "$id" };
        members.push(format!("\"{keyword}\": \"{id}\""));
    }
    let definitions = around.definitions();
    members.extend(definitions);
    let (own, value) = around.object(3);
    members.extend(own);
    if around.choices.one_in(5) {
        members.extend(around.combination(1, &value));
    }
    (object_of(&members), value)
}

fn object_of(members: &[String]) -> String {
    format!("{{{}}}", members.join(", "))
}

impl Around<'_> {
    /// `$defs` or `definitions`; what they are called is known from then on.
    fn definitions(&mut self) -> Option<String> {
        let count = self.choices.below(4);
        if count == 0 {
            return None;
        }
        let keyword = if self.draft >= 2019 && !self.choices.one_in(4) {
            "$defs"
        } else {
            "definitions"
        };
        let mut members = Vec::new();
        for index in 0..count {
            let name = format!("d{index}");
            // A definition may lead to itself.
            let own = format!("#/{keyword}/{name}");
            if self.choices.one_in(6) {
                self.known.push((own.clone(), "{}".to_owned()));
            }
            let (schema, value) = self.schema(2);
            let schema = self.named(&name, schema, &value);
            self.known.push((own, value));
            members.push(format!("\"{name}\": {schema}"));
        }
        Some(format!("\"{keyword}\": {}", object_of(&members)))
    }

    /// A schema with a name of its own, sometimes.
    fn named(&mut self, name: &str, schema: String, value: &str) -> String {
        let Some(rest) = schema
            .strip_prefix('{')
            .filter(|_| self.choices.one_in(3))
            .filter(|rest| *rest != "}")
        else {
            return schema;
        };
        let (keyword, given, reference) = match self.draft {
            4 => ("id", format!("#n{name}"), format!("#n{name}")),
            6 | 7 => ("$id", format!("#n{name}"), format!("#n{name}")),
            2019 => ("$anchor", format!("n{name}"), format!("#n{name}")),
            _ if self.choices.one_in(2) => ("$anchor", format!("n{name}"), format!("#n{name}")),
            _ => ("$dynamicAnchor", format!("n{name}"), format!("#n{name}")),
        };
        let (keyword, given, reference) = if self.choices.one_in(5) {
            let keyword = if self.draft == 4 { "id" } else { "$id" };
            (keyword, format!("{name}.json"), format!("{name}.json"))
        } else {
            (keyword, given, reference)
        };
        self.known.push((reference, value.to_owned()));
        format!("{{\"{keyword}\": \"{given}\", {rest}")
    }

    fn schema(&mut self, depth: usize) -> Pair {
        if self.choices.one_in(20) {
            let schema = self.choices.pick(&["true", "false", "{}"]);
            return (schema.to_owned(), self.any(1));
        }
        let (mut members, mut value) = match self.choices.below(if depth == 0 { 5 } else { 10 }) {
            0 | 1 => self.text(),
            2 => self.number(),
            3 => self.constant(),
            4 => self.reference(),
            5 | 6 => self.array(depth - 1),
            _ => self.object(depth - 1),
        };
        if depth > 0 && self.choices.one_in(4) {
            let more = self.combination(depth - 1, &value);
            members.extend(more);
        }
        if self.choices.one_in(20) {
            members.push(
                self.choices
                    .pick(&[
                        "\"description\": \"d\"",
                        "\"default\": 1",
                        "\"x-own\": {\"a\": 1}",
                        "\"examples\": [1]",
                        "\"$comment\": \"c\"",
                        "\"readOnly\": true",
                        "\"nullable\": true",
                        "\"contentEncoding\": \"base64\"",
                        "\"title\": 1",
                        "\"type\": \"text\"",
                    ])
                    .to_owned(),
            );
        }
        if self.choices.one_in(7) {
            value = self.any(1);
        }
        (object_of(&members), value)
    }

    fn with_type(&mut self, members: &mut Vec<String>, name: &str) {
        match self.choices.below(8) {
            0 => {}
            1 => {
                let other = self.choices.pick(&TYPES);
                members.push(format!("\"type\": [\"{name}\", \"{other}\"]"));
            }
            2 => {
                let other = self.choices.pick(&TYPES);
                members.push(format!("\"type\": \"{other}\""));
            }
            _ => members.push(format!("\"type\": \"{name}\"")),
        }
    }

    fn text(&mut self) -> (Vec<String>, String) {
        let mut members = Vec::new();
        self.with_type(&mut members, "string");
        if self.choices.one_in(4) {
            let format = self.choices.pick(&FORMATS);
            members.push(format!("\"format\": \"{format}\""));
        }
        if self.choices.one_in(4) {
            let pattern = self.choices.pick(&PATTERNS);
            members.push(format!("\"pattern\": \"{pattern}\""));
        }
        self.bounds(&mut members, "Length", 6);
        (members, format!("\"{}\"", self.choices.pick(&TEXTS)))
    }

    /// `minKEYWORD` and `maxKEYWORD`.
    fn bounds(&mut self, members: &mut Vec<String>, keyword: &str, chance: usize) {
        for bound in ["min", "max"] {
            if self.choices.one_in(chance) {
                let want = self
                    .choices
                    .pick(&["0", "1", "2", "3", "4", "1.0", "1000", "-1", "2e0"]);
                members.push(format!("\"{bound}{keyword}\": {want}"));
            }
        }
    }

    fn number(&mut self) -> (Vec<String>, String) {
        let mut members = Vec::new();
        let name = self.choices.pick(&["integer", "number"]);
        self.with_type(&mut members, name);
        for bound in ["minimum", "maximum"] {
            if self.choices.one_in(4) {
                let want = self.choices.pick(&NUMBERS);
                members.push(format!("\"{bound}\": {want}"));
            }
        }
        for bound in ["exclusiveMinimum", "exclusiveMaximum"] {
            if self.choices.one_in(6) {
                // Draft 4 wants a truth, the others a number.
                let want = if (self.draft == 4) == self.choices.one_in(12) {
                    self.choices.pick(&NUMBERS)
                } else {
                    self.choices.pick(&["true", "true", "false"])
                };
                members.push(format!("\"{bound}\": {want}"));
            }
        }
        if self.choices.one_in(5) {
            let want = self
                .choices
                .pick(&["1", "2", "3", "0.1", "0.5", "1.5", "1e-3", "10", "0", "1e2"]);
            members.push(format!("\"multipleOf\": {want}"));
        }
        (members, self.choices.pick(&NUMBERS).to_owned())
    }

    fn constant(&mut self) -> (Vec<String>, String) {
        let mut members = Vec::new();
        if self.choices.one_in(3) {
            let name = self.choices.pick(&TYPES);
            self.with_type(&mut members, name);
        }
        let value = self.any(1);
        if self.choices.one_in(3) {
            members.push(format!("\"const\": {value}"));
        } else {
            let mut options = vec![value.clone()];
            for _ in 0..self.choices.below(4) {
                let at = self.choices.below(options.len() + 1);
                let depth = usize::from(self.choices.one_in(5));
                let option = self.any(depth);
                options.insert(at, option);
            }
            members.push(format!("\"enum\": [{}]", options.join(", ")));
        }
        let value = if self.choices.one_in(3) {
            self.any(0)
        } else {
            value
        };
        (members, value)
    }

    fn reference(&mut self) -> (Vec<String>, String) {
        let mut members = Vec::new();
        let keyword = match self.draft {
            2020 => self.choices.pick(&["$ref", "$ref", "$ref", "$dynamicRef"]),
            2019 => self
                .choices
                .pick(&["$ref", "$ref", "$ref", "$recursiveRef"]),
            _ => "$ref",
        };
        if self.known.is_empty() || self.choices.one_in(12) {
            // One that leads nowhere is enough: which of several is told is chance.
            let target = if self.is_astray || !self.choices.one_in(8) {
                self.choices.pick(&[
                    "#",
                    "urn:example:x",
                    "https://json-schema.org/draft/2020-12/schema",
                    "http://json-schema.org/draft-07/schema#",
                    "http://json-schema.org/draft-07/schema#/definitions/nonNegativeInteger",
                ])
            } else {
                self.is_astray = true;
                self.choices.pick(&[
                    "#/properties/a",
                    "#/$defs/none",
                    "#/definitions/none",
                    "#none",
                    "file:///other.json",
                    "#/%zz",
                    "#/a~2",
                    ":a:",
                ])
            };
            members.push(format!("\"{keyword}\": \"{target}\""));
            return (members, self.any(2));
        }
        let (target, value) = self.known[self.choices.below(self.known.len())].clone();
        members.push(format!("\"{keyword}\": \"{target}\""));
        if self.choices.one_in(3) {
            let (more, _) = match self.choices.below(3) {
                0 => self.text(),
                1 => self.constant(),
                _ => self.number(),
            };
            members.extend(more);
        }
        (members, value)
    }

    fn array(&mut self, depth: usize) -> (Vec<String>, String) {
        let mut members = Vec::new();
        self.with_type(&mut members, "array");
        let mut values = Vec::new();
        let is_tuple = self.choices.one_in(3);
        if is_tuple {
            let mut schemas = Vec::new();
            for _ in 0..=self.choices.below(3) {
                let (schema, value) = self.schema(depth);
                schemas.push(schema);
                values.push(value);
            }
            // Each draft has its own word.
            let keyword = if (self.draft == 2020) == self.choices.one_in(12) {
                "items"
            } else {
                "prefixItems"
            };
            members.push(format!("\"{keyword}\": [{}]", schemas.join(", ")));
        }
        if !is_tuple || self.choices.one_in(2) {
            let keyword = match (is_tuple, self.draft == 2020) {
                (true, false) => "additionalItems",
                (true, true) | (false, _) => "items",
            };
            let (schema, value) = self.schema(depth);
            members.push(format!("\"{keyword}\": {schema}"));
            for _ in 0..self.choices.below(3) {
                values.push(if self.choices.one_in(6) {
                    self.any(1)
                } else {
                    value.clone()
                });
            }
        }
        self.bounds(&mut members, "Items", 8);
        if self.choices.one_in(6) {
            members.push("\"uniqueItems\": true".to_owned());
        }
        if self.draft > 4 && self.choices.one_in(5) {
            let (schema, value) = self.schema(0);
            members.push(format!("\"contains\": {schema}"));
            if self.choices.one_in(2) {
                let at = self.choices.below(values.len() + 1);
                values.insert(at, value);
            }
            self.bounds(&mut members, "Contains", 3);
        }
        if self.draft >= 2019 && self.choices.one_in(6) {
            let schema = self.unevaluated(depth);
            members.push(format!("\"unevaluatedItems\": {schema}"));
        }
        (members, format!("[{}]", values.join(", ")))
    }

    fn unevaluated(&mut self, depth: usize) -> String {
        if self.choices.one_in(2) {
            "false".to_owned()
        } else {
            self.schema(depth).0
        }
    }

    fn object(&mut self, depth: usize) -> (Vec<String>, String) {
        let mut members = Vec::new();
        self.with_type(&mut members, "object");
        let mut names = Vec::new();
        let mut values: Vec<(String, String)> = Vec::new();
        let mut properties = Vec::new();
        for _ in 0..self.choices.below(5) {
            let name = self.choices.pick(&NAMES);
            if names.contains(&name) {
                continue;
            }
            names.push(name);
            let (schema, value) = self.schema(depth);
            properties.push(format!("\"{name}\": {schema}"));
            if !self.choices.one_in(5) {
                values.push((name.to_owned(), value));
            }
        }
        if !properties.is_empty() {
            members.push(format!("\"properties\": {}", object_of(&properties)));
        }
        if self.choices.one_in(3) {
            let wanted = self.names();
            members.push(format!("\"required\": {wanted}"));
        }
        if self.choices.one_in(6) {
            let (schema, value) = self.schema(depth);
            let pattern = self.choices.pick(&PATTERNS);
            members.push(format!(
                "\"patternProperties\": {{\"{pattern}\": {schema}}}"
            ));
            values.push((self.choices.pick(&NAMES).to_owned(), value));
        }
        if self.choices.one_in(3) {
            let schema = match self.choices.below(3) {
                0 => "false".to_owned(),
                1 => "true".to_owned(),
                _ => {
                    let (schema, value) = self.schema(depth);
                    values.push((self.choices.pick(&NAMES).to_owned(), value));
                    schema
                }
            };
            members.push(format!("\"additionalProperties\": {schema}"));
        }
        if self.choices.one_in(8) {
            let schema = self.schema(0).0;
            members.push(format!("\"propertyNames\": {schema}"));
        }
        if self.choices.one_in(8) {
            let keyword = if self.draft < 2019 || self.choices.one_in(4) {
                "dependencies"
            } else {
                self.choices
                    .pick(&["dependentRequired", "dependentSchemas"])
            };
            let name = self.choices.pick(&NAMES[..4]);
            let demanded = match keyword {
                "dependentSchemas" => self.schema(depth).0,
                "dependencies" if self.choices.one_in(2) => self.schema(depth).0,
                _ => self.names(),
            };
            members.push(format!("\"{keyword}\": {{\"{name}\": {demanded}}}"));
        }
        self.bounds(&mut members, "Properties", 8);
        if self.draft >= 2019 && self.choices.one_in(6) {
            let schema = self.unevaluated(depth);
            members.push(format!("\"unevaluatedProperties\": {schema}"));
        }
        if self.choices.one_in(6) {
            let value = self.any(1);
            values.push((self.choices.pick(&NAMES).to_owned(), value));
        }
        let mut text = String::new();
        let mut seen = Vec::new();
        for (name, value) in values {
            if seen.contains(&name) {
                continue;
            }
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}\"{name}\": {value}");
            seen.push(name);
        }
        (members, format!("{{{text}}}"))
    }

    fn names(&mut self) -> String {
        let count = self.choices.below(3) + 1;
        let names: Vec<String> = (0..count)
            .map(|index| {
                format!(
                    "\"{}\"",
                    NAMES[(index * 2 + self.choices.below(2)) % NAMES.len()]
                )
            })
            .collect();
        format!("[{}]", names.join(", "))
    }

    /// `allOf` and its like, for a value.
    fn combination(&mut self, depth: usize, value: &str) -> Vec<String> {
        match self.choices.below(6) {
            0 => vec![format!("\"not\": {}", self.schema(depth).0)],
            1 if self.draft > 6 => {
                let mut members = vec![format!("\"if\": {}", self.alike(depth, value))];
                for keyword in ["then", "else"] {
                    if !self.choices.one_in(3) {
                        members.push(format!("\"{keyword}\": {}", self.alike(depth, value)));
                    }
                }
                members
            }
            _ => {
                let keyword = self.choices.pick(&["allOf", "anyOf", "oneOf"]);
                let schemas: Vec<String> = (0..=self.choices.below(3))
                    .map(|_| self.alike(depth, value))
                    .collect();
                vec![format!("\"{keyword}\": [{}]", schemas.join(", "))]
            }
        }
    }

    /// A schema for the type of a value, mostly.
    fn alike(&mut self, depth: usize, value: &str) -> String {
        let members = match value.as_bytes().first() {
            _ if self.choices.one_in(4) => return self.schema(depth).0,
            Some(b'{') => self.object(depth).0,
            Some(b'[') => self.array(depth).0,
            Some(b'"') => self.text().0,
            _ => self.number().0,
        };
        object_of(&members)
    }

    /// A value without a schema.
    fn any(&mut self, depth: usize) -> String {
        match self.choices.below(if depth == 0 { 6 } else { 8 }) {
            0 | 1 => format!("\"{}\"", self.choices.pick(&TEXTS)),
            2 | 3 => self.choices.pick(&NUMBERS).to_owned(),
            4 => self.choices.pick(&["true", "false"]).to_owned(),
            5 => self.choices.pick(&["null", "[]", "{}", "\"\""]).to_owned(),
            6 => {
                let items: Vec<String> = (0..self.choices.below(4))
                    .map(|_| self.any(depth - 1))
                    .collect();
                format!("[{}]", items.join(", "))
            }
            _ => {
                let first = self.choices.below(NAMES.len());
                let members: Vec<String> = (0..self.choices.below(3))
                    .map(|index| {
                        let name = NAMES[(first + index) % NAMES.len()];
                        format!("\"{name}\": {}", self.any(depth - 1))
                    })
                    .collect();
                object_of(&members)
            }
        }
    }
}
