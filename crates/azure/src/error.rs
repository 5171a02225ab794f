//! [`ArmError`]: what went wrong between us and Azure. It owns the classification of answers; it
//! refuses to expose the SDK's own error types.

use std::error::Error;
use std::time::Duration;

use crate::ServiceAnswer;

/// A failed request to Azure Resource Manager.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot {verb} `{target}`")]
#[diagnostic(code(aka::azure::request))]
#[non_exhaustive]
pub struct ArmError {
    /// What was tried: `read`, `write`, `delete`, `listKeys`.
    pub verb: Box<str>,
    /// The resource.
    pub target: Box<str>,
    /// Azure's id of the request, which support asks for; where an answer came.
    pub request_id: Option<Box<str>>,
    /// Why it failed.
    #[source]
    #[diagnostic_source]
    pub kind: ArmErrorKind,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum ArmErrorKind {
    /// No connection, or it broke.
    #[error("Azure cannot be reached")]
    #[diagnostic(
        code(aka::azure::unreachable),
        help("check the network and the proxy settings")
    )]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),

    /// No token could be had.
    #[error("no credential works")]
    #[diagnostic(
        code(aka::azure::credential),
        help("log in with one of the credentials named in the cause, or choose one explicitly")
    )]
    Credential(#[source] Box<dyn Error + Send + Sync>),

    /// 401.
    #[error("Azure does not accept the token: {message}")]
    #[diagnostic(
        code(aka::azure::unauthenticated),
        help("the token has expired or is for another tenant: log in again, to the right tenant")
    )]
    Unauthenticated {
        /// Azure's sentence.
        message: String,
    },

    /// 403.
    #[error("the caller may not do this: {code}: {message}")]
    #[diagnostic(
        code(aka::azure::forbidden),
        help("grant the role named in the message on this scope")
    )]
    Forbidden {
        /// Azure's code.
        code: String,
        /// Azure's sentence.
        message: String,
    },

    /// 404 where the resource had to be there, and what exactly is missing.
    #[error("not found: {code}: {message}")]
    #[diagnostic(
        code(aka::azure::not_found),
        help("check the name, the resource group and the subscription")
    )]
    NotFound {
        /// Azure's code: `ResourceGroupNotFound`, `SubscriptionNotFound`, `ParentResourceNotFound`.
        code: String,
        /// Azure's sentence.
        message: String,
    },

    /// 409, 412.
    #[error("conflict: {code}: {message}")]
    #[diagnostic(code(aka::azure::conflict))]
    Conflict {
        /// Azure's code.
        code: String,
        /// Azure's sentence.
        message: String,
    },

    /// The subscription has not registered the resource provider.
    #[error("the subscription has not registered `{namespace}`")]
    #[diagnostic(
        code(aka::azure::not_registered),
        help(
            "register the resource provider once: `Subscription → Resource providers` in the portal"
        )
    )]
    NotRegistered {
        /// The provider: `Microsoft.KeyVault`.
        namespace: String,
    },

    /// 429, 5xx after all retries.
    #[error("Azure is too busy or broken: {status}: {message}")]
    #[diagnostic(
        code(aka::azure::unavailable),
        help("try again later; status.azure.com tells of outages")
    )]
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// Azure's sentence.
        message: String,
    },

    /// 400 and other refusals.
    #[error("Azure refuses the request: {code}: {message}")]
    #[diagnostic(code(aka::azure::refused))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Azure's code.
        code: String,
        /// Azure's sentence.
        message: String,
    },

    /// The operation was accepted and then failed.
    #[error("the operation ended as {state}: {code}: {message}")]
    #[diagnostic(code(aka::azure::operation_failed))]
    OperationFailed {
        /// `Failed` or `Canceled`.
        state: String,
        /// Azure's code.
        code: String,
        /// Azure's sentence.
        message: String,
    },

    /// It did not end in time.
    #[error("not done after {limit:?}; last seen: {last}")]
    #[diagnostic(
        code(aka::azure::deadline),
        help("it may still be running in Azure: run again to continue waiting")
    )]
    Deadline {
        /// How long was waited.
        limit: Duration,
        /// The last state seen.
        last: String,
    },

    /// The answer makes no sense.
    #[error("the answer cannot be understood")]
    #[diagnostic(code(aka::azure::answer))]
    Answer(#[source] Box<dyn Error + Send + Sync>),
}

impl ArmError {
    /// An error about one resource.
    pub fn new(verb: impl Into<String>, target: impl Into<String>, kind: ArmErrorKind) -> Self {
        Self {
            verb: verb.into().into(),
            target: target.into().into(),
            request_id: None,
            kind,
        }
    }

    /// The same error with Azure's id of the request.
    #[must_use]
    pub fn with_request_id(mut self, id: Option<String>) -> Self {
        self.request_id = id.map(Into::into);
        self
    }

    /// Azure's code, where it gave one: `RoleAssignmentExists`.
    pub fn code(&self) -> Option<&str> {
        match &self.kind {
            ArmErrorKind::Forbidden { code, .. }
            | ArmErrorKind::NotFound { code, .. }
            | ArmErrorKind::Conflict { code, .. }
            | ArmErrorKind::Refused { code, .. }
            | ArmErrorKind::OperationFailed { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether something that had to be there is not.
    pub fn is_not_found(&self) -> bool {
        matches!(self.kind, ArmErrorKind::NotFound { .. })
    }

    /// Whether Azure answered 409 or 412.
    pub fn is_conflict(&self) -> bool {
        matches!(self.kind, ArmErrorKind::Conflict { .. })
    }

    /// Whether the caller lacks a right or a login.
    pub fn is_denied(&self) -> bool {
        matches!(
            self.kind,
            ArmErrorKind::Forbidden { .. }
                | ArmErrorKind::Unauthenticated { .. }
                | ArmErrorKind::Credential(_)
        )
    }
}

impl From<ServiceAnswer> for ArmErrorKind {
    fn from(answer: ServiceAnswer) -> Self {
        let ServiceAnswer {
            status,
            code,
            message,
            target,
            ..
        } = answer;
        if code == "MissingSubscriptionRegistration" {
            let namespace = target.unwrap_or(message);
            return Self::NotRegistered { namespace };
        }
        match status {
            401 => Self::Unauthenticated { message },
            403 => Self::Forbidden { code, message },
            404 => Self::NotFound { code, message },
            409 | 412 => Self::Conflict { code, message },
            429 | 500.. => Self::Unavailable { status, message },
            _ => Self::Refused {
                status,
                code,
                message,
            },
        }
    }
}
