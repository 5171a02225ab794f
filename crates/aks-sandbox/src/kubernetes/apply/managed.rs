//! Who manages which fields: applying a declaration and tracking an update. It owns
//! `metadata.managedFields`; it refuses the rest of the write.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::compare::compare;
use super::merge::{merge, without};
use super::path::{Element, Path, text};
use super::schema::{Node, SchemaError};
use super::set::{FieldSet, decode, encode, fields};

/// How a manager writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// Server-side apply.
    Apply,
    /// Everything else.
    Update,
}

/// What tells one entry from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ManagerKey {
    /// How it writes.
    pub(crate) operation: Operation,
    /// Its name.
    pub(crate) name: String,
    /// The API version it wrote in.
    pub(crate) api_version: String,
    /// `status`, `scale`, or nothing.
    pub(crate) subresource: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    time: String,
    fields: FieldSet,
}

type Managers = BTreeMap<ManagerKey, Entry>;

/// A field with another value that another manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// The other manager.
    pub(crate) manager: ManagerKey,
    /// The field.
    pub(crate) field: String,
}

/// Why a declaration was not applied.
#[derive(Debug)]
pub(crate) enum ApplyError {
    /// Other managers own its fields.
    Conflicts(Vec<Conflict>),
    /// It does not fit the schema.
    Schema(SchemaError),
}

/// Fields nobody owns.
fn stripped(mut set: FieldSet) -> FieldSet {
    let system: [&[&str]; 13] = [
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
        &["metadata", "deletionTimestamp"],
        &["metadata", "deletionGracePeriodSeconds"],
    ];
    for path in system {
        set.remove(
            &path
                .iter()
                .map(|name| Element::Field((*name).into()))
                .collect::<Path>(),
        );
    }
    set.retain(|path| !is_managed_fields(path));
    set
}

fn is_managed_fields(path: &[Element]) -> bool {
    matches!(path, [Element::Field(metadata), Element::Field(managed), ..] if metadata == "metadata" && managed == "managedFields")
}

fn read(object: &Value) -> Managers {
    let mut managers = Managers::new();
    for entry in object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let operation = match entry["operation"].as_str() {
            Some("Apply") => Operation::Apply,
            Some("Update") => Operation::Update,
            _ => continue,
        };
        let key = ManagerKey {
            operation,
            name: text("manager"),
            api_version: text("apiVersion"),
            subresource: text("subresource"),
        };
        if let Some(fields) = decode(&entry["fieldsV1"]) {
            managers.insert(
                key,
                Entry {
                    time: text("time"),
                    fields,
                },
            );
        }
    }
    managers
}

fn write(object: &mut Value, managers: &Managers) {
    let mut entries: Vec<_> = managers
        .iter()
        .filter(|(_, entry)| !entry.fields.is_empty())
        .collect();
    entries.sort_by(|(a, x), (b, y)| {
        (
            a.operation,
            &x.time,
            &a.name,
            &a.api_version,
            &a.subresource,
        )
            .cmp(&(
                b.operation,
                &y.time,
                &b.name,
                &b.api_version,
                &b.subresource,
            ))
    });
    let encoded: Vec<Value> = entries
        .into_iter()
        .map(|(key, entry)| {
            let mut value = json!({
                "manager": key.name,
                "operation": match key.operation { Operation::Apply => "Apply", Operation::Update => "Update" },
                "apiVersion": key.api_version,
                "time": entry.time,
                "fieldsType": "FieldsV1",
                "fieldsV1": encode(&entry.fields),
            });
            if !key.subresource.is_empty() {
                value["subresource"] = key.subresource.clone().into();
            }
            value
        })
        .collect();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        if encoded.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".into(), encoded.into());
        }
    }
}

