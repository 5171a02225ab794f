//! Creating, replacing, patching and applying. It owns the order of the steps (defaults, ownership,
//! admission, checks, storing) and the rules of generation, status and versions; each step's rules
//! are its own file's.

use serde_json::{Map, Value, json};

use super::admission;
use super::apply::{ApplyError, ManagerKey, apply, track_update};
use super::custom;
use super::defaults;
use super::known;
use super::patch::{json_patch, merge_patch};
use super::resource::Resource;
use super::status::{ApiError, Cause};
use super::strategic::strategic_patch;
use super::validate;
use crate::world::{Key, State};

/// One write's circumstances.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) resource: Resource,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// `status`, or nothing.
    pub(crate) subresource: String,
    pub(crate) manager: ManagerKey,
    pub(crate) dry_run: bool,
    /// Unknown fields are errors (`fieldValidation=Strict`).
    pub(crate) strict: bool,
    /// The time, as `metav1.Time`.
    pub(crate) now: String,
}

/// A patch.
#[derive(Debug, Clone)]
pub(crate) enum Patch {
    Json(Vec<Value>),
    Merge(Value),
    Strategic(Value),
    Apply { declared: Value, force: bool },
}

/// Whether `managedFields` are still to be worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ownership {
    Track,
    Done,
}

impl Write {
    fn key(&self) -> Key {
        Key::new(self.namespace.clone(), self.name.clone())
    }

    fn live(&self, state: &State) -> Option<Value> {
        let found = state.store.get(&self.resource.storage(), &self.key())?;
        let mut live = Value::clone(found);
        live["apiVersion"] = self.resource.api_version().into();
        live["kind"] = self.resource.kind.clone().into();
        Some(live)
    }

    fn store(&self, state: &mut State, object: Value) -> Value {
        if self.dry_run {
            object
        } else {
            Value::clone(
                &state
                    .store
                    .put(&self.resource.storage(), self.key(), object),
            )
        }
    }
}

fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Checks that a body is of the resource's kind and in the request's namespace; completes it.
fn identify(write: &Write, object: &mut Value) -> Result<(), ApiError> {
    if !object.is_object() {
        return Err(ApiError::bad_request("the body is no JSON object"));
    }
    let resource = &write.resource;
    let (api_version, kind) = (
        text(object, "/apiVersion").to_owned(),
        text(object, "/kind").to_owned(),
    );
    if (!api_version.is_empty() && api_version != resource.api_version())
        || (!kind.is_empty() && kind != resource.kind)
    {
        return Err(ApiError::bad_request(format!(
            "{kind} in version {api_version:?} cannot be handled as a {}: no kind {kind:?} is registered for version {api_version:?}",
            resource.kind
        )));
    }
    object["apiVersion"] = resource.api_version().into();
    object["kind"] = resource.kind.clone().into();
    if !object["metadata"].is_object() {
        object["metadata"] = Value::Object(Map::new());
    }
    let namespace = text(object, "/metadata/namespace");
    if resource.namespaced {
        if !namespace.is_empty() && namespace != write.namespace {
            return Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        object["metadata"]["namespace"] = write.namespace.clone().into();
    } else if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("namespace");
    }
    Ok(())
}

