//! The parser: tokens into a [`Unit`], with Go's complaints about what is not a template.
//!
//! Variables become slots and identifiers become functions here, so that execution looks nothing
//! up by name.

mod operand;

use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Frame};
use crate::fmt::quote;
use crate::function::Functions;
use crate::lex::{Keywords, Kind, Lexer, Token};
use crate::node::{
    Branch, BranchAt, CallAt, Command, Expr, ExprKind, Node, Pipe, PipeAt, Places, Slot, Span,
    Target, TemplateCall,
};
use crate::unit::{Definition, Tables, Unit, add, add_one};
use crate::unquote::unquote;

/// Blocks and parentheses may nest this deeply; Go allows 10,000 parentheses.
const MAX_NESTING: u32 = 1000;

/// Parses a text. The template of its own name comes last among the definitions.
pub(crate) fn parse(name: &str, text: Arc<str>, functions: &Functions) -> Result<Unit, Error> {
    let keywords = Keywords {
        break_: functions.index("break").is_none(),
        continue_: functions.index("continue").is_none(),
    };
    if u32::try_from(text.len()).is_err() {
        return Err(complaint(name, 1, "the text is larger than 4 GiB"));
    }
    let (definitions, tables) = Parser::new(name, &text, functions, keywords)
        .all()
        .map_err(|error| error.with_text(Arc::clone(&text)))?;
    Ok(Unit {
        name: name.into(),
        text,
        definitions,
        tables,
        found: OnceLock::new(),
    })
}

fn complaint(name: &str, line: u32, message: &str) -> Error {
    let frame = Frame {
        file: name.to_owned(),
        line,
        message: message.to_owned(),
        ..Frame::default()
    };
    Error::new(ErrorKind::Parse, frame)
}

struct Parser<'t> {
    name: &'t str,
    functions: &'t Functions,
    lexer: Lexer<'t>,
    /// Tokens to read again, the next one last.
    pushed: SmallVec<[Token<'t>; 4]>,
    /// The line of the token read last from the lexer.
    line: u32,
    action_line: u32,
    nesting: u32,
    scope: Scope<'t>,
    definitions: Vec<Definition>,
    tables: Tables,
}

/// The variables in reach, within one definition.
struct Scope<'t> {
    /// Declared variables; the position is the slot.
    declared: Vec<&'t str>,
    /// Every name a declaration or an assignment mentioned: what Go's parser accepts.
    mentioned: Vec<&'t str>,
    slots: u32,
    ranges: u32,
}

impl<'t> Scope<'t> {
    fn new() -> Self {
        Self {
            declared: vec!["$"],
            mentioned: vec!["$"],
            slots: 1,
            ranges: 0,
        }
    }

    fn declare(&mut self, name: &'t str) -> Slot {
        let slot = Slot::new(add_one(&mut self.declared, name));
        self.slots = self.slots.max(self.declared.len() as u32);
        slot
    }

    fn slot(&self, name: &str) -> Option<Slot> {
        let index = self.declared.iter().rposition(|known| *known == name);
        index.map(|index| Slot::new(index as u32))
    }
}

/// What ended a list of nodes.
enum Ending {
    End,
    Else,
}

impl Ending {
    fn text(&self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

/// What one action turned out to be.
enum Item {
    Node(Node),
    Ending(Ending),
}

impl<'t> Parser<'t> {
    fn new(name: &'t str, text: &'t str, functions: &'t Functions, keywords: Keywords) -> Self {
        Self {
            name,
            functions,
            lexer: Lexer::new(text, keywords),
            pushed: SmallVec::new(),
            line: 1,
            action_line: 0,
            nesting: 0,
            scope: Scope::new(),
            definitions: Vec::new(),
            tables: Tables::default(),
        }
    }

    /// Reads the text to its end.
    fn all(mut self) -> Result<(Vec<Definition>, Tables), Error> {
        let body = self.top_level()?;
        self.define(self.name, body)?;
        self.definitions.shrink_to_fit();
        self.tables.shrink();
        Ok((self.definitions, self.tables))
    }

    // Tokens.

    fn next(&mut self) -> Token<'t> {
        self.pushed.pop().unwrap_or_else(|| {
            let token = self.lexer.next();
            self.line = token.line;
            token
        })
    }

    fn push_back(&mut self, token: Token<'t>) {
        self.pushed.push(token);
    }

    fn peek(&mut self) -> Kind {
        let token = self.next();
        let kind = token.kind;
        self.push_back(token);
        kind
    }

    fn next_non_space(&mut self) -> Token<'t> {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> (Kind, u32) {
        let token = self.next_non_space();
        let seen = (token.kind, token.at);
        self.push_back(token);
        seen
    }

