//! From a gzipped tar to files, with the guards of Helm's `pkg/chart/loader/archive` (v4.2.4).

use std::io::{Cursor, Error, ErrorKind, Read};

use flate2::read::MultiGzDecoder;

use super::header::is_readable;
use crate::chart::ChartFile;

/// The most a chart may hold, unpacked.
pub const MAX_CHART_BYTES: u64 = 100 * 1024 * 1024;
/// The most a file of a chart may hold, unpacked.
pub const MAX_FILE_BYTES: u64 = 5 * 1024 * 1024;

/// The most a chart may hold with all archives in it, unpacked, headers included.
pub const MAX_TREE_BYTES: u64 = 4 * MAX_CHART_BYTES;
/// The most files a chart may hold with all archives in it.
pub const MAX_TREE_FILES: usize = 100_000;

/// How long the head of a gzip stream is.
const GZIP_HEADER: usize = 10;

/// An archive that is not accepted, in Helm's words.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It is no gzip stream, or no tar within.
    #[error("the archive is damaged or no gzipped tar")]
    #[diagnostic(code(aka::chart::damaged_archive))]
    Damaged(#[source] std::io::Error),
    /// It holds nothing.
    #[error("no files in chart archive")]
    #[diagnostic(code(aka::chart::empty_archive))]
    Empty,
    /// A path is absolute below the top folder.
    #[error("chart illegally contains absolute paths")]
    #[diagnostic(
        code(aka::chart::absolute_path),
        help("its entry {0:?} is absolute below the top folder; pack the chart anew")
    )]
    AbsolutePath(String),
    /// An entry has no place below a top folder.
    #[error("chart illegally contains content outside the base directory: {0:?}")]
    #[diagnostic(code(aka::chart::outside_base))]
    OutsideBase(String),
    /// A path leads out of the chart.
    #[error("chart illegally references parent directory")]
    #[diagnostic(
        code(aka::chart::parent_path),
        help("its entry {0:?} leads out of the chart; pack the chart anew")
    )]
    ParentPath(String),
    /// A path begins like a drive of Windows.
    #[error("chart contains illegally named files")]
    #[diagnostic(
        code(aka::chart::drive_path),
        help("its entry {0:?} begins like a drive; pack the chart anew")
    )]
    DrivePath(String),
    /// `Chart.yaml` is not in a folder.
    #[error("chart yaml not in base directory")]
    #[diagnostic(code(aka::chart::no_base))]
    NoBase,
    /// The chart is too large.
    #[error("decompressed chart is larger than the maximum size {MAX_CHART_BYTES}")]
    #[diagnostic(code(aka::chart::too_large))]
    TooLarge,
    /// The chart and the archives within it are too large together. Helm has no such limit.
    #[error("decompressed chart and subcharts are larger than the maximum size {MAX_TREE_BYTES}")]
    #[diagnostic(code(aka::chart::tree_too_large))]
    TreeTooLarge,
    /// There are too many files. Helm has no such limit.
    #[error("chart and subcharts hold more than {MAX_TREE_FILES} files")]
    #[diagnostic(code(aka::chart::too_many_files))]
    TooManyFiles,
    /// A file is too large.
    #[error("decompressed chart file {0:?} is larger than the maximum file size {MAX_FILE_BYTES}")]
    #[diagnostic(code(aka::chart::file_too_large))]
    FileTooLarge(String),
}

impl ArchiveError {
    /// What Helm says of an archive that it finds within a chart: the words of Go's readers.
    pub(crate) fn unpacking(&self) -> String {
        match self {
            Self::Damaged(error) if error.kind() == ErrorKind::UnexpectedEof => {
                "unexpected EOF".to_owned()
            }
            Self::Damaged(error) => error.to_string(),
            other => other.to_string(),
        }
    }
}

/// Unpacks a chart archive.
///
/// The first part of every path is dropped. Links are files without content; nothing is followed.
///
/// # Errors
/// [`ArchiveError`] when the archive is damaged, breaks a limit or holds a path it must not.
pub fn read_archive(bytes: &[u8]) -> Result<Vec<ChartFile>, ArchiveError> {
    read_within(bytes, &mut Allowance::default())
}

