//! [`Charts`]: the archives a world offers. It owns the index of a repository; it refuses to read
//! an archive: what the index says is given.

use std::fmt::Write as _;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::charts::COMPACT_CHARTS;

/// One chart archive.
#[derive(Clone)]
pub struct ChartArchive {
    /// The chart's name: `airflow`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The version of the app.
    pub app_version: String,
    /// What it is.
    pub description: String,
    /// The `.tgz`.
    pub archive: Bytes,
}

impl std::fmt::Debug for ChartArchive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "ChartArchive({}-{}, {} bytes)",
            self.name,
            self.version,
            self.archive.len()
        )
    }
}

impl ChartArchive {
    /// The file's name in a repository.
    pub fn file_name(&self) -> String {
        format!("{}-{}.tgz", self.name, self.version)
    }

    /// The archive's SHA-256 in hexadecimal.
    pub fn digest(&self) -> String {
        hex(&self.archive)
    }
}

/// SHA-256 in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    crate::azure::hex(&Sha256::digest(bytes))
}

/// The chart repositories of a world, by host: `airflow.apache.org`, `charts.external-secrets.io`.
#[derive(Debug, Clone, Default)]
pub struct Charts {
    archives: Vec<(String, ChartArchive)>,
}

impl Charts {
    /// No charts.
    pub fn none() -> Self {
        Self::default()
    }

    /// The compact charts at the official hosts.
    pub fn compact() -> Self {
        let mut charts = Self::none();
        for chart in COMPACT_CHARTS {
            let archive = ChartArchive {
                name: chart.name.into(),
                version: chart.version.into(),
                app_version: chart.app_version.into(),
                description: chart.description.into(),
                archive: chart.archive().into(),
            };
            charts.add(official_host(chart.name), archive);
        }
        charts
    }

    /// Offers an archive at a host.
    pub fn add(&mut self, host: impl Into<String>, archive: ChartArchive) {
        self.archives.push((host.into(), archive));
    }

    /// Offers an archive at the host where its project publishes it.
    pub fn add_official(&mut self, archive: ChartArchive) {
        self.add(official_host(&archive.name), archive);
    }

    /// Every host, once.
    pub fn hosts(&self) -> Vec<&str> {
        let mut hosts: Vec<&str> = self
            .archives
            .iter()
            .map(|(host, _)| host.as_str())
            .collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }

    /// The archives at a host.
    pub fn at<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a ChartArchive> {
        self.archives
            .iter()
            .filter(move |(at, _)| at == host)
            .map(|(_, archive)| archive)
    }

    /// The archive with this chart name and version, wherever it is.
    pub fn find(&self, name: &str, version: &str) -> Option<&ChartArchive> {
        self.archives
            .iter()
            .map(|(_, archive)| archive)
            .find(|archive| archive.name == name && archive.version == version)
    }

    /// All versions of a chart.
    pub fn versions(&self, name: &str) -> Vec<&str> {
        self.archives
            .iter()
            .filter(|(_, archive)| archive.name == name)
            .map(|(_, archive)| archive.version.as_str())
            .collect()
    }

    /// A host's `index.yaml`, or `None` if it offers nothing.
    pub(super) fn index(&self, host: &str) -> Option<String> {
        let mut names: Vec<&str> = self.at(host).map(|archive| archive.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return None;
        }
        let mut index = String::from("apiVersion: v1\nentries:\n");
        for name in names {
            let _ = writeln!(index, "  {name}:");
            for chart in self.at(host).filter(|archive| archive.name == name) {
                let _ = write!(
                    index,
                    "  - apiVersion: v2\n    name: {name}\n    version: {:?}\n    appVersion: {:?}\n    \
                     description: {:?}\n    digest: {}\n    created: \"2026-01-01T00:00:00Z\"\n    \
                     urls:\n    - https://{host}/{}\n",
                    chart.version,
                    chart.app_version,
                    chart.description,
                    chart.digest(),
                    chart.file_name()
                );
            }
        }
        index.push_str("generated: \"2026-01-01T00:00:00Z\"\n");
        Some(index)
    }
}

/// Where a chart's project publishes it.
fn official_host(name: &str) -> &'static str {
    match name {
        "external-secrets" => "charts.external-secrets.io",
        _ => "airflow.apache.org",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_names_every_archive_with_its_digest() {
        let charts = Charts::compact();
        assert_eq!(
            charts.hosts(),
            ["airflow.apache.org", "charts.external-secrets.io"]
        );
        let index = charts.index("airflow.apache.org").unwrap();
        let version = charts.versions("airflow")[0];
        let archive = charts.find("airflow", version).unwrap();
        assert!(
            index.contains(&format!("digest: {}", archive.digest())),
            "{index}"
        );
        assert!(index.contains(&format!("https://airflow.apache.org/airflow-{version}.tgz")));
        assert_eq!(charts.index("elsewhere.example"), None);
    }
}
