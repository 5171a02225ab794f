//! Admission: namespaces, the default storage class, workload identity, validating webhooks. A
//! webhook here is judged by whether the API server could reach it and trust it; what it would
//! object to is not modelled.

use serde_json::Value;

use super::resource::Resource;
use super::status::ApiError;
use crate::world::{Key, State};

/// Refuses writes into namespaces that are absent or going.
pub(crate) fn namespace(
    state: &State,
    resource: &Resource,
    namespace: &str,
    name: &str,
) -> Result<(), ApiError> {
    if !resource.namespaced {
        return Ok(());
    }
    let Some(found) = state.store.get("/namespaces", &Key::new("", namespace)) else {
        let namespaces =
            Resource::find(&state.store, "", "v1", "namespaces").expect("a built-in resource");
        return Err(ApiError::not_found(&namespaces, namespace));
    };
    if found.pointer("/metadata/deletionTimestamp").is_some() {
        return Err(ApiError::namespace_terminating(resource, name, namespace));
    }
    Ok(())
}

/// Changes an object at its creation, as the cluster's own admission does.
pub(crate) fn mutate(state: &State, resource: &Resource, object: &mut Value) {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => {
            let spec = &mut object["spec"];
            if spec["serviceAccountName"]
                .as_str()
                .is_none_or(str::is_empty)
            {
                spec["serviceAccountName"] = "default".into();
                spec["serviceAccount"] = "default".into();
            }
            crate::controllers::inject_identity(state, object);
        }
        ("", "persistentvolumeclaims") if object.pointer("/spec/storageClassName").is_none() => {
            let default = state
                .store
                .all("storage.k8s.io/storageclasses")
                .find(|(_, class)| {
                    class.pointer(
                        "/metadata/annotations/storageclass.kubernetes.io~1is-default-class",
                    ) == Some(&Value::from("true"))
                });
            if let Some((key, _)) = default {
                object["spec"]["storageClassName"] = key.name.clone().into();
            }
        }
        _ => {}
    }
}

/// Asks the validating webhooks that are registered for this write.
pub(crate) fn validate(
    state: &State,
    resource: &Resource,
    operation: &str,
    object: &Value,
) -> Result<(), ApiError> {
    for (_, configuration) in state
        .store
        .all("admissionregistration.k8s.io/validatingwebhookconfigurations")
    {
        for hook in configuration["webhooks"].as_array().into_iter().flatten() {
            if !applies(state, hook, resource, operation, object) {
                continue;
            }
            if let Err(why) = reach(state, hook) {
                if hook["failurePolicy"] == "Ignore" {
                    continue;
                }
                let name = hook["name"].as_str().unwrap_or_default();
                return Err(ApiError::internal(format!(
                    "failed calling webhook {name:?}: failed to call webhook: {why}"
                )));
            }
        }
    }
    Ok(())
}

fn applies(
    state: &State,
    hook: &Value,
    resource: &Resource,
    operation: &str,
    object: &Value,
) -> bool {
    let listed = |list: &Value, wanted: &str| {
        list.as_array()
            .into_iter()
            .flatten()
            .any(|one| one == wanted || one == "*")
    };
    let ruled = hook["rules"].as_array().into_iter().flatten().any(|rule| {
        listed(&rule["operations"], operation)
            && listed(&rule["apiGroups"], &resource.group)
            && listed(&rule["resources"], &resource.plural)
            && (hook["matchPolicy"] == "Equivalent"
                || listed(&rule["apiVersions"], &resource.version))
    });
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let place = state.store.get("/namespaces", &Key::new("", namespace));
    ruled
        && selects(&hook["objectSelector"], object)
        && place.is_none_or(|place| selects(&hook["namespaceSelector"], place))
}

/// Whether a LabelSelector selects an object.
fn selects(selector: &Value, object: &Value) -> bool {
    let labels = object.pointer("/metadata/labels");
    let label = |key: &str| labels.and_then(|labels| labels.get(key));
    let equal = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .all(|(key, value)| label(key) == Some(value));
    let expressed = selector["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten()
        .all(|expression| {
            let found = label(expression["key"].as_str().unwrap_or_default());
            let listed = || {
                found.is_some_and(|found| {
                    expression["values"]
                        .as_array()
                        .is_some_and(|values| values.contains(found))
                })
            };
            match expression["operator"].as_str() {
                Some("In") => listed(),
                Some("NotIn") => !listed(),
                Some("Exists") => found.is_some(),
                Some("DoesNotExist") => found.is_none(),
                _ => false,
            }
        });
    equal && expressed
}

/// Whether the API server could call a webhook, and its error if not.
fn reach(state: &State, hook: &Value) -> Result<(), String> {
    let client = &hook["clientConfig"];
    let Some(service) = client["service"].as_object() else {
        return Err(format!(
            "Post {:?}: the sandbox reaches no webhook by URL",
            client["url"].as_str().unwrap_or_default()
        ));
    };
    let text = |key: &str| service.get(key).and_then(Value::as_str).unwrap_or_default();
    let (name, namespace) = (text("name"), text("namespace"));
    let port = service.get("port").and_then(Value::as_u64).unwrap_or(443);
    let timeout = hook["timeoutSeconds"].as_u64().unwrap_or(10);
    let failed = |why: &str| {
        Err(format!(
            "Post \"https://{name}.{namespace}.svc:{port}{}?timeout={timeout}s\": {why}",
            text("path")
        ))
    };
    if state
        .store
        .get("/services", &Key::new(namespace, name))
        .is_none()
    {
        return failed(&format!("service {name:?} not found"));
    }
    let ready = state
        .store
        .within("discovery.k8s.io/endpointslices", namespace)
        .any(|(_, slice)| {
            slice.pointer("/metadata/labels/kubernetes.io~1service-name")
                == Some(&Value::from(name))
                && slice["endpoints"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|endpoint| endpoint["conditions"]["ready"] == true)
        });
    if !ready {
        return failed(&format!("no endpoints available for service {name:?}"));
    }
    if client["caBundle"]
        .as_str()
        .is_none_or(|bundle| bundle.is_empty() || bundle == "Cg==")
    {
        return failed(
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        );
    }
    if state.faults.webhook_silent {
        return failed("context deadline exceeded");
    }
    Ok(())
}
