//! Sets of paths: those of an object, and their `fieldsV1` form.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::path::{Element, Path};
use super::schema::{How, Node, SchemaError};

/// A set of fields.
pub(super) type FieldSet = BTreeSet<Path>;

/// The fields an object has: its leaves, and the items of its associative lists.
pub(super) fn fields(value: &Value, node: &Node<'_>) -> Result<FieldSet, SchemaError> {
    let mut set = FieldSet::new();
    collect(value, node, &mut Vec::new(), &mut set)?;
    set.remove(&Vec::new());
    Ok(set)
}

pub(super) fn collect(
    value: &Value,
    node: &Node<'_>,
    path: &mut Path,
    set: &mut FieldSet,
) -> Result<(), SchemaError> {
    match (value, &node.how) {
        (Value::Object(map), How::Granular) if !map.is_empty() => {
            for (name, child) in map {
                path.push(Element::Field(name.clone()));
                collect(child, &node.child(name), path, set)?;
                path.pop();
            }
        }
        (Value::Array(items), How::Keyed(_) | How::Set) if !items.is_empty() => {
            let mut seen = BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                let element = node.element(item, index).map_err(|error| error.at(path))?;
                if !seen.insert(element.clone()) {
                    return Err(SchemaError::duplicate(&element).at(path));
                }
                path.push(element);
                set.insert(path.clone());
                if matches!(node.how, How::Keyed(_)) {
                    collect(item, &node.item(), path, set)?;
                }
                path.pop();
            }
        }
        _ => {
            set.insert(path.clone());
        }
    }
    Ok(())
}

/// Writes a set as `fieldsV1`.
pub(super) fn encode(set: &FieldSet) -> Value {
    let mut root = Map::new();
    for path in set {
        let mut node = &mut root;
        for (depth, element) in path.iter().enumerate() {
            let slot = node
                .entry(element.encode())
                .or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(children) = slot else {
                break;
            };
            if depth + 1 == path.len() {
                children.insert(".".into(), Value::Object(Map::new()));
            }
            node = children;
        }
    }
    tidy(&mut root);
    Value::Object(root)
}

/// A member without children is `{}`, not `{".":{}}`.
fn tidy(node: &mut Map<String, Value>) {
    for child in node.values_mut() {
        if let Value::Object(children) = child {
            if children.len() == 1 && children.contains_key(".") {
                children.clear();
            } else {
                tidy(children);
            }
        }
    }
}

/// Reads `fieldsV1`; `None` if it is none.
pub(super) fn decode(value: &Value) -> Option<FieldSet> {
    let mut set = FieldSet::new();
    descend(value.as_object()?, &mut Vec::new(), &mut set)?;
    Some(set)
}

fn descend(node: &Map<String, Value>, path: &mut Path, set: &mut FieldSet) -> Option<()> {
    for (key, child) in node {
        if key == "." {
            set.insert(path.clone());
            continue;
        }
        path.push(Element::decode(key)?);
        let children = child.as_object()?;
        if children.is_empty() {
            set.insert(path.clone());
        } else {
            descend(children, path, set)?;
        }
        path.pop();
    }
    Some(())
}
