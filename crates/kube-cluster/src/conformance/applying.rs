//! Behaviours of server-side apply.
//!
//! Source: <https://kubernetes.io/docs/reference/using-api/server-side-apply/>.

use serde_json::{Value, json};

use super::{Subject, by};
use crate::{
    Applied, ApplyOptions, ClusterErrorKind, Created, FieldOwners, FieldPath, Object, ObjectRef,
    WriteOptions, hand_over_fields,
};

/// What is not there comes into being.
pub async fn applying_creates(subject: &Subject) {
    let applied = subject
        .applied(subject.config("apply-new", json!({"a": "1"})), "suite")
        .await;
    assert_eq!(applied.text("/data/a"), Some("1"));
    assert!(applied.uid().is_some());
}

/// What must be new is made and owned by apply; what is there already is left as it is, whoever made
/// it, and whether or not fields would clash.
pub async fn applying_what_must_be_new_leaves_what_is_there(subject: &Subject) {
    let apply_new = async |data: Value, dry_run: bool| {
        let object = subject.config("apply-must-be-new", data);
        let options = WriteOptions {
            manager: "suite".into(),
            dry_run,
        };
        match subject.cluster.apply_new(object, options).await {
            Ok(created) => created,
            Err(error) => panic!("{error:?}"),
        }
    };
    let target = subject.config_map("apply-must-be-new");
    let dry = apply_new(json!({"a": "1"}), true).await;
    assert!(matches!(dry, Created::New(_)), "{dry:?}");
    assert!(subject.live(&target).await.is_none());
    let made = apply_new(json!({"a": "1"}), false).await;
    let Created::New(made) = made else {
        panic!("{made:?}");
    };
    assert_eq!(made.text("/data/a"), Some("1"));
    let path = FieldPath::default().field("data").field("a");
    assert_eq!(FieldOwners::of(&made).of_path(&path), ["suite"]);
    let operation = made.at("/metadata/managedFields/0/operation");
    assert_eq!(operation, Some(&json!("Apply")));

    subject
        .applied(
            subject.config("apply-must-be-new", json!({"b": "2"})),
            "other",
        )
        .await;
    let before = subject.existing(&target).await;
    for data in [
        json!({"a": "1"}),
        json!({"a": "1", "c": "3"}),
        json!({"b": "3"}),
    ] {
        for dry_run in [true, false] {
            let answer = apply_new(data.clone(), dry_run).await;
            assert!(matches!(answer, Created::AlreadyExists), "{answer:?}");
        }
    }
    let after = subject.existing(&target).await;
    assert_eq!(after.resource_version(), before.resource_version());
}

/// No new version, no new timestamp.
pub async fn applying_the_same_again_writes_nothing(subject: &Subject) {
    let object = subject.config("apply-same", json!({"a": "1"}));
    let first = subject.applied(object.clone(), "suite").await;
    let second = subject.applied(object, "suite").await;
    assert_eq!(first.resource_version(), second.resource_version());
    assert_eq!(
        first.at("/metadata/managedFields"),
        second.at("/metadata/managedFields")
    );
}

/// Only what the manager owned alone.
pub async fn a_field_left_out_is_removed(subject: &Subject) {
    subject
        .applied(
            subject.config("apply-less", json!({"a": "1", "b": "2"})),
            "suite",
        )
        .await;
    let less = subject
        .applied(subject.config("apply-less", json!({"a": "1"})), "suite")
        .await;
    assert_eq!(less.at("/data"), Some(&json!({"a": "1"})));
}

