//! [`FieldOwners`]: who owns which field, from `metadata.managedFields`, and the patch that hands a
//! client-side manager's fields to server-side apply. It owns `FieldsV1`; it refuses to write.
//! Pure.
//!
//! Source: `structured-merge-diff/v6/fieldpath` for the encoding, `client-go/util/csaupgrade` at
//! v0.35 for the migration.

use serde_json::{Map, Value, json};

use crate::{FieldPath, FieldStep, Object};

/// One entry of `metadata.managedFields`.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldOwner {
    /// The manager's name: `helm`, `kubectl-client-side-apply`.
    pub manager: String,
    /// Whether it applied server-side (`Apply`), or wrote (`Update`).
    pub applied: bool,
    /// The subresource it wrote through, as `status`; empty for the object itself.
    pub subresource: String,
    /// What it owns, as the server keeps it.
    fields: Value,
}

/// Who owns which field.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FieldOwners(Vec<FieldOwner>);

impl FieldOwners {
    /// The owners of an object's fields; empty where it has no managed fields.
    pub fn of(object: &Object) -> Self {
        let entries = object
            .at("/metadata/managedFields")
            .and_then(Value::as_array);
        Self(entries.into_iter().flatten().map(entry).collect())
    }

    /// The entries, in the server's order.
    pub fn entries(&self) -> &[FieldOwner] {
        &self.0
    }

    /// The managers that own the field or something below it, each once.
    pub fn of_path(&self, path: &FieldPath) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for owner in self.0.iter().filter(|owner| owner.owns(path)) {
            if !names.contains(&owner.manager) {
                names.push(owner.manager.clone());
            }
        }
        names
    }
}

impl FieldOwners {
    /// The field of a manager that the server writes so in a conflict. Its notation does not say
    /// where the dots of a name end (`.metadata.labels.app.kubernetes.io/name`); what the manager
    /// owns does.
    pub fn find(&self, manager: &str, server_notation: &str) -> Option<FieldPath> {
        let mut entries = self.0.iter().filter(|owner| owner.manager == manager);
        entries.find_map(|owner| find(&owner.fields, &FieldPath::default(), server_notation))
    }
}

fn find(fields: &Value, path: &FieldPath, wanted: &str) -> Option<FieldPath> {
    let below = fields.as_object().into_iter().flatten();
    below
        .filter_map(|(name, below)| Some((path.then(step_of(name)?), below)))
        .find_map(|(path, below)| {
            let rest = wanted.strip_prefix(&path.to_server_notation())?;
            if rest.is_empty() {
                return Some(path);
            }
            find(below, &path, wanted)
        })
}

impl FieldOwner {
    /// Whether this manager owns the field, or something below it.
    pub fn owns(&self, path: &FieldPath) -> bool {
        let mut fields = &self.fields;
        for step in &path.0 {
            let Some(below) = descend(fields, step) else {
                return false;
            };
            fields = below;
        }
        true
    }

    /// The leaves it owns.
    pub fn paths(&self) -> Vec<FieldPath> {
        let mut found = Vec::new();
        collect(&self.fields, &FieldPath::default(), &mut found);
        found
    }
}

fn entry(value: &Value) -> FieldOwner {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    FieldOwner {
        manager: text("manager"),
        applied: value["operation"] == "Apply",
        subresource: text("subresource"),
        fields: value["fieldsV1"].clone(),
    }
}

/// One level down in `FieldsV1`: `f:name`, `k:{…}`, `v:…`, `i:n`.
fn descend<'a>(fields: &'a Value, step: &FieldStep) -> Option<&'a Value> {
    let map = fields.as_object()?;
    match step {
        FieldStep::Field(name) => map.get(&format!("f:{name}")),
        FieldStep::Index(index) => map.get(&format!("i:{index}")),
        FieldStep::Keyed(key) => map.iter().find_map(|(name, below)| {
            let found: Map<String, Value> = serde_json::from_str(name.strip_prefix("k:")?).ok()?;
            (found == *key).then_some(below)
        }),
        FieldStep::Member(member) => map.iter().find_map(|(name, below)| {
            let found: Value = serde_json::from_str(name.strip_prefix("v:")?).ok()?;
            (found == *member).then_some(below)
        }),
    }
}

pub(crate) fn step_of(name: &str) -> Option<FieldStep> {
    let (kind, rest) = name.split_once(':')?;
    match kind {
        "f" => Some(FieldStep::Field(rest.to_owned())),
        "k" => serde_json::from_str(rest).ok().map(FieldStep::Keyed),
        "v" => serde_json::from_str(rest).ok().map(FieldStep::Member),
        "i" => rest.parse().ok().map(FieldStep::Index),
        _ => None,
    }
}

fn collect(fields: &Value, path: &FieldPath, found: &mut Vec<FieldPath>) {
    let below = fields.as_object().into_iter().flatten();
    let steps: Vec<_> = below
        .filter_map(|(name, below)| Some((step_of(name)?, below)))
        .collect();
    if steps.is_empty() && !path.0.is_empty() {
        found.push(path.clone());
    }
    for (step, below) in steps {
        collect(below, &path.then(step), found);
    }
}

