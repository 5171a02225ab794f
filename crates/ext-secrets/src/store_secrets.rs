//! [`StoreSecrets`]: the step that puts values into the vault. It writes only what differs, since
//! each write is a new version that restarts consumers; it refuses to touch any other secret.

use std::sync::Arc;

use async_trait::async_trait;
use converge::{
    Change, ChangeKind, Decision, Proof, Secret, Slot, Step, StepContext, StepError, StepOutcome,
    Verification,
};
use url::Url;

use crate::{SecretName, VaultFacts, VaultSecrets};

/// Keeps vault secrets at given values, such as the log storage account's name and key.
#[derive(Debug, Clone)]
pub struct StoreSecrets {
    /// The data plane.
    pub secrets: Arc<dyn VaultSecrets>,
    /// The vault, from [`FindVault`](crate::FindVault).
    pub vault: Slot<VaultFacts>,
    /// What to keep there.
    pub items: Vec<VaultItem>,
}

/// One secret of the vault and where its value comes from.
#[derive(Debug, Clone)]
pub struct VaultItem {
    /// The name in the vault.
    pub name: SecretName,
    /// The value, possibly known only after an earlier step.
    pub value: Slot<Secret>,
}

/// How one item compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Absent,
    Differs,
    Unknown,
}

/// What was seen of each item.
#[derive(Debug)]
pub struct StoredObserved {
    vault: Option<Url>,
    items: Vec<(VaultItem, Comparison)>,
}

/// The items to write.
#[derive(Debug)]
pub struct StoreAction {
    vault: Url,
    items: Vec<VaultItem>,
}

impl StoreSecrets {
    async fn compare(&self, vault: &Url, item: &VaultItem) -> Result<Comparison, StepError> {
        let Some(wanted) = item.value.get() else {
            return Ok(Comparison::Unknown);
        };
        let held = self
            .secrets
            .get(vault.clone(), item.name.clone())
            .await
            .map_err(StepError::before_writes)?;
        Ok(match held {
            None => Comparison::Absent,
            Some(held) if held.enabled && held.value.same_as(&wanted) => Comparison::Equal,
            Some(_) => Comparison::Differs,
        })
    }
}

#[async_trait]
impl Step for StoreSecrets {
    type Observed = StoredObserved;
    type Action = StoreAction;
    type Output = ();

    fn name(&self) -> &'static str {
        "vault secrets"
    }

    async fn observe(&self, _context: &StepContext) -> Result<Self::Observed, StepError> {
        let vault = self.vault.get().map(|facts| facts.uri);
        let mut items = Vec::with_capacity(self.items.len());
        for item in &self.items {
            let comparison = match &vault {
                Some(vault) => self.compare(vault, item).await?,
                None => Comparison::Unknown,
            };
            items.push((item.clone(), comparison));
        }
        Ok(StoredObserved { vault, items })
    }

    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        let row = |item: &VaultItem, kind, verification| {
            Change::new(kind, format!("vault secret {}", item.name), verification)
        };
        let changes: Vec<Change> = observed
            .items
            .iter()
            .filter_map(|(item, comparison)| match comparison {
                Comparison::Equal => None,
                Comparison::Absent => Some(row(item, ChangeKind::Create, Verification::Verified)),
                Comparison::Differs => Some(row(item, ChangeKind::Update, Verification::Verified)),
                Comparison::Unknown => Some(
                    row(item, ChangeKind::Update, Verification::Predicted)
                        .with_note("its value is not known yet; written only if it differs"),
                ),
            })
            .collect();
        let unknown = observed
            .items
            .iter()
            .any(|(_, seen)| *seen == Comparison::Unknown);
        Ok(match &observed.vault {
            Some(vault) if !unknown && !changes.is_empty() => Decision::Act {
                action: StoreAction {
                    vault: vault.clone(),
                    items: observed
                        .items
                        .iter()
                        .filter(|(_, seen)| *seen != Comparison::Equal)
                        .map(|(item, _)| item.clone())
                        .collect(),
                },
                changes,
            },
            Some(_) if !unknown => Decision::Done {
                output: (),
                proof: Proof::effect(format!("{} values equal", observed.items.len())),
            },
            _ => Decision::Later { changes },
        })
    }

    async fn perform(
        &self,
        action: Self::Action,
        _context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError> {
        let mut written = 0_usize;
        for item in &action.items {
            let value = item.value.get().expect("only known values are stored");
            let result = self
                .secrets
                .set(action.vault.clone(), item.name.clone(), value)
                .await;
            match result {
                Ok(_) => written += 1,
                Err(error) if written == 0 => return Err(StepError::before_writes(error)),
                Err(error) => return Err(StepError::after_writes(error)),
            }
        }
        Ok(StepOutcome {
            output: (),
            did: format!("{written} written"),
            proof: Proof::observed("the vault acknowledged the new versions"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccessModel, MockVaultSecrets, VaultSecret};

    fn step(secrets: MockVaultSecrets, value: Option<&str>) -> StoreSecrets {
        let item = VaultItem {
            name: SecretName::parse("name").unwrap(),
            value: Slot::new(),
        };
        if let Some(value) = value {
            item.value.fill(Secret::new(value));
        }
        let vault = Slot::new();
        vault.fill(VaultFacts {
            id: "/subscriptions/s".parse().unwrap(),
            uri: "https://kv.vault.azure.net".parse().unwrap(),
            tenant_id: "t".into(),
            model: AccessModel::Policies,
            firewalled: false,
        });
        StoreSecrets {
            secrets: Arc::new(secrets),
            vault,
            items: vec![item],
        }
    }

    fn holding(value: Option<&'static str>, enabled: bool) -> MockVaultSecrets {
        let mut secrets = MockVaultSecrets::new();
        secrets.expect_get().returning(move |_, _| {
            Ok(value.map(|value| VaultSecret {
                value: Secret::new(value),
                version: "1".into(),
                enabled,
            }))
        });
        secrets
    }

    #[tokio::test]
    async fn only_what_differs_is_written() {
        let cases = [
            (Some("a"), true, ChangeKind::None),
            (Some("b"), true, ChangeKind::Update),
            (Some("a"), false, ChangeKind::Update),
            (None, true, ChangeKind::Create),
        ];
        for (held, enabled, expected) in cases {
            let step = step(holding(held, enabled), Some("a"));
            let observed = step.observe(&StepContext::default()).await.unwrap();
            let found = match step.decide(&observed).unwrap() {
                Decision::Done { .. } => ChangeKind::None,
                Decision::Act { changes, .. } => changes[0].kind,
                other => panic!("the value is known: {other:?}"),
            };
            assert_eq!(found, expected, "{held:?} {enabled}");
        }
    }

    #[tokio::test]
    async fn an_unknown_value_is_predicted_and_not_read() {
        let step = step(MockVaultSecrets::new(), None);
        let observed = step.observe(&StepContext::default()).await.unwrap();
        assert!(matches!(
            step.decide(&observed).unwrap(),
            Decision::Later { .. }
        ));
    }
}
