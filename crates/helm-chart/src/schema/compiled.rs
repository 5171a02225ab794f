//! [`Compiled`]: a schema ready for use. Schemas become nodes that know each other, in the order in
//! which santhosh-tekuri/jsonschema v6 compiles them (`compiler.go`, `objcompiler.go`), since its
//! first error is the one that Helm tells.
//!
//! Owns what each keyword means in each draft; refuses to look at values (see [`super::check`]).

use std::collections::{BTreeMap, HashMap};

use serde_json::{Number, Value};

use super::check;
use super::document::{Documents, Draft, Place, Target, look_up, unescape};
use super::format::Format;
use super::text::{self, Numbers};
use crate::functions::Pattern;

/// The address that Helm gives the schema of a chart.
const ADDRESS: &str = "file:///values.schema.json";

/// A node of a [`Compiled`] schema.
pub(super) type NodeId = usize;

/// A schema ready for use.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(super) nodes: Vec<Node>,
    root: NodeId,
}

/// One schema. Keywords that its draft does not know are not here.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Its address with its place, as errors quote it.
    pub(super) location: String,
    pub(super) draft: Draft,
    /// The schema around it that has an address of its own.
    pub(super) resource: NodeId,
    pub(super) recursive_anchor: bool,
    pub(super) dynamic_anchor: Option<String>,
    /// Of a resource: schemas by their dynamic names.
    pub(super) dynamic_anchors: BTreeMap<String, NodeId>,
    /// `true`, `false`, or `{}`.
    pub(super) always: Option<bool>,

    pub(super) types: Types,
    pub(super) constant: Option<Wanted>,
    pub(super) options: Option<Vec<Wanted>>,
    pub(super) format: Option<Format>,

    pub(super) reference: Option<NodeId>,
    pub(super) recursive_reference: Option<NodeId>,
    /// With the name that is looked for among the schemas on the way.
    pub(super) dynamic_reference: Option<(NodeId, Option<String>)>,

    pub(super) min_properties: Option<i64>,
    pub(super) max_properties: Option<i64>,
    pub(super) required: Vec<String>,
    pub(super) dependencies: BTreeMap<String, Dependency>,
    pub(super) properties: BTreeMap<String, NodeId>,
    pub(super) pattern_properties: Vec<(Pattern, NodeId)>,
    pub(super) additional_properties: Option<Additional>,
    pub(super) property_names: Option<NodeId>,
    pub(super) dependent_schemas: BTreeMap<String, NodeId>,
    pub(super) dependent_required: BTreeMap<String, Vec<String>>,
    pub(super) unevaluated_properties: Option<NodeId>,

    pub(super) min_items: Option<i64>,
    pub(super) max_items: Option<i64>,
    pub(super) unique_items: bool,
    /// The schemas of the first items: `items` as a list, or `prefixItems`.
    pub(super) first_items: Vec<NodeId>,
    /// The schema of all items, or of the items behind the first.
    pub(super) items: Option<NodeId>,
    /// Before 2020: of the items behind the first.
    pub(super) additional_items: Option<Additional>,
    pub(super) contains: Option<NodeId>,
    pub(super) min_contains: Option<i64>,
    pub(super) max_contains: Option<i64>,
    pub(super) unevaluated_items: Option<NodeId>,

    pub(super) min_length: Option<i64>,
    pub(super) max_length: Option<i64>,
    pub(super) pattern: Option<(String, Pattern)>,

    pub(super) minimum: Option<Number>,
    pub(super) maximum: Option<Number>,
    pub(super) exclusive_minimum: Option<Number>,
    pub(super) exclusive_maximum: Option<Number>,
    pub(super) multiple_of: Option<Number>,

    pub(super) not: Option<NodeId>,
    pub(super) all_of: Vec<NodeId>,
    pub(super) any_of: Vec<NodeId>,
    pub(super) one_of: Vec<NodeId>,
    pub(super) condition: Option<NodeId>,
    pub(super) then: Option<NodeId>,
    pub(super) otherwise: Option<NodeId>,
}

impl Node {
    /// Whether no property is left to `unevaluatedProperties` of a schema around it.
    pub(super) fn takes_all_properties(&self) -> bool {
        self.additional_properties.is_some()
    }

    /// Whether no item is left to `unevaluatedItems` of a schema around it.
    pub(super) fn takes_all_items(&self) -> bool {
        self.items.is_some() || self.additional_items.is_some()
    }
}

/// A value that is asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) value: Value,
    /// How a number is written, if in an unusual way.
    pub(super) text: Option<String>,
}

