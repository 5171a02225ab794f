//! Chart sources as a seam: HTTP index, OCI, folder and memory, with a content cache and checked
//! digests.
//!
//! [`ChartSource`] is what the rest of the project talks to. Unlike Helm, every digest a source
//! promises is checked against the bytes. This crate alone names `oci-client`.

mod digest;
mod error;
mod source;

pub use digest::{Digest, InvalidDigest};
pub use error::{SourceError, SourceErrorKind};
#[cfg(any(test, feature = "mock"))]
pub use source::MockChartSource;
pub use source::{Archive, ChartSource, ChartVersion};
