//! Deleting: preconditions, finalizers, propagation, grace. What follows from a deletion (dependents,
//! a namespace's content, a pod's end) is the controllers'.

use serde_json::{Value, json};

use super::resource::Resource;
use super::status::ApiError;
use crate::world::{Key, State};

/// How to delete.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) propagation: Option<String>,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) grace_seconds: Option<i64>,
    pub(crate) dry_run: bool,
}

impl DeleteOptions {
    /// Reads a `DeleteOptions` body; an empty one is the default.
    pub(crate) fn of_body(body: &Value) -> Self {
        let text = |pointer: &str| {
            body.pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        Self {
            propagation: text("/propagationPolicy"),
            uid: text("/preconditions/uid"),
            resource_version: text("/preconditions/resourceVersion"),
            grace_seconds: body["gracePeriodSeconds"].as_i64(),
            dry_run: body["dryRun"]
                .as_array()
                .is_some_and(|list| list.iter().any(|one| one == "All")),
        }
    }
}

/// Deletes one object. The answer is the object while something still holds it, else a success.
pub(crate) fn delete(
    state: &mut State,
    resource: &Resource,
    key: &Key,
    options: &DeleteOptions,
    now: &str,
) -> Result<Value, ApiError> {
    let storage = resource.storage();
    let live = state
        .store
        .get(&storage, key)
        .cloned()
        .ok_or_else(|| ApiError::not_found(resource, &key.name))?;
    let mut object = Value::clone(&live);
    let uid = object["metadata"]["uid"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if let Some(wanted) = options.uid.as_ref().filter(|wanted| **wanted != uid) {
        let why = format!(
            "Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"
        );
        return Err(ApiError::conflict(resource, &key.name, &why));
    }
    let version = object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default();
    if let Some(wanted) = options
        .resource_version
        .as_ref()
        .filter(|wanted| *wanted != version)
    {
        let why = format!(
            "Precondition failed: ResourceVersion in precondition: {wanted}, ResourceVersion in object meta: {version}"
        );
        return Err(ApiError::conflict(resource, &key.name, &why));
    }
    let mut finalizers = object["metadata"]["finalizers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    match options.propagation.as_deref() {
        Some("Foreground") => finalizers.push("foregroundDeletion".into()),
        Some("Orphan") => finalizers.push("orphan".into()),
        _ => {}
    }
    if resource.plural == "customresourcedefinitions" {
        // Its objects go first.
        finalizers.push("customresourcecleanup.apiextensions.k8s.io".into());
    }
    finalizers.dedup();
    let is_pod = storage == "/pods";
    let ended = matches!(
        object["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    ) || object["spec"]["nodeName"].is_null();
    let graceful = is_pod && !ended && options.grace_seconds != Some(0);
    let waits = !finalizers.is_empty() || graceful || storage == "/namespaces";
    if !waits {
        if !options.dry_run {
            state.store.remove(&storage, key);
        }
        return Ok(success(resource, &key.name, &uid));
    }
    if object.pointer("/metadata/deletionTimestamp").is_none() {
        object["metadata"]["deletionTimestamp"] = now.into();
        let grace = if graceful {
            options
                .grace_seconds
                .or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_i64())
                .unwrap_or(30)
        } else {
            0
        };
        object["metadata"]["deletionGracePeriodSeconds"] = grace.into();
        if let Some(generation) = object["metadata"]["generation"].as_i64() {
            object["metadata"]["generation"] = (generation + 1).into();
        }
        if storage == "/namespaces" {
            object["status"]["phase"] = "Terminating".into();
        }
    }
    if !finalizers.is_empty() {
        object["metadata"]["finalizers"] = finalizers.into();
    }
    if options.dry_run || object == *live {
        return Ok(object);
    }
    Ok(Value::clone(&state.store.put(
        &storage,
        key.clone(),
        object,
    )))
}

fn success(resource: &Resource, name: &str, uid: &str) -> Value {
    let mut details = json!({"name": name, "kind": resource.plural, "uid": uid});
    if !resource.group.is_empty() {
        details["group"] = resource.group.clone().into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