/// The file `Chart.yaml` of a chart archive, which is read no further than to it: `helm package` writes
/// it first, and what follows may be megabytes. `None` if the archive holds none.
///
/// # Errors
/// As [`read_archive`], for what comes before the file.
pub fn read_chart_yaml(bytes: &[u8]) -> Result<Option<ChartFile>, ArchiveError> {
    let is_it = |file: &ChartFile| file.name == "Chart.yaml";
    let files = read_until(bytes, &mut Allowance::default(), is_it)?;
    Ok(files.into_iter().next_back().filter(is_it))
}

/// What a chart may still hold, archives within archives included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    bytes: u64,
    files: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            bytes: MAX_TREE_BYTES,
            files: MAX_TREE_FILES,
        }
    }
}

/// Unpacks an archive within what is left of an allowance.
pub(crate) fn read_within(
    bytes: &[u8],
    allowance: &mut Allowance,
) -> Result<Vec<ChartFile>, ArchiveError> {
    read_until(bytes, allowance, |_| false)
}

/// Unpacks an archive up to its end or to the file that is the last wanted.
fn read_until(
    bytes: &[u8],
    allowance: &mut Allowance,
    is_last: impl Fn(&ChartFile) -> bool,
) -> Result<Vec<ChartFile>, ArchiveError> {
    if bytes.len() >= GZIP_HEADER && !bytes.starts_with(&[0x1F, 0x8B, 8]) {
        return Err(ArchiveError::Damaged(Error::other("gzip: invalid header")));
    }
    // Headers and padding do not count as content, yet they are bounded, too.
    let limit = allowance.bytes.min(2 * MAX_CHART_BYTES);
    let stream = MultiGzDecoder::new(Cursor::new(bytes)).take(limit);
    let mut archive = tar::Archive::new(stream);
    let files = read_files(&mut archive, &mut allowance.files, is_last);
    let left = archive.into_inner().limit();
    allowance.bytes -= limit - left;
    if allowance.bytes == 0 {
        return Err(ArchiveError::TreeTooLarge);
    }
    files
}

fn read_files(
    archive: &mut tar::Archive<impl Read>,
    allowed: &mut usize,
    is_last: impl Fn(&ChartFile) -> bool,
) -> Result<Vec<ChartFile>, ArchiveError> {
    let mut remaining = MAX_CHART_BYTES;
    let mut files = Vec::new();
    let mut data = Vec::new();
    for entry in archive.entries().map_err(ArchiveError::Damaged)? {
        let mut entry = entry.map_err(ArchiveError::Damaged)?;
        let raw = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let header = entry.header();
        if !is_readable(header) {
            let error = Error::other("archive/tar: invalid tar header");
            return Err(ArchiveError::Damaged(error));
        }
        let kind = header.entry_type();
        if is_folder(header, &raw)
            || kind.is_pax_global_extensions()
            || kind.is_pax_local_extensions()
        {
            continue;
        }
        let name = inner_path(&raw)?;
        let declared = entry.size();
        // Whatever it declares, Go reads nothing of what is no file.
        let has_content = !(kind.is_hard_link()
            || kind.is_symlink()
            || kind.is_character_special()
            || kind.is_block_special()
            || kind.is_fifo());
        if declared > remaining || declared > 0 && !has_content {
            return Err(ArchiveError::TooLarge);
        }
        if declared > MAX_FILE_BYTES {
            return Err(ArchiveError::FileTooLarge(raw));
        }
        data.clear();
        entry
            .by_ref()
            .take(remaining)
            .read_to_end(&mut data)
            .map_err(ArchiveError::Damaged)?;
        remaining -= data.len() as u64;
        if (data.len() as u64) < declared || remaining == 0 {
            return Err(ArchiveError::TooLarge);
        }
        *allowed = allowed.checked_sub(1).ok_or(ArchiveError::TooManyFiles)?;
        let file = ChartFile::new(name, &data);
        let ends = is_last(&file);
        files.push(file);
        if ends {
            break;
        }
    }
    if files.is_empty() {
        Err(ArchiveError::Empty)
    } else {
        Ok(files)
    }
}

