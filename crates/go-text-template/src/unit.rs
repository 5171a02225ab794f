//! [`Unit`]: one parsed text with all its definitions. It is `Send + Sync`, holds no values, and is
//! never changed.
//!
//! Owns the tables its nodes stand in: a text costs a handful of allocations, however many nodes it
//! has.

use std::sync::{Arc, OnceLock};

use crate::node::{
    Branch, BranchAt, CallAt, Command, Expr, Node, Pipe, PipeAt, Places, Span, Target, TemplateCall,
};
use crate::unquote::Number;
use crate::value::Text;

/// One parsed text.
#[derive(Debug)]
pub(crate) struct Unit {
    /// The name it was parsed under; error texts show it.
    pub(crate) name: Arc<str>,
    pub(crate) text: Arc<str>,
    /// The text's own template is the last one.
    pub(crate) definitions: Vec<Definition>,
    pub(crate) tables: Tables,
    /// Where the first execution that is over found each field within its map: where the next ones
    /// look first.
    pub(crate) found: OnceLock<Box<[u32]>>,
}

/// One template.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: Arc<str>,
    pub(crate) body: Places,
    /// Variable slots, `$` included.
    pub(crate) slots: u32,
    /// Whether there is nothing but space: such a definition never replaces another.
    pub(crate) is_empty: bool,
}

/// The content of a string literal.
#[derive(Debug)]
pub(crate) enum Literal {
    /// As in the text.
    Written(Span),
    /// Where it is written otherwise.
    Unquoted(Box<[u8]>),
}

/// The nodes of a text, each kind in a table of its own.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) nodes: Vec<Node>,
    pub(crate) branches: Vec<Branch>,
    pub(crate) calls: Vec<TemplateCall>,
    pub(crate) pipes: Vec<Pipe>,
    pub(crate) targets: Vec<Target>,
    pub(crate) commands: Vec<Command>,
    pub(crate) exprs: Vec<Expr>,
    /// The names of fields.
    pub(crate) fields: Vec<Span>,
    pub(crate) strings: Vec<Literal>,
    pub(crate) numbers: Vec<Number>,
}

/// Adds neighbours to a table.
pub(crate) fn add<T>(table: &mut Vec<T>, items: impl IntoIterator<Item = T>) -> Places {
    let first = table.len() as u32;
    table.extend(items);
    let count = table.len() as u32 - first;
    Places { first, count }
}

/// Adds one entry to a table and returns its place.
pub(crate) fn add_one<T>(table: &mut Vec<T>, item: T) -> u32 {
    table.push(item);
    table.len() as u32 - 1
}

impl Tables {
    #[inline]
    pub(crate) fn nodes(&self, places: Places) -> &[Node] {
        &self.nodes[places.range()]
    }

    #[inline]
    pub(crate) fn branch(&self, at: BranchAt) -> &Branch {
        &self.branches[at.0 as usize]
    }

    #[inline]
    pub(crate) fn call(&self, at: CallAt) -> &TemplateCall {
        &self.calls[at.0 as usize]
    }

    #[inline]
    pub(crate) fn pipe(&self, at: PipeAt) -> &Pipe {
        &self.pipes[at.0 as usize]
    }

    #[inline]
    pub(crate) fn targets(&self, pipe: &Pipe) -> &[Target] {
        &self.targets[pipe.targets.range()]
    }

    #[inline]
    pub(crate) fn commands(&self, pipe: &Pipe) -> &[Command] {
        &self.commands[pipe.commands.range()]
    }

    #[inline]
    pub(crate) fn words(&self, command: &Command) -> &[Expr] {
        &self.exprs[command.words.range()]
    }

    #[inline]
    pub(crate) fn expr(&self, place: u32) -> &Expr {
        &self.exprs[place as usize]
    }

    #[inline]
    pub(crate) fn fields(&self, places: Places) -> &[Span] {
        &self.fields[places.range()]
    }

    #[inline]
    pub(crate) fn number(&self, place: u32) -> &Number {
        &self.numbers[place as usize]
    }

    /// Gives back what the tables have grown in advance.
    pub(crate) fn shrink(&mut self) {
        self.nodes.shrink_to_fit();
        self.branches.shrink_to_fit();
        self.calls.shrink_to_fit();
        self.pipes.shrink_to_fit();
        self.targets.shrink_to_fit();
        self.commands.shrink_to_fit();
        self.exprs.shrink_to_fit();
        self.fields.shrink_to_fit();
        self.strings.shrink_to_fit();
        self.numbers.shrink_to_fit();
    }
}

impl Unit {
    /// The definition of this name.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.definitions
            .iter()
            .position(|definition| *definition.name == *name)
    }

    pub(crate) fn definition(&self, index: usize) -> Option<&Definition> {
        self.definitions.get(index)
    }

    /// The content of a string literal.
    pub(crate) fn string(&self, place: usize) -> Text {
        match &self.tables.strings[place] {
            Literal::Written(span) => Text::from(span.of(&self.text)),
            Literal::Unquoted(content) => Text::from(&**content),
        }
    }
}
