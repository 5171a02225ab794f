//! Where the chart comes from: a folder, an archive, or a chart source.

use std::path::Path;

use helm_chart::Chart;

use super::{RenderCommandError, folder};
use crate::cli::RenderArgs;

/// The chart the command line names. What is on disk wins over a repository, as with Helm.
pub(super) async fn load(args: &RenderArgs) -> Result<Chart, RenderCommandError> {
    local(&args.chart)
}

fn local(name: &str) -> Result<Chart, RenderCommandError> {
    let path = Path::new(name);
    let unreadable = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => RenderCommandError::ChartNotFound {
            chart: name.to_owned(),
        },
        _ => RenderCommandError::Read {
            path: path.to_owned(),
            source,
        },
    };
    let is_folder = std::fs::metadata(path).map_err(unreadable)?.is_dir();
    let loaded = if is_folder {
        Chart::from_files(folder::read(path)?)
    } else {
        Chart::from_archive(&std::fs::read(path).map_err(unreadable)?)
    };
    loaded.map_err(|source| RenderCommandError::Chart {
        chart: name.to_owned(),
        source,
    })
}
