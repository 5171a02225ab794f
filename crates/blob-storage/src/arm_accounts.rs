//! [`ArmStorageAccounts`]: storage accounts over the real Resource Manager. It owns ids, versions
//! and the reading of answers; it refuses whole-document writes where others have a part.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure::{ApiVersion, Arm, ArmError, ArmErrorKind, ResourceId};
use converge::Secret;
use serde_json::{Value, json};

use crate::{
    AccountFacts, AccountKey, ContainerName, Ensured, LifecycleRule, StorageAccounts, StorageError,
};

const VERSION: ApiVersion = ApiVersion("2025-08-01");

/// Which of the two keys is used. Azure does not promise their order.
const KEY: &str = "key1";

/// How long a write may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Storage accounts over Resource Manager, api-version 2025-08-01.
#[derive(Debug, Clone)]
pub struct ArmStorageAccounts {
    arm: Arc<dyn Arm>,
}

impl ArmStorageAccounts {
    /// Over this Resource Manager.
    pub fn new(arm: Arc<dyn Arm>) -> Self {
        Self { arm }
    }

    async fn policy(&self, account: &ResourceId) -> Result<Option<Value>, StorageError> {
        let id = child(account, &[("managementPolicies", "default")])?;
        let policy = self.arm.get(id, VERSION).await;
        policy.map_err(StorageError::Look)
    }
}

/// A resource below an account.
fn child(account: &ResourceId, path: &[(&str, &str)]) -> Result<ResourceId, StorageError> {
    let mut id = account.clone();
    for (kind, name) in path {
        id = id.child(kind, name).map_err(|error| {
            let kind = ArmErrorKind::Answer(Box::new(error));
            StorageError::Look(ArmError::new("name", account.to_string(), kind))
        })?;
    }
    Ok(id)
}

fn container_id(
    account: &ResourceId,
    container: &ContainerName,
) -> Result<ResourceId, StorageError> {
    let path = [
        ("blobServices", "default"),
        ("containers", container.as_str()),
    ];
    child(account, &path)
}

/// Reads an account's document.
fn read_facts(id: ResourceId, body: &Value) -> Result<AccountFacts, StorageError> {
    let properties = &body["properties"];
    let name = id.name().to_owned();
    let blob_endpoint = properties["primaryEndpoints"]["blob"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| StorageError::Answer {
            account: name.clone(),
            what: "blob endpoint",
        })?;
    Ok(AccountFacts {
        name,
        blob_endpoint,
        sku: body["sku"]["name"].as_str().unwrap_or_default().to_owned(),
        shared_key_allowed: properties["allowSharedKeyAccess"] != false,
        firewalled: properties["networkAcls"]["defaultAction"] == "Deny"
            || properties["publicNetworkAccess"] == "Disabled",
        id,
    })
}

/// Finds the key by its name.
fn read_key(account: &ResourceId, body: &Value) -> Result<AccountKey, StorageError> {
    body["keys"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|key| key["keyName"] == KEY)
        .and_then(|key| key["value"].as_str())
        .filter(|value| !value.is_empty())
        .map(|value| AccountKey {
            name: KEY.to_owned(),
            value: Secret::new(value),
        })
        .ok_or_else(|| StorageError::Answer {
            account: account.name().to_owned(),
            what: "key `key1`",
        })
}

/// A failure below an account: its absence by name, everything else as it is.
fn below(account: &ResourceId) -> impl Fn(ArmError) -> StorageError + '_ {
    |error| {
        if error.code() == Some("ResourceNotFound")
            || error.code() == Some("ParentResourceNotFound")
        {
            StorageError::Missing {
                account: account.name().to_owned(),
            }
        } else {
            StorageError::Change(error)
        }
    }
}

#[async_trait]
impl StorageAccounts for ArmStorageAccounts {
    async fn facts(&self, account: ResourceId) -> Result<Option<AccountFacts>, StorageError> {
        let body = self.arm.get(account.clone(), VERSION).await;
        match body.map_err(StorageError::Look)? {
            Some(body) => read_facts(account, &body).map(Some),
            None => Ok(None),
        }
    }

    async fn key(&self, account: ResourceId) -> Result<AccountKey, StorageError> {
        let body = self
            .arm
            .post(
                account.clone(),
                "listKeys".into(),
                VERSION,
                None,
                false,
                LIMIT,
            )
            .await
            .map_err(|error| match below(&account)(error) {
                StorageError::Change(error) => StorageError::Look(error),
                missing => missing,
            })?;
        read_key(&account, &body)
    }

    async fn has_container(
        &self,
        account: ResourceId,
        container: ContainerName,
    ) -> Result<bool, StorageError> {
        let id = container_id(&account, &container)?;
        let found = self.arm.get(id, VERSION).await;
        Ok(found.map_err(StorageError::Look)?.is_some())
    }

    async fn ensure_container(
        &self,
        account: ResourceId,
        container: ContainerName,
    ) -> Result<Ensured, StorageError> {
        let there = self.has_container(account.clone(), container.clone());
        if there.await? {
            return Ok(Ensured::AlreadyThere);
        }
        let id = container_id(&account, &container)?;
        let body = json!({"properties": {"publicAccess": "None"}});
        let written = self.arm.put(id, VERSION, body, LIMIT).await;
        written.map_err(below(&account))?;
        Ok(Ensured::Created)
    }

    async fn lifecycle(
        &self,
        account: ResourceId,
        rule: LifecycleRule,
    ) -> Result<Ensured, StorageError> {
        let live = self.policy(&account).await?;
        Ok(rule.merge(live.as_ref()).0)
    }

    async fn ensure_lifecycle(
        &self,
        account: ResourceId,
        rule: LifecycleRule,
    ) -> Result<Ensured, StorageError> {
        let live = self.policy(&account).await?;
        let (ensured, document) = rule.merge(live.as_ref());
        if ensured != Ensured::AlreadyThere {
            let id = child(&account, &[("managementPolicies", "default")])?;
            let written = self.arm.put(id, VERSION, document, LIMIT).await;
            written.map_err(below(&account))?;
        }
        Ok(ensured)
    }
}

#[cfg(test)]
#[path = "arm_accounts/tests.rs"]
mod tests;
