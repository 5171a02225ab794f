//! [`Right`]: what a deployer must be allowed in the cluster, one resource at a time. It owns the
//! list that `doctor` asks about and `examples/rbac.yaml` grants; it refuses to grant anything.

/// Verbs on one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// The API group, empty for the core group.
    pub group: &'static str,
    /// The plural, with subresource.
    pub resource: &'static str,
    /// The verbs.
    pub verbs: &'static [&'static str],
    /// Whether it is about the deployment's namespace; otherwise about the cluster.
    pub namespaced: bool,
    /// Which of the deployment's objects it may be limited to.
    pub only: Only,
}

/// What a right may be limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// Nothing: names are the charts'.
    Any,
    /// The deployment's namespace itself.
    Namespace,
    /// The deployment's ServiceAccount.
    ServiceAccount,
}

const APPLIED: &[&str] = &["get", "list", "watch", "create", "patch"];

const fn inside(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
) -> Right {
    Right {
        group,
        resource,
        verbs,
        namespaced: true,
        only: Only::Any,
    }
}

const fn outside(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
) -> Right {
    Right {
        namespaced: false,
        ..inside(group, resource, verbs)
    }
}

/// Everything a run with the guide's operator and charts does. The rights to write roles that hold
/// more than the deployer's own (`escalate`, `bind`) go by the charts' names and are left out.
pub const RIGHTS: &[Right] = &[
    Right {
        only: Only::Namespace,
        ..outside("", "namespaces", &["get", "patch"])
    },
    inside("", "configmaps", APPLIED),
    inside("", "serviceaccounts", APPLIED),
    inside("", "services", APPLIED),
    inside("", "persistentvolumeclaims", APPLIED),
    inside("apps", "deployments", APPLIED),
    inside("apps", "statefulsets", APPLIED),
    inside(
        "batch",
        "jobs",
        &["get", "list", "watch", "create", "patch", "delete"],
    ),
    inside(
        "",
        "secrets",
        &["get", "list", "watch", "create", "patch", "update"],
    ),
    inside(
        "coordination.k8s.io",
        "leases",
        &["get", "create", "update", "delete"],
    ),
    inside("", "pods", &["list", "watch"]),
    inside("", "events", &["list", "watch"]),
    inside("apps", "replicasets", &["list"]),
    inside("", "pods/log", &["get"]),
    inside("", "pods/portforward", &["get", "create"]),
    Right {
        only: Only::ServiceAccount,
        ..inside("", "serviceaccounts/token", &["create"])
    },
    inside("external-secrets.io", "secretstores", APPLIED),
    inside("external-secrets.io", "externalsecrets", APPLIED),
    inside("rbac.authorization.k8s.io", "roles", APPLIED),
    inside("rbac.authorization.k8s.io", "rolebindings", APPLIED),
    outside("", "persistentvolumes", &["get", "list", "create", "patch"]),
    outside("apiextensions.k8s.io", "customresourcedefinitions", APPLIED),
    outside(
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        &["list", "watch", "create", "patch"],
    ),
    outside(
        "rbac.authorization.k8s.io",
        "clusterroles",
        &["list", "watch", "create", "patch"],
    ),
    outside(
        "rbac.authorization.k8s.io",
        "clusterrolebindings",
        &["list", "watch", "create", "patch"],
    ),
];
