//! Helm charts: archives, dependencies, values, schema, functions, Go-dialect YAML, rendering and manifests.

pub mod json;
pub mod number;
pub mod semver;
pub mod tree;
pub mod yaml;
