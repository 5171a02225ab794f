//! From files to a chart: what each file is, subcharts included (Helm `pkg/chart/v2/loader`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use super::defaults::CombinedDefaults;
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
    Archive(
        #[from]
        #[diagnostic_source]
        ArchiveError,
    ),
    /// There is no `Chart.yaml`.
    #[error("Chart.yaml file is missing")]
    #[diagnostic(code(aka::chart::not_a_chart))]
    NoMetadata,
    /// There is none in a whole archive, which Helm 4 looks for first.
    #[error("unable to detect chart version, no Chart.yaml found")]
    #[diagnostic(code(aka::chart::not_a_chart))]
    Undetected,
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
    /// `apiVersion` is neither `v1` nor `v2`. Helm 3 does not look, nor does Helm 4 at subcharts.
    #[error("{}", if .0 == "v3" { "invalid chart apiVersion" } else { "unsupported chart version" })]
    #[diagnostic(code(aka::chart::unsupported), help("apiVersion must be v1 or v2"))]
    Unsupported(String),
    /// `values.yaml` cannot be read.
    #[error("cannot load values.yaml{}", if *.profile == Profile::Helm4 { .source.helm4_prefix() } else { "" })]
    #[diagnostic(code(aka::chart::values))]
    Values {
        /// Whose words these are.
        profile: Profile,
        /// Why not.
        source: YamlError,
    },
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
    /// What stands for an archive under `charts/` cannot be unpacked.
    #[error("{}", .0.unpacking())]
    #[diagnostic(transparent)]
    InnerArchive(ArchiveError),
    /// A folder under `charts/` is named like an archive.
    #[error("error unpacking subchart tar in {parent}: expected {name}, got {found}")]
    #[diagnostic(code(aka::chart::folder_as_archive))]
    FolderAsArchive {
        /// The chart it is in.
        parent: String,
        /// The folder.
        name: String,
        /// The first file in it.
        found: String,
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
    /// [`ChartError`] when the archive breaks a limit or is no chart, as Helm 4 judges it.
    pub fn from_archive(bytes: &[u8]) -> Result<Self, ChartError> {
        Self::from_archive_as(bytes, Profile::Helm4)
    }

    /// The same as a certain Helm judges the chart.
    ///
    /// Helm 3 takes every `apiVersion` and reads only the first document of `values.yaml`. A chart
    /// with later ones that cannot be read has those values in both profiles.
    ///
    /// # Errors
    /// [`ChartError`] when the archive breaks a limit or is no chart.
    pub fn from_archive_as(bytes: &[u8], profile: Profile) -> Result<Self, ChartError> {
        let mut allowance = Allowance::default();
        let files = read_within(bytes, &mut allowance)?;
        let has_metadata = files.iter().any(|file| file.name == "Chart.yaml");
        if profile == Profile::Helm4 && !has_metadata {
            return Err(ChartError::Undetected);
        }
        let mut loading = Loading {
            profile,
            allowance: &mut allowance,
        };
        load(files, 0, &mut loading)
    }

    /// Loads a chart from its files; paths start at the chart's root.
    ///
    /// Reading a folder, and its `.helmignore`, is the caller's part; see
    /// [`IgnoreRules`](crate::archive::IgnoreRules).
    ///
    /// # Errors
    /// [`ChartError`] when the files are no chart, as Helm 4 judges them.
    pub fn from_files(files: Vec<ChartFile>) -> Result<Self, ChartError> {
        Self::from_files_as(files, Profile::Helm4)
    }

    /// The same as a certain Helm judges the files; see [`from_archive_as`](Self::from_archive_as).
    ///
    /// # Errors
    /// [`ChartError`] when the files are no chart.
    pub fn from_files_as(files: Vec<ChartFile>, profile: Profile) -> Result<Self, ChartError> {
        let mut loading = Loading {
            profile,
            allowance: &mut Allowance::default(),
        };
        load(files, 0, &mut loading)
    }
}

/// What the charts within a chart are loaded with.
struct Loading<'a> {
    profile: Profile,
    allowance: &'a mut Allowance,
}

