//! [`ClusterError`]: what went wrong between us and an API server. It owns the classification of
//! answers; it refuses to expose the client's own error types.

use std::error::Error;

use crate::ObjectRef;

/// A failed request to a cluster.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot {verb} {target}")]
#[diagnostic(code(aka::cluster::request))]
#[non_exhaustive]
pub struct ClusterError {
    /// What was tried: `read`, `apply`, `delete`.
    pub verb: &'static str,
    /// On what.
    pub target: String,
    /// Why it failed.
    #[source]
    #[diagnostic_source]
    pub kind: ClusterErrorKind,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum ClusterErrorKind {
    /// No connection, or it broke.
    #[error("the API server cannot be reached")]
    #[diagnostic(
        code(aka::cluster::unreachable),
        help(
            "check the server address in the kubeconfig, the network, and whether the cluster is running"
        )
    )]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),

    /// The server did not answer in time.
    #[error("the API server did not answer within {0:?}")]
    #[diagnostic(
        code(aka::cluster::timeout),
        help("try again; the server may be overloaded")
    )]
    Timeout(std::time::Duration),

    /// 401.
    #[error("the API server does not know the caller: {0}")]
    #[diagnostic(
        code(aka::cluster::unauthenticated),
        help("the token or certificate is missing, expired, or for another cluster: log in again")
    )]
    Unauthenticated(String),

    /// 403.
    #[error("the caller may not do this: {0}")]
    #[diagnostic(
        code(aka::cluster::forbidden),
        help("grant the verb on the resource named above")
    )]
    Forbidden(String),

    /// 400, 422.
    #[error("the API server refuses the object: {message}")]
    #[diagnostic(code(aka::cluster::invalid))]
    Invalid {
        /// The server's sentence.
        message: String,
        /// The fields it names.
        fields: Vec<String>,
    },

    /// An admission webhook refused or did not answer.
    #[error("admission refused: {0}")]
    #[diagnostic(
        code(aka::cluster::admission),
        help("the webhook's own pods must be ready and its CA bundle in place")
    )]
    Admission(String),

    /// 409 of a kind that is not an answer: for instance a namespace that is going away.
    #[error("conflict: {0}")]
    #[diagnostic(code(aka::cluster::conflict))]
    Conflict(String),

    /// The namespace is not there, so nothing can be created in it.
    #[error("namespace `{0}` is not there")]
    #[diagnostic(code(aka::cluster::namespace_missing))]
    NamespaceMissing(String),

    /// What had to be there is not: a pod to forward to, a ServiceAccount to ask a token for.
    #[error("not found: {0}")]
    #[diagnostic(
        code(aka::cluster::not_found),
        help("check the name and the namespace")
    )]
    NotFound(String),

    /// The server does not serve this kind.
    #[error("the server does not serve {0}")]
    #[diagnostic(
        code(aka::cluster::unknown_kind),
        help("install its CustomResourceDefinition, or use an API version the server serves")
    )]
    UnknownKind(String),

    /// 429, 503 after all retries.
    #[error("the API server is too busy: {0}")]
    #[diagnostic(code(aka::cluster::throttled), help("try again later"))]
    Throttled(String),

    /// 500 and everything else.
    #[error("the API server answered {status}: {message}")]
    #[diagnostic(code(aka::cluster::server))]
    Server {
        /// The HTTP status.
        status: u16,
        /// The server's sentence.
        message: String,
    },

    /// The answer makes no sense.
    #[error("the answer cannot be understood")]
    #[diagnostic(code(aka::cluster::answer))]
    Answer(#[source] Box<dyn Error + Send + Sync>),

    /// The configuration cannot be used.
    #[error("the cluster configuration cannot be used")]
    #[diagnostic(code(aka::cluster::config))]
    Config(#[source] Box<dyn Error + Send + Sync>),
}

impl ClusterError {
    /// An error about one object.
    pub fn about(verb: &'static str, target: &ObjectRef, kind: ClusterErrorKind) -> Self {
        Self {
            verb,
            target: target.to_string(),
            kind,
        }
    }

    /// An error about something that is not one object.
    pub fn new(verb: &'static str, target: impl Into<String>, kind: ClusterErrorKind) -> Self {
        Self {
            verb,
            target: target.into(),
            kind,
        }
    }

    /// Whether trying the same again may help.
    pub fn is_transient(&self) -> bool {
        match &self.kind {
            ClusterErrorKind::Unreachable(_)
            | ClusterErrorKind::Timeout(_)
            | ClusterErrorKind::Throttled(_) => true,
            ClusterErrorKind::Server { status, .. } => *status >= 500,
            _ => false,
        }
    }

    /// Whether the caller lacks a right or a login.
    pub fn is_denied(&self) -> bool {
        matches!(
            self.kind,
            ClusterErrorKind::Forbidden(_) | ClusterErrorKind::Unauthenticated(_)
        )
    }

    /// Whether an admission webhook did not answer (as opposed to: refused), which passes when its
    /// pods are ready and its CA bundle is in place.
    pub fn is_webhook_unavailable(&self) -> bool {
        matches!(&self.kind, ClusterErrorKind::Admission(message)
            if message.contains("failed calling webhook") || message.contains("failed to call webhook"))
    }

    /// Whether the server does not serve the kind.
    pub fn is_unknown_kind(&self) -> bool {
        matches!(self.kind, ClusterErrorKind::UnknownKind(_))
    }
}
