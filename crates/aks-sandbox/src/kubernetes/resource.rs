//! [`Resource`]: what the server serves: the built-in kinds of Kubernetes 1.33 that the guide's
//! charts use, and the established custom ones. It owns names and scopes; it refuses objects.

use std::sync::Arc;

use serde_json::Value;

use super::apply::Node;
use crate::world::Store;

/// A served resource in one version.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// Subresources: `status`, `scale`, `log`, …
    pub(crate) subresources: Vec<String>,
    /// The CustomResourceDefinition, for a custom resource.
    pub(crate) definition: Option<Arc<Value>>,
}

const NS: bool = true;
const CL: bool = false;

/// Group, version, kind, plural, short names, namespaced, subresources.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    bool,
    &'static str,
);

const BUILTIN: &[Row] = &[
    ("", "v1", "ConfigMap", "configmaps", "cm", NS, ""),
    ("", "v1", "Endpoints", "endpoints", "ep", NS, ""),
    ("", "v1", "Event", "events", "ev", NS, ""),
    ("", "v1", "LimitRange", "limitranges", "limits", NS, ""),
    (
        "",
        "v1",
        "Namespace",
        "namespaces",
        "ns",
        CL,
        "finalize status",
    ),
    ("", "v1", "Node", "nodes", "no", CL, "status"),
    (
        "",
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        "pvc",
        NS,
        "status",
    ),
    (
        "",
        "v1",
        "PersistentVolume",
        "persistentvolumes",
        "pv",
        CL,
        "status",
    ),
    (
        "",
        "v1",
        "Pod",
        "pods",
        "po",
        NS,
        "eviction log portforward status",
    ),
    (
        "",
        "v1",
        "ResourceQuota",
        "resourcequotas",
        "quota",
        NS,
        "status",
    ),
    ("", "v1", "Secret", "secrets", "", NS, ""),
    (
        "",
        "v1",
        "ServiceAccount",
        "serviceaccounts",
        "sa",
        NS,
        "token",
    ),
    ("", "v1", "Service", "services", "svc", NS, "status"),
    (
        "apps",
        "v1",
        "ControllerRevision",
        "controllerrevisions",
        "",
        NS,
        "",
    ),
    ("apps", "v1", "DaemonSet", "daemonsets", "ds", NS, "status"),
    (
        "apps",
        "v1",
        "Deployment",
        "deployments",
        "deploy",
        NS,
        "scale status",
    ),
    (
        "apps",
        "v1",
        "ReplicaSet",
        "replicasets",
        "rs",
        NS,
        "scale status",
    ),
    (
        "apps",
        "v1",
        "StatefulSet",
        "statefulsets",
        "sts",
        NS,
        "scale status",
    ),
    ("batch", "v1", "CronJob", "cronjobs", "cj", NS, "status"),
    ("batch", "v1", "Job", "jobs", "", NS, "status"),
    (
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "hpa",
        NS,
        "status",
    ),
    (
        "policy",
        "v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        "pdb",
        NS,
        "status",
    ),
    (
        "networking.k8s.io",
        "v1",
        "Ingress",
        "ingresses",
        "ing",
        NS,
        "status",
    ),
    (
        "networking.k8s.io",
        "v1",
        "IngressClass",
        "ingressclasses",
        "",
        CL,
        "",
    ),
    (
        "networking.k8s.io",
        "v1",
        "NetworkPolicy",
        "networkpolicies",
        "netpol",
        NS,
        "",
    ),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "ClusterRoleBinding",
        "clusterrolebindings",
        "",
        CL,
        "",
    ),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "ClusterRole",
        "clusterroles",
        "",
        CL,
        "",
    ),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "RoleBinding",
        "rolebindings",
        "",
        NS,
        "",
    ),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "Role",
        "roles",
        "",
        NS,
        "",
    ),
    (
        "storage.k8s.io",
        "v1",
        "CSIDriver",
        "csidrivers",
        "",
        CL,
        "",
    ),
    (
        "storage.k8s.io",
        "v1",
        "StorageClass",
        "storageclasses",
        "sc",
        CL,
        "",
    ),
    ("coordination.k8s.io", "v1", "Lease", "leases", "", NS, ""),
    (
        "discovery.k8s.io",
        "v1",
        "EndpointSlice",
        "endpointslices",
        "",
        NS,
        "",
    ),
    (
        "scheduling.k8s.io",
        "v1",
        "PriorityClass",
        "priorityclasses",
        "pc",
        CL,
        "",
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        "",
        CL,
        "",
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        "",
        CL,
        "",
    ),
    (
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "crd crds",
        CL,
        "status",
    ),
    (
        "apiregistration.k8s.io",
        "v1",
        "APIService",
        "apiservices",
        "",
        CL,
        "status",
    ),
];

impl Resource {
    /// A resource by path.
    pub(crate) fn find(store: &Store, group: &str, version: &str, plural: &str) -> Option<Self> {
        BUILTIN
            .iter()
            .find(|row| row.0 == group && row.1 == version && row.3 == plural)
            .map(Self::of_row)
            .or_else(|| {
                customs(store).find(|custom| {
                    custom.group == group && custom.version == version && custom.plural == plural
                })
            })
    }

