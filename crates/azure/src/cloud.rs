//! [`Cloud`]: the endpoints of one Azure cloud as values. It owns the three public sets; it refuses
//! to discover anything.

use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};

/// The endpoints, suffixes and audiences of one cloud. Every field may be set by hand for a cloud
/// that is none of the three.
///
/// Source: the clouds of azure-cli 2.91; every value is also what `GET {arm}/metadata/endpoints`
/// answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    /// Azure Resource Manager, without a trailing slash.
    pub resource_manager: String,
    /// The scope of a token for Resource Manager.
    pub resource_manager_scope: String,
    /// Entra ID's token endpoints, without a trailing slash.
    pub login: String,
    /// What follows a vault's name: `vault.azure.net`.
    pub vault_suffix: String,
    /// The scope of a token for Key Vault's data plane.
    pub vault_scope: String,
    /// What follows `NAME.blob.`: `core.windows.net`.
    pub storage_suffix: String,
    /// The scope of a token for storage's data plane; the same in every cloud.
    pub storage_scope: String,
    /// What follows a registry's name: `azurecr.io`.
    pub registry_suffix: String,
    /// The scope of a token for an AKS API server with Entra login. The application is Microsoft's
    /// and has the same id in every cloud (kubelogin, `pkg/internal/token`).
    pub cluster_scope: String,
    /// The audience of a federated credential. The AKS webhook and External Secrets use the public
    /// constant in every cloud.
    pub federation_audience: String,
}

impl Default for Cloud {
    fn default() -> Self {
        Self::public()
    }
}

impl Cloud {
    /// The public cloud; the default.
    pub fn public() -> Self {
        Self {
            resource_manager: "https://management.azure.com".into(),
            resource_manager_scope: "https://management.azure.com/.default".into(),
            login: "https://login.microsoftonline.com".into(),
            vault_suffix: "vault.azure.net".into(),
            vault_scope: "https://vault.azure.net/.default".into(),
            storage_suffix: "core.windows.net".into(),
            storage_scope: "https://storage.azure.com/.default".into(),
            registry_suffix: "azurecr.io".into(),
            cluster_scope: "6dae42f8-4368-4678-94ff-3960e28e3630/.default".into(),
            federation_audience: "api://AzureADTokenExchange".into(),
        }
    }

    /// Azure Government (United States).
    pub fn us_government() -> Self {
        Self {
            resource_manager: "https://management.usgovcloudapi.net".into(),
            resource_manager_scope: "https://management.core.usgovcloudapi.net/.default".into(),
            login: "https://login.microsoftonline.us".into(),
            vault_suffix: "vault.usgovcloudapi.net".into(),
            vault_scope: "https://vault.usgovcloudapi.net/.default".into(),
            storage_suffix: "core.usgovcloudapi.net".into(),
            registry_suffix: "azurecr.us".into(),
            ..Self::public()
        }
    }

    /// Azure in China (21Vianet).
    pub fn china() -> Self {
        Self {
            resource_manager: "https://management.chinacloudapi.cn".into(),
            resource_manager_scope: "https://management.core.chinacloudapi.cn/.default".into(),
            login: "https://login.chinacloudapi.cn".into(),
            vault_suffix: "vault.azure.cn".into(),
            vault_scope: "https://vault.azure.cn/.default".into(),
            storage_suffix: "core.chinacloudapi.cn".into(),
            registry_suffix: "azurecr.cn".into(),
            ..Self::public()
        }
    }

    /// A vault's URL: `https://NAME.vault.azure.net`.
    pub fn vault_url(&self, name: &str) -> String {
        format!("https://{name}.{}", self.vault_suffix)
    }

    /// A storage account's blob endpoint: `https://NAME.blob.core.windows.net`.
    pub fn blob_url(&self, account: &str) -> String {
        format!("https://{account}.blob.{}", self.storage_suffix)
    }

    /// The same cloud in the words of `azure_core`, for SDK clients.
    pub(crate) fn configuration(&self) -> Arc<CloudConfiguration> {
        let mut custom = CustomConfiguration::default();
        custom.authority_host.clone_from(&self.login);
        Arc::new(custom.into())
    }
}
