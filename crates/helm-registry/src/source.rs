//! [`ChartSource`]: the seam to places charts come from. It owns the contract and the answers; it
//! refuses to know what is in a chart.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Digest, SourceError, SourceErrorKind};

/// A place charts come from.
///
/// # Contract
/// - Every request is a read.
/// - [`versions`](Self::versions) of a chart that is not there is an empty list;
///   [`pull`](Self::pull) of one is [`SourceErrorKind::NotFound`](crate::SourceErrorKind::NotFound).
/// - What [`pull`](Self::pull) answers has the digest it says; where the source promises another
///   one, the pull fails.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait ChartSource: fmt::Debug + Send + Sync + 'static {
    /// The versions of a chart, newest first; versions that are no semantic versions come last.
    ///
    /// # Errors
    /// The source cannot be read.
    async fn versions(&self, name: String) -> Result<Vec<ChartVersion>, SourceError>;

    /// The archive of exactly this version, with the pinned digest if there is one.
    ///
    /// # Errors
    /// There is no such version, the source cannot be read, or what came is not what was promised.
    ///
    /// # Cancellation
    /// Dropping it leaves nothing behind.
    async fn pull(&self, chart: ChartRef) -> Result<Archive, SourceError>;
}

/// Exactly which chart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChartRef {
    /// The chart's name: `airflow`.
    pub name: String,
    /// The version, as its source writes it: `1.15.0`.
    pub version: String,
    /// The digest the archive must have, if it is pinned.
    pub digest: Option<Digest>,
}

impl ChartRef {
    /// A version of a chart, whatever its bytes.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            digest: None,
        }
    }

    /// The same with exactly these bytes.
    #[must_use]
    pub fn pinned(self, digest: Digest) -> Self {
        Self {
            digest: Some(digest),
            ..self
        }
    }
}

/// As `airflow 1.15.0`.
impl fmt::Display for ChartRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// One version of a chart, as its source describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChartVersion {
    /// The version, as written: `1.15.0`.
    pub version: String,
    /// The version of the app, if the source says so.
    pub app_version: Option<String>,
    /// One sentence, if the source has it.
    pub description: Option<String>,
    /// The digest the source promises, if it does.
    pub digest: Option<Digest>,
    /// When it was made, RFC 3339, if the source says so.
    pub created: Option<String>,
    /// Whether it should no longer be used.
    pub deprecated: bool,
}

/// A packaged chart.
#[derive(Clone, PartialEq, Eq)]
pub struct Archive {
    /// The bytes of the `.tgz`.
    pub bytes: Bytes,
    /// Their SHA-256.
    pub digest: Digest,
    /// Where it came from, without credentials: `https://airflow.apache.org/airflow-1.15.0.tgz`.
    pub origin: String,
}

impl Archive {
    /// An archive of these bytes.
    pub fn new(bytes: impl Into<Bytes>, origin: impl Into<String>) -> Self {
        let bytes = bytes.into();
        Self {
            digest: Digest::of(&bytes),
            bytes,
            origin: origin.into(),
        }
    }
}

impl Archive {
    /// Gives the archive out only if it has the promised digest.
    ///
    /// # Errors
    /// [`SourceErrorKind::DigestMismatch`](crate::SourceErrorKind::DigestMismatch).
    pub fn checked(self, promised: Option<Digest>, by: &str) -> Result<Self, SourceError> {
        match promised {
            Some(promised) if promised != self.digest => Err(SourceError::new(
                "pull",
                self.origin,
                SourceErrorKind::DigestMismatch {
                    promised,
                    found: self.digest,
                    by: by.to_owned(),
                },
            )),
            _ => Ok(self),
        }
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Archive({} bytes, {}, {})",
            self.bytes.len(),
            self.digest,
            self.origin
        )
    }
}