/// Names that another one brings along, or a schema that it demands.
#[derive(Debug)]
pub(super) enum Dependency {
    Names(Vec<String>),
    Schema(NodeId),
}

/// What is said of what has no schema of its own.
#[derive(Debug)]
pub(super) enum Additional {
    Allowed(bool),
    Schema(NodeId),
}

/// The types a value may have, a bit for each name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Types(u8);

impl Types {
    const NAMES: [&'static str; 7] = [
        "null", "boolean", "number", "integer", "string", "array", "object",
    ];

    fn of(value: &Value) -> Self {
        let mut types = Self::default();
        match value {
            Value::String(name) => types.add(name),
            Value::Array(names) => names
                .iter()
                .filter_map(Value::as_str)
                .for_each(|name| types.add(name)),
            _ => {}
        }
        types
    }

    fn add(&mut self, name: &str) {
        if let Some(bit) = Self::NAMES.iter().position(|known| *known == name) {
            self.0 |= 1 << bit;
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn has(self, name: &str) -> bool {
        let bit = Self::NAMES.iter().position(|known| *known == name);
        bit.is_some_and(|bit| self.0 & (1 << bit) != 0)
    }

    pub(super) fn include(self, value: &Value) -> bool {
        let is_whole = || value.as_f64().is_some_and(|number| number.fract() == 0.0);
        self.has(type_of(value)) || value.is_number() && self.has("integer") && is_whole()
    }

    /// Their names, in the validator's order.
    pub(super) fn names(self) -> Vec<&'static str> {
        let names = Self::NAMES.into_iter();
        names.filter(|name| self.has(name)).collect()
    }
}

/// The name of a value's type.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl Compiled {
    /// Compiles the schema of a chart.
    ///
    /// # Errors
    /// Helm's text.
    pub(crate) fn of(schema: &[u8]) -> Result<Self, String> {
        let (text, numbers) = text::read(schema)?;
        let mut compiler = Compiler::new(false);
        compiler.numbers = numbers;
        compiler.documents.add(ADDRESS, text);
        let root = compiler.compile(ADDRESS)?;
        Ok(Self {
            nodes: compiler.nodes,
            root,
        })
    }

    /// Whether values fit.
    #[cfg(test)]
    pub(crate) fn is_valid(&self, values: &Value) -> bool {
        self.check(values).is_ok()
    }

    /// Checks values.
    ///
    /// # Errors
    /// What Helm prints below the chart's name, with the line end.
    pub(crate) fn check(&self, values: &Value) -> Result<(), String> {
        check::check(&self.nodes, self.root, values, None).map_err(|problem| {
            let mut text = String::new();
            for cause in problem.at_the_top() {
                cause.show(1, &mut text);
            }
            text.trim_start_matches('\n').to_owned() + "\n"
        })
    }
}

/// Schemas on their way to nodes.
struct Compiler {
    documents: Documents,
    nodes: Vec<Node>,
    known: HashMap<Place, NodeId>,
    places: Vec<Place>,
    /// Of the drafts' own schemas: formats count in all of them, and they are sound.
    of_drafts: bool,
    drafts: Option<Drafts>,
    /// Of the chart's own schema.
    numbers: Option<Numbers>,
}

/// The drafts' own schemas, compiled when first asked for.
struct Drafts {
    compiler: Box<Compiler>,
    roots: BTreeMap<Draft, NodeId>,
}

impl Drafts {
    fn root(&mut self, draft: Draft) -> Result<NodeId, String> {
        if let Some(root) = self.roots.get(&draft) {
            return Ok(*root);
        }
        let root = self.compiler.compile(draft.address())?;
        self.roots.insert(draft, root);
        Ok(root)
    }
}

impl Compiler {
    fn new(of_drafts: bool) -> Self {
        Self {
            documents: Documents::default(),
            nodes: Vec::new(),
            known: HashMap::new(),
            places: Vec::new(),
            of_drafts,
            drafts: None,
            numbers: None,
        }
    }

    /// Compiles a document and all that it leads to, breadth first.
    fn compile(&mut self, address: &str) -> Result<NodeId, String> {
        self.open(address)?;
        let mut next = self.nodes.len();
        let root = self.node(Place {
            document: address.to_owned(),
            pointer: String::new(),
        });
        while next < self.nodes.len() {
            let place = self.places[next].clone();
            self.open(&place.document)?;
            if self.documents.include(&place)? {
                self.judge(&place)?;
            }
            self.compile_node(next, &place)?;
            next += 1;
        }
        Ok(root)
    }

