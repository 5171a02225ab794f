//! [`Object`], [`ObjectRef`] and [`Kind`]: any Kubernetes object as data, and how it is named. They
//! own access to the metadata every object has; they refuse to know any kind's fields.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// An API version and a kind: `apps/v1 Deployment`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kind {
    /// `v1`, `apps/v1`, `external-secrets.io/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
}

impl Kind {
    /// Names a kind.
    pub fn new(api_version: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            api_version: api_version.into(),
            kind: kind.into(),
        }
    }

    /// The API group, empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    /// The version within the group.
    pub fn version(&self) -> &str {
        self.api_version
            .split_once('/')
            .map_or(self.api_version.as_str(), |(_, version)| version)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.api_version, self.kind)
    }
}

/// Which object: kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The kind.
    pub kind: Kind,
    /// The namespace; `None` for cluster-scoped objects.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl ObjectRef {
    /// Names an object in a namespace.
    pub fn namespaced(
        api_version: impl Into<String>,
        kind: impl Into<String>,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            kind: Kind::new(api_version, kind),
            namespace: Some(namespace.into()),
            name: name.into(),
        }
    }

    /// Names a cluster-scoped object.
    pub fn cluster_wide(
        api_version: impl Into<String>,
        kind: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            kind: Kind::new(api_version, kind),
            namespace: None,
            name: name.into(),
        }
    }
}

/// As a person names it: `Deployment airflow/airflow-scheduler`, `Namespace airflow`.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind.kind, self.name),
            None => write!(f, "{} {}", self.kind.kind, self.name),
        }
    }
}

/// Any Kubernetes object: a JSON object with `apiVersion`, `kind` and `metadata.name`.
///
/// A clone shares the fields until one of the two is changed: a definition of a hundred kilobytes goes
/// through many hands.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(from = "Map<String, Value>")]
pub struct Object(Arc<Map<String, Value>>);

impl From<Map<String, Value>> for Object {
    fn from(fields: Map<String, Value>) -> Self {
        Self(Arc::new(fields))
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_map().serialize(serializer)
    }
}

impl Object {
    /// Takes a JSON value that is an object; anything else is given back.
    ///
    /// # Errors
    /// The value itself, when it is not a JSON object.
    pub fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Object(map) => Ok(map.into()),
            other => Err(other),
        }
    }

    /// An object of a kind and name with nothing else in it.
    pub fn named(target: &ObjectRef) -> Self {
        let mut metadata = Map::new();
        metadata.insert("name".into(), target.name.clone().into());
        if let Some(namespace) = &target.namespace {
            metadata.insert("namespace".into(), namespace.clone().into());
        }
        let mut map = Map::new();
        map.insert("apiVersion".into(), target.kind.api_version.clone().into());
        map.insert("kind".into(), target.kind.kind.clone().into());
        map.insert("metadata".into(), metadata.into());
        map.into()
    }

    /// The kind; empty texts where the object does not say.
    pub fn kind(&self) -> Kind {
        let text = |key: &str| self.0.get(key).and_then(Value::as_str).unwrap_or_default();
        Kind::new(text("apiVersion"), text("kind"))
    }

    /// Which object this is.
    pub fn reference(&self) -> ObjectRef {
        ObjectRef {
            kind: self.kind(),
            namespace: self.namespace().map(str::to_owned),
            name: self.name().to_owned(),
        }
    }

    /// `metadata.name`; empty where there is none.
    pub fn name(&self) -> &str {
        self.text("/metadata/name").unwrap_or_default()
    }

    /// `metadata.namespace`.
    pub fn namespace(&self) -> Option<&str> {
        self.text("/metadata/namespace")
    }

    /// `metadata.uid`.
    pub fn uid(&self) -> Option<&str> {
        self.text("/metadata/uid")
    }

    /// `metadata.resourceVersion`.
    pub fn resource_version(&self) -> Option<&str> {
        self.text("/metadata/resourceVersion")
    }

    /// `metadata.generation`.
    pub fn generation(&self) -> Option<i64> {
        self.at("/metadata/generation").and_then(Value::as_i64)
    }

    /// Whether deletion has begun.
    pub fn is_terminating(&self) -> bool {
        self.at("/metadata/deletionTimestamp").is_some()
    }

    /// One label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.entry("labels", key)
    }

    /// One annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.entry("annotations", key)
    }

    /// Sets one label.
    pub fn set_label(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.metadata_map("labels")
            .insert(key.into(), value.into().into());
    }

    /// Sets one annotation.
    pub fn set_annotation(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.metadata_map("annotations")
            .insert(key.into(), value.into().into());
    }

    /// Sets `metadata.namespace`.
    pub fn set_namespace(&mut self, namespace: impl Into<String>) {
        self.metadata()
            .insert("namespace".into(), namespace.into().into());
    }

    /// The value at a JSON pointer.
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        let mut tokens = pointer.split('/').skip(1);
        let first = self.0.get(tokens.next()?)?;
        let rest = pointer[1..].find('/').map_or("", |at| &pointer[at + 1..]);
        first.pointer(rest)
    }

    /// The text at a JSON pointer.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.at(pointer)?.as_str()
    }

    /// The fields.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The fields, to change.
    pub fn as_map_mut(&mut self) -> &mut Map<String, Value> {
        Arc::make_mut(&mut self.0)
    }

    /// The object as a JSON value.
    pub fn into_value(self) -> Value {
        Value::Object(Arc::unwrap_or_clone(self.0))
    }

    /// `metadata`, made if it is missing or not a table.
    pub fn metadata(&mut self) -> &mut Map<String, Value> {
        table(self.as_map_mut(), "metadata")
    }

    fn metadata_map(&mut self, key: &str) -> &mut Map<String, Value> {
        table(self.metadata(), key)
    }

    fn entry(&self, table: &str, key: &str) -> Option<&str> {
        self.0.get("metadata")?.get(table)?.get(key)?.as_str()
    }
}

