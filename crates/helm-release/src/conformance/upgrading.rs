//! Behaviours of install and upgrade.

use converge::{ChangeKind, Observer};
use kube_cluster::{Created, Object, ObjectRef, WriteOptions};
use serde_json::json;

use super::Subject;
use crate::{PlannedAction, Policy, ReleaseId, Releases, Revision, Status};

/// Secret, labels and content are those Helm would leave.
pub async fn installing_leaves_helms_record(subject: &Subject) {
    let outcome = subject.applied(json!({"greeting": "hi"})).await;
    assert_eq!(outcome.did, "installed, revision 1");
    assert_eq!(outcome.notes.trim(), "It says hi.");
    let name = "sh.helm.release.v1.probe.v1";
    let target = ObjectRef::namespaced("v1", "Secret", &subject.namespace, name);
    let secret = subject.existing(&target).await;
    assert_eq!(secret.text("/type"), Some("helm.sh/release.v1"));
    for (label, value) in [
        ("owner", "helm"),
        ("name", "probe"),
        ("status", "deployed"),
        ("version", "1"),
    ] {
        assert_eq!(secret.label(label), Some(value), "{label}");
    }
    let record = subject.releases().record(subject.id(), None).await;
    let Ok(Some(record)) = record else {
        panic!("no record: {record:?}");
    };
    assert_eq!(record.info.status, Status::Deployed);
    assert_eq!(record.info.description, "Install complete");
    assert_eq!(record.apply_method, "ssa");
    assert_eq!(record.config["greeting"], "hi");
    assert_eq!(
        (record.chart_name(), record.app_version()),
        ("probe", Some("7"))
    );
    assert!(
        record
            .manifest
            .contains("# Source: probe/templates/config.yaml\n")
    );
    assert!(
        !record.manifest.contains("meta.helm.sh"),
        "marks are put on live objects alone"
    );
    let live = subject.existing(&subject.config("config")).await;
    assert_eq!(live.label("app.kubernetes.io/managed-by"), Some("Helm"));
    assert_eq!(live.annotation("meta.helm.sh/release-name"), Some("probe"));
    assert_eq!(live.text("/data/greeting"), Some("hi"));
}

/// No object, no record and no Lease changes its version.
pub async fn applying_again_writes_nothing(subject: &Subject) {
    subject.applied(json!({"greeting": "hi"})).await;
    let before = subject.versions().await;
    let outcome = subject.applied(json!({"greeting": "hi"})).await;
    assert!(outcome.unchanged, "{}", outcome.did);
    assert_eq!(outcome.revision, Revision(1));
    assert_eq!(subject.versions().await, before);
    assert!(
        !before.iter().any(|(name, _)| name.starts_with("Lease")),
        "the Lease was given back"
    );
}

/// Rows name verb, object and field; the action is what applying then does.
pub async fn a_plan_writes_nothing_and_names_what_would_change(subject: &Subject) {
    let releases = subject.releases();
    let plan = |values| releases.plan(subject.intent(values), Policy::default());
    let install = plan(json!({})).await.expect("a plan");
    assert_eq!(
        install.action,
        PlannedAction::Install {
            revision: Revision(1)
        }
    );
    let rows: Vec<String> = install
        .changes
        .iter()
        .map(|row| format!("{} {}", row.kind, row.target))
        .collect();
    let secret = format!("create Secret {}/probe-secret", subject.namespace);
    assert!(rows.contains(&secret), "{rows:?}");
    assert!(
        !install.random_sources.is_empty(),
        "the password is made up"
    );

    subject.applied(json!({})).await;
    let before = subject.versions().await;
    assert!(plan(json!({})).await.expect("a plan").is_noop());
    let upgrade = plan(json!({"greeting": "new"})).await.expect("a plan");
    assert_eq!(
        upgrade.action,
        PlannedAction::Upgrade {
            from: Revision(1),
            to: Revision(2)
        }
    );
    let [row] = upgrade.changes.as_slice() else {
        panic!("one object changes: {:?}", upgrade.changes);
    };
    assert_eq!(row.kind, ChangeKind::Update);
    assert_eq!(row.fields[0].path, "data.greeting");
    assert_eq!(subject.versions().await, before);
}

