//! [`Documents`]: the texts that a schema is made of, and what a `$ref` in them leads to.
//!
//! Owns drafts, ids, anchors and addresses, as santhosh-tekuri/jsonschema v6 finds them (`roots.go`,
//! `root.go`, `draft.go`, `util.go`). Fetches nothing: the drafts' own schemas are at hand, names
//! (`urn:`) allow everything, as in Helm, and any other address is refused.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use referencing::{meta, uri};
use serde_json::Value;

use crate::functions::{parse_url, unescape_path};

/// A draft of JSON Schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Draft {
    Draft4,
    Draft6,
    Draft7,
    Draft2019,
    #[default]
    Draft2020,
}

/// How the schemas below a keyword are laid out.
#[derive(Clone, Copy)]
enum Layout {
    One,
    Each,
    OneOrEach,
    Named,
}

/// Where schemas stand, and since which draft.
const SUBSCHEMAS: &[(Draft, &str, Layout)] = &[
    (Draft::Draft4, "definitions", Layout::Named),
    (Draft::Draft4, "not", Layout::One),
    (Draft::Draft4, "allOf", Layout::Each),
    (Draft::Draft4, "anyOf", Layout::Each),
    (Draft::Draft4, "oneOf", Layout::Each),
    (Draft::Draft4, "properties", Layout::Named),
    (Draft::Draft4, "additionalProperties", Layout::One),
    (Draft::Draft4, "patternProperties", Layout::Named),
    (Draft::Draft4, "items", Layout::OneOrEach),
    (Draft::Draft4, "additionalItems", Layout::One),
    (Draft::Draft4, "dependencies", Layout::Named),
    (Draft::Draft6, "propertyNames", Layout::One),
    (Draft::Draft6, "contains", Layout::One),
    (Draft::Draft7, "if", Layout::One),
    (Draft::Draft7, "then", Layout::One),
    (Draft::Draft7, "else", Layout::One),
    (Draft::Draft2019, "$defs", Layout::Named),
    (Draft::Draft2019, "dependentSchemas", Layout::Named),
    (Draft::Draft2019, "unevaluatedProperties", Layout::One),
    (Draft::Draft2019, "unevaluatedItems", Layout::One),
    (Draft::Draft2019, "contentSchema", Layout::One),
    (Draft::Draft2020, "prefixItems", Layout::Each),
];

impl Draft {
    pub(super) const LATEST: Self = Self::Draft2020;

    /// The draft whose schema has this address, with `http` or `https`.
    fn of_address(address: &str) -> Option<Self> {
        let (address, fragment) = split(address);
        if !fragment.is_empty() {
            return None;
        }
        let address = address
            .strip_prefix("http://")
            .or_else(|| address.strip_prefix("https://"))
            .unwrap_or(address);
        match address.strip_prefix("json-schema.org/")? {
            "schema" => Some(Self::LATEST),
            "draft/2020-12/schema" => Some(Self::Draft2020),
            "draft/2019-09/schema" => Some(Self::Draft2019),
            "draft-07/schema" => Some(Self::Draft7),
            "draft-06/schema" => Some(Self::Draft6),
            "draft-04/schema" => Some(Self::Draft4),
            _ => None,
        }
    }

    /// The address of its own schema.
    pub(super) fn address(self) -> &'static str {
        match self {
            Self::Draft4 => "http://json-schema.org/draft-04/schema",
            Self::Draft6 => "http://json-schema.org/draft-06/schema",
            Self::Draft7 => "http://json-schema.org/draft-07/schema",
            Self::Draft2019 => "https://json-schema.org/draft/2019-09/schema",
            Self::Draft2020 => "https://json-schema.org/draft/2020-12/schema",
        }
    }

    pub(super) fn id_keyword(self) -> &'static str {
        if self == Self::Draft4 { "id" } else { "$id" }
    }

    /// The address that a schema gives itself, without a fragment.
    fn id(self, schema: &Value) -> Option<&str> {
        if self < Self::Draft2019 && schema.get("$ref").is_some() {
            return None;
        }
        let id = schema.get(self.id_keyword())?.as_str()?;
        Some(split(id).0).filter(|id| !id.is_empty())
    }
}

/// One text, by its address.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) text: Arc<Value>,
    /// By the place in the text.
    pub(super) resources: BTreeMap<String, Resource>,
    /// Places whose schemas are known to be sound.
    known: HashSet<String>,
}

