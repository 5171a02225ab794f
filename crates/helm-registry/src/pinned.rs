//! [`Pinned`]: a source whose charts must have known digests. It owns the table; it refuses to
//! fetch by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Archive, ChartRef, ChartSource, ChartVersion, Digest, SourceError};

/// A source with a table of digests: a chart that is in it comes with this digest or not at all.
/// What is not in it passes as it is.
#[derive(Debug, Clone)]
pub struct Pinned {
    source: Arc<dyn ChartSource>,
    digests: BTreeMap<(String, String), Digest>,
}

impl Pinned {
    /// Pins nothing of `source` yet.
    pub fn new(source: Arc<dyn ChartSource>) -> Self {
        Self {
            source,
            digests: BTreeMap::new(),
        }
    }

    /// Pins one version of a chart.
    #[must_use]
    pub fn with(
        mut self,
        name: impl Into<String>,
        version: impl Into<String>,
        digest: Digest,
    ) -> Self {
        self.digests.insert((name.into(), version.into()), digest);
        self
    }
}

#[async_trait]
impl ChartSource for Pinned {
    async fn versions(&self, name: String) -> Result<Vec<ChartVersion>, SourceError> {
        let mut versions = self.source.versions(name.clone()).await?;
        for one in &mut versions {
            let key = (name.clone(), one.version.clone());
            one.digest = self.digests.get(&key).copied().or(one.digest);
        }
        Ok(versions)
    }

    async fn pull(&self, chart: ChartRef) -> Result<Archive, SourceError> {
        let key = (chart.name.clone(), chart.version.clone());
        let pin = self.digests.get(&key).copied();
        let wanted = ChartRef {
            digest: pin.or(chart.digest),
            ..chart.clone()
        };
        let archive = self.source.pull(wanted).await?;
        archive
            .checked(pin, "the pin")?
            .checked(chart.digest, "the pin")
    }
}
