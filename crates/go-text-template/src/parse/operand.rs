//! Operands: literals, variables, fields, functions and parenthesised pipelines.

use std::borrow::Cow;

use super::{Parser, span};
use crate::error::Error;
use crate::fmt::quote;
use crate::lex::{Kind, Token};
use crate::node::{At, Builtin, Callee, Expr, ExprKind, Places, Span};
use crate::unit::{Literal, add_one};
use crate::unquote::{Number, unquote, unquote_char};

impl<'t> Parser<'t> {
    /// A term and the fields that follow it without space; `None` if there is no term.
    pub(super) fn operand(&mut self) -> Result<Option<Expr>, Error> {
        let Some(mut term) = self.term()? else {
            return Ok(None);
        };
        if self.peek() != Kind::Field {
            return Ok(Some(term));
        }
        let at = self.peek_non_space().1;
        let mut fields = Places {
            first: self.tables.fields.len() as u32,
            count: 0,
        };
        while self.peek() == Kind::Field {
            let token = self.next();
            self.field(token);
            fields.count += 1;
        }
        match &mut term.kind {
            ExprKind::Fields(own) => {
                // Its own one was added last before these.
                own.count += fields.count;
                term.at = at;
            }
            ExprKind::Variable { fields: own, .. } => {
                *own = fields;
                term.at = at;
            }
            ExprKind::Pipe(_) | ExprKind::Function(_) => {
                let base = add_one(&mut self.tables.exprs, term);
                term = Expr {
                    at,
                    length: 0,
                    kind: ExprKind::Chain { base, fields },
                };
            }
            _ => {
                let text = At::Expr(&term).text(self.source(), &self.tables);
                return Err(self.error(format!(
                    "unexpected . after term {}",
                    quote(text.as_bytes())
                )));
            }
        }
        Ok(Some(term))
    }

    /// Adds the name of a field.
    fn field(&mut self, token: Token<'t>) -> u32 {
        let name = Span {
            start: token.at + 1,
            ..span(token)
        };
        add_one(&mut self.tables.fields, name)
    }

    fn term(&mut self) -> Result<Option<Expr>, Error> {
        let token = self.next_non_space();
        let kind = match token.kind {
            Kind::Identifier => self.identifier(token)?,
            Kind::Dot => ExprKind::Dot,
            Kind::Nil => ExprKind::Nil,
            Kind::Bool => ExprKind::Bool(token.text == "true"),
            Kind::Variable => self.variable(token)?,
            Kind::Field => ExprKind::Fields(Places {
                first: self.field(token),
                count: 1,
            }),
            Kind::CharConstant | Kind::Complex | Kind::Number => self.number(token)?,
            Kind::String | Kind::RawString => self.string(token)?,
            Kind::LeftParen => {
                let pipe = self
                    .nested(|parser| parser.pipeline("parenthesized pipeline", Kind::RightParen))?;
                return Ok(Some(Expr {
                    at: self.tables.pipe(pipe).at,
                    length: 0,
                    kind: ExprKind::Pipe(pipe),
                }));
            }
            _ => {
                self.push_back(token);
                return Ok(None);
            }
        };
        Ok(Some(Expr {
            at: token.at,
            length: token.text.len() as u32,
            kind,
        }))
    }

    fn identifier(&mut self, token: Token<'t>) -> Result<ExprKind, Error> {
        let name = token.text;
        let callee = match self.functions.index(name) {
            Some(index) => Callee::Function(index),
            None => Builtin::named(name).map(Callee::Builtin).ok_or_else(|| {
                self.error(format!("function {} not defined", quote(name.as_bytes())))
            })?,
        };
        Ok(ExprKind::Function(callee))
    }

    fn variable(&mut self, token: Token<'t>) -> Result<ExprKind, Error> {
        let name = token.text;
        if !self.scope.mentioned.contains(&name) {
            return Err(self.error(format!("undefined variable {}", quote(name.as_bytes()))));
        }
        Ok(ExprKind::Variable {
            slot: self.scope.slot(name),
            fields: Places::default(),
        })
    }

    fn number(&mut self, token: Token<'t>) -> Result<ExprKind, Error> {
        let text = token.text;
        let number = match token.kind {
            Kind::CharConstant => {
                let (character, tail) =
                    unquote_char(&text[1..], '\'').ok_or_else(|| self.error("invalid syntax"))?;
                if tail != "'" {
                    return Err(self.error(format!("malformed character constant: {text}")));
                }
                Ok(Number::of_char(character.code()))
            }
            Kind::Complex => Number::parse_complex(text),
            _ => Number::parse(text),
        };
        let number = number.map_err(|message| self.error(message))?;
        let place = add_one(&mut self.tables.numbers, number);
        Ok(ExprKind::Number(place))
    }

    fn string(&mut self, token: Token<'t>) -> Result<ExprKind, Error> {
        let content = unquote(token.text).ok_or_else(|| self.error("invalid syntax"))?;
        let Span { start, end } = span(token);
        let literal = match content {
            Cow::Borrowed(_) => Literal::Written(Span {
                start: start + 1,
                end: end - 1,
            }),
            Cow::Owned(content) => Literal::Unquoted(content.into()),
        };
        let place = add_one(&mut self.tables.strings, literal);
        Ok(ExprKind::String(place))
    }

    fn source(&self) -> &'t str {
        self.lexer.source()
    }
}
