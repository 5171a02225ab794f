//! Packaged charts: reading an archive within Helm's limits, writing one, and the rules of
//! `.helmignore`. Works on bytes in memory; nothing here touches a file system.

mod header;
mod ignore;
mod pattern;
mod read;
mod write;

pub use ignore::{IgnoreError, IgnoreRules};
pub use pattern::path_matches;
pub(crate) use read::{Allowance, read_within};
pub use read::{
    ArchiveError, MAX_CHART_BYTES, MAX_FILE_BYTES, MAX_TREE_BYTES, MAX_TREE_FILES, clean_path,
    read_archive, read_chart_yaml,
};
pub use write::{PackageError, write_archive};
