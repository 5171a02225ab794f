//! [`RenderError`]: why a chart did not render, in Helm's words.

use go_text_template::{Error, ErrorKind, Reach};
use serde_json::{Map, Value};

use super::lookup::Query;
use super::secrecy::Secrets;
use crate::Profile;
use crate::chart::DependencyError;
use crate::manifest::ManifestError;

/// Why a chart did not render. Nothing was written anywhere.
///
/// The messages are Helm's. Beside them, as data: the template around the failing node (as source
/// code with a label), and what that node could see ([`RenderError::reach`]).
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum RenderError {
    /// Values and subcharts do not fit together.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Dependencies(#[from] DependencyError),
    /// The chart only serves others.
    #[error("library charts are not installable")]
    #[diagnostic(code(aka::render::library))]
    Library,
    /// The chart's `kubeVersion` excludes the target.
    #[error(
        "chart requires kubeVersion: {constraint} which is incompatible with Kubernetes {version}"
    )]
    #[diagnostic(code(aka::render::kubernetes))]
    Kubernetes {
        /// What the chart asks for.
        constraint: String,
        /// What the target is.
        version: String,
    },
    /// The values do not fit a schema.
    #[cfg(feature = "schema")]
    #[error(transparent)]
    #[diagnostic(transparent)]
    Schema(#[from] crate::schema::SchemaError),
    /// A rendered document cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Manifest(#[from] ManifestError),
    /// A file is not a template.
    #[error("{text}")]
    #[diagnostic(code(aka::render::parse), forward(error))]
    Parse {
        /// Helm's text.
        text: String,
        /// The failure in its parts.
        error: Box<Error>,
    },
    /// A template failed.
    #[error("{text}")]
    #[diagnostic(code(aka::render::execute), forward(error))]
    Execute {
        /// Helm's text.
        text: String,
        /// The failure in its parts: location, node, the templates it went through.
        error: Box<Error>,
    },
    /// The chart's author stops the render, with `fail` or `required`.
    #[error("{text}")]
    #[diagnostic(
        code(aka::render::refused),
        forward(error),
        help("the chart itself asks for this; change the values it names")
    )]
    Refused {
        /// Helm's text.
        text: String,
        /// What the author says.
        message: String,
        /// The failure in its parts.
        error: Box<Error>,
    },
    /// A template asks the cluster or the network. Answer and render again in the same environment.
    #[error("the chart asks the cluster {} question(s)", .queries.len())]
    #[diagnostic(
        code(aka::render::needs),
        help("answer the queries and render again in the same environment")
    )]
    Needs {
        /// The questions, at least one.
        queries: Vec<Query>,
    },
}

impl RenderError {
    pub(super) fn parse(error: Error) -> Self {
        let text = error.to_string();
        let mut parts = text.split(": ");
        let location = parts.nth(1).unwrap_or_default().to_owned();
        let message = text.rsplit(": ").next().unwrap_or_default();
        Self::Parse {
            text: format!("parse error at ({location}): {message}"),
            error: Box::new(error),
        }
    }

    pub(super) fn execute(error: Error, profile: Profile, values: &Map<String, Value>) -> Self {
        let mut error = match error.into_payload::<Vec<Query>>() {
            Ok(queries) => return Self::Needs { queries: *queries },
            Err(error) => Box::new(error),
        };
        Secrets::of(values).hide(&mut error);
        if matches!(error.kind(), ErrorKind::Fail | ErrorKind::Required) {
            let message = error.reason().to_owned();
            let text = format!("execution error at ({}): {message}", location(&error));
            return Self::Refused {
                text,
                message,
                error,
            };
        }
        let text = match profile {
            Profile::Helm4 => reformatted(&error).unwrap_or_else(|| error.to_string()),
            Profile::Helm3 => error.to_string(),
        };
        Self::Execute { text, error }
    }

    /// What the failing node of the innermost template could see: `.` and the variables, secret
    /// values hidden. None where no node failed.
    pub fn reach(&self) -> Option<&Reach> {
        match self {
            Self::Execute { error, .. } | Self::Refused { error, .. } => {
                error.frames().rev().find_map(|frame| frame.reach.as_ref())
            }
            _ => None,
        }
    }
}

/// `file:line:column` of the outermost template.
fn location(error: &Error) -> String {
    error.frames().next().map_or_else(String::new, |frame| {
        let column = frame
            .column
            .map_or_else(String::new, |column| format!(":{column}"));
        format!("{}:{}{column}", frame.file, frame.line)
    })
}

/// Helm 4's form, several lines for each level. There is none where a level is not a plain
/// template error: a failing function at the bottom, or `tpl` on the way.
fn reformatted(error: &Error) -> Option<String> {
    const CALLING: &str = "error calling include: ";
    if !matches!(
        error.kind(),
        ErrorKind::Execute | ErrorKind::Missing | ErrorKind::Limit
    ) {
        return None;
    }
    let levels: Vec<String> = error.frames().map(ToString::to_string).collect();
    let mut reaching = error.frames().rev().skip(1);
    if reaching.any(|frame| frame.message != CALLING) {
        return None;
    }
    let mut traced: Vec<Traced> = Vec::new();
    for index in 0..levels.len() {
        let level = Traced::of(&levels[index..].concat())?;
        // A template that includes itself at one place is told once.
        if traced.last() != Some(&level) {
            traced.push(level);
        }
    }
    let text: String = traced.iter().map(ToString::to_string).collect();
    Some(text.trim().to_owned())
}

/// One level of an error as Helm 4 takes it apart: by the text alone, at the first `: executing`
/// and the first `>: `, wherever these happen to be.
#[derive(Debug, PartialEq, Eq)]
struct Traced {
    location: String,
    executing: String,
    message: String,
}

impl Traced {
    fn of(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("template: ")?;
        if rest.starts_with("no template ") {
            return Some(Self {
                location: String::new(),
                executing: String::new(),
                message: text.to_owned(),
            });
        }
        Self::executing(rest).or_else(|| {
            let (location, message) = rest.rsplit_once(": ")?;
            Some(Self {
                location: location.to_owned(),
                executing: String::new(),
                message: before_next_level(message).to_owned(),
            })
        })
    }

    fn executing(text: &str) -> Option<Self> {
        let (location, rest) = text.split_once(": executing ")?;
        let (name, rest) = rest.strip_prefix('"')?.split_once('"')?;
        let (node, message) = rest.strip_prefix(" at <")?.split_once(">: ")?;
        Some(Self {
            location: location.to_owned(),
            executing: format!("executing \"{name}\" at <{node}>:"),
            message: before_next_level(message).to_owned(),
        })
    }
}

fn before_next_level(message: &str) -> &str {
    message.split(" template:").next().unwrap_or_default()
}

impl std::fmt::Display for Traced {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            (&self.location, "\n  "),
            (&self.executing, "\n    "),
            (&self.message, "\n"),
        ];
        for (part, end) in parts.into_iter().filter(|(part, _)| !part.is_empty()) {
            write!(out, "{part}{end}")?;
        }
        Ok(())
    }
}
