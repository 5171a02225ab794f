//! [`FindVault`]: the step that learns a vault's address and access model. It only reads; it
//! refuses to make a vault.

use std::sync::Arc;

use async_trait::async_trait;
use azure::ResourceId;
use converge::{Decision, Proof, Step, StepContext, StepError, StepOutcome};

use crate::{VaultAccess, VaultAccessError, VaultFacts};

/// Reads a vault's facts; the vault must be there.
#[derive(Debug, Clone)]
pub struct FindVault {
    /// The control plane.
    pub access: Arc<dyn VaultAccess>,
    /// The vault.
    pub vault: ResourceId,
}

#[async_trait]
impl Step for FindVault {
    type Observed = Option<VaultFacts>;
    type Action = std::convert::Infallible;
    type Output = VaultFacts;

    fn name(&self) -> &'static str {
        "vault facts"
    }

    async fn observe(&self, _context: &StepContext) -> Result<Self::Observed, StepError> {
        self.access
            .facts(self.vault.clone())
            .await
            .map_err(StepError::before_writes)
    }

    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        let facts = observed.clone().ok_or_else(|| {
            StepError::before_writes(VaultAccessError::Missing {
                vault: self.vault.name().to_owned(),
            })
        })?;
        let reach = if facts.firewalled { ", firewalled" } else { "" };
        let proof = Proof::observed(format!("{}, access by {}{reach}", facts.uri, facts.model));
        Ok(Decision::Done {
            output: facts,
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
