//! [`differences`]: which declared fields a live object does not have as declared. It owns what
//! counts as equal (quantities, numbers as text, empty tables, zeros left out) and how list elements
//! pair up; it refuses to look at fields nobody declared, so server defaults never show. Pure.

use converge::FieldChange;
use serde_json::{Map, Value};

use crate::managed_fields::FieldOwners;
use crate::quantity::same_quantity;
use crate::{FieldPath, FieldStep, Object};

/// One declared field that is not as declared.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldDifference {
    /// Where.
    pub path: FieldPath,
    /// The live value; `None` if the field is not there.
    pub live: Option<Value>,
    /// The declared value.
    pub declared: Value,
    /// The managers who own the live value, by name; empty where nobody does.
    pub owners: Vec<String>,
}

impl FieldDifference {
    /// The difference as a row of a plan, with the first owner that is not `ours`. Values of a
    /// Secret must not be passed on: see [`differences`].
    pub fn to_change(&self, ours: &str) -> FieldChange {
        FieldChange {
            path: self.path.to_string(),
            before: self.live.clone(),
            after: Some(self.declared.clone()),
            manager: self.owners.iter().find(|owner| *owner != ours).cloned(),
        }
    }
}

/// Compares a declared object with a live one: every declared field whose live value differs, in
/// the order of the declaration. A zero that the server does not keep in writing is no difference as
/// long as a manager owns its field. Identity (`apiVersion`, `kind`, name, namespace) and what the
/// server alone writes (`status`, resource version, …) are not compared.
///
/// Values of a Secret's `data` and `stringData` are given as `"(secret)"`; a declared
/// `stringData` is compared with the live `data`.
///
/// ```
/// use kube_cluster::{Object, differences};
/// # let object = |value| Object::from_value(value).unwrap();
/// let declared = object(serde_json::json!({"kind": "Deployment", "spec": {"template": {"spec": {
///     "containers": [{"name": "scheduler", "image": "airflow:2.9.3"}]}}}}));
/// let live = object(serde_json::json!({"kind": "Deployment", "spec": {"replicas": 1, "template": {"spec": {
///     "containers": [{"name": "scheduler", "image": "airflow:2.9.2", "imagePullPolicy": "Always"}]}}}}));
/// let found = differences(&declared, &live);
/// assert_eq!(found[0].path.to_string(), "spec.template.spec.containers[name=scheduler].image");
/// assert_eq!(found.len(), 1);
/// ```
pub fn differences(declared: &Object, live: &Object) -> Vec<FieldDifference> {
    let owners = FieldOwners::of(live);
    let mut found = Vec::new();
    let is_secret = declared.kind().kind == "Secret";
    for (name, value) in declared.as_map() {
        let path = FieldPath::default().field(name);
        match name.as_str() {
            "apiVersion" | "kind" | "status" => {}
            "metadata" => metadata(&path, value, live, &mut found),
            "stringData" if is_secret => string_data(value, live, &mut found),
            _ => compare(&path, value, live.as_map().get(name), &mut found),
        }
    }
    for difference in &mut found {
        difference.owners = owners.of_path(&difference.path);
        if is_secret
            && matches!(difference.path.0.first(), Some(FieldStep::Field(name)) if name == "data")
        {
            difference.live = difference.live.take().map(|_| "(secret)".into());
            difference.declared = "(secret)".into();
        }
    }
    found.retain(|one| one.live.is_some() || one.owners.is_empty() || !is_zero(&one.declared));
    found
}

