//! [`Folder`]: archives and chart folders on disk. It owns the walk, `.helmignore` and what links
//! may do; it refuses to leave the folder.

use std::fs;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use helm_chart::archive::{IgnoreRules, MAX_CHART_BYTES, MAX_FILE_BYTES, write_archive};
use helm_chart::chart::Metadata;
use helm_chart::{Chart, ChartFile};

use crate::memory::{describe, not_found, of_metadata};
use crate::resolve::newest_first;
use crate::{Archive, ChartRef, ChartSource, ChartVersion, SourceError, SourceErrorKind};

/// How deep folders may be nested.
const DEPTH: usize = 32;

/// Charts in a folder: archives (`*.tgz`) and chart folders directly in it, or the folder itself if
/// it is a chart.
///
/// A chart folder is packaged as it is read. Links within a chart are followed as long as they stay
/// within it; one that leads out is an error, unlike in Helm, which follows it.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

/// One chart that was found.
struct Found {
    name: String,
    version: ChartVersion,
    path: PathBuf,
}

impl Folder {
    /// The charts in `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Every chart of this name. What cannot be read stops only if it must be this chart.
    fn find(&self, name: &str) -> Result<Vec<Found>, SourceError> {
        if self.path.join("Chart.yaml").is_file() {
            let found = chart_folder(&self.path)?;
            return Ok(Some(found)
                .filter(|one| one.name == name)
                .into_iter()
                .collect());
        }
        let mut found = Vec::new();
        let entries = fs::read_dir(&self.path).map_err(unreadable(&self.path))?;
        for entry in entries {
            let path = entry.map_err(unreadable(&self.path))?.path();
            let file_name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_archive = path.extension().is_some_and(|extension| extension == "tgz");
            let one = if is_archive && file_name.starts_with(name) {
                archive_file(&path)?
            } else if !is_archive && path.join("Chart.yaml").is_file() {
                chart_folder(&path)?
            } else {
                continue;
            };
            if one.name == name {
                found.push(one);
            }
        }
        Ok(found)
    }

    fn pull_now(&self, chart: &ChartRef) -> Result<Archive, SourceError> {
        let found = self.find(&chart.name)?;
        let Some(one) = found
            .iter()
            .find(|one| one.version.version == chart.version)
        else {
            let mut versions: Vec<ChartVersion> =
                found.into_iter().map(|one| one.version).collect();
            newest_first(&mut versions);
            let folder = self.path.display().to_string();
            return Err(not_found(&folder, chart, &versions));
        };
        let origin = one.path.display().to_string();
        let bytes = if one.path.is_dir() {
            package(&one.path)?
        } else {
            read_file(&one.path, MAX_CHART_BYTES)?
        };
        Archive::new(bytes, origin).checked(chart.digest, "the pin")
    }
}

#[async_trait]
impl ChartSource for Folder {
    async fn versions(&self, name: String) -> Result<Vec<ChartVersion>, SourceError> {
        let folder = self.clone();
        blocking(move || {
            let found = folder.find(&name)?;
            let mut versions: Vec<ChartVersion> =
                found.into_iter().map(|one| one.version).collect();
            newest_first(&mut versions);
            Ok(versions)
        })
        .await
    }

    async fn pull(&self, chart: ChartRef) -> Result<Archive, SourceError> {
        let folder = self.clone();
        blocking(move || folder.pull_now(&chart)).await
    }
}

