//! [`SourceError`]: why a chart could not be had. It owns the reasons; it refuses to expose the
//! errors of HTTP and registry clients, and to show credentials.

use std::error::Error;
use std::fmt;

use helm_chart::chart::ChartError;
use miette::Diagnostic;

use crate::Digest;

/// A failed request to a chart source.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {target}")]
#[non_exhaustive]
pub struct SourceError {
    /// What was tried: `read the index of`, `pull`.
    pub verb: &'static str,
    /// On what, without credentials.
    pub target: String,
    /// Why it failed.
    #[source]
    pub kind: Box<SourceErrorKind>,
}

/// Code and help are those of the reason.
impl Diagnostic for SourceError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.kind.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.kind.help()
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        Some(&*self.kind)
    }
}

impl SourceError {
    /// An error about `target`.
    pub fn new(verb: &'static str, target: impl Into<String>, kind: SourceErrorKind) -> Self {
        Self {
            verb,
            target: target.into(),
            kind: Box::new(kind),
        }
    }

    /// Whether the chart or version is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(
            *self.kind,
            SourceErrorKind::NotFound { .. } | SourceErrorKind::NoMatch { .. }
        )
    }
}

/// Why a chart could not be had.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum SourceErrorKind {
    /// No such chart or version.
    #[error("{what} is not there")]
    #[diagnostic(code(aka::registry::not_found), help("{help}"))]
    NotFound {
        /// What was looked for: `airflow 9.9.9`.
        what: String,
        /// What there is instead.
        help: String,
    },

    /// No version satisfies a constraint.
    #[error("no version of {name} satisfies `{constraint}`")]
    #[diagnostic(code(aka::registry::no_match), help("{help}"))]
    NoMatch {
        /// The chart.
        name: String,
        /// The constraint.
        constraint: String,
        /// What there is instead.
        help: String,
    },

    /// The bytes are not the promised ones.
    #[error("the archive is {found}, but {promised} was promised by {by}")]
    #[diagnostic(
        code(aka::registry::digest_mismatch),
        help(
            "the archive was changed after it was published or on its way: do not use it; compare with the publisher's checksum"
        )
    )]
    DigestMismatch {
        /// What was promised.
        promised: Digest,
        /// What came.
        found: Digest,
        /// Who promised: `the index`, `the pin`.
        by: String,
    },

    /// More bytes than allowed.
    #[error("it is larger than {limit} bytes")]
    #[diagnostic(
        code(aka::registry::too_large),
        help("raise the limit if this is expected")
    )]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },

    /// No connection, or it broke.
    #[error("the source cannot be reached")]
    #[diagnostic(
        code(aka::registry::unreachable),
        help("check the address, the network and the proxy")
    )]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),

    /// The source did not answer in time.
    #[error("the source did not answer within {0:?}")]
    #[diagnostic(code(aka::registry::timeout), help("try again"))]
    Timeout(std::time::Duration),

    /// 401, 403.
    #[error("the source refuses the caller ({status})")]
    #[diagnostic(
        code(aka::registry::denied),
        help("log in, or check that the credentials may read this repository")
    )]
    Denied {
        /// The HTTP status.
        status: u16,
    },

    /// Any other status.
    #[error("the source answered {status}")]
    #[diagnostic(code(aka::registry::status))]
    Status {
        /// The HTTP status.
        status: u16,
    },

    /// The index or manifest makes no sense.
    #[error("the answer cannot be understood: {why}")]
    #[diagnostic(code(aka::registry::answer))]
    Answer {
        /// What is wrong.
        why: String,
    },

    /// What is there is no chart.
    #[error("it is no chart")]
    #[diagnostic(code(aka::registry::no_chart))]
    NoChart(
        #[source]
        #[diagnostic_source]
        ChartError,
    ),

    /// An address, name or option that cannot be used.
    #[error("{why}")]
    #[diagnostic(code(aka::registry::invalid))]
    Invalid {
        /// What is wrong.
        why: String,
    },

    /// A file or folder cannot be read or written.
    #[error("{path} cannot be {what}")]
    #[diagnostic(code(aka::registry::file))]
    File {
        /// Which.
        path: String,
        /// `read`, `written`.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl SourceErrorKind {
    /// Whether trying the same again may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Timeout(_) => true,
            Self::Status { status } => *status == 429 || *status >= 500,
            _ => false,
        }
    }
}
