//! Operands: literals, variables, fields, functions and parenthesised pipelines.

use super::Parser;
use crate::error::Error;
use crate::fmt::quote;
use crate::lex::{Kind, Token};
use crate::node::{Builtin, Callee, Expr, ExprKind, Field};
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
        let mut fields = Vec::new();
        let mut at = None;
        while self.peek() == Kind::Field {
            let token = self.next();
            at.get_or_insert(token.at as u32);
            fields.push(self.field(&token));
        }
        let at = at.unwrap_or(term.at);
        match &mut term.kind {
            ExprKind::Fields(own) | ExprKind::Variable { fields: own, .. } => {
                own.reserve_exact(fields.len());
                own.append(&mut fields);
                term.at = at;
            }
            ExprKind::Pipe(_) | ExprKind::Function { .. } => {
                term = Expr {
                    at,
                    kind: ExprKind::Chain {
                        base: Box::new(term),
                        fields,
                    },
                };
            }
            _ => {
                let text = crate::node::At::Expr(&term).text(self.source());
                return Err(self.error(format!(
                    "unexpected . after term {}",
                    quote(text.as_bytes())
                )));
            }
        }
        Ok(Some(term))
    }

    fn field(&mut self, token: &Token<'t>) -> Field {
        Field {
            name: token.text[1..].into(),
            site: self.site(),
        }
    }

    fn term(&mut self) -> Result<Option<Expr>, Error> {
        let token = self.next_non_space();
        let kind = match token.kind {
            Kind::Identifier => self.identifier(&token)?,
            Kind::Dot => ExprKind::Dot,
            Kind::Nil => ExprKind::Nil,
            Kind::Bool => ExprKind::Bool(token.text == "true"),
            Kind::Variable => self.variable(&token)?,
            Kind::Field => ExprKind::Fields(vec![self.field(&token)]),
            Kind::CharConstant | Kind::Complex | Kind::Number => self.number(&token)?,
            Kind::String | Kind::RawString => self.string(&token)?,
            Kind::LeftParen => {
                let pipe = self
                    .nested(|parser| parser.pipeline("parenthesized pipeline", Kind::RightParen))?;
                return Ok(Some(Expr {
                    at: pipe.at,
                    kind: ExprKind::Pipe(Box::new(pipe)),
                }));
            }
            _ => {
                self.push_back(token);
                return Ok(None);
            }
        };
        Ok(Some(Expr {
            at: token.at as u32,
            kind,
        }))
    }

    fn identifier(&mut self, token: &Token<'t>) -> Result<ExprKind, Error> {
        let name = token.text.as_ref();
        let callee = match self.functions.index(name) {
            Some(index) => Callee::Function(index),
            None => Builtin::named(name).map(Callee::Builtin).ok_or_else(|| {
                self.error(format!("function {} not defined", quote(name.as_bytes())))
            })?,
        };
        Ok(ExprKind::Function {
            name: name.into(),
            callee,
        })
    }

    fn variable(&mut self, token: &Token<'t>) -> Result<ExprKind, Error> {
        let name = token.text.as_ref();
        if !self
            .scope
            .mentioned
            .iter()
            .any(|mentioned| **mentioned == *name)
        {
            return Err(self.error(format!("undefined variable {}", quote(name.as_bytes()))));
        }
        Ok(ExprKind::Variable {
            name: name.into(),
            slot: self.scope.slot(name),
            fields: Vec::new(),
        })
    }

    fn number(&mut self, token: &Token<'t>) -> Result<ExprKind, Error> {
        let text = token.text.as_ref();
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
        Ok(ExprKind::Number {
            number: Box::new(number),
            length: text.len() as u32,
        })
    }

    fn string(&mut self, token: &Token<'t>) -> Result<ExprKind, Error> {
        let content = unquote(&token.text).ok_or_else(|| self.error("invalid syntax"))?;
        self.strings.push(content.into());
        Ok(ExprKind::String {
            index: self.strings.len() as u32 - 1,
            length: token.text.len() as u32,
        })
    }

    fn source(&self) -> &'t str {
        self.lexer.source()
    }
}
