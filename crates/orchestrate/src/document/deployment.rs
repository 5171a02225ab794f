//! [`Deployment`]: the typed document, what a team declares. It owns names and defaults (the
//! guide's); it refuses unknown keys and secrets in plain text.

use std::collections::BTreeMap;

use airflow_helm::AirflowSettings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::SecretRef;

/// Everything a deployment of Airflow on AKS is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deployment {
    /// The document's own version: `aks-airflow/v1`.
    pub api_version: ApiVersion,
    /// The name of the deployment: history and events carry it.
    #[serde(default = "default::name")]
    pub name: String,
    /// Which checks and defaults apply.
    #[serde(default)]
    pub profile: Profile,
    /// The Azure resources it stands on.
    pub azure: AzureSettings,
    /// How to reach the cluster's API server.
    #[serde(default)]
    pub access: Access,
    /// The namespace of everything.
    #[serde(default = "default::airflow")]
    pub namespace: String,
    /// Who the cluster's workloads are in Azure.
    #[serde(default)]
    pub identity: IdentitySettings,
    /// How vault secrets come into the cluster.
    #[serde(default)]
    pub external_secrets: ExternalSecretsSettings,
    /// Where task logs are kept.
    #[serde(default)]
    pub logs: LogSettings,
    /// Airflow itself; the guide's by default.
    #[serde(default)]
    pub airflow: AirflowSettings,
    /// Where the Airflow chart is published, and its digest.
    #[serde(default)]
    pub airflow_chart: ChartOrigin,
    /// The password of an external database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_password: Option<SecretRef>,
    /// Secrets that become Secrets in the namespace before Airflow starts, by the Secret's name:
    /// for git-sync's login and the like.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, BTreeMap<String, SecretRef>>,
    /// Raw chart values for the Airflow chart, merged last and checked against its schema and root
    /// keys.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub values: Map<String, Value>,
    /// Kubernetes objects of your own, applied after Airflow is healthy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Map<String, Value>>,
}

/// The version of the document's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The first.
    #[serde(rename = "aks-airflow/v1")]
    V1,
}

/// Which checks and defaults apply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// The guide's intent; every deviation from its letter is listed in the plan.
    #[default]
    Guide,
    /// Checked for production: what the guide leaves open is refused.
    Production,
}

/// The Azure resources the deployment stands on; all of them must exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AzureSettings {
    /// The subscription's id, a GUID.
    pub subscription: String,
    /// The resource group of every resource that does not name its own.
    pub resource_group: String,
    /// The AKS cluster's name.
    pub cluster: String,
    /// The user-assigned managed identity's name.
    pub managed_identity: String,
    /// The key vault's name.
    pub key_vault: String,
    /// The storage account's name.
    pub storage_account: String,
    /// The container registry's name, without `.azurecr.io`.
    pub container_registry: String,
    /// The cloud; the public one by default.
    #[serde(default)]
    pub cloud: Cloud,
    /// Tries credentials in this order; the first that yields a token is kept. By default
    /// workload identity, client secret, managed identity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialKind>,
}

/// An Azure cloud.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    /// Azure.
    #[default]
    Public,
    /// Azure Government.
    Government,
    /// Azure in China.
    China,
}

/// A way to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// A federated token file, as in a pod or a CI job.
    WorkloadIdentity,
    /// A client secret from the environment.
    ClientSecret,
    /// The metadata endpoint, asked for three seconds at most.
    ManagedIdentity,
}

/// How to reach the API server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Access {
    /// A kubeconfig file; without one the cluster's user credential is read from Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<String>,
    /// The context in that file; its current one by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

/// Who the cluster's workloads are in Azure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IdentitySettings {
    /// The ServiceAccount's name.
    pub service_account: String,
    /// The federated credential's name.
    pub federated_credential: String,
    /// How long to wait until Entra knows the credential, in seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub propagation_seconds: u64,
}

impl Default for IdentitySettings {
    fn default() -> Self {
        Self {
            service_account: default::airflow(),
            federated_credential: "external-secret-operator".into(),
            propagation_seconds: 120,
        }
    }
}