/// Reads a chart folder's files, as they would be packaged: without what `.helmignore` names.
///
/// # Errors
/// A file that cannot be read or is too large, a link that leads out of the folder, a `.helmignore`
/// that Helm would refuse.
pub fn read_chart_folder(path: &Path) -> Result<Vec<ChartFile>, SourceError> {
    let root = path.canonicalize().map_err(unreadable(path))?;
    let rules = match fs::read_to_string(root.join(".helmignore")) {
        Ok(text) => IgnoreRules::parse(&text).map_err(|error| invalid(path, error.to_string()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => IgnoreRules::default(),
        Err(error) => return Err(unreadable(&root.join(".helmignore"))(error)),
    };
    let mut walk = Walk {
        root,
        rules,
        files: Vec::new(),
        left: MAX_CHART_BYTES,
    };
    walk.folder("", 0)?;
    Ok(walk.files)
}

struct Walk {
    root: PathBuf,
    rules: IgnoreRules,
    files: Vec<ChartFile>,
    left: u64,
}

impl Walk {
    fn folder(&mut self, inside: &str, depth: usize) -> Result<(), SourceError> {
        let path = self.root.join(inside);
        if depth > DEPTH {
            return Err(invalid(
                &path,
                format!("folders are nested deeper than {DEPTH}"),
            ));
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(unreadable(&path))? {
            names.push(entry.map_err(unreadable(&path))?.file_name());
        }
        names.sort();
        for name in names {
            let Some(name) = name.to_str() else {
                return Err(invalid(&path, "a file name is no UTF-8".into()));
            };
            let inside = if inside.is_empty() {
                name.to_owned()
            } else {
                format!("{inside}/{name}")
            };
            self.entry(&inside, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, inside: &str, depth: usize) -> Result<(), SourceError> {
        let path = self.root.join(inside);
        let real = path.canonicalize().map_err(unreadable(&path))?;
        if !real.starts_with(&self.root) {
            let why = format!("it is a link to {}, outside of the chart", real.display());
            return Err(invalid(&path, why));
        }
        let about = fs::metadata(&real).map_err(unreadable(&path))?;
        if self.rules.ignores(inside, about.is_dir()) {
            return Ok(());
        }
        if about.is_dir() {
            return self.folder(inside, depth + 1);
        }
        if !about.is_file() {
            return Err(invalid(&path, "it is neither a file nor a folder".into()));
        }
        let data = read_file(&real, MAX_FILE_BYTES.min(self.left))?;
        self.left -= data.len() as u64;
        self.files.push(ChartFile::new(inside, data));
        Ok(())
    }
}

fn package(path: &Path) -> Result<Vec<u8>, SourceError> {
    let files = read_chart_folder(path)?;
    let chart = Chart::from_files(files).map_err(|error| invalid(path, error.to_string()))?;
    write_archive(&chart, 0).map_err(|error| invalid(path, error.to_string()))
}

fn chart_folder(path: &Path) -> Result<Found, SourceError> {
    let file = path.join("Chart.yaml");
    let text = read_file(&file, MAX_FILE_BYTES)?;
    let metadata = Metadata::parse(&String::from_utf8_lossy(&text))
        .map_err(|error| invalid(&file, error.to_string()))?;
    Ok(Found {
        name: metadata.name.clone(),
        version: of_metadata(&metadata, None),
        path: path.to_owned(),
    })
}

fn archive_file(path: &Path) -> Result<Found, SourceError> {
    let bytes = read_file(path, MAX_CHART_BYTES)?;
    let (name, version) = describe(&bytes).map_err(|error| {
        let kind = SourceErrorKind::NoChart(error);
        SourceError::new("read", path.display().to_string(), kind)
    })?;
    Ok(Found {
        name,
        version,
        path: path.to_owned(),
    })
}

fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, SourceError> {
    let size = fs::metadata(path).map_err(unreadable(path))?.len();
    if size > limit {
        let kind = SourceErrorKind::TooLarge { limit };
        return Err(SourceError::new("read", path.display().to_string(), kind));
    }
    fs::read(path).map_err(unreadable(path))
}

fn invalid(path: &Path, why: String) -> SourceError {
    let kind = SourceErrorKind::Answer { why };
    SourceError::new("read", path.display().to_string(), kind)
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> SourceError + use<> {
    let path = path.display().to_string();
    move |source| {
        let kind = SourceErrorKind::File {
            path: path.clone(),
            what: "read",
            source,
        };
        SourceError::new("read", path.clone(), kind)
    }
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
