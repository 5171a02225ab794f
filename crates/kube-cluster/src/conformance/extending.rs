//! Behaviours of CustomResourceDefinitions.

use serde_json::{Value, json};

use super::{Subject, by};
use crate::{
    Applied, ClusterErrorKind, DeleteOptions, Kind, Object, ObjectRef, Target, WriteOptions,
};

/// A definition of its own group per test.
struct Custom {
    definition: ObjectRef,
    api_version: String,
}

/// Defines `Widget`s and waits until they are served.
async fn defined(subject: &Subject, test: &str) -> Custom {
    let group = format!("{test}.{}.example.com", subject.namespace);
    let definition = ObjectRef::cluster_wide(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        format!("widgets.{group}"),
    );
    let mut object = Object::named(&definition);
    object.as_map_mut().insert(
        "spec".into(),
        json!({
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "required": ["size"], "properties": {
                        "size": {"type": "integer", "minimum": 1},
                        "colour": {"type": "string", "default": "grey"}}},
                    "status": {"type": "object", "properties": {"seen": {"type": "string"}}}}}},
            }],
        }),
    );
    subject.created(object).await;
    subject.until(Target::ready(definition.clone())).await;
    let custom = Custom {
        definition,
        api_version: format!("{group}/v1"),
    };
    // Established is written before every server serves the kind; a wait follows an unknown kind.
    let marker = subject.cluster.clone();
    let kind = Kind::new(&custom.api_version, "Widget");
    for _ in 0..60 {
        let discovery = marker.discover().await.expect("discovery");
        let query = crate::Query::all(kind.clone(), Some(subject.namespace.clone()));
        if discovery.resource(&kind).is_some() && marker.list(query).await.is_ok() {
            return custom;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    panic!("{kind} is established and not served");
}

fn widget(subject: &Subject, custom: &Custom, spec: Value) -> Object {
    let target = ObjectRef::namespaced(&custom.api_version, "Widget", &subject.namespace, "w");
    let mut object = Object::named(&target);
    object.as_map_mut().insert("spec".into(), spec);
    object
}

async fn remove(subject: &Subject, custom: Custom) {
    let gone = subject
        .cluster
        .delete(custom.definition.clone(), DeleteOptions::default())
        .await;
    assert!(gone.is_ok(), "{gone:?}");
    subject.until(Target::gone(custom.definition)).await;
}

/// From definition to object and back.
pub async fn a_definition_is_served_used_and_gone_again(subject: &Subject) {
    let custom = defined(subject, "served").await;
    let created = subject
        .created(widget(subject, &custom, json!({"size": 1})))
        .await;
    assert_eq!(created.generation(), Some(1));
    let reference = created.reference();
    remove(subject, custom).await;
    for _ in 0..60 {
        match subject.cluster.get(reference.clone()).await {
            Err(error) if error.is_unknown_kind() => return,
            Ok(None) => {}
            other => panic!("its definition is gone: {other:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    panic!("the kind is still served");
}

/// Validation, defaults, pruning.
pub async fn a_custom_schema_is_enforced(subject: &Subject) {
    let custom = defined(subject, "schema").await;
    let bad = widget(subject, &custom, json!({"size": 0}));
    let error = subject.cluster.create(bad, WriteOptions::default()).await;
    match error.expect_err("the size is too small").kind {
        ClusterErrorKind::Invalid { fields, .. } => assert_eq!(fields, ["spec.size"]),
        other => panic!("{other:?}"),
    }
    let good = widget(subject, &custom, json!({"size": 2, "bogus": true}));
    let created = subject.created(good).await;
    assert_eq!(
        created.at("/spec"),
        Some(&json!({"size": 2, "colour": "grey"}))
    );
    remove(subject, custom).await;
}

/// Status is neither created nor applied with the object.
pub async fn a_status_subresource_is_apart(subject: &Subject) {
    let custom = defined(subject, "status").await;
    let mut object = widget(subject, &custom, json!({"size": 1}));
    object
        .as_map_mut()
        .insert("status".into(), json!({"seen": "yes"}));
    match subject.cluster.apply(object, by("suite")).await {
        Ok(Applied::Done(live)) => assert_eq!(live.at("/status/seen"), None),
        other => panic!("{other:?}"),
    }
    remove(subject, custom).await;
}