/// The table under `key`, made if it is missing or something else.
fn table<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let slot = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    slot.as_object_mut().expect("just made a table")
}

/// The reference and nothing else: an object may hold secrets.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({})", self.reference())
    }
}

/// A kind as the server serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The kind.
    pub kind: Kind,
    /// The plural in URLs: `deployments`.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Verbs the server offers: `get`, `list`, `watch`, `create`, …
    pub verbs: Vec<String>,
}

impl Resource {
    /// What can be done with objects of every kind that is stored.
    pub(crate) fn every_verb() -> Vec<String> {
        let verbs = [
            "create", "delete", "get", "list", "patch", "update", "watch",
        ];
        verbs.map(str::to_owned).to_vec()
    }

    /// What a CustomResourceDefinition makes the server serve.
    pub(crate) fn of_definition(definition: &Object) -> Vec<Self> {
        let (Some(group), Some(kind), Some(plural)) = (
            definition.text("/spec/group"),
            definition.text("/spec/names/kind"),
            definition.text("/spec/names/plural"),
        ) else {
            return Vec::new();
        };
        let versions = definition.at("/spec/versions").and_then(Value::as_array);
        versions
            .into_iter()
            .flatten()
            .filter(|version| version["served"].as_bool() == Some(true))
            .filter_map(|version| version["name"].as_str())
            .map(|version| Self {
                kind: Kind::new(format!("{group}/{version}"), kind),
                plural: plural.to_owned(),
                namespaced: definition.text("/spec/scope") != Some("Cluster"),
                verbs: Self::every_verb(),
            })
            .collect()
    }
}

/// What the server serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovery {
    /// `gitVersion`, as `v1.33.1`.
    pub version: String,
    /// Every served resource (no subresources), preferred versions first within a group.
    pub resources: Vec<Resource>,
}

impl Discovery {
    /// The served group versions: `v1`, `apps/v1`, … each once, in order.
    pub fn api_versions(&self) -> Vec<&str> {
        let mut seen = Vec::new();
        for resource in &self.resources {
            if !seen.contains(&resource.kind.api_version.as_str()) {
                seen.push(resource.kind.api_version.as_str());
            }
        }
        seen
    }

    /// How a kind is served.
    pub fn resource(&self, kind: &Kind) -> Option<&Resource> {
        self.resources
            .iter()
            .find(|resource| resource.kind == *kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_reaches_into_the_object() {
        let object = Object::from_value(serde_json::json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "namespace": "n", "labels": {"a/b": "c"}},
            "spec": {"containers": [{"image": "i"}]},
        }))
        .unwrap();
        assert_eq!(object.text("/spec/containers/0/image"), Some("i"));
        assert_eq!(object.at("/kind").and_then(Value::as_str), Some("Pod"));
        assert_eq!(object.at("/absent/x"), None);
        assert_eq!(object.label("a/b"), Some("c"));
        assert_eq!(object.reference().to_string(), "Pod n/p");
    }

    #[test]
    fn metadata_tables_are_made_when_missing() {
        let mut object = Object::named(&ObjectRef::cluster_wide("v1", "Namespace", "n"));
        object.set_label("k", "v");
        object.set_annotation("a", "b");
        assert_eq!(
            (object.label("k"), object.annotation("a")),
            (Some("v"), Some("b"))
        );
    }

    #[test]
    fn debug_does_not_show_contents() {
        let mut object = Object::named(&ObjectRef::namespaced("v1", "Secret", "n", "s"));
        object
            .as_map_mut()
            .insert("data".into(), serde_json::json!({"key": "dmFsdWU="}));
        assert_eq!(format!("{object:?}"), "Object(Secret n/s)");
    }
}
