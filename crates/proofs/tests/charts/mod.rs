//! The charts the proofs render: the compact ones from memory, the official ones from the folder
//! `AKS_AIRFLOW_SHARED` names. It owns finding and rendering them; it refuses to judge the result.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aks_sandbox::charts::COMPACT_CHARTS;
use helm_chart::render::{RenderOptions, Rendered};
use helm_chart::{Chart, Environment, Release, Values};
use serde_json::Value;

/// A file of the reference material.
pub(crate) fn shared(path: &str) -> PathBuf {
    let folder = std::env::var_os("AKS_AIRFLOW_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    folder.join(path)
}

/// A compact chart.
pub(crate) fn compact(name: &str) -> Chart {
    let chart = COMPACT_CHARTS
        .iter()
        .find(|chart| chart.name == name)
        .expect("a compact chart");
    Chart::from_archive(&chart.archive()).expect("the compact chart loads")
}

/// An official chart, such as `airflow-1.15.0`.
pub(crate) fn official(archive: &str) -> Chart {
    let path = shared(&format!("charts/{archive}.tgz"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Chart::from_archive(&bytes).expect("the official chart loads")
}

/// A chart as the first revision of a release in namespace `airflow`.
pub(crate) fn render(chart: &Chart, release: &str, values: &Values) -> Rendered {
    let release = Release::install(release, "airflow");
    chart
        .render_with(
            &release,
            values,
            &Environment::sealed(),
            &RenderOptions::default(),
        )
        .unwrap_or_else(|error| panic!("{} {}: {error}", chart.name(), chart.version()))
}

/// A value as chart values.
pub(crate) fn values(value: Value) -> Values {
    match value {
        Value::Object(table) => table.into(),
        other => panic!("chart values are a table, not {other}"),
    }
}

/// Every object and hook of a render, by kind and name: `Deployment/airflow-scheduler`.
pub(crate) fn objects(rendered: &Rendered) -> BTreeMap<String, Value> {
    let hooks = rendered.hooks().iter().map(|hook| &hook.manifest);
    rendered
        .manifests()
        .iter()
        .chain(hooks)
        .filter(|manifest| !manifest.is_empty())
        .map(|manifest| {
            (
                format!("{}/{}", manifest.kind(), manifest.name()),
                manifest.object().clone(),
            )
        })
        .collect()
}