/// Creates an object from a request's body.
pub(crate) fn create(
    state: &mut State,
    mut write: Write,
    mut object: Value,
) -> Result<Value, ApiError> {
    identify(&write, &mut object)?;
    if !text(&object, "/metadata/resourceVersion").is_empty() {
        return Err(ApiError::bad_request(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    let generated = text(&object, "/metadata/generateName").to_owned();
    if text(&object, "/metadata/name").is_empty() && !generated.is_empty() {
        object["metadata"]["name"] = format!(
            "{}{}",
            &generated[..generated.len().min(58)],
            state.entropy.suffix(5)
        )
        .into();
    }
    text(&object, "/metadata/name").clone_into(&mut write.name);
    create_named(state, &write, object, Ownership::Track)
}

fn create_named(
    state: &mut State,
    write: &Write,
    mut object: Value,
    ownership: Ownership,
) -> Result<Value, ApiError> {
    let resource = &write.resource;
    if write.name.is_empty() {
        return Err(ApiError::invalid(
            resource,
            "",
            &[Cause::required(
                "metadata.name",
                "name or generateName is required",
            )],
        ));
    }
    admission::namespace(state, resource, &write.namespace, &write.name)?;
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for system in [
            "uid",
            "creationTimestamp",
            "generation",
            "selfLink",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "resourceVersion",
        ] {
            metadata.remove(system);
        }
    }
    complete(write, &mut object)?;
    if resource.has("status")
        && resource.plural != "customresourcedefinitions"
        && let Some(map) = object.as_object_mut()
    {
        map.remove("status");
    }
    if ownership == Ownership::Track {
        let nothing =
            json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": {}});
        track_update(
            &nothing,
            &mut object,
            &resource.node(),
            &write.manager,
            &write.now,
        );
    }
    object["metadata"]["uid"] = state.entropy.uuid().into();
    object["metadata"]["creationTimestamp"] = write.now.clone().into();
    if resource.has_generation() {
        object["metadata"]["generation"] = 1.into();
    }
    admission::mutate(state, resource, &mut object);
    begin(state, resource, &mut object);
    check(write, &object, None)?;
    if state.store.get(&resource.storage(), &write.key()).is_some() {
        return Err(ApiError::already_exists(resource, &write.name));
    }
    admission::validate(state, resource, "CREATE", &object)?;
    Ok(write.store(state, object))
}

/// What the server itself sets at creation.
fn begin(state: &mut State, resource: &Resource, object: &mut Value) {
    let add_finalizer = |object: &mut Value, name: &str| {
        let held = object["metadata"]["finalizers"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        if !held.iter().any(|one| one == name) {
            object["metadata"]["finalizers"] = held.into_iter().chain([name.into()]).collect();
        }
    };
    let name = text(object, "/metadata/name").to_owned();
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "namespaces") => {
            defaults::table(&mut object["metadata"], "labels")["kubernetes.io/metadata.name"] =
                name.into();
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
        }
        ("", "pods") => {
            object["status"] = json!({"phase": "Pending", "qosClass": "BestEffort"});
        }
        ("", "persistentvolumeclaims") => {
            add_finalizer(object, "kubernetes.io/pvc-protection");
            object["status"] = json!({"phase": "Pending"});
        }
        ("", "persistentvolumes") => {
            add_finalizer(object, "kubernetes.io/pv-protection");
            object["status"] = json!({"phase": "Pending"});
        }
        ("", "services") => allocate_address(state, object),
        ("batch", "jobs") => {
            let uid = object["metadata"]["uid"].clone();
            let spec = &mut object["spec"];
            if spec["manualSelector"] != true {
                spec["selector"] =
                    json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
                let labels =
                    defaults::table(defaults::table(&mut spec["template"], "metadata"), "labels");
                for (key, value) in [
                    ("batch.kubernetes.io/controller-uid", uid.clone()),
                    ("controller-uid", uid),
                    ("batch.kubernetes.io/job-name", name.clone().into()),
                    ("job-name", name.into()),
                ] {
                    labels[key] = value;
                }
            }
            object["status"] = Value::Object(Map::new());
        }
        _ if resource.definition.is_none() && resource.has("status") => {
            defaults::set(object, "status", Map::new());
        }
        _ => {}
    }
}

fn allocate_address(state: &mut State, object: &mut Value) {
    let spec = &mut object["spec"];
    let kind = spec["type"].as_str().unwrap_or("ClusterIP").to_owned();
    if kind != "ExternalName" {
        if spec["clusterIP"].as_str().is_none_or(str::is_empty) {
            let used = |address: &str| {
                state.store.all("/services").any(|(_, service)| {
                    service.pointer("/spec/clusterIP") == Some(&Value::from(address))
                })
            };
            let free = (2..65_000_u32)
                .map(|number| format!("10.0.{}.{}", number / 250, number % 250 + 1))
                .find(|address| !used(address));
            spec["clusterIP"] = free.unwrap_or_default().into();
        }
        spec["clusterIPs"] = json!([spec["clusterIP"]]);
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        let first = state.entropy.between(30_000, 32_000);
        for (port, number) in defaults::each(spec, "ports").zip(first..) {
            defaults::set(port, "nodePort", number);
        }
    }
    object["status"] = json!({"loadBalancer": {}});
}

/// Defaults, pruning, and the refusal of unknown fields where the client wants it.
fn complete(write: &Write, object: &mut Value) -> Result<(), ApiError> {
    refuse_unknown(write, object)?;
    match write.resource.schema() {
        Some(schema) => custom::fill(object, schema),
        None => defaults::fill(&write.resource.kind, object),
    }
    Ok(())
}

/// Drops unknown fields, or names them in a refusal if the client wants that.
fn refuse_unknown(write: &Write, object: &mut Value) -> Result<(), ApiError> {
    let unknown = drop_unknown(write, object);
    if !write.strict || unknown.is_empty() {
        return Ok(());
    }
    let (kind, version) = (&write.resource.kind, &write.resource.version);
    let named: Vec<String> = unknown
        .iter()
        .map(|field| format!("unknown field {field:?}"))
        .collect();
    Err(ApiError::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {kind}: strict decoding error: {}",
        named.join(", ")
    )))
}