fn load(
    files: Vec<ChartFile>,
    depth: usize,
    loading: &mut Loading<'_>,
) -> Result<Chart, ChartError> {
    if depth > MAX_CHART_DEPTH {
        return Err(ChartError::TooDeep);
    }
    let profile = loading.profile;
    let unreadable = |file: &str| {
        let file = file.to_owned();
        move |source: MetadataError| {
            if matches!(source, MetadataError::Validation(_)) {
                return ChartError::Invalid(source);
            }
            let source = source.in_words_of(profile, depth == 0 && file == "Chart.yaml");
            ChartError::Metadata { file, source }
        }
    };
    let mut metadata = None;
    for file in &files {
        if file.name == "Chart.yaml" {
            let text = file.yaml_text().map_err(MetadataError::Yaml);
            let read = text.and_then(|text| Metadata::read(&text));
            metadata = Some(read.map_err(unreadable("Chart.yaml"))?);
        }
    }
    let mut metadata = metadata.ok_or(ChartError::NoMetadata)?;
    let is_judged = profile == Profile::Helm4 && depth == 0;
    if is_judged && !matches!(metadata.api_version.as_str(), "v1" | "v2") {
        return Err(ChartError::Unsupported(metadata.api_version));
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
            "values.yaml" => {
                let text = file.yaml_text();
                raw_values = Some(match &text {
                    Ok(Cow::Borrowed(_)) => file.shared_text(),
                    Ok(Cow::Owned(text)) => text.as_str().into(),
                    Err(source) => {
                        return Err(ChartError::Values {
                            profile,
                            source: source.clone(),
                        });
                    }
                });
            }
            "values.schema.json" => schema = Some(file.shared_data()),
            name if name.starts_with("templates/") => templates.push(file),
            name => match name.strip_prefix("charts/") {
                Some(rest) if Path::new(name).extension() != Some("prov".as_ref()) => {
                    let folder = rest.split('/').next().unwrap_or(rest).to_owned();
                    let file = file.clone().renamed(rest);
                    subcharts.entry(folder).or_default().push(file);
                }
                _ => kept.push(file),
            },
        }
    }
    metadata.validate().map_err(ChartError::Invalid)?;
    let (values, first_values) = read_values(raw_values.as_deref(), profile)?;
    let children = load_subcharts(subcharts, &metadata.name, depth, loading)?;
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
        combined: CombinedDefaults::default(),
        #[cfg(feature = "schema")]
        simple_schema: OnceLock::new(),
        #[cfg(feature = "schema")]
        compiled_schema: OnceLock::new(),
        compiled: OnceLock::new(),
    })
}

/// The default values, and those of the first document where they differ.
fn read_values(text: Option<&str>, profile: Profile) -> Result<(Table, Option<Table>), ChartError> {
    let Some(text) = text else {
        return Ok((Table::new(), None));
    };
    let refused = |source| ChartError::Values { profile, source };
    let values = match (parse_table(text, Profile::Helm4), profile) {
        (Ok(values), _) => values,
        (Err(error), Profile::Helm4) => return Err(refused(error)),
        (Err(_), Profile::Helm3) => parse_table(text, profile).map_err(refused)?,
    };
    if !text.contains("\n---") {
        return Ok((values, None));
    }
    let first = parse_table(text, Profile::Helm3).map_err(refused)?;
    let first = (first != values).then_some(first);
    Ok((values, first))
}

fn load_subcharts(
    subcharts: BTreeMap<String, Vec<ChartFile>>,
    parent: &str,
    depth: usize,
    loading: &mut Loading<'_>,
) -> Result<Vec<Chart>, ChartError> {
    let mut children = Vec::new();
    for (name, files) in subcharts {
        if name.starts_with(['_', '.']) {
            continue;
        }
        let child = if Path::new(&name).extension() == Some("tgz".as_ref()) {
            let archive = files.first().filter(|file| file.name == name);
            let Some(archive) = archive else {
                let found = files
                    .first()
                    .map_or(String::new(), |file| file.name.clone());
                let parent = parent.to_owned();
                return Err(ChartError::FolderAsArchive {
                    parent,
                    name,
                    found,
                });
            };
            read_within(archive.data(), loading.allowance)
                .map_err(ChartError::InnerArchive)
                .and_then(|files| load(files, depth + 1, loading))
        } else {
            let inner = files.into_iter().filter_map(|file| {
                let (_, rest) = file.name.split_once('/')?;
                Some(file.clone().renamed(rest))
            });
            load(inner.collect(), depth + 1, loading)
        };
        children.push(child.map_err(|source| ChartError::Subchart {
            name,
            parent: parent.to_owned(),
            source: Box::new(source),
        })?);
    }
    Ok(children)
}
