//! [`Cached`]: archives kept on disk by their digest. It owns the folder's layout; it refuses to
//! trust what it reads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::fs;

use crate::{Archive, ChartRef, ChartSource, ChartVersion, Digest, SourceError, SourceErrorKind};

/// A source whose archives are kept in a folder by SHA-256: `<first 2 digits>/<digest>.tgz`.
///
/// A chart with a known digest is read from the folder without any request; what is read is
/// checked, and fetched anew if it was damaged. A folder that cannot be written costs the cache,
/// not the pull.
#[derive(Debug, Clone)]
pub struct Cached {
    source: Arc<dyn ChartSource>,
    folder: PathBuf,
}

impl Cached {
    /// Keeps the archives of `source` in `folder`, which is made when it is needed.
    pub fn new(source: Arc<dyn ChartSource>, folder: impl Into<PathBuf>) -> Self {
        Self {
            source,
            folder: folder.into(),
        }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.folder.join(&hex[..2]).join(format!("{hex}.tgz"))
    }

    async fn read(&self, digest: Digest) -> Option<Archive> {
        let path = self.path(&digest);
        let bytes = fs::read(&path).await.ok()?;
        let archive = Archive::new(bytes, format!("cache:{digest}"));
        if archive.digest == digest {
            return Some(archive);
        }
        tracing::warn!(path = %path.display(), "a cached chart is damaged and fetched anew");
        None
    }

    /// Writes beside and renames: a reader sees a whole archive or none.
    async fn write(&self, archive: &Archive) -> Result<(), SourceError> {
        let path = self.path(&archive.digest);
        if fs::try_exists(&path).await.unwrap_or(false) && self.read(archive.digest).await.is_some()
        {
            return Ok(());
        }
        let parent = path.parent().unwrap_or(&self.folder);
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |source| {
                let kind = SourceErrorKind::File {
                    path: path.clone(),
                    what: "written",
                    source,
                };
                SourceError::new("keep", path, kind)
            }
        };
        fs::create_dir_all(parent).await.map_err(failed(parent))?;
        let beside = path.with_extension(format!("{}.part", std::process::id()));
        fs::write(&beside, &archive.bytes)
            .await
            .map_err(failed(&beside))?;
        fs::rename(&beside, &path).await.map_err(failed(&path))
    }
}

#[async_trait]
impl ChartSource for Cached {
    async fn versions(&self, name: String) -> Result<Vec<ChartVersion>, SourceError> {
        self.source.versions(name).await
    }

    async fn pull(&self, chart: ChartRef) -> Result<Archive, SourceError> {
        if let Some(digest) = chart.digest
            && let Some(archive) = self.read(digest).await
        {
            return Ok(archive);
        }
        let archive = self.source.pull(chart).await?;
        if let Err(error) = self.write(&archive).await {
            tracing::warn!(%error, "a chart is not cached");
        }
        Ok(archive)
    }
}
