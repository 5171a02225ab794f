//! Helm charts: archives, dependencies, values, schema, functions, Go-dialect YAML, rendering and manifests.
