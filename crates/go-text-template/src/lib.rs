//! Go's text/template: lexer, parser, program and execution over a shared mutable value.

mod error;
pub mod fmt;
mod function;
mod stack;
mod value;

pub use error::{Error, ErrorKind, Frame};
pub use function::{Code, Engine, Function, FunctionError, Functions, Purity, Scope};
pub use value::{Entries, Kind, List, ListType, Map, MapType, Object, Text, Type, Value};
