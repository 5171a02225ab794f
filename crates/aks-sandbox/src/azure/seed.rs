//! What part 2 of the guide leaves behind in Azure. It owns the first state of a world; it refuses
//! what part 3 does: no credential, no grant, no container, no vault secret.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::state::Application;
use super::{AzureState, Delays, Issuer, Resource};
use crate::world::WorldSpec;

/// The application as which other programs log in as the deployer: `az login --service-principal`.
pub(crate) const DEPLOYER_APPLICATION: &str = "77777777-7777-4777-8777-777777777777";

/// Its secret. A simulated world has nothing to protect.
pub(crate) const DEPLOYER_SECRET: &str = "sandbox";

impl AzureState {
    /// The Azure of a new world: resource group, identity, vault, storage account, registry with its
    /// images, cluster. The caller `deployer` owns the subscription and may read and write the
    /// vault's secrets, as whoever made the vault by hand may.
    pub fn seeded(spec: &WorldSpec, deployer: &str, seed: u64, now: Timestamp) -> Self {
        let mut state = Self {
            tenant: spec.tenant.clone(),
            subscription: spec.subscription.clone(),
            deployer: deployer.to_owned(),
            issuer: Issuer::seeded(spec.issuer_url(), seed),
            external_issuer: None,
            delays: Delays::default(),
            resources: BTreeMap::new(),
            secrets: BTreeMap::new(),
            containers: BTreeMap::new(),
            kubeconfigs: BTreeMap::new(),
            account_keys: BTreeMap::new(),
            applications: BTreeMap::from([(
                DEPLOYER_APPLICATION.to_owned(),
                Application {
                    secret: DEPLOYER_SECRET.to_owned(),
                    object_id: deployer.to_owned(),
                },
            )]),
            images: BTreeSet::new(),
            policies_since: BTreeMap::new(),
            busy: BTreeMap::new(),
            refused: BTreeMap::new(),
            operations: BTreeMap::new(),
            serial: 0,
        };
        state.seed_resources(spec, now);
        state
            .secrets
            .entry(spec.vault.to_ascii_lowercase())
            .or_default();
        state
            .containers
            .entry(spec.storage_account.clone())
            .or_default();
        let key = format!("{}|key1", spec.storage_account);
        state.account_keys.insert(key, spec.storage_key.clone());
        let since = now - state.delays.access_policy;
        let policy = format!("{}|{deployer}", spec.vault.to_ascii_lowercase());
        state.policies_since.insert(policy, since);
        for image in &spec.images {
            let reference = format!(
                "{}/{}:{}",
                spec.registry_host(),
                image.repository,
                image.tag
            );
            state.images.insert(reference);
        }
        state
    }

