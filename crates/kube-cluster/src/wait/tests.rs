//! Waiting in virtual time over a mocked cluster.

use std::collections::VecDeque;
use std::sync::Mutex;

use converge::Event;
use futures::{StreamExt, stream};
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

/// A cluster whose first watch tells `first` and whose lists answer it, and which then plays watches,
/// one after the other; the last stays open. Of pods and events there are none.
fn playing(first: Vec<Object>, watches: Vec<Vec<WatchEvent>>) -> Arc<dyn Cluster> {
    let mut cluster = MockCluster::new();
    let listed = first.clone();
    cluster.expect_list().returning(move |_| {
        Ok(ObjectList {
            items: listed.clone(),
            resource_version: "1".into(),
        })
    });
    let watches: Mutex<VecDeque<_>> = Mutex::new(watches.into());
    cluster.expect_watch().returning(move |query, position| {
        if matches!(query.kind.kind.as_str(), "Pod" | "Event") {
            return Ok(stream::pending().boxed());
        }
        let mut watches = watches.lock().expect("no test panics while it holds this");
        let mut events: Vec<_> = watches.pop_front().unwrap_or_default();
        if position.is_empty() {
            events.splice(0..0, first.iter().cloned().map(WatchEvent::Applied));
        }
        let events = stream::iter(events.into_iter().map(Ok));
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
    cluster.expect_watch().returning(move |query, _| {
        tries += 1;
        if tries < 3 {
            let kind = crate::ClusterErrorKind::UnknownKind(query.kind.to_string());
            return Err(ClusterError::new("watch", "it", kind));
        }
        let bound = WatchEvent::Applied(claim_in("Bound", "1"));
        Ok(stream::iter([Ok(bound)]).chain(stream::pending()).boxed())
    });
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

#[tokio::test(start_paused = true)]
async fn what_a_write_answered_is_not_asked_for_again() {
    // Every request would panic: nothing is expected.
    let cluster: Arc<dyn Cluster> = Arc::new(MockCluster::new());
    let target = Target::ready(claim()).seen(claim_in("Bound", "3"));
    let objects = wait_until(&cluster, &[target], MINUTE, &Observer::default())
        .await
        .unwrap();
    assert_eq!(objects[0].resource_version(), Some("3"));
}

#[tokio::test(start_paused = true)]
async fn several_waits_share_a_watch_and_older_news_do_not_count() {
    let mut cluster = MockCluster::new();
    cluster.expect_watch().times(1).returning(|_, _| {
        let news = ["2", "5", "8"].map(|version| {
            Ok(WatchEvent::Applied(claim_in(
                if version == "5" { "Pending" } else { "Bound" },
                version,
            )))
        });
        Ok(stream::iter(news).chain(stream::pending()).boxed())
    });
    let mut watches = Watches::new(Arc::new(cluster));
    let seen = |version| [Target::ready(claim()).seen(claim_in("Pending", version))];
    let observer = Observer::default();
    let first = wait_on(&mut watches, &seen("1"), MINUTE, &observer)
        .await
        .unwrap();
    assert_eq!(first[0].resource_version(), Some("2"));
    // A write at 4: that it was bound at 2 is no news.
    let second = wait_on(&mut watches, &seen("4"), MINUTE, &observer)
        .await
        .unwrap();
    assert_eq!(second[0].resource_version(), Some("8"));
}

#[tokio::test(start_paused = true)]
async fn a_watch_left_from_before_tells_what_follows_a_write_and_not_what_there_is() {
    let opened = Arc::new(Mutex::new(0));
    let mut cluster = MockCluster::new();
    let count = Arc::clone(&opened);
    cluster.expect_watch().returning(move |_, _| {
        let mut count = count.lock().expect("no test panics while it holds this");
        *count += 1;
        let events = match *count {
            1 => vec![claim_in("Bound", "2"), claim_in("Bound", "4")],
            _ => vec![claim_in("Pending", "5"), claim_in("Bound", "6")],
        };
        let events = stream::iter(events.into_iter().map(WatchEvent::Applied).map(Ok));
        Ok(events.chain(stream::pending()).boxed())
    });
    let mut watches = Watches::new(Arc::new(cluster));
    let mut version = async |target: Target, later: bool| {
        if later {
            watches = std::mem::replace(&mut watches, Watches::new(Arc::new(MockCluster::new())))
                .for_later();
        }
        let waited = wait_on(&mut watches, &[target], MINUTE, &Observer::default()).await;
        let version = waited.unwrap()[0].resource_version().map(str::to_owned);
        (version, *opened.lock().unwrap())
    };
    let at = |version: &str| Some(version.to_owned());
    let target = || Target::ready(claim());
    assert_eq!(version(target(), false).await, (at("2"), 1));
    let written = target().seen(claim_in("Pending", "3"));
    assert_eq!(version(written, true).await, (at("4"), 1));
    // What was told before the write is not what it is now.
    assert_eq!(version(target(), true).await, (at("6"), 2));
}