/// A schema with an address of its own.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) place: String,
    pub(super) id: String,
    pub(super) draft: Draft,
    /// Places in the text by their names.
    pub(super) anchors: BTreeMap<String, String>,
    pub(super) dynamic_anchors: Vec<String>,
}

/// A place in a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) document: String,
    pub(super) pointer: String,
}

impl Place {
    pub(super) fn below(&self, tokens: &[&str]) -> Self {
        let mut pointer = self.pointer.clone();
        for token in tokens {
            push_token(&mut pointer, token);
        }
        Self {
            document: self.document.clone(),
            pointer,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}#{}", self.document, encode(&self.pointer))
    }
}

/// What a reference leads to.
pub(super) enum Target {
    Here(Place),
    /// A document that may not be open yet.
    Elsewhere {
        address: String,
        fragment: String,
    },
}

/// The documents read so far.
#[derive(Debug, Default)]
pub(super) struct Documents {
    texts: HashMap<String, Arc<Value>>,
    documents: HashMap<String, Arc<Document>>,
}

impl Documents {
    /// Adds a text under an address.
    pub(super) fn add(&mut self, address: &str, text: Value) {
        self.texts.insert(address.to_owned(), Arc::new(text));
    }

    /// The document at an address that was [opened](Self::open).
    pub(super) fn get(&self, address: &str) -> Arc<Document> {
        Arc::clone(&self.documents[address])
    }

    /// Reads the document at an address, if it is not known yet; `true` if it was not.
    ///
    /// # Errors
    /// Helm's text: it cannot be loaded, or its ids and anchors are wrong.
    pub(super) fn open(&mut self, address: &str) -> Result<bool, String> {
        if self.documents.contains_key(address) {
            return Ok(false);
        }
        let text = self.load(address)?;
        let mut document = Document {
            text: Arc::clone(&text),
            resources: BTreeMap::new(),
            known: HashSet::new(),
        };
        let base = Base {
            address,
            draft: Draft::LATEST,
        };
        self.collect(&mut document, address, &text, "", base)?;
        self.documents
            .insert(address.to_owned(), Arc::new(document));
        Ok(true)
    }

    /// Makes the schema at a place known, if no keyword led to it before; `true` if it was not.
    ///
    /// # Errors
    /// Helm's text: nothing is there, or its ids and anchors are wrong.
    pub(super) fn include(&mut self, place: &Place) -> Result<bool, String> {
        let document = self.get(&place.document);
        if document.known.contains(&place.pointer) {
            return Ok(false);
        }
        let schema = look_up(&document.text, place)?;
        let around = document.resource(&place.pointer);
        let (id, draft) = (around.id.clone(), around.draft);
        let base = Base {
            address: &id,
            draft,
        };
        let mut more = Document::clone(&document);
        self.collect(&mut more, &place.document, schema, &place.pointer, base)?;
        self.documents
            .insert(place.document.clone(), Arc::new(more));
        Ok(true)
    }

    /// What a reference at a place leads to.
    ///
    /// # Errors
    /// Helm's text.
    pub(super) fn resolve(&self, place: &Place, reference: &str) -> Result<Target, String> {
        let here = &self.documents[&place.document];
        let (address, fragment) = join(&here.resource(&place.pointer).id, reference)?;
        let local = if address == place.document {
            here.resources.get("")
        } else {
            here.resources.values().find(|one| one.id == address)
        };
        match local {
            Some(resource) => {
                let place = resource.find(&place.document, &fragment)?;
                Ok(Target::Here(place))
            }
            None => Ok(Target::Elsewhere { address, fragment }),
        }
    }

    /// The place of a fragment in a document that was opened.
    ///
    /// # Errors
    /// Helm's text: no such anchor.
    pub(super) fn fragment(&self, address: &str, fragment: &str) -> Result<Place, String> {
        let document = &self.documents[address];
        document.resource("").find(address, fragment)
    }

    fn load(&mut self, address: &str) -> Result<Arc<Value>, String> {
        if let Some(text) = self.texts.get(address) {
            return Ok(Arc::clone(text));
        }
        let text = match of_a_draft(address) {
            Some(text) => text,
            None => Arc::new(fetch(address)?),
        };
        self.texts.insert(address.to_owned(), Arc::clone(&text));
        Ok(text)
    }

