//! How many requests the guide takes, and how many of them one after the other. The figures are
//! ceilings: the simulated world answers the same each time, so that a request more is a change of
//! the program.

mod guide_world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aks_sandbox::world::{Class, RequestRecord, Verdict};
use converge::{RequestClass, Service};
use guide_world::Guide;
use tokio::time::Instant;

/// What one request was about: its class, verb and path without names.
fn shape(record: &RequestRecord) -> String {
    let (path, query) = record.path.split_once('?').unwrap_or((&record.path, ""));
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if let Some(at) = parts.iter().position(|part| *part == "namespaces")
        && parts.len() > at + 2
    {
        parts.drain(at..at + 2);
    }
    let watches = if query.contains("watch=1") {
        " watch"
    } else {
        ""
    };
    format!(
        "{:?} {}{watches} /{}",
        record.class,
        record.method,
        parts.join("/")
    )
}

/// The requests to the API server since a mark.
fn kubernetes(guide: &Guide, mark: usize) -> Vec<RequestRecord> {
    let host = guide.sandbox.spec().api_host();
    guide
        .sandbox
        .requests()
        .into_iter()
        .skip(mark)
        .filter(|record| record.host == host)
        .collect()
}

/// For a failure: what there is most of, and everything.
fn listed(records: &[RequestRecord]) -> String {
    let mut shapes: BTreeMap<String, usize> = BTreeMap::new();
    for record in records {
        *shapes.entry(shape(record)).or_default() += 1;
    }
    let lines = shapes
        .iter()
        .map(|(shape, count)| format!("\n{count:>4} {shape}"));
    lines.collect()
}

/// How long a run of `up` takes in the world's time if every answer comes `late`.
async fn took(guide: &Guide, late: Duration) -> Duration {
    guide
        .sandbox
        .on_request(Some(Arc::new(move |_| Verdict::Delay(late))));
    let started = Instant::now();
    guide.up().await.succeeded();
    guide.sandbox.on_request(None);
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn the_first_run_takes_few_requests() {
    let guide = Guide::new();
    let up = guide.up().await;
    let report = up.succeeded();
    let seen = kubernetes(&guide, 0);
    assert_eq!(report.requests.to(Service::Kubernetes) as usize, seen.len());
    assert!(seen.len() <= 122, "{}{}", seen.len(), listed(&seen));
}

#[tokio::test(start_paused = true)]
async fn a_run_with_nothing_to_do_looks_once_writes_nothing_and_waits_for_nothing() {
    let guide = Guide::new();
    guide.up().await.succeeded();
    let pods = guide.sandbox.pod_uids(guide_world::NAMESPACE);
    let mark = guide.mark();
    let started = Instant::now();
    let up = guide.up().await;
    let report = up.succeeded();
    let seen = kubernetes(&guide, mark);
    assert_eq!(report.requests.of(RequestClass::Write), 0, "{report}");
    assert_eq!(guide.sandbox.pod_uids(guide_world::NAMESPACE), pods);
    assert!(seen.iter().all(|record| !record.path.contains("/leases/")));
    assert!(seen.iter().all(|record| record.class != Class::Write));
    assert!(
        started.elapsed() < Duration::from_millis(300),
        "{:?}",
        started.elapsed()
    );
    assert!(seen.len() <= 46, "{}{}", seen.len(), listed(&seen));
}

/// The longest dependent chain, as the wall clock pays for it: how much longer a run takes for each
/// unit by which every answer is late. What passes while the world itself takes its time costs
/// nothing.
#[tokio::test(start_paused = true)]
async fn few_requests_wait_for_one_another() {
    const LATE: Duration = Duration::from_millis(100);
    let chain = |late: Duration, prompt: Duration| {
        late.saturating_sub(prompt).as_secs_f64() / LATE.as_secs_f64()
    };
    let (prompt, late) = (Guide::new(), Guide::new());
    let first = chain(took(&late, LATE).await, took(&prompt, Duration::ZERO).await);
    let second = chain(took(&late, LATE).await, took(&prompt, Duration::ZERO).await);
    assert!(first <= 48.0, "{first}");
    assert!(second <= 26.0, "{second}");
}
