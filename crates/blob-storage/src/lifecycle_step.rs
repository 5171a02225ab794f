//! [`EnsureLifecycle`]: old logs are deleted. It owns one rule of the account's policy; it refuses
//! to touch the others.

use std::sync::Arc;

use async_trait::async_trait;
use converge::{
    Change, ChangeKind, Decision, Proof, Slot, Step, StepContext, StepError, StepOutcome,
    Verification,
};

use crate::{AccountAccess, Ensured, LifecycleRule, StorageAccounts};

/// Keeps one lifecycle rule as declared.
#[derive(Debug, Clone)]
pub struct EnsureLifecycle {
    /// The control plane.
    pub accounts: Arc<dyn StorageAccounts>,
    /// The account, from [`FindAccount`](crate::FindAccount).
    pub account: Slot<AccountAccess>,
    /// The rule.
    pub rule: LifecycleRule,
}

impl EnsureLifecycle {
    fn proof(&self) -> Proof {
        Proof::observed(format!(
            "logs older than {} days are deleted, about daily",
            self.rule.days
        ))
    }

    fn row(&self, kind: ChangeKind, verification: Verification) -> Change {
        let target = format!("lifecycle rule {}", self.rule.name);
        let note = format!("delete after {} days", self.rule.days);
        Change::new(kind, target, verification).with_note(note)
    }
}

#[async_trait]
impl Step for EnsureLifecycle {
    type Observed = Option<(AccountAccess, Ensured)>;
    type Action = AccountAccess;
    type Output = ();

    fn name(&self) -> &'static str {
        "log lifecycle"
    }

    async fn observe(&self, _context: &StepContext) -> Result<Self::Observed, StepError> {
        let Some(access) = self.account.get() else {
            return Ok(None);
        };
        let (id, rule) = (access.facts.id.clone(), self.rule.clone());
        let would = self.accounts.lifecycle(id, rule).await;
        Ok(Some((access, would.map_err(StepError::before_writes)?)))
    }

    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        let Some((access, would)) = observed else {
            return Ok(Decision::Later {
                changes: vec![self.row(ChangeKind::Create, Verification::Predicted)],
            });
        };
        let kind = match would {
            Ensured::AlreadyThere => {
                return Ok(Decision::Done {
                    output: (),
                    proof: self.proof(),
                });
            }
            Ensured::Created => ChangeKind::Create,
            Ensured::Changed => ChangeKind::Update,
        };
        Ok(Decision::Act {
            action: access.clone(),
            changes: vec![self.row(kind, Verification::Verified)],
        })
    }

    async fn perform(
        &self,
        access: Self::Action,
        _context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError> {
        let ensured = self
            .accounts
            .ensure_lifecycle(access.facts.id, self.rule.clone())
            .await
            .map_err(StepError::before_writes)?;
        let did = match ensured {
            Ensured::Created => "created",
            Ensured::Changed => "changed",
            Ensured::AlreadyThere => "unchanged",
        };
        Ok(StepOutcome {
            output: (),
            did: did.into(),
            proof: self.proof(),
        })
    }
}