/// Drops unknown fields; their paths.
fn drop_unknown(write: &Write, object: &mut Value) -> Vec<String> {
    let Some(schema) = write.resource.schema() else {
        return known::drop_unknown(&write.resource.kind, object);
    };
    let before = object.clone();
    custom::prune(object, schema, true);
    first_difference(&before, object, "").into_iter().collect()
}

fn first_difference(before: &Value, after: &Value, path: &str) -> Option<String> {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            old.iter().find_map(|(name, value)| match new.get(name) {
                None => Some(below(name)),
                Some(kept) => first_difference(value, kept, &below(name)),
            })
        }
        (Value::Array(old), Value::Array(new)) => {
            old.iter()
                .zip(new)
                .enumerate()
                .find_map(|(index, (old, new))| {
                    first_difference(old, new, &format!("{path}[{index}]"))
                })
        }
        _ => None,
    }
}

fn check(write: &Write, object: &Value, before: Option<&Value>) -> Result<(), ApiError> {
    let resource = &write.resource;
    let mut causes = validate::labels(object);
    if before.is_none() {
        causes.extend(validate::name(resource, &write.name));
    }
    match resource.schema() {
        Some(schema) => custom::check(object, schema, "", &mut causes),
        None if resource.definition.is_none() && write.subresource.is_empty() => {
            causes.extend(validate::object(&resource.kind, object));
            if let Some(before) = before {
                causes.extend(validate::change(&resource.kind, before, object));
            }
        }
        None => {}
    }
    if causes.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid(resource, &write.name, &causes))
    }
}

/// Replaces an object by a request's body.
pub(crate) fn replace(
    state: &mut State,
    write: &Write,
    mut object: Value,
) -> Result<Value, ApiError> {
    identify(write, &mut object)?;
    let given = text(&object, "/metadata/name");
    if given != write.name {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({})",
            write.name
        )));
    }
    let live = write
        .live(state)
        .ok_or_else(|| ApiError::not_found(&write.resource, &write.name))?;
    if write.resource.definition.is_some() && text(&object, "/metadata/resourceVersion").is_empty()
    {
        let cause = Cause {
            reason: "FieldValueInvalid",
            field: "metadata.resourceVersion".into(),
            message: "Invalid value: 0x0: must be specified for an update".into(),
        };
        return Err(ApiError::invalid(&write.resource, &write.name, &[cause]));
    }
    change(state, write, &live, object, Ownership::Track)
}

