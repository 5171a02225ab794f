//! What a failing node could see, looked up after the failure: nothing is kept for it before.

use super::{Execution, Observer, Operand, Running};
use crate::error::{Error, ErrorKind};
use crate::node::{At, Branch, Node, Pipe, Places};
use crate::reach::{Reach, Seen};
use crate::unit::Tables;

impl<O: Observer> Execution<'_, O> {
    /// Adds to an error of a running template what its failing node could see, unless a level
    /// further in has said so. `dot` is that of the innermost list of nodes.
    pub(super) fn with_reach(&self, error: Error, running: &Running<'_>, dot: &Operand) -> Error {
        if error.kind() == ErrorKind::Abort || !error.wants_reach() {
            return error;
        }
        let mut way = Way {
            source: running.source(),
            tables: running.tables(),
            at: running.at.offset(),
            declared: Vec::new(),
            dot: None,
        };
        way.follow(running.definition.body);
        let text = |pipe: &Pipe| running.text_of(At::Pipe(pipe));
        let mut variables: Vec<Seen> = Vec::new();
        let root = [("$", 0_usize, None)];
        let declared = way.declared.iter();
        let declared = declared.map(|(name, slot, pipe)| (*name, *slot, Some(*pipe)));
        for (name, slot, pipe) in root.into_iter().chain(declared) {
            if let Some(variable) = self.variables.get(running.base + slot) {
                variables.retain(|hidden| hidden.name != name);
                let pipeline = pipe.map(text).unwrap_or_default();
                variables.push(Seen::new(name, pipeline, &variable.value));
            }
        }
        let pipeline = way.dot.map(text).unwrap_or_default();
        let dot = Seen::new(".", pipeline, &dot.value);
        error.with_reach(Reach { dot, variables })
    }
}

/// The way through the nodes of a template to the failing one.
struct Way<'p> {
    source: &'p str,
    tables: &'p Tables,
    /// Where the failing node is.
    at: u32,
    /// Name, slot and pipeline of what was declared on the way and is still in reach.
    declared: Vec<(&'p str, usize, &'p Pipe)>,
    /// The innermost `with` or `range` around the failing node.
    dot: Option<&'p Pipe>,
}

impl<'p> Way<'p> {
    fn follow(&mut self, nodes: Places) {
        let tables = self.tables;
        let nodes = tables.nodes(nodes);
        let before = |node: &&Node| self.start(node).is_none_or(|start| start <= self.at);
        let count = nodes.iter().take_while(before).count();
        let Some((last, earlier)) = nodes[..count].split_last() else {
            return;
        };
        for node in earlier {
            if let Node::Action(pipe) = *node {
                self.declare(tables.pipe(pipe));
            }
        }
        match *last {
            Node::If(branch) => self.enter(tables.branch(branch), false),
            Node::With(branch) | Node::Range(branch) => self.enter(tables.branch(branch), true),
            _ => {}
        }
    }

    fn enter(&mut self, branch: &'p Branch, sets_dot: bool) {
        let reached = |nodes: Places| {
            let mut nodes = self.tables.nodes(nodes).iter();
            let first = nodes.find_map(|node| self.start(node));
            first.is_some_and(|first| first <= self.at)
        };
        let otherwise = branch.otherwise.filter(|nodes| reached(*nodes));
        let nodes = match otherwise {
            Some(nodes) => nodes,
            None if reached(branch.body) => branch.body,
            None => return,
        };
        let pipe = self.tables.pipe(branch.pipe);
        self.declare(pipe);
        if sets_dot && otherwise.is_none() {
            self.dot = Some(pipe);
        }
        crate::stack::grow(|| self.follow(nodes));
    }

    fn declare(&mut self, pipe: &'p Pipe) {
        if pipe.assigns {
            return;
        }
        for target in self.tables.targets(pipe) {
            if let Some(slot) = target.slot {
                let name = target.name.of(self.source);
                self.declared.push((name, slot.index(), pipe));
            }
        }
    }

    /// Where a node starts, if it has a place.
    fn start(&self, node: &Node) -> Option<u32> {
        let tables = self.tables;
        match *node {
            Node::Text { span, .. } => Some(span.start),
            Node::Action(pipe) => Some(tables.pipe(pipe).at),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                Some(tables.pipe(tables.branch(branch).pipe).at)
            }
            Node::Template(call) => Some(tables.call(call).at),
            Node::Break | Node::Continue => None,
        }
    }
}