/// Changed, new and undeclared objects.
pub async fn an_upgrade_changes_adds_and_deletes(subject: &Subject) {
    subject.applied(json!({})).await;
    let outcome = subject
        .applied(json!({"greeting": "new", "extra": true}))
        .await;
    assert_eq!(outcome.did, "upgraded, revision 2");
    let config = subject.existing(&subject.config("config")).await;
    assert_eq!(config.text("/data/greeting"), Some("new"));
    assert!(subject.live(&subject.config("extra")).await.is_some());
    subject.applied(json!({"greeting": "new"})).await;
    assert!(subject.live(&subject.config("extra")).await.is_none());
    assert_eq!(
        subject.story().await,
        "1 superseded, 2 superseded, 3 deployed"
    );
}

/// Server-side apply removes what is no longer declared.
pub async fn a_field_left_out_goes_away(subject: &Subject) {
    subject.applied(json!({"second": "here"})).await;
    let config = subject.config("config");
    let live = subject.existing(&config).await;
    assert_eq!(live.text("/data/second"), Some("here"));
    subject.applied(json!({})).await;
    let live = subject.existing(&config).await;
    assert_eq!(live.text("/data/second"), None);
}

/// A password a template makes up is made up once.
pub async fn made_up_values_stay(subject: &Subject) {
    subject.applied(json!({})).await;
    let secret = ObjectRef::namespaced("v1", "Secret", &subject.namespace, "probe-secret");
    let password = |object: &Object| object.text("/data/password").map(str::to_owned);
    let before = password(&subject.existing(&secret).await);
    assert!(before.is_some());
    subject.applied(json!({"greeting": "new"})).await;
    assert_eq!(password(&subject.existing(&secret).await), before);
}

/// As many revisions as asked for, the newest ones.
pub async fn the_history_keeps_its_length(subject: &Subject) {
    for greeting in ["a", "b", "c", "d"] {
        let mut intent = subject.intent(json!({ "greeting": greeting }));
        intent.history_max = 2;
        let applied = subject
            .releases()
            .apply(intent, Policy::default(), Observer::default())
            .await;
        assert!(applied.is_ok(), "{applied:?}");
    }
    assert_eq!(subject.story().await, "3 superseded, 4 deployed");
}

/// The record stays, the object comes back.
pub async fn a_deleted_object_is_repaired_without_a_revision(subject: &Subject) {
    subject.applied(json!({})).await;
    let config = subject.config("config");
    let deleted = subject
        .cluster
        .delete(config.clone(), kube_cluster::DeleteOptions::default())
        .await;
    assert!(deleted.is_ok());
    let outcome = subject.applied(json!({})).await;
    assert_eq!(outcome.did, "repaired, revision 1");
    assert!(subject.live(&config).await.is_some());
    assert_eq!(subject.story().await, "1 deployed");
}

/// What Helm 3 created by update becomes ours by apply: a field that is left out goes away.
pub async fn objects_that_helm_applied_client_side_are_taken_over(subject: &Subject) {
    let config = subject.config("config");
    let mut object = Object::named(&config);
    object.set_label("app.kubernetes.io/managed-by", "Helm");
    object.set_annotation("meta.helm.sh/release-name", "probe");
    object.set_annotation("meta.helm.sh/release-namespace", &subject.namespace);
    object
        .as_map_mut()
        .insert("data".into(), json!({"greeting": "old", "stale": "yes"}));
    let options = WriteOptions {
        manager: "helm".into(),
        dry_run: false,
    };
    let created = subject.cluster.create(object, options).await;
    assert!(matches!(created, Ok(Created::New(_))));
    subject.applied(json!({"greeting": "new"})).await;
    let live = subject.existing(&config).await;
    assert_eq!(live.text("/data/greeting"), Some("new"));
    assert_eq!(live.text("/data/stale"), None);
}

/// Labelled as Helm labels it.
pub async fn a_missing_namespace_is_created_on_demand(subject: &Subject) {
    let namespace = format!("{}-made", subject.namespace);
    let mut intent = subject.intent(json!({}));
    intent.namespace.clone_from(&namespace);
    let releases = subject.releases();
    let apply = |intent| releases.apply(intent, Policy::default(), Observer::default());
    let refused = apply(intent.clone()).await;
    assert!(refused.is_err(), "without the namespace it cannot be");
    intent.create_namespace = true;
    let applied = apply(intent).await;
    assert!(applied.is_ok(), "{applied:?}");
    let target = ObjectRef::cluster_wide("v1", "Namespace", &namespace);
    let live = subject.existing(&target).await;
    assert_eq!(live.label("name"), Some(namespace.as_str()));
    let id = ReleaseId::new(subject.id().name, &namespace);
    assert!(matches!(releases.record(id, None).await, Ok(Some(_))));
}