/// Patches an object; an apply may create it. The flag says whether it did.
pub(crate) fn patch(
    state: &mut State,
    write: &Write,
    patch: Patch,
) -> Result<(Value, bool), ApiError> {
    let live = write.live(state);
    let node = write.resource.node();
    if let Patch::Apply {
        mut declared,
        force,
    } = patch
    {
        if !text(&declared, "/metadata/name").is_empty()
            && text(&declared, "/metadata/name") != write.name
        {
            let message = format!(
                "the name of the object ({}) does not match the name on the URL ({})",
                text(&declared, "/metadata/name"),
                write.name
            );
            return Err(ApiError::bad_request(message));
        }
        if declared
            .pointer("/metadata/managedFields")
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty())
        {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        if text(&declared, "/apiVersion").is_empty() || text(&declared, "/kind").is_empty() {
            return Err(ApiError::bad_request("invalid object type: /, Kind="));
        }
        identify(write, &mut declared)?;
        declared["metadata"]["name"] = write.name.clone().into();
        defaults::set(&mut declared, "metadata", Map::new());
        refuse_unknown(write, &mut declared)?;
        keep_subresource(write, &mut declared);
        let nothing = json!({"apiVersion": declared["apiVersion"], "kind": declared["kind"], "metadata": {"name": write.name, "namespace": declared["metadata"]["namespace"]}});
        if let (Some(live), Some(wanted)) = (
            &live,
            declared.pointer("/metadata/uid").and_then(Value::as_str),
        ) && text(live, "/metadata/uid") != wanted
        {
            return Err(uid_conflict(write, wanted, text(live, "/metadata/uid")));
        }
        let version = text(&declared, "/metadata/resourceVersion").to_owned();
        if live.as_ref().is_some_and(|live| {
            !version.is_empty() && version != text(live, "/metadata/resourceVersion")
        }) {
            return Err(ApiError::stale(&write.resource, &write.name));
        }
        // Where nothing is, a version says nothing.
        if let (None, Some(metadata)) = (&live, declared["metadata"].as_object_mut()) {
            metadata.remove("resourceVersion");
        }
        let merged = apply(
            live.as_ref().unwrap_or(&nothing),
            &declared,
            &node,
            &write.manager,
            force,
            &write.now,
        )
        .map_err(|error| match error {
            ApplyError::Conflicts(conflicts) => ApiError::apply_conflicts(&conflicts),
            ApplyError::Schema(error) => ApiError::typed_patch(format!(
                "failed to create typed patch object ({}/{}; {}, Kind={}): {error}",
                write.namespace,
                write.name,
                write.resource.api_version(),
                write.resource.kind
            )),
        })?;
        return match live {
            Some(live) => Ok((change(state, write, &live, merged, Ownership::Done)?, false)),
            None if !write.subresource.is_empty() => {
                Err(ApiError::not_found(&write.resource, &write.name))
            }
            None => Ok((create_named(state, write, merged, Ownership::Done)?, true)),
        };
    }
    let live = live.ok_or_else(|| ApiError::not_found(&write.resource, &write.name))?;
    let mut object = live.clone();
    match patch {
        Patch::Json(operations) => {
            json_patch(&mut object, &operations).map_err(|_| ApiError::rejected_patch())?;
        }
        Patch::Merge(patch) => merge_patch(&mut object, &patch),
        Patch::Strategic(patch) => object = strategic_patch(&live, &patch, &node),
        Patch::Apply { .. } => {}
    }
    identify(write, &mut object)?;
    if text(&object, "/metadata/name") != write.name {
        let cause = Cause::invalid(
            "metadata.name",
            &object["metadata"]["name"],
            "field is immutable",
        );
        return Err(ApiError::invalid(&write.resource, &write.name, &[cause]));
    }
    Ok((
        change(state, write, &live, object, Ownership::Track)?,
        false,
    ))
}

/// An apply to `status` declares only that; one to the object never declares status.
fn keep_subresource(write: &Write, declared: &mut Value) {
    let Some(map) = declared.as_object_mut() else {
        return;
    };
    if write.subresource == "status" {
        map.retain(|key, _| matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
    } else if write.resource.has("status") {
        map.remove("status");
    }
}

fn uid_conflict(write: &Write, wanted: &str, found: &str) -> ApiError {
    let why =
        format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}");
    ApiError::conflict(&write.resource, &write.name, &why)
}

