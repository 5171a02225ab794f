//! [`StoreApi`]: which version of the operator's API to speak. It owns the negotiation from
//! discovery and refuses versions whose fields this crate does not write.

use std::fmt;

use kube_cluster::{Discovery, Kind, Object};
use serde::{Deserialize, Serialize};

/// The operator's API group.
const GROUP: &str = "external-secrets.io";

/// A version of `SecretStore` and `ExternalSecret` this crate writes.
///
/// Source: External Secrets, stability and support: 0.9 to 0.15 serve `v1beta1`, 0.16 both, 0.17
/// and later `v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreApi {
    /// `external-secrets.io/v1`.
    V1,
    /// `external-secrets.io/v1beta1`, the guide's.
    V1Beta1,
}

impl StoreApi {
    /// `external-secrets.io/v1`.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "external-secrets.io/v1",
            Self::V1Beta1 => "external-secrets.io/v1beta1",
        }
    }

    /// The newest version that a definition of the operator serves.
    pub(crate) fn served_by(definition: &Object) -> Option<Self> {
        let versions = definition.at("/spec/versions")?.as_array()?;
        [Self::V1, Self::V1Beta1].into_iter().find(|api| {
            versions.iter().any(|version| {
                version["served"].as_bool() == Some(true)
                    && version["name"].as_str() == api.api_version().rsplit('/').next()
            })
        })
    }

    /// The `SecretStore` kind.
    pub fn secret_store(self) -> Kind {
        Kind::new(self.api_version(), "SecretStore")
    }

    /// The `ExternalSecret` kind.
    pub fn external_secret(self) -> Kind {
        Kind::new(self.api_version(), "ExternalSecret")
    }
}

impl fmt::Display for StoreApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.api_version())
    }
}

/// The newest version the server serves for both kinds, `v1` preferred; `None` if it serves none.
pub fn negotiate(discovery: &Discovery) -> Option<StoreApi> {
    [StoreApi::V1, StoreApi::V1Beta1].into_iter().find(|api| {
        discovery.resource(&api.secret_store()).is_some()
            && discovery.resource(&api.external_secret()).is_some()
    })
}

/// The versions of the group the server serves, for an error's text.
pub(crate) fn served(discovery: &Discovery) -> Vec<String> {
    discovery
        .api_versions()
        .into_iter()
        .filter(|version| {
            version
                .split_once('/')
                .is_some_and(|(group, _)| group == GROUP)
        })
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube_cluster::Resource;

    fn serving(versions: &[&str]) -> Discovery {
        let resource = |version: &str, kind: &str| Resource {
            kind: Kind::new(format!("{GROUP}/{version}"), kind),
            plural: format!("{}s", kind.to_lowercase()),
            namespaced: true,
            verbs: Vec::new(),
        };
        Discovery {
            version: "v1.33.1".into(),
            resources: versions
                .iter()
                .flat_map(|version| {
                    [
                        resource(version, "SecretStore"),
                        resource(version, "ExternalSecret"),
                    ]
                })
                .collect(),
        }
    }

    #[test]
    fn v1_is_preferred_and_unknown_versions_are_refused() {
        for (versions, expected) in [
            (&["v1beta1", "v1"][..], Some(StoreApi::V1)),
            (&["v1beta1"], Some(StoreApi::V1Beta1)),
            (&["v1"], Some(StoreApi::V1)),
            (&["v1alpha1"], None),
            (&[], None),
        ] {
            assert_eq!(negotiate(&serving(versions)), expected, "{versions:?}");
        }
    }

    #[test]
    fn one_kind_alone_is_not_enough() {
        let mut discovery = serving(&["v1"]);
        discovery.resources.pop();
        assert_eq!(negotiate(&discovery), None);
        assert_eq!(served(&discovery), ["external-secrets.io/v1"]);
    }
}
