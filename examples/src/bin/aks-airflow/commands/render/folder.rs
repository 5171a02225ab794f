//! An unpacked chart: its files in Helm's order, without what `.helmignore` leaves out (Helm
//! `pkg/chart/v2/loader/directory.go`).
//!
//! Links are followed, as Helm follows them; a link that leads back into the chart ends at a limit
//! of depth.

use std::path::Path;

use helm_chart::ChartFile;
use helm_chart::archive::{IgnoreRules, MAX_CHART_BYTES, MAX_FILE_BYTES};

use super::RenderCommandError;

/// Deeper folders are taken for a loop of links.
const MAX_DEPTH: usize = 64;

/// The files of the chart at `top`.
pub(super) fn read(top: &Path) -> Result<Vec<ChartFile>, RenderCommandError> {
    let rules = rules(&top.join(".helmignore"))?;
    let mut walk = Walk {
        rules,
        files: Vec::new(),
        bytes: 0,
    };
    walk.folder(top, "", 0)?;
    Ok(walk.files)
}

fn rules(path: &Path) -> Result<IgnoreRules, RenderCommandError> {
    match std::fs::read(path) {
        Ok(text) => IgnoreRules::parse(&String::from_utf8_lossy(&text)).map_err(|source| {
            RenderCommandError::Ignore {
                path: path.to_owned(),
                source,
            }
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(IgnoreRules::default()),
        Err(error) => Err(unreadable(path)(error)),
    }
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> RenderCommandError + '_ {
    |source| RenderCommandError::Read {
        path: path.to_owned(),
        source,
    }
}

struct Walk {
    rules: IgnoreRules,
    files: Vec<ChartFile>,
    bytes: u64,
}

impl Walk {
    fn folder(&mut self, folder: &Path, name: &str, depth: usize) -> Result<(), RenderCommandError> {
        if depth > MAX_DEPTH {
            return Err(RenderCommandError::TooLarge {
                path: folder.to_owned(),
            });
        }
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
            let entry = entry.map_err(unreadable(folder))?;
            entries.push(entry.file_name());
        }
        entries.sort();
        for entry in entries {
            let path = folder.join(&entry);
            let entry = entry.to_string_lossy();
            let name = match name {
                "" => entry.into_owned(),
                parent => format!("{parent}/{entry}"),
            };
            self.entry(&path, name, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: String, depth: usize) -> Result<(), RenderCommandError> {
        let metadata = std::fs::metadata(path).map_err(unreadable(path))?;
        if self.rules.ignores(&name, metadata.is_dir()) {
            return Ok(());
        }
        if metadata.is_dir() {
            return self.folder(path, &name, depth + 1);
        }
        if !metadata.is_file() {
            return Err(RenderCommandError::Irregular {
                path: path.to_owned(),
            });
        }
        self.bytes += metadata.len();
        if metadata.len() > MAX_FILE_BYTES || self.bytes > MAX_CHART_BYTES {
            return Err(RenderCommandError::TooLarge {
                path: path.to_owned(),
            });
        }
        let data = std::fs::read(path).map_err(unreadable(path))?;
        self.files.push(ChartFile::new(name, data));
        Ok(())
    }
}
