//! What the server serves: one group version at a time for requests, everything for
//! [`discover`](crate::Cluster::discover). It owns the cache, which forgets on doubt.
//!
//! Source: <https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api>.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::answer::Refusal;
use super::request::{Ask, group_version_path};
use super::{KubeCluster, stable};
use crate::{ClusterError, ClusterErrorKind, Discovery, Kind, Object, Resource};

/// Aggregated if the server can (1.26), otherwise the old form.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
     application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

impl KubeCluster {
    /// How a kind is served: from the cache, or by asking for its group version.
    pub(super) async fn resource_of(&self, kind: &Kind) -> Result<Resource, ClusterErrorKind> {
        if let Some(known) = self.served.lock().await.get(kind) {
            return Ok(known.clone());
        }
        if let Some(stable) = stable::resource(kind) {
            return Ok(stable);
        }
        let path = group_version_path(&kind.api_version);
        let asking = {
            let mut asking = self.asking.lock().await;
            Arc::clone(asking.entry(path.clone()).or_default())
        };
        let _turn = asking.lock().await;
        if let Some(known) = self.served.lock().await.get(kind) {
            return Ok(known.clone());
        }
        let listed = match self.ask(&Ask::get(path)).await? {
            Ok(value) => resource_list(&kind.api_version, value)?,
            Err(refusal) if refusal.code == 404 => Vec::new(),
            Err(refusal) => return Err(refusal.into_kind(&kind.to_string())),
        };
        let mut served = self.served.lock().await;
        for resource in listed {
            served.insert(resource.kind.clone(), resource);
        }
        served
            .get(kind)
            .cloned()
            .ok_or_else(|| ClusterErrorKind::UnknownKind(kind.to_string()))
    }

    /// Learns from a definition that was written what is served from now on. Where it is not yet, the
    /// server has no path for it, and it is forgotten again.
    pub(super) async fn learn(&self, written: &Object) {
        if written.kind().kind == "CustomResourceDefinition" {
            let mut served = self.served.lock().await;
            for resource in Resource::of_definition(written) {
                served.insert(resource.kind.clone(), resource);
            }
        }
    }

    /// Forgets a kind the server no longer has a path for.
    pub(super) async fn forget_if_unknown(&self, refusal: &Refusal, kind: &Kind) {
        if refusal.is_unknown_path() {
            self.served.lock().await.remove(kind);
        }
    }

