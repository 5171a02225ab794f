//! Helm charts: archives, dependencies, values, schema, functions, Go-dialect YAML, rendering and manifests.

pub mod archive;
mod capabilities;
pub mod chart;
mod environment;
pub mod functions;
pub mod json;
pub mod manifest;
pub mod number;
mod profile;
mod release;
pub mod render;
#[cfg(feature = "schema")]
pub mod schema;
pub mod semver;
pub mod tree;
pub mod values;
pub mod yaml;

pub use capabilities::{Capabilities, HelmVersion, KubeVersion, KubeVersionError};
pub use chart::{Chart, ChartFile};
pub use environment::{Environment, Source, SourceKind, Tape};
pub use profile::Profile;
pub use release::{Operation, Release};
pub use values::Values;
