//! [`StorageAccounts`]: a storage account over Resource Manager, and [`FindAccount`], the step that
//! learns it and its key. They own facts and the detection of a disabled key; they refuse to make an
//! account.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure::{ArmError, ResourceId};
use converge::{Decision, Proof, Secret, Step, StepContext, StepError, StepOutcome};
use url::Url;

use crate::{ContainerName, LifecycleRule};

/// The control plane of storage accounts.
///
/// # Contract
/// - An absent account is `None` for [`facts`](Self::facts), and
///   [`StorageError::Missing`] for everything below it.
/// - What is as wanted is not written again.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait StorageAccounts: fmt::Debug + Send + Sync + 'static {
    /// Reads an account's facts; `None` if it is not there.
    ///
    /// # Errors
    /// What Azure refuses. Nothing was written.
    async fn facts(&self, account: ResourceId) -> Result<Option<AccountFacts>, StorageError>;

    /// Asks for the account's first key (`listKeys`, a probe), chosen by its name.
    ///
    /// # Errors
    /// What Azure refuses, or no key with that name. Nothing was written.
    async fn key(&self, account: ResourceId) -> Result<AccountKey, StorageError>;

    /// Whether a container is there.
    ///
    /// # Errors
    /// What Azure refuses. Nothing was written.
    async fn has_container(
        &self,
        account: ResourceId,
        container: ContainerName,
    ) -> Result<bool, StorageError>;

    /// Makes a private container unless it is there.
    ///
    /// # Errors
    /// What Azure refuses; nothing was written then.
    async fn ensure_container(
        &self,
        account: ResourceId,
        container: ContainerName,
    ) -> Result<Ensured, StorageError>;

    /// What [`ensure_lifecycle`](Self::ensure_lifecycle) would do; reads only.
    ///
    /// # Errors
    /// What Azure refuses. Nothing was written.
    async fn lifecycle(
        &self,
        account: ResourceId,
        rule: LifecycleRule,
    ) -> Result<Ensured, StorageError>;

    /// Puts one rule, by its name, into the account's lifecycle policy and leaves all others.
    ///
    /// # Errors
    /// What Azure refuses; nothing was written then.
    async fn ensure_lifecycle(
        &self,
        account: ResourceId,
        rule: LifecycleRule,
    ) -> Result<Ensured, StorageError>;
}

/// What an idempotent write did, or would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensured {
    /// It was not there.
    Created,
    /// It was there and differed.
    Changed,
    /// It was as wanted; nothing is written.
    AlreadyThere,
}

/// What is known of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountFacts {
    /// Its resource id.
    pub id: ResourceId,
    /// Its name.
    pub name: String,
    /// Its blob endpoint, as the account says: `https://NAME.blob.core.windows.net/`.
    pub blob_endpoint: Url,
    /// Its SKU: `Standard_ZRS`.
    pub sku: String,
    /// Whether its keys are of use (`allowSharedKeyAccess`; absent means yes).
    pub shared_key_allowed: bool,
    /// Whether only listed networks may reach it.
    pub firewalled: bool,
}

/// One key of an account.
#[derive(Debug, Clone)]
pub struct AccountKey {
    /// Its name: `key1`.
    pub name: String,
    /// Its value, base64.
    pub value: Secret,
}

/// A failed look at, or change of, a storage account.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum StorageError {
    /// Azure refused a look.
    #[error("cannot look at the storage account")]
    #[diagnostic(code(aka::storage::look))]
    Look(
        #[source]
        #[diagnostic_source]
        ArmError,
    ),

    /// Azure refused a change.
    #[error("cannot change the storage account")]
    #[diagnostic(code(aka::storage::change))]
    Change(
        #[source]
        #[diagnostic_source]
        ArmError,
    ),

    /// The account is not there.
    #[error("storage account `{account}` is not there")]
    #[diagnostic(
        code(aka::storage::missing),
        help("check the name, the resource group and the subscription")
    )]
    Missing {
        /// Its name.
        account: String,
    },

    /// Its keys are of no use.
    #[error("storage account `{account}` does not accept its keys")]
    #[diagnostic(
        code(aka::storage::shared_key_disabled),
        help(
            "the volume of the guide mounts with the account key: set `allowSharedKeyAccess` on \
             the account, or keep task logs elsewhere (a policy of the subscription may forbid it)"
        )
    )]
    SharedKeyDisabled {
        /// Its name.
        account: String,
    },

    /// Azure's answer lacks something.
    #[error("the answer about storage account `{account}` has no {what}")]
    #[diagnostic(code(aka::storage::answer))]
    Answer {
        /// Its name.
        account: String,
        /// What is missing.
        what: &'static str,
    },
}

