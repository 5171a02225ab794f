//! A client that dies at any request leaves something the next client finishes: the same end as if
//! nobody had died.

mod memory;

use std::collections::BTreeMap;
use std::sync::Arc;

use converge::Observer;
use helm_chart::{Chart, ChartFile};
use helm_release::conformance::dying::{Death, Dying, Forgetful};
use helm_release::{
    ClusterReleases, Outcome, Phase, Policy, Record, ReleaseError, ReleaseId, ReleaseIntent,
    ReleaseName, Releases, Revision, RollbackOptions, Schedule, Selector, UninstallOptions,
};
use kube_cluster::Cluster;
use memory::Memory;
use serde_json::{Value, json};

const NAMESPACE: &str = "crash";

fn chart() -> Arc<Chart> {
    let file = |name: &str, text: &str| ChartFile::new(name, text);
    let files = vec![
        file(
            "Chart.yaml",
            "apiVersion: v2\nname: crash\nversion: 0.1.0\n",
        ),
        file("values.yaml", "tag: \"1\"\nextra: true\n"),
        file(
            "crds/crd.yaml",
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.com}\nspec: {group: example.com, scope: Namespaced, names: {kind: Thing, plural: things}, versions: [{name: v1, served: true}]}\n",
        ),
        file(
            "templates/secret.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {key: {{ randAlphaNum 8 }}}\n",
        ),
        file(
            "templates/app.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec:\n  replicas: 1\n  selector: {matchLabels: {app: app}}\n  template: {metadata: {labels: {app: app}}, spec: {initContainers: [{name: wait, image: \"app:{{ .Values.tag }}\"}]}}\n",
        ),
        file(
            "templates/extra.yaml",
            "{{ if .Values.extra }}\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\ndata: {tag: {{ .Values.tag | quote }}}\n{{ end }}\n",
        ),
        file(
            "templates/migrate.yaml",
            "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, annotations: {helm.sh/hook: \"post-install,post-upgrade\", helm.sh/hook-weight: \"1\", helm.sh/hook-delete-policy: \"before-hook-creation,hook-succeeded\"}}\nspec: {template: {spec: {containers: [{name: migrate, image: \"app:{{ .Values.tag }}\"}]}}}\n",
        ),
        file(
            "templates/user.yaml",
            "apiVersion: batch/v1\nkind: Job\nmetadata: {name: user, annotations: {helm.sh/hook: \"post-install,pre-delete,post-delete\", helm.sh/hook-weight: \"2\"}}\nspec: {template: {spec: {containers: [{name: user, image: app}]}}}\n",
        ),
    ];
    Arc::new(Chart::from_files(files).expect("a chart"))
}

fn id() -> ReleaseId {
    ReleaseId::new(ReleaseName::parse("crash").expect("a name"), NAMESPACE)
}

fn intent(values: Value) -> ReleaseIntent {
    let mut intent = ReleaseIntent::new(id().name, NAMESPACE, chart());
    intent.values = values;
    intent.history_max = 2;
    intent.schedule = Schedule::phases([
        Phase::objects("back", Selector::init_container("wait").not()),
        Phase::hooks("migrations", Selector::name("migrate")),
        Phase::objects("front", Selector::Any),
    ]);
    intent
}

/// An engine whose luck and clock do not differ from run to run.
fn engine(cluster: Arc<dyn Cluster>, holder: &str) -> ClusterReleases {
    ClusterReleases::new(cluster)
        .with_holder(holder)
        .with_luck(|| [7; 32])
        .with_clock(|| "2026-01-02T03:04:05Z".parse().expect("a time"))
}

async fn apply(releases: &ClusterReleases, values: Value) -> Result<Outcome, ReleaseError> {
    releases
        .apply(intent(values), Policy::default(), Observer::default())
        .await
}

/// What a run does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Install,
    Upgrade,
    Rollback,
    Uninstall,
}

async fn prepare(act: Act, memory: &Memory) {
    let releases = engine(Arc::new(memory.clone()), "before");
    let steps: &[&str] = match act {
        Act::Install => &[],
        Act::Upgrade | Act::Uninstall => &["1"],
        Act::Rollback => &["1", "2"],
    };
    for tag in steps {
        apply(&releases, json!({ "tag": tag }))
            .await
            .expect("prepared");
    }
}

async fn perform(act: Act, releases: &ClusterReleases) -> Result<(), ReleaseError> {
    match act {
        Act::Install => apply(releases, json!({})).await.map(drop),
        Act::Upgrade => apply(releases, json!({"tag": "3", "extra": false}))
            .await
            .map(drop),
        Act::Rollback => {
            let options = RollbackOptions {
                to: Some(Revision(1)),
                history_max: 10,
                ..RollbackOptions::default()
            };
            releases
                .rollback(id(), options, Observer::default())
                .await
                .map(drop)
        }
        Act::Uninstall => {
            let options = UninstallOptions::default();
            releases
                .uninstall(id(), options, Observer::default())
                .await
                .map(drop)
        }
    }
}

