//! Charts: what an archive or folder holds, what `Chart.yaml` says, and which subcharts take part.

mod defaults;
mod file;
mod import;
mod load;
mod metadata;
mod resolve;

use std::sync::{Arc, OnceLock};

pub use file::ChartFile;
pub(crate) use import::child_and_parent;
pub use load::ChartError;
pub use metadata::{Dependency, Lock, Maintainer, Metadata, MetadataError};
pub use resolve::{DependencyError, Resolved, ResolvedChart};

use crate::Profile;
use crate::semver::{Constraint, Version};
use crate::values::Table;

/// A chart as it was packaged, with its subcharts; immutable, `Send` and `Sync`.
#[derive(Debug)]
pub struct Chart {
    metadata: Metadata,
    lock: Option<Lock>,
    values: Table,
    /// The values of the first document, where `values.yaml` holds several.
    first_values: Option<Table>,
    raw_values: Option<Arc<str>>,
    schema: Option<Arc<[u8]>>,
    templates: Vec<ChartFile>,
    files: Vec<ChartFile>,
    children: Vec<Chart>,
    combined: defaults::CombinedDefaults,
    #[cfg(feature = "schema")]
    pub(crate) simple_schema: OnceLock<Option<crate::schema::SimpleSchema>>,
    #[cfg(feature = "schema")]
    pub(crate) compiled_schema: OnceLock<Result<crate::schema::Compiled, String>>,
    /// What rendering compiles once per chart.
    pub(crate) compiled: OnceLock<Arc<dyn std::any::Any + Send + Sync>>,
}

impl Chart {
    /// What `Chart.yaml` says.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Name of the chart.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Version of the chart, as written.
    pub fn version(&self) -> &str {
        &self.metadata.version
    }

    /// Version of the application, empty where not given.
    pub fn app_version(&self) -> &str {
        &self.metadata.app_version
    }

    /// Whether the chart only serves others and cannot be installed.
    pub fn is_library(&self) -> bool {
        self.metadata.chart_type == "library"
    }

    /// What `Chart.lock` says.
    pub fn lock(&self) -> Option<&Lock> {
        self.lock.as_ref()
    }

    /// The chart's own default values; numbers are floats, as Helm reads them.
    pub fn values(&self, profile: Profile) -> &Table {
        match (&self.first_values, profile) {
            (Some(first), Profile::Helm3) => first,
            _ => &self.values,
        }
    }

    /// The text of `values.yaml`.
    pub fn raw_values(&self) -> Option<&str> {
        self.raw_values.as_deref()
    }

    /// The bytes of `values.schema.json`.
    pub fn schema(&self) -> Option<&[u8]> {
        self.schema.as_deref()
    }

    /// The files under `templates/`, in the order of the archive.
    pub fn templates(&self) -> &[ChartFile] {
        &self.templates
    }

    /// What templates see as `.Files`, in the order of the archive.
    pub fn files(&self) -> &[ChartFile] {
        &self.files
    }

    /// The charts under `charts/`, sorted by name of folder or archive.
    ///
    /// Helm's order is random where `Chart.yaml` does not list them.
    pub fn children(&self) -> &[Chart] {
        &self.children
    }

    /// The files under `crds/` that hold manifests.
    pub fn crds(&self) -> impl Iterator<Item = &ChartFile> {
        self.files.iter().filter(|file| file.is_crd())
    }

    /// Dependencies `Chart.yaml` lists that are not under `charts/`.
    pub fn missing_dependencies(&self) -> Vec<&str> {
        let present = |name: &str| self.children.iter().any(|child| child.name() == name);
        let listed = self.metadata.dependencies.iter().flatten();
        listed
            .map(|dependency| dependency.name.as_str())
            .filter(|name| !present(name))
            .collect()
    }

    /// Whether the chart's `kubeVersion` allows `version`; a chart without one allows all.
    pub fn allows_kubernetes(&self, version: &str) -> bool {
        self.metadata.kube_version.is_empty() || is_compatible(&self.metadata.kube_version, version)
    }
}

/// Whether `version` satisfies `constraint`; what cannot be read is not compatible.
pub fn is_compatible(constraint: &str, version: &str) -> bool {
    match (Constraint::parse(constraint), Version::parse(version)) {
        (Ok(constraint), Ok(version)) => constraint.matches(&version),
        _ => false,
    }
}
