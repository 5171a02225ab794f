//! [`HttpRepository`]: a chart repository behind an `index.yaml`. It owns where the
//! index is and where credentials go; it refuses bytes that are not what the index promises.
//!
//! Source: `pkg/repo/v1/index.go` and `pkg/downloader` of Helm v4.2. Helm does not compare the
//! index's digest with the bytes; this does.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use url::Url;

use crate::index::Index;
use crate::memory::not_found;
use crate::transport::{Login, Transport, TransportOptions, address, shown};
use crate::{Archive, ChartRef, ChartSource, ChartVersion, SourceError, SourceErrorKind};

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
        Ok(self.index().await?.charts())
    }

    async fn index(&self) -> Result<&Index, SourceError> {
        let read = || async {
            let url = self.inside("index.yaml")?;
            let limit = self.options.transport.max_index;
            let failed = |kind| SourceError::new("read the index", shown(&url), kind);
            let fetched = self.transport.get(&url, &self.options.login, limit).await;
            let bytes = fetched.map_err(failed)?;
            Index::parse(&String::from_utf8_lossy(&bytes)).map_err(|error| {
                let why = error.to_string();
                failed(SourceErrorKind::Answer { why })
            })
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
        Ok(self.index().await?.versions(&name))
    }

    async fn pull(&self, chart: ChartRef) -> Result<Archive, SourceError> {
        let index = self.index().await?;
        let Some(entry) = index.entry(&chart.name, &chart.version) else {
            return Err(not_found(
                &shown(&self.url),
                &chart,
                &self.versions(chart.name.clone()).await?,
            ));
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
}
