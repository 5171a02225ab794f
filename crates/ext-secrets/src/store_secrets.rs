//! [`StoreSecrets`]: the step that puts values into the vault. It writes only what differs, since
//! each write is a new version that restarts consumers; it refuses to touch any other secret.

use std::sync::Arc;

use async_trait::async_trait;
use converge::{
    Change, ChangeKind, Decision, Proof, Secret, Slot, Step, StepContext, StepError, StepOutcome,
    Verification,
};
use futures::future::{join_all, try_join_all};
use url::Url;

use crate::{SecretName, VaultFacts, VaultSecret, VaultSecrets};

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

/// What the vault holds of each item, once the vault is known; its value may be known later.
#[derive(Debug)]
pub struct StoredObserved(Option<Held>);

#[derive(Debug)]
struct Held {
    vault: Url,
    items: Vec<(VaultItem, Option<VaultSecret>)>,
}

/// The items to write.
#[derive(Debug)]
pub struct StoreAction {
    vault: Url,
    items: Vec<VaultItem>,
}

fn compare(item: &VaultItem, held: Option<&VaultSecret>) -> Comparison {
    match (item.value.get(), held) {
        (None, _) => Comparison::Unknown,
        (Some(_), None) => Comparison::Absent,
        (Some(wanted), Some(held)) if held.enabled && held.value.same_as(&wanted) => {
            Comparison::Equal
        }
        (Some(_), Some(_)) => Comparison::Differs,
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
        let Some(vault) = self.vault.get().map(|facts| facts.uri) else {
            return Ok(StoredObserved(None));
        };
        let looks = self.items.iter().map(async |item| {
            let held = self.secrets.get(vault.clone(), item.name.clone()).await;
            Ok((item.clone(), held.map_err(StepError::before_writes)?))
        });
        let items = try_join_all(looks).await?;
        Ok(StoredObserved(Some(Held { vault, items })))
    }

    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        let row = |item: &VaultItem, kind, verification| {
            Change::new(kind, format!("vault secret {}", item.name), verification)
        };
        let items: Vec<(&VaultItem, Comparison)> = match &observed.0 {
            Some(held) => held
                .items
                .iter()
                .map(|(item, held)| (item, compare(item, held.as_ref())))
                .collect(),
            None => self
                .items
                .iter()
                .map(|item| (item, Comparison::Unknown))
                .collect(),
        };
        let changes: Vec<Change> = items
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
        let unknown = items.iter().any(|(_, seen)| *seen == Comparison::Unknown);
        Ok(match &observed.0 {
            Some(Held { vault, .. }) if !unknown && !changes.is_empty() => Decision::Act {
                action: StoreAction {
                    vault: vault.clone(),
                    items: items
                        .into_iter()
                        .filter(|(_, seen)| *seen != Comparison::Equal)
                        .map(|(item, _)| item.clone())
                        .collect(),
                },
                changes,
            },
            Some(_) if !unknown => Decision::Done {
                output: (),
                proof: Proof::effect(format!("{} values equal", items.len())),
            },
            _ => Decision::Later { changes },
        })
    }

    async fn perform(
        &self,
        action: Self::Action,
        _context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError> {
        let writes = action.items.iter().map(|item| {
            let value = item.value.get().expect("only known values are stored");
            let name = item.name.clone();
            self.secrets.set(action.vault.clone(), name, value)
        });
        // Every write is waited for, also after one that failed.
        let results = join_all(writes).await;
        let written = results.iter().filter(|result| result.is_ok()).count();
        if let Some(error) = results.into_iter().find_map(Result::err) {
            return Err(if written == 0 {
                StepError::before_writes(error)
            } else {
                StepError::after_writes(error)
            });
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
    use crate::{AccessModel, MockVaultSecrets};

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
    async fn an_unknown_value_is_predicted() {
        let step = step(holding(Some("a"), true), None);
        let observed = step.observe(&StepContext::default()).await.unwrap();
        assert!(matches!(
            step.decide(&observed).unwrap(),
            Decision::Later { .. }
        ));
    }
}
