//! Where charts come from: repositories by address, or a folder of archives. It owns the choice; it
//! refuses to look into a chart.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use helm_registry::{
    Cached, ChartSource, Folder, HttpOptions, HttpRepository, OciOptions, OciRepository,
    SourceError, SourceErrorKind,
};
use orchestrate::{ChartLibrary, OneSource};

/// A folder of archives and chart folders, whatever the address.
pub(crate) fn folder(folder: &Path) -> Arc<dyn ChartLibrary> {
    Arc::new(OneSource(Arc::new(Folder::new(folder))))
}

/// Repositories by address; with a cache, archives are kept there.
pub(crate) fn library(charts: Option<&Path>, cache: Option<&Path>) -> Arc<dyn ChartLibrary> {
    match charts {
        Some(charts) => folder(charts),
        None => Arc::new(Published {
            cache: cache.map(Path::to_path_buf),
        }),
    }
}

/// Published repositories.
#[derive(Debug)]
struct Published {
    cache: Option<PathBuf>,
}

impl ChartLibrary for Published {
    fn source(&self, repository: &str) -> Result<Arc<dyn ChartSource>, SourceError> {
        let source = source(repository)?;
        Ok(match &self.cache {
            Some(folder) => Arc::new(Cached::new(source, folder.clone())),
            None => source,
        })
    }
}

/// The source at an address: `https://…`, `oci://…` or a folder.
pub(crate) fn source(address: &str) -> Result<Arc<dyn ChartSource>, SourceError> {
    if address.starts_with("oci://") {
        return Ok(Arc::new(OciRepository::new(
            address,
            OciOptions::default(),
        )?));
    }
    if address.starts_with("http://") || address.starts_with("https://") {
        return Ok(Arc::new(HttpRepository::new(
            address,
            HttpOptions::default(),
        )?));
    }
    if Path::new(address).is_dir() {
        return Ok(Arc::new(Folder::new(address)));
    }
    let why = "it is neither `https://…` nor `oci://…` nor a folder".to_owned();
    Err(SourceError::new(
        "use",
        address,
        SourceErrorKind::Invalid { why },
    ))
}
