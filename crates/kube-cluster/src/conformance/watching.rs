//! Behaviours of watch.

use std::time::Duration;

use futures::StreamExt;
use serde_json::json;

use super::Subject;
use crate::{DeleteOptions, Kind, Query, WatchEvent, WatchStream};

/// How long an event may take.
const SOON: Duration = Duration::from_secs(30);

/// The next change, in words; bookmarks are left out.
async fn next(stream: &mut WatchStream) -> String {
    loop {
        let event = tokio::time::timeout(SOON, stream.next())
            .await
            .expect("an event in time");
        return match event {
            Some(Ok(WatchEvent::Applied(object))) => format!(
                "{} {}",
                object.name(),
                object.text("/data/a").unwrap_or_default()
            ),
            Some(Ok(WatchEvent::Deleted(object))) => format!("{} deleted", object.name()),
            Some(Ok(WatchEvent::Bookmark(_))) => continue,
            Some(Ok(WatchEvent::Expired)) => "expired".into(),
            other => panic!("{other:?}"),
        };
    }
}

fn labelled(subject: &Subject, label: &str) -> Query {
    let kind = Kind::new("v1", "ConfigMap");
    Query::all(kind, Some(subject.namespace.clone())).with_labels(label)
}

async fn apply(subject: &Subject, name: &str, label: &str, value: &str) {
    let mut object = subject.config(name, json!({"a": value}));
    object.set_label("suite", label);
    subject.applied(object, "suite").await;
}

/// Every change after the list, in order, and none before it.
pub async fn a_watch_continues_where_the_list_ended(subject: &Subject) {
    apply(subject, "watched", "watch", "0").await;
    let query = labelled(subject, "suite=watch");
    let list = subject.cluster.list(query.clone()).await.expect("a list");
    assert_eq!(list.items.len(), 1);
    apply(subject, "watched", "watch", "1").await;
    let watch = subject.cluster.watch(query, list.resource_version).await;
    let mut stream = watch.expect("a watch");
    apply(subject, "watched", "watch", "2").await;
    apply(subject, "watched-too", "watch", "3").await;
    let gone = subject
        .cluster
        .delete(subject.config_map("watched"), DeleteOptions::default())
        .await;
    assert!(gone.is_ok(), "{gone:?}");
    for expected in ["watched 1", "watched 2", "watched-too 3", "watched deleted"] {
        assert_eq!(next(&mut stream).await, expected);
    }
}

/// Without a position, what is there comes first, then what changes: one request does both.
pub async fn a_watch_without_a_position_begins_with_what_is_there(subject: &Subject) {
    apply(subject, "there-before", "begin", "0").await;
    let query = labelled(subject, "suite=begin");
    let watch = subject.cluster.watch(query, String::new()).await;
    let mut stream = watch.expect("a watch");
    assert_eq!(next(&mut stream).await, "there-before 0");
    apply(subject, "there-before", "begin", "1").await;
    assert_eq!(next(&mut stream).await, "there-before 1");
}

/// Selectors hold for watches too.
pub async fn a_watch_sees_only_what_is_selected(subject: &Subject) {
    let query = Query::one(&subject.config_map("selected"));
    let list = subject.cluster.list(query.clone()).await.expect("a list");
    let watch = subject.cluster.watch(query, list.resource_version).await;
    let mut stream = watch.expect("a watch");
    apply(subject, "not-selected", "x", "1").await;
    apply(subject, "selected", "x", "2").await;
    assert_eq!(next(&mut stream).await, "selected 2");
}

/// Leaving a selection looks like a deletion.
pub async fn an_object_that_leaves_the_selection_is_deleted_to_its_watch(subject: &Subject) {
    apply(subject, "leaver", "leave", "1").await;
    let query = labelled(subject, "suite=leave");
    let list = subject.cluster.list(query.clone()).await.expect("a list");
    let watch = subject.cluster.watch(query, list.resource_version).await;
    let mut stream = watch.expect("a watch");
    apply(subject, "leaver", "left", "1").await;
    assert_eq!(next(&mut stream).await, "leaver deleted");
    apply(subject, "leaver", "leave", "2").await;
    assert_eq!(next(&mut stream).await, "leaver 2");
}

/// The first position of all is older than any server remembers.
pub async fn a_position_that_is_too_old_expires(subject: &Subject) {
    apply(subject, "history", "old", "1").await;
    let query = labelled(subject, "suite=old");
    let watch = subject.cluster.watch(query, "1".into()).await;
    let mut stream = watch.expect("a watch");
    let expected = if subject.gaps.old_watches_go_on {
        "history 1"
    } else {
        "expired"
    };
    assert_eq!(next(&mut stream).await, expected);
}
