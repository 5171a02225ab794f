//! Helm charts: archives, dependencies, values, schema, functions, Go-dialect YAML, rendering and manifests.

mod environment;
pub mod functions;
pub mod json;
pub mod number;
pub mod semver;
pub mod tree;
pub mod yaml;

pub use environment::{Environment, Source, SourceKind, Tape};
