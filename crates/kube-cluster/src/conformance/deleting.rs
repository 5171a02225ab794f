//! Behaviours of delete: preconditions, finalizers, dependents, namespaces.

use serde_json::json;

use super::Subject;
use crate::{
    ClusterErrorKind, DeleteOptions, Deleted, Object, ObjectRef, Propagation, Target, WriteOptions,
};

async fn free(subject: &Subject, target: ObjectRef) {
    let operations = json!([{"op": "remove", "path": "/metadata/finalizers"}]);
    let freed = subject
        .cluster
        .patch(target, operations, WriteOptions::default())
        .await;
    assert!(freed.is_ok(), "{freed:?}");
}

async fn family(subject: &Subject, name: &str) -> (ObjectRef, ObjectRef) {
    let owner = subject
        .created_config(&format!("{name}-owner"), json!({}))
        .await;
    let mut dependent = subject.config(&format!("{name}-dependent"), json!({}));
    dependent.metadata().insert(
        "ownerReferences".into(),
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": owner.name(),
            "uid": owner.uid(), "blockOwnerDeletion": true}]),
    );
    let dependent = subject.created(dependent).await;
    (owner.reference(), dependent.reference())
}

fn with(propagation: Propagation) -> DeleteOptions {
    DeleteOptions {
        propagation,
        ..DeleteOptions::default()
    }
}

/// Absence is an answer.
pub async fn deleting_nothing_is_an_answer(subject: &Subject) {
    let answer = subject
        .cluster
        .delete(subject.config_map("never"), DeleteOptions::default())
        .await;
    assert!(matches!(answer, Ok(Deleted::AlreadyAbsent)), "{answer:?}");
}

/// Without a finalizer it is gone at once.
pub async fn a_deleted_object_is_gone(subject: &Subject) {
    subject.created_config("goes", json!({})).await;
    let answer = subject
        .cluster
        .delete(subject.config_map("goes"), DeleteOptions::default())
        .await;
    assert!(matches!(answer, Ok(Deleted::Gone)), "{answer:?}");
    assert!(subject.live(&subject.config_map("goes")).await.is_none());
}

/// The uid is a precondition.
pub async fn another_incarnation_is_not_deleted(subject: &Subject) {
    subject.created_config("reborn", json!({})).await;
    let options = DeleteOptions {
        uid: Some("00000000-0000-0000-0000-000000000000".into()),
        ..DeleteOptions::default()
    };
    let answer = subject
        .cluster
        .delete(subject.config_map("reborn"), options)
        .await;
    assert!(
        matches!(answer, Ok(Deleted::PreconditionFailed)),
        "{answer:?}"
    );
    assert!(subject.live(&subject.config_map("reborn")).await.is_some());
}

/// The version is a precondition.
pub async fn another_version_is_not_deleted(subject: &Subject) {
    let old = subject
        .applied(subject.config("moved", json!({"a": "1"})), "suite")
        .await;
    subject
        .applied(subject.config("moved", json!({"a": "2"})), "suite")
        .await;
    let options = DeleteOptions {
        resource_version: old.resource_version().map(str::to_owned),
        ..DeleteOptions::default()
    };
    let answer = subject
        .cluster
        .delete(subject.config_map("moved"), options)
        .await;
    assert!(
        matches!(answer, Ok(Deleted::PreconditionFailed)),
        "{answer:?}"
    );
    assert!(subject.live(&subject.config_map("moved")).await.is_some());
}

/// A dry delete answers and keeps.
pub async fn a_dry_delete_keeps_the_object(subject: &Subject) {
    subject.created_config("dry-delete", json!({})).await;
    let options = DeleteOptions {
        dry_run: true,
        ..DeleteOptions::default()
    };
    let answer = subject
        .cluster
        .delete(subject.config_map("dry-delete"), options)
        .await;
    assert!(answer.is_ok(), "{answer:?}");
    let live = subject.existing(&subject.config_map("dry-delete")).await;
    assert!(!live.is_terminating());
}

/// Deletion begins, and ends when the finalizer is removed.
pub async fn a_finalizer_holds_the_object(subject: &Subject) {
    let mut object = subject.config("held", json!({}));
    object
        .metadata()
        .insert("finalizers".into(), json!(["example.com/hold"]));
    subject.created(object).await;
    for _ in 0..2 {
        let answer = subject
            .cluster
            .delete(subject.config_map("held"), DeleteOptions::default())
            .await;
        assert!(
            matches!(&answer, Ok(Deleted::Begun(object)) if object.is_terminating()),
            "{answer:?}"
        );
    }
    free(subject, subject.config_map("held")).await;
    assert!(subject.live(&subject.config_map("held")).await.is_none());
}

/// The owner is gone at once, its dependents follow.
pub async fn dependents_go_in_the_background(subject: &Subject) {
    let (owner, dependent) = family(subject, "background").await;
    let answer = subject
        .cluster
        .delete(owner, with(Propagation::Background))
        .await;
    assert!(matches!(answer, Ok(Deleted::Gone)), "{answer:?}");
    subject.until(Target::gone(dependent)).await;
}

/// The owner waits for its dependents.
pub async fn dependents_go_first_in_the_foreground(subject: &Subject) {
    let (owner, dependent) = family(subject, "foreground").await;
    let answer = subject
        .cluster
        .delete(owner.clone(), with(Propagation::Foreground))
        .await;
    assert!(matches!(answer, Ok(Deleted::Begun(_))), "{answer:?}");
    subject.until(Target::gone(owner)).await;
    assert!(subject.live(&dependent).await.is_none());
}

/// The dependents stay and forget their owner.
pub async fn orphans_stay(subject: &Subject) {
    let (owner, dependent) = family(subject, "orphan").await;
    let answer = subject
        .cluster
        .delete(owner.clone(), with(Propagation::Orphan))
        .await;
    assert!(
        matches!(answer, Ok(Deleted::Begun(_) | Deleted::Gone)),
        "{answer:?}"
    );
    subject.until(Target::gone(owner)).await;
    let orphan = subject.existing(&dependent).await;
    assert!(!orphan.is_terminating());
    let owners = orphan
        .at("/metadata/ownerReferences")
        .and_then(serde_json::Value::as_array);
    assert!(owners.is_none_or(Vec::is_empty));
}

/// Nothing new may come into a namespace that goes; it goes with its last object.
pub async fn a_namespace_goes_with_its_contents(subject: &Subject) {
    let name = format!("{}-leaving", subject.namespace);
    let namespace = ObjectRef::cluster_wide("v1", "Namespace", &name);
    subject.created(Object::named(&namespace)).await;
    let held = ObjectRef::namespaced("v1", "ConfigMap", &name, "held");
    let mut object = Object::named(&held);
    object
        .metadata()
        .insert("finalizers".into(), json!(["example.com/hold"]));
    subject.created(object).await;

    let answer = subject
        .cluster
        .delete(namespace.clone(), DeleteOptions::default())
        .await;
    assert!(matches!(answer, Ok(Deleted::Begun(_))), "{answer:?}");
    let late = ObjectRef::namespaced("v1", "ConfigMap", &name, "late");
    let refused = subject
        .cluster
        .create(Object::named(&late), WriteOptions::default())
        .await;
    let error = refused.expect_err("the namespace is going away");
    assert!(
        matches!(error.kind, ClusterErrorKind::Conflict(_)),
        "{error:?}"
    );

    free(subject, held).await;
    subject.until(Target::gone(namespace)).await;
}
