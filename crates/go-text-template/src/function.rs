//! Functions a template can call: their names, Go parameter types, purity and code, and what a
//! running function may ask of the execution it runs in.
//!
//! Owns the table and the calling convention. Refuses the functions themselves: Go's own are part
//! of the executor, everything else comes from the user of this crate.

mod error;
mod scope;
mod table;

pub use error::FunctionError;
pub use scope::{Engine, Scope};
pub use table::Functions;

use crate::value::{Type, Value};

/// The code of a function.
///
/// The arguments have been checked against the declared parameter types: a [`Type::String`]
/// parameter holds a [`Value::String`], and so on. For a method, `arguments[0]` is the receiver.
pub type Code = fn(&mut Scope<'_>, &[Value]) -> Result<Value, FunctionError>;

/// A named function with Go parameter types, from which Go's type errors follow.
///
/// ```
/// use go_text_template::{Function, Purity, Type, Value};
///
/// const SHOUT: Function = Function::new("shout", &[Type::String], |_, arguments| {
///     Ok(format!("{}!", arguments[0]).into())
/// });
/// const SUM: Function = Function::variadic("sum", &[Type::Int], |_, arguments| {
///     Ok(Value::Int(arguments.iter().filter_map(Value::as_i64).sum()))
/// });
/// assert_eq!((SHOUT.name(), SUM.purity()), ("shout", Purity::Pure));
/// ```
#[derive(Clone, Copy)]
pub struct Function {
    name: &'static str,
    parameters: &'static [Type],
    variadic: bool,
    purity: Purity,
    code: Code,
}

/// What a function's result depends on, beside its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Purity {
    /// On nothing.
    Pure,
    /// It changes one of its arguments (`set`, `merge`).
    Mutates,
    /// On the templates it runs (`include`, `tpl`).
    Runs,
    /// On the clock.
    Clock,
    /// On random bytes.
    Random,
    /// On the cluster or the network.
    World,
}

impl Function {
    /// A pure function that takes exactly these parameters.
    pub const fn new(name: &'static str, parameters: &'static [Type], code: Code) -> Self {
        Self {
            name,
            parameters,
            variadic: false,
            purity: Purity::Pure,
            code,
        }
    }

    /// A pure function whose last parameter may be given any number of times, or not at all.
    pub const fn variadic(name: &'static str, parameters: &'static [Type], code: Code) -> Self {
        Self {
            name,
            parameters,
            variadic: true,
            purity: Purity::Pure,
            code,
        }
    }

    /// The same function with another purity.
    #[must_use]
    pub const fn with_purity(self, purity: Purity) -> Self {
        Self { purity, ..self }
    }

    /// The same function under another name.
    #[must_use]
    pub const fn with_name(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// The name in templates.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The parameter types; of a variadic function, the last is that of each further argument.
    pub const fn parameters(&self) -> &'static [Type] {
        self.parameters
    }

    /// Whether the last parameter repeats.
    pub const fn is_variadic(&self) -> bool {
        self.variadic
    }

    /// What the result depends on.
    pub const fn purity(&self) -> Purity {
        self.purity
    }

    /// Runs the code. The caller has checked the arguments; an [`Execution`](crate::Execution) always does.
    ///
    /// # Errors
    /// Whatever the function reports.
    pub fn call(&self, scope: &mut Scope<'_>, arguments: &[Value]) -> Result<Value, FunctionError> {
        (self.code)(scope, arguments)
    }

    /// The type of the argument at this place, `None` beyond the last.
    pub(crate) fn parameter(&self, index: usize) -> Option<Type> {
        match self.parameters.get(index) {
            Some(parameter) => Some(*parameter),
            None if self.variadic => self.parameters.last().copied(),
            None => None,
        }
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "func {}(", self.name)?;
        for (index, parameter) in self.parameters.iter().enumerate() {
            let dots = if self.variadic && index + 1 == self.parameters.len() {
                "..."
            } else {
                ""
            };
            write!(
                out,
                "{}{dots}{}",
                if index == 0 { "" } else { ", " },
                parameter.name()
            )?;
        }
        write!(out, ") {:?}", self.purity)
    }
}
