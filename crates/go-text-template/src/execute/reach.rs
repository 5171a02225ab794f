//! What a failing node could see, looked up after the failure: nothing is kept for it before.

use super::{Execution, Observer, Operand, Running};
use crate::error::{Error, ErrorKind};
use crate::node::{At, Branch, Node, Pipe};
use crate::reach::{Reach, Seen};

impl<O: Observer> Execution<'_, O> {
    /// Adds to an error of a running template what its failing node could see, unless a level
    /// further in has said so. `dot` is that of the innermost list of nodes.
    pub(super) fn with_reach(&self, error: Error, running: &Running<'_>, dot: &Operand) -> Error {
        if error.kind() == ErrorKind::Abort || !error.wants_reach() {
            return error;
        }
        let mut way = Way {
            at: running.at.offset(),
            declared: Vec::new(),
            dot: None,
        };
        way.follow(&running.definition.body);
        let source = &*running.loaded.unit.text;
        let text = |pipe: &Pipe| At::Pipe(pipe).text(source);
        let mut variables: Vec<Seen> = Vec::new();
        let root = [("$", 0, None)];
        let declared = way.declared.iter();
        let declared = declared.map(|(name, slot, pipe)| (*name, *slot, Some(*pipe)));
        for (name, slot, pipe) in root.into_iter().chain(declared) {
            if let Some(variable) = self.variables.get(running.base + slot as usize) {
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
    /// Where the failing node is.
    at: u32,
    /// Name, slot and pipeline of what was declared on the way and is still in reach.
    declared: Vec<(&'p str, u32, &'p Pipe)>,
    /// The innermost `with` or `range` around the failing node.
    dot: Option<&'p Pipe>,
}

impl<'p> Way<'p> {
    fn follow(&mut self, nodes: &'p [Node]) {
        let before = |node: &&Node| start(node).is_none_or(|start| start <= self.at);
        let count = nodes.iter().take_while(before).count();
        let Some((last, earlier)) = nodes[..count].split_last() else {
            return;
        };
        for node in earlier {
            if let Node::Action(pipe) = node {
                self.declare(pipe);
            }
        }
        match last {
            Node::If(branch) => self.enter(branch, false),
            Node::With(branch) | Node::Range(branch) => self.enter(branch, true),
            _ => {}
        }
    }

    fn enter(&mut self, branch: &'p Branch, sets_dot: bool) {
        let reached = |nodes: &[Node]| {
            let first = nodes.iter().find_map(start);
            first.is_some_and(|first| first <= self.at)
        };
        let otherwise = branch.otherwise.as_deref().filter(|nodes| reached(nodes));
        let nodes = match otherwise {
            Some(nodes) => nodes,
            None if reached(&branch.body) => &branch.body,
            None => return,
        };
        self.declare(&branch.pipe);
        if sets_dot && otherwise.is_none() {
            self.dot = Some(&branch.pipe);
        }
        crate::stack::grow(|| self.follow(nodes));
    }

    fn declare(&mut self, pipe: &'p Pipe) {
        let targets = pipe.targets.iter().filter(|_| !pipe.assigns);
        for target in targets {
            if let Some(slot) = target.slot {
                self.declared.push((&target.name, slot, pipe));
            }
        }
    }
}

/// Where a node starts, if it has a place.
fn start(node: &Node) -> Option<u32> {
    match node {
        Node::Text { start, .. } => Some(*start),
        Node::Action(pipe) => Some(pipe.at),
        Node::If(branch) | Node::With(branch) | Node::Range(branch) => Some(branch.pipe.at),
        Node::Template(call) => Some(call.at),
        Node::Break | Node::Continue => None,
    }
}
