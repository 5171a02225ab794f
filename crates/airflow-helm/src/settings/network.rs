//! How Airflow is reached and whom its pods are in Azure. This file owns the choices; it refuses to
//! make certificates or identities.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The way in from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IngressSettings {
    /// Make an Ingress; off, as the guide.
    pub enabled: bool,
    /// Its class: `webapprouting.kubernetes.azure.com`.
    pub class: Option<String>,
    /// Its path; `/`.
    pub path: String,
    /// The names it answers to.
    pub hosts: Vec<IngressHost>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Default for IngressSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            class: None,
            path: "/".into(),
            hosts: Vec::new(),
            annotations: BTreeMap::new(),
        }
    }
}

/// One name of an Ingress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IngressHost {
    /// The name.
    pub name: String,
    /// The Secret with its certificate; none for plain HTTP.
    #[serde(default)]
    pub tls_secret: Option<String>,
}

/// Network policies between the components.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkPolicies {
    /// Make them; off, as the guide. They need a policy engine in the cluster.
    pub enabled: bool,
    /// Who may reach the web or API server, as Kubernetes writes peers. Without it nobody may, and
    /// Airflow 3's own pods must be among them.
    pub web_from: Vec<Value>,
}

/// Azure identity of Airflow's own pods, through AKS workload identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadIdentity {
    /// The identity's client id.
    pub client_id: String,
    /// Its tenant; the webhook's own default without it.
    #[serde(default)]
    pub tenant_id: Option<String>,
}
