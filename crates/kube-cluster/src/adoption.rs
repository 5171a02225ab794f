//! Taking objects over from `kubectl apply`: the fields we declare become ours, and nobody else's
//! field moves. It owns how ownership is split; it refuses to change any value.
//!
//! Without this, an object a person applied stays theirs for ever: each later change of ours would
//! be a conflict with a manager that has long gone.
//!
//! Source: Kubernetes, "Server-Side Apply", section on migrating from client-side apply; the whole
//! entry is moved there, here only what is declared, so that what else a person applied stays.

use serde_json::{Map, Value, json};

use crate::managed_fields::{step_of, unite};
use crate::{Cluster, ClusterError, FieldPath, Object, WriteOptions};

/// The manager of `kubectl apply` without `--server-side`.
pub const KUBECTL_APPLY: &str = "kubectl-client-side-apply";

/// The JSON patch that moves the fields `declared` holds from what `kubectl apply` owns of `live` to
/// the `Apply` entry of `manager`; `None` when kubectl owns none of them.
///
/// The patch tests the resource version, so a lost race refuses it and changes nothing. It touches
/// `managedFields` alone.
///
/// ```
/// use kube_cluster::{Object, take_declared_fields};
///
/// let object = |metadata| Object::from_value(serde_json::json!({"metadata": metadata})).unwrap();
/// let live = object(serde_json::json!({"resourceVersion": "7", "labels": {"a": "1", "b": "2"}, "managedFields": [
///     {"manager": "kubectl-client-side-apply", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
///      "fieldsV1": {"f:metadata": {"f:labels": {"f:a": {}, "f:b": {}}}}}]}));
/// let declared = object(serde_json::json!({"labels": {"a": "1"}}));
/// let patch = take_declared_fields(&declared, &live, "aks-airflow").unwrap();
/// let entries = &patch[1]["value"];
/// assert_eq!(entries[0]["fieldsV1"], serde_json::json!({"f:metadata": {"f:labels": {"f:a": {}}}}));
/// assert_eq!(entries[1]["fieldsV1"], serde_json::json!({"f:metadata": {"f:labels": {"f:b": {}}}}));
/// ```
pub fn take_declared_fields(declared: &Object, live: &Object, manager: &str) -> Option<Value> {
    let entries = live.at("/metadata/managedFields")?.as_array()?;
    let version = live.resource_version()?;
    let is_whole = |entry: &Value| entry["subresource"].as_str().unwrap_or_default().is_empty();
    let is_theirs = |entry: &Value| {
        entry["operation"] == "Update" && entry["manager"] == KUBECTL_APPLY && is_whole(entry)
    };
    let is_ours = |entry: &Value| {
        entry["operation"] == "Apply" && entry["manager"] == manager && is_whole(entry)
    };
    let wanted = Value::Object(declared.as_map().clone());
    let mut taken = json!({});
    let mut pattern = None;
    let mut others = Vec::new();
    for entry in entries.iter().filter(|entry| !is_ours(entry)) {
        if !is_theirs(entry) {
            others.push(entry.clone());
            continue;
        }
        let (ours, theirs) = split(&entry["fieldsV1"], &wanted);
        if let Some(ours) = ours {
            unite(&mut taken, &ours);
            pattern = Some(entry);
        }
        if let Some(theirs) = theirs {
            let mut rest = entry.clone();
            rest["fieldsV1"] = theirs;
            others.push(rest);
        }
    }
    let pattern = pattern?;
    let mut entry = entries
        .iter()
        .find(|entry| is_ours(entry))
        .unwrap_or(pattern)
        .clone();
    if is_ours(&entry) {
        unite(&mut entry["fieldsV1"], &taken);
    } else {
        entry["fieldsV1"] = taken;
        entry["operation"] = "Apply".into();
        entry["manager"] = manager.into();
    }
    others.insert(0, entry);
    Some(json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "replace", "path": "/metadata/managedFields", "value": others},
    ]))
}

/// Takes the declared fields over from `kubectl apply`; no value changes. Returns whether there was
/// something to take.
///
/// # Errors
/// What the cluster says, a lost race included; then nothing was written.
pub async fn take_over_from_kubectl(
    cluster: &dyn Cluster,
    declared: &Object,
    live: &Object,
    manager: &str,
) -> Result<bool, ClusterError> {
    let Some(patch) = take_declared_fields(declared, live, manager) else {
        return Ok(false);
    };
    let options = WriteOptions {
        manager: manager.to_owned(),
        dry_run: false,
    };
    cluster.patch(live.reference(), patch, options).await?;
    Ok(true)
}

