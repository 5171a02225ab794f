//! A small chart with one of each: ServiceAccount, Secret, ConfigMap, Service, Deployment, a Job as
//! hook, a CRD. It owns its files; it refuses to need an image that exists.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use helm_chart::chart::ChartError;
use helm_chart::{Chart, ChartFile};
use helm_release::{InvalidReleaseName, ReleaseIntent, ReleaseName};
use serde_json::Value;

/// The name the proofs give the release.
pub const RELEASE: &str = "sample";

const FILES: [(&str, &str); 9] = [
    ("Chart.yaml", include_str!("sample/Chart.yaml")),
    ("values.yaml", include_str!("sample/values.yaml")),
    (
        "crds/widgets.yaml",
        include_str!("sample/crds/widgets.yaml"),
    ),
    (
        "templates/account.yaml",
        include_str!("sample/templates/account.yaml"),
    ),
    (
        "templates/config.yaml",
        include_str!("sample/templates/config.yaml"),
    ),
    (
        "templates/workload.yaml",
        include_str!("sample/templates/workload.yaml"),
    ),
    (
        "templates/service.yaml",
        include_str!("sample/templates/service.yaml"),
    ),
    (
        "templates/prepare.yaml",
        include_str!("sample/templates/prepare.yaml"),
    ),
    (
        "templates/NOTES.txt",
        include_str!("sample/templates/NOTES.txt"),
    ),
];

/// The chart.
///
/// # Errors
/// When it does not load.
pub fn chart() -> Result<Chart, ChartError> {
    let files = FILES.map(|(name, text)| ChartFile::new(name, text.as_bytes()));
    Chart::from_files(files.to_vec())
}

/// The intent to have the chart with some values in a namespace.
///
/// # Panics
/// When the chart does not load, which the proofs are to show.
pub fn intent(namespace: &str, values: Value) -> ReleaseIntent {
    let chart = chart().unwrap_or_else(|error| panic!("the sample chart: {error:?}"));
    let name = name().unwrap_or_else(|error| panic!("{error}"));
    let mut intent = ReleaseIntent::new(name, namespace, Arc::new(chart));
    intent.values = values;
    intent
}

/// [`RELEASE`], checked.
///
/// # Errors
/// Never.
pub fn name() -> Result<ReleaseName, InvalidReleaseName> {
    ReleaseName::parse(RELEASE)
}

/// Writes the chart for programs that read folders.
///
/// # Errors
/// When a file cannot be written.
pub fn write_to(folder: &Path) -> io::Result<()> {
    for (name, text) in FILES {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}
