//! [`STABLE`]: kinds that every supported server has under one path, so that nobody needs to ask how
//! they are served. It refuses kinds of APIs that may change or be switched off.
//!
//! Source: <https://kubernetes.io/docs/reference/using-api/deprecation-policy/>, rule 4a: a stable
//! version stays within a major version of Kubernetes.

use crate::{Kind, Resource};

/// Group version, kind, plural, and whether it is namespaced.
pub(crate) const STABLE: [(&str, &str, &str, bool); 22] = [
    ("v1", "ConfigMap", "configmaps", true),
    ("v1", "Event", "events", true),
    ("v1", "Namespace", "namespaces", false),
    ("v1", "Node", "nodes", false),
    ("v1", "PersistentVolume", "persistentvolumes", false),
    (
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        true,
    ),
    ("v1", "Pod", "pods", true),
    ("v1", "Secret", "secrets", true),
    ("v1", "Service", "services", true),
    ("v1", "ServiceAccount", "serviceaccounts", true),
    ("apps/v1", "Deployment", "deployments", true),
    ("apps/v1", "ReplicaSet", "replicasets", true),
    ("apps/v1", "StatefulSet", "statefulsets", true),
    ("batch/v1", "Job", "jobs", true),
    ("coordination.k8s.io/v1", "Lease", "leases", true),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        "clusterroles",
        false,
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "clusterrolebindings",
        false,
    ),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", true),
    (
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "rolebindings",
        true,
    ),
    (
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
    ),
    (
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        false,
    ),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        false,
    ),
];

/// How a kind is served, if it is one of these.
pub(super) fn resource(kind: &Kind) -> Option<Resource> {
    let (_, _, plural, namespaced) = STABLE
        .iter()
        .find(|(version, name, ..)| *version == kind.api_version && *name == kind.kind)?;
    Some(Resource {
        kind: kind.clone(),
        plural: (*plural).to_owned(),
        namespaced: *namespaced,
        verbs: Resource::every_verb(),
    })
}
