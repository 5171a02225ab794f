//! Tokens to nodes: owns the grammar of YAML 1.1 documents and go-yaml v2's complaints about it.
//! Refuses to interpret scalars; that is `resolve` and `decode`.

use std::borrow::Cow;
use std::collections::HashMap;

use super::YamlError;
use super::error::Origin;
use super::scanner::{MAX_DEPTH, Mark, ScalarStyle, Scanner, TokenKind};

/// Index of a node in its [`Document`].
pub(super) type NodeId = usize;

#[derive(Debug)]
pub(super) enum NodeKind<'a> {
    /// A scalar; `implicit` when its text alone decides its type.
    Scalar {
        text: Cow<'a, str>,
        implicit: bool,
    },
    Sequence(Vec<NodeId>),
    /// Keys and values in turn.
    Mapping(Vec<(NodeId, NodeId)>),
    Alias {
        name: &'a str,
        target: NodeId,
    },
}

#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) kind: NodeKind<'a>,
    pub(super) tag: Option<String>,
    pub(super) mark: Mark,
}

/// One document as a graph of nodes; `root` is absent in an empty stream.
#[derive(Debug, Default)]
pub(super) struct Document<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) root: NodeId,
}

/// Reads the documents of a stream one after the other.
pub(super) struct Composer<'a> {
    scanner: Scanner<'a>,
    nodes: Vec<Node<'a>>,
    anchors: HashMap<&'a str, NodeId>,
    tag_directives: Vec<(String, String)>,
    depth: usize,
    first: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// In block context; an entry may start a sequence without indentation.
    BlockIndentless,
    Block,
    Flow,
}

type Compose<T> = Result<T, YamlError>;

impl<'a> Composer<'a> {
    pub(super) fn new(text: &'a str) -> Compose<Self> {
        Ok(Self {
            scanner: Scanner::new(text)?,
            nodes: Vec::new(),
            anchors: HashMap::new(),
            tag_directives: Vec::new(),
            depth: 0,
            first: true,
        })
    }

