//! [`EnsureContainer`]: the container is there. It owns one row of the plan; it refuses to make it
//! public.

use std::sync::Arc;

use async_trait::async_trait;
use converge::{
    Change, ChangeKind, Decision, Proof, Slot, Step, StepContext, StepError, StepOutcome,
    Verification,
};

use crate::{AccountAccess, ContainerName, Ensured, LogContainer, StorageAccounts};

/// Makes the container unless it is there.
#[derive(Debug, Clone)]
pub struct EnsureContainer {
    /// The control plane.
    pub accounts: Arc<dyn StorageAccounts>,
    /// The account, from [`FindAccount`](crate::FindAccount).
    pub account: Slot<AccountAccess>,
    /// The container.
    pub container: ContainerName,
}

impl EnsureContainer {
    fn output(&self, access: AccountAccess) -> LogContainer {
        LogContainer {
            account: access.facts.name,
            endpoint: access.facts.blob_endpoint,
            container: self.container.clone(),
            key: access.key,
        }
    }

    fn row(&self, verification: Verification) -> Change {
        let target = format!("container {}", self.container);
        Change::new(ChangeKind::Create, target, verification)
    }
}

#[async_trait]
impl Step for EnsureContainer {
    type Observed = Option<(AccountAccess, bool)>;
    type Action = AccountAccess;
    type Output = LogContainer;

    fn name(&self) -> &'static str {
        "log container"
    }

    async fn observe(&self, _context: &StepContext) -> Result<Self::Observed, StepError> {
        let Some(access) = self.account.get() else {
            return Ok(None);
        };
        let (id, container) = (access.facts.id.clone(), self.container.clone());
        let there = self.accounts.has_container(id, container).await;
        Ok(Some((access, there.map_err(StepError::before_writes)?)))
    }

    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        Ok(match observed {
            None => Decision::Later {
                changes: vec![self.row(Verification::Predicted)],
            },
            Some((access, true)) => Decision::Done {
                output: self.output(access.clone()),
                proof: Proof::observed("the container is there"),
            },
            Some((access, false)) => Decision::Act {
                action: access.clone(),
                changes: vec![self.row(Verification::Verified)],
            },
        })
    }

    async fn perform(
        &self,
        access: Self::Action,
        _context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError> {
        let (id, container) = (access.facts.id.clone(), self.container.clone());
        let ensured = self.accounts.ensure_container(id, container).await;
        let did = match ensured.map_err(StepError::before_writes)? {
            Ensured::AlreadyThere => "unchanged",
            Ensured::Created | Ensured::Changed => "created",
        };
        Ok(StepOutcome {
            output: self.output(access),
            did: did.into(),
            proof: Proof::observed("Resource Manager answers for it"),
        })
    }
}
