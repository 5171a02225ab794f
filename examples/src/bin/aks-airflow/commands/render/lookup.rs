//! [`Manifests`]: objects in files that answer `lookup` as a cluster would that holds them and
//! nothing else.
//!
//! Owns reading and finding. It refuses to guess: an object matches by the API version it is written
//! in, and by its namespace as it is written.

use std::error::Error;
use std::path::{Path, PathBuf};

use helm_chart::render::{LookupSource, Query};
use helm_chart::yaml;
use serde_json::{Value, json};

use super::RenderCommandError;

/// The objects of a cluster that is only written down.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    objects: Vec<Value>,
}

impl Manifests {
    /// Reads files, and the files of folders below them that end in `.yaml`, `.yml` or `.json`.
    ///
    /// # Errors
    /// If one cannot be read, or holds something else than objects.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, RenderCommandError> {
        let mut manifests = Self::default();
        for path in paths {
            if path.is_dir() {
                manifests.read_folder(path)?;
            } else {
                manifests.read_file(path)?;
            }
        }
        Ok(manifests)
    }

    fn read_folder(&mut self, folder: &Path) -> Result<(), RenderCommandError> {
        let unreadable = |source| RenderCommandError::Read {
            path: folder.to_owned(),
            source,
        };
        let entries: Result<Vec<_>, _> = std::fs::read_dir(folder).map_err(unreadable)?.collect();
        let mut paths: Vec<PathBuf> = entries
            .map_err(unreadable)?
            .iter()
            .map(std::fs::DirEntry::path)
            .collect();
        paths.sort();
        for path in paths {
            let ending = path.extension().and_then(std::ffi::OsStr::to_str);
            if path.is_dir() && !path.is_symlink() {
                self.read_folder(&path)?;
            } else if matches!(ending, Some("yaml" | "yml" | "json")) {
                self.read_file(&path)?;
            }
        }
        Ok(())
    }

    fn read_file(&mut self, path: &Path) -> Result<(), RenderCommandError> {
        let refuse = |source| RenderCommandError::Lookup {
            path: path.to_owned(),
            source,
        };
        let text = std::fs::read_to_string(path).map_err(|source| RenderCommandError::Read {
            path: path.to_owned(),
            source,
        })?;
        let documents =
            yaml::parse_exact_documents(&text).map_err(|error| refuse(Box::new(error)))?;
        for document in documents {
            self.add(document)
                .map_err(|problem| refuse(problem.into()))?;
        }
        Ok(())
    }

    /// Adds an object, or the items of a list of them.
    fn add(&mut self, mut object: Value) -> Result<(), &'static str> {
        if object.is_null() {
            return Ok(());
        }
        if let Some(Value::Array(items)) = object.get_mut("items").map(Value::take) {
            return items.into_iter().try_for_each(|item| self.add(item));
        }
        let has = |pointer| object.pointer(pointer).is_some_and(Value::is_string);
        if !(has("/apiVersion") && has("/kind") && has("/metadata/name")) {
            return Err("an object without apiVersion, kind or metadata.name");
        }
        self.objects.push(object);
        Ok(())
    }
}

impl LookupSource for Manifests {
    fn answer(&self, query: &Query) -> Result<Value, Box<dyn Error + Send + Sync>> {
        let Query::Lookup {
            api_version,
            kind,
            namespace,
            name,
        } = query
        else {
            // Names of hosts are asked for only under `--enable-dns`, which is not offered.
            return Ok(Value::String(String::new()));
        };
        let text = |object: &Value, pointer| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        // Without a namespace all are listed, but only a cluster-wide object is found by its name.
        let is_there = |object: &&Value| {
            let of = text(object, "/metadata/namespace");
            text(object, "/apiVersion") == *api_version
                && text(object, "/kind") == *kind
                && (of == *namespace || namespace.is_empty() && name.is_empty())
        };
        let mut found = self.objects.iter().filter(is_there);
        if name.is_empty() {
            let items: Vec<&Value> = found.collect();
            return Ok(json!({
                "apiVersion": api_version,
                "kind": format!("{kind}List"),
                "metadata": {"resourceVersion": ""},
                "items": items,
            }));
        }
        let object = found.find(|object| text(object, "/metadata/name") == *name);
        Ok(object.cloned().unwrap_or_else(|| json!({})))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{LookupSource, Manifests, Query};

    fn cluster() -> Manifests {
        let mut manifests = Manifests::default();
        let object = |kind: &str, namespace: Option<&str>, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}});
        let items = json!([
            object("Secret", Some("a"), "one"),
            object("Secret", Some("b"), "one"),
            object("Secret", Some("b"), "two"),
        ]);
        manifests
            .add(json!({"apiVersion": "v1", "kind": "List", "items": items}))
            .unwrap();
        manifests.add(object("Namespace", None, "a")).unwrap();
        manifests
    }

    fn names(kind: &str, namespace: &str, name: &str) -> Vec<String> {
        let query = Query::lookup("v1", kind, namespace, name);
        let answer = cluster().answer(&query).unwrap();
        let label = |object: &Value| {
            let part = |key| object["metadata"][key].as_str().unwrap_or("-").to_owned();
            format!("{}/{}", part("namespace"), part("name"))
        };
        match answer.get("items").and_then(Value::as_array) {
            Some(items) => items.iter().map(label).collect(),
            None if answer == json!({}) => Vec::new(),
            None => vec![label(&answer)],
        }
    }

    #[test]
    fn objects_are_found_as_a_cluster_finds_them() {
        assert_eq!(names("Secret", "b", "one"), ["b/one"]);
        assert_eq!(names("Secret", "b", ""), ["b/one", "b/two"]);
        assert_eq!(names("Secret", "", ""), ["a/one", "b/one", "b/two"]);
        assert_eq!(names("Namespace", "", "a"), ["-/a"]);
        for (kind, namespace, name) in [
            ("Secret", "", "one"),
            ("Secret", "a", "two"),
            ("ConfigMap", "a", ""),
            ("Namespace", "a", "a"),
        ] {
            assert_eq!(
                names(kind, namespace, name),
                [""; 0],
                "{kind} {namespace} {name}"
            );
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let mut manifests = Manifests::default();
        assert!(manifests.add(json!({"a": 1})).is_err());
        assert!(
            manifests
                .add(json!({"items": [{"kind": "Secret"}]}))
                .is_err()
        );
        assert!(manifests.add(Value::Null).is_ok());
    }
}