/// What Go leaves out of a built-in kind's JSON (`omitempty` in `k8s.io/api`): `hostNetwork: false` is
/// not there again when it is read. That somebody owns the field tells it from one that was taken away.
fn is_zero(declared: &Value) -> bool {
    match declared {
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Fields of `metadata` a declaration may set.
fn metadata(path: &FieldPath, declared: &Value, live: &Object, found: &mut Vec<FieldDifference>) {
    for name in ["labels", "annotations", "ownerReferences", "finalizers"] {
        if let Some(value) = declared.get(name) {
            let live = live
                .as_map()
                .get("metadata")
                .and_then(|metadata| metadata.get(name));
            compare(&path.field(name), value, live, found);
        }
    }
}

/// `stringData` is write-only: the server keeps it as `data`.
fn string_data(declared: &Value, live: &Object, found: &mut Vec<FieldDifference>) {
    use base64::Engine as _;
    let path = FieldPath::default().field("data");
    for (name, value) in declared.as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        let live = live.as_map().get("data").and_then(|data| data.get(name));
        compare(&path.field(name), &encoded.into(), live, found);
    }
}

fn compare(
    path: &FieldPath,
    declared: &Value,
    live: Option<&Value>,
    found: &mut Vec<FieldDifference>,
) {
    match (declared, live) {
        // Not given, or a table or list that says nothing.
        (Value::Null, _) => {}
        (Value::Object(map), None) if map.is_empty() => {}
        (Value::Array(items), None) if items.is_empty() => {}
        (Value::Object(map), Some(Value::Object(live))) => {
            for (name, value) in map {
                compare(&path.field(name), value, live.get(name), found);
            }
        }
        (Value::Array(items), Some(Value::Array(live))) => lists(path, items, live, found),
        // A table that is not there is missing each of its fields; an element of a list is one.
        (Value::Object(map), None) if matches!(path.0.last(), Some(FieldStep::Field(_))) => {
            for (name, value) in map {
                compare(&path.field(name), value, None, found);
            }
        }
        (declared, Some(live)) if same_scalar(path, declared, live) => {}
        (declared, live) => found.push(FieldDifference {
            path: path.clone(),
            live: live.cloned(),
            declared: declared.clone(),
            owners: Vec::new(),
        }),
    }
}

/// Lists of keyed elements pair by key and ignore elements nobody declared (as server-side apply
/// does); all others are compared whole.
fn lists(path: &FieldPath, declared: &[Value], live: &[Value], found: &mut Vec<FieldDifference>) {
    if let Some(keys) = merge_keys(path, declared) {
        for item in declared {
            let key = key_of(item, keys);
            let partner = live
                .iter()
                .find(|candidate| same_key(candidate, item, keys));
            compare(&path.then(FieldStep::Keyed(key)), item, partner, found);
        }
        return;
    }
    if is_set(path) {
        for item in declared.iter().filter(|item| !live.contains(item)) {
            compare(
                &path.then(FieldStep::Member(item.clone())),
                item,
                None,
                found,
            );
        }
        return;
    }
    if declared.len() == live.len() {
        for (index, (item, partner)) in declared.iter().zip(live).enumerate() {
            compare(
                &path.then(FieldStep::Index(index)),
                item,
                Some(partner),
                found,
            );
        }
    } else {
        found.push(FieldDifference {
            path: path.clone(),
            live: Some(Value::Array(live.to_vec())),
            declared: Value::Array(declared.to_vec()),
            owners: Vec::new(),
        });
    }
}

/// The keys of the list-maps of the built-in kinds, by the list's own name.
///
/// Source: `+listMapKey` markers in `k8s.io/api` v0.35. Where the API's key is wider than what
/// declarations usually give (`containerPort` and `protocol`), the default completes it.
const LIST_MAPS: &[(&str, &[&str])] = &[
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("env", &["name"]),
    ("volumes", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    ("imagePullSecrets", &["name"]),
    ("hostAliases", &["ip"]),
    ("resourceClaims", &["name"]),
    (
        "topologySpreadConstraints",
        &["topologyKey", "whenUnsatisfiable"],
    ),
    ("ownerReferences", &["uid"]),
    ("conditions", &["type"]),
    ("webhooks", &["name"]),
    ("secrets", &["name"]),
    ("validations", &["name"]),
];

/// The key fields of a list at this path, if its elements are told apart by keys and each of these
/// has one of its own; otherwise a list is one field.
pub fn merge_keys(path: &FieldPath, items: &[Value]) -> Option<&'static [&'static str]> {
    let Some(FieldStep::Field(list)) = path.0.last() else {
        return None;
    };
    let keys: &'static [&'static str] = match list.as_str() {
        "ports" if items.iter().all(|item| item.get("containerPort").is_some()) => {
            &["containerPort", "protocol"]
        }
        "ports" if items.iter().all(|item| item.get("port").is_some()) => &["port", "protocol"],
        name => LIST_MAPS.iter().find(|(list, _)| *list == name)?.1,
    };
    let complete = |item: &Value| {
        keys.iter()
            .all(|key| item.get(key).is_some() || default_of(key).is_some())
    };
    let distinct = items
        .iter()
        .enumerate()
        .all(|(at, item)| !items[..at].iter().any(|other| same_key(other, item, keys)));
    (items.iter().all(complete) && distinct).then_some(keys)
}