    /// The node of a place; it is compiled later.
    fn node(&mut self, place: Place) -> NodeId {
        if let Some(known) = self.known.get(&place) {
            return *known;
        }
        let id = self.nodes.len();
        self.nodes.push(Node {
            location: place.to_string(),
            ..Node::default()
        });
        self.known.insert(place.clone(), id);
        self.places.push(place);
        id
    }

    fn open(&mut self, address: &str) -> Result<(), String> {
        if self.documents.open(address)? {
            let of_a_draft = |prefix| address.starts_with(prefix);
            if !["http://json-schema.org/", "https://json-schema.org/"]
                .into_iter()
                .any(of_a_draft)
            {
                self.judge(&Place {
                    document: address.to_owned(),
                    pointer: String::new(),
                })?;
            }
        }
        Ok(())
    }

    /// Checks a schema against its draft's own.
    fn judge(&mut self, place: &Place) -> Result<(), String> {
        if self.of_drafts {
            return Ok(());
        }
        let document = self.documents.get(&place.document);
        let drafts = self.drafts.get_or_insert_with(|| Drafts {
            compiler: Box::new(Self::new(true)),
            roots: BTreeMap::new(),
        });
        let mut of_resources = HashMap::new();
        for (pointer, resource) in &document.resources {
            of_resources.insert(pointer.clone(), drafts.root(resource.draft)?);
        }
        let root = drafts.root(document.resource(&place.pointer).draft)?;
        let schema = look_up(&document.text, place)?;
        let nodes = &drafts.compiler.nodes;
        check::check(nodes, root, schema, Some(&of_resources)).map_err(|problem| {
            let mut text = format!(
                "{:?} is not valid against metaschema: jsonschema validation failed with {}",
                place.to_string(),
                super::problem::quote(&nodes[root].location)
            );
            for cause in problem.at_the_top() {
                cause.show(1, &mut text);
            }
            text
        })
    }

    fn compile_node(&mut self, id: NodeId, place: &Place) -> Result<(), String> {
        let document = self.documents.get(&place.document);
        let resource = document.resource(&place.pointer);
        let mut node = std::mem::take(&mut self.nodes[id]);
        node.draft = resource.draft;
        let around = Place {
            document: place.document.clone(),
            pointer: resource.place.clone(),
        };
        node.resource = if around == *place {
            id
        } else {
            self.node(around)
        };
        if node.draft >= Draft::Draft2020 && node.resource == id {
            for name in &resource.dynamic_anchors {
                let target = self.node(Place {
                    document: place.document.clone(),
                    pointer: resource.anchors[name].clone(),
                });
                node.dynamic_anchors.insert(name.clone(), target);
            }
        }
        match look_up(&document.text, place)? {
            Value::Bool(answer) => node.always = Some(*answer),
            Value::Object(keywords) if keywords.is_empty() => node.always = Some(true),
            schema @ Value::Object(_) => {
                let keywords = Keywords {
                    compiler: self,
                    schema,
                    place,
                };
                keywords.compile(&mut node)?;
            }
            _ => {}
        }
        self.nodes[id] = node;
        Ok(())
    }
}

/// The keywords of one schema.
struct Keywords<'a> {
    compiler: &'a mut Compiler,
    schema: &'a Value,
    place: &'a Place,
}

