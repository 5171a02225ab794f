//! Lists: consistent snapshots, in pages, as objects or as metadata only.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::resource::Resource;
use super::selector::Selector;
use super::status::ApiError;
use super::target::Params;
use crate::world::{ChangeKind, Key, Store};

/// How objects are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Whole.
    Whole,
    /// `PartialObjectMetadata`.
    Metadata,
}

impl Form {
    /// As the client asks in `Accept`.
    pub(crate) fn of(accept: &str) -> Self {
        if accept.contains("as=PartialObjectMetadata") {
            Self::Metadata
        } else {
            Self::Whole
        }
    }

    /// An object in this form and the resource's version.
    pub(crate) fn show(self, object: &Value, resource: &Resource) -> Value {
        if self == Self::Metadata {
            return json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object["metadata"]});
        }
        let mut shown = object.clone();
        shown["apiVersion"] = resource.api_version().into();
        shown["kind"] = resource.kind.clone().into();
        shown
    }
}

/// Lists a resource.
pub(crate) fn list(
    store: &Store,
    resource: &Resource,
    namespace: Option<&str>,
    params: &Params,
    form: Form,
) -> Result<Value, ApiError> {
    let selector = Selector::parse(params.text("labelSelector"), params.text("fieldSelector"))?;
    let limit = params.number("limit").filter(|limit| *limit > 0);
    let (revision, start) = match params.text("continue") {
        Some(token) => read_token(token)?,
        None => (exact_revision(params, store)?, None),
    };
    let snapshot = snapshot(store, resource, revision)?;
    let selected: Vec<(&Key, &Arc<Value>)> = snapshot
        .iter()
        .filter(|(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace))
        .filter(|(key, _)| start.as_ref().is_none_or(|start| *key > start))
        .filter(|(_, object)| selector.matches(object))
        .collect();
    let page = limit.map_or(selected.len(), |limit| (limit as usize).min(selected.len()));
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if page < selected.len() {
        metadata["continue"] = write_token(revision, selected[page - 1].0).into();
        metadata["remainingItemCount"] = (selected.len() - page).into();
    }
    let items: Vec<Value> = selected[..page]
        .iter()
        .map(|(_, object)| {
            let mut shown = form.show(object, resource);
            // Items of a list of one built-in kind carry no type of their own.
            if resource.definition.is_none()
                && form == Form::Whole
                && let Some(map) = shown.as_object_mut()
            {
                map.remove("apiVersion");
                map.remove("kind");
            }
            shown
        })
        .collect();
    let (api_version, kind) = match form {
        Form::Whole => (resource.api_version(), format!("{}List", resource.kind)),
        Form::Metadata => ("meta.k8s.io/v1".into(), "PartialObjectMetadataList".into()),
    };
    Ok(json!({"kind": kind, "apiVersion": api_version, "metadata": metadata, "items": items}))
}

fn exact_revision(params: &Params, store: &Store) -> Result<u64, ApiError> {
    if params.text("resourceVersionMatch") != Some("Exact") {
        return Ok(store.revision());
    }
    params.number("resourceVersion").ok_or_else(|| {
        ApiError::bad_request(
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        )
    })
}

fn write_token(revision: u64, last: &Key) -> String {
    URL_SAFE_NO_PAD.encode(
        json!({"v": "meta.k8s.io/v1", "rv": revision, "ns": last.namespace, "name": last.name})
            .to_string(),
    )
}

fn read_token(token: &str) -> Result<(u64, Option<Key>), ApiError> {
    let invalid = || ApiError::bad_request("continue key is not valid");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
    let text = |key: &str| value[key].as_str().unwrap_or_default();
    Ok((
        value["rv"].as_u64().ok_or_else(invalid)?,
        Some(Key::new(text("ns"), text("name"))),
    ))
}

/// A resource's objects as they were at a revision.
fn snapshot(
    store: &Store,
    resource: &Resource,
    revision: u64,
) -> Result<BTreeMap<Key, Arc<Value>>, ApiError> {
    let storage = resource.storage();
    let mut objects: BTreeMap<Key, Arc<Value>> = store
        .all(&storage)
        .map(|(key, object)| (key.clone(), Arc::clone(object)))
        .collect();
    if revision >= store.revision() {
        return Ok(objects);
    }
    let later = store.after(revision).ok_or_else(|| {
        ApiError::expired("The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.")
    })?;
    let mut undo: Vec<_> = later.filter(|change| change.resource == storage).collect();
    undo.reverse();
    for change in undo {
        let text = |key: &str| change.object["metadata"][key].as_str().unwrap_or_default();
        let key = Key::new(text("namespace"), text("name"));
        match (change.kind, &change.previous) {
            (ChangeKind::Added, _) | (_, None) => objects.remove(&key),
            (_, Some(previous)) => objects.insert(key, Arc::clone(previous)),
        };
    }
    Ok(objects)
}
