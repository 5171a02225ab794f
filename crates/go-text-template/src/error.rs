//! [`Error`]: what went wrong in a template, where, and through which templates it was reached.
//!
//! Owns the structure and Go's raw text. Other renderings (Helm's, for one) are made from the
//! parts by those who need them.

use std::any::Any;
use std::fmt::{self, Debug, Display, Formatter};
use std::sync::Arc;

use miette::SpanContents;
use miette::{Diagnostic, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan};
use thiserror::Error as ThisError;

use crate::reach::Reach;

/// A failure to parse or to execute a template.
///
/// Displays as Go's own text, with the whole chain of templates it went through.
/// As a [`Diagnostic`] it points at the failing node of the innermost template.
#[derive(Debug, ThisError)]
#[error("{}", GoText(.inner))]
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
    /// What the failing node could see; none for parse errors, and beyond the sixteen innermost
    /// levels.
    pub reach: Option<Reach>,
    pub(crate) text: Source,
}

/// The text a template was parsed from; `Debug` shows its length alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Source(pub(crate) Option<Arc<str>>);

impl Debug for Source {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} bytes",
            self.0.as_ref().map_or(0, |text| text.len())
        )
    }
}

impl Frame {
    /// The whole text this was parsed from: of a file, or what a function such as `tpl` was given.
    /// None if there is no place.
    pub fn text(&self) -> Option<&Arc<str>> {
        self.text.0.as_ref()
    }

    /// The failing line of [`Frame::text`].
    pub fn line_text(&self) -> Option<&str> {
        self.text()?
            .lines()
            .nth((self.line as usize).checked_sub(1)?)
    }

    /// Forgets [`Frame::text`], for those who must not show it.
    pub fn hide_text(&mut self) {
        self.text = Source::default();
    }

    /// The byte of [`Frame::text`] where the failing node begins, or the failing line if there is no
    /// column.
    pub fn offset(&self) -> Option<usize> {
        let (text, line) = (self.text()?, (self.line as usize).checked_sub(1)?);
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        Some(start + self.column.unwrap_or_default() as usize)
    }
}

/// What nodes could see is kept for so many levels: templates may nest by the thousand.
const LEVELS_WITH_REACH: usize = 16;

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

    /// Whether the level added last lacks what its node could see.
    pub(crate) fn wants_reach(&self) -> bool {
        let frames = &self.inner.frames;
        frames.len() <= LEVELS_WITH_REACH
            && frames
                .last()
                .is_some_and(|frame| frame.reach.is_none() && frame.executing.is_some())
    }

    pub(crate) fn with_reach(mut self, reach: Reach) -> Self {
        if let Some(frame) = self.inner.frames.last_mut() {
            frame.reach = Some(reach);
        }
        self
    }

    pub(crate) fn with_text(mut self, text: Arc<str>) -> Self {
        if let Some(frame) = self.inner.frames.last_mut() {
            frame.text = Source(Some(text));
        }
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

    /// The way to the failure, to hide what should not be shown.
    pub fn frames_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Frame> {
        self.inner.frames.iter_mut().rev()
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

impl Diagnostic for Error {
    fn code<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new("go_text_template::error"))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let frame = self.inner.frames.first()?;
        frame.text().is_some().then_some(frame)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let frame = self.inner.frames.first()?;
        let label = LabeledSpan::new_with_span(None, frame.span()?);
        Some(Box::new(std::iter::once(label)))
    }
}

impl Frame {
    /// The failing node within [`Frame::text`]; nothing at the start of the line if no node failed.
    fn span(&self) -> Option<SourceSpan> {
        let (text, offset) = (self.text()?, self.offset()?);
        let rest = text.get(offset..)?;
        // Go points into the middle of `$x.a.b`; the whole of it is meant.
        let node_at = |back: usize| {
            let start = offset.checked_sub(back)?;
            text.get(start..)?.starts_with(&self.node).then_some(start)
        };
        let node = || (0..self.node.len()).find_map(node_at);
        let (start, length) = match self.column {
            None => (offset, 0),
            Some(_) => node().map_or_else(
                || (offset, rest.chars().next().map_or(0, char::len_utf8)),
                |start| (start, self.node.len()),
            ),
        };
        Some((start, length).into())
    }
}

/// The text under the name of its file.
impl SourceCode for Frame {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let text: &str = self.text().map_or("", |text| text);
        let contents = text.read_span(span, lines_before, lines_after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.file.clone(),
            contents.data(),
            *contents.span(),
            contents.line(),
            contents.column(),
            contents.line_count(),
        )))
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
