//! Strategic merge patch: lists of built-in kinds merge by key, with `$patch`,
//! `$deleteFromPrimitiveList`, `$setElementOrder` and `$retainKeys`
//! (`k8s.io/apimachinery/pkg/util/strategicpatch`). The merge key is the first key of the list.

use serde_json::{Map, Value};

use super::apply::{How, Node};

/// Applies a strategic merge patch.
pub(crate) fn strategic_patch(target: &Value, patch: &Value, node: &Node<'_>) -> Value {
    let (Value::Object(old), Value::Object(new)) = (target, patch) else {
        return patch.clone();
    };
    match new.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            let mut whole = new.clone();
            whole.remove("$patch");
            return Value::Object(whole);
        }
        Some("delete") => return Value::Object(Map::new()),
        _ => {}
    }
    let mut merged = old.clone();
    if let Some(kept) = new.get("$retainKeys").and_then(Value::as_array) {
        merged.retain(|key, _| kept.iter().any(|name| name == key));
    }
    for (key, value) in new {
        if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/")
            && let (Some(Value::Array(items)), Some(gone)) =
                (merged.get_mut(list), value.as_array())
        {
            items.retain(|item| !gone.contains(item));
        }
    }
    for (key, value) in new.iter().filter(|(key, _)| !key.starts_with('$')) {
        if value.is_null() {
            merged.remove(key);
            continue;
        }
        let child = node.child(key);
        let next = match (merged.get(key), value, &child.how) {
            (Some(Value::Array(items)), Value::Array(changes), How::Keyed(keys)) => {
                merge_list(items, changes, &keys[0], &child)
            }
            (Some(Value::Array(items)), Value::Array(changes), How::Set) => {
                let mut all = items.clone();
                all.extend(
                    changes
                        .iter()
                        .filter(|change| !items.contains(change))
                        .cloned(),
                );
                Value::Array(all)
            }
            (Some(before @ Value::Object(_)), Value::Object(_), _) => {
                strategic_patch(before, value, &child)
            }
            (None, Value::Object(_), _) => {
                strategic_patch(&Value::Object(Map::new()), value, &child)
            }
            (None, Value::Array(changes), How::Keyed(keys)) => {
                merge_list(&[], changes, &keys[0], &child)
            }
            _ => value.clone(),
        };
        merged.insert(key.clone(), next);
    }
    for (key, order) in new {
        if let Some(list) = key.strip_prefix("$setElementOrder/") {
            let by = match &node.child(list).how {
                How::Keyed(keys) => Some(keys[0].clone()),
                _ => None,
            };
            if let (Some(Value::Array(items)), Some(order)) =
                (merged.get_mut(list), order.as_array())
            {
                let place = |item: &Value| {
                    order.iter().position(|wanted| match &by {
                        Some(by) => wanted.get(by) == item.get(by),
                        None => wanted == item,
                    })
                };
                items.sort_by_key(|item| place(item).unwrap_or(usize::MAX));
            }
        }
    }
    Value::Object(merged)
}

fn merge_list(items: &[Value], changes: &[Value], by: &str, node: &Node<'_>) -> Value {
    if changes.iter().any(|change| change["$patch"] == "replace") {
        return changes
            .iter()
            .filter(|change| change["$patch"] != "replace")
            .cloned()
            .collect();
    }
    let mut merged = items.to_vec();
    for change in changes {
        let at = merged
            .iter()
            .position(|item| item.get(by) == change.get(by));
        match (at, change["$patch"].as_str()) {
            (Some(at), Some("delete")) => drop(merged.remove(at)),
            (None, Some("delete")) => {}
            (Some(at), _) => merged[at] = strategic_patch(&merged[at], change, &node.item()),
            (None, _) => merged.push(strategic_patch(
                &Value::Object(Map::new()),
                change,
                &node.item(),
            )),
        }
    }
    Value::Array(merged)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_merge_by_their_key() {
        let object = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}}}});
        let patch = json!({"spec": {"template": {"spec": {
            "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
            "containers": [{"name": "a", "image": "2"}, {"name": "b", "image": null}],
        }}}});
        assert_eq!(
            strategic_patch(&object, &patch, &Node::builtin("Deployment")),
            json!({"spec": {"template": {"spec": {"containers": [{"name": "b"}, {"name": "a", "image": "2"}]}}}})
        );
        let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}}}});
        assert_eq!(
            strategic_patch(&object, &patch, &Node::builtin("Deployment"))["spec"]["template"]["spec"]
                ["containers"],
            json!([{"name": "b", "image": "1"}])
        );
    }
}
