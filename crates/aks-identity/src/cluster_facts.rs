//! [`ClusterFacts`]: what Azure says about an AKS cluster, and [`findings`]: what of it will hurt.
//! They own the reading of the managed cluster; they refuse to ask or to change it.

use azure::{ApiVersion, ResourceId};
use serde_json::Value;

use crate::IdentityError;

/// The API version of AKS clusters this project speaks.
pub const CLUSTERS: ApiVersion = ApiVersion("2026-06-01");

/// An AKS cluster as Azure describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterFacts {
    /// Its id.
    pub id: ResourceId,
    /// Its region: `canadacentral`.
    pub location: String,
    /// The version the control plane runs, as `1.35.3`.
    pub kubernetes_version: String,
    /// `Succeeded`, `Updating`, `Failed`, …
    pub provisioning_state: String,
    /// Whether it is stopped.
    pub is_stopped: bool,
    /// The OIDC issuer's URL to the letter (its trailing slash counts); `None` while the issuer is off.
    pub issuer: Option<String>,
    /// Whether the webhook that gives pods their identity is on.
    pub workload_identity: bool,
    /// Whether the blob CSI driver (and its StorageClasses) is on.
    pub blob_driver: bool,
    /// Whether people log in through Entra.
    pub entra_login: bool,
    /// Whether Azure roles decide what they may do in the cluster.
    pub azure_rbac: bool,
    /// Whether certificates without Entra are refused.
    pub local_accounts_disabled: bool,
    /// Whether the API server has no public address.
    pub is_private: bool,
    /// The address ranges that reach the API server; empty for all.
    pub authorized_ranges: Vec<String>,
    /// The resource group of its nodes: `MC_…`.
    pub node_resource_group: String,
    /// The object id that pulls images.
    pub kubelet_principal: Option<String>,
    /// Most pods per node of the smallest pool.
    pub pods_per_node: Option<u64>,
}

impl ClusterFacts {
    /// Reads the answer of a GET on the managed cluster.
    ///
    /// # Errors
    /// [`IdentityError::Incomplete`] when it is none.
    pub fn read(id: ResourceId, answer: &Value) -> Result<Self, IdentityError> {
        let Some(properties) = answer.get("properties").filter(|value| value.is_object()) else {
            return Err(IdentityError::Incomplete {
                what: "the cluster",
                field: "properties",
            });
        };
        let text = |pointer: &str| {
            let found = properties.pointer(pointer).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        let flag =
            |pointer: &str| properties.pointer(pointer).and_then(Value::as_bool) == Some(true);
        // The wire says `issuerURL`; the command line's spelling appears in exports.
        let issuer = [
            "/oidcIssuerProfile/issuerURL",
            "/oidcIssuerProfile/issuerUrl",
        ]
        .into_iter()
        .map(text)
        .find(|issuer| !issuer.is_empty())
        .filter(|_| flag("/oidcIssuerProfile/enabled"));
        let running = [
            text("/currentKubernetesVersion"),
            text("/kubernetesVersion"),
        ];
        let pools = properties
            .get("agentPoolProfiles")
            .and_then(Value::as_array);
        let ranges = properties
            .pointer("/apiServerAccessProfile/authorizedIPRanges")
            .and_then(Value::as_array);
        Ok(Self {
            location: answer["location"].as_str().unwrap_or_default().to_owned(),
            kubernetes_version: running
                .into_iter()
                .find(|version| !version.is_empty())
                .unwrap_or_default(),
            provisioning_state: text("/provisioningState"),
            is_stopped: text("/powerState/code") == "Stopped",
            issuer,
            workload_identity: flag("/securityProfile/workloadIdentity/enabled"),
            blob_driver: flag("/storageProfile/blobCSIDriver/enabled"),
            entra_login: properties.get("aadProfile").is_some_and(Value::is_object),
            azure_rbac: flag("/aadProfile/enableAzureRBAC"),
            local_accounts_disabled: flag("/disableLocalAccounts"),
            is_private: flag("/apiServerAccessProfile/enablePrivateCluster"),
            authorized_ranges: ranges
                .into_iter()
                .flatten()
                .filter_map(|range| range.as_str().map(str::to_owned))
                .collect(),
            node_resource_group: text("/nodeResourceGroup"),
            kubelet_principal: Some(text("/identityProfile/kubeletidentity/objectId"))
                .filter(|principal| !principal.is_empty()),
            pods_per_node: pools
                .into_iter()
                .flatten()
                .filter_map(|pool| pool["maxPods"].as_u64())
                .min(),
            id,
        })
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Some of what people expect will not work.
    Warning,
    /// Nothing will work.
    Blocking,
}

/// Something about the cluster that hurts, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable code: `aka::aks::oidc_issuer_off`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is the case.
    pub what: String,
    /// What to do.
    pub fix: String,
}

/// What of a cluster's facts will hurt, worst first; empty when nothing does.
pub fn findings(facts: &ClusterFacts) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |applies: bool, code, severity, what: &str, fix: &str| {
        if applies {
            found.push(Finding {
                code,
                severity,
                what: what.to_owned(),
                fix: fix.to_owned(),
            });
        }
    };
    add(
        facts.is_stopped,
        "aka::aks::stopped",
        Severity::Blocking,
        "the cluster is stopped",
        "start it; its API server answers nobody while it is stopped",
    );
    add(
        matches!(facts.provisioning_state.as_str(), "Failed" | "Canceled"),
        "aka::aks::not_provisioned",
        Severity::Warning,
        &format!(
            "the cluster's last change ended as {}",
            facts.provisioning_state
        ),
        "reconcile it (an update without changes), and read the activity log for the cause",
    );
    add(
        facts.provisioning_state == "Deleting",
        "aka::aks::deleting",
        Severity::Blocking,
        "the cluster is being deleted",
        "choose another cluster",
    );
    add(
        facts.issuer.is_none(),
        "aka::aks::oidc_issuer_off",
        Severity::Blocking,
        "the OIDC issuer is off, so Entra cannot trust any ServiceAccount",
        "enable the OIDC issuer (`oidcIssuerProfile.enabled`); it restarts the API server once and cannot be disabled again",
    );
    add(
        !facts.workload_identity,
        "aka::aks::workload_identity_off",
        Severity::Warning,
        "the workload identity webhook is off: External Secrets works, but pods get no identity of their own",
        "enable workload identity (`securityProfile.workloadIdentity.enabled`) before DAGs use Azure",
    );
    add(
        !facts.blob_driver,
        "aka::aks::blob_driver_off",
        Severity::Blocking,
        "the blob CSI driver is off: the log volume cannot be mounted and its StorageClass does not exist",
        "enable the blob driver (`storageProfile.blobCSIDriver.enabled`), or keep logs elsewhere",
    );
    add(
        facts.is_private,
        "aka::aks::private_api",
        Severity::Note,
        "the API server has a private address only",
        "run from a network that reaches it: its own, a peered one, or through a VPN",
    );
    add(
        !facts.authorized_ranges.is_empty(),
        "aka::aks::authorized_ranges",
        Severity::Note,
        &format!(
            "the API server answers only {}",
            facts.authorized_ranges.join(", ")
        ),
        "run from one of these ranges, or add this machine's address",
    );
    add(
        facts.entra_login && !facts.local_accounts_disabled,
        "aka::aks::local_accounts",
        Severity::Note,
        "certificates with all rights work beside the Entra login",
        "disable local accounts (`disableLocalAccounts`) in production",
    );
    add(
        facts.pods_per_node.is_some_and(|pods| pods < 50),
        "aka::aks::few_pods_per_node",
        Severity::Note,
        &format!(
            "nodes take {} pods at most",
            facts.pods_per_node.unwrap_or_default()
        ),
        "each task of the KubernetesExecutor is a pod: use Azure CNI overlay, or pools with a higher `maxPods`",
    );
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn id() -> ResourceId {
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks"
            .parse()
            .unwrap()
    }