/// Another value of another manager's field.
pub async fn a_conflict_names_field_and_manager_and_writes_nothing(subject: &Subject) {
    subject
        .applied(subject.config("apply-conflict", json!({"a": "1"})), "first")
        .await;
    let other = subject.config("apply-conflict", json!({"a": "2", "b": "3"}));
    match subject.cluster.apply(other, by("second")).await {
        Ok(Applied::Conflicts(conflicts)) => {
            assert_eq!(conflicts.len(), 1, "{conflicts:?}");
            assert_eq!(conflicts[0].field, ".data.a");
            assert_eq!(conflicts[0].manager, "first");
        }
        other => panic!("{other:?}"),
    }
    let live = subject
        .existing(&subject.config_map("apply-conflict"))
        .await;
    assert_eq!(live.at("/data"), Some(&json!({"a": "1"})));
}

/// The field changes hands.
pub async fn force_takes_the_field(subject: &Subject) {
    subject
        .applied(subject.config("apply-force", json!({"a": "1"})), "first")
        .await;
    let options = ApplyOptions {
        force: true,
        ..by("second")
    };
    let forced = subject
        .cluster
        .apply(subject.config("apply-force", json!({"a": "2"})), options)
        .await;
    let Ok(Applied::Done(live)) = forced else {
        panic!("{forced:?}");
    };
    assert_eq!(live.text("/data/a"), Some("2"));
    let path = FieldPath::default().field("data").field("a");
    assert_eq!(FieldOwners::of(&live).of_path(&path), ["second"]);
}

/// Two managers who agree both own the field; it stays until both have let go.
pub async fn equal_values_are_owned_together(subject: &Subject) {
    let object = |data: Value| subject.config("apply-shared", data);
    subject.applied(object(json!({"a": "1"})), "first").await;
    let shared = subject.applied(object(json!({"a": "1"})), "second").await;
    let path = FieldPath::default().field("data").field("a");
    let mut owners = FieldOwners::of(&shared).of_path(&path);
    owners.sort();
    assert_eq!(owners, ["first", "second"]);
    let left = subject.applied(object(json!({"b": "2"})), "first").await;
    assert_eq!(left.text("/data/a"), Some("1"));
    let gone = subject.applied(object(json!({"c": "3"})), "second").await;
    assert_eq!(gone.at("/data/a"), None);
}

/// Fields written without apply conflict as well.
pub async fn a_plain_writer_owns_its_fields_too(subject: &Subject) {
    let options = WriteOptions {
        manager: "plain".into(),
        ..WriteOptions::default()
    };
    let created = subject
        .cluster
        .create(subject.config("apply-plain", json!({"a": "1"})), options)
        .await;
    assert!(created.is_ok(), "{created:?}");
    match subject
        .cluster
        .apply(
            subject.config("apply-plain", json!({"a": "2"})),
            by("suite"),
        )
        .await
    {
        Ok(Applied::Conflicts(conflicts)) => assert_eq!(conflicts[0].manager, "plain"),
        other => panic!("{other:?}"),
    }
}

/// Two managers, one list.
pub async fn keyed_lists_merge_by_their_keys(subject: &Subject) {
    let target = ObjectRef::namespaced("v1", "Service", &subject.namespace, "apply-ports");
    let service = |name: &str, port: u16| {
        let mut object = Object::named(&target);
        let ports = json!([{"name": name, "port": port, "protocol": "TCP"}]);
        object
            .as_map_mut()
            .insert("spec".into(), json!({"ports": ports}));
        object
    };
    subject.applied(service("http", 80), "first").await;
    let both = subject.applied(service("metrics", 9102), "second").await;
    let names = |object: &Object| -> Vec<String> {
        let ports = object.at("/spec/ports").and_then(Value::as_array);
        let ports = ports.into_iter().flatten();
        ports
            .filter_map(|port| port["name"].as_str().map(str::to_owned))
            .collect()
    };
    assert_eq!(names(&both), ["http", "metrics"]);
    let mut renamed = service("web", 80);
    renamed.as_map_mut()["spec"]["ports"][0]["targetPort"] = json!(8080);
    let changed = subject.applied(renamed, "first").await;
    assert_eq!(names(&changed), ["web", "metrics"]);
}

