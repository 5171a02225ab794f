//! `--why`: beside each line of output, the template line that wrote it and the values it read, each
//! with who set it.
//!
//! Owns the two forms, a page for people and a document for programs. What it tells comes from
//! [`helm_chart::render::Blame`] and [`helm_chart::values::Origins`].

use std::fmt::Write as _;

use helm_chart::manifest::{HookEvent, Manifest};
use helm_chart::render::{Blame, BlamedLine, Rendered};
use helm_chart::values::{Origin, Origins};
use serde_json::{Value, json};

use super::RenderCommandError;
use crate::cli::RenderArgs;

/// The page, and the same as JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Why {
    pub(crate) text: String,
    pub(crate) json: Value,
}

/// Which objects: all, those of a kind, or one.
struct Wanted<'a> {
    kind: &'a str,
    name: &'a str,
}

impl<'a> Wanted<'a> {
    fn parse(text: &'a str) -> Self {
        let (kind, name) = text.split_once('/').unwrap_or((text, ""));
        Self { kind, name }
    }

    fn matches(&self, object: &Manifest) -> bool {
        let same = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        (self.kind.is_empty() || self.kind.eq_ignore_ascii_case(object.kind()))
            && same(self.name, object.name())
    }
}

/// Explains the objects that `wanted` names: `KIND/NAME`, `KIND`, or nothing for all.
pub(super) fn why(
    args: &RenderArgs,
    wanted: &str,
    rendered: &Rendered,
    blame: &Blame,
    origins: &Origins,
) -> Result<Why, RenderCommandError> {
    let wanted_objects = Wanted::parse(wanted);
    let hooks = rendered.hooks().iter().filter(|hook| {
        let tests = hook.events.contains(&HookEvent::Test);
        !(args.no_hooks || args.skip_tests && tests)
    });
    let objects = rendered
        .manifests()
        .iter()
        .chain(hooks.map(|hook| &hook.manifest))
        .filter(|object| wanted_objects.matches(object));
    let (mut text, mut documents) = (String::new(), Vec::new());
    for object in objects {
        let lines = blame.of(object);
        page(object, lines, origins, &mut text);
        documents.push(json!({
            "source": object.source(),
            "kind": object.kind(),
            "name": object.name(),
            "lines": object.text().lines().zip(lines).map(|(text, line)| entry(text, line, origins)).collect::<Vec<_>>(),
        }));
    }
    if documents.is_empty() {
        let object = wanted.to_owned();
        return Err(RenderCommandError::NoObject { object });
    }
    let json = json!({"format": 1, "objects": documents});
    Ok(Why { text, json })
}

fn page(object: &Manifest, lines: &[BlamedLine], origins: &Origins, out: &mut String) {
    let place = |line: &BlamedLine| {
        let writer = line.writers.first();
        writer.map_or_else(String::new, |writer| writer.at.to_string())
    };
    let width = lines
        .iter()
        .map(|line| place(line).len())
        .max()
        .unwrap_or(0);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "---\n# Source: {}", object.source());
    for (text, line) in object.text().lines().zip(lines) {
        let reads = line.reads();
        let _ = write!(out, "{:width$} | {text}", place(line));
        for (index, path) in reads.iter().enumerate() {
            let lead = if index == 0 { "  <- " } else { ", " };
            let _ = write!(out, "{lead}{path} ({})", sources(&origins.of(path)));
        }
        out.push('\n');
    }
}

fn sources(origins: &[Origin]) -> String {
    if origins.is_empty() {
        return "not set".to_owned();
    }
    let origins: Vec<String> = origins.iter().map(Origin::to_string).collect();
    origins.join(" over ")
}

fn entry(text: &str, line: &BlamedLine, origins: &Origins) -> Value {
    let writers = line.writers.iter().map(|writer| {
        json!({
            "file": &*writer.at.file,
            "line": writer.at.line,
            "through": writer.through.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "reads": writer.reads.iter().map(|path| json!({
                "path": path.to_string(),
                "from": origins.of(path).iter().map(origin).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        })
    });
    json!({"text": text, "writers": writers.collect::<Vec<_>>()})
}

fn origin(origin: &Origin) -> Value {
    let placed = |kind: &str, file: &str, position: Option<helm_chart::yaml::Position>| {
        json!({
            "kind": kind,
            "file": file,
            "line": position.map(|position| position.line),
            "column": position.map(|position| position.column),
        })
    };
    match origin {
        Origin::Default { file, position } => placed("default", file, *position),
        Origin::File { file, position } => placed("file", file, *position),
        Origin::Flag { flag, argument } => {
            json!({"kind": "flag", "flag": flag, "argument": argument})
        }
        other => json!({"kind": other.to_string()}),
    }
}
