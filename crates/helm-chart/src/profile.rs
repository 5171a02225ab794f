//! Which Helm is meant, where the answers of Helm 3 and Helm 4 differ.

/// The release line of Helm whose behaviour is reproduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Profile {
    /// Helm 4.2.
    #[default]
    Helm4,
    /// Helm 3.21.
    Helm3,
}

impl Profile {
    /// Kubernetes version assumed without a cluster: that of the client library built into Helm.
    pub fn default_kube_version(self) -> &'static str {
        "v1.36.0"
    }
}
