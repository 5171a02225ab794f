//! A stored manifest as objects: splitting, parsing, and giving each object the namespace Helm
//! gives it. It owns text → objects; it refuses to know what is in the cluster.

use std::collections::BTreeMap;

use helm_chart::manifest::split_documents;
use helm_chart::{Profile, yaml};
use kube_cluster::{Discovery, Kind, Object};
use serde_json::Value;

use crate::error::ReleaseErrorKind;

/// An object a manifest declares.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Declared {
    /// The object, with its namespace.
    pub object: Object,
    /// The template it came from; empty where the text does not say.
    pub path: String,
}

impl Declared {
    /// Whether the server chooses the name.
    pub(crate) fn has_generated_name(&self) -> bool {
        self.object.name().is_empty()
    }
}

/// Whether the objects of a kind live in namespaces: what the server serves, and what CRDs that
/// are about to be applied will make it serve.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scopes(BTreeMap<Kind, bool>);

impl Scopes {
    pub(crate) fn of(discovery: &Discovery) -> Self {
        let kinds = discovery.resources.iter();
        Self(
            kinds
                .map(|resource| (resource.kind.clone(), resource.namespaced))
                .collect(),
        )
    }

    /// Learns the kinds of a CRD; other objects teach nothing.
    pub(crate) fn learn(&mut self, crd: &Object) {
        for kind in kinds_of_crd(crd) {
            let namespaced = crd.text("/spec/scope") != Some("Cluster");
            self.0.entry(kind).or_insert(namespaced);
        }
    }

    fn is_namespaced(&self, kind: &Kind) -> bool {
        self.0.get(kind).copied().unwrap_or(true)
    }

    /// Gives an object the release's namespace if it needs one and has none, and takes it from an
    /// object that cannot have one.
    pub(crate) fn place(&self, object: &mut Object, namespace: &str) {
        if !self.is_namespaced(&object.kind()) {
            object.metadata().remove("namespace");
        } else if object.namespace().is_none_or(str::is_empty) {
            object.set_namespace(namespace);
        }
    }
}

/// The kinds a CRD makes the server serve; none for other objects.
pub(crate) fn kinds_of_crd(crd: &Object) -> Vec<Kind> {
    let (Some(group), Some(kind)) = (crd.text("/spec/group"), crd.text("/spec/names/kind")) else {
        return Vec::new();
    };
    if crd.kind().kind != "CustomResourceDefinition" {
        return Vec::new();
    }
    let versions = crd.at("/spec/versions").and_then(Value::as_array);
    versions
        .into_iter()
        .flatten()
        .filter(|version| version.get("served").and_then(Value::as_bool) != Some(false))
        .filter_map(|version| version.get("name")?.as_str())
        .map(|version| Kind::new(format!("{group}/{version}"), kind))
        .collect()
}

/// The objects of a manifest, in its order, each in its namespace.
///
/// # Errors
/// [`ReleaseErrorKind::Manifest`] for a document that is no Kubernetes object.
pub(crate) fn objects(
    manifest: &str,
    scopes: &Scopes,
    namespace: &str,
) -> Result<Vec<Declared>, ReleaseErrorKind> {
    let mut declared = parse(manifest, "")?;
    let mut scopes = scopes.clone();
    for one in &declared {
        scopes.learn(&one.object);
    }
    for one in &mut declared {
        scopes.place(&mut one.object, namespace);
    }
    Ok(declared)
}

/// The objects of a text, in its order, as they are. `path` is used where the text has no
/// `# Source:` line.
///
/// # Errors
/// [`ReleaseErrorKind::Manifest`] for a document that is no Kubernetes object.
pub(crate) fn parse(text: &str, path: &str) -> Result<Vec<Declared>, ReleaseErrorKind> {
    let mut declared = Vec::new();
    for document in split_documents(text, Profile::Helm4) {
        let path = source(document).unwrap_or(path);
        let refuse = |why: String| ReleaseErrorKind::Manifest {
            path: path.to_owned(),
            why,
        };
        let value = yaml::parse_exact(document)
            .map_err(|error| refuse(format!("YAML parse error: {error}")))?;
        flatten(value, path, &mut declared).map_err(refuse)?;
    }
    Ok(declared)
}

/// Takes one document apart: nothing, an object, or a `List` of objects.
fn flatten(value: Value, path: &str, into: &mut Vec<Declared>) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    let object = Object::from_value(value).map_err(|_| "it is not a mapping".to_owned())?;
    let kind = object.kind();
    if kind.api_version.is_empty() {
        return Err("Object 'apiVersion' is missing".into());
    }
    if kind.kind.is_empty() {
        return Err("Object 'Kind' is missing".into());
    }
    if let (true, Some(Value::Array(items))) = (kind.kind.ends_with("List"), object.at("/items")) {
        return items
            .iter()
            .try_for_each(|item| flatten(item.clone(), path, into));
    }
    if object.name().is_empty() && object.text("/metadata/generateName").is_none() {
        return Err(format!("{} has neither name nor generateName", kind.kind));
    }
    into.push(Declared {
        object,
        path: path.to_owned(),
    });
    Ok(())
}

/// The path in a `# Source:` line.
fn source(document: &str) -> Option<&str> {
    document
        .lines()
        .find_map(|line| line.strip_prefix("# Source: "))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "---\n# Source: c/templates/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  text: |\n    --- inside\n---\n# only a comment\n---\n# Source: c/templates/b.yaml\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: b, namespace: wrong}\n";

    #[test]
    fn documents_become_objects_in_their_namespaces() {
        let mut scopes = Scopes::default();
        scopes.0.insert(Kind::new("v1", "Namespace"), false);
        let declared = objects(MANIFEST, &scopes, "ns").unwrap();
        let named: Vec<String> = declared
            .iter()
            .map(|one| format!("{} {}", one.path, one.object.reference()))
            .collect();
        assert_eq!(
            named,
            [
                "c/templates/a.yaml ConfigMap ns/a",
                "c/templates/b.yaml Namespace b"
            ]
        );
        assert_eq!(
            declared[0].object.text("/data/text"),
            Some("--- inside\n"),
            "an indented `---` is text"
        );
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_path() {
        for (text, why) in [
            ("# Source: p\n- 1\n", "it is not a mapping"),
            ("# Source: p\nkind: A\n", "Object 'apiVersion' is missing"),
            ("# Source: p\napiVersion: v1\n", "Object 'Kind' is missing"),
            (
                "# Source: p\napiVersion: v1\nkind: A\n",
                "A has neither name nor generateName",
            ),
        ] {
            let error = parse(text, "").unwrap_err();
            assert_eq!(error.to_string(), format!("p: {why}"));
        }
    }

    #[test]
    fn a_crd_teaches_its_scope() {
        let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: as.g}\nspec: {group: g, scope: Cluster, names: {kind: A}, versions: [{name: v1, served: true}, {name: v0, served: false}]}\n---\napiVersion: g/v1\nkind: A\nmetadata: {name: a}\n";
        let mut scopes = Scopes::default();
        scopes.0.insert(
            Kind::new("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            false,
        );
        let declared = objects(crd, &scopes, "ns").unwrap();
        assert_eq!(declared[1].object.reference().to_string(), "A a");
        assert_eq!(kinds_of_crd(&declared[0].object), [Kind::new("g/v1", "A")]);
    }
}