impl Keywords<'_> {
    fn compile(mut self, node: &mut Node) -> Result<(), String> {
        node.reference = self.reference("$ref")?;
        // Before 2019 what else is said beside a reference means nothing, but for what draft 6 added.
        if node.draft >= Draft::Draft2019 || node.reference.is_none() {
            self.compile_draft_4(node)?;
        }
        if node.draft >= Draft::Draft6 {
            node.contains = self.one("contains");
            node.property_names = self.one("propertyNames");
            let constant = self.schema.get("const");
            node.constant = constant.map(|value| self.wanted(value, &["const"]));
        }
        if node.draft >= Draft::Draft7 {
            node.condition = self.one("if");
            if node.condition.is_some() {
                let answer = self.schema.get("if").and_then(Value::as_bool);
                if answer != Some(false) {
                    node.then = self.one("then");
                }
                if answer != Some(true) {
                    node.otherwise = self.one("else");
                }
            }
        }
        if node.draft >= Draft::Draft2019 {
            self.compile_2019(node)?;
        }
        if node.draft >= Draft::Draft2020 {
            if let Some(target) = self.reference("$dynamicRef")? {
                let reference = self.text("$dynamicRef").unwrap_or_default();
                let name = super::document::split(reference).1;
                let name = Some(name).filter(|name| !name.is_empty() && !name.starts_with('/'));
                node.dynamic_reference = Some((target, name.map(str::to_owned)));
            }
            node.dynamic_anchor = self.text("$dynamicAnchor").map(str::to_owned);
            node.first_items = self.each("prefixItems");
            node.items = self.one("items");
        }
        Ok(())
    }

    fn compile_draft_4(&mut self, node: &mut Node) -> Result<(), String> {
        node.all_of = self.each("allOf");
        node.any_of = self.each("anyOf");
        node.one_of = self.each("oneOf");
        node.not = self.one("not");
        if node.draft < Draft::Draft2020 {
            match self.schema.get("items") {
                Some(Value::Array(_)) => {
                    node.first_items = self.each("items");
                    node.additional_items = self.additional("additionalItems");
                }
                Some(_) => node.items = self.one("items"),
                None => {}
            }
        }
        node.properties = self.named("properties");
        for (pattern, schema) in self.named("patternProperties") {
            let regex = self.regex("patternProperties", &pattern)?;
            node.pattern_properties.push((regex, schema));
        }
        node.additional_properties = self.additional("additionalProperties");
        if let Some(Value::Object(entries)) = self.schema.get("dependencies") {
            for (name, entry) in entries {
                let dependency = match entry {
                    Value::Array(names) => Dependency::Names(texts(names)),
                    _ => Dependency::Schema(self.below(&["dependencies", name])),
                };
                node.dependencies.insert(name.clone(), dependency);
            }
        }
        self.compile_assertions(node)
    }

    fn compile_assertions(&mut self, node: &mut Node) -> Result<(), String> {
        if let Some(types) = self.schema.get("type") {
            node.types = Types::of(types);
        }
        if let Some(Value::Array(options)) = self.schema.get("enum") {
            let wanted = options.iter().enumerate();
            let wanted =
                wanted.map(|(index, value)| self.wanted(value, &["enum", &index.to_string()]));
            node.options = Some(wanted.collect());
        }
        node.multiple_of = self.number("multipleOf");
        node.maximum = self.number("maximum");
        node.exclusive_maximum = if self.is_true("exclusiveMaximum") {
            node.maximum.take()
        } else {
            self.number("exclusiveMaximum")
        };
        node.minimum = self.number("minimum");
        node.exclusive_minimum = if self.is_true("exclusiveMinimum") {
            node.minimum.take()
        } else {
            self.number("exclusiveMinimum")
        };
        node.min_length = self.integer("minLength");
        node.max_length = self.integer("maxLength");
        if let Some(pattern) = self.text("pattern").map(str::to_owned) {
            let regex = self.regex("pattern", &pattern)?;
            node.pattern = Some((pattern, regex));
        }
        node.min_items = self.integer("minItems");
        node.max_items = self.integer("maxItems");
        node.unique_items = self.is_true("uniqueItems");
        node.max_properties = self.integer("maxProperties");
        node.min_properties = self.integer("minProperties");
        if let Some(Value::Array(names)) = self.schema.get("required") {
            node.required = texts(names);
        }
        // Later drafts call a format a remark.
        if node.draft < Draft::Draft2019 || self.compiler.of_drafts {
            node.format = self.text("format").and_then(Format::named);
        }
        Ok(())
    }

    fn compile_2019(&mut self, node: &mut Node) -> Result<(), String> {
        node.recursive_reference = self.reference("$recursiveRef")?;
        node.recursive_anchor = self.is_true("$recursiveAnchor");
        if node.contains.is_some() {
            node.min_contains = self.integer("minContains");
            node.max_contains = self.integer("maxContains");
        }
        if let Some(Value::Object(entries)) = self.schema.get("dependentRequired") {
            for (name, names) in entries {
                if let Value::Array(names) = names {
                    node.dependent_required.insert(name.clone(), texts(names));
                }
            }
        }
        node.dependent_schemas = self.named("dependentSchemas");
        node.unevaluated_items = self.one("unevaluatedItems");
        node.unevaluated_properties = self.one("unevaluatedProperties");
        Ok(())
    }

    fn below(&mut self, tokens: &[&str]) -> NodeId {
        self.compiler.node(self.place.below(tokens))
    }

    fn wanted(&self, value: &Value, at: &[&str]) -> Wanted {
        let written = |numbers: &Numbers| {
            let pointer = self.place.below(at).pointer;
            let tokens: Option<Vec<String>> = pointer.split('/').skip(1).map(unescape).collect();
            let number = numbers.at(tokens?.iter().map(String::as_str))?;
            number.text().map(str::to_owned)
        };
        let numbers = self.compiler.numbers.as_ref();
        let numbers = numbers.filter(|_| value.is_number() && self.place.document == ADDRESS);
        Wanted {
            value: value.clone(),
            text: numbers.and_then(written),
        }
    }

    fn reference(&mut self, keyword: &str) -> Result<Option<NodeId>, String> {
        let Some(reference) = self.text(keyword) else {
            return Ok(None);
        };
        let place = match self.compiler.documents.resolve(self.place, reference)? {
            Target::Here(place) => place,
            Target::Elsewhere { address, fragment } => {
                self.compiler.open(&address)?;
                self.compiler.documents.fragment(&address, &fragment)?
            }
        };
        Ok(Some(self.compiler.node(place)))
    }

    fn one(&mut self, keyword: &str) -> Option<NodeId> {
        self.schema.get(keyword)?;
        Some(self.below(&[keyword]))
    }

    fn each(&mut self, keyword: &str) -> Vec<NodeId> {
        let count = self.schema.get(keyword).and_then(Value::as_array);
        let count = count.map_or(0, Vec::len);
        (0..count)
            .map(|index| self.below(&[keyword, &index.to_string()]))
            .collect()
    }

    fn named(&mut self, keyword: &str) -> BTreeMap<String, NodeId> {
        let Some(Value::Object(entries)) = self.schema.get(keyword) else {
            return BTreeMap::new();
        };
        let names = entries.keys();
        names
            .map(|name| (name.clone(), self.below(&[keyword, name])))
            .collect()
    }

    fn additional(&mut self, keyword: &str) -> Option<Additional> {
        match self.schema.get(keyword)? {
            Value::Bool(allowed) => Some(Additional::Allowed(*allowed)),
            _ => Some(Additional::Schema(self.below(&[keyword]))),
        }
    }

    fn regex(&self, keyword: &str, pattern: &str) -> Result<Pattern, String> {
        Pattern::compile(pattern).map_err(|error| {
            let place = self.place.below(&[keyword]);
            format!(
                "invalid regex {pattern:?} at {:?}: {error}",
                place.to_string()
            )
        })
    }

    fn text(&self, keyword: &str) -> Option<&'_ str> {
        self.schema.get(keyword)?.as_str()
    }

    fn is_true(&self, keyword: &str) -> bool {
        self.schema.get(keyword) == Some(&Value::Bool(true))
    }

    fn number(&self, keyword: &str) -> Option<Number> {
        match self.schema.get(keyword)? {
            Value::Number(number) => Some(number.clone()),
            _ => None,
        }
    }

    fn integer(&self, keyword: &str) -> Option<i64> {
        let number = self.number(keyword)?;
        let whole = || number.as_f64().filter(|number| number.fract() == 0.0);
        number
            .as_i64()
            .or_else(|| whole().map(|whole| whole as i64))
    }
}

