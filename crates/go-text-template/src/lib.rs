//! Go's text/template: lexer, parser, program and execution over a shared mutable value.

mod error;
mod execute;
pub mod fmt;
mod function;
mod lex;
mod node;
mod parse;
mod stack;
mod templates;
mod unquote;
mod value;

pub use error::{Error, ErrorKind, Frame};
pub use execute::{Execution, Limits};
pub use function::{Code, Engine, Function, FunctionError, Functions, Purity, Scope};
pub use templates::{Templates, TextCache};
pub use value::{Entries, Kind, List, ListType, Map, MapType, Object, Text, Type, Value};
