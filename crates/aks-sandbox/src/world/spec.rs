//! [`WorldSpec`]: the names a world starts with. It owns a standard set, the guide's; it refuses
//! to create anything.

use serde::{Deserialize, Serialize};

/// An image of the world's registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryImage {
    /// The repository: `airflow`.
    pub repository: String,
    /// The tag: `2.9.3`.
    pub tag: String,
}

impl RegistryImage {
    /// Names an image.
    pub fn new(repository: impl Into<String>, tag: impl Into<String>) -> Self {
        Self {
            repository: repository.into(),
            tag: tag.into(),
        }
    }
}

/// What part 2 of the guide leaves behind: the things part 3 finds. All fields have the standard
/// world's values by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorldSpec {
    /// Azure tenant.
    pub tenant: String,
    /// Azure subscription.
    pub subscription: String,
    /// Region.
    pub location: String,
    /// Resource group.
    pub resource_group: String,
    /// AKS cluster.
    pub cluster: String,
    /// User-assigned identity.
    pub identity: String,
    /// Its client id.
    pub client_id: String,
    /// Its principal id.
    pub principal_id: String,
    /// Key vault.
    pub vault: String,
    /// Whether the vault authorises by roles instead of access policies.
    pub vault_uses_roles: bool,
    /// Storage account for logs.
    pub storage_account: String,
    /// Its key, base64.
    pub storage_key: String,
    /// Container registry.
    pub registry: String,
    /// What was imported into it.
    pub images: Vec<RegistryImage>,
    /// The cluster's unique part of its OIDC issuer URL.
    pub issuer_id: String,
    /// Kubernetes version, with the `v`.
    pub kubernetes_version: String,
    /// Number of nodes.
    pub nodes: u32,
    /// Beginnings of repositories that were public once and are gone, so that their absence is as
    /// real here; `docker.io/bitnami/`. All other public images are there.
    pub removed_repositories: Vec<String>,
}

impl Default for WorldSpec {
    fn default() -> Self {
        Self {
            tenant: "11111111-1111-4111-8111-111111111111".into(),
            subscription: "22222222-2222-4222-8222-222222222222".into(),
            location: "canadacentral".into(),
            resource_group: "apache-airflow-rg".into(),
            cluster: "apache-airflow-aks".into(),
            identity: "airflow-identity-123".into(),
            client_id: "33333333-3333-4333-8333-333333333333".into(),
            principal_id: "44444444-4444-4444-8444-444444444444".into(),
            vault: "airflow-vault-123-kv".into(),
            vault_uses_roles: false,
            storage_account: "airflowsasa123".into(),
            storage_key: "c2FuZGJveC1rZXktd29ydGgtbm90aGluZy1vdXRzaWRlLW9mLWEtc2FuZGJveC0wMTIzNDU2Nzg5YWJjZGVmZ2hpams=".into(),
            registry: "airflowregistry123".into(),
            images: guide_images(),
            issuer_id: "55555555-5555-4555-8555-555555555555".into(),
            kubernetes_version: "v1.33.5".into(),
            nodes: 3,
            removed_repositories: vec!["docker.io/bitnami/".into()],
        }
    }
}

impl WorldSpec {
    /// The cluster's OIDC issuer URL.
    pub fn issuer_url(&self) -> String {
        format!(
            "https://{}/{}/{}/",
            self.issuer_host(),
            self.tenant,
            self.issuer_id
        )
    }

    /// The issuer's host.
    pub fn issuer_host(&self) -> String {
        format!("{}.oic.prod-aks.azure.com", self.location)
    }

    /// The Kubernetes API's host, as in the cluster's kubeconfig.
    pub fn api_host(&self) -> String {
        format!(
            "{}-dns-sandbox.hcp.{}.azmk8s.io",
            self.cluster, self.location
        )
    }

    /// The registry's host.
    pub fn registry_host(&self) -> String {
        format!("{}.azurecr.io", self.registry)
    }
}

/// The images the guide imports, for both chart generations.
fn guide_images() -> Vec<RegistryImage> {
    [
        ("airflow", "2.9.3"),
        ("airflow", "3.0.2"),
        ("airflow", "airflow-pgbouncer-2024.01.19-1.21.0"),
        ("airflow", "airflow-pgbouncer-exporter-2024.06.18-0.17.0"),
        ("airflow", "airflow-pgbouncer-2025.03.05-1.23.1"),
        ("airflow", "airflow-pgbouncer-exporter-2025.03.05-0.18.0"),
        ("statsd-exporter", "v0.26.1"),
        ("statsd-exporter", "v0.28.0"),
        ("git-sync", "v4.1.0"),
        ("git-sync", "v4.3.0"),
        ("postgresql", "16.1.0-debian-11-r15"),
    ]
    .map(|(repository, tag)| RegistryImage::new(repository, tag))
    .into()
}
