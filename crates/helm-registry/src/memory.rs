//! [`MemoryCharts`]: archives in memory. It owns them; it refuses every I/O, so that a run in
//! virtual time can use it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use helm_chart::archive::read_chart_yaml;
use helm_chart::chart::{ChartError, Metadata};

use crate::resolve::{newest_first, offered};
use crate::{Archive, ChartRef, ChartSource, ChartVersion, Digest, SourceError, SourceErrorKind};

/// Charts held in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryCharts {
    charts: BTreeMap<String, Vec<(ChartVersion, Archive)>>,
}

impl MemoryCharts {
    /// The same with one more archive; one of the same name and version is replaced.
    ///
    /// # Errors
    /// The bytes are no chart.
    pub fn with(mut self, bytes: impl Into<Bytes>) -> Result<Self, SourceError> {
        let bytes = bytes.into();
        let (name, version) = describe(&bytes).map_err(|error| {
            let kind = SourceErrorKind::NoChart(error);
            SourceError::new("read", "an archive", kind)
        })?;
        let origin = format!("memory:{name}-{}.tgz", version.version);
        let versions = self.charts.entry(name).or_default();
        versions.retain(|(known, _)| known.version != version.version);
        versions.push((version, Archive::new(bytes, origin)));
        Ok(self)
    }
}

#[async_trait]
impl ChartSource for MemoryCharts {
    async fn versions(&self, name: String) -> Result<Vec<ChartVersion>, SourceError> {
        let kept = self.charts.get(&name).into_iter().flatten();
        let mut versions: Vec<ChartVersion> = kept.map(|(version, _)| version.clone()).collect();
        newest_first(&mut versions);
        Ok(versions)
    }

    async fn pull(&self, chart: ChartRef) -> Result<Archive, SourceError> {
        let kept = self.charts.get(&chart.name);
        let found = kept
            .into_iter()
            .flatten()
            .find(|(version, _)| version.version == chart.version);
        match found {
            Some((_, archive)) => archive.clone().checked(chart.digest, "the pin"),
            None => Err(not_found(
                "memory",
                &chart,
                &self.versions(chart.name.clone()).await?,
            )),
        }
    }
}

/// No such version in a source, and what there is instead.
pub(crate) fn not_found(source: &str, chart: &ChartRef, versions: &[ChartVersion]) -> SourceError {
    let kind = SourceErrorKind::NotFound {
        what: format!("chart {chart}"),
        help: offered(versions),
    };
    SourceError::new("pull", format!("chart {chart} from {source}"), kind)
}

/// What an archive says of itself at its head; the error says why it is no chart.
pub(crate) fn describe(bytes: &[u8]) -> Result<(String, ChartVersion), ChartError> {
    let file = read_chart_yaml(bytes)?.ok_or(ChartError::NoMetadata)?;
    let metadata = Metadata::parse(&file.text()).map_err(|source| ChartError::Metadata {
        file: file.name.clone(),
        source,
    })?;
    Ok((
        metadata.name.clone(),
        of_metadata(&metadata, Some(Digest::of(bytes))),
    ))
}

/// What a chart's metadata says, as a source would describe it.
pub(crate) fn of_metadata(metadata: &Metadata, digest: Option<Digest>) -> ChartVersion {
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    ChartVersion {
        version: metadata.version.clone(),
        app_version: given(&metadata.app_version),
        description: given(&metadata.description),
        digest,
        created: None,
        deprecated: metadata.deprecated,
    }
}