/// The account, and its key where keys are of use.
#[derive(Debug, Clone)]
pub struct AccountAccess {
    /// The facts.
    pub facts: AccountFacts,
    /// The key; `None` when the account does not accept keys.
    pub key: Option<AccountKey>,
}

/// Learns an account and its key; the account must be there.
#[derive(Debug, Clone)]
pub struct FindAccount {
    /// The control plane.
    pub accounts: Arc<dyn StorageAccounts>,
    /// The account.
    pub account: ResourceId,
    /// Whether the key is needed, as for the guide's volume. If so, an account that does not accept
    /// keys is an error before anything is written.
    pub needs_key: bool,
}

#[async_trait]
impl Step for FindAccount {
    type Observed = Option<AccountAccess>;
    type Action = std::convert::Infallible;
    type Output = AccountAccess;

    fn name(&self) -> &'static str {
        "storage account"
    }

    async fn observe(&self, _context: &StepContext) -> Result<Self::Observed, StepError> {
        // Asked for at once; of an account that is not there or takes no keys, the answer does not count.
        let key = async {
            if self.needs_key {
                Some(self.accounts.key(self.account.clone()).await)
            } else {
                None
            }
        };
        let facts = self.accounts.facts(self.account.clone());
        let (facts, key) = futures::join!(facts, key);
        let Some(facts) = facts.map_err(StepError::before_writes)? else {
            return Ok(None);
        };
        let key = key.filter(|_| facts.shared_key_allowed).transpose();
        let key = key.map_err(StepError::before_writes)?;
        Ok(Some(AccountAccess { facts, key }))
    }

    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        let account = self.account.name().to_owned();
        let Some(access) = observed else {
            return Err(StepError::before_writes(StorageError::Missing { account }));
        };
        if self.needs_key && access.key.is_none() {
            let error = StorageError::SharedKeyDisabled { account };
            return Err(StepError::before_writes(error));
        }
        let reach = if access.facts.firewalled {
            ", firewalled"
        } else {
            ""
        };
        let proof = Proof::observed(format!(
            "{}, {}{reach}",
            access.facts.name, access.facts.sku
        ));
        Ok(Decision::Done {
            output: access.clone(),
            proof,
        })
    }

    async fn perform(
        &self,
        action: Self::Action,
        _context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError> {
        match action {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> FindAccount {
        FindAccount {
            accounts: Arc::new(MockStorageAccounts::new()),
            account: "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/logs"
                .parse()
                .unwrap(),
            needs_key: true,
        }
    }

    fn access(key: bool) -> AccountAccess {
        AccountAccess {
            facts: AccountFacts {
                id: step().account,
                name: "logs".into(),
                blob_endpoint: "https://logs.blob.core.windows.net/".parse().unwrap(),
                sku: "Standard_ZRS".into(),
                shared_key_allowed: key,
                firewalled: false,
            },
            key: key.then(|| AccountKey {
                name: "key1".into(),
                value: Secret::new("canary"),
            }),
        }
    }

    #[test]
    fn an_account_is_accepted_refused_or_missed() {
        assert!(matches!(
            step().decide(&Some(access(true))),
            Ok(Decision::Done { .. })
        ));
        let refused = step().decide(&Some(access(false))).unwrap_err();
        assert!(refused.to_string().contains("does not accept its keys"));
        let missing = step().decide(&None).unwrap_err();
        assert!(missing.to_string().contains("is not there"));
    }

    #[test]
    fn the_key_is_not_shown() {
        assert!(!format!("{:?}", access(true)).contains("canary"));
    }
}
