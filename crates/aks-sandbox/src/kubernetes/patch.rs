//! JSON patch (RFC 6902) and merge patch (RFC 7396).

use serde_json::{Map, Value};

/// A patch operation could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PatchFailed;

/// Applies a merge patch.
pub(crate) fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(map) = target.as_object_mut() else {
        return;
    };
    for (key, value) in fields {
        if value.is_null() {
            map.remove(key);
        } else {
            merge_patch(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Applies the operations of a JSON patch in order.
pub(crate) fn json_patch(target: &mut Value, operations: &[Value]) -> Result<(), PatchFailed> {
    for operation in operations {
        let path = operation["path"].as_str().ok_or(PatchFailed)?;
        match operation["op"].as_str().ok_or(PatchFailed)? {
            "add" => add(
                target,
                path,
                operation.get("value").ok_or(PatchFailed)?.clone(),
            )?,
            "remove" => drop(remove(target, path)?),
            "replace" => {
                *target.pointer_mut(path).ok_or(PatchFailed)? =
                    operation.get("value").ok_or(PatchFailed)?.clone();
            }
            "move" => {
                let value = remove(target, operation["from"].as_str().ok_or(PatchFailed)?)?;
                add(target, path, value)?;
            }
            "copy" => {
                let value = target
                    .pointer(operation["from"].as_str().ok_or(PatchFailed)?)
                    .ok_or(PatchFailed)?
                    .clone();
                add(target, path, value)?;
            }
            "test" => {
                let expected = operation.get("value").unwrap_or(&Value::Null);
                if target.pointer(path).unwrap_or(&Value::Null) != expected {
                    return Err(PatchFailed);
                }
            }
            _ => return Err(PatchFailed),
        }
    }
    Ok(())
}

fn parent<'v>(target: &'v mut Value, path: &str) -> Result<(&'v mut Value, String), PatchFailed> {
    let (above, last) = path.rsplit_once('/').ok_or(PatchFailed)?;
    let token = last.replace("~1", "/").replace("~0", "~");
    Ok((target.pointer_mut(above).ok_or(PatchFailed)?, token))
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), PatchFailed> {
    if path.is_empty() {
        *target = value;
        return Ok(());
    }
    match parent(target, path)? {
        (Value::Object(map), token) => {
            map.insert(token, value);
        }
        (Value::Array(items), token) if token == "-" => items.push(value),
        (Value::Array(items), token) => {
            let at: usize = token.parse().map_err(|_| PatchFailed)?;
            if at > items.len() {
                return Err(PatchFailed);
            }
            items.insert(at, value);
        }
        _ => return Err(PatchFailed),
    }
    Ok(())
}

fn remove(target: &mut Value, path: &str) -> Result<Value, PatchFailed> {
    match parent(target, path)? {
        (Value::Object(map), token) => map.remove(&token).ok_or(PatchFailed),
        (Value::Array(items), token) => {
            let at: usize = token.parse().map_err(|_| PatchFailed)?;
            if at < items.len() {
                Ok(items.remove(at))
            } else {
                Err(PatchFailed)
            }
        }
        _ => Err(PatchFailed),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failing_test_stops_a_json_patch() {
        let mut object = json!({"a": {"b/c": 1}, "l": [1, 2]});
        let operations = [
            json!({"op": "add", "path": "/l/1", "value": 9}),
            json!({"op": "remove", "path": "/a/b~1c"}),
            json!({"op": "test", "path": "/l/0", "value": 1}),
        ];
        json_patch(&mut object, &operations).unwrap();
        assert_eq!(object, json!({"a": {}, "l": [1, 9, 2]}));
        assert_eq!(
            json_patch(
                &mut object,
                &[json!({"op": "test", "path": "/l/0", "value": 2})]
            ),
            Err(PatchFailed)
        );
    }

    #[test]
    fn a_null_in_a_merge_patch_removes() {
        let mut object = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge_patch(
            &mut object,
            &json!({"a": {"b": null, "e": {"f": null}}, "d": [2]}),
        );
        assert_eq!(object, json!({"a": {"c": 2, "e": {}}, "d": [2]}));
    }
}
