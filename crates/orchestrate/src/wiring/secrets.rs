//! The secret's steps: the vault and who may read it, the operator, and what it makes of both. It owns
//! their shape in the graph and nothing of what they do.

use std::sync::Arc;
use std::time::Duration;

use converge::{Secret, Slot};
use ext_secrets::{
    EnsureExternalSecret, EnsureOperator, EnsureStore, ExchangeInputs, ExternalSecretSettings,
    FindVault, GrantScope, GrantVault, KeyMapping, OperatorMode, OperatorSettings, ProveExchange,
    SecretName, SecretStoreSettings, StoreSecrets, VaultItem,
};

use super::{Identity, Nodes, Storage, WiringError};
use crate::charts::Charts;
use crate::document::{Cloud, Deployment, Operator};
use crate::policy::Policy;
use crate::world::{World, resource_group};

/// What the secret's steps give to others.
pub(super) struct SecretReady {
    pub(super) synced: Slot<ext_secrets::SyncedSecret>,
    pub(super) vault: Slot<ext_secrets::VaultFacts>,
    /// What the operator's definitions serve.
    pub(super) api_versions: Slot<Vec<String>>,
    pub(super) after_vault: &'static str,
    pub(super) after_operator: &'static str,
    pub(super) after_secret: &'static str,
}

pub(super) fn wire_secrets(
    nodes: &mut Nodes,
    deployment: &Deployment,
    world: &World,
    charts: &Charts,
    policy: &Policy,
    identity: &Identity,
    storage: &Storage,
) -> Result<SecretReady, WiringError> {
    let settings = &deployment.external_secrets;
    let parse = |name: &str| SecretName::parse(name.to_owned()).map_err(WiringError::SecretName);
    let (account_name, account_key) = (
        parse(&settings.account_name_secret)?,
        parse(&settings.account_key_secret)?,
    );
    let names = vec![account_name.clone(), account_key.clone()];

    let vault = Slot::new();
    let id = resource_group(deployment)
        .and_then(|group| {
            group.provider("Microsoft.KeyVault", "vaults", &deployment.azure.key_vault)
        })
        .map_err(WiringError::Resource)?;
    let after_vault = nodes.add(
        vault.of(FindVault {
            access: Arc::clone(&world.vault_access),
            vault: id,
        }),
        &[],
    );
    let after_grant = nodes.add(
        Slot::new().of(GrantVault {
            access: Arc::clone(&world.vault_access),
            vault: vault.clone(),
            principal_id: identity
                .facts
                .map(|facts| facts.identity.principal_id.to_string()),
            scope: GrantScope::Vault,
        }),
        &[after_vault, "facts"],
    );
    let key = storage
        .account
        .map(|account| account.key.map_or_else(|| Secret::new(""), |key| key.value));
    let after_stored = nodes.add_looking(
        Slot::new().of(StoreSecrets {
            secrets: Arc::clone(&world.vault_secrets),
            vault: vault.clone(),
            items: vec![
                VaultItem {
                    name: account_name.clone(),
                    value: storage
                        .account
                        .map(|account| Secret::new(account.facts.name)),
                },
                VaultItem {
                    name: account_key.clone(),
                    value: key,
                },
            ],
        }),
        &[after_vault, storage.after_account],
        Some(&[after_vault]),
    );
    let exchanged = Slot::new();
    let mut inputs = ExchangeInputs::new(
        vault.clone(),
        identity.reader.clone(),
        identity.namespace.to_string(),
        identity.account.to_string(),
        names,
    );
    inputs.limit = Duration::from_secs(deployment.identity.propagation_seconds.max(60));
    let after_exchange = nodes.add(
        exchanged.of(ProveExchange {
            cluster: Arc::clone(&world.cluster),
            exchange: Arc::clone(&world.exchange),
            secrets: Arc::clone(&world.vault_secrets),
            inputs,
        }),
        &[
            identity.after_trust[0],
            identity.after_trust[1],
            after_grant,
            after_stored,
        ],
    );
    let operator = Slot::new();
    let api_versions = Slot::new();
    let after_operator = nodes.add(
        operator.of(EnsureOperator {
            cluster: Arc::clone(&world.cluster),
            releases: Arc::clone(&world.releases),
            mode: operator_mode(deployment, charts, policy),
            namespace: deployment.namespace.clone(),
            gate: Duration::from_secs(120),
            restart: policy.restarts(&settings.release),
            api_versions: api_versions.clone(),
        }),
        &[identity.after_namespace],
    );
    let store = Slot::new();
    let store_settings = SecretStoreSettings {
        name: settings.store.clone(),
        namespace: deployment.namespace.clone(),
        service_account: deployment.identity.service_account.clone(),
        environment: environment(deployment.azure.cloud),
    };
    let after_store = nodes.add_looking(
        store.of(EnsureStore {
            cluster: Arc::clone(&world.cluster),
            operator,
            vault: vault.clone(),
            exchange: exchanged,
            settings: store_settings.clone(),
            take_fields: policy.takes("SecretStore"),
            limit: Duration::from_secs(180),
        }),
        &[after_operator, after_exchange],
        Some(&[after_operator, after_vault]),
    );
    let synced = Slot::new();
    let after_secret = nodes.add_looking(
        synced.of(EnsureExternalSecret {
            cluster: Arc::clone(&world.cluster),
            secrets: Arc::clone(&world.vault_secrets),
            store,
            vault: vault.clone(),
            settings: ExternalSecretSettings {
                name: settings.external_secret.clone(),
                target: settings.target.clone(),
                refresh_interval: settings.refresh_interval.clone(),
                data: vec![
                    KeyMapping {
                        key: "azurestorageaccountname".into(),
                        vault_secret: account_name,
                    },
                    KeyMapping {
                        key: "azurestorageaccountkey".into(),
                        vault_secret: account_key,
                    },
                ],
                ..ExternalSecretSettings::default()
            },
            expected: store_settings,
            take_fields: policy.takes("ExternalSecret"),
            limit: Duration::from_secs(180),
        }),
        &[after_store],
        Some(&[after_operator, after_vault]),
    );
    Ok(SecretReady {
        synced,
        vault,
        api_versions,
        after_vault,
        after_operator,
        after_secret,
    })
}

fn operator_mode(deployment: &Deployment, charts: &Charts, policy: &Policy) -> OperatorMode {
    let settings = &deployment.external_secrets;
    match (&settings.operator, &charts.external_secrets) {
        (Operator::Install, Some(chart)) => OperatorMode::Install {
            chart: Arc::clone(chart) as Arc<dyn helm_release::ReleaseChart>,
            settings: OperatorSettings {
                release: settings.release.clone(),
                namespace: deployment.namespace.clone(),
                values: settings.values.clone(),
                ..OperatorSettings::default()
            },
            policy: policy.release(),
        },
        _ => OperatorMode::Existing,
    }
}

/// External Secrets' names of the clouds; the public one is left out.
fn environment(cloud: Cloud) -> Option<String> {
    match cloud {
        Cloud::Public => None,
        Cloud::Government => Some("USGovernmentCloud".into()),
        Cloud::China => Some("ChinaCloud".into()),
    }
}
