//! [`Problem`] and [`DocumentError`]: what is wrong with a document, every problem at once, each
//! with its place. They own the wording; they refuse to stop at the first.

use std::fmt;

/// A place in a source text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's name as it was given, or `document`.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The rule a document breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// The text is not YAML.
    Syntax,
    /// A key nobody reads.
    UnknownKey,
    /// A key that must be there is not.
    Missing,
    /// A value of the wrong type or form.
    Type,
    /// A value that is refused: a name Kubernetes or Azure would not take, a number out of range.
    Value,
    /// A secret written into the document.
    LiteralSecret,
    /// Two values that cannot work together.
    Pair,
}

impl Rule {
    /// The diagnostic code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Syntax => "aka::document::syntax",
            Self::UnknownKey => "aka::document::unknown_key",
            Self::Missing => "aka::document::missing",
            Self::Type => "aka::document::type",
            Self::Value => "aka::document::value",
            Self::LiteralSecret => "aka::document::literal_secret",
            Self::Pair => "aka::document::pair",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which rule.
    pub rule: Rule,
    /// The path, as `airflow.executor`; empty for the whole document.
    pub path: String,
    /// Where, if the text says.
    pub place: Option<Place>,
    /// What is wrong, without the path.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}  ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl miette::Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.rule.code()))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
}

/// A document that cannot be used. Nothing was read from or written to any world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError {
    /// Every problem, in the order of the text.
    pub problems: Vec<Problem>,
}

impl DocumentError {
    /// Sorts the problems by place.
    pub(crate) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| (&a.place, &a.path).cmp(&(&b.place, &b.path)));
        problems.dedup();
        Self { problems }
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [one] => one.fmt(f),
            many => write!(f, "the document has {} problems", many.len()),
        }
    }
}

impl std::error::Error for DocumentError {}

impl miette::Diagnostic for DocumentError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match self.problems.as_slice() {
            [one] => miette::Diagnostic::code(one),
            _ => Some(Box::new("aka::document::invalid")),
        }
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match self.problems.as_slice() {
            [one] => one.help(),
            _ => None,
        }
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        match self.problems.as_slice() {
            [_] => None,
            many => Some(Box::new(
                many.iter()
                    .map(|problem| problem as &dyn miette::Diagnostic),
            )),
        }
    }
}
