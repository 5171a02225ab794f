//! The program: parsed templates with variables, functions and constants already resolved, and
//! their text as Go shows it in errors.
//!
//! Owns the nodes. They stand in the tables of their [`Unit`](crate::unit::Unit) and name each other
//! by their places there, and their names by where the text has them: a node owns nothing.

use std::num::NonZeroU32;
use std::ops::Range;

use crate::fmt::quote;
use crate::unit::Tables;

/// A part of the text of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// The part of this text.
    #[inline]
    pub(crate) fn of(self, text: &str) -> &str {
        let range = self.start as usize..self.end as usize;
        text.get(range).unwrap_or_default()
    }
}

/// Neighbours in one of the tables of a unit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Places {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

impl Places {
    pub(crate) fn is_empty(self) -> bool {
        self.count == 0
    }

    #[inline]
    pub(crate) fn range(self) -> Range<usize> {
        self.first as usize..(self.first + self.count) as usize
    }
}

/// A place in the table of pipelines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PipeAt(pub(crate) u32);

/// A place in the table of branches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BranchAt(pub(crate) u32);

/// A place in the table of template calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallAt(pub(crate) u32);

/// The slot of a variable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot(NonZeroU32);

impl Slot {
    /// The slot with this number, from zero.
    pub(crate) fn new(index: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(index))
    }

    #[inline]
    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Node {
    Text { span: Span, blank: bool },
    Action(PipeAt),
    If(BranchAt),
    With(BranchAt),
    Range(BranchAt),
    Template(CallAt),
    Break,
    Continue,
}

/// `if`, `with` and `range`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Branch {
    pub(crate) pipe: PipeAt,
    pub(crate) body: Places,
    pub(crate) otherwise: Option<Places>,
}

#[derive(Debug)]
pub(crate) struct TemplateCall {
    pub(crate) at: u32,
    pub(crate) name: Box<str>,
    pub(crate) pipe: Option<PipeAt>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Pipe {
    pub(crate) at: u32,
    pub(crate) commands: Places,
    pub(crate) targets: Places,
    /// `=` instead of `:=`.
    pub(crate) assigns: bool,
}

/// A variable that a pipeline sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) name: Span,
    /// None if `=` meets a name that was never declared.
    pub(crate) slot: Option<Slot>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    pub(crate) at: u32,
    /// Never empty.
    pub(crate) words: Places,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Expr {
    /// Where an error points: of a chain, its first field.
    pub(crate) at: u32,
    /// The length of the literal, or of the name of the variable or function.
    pub(crate) length: u32,
    pub(crate) kind: ExprKind,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ExprKind {
    Dot,
    Nil,
    Bool(bool),
    /// A place in the table of numbers.
    Number(u32),
    /// A place in the table of strings.
    String(u32),
    Variable {
        slot: Option<Slot>,
        fields: Places,
    },
    Fields(Places),
    Chain {
        /// A place in the table of expressions.
        base: u32,
        fields: Places,
    },
    Pipe(PipeAt),
    Function(Callee),
}

impl Expr {
    /// The literal or the name as it is written, in the text of its unit.
    pub(crate) fn word(self, text: &str) -> &str {
        let start = match self.kind {
            // The name ends where the first field begins.
            ExprKind::Variable { fields, .. } if !fields.is_empty() => self.at - self.length,
            _ => self.at,
        };
        let end = start + self.length;
        Span { start, end }.of(text)
    }
}

/// What an identifier calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callee {
    Builtin(Builtin),
    /// An index into the functions of the set.
    Function(u32),
}

/// Go's own functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    And,
    Or,
    Not,
    Len,
    Index,
    Slice,
    Html,
    Js,
    UrlQuery,
    Print,
    Printf,
    Println,
    Call,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Builtin {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "and" => Self::And,
            "or" => Self::Or,
            "not" => Self::Not,
            "len" => Self::Len,
            "index" => Self::Index,
            "slice" => Self::Slice,
            "html" => Self::Html,
            "js" => Self::Js,
            "urlquery" => Self::UrlQuery,
            "print" => Self::Print,
            "printf" => Self::Printf,
            "println" => Self::Println,
            "call" => Self::Call,
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "lt" => Self::Lt,
            "le" => Self::Le,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            _ => return None,
        })
    }
}

