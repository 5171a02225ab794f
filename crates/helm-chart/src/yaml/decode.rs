//! Nodes to values: types scalars, follows aliases and merges, turns keys into strings, as
//! go-yaml v2 and sigs.k8s.io/yaml do together. Refuses documents whose aliases explode.

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::YamlError;
use super::compose::{Document, Node, NodeId, NodeKind};
use super::resolve::{CORE_PREFIX, Resolved, resolve};
use super::scanner::MAX_DEPTH;
use crate::number::{write_go_float, write_go_float32};
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
    };
    let value = decoder.value(document.root)?;
    if decoder.duplicates.is_empty() {
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
            let key = self.key(*key_id, *value_id)?;
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

    /// A mapping key as the string JSON needs.
    fn key(&mut self, id: NodeId, value: NodeId) -> Decode<Cow<'d, str>> {
        self.count()?;
        let document = self.document;
        let mut node = &document.nodes[id];
        if let NodeKind::Alias { target, .. } = &node.kind {
            node = &document.nodes[*target];
        }
        let NodeKind::Scalar { text, implicit } = &node.kind else {
            let shape = self.go_syntax(id)?;
            return Err(YamlError::syntax(
                format!("invalid map key: {shape}"),
                Some(node.mark),
            ));
        };
        let go_type = match Self::resolve(node, text, *implicit)? {
            Meaning::Text(text) => return Ok(text),
            Meaning::Value(Resolved::Bool(value)) => {
                return Ok(Cow::Borrowed(if value { "true" } else { "false" }));
            }
            Meaning::Value(Resolved::Int(value)) => return Ok(Cow::Owned(value.to_string())),
            Meaning::Value(Resolved::Float(value)) => {
                let mut key = String::new();
                match (value.is_nan(), value.is_infinite()) {
                    (true, _) => key.push_str(".nan"),
                    (_, true) => key.push_str(if value > 0.0 { ".inf" } else { "-.inf" }),
                    _ => write_go_float32(&mut key, value),
                }
                return Ok(Cow::Owned(key));
            }
            Meaning::Value(Resolved::Uint(value)) => format!("uint64, key: {value:#x}"),
            Meaning::Value(_) => "%!s(<nil>), key: <nil>".to_owned(),
        };
        let mut value = self.go_syntax(value)?;
        if value == "interface {}(nil)" {
            "<nil>".clone_into(&mut value);
        }
        Err(YamlError::unrepresentable(format!(
            "unsupported map key of type: {go_type}, value: {value}"
        )))
    }

    /// A value as Go's `%#v` shows it inside a container.
    fn go_syntax(&mut self, id: NodeId) -> Decode<String> {
        self.count()?;
        let document = self.document;
        let node = &document.nodes[id];
        Ok(match &node.kind {
            NodeKind::Scalar { text, implicit } => match Self::resolve(node, text, *implicit)? {
                Meaning::Text(text) => go_text_template::fmt::quote(text.as_bytes()),
                Meaning::Value(Resolved::Bool(value)) => value.to_string(),
                Meaning::Value(Resolved::Int(value)) => value.to_string(),
                Meaning::Value(Resolved::Uint(value)) => format!("{value:#x}"),
                Meaning::Value(Resolved::Float(value)) => {
                    let mut text = String::new();
                    write_go_float(&mut text, value);
                    text
                }
                Meaning::Value(_) => "interface {}(nil)".to_owned(),
            },
            NodeKind::Sequence(items) => {
                let mut shown = Vec::with_capacity(items.len());
                for item in items {
                    shown.push(self.go_syntax(*item)?);
                }
                format!("[]interface {{}}{{{}}}", shown.join(", "))
            }
            NodeKind::Mapping(entries) => {
                let mut shown = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let (key, value) = (self.go_syntax(*key)?, self.go_syntax(*value)?);
                    shown.push(format!("{key}:{value}"));
                }
                shown.sort_unstable();
                format!("map[interface {{}}]interface {{}}{{{}}}", shown.join(", "))
            }
            NodeKind::Alias { name, target } => {
                self.open_alias(name, *target)?;
                let shown = self.go_syntax(*target)?;
                self.open_aliases.pop();
                shown
            }
        })
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
                if !value.is_finite() {
                    let mut reason = "json: unsupported value: ".to_owned();
                    write_go_float(&mut reason, value);
                    return Err(YamlError::unrepresentable(reason));
                }
                self.builder.float(value)
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

fn binary<'d>(text: &str) -> Decode<Meaning<'d>> {
    let compact: String = text
        .chars()
        .filter(|character| !matches!(character, '\r' | '\n'))
        .collect();
    match STANDARD.decode(compact) {
        Ok(bytes) => Ok(Meaning::Text(Cow::Owned(
            String::from_utf8_lossy(&bytes).into_owned(),
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
