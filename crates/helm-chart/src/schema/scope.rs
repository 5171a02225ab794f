//! [`Scope`]: the way from the root of a schema to the one that meets a value.

use super::compiled::{Node, NodeId};
use super::document::push_token;

/// How a schema was reached.
pub(super) struct Scope<'s> {
    pub(super) node: NodeId,
    /// `$ref` and its like; empty for a schema within a schema.
    pub(super) keyword: &'static str,
    /// The same for all schemas that meet the same value.
    pub(super) value: usize,
    pub(super) depth: usize,
    /// How many schemas met the same value before.
    pub(super) before: usize,
    pub(super) parent: Option<&'s Scope<'s>>,
}

impl<'s> Scope<'s> {
    pub(super) fn first(node: NodeId) -> Self {
        Self {
            node,
            keyword: "",
            value: 0,
            depth: 0,
            before: 0,
            parent: None,
        }
    }

    /// Where the same schema met the same value before.
    pub(super) fn cycle(&self) -> Option<&'s Scope<'s>> {
        let scopes = std::iter::successors(self.parent, |scope| scope.parent);
        let mut scopes = scopes.take_while(|scope| scope.value == self.value);
        scopes.find(|scope| scope.node == self.node)
    }

    /// The keywords from the root to here.
    pub(super) fn keywords(&self, nodes: &[Node]) -> String {
        let Some(parent) = self.parent else {
            return String::new();
        };
        let mut text = parent.keywords(nodes);
        if self.keyword.is_empty() {
            let own = &nodes[self.node].location;
            text.push_str(own.get(nodes[parent.node].location.len()..).unwrap_or(own));
        } else {
            push_token(&mut text, self.keyword);
        }
        text
    }
}
