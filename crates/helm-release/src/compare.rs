//! An object before against after, in whole: pure. It owns which fields differ, how a difference is
//! shown, and how a conflict's path is written; it refuses to know why. (Declared against live is
//! [`kube_cluster::differences`].)

use converge::FieldChange;
use kube_cluster::{FieldPath, FieldStep, Object, key_of, merge_keys};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::digest::hex;

/// Metadata the server keeps by itself.
const SERVER_METADATA: [&str; 8] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The fields that differ between two states of one object, apart from what the server keeps by
/// itself. Values of Secrets are shown as digests.
pub(crate) fn difference(before: &Object, after: &Object) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let secret = before.kind().kind == "Secret";
    let path = FieldPath::default();
    walk_maps(before.as_map(), after.as_map(), &path, &mut changes);
    if secret {
        changes.iter_mut().for_each(mask);
    }
    changes
}

fn walk_maps(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    path: &FieldPath,
    changes: &mut Vec<FieldChange>,
) {
    let ignored = |key: &str| match path.0.as_slice() {
        [] => key == "status",
        [FieldStep::Field(only)] if only == "metadata" => SERVER_METADATA.contains(&key),
        _ => false,
    };
    let new = after.keys().filter(|key| !before.contains_key(*key));
    for key in before.keys().chain(new).filter(|key| !ignored(key)) {
        walk(before.get(key), after.get(key), &path.field(key), changes);
    }
}

fn walk(
    before: Option<&Value>,
    after: Option<&Value>,
    path: &FieldPath,
    changes: &mut Vec<FieldChange>,
) {
    let nothing = Map::new();
    let is_field = matches!(path.0.last(), Some(FieldStep::Field(_)));
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            walk_maps(before, after, path, changes);
        }
        // A table that comes or goes is each of its fields; an element of a list is one.
        (None, Some(Value::Object(after))) if is_field && !after.is_empty() => {
            walk_maps(&nothing, after, path, changes);
        }
        (Some(Value::Object(before)), None) if is_field && !before.is_empty() => {
            walk_maps(before, &nothing, path, changes);
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            walk_lists(before, after, path, changes);
        }
        (before, after) => changes.push(FieldChange {
            path: path.to_string(),
            before: before.cloned(),
            after: after.cloned(),
            manager: None,
        }),
    }
}

/// Elements pair by the API's keys, else by their names, else by their places.
fn walk_lists(before: &[Value], after: &[Value], path: &FieldPath, changes: &mut Vec<FieldChange>) {
    const NAME: &[&str] = &["name"];
    let all: Vec<Value> = before.iter().chain(after).cloned().collect();
    let known = merge_keys(path, before).or_else(|| merge_keys(path, after));
    let has_name = |item: &Value| item.get("name").is_some_and(Value::is_string);
    let keys = known.or_else(|| all.iter().all(has_name).then_some(NAME));
    if let Some(keys) = keys {
        let mut pairs: Vec<Map<String, Value>> = Vec::new();
        for key in all.iter().map(|item| key_of(item, keys)) {
            if !pairs.contains(&key) {
                pairs.push(key);
            }
        }
        for key in pairs {
            let find = |items: &'_ [Value]| {
                let mut found = items.iter().filter(|item| key_of(item, keys) == key);
                found.next().cloned()
            };
            let (before, after) = (find(before), find(after));
            let path = path.then(FieldStep::Keyed(key.clone()));
            walk(before.as_ref(), after.as_ref(), &path, changes);
        }
    } else if before.len() == after.len() {
        for (index, (before, after)) in before.iter().zip(after).enumerate() {
            let path = path.then(FieldStep::Index(index));
            walk(Some(before), Some(after), &path, changes);
        }
    } else {
        changes.push(FieldChange {
            path: path.to_string(),
            before: Some(Value::Array(before.to_vec())),
            after: Some(Value::Array(after.to_vec())),
            manager: None,
        });
    }
}

pub(crate) fn mask(change: &mut FieldChange) {
    if change.path.starts_with("data") || change.path.starts_with("stringData") {
        for value in [&mut change.before, &mut change.after]
            .into_iter()
            .flatten()
        {
            let text = value.to_string();
            let digest = Sha256::digest(text.as_bytes());
            let short = hex(&digest[..4]);
            *value = Value::String(format!("sha256:{short}…"));
        }
    }
}

/// A path as plans write it: no leading dot, no quotes in `[name=x]`.
pub(crate) fn plain_path(path: &str) -> String {
    path.trim_start_matches('.')
        .replace("=\"", "=")
        .replace("\"]", "]")
        .replace("[\"", "[")
        .replace("\",", ",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(spec: Value) -> Object {
        let mut object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}});
        object["spec"] = spec;
        Object::from_value(object).unwrap()
    }

    #[test]
    fn a_difference_names_its_path() {
        let before =
            object(json!({"containers": [{"name": "a", "image": "1"}], "args": ["x", "y"]}));
        let after = object(
            json!({"containers": [{"name": "a", "image": "2"}], "args": ["x", "z"], "new": true}),
        );
        let paths: Vec<String> = difference(&before, &after)
            .into_iter()
            .map(|change| change.path)
            .collect();
        assert_eq!(
            paths,
            ["spec.args[1]", "spec.containers[name=a].image", "spec.new"]
        );
    }

    #[test]
    fn secret_values_are_shown_as_digests() {
        let secret = |text: &str| {
            Object::from_value(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": text}})).unwrap()
        };
        let changes = difference(&secret("c2VjcmV0"), &secret("b3RoZXI="));
        let text = serde_json::to_string(&changes).unwrap();
        assert!(
            !text.contains("c2VjcmV0") && !text.contains("b3RoZXI=") && text.contains("sha256:")
        );
    }

    #[test]
    fn elements_pair_by_the_api_s_keys_and_tables_that_go_are_named_by_field() {
        let mounts = |read_only: bool| {
            let mut mounts =
                json!([{"name": "certs", "mountPath": "/a"}, {"name": "certs", "mountPath": "/b"}]);
            if read_only {
                mounts[1]["readOnly"] = true.into();
            }
            json!({"containers": [{"name": "c", "volumeMounts": mounts}]})
        };
        let mut before = object(mounts(true));
        let mut after = object(mounts(false));
        before.set_label("app.kubernetes.io/name", "x");
        after.set_annotation("a/b", "y");
        let changes = difference(&before, &after);
        let mut paths: Vec<&str> = changes.iter().map(|one| one.path.as_str()).collect();
        paths.sort_unstable();
        assert_eq!(
            paths,
            [
                "metadata.annotations[a/b]",
                "metadata.labels[app.kubernetes.io/name]",
                "spec.containers[name=c].volumeMounts[mountPath=/b].readOnly",
            ]
        );
    }

    #[test]
    fn a_path_is_written_plainly() {
        assert_eq!(
            plain_path(".spec.containers[name=\"x\"].image"),
            "spec.containers[name=x].image"
        );
    }
}
