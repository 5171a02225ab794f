//! [`HttpRepository`]: a chart repository behind an `index.yaml`. It owns the index and where
//! credentials go; it refuses bytes that are not what the index promises.
//!
//! Source: `pkg/repo/v1/index.go` and `pkg/downloader` of Helm v4.2. Helm does not compare the
//! index's digest with the bytes; this does.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use helm_chart::{json, yaml};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use crate::memory::not_found;
use crate::resolve::newest_first;
use crate::transport::{Login, Transport, TransportOptions, address, shown};
use crate::{Archive, ChartRef, ChartSource, ChartVersion, Digest, SourceError, SourceErrorKind};

/// A chart repository over HTTP. Its index is read once.
pub struct HttpRepository {
    url: Url,
    options: HttpOptions,
    transport: Transport,
    index: OnceCell<Index>,
}

impl fmt::Debug for HttpRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpRepository({})", shown(&self.url))
    }
}

/// How a repository is used.
#[derive(Debug, Clone, Default)]
pub struct HttpOptions {
    /// Who asks; nobody in particular by default.
    pub login: Login,
    /// Send the login to other hosts the index names, too, as Helm's `--pass-credentials`; off by
    /// default.
    pub pass_credentials: bool,
    /// How it is reached.
    pub transport: TransportOptions,
}

type Index = BTreeMap<String, Vec<Entry>>;

#[derive(Debug, Clone)]
struct Entry {
    version: ChartVersion,
    url: String,
}

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

impl HttpRepository {
    /// The repository at `url`, such as `https://airflow.apache.org`. Makes no request.
    ///
    /// # Errors
    /// An address or option that cannot be used.
    pub fn new(url: &str, options: HttpOptions) -> Result<Self, SourceError> {
        let url = address(url)?;
        let transport = Transport::new(options.transport.clone())
            .map_err(|kind| SourceError::new("use", shown(&url), kind))?;
        Ok(Self {
            url,
            options,
            transport,
            index: OnceCell::new(),
        })
    }

    /// Every chart of the repository with its versions, newest first: `helm search repo`.
    ///
    /// # Errors
    /// The index cannot be read.
    pub async fn charts(&self) -> Result<BTreeMap<String, Vec<ChartVersion>>, SourceError> {
        let index = self.index().await?.iter();
        Ok(index
            .map(|(name, entries)| (name.clone(), described(entries)))
            .collect())
    }

    async fn index(&self) -> Result<&Index, SourceError> {
        let read = || async {
            let url = self.inside("index.yaml")?;
            let limit = self.options.transport.max_index;
            let failed = |kind| SourceError::new("read the index", shown(&url), kind);
            let fetched = self.transport.get(&url, &self.options.login, limit).await;
            let bytes = fetched.map_err(failed)?;
            parse_index(&String::from_utf8_lossy(&bytes))
                .map_err(|why| failed(SourceErrorKind::Answer { why }))
        };
        self.index.get_or_try_init(read).await
    }

    /// An address relative to the repository's, whose query stays.
    fn inside(&self, relative: &str) -> Result<Url, SourceError> {
        let mut base = self.url.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", self.url.path()));
        }
        let unusable = |_| {
            let why = format!("the index names an address that cannot be used: {relative}");
            SourceError::new("read", shown(&self.url), SourceErrorKind::Invalid { why })
        };
        let mut url = base.join(relative).map_err(unusable)?;
        if url.query().is_none() && Url::parse(relative).is_err() {
            url.set_query(self.url.query());
        }
        address(url.as_str())
    }

    /// The login, if the address is on the repository's own host.
    fn login_for(&self, url: &Url) -> Login {
        if self.options.pass_credentials || url.origin() == self.url.origin() {
            self.options.login.clone()
        } else {
            Login::Anonymous
        }
    }
}

#[async_trait]
impl ChartSource for HttpRepository {
    async fn versions(&self, name: String) -> Result<Vec<ChartVersion>, SourceError> {
        let index = self.index().await?;
        Ok(index
            .get(&name)
            .map(|entries| described(entries))
            .unwrap_or_default())
    }

    async fn pull(&self, chart: ChartRef) -> Result<Archive, SourceError> {
        let entries = self.index().await?.get(&chart.name);
        let entry = entries
            .into_iter()
            .flatten()
            .find(|entry| entry.version.version == chart.version);
        let Some(entry) = entry else {
            return Err(not_found(&chart, &self.versions(chart.name.clone()).await?));
        };
        let url = self.inside(&entry.url)?;
        let limit = self.options.transport.max_archive;
        let fetched = self.transport.get(&url, &self.login_for(&url), limit).await;
        let bytes = fetched.map_err(|kind| SourceError::new("pull", shown(&url), kind))?;
        Archive::new(bytes, shown(&url))
            .checked(entry.version.digest, "the index")?
            .checked(chart.digest, "the pin")
    }
}

