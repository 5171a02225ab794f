//! The workload identity webhook: what it puts into a pod at creation.
//!
//! Source: azure-workload-identity, `pkg/webhook`: environment, projected token, only with the
//! pod's label.

use serde_json::{Value, json};

use super::pass::text;
use crate::world::{Key, State};

/// Where the token is mounted.
const MOUNT: &str = "/var/run/secrets/azure/wi";

/// Injects the identity of the pod's ServiceAccount, if the pod asks for it.
pub(crate) fn inject(state: &State, pod: &mut Value) {
    let asks = pod
        .pointer("/metadata/labels")
        .and_then(|labels| labels.get("azure.workload.identity/use"))
        .is_some_and(|value| value == "true");
    let namespace = text(pod, "/metadata/namespace");
    if !asks || namespace == "kube-system" {
        return;
    }
    let account = match text(pod, "/spec/serviceAccountName") {
        "" => "default",
        name => name,
    };
    let Some(account) = state
        .store
        .get("/serviceaccounts", &Key::new(namespace, account))
    else {
        return;
    };
    let annotation = |key: &str| {
        account
            .pointer("/metadata/annotations")
            .and_then(|annotations| annotations.get(format!("azure.workload.identity/{key}")))
            .and_then(Value::as_str)
    };
    let client = annotation("client-id").unwrap_or_default();
    let tenant = annotation("tenant-id").unwrap_or(&state.spec.tenant);
    let variables = [
        ("AZURE_CLIENT_ID", client),
        ("AZURE_TENANT_ID", tenant),
        (
            "AZURE_FEDERATED_TOKEN_FILE",
            "/var/run/secrets/azure/wi/token/azure-identity-token",
        ),
        ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
    ];
    for containers in ["initContainers", "containers"] {
        for container in pod["spec"][containers].as_array_mut().into_iter().flatten() {
            for (name, value) in variables {
                let environment = push_list(container, "env");
                if !environment
                    .iter()
                    .any(|variable| text(variable, "/name") == name)
                {
                    environment.push(json!({"name": name, "value": value}));
                }
            }
            push_list(container, "volumeMounts").push(json!({
                "name": "azure-workload-identity-reserved-token",
                "mountPath": MOUNT,
                "readOnly": true,
            }));
        }
    }
    push_list(&mut pod["spec"], "volumes").push(json!({
        "name": "azure-workload-identity-reserved-token",
        "projected": {"sources": [{"serviceAccountToken": {
            "audience": "api://AzureADTokenExchange",
            "expirationSeconds": 3600,
            "path": "token/azure-identity-token",
        }}]},
    }));
}

fn push_list<'v>(object: &'v mut Value, key: &str) -> &'v mut Vec<Value> {
    if !object[key].is_array() {
        object[key] = json!([]);
    }
    object[key].as_array_mut().expect("just made a list")
}
