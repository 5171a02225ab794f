//! What the server refuses in built-in objects: names, required fields, what may not change
//! (`k8s.io/kubernetes/pkg/apis/*/validation`). A selection: the rules clients run into.

use serde_json::Value;

use super::resource::Resource;
use super::status::Cause;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const DNS_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const IMMUTABLE: &str = "field is immutable";

fn is_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Checks a name by the kind's rule.
pub(crate) fn name(resource: &Resource, name: &str) -> Vec<Cause> {
    let value = Value::from(name);
    let field = "metadata.name";
    match resource.kind.as_str() {
        _ if resource.group == "rbac.authorization.k8s.io" => {
            if name.contains('/') || name.contains('%') || name == "." || name == ".." {
                return vec![Cause::invalid(field, &value, "may not contain '/'")];
            }
        }
        "Service" if resource.group.is_empty() => {
            if !is_label(name)
                || name.len() > 63
                || name.starts_with(|letter: char| letter.is_ascii_digit())
            {
                return vec![Cause::invalid(field, &value, DNS_1035)];
            }
        }
        "Namespace" => {
            if !is_label(name) {
                return vec![Cause::invalid(field, &value, LABEL)];
            }
            if name.len() > 63 {
                return vec![Cause::invalid(
                    field,
                    &value,
                    "must be no more than 63 characters",
                )];
            }
        }
        _ => {
            if !is_subdomain(name) {
                return vec![Cause::invalid(field, &value, SUBDOMAIN)];
            }
        }
    }
    Vec::new()
}

/// Checks labels, as every kind's metadata is.
pub(crate) fn labels(object: &Value) -> Vec<Cause> {
    let word = |text: &str| {
        text.len() <= 63
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            && text
                .bytes()
                .next()
                .is_none_or(|byte| byte.is_ascii_alphanumeric())
            && text
                .bytes()
                .last()
                .is_none_or(|byte| byte.is_ascii_alphanumeric())
    };
    let mut causes = Vec::new();
    for (_, value) in object
        .pointer("/metadata/labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if !value.as_str().is_some_and(word) {
            let why = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
            causes.push(Cause::invalid("metadata.labels", value, why));
        }
    }
    let size: usize = object
        .pointer("/metadata/annotations")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum();
    if size > 262_144 {
        causes.push(Cause {
            reason: "FieldValueTooLong",
            field: "metadata.annotations".into(),
            message: "Too long: may not be more than 262144 bytes".into(),
        });
    }
    causes
}

