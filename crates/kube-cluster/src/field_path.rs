//! [`FieldPath`]: where a field is, in both notations: a person's
//! (`spec.template.spec.containers[name=scheduler].image`) and the server's
//! (`.spec.template.spec.containers[name="scheduler"].image`). Pure.

use std::fmt;

use serde_json::{Map, Value};

/// One step into an object.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldStep {
    /// A field of a table.
    Field(String),
    /// The element of a list whose key fields have these values.
    Keyed(Map<String, Value>),
    /// The element of a set with this value.
    Member(Value),
    /// The element at a position.
    Index(usize),
}

/// A way into an object; empty for the object itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FieldPath(pub Vec<FieldStep>);

impl FieldPath {
    /// The path one step further.
    #[must_use]
    pub fn then(&self, step: FieldStep) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The path of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        self.then(FieldStep::Field(name.to_owned()))
    }

    /// Whether this path leads through `other`, or is it.
    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.len() >= other.0.len()
            && self
                .0
                .iter()
                .zip(&other.0)
                .all(|(mine, theirs)| mine == theirs)
    }

    /// The value there, if the object has it.
    pub fn lookup<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(root, |value, step| match step {
            FieldStep::Field(name) => value.get(name),
            FieldStep::Index(index) => value.get(index),
            FieldStep::Member(member) => value.as_array()?.iter().find(|item| *item == member),
            FieldStep::Keyed(key) => value.as_array()?.iter().find(|item| {
                key.iter()
                    .all(|(name, wanted)| item.get(name) == Some(wanted))
            }),
        })
    }

    /// Removes the value there; nothing happens where there is none.
    pub fn remove(&self, root: &mut Value) {
        let Some((FieldStep::Field(last), before)) = self.0.split_last() else {
            return;
        };
        let parent = before.iter().try_fold(root, |value, step| match step {
            FieldStep::Field(name) => value.get_mut(name),
            FieldStep::Index(index) => value.get_mut(index),
            FieldStep::Member(_) => None,
            FieldStep::Keyed(key) => value.as_array_mut()?.iter_mut().find(|item| {
                key.iter()
                    .all(|(name, wanted)| item.get(name) == Some(wanted))
            }),
        });
        if let Some(table) = parent.and_then(Value::as_object_mut) {
            table.remove(last);
        }
    }

    /// The path in the server's notation, as conflicts give it.
    pub fn to_server_notation(&self) -> String {
        use fmt::Write as _;
        let mut text = String::new();
        for step in &self.0 {
            let _ = match step {
                FieldStep::Field(name) => write!(text, ".{name}"),
                FieldStep::Index(index) => write!(text, "[{index}]"),
                FieldStep::Member(value) => write!(text, "[={value}]"),
                FieldStep::Keyed(key) => write!(text, "[{}]", pairs(key, Value::to_string)),
            };
        }
        text
    }
}

/// As a person writes it. A field name that holds a dot is put in brackets:
/// `metadata.annotations[meta.helm.sh/release-name]`.
impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                FieldStep::Field(name) if name.contains(['.', '[', '/']) => write!(f, "[{name}]")?,
                FieldStep::Field(name) if position == 0 => f.write_str(name)?,
                FieldStep::Field(name) => write!(f, ".{name}")?,
                FieldStep::Index(index) => write!(f, "[{index}]")?,
                FieldStep::Member(value) => write!(f, "[={}]", bare(value))?,
                FieldStep::Keyed(key) => write!(f, "[{}]", pairs(key, bare))?,
            }
        }
        Ok(())
    }
}

fn pairs(key: &Map<String, Value>, shown: impl Fn(&Value) -> String) -> String {
    let texts: Vec<String> = key
        .iter()
        .map(|(name, value)| format!("{name}={}", shown(value)))
        .collect();
    texts.join(",")
}

fn bare(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_reads_in_both_notations_and_finds_its_value() {
        let key = json!({"name": "scheduler"}).as_object().unwrap().clone();
        let path = FieldPath::default()
            .field("spec")
            .field("containers")
            .then(FieldStep::Keyed(key))
            .field("image");
        assert_eq!(path.to_string(), "spec.containers[name=scheduler].image");
        assert_eq!(
            path.to_server_notation(),
            ".spec.containers[name=\"scheduler\"].image"
        );
        let object =
            json!({"spec": {"containers": [{"name": "a"}, {"name": "scheduler", "image": "i"}]}});
        assert_eq!(path.lookup(&object), Some(&json!("i")));
        let annotation = FieldPath::default()
            .field("metadata")
            .field("annotations")
            .field("meta.helm.sh/release-name");
        assert_eq!(
            annotation.to_string(),
            "metadata.annotations[meta.helm.sh/release-name]"
        );
    }
}
