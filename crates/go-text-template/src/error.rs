//! [`Error`]: what went wrong in a template, where, and through which templates it was reached.
//!
//! Owns the structure and Go's raw text. Other renderings (Helm's, for one) are made from the
//! parts by those who need them.

use std::any::Any;
use std::fmt::{self, Display, Formatter};

use miette::Diagnostic;
use thiserror::Error as ThisError;

/// A failure to parse or to execute a template.
///
/// Displays as Go's own text, with the whole chain of templates it went through.
#[derive(Debug, Diagnostic, ThisError)]
#[error("{}", GoText(.inner))]
#[diagnostic(code(go_text_template::error))]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    /// Innermost first.
    frames: Vec<Frame>,
    reason: Option<String>,
    payload: Option<Box<dyn Any + Send + Sync>>,
}

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is not a template.
    Parse,
    /// There is no template of the wanted name.
    Missing,
    /// The executor refused a node: a type, a missing argument, a field of nil.
    Execute,
    /// A function returned an error.
    Function,
    /// The template author called `fail`.
    Fail,
    /// The template author called `required` on a missing value.
    Required,
    /// A budget is spent: steps, output or depth.
    Limit,
    /// A function ended the execution; see [`Error::into_payload`].
    Abort,
}

/// One level of the way to a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The name the text was parsed under, usually a path; empty if there is no place.
    pub file: String,
    /// The line, from 1; 0 if there is no place.
    pub line: u32,
    /// The byte column, from 0, of the failing node; none for parse errors.
    pub column: Option<u32>,
    /// The template being executed; none for parse errors.
    pub executing: Option<String>,
    /// The failing node as Go prints it.
    pub node: String,
    /// What happened. On the outer levels it ends where the next level's text begins.
    pub message: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, frame: Frame) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                frames: vec![frame],
                reason: None,
                payload: None,
            }),
        }
    }

    pub(crate) fn with_reason(mut self, reason: String) -> Self {
        self.inner.reason = Some(reason);
        self
    }

    pub(crate) fn with_payload(mut self, payload: Box<dyn Any + Send + Sync>) -> Self {
        self.inner.payload = Some(payload);
        self
    }

    /// Adds the level that reached this failure.
    pub(crate) fn within(mut self, frame: Frame) -> Self {
        self.inner.frames.push(frame);
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The way to the failure, outermost template first.
    pub fn frames(&self) -> impl DoubleEndedIterator<Item = &Frame> + ExactSizeIterator {
        self.inner.frames.iter().rev()
    }

    /// The message of the innermost level alone.
    pub fn message(&self) -> &str {
        self.inner.frames.first().map_or("", |frame| &frame.message)
    }

    /// What the failing function itself said; otherwise the same as [`Error::message`].
    pub fn reason(&self) -> &str {
        self.inner
            .reason
            .as_deref()
            .unwrap_or_else(|| self.message())
    }

    /// What a function that ended the execution left for its caller.
    ///
    /// # Errors
    /// Returns the error itself if it carries nothing of type `T`.
    pub fn into_payload<T: Any>(mut self) -> Result<Box<T>, Self> {
        match self.inner.payload.take() {
            Some(payload) => match payload.downcast::<T>() {
                Ok(payload) => Ok(payload),
                Err(payload) => {
                    self.inner.payload = Some(payload);
                    Err(self)
                }
            },
            None => Err(self),
        }
    }
}

struct GoText<'a>(&'a Inner);

impl Display for GoText<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.0
            .frames
            .iter()
            .rev()
            .try_for_each(|frame| Display::fmt(frame, out))
    }
}

/// Go's text for this level alone.
impl Display for Frame {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(out, "template: {}:{}:", self.file, self.line)?;
            if let Some(column) = self.column {
                write!(out, "{column}:")?;
            }
            if let Some(executing) = &self.executing {
                let executing = crate::fmt::quote(executing.as_bytes());
                write!(out, " executing {executing} at <{}>:", self.node)?;
            }
            out.write_str(" ")?;
        }
        out.write_str(&self.message)
    }
}
