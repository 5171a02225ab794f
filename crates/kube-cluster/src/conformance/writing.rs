//! Behaviours of create, replace and patch.

use serde_json::json;

use super::{Subject, by, deployment};
use crate::{
    ClusterErrorKind, Created, FieldOwners, FieldPath, Object, ObjectRef, Replaced, WriteOptions,
};

fn dry() -> WriteOptions {
    WriteOptions {
        dry_run: true,
        ..WriteOptions::default()
    }
}

/// A second create changes nothing.
pub async fn a_taken_name_is_an_answer(subject: &Subject) {
    subject.created_config("taken", json!({"a": "1"})).await;
    let again = subject.config("taken", json!({"a": "2"}));
    let answer = subject.cluster.create(again, WriteOptions::default()).await;
    assert!(matches!(answer, Ok(Created::AlreadyExists)), "{answer:?}");
    let live = subject.existing(&subject.config_map("taken")).await;
    assert_eq!(live.text("/data/a"), Some("1"));
}

/// The namespace is what is missing, not the object.
pub async fn creating_in_a_missing_namespace_names_the_namespace(subject: &Subject) {
    let target = ObjectRef::namespaced("v1", "ConfigMap", "no-such-namespace", "x");
    let answer = subject
        .cluster
        .create(Object::named(&target), WriteOptions::default())
        .await;
    let error = answer.expect_err("the namespace is missing");
    assert!(
        matches!(&error.kind, ClusterErrorKind::NamespaceMissing(name) if name == "no-such-namespace"),
        "{error:?}"
    );
}

/// Names are DNS subdomains.
pub async fn a_name_that_is_none_is_invalid(subject: &Subject) {
    let object = subject.config("Not_A_Name", json!({}));
    let error = subject
        .cluster
        .create(object, WriteOptions::default())
        .await;
    let error = error.expect_err("the name is none");
    match error.kind {
        ClusterErrorKind::Invalid { fields, .. } => {
            assert!(
                fields.iter().any(|field| field == "metadata.name"),
                "{fields:?}"
            );
        }
        other => panic!("{other:?}"),
    }
}

/// The first of two writers wins.
pub async fn a_lost_race_is_stale_and_writes_nothing(subject: &Subject) {
    let mut first = subject.created_config("race", json!({"a": "0"})).await;
    let mut second = first.clone();
    first.as_map_mut().insert("data".into(), json!({"a": "1"}));
    second.as_map_mut().insert("data".into(), json!({"a": "2"}));
    let won = subject
        .cluster
        .replace(first, WriteOptions::default())
        .await;
    assert!(matches!(won, Ok(Replaced::Done(_))), "{won:?}");
    let lost = subject
        .cluster
        .replace(second, WriteOptions::default())
        .await;
    assert!(matches!(lost, Ok(Replaced::Stale)), "{lost:?}");
    let live = subject.existing(&subject.config_map("race")).await;
    assert_eq!(live.text("/data/a"), Some("1"));
}

/// Absence is an answer.
pub async fn replacing_what_is_not_there_is_an_answer(subject: &Subject) {
    let mut object = subject.config("replace-absent", json!({}));
    object
        .metadata()
        .insert("resourceVersion".into(), "1".into());
    let answer = subject
        .cluster
        .replace(object, WriteOptions::default())
        .await;
    assert!(matches!(answer, Ok(Replaced::Absent)), "{answer:?}");
}

/// A replace without a version would be last-writer-wins.
pub async fn replacing_without_a_version_is_refused(subject: &Subject) {
    subject
        .created_config("versionless", json!({"a": "1"}))
        .await;
    let object = subject.config("versionless", json!({"a": "2"}));
    let error = subject
        .cluster
        .replace(object, WriteOptions::default())
        .await;
    let error = error.expect_err("no version");
    assert!(
        matches!(error.kind, ClusterErrorKind::Invalid { .. }),
        "{error:?}"
    );
    let live = subject.existing(&subject.config_map("versionless")).await;
    assert_eq!(live.text("/data/a"), Some("1"));
}