fn default_of(key: &str) -> Option<Value> {
    (key == "protocol").then(|| "TCP".into())
}

/// The values of an element's key fields, defaults included.
pub fn key_of(item: &Value, keys: &[&str]) -> Map<String, Value> {
    keys.iter()
        .filter_map(|key| {
            let value = item.get(key).cloned().or_else(|| default_of(key))?;
            Some(((*key).to_owned(), value))
        })
        .collect()
}

fn same_key(left: &Value, right: &Value, keys: &[&str]) -> bool {
    key_of(left, keys) == key_of(right, keys)
}

fn is_set(path: &FieldPath) -> bool {
    let steps: Vec<&str> = path
        .0
        .iter()
        .map(|step| match step {
            FieldStep::Field(name) => name.as_str(),
            _ => "",
        })
        .collect();
    steps == ["metadata", "finalizers"]
}

/// Equal scalars: equal values, equal numbers, and a number and its text (int-or-string). Texts
/// compare as quantities only where the API has quantities.
fn same_scalar(path: &FieldPath, declared: &Value, live: &Value) -> bool {
    if declared == live {
        return true;
    }
    match (declared, live) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Number(_) | Value::String(_), Value::Number(_) | Value::String(_)) => {
            let text = |value: &Value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            };
            let (left, right) = (text(declared), text(live));
            if holds_quantities(path) {
                same_quantity(&left, &right)
            } else {
                left == right && (declared.is_number() || live.is_number())
            }
        }
        _ => false,
    }
}