/// A chart, pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChartPin {
    /// Where it is published: `https://…` or `oci://…`; the project's own repository by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The exact version.
    pub version: String,
    /// The archive's SHA-256, `sha256:…`; checked if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
}

/// Where a chart is published, and what its archive must be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChartOrigin {
    /// `https://…` or `oci://…`; the project's own repository by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The archive's SHA-256, `sha256:…`; checked if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
}

/// How vault secrets come into the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExternalSecretsSettings {
    /// Whether the operator is installed here or there already.
    pub operator: Operator,
    /// The operator's chart.
    pub chart: ChartPin,
    /// The operator's release name.
    pub release: String,
    /// Raw chart values for the operator.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub values: Map<String, Value>,
    /// The SecretStore's name.
    pub store: String,
    /// The ExternalSecret's name.
    pub external_secret: String,
    /// The name of the Secret it makes.
    pub target: String,
    /// How often the operator looks for new values: `1h`.
    #[schemars(regex(pattern = r"^([0-9]+(h|m|s))+$"))]
    pub refresh_interval: String,
    /// The vault secret that holds the storage account's name.
    pub account_name_secret: String,
    /// The vault secret that holds the storage account's key.
    pub account_key_secret: String,
}

impl Default for ExternalSecretsSettings {
    fn default() -> Self {
        Self {
            operator: Operator::Install,
            chart: ChartPin {
                repository: None,
                version: "0.10.5".into(),
                digest: None,
            },
            release: "external-secrets".into(),
            values: Map::new(),
            store: "azure-store".into(),
            external_secret: "airflow-aks-azure-logs-secrets".into(),
            target: "storage-account-credentials".into(),
            refresh_interval: "1h".into(),
            account_name_secret: "AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-NAME".into(),
            account_key_secret: "AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-KEY".into(),
        }
    }
}

/// Whether the operator is installed here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    /// We install and own its release.
    #[default]
    Install,
    /// Somebody else runs it; it is only checked.
    Existing,
}

/// Where task logs are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogSettings {
    /// The blob container.
    pub container: String,
    /// The PersistentVolume's name.
    pub volume: String,
    /// The claim's name.
    pub claim: String,
    /// What volume and claim say about their size; blob storage enforces none.
    pub size: String,
    /// The storage class both name.
    pub storage_class: String,
    /// Delete logs after this many days; 0 keeps them for ever.
    #[schemars(range(max = 99999))]
    pub retention_days: u32,
    /// How long a mount may serve a cached file, in seconds.
    pub file_cache_seconds: u32,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            container: "airflow-logs".into(),
            volume: "pv-airflow-logs".into(),
            claim: "pvc-airflow-logs".into(),
            size: "5Gi".into(),
            storage_class: "azureblob-fuse-premium".into(),
            retention_days: 90,
            file_cache_seconds: 120,
        }
    }
}

/// The guide's names.
mod default {
    pub(super) fn name() -> String {
        "guide".into()
    }

    pub(super) fn airflow() -> String {
        "airflow".into()
    }
}

impl Deployment {
    /// Airflow's settings with what the rest of the document decides: the namespace, the registry
    /// images come from, the claim logs are kept on.
    #[must_use]
    pub fn airflow_settings(&self) -> AirflowSettings {
        let mut settings = self.airflow.clone();
        settings.namespace.clone_from(&self.namespace);
        let registry = format!("{}.azurecr.io", self.azure.container_registry);
        settings.images.registry.get_or_insert(registry);
        if settings.logs.persistence {
            settings.logs.claim = Some(self.logs.claim.clone());
        }
        settings
    }

    /// The document in normal form: every default written out, keys in order. Holds no secret.
    #[must_use]
    pub fn normalised(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// SHA-256 of the normal form, lower-case hex.
    #[must_use]
    pub fn digest(&self) -> String {
        use sha2::{Digest, Sha256};
        crate::plan::hex(&Sha256::digest(self.normalised().to_string()))
    }
}