    pub(super) async fn discover_all(&self) -> Result<Discovery, ClusterError> {
        let fail = |kind| ClusterError::new("discover", "what the server serves", kind);
        let asked = futures::try_join!(
            self.required("/version", "application/json"),
            self.required("/api", AGGREGATED),
            self.required("/apis", AGGREGATED),
        );
        let (version, core, groups) = asked.map_err(fail)?;
        let mut discovery = Discovery {
            version: version["gitVersion"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            resources: Vec::new(),
        };
        for answer in [core, groups] {
            let found = if answer["kind"] == "APIGroupDiscoveryList" {
                aggregated(answer).map_err(fail)?
            } else {
                self.one_by_one(&answer).await.map_err(fail)?
            };
            discovery.resources.extend(found);
        }
        *self.served.lock().await = discovery
            .resources
            .iter()
            .map(|resource| (resource.kind.clone(), resource.clone()))
            .collect();
        Ok(discovery)
    }

    async fn required(&self, path: &str, accept: &'static str) -> Result<Value, ClusterErrorKind> {
        let ask = Ask {
            accept,
            ..Ask::get(path.to_owned())
        };
        self.ask(&ask)
            .await?
            .map_err(|refusal| refusal.into_kind("the discovery API"))
    }

    /// The old form: `APIVersions` or `APIGroupList`, then each group version. A group whose own
    /// server is down is left out, as every client does.
    async fn one_by_one(&self, answer: &Value) -> Result<Vec<Resource>, ClusterErrorKind> {
        let mut resources = Vec::new();
        for group_version in group_versions(answer) {
            let ask = Ask::get(group_version_path(&group_version));
            match self.ask(&ask).await? {
                Ok(value) => resources.extend(resource_list(&group_version, value)?),
                Err(refusal) if refusal.code >= 500 || refusal.code == 404 => {
                    tracing::warn!(
                        group_version,
                        "the server lists this group but not its kinds"
                    );
                }
                Err(refusal) => return Err(refusal.into_kind(&group_version)),
            }
        }
        Ok(resources)
    }
}

/// The group versions of `APIVersions` or `APIGroupList`, preferred ones first.
fn group_versions(answer: &Value) -> Vec<String> {
    let texts = |value: &Value| -> Vec<String> {
        let items = value.as_array().into_iter().flatten();
        items
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    if answer["kind"] == "APIVersions" {
        return texts(&answer["versions"]);
    }
    let mut found = Vec::new();
    for group in answer["groups"].as_array().into_iter().flatten() {
        let preferred = group["preferredVersion"]["groupVersion"].as_str();
        found.extend(preferred.map(str::to_owned));
        for version in group["versions"].as_array().into_iter().flatten() {
            match version["groupVersion"].as_str() {
                Some(text) if Some(text) != preferred => found.push(text.to_owned()),
                _ => {}
            }
        }
    }
    found
}

#[derive(Deserialize)]
struct ApiResource {
    name: String,
    kind: String,
    #[serde(default)]
    namespaced: bool,
    #[serde(default)]
    verbs: Vec<String>,
}

/// An `APIResourceList` without its subresources.
fn resource_list(group_version: &str, value: Value) -> Result<Vec<Resource>, ClusterErrorKind> {
    #[derive(Deserialize)]
    struct List {
        #[serde(default)]
        resources: Vec<ApiResource>,
    }
    let list: List =
        serde_json::from_value(value).map_err(|error| ClusterErrorKind::Answer(error.into()))?;
    Ok(list
        .resources
        .into_iter()
        .filter(|resource| !resource.name.contains('/'))
        .map(|resource| Resource {
            kind: Kind::new(group_version, resource.kind),
            plural: resource.name,
            namespaced: resource.namespaced,
            verbs: resource.verbs,
        })
        .collect())
}

/// An `APIGroupDiscoveryList` (`apidiscovery.k8s.io/v2`), which lists preferred versions first.
fn aggregated(value: Value) -> Result<Vec<Resource>, ClusterErrorKind> {
    #[derive(Deserialize)]
    struct List {
        #[serde(default)]
        items: Vec<Group>,
    }
    #[derive(Deserialize)]
    struct Group {
        #[serde(default)]
        metadata: Name,
        #[serde(default)]
        versions: Vec<Version>,
    }
    #[derive(Deserialize, Default)]
    struct Name {
        #[serde(default)]
        name: String,
    }
    #[derive(Deserialize)]
    struct Version {
        version: String,
        #[serde(default)]
        resources: Vec<Served>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Served {
        resource: String,
        #[serde(default)]
        response_kind: Option<ResponseKind>,
        #[serde(default)]
        scope: String,
        #[serde(default)]
        verbs: Vec<String>,
    }
    #[derive(Deserialize)]
    struct ResponseKind {
        #[serde(default)]
        kind: String,
    }
    let list: List =
        serde_json::from_value(value).map_err(|error| ClusterErrorKind::Answer(error.into()))?;
    let mut found = Vec::new();
    for group in list.items {
        for version in group.versions {
            let api_version = if group.metadata.name.is_empty() {
                version.version
            } else {
                format!("{}/{}", group.metadata.name, version.version)
            };
            for served in version.resources {
                // A resource without a kind has only subresources.
                let Some(kind) = served.response_kind.filter(|kind| !kind.kind.is_empty()) else {
                    continue;
                };
                found.push(Resource {
                    kind: Kind::new(api_version.clone(), kind.kind),
                    plural: served.resource,
                    namespaced: served.scope == "Namespaced",
                    verbs: served.verbs,
                });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn aggregated_and_old_discovery_read_alike() {
        let new = aggregated(
            json!({"items": [{"metadata": {"name": "apps"}, "versions": [
            {"version": "v1", "resources": [{"resource": "deployments", "scope": "Namespaced",
                "responseKind": {"group": "apps", "version": "v1", "kind": "Deployment"},
                "verbs": ["get"], "subresources": [{"subresource": "scale"}]}]}]}]}),
        )
        .unwrap();
        let old = resource_list(
            "apps/v1",
            json!({"resources": [
                {"name": "deployments", "kind": "Deployment", "namespaced": true, "verbs": ["get"]},
                {"name": "deployments/scale", "kind": "Scale", "namespaced": true}]}),
        )
        .unwrap();
        assert_eq!(new, old);
    }

    #[test]
    fn preferred_versions_come_first() {
        let answer = json!({"kind": "APIGroupList", "groups": [{
            "name": "g", "preferredVersion": {"groupVersion": "g/v1"},
            "versions": [{"groupVersion": "g/v1beta1"}, {"groupVersion": "g/v1"}]}]});
        assert_eq!(group_versions(&answer), ["g/v1", "g/v1beta1"]);
    }
}