    fn error(&self, message: impl AsRef<str>) -> Error {
        complaint(self.name, self.line, message.as_ref())
    }

    fn unexpected(&self, token: Token<'t>, context: &str) -> Error {
        if token.kind != Kind::Error {
            return self.error(format!("unexpected {} in {context}", token.describe()));
        }
        let complaint = self.lexer.complaint();
        if self.action_line == 0 || self.action_line == token.line {
            return self.error(complaint);
        }
        let link = if complaint.ends_with(" action") {
            ""
        } else {
            " in action"
        };
        self.error(format!(
            "{complaint}{link} started at {}:{}",
            self.name, self.action_line
        ))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token<'t>, Error> {
        let token = self.next_non_space();
        if token.kind == kind {
            Ok(token)
        } else {
            Err(self.unexpected(token, context))
        }
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.nesting == MAX_NESTING {
            return Err(self.error("max expression depth exceeded"));
        }
        self.nesting += 1;
        let parsed = crate::stack::grow(|| parse(self));
        self.nesting -= 1;
        parsed
    }

    // Lists.

    fn top_level(&mut self) -> Result<Places, Error> {
        let mut body = Vec::new();
        loop {
            match self.peek() {
                Kind::Eof => return Ok(add(&mut self.tables.nodes, body)),
                Kind::LeftDelimiter => {
                    let delimiter = self.next();
                    let word = self.next_non_space();
                    if word.kind == Kind::Define {
                        self.definition()?;
                        continue;
                    }
                    self.push_back(word);
                    self.push_back(delimiter);
                }
                _ => {}
            }
            match self.text_or_action()? {
                Item::Node(node) => body.push(node),
                Item::Ending(ending) => {
                    return Err(self.error(format!("unexpected {}", ending.text())));
                }
            }
        }
    }

    fn definition(&mut self) -> Result<(), Error> {
        const CONTEXT: &str = "define clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        self.expect(Kind::RightDelimiter, CONTEXT)?;
        self.body_of(&name, CONTEXT)
    }

    /// The rest of a `define` or `block`, in a scope of its own.
    fn body_of(&mut self, name: &str, context: &str) -> Result<(), Error> {
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        let (body, ending) = self.list()?;
        if let Ending::Else = ending {
            return Err(self.error(format!("unexpected {} in {context}", ending.text())));
        }
        self.define(name, body)?;
        self.scope = outer;
        Ok(())
    }

    fn define(&mut self, name: &str, body: Places) -> Result<(), Error> {
        let mut nodes = self.tables.nodes(body).iter();
        let definition = Definition {
            name: name.into(),
            body,
            slots: self.scope.slots,
            is_empty: nodes.all(|node| matches!(node, Node::Text { blank: true, .. })),
        };
        match self
            .definitions
            .iter()
            .position(|existing| *existing.name == *name)
        {
            Some(index) if self.definitions[index].is_empty => {
                self.definitions.remove(index);
                self.definitions.push(definition);
            }
            Some(_) if !definition.is_empty => {
                let name = quote(name.as_bytes());
                return Err(self.error(format!("template: multiple definition of template {name}")));
            }
            Some(index) => {
                // An empty one changes nothing, but the text's own template stays the last.
                let existing = self.definitions.remove(index);
                self.definitions.push(existing);
            }
            None => self.definitions.push(definition),
        }
        Ok(())
    }

    fn list(&mut self) -> Result<(Places, Ending), Error> {
        let mut nodes: SmallVec<[Node; 8]> = SmallVec::new();
        while self.peek_non_space().0 != Kind::Eof {
            match self.text_or_action()? {
                Item::Node(node) => nodes.push(node),
                Item::Ending(ending) => {
                    return Ok((add(&mut self.tables.nodes, nodes), ending));
                }
            }
        }
        Err(self.error("unexpected EOF"))
    }

