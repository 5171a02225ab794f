//! [`Picture`]: what a run leaves in the cluster, without what differs from one run to the next. It
//! owns what counts as the same; it refuses to compare what the server or chance chose.

use std::collections::BTreeMap;

use aks_airflow_e2e::{Failed, NAMESPACE};
use serde_json::{Map, Value};

use crate::ground::Ground;

/// The lists of a namespace and of the cluster that the guide's objects are in.
const LISTS: [&str; 17] = [
    "/api/v1/namespaces/~/configmaps",
    "/api/v1/namespaces/~/secrets",
    "/api/v1/namespaces/~/serviceaccounts",
    "/api/v1/namespaces/~/services",
    "/api/v1/namespaces/~/persistentvolumeclaims",
    "/apis/apps/v1/namespaces/~/deployments",
    "/apis/apps/v1/namespaces/~/statefulsets",
    "/apis/batch/v1/namespaces/~/jobs",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/~/roles",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/~/rolebindings",
    "/apis/external-secrets.io/v1beta1/namespaces/~/secretstores",
    "/apis/external-secrets.io/v1beta1/namespaces/~/externalsecrets",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/api/v1/persistentvolumes",
];

/// Fields the server, a controller or chance chooses.
const CHOSEN: [&str; 16] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
    "status",
    "clusterIP",
    "clusterIPs",
    "volumeName",
    "claimRef",
    "caBundle",
    "deployment.kubernetes.io/revision",
    "force-sync",
    "aks-airflow.io/requeued",
    "volume.kubernetes.io/selected-node",
    "modifiedAt",
];

/// Every object by list and name, and the statuses of each release's revisions.
pub(crate) struct Picture {
    objects: BTreeMap<String, Value>,
}

impl Picture {
    /// What is there now.
    pub(crate) async fn of(ground: &Ground) -> Result<Self, Failed> {
        let mut objects = BTreeMap::new();
        for list in LISTS {
            let list = list.replace('~', NAMESPACE);
            for mut object in ground.items(&list).await? {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                // A run that was killed in the middle may have cost a revision; one is deployed.
                let is_claim = list.ends_with("/persistentvolumeclaims");
                let name = match name.strip_prefix("sh.helm.release.v1.") {
                    Some(_) if object["metadata"]["labels"]["status"] != "deployed" => continue,
                    Some(release) => {
                        let release = release.rsplit_once(".v").map_or(release, |(name, _)| name);
                        objects.insert(format!("release {release}"), "deployed".into());
                        continue;
                    }
                    // The history of runs, and volumes the provisioner named.
                    None if name.starts_with("aks-airflow.") => {
                        continue;
                    }
                    None if !is_claim && name.starts_with("pvc-") => continue,
                    None => name.to_owned(),
                };
                plain(&mut object);
                if list.ends_with("/secrets") {
                    let data = object["data"].as_object().into_iter().flatten();
                    let keys: Vec<Value> = data.map(|(key, _)| key.as_str().into()).collect();
                    object["data"] = keys.into();
                }
                objects.insert(format!("{list}/{name}"), object);
            }
        }
        Ok(Self { objects })
    }
}

impl Picture {
    /// The objects that are not the same in both.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let names = self.objects.keys().chain(other.objects.keys());
        let names: std::collections::BTreeSet<_> = names.collect();
        names
            .into_iter()
            .filter(|name| self.objects.get(*name) != other.objects.get(*name))
            .map(|name| {
                let (is, was) = (self.objects.get(name), other.objects.get(name));
                format!("{name}: {is:?}, undisturbed {was:?}")
            })
            .collect()
    }
}

fn plain(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let is_chosen = |key: &str| CHOSEN.contains(&key) || key.starts_with("checksum/");
            map.retain(|key, _| !is_chosen(key));
            map.values_mut().for_each(plain);
            map.retain(|_, value| {
                value
                    .as_object()
                    .is_none_or(|map: &Map<_, _>| !map.is_empty())
            });
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}
