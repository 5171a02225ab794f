//! Waiting in virtual time over a mocked cluster.

use std::collections::VecDeque;
use std::sync::Mutex;

use converge::Event;
use futures::stream;
use serde_json::json;

use super::*;
use crate::{MockCluster, ObjectList, WatchEvent};

fn claim() -> ObjectRef {
    ObjectRef::namespaced("v1", "PersistentVolumeClaim", "airflow", "logs")
}

fn claim_in(phase: &str, version: &str) -> Object {
    let mut object = Object::named(&claim());
    object
        .metadata()
        .insert("resourceVersion".into(), version.into());
    object
        .as_map_mut()
        .insert("status".into(), json!({"phase": phase}));
    object
}

/// A cluster that lists `first` and then plays watches, one after the other; the last stays open.
fn playing(first: Vec<Object>, watches: Vec<Vec<WatchEvent>>) -> Arc<dyn Cluster> {
    let mut cluster = MockCluster::new();
    cluster.expect_list().returning(move |query| {
        let items = if query.kind.kind == "Event" {
            Vec::new()
        } else {
            first.clone()
        };
        Ok(ObjectList {
            items,
            resource_version: "1".into(),
        })
    });
    let watches: Mutex<VecDeque<_>> = Mutex::new(watches.into());
    cluster.expect_watch().returning(move |_, _| {
        let mut watches = watches.lock().expect("no test panics while it holds this");
        let events = stream::iter(watches.pop_front().unwrap_or_default().into_iter().map(Ok));
        Ok(if watches.is_empty() {
            events.chain(stream::pending()).boxed()
        } else {
            events.boxed()
        })
    });
    Arc::new(cluster)
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_the_change_it_waits_for_also_after_an_expired_watch() {
    let cluster = playing(
        vec![claim_in("Pending", "1")],
        vec![
            vec![WatchEvent::Bookmark("5".into()), WatchEvent::Expired],
            vec![],
            vec![WatchEvent::Applied(claim_in("Bound", "9"))],
        ],
    );
    let objects = wait_until(
        &cluster,
        &[Target::ready(claim())],
        MINUTE,
        &Observer::default(),
    )
    .await
    .unwrap();
    assert_eq!(objects[0].resource_version(), Some("9"));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_says_what_was_waited_for() {
    let cluster = playing(vec![claim_in("Pending", "1")], vec![]);
    let error = wait_until(
        &cluster,
        &[Target::ready(claim())],
        MINUTE,
        &Observer::default(),
    )
    .await
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "not done after 60s; still waiting for PersistentVolumeClaim airflow/logs: not bound yet"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_ends_the_wait_before_its_deadline() {
    let cluster = playing(vec![claim_in("Lost", "1")], vec![]);
    let started = Instant::now();
    let error = wait_until(
        &cluster,
        &[Target::ready(claim())],
        MINUTE,
        &Observer::default(),
    )
    .await
    .unwrap_err();
    assert!(matches!(error, WaitError::Failed { .. }));
    assert!(started.elapsed() < MINUTE);
}

#[tokio::test(start_paused = true)]
async fn gone_is_waited_for_through_the_deletion() {
    let cluster = playing(
        vec![claim_in("Bound", "1")],
        vec![vec![WatchEvent::Deleted(claim_in("Bound", "2"))]],
    );
    wait_gone(&cluster, &[claim()], MINUTE, &Observer::default())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reason_is_told_once_while_it_stays_the_same() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    let observer = Observer::new(
        "logs",
        Arc::new(move |event: Event| {
            if let Event::Waiting { reason, .. } = event {
                sink.lock()
                    .expect("no test panics while it holds this")
                    .push(reason);
            }
        }),
    );
    let cluster = playing(vec![claim_in("Pending", "1")], vec![]);
    let _ = wait_until(&cluster, &[Target::ready(claim())], MINUTE, &observer).await;
    let told = told.lock().expect("no test panics while it holds this");
    assert_eq!(*told, ["PersistentVolumeClaim airflow/logs: not bound yet"]);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_served_yet_is_waited_for() {
    let mut cluster = MockCluster::new();
    let mut tries = 0;
    cluster.expect_list().returning(move |query| {
        tries += 1;
        if tries < 3 {
            let kind = crate::ClusterErrorKind::UnknownKind(query.kind.to_string());
            return Err(ClusterError::new("list", "it", kind));
        }
        Ok(ObjectList {
            items: vec![claim_in("Bound", "1")],
            resource_version: "1".into(),
        })
    });
    cluster
        .expect_watch()
        .returning(|_, _| Ok(stream::pending().boxed()));
    let cluster: Arc<dyn Cluster> = Arc::new(cluster);
    wait_until(
        &cluster,
        &[Target::ready(claim())],
        MINUTE,
        &Observer::default(),
    )
    .await
    .unwrap();
}