/// Brings a live object to a new state.
fn change(
    state: &mut State,
    write: &Write,
    live: &Value,
    mut object: Value,
    ownership: Ownership,
) -> Result<Value, ApiError> {
    let resource = &write.resource;
    let version = text(&object, "/metadata/resourceVersion");
    if !version.is_empty() && version != text(live, "/metadata/resourceVersion") {
        return Err(ApiError::stale(resource, &write.name));
    }
    let uid = text(&object, "/metadata/uid");
    if !uid.is_empty() && uid != text(live, "/metadata/uid") {
        return Err(uid_conflict(write, uid, text(live, "/metadata/uid")));
    }
    keep_system_fields(live, &mut object);
    if resource.plural != "customresourcedefinitions" || write.subresource.is_empty() {
        complete(write, &mut object)?;
    }
    match write.subresource.as_str() {
        "status" => {
            let (status, managed) = (
                object.get("status").cloned(),
                object["metadata"].get("managedFields").cloned(),
            );
            object = live.clone();
            put(&mut object, "status", status);
            put(&mut object["metadata"], "managedFields", managed);
        }
        _ if resource.has("status") => put(&mut object, "status", live.get("status").cloned()),
        _ => {}
    }
    if resource.plural == "services" && resource.group.is_empty() {
        for address in ["clusterIP", "clusterIPs"] {
            if let Some(kept) = live["spec"].get(address) {
                defaults::set(&mut object["spec"], address, kept.clone());
            }
        }
    }
    if resource.plural == "jobs" && resource.group == "batch" {
        keep_job_labels(live, &mut object);
    }
    if resource.plural == "persistentvolumeclaims" {
        for bound in ["volumeName", "storageClassName"] {
            if let Some(kept) = live["spec"].get(bound) {
                defaults::set(&mut object["spec"], bound, kept.clone());
            }
        }
    }
    if ownership == Ownership::Track {
        track_update(
            live,
            &mut object,
            &resource.node(),
            &write.manager,
            &write.now,
        );
    }
    if resource.has_generation()
        && write.subresource != "status"
        && specified(live) != specified(&object)
    {
        let generation = live
            .pointer("/metadata/generation")
            .and_then(Value::as_i64)
            .unwrap_or(0);
        object["metadata"]["generation"] = (generation + 1).into();
    }
    check(write, &object, Some(live))?;
    if object == *live {
        return Ok(object);
    }
    admission::validate(state, resource, "UPDATE", &object)?;
    let going = object
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(|time| !time.is_null());
    let held = object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .is_some_and(|list| !list.is_empty());
    let waits = matches!(resource.storage().as_str(), "/pods" | "/namespaces");
    if going && !held && !waits && !write.dry_run {
        state.store.remove(&resource.storage(), &write.key());
        return Ok(object);
    }
    Ok(write.store(state, object))
}

fn put(object: &mut Value, key: &str, value: Option<Value>) {
    if let Some(map) = object.as_object_mut() {
        match value {
            Some(value) => drop(map.insert(key.to_owned(), value)),
            None => drop(map.remove(key)),
        }
    }
}

fn keep_system_fields(live: &Value, object: &mut Value) {
    for system in [
        "uid",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "resourceVersion",
    ] {
        let kept = live["metadata"].get(system).cloned();
        put(&mut object["metadata"], system, kept);
    }
    if object["metadata"]
        .get("managedFields")
        .is_none_or(Value::is_null)
    {
        let kept = live["metadata"].get("managedFields").cloned();
        put(&mut object["metadata"], "managedFields", kept);
    }
}

/// A declaration without the labels the server put into a Job's template does not remove them.
fn keep_job_labels(live: &Value, object: &mut Value) {
    if let Some(selector) = live.pointer("/spec/selector") {
        defaults::set(&mut object["spec"], "selector", selector.clone());
    }
    for name in [
        "batch.kubernetes.io/controller-uid",
        "controller-uid",
        "batch.kubernetes.io/job-name",
        "job-name",
    ] {
        let kept = live
            .pointer("/spec/template/metadata/labels")
            .and_then(|labels| labels.get(name));
        if let Some(kept) = kept {
            let labels = defaults::table(
                defaults::table(&mut object["spec"]["template"], "metadata"),
                "labels",
            );
            defaults::set(labels, name, kept.clone());
        }
    }
}

/// What `generation` counts: everything but metadata and status.
fn specified(object: &Value) -> Vec<(&String, &Value)> {
    let mut fields: Vec<_> = object
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status" | "apiVersion" | "kind"))
        .collect();
    fields.sort_by_key(|(key, _)| *key);
    fields
}
