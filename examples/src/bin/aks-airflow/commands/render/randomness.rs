//! `--explain-random`: where chance came in, and what it touched.
//!
//! Which line asked for it is found by listening to the render. Which object owes something to it
//! is found by effect: the chart is rendered a second time with other random bytes at another time,
//! and what differs is named, so that a value copied through a checksum annotation is found, too.

use std::collections::{BTreeMap, BTreeSet};

use helm_chart::SourceKind;
use helm_chart::manifest::Manifest;
use helm_chart::render::{Blame, Rendered, TemplateLine};

/// One line per template line and function that asked, then one per object that differs, with the
/// template lines that wrote what differs.
pub(super) fn explain(first: &Rendered, blame: &Blame, second: &Rendered) -> Vec<String> {
    let mut uses: BTreeMap<(SourceKind, &TemplateLine, &str), usize> = BTreeMap::new();
    for draw in blame.draws() {
        *uses
            .entry((draw.kind, &draw.at, draw.function))
            .or_default() += 1;
    }
    let mut lines: Vec<String> = uses
        .into_iter()
        .map(|((kind, at, function), times)| {
            let kind = match kind {
                SourceKind::Clock => "clock ",
                SourceKind::Random => "random",
            };
            format!("{kind}  {at}  {function} ×{times}")
        })
        .collect();
    let mut others: BTreeMap<(&str, &str, &str), Vec<&Manifest>> = BTreeMap::new();
    for object in objects(second) {
        others.entry(identity(object)).or_default().push(object);
    }
    for object in objects(first) {
        let known = others.get(&identity(object)).map_or(&[][..], Vec::as_slice);
        if known.iter().any(|other| other.text() == object.text()) {
            continue;
        }
        let (kind, name) = (object.kind(), object.name());
        let other = known.first().map_or("", |other| other.text());
        let places = differing(object, blame, other);
        lines.push(format!(
            "differs  {kind} {name}  {}{places}",
            object.source()
        ));
    }
    if lines.is_empty() {
        lines.push("nothing is random: equal values give equal bytes".to_owned());
    }
    lines
}

/// `:LINE,…` of the object's own template, then other files' lines in full.
fn differing(object: &Manifest, blame: &Blame, other: &str) -> String {
    let kept: BTreeSet<&str> = other.lines().collect();
    let mut places: BTreeSet<&TemplateLine> = BTreeSet::new();
    for (text, line) in object.text().lines().zip(blame.of(object)) {
        if !kept.contains(text) {
            places.extend(line.writers.first().map(|writer| &writer.at));
        }
    }
    let (own, foreign): (Vec<&TemplateLine>, Vec<&TemplateLine>) = places
        .into_iter()
        .partition(|place| *place.file == *object.source());
    let mut text = String::new();
    let mut mark = ':';
    for place in own {
        text.push(mark);
        text.push_str(&place.line.to_string());
        mark = ',';
    }
    for place in foreign {
        text.push_str(&format!("  {place}"));
    }
    text
}

fn identity(object: &Manifest) -> (&str, &str, &str) {
    (object.source(), object.kind(), object.name())
}

fn objects(rendered: &Rendered) -> impl Iterator<Item = &Manifest> {
    let hooks = rendered.hooks().iter().map(|hook| &hook.manifest);
    rendered.manifests().iter().chain(hooks)
}