fn described(entries: &[Entry]) -> Vec<ChartVersion> {
    let mut versions: Vec<ChartVersion> =
        entries.iter().map(|entry| entry.version.clone()).collect();
    newest_first(&mut versions);
    versions
}

/// Reads an index; entries that make no sense are left out, as in Helm.
fn parse_index(text: &str) -> Result<Index, String> {
    if text.trim().is_empty() {
        return Err("empty index.yaml file".into());
    }
    let index = if text.trim_start().starts_with('{') {
        json::parse(text).map_err(|error| error.to_string())?
    } else {
        yaml::parse_exact(text).map_err(|error| error.to_string())?
    };
    if index
        .get("apiVersion")
        .and_then(Value::as_str)
        .is_none_or(str::is_empty)
    {
        return Err("no API version specified".into());
    }
    let entries = index.get("entries").and_then(Value::as_object);
    let mut read = Index::new();
    for (name, versions) in entries.into_iter().flatten() {
        let versions = versions.as_array().into_iter().flatten();
        let usable = versions.filter_map(|version| match entry(version) {
            Ok(entry) => entry,
            Err(why) => {
                tracing::warn!(chart = %name, %why, "skipping an entry of the index");
                None
            }
        });
        read.insert(name.clone(), usable.collect());
    }
    Ok(read)
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
    use super::*;

    fn repository(url: &str) -> HttpRepository {
        HttpRepository::new(url, HttpOptions::default()).unwrap()
    }

    #[test]
    fn addresses_are_relative_to_the_repository_and_keep_its_query() {
        let repository = repository("https://host.example/charts?sig=x");
        for (relative, whole) in [
            ("index.yaml", "https://host.example/charts/index.yaml?sig=x"),
            ("a/b.tgz", "https://host.example/charts/a/b.tgz?sig=x"),
            ("https://other.example/b.tgz", "https://other.example/b.tgz"),
        ] {
            assert_eq!(repository.inside(relative).unwrap().as_str(), whole);
        }
        assert!(repository.inside("file:///etc/passwd").is_err());
    }

    #[test]
    fn the_login_stays_on_its_host() {
        let mut repository = repository("https://host.example/charts");
        repository.options.login = Login::Bearer(converge::Secret::new("t"));
        let sent = |repository: &HttpRepository, url: &str| {
            !matches!(
                repository.login_for(&Url::parse(url).unwrap()),
                Login::Anonymous
            )
        };
        assert!(sent(&repository, "https://host.example/other/a.tgz"));
        for strange in [
            "https://evil.example/a.tgz",
            "http://host.example/a.tgz",
            "https://host.example:444/a.tgz",
        ] {
            assert!(!sent(&repository, strange), "{strange}");
        }
        repository.options.pass_credentials = true;
        assert!(sent(&repository, "https://evil.example/a.tgz"));
    }

    #[test]
    fn credentials_in_an_address_are_refused_without_being_shown() {
        let error = HttpRepository::new("https://user:geheim@host.example", HttpOptions::default())
            .unwrap_err();
        assert!(!format!("{error:?}").contains("geheim"));
    }

    #[test]
    fn a_signature_in_an_address_is_not_shown() {
        let url = Url::parse("https://host.example/charts/a.tgz?sig=geheim").unwrap();
        assert_eq!(shown(&url), "https://host.example/charts/a.tgz");
        let error = repository("https://host.example/charts?sig=geheim")
            .inside("file:///x")
            .unwrap_err();
        assert!(!format!("{error:?}").contains("geheim"));
    }

    #[test]
    fn an_index_without_version_or_content_is_refused_and_odd_entries_are_skipped() {
        assert_eq!(parse_index(" ").unwrap_err(), "empty index.yaml file");
        assert_eq!(
            parse_index("entries: {}").unwrap_err(),
            "no API version specified"
        );
        let index = parse_index("apiVersion: v1\nentries:\n  a:\n  - {version: 1.0.0, urls: [a.tgz], appVersion: 2.9}\n  - {version: 2.0.0}\n  - {version: 3.0.0, urls: [x], removed: true}\n").unwrap();
        let versions = described(&index["a"]);
        assert_eq!(versions.len(), 1);
        assert_eq!(versions[0].app_version.as_deref(), Some("2.9"));
    }
}