    /// The draft that `$schema` names, through the schemas of schemas on the way.
    fn draft(&mut self, at: &Place, schema: &Value, otherwise: Draft) -> Result<Draft, String> {
        let mut seen = HashSet::new();
        let mut text: Arc<Value>;
        let (mut at, mut schema) = (at.clone(), schema);
        loop {
            let Some(named) = schema.get("$schema").and_then(Value::as_str) else {
                return Ok(otherwise);
            };
            if let Some(draft) = Draft::of_address(named) {
                return Ok(draft);
            }
            let address = split(named).0;
            if let Err(error) = parse_url(address) {
                return Err(format!("invalid $schema in {:?}: {error}", at.to_string()));
            }
            if at.pointer.is_empty() && address == at.document {
                return Err(format!("draft {address:?} is not supported"));
            }
            if !seen.insert(address.to_owned()) {
                return Err(format!("cycle in resolving $schema in {address:?}"));
            }
            let address = address.to_owned();
            text = self.load(&address)?;
            at = Place {
                document: address,
                pointer: String::new(),
            };
            schema = &text;
        }
    }

    fn collect(
        &mut self,
        document: &mut Document,
        address: &str,
        schema: &Value,
        pointer: &str,
        base: Base<'_>,
    ) -> Result<(), String> {
        if document.known.contains(pointer) {
            return Ok(());
        }
        stacker::maybe_grow(256 * 1024, 2 * 1024 * 1024, || {
            self.collect_here(document, address, schema, pointer, base)
        })
    }

    fn collect_here(
        &mut self,
        document: &mut Document,
        address: &str,
        schema: &Value,
        pointer: &str,
        base: Base<'_>,
    ) -> Result<(), String> {
        let resource = |id: &str, draft| Resource {
            place: pointer.to_owned(),
            id: id.to_owned(),
            draft,
            anchors: BTreeMap::new(),
            dynamic_anchors: Vec::new(),
        };
        if !schema.is_object() {
            if pointer.is_empty() {
                let root = resource(base.address, base.draft);
                document.resources.insert(String::new(), root);
            }
            document.known.insert(pointer.to_owned());
            return Ok(());
        }
        let here = Place {
            document: address.to_owned(),
            pointer: pointer.to_owned(),
        };
        let mut names_draft = schema.get("$schema").is_some_and(Value::is_string);
        let mut draft = self.draft(&here, schema, base.draft)?;
        let mut id = draft.id(schema);
        if id.is_none() && !pointer.is_empty() {
            (draft, names_draft) = (base.draft, false);
            id = draft.id(schema);
        }
        let mut around = base.address.to_owned();
        if let Some(id) = id {
            let joined = join(&around, id);
            around = joined
                .map_err(|_| format!("error in parsing id at {:?}", here.to_string()))?
                .0;
        }
        if id.is_some() || pointer.is_empty() {
            let same = document.resources.values().find(|one| one.id == around);
            match same {
                Some(other) if other.place != pointer => {
                    return Err(format!(
                        "duplicate id {around:?} in {address:?} at {pointer:?} and {:?}",
                        other.place
                    ));
                }
                Some(_) => {}
                None => {
                    let draft = if names_draft { draft } else { base.draft };
                    let new = resource(&around, draft);
                    document.resources.insert(pointer.to_owned(), new);
                }
            }
        }
        let mut resources = document.resources.values_mut();
        let Some(own) = resources.find(|one| one.id == around) else {
            return Err(format!("{address:?} has no id at {pointer:?}"));
        };
        own.name(address, schema, pointer)?;
        let own_draft = own.draft;
        let base = Base {
            address: &around,
            draft: own_draft,
        };
        let known = SUBSCHEMAS.iter().filter(|(since, ..)| *since <= draft);
        for (_, keyword, layout) in known {
            let Some(value) = schema.get(keyword) else {
                continue;
            };
            let mut at = pointer.to_owned();
            push_token(&mut at, keyword);
            if matches!(layout, Layout::One | Layout::OneOrEach) {
                self.collect(document, address, value, &at, base)?;
            }
            match (layout, value) {
                (Layout::Named, Value::Object(entries)) => {
                    for (name, entry) in entries {
                        let mut at = at.clone();
                        push_token(&mut at, name);
                        self.collect(document, address, entry, &at, base)?;
                    }
                }
                (Layout::Each | Layout::OneOrEach, Value::Array(items)) => {
                    for (index, item) in items.iter().enumerate() {
                        self.collect(document, address, item, &format!("{at}/{index}"), base)?;
                    }
                }
                _ => {}
            }
        }
        document.known.insert(pointer.to_owned());
        Ok(())
    }
}

/// What a schema takes over from around it.
#[derive(Clone, Copy)]
struct Base<'a> {
    address: &'a str,
    draft: Draft,
}

