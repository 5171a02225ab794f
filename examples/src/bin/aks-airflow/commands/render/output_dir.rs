//! `--output-dir`: one file per template, and a line for each write, as Helm leaves them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use helm_chart::manifest::{HookEvent, Manifests, TextOptions};

use super::RenderCommandError;

/// Writes documents under `folder` and answers with what Helm says while it does.
///
/// The first object of a template replaces the file, further ones and hooks follow it.
pub(super) fn write(
    folder: &Path,
    manifests: &Manifests,
    options: TextOptions,
) -> Result<String, RenderCommandError> {
    let mut said = String::new();
    let mut written = BTreeSet::new();
    let mut put = |source: &str, text: &str, keep: bool| {
        let append = written.replace(source.to_owned()).is_some() || keep;
        let path = format!("{}/{source}", folder.display());
        let _ = writeln!(said, "wrote {path}");
        let put = document(Path::new(&path), source, text, append);
        put.map_err(|error| RenderCommandError::Write {
            path: path.into(),
            source: error,
        })
    };
    if options.include_crds {
        for (source, text) in &manifests.crds {
            put(source, text, false)?;
        }
    }
    for object in &manifests.objects {
        put(object.source(), object.text(), false)?;
    }
    if !options.no_hooks {
        for hook in &manifests.hooks {
            if !(options.skip_tests && hook.events.contains(&HookEvent::Test)) {
                // Helm appends to whatever is there, from this run or an earlier one.
                put(&hook.path, hook.manifest.text(), true)?;
            }
        }
    }
    Ok(said)
}

fn document(path: &Path, source: &str, text: &str, append: bool) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .append(append)
        .truncate(!append)
        .open(path)?;
    write!(file, "---\n# Source: {source}\n{text}\n")
}