    fn peek(&mut self) -> Compose<&TokenKind<'a>> {
        Ok(&self.scanner.peek()?.kind)
    }

    fn mark(&mut self) -> Compose<Mark> {
        Ok(self.scanner.peek()?.start)
    }

    fn skip(&mut self) -> Compose<()> {
        self.scanner.take().map(drop)
    }

    fn fail<T>(&mut self, context: Option<Mark>, problem: &str) -> Compose<T> {
        let mark = self.mark()?;
        Err(YamlError::located(
            problem.to_owned(),
            Origin::Parser,
            context,
            mark,
        ))
    }

    /// The next document, or `None` at the end of the stream.
    pub(super) fn next_document(&mut self) -> Compose<Option<Document<'a>>> {
        let implicit_allowed = std::mem::replace(&mut self.first, false);
        if !implicit_allowed {
            while matches!(self.peek()?, TokenKind::DocumentEnd) {
                self.skip()?;
            }
        }
        self.anchors.clear();
        self.tag_directives.clear();
        let explicit = match self.peek()? {
            TokenKind::StreamEnd => return Ok(None),
            TokenKind::Version(..) | TokenKind::TagDirective { .. } | TokenKind::DocumentStart => {
                true
            }
            _ => !implicit_allowed,
        };
        self.directives()?;
        if explicit {
            if !matches!(self.peek()?, TokenKind::DocumentStart) {
                return self.fail(None, "did not find expected <document start>");
            }
            self.skip()?;
        }
        let root = match self.peek()? {
            TokenKind::Version(..)
            | TokenKind::TagDirective { .. }
            | TokenKind::DocumentStart
            | TokenKind::DocumentEnd
            | TokenKind::StreamEnd
                if explicit =>
            {
                self.empty_scalar()?
            }
            _ => self.node(Place::Block)?,
        };
        if matches!(self.peek()?, TokenKind::DocumentEnd) {
            self.skip()?;
        }
        Ok(Some(Document {
            nodes: std::mem::take(&mut self.nodes),
            root,
        }))
    }

    fn directives(&mut self) -> Compose<()> {
        let mut version_seen = false;
        loop {
            match self.peek()? {
                TokenKind::Version(major, minor) => {
                    let supported = (*major, *minor) == (1, 1);
                    if version_seen {
                        return self.fail(None, "found duplicate %YAML directive");
                    }
                    if !supported {
                        return self.fail(None, "found incompatible YAML document");
                    }
                    version_seen = true;
                }
                TokenKind::TagDirective { handle, prefix } => {
                    let directive = ((*handle).to_owned(), prefix.clone());
                    if self
                        .tag_directives
                        .iter()
                        .any(|(known, _)| *known == directive.0)
                    {
                        return self.fail(None, "found duplicate %TAG directive");
                    }
                    self.tag_directives.push(directive);
                }
                _ => return Ok(()),
            }
            self.skip()?;
        }
    }

    fn add(&mut self, kind: NodeKind<'a>, tag: Option<String>, mark: Mark) -> NodeId {
        self.nodes.push(Node { kind, tag, mark });
        self.nodes.len() - 1
    }

    fn empty_scalar(&mut self) -> Compose<NodeId> {
        let mark = self.mark()?;
        Ok(self.empty_scalar_at(mark))
    }

    fn empty_scalar_at(&mut self, mark: Mark) -> NodeId {
        self.add(
            NodeKind::Scalar {
                text: Cow::Borrowed(""),
                implicit: true,
            },
            None,
            mark,
        )
    }

    fn node(&mut self, place: Place) -> Compose<NodeId> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail(None, &format!("exceeded max depth of {MAX_DEPTH}"));
        }
        let node = self.node_within(place);
        self.depth -= 1;
        node
    }

    fn node_within(&mut self, place: Place) -> Compose<NodeId> {
        let start = self.mark()?;
        if let TokenKind::Alias(name) = *self.peek()? {
            self.skip()?;
            let Some(target) = self.anchors.get(name).copied() else {
                return Err(YamlError::syntax(
                    format!("unknown anchor '{name}' referenced"),
                    Some(start),
                ));
            };
            return Ok(self.add(NodeKind::Alias { name, target }, None, start));
        }
        let (anchor, tag) = self.properties(start)?;
        let id = match self.peek()? {
            TokenKind::BlockEntry if place == Place::BlockIndentless => {
                self.collection(anchor, tag, start, Self::indentless_sequence)?
            }
            TokenKind::Scalar(..) => self.scalar(anchor, tag, start)?,
            TokenKind::FlowSequenceStart => {
                self.collection(anchor, tag, start, Self::flow_sequence)?
            }
            TokenKind::FlowMappingStart => {
                self.collection(anchor, tag, start, Self::flow_mapping)?
            }
            TokenKind::BlockSequenceStart if place != Place::Flow => {
                self.collection(anchor, tag, start, Self::block_sequence)?
            }
            TokenKind::BlockMappingStart if place != Place::Flow => {
                self.collection(anchor, tag, start, Self::block_mapping)?
            }
            _ if anchor.is_some() || tag.is_some() => {
                let implicit = tag.is_none();
                let kind = NodeKind::Scalar {
                    text: Cow::Borrowed(""),
                    implicit,
                };
                let id = self.add(kind, tag, start);
                self.define(anchor, id);
                id
            }
            _ => return self.fail(Some(start), "did not find expected node content"),
        };
        Ok(id)
    }

    fn define(&mut self, anchor: Option<&'a str>, id: NodeId) {
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
    }

    /// An anchor and a tag, in either order, each at most once.
    fn properties(&mut self, start: Mark) -> Compose<(Option<&'a str>, Option<String>)> {
        let mut anchor = None;
        let mut tag = None;
        loop {
            match self.peek()? {
                TokenKind::Anchor(name) if anchor.is_none() => {
                    anchor = Some(*name);
                    self.skip()?;
                }
                TokenKind::Tag { handle, suffix } if tag.is_none() => {
                    let (handle, suffix) = (handle.clone(), suffix.clone());
                    tag = Some(self.resolve_tag(&handle, suffix, start)?);
                    self.skip()?;
                }
                _ => return Ok((anchor, tag.filter(|tag| !tag.is_empty()))),
            }
        }
    }

    fn resolve_tag(&mut self, handle: &str, suffix: String, start: Mark) -> Compose<String> {
        if handle.is_empty() {
            return Ok(suffix);
        }
        let declared = self
            .tag_directives
            .iter()
            .find(|(known, _)| known == handle);
        let prefix = match (declared, handle) {
            (Some((_, prefix)), _) => prefix.as_str(),
            (None, "!") => "!",
            (None, "!!") => super::resolve::CORE_PREFIX,
            _ => return self.fail(Some(start), "found undefined tag handle"),
        };
        Ok(format!("{prefix}{suffix}"))
    }

    fn scalar(
        &mut self,
        anchor: Option<&'a str>,
        tag: Option<String>,
        start: Mark,
    ) -> Compose<NodeId> {
        let token = self.scanner.take()?;
        let TokenKind::Scalar(text, style) = token.kind else {
            return Ok(self.empty_scalar_at(start));
        };
        let implicit = match tag.as_deref() {
            None => style == ScalarStyle::Plain,
            Some(tag) => tag == "!",
        };
        let id = self.add(NodeKind::Scalar { text, implicit }, tag, start);
        self.define(anchor, id);
        Ok(id)
    }

    fn collection(
        &mut self,
        anchor: Option<&'a str>,
        tag: Option<String>,
        start: Mark,
        body: fn(&mut Self, Mark) -> Compose<NodeKind<'a>>,
    ) -> Compose<NodeId> {
        // The node exists before its children, so that an alias inside can refer to it.
        let id = self.add(NodeKind::Sequence(Vec::new()), tag, start);
        self.define(anchor, id);
        let mark = self.mark()?;
        let kind = body(self, mark)?;
        self.nodes[id].kind = kind;
        Ok(id)
    }

    fn block_sequence(&mut self, context: Mark) -> Compose<NodeKind<'a>> {
        self.skip()?;
        let mut items = Vec::new();
        loop {
            match self.peek()? {
                TokenKind::BlockEntry => {
                    let mark = self.mark()?;
                    self.skip()?;
                    items.push(match self.peek()? {
                        TokenKind::BlockEntry | TokenKind::BlockEnd => self.empty_scalar_at(mark),
                        _ => self.node(Place::Block)?,
                    });
                }
                TokenKind::BlockEnd => {
                    self.skip()?;
                    return Ok(NodeKind::Sequence(items));
                }
                _ => return self.fail(Some(context), "did not find expected '-' indicator"),
            }
        }
    }

    fn indentless_sequence(&mut self, _: Mark) -> Compose<NodeKind<'a>> {
        let mut items = Vec::new();
        while matches!(self.peek()?, TokenKind::BlockEntry) {
            let mark = self.mark()?;
            self.skip()?;
            items.push(match self.peek()? {
                TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {
                    self.empty_scalar_at(mark)
                }
                _ => self.node(Place::Block)?,
            });
        }
        Ok(NodeKind::Sequence(items))
    }

    fn block_mapping(&mut self, context: Mark) -> Compose<NodeKind<'a>> {
        self.skip()?;
        let mut entries = Vec::new();
        loop {
            let mark = self.mark()?;
            let key = match self.peek()? {
                TokenKind::Key => {
                    self.skip()?;
                    self.block_mapping_part(mark)?
                }
                TokenKind::BlockEnd => {
                    self.skip()?;
                    return Ok(NodeKind::Mapping(entries));
                }
                _ => return self.fail(Some(context), "did not find expected key"),
            };
            let mark = self.mark()?;
            let value = if matches!(self.peek()?, TokenKind::Value) {
                self.skip()?;
                self.block_mapping_part(mark)?
            } else {
                self.empty_scalar_at(mark)
            };
            entries.push((key, value));
        }
    }

    fn block_mapping_part(&mut self, mark: Mark) -> Compose<NodeId> {
        match self.peek()? {
            TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {
                Ok(self.empty_scalar_at(mark))
            }
            _ => self.node(Place::BlockIndentless),
        }
    }

    fn flow_sequence(&mut self, context: Mark) -> Compose<NodeKind<'a>> {
        self.skip()?;
        let mut items = Vec::new();
        loop {
            if !items.is_empty() && !matches!(self.peek()?, TokenKind::FlowSequenceEnd) {
                if !matches!(self.peek()?, TokenKind::FlowEntry) {
                    return self.fail(Some(context), "did not find expected ',' or ']'");
                }
                self.skip()?;
            }
            match self.peek()? {
                TokenKind::FlowSequenceEnd => {
                    self.skip()?;
                    return Ok(NodeKind::Sequence(items));
                }
                TokenKind::Key => items.push(self.single_pair()?),
                _ => items.push(self.node(Place::Flow)?),
            }
        }
    }

    /// `key: value` as an item of a flow sequence, a mapping of one entry.
    fn single_pair(&mut self) -> Compose<NodeId> {
        let start = self.mark()?;
        self.skip()?;
        let mark = self.mark()?;
        let key = match self.peek()? {
            TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowSequenceEnd => {
                // go-yaml skips the token here, whatever it is.
                self.skip()?;
                self.empty_scalar_at(mark)
            }
            _ => self.node(Place::Flow)?,
        };
        let mark = self.mark()?;
        let mut value = None;
        if matches!(self.peek()?, TokenKind::Value) {
            self.skip()?;
            if !matches!(
                self.peek()?,
                TokenKind::FlowEntry | TokenKind::FlowSequenceEnd
            ) {
                value = Some(self.node(Place::Flow)?);
            }
        }
        let value = value.unwrap_or_else(|| self.empty_scalar_at(mark));
        Ok(self.add(NodeKind::Mapping(vec![(key, value)]), None, start))
    }

    fn flow_mapping(&mut self, context: Mark) -> Compose<NodeKind<'a>> {
        self.skip()?;
        let mut entries = Vec::new();
        loop {
            if !entries.is_empty() && !matches!(self.peek()?, TokenKind::FlowMappingEnd) {
                if !matches!(self.peek()?, TokenKind::FlowEntry) {
                    return self.fail(Some(context), "did not find expected ',' or '}'");
                }
                self.skip()?;
            }
            let mark = self.mark()?;
            match self.peek()? {
                TokenKind::FlowMappingEnd => {
                    self.skip()?;
                    return Ok(NodeKind::Mapping(entries));
                }
                TokenKind::Key => {
                    self.skip()?;
                    let key = match self.peek()? {
                        TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowMappingEnd => {
                            self.empty_scalar_at(mark)
                        }
                        _ => self.node(Place::Flow)?,
                    };
                    let value = self.flow_mapping_value()?;
                    entries.push((key, value));
                }
                _ => {
                    let key = self.node(Place::Flow)?;
                    let value = self.empty_scalar()?;
                    entries.push((key, value));
                }
            }
        }
    }

    fn flow_mapping_value(&mut self) -> Compose<NodeId> {
        let mark = self.mark()?;
        if matches!(self.peek()?, TokenKind::Value) {
            self.skip()?;
            if !matches!(
                self.peek()?,
                TokenKind::FlowEntry | TokenKind::FlowMappingEnd
            ) {
                return self.node(Place::Flow);
            }
        }
        Ok(self.empty_scalar_at(mark))
    }
}
