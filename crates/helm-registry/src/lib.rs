//! Chart sources as a seam: HTTP index, OCI, folder and memory, with a content cache and checked
//! digests.
//!
//! [`ChartSource`] is what the rest of the project talks to; [`resolve`] turns a constraint into a
//! version. Unlike Helm, every digest a source promises is checked against the bytes. This crate
//! alone names `oci-client`.

mod cache;
mod digest;
mod error;
mod folder;
mod http;
mod index;
mod login;
mod memory;
mod oci;
mod pinned;
mod resolve;
mod source;
mod transport;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use cache::Cached;
pub use digest::{Digest, InvalidDigest};
pub use error::{SourceError, SourceErrorKind};
pub use folder::{Folder, read_chart_folder};
pub use http::{HttpOptions, HttpRepository};
pub use index::{Index, InvalidIndex};
pub use login::{azure_login, docker_login};
pub use memory::MemoryCharts;
pub use oci::{OciOptions, OciRepository};
pub use pinned::Pinned;
pub use resolve::{Wanted, resolve};
#[cfg(any(test, feature = "mock"))]
pub use source::MockChartSource;
pub use source::{Archive, ChartRef, ChartSource, ChartVersion};
pub use transport::{Login, TransportOptions};
