//! Merging a declaration into a state, and removing fields from it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::path::{Element, Path};
use super::schema::{How, Node};
use super::set::FieldSet;

/// The state with the declaration merged in.
pub(super) fn merge(state: Option<&Value>, declared: &Value, node: &Node<'_>) -> Value {
    match (state, declared, &node.how) {
        (Some(Value::Object(old)), Value::Object(new), How::Granular) => {
            let mut merged = old.clone();
            for (name, value) in new {
                let below = merge(old.get(name), value, &node.child(name));
                merged.insert(name.clone(), below);
            }
            Value::Object(merged)
        }
        (Some(Value::Array(old)), Value::Array(new), How::Keyed(_) | How::Set) => {
            Value::Array(merge_list(old, new, node))
        }
        _ => declared.clone(),
    }
}

/// Shared items in the declaration's order, others where they stood.
fn merge_list(old: &[Value], new: &[Value], node: &Node<'_>) -> Vec<Value> {
    let element =
        |(index, item): (usize, &Value)| node.element(item, index).unwrap_or(Element::Index(index));
    let old_elements: Vec<Element> = old.iter().enumerate().map(element).collect();
    let new_elements: Vec<Element> = new.iter().enumerate().map(element).collect();
    let by_old: BTreeMap<&Element, &Value> = old_elements.iter().zip(old).collect();
    let merged = |at: usize| match by_old.get(&new_elements[at]) {
        Some(state) => merge(Some(state), &new[at], &node.item()),
        None => new[at].clone(),
    };
    let mut shared = new_elements
        .iter()
        .filter(|element| by_old.contains_key(element))
        .peekable();
    let (mut left, mut right) = (0, 0);
    let mut out = Vec::with_capacity(old.len().max(new.len()));
    while left < old.len() || right < new.len() {
        if left < old.len() && right < new.len() && old_elements[left] == new_elements[right] {
            out.push(merged(right));
            left += 1;
            right += 1;
            shared.next();
        } else if left < old.len() && !new_elements.contains(&old_elements[left]) {
            out.push(old[left].clone());
            left += 1;
        } else if left < old.len()
            && shared
                .peek()
                .is_none_or(|next| **next != old_elements[left])
        {
            // Shared, but not the next in the declaration's order: it comes with the declaration.
            left += 1;
        } else if right < new.len() {
            if shared
                .peek()
                .is_some_and(|next| **next == new_elements[right])
            {
                shared.next();
                left += usize::from(left < old.len() && old_elements[left] == new_elements[right]);
            }
            out.push(merged(right));
            right += 1;
        } else {
            left += 1;
        }
    }
    out
}

/// The state without some fields; tables and lists they leave empty go with them.
pub(super) fn without(state: &Value, gone: &FieldSet, node: &Node<'_>) -> Value {
    if gone.is_empty() {
        return state.clone();
    }
    remove(state, gone, node, &mut Vec::new()).unwrap_or_else(|| Value::Object(Map::new()))
}

fn remove(value: &Value, gone: &FieldSet, node: &Node<'_>, path: &mut Path) -> Option<Value> {
    if !path.is_empty() && gone.contains(path) {
        return None;
    }
    let touched = gone
        .range(path.clone()..)
        .next()
        .is_some_and(|next| next.starts_with(path));
    if !touched {
        return Some(value.clone());
    }
    match (value, &node.how) {
        (Value::Object(map), How::Granular) => {
            let mut kept = Map::new();
            for (name, child) in map {
                path.push(Element::Field(name.clone()));
                if let Some(child) = remove(child, gone, &node.child(name), path) {
                    kept.insert(name.clone(), child);
                }
                path.pop();
            }
            (!kept.is_empty() || map.is_empty()).then_some(Value::Object(kept))
        }
        (Value::Array(items), How::Keyed(_) | How::Set) => {
            let mut kept = Vec::new();
            for (index, item) in items.iter().enumerate() {
                path.push(node.element(item, index).unwrap_or(Element::Index(index)));
                if let Some(item) = remove(item, gone, &node.item(), path) {
                    kept.push(item);
                }
                path.pop();
            }
            (!kept.is_empty() || items.is_empty()).then_some(Value::Array(kept))
        }
        _ => Some(value.clone()),
    }
}