impl Document {
    /// The resource around a place.
    pub(super) fn resource(&self, pointer: &str) -> &Resource {
        let around = std::iter::successors(Some(pointer), |at| Some(at.rsplit_once('/')?.0));
        let mut around = around.filter_map(|at| self.resources.get(at));
        around.next().unwrap_or_else(|| &self.resources[""])
    }
}

impl Resource {
    /// The place of a fragment of it, in the document of this address.
    fn find(&self, address: &str, fragment: &str) -> Result<Place, String> {
        let pointer = if fragment.is_empty() || fragment.starts_with('/') {
            self.place.clone() + fragment
        } else {
            let place = self.anchors.get(fragment);
            let place = place.ok_or_else(|| {
                format!(
                    "anchor in \"{}#{}\" not found in schema {address:?}",
                    self.id,
                    encode(fragment)
                )
            });
            place?.clone()
        };
        Ok(Place {
            document: address.to_owned(),
            pointer,
        })
    }

    /// Takes down the names that a schema gives itself.
    fn name(&mut self, address: &str, schema: &Value, pointer: &str) -> Result<(), String> {
        let text = |keyword| schema.get(keyword).and_then(Value::as_str);
        if self.draft < Draft::Draft2019 {
            if schema.get("$ref").is_some() {
                return Ok(());
            }
            let Some(id) = text(self.draft.id_keyword()) else {
                return Ok(());
            };
            let fragment = unescape_path(split(id).1).map_err(|_| {
                let at = format!("{address}#{}", encode(pointer));
                format!("error in parsing anchor at {at:?}")
            })?;
            if !fragment.is_empty() && !fragment.starts_with('/') {
                self.add_anchor(address, &fragment, pointer)?;
            }
            return Ok(());
        }
        if let Some(name) = text("$anchor") {
            self.add_anchor(address, name, pointer)?;
        }
        if let Some(name) = text("$dynamicAnchor").filter(|_| self.draft >= Draft::Draft2020) {
            self.add_anchor(address, name, pointer)?;
            self.dynamic_anchors.push(name.to_owned());
        }
        Ok(())
    }

    fn add_anchor(&mut self, address: &str, name: &str, pointer: &str) -> Result<(), String> {
        let known = self.anchors.entry(name.to_owned());
        let place = known.or_insert_with(|| pointer.to_owned());
        if place == pointer {
            Ok(())
        } else {
            Err(format!(
                "duplicate anchor {name:?} in {address:?} at {place:?} and {pointer:?}"
            ))
        }
    }
}

/// What stands at a place.
///
/// # Errors
/// Helm's text: nothing does.
pub(super) fn look_up<'t>(text: &'t Value, place: &Place) -> Result<&'t Value, String> {
    let mut at = text;
    for token in place.pointer.split('/').skip(1) {
        let token = unescape(token)
            .ok_or_else(|| format!("invalid json-pointer {:?}", place.to_string()))?;
        let next = match at {
            Value::Object(entries) => entries.get(&token),
            Value::Array(items) => token.parse().ok().and_then(|index: usize| items.get(index)),
            _ => None,
        };
        at = next.ok_or_else(|| format!("json-pointer in {:?} not found", place.to_string()))?;
    }
    Ok(at)
}

/// The drafts' own schemas and the vocabularies they are made of.
fn of_a_draft(address: &str) -> Option<Arc<Value>> {
    let rest = address
        .strip_prefix("http://json-schema.org/")
        .or_else(|| address.strip_prefix("https://json-schema.org/"))?;
    let text: &Arc<Value> = match rest {
        "draft-04/schema" | "draft-06/schema" | "draft-07/schema" => {
            return Some(Arc::new(as_helm_has_it(rest)));
        }
        "draft/2019-09/schema" => &meta::DRAFT201909,
        "draft/2019-09/meta/applicator" => &meta::DRAFT201909_APPLICATOR,
        "draft/2019-09/meta/content" => &meta::DRAFT201909_CONTENT,
        "draft/2019-09/meta/core" => &meta::DRAFT201909_CORE,
        "draft/2019-09/meta/format" => &meta::DRAFT201909_FORMAT,
        "draft/2019-09/meta/meta-data" => &meta::DRAFT201909_META_DATA,
        "draft/2019-09/meta/validation" => &meta::DRAFT201909_VALIDATION,
        "schema" | "draft/2020-12/schema" => &meta::DRAFT202012,
        "draft/2020-12/meta/applicator" => &meta::DRAFT202012_APPLICATOR,
        "draft/2020-12/meta/content" => &meta::DRAFT202012_CONTENT,
        "draft/2020-12/meta/core" => &meta::DRAFT202012_CORE,
        "draft/2020-12/meta/format-annotation" => &meta::DRAFT202012_FORMAT_ANNOTATION,
        "draft/2020-12/meta/format-assertion" => &meta::DRAFT202012_FORMAT_ASSERTION,
        "draft/2020-12/meta/meta-data" => &meta::DRAFT202012_META_DATA,
        "draft/2020-12/meta/unevaluated" => &meta::DRAFT202012_UNEVALUATED,
        "draft/2020-12/meta/validation" => &meta::DRAFT202012_VALIDATION,
        _ => return None,
    };
    Some(Arc::clone(text))
}

