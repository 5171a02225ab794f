//! From a chart to an archive: the order of Helm's `chartutil.Save`, deterministic bytes.

use flate2::Compression;
use flate2::GzBuilder;

use crate::chart::Chart;
use crate::{json, yaml};

/// A chart that cannot be packaged.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum PackageError {
    /// The schema is not JSON.
    #[error("invalid JSON in values.schema.json")]
    #[diagnostic(code(aka::chart::invalid_schema))]
    Schema,
    /// The metadata cannot be written.
    #[error("cannot write Chart.yaml")]
    #[diagnostic(code(aka::chart::unwritable_metadata))]
    Metadata(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A path does not fit a tar archive.
    #[error("cannot write the archive")]
    #[diagnostic(code(aka::chart::unwritable_archive))]
    Archive(#[source] std::io::Error),
}

/// Packages a chart with its subcharts; equal charts give equal bytes.
///
/// `modified` is the time of every file, in seconds since 1970.
///
/// # Errors
/// [`PackageError`] when a part cannot be written.
pub fn write_archive(chart: &Chart, modified: u64) -> Result<Vec<u8>, PackageError> {
    let gzip = GzBuilder::new()
        .comment("Helm")
        .mtime(0)
        .write(Vec::new(), Compression::default());
    let mut archive = tar::Builder::new(gzip);
    write_chart(&mut archive, chart, chart.name(), modified)?;
    let gzip = archive.into_inner().map_err(PackageError::Archive)?;
    gzip.finish().map_err(PackageError::Archive)
}

type Archive = tar::Builder<flate2::write::GzEncoder<Vec<u8>>>;

fn write_chart(
    archive: &mut Archive,
    chart: &Chart,
    base: &str,
    modified: u64,
) -> Result<(), PackageError> {
    let mut metadata = chart.metadata().clone();
    let is_v2 = metadata.api_version == "v2";
    if !is_v2 {
        metadata.dependencies = None;
    }
    let mut append =
        |name: &str, data: &[u8]| append(archive, &format!("{base}/{name}"), data, modified);
    append("Chart.yaml", &to_yaml(&metadata)?)?;
    if let Some(lock) = chart.lock().filter(|_| is_v2) {
        append("Chart.lock", &to_yaml(lock)?)?;
    }
    if let Some(values) = chart.raw_values() {
        append("values.yaml", values.as_bytes())?;
    }
    if let Some(schema) = chart.schema() {
        let text = std::str::from_utf8(schema).map_err(|_| PackageError::Schema)?;
        json::parse(text).map_err(|_| PackageError::Schema)?;
        append("values.schema.json", schema)?;
    }
    for file in chart.templates().iter().chain(chart.files()) {
        append(&file.name, file.data())?;
    }
    for child in chart.children() {
        write_chart(
            archive,
            child,
            &format!("{base}/charts/{}", child.name()),
            modified,
        )?;
    }
    Ok(())
}

fn to_yaml<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, PackageError> {
    let value =
        serde_json::to_value(value).map_err(|error| PackageError::Metadata(error.into()))?;
    let mut text = yaml::to_string(&value).map_err(|error| PackageError::Metadata(error.into()))?;
    text.push('\n');
    Ok(text.into_bytes())
}

fn append(
    archive: &mut Archive,
    name: &str,
    data: &[u8],
    modified: u64,
) -> Result<(), PackageError> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(data.len() as u64);
    header.set_mtime(modified);
    archive
        .append_data(&mut header, name, data)
        .map_err(PackageError::Archive)
}
