//! How many requests the guide takes, and how many of them one after the other. The figures are
//! ceilings: the simulated world answers the same each time, so that a request more is a change of
//! the program.

mod guide_world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aks_sandbox::azure::Delays;
use aks_sandbox::world::{Class, RequestRecord, Verdict};
use converge::{RequestClass, Service};
use guide_world::{Guide, Up};
use orchestrate::Policy;
use tokio::time::Instant;

/// What the command `up` does.
async fn up(guide: &Guide) -> Up {
    let policy = Policy {
        predict_creates: true,
        ..Policy::default()
    };
    guide.up_with(&guide.world(), &policy).await
}

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

/// How long a run of `up` takes in the world's time if every answer comes `late`, and its requests, each
/// with the time at which it came. Left out is what lies before the last request beyond the answer to
/// the one before: there the first run waits for Airflow's next heartbeat, whenever in its five seconds
/// it gets there.
async fn took(guide: &Guide, late: Duration) -> (Duration, String) {
    let started = Instant::now();
    let came: Arc<Mutex<Vec<(Duration, String)>>> = Arc::default();
    let log = Arc::clone(&came);
    guide.sandbox.on_request(Some(Arc::new(move |record| {
        let line = format!("{} {}{}", record.method, record.host, record.path);
        log.lock()
            .expect("no test panics while it holds this")
            .push((started.elapsed(), line));
        Verdict::Delay(late)
    })));
    up(guide).await.succeeded();
    let took = started.elapsed();
    guide.sandbox.on_request(None);
    let came = came.lock().expect("no test panics while it holds this");
    let last = came.last().map_or(Duration::ZERO, |(at, _)| *at);
    let before = came.iter().rev().find(|(at, _)| *at < last);
    let heartbeat = before.map_or(Duration::ZERO, |(at, _)| {
        last.saturating_sub(*at).saturating_sub(late)
    });
    let lines = came
        .iter()
        .map(|(at, line)| format!("\n{:>7} {line}", at.as_millis()));
    (took.saturating_sub(heartbeat), lines.collect())
}

#[tokio::test(start_paused = true)]
async fn the_first_run_takes_few_requests() {
    let guide = Guide::new();
    let up = up(&guide).await;
    let report = up.succeeded();
    let seen = kubernetes(&guide, 0);
    assert_eq!(report.requests.to(Service::Kubernetes) as usize, seen.len());
    assert!(seen.len() <= 113, "{}{}", seen.len(), listed(&seen));
}

#[tokio::test(start_paused = true)]
async fn a_run_with_nothing_to_do_looks_once_writes_nothing_and_waits_for_nothing() {
    let guide = Guide::new();
    up(&guide).await.succeeded();
    let pods = guide.sandbox.pod_uids(guide_world::NAMESPACE);
    let mark = guide.mark();
    let started = Instant::now();
    let up = up(&guide).await;
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
    assert!(seen.len() <= 29, "{}{}", seen.len(), listed(&seen));
}

/// The longest dependent chain, as the wall clock pays for it: how much longer a run takes for each
/// unit by which every answer is late. The unit is long, and Azure takes effect at once, so that little
/// of a row hides behind what the world does meanwhile.
#[tokio::test(start_paused = true)]
async fn few_requests_wait_for_one_another() {
    const LATE: Duration = Duration::from_secs(1);
    let guide = || {
        let guide = Guide::new();
        let world = guide.sandbox.world();
        world.update(|state| state.azure.delays = Delays::none());
        guide
    };
    let (prompt, late) = (guide(), guide());
    for (run, ceiling) in [("first", 13.0), ("second", 7.0)] {
        let (late, came) = took(&late, LATE).await;
        let (prompt, _) = took(&prompt, Duration::ZERO).await;
        let chain = late.saturating_sub(prompt).as_secs_f64() / LATE.as_secs_f64();
        assert!(chain <= ceiling, "{run} run: {chain}{came}");
    }
}
