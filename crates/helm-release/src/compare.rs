//! An object before against after, in whole: pure. It owns which fields differ, how a difference is
//! shown, and the paths of conflicts; it refuses to know why. (Declared against live is
//! [`kube_cluster::differences`].)

use converge::FieldChange;
use kube_cluster::Object;
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

fn item_name(item: &Value) -> Option<&str> {
    item.get("name")?.as_str()
}

/// The fields that differ between two states of one object, apart from what the server keeps by
/// itself. Values of Secrets are shown as digests.
pub(crate) fn difference(before: &Object, after: &Object) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let secret = before.kind().kind == "Secret";
    walk_maps(before.as_map(), after.as_map(), "", &mut changes);
    if secret {
        changes.iter_mut().for_each(mask);
    }
    changes
}

fn walk_maps(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    path: &str,
    changes: &mut Vec<FieldChange>,
) {
    let ignored = |key: &str| match path {
        "" => key == "status",
        "metadata" => SERVER_METADATA.contains(&key),
        _ => false,
    };
    let new = after.keys().filter(|key| !before.contains_key(*key));
    for key in before.keys().chain(new).filter(|key| !ignored(key)) {
        let path = join(path, key);
        walk(before.get(key), after.get(key), &path, changes);
    }
}

fn walk(before: Option<&Value>, after: Option<&Value>, path: &str, changes: &mut Vec<FieldChange>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            walk_maps(before, after, path, changes);
        }
        (Some(Value::Array(before)), Some(Value::Array(after)))
            if before
                .iter()
                .chain(after)
                .all(|item| item_name(item).is_some()) =>
        {
            walk_named(before, after, path, changes);
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                walk(
                    Some(before),
                    Some(after),
                    &format!("{path}[{index}]"),
                    changes,
                );
            }
        }
        (before, after) => changes.push(FieldChange {
            path: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
            manager: None,
        }),
    }
}

fn walk_named(before: &[Value], after: &[Value], path: &str, changes: &mut Vec<FieldChange>) {
    let find = |items: &[Value], name: &str| -> Option<Value> {
        items
            .iter()
            .find(|item| item_name(item) == Some(name))
            .cloned()
    };
    let mut names: Vec<&str> = Vec::new();
    for name in before.iter().chain(after).filter_map(item_name) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for name in names {
        let (before, after) = (find(before, name), find(after, name));
        let path = format!("{path}[name={name}]");
        walk(before.as_ref(), after.as_ref(), &path, changes);
    }
}

/// A dotted path; keys with dots or slashes are quoted.
fn join(path: &str, key: &str) -> String {
    let key = if key.contains(['.', '/']) {
        format!("[\"{key}\"]")
    } else if path.is_empty() {
        key.to_owned()
    } else {
        format!(".{key}")
    };
    format!("{path}{key}")
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

/// The value at a path as [`difference`] and the server's conflicts write it:
/// `.spec.containers[name="x"].image`.
pub(crate) fn value_at<'a>(object: &'a Object, path: &str) -> Option<&'a Value> {
    let mut steps = steps(path).into_iter();
    let Step::Key(first) = steps.next()? else {
        return None;
    };
    let mut value = object.as_map().get(&first)?;
    for step in steps {
        value = match step {
            Step::Key(key) => value.get(key)?,
            Step::Index(index) => value.get(index)?,
            Step::Item(keys) => value.as_array()?.iter().find(|item| {
                keys.iter().all(|(key, wanted)| {
                    item.get(key).is_some_and(|found| match found {
                        Value::String(text) => text == wanted,
                        other => wanted.parse().ok().as_ref() == Some(other),
                    })
                })
            })?,
        };
    }
    Some(value)
}

/// Removes the value at a path; nothing happens where there is none.
pub(crate) fn remove_at(object: &mut Object, path: &str) {
    let mut steps = steps(path);
    let (Some(Step::Key(last)), Some(Step::Key(_))) = (steps.pop(), steps.first()) else {
        return;
    };
    let mut table = Some(object.as_map_mut());
    for step in steps {
        let Step::Key(key) = step else { return };
        table = table.and_then(|table| table.get_mut(&key)?.as_object_mut());
    }
    if let Some(table) = table {
        table.remove(&last);
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

enum Step {
    Key(String),
    Index(usize),
    Item(Vec<(String, String)>),
}

fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
        } else if let Some(after) = rest.strip_prefix('[') {
            let end = closing_bracket(after);
            steps.push(bracket(&after[..end]));
            rest = after.get(end + 1..).unwrap_or_default();
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(Step::Key(rest[..end].to_owned()));
            rest = &rest[end..];
        }
    }
    steps
}

/// Where the bracket ends; brackets within quotes do not count.
fn closing_bracket(text: &str) -> usize {
    let mut quoted = false;
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            ']' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn bracket(inside: &str) -> Step {
    if let Ok(index) = inside.parse() {
        return Step::Index(index);
    }
    if inside.starts_with('"') || !inside.contains('=') {
        return Step::Key(inside.trim_matches('"').to_owned());
    }
    let pairs = inside.split(',').filter_map(|pair| pair.split_once('='));
    Step::Item(
        pairs
            .map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned()))
            .collect(),
    )
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
    fn paths_of_either_notation_lead_to_values() {
        let mut pod = object(
            json!({"ports": [{"port": 80, "protocol": "TCP", "name": "web"}], "m": {"a.b/c": 1}, "replicas": 3}),
        );
        for path in [
            ".spec.ports[port=80,protocol=\"TCP\"].name",
            "spec.ports[0].name",
        ] {
            assert_eq!(value_at(&pod, path), Some(&json!("web")), "{path}");
        }
        assert_eq!(value_at(&pod, "spec.m[\"a.b/c\"]"), Some(&json!(1)));
        remove_at(&mut pod, ".spec.replicas");
        assert_eq!(value_at(&pod, "spec.replicas"), None);
        assert_eq!(
            plain_path(".spec.containers[name=\"x\"].image"),
            "spec.containers[name=x].image"
        );
    }
}