/// Checks a built-in object, defaults filled in.
pub(crate) fn object(kind: &str, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    match kind {
        "Pod" => pod_spec(&object["spec"], "spec", &[], &mut causes),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => {
            let selector = &object["spec"]["selector"];
            if selector.is_null() {
                causes.push(Cause::required("spec.selector", ""));
            } else {
                let labels = object.pointer("/spec/template/metadata/labels");
                let fits = selector["matchLabels"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value));
                if !fits {
                    let labels = labels.cloned().unwrap_or_default();
                    causes.push(Cause::invalid(
                        "spec.template.metadata.labels",
                        &labels,
                        "`selector` does not match template `labels`",
                    ));
                }
            }
            let claims: Vec<&str> = object["spec"]["volumeClaimTemplates"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|claim| claim["metadata"]["name"].as_str())
                .collect();
            let template = &object["spec"]["template"]["spec"];
            pod_spec(template, "spec.template.spec", &claims, &mut causes);
        }
        "Job" => {
            let template = &object["spec"]["template"]["spec"];
            pod_spec(template, "spec.template.spec", &[], &mut causes);
            if !matches!(
                template["restartPolicy"].as_str(),
                Some("OnFailure" | "Never")
            ) {
                let supported = ["OnFailure".to_owned(), "Never".to_owned()];
                causes.push(Cause::unsupported(
                    "spec.template.spec.restartPolicy",
                    &template["restartPolicy"],
                    &supported,
                ));
            }
        }
        "Service" => {
            let spec = &object["spec"];
            let headless = spec["clusterIP"] == "None";
            if spec["ports"].as_array().is_none_or(Vec::is_empty)
                && !headless
                && spec["type"] != "ExternalName"
            {
                causes.push(Cause::required("spec.ports", ""));
            }
        }
        "PersistentVolumeClaim" => {
            if object
                .pointer("/spec/accessModes")
                .and_then(Value::as_array)
                .is_none_or(Vec::is_empty)
            {
                causes.push(Cause::required(
                    "spec.accessModes",
                    "at least 1 access mode is required",
                ));
            }
            if object.pointer("/spec/resources/requests/storage").is_none() {
                causes.push(Cause::required("spec.resources[storage]", ""));
            }
        }
        "PersistentVolume" => {
            if object
                .pointer("/spec/accessModes")
                .and_then(Value::as_array)
                .is_none_or(Vec::is_empty)
            {
                causes.push(Cause::required("spec.accessModes", ""));
            }
            if object.pointer("/spec/capacity/storage").is_none() {
                causes.push(Cause::required("spec.capacity", ""));
            }
            let sources = ["csi", "hostPath", "nfs", "local", "azureDisk", "azureFile"];
            if !sources
                .iter()
                .any(|source| object["spec"].get(source).is_some())
            {
                causes.push(Cause::required("spec", "must specify a volume type"));
            }
        }
        "Secret" => {
            use base64::Engine as _;
            for (key, value) in object["data"].as_object().into_iter().flatten() {
                if base64::engine::general_purpose::STANDARD
                    .decode(value.as_str().unwrap_or_default())
                    .is_err()
                {
                    causes.push(Cause::invalid(
                        format!("data[{key}]"),
                        &Value::from("<secret>"),
                        "illegal base64 data",
                    ));
                }
                if key.is_empty()
                    || !key
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
                {
                    causes.push(Cause::invalid(format!("data[{key}]"), &Value::from(key.as_str()), "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"));
                }
            }
            let size: usize = object["data"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(_, value)| value.as_str().map_or(0, |text| text.len() / 4 * 3))
                .sum();
            if size > 1_048_576 {
                causes.push(Cause {
                    reason: "FieldValueTooLong",
                    field: "data".into(),
                    message: "Too long: may not be more than 1048576 bytes".into(),
                });
            }
        }
        "CustomResourceDefinition" => {
            let text = |pointer: &str| {
                object
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let expected = format!("{}.{}", text("/spec/names/plural"), text("/spec/group"));
            if text("/metadata/name") != expected {
                causes.push(Cause::invalid(
                    "metadata.name",
                    &object["metadata"]["name"],
                    "must be spec.names.plural+\".\"+spec.group",
                ));
            }
            let storing = object
                .pointer("/spec/versions")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter(|version| version["storage"] == true)
                .count();
            if storing != 1 {
                causes.push(Cause::invalid(
                    "spec.versions",
                    &object["spec"]["versions"],
                    "must have exactly one version marked as storage version",
                ));
            }
        }
        _ => {}
    }
    causes
}

