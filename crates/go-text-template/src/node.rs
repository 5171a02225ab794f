//! The program: parsed templates with variables, functions and constants already resolved, and
//! their text as Go shows it in errors.
//!
//! A [`Unit`] is one parsed text with all its definitions. It is `Send + Sync`, holds no values,
//! and is never changed.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::fmt::quote;
use crate::unquote::Number;

/// One parsed text.
#[derive(Debug)]
pub(crate) struct Unit {
    /// The name it was parsed under; error texts show it.
    pub(crate) name: Arc<str>,
    pub(crate) text: Arc<str>,
    /// The text's own template is the last one.
    pub(crate) definitions: Vec<Definition>,
    /// Contents of string literals.
    pub(crate) strings: Vec<Box<[u8]>>,
    /// The number of field look-ups and template calls, each of which has a hint at run time.
    pub(crate) sites: u32,
}

/// One template.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: Arc<str>,
    pub(crate) body: Vec<Node>,
    /// Variable slots, `$` included.
    pub(crate) slots: u32,
}

impl Definition {
    /// Whether there is nothing but space: such a definition never replaces another.
    pub(crate) fn is_empty(&self) -> bool {
        self.body
            .iter()
            .all(|node| matches!(node, Node::Text { blank: true, .. }))
    }
}

#[derive(Debug)]
pub(crate) enum Node {
    Text { start: u32, end: u32, blank: bool },
    Action(Pipe),
    If(Box<Branch>),
    With(Box<Branch>),
    Range(Box<Branch>),
    Template(Box<TemplateCall>),
    Break,
    Continue,
}

/// `if`, `with` and `range`.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) pipe: Pipe,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Option<Vec<Node>>,
}

#[derive(Debug)]
pub(crate) struct TemplateCall {
    pub(crate) at: u32,
    pub(crate) name: Box<str>,
    pub(crate) site: u32,
    pub(crate) pipe: Option<Pipe>,
}

#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) at: u32,
    /// Nearly always one, which then needs no further memory access.
    pub(crate) commands: SmallVec<[Command; 1]>,
    pub(crate) targets: Box<[Target]>,
    /// `=` instead of `:=`.
    pub(crate) assigns: bool,
}

/// A variable that a pipeline sets.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: Box<str>,
    /// None if `=` meets a name that was never declared.
    pub(crate) slot: Option<u32>,
}

#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) at: u32,
    /// Never empty.
    pub(crate) words: Box<[Expr]>,
}

#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) at: u32,
    pub(crate) kind: ExprKind,
}

#[derive(Debug)]
pub(crate) enum ExprKind {
    Dot,
    Nil,
    Bool(bool),
    Number {
        number: Box<Number>,
        length: u32,
    },
    /// An index into the strings of the unit, and the length of the literal.
    String {
        index: u32,
        length: u32,
    },
    Variable {
        name: Box<str>,
        slot: Option<u32>,
        fields: Vec<Field>,
    },
    Fields(Vec<Field>),
    Chain {
        base: Box<Expr>,
        fields: Vec<Field>,
    },
    Pipe(Box<Pipe>),
    Function {
        name: Box<str>,
        callee: Callee,
    },
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: Box<str>,
    pub(crate) site: u32,
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
    pub(crate) fn text(self, source: &str) -> String {
        let mut writer = Writer {
            source,
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
    out: String,
}

impl Writer<'_> {
    fn template(&mut self, call: &TemplateCall) {
        self.out.push_str("{{template ");
        self.out.push_str(&quote(call.name.as_bytes()));
        if let Some(pipe) = &call.pipe {
            self.out.push(' ');
            self.pipe(pipe);
        }
        self.out.push_str("}}");
    }

    fn pipe(&mut self, pipe: &Pipe) {
        for (index, target) in pipe.targets.iter().enumerate() {
            if index > 0 {
                self.out.push_str(", ");
            }
            self.out.push_str(&target.name);
        }
        if !pipe.targets.is_empty() {
            self.out.push_str(if pipe.assigns { " = " } else { " := " });
        }
        for (index, command) in pipe.commands.iter().enumerate() {
            if index > 0 {
                self.out.push_str(" | ");
            }
            self.command(command);
        }
    }

    fn command(&mut self, command: &Command) {
        for (index, word) in command.words.iter().enumerate() {
            if index > 0 {
                self.out.push(' ');
            }
            if let ExprKind::Pipe(pipe) = &word.kind {
                self.parenthesised(pipe);
            } else {
                self.expr(word);
            }
        }
    }

    fn parenthesised(&mut self, pipe: &Pipe) {
        self.out.push('(');
        crate::stack::grow(|| self.pipe(pipe));
        self.out.push(')');
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Dot => self.out.push('.'),
            ExprKind::Nil => self.out.push_str("nil"),
            ExprKind::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            ExprKind::Number { length, .. } | ExprKind::String { length, .. } => {
                let range = expr.at as usize..(expr.at + length) as usize;
                self.out
                    .push_str(self.source.get(range).unwrap_or_default());
            }
            ExprKind::Variable { name, fields, .. } => {
                self.out.push_str(name);
                self.fields(fields);
            }
            ExprKind::Fields(fields) => self.fields(fields),
            ExprKind::Chain { base, fields } => {
                if let ExprKind::Pipe(pipe) = &base.kind {
                    self.parenthesised(pipe);
                } else {
                    self.expr(base);
                }
                self.fields(fields);
            }
            ExprKind::Pipe(pipe) => crate::stack::grow(|| self.pipe(pipe)),
            ExprKind::Function { name, .. } => self.out.push_str(name),
        }
    }

    fn fields(&mut self, fields: &[Field]) {
        for field in fields {
            self.out.push('.');
            self.out.push_str(&field.name);
        }
    }
}
