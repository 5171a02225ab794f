//! Registries and chart repositories at wire level. It owns `*.azurecr.io` (images exist or not,
//! tokens), an OCI registry for charts, and HTTP chart repositories; it refuses pushes.
//!
//! # What is not modelled
//! Layers of images: an image is a manifest, for those who ask whether it exists. Pulling a chart
//! works whole. Referrers, catalogs, deletes, uploads, cross-repository mounts.

mod charts;
mod images;
mod oci;
mod service;

pub use charts::{ChartArchive, Charts};
pub use service::mount;

#[cfg(test)]
mod tests;
