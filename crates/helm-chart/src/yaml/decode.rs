//! Nodes to values: types scalars, follows aliases and merges, turns keys into strings, as
//! go-yaml v2 and sigs.k8s.io/yaml do together. Refuses documents whose aliases explode. What JSON
//! cannot express is judged by [`super::loose`], once the whole document is known to be YAML.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::YamlError;
use super::compose::{Document, Node, NodeId, NodeKind};
use super::loose::{Loose, Scalar};
use super::resolve::{CORE_PREFIX, Resolved, resolve};
use super::scanner::MAX_DEPTH;
use crate::tree::Builder;

type Decode<T> = Result<T, YamlError>;
type Entries<'d, T> = Vec<(Cow<'d, str>, T)>;

/// A place of a node in the decoded tree, told to an observer while decoding.
pub(super) trait Observer {
    fn enter(&mut self, _step: Step<'_>) {}
    fn leave(&mut self) {}
    fn node(&mut self, _node: &Node<'_>) {}
}

/// One step down into the tree.
pub(super) enum Step<'s> {
    Key(&'s str, &'s Node<'s>),
    Index(usize),
}

/// Observes nothing.
pub(super) struct Unobserved;

impl Observer for Unobserved {}

pub(super) struct Decoder<'d, 'a, B: Builder, O: Observer> {
    document: &'d Document<'a>,
    builder: &'d mut B,
    observer: &'d mut O,
    strict: bool,
    decoded: u64,
    from_aliases: u64,
    open_aliases: Vec<NodeId>,
    depth: usize,
    duplicates: Vec<String>,
    /// Something was met that JSON cannot express.
    beyond_json: bool,
}

/// Decodes `document` with `builder`.
pub(super) fn decode<B: Builder, O: Observer>(
    document: &Document<'_>,
    builder: &mut B,
    observer: &mut O,
    strict: bool,
) -> Decode<B::Output> {
    let mut decoder = Decoder {
        document,
        builder,
        observer,
        strict,
        decoded: 0,
        from_aliases: 0,
        open_aliases: Vec::new(),
        depth: 0,
        duplicates: Vec::new(),
        beyond_json: false,
    };
    let value = decoder.value(document.root)?;
    if decoder.duplicates.is_empty() {
        if decoder.beyond_json {
            return decoder.loose(document.root)?.build(decoder.builder);
        }
        return Ok(value);
    }
    let lines = decoder.duplicates.join("\n  ");
    Err(YamlError::syntax(
        format!("unmarshal errors:\n  {lines}"),
        None,
    ))
}

impl<'d, 'a, B: Builder, O: Observer> Decoder<'d, 'a, B, O> {
    fn count(&mut self) -> Decode<()> {
        self.decoded += 1;
        if !self.open_aliases.is_empty() {
            self.from_aliases += 1;
        }
        let excessive = self.from_aliases > 100
            && self.decoded > 1000
            && self.from_aliases as f64 / self.decoded as f64 > allowed_alias_ratio(self.decoded);
        if excessive {
            return Err(YamlError::syntax(
                "document contains excessive aliasing",
                None,
            ));
        }
        Ok(())
    }

    fn value(&mut self, id: NodeId) -> Decode<B::Output> {
        self.count()?;
        let document = self.document;
        let node = &document.nodes[id];
        self.observer.node(node);
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(YamlError::syntax(
                format!("exceeded max depth of {MAX_DEPTH}"),
                Some(node.mark),
            ));
        }
        let value = match &node.kind {
            NodeKind::Scalar { text, implicit } => self.scalar(node, text, *implicit)?,
            NodeKind::Sequence(items) => {
                let mut values = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    self.observer.enter(Step::Index(index));
                    values.push(self.value(*item)?);
                    self.observer.leave();
                }
                self.builder.list(values)
            }
            NodeKind::Mapping(entries) => {
                let mut into = Vec::with_capacity(entries.len());
                self.mapping(entries, &mut into)?;
                self.builder.map(into)
            }
            NodeKind::Alias { name, target } => {
                self.open_alias(name, *target)?;
                let value = self.value(*target)?;
                self.open_aliases.pop();
                value
            }
        };
        self.depth -= 1;
        Ok(value)
    }

    fn open_alias(&mut self, name: &str, target: NodeId) -> Decode<()> {
        if self.open_aliases.contains(&target) {
            let reason = format!("anchor '{name}' value contains itself");
            return Err(YamlError::syntax(
                reason,
                Some(self.document.nodes[target].mark),
            ));
        }
        self.open_aliases.push(target);
        Ok(())
    }

