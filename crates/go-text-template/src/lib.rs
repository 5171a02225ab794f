//! Go's `text/template` in Rust: exact, bounded, and fast enough to render a large Helm chart in
//! milliseconds.
//!
//! "Exact" means Go's: truth, comparison, nil, method calls, number literals, `fmt` verbs, and the
//! text of every error. What Go 1.26 answers to some six thousand templates is checked in this
//! crate's tests.
//!
//! # The three steps
//!
//! 1. [`Functions`] lists what templates may call beside Go's own functions. Each [`Function`] has
//!    Go parameter types, from which Go's type errors follow, and a [`Purity`].
//! 2. [`Templates`] parses texts into a set. Variables become slots, identifiers become functions;
//!    nothing is looked up by name later. A set is `Send + Sync` and never changed by execution.
//! 3. [`Execution`] runs templates of a set over [`Value`]s, with [`Limits`] and with states of the
//!    caller that functions reach through their [`Scope`].
//!
//! ```
//! use go_text_template::{Execution, Function, Functions, Templates, Type, Value};
//!
//! const STRINGS: &[Function] = &[
//!     Function::new("upper", &[Type::String], |_, arguments| {
//!         Ok(arguments[0].to_string().to_uppercase().into())
//!     }),
//! ];
//!
//! let mut templates = Templates::new(Functions::new().with(STRINGS));
//! templates.parse("crew", "{{ range $name, $role := . }}{{ $role | upper }} {{ $name }}\n{{ end }}")?;
//!
//! let crew = Value::map([("Zoe", "pilot"), ("Ada", "engineer")]);
//! let text = Execution::new(&templates).execute("crew", crew)?;
//! assert_eq!(text, "ENGINEER Ada\nPILOT Zoe\n");
//!
//! // Mistakes are reported in Go's words.
//! let error = Execution::new(&templates).execute("crew", Value::map([("Ada", 1_i64)])).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     r#"template: crew:1:40: executing "crew" at <upper>: wrong type for value; expected string; got int"#,
//! );
//! # Ok::<(), go_text_template::Error>(())
//! ```
//!
//! # Values
//!
//! A [`Value`] keeps Go's dynamic types apart (`int`, `int64` and `float64` are three types, and
//! `eq` tells them apart). Lists never change; maps are shared and mutable, as in Go, and iterate in
//! key order. Cloning copies a reference. Values are single-threaded; they live within one call,
//! while the compiled [`Templates`] are shared.
//!
//! # Bounds
//!
//! No input makes this crate panic or overflow the stack: parentheses and blocks nest 1,000 deep,
//! templates as deep as [`Limits`] say, steps and output are counted, values of any depth can be
//! dropped and printed. Exceeding a limit is an [`Error`] of kind [`ErrorKind::Limit`].
//!
//! What functions return is paid for, too (a step for eight bytes of text, or for an item of a
//! list), so that a text that doubles in a loop meets the limit before it fills the memory. Lists
//! and maps that share their parts are printed up to 16 MiB, and `...` from there.
//!
//! # Errors
//!
//! An [`Error`] displays as Go's text. Its [`frames`](Error::frames) are the way through the
//! templates as data: file, line, column, the template executed, the node, the text around it, and
//! what was in reach: `.` and the variables, in short ([`Reach`]). Functions report with
//! [`FunctionError`]; [`FunctionError::Abort`] ends an execution with something for its caller.
//!
//! # Where text comes from
//!
//! An [`Observer`] is told of every statement, read and written text. Without one, an execution is
//! compiled without the calls.
//!
//! # Differences from Go
//!
//! - Delimiters are `{{` and `}}`; missing map keys give the zero value (`missingkey=zero`).
//! - Fewer levels: see above (Go: 10,000 parentheses, 100,000 templates).
//! - `%p` prints a constant address, so that output is reproducible.
//! - Ranging over functions, channels and arrays does not occur, since there are no such values;
//!   complex numbers can be written and printed, not computed with.
//! - Letters and digits of identifiers follow Rust's Unicode tables.

mod error;
mod execute;
pub mod fmt;
mod function;
mod lex;
mod node;
mod parse;
mod reach;
mod stack;
mod templates;
mod unit;
mod unquote;
mod value;

pub use error::{Error, ErrorKind, Frame};
pub use execute::{Execution, Limits, Observer, Place};
pub use function::{Code, Engine, Function, FunctionError, Functions, Purity, Scope};
pub use reach::{Glimpse, Reach, Seen};
pub use templates::{Templates, TextCache};
pub use value::{Entries, Kind, List, ListType, Map, MapType, Object, Text, Type, Value};