fn holds_quantities(path: &FieldPath) -> bool {
    let is = |step: &FieldStep, names: &[&str]| matches!(step, FieldStep::Field(name) if names.contains(&name.as_str()));
    let Some((last, before)) = path.0.split_last() else {
        return false;
    };
    is(last, &["sizeLimit", "divisor", "averageValue"])
        || before.last().is_some_and(|step| {
            is(
                step,
                &[
                    "limits",
                    "requests",
                    "capacity",
                    "hard",
                    "overhead",
                    "podFixed",
                    "allocatable",
                ],
            ) || is(step, &["default", "defaultRequest", "max", "min"])
                && before
                    .iter()
                    .rev()
                    .nth(2)
                    .is_some_and(|step| is(step, &["limits"]))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Object {
        Object::from_value(value).unwrap()
    }

    #[track_caller]
    fn check(declared: Value, live: Value, expected: &[&str]) {
        let found = differences(&object(declared), &object(live));
        let mut paths: Vec<String> = found.iter().map(|one| one.path.to_string()).collect();
        paths.sort();
        assert_eq!(paths, expected);
    }

    #[test]
    fn what_the_server_adds_or_writes_otherwise_is_no_difference() {
        check(
            json!({"spec": {"a": null, "b": {}, "c": [], "replicas": 1,
                "resources": {"limits": {"memory": "1Gi", "cpu": "1000m"}},
                "httpGet": {"port": 8080}}}),
            json!({"spec": {"replicas": 1.0, "defaulted": true,
                "resources": {"limits": {"memory": "1024Mi", "cpu": "1"}},
                "httpGet": {"port": "8080", "scheme": "HTTP"}}}),
            &[],
        );
    }

    #[test]
    fn a_text_that_looks_like_a_quantity_is_one_only_where_quantities_are() {
        check(
            json!({"data": {"size": "1Gi"}}),
            json!({"data": {"size": "1024Mi"}}),
            &["data.size"],
        );
    }

    #[test]
    fn list_elements_pair_by_their_key_and_unknown_ones_are_left_alone() {
        check(
            json!({"spec": {"containers": [{"name": "web", "env": [{"name": "A", "value": "1"}],
                "ports": [{"containerPort": 80}], "args": ["x"]}]}}),
            json!({"spec": {"containers": [{"name": "injected"}, {"name": "web",
                "env": [{"name": "B", "value": "9"}, {"name": "A", "value": "2"}],
                "ports": [{"containerPort": 80, "protocol": "TCP"}], "args": ["x", "y"]}]}}),
            &[
                "spec.containers[name=web].args",
                "spec.containers[name=web].env[name=A].value",
            ],
        );
    }

    #[test]
    fn an_absent_element_is_named_by_its_key() {
        check(
            json!({"spec": {"ports": [{"port": 80, "name": "http"}]}}),
            json!({"spec": {"ports": [{"port": 81, "protocol": "TCP"}]}}),
            &["spec.ports[port=80,protocol=TCP]"],
        );
    }

    #[test]
    fn an_absent_table_is_named_by_its_fields() {
        check(
            json!({"metadata": {"labels": {"type": "local"}}, "spec": {"a": {"b": {"c": 1}, "d": 2}}}),
            json!({"metadata": {}, "spec": {}}),
            &["metadata.labels.type", "spec.a.b.c", "spec.a.d"],
        );
    }

    #[test]
    fn only_metadata_that_can_be_declared_is_compared() {
        check(
            json!({"metadata": {"name": "a", "labels": {"x": "1"}, "resourceVersion": "1", "finalizers": ["f"]}}),
            json!({"metadata": {"name": "b", "labels": {"x": "2"}, "resourceVersion": "2", "finalizers": ["g"]}}),
            &["metadata.finalizers[=f]", "metadata.labels.x"],
        );
    }

    #[test]
    fn secrets_are_compared_and_not_shown() {
        let live = object(json!({"kind": "Secret", "data": {"key": "b2xk", "same": "c2FtZQ=="}}));
        let declared =
            object(json!({"kind": "Secret", "stringData": {"key": "new", "same": "same"}}));
        let found = differences(&declared, &live);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path.to_string(), "data.key");
        assert_eq!(
            (found[0].live.clone(), found[0].declared.clone()),
            (Some(json!("(secret)")), json!("(secret)"))
        );
    }

    #[test]
    fn what_the_server_leaves_out_because_it_says_nothing_is_as_declared() {
        let declared =
            json!({"spec": {"hostNetwork": false, "host": "", "grace": 0, "paused": true}});
        let fields =
            json!({"f:spec": {"f:hostNetwork": {}, "f:host": {}, "f:grace": {}, "f:paused": {}}});
        let entry = json!({"manager": "helm", "operation": "Apply", "fieldsV1": fields});
        let owned = json!({"metadata": {"managedFields": [entry]}, "spec": {}});
        check(declared.clone(), owned, &["spec.paused"]);
        check(
            declared,
            json!({"spec": {}}),
            &["spec.grace", "spec.host", "spec.hostNetwork", "spec.paused"],
        );
    }

    #[test]
    fn the_owner_of_a_changed_field_is_named() {
        let live = object(json!({
            "metadata": {"managedFields": [
                {"manager": "helm", "operation": "Apply", "fieldsV1": {"f:spec": {"f:paused": {}}}},
                {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]},
            "spec": {"replicas": 3}}));
        let found = differences(&object(json!({"spec": {"replicas": 1}})), &live);
        assert_eq!(
            found[0].to_change("helm").manager.as_deref(),
            Some("kubectl-edit")
        );
    }
}