    fn guide() -> Value {
        json!({"location": "canadacentral", "properties": {
            "provisioningState": "Succeeded", "powerState": {"code": "Running"},
            "kubernetesVersion": "1.35", "currentKubernetesVersion": "1.35.3",
            "oidcIssuerProfile": {"enabled": true, "issuerURL": "https://oidc/t/g/"},
            "securityProfile": {"workloadIdentity": {"enabled": true}},
            "storageProfile": {"blobCSIDriver": {"enabled": true}},
            "agentPoolProfiles": [{"maxPods": 250}, {"maxPods": 110}]}})
    }

    #[test]
    fn the_guides_cluster_has_no_findings_and_keeps_its_slash() {
        let facts = ClusterFacts::read(id(), &guide()).unwrap();
        assert_eq!(facts.issuer.as_deref(), Some("https://oidc/t/g/"));
        assert_eq!(facts.kubernetes_version, "1.35.3");
        assert_eq!(facts.pods_per_node, Some(110));
        assert_eq!(findings(&facts), []);
    }

    #[test]
    fn each_switch_that_is_off_is_found_with_its_fix() {
        for (pointer, value, code) in [
            (
                "/properties/oidcIssuerProfile/enabled",
                json!(false),
                "aka::aks::oidc_issuer_off",
            ),
            (
                "/properties/securityProfile",
                json!(null),
                "aka::aks::workload_identity_off",
            ),
            (
                "/properties/storageProfile",
                json!({}),
                "aka::aks::blob_driver_off",
            ),
            (
                "/properties/powerState/code",
                json!("Stopped"),
                "aka::aks::stopped",
            ),
            (
                "/properties/provisioningState",
                json!("Failed"),
                "aka::aks::not_provisioned",
            ),
            (
                "/properties/agentPoolProfiles/1/maxPods",
                json!(30),
                "aka::aks::few_pods_per_node",
            ),
        ] {
            let mut answer = guide();
            *answer.pointer_mut(pointer).unwrap() = value;
            let found = findings(&ClusterFacts::read(id(), &answer).unwrap());
            let codes: Vec<_> = found.iter().map(|finding| finding.code).collect();
            assert_eq!(codes, [code]);
            assert!(!found[0].fix.is_empty());
        }
    }

    #[test]
    fn an_answer_without_properties_is_refused() {
        assert!(ClusterFacts::read(id(), &json!({})).is_err());
    }
}
