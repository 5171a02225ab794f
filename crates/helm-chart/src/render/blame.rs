//! [`Blame`]: which line of which template wrote each line of output, and which values it read.
//!
//! Owns the account of one render. Refuses to guess: a line that only passed through functions
//! keeps its own template line as long as it can be recognised, and otherwise belongs to the action
//! that printed it. A render that nobody asks this of does none of the work.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tracer::Finished;
use crate::environment::SourceKind;
use crate::manifest::{Manifest, split_documents};
use crate::values::ValuePath;
use crate::{Profile, Rendered};

/// A line of a template file, or of a CRD file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct TemplateLine {
    /// The file, such as `airflow/templates/_helpers.yaml`.
    pub file: Arc<str>,
    /// The line, from one.
    pub line: u32,
}

impl std::fmt::Display for TemplateLine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}", self.file, self.line)
    }
}

/// Who wrote a line of output, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Writer {
    /// The innermost template line.
    pub at: TemplateLine,
    /// The lines that included it, the nearest first.
    pub through: Vec<TemplateLine>,
    /// The values it read, in the order of reading; those of what it included, too, where the
    /// written text cannot be told apart.
    pub reads: Vec<ValuePath>,
}

/// A line of output with its writers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlamedLine {
    /// The writer of the first visible character comes first. Never empty.
    pub writers: Vec<Writer>,
}

impl BlamedLine {
    /// The values read for any part of the line, each once.
    pub fn reads(&self) -> Vec<&ValuePath> {
        let mut reads: Vec<&ValuePath> = Vec::new();
        for path in self.writers.iter().flat_map(|writer| &writer.reads) {
            if !reads.contains(&path) {
                reads.push(path);
            }
        }
        reads
    }
}

/// A use of the clock or of randomness, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Draw {
    /// The template line that called the function.
    pub at: TemplateLine,
    /// The lines that included it, the nearest first.
    pub through: Vec<TemplateLine>,
    /// The function.
    pub function: &'static str,
    /// What it asked for.
    pub kind: SourceKind,
}

/// The account of one render, from [`Chart::render_with_blame`](crate::Chart::render_with_blame).
///
/// ```
/// use helm_chart::render::RenderOptions;
/// use helm_chart::{Chart, ChartFile, Environment, Release, Values};
///
/// let chart = Chart::from_files(vec![
///     ChartFile::new("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n"),
///     ChartFile::new("values.yaml", "image: {tag: v1}\n"),
///     ChartFile::new("templates/pod.yaml", "kind: Pod\nimage: app:{{ .Values.image.tag }}\n"),
/// ])?;
/// let release = Release::install("r", "default");
/// let (rendered, blame) = chart.render_with_blame(
///     &release,
///     &Values::default(),
///     &Environment::sealed(),
///     &RenderOptions::default(),
/// )?;
/// let lines = blame.of(&rendered.manifests()[0]);
/// assert_eq!(lines[1].writers[0].at.to_string(), "c/templates/pod.yaml:2");
/// assert_eq!(lines[1].reads()[0].to_string(), "image.tag");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blame {
    files: BTreeMap<String, BlamedFile>,
    draws: Vec<Draw>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct BlamedFile {
    lines: Vec<BlamedLine>,
    /// Each document with the index of its first line.
    documents: Vec<(String, usize)>,
}

impl Blame {
    pub(super) fn new(
        finished: BTreeMap<String, Finished>,
        draws: Vec<Draw>,
        rendered: &Rendered,
        profile: Profile,
    ) -> Self {
        let mut files = BTreeMap::new();
        for (name, lines) in finished {
            let text = rendered.files.files.get(&name).map_or("", |text| &**text);
            let mut documents = Vec::new();
            let mut from = 0;
            for document in split_documents(text, profile) {
                // Documents are parts of the text, in its order.
                let at = text[from..].find(document).map_or(from, |at| from + at);
                let line = text[..at].matches('\n').count();
                documents.push((document.to_owned(), line));
                from = at + document.len();
            }
            files.insert(name, BlamedFile { lines, documents });
        }
        let drew = |draw: &Draw| {
            // What a function may ask for by its nature, it need not have asked for.
            let template = &draw.through.last().unwrap_or(&draw.at).file;
            let mut sources = rendered.files.sources.iter();
            sources.any(|source| source.function == draw.function && *source.template == **template)
        };
        let draws = draws.into_iter().filter(drew).collect();
        Self { files, draws }
    }

    /// The lines of a rendered file, such as `airflow/templates/NOTES.txt`; none if it was not
    /// executed.
    pub fn file(&self, name: &str) -> &[BlamedLine] {
        self.files.get(name).map_or(&[], |file| &file.lines)
    }

    /// The lines of a rendered document; none if it is not of this render.
    pub fn of(&self, manifest: &Manifest) -> &[BlamedLine] {
        let Some(file) = self.files.get(manifest.source()) else {
            return &[];
        };
        let text = manifest.text();
        let found = file.documents.iter().find(|(known, _)| known == text);
        let Some((_, first)) = found else {
            return &[];
        };
        let last = (first + text.lines().count()).min(file.lines.len());
        file.lines.get(*first..last).unwrap_or_default()
    }

    /// Every use of the clock and of randomness, in order.
    pub fn draws(&self) -> &[Draw] {
        &self.draws
    }
}
