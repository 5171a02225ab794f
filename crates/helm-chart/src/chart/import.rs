//! Values that a chart imports from its subcharts (`import-values`).
//!
//! Helm's merge hands tables over without copying them, so that a later import writes into the
//! subchart's own values where an earlier one put its table. Owns tables shared in this way.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::Dependency;
use crate::values::Table;
use crate::values::coalesce::go_value;

/// Deeper than any file nests; a table that came to hold itself has no end.
const MAX_DEPTH: usize = 512;

#[derive(Clone)]
enum Node {
    Leaf(Value),
    Table(Shared),
}

#[derive(Clone, Default)]
struct Shared(Rc<RefCell<BTreeMap<String, Node>>>);

/// `values`, of a chart and its subcharts, with what the dependencies ask to be imported under
/// them; tables that are not there are told in Helm's words.
pub(super) fn import_values(
    values: Table,
    dependencies: &[Dependency],
    warnings: &mut Vec<String>,
) -> Table {
    if dependencies.iter().all(|one| one.import_values.is_empty()) {
        return values;
    }
    let values = Shared::from(values);
    let imported = Shared::default();
    for dependency in dependencies {
        for import in &dependency.import_values {
            let Some([child, parent]) = child_and_parent(import) else {
                continue;
            };
            match values.lookup(&format!("{}.{child}", dependency.name)) {
                Some(table) => imported.merge(&table.nested(&parent), 0),
                None => warnings.push(format!(
                    "ImportValues missing table from chart {}: {child:?} is not a table",
                    dependency.name
                )),
            }
        }
    }
    let result = Shared::from(values.to_table(0));
    result.merge(&imported, 0);
    result.to_table(0)
}

/// The paths that an entry of `import-values` names; other entries mean nothing.
pub(crate) fn child_and_parent(import: &Value) -> Option<[String; 2]> {
    match import {
        Value::String(name) => Some([format!("exports.{name}"), ".".to_owned()]),
        Value::Object(map) => {
            let part = |key: &str| map.get(key).map_or("<nil>".to_owned(), go_value);
            Some([part("child"), part("parent")])
        }
        _ => None,
    }
}

impl Shared {
    fn lookup(&self, path: &str) -> Option<Self> {
        path.split('.')
            .try_fold(self.clone(), |table, key| match table.0.borrow().get(key) {
                Some(Node::Table(table)) => Some(table.clone()),
                _ => None,
            })
    }

    /// The table under a path of its own; the very same one if the path is the root.
    fn nested(self, path: &str) -> Self {
        if path == "." {
            return self;
        }
        path.split('.').rev().fold(self, |inner, key| {
            let outer = BTreeMap::from([(key.to_owned(), Node::Table(inner))]);
            Self(Rc::new(RefCell::new(outer)))
        })
    }

    /// `MergeTables`: this table wins; its nulls are written into `src` as well.
    fn merge(&self, src: &Self, depth: usize) {
        if depth > MAX_DEPTH || Rc::ptr_eq(&self.0, &src.0) {
            return;
        }
        let nulls: Vec<String> = self
            .0
            .borrow()
            .iter()
            .filter(|(_, node)| matches!(node, Node::Leaf(Value::Null)))
            .map(|(key, _)| key.clone())
            .collect();
        for key in nulls {
            src.0.borrow_mut().insert(key, Node::Leaf(Value::Null));
        }
        let entries: Vec<(String, Node)> = src
            .0
            .borrow()
            .iter()
            .map(|(key, node)| (key.clone(), node.clone()))
            .collect();
        for (key, node) in entries {
            let own = self.0.borrow().get(&key).cloned();
            match (own, node) {
                (None, node) => {
                    self.0.borrow_mut().insert(key, node);
                }
                (Some(Node::Table(own)), Node::Table(table)) => own.merge(&table, depth + 1),
                _ => {}
            }
        }
    }

    fn to_table(&self, depth: usize) -> Table {
        let entries = self.0.borrow();
        let plain = |node: &Node| match node {
            Node::Leaf(value) => value.clone(),
            Node::Table(_) if depth > MAX_DEPTH => Value::Null,
            Node::Table(table) => Value::Object(table.to_table(depth + 1)),
        };
        entries
            .iter()
            .map(|(key, node)| (key.clone(), plain(node)))
            .collect()
    }
}

impl From<Table> for Shared {
    fn from(table: Table) -> Self {
        let entries = table.into_iter().map(|(key, value)| {
            let node = match value {
                Value::Object(table) => Node::Table(table.into()),
                value => Node::Leaf(value),
            };
            (key, node)
        });
        Self(Rc::new(RefCell::new(entries.collect())))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::import_values;
    use crate::chart::Dependency;

    fn imported(values: Value, from: &[(&str, Value)]) -> Value {
        let dependencies: Vec<Dependency> = from
            .iter()
            .map(|(name, import)| Dependency {
                name: (*name).to_owned(),
                import_values: vec![import.clone()],
                ..Dependency::default()
            })
            .collect();
        let Value::Object(values) = values else {
            panic!("no table")
        };
        import_values(values, &dependencies, &mut Vec::new()).into()
    }

    // Checked against Helm 4.2.4 and 3.21.4 by `differential`, seed 1, case 19039.
    #[test]
    fn nulls_of_an_earlier_import_reach_the_subchart_of_a_later_one() {
        let to_g = json!({"child": "global", "parent": "g"});
        let values = json!({
            "s2": {"global": {"a": null, "t": {"n": null, "x": 1}}},
            "s3": {"global": {"b": 1, "t": {}}},
        });
        let result = imported(values, &[("s2", to_g.clone()), ("s3", to_g)]);
        assert_eq!(
            result["s3"]["global"],
            json!({"a": null, "b": 1, "t": {"n": null}})
        );
        assert_eq!(result["s2"]["global"]["b"], json!(1));
        assert_eq!(
            result["g"],
            json!({"a": null, "b": 1, "t": {"n": null, "x": 1}})
        );
    }

    #[test]
    fn a_table_that_comes_to_hold_itself_ends() {
        let values = json!({"s": {"a": {"g": {"x": 1}}}});
        let imports = [
            ("s", json!({"child": "a", "parent": "."})),
            ("s", json!({"child": "a", "parent": "g"})),
        ];
        assert_eq!(imported(values, &imports)["g"]["x"], json!(1));
    }
}
