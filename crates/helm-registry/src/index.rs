//! [`Index`]: what the `index.yaml` of a chart repository says. It owns the reading; it refuses to
//! fetch anything.
//!
//! Source: `pkg/repo/v1/index.go` of Helm v4.2.

use std::collections::BTreeMap;

use helm_chart::{json, yaml};
use serde::Deserialize;
use serde_json::Value;

use crate::resolve::newest_first;
use crate::{ChartVersion, Digest};

/// The index of a chart repository.
///
/// ```
/// use helm_registry::Index;
///
/// let index = Index::parse("apiVersion: v1\nentries:\n  web:\n  - {version: 1.2.0, urls: [web-1.2.0.tgz]}\n")?;
/// assert_eq!(index.charts()["web"][0].version, "1.2.0");
/// # Ok::<(), helm_registry::InvalidIndex>(())
/// ```
#[derive(Debug, Clone)]
pub struct Index {
    entries: BTreeMap<String, Vec<Entry>>,
}

/// One version of one chart.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) version: ChartVersion,
    pub(crate) url: String,
}

/// A text that is no index, in Helm's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("{0}")]
#[diagnostic(
    code(aka::registry::index),
    help("check that the address is that of a chart repository")
)]
pub struct InvalidIndex(String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEntry {
    version: String,
    #[serde(default)]
    app_version: Option<Value>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    urls: Vec<String>,
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    deprecated: bool,
    #[serde(default)]
    removed: bool,
}

impl Index {
    /// Reads an index in YAML or JSON; entries that make no sense are left out, as in Helm.
    ///
    /// # Errors
    /// [`InvalidIndex`] when the text is neither, is empty, or names no `apiVersion`.
    pub fn parse(text: &str) -> Result<Self, InvalidIndex> {
        if text.trim().is_empty() {
            return Err(InvalidIndex("empty index.yaml file".into()));
        }
        let index = if text.trim_start().starts_with('{') {
            json::parse(text).map_err(|error| InvalidIndex(error.to_string()))?
        } else {
            yaml::parse_exact(text).map_err(|error| InvalidIndex(error.to_string()))?
        };
        if index
            .get("apiVersion")
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
        {
            return Err(InvalidIndex("no API version specified".into()));
        }
        let listed = index.get("entries").and_then(Value::as_object);
        let mut entries = BTreeMap::new();
        for (name, versions) in listed.into_iter().flatten() {
            let versions = versions.as_array().into_iter().flatten();
            let usable = versions.filter_map(|version| match entry(version) {
                Ok(entry) => entry,
                Err(why) => {
                    tracing::warn!(chart = %name, %why, "skipping an entry of the index");
                    None
                }
            });
            entries.insert(name.clone(), usable.collect());
        }
        Ok(Self { entries })
    }

    /// Every chart with its versions, newest first.
    pub fn charts(&self) -> BTreeMap<String, Vec<ChartVersion>> {
        let entries = self.entries.iter();
        entries
            .map(|(name, entries)| (name.clone(), described(entries)))
            .collect()
    }

    /// The versions of one chart, newest first; none if it is not listed.
    pub fn versions(&self, name: &str) -> Vec<ChartVersion> {
        self.entries
            .get(name)
            .map(|entries| described(entries))
            .unwrap_or_default()
    }

    pub(crate) fn entry(&self, name: &str, version: &str) -> Option<&Entry> {
        let entries = self.entries.get(name)?;
        entries
            .iter()
            .find(|entry| entry.version.version == version)
    }
}

fn described(entries: &[Entry]) -> Vec<ChartVersion> {
    let mut versions: Vec<ChartVersion> =
        entries.iter().map(|entry| entry.version.clone()).collect();
    newest_first(&mut versions);
    versions
}

fn entry(value: &Value) -> Result<Option<Entry>, String> {
    let raw = RawEntry::deserialize(value).map_err(|error| error.to_string())?;
    if raw.removed {
        return Ok(None);
    }
    let url = raw.urls.into_iter().next().ok_or("it has no URL")?;
    let digest = raw.digest.filter(|digest| !digest.is_empty());
    let digest = digest.map(|digest| Digest::parse(&digest)).transpose();
    Ok(Some(Entry {
        url,
        version: ChartVersion {
            version: raw.version,
            app_version: raw.app_version.and_then(|version| match version {
                Value::String(text) => Some(text),
                Value::Null => None,
                other => Some(other.to_string()),
            }),
            description: raw.description,
            digest: digest.map_err(|error| error.to_string())?,
            created: raw.created,
            deprecated: raw.deprecated,
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::Index;

    #[test]
    fn an_index_without_version_or_content_is_refused_and_odd_entries_are_skipped() {
        let refused = |text| Index::parse(text).unwrap_err().to_string();
        assert_eq!(refused(" "), "empty index.yaml file");
        assert_eq!(refused("entries: {}"), "no API version specified");
        let index = Index::parse("apiVersion: v1\nentries:\n  a:\n  - {version: 1.0.0, urls: [a.tgz], appVersion: 2.9}\n  - {version: 2.0.0}\n  - {version: 3.0.0, urls: [x], removed: true}\n").unwrap();
        let versions = index.versions("a");
        assert_eq!(versions.len(), 1);
        assert_eq!(versions[0].app_version.as_deref(), Some("2.9"));
        assert!(index.versions("b").is_empty());
    }
}