/// The JSON patch that hands what `client_side` managers own through `Update` to `server_side`'s
/// `Apply` entry, so that a field left out of the next apply is removed instead of kept. `None` when
/// there is nothing to hand over.
///
/// The patch tests the resource version, so a lost race refuses it and changes nothing. It touches
/// `managedFields` alone. Status and other subresources are left with their owners.
///
/// ```
/// use kube_cluster::{Object, hand_over_fields};
///
/// let live = Object::from_value(serde_json::json!({"metadata": {"resourceVersion": "7", "managedFields": [
///     {"manager": "helm", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
///      "fieldsV1": {"f:data": {"f:a": {}}}}]}})).unwrap();
/// let patch = hand_over_fields(&live, &["helm"], "helm").unwrap();
/// assert_eq!(patch[1]["value"][0]["operation"], "Apply");
/// ```
pub fn hand_over_fields(live: &Object, client_side: &[&str], server_side: &str) -> Option<Value> {
    let entries = live.at("/metadata/managedFields")?.as_array()?;
    let version = live.resource_version()?;
    let is_whole = |entry: &Value| entry["subresource"].as_str().unwrap_or_default().is_empty();
    let is_taken = |entry: &Value| {
        entry["operation"] == "Update"
            && is_whole(entry)
            && entry["manager"]
                .as_str()
                .is_some_and(|name| client_side.contains(&name))
    };
    let is_ours = |entry: &Value| {
        entry["operation"] == "Apply" && is_whole(entry) && entry["manager"] == server_side
    };
    let first = entries.iter().find(|entry| is_taken(entry))?;
    let mut ours = entries
        .iter()
        .find(|entry| is_ours(entry))
        .unwrap_or(first)
        .clone();
    for taken in entries.iter().filter(|entry| is_taken(entry)) {
        unite(&mut ours["fieldsV1"], &taken["fieldsV1"]);
    }
    ours["operation"] = "Apply".into();
    ours["manager"] = server_side.into();
    let mut kept: Vec<Value> = vec![ours];
    kept.extend(
        entries
            .iter()
            .filter(|entry| !is_taken(entry) && !is_ours(entry))
            .cloned(),
    );
    Some(json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "replace", "path": "/metadata/managedFields", "value": kept},
    ]))
}

/// The union of two sets of fields.
pub(crate) fn unite(into: &mut Value, from: &Value) {
    let Some(from) = from.as_object() else {
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (name, below) in from {
        if let Some(into) = into.as_object_mut() {
            unite(into.entry(name.clone()).or_insert_with(|| json!({})), below);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> Object {
        Object::from_value(json!({"metadata": {"resourceVersion": "7", "managedFields": [
            {"manager": "helm", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
             "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {
                 "k:{\"name\":\"web\"}": {".": {}, "f:image": {}, "f:name": {}}}}}}}},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status",
             "fieldsV1": {"f:status": {"f:replicas": {}}}},
            {"manager": "helm", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
             "fieldsV1": {"f:spec": {"f:paused": {}}}}]}}))
        .unwrap()
    }

    fn image() -> FieldPath {
        let key = json!({"name": "web"}).as_object().unwrap().clone();
        ["spec", "template", "spec", "containers"]
            .iter()
            .fold(FieldPath::default(), |path, name| path.field(name))
            .then(FieldStep::Keyed(key))
            .field("image")
    }

    #[test]
    fn a_field_is_found_by_the_server_s_notation() {
        let mut live = live();
        live.metadata()["managedFields"][0]["fieldsV1"]["f:metadata"] =
            json!({"f:labels": {"f:app": {}, "f:app.kubernetes.io/name": {}}});
        let owners = FieldOwners::of(&live);
        let find = |text: &str| Some(owners.find("helm", text)?.to_string());
        let name = find(".metadata.labels.app.kubernetes.io/name");
        assert_eq!(
            name.as_deref(),
            Some("metadata.labels[app.kubernetes.io/name]")
        );
        let image = find(".spec.template.spec.containers[name=\"web\"].image");
        assert_eq!(image, Some(image_text()));
        assert_eq!(find(".spec.replica"), None);
        assert_eq!(owners.find("other", ".spec.replicas"), None);
    }

    fn image_text() -> String {
        "spec.template.spec.containers[name=web].image".to_owned()
    }

    #[test]
    fn owners_are_found_through_keyed_lists() {
        let owners = FieldOwners::of(&live());
        assert_eq!(owners.of_path(&image()), ["helm"]);
        let status = FieldPath::default().field("status").field("replicas");
        assert_eq!(owners.of_path(&status), ["kube-controller-manager"]);
        assert!(
            owners
                .of_path(&FieldPath::default().field("data"))
                .is_empty()
        );
        assert!(owners.entries()[0].paths().contains(&image()));
    }

    #[test]
    fn handing_over_unites_both_entries_and_leaves_status_alone() {
        let patch = hand_over_fields(&live(), &["helm"], "helm").unwrap();
        assert_eq!(patch[0]["value"], "7");
        let entries = patch[1]["value"].as_array().unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0]["operation"], "Apply");
        let spec = &entries[0]["fieldsV1"]["f:spec"];
        assert!(spec.get("f:paused").is_some() && spec.get("f:replicas").is_some());
        assert_eq!(entries[1]["subresource"], "status");
    }

    #[test]
    fn there_is_nothing_to_hand_over_twice() {
        let mut object = live();
        let patch = hand_over_fields(&object, &["helm"], "helm").unwrap();
        object
            .metadata()
            .insert("managedFields".into(), patch[1]["value"].clone());
        assert_eq!(hand_over_fields(&object, &["helm"], "helm"), None);
    }
}
