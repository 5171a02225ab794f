//! [`RenderError`]: why a chart did not render, in Helm's words.

use std::fmt::Write as _;

use go_text_template::{Error, ErrorKind};

use super::lookup::Query;
use crate::Profile;
use crate::chart::DependencyError;
use crate::manifest::ManifestError;

/// Why a chart did not render. Nothing was written anywhere.
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
    #[diagnostic(code(aka::render::parse))]
    Parse {
        /// Helm's text.
        text: String,
        /// The failure in its parts.
        error: Box<Error>,
    },
    /// A template failed.
    #[error("{text}")]
    #[diagnostic(code(aka::render::execute))]
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

    pub(super) fn execute(error: Error, profile: Profile) -> Self {
        let error = match error.into_payload::<Vec<Query>>() {
            Ok(queries) => return Self::Needs { queries: *queries },
            Err(error) => Box::new(error),
        };
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
    let mut text = String::new();
    let levels = error.frames().len();
    for (index, frame) in error.frames().enumerate() {
        let last = index + 1 == levels;
        if !last && frame.message != CALLING {
            return None;
        }
        if index > 0 {
            text.push('\n');
        }
        match &frame.executing {
            Some(executing) => {
                let column = frame.column.unwrap_or_default();
                let message = frame.message.trim_end();
                // Writing to a string cannot fail.
                let _ = write!(
                    text,
                    "{}:{}:{column}\n  executing {} at <{}>:\n    {message}",
                    frame.file,
                    frame.line,
                    go_text_template::fmt::quote(executing.as_bytes()),
                    frame.node,
                );
            }
            None => text.push_str(&frame.to_string()),
        }
    }
    Some(text)
}