/// The end of a run: every object but the records' bytes, which are compared decoded.
async fn end(memory: &Memory) -> (BTreeMap<String, Value>, Vec<Record>) {
    let releases = engine(Arc::new(memory.clone()), "looking");
    let mut records = Vec::new();
    for summary in releases.history(id()).await.expect("a history") {
        let record = releases.record(id(), Some(summary.revision)).await;
        records.push(record.expect("a record").expect("it is there"));
    }
    let mut picture = memory.picture();
    // A client that dies after its last write leaves its Lease, which runs out by itself.
    picture.retain(|name, _| !name.starts_with("Lease "));
    for object in picture.values_mut() {
        let metadata = object["metadata"].as_object_mut().expect("metadata");
        // The label of a rewritten record and the mark of a hook's run tell of the way, not the end.
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.remove("modifiedAt");
        }
        if let Some(notes) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            notes.remove("aks-airflow.io/run");
        }
        if object["type"] == "helm.sh/release.v1" {
            object["data"]["release"] = Value::Null;
        }
    }
    (picture, records)
}

async fn every_death_converges(act: Act) {
    let memory = Memory::with_namespace(NAMESPACE);
    prepare(act, &memory).await;
    let counting = Dying::new(Arc::new(memory.clone()), None);
    perform(act, &engine(Arc::new(counting.clone()), "first"))
        .await
        .expect("the undisturbed run");
    let expected = end(&memory).await;
    let migrations = memory.creations("migrate");
    assert!(
        counting.requests() > 10,
        "{act:?} makes {} requests",
        counting.requests()
    );

    for at in 0..counting.requests() {
        for after_effect in [false, true] {
            let death = Death { at, after_effect };
            let memory = Memory::with_namespace(NAMESPACE);
            prepare(act, &memory).await;
            let dying = Dying::new(Arc::new(memory.clone()), Some(death));
            let first = engine(Arc::new(dying.clone()), "first");
            let outcome = dying.run(perform(act, &first)).await;
            assert!(
                outcome.is_none_or(|result| result.is_ok()),
                "{act:?} {death:?}"
            );
            let second = engine(Arc::new(memory.clone()), "second");
            if let Err(error) = perform(act, &second).await {
                // A finished rollback is rolled back to again: that is no way to find out.
                panic!("{act:?} {death:?}: {error:?}");
            }
            let end = end(&memory).await;
            if matches!(act, Act::Rollback) && end.1.len() != expected.1.len() {
                // The first client had finished: the second made one more revision of the same.
                assert_eq!(
                    end.1.last().map(|one| &one.manifest),
                    expected.1.last().map(|one| &one.manifest)
                );
                continue;
            }
            assert_eq!(end.1, expected.1, "{act:?} {death:?}: records");
            assert_eq!(end.0, expected.0, "{act:?} {death:?}: objects");
            let ran = memory.creations("migrate");
            assert!(
                ran <= migrations,
                "{act:?} {death:?}: the migration ran {ran} times"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_install_that_dies_at_any_request_converges() {
    every_death_converges(Act::Install).await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_dies_at_any_request_converges() {
    every_death_converges(Act::Upgrade).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_dies_at_any_request_converges() {
    every_death_converges(Act::Rollback).await;
}

#[tokio::test(start_paused = true)]
async fn an_uninstall_that_dies_at_any_request_converges() {
    every_death_converges(Act::Uninstall).await;
}

/// A lost answer to any write changes nothing: the run itself goes on and ends well.
async fn every_lost_answer_is_made_up_for(act: Act) {
    let memory = Memory::with_namespace(NAMESPACE);
    prepare(act, &memory).await;
    let counting = Forgetful::new(Arc::new(memory.clone()), None);
    perform(act, &engine(Arc::new(counting.clone()), "first"))
        .await
        .expect("the undisturbed run");
    let expected = end(&memory).await;
    assert!(
        counting.writes() > 3,
        "{act:?} makes {} writes",
        counting.writes()
    );
    for at in 0..counting.writes() {
        for after_effect in [false, true] {
            let loss = Death { at, after_effect };
            let memory = Memory::with_namespace(NAMESPACE);
            prepare(act, &memory).await;
            let forgetful = Forgetful::new(Arc::new(memory.clone()), Some(loss));
            if let Err(error) = perform(act, &engine(Arc::new(forgetful), "first")).await {
                panic!("{act:?} {loss:?}: {error:?}");
            }
            let end = end(&memory).await;
            assert_eq!(end.1, expected.1, "{act:?} {loss:?}: records");
            assert_eq!(end.0, expected.0, "{act:?} {loss:?}: objects");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_changes_nothing_about_an_install() {
    every_lost_answer_is_made_up_for(Act::Install).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_changes_nothing_about_an_upgrade() {
    every_lost_answer_is_made_up_for(Act::Upgrade).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_changes_nothing_about_a_rollback() {
    every_lost_answer_is_made_up_for(Act::Rollback).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_changes_nothing_about_an_uninstall() {
    every_lost_answer_is_made_up_for(Act::Uninstall).await;
}
