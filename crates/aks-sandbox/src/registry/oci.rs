//! Charts as OCI artefacts. It owns their manifests and blobs as Helm pushes them; it refuses
//! everything that is no chart.
//!
//! Source: Helm, "Use OCI-based registries"; OCI image specification 1.1.

use bytes::Bytes;
use serde_json::json;

use super::charts::{ChartArchive, Charts, hex};
use super::images::Manifest;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// The manifest of a chart at `repository` (its last segment is the chart's name) by tag or digest.
/// A `+` of a version is `_` in a tag.
pub(super) fn manifest(charts: &Charts, repository: &str, reference: &str) -> Option<Manifest> {
    let name = repository.rsplit('/').next()?;
    charts
        .versions(name)
        .into_iter()
        .filter_map(|version| charts.find(name, version))
        .find_map(|chart| {
            let made = made(chart);
            let tag = chart.version.replace('+', "_");
            (tag == reference || made.2 == reference).then_some(made)
        })
}

/// The tags of a chart.
pub(super) fn tags(charts: &Charts, repository: &str) -> Vec<String> {
    let name = repository.rsplit('/').next().unwrap_or_default();
    charts
        .versions(name)
        .into_iter()
        .map(|version| version.replace('+', "_"))
        .collect()
}

/// A config or archive of a chart by digest.
pub(super) fn blob(charts: &Charts, repository: &str, digest: &str) -> Option<Bytes> {
    let name = repository.rsplit('/').next()?;
    charts
        .versions(name)
        .into_iter()
        .filter_map(|version| charts.find(name, version))
        .flat_map(|chart| [chart.archive.clone(), config(chart)])
        .find(|blob| format!("sha256:{}", hex(blob)) == digest)
}

fn config(chart: &ChartArchive) -> Bytes {
    json!({
        "apiVersion": "v2",
        "name": chart.name,
        "version": chart.version,
        "appVersion": chart.app_version,
        "description": chart.description,
    })
    .to_string()
    .into()
}

fn made(chart: &ChartArchive) -> Manifest {
    let config = config(chart);
    let descriptor = |media_type: &str, blob: &Bytes| {
        json!({
            "mediaType": media_type,
            "digest": format!("sha256:{}", hex(blob)),
            "size": blob.len(),
        })
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, &config),
        "layers": [descriptor(LAYER, &chart.archive)],
        "annotations": {
            "org.opencontainers.image.title": chart.name,
            "org.opencontainers.image.version": chart.version,
            "org.opencontainers.image.description": chart.description,
        },
    })
    .to_string();
    let digest = format!("sha256:{}", hex(manifest.as_bytes()));
    (manifest.into(), MANIFEST, digest)
}
