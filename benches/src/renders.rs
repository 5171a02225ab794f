//! Renders in one process, the chart loaded and compiled once: what a service does.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use helm_chart::manifest::TextOptions;
use helm_chart::render::Rendered;
use helm_chart::{Chart, Environment, Release, Values};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What to render, and how often.
#[derive(Debug, Clone)]
pub struct Work {
    /// The chart's archive.
    pub archive: Vec<u8>,
    /// The texts of the values files, parsed afresh for every render.
    pub values: Vec<String>,
    /// The release's name.
    pub release: String,
    /// How many renders.
    pub renders: usize,
    /// How many at a time.
    pub workers: usize,
    /// The value that differs from render to render, such as `labels.team`; none if all are alike.
    pub distinct: Option<String>,
}

/// What it took. The rival prints the same fields.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Took {
    /// Reading and compiling the chart.
    pub load_nanos: u64,
    /// Each render.
    pub render_nanos: Vec<u64>,
    /// All renders.
    pub total_nanos: u64,
    /// The most memory the process had, in bytes.
    pub peak_rss_bytes: u64,
    /// SHA-256 of the first renders, of each up to [`COMPARED`].
    pub sha256: Vec<String>,
    /// The length of the first one.
    pub bytes: usize,
}

/// This many renders are compared with the rival's.
pub const COMPARED: usize = 12;

/// Does the work.
///
/// # Errors
/// What Helm would say.
pub fn run(work: &Work) -> Result<Took, String> {
    let started = Instant::now();
    let chart = Chart::from_archive(&work.archive).map_err(|error| error.to_string())?;
    let load_nanos = nanos(started);

    let started = Instant::now();
    let next = AtomicUsize::new(0);
    let took = Mutex::new(vec![0; work.renders]);
    let texts = Mutex::new(BTreeMap::new());
    let worker = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= work.renders {
                return;
            }
            let started = Instant::now();
            let text = render(&chart, work, index);
            took.lock().expect("no worker panics")[index] = nanos(started);
            if index < COMPARED || text.is_err() {
                texts.lock().expect("no worker panics").insert(index, text);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..work.workers {
            scope.spawn(worker);
        }
    });
    let total_nanos = nanos(started);
    let texts = texts.into_inner().expect("no worker panics");
    let texts: Vec<String> = texts.into_values().collect::<Result<_, _>>()?;
    Ok(Took {
        load_nanos,
        render_nanos: took.into_inner().expect("no worker panics"),
        total_nanos,
        peak_rss_bytes: crate::process::peak_rss("self").unwrap_or_default(),
        sha256: texts.iter().map(|text| digest(text)).collect(),
        bytes: texts.first().map_or(0, String::len),
    })
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One whole render: values, schema, templates, sorting, text.
fn render(chart: &Chart, work: &Work, index: usize) -> Result<String, String> {
    let mut values = Values::default();
    for text in &work.values {
        values = values.merge(Values::parse(text).map_err(|error| error.to_string())?);
    }
    if let Some(path) = &work.distinct {
        values = values
            .set_string(&format!("{path}=team-{index}"))
            .map_err(|error| error.to_string())?;
    }
    let release = Release::install(&work.release, "airflow");
    let rendered = chart
        .render(&release, &values, &Environment::sealed())
        .map_err(|error| error.to_string())?;
    Ok(text(&rendered))
}

fn text(rendered: &Rendered) -> String {
    use std::fmt::Write as _;
    let mut text = rendered.manifests.text(TextOptions::default());
    for hook in rendered.hooks() {
        let _ = writeln!(
            text,
            "---\n# Source: {}\n{}",
            hook.path,
            hook.manifest.text()
        );
    }
    text
}

fn nanos(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