/// An equal object keeps its version.
pub async fn replacing_with_the_same_content_writes_nothing(subject: &Subject) {
    let created = subject.created_config("same", json!({"a": "1"})).await;
    match subject
        .cluster
        .replace(created.clone(), WriteOptions::default())
        .await
    {
        Ok(Replaced::Done(object)) => {
            assert_eq!(object.resource_version(), created.resource_version());
        }
        other => panic!("{other:?}"),
    }
}

/// Labels are not the spec.
pub async fn the_generation_moves_with_the_spec_only(subject: &Subject) {
    let mut object = deployment(&subject.namespace, "generation");
    let first = subject.applied(object.clone(), "suite").await;
    assert_eq!(first.generation(), Some(1));
    object.set_label("colour", "red");
    let labelled = subject.applied(object.clone(), "suite").await;
    assert_eq!(labelled.generation(), Some(1));
    object.as_map_mut()["spec"]["minReadySeconds"] = json!(5);
    let changed = subject.applied(object, "suite").await;
    assert_eq!(changed.generation(), Some(2));
}

/// A ConfigMap that is marked immutable keeps its data.
pub async fn immutable_content_stays(subject: &Subject) {
    let mut object = subject.config("immutable", json!({"a": "1"}));
    object.as_map_mut().insert("immutable".into(), json!(true));
    let mut created = subject.created(object).await;
    created
        .as_map_mut()
        .insert("data".into(), json!({"a": "2"}));
    let error = subject
        .cluster
        .replace(created, WriteOptions::default())
        .await;
    let error = error.expect_err("it is immutable");
    assert!(
        matches!(error.kind, ClusterErrorKind::Invalid { .. }),
        "{error:?}"
    );
}

/// `stringData` is write-only; the server keeps `data`, and the type's default.
pub async fn string_data_becomes_data(subject: &Subject) {
    let target = ObjectRef::namespaced("v1", "Secret", &subject.namespace, "string-data");
    let mut object = Object::named(&target);
    object
        .as_map_mut()
        .insert("stringData".into(), json!({"key": "value"}));
    subject.created(object).await;
    let live = subject.existing(&target).await;
    assert_eq!(live.text("/data/key"), Some("dmFsdWU="));
    assert_eq!(live.at("/stringData"), None);
    assert_eq!(live.text("/type"), Some("Opaque"));
}

/// Defaults are written into the object.
pub async fn missing_fields_get_their_defaults(subject: &Subject) {
    let created = subject
        .created(deployment(&subject.namespace, "defaults"))
        .await;
    assert_eq!(created.text("/spec/strategy/type"), Some("RollingUpdate"));
    assert_eq!(created.at("/spec/revisionHistoryLimit"), Some(&json!(10)));
    assert_eq!(
        created.text("/spec/template/spec/restartPolicy"),
        Some("Always")
    );
    let policy = created.text("/spec/template/spec/containers/0/imagePullPolicy");
    assert_eq!(policy, Some("IfNotPresent"));
}

/// Unknown fields are dropped without an error, as the server does unless asked to be strict.
pub async fn fields_nobody_knows_are_dropped(subject: &Subject) {
    let mut object = subject.config("unknown-field", json!({"a": "1"}));
    object.as_map_mut().insert("bogus".into(), json!({"x": 1}));
    let created = subject.created(object).await;
    assert_eq!(created.at("/bogus"), None);
    assert_eq!(created.text("/data/a"), Some("1"));
}

/// RFC 6902, with escaped keys.
pub async fn a_patch_changes_what_it_names(subject: &Subject) {
    subject
        .created_config("patched", json!({"a": "1", "b": "2"}))
        .await;
    let operations = json!([
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "replace", "path": "/data/a", "value": "3"},
        {"op": "remove", "path": "/data/b"},
        {"op": "add", "path": "/metadata/annotations", "value": {"example.com/x": "0"}},
        {"op": "replace", "path": "/metadata/annotations/example.com~1x", "value": "1"},
    ]);
    let answer = subject
        .cluster
        .patch(
            subject.config_map("patched"),
            operations,
            WriteOptions::default(),
        )
        .await;
    let patched = answer
        .expect("the patch fits")
        .expect("the object is there");
    assert_eq!(patched.at("/data"), Some(&json!({"a": "3"})));
    assert_eq!(patched.annotation("example.com/x"), Some("1"));
}