    fn text_or_action(&mut self) -> Result<Item, Error> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text {
                span: span(token),
                blank: token.text.trim().is_empty(),
            })),
            Kind::LeftDelimiter => {
                self.action_line = token.line;
                let item = self.nested(Self::action)?;
                self.action_line = 0;
                Ok(item)
            }
            _ => Err(self.unexpected(token, "input")),
        }
    }

    // Actions.

    fn action(&mut self) -> Result<Item, Error> {
        let token = self.next_non_space();
        Ok(Item::Node(match token.kind {
            Kind::Else => return self.else_control().map(Item::Ending),
            Kind::End => {
                self.expect(Kind::RightDelimiter, "end")?;
                return Ok(Item::Ending(Ending::End));
            }
            Kind::Block => self.block()?,
            Kind::Break => self.jump("{{break}}", Node::Break)?,
            Kind::Continue => self.jump("{{continue}}", Node::Continue)?,
            Kind::If => Node::If(self.control("if")?),
            Kind::Range => Node::Range(self.control("range")?),
            Kind::With => Node::With(self.control("with")?),
            Kind::Template => self.template()?,
            _ => {
                self.push_back(token);
                Node::Action(self.pipeline("command", Kind::RightDelimiter)?)
            }
        }))
    }

    fn jump(&mut self, text: &str, node: Node) -> Result<Node, Error> {
        let token = self.next_non_space();
        if token.kind != Kind::RightDelimiter {
            return Err(self.unexpected(token, text));
        }
        if self.scope.ranges == 0 {
            return Err(self.error(format!("{text} outside {{{{range}}}}")));
        }
        Ok(node)
    }

    fn else_control(&mut self) -> Result<Ending, Error> {
        if !matches!(self.peek_non_space().0, Kind::If | Kind::With) {
            self.expect(Kind::RightDelimiter, "else")?;
        }
        Ok(Ending::Else)
    }

    fn control(&mut self, context: &str) -> Result<BranchAt, Error> {
        let (declared, mentioned) = (self.scope.declared.len(), self.scope.mentioned.len());
        let pipe = self.pipeline(context, Kind::RightDelimiter)?;
        let is_range = u32::from(context == "range");
        self.scope.ranges += is_range;
        let (body, ending) = self.list()?;
        self.scope.ranges -= is_range;
        let otherwise = match ending {
            Ending::End => None,
            Ending::Else => Some(self.otherwise(context)?),
        };
        self.scope.declared.truncate(declared);
        self.scope.mentioned.truncate(mentioned);
        let branch = Branch {
            pipe,
            body,
            otherwise,
        };
        Ok(BranchAt(add_one(&mut self.tables.branches, branch)))
    }

    /// What follows `else`: a list, or one more `if` or `with` that shares the `end`.
    fn otherwise(&mut self, context: &str) -> Result<Places, Error> {
        let chained = match (context, self.peek()) {
            ("if", Kind::If) => Some("if"),
            ("with", Kind::With) => Some("with"),
            _ => None,
        };
        if let Some(context) = chained {
            self.next();
            let branch = self.nested(|parser| parser.control(context))?;
            let node = if context == "if" {
                Node::If(branch)
            } else {
                Node::With(branch)
            };
            return Ok(add(&mut self.tables.nodes, [node]));
        }
        let (nodes, ending) = self.list()?;
        match ending {
            Ending::End => Ok(nodes),
            Ending::Else => Err(self.error(format!("expected end; found {}", ending.text()))),
        }
    }

    fn block(&mut self) -> Result<Node, Error> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelimiter)?;
        self.body_of(&name, CONTEXT)?;
        Ok(self.template_call(token, &name, Some(pipe)))
    }

    fn template(&mut self) -> Result<Node, Error> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let next = self.next_non_space();
        let pipe = if next.kind == Kind::RightDelimiter {
            None
        } else {
            self.push_back(next);
            Some(self.pipeline(CONTEXT, Kind::RightDelimiter)?)
        };
        Ok(self.template_call(token, &name, pipe))
    }

    fn template_call(&mut self, token: Token<'t>, name: &str, pipe: Option<PipeAt>) -> Node {
        let call = TemplateCall {
            at: token.at,
            name: name.into(),
            pipe,
        };
        Node::Template(CallAt(add_one(&mut self.tables.calls, call)))
    }

    fn template_name(&mut self, token: Token<'t>, context: &str) -> Result<String, Error> {
        if !matches!(token.kind, Kind::String | Kind::RawString) {
            return Err(self.unexpected(token, context));
        }
        let name = unquote(token.text).ok_or_else(|| self.error("invalid syntax"))?;
        Ok(String::from_utf8_lossy(&name).into_owned())
    }

    // Pipelines.

    fn pipeline(&mut self, context: &str, end: Kind) -> Result<PipeAt, Error> {
        let (_, at) = self.peek_non_space();
        let (names, assigns) = self.declarations(context)?;
        let mut commands: SmallVec<[Command; 4]> = SmallVec::new();
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.push_back(token);
                    commands.push(self.command()?);
                }
                _ => return Err(self.unexpected(token, context)),
            }
        }
        self.check_pipeline(&commands, context)?;
        let commands = add(&mut self.tables.commands, commands);
        // Only now: the right side of `$x := $x` means the outer variable.
        let scope = &mut self.scope;
        let targets = names.into_iter().map(|name| Target {
            name: span(name),
            slot: if assigns {
                scope.slot(name.text)
            } else {
                Some(scope.declare(name.text))
            },
        });
        let pipe = Pipe {
            at,
            commands,
            targets: add(&mut self.tables.targets, targets),
            assigns,
        };
        Ok(PipeAt(add_one(&mut self.tables.pipes, pipe)))
    }

    fn declarations(&mut self, context: &str) -> Result<(Names<'t>, bool), Error> {
        let mut names = Names::new();
        while self.peek_non_space().0 == Kind::Variable {
            let variable = self.next_non_space();
            let after = self.next();
            let next = if after.kind == Kind::Space {
                self.next_non_space()
            } else {
                after
            };
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    self.mention(variable, &mut names);
                    return Ok((names, next.kind == Kind::Assign));
                }
                Kind::Char if next.text == "," => {
                    self.mention(variable, &mut names);
                    if context != "range" || names.len() >= 2 {
                        return Err(self.error(format!("too many declarations in {context}")));
                    }
                    match self.peek_non_space().0 {
                        Kind::Variable | Kind::RightDelimiter | Kind::RightParen => {}
                        _ => return Err(self.error("range can only initialize variables")),
                    }
                }
                _ => {
                    self.push_back(next);
                    if after.kind == Kind::Space {
                        self.push_back(after);
                    }
                    self.push_back(variable);
                    break;
                }
            }
        }
        Ok((names, false))
    }

    fn mention(&mut self, variable: Token<'t>, names: &mut Names<'t>) {
        self.scope.mentioned.push(variable.text);
        names.push(variable);
    }

    fn check_pipeline(&self, commands: &[Command], context: &str) -> Result<(), Error> {
        if commands.is_empty() {
            return Err(self.error(format!("missing value for {context}")));
        }
        for (index, command) in commands.iter().enumerate().skip(1) {
            if let ExprKind::Bool(_)
            | ExprKind::Dot
            | ExprKind::Nil
            | ExprKind::Number(_)
            | ExprKind::String(_) = self.tables.words(command)[0].kind
            {
                return Err(self.error(format!(
                    "non executable command in pipeline stage {}",
                    index + 1
                )));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Result<Command, Error> {
        let (_, at) = self.peek_non_space();
        let mut words: SmallVec<[Expr; 4]> = SmallVec::new();
        loop {
            if let Some(word) = self.operand()? {
                words.push(word);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => {}
                Kind::Pipe => break,
                Kind::RightDelimiter | Kind::RightParen => {
                    self.push_back(token);
                    break;
                }
                _ => return Err(self.unexpected(token, "operand")),
            }
        }
        if words.is_empty() {
            return Err(self.error("empty command"));
        }
        let words = add(&mut self.tables.exprs, words);
        Ok(Command { at, words })
    }
}

/// The variables a pipeline sets.
type Names<'t> = SmallVec<[Token<'t>; 2]>;

fn span(token: Token<'_>) -> Span {
    Span {
        start: token.at,
        end: token.at + token.text.len() as u32,
    }
}
