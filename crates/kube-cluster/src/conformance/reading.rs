//! Behaviours of get, list and discovery.

use futures::{StreamExt, TryStreamExt};
use serde_json::json;

use super::Subject;
use crate::api_server::stable::STABLE;
use crate::{Kind, ObjectRef, Query, WriteOptions};

/// `get` of nothing is `None`.
pub async fn an_absent_object_is_none(subject: &Subject) {
    assert!(subject.live(&subject.config_map("absent")).await.is_none());
}

/// The server completes the metadata and keeps the rest.
pub async fn an_object_reads_back_as_it_was_created(subject: &Subject) {
    let created = subject
        .created_config("whole", json!({"a": "1", "b": "ü\n"}))
        .await;
    let live = subject.existing(&subject.config_map("whole")).await;
    assert_eq!(live.at("/data"), Some(&json!({"a": "1", "b": "ü\n"})));
    assert_eq!(live.reference(), subject.config_map("whole"));
    assert_eq!(live.uid(), created.uid());
    assert_eq!(live.resource_version(), created.resource_version());
    assert!(live.uid().is_some_and(|uid| !uid.is_empty()));
    assert!(live.at("/metadata/creationTimestamp").is_some());
}

/// Equality, inequality, sets and existence.
pub async fn labels_select(subject: &Subject) {
    for (name, tier) in [("one", "web"), ("two", "db")] {
        let mut object = subject.config(&format!("labels-{name}"), json!({}));
        object.set_label("suite", "labels");
        object.set_label("tier", tier);
        subject.created(object).await;
    }
    for (selector, expected) in [
        ("suite=labels", vec!["labels-one", "labels-two"]),
        ("suite=labels,tier=web", vec!["labels-one"]),
        ("suite=labels,tier!=web", vec!["labels-two"]),
        ("suite=labels,tier in (db,cache)", vec!["labels-two"]),
        ("suite=labels,absent", vec![]),
        ("suite=labels,!absent", vec!["labels-one", "labels-two"]),
    ] {
        let query = Query::all(
            Kind::new("v1", "ConfigMap"),
            Some(subject.namespace.clone()),
        )
        .with_labels(selector);
        let list = subject.cluster.list(query).await.expect("a list");
        let names: Vec<_> = list.items.iter().map(crate::Object::name).collect();
        assert_eq!(names, expected, "{selector}");
        let kinds = list
            .items
            .iter()
            .all(|item| item.kind() == Kind::new("v1", "ConfigMap"));
        assert!(kinds, "items of a list carry their kind");
    }
}

/// `metadata.name=…` is served for every kind.
pub async fn a_field_selector_selects_by_name(subject: &Subject) {
    subject.created_config("field-a", json!({})).await;
    subject.created_config("field-b", json!({})).await;
    let list = subject
        .cluster
        .list(Query::one(&subject.config_map("field-b")))
        .await;
    let items = list.expect("a list").items;
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].name(), "field-b");
}

/// Objects come in the order of their names, whatever the order of their creation.
pub async fn a_list_is_in_the_order_of_names(subject: &Subject) {
    for name in ["order-c", "order-a", "order-b"] {
        let mut object = subject.config(name, json!({}));
        object.set_label("suite", "order");
        subject.created(object).await;
    }
    let query = Query::all(
        Kind::new("v1", "ConfigMap"),
        Some(subject.namespace.clone()),
    )
    .with_labels("suite=order");
    let list = subject.cluster.list(query).await.expect("a list");
    let names: Vec<_> = list.items.iter().map(crate::Object::name).collect();
    assert_eq!(names, ["order-a", "order-b", "order-c"]);
    assert!(!list.resource_version.is_empty());
}

/// Without a namespace a list reaches into all of them.
pub async fn a_list_over_all_namespaces_names_each_namespace(subject: &Subject) {
    let label = format!("suite=everywhere-{}", subject.namespace);
    let mut object = subject.config("everywhere", json!({}));
    object.set_label("suite", format!("everywhere-{}", subject.namespace));
    subject.created(object).await;
    let query = Query::all(Kind::new("v1", "ConfigMap"), None).with_labels(label);
    let items = subject.cluster.list(query).await.expect("a list").items;
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].namespace(), Some(subject.namespace.as_str()));
}

/// More objects than one page holds.
pub async fn a_long_list_comes_whole(subject: &Subject) {
    let created: Result<Vec<_>, _> = futures::stream::iter(0..507)
        .map(|number| {
            let mut object = subject.config(&format!("long-{number:03}"), json!({}));
            object.set_label("suite", "long");
            subject.cluster.create(object, WriteOptions::default())
        })
        .buffer_unordered(16)
        .try_collect()
        .await;
    created.expect("all are created");
    let query = Query::all(
        Kind::new("v1", "ConfigMap"),
        Some(subject.namespace.clone()),
    )
    .with_labels("suite=long");
    let items = subject.cluster.list(query).await.expect("a list").items;
    assert_eq!(items.len(), 507);
    assert!(items.windows(2).all(|pair| pair[0].name() < pair[1].name()));
}

/// Neither a group, nor a version, nor a kind is invented.
pub async fn a_kind_nobody_serves_is_unknown(subject: &Subject) {
    for (api_version, kind) in [
        ("nobody.example.com/v1", "Thing"),
        ("apps/v99", "Deployment"),
        ("v1", "Thing"),
    ] {
        let target = ObjectRef::namespaced(api_version, kind, &subject.namespace, "x");
        let error = subject
            .cluster
            .get(target)
            .await
            .expect_err("nobody serves it");
        assert!(error.is_unknown_kind(), "{error:?}");
    }
}

/// Discovery holds what every cluster serves, as it is taken for granted.
pub async fn discovery_names_version_plurals_and_scopes(subject: &Subject) {
    let discovery = subject.cluster.discover().await.expect("discovery");
    assert!(
        discovery.version.starts_with("v1."),
        "{}",
        discovery.version
    );
    for (api_version, kind, plural, namespaced) in STABLE {
        let resource = discovery
            .resource(&Kind::new(api_version, kind))
            .expect(kind);
        assert_eq!(
            (resource.plural.as_str(), resource.namespaced),
            (plural, namespaced)
        );
        assert!(resource.verbs.iter().any(|verb| verb == "list"), "{kind}");
    }
}