    fn mapping(
        &mut self,
        entries: &'d [(NodeId, NodeId)],
        into: &mut Entries<'d, B::Output>,
    ) -> Decode<()> {
        let document = self.document;
        let mut seen = HashSet::new();
        for (key_id, value_id) in entries {
            let key_node = &document.nodes[*key_id];
            if is_merge(key_node) {
                self.merge(*value_id, into)?;
                continue;
            }
            let Some(key) = self.key(*key_id)? else {
                self.beyond_json = true;
                self.observer.enter(Step::Key("", key_node));
                self.value(*value_id)?;
                self.observer.leave();
                continue;
            };
            self.observer.enter(Step::Key(&key, key_node));
            let value = self.value(*value_id)?;
            self.observer.leave();
            if self.strict && !seen.insert(key.clone()) {
                let line = document.nodes[*value_id].mark.line + 1;
                self.duplicates
                    .push(format!("line {line}: key {key:?} already set in map"));
                continue;
            }
            into.push((key, value));
        }
        Ok(())
    }

    /// A mapping key as the string JSON needs; `None` for one that cannot be a string.
    fn key(&mut self, id: NodeId) -> Decode<Option<Cow<'d, str>>> {
        self.count()?;
        let document = self.document;
        let mut node = &document.nodes[id];
        if let NodeKind::Alias { target, .. } = &node.kind {
            node = &document.nodes[*target];
        }
        let NodeKind::Scalar { text, implicit } = &node.kind else {
            let shape = self.loose(id)?.go_syntax();
            return Err(YamlError::syntax(
                format!("invalid map key: {shape}"),
                Some(node.mark),
            ));
        };
        let scalar = match Self::resolve(node, text, *implicit)? {
            Meaning::Text(text) => return Ok(Some(text)),
            Meaning::Value(value) => plain(value),
        };
        Ok(scalar
            .json_key()
            .ok()
            .map(|key| Cow::Owned(key.into_owned())))
    }

    /// The value as go-yaml decodes it, before it is made fit for JSON.
    fn loose(&mut self, id: NodeId) -> Decode<Loose> {
        self.count()?;
        let document = self.document;
        let node = &document.nodes[id];
        Ok(match &node.kind {
            NodeKind::Scalar { text, implicit } => {
                Loose::Scalar(match Self::resolve(node, text, *implicit)? {
                    Meaning::Text(text) => Scalar::Text(text.into_owned()),
                    Meaning::Value(value) => plain(value),
                })
            }
            NodeKind::Sequence(items) => {
                let items = items.iter().map(|item| self.loose(*item));
                Loose::List(items.collect::<Decode<_>>()?)
            }
            NodeKind::Mapping(entries) => {
                let mut into = BTreeMap::new();
                self.loose_mapping(entries, &mut into)?;
                Loose::Map(into)
            }
            NodeKind::Alias { name, target } => {
                self.open_alias(name, *target)?;
                let value = self.loose(*target)?;
                self.open_aliases.pop();
                value
            }
        })
    }

    fn loose_mapping(
        &mut self,
        entries: &'d [(NodeId, NodeId)],
        into: &mut BTreeMap<Scalar, Loose>,
    ) -> Decode<()> {
        let document = self.document;
        for (key, value) in entries {
            if is_merge(&document.nodes[*key]) {
                let sources = match &document.nodes[*value].kind {
                    NodeKind::Sequence(items) => items.iter().rev().copied().collect(),
                    _ => vec![*value],
                };
                for source in sources {
                    if let Loose::Map(merged) = self.loose(source)? {
                        into.extend(merged);
                    }
                }
                continue;
            }
            match self.loose(*key)? {
                Loose::Scalar(key) => into.insert(key, self.loose(*value)?),
                shape => {
                    return Err(YamlError::syntax(
                        format!("invalid map key: {}", shape.go_syntax()),
                        Some(document.nodes[*key].mark),
                    ));
                }
            };
        }
        Ok(())
    }

    fn merge(&mut self, id: NodeId, into: &mut Entries<'d, B::Output>) -> Decode<()> {
        let document = self.document;
        match &document.nodes[id].kind {
            NodeKind::Sequence(items) => {
                // Backwards, because earlier mappings win.
                for item in items.iter().rev() {
                    self.merge_one(*item, into)?;
                }
                Ok(())
            }
            _ => self.merge_one(id, into),
        }
    }

    fn merge_one(&mut self, id: NodeId, into: &mut Entries<'d, B::Output>) -> Decode<()> {
        self.count()?;
        let document = self.document;
        let (name, target) = match &document.nodes[id].kind {
            NodeKind::Alias { name, target } => (Some(*name), *target),
            _ => (None, id),
        };
        let NodeKind::Mapping(entries) = &document.nodes[target].kind else {
            let reason = "map merge requires map or sequence of maps as the value";
            return Err(YamlError::syntax(reason, Some(document.nodes[id].mark)));
        };
        let Some(name) = name else {
            return self.mapping(entries, into);
        };
        self.open_alias(name, target)?;
        self.mapping(entries, into)?;
        self.open_aliases.pop();
        Ok(())
    }

    fn scalar(&mut self, node: &'d Node<'a>, text: &'d str, implicit: bool) -> Decode<B::Output> {
        Ok(match Self::resolve(node, text, implicit)? {
            Meaning::Text(text) => self.builder.string(text),
            Meaning::Value(Resolved::Bool(value)) => self.builder.boolean(value),
            Meaning::Value(Resolved::Int(value)) => self.builder.int(value),
            Meaning::Value(Resolved::Uint(value)) => self.builder.uint(value),
            Meaning::Value(Resolved::Float(value)) => {
                self.beyond_json |= !value.is_finite();
                self.builder
                    .float(if value.is_finite() { value } else { 0.0 })
            }
            Meaning::Value(_) => self.builder.null(),
        })
    }

    fn resolve(node: &Node<'_>, text: &'d str, implicit: bool) -> Decode<Meaning<'d>> {
        let Some(tag) = node.tag.as_deref() else {
            return Ok(if implicit {
                Meaning::of(text, resolve(text))
            } else {
                Meaning::Text(text.into())
            });
        };
        let Some(kind) = tag.strip_prefix(CORE_PREFIX) else {
            return Ok(Meaning::Text(text.into()));
        };
        let resolved = resolve(text);
        let fits = match kind {
            "binary" => return binary(text),
            "null" => resolved == Resolved::Null,
            "bool" => matches!(resolved, Resolved::Bool(_)),
            "int" => matches!(resolved, Resolved::Int(_) | Resolved::Uint(_)),
            "float" => {
                if let Resolved::Int(value) = resolved {
                    return Ok(Meaning::Value(Resolved::Float(value as f64)));
                }
                matches!(resolved, Resolved::Float(_))
            }
            "timestamp" => resolved == Resolved::Timestamp,
            _ => return Ok(Meaning::Text(text.into())),
        };
        if fits {
            return Ok(Meaning::of(text, resolved));
        }
        let found = match resolved {
            Resolved::Null => "!!null",
            Resolved::Bool(_) => "!!bool",
            Resolved::Int(_) | Resolved::Uint(_) => "!!int",
            Resolved::Float(_) => "!!float",
            Resolved::Timestamp | Resolved::Merge | Resolved::Text => "!!str",
        };
        Err(YamlError::syntax(
            format!("cannot decode {found} `{text}` as a !!{kind}"),
            Some(node.mark),
        ))
    }
}

