//! What the target offers: what templates see as `.Capabilities`.

use crate::Profile;

/// Group versions Helm assumes without a cluster: those of the client library v0.36 and of the
/// apiextensions API, in the order in which these register them. They name no kinds.
const ASSUMED_API_VERSIONS: &[&str] = &[
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha2",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

/// What the target of a release offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Version of the cluster.
    pub kube_version: KubeVersion,
    /// `group/version` and `group/version/Kind` of what it serves.
    pub api_versions: Vec<String>,
    /// The Helm that is impersonated.
    pub helm_version: HelmVersion,
}

/// A version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    /// In full, with `v` and suffix: `.Capabilities.KubeVersion.Version`.
    pub version: String,
    /// Without suffix, which constraints are checked against.
    pub normalized: String,
    /// First number.
    pub major: String,
    /// Second number.
    pub minor: String,
}

/// What templates see as `.Capabilities.HelmVersion`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelmVersion {
    /// Version with `v`.
    pub version: String,
    /// Commit it was built from.
    pub git_commit: String,
    /// Whether the sources were clean.
    pub git_tree_state: String,
    /// Version of Go.
    pub go_version: String,
    /// Version of the Kubernetes client library; Helm 4 only.
    pub kube_client_version: String,
}

/// A text that is no version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("invalid kube version '{text}': {problem}")]
#[diagnostic(
    code(aka::chart::kube_version),
    help("give at least major and minor, such as 1.33")
)]
#[non_exhaustive]
pub struct KubeVersionError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Capabilities {
    /// What Helm assumes without a cluster.
    pub fn assumed(profile: Profile) -> Self {
        let kube_version = KubeVersion {
            version: "v1.36.0".to_owned(),
            normalized: "v1.36.0".to_owned(),
            major: "1".to_owned(),
            minor: "36".to_owned(),
        };
        Self {
            kube_version,
            api_versions: ASSUMED_API_VERSIONS
                .iter()
                .map(|version| (*version).to_owned())
                .collect(),
            helm_version: HelmVersion::of(profile),
        }
    }

    /// These capabilities at another version of Kubernetes (`--kube-version`).
    ///
    /// # Errors
    /// [`KubeVersionError`] when `version` is none.
    pub fn with_kube_version(mut self, version: &str) -> Result<Self, KubeVersionError> {
        self.kube_version = KubeVersion::parse(version)?;
        Ok(self)
    }

    /// These capabilities with further `group/version` or `group/version/Kind` (`--api-versions`).
    #[must_use]
    pub fn with_api_versions<S: Into<String>>(
        mut self,
        versions: impl IntoIterator<Item = S>,
    ) -> Self {
        self.api_versions
            .extend(versions.into_iter().map(Into::into));
        self
    }

    /// Whether `version` is served: `.Capabilities.APIVersions.Has`.
    pub fn has(&self, version: &str) -> bool {
        self.api_versions.iter().any(|known| known == version)
    }
}

impl KubeVersion {
    /// Reads a version: at least major and minor, further text is kept but not compared.
    ///
    /// # Errors
    /// [`KubeVersionError`] when `text` is none.
    pub fn parse(text: &str) -> Result<Self, KubeVersionError> {
        let refuse = |problem: String| {
            Err(KubeVersionError {
                text: text.to_owned(),
                problem,
            })
        };
        let bare = text.trim().trim_start_matches('v');
        let end = bare
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(bare.len());
        let numbers = bare[..end].trim_end_matches('.');
        let parts: Vec<&str> = numbers.split('.').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return refuse(format!("could not parse {text:?} as version"));
        }
        if parts.len() < 2 {
            return refuse(format!("illegal version string {text:?}"));
        }
        if let Some(part) = parts
            .iter()
            .find(|part| part.len() > 1 && part.starts_with('0'))
        {
            return refuse(format!(
                "illegal zero-prefixed version component {part:?} in {text:?}"
            ));
        }
        let version = if text.starts_with('v') {
            text.to_owned()
        } else {
            format!("v{text}")
        };
        Ok(Self {
            version,
            normalized: format!("v{numbers}"),
            major: parts[0].to_owned(),
            minor: parts[1].to_owned(),
        })
    }
}

impl HelmVersion {
    /// The Helm whose behaviour `profile` reproduces.
    pub fn of(profile: Profile) -> Self {
        let (version, kube_client_version) = match profile {
            Profile::Helm4 => ("v4.2.4", "v1.36"),
            Profile::Helm3 => ("v3.21.4", "v1.36"),
        };
        Self {
            version: version.to_owned(),
            git_commit: String::new(),
            git_tree_state: "clean".to_owned(),
            go_version: "go1.26.6".to_owned(),
            kube_client_version: kube_client_version.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Capabilities, KubeVersion};
    use crate::Profile;

    #[test]
    fn kube_versions_keep_their_suffix_but_compare_without() {
        let version = KubeVersion::parse("1.33.4-gke.1245000").unwrap();
        assert_eq!(
            (version.version.as_str(), version.normalized.as_str()),
            ("v1.33.4-gke.1245000", "v1.33.4")
        );
        assert_eq!(
            (version.major.as_str(), version.minor.as_str()),
            ("1", "33")
        );
        assert!(KubeVersion::parse("x").is_err());
        assert!(KubeVersion::parse("1").is_err());
    }

    #[test]
    fn assumed_versions_name_no_kinds() {
        let assumed = Capabilities::assumed(Profile::Helm4);
        assert!(assumed.has("networking.k8s.io/v1"));
        assert!(!assumed.has("networking.k8s.io/v1/Ingress"));
        assert!(
            assumed
                .with_api_versions(["networking.k8s.io/v1/Ingress"])
                .has("networking.k8s.io/v1/Ingress")
        );
    }
}
