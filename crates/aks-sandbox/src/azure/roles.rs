//! Built-in roles and who holds them where. It owns the table and the question "granted?"; it
//! refuses custom roles and conditions.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::AzureState;

/// A built-in role.
#[derive(Debug)]
pub(super) struct Role {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    actions: &'static [&'static str],
    data_actions: &'static [&'static str],
}

/// The roles this world knows. Source: Azure built-in roles.
pub(super) const ROLES: &[Role] = &[
    Role {
        id: "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
        name: "Owner",
        actions: &["*"],
        data_actions: &[],
    },
    Role {
        id: "b24988ac-6180-42a0-ab88-20f7382dd24c",
        name: "Contributor",
        actions: &["*"],
        data_actions: &[],
    },
    Role {
        id: "4633458b-17de-408a-b874-0445c86b69e6",
        name: "Key Vault Secrets User",
        actions: &[],
        data_actions: &[
            "Microsoft.KeyVault/vaults/secrets/getSecret/action",
            "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
        ],
    },
    Role {
        id: "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
        name: "Key Vault Secrets Officer",
        actions: &[],
        data_actions: &["Microsoft.KeyVault/vaults/secrets/*"],
    },
    Role {
        id: "00482a5a-887f-4fb3-b363-3b7fe8e74483",
        name: "Key Vault Administrator",
        actions: &[],
        data_actions: &["Microsoft.KeyVault/vaults/*"],
    },
    Role {
        id: "21090545-7ca7-4776-b22c-e363652d74d2",
        name: "Key Vault Reader",
        actions: &[],
        data_actions: &["Microsoft.KeyVault/vaults/secrets/readMetadata/action"],
    },
    Role {
        id: "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        name: "Storage Blob Data Contributor",
        actions: &[],
        data_actions: &["Microsoft.Storage/storageAccounts/blobServices/*"],
    },
    Role {
        id: "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        name: "Storage Blob Data Owner",
        actions: &[],
        data_actions: &["Microsoft.Storage/storageAccounts/blobServices/*"],
    },
    Role {
        id: "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        name: "Storage Blob Data Reader",
        actions: &[],
        data_actions: &["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"],
    },
    Role {
        id: "7f951dda-4ed3-4680-a7ca-43fe172d538d",
        name: "AcrPull",
        actions: &["Microsoft.ContainerRegistry/registries/pull/read"],
        data_actions: &[],
    },
    Role {
        id: "8311e382-0749-4cb8-b61a-304f252e45ec",
        name: "AcrPush",
        actions: &["Microsoft.ContainerRegistry/registries/push/write"],
        data_actions: &[],
    },
    Role {
        id: "4abbcc35-e782-43d8-92c5-2d3f1bd2253f",
        name: "Azure Kubernetes Service Cluster User Role",
        actions: &["Microsoft.ContainerService/managedClusters/listClusterUserCredential/action"],
        data_actions: &[],
    },
];

/// A role by its GUID, which may be the end of a definition's id.
pub(super) fn role(definition: &str) -> Option<&'static Role> {
    let guid = definition.rsplit('/').next().unwrap_or_default();
    ROLES.iter().find(|role| role.id.eq_ignore_ascii_case(guid))
}

impl Role {
    /// The role's document.
    pub(super) fn document(&self, subscription: &str) -> Value {
        json!({
            "id": format!(
                "/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{}",
                self.id
            ),
            "name": self.id,
            "type": "Microsoft.Authorization/roleDefinitions",
            "properties": {
                "roleName": self.name,
                "type": "BuiltInRole",
                "assignableScopes": ["/"],
                "permissions": [{
                    "actions": self.actions,
                    "notActions": [],
                    "dataActions": self.data_actions,
                    "notDataActions": [],
                }],
            },
        })
    }

    fn allows(&self, data_action: &str) -> bool {
        self.data_actions.iter().any(|allowed| {
            allowed
                .strip_suffix('*')
                .map_or(*allowed == data_action, |prefix| {
                    data_action.starts_with(prefix)
                })
        })
    }
}

impl AzureState {
    /// Whether a role assignment that has taken effect lets a principal do this on a resource.
    pub(super) fn role_allows(
        &self,
        principal: &str,
        on: &str,
        data_action: &str,
        now: Timestamp,
    ) -> bool {
        let on = format!("{}/", on.to_ascii_lowercase());
        self.of_kind("Microsoft.Authorization/roleAssignments")
            .filter(|assignment| assignment.changed + self.delays.role_assignment <= now)
            .map(|assignment| &assignment.body["properties"])
            .filter(|properties| properties["principalId"] == principal)
            .filter(|properties| {
                let scope = properties["scope"].as_str().unwrap_or("-");
                on.starts_with(&format!(
                    "{}/",
                    scope.to_ascii_lowercase().trim_end_matches('/')
                ))
            })
            .filter_map(|properties| role(properties["roleDefinitionId"].as_str()?))
            .any(|role| role.allows(data_action))
    }
}