/// Applies `declared` to `live` (an object with only identity for a creation). The outcome carries
/// the new `managedFields`; times change only where fields do.
pub(crate) fn apply(
    live: &Value,
    declared: &Value,
    node: &Node<'_>,
    key: &ManagerKey,
    force: bool,
    now: &str,
) -> Result<Value, ApplyError> {
    let before = read(live);
    let mut managers = before.clone();
    let mut declared = declared.clone();
    if let Some(metadata) = declared.get_mut("metadata").and_then(Value::as_object_mut) {
        for system in [
            "managedFields",
            "resourceVersion",
            "uid",
            "creationTimestamp",
            "generation",
            "selfLink",
        ] {
            metadata.remove(system);
        }
    }
    let mine = stripped(fields(&declared, node).map_err(ApplyError::Schema)?);
    let merged = merge(Some(live), &declared, node);

    // Conflicts are judged on the merge alone, as what this manager gives up is nobody's conflict.
    let comparison = compare(live, &merged, node);
    let mut conflicts = Vec::new();
    for (other, entry) in &mut managers {
        if other == key {
            continue;
        }
        let clash: FieldSet = entry
            .fields
            .iter()
            .filter(|path| comparison.modified.contains(*path) || comparison.added.contains(*path))
            .cloned()
            .collect();
        for path in clash {
            if force {
                entry.fields.remove(&path);
            } else {
                conflicts.push(Conflict {
                    manager: other.clone(),
                    field: text(&path),
                });
            }
        }
    }
    if !conflicts.is_empty() {
        return Err(ApplyError::Conflicts(conflicts));
    }

    let last = managers
        .remove(key)
        .map(|entry| entry.fields)
        .unwrap_or_default();
    let owned_by_others = |path: &Path| {
        managers
            .values()
            .any(|entry| entry.fields.iter().any(|other| other.starts_with(path)))
    };
    let given_up: FieldSet = last
        .iter()
        .filter(|path| {
            !mine.contains(*path)
                && !mine.iter().any(|own| own.starts_with(path))
                && !owned_by_others(path)
        })
        .cloned()
        .collect();
    let mut outcome = without(&merged, &given_up, node);
    let after_removal = compare(live, &outcome, node);
    for entry in managers.values_mut() {
        entry
            .fields
            .retain(|path| !after_removal.removed.contains(path));
    }
    managers.insert(
        key.clone(),
        Entry {
            time: now.to_owned(),
            fields: mine,
        },
    );
    keep_times(&before, &mut managers);
    write(&mut outcome, &managers);
    Ok(outcome)
}

/// Records what an update changed. `after` may carry `managedFields` of its own: a valid list
/// replaces the stored one, an empty one clears it, as on a real server.
pub(crate) fn track_update(
    live: &Value,
    after: &mut Value,
    node: &Node<'_>,
    key: &ManagerKey,
    now: &str,
) {
    let given = after
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    let reset = given.is_some_and(|list| {
        list.is_empty() && live.pointer("/metadata/managedFields").is_some()
            || list.len() == 1 && list[0].as_object().is_some_and(serde_json::Map::is_empty)
    });
    let stored = read(live);
    let given = read(after);
    let before = if reset {
        Managers::new()
    } else if given.is_empty() {
        stored.clone()
    } else {
        given
    };
    let mut managers = before.clone();
    let comparison = compare(live, after, node);
    let written = stripped(&comparison.added | &comparison.modified);
    for (other, entry) in &mut managers {
        entry
            .fields
            .retain(|path| !comparison.removed.contains(path));
        if other != key {
            entry.fields.retain(|path| {
                !(comparison.modified.contains(path) || comparison.added.contains(path))
            });
        }
    }
    if !written.is_empty() {
        let entry = managers.entry(key.clone()).or_insert_with(|| Entry {
            time: now.to_owned(),
            fields: FieldSet::new(),
        });
        entry.fields.extend(written);
        now.clone_into(&mut entry.time);
    }
    keep_times(&before, &mut managers);
    write(after, &managers);
}

fn keep_times(before: &Managers, managers: &mut Managers) {
    for (key, entry) in managers {
        if let Some(old) = before.get(key).filter(|old| old.fields == entry.fields) {
            entry.time.clone_from(&old.time);
        }
    }
}

impl ManagerKey {
    /// As a conflict names it: `"kubectl-edit" using apps/v1`, or `"helm"` for another apply.
    pub(crate) fn describe(&self) -> String {
        let mut said = format!("{:?}", self.name);
        if !self.subresource.is_empty() {
            said = format!("{said} with subresource {:?}", self.subresource);
        }
        match self.operation {
            Operation::Apply => said,
            Operation::Update => format!("{said} using {}", self.api_version),
        }
    }
}

#[cfg(test)]
mod tests;
