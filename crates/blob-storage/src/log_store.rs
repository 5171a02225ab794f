//! [`LogStore`]: a container's blobs. It owns the contract of writing, reading and deleting one; it
//! refuses to make containers.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use url::Url;

use crate::{AccountKey, ContainerName};

/// The blob that proves a container. It stays, so that a later run can see it without writing; the
/// lifecycle deletes it with the logs, and the next run writes it again.
pub const MARKER: &str = "_aks-airflow/marker";

/// The data plane of a container.
///
/// # Contract
/// - An absent blob is `None`; deleting one is `false`. An absent container is
///   [`LogStoreErrorKind::NoContainer`].
/// - Writing replaces.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait LogStore: fmt::Debug + Send + Sync + 'static {
    /// Writes a blob.
    ///
    /// # Errors
    /// What the service refuses; nothing was written then.
    async fn write(
        &self,
        container: LogContainer,
        blob: String,
        content: Vec<u8>,
    ) -> Result<(), LogStoreError>;

    /// Reads a blob; `None` if it is not there.
    ///
    /// # Errors
    /// What the service refuses.
    async fn read(
        &self,
        container: LogContainer,
        blob: String,
    ) -> Result<Option<Vec<u8>>, LogStoreError>;

    /// Deletes a blob; `false` if it was not there.
    ///
    /// # Errors
    /// What the service refuses; nothing was deleted then.
    async fn delete(&self, container: LogContainer, blob: String) -> Result<bool, LogStoreError>;
}

/// Which container, and as whom.
#[derive(Debug, Clone)]
pub struct LogContainer {
    /// The account's name.
    pub account: String,
    /// The account's blob endpoint.
    pub endpoint: Url,
    /// The container.
    pub container: ContainerName,
    /// The account's key; without one the caller's own identity is used, which needs a data role.
    pub key: Option<AccountKey>,
}

/// A failed request to a container.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot {verb} `{blob}` in container `{container}`")]
#[diagnostic(code(aka::logs::request))]
#[non_exhaustive]
pub struct LogStoreError {
    /// `write`, `read`, `delete`.
    pub verb: &'static str,
    /// The blob.
    pub blob: String,
    /// The container.
    pub container: String,
    /// Why.
    #[source]
    #[diagnostic_source]
    pub kind: LogStoreErrorKind,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum LogStoreErrorKind {
    /// The container is not there.
    #[error("the container is not there")]
    #[diagnostic(code(aka::logs::no_container))]
    NoContainer,

    /// The account does not accept keys.
    #[error("the storage account does not accept its keys")]
    #[diagnostic(
        code(aka::logs::shared_key_disabled),
        help("set `allowSharedKeyAccess` on the account, or use an identity")
    )]
    SharedKeyDisabled,

    /// The key or token is wrong.
    #[error("the service does not accept the caller: {code}: {message}")]
    #[diagnostic(
        code(aka::logs::unauthenticated),
        help("the account's key may have been renewed: run again to read the new one")
    )]
    Unauthenticated {
        /// The service's code.
        code: String,
        /// The service's sentence.
        message: String,
    },

    /// The caller may not.
    #[error("the caller may not do this: {code}: {message}")]
    #[diagnostic(
        code(aka::logs::forbidden),
        help(
            "grant `Storage Blob Data Contributor`, or open the account's firewall to this network"
        )
    )]
    Forbidden {
        /// The service's code.
        code: String,
        /// The service's sentence.
        message: String,
    },

    /// Any other refusal.
    #[error("the service refuses: {status}: {code}: {message}")]
    #[diagnostic(code(aka::logs::refused))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The service's code.
        code: String,
        /// The service's sentence.
        message: String,
    },

    /// No connection, no token, or no sense.
    #[error("the service cannot be reached")]
    #[diagnostic(
        code(aka::logs::unreachable),
        help("check the network and the proxy settings")
    )]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),

    /// What was written is not what is read.
    #[error("what was read is not what was written")]
    #[diagnostic(code(aka::logs::differs))]
    Differs,
}