/// The schemas of drafts 4, 6 and 7 in the edition that Helm's validator holds: options are many and
/// each one is different; some other rules are missing.
fn as_helm_has_it(name: &str) -> Value {
    let text = match name {
        "draft-04/schema" => &meta::DRAFT4,
        "draft-06/schema" => &meta::DRAFT6,
        _ => &meta::DRAFT7,
    };
    let mut text = Value::clone(text);
    let properties = &mut text["properties"];
    properties["enum"]["minItems"] = 1.into();
    properties["enum"]["uniqueItems"] = true.into();
    match name {
        "draft-04/schema" => {
            properties["$ref"] = serde_json::json!({"type": "string"});
            properties["$schema"]["format"] = "uri".into();
            text.as_object_mut().map(|keywords| keywords.remove("id"));
        }
        "draft-06/schema" => {
            let names = properties["patternProperties"].as_object_mut();
            names.map(|rules| rules.remove("propertyNames"));
            properties
                .as_object_mut()
                .map(|rules| rules.remove("examples"));
        }
        _ => {}
    }
    text
}

/// What Helm would fetch.
fn fetch(address: &str) -> Result<Value, String> {
    let scheme = address.split_once(':').map_or("", |(scheme, _)| scheme);
    let why = match scheme {
        "urn" => return Ok(Value::Bool(true)),
        "http" | "https" => "a render fetches nothing".to_owned(),
        // A render has no files but the chart's.
        "file" => format!("open {}: no such file or directory", path_of(address)),
        _ => format!("no URLLoader registered for {address:?}"),
    };
    Err(format!("failing loading {address:?}: {why}"))
}

fn path_of(address: &str) -> String {
    parse_url(address).map_or_else(|_| address.to_owned(), |url| url.path().to_owned())
}

/// A reference from a base: the address and the fragment, decoded.
fn join(base: &str, reference: &str) -> Result<(String, String), String> {
    let (address, fragment) = split(reference);
    let refuse = |what: &str, why: String| format!("error in parsing {what:?}: {why}");
    let fragment = unescape_path(fragment).map_err(|why| refuse(reference, why))?;
    if address.is_empty() {
        return Ok((base.to_owned(), fragment));
    }
    parse_url(address).map_err(|why| refuse(address, why))?;
    // A name has no folder to start from.
    let is_name = |address: &str| {
        let after = address.split_once(':').map(|(_, after)| after);
        after.is_some_and(|after| !after.starts_with('/'))
    };
    if is_name(address) {
        return Ok((address.to_owned(), fragment));
    }
    if is_name(base) && !address.contains("://") {
        return Ok((base.to_owned(), fragment));
    }
    let joined = uri::from_str(base).and_then(|base| uri::resolve_against(&base.borrow(), address));
    let joined = joined.map_err(|error| refuse(address, error.to_string()))?;
    Ok((joined.as_str().to_owned(), fragment))
}

/// Before and after the first `#`.
pub(super) fn split(address: &str) -> (&str, &str) {
    address.split_once('#').unwrap_or((address, ""))
}

/// Appends a token to a JSON pointer.
pub(super) fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    for letter in token.chars() {
        match letter {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

pub(super) fn unescape(token: &str) -> Option<String> {
    let mut text = String::new();
    let mut letters = token.chars();
    while let Some(letter) = letters.next() {
        text.push(match letter {
            '~' => match letters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(text)
}

/// Percent-encodes a fragment but for its slashes (Go's `url.PathEscape`).
pub(super) fn encode(fragment: &str) -> String {
    let mut text = String::new();
    for byte in fragment.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~$&+=:@".contains(&byte) {
            text.push(byte.into());
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
