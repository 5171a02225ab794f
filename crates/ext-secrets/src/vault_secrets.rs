//! [`VaultSecrets`]: the data plane of a key vault as a seam. It owns the contract, the answers and
//! the classification of refusals; it refuses anything but secrets.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use converge::Secret;
use url::Url;

use crate::SecretName;

/// Secrets in key vaults.
///
/// # Contract
/// - Absence is `None`.
/// - [`set`](Self::set) always makes a new version, as the vault does; look before.
/// - No method retries a refusal; waiting for a grant to arrive is the caller's.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait VaultSecrets: fmt::Debug + Send + Sync + 'static {
    /// Reads the current version of a secret; `None` if there is none.
    ///
    /// # Errors
    /// Every [`VaultErrorKind`]. Nothing was written.
    async fn get(&self, vault: Url, name: SecretName) -> Result<Option<VaultSecret>, VaultError>;

    /// Reads the current version with another identity's access token (for the vault's resource):
    /// a probe of that identity's rights.
    ///
    /// # Errors
    /// Every [`VaultErrorKind`]. Nothing was written.
    async fn get_as(
        &self,
        vault: Url,
        name: SecretName,
        token: Secret,
    ) -> Result<Option<VaultSecret>, VaultError>;

    /// Writes a new version of a secret and returns it.
    ///
    /// # Errors
    /// Every [`VaultErrorKind`]; nothing was written, except that after
    /// [`VaultErrorKind::Unreachable`] the write may have happened.
    async fn set(
        &self,
        vault: Url,
        name: SecretName,
        value: Secret,
    ) -> Result<VaultSecret, VaultError>;
}

/// One version of a secret.
#[derive(Debug, Clone)]
pub struct VaultSecret {
    /// The value.
    pub value: Secret,
    /// The version, 32 hexadecimal digits; empty where the vault does not say.
    pub version: String,
    /// Whether it may be read. A disabled secret's value is empty.
    pub enabled: bool,
}

/// A failed request to a vault's data plane.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot {verb} secret `{name}` of `{vault}`")]
#[diagnostic(code(aka::vault::request))]
#[non_exhaustive]
pub struct VaultError {
    /// `read`, `write`.
    pub verb: &'static str,
    /// Which secret.
    pub name: SecretName,
    /// The vault's host.
    pub vault: String,
    /// Why it failed.
    #[source]
    #[diagnostic_source]
    pub kind: VaultErrorKind,
}

/// Why a vault did not do it.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum VaultErrorKind {
    /// 403: no access policy or role lets the caller do this.
    #[error("the vault refuses the caller: {0}")]
    #[diagnostic(
        code(aka::vault::forbidden),
        help(
            "a grant can take ten minutes to arrive; on a vault with role-based access even its owner needs a data role such as Key Vault Secrets Officer to write"
        )
    )]
    Forbidden(String),

    /// 403 because of the vault's network rules; waiting does not help.
    #[error("the vault's firewall refuses this address: {0}")]
    #[diagnostic(
        code(aka::vault::firewall),
        help(
            "allow this address, or the cluster's outbound address, in the vault's network settings; a private endpoint works too"
        )
    )]
    Firewall(String),

    /// 401, or no token could be had.
    #[error("the vault does not accept the login: {0}")]
    #[diagnostic(
        code(aka::vault::unauthenticated),
        help("log in to the tenant the vault belongs to")
    )]
    Unauthenticated(String),

    /// 403: the secret is disabled.
    #[error("the secret is disabled")]
    #[diagnostic(
        code(aka::vault::disabled),
        help("enable its current version, or write a new one")
    )]
    Disabled,

    /// 409: a deleted secret of this name waits to be recovered or purged.
    #[error("a deleted secret of this name is kept by the vault: {0}")]
    #[diagnostic(
        code(aka::vault::soft_deleted),
        help("recover it (`az keyvault secret recover`) or purge it, then run again")
    )]
    SoftDeleted(String),

    /// No connection, or it broke.
    #[error("the vault cannot be reached")]
    #[diagnostic(
        code(aka::vault::unreachable),
        help("check the vault's URL; a new vault's name takes some seconds to resolve")
    )]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),

    /// Every other answer.
    #[error("the vault answered {status}: {message}")]
    #[diagnostic(code(aka::vault::answer))]
    Answer {
        /// The HTTP status; 0 where there was none.
        status: u16,
        /// The vault's sentence.
        message: String,
    },
}

impl VaultErrorKind {
    /// Reads a refusal as Key Vault words it: `error.code`, `error.innererror.code`, `message`.
    pub fn of_answer(status: u16, body: &serde_json::Value) -> Self {
        let text = |pointer: &str| {
            body.pointer(pointer)
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default()
        };
        let inner = text("/error/innererror/code");
        let message = match text("/error/message") {
            "" => format!("HTTP {status}"),
            message => message.to_owned(),
        };
        let is = |code: &str| inner == code || text("/error/code") == code;
        match status {
            401 => Self::Unauthenticated(message),
            403 if is("SecretDisabled") => Self::Disabled,
            403 if is("ForbiddenByFirewall")
                || is("ForbiddenByConnection")
                || message.contains("Client address") =>
            {
                Self::Firewall(message)
            }
            403 => Self::Forbidden(message),
            409 if inner.starts_with("ObjectIs") || message.contains("deleted but recoverable") => {
                Self::SoftDeleted(message)
            }
            _ => Self::Answer { status, message },
        }
    }
}

impl VaultError {
    /// Whether the caller lacks a right that may still be on its way.
    pub fn is_forbidden(&self) -> bool {
        matches!(self.kind, VaultErrorKind::Forbidden(_))
    }

    /// Whether trying again later may help.
    pub fn may_pass(&self) -> bool {
        match &self.kind {
            VaultErrorKind::Forbidden(_) | VaultErrorKind::Unreachable(_) => true,
            VaultErrorKind::Answer { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn refusals_are_told_apart() {
        let cases = [
            (403, "ForbiddenByPolicy", "no", "forbidden"),
            (403, "ForbiddenByRbac", "no", "forbidden"),
            (403, "ForbiddenByFirewall", "no", "firewall"),
            (403, "", "Client address is not authorized", "firewall"),
            (403, "SecretDisabled", "no", "disabled"),
            (409, "ObjectIsDeletedButRecoverable", "no", "soft deleted"),
            (409, "ObjectIsBeingDeleted", "no", "soft deleted"),
            (429, "", "slow down", "answer"),
            (401, "", "who", "unauthenticated"),
        ];
        for (status, inner, message, expected) in cases {
            let kind = VaultErrorKind::of_answer(
                status,
                &json!({"error": {"code": "X", "message": message, "innererror": {"code": inner}}}),
            );
            let word = match kind {
                VaultErrorKind::Forbidden(_) => "forbidden",
                VaultErrorKind::Firewall(_) => "firewall",
                VaultErrorKind::Disabled => "disabled",
                VaultErrorKind::SoftDeleted(_) => "soft deleted",
                VaultErrorKind::Answer { .. } => "answer",
                VaultErrorKind::Unauthenticated(_) => "unauthenticated",
                VaultErrorKind::Unreachable(_) => "unreachable",
            };
            assert_eq!(word, expected, "{status} {inner} {message}");
        }
    }
}