/// Whether Go takes an entry for a folder: by its kind, by the bits of its mode, or, where the kind is
/// left empty as in the oldest archives, by the slash at its end.
fn is_folder(header: &tar::Header, path: &str) -> bool {
    const KIND_OF_FILE: u32 = !0o7777;
    const FOLDER: u32 = 0o40_000;
    let is_oldest = header.as_old().linkflag == [0];
    header.entry_type().is_dir()
        || header
            .mode()
            .is_ok_and(|mode| mode & KIND_OF_FILE == FOLDER)
        || is_oldest && path.ends_with('/')
}

/// The path below the top folder, cleaned and guarded.
fn inner_path(raw: &str) -> Result<String, ArchiveError> {
    let delimiter = if raw.contains('\\') { '\\' } else { '/' };
    let (top, rest) = raw.split_once(delimiter).unwrap_or((raw, ""));
    let rest = rest.replace(delimiter, "/");
    if rest.starts_with('/') {
        return Err(ArchiveError::AbsolutePath(raw.to_owned()));
    }
    let name = clean_path(&rest);
    if name == "." {
        return Err(ArchiveError::OutsideBase(raw.to_owned()));
    }
    if name.starts_with("..") {
        return Err(ArchiveError::ParentPath(raw.to_owned()));
    }
    if matches!(name.as_bytes(), [drive, b':', b'/', ..] if drive.is_ascii_alphabetic()) {
        return Err(ArchiveError::DrivePath(raw.to_owned()));
    }
    if top == "Chart.yaml" {
        return Err(ArchiveError::NoBase);
    }
    Ok(name)
}

/// The shortest path that names the same place, as Go's `path.Clean`.
pub fn clean_path(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(last) if *last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(part),
            },
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowance, ArchiveError, clean_path, inner_path, read_within};
    use crate::ChartFile;
    use crate::archive::write_archive;

    #[test]
    fn archives_within_archives_share_one_allowance() {
        let metadata = "apiVersion: v2\nname: c\nversion: 1.0.0\n";
        let zeros = ChartFile::new("zeros", vec![0; 40_000]);
        let chart = crate::Chart::from_files(vec![ChartFile::new("Chart.yaml", metadata), zeros]);
        let archive = write_archive(&chart.unwrap(), 0).unwrap();
        let mut allowance = Allowance {
            bytes: 100_000,
            files: 5,
        };
        assert_eq!(read_within(&archive, &mut allowance).unwrap().len(), 2);
        assert_eq!(read_within(&archive, &mut allowance).unwrap().len(), 2);
        let error = read_within(&archive, &mut allowance).unwrap_err();
        assert!(matches!(error, ArchiveError::TreeTooLarge), "{error}");
        allowance.bytes = 100_000;
        let error = read_within(&archive, &mut allowance).unwrap_err();
        assert!(matches!(error, ArchiveError::TooManyFiles), "{error}");
    }

    #[test]
    fn paths_are_cleaned_and_guarded() {
        for (path, clean) in [
            ("a/./b//c/..", "a/b"),
            ("", "."),
            ("../a", "../a"),
            ("/..", "/"),
            ("a/../..", ".."),
        ] {
            assert_eq!(clean_path(path), clean);
        }
        let refused = |path: &str| inner_path(path).unwrap_err().to_string();
        assert_eq!(
            inner_path("top/templates/a.yaml").unwrap(),
            "templates/a.yaml"
        );
        assert_eq!(
            inner_path("top\\templates\\a.yaml").unwrap(),
            "templates/a.yaml"
        );
        assert_eq!(
            refused("top//etc/passwd"),
            "chart illegally contains absolute paths"
        );
        assert_eq!(
            refused("top/../../x"),
            "chart illegally references parent directory"
        );
        assert_eq!(
            refused("alone"),
            "chart illegally contains content outside the base directory: \"alone\""
        );
        assert_eq!(refused("top/c:/x"), "chart contains illegally named files");
    }
}