enum Meaning<'d> {
    Text(Cow<'d, str>),
    Value(Resolved),
}

impl<'d> Meaning<'d> {
    fn of(text: &'d str, resolved: Resolved) -> Self {
        match resolved {
            Resolved::Text | Resolved::Timestamp | Resolved::Merge => Self::Text(text.into()),
            other => Self::Value(other),
        }
    }
}

fn plain(value: Resolved) -> Scalar {
    match value {
        Resolved::Bool(value) => Scalar::Bool(value),
        Resolved::Int(value) => Scalar::Int(value),
        Resolved::Uint(value) => Scalar::Uint(value),
        Resolved::Float(value) => Scalar::Float(value),
        _ => Scalar::Null,
    }
}

fn binary<'d>(text: &str) -> Decode<Meaning<'d>> {
    let compact: String = text
        .chars()
        .filter(|character| !matches!(character, '\r' | '\n'))
        .collect();
    match STANDARD.decode(compact) {
        Ok(bytes) => Ok(Meaning::Text(Cow::Owned(
            go_text_template::Text::from(bytes).to_str().into_owned(),
        ))),
        Err(_) => Err(YamlError::syntax(
            "!!binary value contains invalid base64 data",
            None,
        )),
    }
}

fn is_merge(node: &Node<'_>) -> bool {
    match &node.kind {
        NodeKind::Scalar { text, implicit } => {
            text == "<<"
                && (*implicit
                    || node
                        .tag
                        .as_deref()
                        .and_then(|tag| tag.strip_prefix(CORE_PREFIX))
                        == Some("merge"))
        }
        _ => false,
    }
}

/// The share of decoded nodes that may come from aliases, falling from 99 % to 10 % as documents
/// grow (go-yaml v2.4).
fn allowed_alias_ratio(decoded: u64) -> f64 {
    const LOW: u64 = 400_000;
    const HIGH: u64 = 4_000_000;
    match decoded {
        ..=LOW => 0.99,
        HIGH.. => 0.10,
        _ => 0.99 - 0.89 * ((decoded - LOW) as f64 / (HIGH - LOW) as f64),
    }
}