/// `claims` are the names a StatefulSet's claim templates add to the volumes.
fn pod_spec(spec: &Value, field: &str, claims: &[&str], causes: &mut Vec<Cause>) {
    if spec["containers"].as_array().is_none_or(Vec::is_empty) {
        causes.push(Cause::required(format!("{field}.containers"), ""));
    }
    let volumes: Vec<&str> = spec["volumes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|volume| volume["name"].as_str())
        .chain(claims.iter().copied())
        .collect();
    for list in ["initContainers", "containers"] {
        let mut names: Vec<&str> = Vec::new();
        for (index, container) in spec[list].as_array().into_iter().flatten().enumerate() {
            let at = format!("{field}.{list}[{index}]");
            let name = container["name"].as_str().unwrap_or_default();
            if name.is_empty() {
                causes.push(Cause::required(format!("{at}.name"), ""));
            } else if !is_label(name) {
                causes.push(Cause::invalid(
                    format!("{at}.name"),
                    &container["name"],
                    LABEL,
                ));
            } else if names.contains(&name) {
                causes.push(Cause {
                    reason: "FieldValueDuplicate",
                    field: format!("{at}.name"),
                    message: format!("Duplicate value: {name:?}"),
                });
            }
            names.push(name);
            if container["image"].as_str().is_none_or(str::is_empty) {
                causes.push(Cause::required(format!("{at}.image"), ""));
            }
            for (number, mount) in container["volumeMounts"]
                .as_array()
                .into_iter()
                .flatten()
                .enumerate()
            {
                let volume = mount["name"].as_str().unwrap_or_default();
                if !volumes.contains(&volume) {
                    causes.push(Cause {
                        reason: "FieldValueNotFound",
                        field: format!("{at}.volumeMounts[{number}].name"),
                        message: format!("Not found: {volume:?}"),
                    });
                }
            }
        }
    }
}

/// Checks a change of a built-in object.
pub(crate) fn change(kind: &str, before: &Value, after: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut fixed = |pointer: &str| {
        let (old, new) = (before.pointer(pointer), after.pointer(pointer));
        if old != new {
            let field = pointer.trim_start_matches('/').replace('/', ".");
            causes.push(Cause::invalid(
                field,
                new.unwrap_or(&Value::Null),
                IMMUTABLE,
            ));
        }
    };
    match kind {
        "Deployment" | "DaemonSet" | "ReplicaSet" => fixed("/spec/selector"),
        "Job" => {
            fixed("/spec/selector");
            fixed("/spec/template");
            fixed("/spec/completions");
        }
        "StatefulSet" => {
            let others = |object: &Value| {
                let mut spec = object["spec"].clone();
                if let Some(map) = spec.as_object_mut() {
                    for allowed in [
                        "replicas",
                        "ordinals",
                        "template",
                        "updateStrategy",
                        "persistentVolumeClaimRetentionPolicy",
                        "minReadySeconds",
                        "revisionHistoryLimit",
                    ] {
                        map.remove(allowed);
                    }
                }
                spec
            };
            if others(before) != others(after) {
                causes.push(Cause::forbidden("spec", "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"));
            }
        }
        "PersistentVolume" => {
            for source in ["csi", "hostPath", "nfs", "local", "azureDisk", "azureFile"] {
                if before["spec"].get(source) != after["spec"].get(source) {
                    causes.push(Cause::forbidden(
                        "spec.persistentvolumesource",
                        "spec.persistentvolumesource is immutable after creation",
                    ));
                }
            }
        }
        "PersistentVolumeClaim" => {
            let others = |object: &Value| {
                let mut spec = object["spec"].clone();
                if let Some(map) = spec.as_object_mut() {
                    map.remove("resources");
                    if before["spec"]
                        .get("volumeName")
                        .is_none_or(|name| name == "")
                    {
                        map.remove("volumeName");
                    }
                }
                spec
            };
            if others(before) != others(after) {
                causes.push(Cause::forbidden("spec", "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"));
            }
        }
        "Service" => {
            let (old, new) = (
                before.pointer("/spec/clusterIP"),
                after.pointer("/spec/clusterIP"),
            );
            let was = old.and_then(Value::as_str).unwrap_or_default();
            if !was.is_empty()
                && old != new
                && after.pointer("/spec/type") != Some(&Value::from("ExternalName"))
            {
                causes.push(Cause::invalid(
                    "spec.clusterIPs[0]",
                    &Value::Array(new.cloned().into_iter().collect()),
                    "may not change once set",
                ));
            }
        }
        "Secret" | "ConfigMap" => {
            if kind == "Secret" {
                fixed("/type");
            }
            if before["immutable"] == true {
                if after["immutable"] != true {
                    causes.push(Cause::forbidden(
                        "immutable",
                        "field is immutable when `immutable` is set",
                    ));
                }
                for data in ["data", "binaryData"] {
                    if before.get(data) != after.get(data) {
                        causes.push(Cause::forbidden(
                            data,
                            "field is immutable when `immutable` is set",
                        ));
                    }
                }
            }
        }
        "RoleBinding" | "ClusterRoleBinding" if before["roleRef"] != after["roleRef"] => {
            let cause = Cause::invalid("roleRef", &after["roleRef"], "cannot change roleRef");
            causes.push(cause);
        }
        "StorageClass" => {
            fixed("/provisioner");
            if before["parameters"] != after["parameters"] {
                causes.push(Cause::forbidden(
                    "parameters",
                    "updates to parameters are forbidden.",
                ));
            }
        }
        "Pod" => {
            let others = |object: &Value| {
                let mut spec = object["spec"].clone();
                for list in ["containers", "initContainers"] {
                    for container in spec[list].as_array_mut().into_iter().flatten() {
                        container["image"] = Value::Null;
                    }
                }
                if let Some(map) = spec.as_object_mut() {
                    for allowed in [
                        "activeDeadlineSeconds",
                        "terminationGracePeriodSeconds",
                        "tolerations",
                        "nodeName",
                        "initContainers",
                    ] {
                        if allowed != "initContainers" || object["spec"].get(allowed).is_none() {
                            map.remove(allowed);
                        }
                    }
                }
                spec
            };
            if others(before) != others(after) {
                causes.push(Cause::forbidden("spec", "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"));
            }
        }
        _ => {}
    }
    causes
}
