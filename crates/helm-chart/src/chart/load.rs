//! From files to a chart: what each file is, subcharts included (Helm `pkg/chart/v2/loader`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use super::{Chart, ChartFile, Lock, Metadata, MetadataError};
use crate::Profile;
use crate::archive::{Allowance, ArchiveError, read_within};
use crate::values::{Table, parse_table};
use crate::yaml::{YamlError, parse_exact};

/// How deep charts may contain charts.
const MAX_CHART_DEPTH: usize = 32;

/// A chart that cannot be loaded.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum ChartError {
    /// The archive itself is not acceptable.
    #[error("cannot read the chart archive")]
    #[diagnostic(code(aka::chart::archive))]
    Archive(#[from] ArchiveError),
    /// There is no `Chart.yaml`.
    #[error("Chart.yaml file is missing")]
    #[diagnostic(code(aka::chart::not_a_chart))]
    NoMetadata,
    /// A metadata file cannot be read.
    #[error("cannot load {file}")]
    #[diagnostic(code(aka::chart::metadata))]
    Metadata {
        /// `Chart.yaml`, `Chart.lock` or one of their older names.
        file: String,
        /// What is wrong with it.
        source: MetadataError,
    },
    /// `Chart.yaml` says something unusable.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Invalid(MetadataError),
    /// `apiVersion` is neither `v1` nor `v2`.
    #[error("unsupported chart version")]
    #[diagnostic(code(aka::chart::unsupported), help("apiVersion must be v1 or v2"))]
    Unsupported,
    /// `values.yaml` cannot be read; in the words of Helm 4.
    #[error("cannot load values.yaml{}", .0.helm4_prefix())]
    #[diagnostic(code(aka::chart::values))]
    Values(#[source] YamlError),
    /// A chart under `charts/` cannot be loaded.
    #[error("error unpacking subchart {name} in {parent}")]
    #[diagnostic(code(aka::chart::subchart))]
    Subchart {
        /// Its folder or archive.
        name: String,
        /// The chart it is in.
        parent: String,
        /// What is wrong with it.
        source: Box<ChartError>,
    },
    /// Charts contain charts too deeply.
    #[error("charts are nested deeper than {MAX_CHART_DEPTH} levels")]
    #[diagnostic(code(aka::chart::too_deep))]
    TooDeep,
}

impl Chart {
    /// Loads a packaged chart, a gzipped tar.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let chart = helm_chart::Chart::from_archive(&std::fs::read("airflow-1.15.0.tgz")?)?;
    /// assert_eq!(chart.name(), "airflow");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ChartError`] when the archive breaks a limit or is no chart.
    pub fn from_archive(bytes: &[u8]) -> Result<Self, ChartError> {
        let mut allowance = Allowance::default();
        load(read_within(bytes, &mut allowance)?, 0, &mut allowance)
    }

    /// Loads a chart from its files; paths start at the chart's root.
    ///
    /// Reading a folder, and its `.helmignore`, is the caller's part; see
    /// [`IgnoreRules`](crate::archive::IgnoreRules).
    ///
    /// # Errors
    /// [`ChartError`] when the files are no chart.
    pub fn from_files(files: Vec<ChartFile>) -> Result<Self, ChartError> {
        load(files, 0, &mut Allowance::default())
    }
}

fn load(
    files: Vec<ChartFile>,
    depth: usize,
    allowance: &mut Allowance,
) -> Result<Chart, ChartError> {
    if depth > MAX_CHART_DEPTH {
        return Err(ChartError::TooDeep);
    }
    let unreadable = |file: &str| {
        let file = file.to_owned();
        move |source| ChartError::Metadata { file, source }
    };
    let mut metadata = None;
    for file in &files {
        if file.name == "Chart.yaml" {
            metadata = Some(Metadata::read(&file.text()).map_err(unreadable("Chart.yaml"))?);
        }
    }
    let mut metadata = metadata.ok_or(ChartError::NoMetadata)?;
    if !matches!(metadata.api_version.as_str(), "v1" | "v2") {
        return Err(ChartError::Unsupported);
    }
    let mut lock = None;
    let mut raw_values = None;
    let mut schema = None;
    let mut templates = Vec::new();
    let mut kept = Vec::new();
    let mut subcharts: BTreeMap<String, Vec<ChartFile>> = BTreeMap::new();
    for file in files {
        let is_v1 = metadata.api_version == "v1";
        match file.name.as_str() {
            "Chart.yaml" => {}
            "Chart.lock" | "requirements.lock" => {
                lock = Some(Lock::parse(&file.text()).map_err(unreadable(&file.name))?);
                if is_v1 && file.name == "requirements.lock" {
                    kept.push(file);
                }
            }
            "requirements.yaml" => {
                let value = parse_exact(&file.text()).map_err(MetadataError::Yaml);
                let filled = value.and_then(|value| metadata.fill(&value));
                filled.map_err(unreadable("requirements.yaml"))?;
                if is_v1 {
                    kept.push(file);
                }
            }
            "values.yaml" => raw_values = Some(file.text().into_owned()),
            "values.schema.json" => schema = Some(file.data),
            name if name.starts_with("templates/") => templates.push(file),
            name => match name.strip_prefix("charts/") {
                Some(rest) if Path::new(name).extension() != Some("prov".as_ref()) => {
                    let folder = rest.split('/').next().unwrap_or(rest).to_owned();
                    let file = ChartFile {
                        name: rest.to_owned(),
                        data: file.data,
                    };
                    subcharts.entry(folder).or_default().push(file);
                }
                _ => kept.push(file),
            },
        }
    }
    metadata.validate().map_err(ChartError::Invalid)?;
    let (values, first_values) = read_values(raw_values.as_deref())?;
    let children = load_subcharts(subcharts, &metadata.name, depth, allowance)?;
    Ok(Chart {
        metadata,
        lock,
        values,
        first_values,
        raw_values,
        schema,
        templates,
        files: kept,
        children,
        #[cfg(feature = "schema")]
        validator: OnceLock::new(),
        compiled: OnceLock::new(),
    })
}

/// The default values, and those of the first document where they differ.
fn read_values(text: Option<&str>) -> Result<(Table, Option<Table>), ChartError> {
    let Some(text) = text else {
        return Ok((Table::new(), None));
    };
    let values = parse_table(text, Profile::Helm4).map_err(ChartError::Values)?;
    if !text.contains("\n---") {
        return Ok((values, None));
    }
    let first = parse_table(text, Profile::Helm3).map_err(ChartError::Values)?;
    let first = (first != values).then_some(first);
    Ok((values, first))
}

fn load_subcharts(
    subcharts: BTreeMap<String, Vec<ChartFile>>,
    parent: &str,
    depth: usize,
    allowance: &mut Allowance,
) -> Result<Vec<Chart>, ChartError> {
    let mut children = Vec::new();
    for (name, files) in subcharts {
        if name.starts_with(['_', '.']) {
            continue;
        }
        let child = if Path::new(&name).extension() == Some("tgz".as_ref()) {
            match files.iter().find(|file| file.name == name) {
                Some(archive) => read_within(&archive.data, allowance)
                    .map_err(ChartError::from)
                    .and_then(|files| load(files, depth + 1, allowance)),
                None => Err(ChartError::NoMetadata),
            }
        } else {
            let inner = files.into_iter().filter_map(|file| {
                let (_, rest) = file.name.split_once('/')?;
                Some(ChartFile {
                    name: rest.to_owned(),
                    data: file.data,
                })
            });
            let inner: Vec<_> = inner.collect();
            if inner.is_empty() {
                // A loose file under `charts/`.
                continue;
            }
            load(inner, depth + 1, allowance)
        };
        children.push(child.map_err(|source| ChartError::Subchart {
            name,
            parent: parent.to_owned(),
            source: Box::new(source),
        })?);
    }
    Ok(children)
}