fn texts(values: &[Value]) -> Vec<String> {
    let texts = values.iter().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::Compiled;

    #[test]
    fn a_schema_that_is_no_schema_is_refused_as_helm_does() {
        for (schema, refusal) in [
            ("{\"properties\": {", "unexpected EOF"),
            (
                r##"{"properties": {"a": {"$ref": "#/nope"}}}"##,
                r#"json-pointer in "file:///values.schema.json#/nope" not found"#,
            ),
            (
                r##"{"properties": {"a": {"$ref": "#nope"}}}"##,
                r#"anchor in "file:///values.schema.json#nope" not found in schema "file:///values.schema.json""#,
            ),
            (
                r#"{"$schema": "http://json-schema.org/draft-03/schema#"}"#,
                r#"failing loading "http://json-schema.org/draft-03/schema": a render fetches nothing"#,
            ),
            (
                r#"{"$schema": "http://json-schema.org/draft-07/schema", "properties": {"a": {"pattern": "a(b"}}}"#,
                "\"file:///values.schema.json#\" is not valid against metaschema: jsonschema validation \
                 failed with 'http://json-schema.org/draft-07/schema#'\n- at '/properties/a/pattern': \
                 'a(b' is not valid regex: error parsing regexp: missing closing ): `a(b`",
            ),
            (
                r#"{"type": "foo"}"#,
                "\"file:///values.schema.json#\" is not valid against metaschema: jsonschema validation \
                 failed with 'https://json-schema.org/draft/2020-12/schema#'\n- at '': 'allOf' failed\n  \
                 - at '/type': 'anyOf' failed\n    - at '/type': value must be one of 'array', 'boolean', \
                 'integer', 'null', 'number', 'object', 'string'\n    - at '/type': got string, want array",
            ),
        ] {
            assert_eq!(
                Compiled::of(schema.as_bytes()).err().as_deref(),
                Some(refusal)
            );
        }
    }
}