/// All or nothing.
pub async fn a_patch_whose_test_fails_changes_nothing(subject: &Subject) {
    subject
        .created_config("patch-test", json!({"a": "1"}))
        .await;
    let operations = json!([
        {"op": "replace", "path": "/data/a", "value": "2"},
        {"op": "test", "path": "/data/a", "value": "9"},
    ]);
    let answer = subject
        .cluster
        .patch(
            subject.config_map("patch-test"),
            operations,
            WriteOptions::default(),
        )
        .await;
    let error = answer.expect_err("the test fails");
    assert!(
        matches!(error.kind, ClusterErrorKind::Invalid { .. }),
        "{error:?}"
    );
    let live = subject.existing(&subject.config_map("patch-test")).await;
    assert_eq!(live.text("/data/a"), Some("1"));
}

/// Absence is an answer.
pub async fn patching_what_is_not_there_is_an_answer(subject: &Subject) {
    let operations = json!([{"op": "add", "path": "/data", "value": {}}]);
    let answer = subject
        .cluster
        .patch(
            subject.config_map("patch-absent"),
            operations,
            WriteOptions::default(),
        )
        .await;
    assert!(matches!(answer, Ok(None)), "{answer:?}");
}

/// A dry run answers as if it had written.
pub async fn a_dry_run_keeps_nothing(subject: &Subject) {
    let object = subject.config("dry", json!({"a": "1"}));
    match subject.cluster.create(object, dry()).await {
        Ok(Created::New(object)) => assert_eq!(object.text("/data/a"), Some("1")),
        other => panic!("{other:?}"),
    }
    assert!(subject.live(&subject.config_map("dry")).await.is_none());

    let mut created = subject
        .created_config("dry-replace", json!({"a": "1"}))
        .await;
    created
        .as_map_mut()
        .insert("data".into(), json!({"a": "2"}));
    let answer = subject.cluster.replace(created, dry()).await;
    assert!(matches!(answer, Ok(Replaced::Done(_))), "{answer:?}");
    let live = subject.existing(&subject.config_map("dry-replace")).await;
    assert_eq!(live.text("/data/a"), Some("1"));
}

/// Writes are `Update`, applies are `Apply`.
pub async fn the_manager_of_a_write_is_recorded(subject: &Subject) {
    let object = subject.config("managers", json!({"a": "1"}));
    let options = WriteOptions {
        manager: "writer".into(),
        ..WriteOptions::default()
    };
    let created = subject.cluster.create(object, options).await;
    assert!(matches!(created, Ok(Created::New(_))), "{created:?}");
    let applied = subject
        .cluster
        .apply(subject.config("managers", json!({"b": "2"})), by("applier"))
        .await;
    assert!(applied.is_ok(), "{applied:?}");
    let live = subject.existing(&subject.config_map("managers")).await;
    let owners = FieldOwners::of(&live);
    let data = FieldPath::default().field("data");
    assert_eq!(owners.of_path(&data.field("a")), ["writer"]);
    assert_eq!(owners.of_path(&data.field("b")), ["applier"]);
    let applies = owners.entries().iter().filter(|entry| entry.applied);
    assert_eq!(
        applies
            .map(|entry| entry.manager.as_str())
            .collect::<Vec<_>>(),
        ["applier"]
    );
}

/// Status has its own subresource.
pub async fn status_is_not_written_with_the_object(subject: &Subject) {
    let mut object = deployment(&subject.namespace, "status");
    object
        .as_map_mut()
        .insert("status".into(), json!({"readyReplicas": 99}));
    let created = subject.created(object).await;
    assert_ne!(created.at("/status/readyReplicas"), Some(&json!(99)));
}
