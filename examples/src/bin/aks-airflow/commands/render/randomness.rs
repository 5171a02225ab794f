//! `--explain-random`: which templates drew on chance or the clock, and which objects it reached.
//!
//! What an object owes to chance is found by effect: the chart is rendered a second time with other
//! random bytes at another time, and what differs is named. A value copied through a checksum
//! annotation is found, too.

use std::collections::{BTreeMap, BTreeSet};

use helm_chart::SourceKind;
use helm_chart::manifest::Manifest;
use helm_chart::render::Rendered;

/// One line per template and function that asked, then one per object that differs.
pub(super) fn explain(first: &Rendered, second: &Rendered) -> Vec<String> {
    let mut uses: BTreeMap<(SourceKind, &str, &str), usize> = BTreeMap::new();
    for source in &first.files.sources {
        *uses
            .entry((source.kind, &source.template, source.function))
            .or_default() += 1;
    }
    let mut lines: Vec<String> = uses
        .into_iter()
        .map(|((kind, template, function), times)| {
            let kind = match kind {
                SourceKind::Clock => "clock ",
                SourceKind::Random => "random",
            };
            format!("{kind}  {template}  {function} ×{times}")
        })
        .collect();
    let known: BTreeSet<(&str, &str)> = objects(second)
        .map(|one| (one.source(), one.text()))
        .collect();
    for object in objects(first) {
        if !known.contains(&(object.source(), object.text())) {
            let (kind, name) = (object.kind(), object.name());
            lines.push(format!("differs  {kind} {name}  {}", object.source()));
        }
    }
    if lines.is_empty() {
        lines.push("nothing is random: equal values give equal bytes".to_owned());
    }
    lines
}

fn objects(rendered: &Rendered) -> impl Iterator<Item = &Manifest> {
    let hooks = rendered.hooks().iter().map(|hook| &hook.manifest);
    rendered.manifests().iter().chain(hooks)
}
