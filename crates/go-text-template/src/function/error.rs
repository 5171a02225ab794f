//! [`FunctionError`]: how a function reports that it cannot answer.

use std::any::Any;

use crate::error::Error;

/// Why a function returned no value.
///
/// ```
/// use go_text_template::FunctionError;
///
/// let error = FunctionError::new("division by zero");
/// assert_eq!(error.to_string(), "division by zero");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum FunctionError {
    /// A plain error; the template error reads `error calling NAME: MESSAGE`.
    Message(String),
    /// The template author called `fail`.
    Fail(String),
    /// The template author called `required` on a missing value.
    Required(String),
    /// A template run by this function failed; `prefix` goes before the text of the cause.
    Template {
        /// Text before the cause, possibly empty.
        prefix: String,
        /// The failure inside.
        cause: Box<Error>,
    },
    /// The whole execution ends, with something for its caller to act upon.
    Abort(Box<dyn Any + Send + Sync>),
}

impl FunctionError {
    /// A plain error.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Message(message.into())
    }
}

impl std::fmt::Display for FunctionError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message(message) | Self::Fail(message) | Self::Required(message) => {
                out.write_str(message)
            }
            Self::Template { prefix, cause } => write!(out, "{prefix}{cause}"),
            Self::Abort(_) => out.write_str("execution stopped"),
        }
    }
}

impl From<String> for FunctionError {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

impl From<&str> for FunctionError {
    fn from(message: &str) -> Self {
        Self::Message(message.to_owned())
    }
}

impl From<Error> for FunctionError {
    fn from(cause: Error) -> Self {
        Self::Template {
            prefix: String::new(),
            cause: Box::new(cause),
        }
    }
}
