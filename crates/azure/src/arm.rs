//! [`Arm`]: the Resource Manager seam. It owns the contract every backend keeps; it refuses
//! knowledge of any resource provider.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::{ApiVersion, ArmError, ResourceId};

/// Azure Resource Manager.
///
/// # Contract
/// - Absence is `None`; deleting nothing is [`ArmDeleted::AlreadyAbsent`].
/// - Long-running operations are followed to their end (`Azure-AsyncOperation`, `Location`,
///   `provisioningState`, `Retry-After`) within `deadline`; what is returned is the final resource.
/// - 429 and 5xx are retried within `deadline`, honouring `Retry-After`; so is 409 where the body
///   says that another operation is in progress.
///
/// # Cancellation
/// Dropping a `put`, `post` or `delete` may leave the operation running in Azure; look before
/// trying again.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Arm: fmt::Debug + Send + Sync + 'static {
    /// Reads one resource; `None` if it (or its parent) is not there.
    async fn get(&self, id: ResourceId, version: ApiVersion) -> Result<Option<Value>, ArmError>;

    /// Reads a collection, all pages: `id` is the parent, `collection` its child collection as in
    /// the URL (`federatedIdentityCredentials`,
    /// `providers/Microsoft.Authorization/roleAssignments?$filter=…`).
    async fn list(
        &self,
        id: ResourceId,
        collection: String,
        version: ApiVersion,
    ) -> Result<Vec<Value>, ArmError>;

    /// Creates or replaces one resource and follows the operation to its end.
    async fn put(
        &self,
        id: ResourceId,
        version: ApiVersion,
        body: Value,
        deadline: Duration,
    ) -> Result<Value, ArmError>;

    /// Calls an action such as `listKeys`. Reading actions are probes; say so with `changes`.
    async fn post(
        &self,
        id: ResourceId,
        action: String,
        version: ApiVersion,
        body: Option<Value>,
        changes: bool,
        deadline: Duration,
    ) -> Result<Value, ArmError>;

    /// Deletes one resource and follows the operation to its end.
    async fn delete(
        &self,
        id: ResourceId,
        version: ApiVersion,
        deadline: Duration,
    ) -> Result<ArmDeleted, ArmError>;
}

/// The answer to a delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArmDeleted {
    /// It is gone.
    Gone,
    /// There was nothing to delete.
    AlreadyAbsent,
}
