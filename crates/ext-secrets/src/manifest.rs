//! What the SecretStore and the ExternalSecret look like (S5, S6 of the guide), as typed settings
//! with the guide's defaults. It owns the names and the shape; it refuses to talk to a cluster.

use kube_cluster::{Object, ObjectRef};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;

use crate::{SecretName, StoreApi};

/// The SecretStore: where secrets come from and as whom they are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SecretStoreSettings {
    /// Its name; `azure-store`.
    pub name: String,
    /// Its namespace, and that of the ServiceAccount; `airflow`.
    pub namespace: String,
    /// The ServiceAccount whose tokens are exchanged; `airflow`.
    pub service_account: String,
    /// Azure's cloud: `PublicCloud` (by default left out), `USGovernmentCloud`, `ChinaCloud`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}

impl Default for SecretStoreSettings {
    fn default() -> Self {
        Self {
            name: "azure-store".into(),
            namespace: "airflow".into(),
            service_account: "airflow".into(),
            environment: None,
        }
    }
}

impl SecretStoreSettings {
    /// Which object this is.
    pub fn reference(&self, api: StoreApi) -> ObjectRef {
        ObjectRef {
            kind: api.secret_store(),
            namespace: Some(self.namespace.clone()),
            name: self.name.clone(),
        }
    }

    /// The object as declared. The tenant is left out: the ServiceAccount's annotation names it,
    /// and the operator refuses both.
    pub fn manifest(&self, api: StoreApi, vault: &Url) -> Object {
        let mut provider = json!({
            "authType": "WorkloadIdentity",
            "vaultUrl": vault.as_str().trim_end_matches('/'),
            "serviceAccountRef": {"name": self.service_account},
        });
        if let Some(environment) = &self.environment {
            provider["environmentType"] = environment.clone().into();
        }
        with_spec(
            &self.reference(api),
            json!({"provider": {"azurekv": provider}}),
        )
    }
}

/// The ExternalSecret: which vault secrets become which keys of which Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExternalSecretSettings {
    /// Its name; `airflow-aks-azure-logs-secrets`.
    pub name: String,
    /// The name of the Secret it makes; `storage-account-credentials`.
    pub target: String,
    /// How often the operator looks for new values; `1h`.
    pub refresh_interval: String,
    /// Who owns the Secret: `Owner` (deleting the ExternalSecret deletes it), `Orphan`, `Merge`;
    /// `Owner`.
    pub creation_policy: String,
    /// Keys of the Secret and the vault secrets they come from; the log storage account's name and
    /// key.
    pub data: Vec<KeyMapping>,
}

/// One key of the Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyMapping {
    /// The key in the Secret.
    pub key: String,
    /// The vault secret it comes from.
    pub vault_secret: SecretName,
}

impl Default for ExternalSecretSettings {
    fn default() -> Self {
        let mapping = |key: &str, name: &str| KeyMapping {
            key: key.into(),
            vault_secret: SecretName::parse(name).expect("the guide's names are valid"),
        };
        Self {
            name: "airflow-aks-azure-logs-secrets".into(),
            target: "storage-account-credentials".into(),
            refresh_interval: "1h".into(),
            creation_policy: "Owner".into(),
            data: vec![
                mapping(
                    "azurestorageaccountname",
                    "AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-NAME",
                ),
                mapping(
                    "azurestorageaccountkey",
                    "AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-KEY",
                ),
            ],
        }
    }
}

impl ExternalSecretSettings {
    /// Which object this is, in the store's namespace.
    pub fn reference(&self, api: StoreApi, store: &SecretStoreSettings) -> ObjectRef {
        ObjectRef {
            kind: api.external_secret(),
            namespace: Some(store.namespace.clone()),
            name: self.name.clone(),
        }
    }

    /// The object as declared.
    pub fn manifest(&self, api: StoreApi, store: &SecretStoreSettings) -> Object {
        let data: Vec<Value> = self
            .data
            .iter()
            .map(|mapping| {
                json!({
                    "secretKey": mapping.key,
                    "remoteRef": {"key": mapping.vault_secret.as_str()},
                })
            })
            .collect();
        with_spec(
            &self.reference(api, store),
            json!({
                "refreshInterval": self.refresh_interval,
                "secretStoreRef": {"kind": "SecretStore", "name": store.name},
                "target": {"name": self.target, "creationPolicy": self.creation_policy},
                "data": data,
            }),
        )
    }
}