    /// Everything served, built-in first.
    pub(crate) fn all(store: &Store) -> Vec<Self> {
        BUILTIN
            .iter()
            .map(Self::of_row)
            .chain(customs(store))
            .collect()
    }

    fn of_row(row: &Row) -> Self {
        let (group, version, kind, plural, short, namespaced, subresources) = *row;
        let categories: &[&str] = match plural {
            "pods"
            | "services"
            | "daemonsets"
            | "deployments"
            | "replicasets"
            | "statefulsets"
            | "cronjobs"
            | "jobs"
            | "horizontalpodautoscalers" => &["all"],
            "customresourcedefinitions"
            | "validatingwebhookconfigurations"
            | "mutatingwebhookconfigurations" => &["api-extensions"],
            _ => &[],
        };
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        Self {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            plural: plural.into(),
            singular: kind.to_ascii_lowercase(),
            short_names: words(short),
            categories: categories.iter().map(|name| (*name).to_owned()).collect(),
            namespaced,
            subresources: words(subresources),
            definition: None,
        }
    }

    /// `group/plural`, the store's name.
    pub(crate) fn storage(&self) -> String {
        format!("{}/{}", self.group, self.plural)
    }

    /// `v1`, `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `deployments.apps`, as messages say.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    pub(crate) fn has(&self, subresource: &str) -> bool {
        self.subresources.iter().any(|name| name == subresource)
    }

    /// The schema of a custom resource's version.
    pub(crate) fn schema(&self) -> Option<&Value> {
        self.definition
            .as_ref()?
            .pointer("/spec/versions")?
            .as_array()?
            .iter()
            .find(|version| version["name"] == self.version.as_str())?
            .pointer("/schema/openAPIV3Schema")
    }

    /// How its fields merge.
    pub(crate) fn node(&self) -> Node<'_> {
        match (&self.definition, self.schema()) {
            (None, _) => Node::builtin(&self.kind),
            (Some(_), Some(schema)) => Node::custom(schema),
            (Some(_), None) => Node::builtin(""),
        }
    }

    /// Whether `metadata.generation` counts its changes.
    pub(crate) fn has_generation(&self) -> bool {
        self.definition.is_some()
            || matches!(
                self.plural.as_str(),
                "deployments"
                    | "replicasets"
                    | "statefulsets"
                    | "daemonsets"
                    | "jobs"
                    | "cronjobs"
                    | "ingresses"
                    | "networkpolicies"
                    | "poddisruptionbudgets"
                    | "customresourcedefinitions"
                    | "validatingwebhookconfigurations"
                    | "mutatingwebhookconfigurations"
                    | "priorityclasses"
                    | "ingressclasses"
                    | "endpointslices"
                    | "pods"
            )
    }
}

fn customs(store: &Store) -> impl Iterator<Item = Resource> {
    store
        .all("apiextensions.k8s.io/customresourcedefinitions")
        .filter(|(_, definition)| established(definition))
        .flat_map(|(_, definition)| versions(definition))
}

fn established(definition: &Value) -> bool {
    definition
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Established" && condition["status"] == "True")
}

/// The served versions of a definition, newest stable first as discovery orders them.
fn versions(definition: &Arc<Value>) -> Vec<Resource> {
    let text = |pointer: &str| {
        definition
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let words = |pointer: &str| -> Vec<String> {
        definition
            .pointer(pointer)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect()
    };
    let mut served: Vec<Resource> = definition
        .pointer("/spec/versions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|version| version["served"] == true)
        .map(|version| Resource {
            group: text("/spec/group"),
            version: version["name"].as_str().unwrap_or_default().into(),
            kind: text("/spec/names/kind"),
            plural: text("/spec/names/plural"),
            singular: text("/spec/names/singular"),
            short_names: words("/spec/names/shortNames"),
            categories: words("/spec/names/categories"),
            namespaced: text("/spec/scope") == "Namespaced",
            subresources: version["subresources"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name.clone())
                .collect(),
            definition: Some(Arc::clone(definition)),
        })
        .collect();
    served.sort_by_key(|resource| std::cmp::Reverse(priority(&resource.version)));
    served
}

/// Kubernetes' version order: stable over beta over alpha, higher over lower
/// (`k8s.io/apimachinery/pkg/version`).
pub(crate) fn priority(version: &str) -> (u8, u64, u64) {
    let digits = |text: &str| {
        text.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
    };
    let Some(rest) = version.strip_prefix('v') else {
        return (0, 0, 0);
    };
    let major = digits(rest);
    let tail = &rest[major.len()..];
    let Ok(major) = major.parse() else {
        return (0, 0, 0);
    };
    if tail.is_empty() {
        return (3, major, 0);
    }
    for (stage, name) in [(2, "beta"), (1, "alpha")] {
        if let Some(minor) = tail.strip_prefix(name) {
            return (stage, major, minor.parse().unwrap_or(0));
        }
    }
    (0, 0, 0)
}
