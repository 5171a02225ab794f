//! [`GrantVault`]: the step that lets the identity read secrets (S8 of the guide). It owns the
//! decision and refuses to wait: that the grant has arrived is proven by the token exchange.

use std::sync::Arc;

use async_trait::async_trait;
use converge::{
    Change, ChangeKind, Decision, Proof, Slot, Step, StepContext, StepError, StepOutcome,
    Verification,
};

use crate::{GrantScope, Granted, ReadGrant, VaultAccess, VaultFacts};

/// Lets a principal read a vault's secrets, by access policy or role assignment, whichever counts.
#[derive(Debug, Clone)]
pub struct GrantVault {
    /// The control plane.
    pub access: Arc<dyn VaultAccess>,
    /// The vault, from [`FindVault`](crate::FindVault).
    pub vault: Slot<VaultFacts>,
    /// The object id of the identity's principal.
    pub principal_id: Slot<String>,
    /// How far a role assignment reaches; the whole vault by default.
    pub scope: GrantScope,
}

/// What was seen.
#[derive(Debug)]
pub struct GrantObserved(Option<(ReadGrant, bool)>);

#[async_trait]
impl Step for GrantVault {
    type Observed = GrantObserved;
    type Action = ReadGrant;
    type Output = Granted;

    fn name(&self) -> &'static str {
        "vault grant"
    }

    async fn observe(&self, _context: &StepContext) -> Result<Self::Observed, StepError> {
        let (Some(vault), Some(principal_id)) = (self.vault.get(), self.principal_id.get()) else {
            return Ok(GrantObserved(None));
        };
        let grant = ReadGrant {
            vault,
            principal_id,
            scope: self.scope.clone(),
        };
        let there = self
            .access
            .is_granted(grant.clone())
            .await
            .map_err(StepError::before_writes)?;
        Ok(GrantObserved(Some((grant, there))))
    }

    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        let row = |verification| {
            Change::new(
                ChangeKind::Create,
                "key vault grant: get secrets",
                verification,
            )
        };
        Ok(match &observed.0 {
            None => Decision::Later {
                changes: vec![
                    row(Verification::Predicted).with_note("waits for vault and identity"),
                ],
            },
            Some((grant, true)) => Decision::Done {
                output: Granted::AlreadyThere,
                proof: Proof::observed(format!("{}: get", grant.vault.model)),
            },
            Some((grant, false)) => Decision::Act {
                changes: vec![row(Verification::Verified).with_note(format!(
                    "{} on `{}` for principal {}",
                    grant.vault.model,
                    grant.vault.id.name(),
                    grant.principal_id
                ))],
                action: grant.clone(),
            },
        })
    }

    async fn perform(
        &self,
        grant: Self::Action,
        _context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError> {
        let model = grant.vault.model;
        let granted = self
            .access
            .grant(grant)
            .await
            .map_err(StepError::after_writes)?;
        Ok(StepOutcome {
            output: granted,
            did: match granted {
                Granted::Added => "granted".into(),
                Granted::AlreadyThere => "unchanged".into(),
            },
            proof: Proof::observed(format!("{model}: get")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccessModel, MockVaultAccess};

    fn step(access: MockVaultAccess) -> GrantVault {
        let step = GrantVault {
            access: Arc::new(access),
            vault: Slot::new(),
            principal_id: Slot::new(),
            scope: GrantScope::Vault,
        };
        step.vault.fill(VaultFacts {
            id: "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/kv"
                .parse()
                .unwrap(),
            uri: "https://kv.vault.azure.net".parse().unwrap(),
            tenant_id: "t".into(),
            model: AccessModel::Roles,
            firewalled: false,
        });
        step
    }

    #[tokio::test]
    async fn without_the_identity_nothing_can_be_said_yet() {
        let step = step(MockVaultAccess::new());
        let observed = step.observe(&StepContext::default()).await.unwrap();
        assert!(matches!(
            step.decide(&observed).unwrap(),
            Decision::Later { .. }
        ));
    }

    #[tokio::test]
    async fn a_grant_in_place_leaves_nothing_to_do() {
        for (there, acts) in [(true, false), (false, true)] {
            let mut access = MockVaultAccess::new();
            access.expect_is_granted().return_once(move |_| Ok(there));
            let step = step(access);
            step.principal_id.fill("p".into());
            let observed = step.observe(&StepContext::default()).await.unwrap();
            let decision = step.decide(&observed).unwrap();
            assert_eq!(matches!(decision, Decision::Act { .. }), acts);
        }
    }
}