fn with_spec(target: &ObjectRef, spec: Value) -> Object {
    let mut object = Object::named(target);
    object.as_map_mut().insert("spec".into(), spec);
    object
}

/// The paths at which `live` is not what `wanted` declares; empty if it is. Fields nobody declares
/// do not count; lists of the operator's objects are compared element by element.
pub(crate) fn differences(wanted: &Map<String, Value>, live: &Map<String, Value>) -> Vec<String> {
    let mut paths = Vec::new();
    for (key, value) in wanted {
        compare(value, live.get(key), key, &mut paths);
    }
    paths
}

fn compare(wanted: &Value, live: Option<&Value>, path: &str, paths: &mut Vec<String>) {
    match (wanted, live) {
        (Value::Object(wanted), Some(Value::Object(live))) => {
            for (key, value) in wanted {
                compare(value, live.get(key), &format!("{path}.{key}"), paths);
            }
        }
        (Value::Array(wanted), Some(Value::Array(live))) if wanted.len() == live.len() => {
            for (index, (value, live)) in wanted.iter().zip(live).enumerate() {
                compare(value, Some(live), &format!("{path}[{index}]"), paths);
            }
        }
        (wanted, live) if path.ends_with(".refreshInterval") => {
            let seconds = |value: Option<&Value>| value?.as_str().and_then(duration_seconds);
            if seconds(Some(wanted)) != seconds(live) || live.is_none() {
                paths.push(path.to_owned());
            }
        }
        (wanted, live) if Some(wanted) != live => paths.push(path.to_owned()),
        _ => {}
    }
}

/// Reads Go's `1h30m0s`; the operator's defaulting writes `1h` as `1h0m0s` in some versions.
fn duration_seconds(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut number = String::new();
    for c in text.chars() {
        let unit = match c {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total += number.parse::<u64>().ok()?.checked_mul(unit)?;
        number.clear();
    }
    number.is_empty().then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_guides() {
        let store = SecretStoreSettings::default();
        let vault = "https://kv.vault.azure.net/".parse().unwrap();
        let object = store.manifest(StoreApi::V1Beta1, &vault);
        assert_eq!(
            object.into_value(),
            json!({
                "apiVersion": "external-secrets.io/v1beta1",
                "kind": "SecretStore",
                "metadata": {"name": "azure-store", "namespace": "airflow"},
                "spec": {"provider": {"azurekv": {
                    "authType": "WorkloadIdentity",
                    "vaultUrl": "https://kv.vault.azure.net",
                    "serviceAccountRef": {"name": "airflow"},
                }}},
            })
        );
        let secret = ExternalSecretSettings::default().manifest(StoreApi::V1, &store);
        assert_eq!(
            secret.text("/spec/target/name"),
            Some("storage-account-credentials")
        );
        assert_eq!(
            secret.text("/spec/data/1/remoteRef/key"),
            Some("AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-KEY")
        );
    }

    #[test]
    fn only_declared_fields_that_differ_are_named() {
        let table = |value: Value| value.as_object().cloned().unwrap();
        let wanted =
            table(json!({"spec": {"refreshInterval": "1h", "data": [{"a": 1}], "x": {"y": 1}}}));
        let cases = [
            (
                json!({"spec": {"refreshInterval": "1h0m0s", "data": [{"a": 1, "b": 2}], "x": {"y": 1}}}),
                vec![],
            ),
            (
                json!({"spec": {"refreshInterval": "2h", "data": [{"a": 1}], "x": {"y": 1}}}),
                vec!["spec.refreshInterval"],
            ),
            (
                json!({"spec": {"refreshInterval": "60m", "data": [], "x": {}}}),
                vec!["spec.data", "spec.x.y"],
            ),
        ];
        for (live, expected) in cases {
            assert_eq!(
                differences(&wanted, &table(live.clone())),
                expected,
                "{live}"
            );
        }
    }
}
