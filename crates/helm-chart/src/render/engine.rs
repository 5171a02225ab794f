//! [`Engine`]: the templates of a chart tree, parsed once, and the order in which they run.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt::Write as _;

use go_text_template::{Templates, TextCache};

use super::error::RenderError;
use super::late;
use crate::Profile;
use crate::chart::{ChartFile, ResolvedChart};
use crate::manifest::LastText;

/// The parsed templates of one chart tree; `Send + Sync`.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) templates: Templates,
    pub(super) texts: TextCache,
    /// In the order of execution, partials left out.
    pub(super) files: Vec<TemplateFile>,
    by_name: HashMap<String, usize>,
}

/// A file under `templates/` that is executed.
#[derive(Debug)]
pub(super) struct TemplateFile {
    /// `.Template.Name`.
    pub(super) name: String,
    /// `.Template.BasePath`.
    pub(super) base_path: String,
    /// Which chart it belongs to, counted depth first.
    pub(super) chart: usize,
    /// What it rendered to the last time.
    pub(super) last: LastText,
}

impl Engine {
    /// Parses all templates of a tree, in Helm's order: deepest path first, within one depth
    /// reverse alphabetical; a later definition replaces an earlier one.
    pub(super) fn compile(root: &ResolvedChart<'_>, profile: Profile) -> Result<Self, RenderError> {
        let mut sources = Vec::new();
        collect(root, root.name(), &mut 0, &mut sources);
        sources.sort_by(|(left, _), (right, _)| order(&left.name).cmp(&order(&right.name)));
        let mut templates = Templates::new(late::functions(profile));
        let mut files = Vec::new();
        for (file, source) in sources {
            templates
                .parse(&file.name, source.shared_text())
                .map_err(RenderError::parse)?;
            if !base_name(&file.name).starts_with('_') {
                files.push(file);
            }
        }
        let by_name = files.iter().enumerate();
        let by_name = by_name.map(|(index, file)| (file.name.clone(), index));
        Ok(Self {
            templates,
            texts: TextCache::new(),
            by_name: by_name.collect(),
            files,
        })
    }

    /// What the file of this name rendered to the last time.
    pub(super) fn last(&self, name: &str) -> Option<&LastText> {
        let index = self.by_name.get(name)?;
        self.files.get(*index).map(|file| &file.last)
    }

    /// A text that is equal for trees with the same templates under the same names.
    pub(super) fn signature(root: &ResolvedChart<'_>, profile: Profile) -> String {
        let mut out = format!("{profile:?}");
        sign(root, &mut out);
        out
    }
}

fn sign(chart: &ResolvedChart<'_>, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "/{}={}@{}(",
        chart.name(),
        chart.chart().name(),
        chart.chart().version()
    );
    chart.children().iter().for_each(|child| sign(child, out));
    out.push(')');
}

fn order(name: &str) -> Reverse<(usize, &str)> {
    Reverse((name.bytes().filter(|byte| *byte == b'/').count(), name))
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn collect<'c>(
    chart: &ResolvedChart<'c>,
    path: &str,
    count: &mut usize,
    sources: &mut Vec<(TemplateFile, &'c ChartFile)>,
) {
    let index = *count;
    *count += 1;
    for file in chart.chart().templates() {
        if chart.chart().is_library() && !file.base_name().starts_with('_') {
            continue;
        }
        let name = format!("{path}/{}", file.name);
        let file_of = TemplateFile {
            name,
            base_path: format!("{path}/templates"),
            chart: index,
            last: LastText::default(),
        };
        sources.push((file_of, file));
    }
    for child in chart.children() {
        collect(
            child,
            &format!("{path}/charts/{}", child.name()),
            count,
            sources,
        );
    }
}
