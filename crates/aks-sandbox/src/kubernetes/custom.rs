//! Custom resources: pruning, defaults and checks by the CRD's structural schema. Not modelled: CEL
//! rules, `pattern`, formats, conversion webhooks.

use serde_json::{Map, Value};

use super::status::Cause;

fn keeps_unknown(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == true
}

/// Drops fields the schema does not know; the root's type and metadata stay.
pub(crate) fn prune(value: &mut Value, schema: &Value, root: bool) {
    match value {
        Value::Object(map) => {
            if schema["x-kubernetes-embedded-resource"] == true
                && schema.get("properties").is_none()
            {
                return;
            }
            let properties = schema["properties"].as_object();
            let more = schema.get("additionalProperties");
            if properties.is_none()
                && more.is_none()
                && (keeps_unknown(schema) || schema["type"] != "object")
            {
                return;
            }
            let names: Vec<String> = map.keys().cloned().collect();
            for name in names {
                if root && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                    continue;
                }
                let below = properties
                    .and_then(|properties| properties.get(&name))
                    .or(more.filter(|more| more.is_object()));
                match below {
                    Some(below) => {
                        if let Some(child) = map.get_mut(&name) {
                            prune(child, below, false);
                        }
                    }
                    None if keeps_unknown(schema) || more == Some(&Value::Bool(true)) => {}
                    None => drop(map.remove(&name)),
                }
            }
        }
        Value::Array(items) => {
            if let Some(below) = schema.get("items") {
                for item in items {
                    prune(item, below, false);
                }
            }
        }
        _ => {}
    }
}

/// Fills in the schema's defaults.
pub(crate) fn fill(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(map) => {
            for (name, below) in schema["properties"].as_object().into_iter().flatten() {
                if let Some(default) = below.get("default") {
                    let slot = map.entry(name.clone()).or_insert(Value::Null);
                    if slot.is_null() && below["nullable"] != true {
                        *slot = default.clone();
                    }
                }
                if let Some(child) = map.get_mut(name) {
                    fill(child, below);
                }
            }
            if let Some(more) = schema
                .get("additionalProperties")
                .filter(|more| more.is_object())
            {
                for (_, child) in map.iter_mut() {
                    fill(child, more);
                }
            }
        }
        Value::Array(items) => {
            if let Some(below) = schema.get("items") {
                for item in items {
                    fill(item, below);
                }
            }
        }
        _ => {}
    }
}

/// Checks types, required fields, enums, and bounds.
pub(crate) fn check(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    if value.is_null() {
        return;
    }
    let fits = match schema["type"].as_str() {
        _ if schema["x-kubernetes-int-or-string"] == true => {
            value.is_i64() || value.is_u64() || value.is_string()
        }
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        _ => true,
    };
    if !fits {
        let (wanted, got) = (
            schema["type"].as_str().unwrap_or_default(),
            type_name(value),
        );
        causes.push(Cause {
            reason: "FieldValueTypeInvalid",
            field: path.to_owned(),
            message: format!(
                "Invalid value: {got:?}: {path} in body must be of type {wanted}: {got:?}"
            ),
        });
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed: Vec<String> = allowed
            .iter()
            .map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned))
            .collect();
        causes.push(Cause::unsupported(path, value, &allowed));
    }
    check_bounds(value, schema, path, causes);
    match value {
        Value::Object(map) => check_fields(map, schema, path, causes),
        Value::Array(items) => {
            if let Some(below) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    check(item, below, &format!("{path}[{index}]"), causes);
                }
            }
        }
        _ => {}
    }
}

fn check_fields(map: &Map<String, Value>, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    for name in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if map.get(name).is_none_or(Value::is_null) {
            causes.push(Cause::required(below(name), ""));
        }
    }
    for (name, child) in map {
        let known = schema["properties"].get(name).or_else(|| {
            schema
                .get("additionalProperties")
                .filter(|more| more.is_object())
        });
        if let Some(known) = known {
            check(child, known, &below(name), causes);
        }
    }
}

fn check_bounds(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let bound = |key: &str| schema[key].as_f64();
    let size = match value {
        Value::String(text) => Some((text.chars().count() as f64, "Length", "chars long")),
        Value::Array(items) => Some((items.len() as f64, "Items", "items")),
        Value::Object(map) => Some((map.len() as f64, "Properties", "properties")),
        _ => None,
    };
    if let Some((size, suffix, unit)) = size {
        if bound(&format!("min{suffix}")).is_some_and(|least| size < least) {
            let least = &schema[format!("min{suffix}").as_str()];
            causes.push(Cause::invalid(
                path,
                value,
                &format!("{path} in body should be at least {least} {unit}"),
            ));
        }
        if bound(&format!("max{suffix}")).is_some_and(|most| size > most) {
            let most = &schema[format!("max{suffix}").as_str()];
            causes.push(Cause {
                reason: "FieldValueTooLong",
                field: path.into(),
                message: format!("Too long: may not be more than {most} {unit}"),
            });
        }
    }
    if let Some(number) = value.as_f64() {
        if bound("minimum").is_some_and(|least| number < least) {
            causes.push(Cause::invalid(
                path,
                value,
                &format!(
                    "{path} in body should be greater than or equal to {}",
                    schema["minimum"]
                ),
            ));
        }
        if bound("maximum").is_some_and(|most| number > most) {
            causes.push(Cause::invalid(
                path,
                value,
                &format!(
                    "{path} in body should be less than or equal to {}",
                    schema["maximum"]
                ),
            ));
        }
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