/// What of `fields` is declared and what is not; `None` for nothing.
fn split(fields: &Value, declared: &Value) -> (Option<Value>, Option<Value>) {
    let (mut ours, mut theirs) = (Map::new(), Map::new());
    let mut itself = false;
    for (name, below) in fields.as_object().into_iter().flatten() {
        let Some(step) = step_of(name) else {
            itself |= name == ".";
            continue;
        };
        let value = FieldPath(vec![step]).lookup(declared).cloned();
        let Some(value) = value else {
            theirs.insert(name.clone(), below.clone());
            continue;
        };
        let is_leaf = below
            .as_object()
            .is_none_or(|below| below.keys().all(|name| name == "."));
        if is_leaf {
            ours.insert(name.clone(), below.clone());
            continue;
        }
        let (taken, left) = split(below, &value);
        ours.extend(taken.map(|taken| (name.clone(), taken)));
        theirs.extend(left.map(|left| (name.clone(), left)));
    }
    let whole = |mut map: Map<String, Value>| {
        if map.is_empty() {
            return None;
        }
        if itself {
            map.insert(".".into(), json!({}));
        }
        Some(Value::Object(map))
    };
    (whole(ours), whole(theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(entries: &Value) -> Object {
        Object::from_value(
            json!({"kind": "PersistentVolume", "apiVersion": "v1", "metadata": {
            "name": "v", "resourceVersion": "7", "managedFields": entries}}),
        )
        .unwrap()
    }

    fn kubectl(fields: &Value) -> Value {
        json!({"manager": KUBECTL_APPLY, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    fn declared(spec: Value) -> Object {
        let mut object =
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}});
        object["spec"] = spec;
        Object::from_value(object).unwrap()
    }

    #[test]
    fn only_declared_fields_move_also_within_keyed_lists() {
        let fields = json!({
            "f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}}},
            "f:spec": {"f:volumeMode": {}, "f:mountOptions": {}, "f:ports": {
                "k:{\"port\":80}": {".": {}, "f:port": {}, "f:name": {}},
                "k:{\"port\":81}": {".": {}, "f:port": {}},
            }},
        });
        let declared = declared(json!({"mountOptions": ["a"], "ports": [{"port": 80}]}));
        let patch =
            take_declared_fields(&declared, &live(&json!([kubectl(&fields)])), "us").unwrap();
        let entries = patch[1]["value"].as_array().unwrap();
        assert_eq!(
            entries[0],
            json!({"manager": "us", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {
                "f:spec": {"f:mountOptions": {}, "f:ports": {"k:{\"port\":80}": {".": {}, "f:port": {}}}}}})
        );
        assert_eq!(
            entries[1]["fieldsV1"],
            json!({
                "f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}}},
                "f:spec": {"f:volumeMode": {}, "f:ports": {
                    "k:{\"port\":80}": {".": {}, "f:name": {}},
                    "k:{\"port\":81}": {".": {}, "f:port": {}},
                }},
            })
        );
    }

    #[test]
    fn ours_grows_others_stay_and_a_second_time_there_is_nothing_to_take() {
        let ours = json!({"manager": "us", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:spec": {"f:b": {}}}});
        let binder = json!({"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:spec": {"f:claimRef": {}}}});
        let theirs = kubectl(&json!({"f:spec": {"f:a": {}}}));
        let mut object = live(&json!([theirs, ours, binder]));
        let declared = declared(json!({"a": 1, "b": 2}));
        let patch = take_declared_fields(&declared, &object, "us").unwrap();
        let entries = patch[1]["value"].as_array().unwrap();
        assert_eq!(entries.len(), 2, "kubectl owns nothing any more");
        assert_eq!(
            entries[0]["fieldsV1"],
            json!({"f:spec": {"f:a": {}, "f:b": {}}})
        );
        assert_eq!(entries[1], binder);
        object
            .metadata()
            .insert("managedFields".into(), patch[1]["value"].clone());
        assert_eq!(take_declared_fields(&declared, &object, "us"), None);
    }

    #[test]
    fn what_was_applied_server_side_or_edited_is_nobodys_leftover() {
        let mut applied = kubectl(&json!({"f:spec": {"f:a": {}}}));
        applied["operation"] = "Apply".into();
        let mut edited = kubectl(&json!({"f:spec": {"f:a": {}}}));
        edited["manager"] = "kubectl-edit".into();
        let live = live(&json!([applied, edited]));
        assert_eq!(
            take_declared_fields(&declared(json!({"a": 1})), &live, "us"),
            None
        );
    }
}