/// Two managers, one set.
pub async fn sets_merge(subject: &Subject) {
    let object = |finalizer: &str| {
        let mut object = subject.config("apply-set", json!({"a": "1"}));
        object
            .metadata()
            .insert("finalizers".into(), json!([finalizer]));
        object
    };
    subject.applied(object("example.com/a"), "first").await;
    let both = subject.applied(object("example.com/b"), "second").await;
    assert_eq!(
        both.at("/metadata/finalizers"),
        Some(&json!(["example.com/a", "example.com/b"]))
    );
    let operations = json!([{"op": "remove", "path": "/metadata/finalizers"}]);
    let freed = subject
        .cluster
        .patch(
            subject.config_map("apply-set"),
            operations,
            WriteOptions::default(),
        )
        .await;
    assert!(freed.is_ok(), "{freed:?}");
}

/// A dry apply answers as if it had written, with the version it began from.
pub async fn a_dry_apply_keeps_nothing(subject: &Subject) {
    let first = subject
        .applied(subject.config("apply-dry", json!({"a": "1"})), "suite")
        .await;
    let options = ApplyOptions {
        dry_run: true,
        ..by("suite")
    };
    let answer = subject
        .cluster
        .apply(subject.config("apply-dry", json!({"a": "2"})), options)
        .await;
    match answer {
        Ok(Applied::Done(object)) => {
            assert_eq!(object.text("/data/a"), Some("2"));
            assert_eq!(object.resource_version(), first.resource_version());
        }
        other => panic!("{other:?}"),
    }
    let live = subject.existing(&subject.config_map("apply-dry")).await;
    assert_eq!(live.resource_version(), first.resource_version());
    assert_eq!(live.text("/data/a"), Some("1"));
}

/// A declared version is a precondition.
pub async fn applying_an_old_version_is_a_conflict(subject: &Subject) {
    let first = subject
        .applied(subject.config("apply-old", json!({"a": "1"})), "suite")
        .await;
    subject
        .applied(subject.config("apply-old", json!({"a": "2"})), "suite")
        .await;
    let mut object = subject.config("apply-old", json!({"a": "3"}));
    let version = first.resource_version().unwrap_or_default().to_owned();
    object
        .metadata()
        .insert("resourceVersion".into(), version.into());
    let error = subject
        .cluster
        .apply(object, by("suite"))
        .await
        .expect_err("an old version");
    assert!(
        matches!(error.kind, ClusterErrorKind::Conflict(_)),
        "{error:?}"
    );
}

/// The namespace is what is missing.
pub async fn applying_in_a_missing_namespace_names_the_namespace(subject: &Subject) {
    let target = ObjectRef::namespaced("v1", "ConfigMap", "no-such-namespace", "x");
    let error = subject
        .cluster
        .apply(Object::named(&target), by("suite"))
        .await;
    let error = error.expect_err("the namespace is missing");
    assert!(
        matches!(&error.kind, ClusterErrorKind::NamespaceMissing(_)),
        "{error:?}"
    );
}

/// What a client-side manager wrote is removed once its fields are handed over.
pub async fn fields_handed_over_are_removed_by_the_next_apply(subject: &Subject) {
    let options = WriteOptions {
        manager: "helm".into(),
        ..WriteOptions::default()
    };
    let object = subject.config("handed-over", json!({"a": "1", "b": "2"}));
    let created = subject.cluster.create(object, options.clone()).await;
    assert!(created.is_ok(), "{created:?}");
    let live = subject.existing(&subject.config_map("handed-over")).await;
    let patch =
        hand_over_fields(&live, &["helm"], "helm").expect("there is something to hand over");
    let patched = subject
        .cluster
        .patch(subject.config_map("handed-over"), patch, options)
        .await;
    assert!(matches!(patched, Ok(Some(_))), "{patched:?}");
    let less = subject
        .applied(subject.config("handed-over", json!({"a": "1"})), "helm")
        .await;
    assert_eq!(less.at("/data"), Some(&json!({"a": "1"})));
}