    fn seed_resources(&mut self, spec: &WorldSpec, now: Timestamp) {
        let group = format!(
            "/subscriptions/{}/resourceGroups/{}",
            spec.subscription, spec.resource_group
        );
        let mut keep = |id: String, kind: &str, rest: Value| {
            let mut body = json!({
                "id": id,
                "name": id.rsplit('/').next(),
                "type": kind,
                "location": spec.location,
                "tags": {},
            });
            for (key, value) in rest.as_object().into_iter().flatten() {
                body[key] = value.clone();
            }
            // Old enough that everything about it is known everywhere.
            let changed = now - std::time::Duration::from_secs(3600);
            let kind = kind.to_owned();
            let resource = Resource {
                id: id.clone(),
                kind,
                body,
                changed,
                settles: None,
            };
            self.resources.insert(id.to_ascii_lowercase(), resource);
        };
        keep(
            group.clone(),
            "Microsoft.Resources/resourceGroups",
            json!({"properties": {"provisioningState": "Succeeded"}}),
        );
        keep(
            format!(
                "{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{}",
                spec.identity
            ),
            "Microsoft.ManagedIdentity/userAssignedIdentities",
            json!({"properties": {
                "tenantId": spec.tenant,
                "principalId": spec.principal_id,
                "clientId": spec.client_id,
            }}),
        );
        let all = json!([
            "get", "list", "set", "delete", "recover", "backup", "restore", "purge"
        ]);
        let deployer = self.deployer.clone();
        let vault = format!("{group}/providers/Microsoft.KeyVault/vaults/{}", spec.vault);
        keep(
            vault.clone(),
            "Microsoft.KeyVault/vaults",
            json!({"properties": {
                "tenantId": spec.tenant,
                "sku": {"family": "A", "name": "standard"},
                "enableRbacAuthorization": spec.vault_uses_roles,
                "accessPolicies": [{
                    "tenantId": spec.tenant,
                    "objectId": deployer,
                    "permissions": {"keys": [], "secrets": all, "certificates": []},
                }],
                "enableSoftDelete": true,
                "softDeleteRetentionInDays": 90,
                "vaultUri": format!("https://{}.vault.azure.net/", spec.vault),
                "provisioningState": "Succeeded",
                "publicNetworkAccess": "Enabled",
            }}),
        );
        keep(
            format!(
                "{group}/providers/Microsoft.Storage/storageAccounts/{}",
                spec.storage_account
            ),
            "Microsoft.Storage/storageAccounts",
            json!({
                "kind": "StorageV2",
                "sku": {"name": "Standard_ZRS", "tier": "Standard"},
                "properties": {
                    "provisioningState": "Succeeded",
                    "allowBlobPublicAccess": false,
                    "minimumTlsVersion": "TLS1_2",
                    "supportsHttpsTrafficOnly": true,
                    "primaryEndpoints": {
                        "blob": format!("https://{}.blob.core.windows.net/", spec.storage_account)
                    },
                },
            }),
        );
        keep(
            format!(
                "{group}/providers/Microsoft.ContainerRegistry/registries/{}",
                spec.registry
            ),
            "Microsoft.ContainerRegistry/registries",
            json!({
                "sku": {"name": "Premium", "tier": "Premium"},
                "properties": {
                    "loginServer": spec.registry_host(),
                    "adminUserEnabled": true,
                    "provisioningState": "Succeeded",
                    "roleAssignmentMode": "LegacyRegistryPermissions",
                },
            }),
        );
        let version = spec.kubernetes_version.trim_start_matches('v');
        keep(
            format!(
                "{group}/providers/Microsoft.ContainerService/managedClusters/{}",
                spec.cluster
            ),
            "Microsoft.ContainerService/managedClusters",
            json!({
                "identity": {"type": "SystemAssigned"},
                "sku": {"name": "Base", "tier": "Standard"},
                "properties": {
                    "provisioningState": "Succeeded",
                    "powerState": {"code": "Running"},
                    "kubernetesVersion": version,
                    "currentKubernetesVersion": version,
                    "fqdn": spec.api_host(),
                    "nodeResourceGroup": format!(
                        "MC_{}_{}_{}",
                        spec.resource_group, spec.cluster, spec.location
                    ),
                    "enableRBAC": true,
                    "disableLocalAccounts": false,
                    "oidcIssuerProfile": {"enabled": true, "issuerURL": spec.issuer_url()},
                    "securityProfile": {"workloadIdentity": {"enabled": true}},
                    "storageProfile": {"blobCSIDriver": {"enabled": true}},
                    "identityProfile": {"kubeletidentity": {
                        "clientId": "66666666-6666-4666-8666-666666666666",
                        "objectId": "77777777-7777-4777-8777-777777777777",
                    }},
                    "networkProfile": {"networkPlugin": "azure", "outboundType": "loadBalancer"},
                    "agentPoolProfiles": [{
                        "name": "nodepool1",
                        "mode": "System",
                        "count": spec.nodes,
                        "vmSize": "Standard_DS4_v2",
                        "osType": "Linux",
                        "maxPods": 30,
                        "enableAutoScaling": false,
                        "availabilityZones": ["1", "2", "3"],
                        "provisioningState": "Succeeded",
                        "powerState": {"code": "Running"},
                    }],
                    "autoUpgradeProfile": {
                        "upgradeChannel": "stable",
                        "nodeOSUpgradeChannel": "NodeImage",
                    },
                },
            }),
        );
        if spec.vault_uses_roles {
            self.seed_officer(&vault, now);
        }
    }

    /// In role mode the deployer writes secrets by role.
    fn seed_officer(&mut self, vault: &str, now: Timestamp) {
        let name = "88888888-8888-4888-8888-888888888888";
        let id = format!("{vault}/providers/Microsoft.Authorization/roleAssignments/{name}");
        let body = json!({
            "id": id,
            "name": name,
            "type": "Microsoft.Authorization/roleAssignments",
            "properties": {
                "scope": vault,
                "principalId": self.deployer,
                "principalType": "User",
                "roleDefinitionId": format!(
                    "/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/\
                     b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
                    self.subscription
                ),
            },
        });
        let assignment = Resource {
            id: id.clone(),
            kind: "Microsoft.Authorization/roleAssignments".into(),
            body,
            changed: now - std::time::Duration::from_secs(3600),
            settles: None,
        };
        self.resources.insert(id.to_ascii_lowercase(), assignment);
    }
}
