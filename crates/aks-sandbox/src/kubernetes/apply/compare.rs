//! What differs between two states of an object, by field.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::path::{Element, Path};
use super::schema::{How, Node};
use super::set::FieldSet;

/// Fields that appeared, changed and went.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) added: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) removed: FieldSet,
}

/// Tables that Kubernetes' types always have, so that they never count as added themselves.
const ALWAYS_THERE: &[&str] = &[
    "metadata",
    "spec",
    "template",
    "status",
    "strategy",
    "updateStrategy",
    "containers",
    "jobTemplate",
];

/// Compares two states.
pub(super) fn compare(before: &Value, after: &Value, node: &Node<'_>) -> Comparison {
    let mut comparison = Comparison::default();
    walk(
        Some(before),
        Some(after),
        node,
        &mut Vec::new(),
        &mut comparison,
    );
    for set in [
        &mut comparison.added,
        &mut comparison.modified,
        &mut comparison.removed,
    ] {
        set.remove(&Vec::new());
    }
    comparison
}

fn walk(
    before: Option<&Value>,
    after: Option<&Value>,
    node: &Node<'_>,
    path: &mut Path,
    out: &mut Comparison,
) {
    let before = before.filter(|value| !value.is_null());
    let after = after.filter(|value| !value.is_null());
    match (before, after) {
        (None, None) => return,
        (None, Some(_)) => {
            let implied = matches!(path.last(), Some(Element::Field(name)) if ALWAYS_THERE.contains(&name.as_str()))
                && after.is_some_and(|value| value.as_object().is_none_or(|map| !map.is_empty()));
            if !implied {
                out.added.insert(path.clone());
            }
        }
        (Some(_), None) => {
            out.removed.insert(path.clone());
        }
        (Some(before), Some(after)) if before == after => return,
        (Some(_), Some(_)) => {}
    }
    let map = |value: Option<&Value>| value.is_none_or(Value::is_object);
    let list = |value: Option<&Value>| value.is_none_or(Value::is_array);
    match &node.how {
        How::Granular if map(before) && map(after) => {
            let names: BTreeSet<&String> = [before, after]
                .into_iter()
                .flatten()
                .filter_map(Value::as_object)
                .flat_map(serde_json::Map::keys)
                .collect();
            for name in names {
                path.push(Element::Field(name.clone()));
                walk(
                    before.and_then(|value| value.get(name)),
                    after.and_then(|value| value.get(name)),
                    &node.child(name),
                    path,
                    out,
                );
                path.pop();
            }
        }
        How::Keyed(_) | How::Set if list(before) && list(after) => {
            let index = |value: Option<&'_ Value>| -> BTreeMap<Element, Value> {
                value
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .enumerate()
                    .filter_map(|(index, item)| {
                        Some((node.element(item, index).ok()?, item.clone()))
                    })
                    .collect()
            };
            let (old, new) = (index(before), index(after));
            let elements: BTreeSet<&Element> = old.keys().chain(new.keys()).collect();
            for element in elements {
                path.push(element.clone());
                walk(old.get(element), new.get(element), &node.item(), path, out);
                path.pop();
            }
        }
        _ => {
            if before.is_some() && after.is_some() {
                out.modified.insert(path.clone());
            }
        }
    }
}