/// A node that an error can point at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At<'p> {
    Start,
    Pipe(&'p Pipe),
    Command(&'p Command),
    Expr(&'p Expr),
    Template(&'p TemplateCall),
}

impl At<'_> {
    /// The byte offset.
    pub(crate) fn offset(self) -> u32 {
        match self {
            Self::Start => 0,
            Self::Pipe(pipe) => pipe.at,
            Self::Command(command) => command.at,
            Self::Expr(expr) => expr.at,
            Self::Template(call) => call.at,
        }
    }

    /// The node's text, spaced as Go spaces it.
    pub(crate) fn text(self, source: &str, tables: &Tables) -> String {
        let mut writer = Writer {
            source,
            tables,
            out: String::new(),
        };
        match self {
            Self::Start => {}
            Self::Pipe(pipe) => writer.pipe(pipe),
            Self::Command(command) => writer.command(command),
            Self::Expr(expr) => writer.expr(expr),
            Self::Template(call) => writer.template(call),
        }
        writer.out
    }
}

struct Writer<'s> {
    source: &'s str,
    tables: &'s Tables,
    out: String,
}

impl Writer<'_> {
    fn template(&mut self, call: &TemplateCall) {
        self.out.push_str("{{template ");
        self.out.push_str(&quote(call.name.as_bytes()));
        if let Some(pipe) = call.pipe {
            self.out.push(' ');
            self.pipe(self.tables.pipe(pipe));
        }
        self.out.push_str("}}");
    }

    fn pipe(&mut self, pipe: &Pipe) {
        let targets = self.tables.targets(pipe);
        for (index, target) in targets.iter().enumerate() {
            if index > 0 {
                self.out.push_str(", ");
            }
            self.out.push_str(target.name.of(self.source));
        }
        if !targets.is_empty() {
            self.out.push_str(if pipe.assigns { " = " } else { " := " });
        }
        for (index, command) in self.tables.commands(pipe).iter().enumerate() {
            if index > 0 {
                self.out.push_str(" | ");
            }
            self.command(command);
        }
    }

    fn command(&mut self, command: &Command) {
        for (index, word) in self.tables.words(command).iter().enumerate() {
            if index > 0 {
                self.out.push(' ');
            }
            if let ExprKind::Pipe(pipe) = word.kind {
                self.parenthesised(pipe);
            } else {
                self.expr(word);
            }
        }
    }

    fn parenthesised(&mut self, pipe: PipeAt) {
        self.out.push('(');
        crate::stack::grow(|| self.pipe(self.tables.pipe(pipe)));
        self.out.push(')');
    }

    fn expr(&mut self, expr: &Expr) {
        match expr.kind {
            ExprKind::Dot => self.out.push('.'),
            ExprKind::Nil => self.out.push_str("nil"),
            ExprKind::Bool(value) => self.out.push_str(if value { "true" } else { "false" }),
            ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Function(_) => {
                self.out.push_str(expr.word(self.source));
            }
            ExprKind::Variable { fields, .. } => {
                self.out.push_str(expr.word(self.source));
                self.fields(fields);
            }
            ExprKind::Fields(fields) => self.fields(fields),
            ExprKind::Chain { base, fields } => {
                let base = self.tables.expr(base);
                if let ExprKind::Pipe(pipe) = base.kind {
                    self.parenthesised(pipe);
                } else {
                    self.expr(base);
                }
                self.fields(fields);
            }
            ExprKind::Pipe(pipe) => crate::stack::grow(|| self.pipe(self.tables.pipe(pipe))),
        }
    }

    fn fields(&mut self, fields: Places) {
        for field in self.tables.fields(fields) {
            self.out.push('.');
            self.out.push_str(field.of(self.source));
        }
    }
}
