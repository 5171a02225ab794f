//! What the conformance suite cannot ask of every cluster: failing Jobs, autoscalers, request
//! counts, living rivals, and records of other Helms.

mod memory;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use converge::{Event, Observer};
use helm_chart::{Chart, ChartFile};
use helm_release::conformance::dying::{Death, Dying};
use helm_release::{
    ClusterReleases, Outcome, PlannedAction, Policy, ReleaseError, ReleaseErrorKind, ReleaseId,
    ReleaseIntent, ReleaseName, Releases, Revision, Status,
};
use kube_cluster::{Cluster, Created, DeleteOptions, Deleted, Object, ObjectRef, WriteOptions};
use memory::Memory;
use serde_json::{Value, json};

const NAMESPACE: &str = "ns";

fn chart() -> Arc<Chart> {
    let file = |name: &str, text: &str| ChartFile::new(name, text);
    let files = vec![
        file("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n"),
        file("values.yaml", "tag: \"1\"\n"),
        file(
            "templates/app.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec:\n  replicas: 1\n  selector: {matchLabels: {app: app}}\n  template: {metadata: {labels: {app: app, tag: {{ .Values.tag | quote }}}}}\n",
        ),
        file(
            "templates/passing.yaml",
            "{{ if .Values.job }}\napiVersion: batch/v1\nkind: Job\nmetadata: {name: passing}\nspec: {ttlSecondsAfterFinished: 5, template: {}}\n{{ end }}\n",
        ),
        file(
            "templates/found.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: found}\ndata: {color: {{ dig \"data\" \"color\" \"none\" (lookup \"v1\" \"ConfigMap\" .Release.Namespace \"palette\") }}}\n",
        ),
        file(
            "templates/migrate.yaml",
            "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, annotations: {helm.sh/hook: \"post-install,post-upgrade\", helm.sh/hook-delete-policy: {{ .Values.goes | default \"before-hook-creation\" }}}}\nspec: {template: {spec: {containers: [{name: migrate, image: app}]}}}\n",
        ),
    ];
    Arc::new(Chart::from_files(files).expect("a chart"))
}

fn id() -> ReleaseId {
    ReleaseId::new(ReleaseName::parse("r").expect("a name"), NAMESPACE)
}

fn intent(values: Value) -> ReleaseIntent {
    let mut intent = ReleaseIntent::new(id().name, NAMESPACE, chart());
    intent.values = values;
    intent
}

async fn apply(cluster: &Arc<dyn Cluster>, values: Value) -> Result<Outcome, ReleaseError> {
    ClusterReleases::new(Arc::clone(cluster))
        .apply(intent(values), Policy::default(), Observer::default())
        .await
}

fn cluster() -> (Memory, Arc<dyn Cluster>) {
    let memory = Memory::with_namespace(NAMESPACE);
    (memory.clone(), Arc::new(memory))
}

async fn story(cluster: &Arc<dyn Cluster>) -> Vec<(Revision, Status, String)> {
    let releases = ClusterReleases::new(Arc::clone(cluster));
    let history = releases.history(id()).await.expect("a history");
    history
        .into_iter()
        .map(|one| (one.revision, one.status, one.description))
        .collect()
}

#[tokio::test]
async fn a_failing_hook_fails_the_revision_and_the_next_run_makes_another() {
    let (memory, cluster) = cluster();
    memory.fail_job("migrate");
    let error = apply(&cluster, json!({}))
        .await
        .expect_err("the hook fails");
    let ReleaseErrorKind::Hook { event, hook, .. } = &*error.kind else {
        panic!("{error:?}");
    };
    assert_eq!(
        (event.as_str(), hook.as_str()),
        ("post-install", "Job ns/migrate")
    );
    let [(_, status, description)] = &*story(&cluster).await else {
        panic!("one revision");
    };
    assert_eq!(*status, Status::Failed);
    assert!(
        description.starts_with("Release \"r\" failed: post-install hooks failed: Job ns/migrate"),
        "{description}"
    );
    memory.mend_job("migrate");
    let outcome = apply(&cluster, json!({})).await.expect("the second try");
    assert_eq!(outcome.did, "installed, revision 2");
}

#[tokio::test]
async fn a_failed_upgrade_is_rolled_back_when_the_policy_says_so() {
    let (memory, cluster) = cluster();
    apply(&cluster, json!({})).await.expect("installed");
    memory.fail_job("migrate");
    let policy = Policy {
        rollback_on_failure: true,
        ..Policy::default()
    };
    let releases = ClusterReleases::new(Arc::clone(&cluster));
    let error = releases
        .apply(intent(json!({"tag": "2"})), policy, Observer::default())
        .await
        .expect_err("the hook fails");
    assert!(
        error.kind.to_string().starts_with(
            "release r failed, and has been rolled back to 1 due to rollback-on-failure being set: "
        ),
        "{error:?}"
    );
    let statuses: Vec<Status> = story(&cluster)
        .await
        .into_iter()
        .map(|(_, status, _)| status)
        .collect();
    assert_eq!(
        statuses,
        [Status::Superseded, Status::Failed, Status::Deployed]
    );
    let app = ObjectRef::namespaced("apps/v1", "Deployment", NAMESPACE, "app");
    let live = cluster.get(app).await.expect("readable").expect("there");
    assert_eq!(live.text("/spec/template/metadata/labels/tag"), Some("1"));
}

#[tokio::test]
async fn a_failed_install_is_uninstalled_when_the_policy_says_so() {
    let (memory, cluster) = cluster();
    memory.fail_job("migrate");
    let policy = Policy {
        rollback_on_failure: true,
        ..Policy::default()
    };
    let releases = ClusterReleases::new(Arc::clone(&cluster));
    let result = releases
        .apply(intent(json!({})), policy, Observer::default())
        .await;
    let error = result.expect_err("the hook fails");
    assert!(
        error
            .kind
            .to_string()
            .contains("has been uninstalled due to"),
        "{error:?}"
    );
    assert!(story(&cluster).await.is_empty());
}

#[tokio::test]
async fn replicas_that_an_autoscaler_owns_yield() {
    let (memory, cluster) = cluster();
    apply(&cluster, json!({})).await.expect("installed");
    let app = ObjectRef::namespaced("apps/v1", "Deployment", NAMESPACE, "app");
    memory.scale(&app, 5);
    let replicas = || async {
        let live = cluster
            .get(app.clone())
            .await
            .expect("readable")
            .expect("there");
        live.at("/spec/replicas").cloned()
    };
    let outcome = apply(&cluster, json!({})).await.expect("no conflict");
    assert!(outcome.unchanged, "{}", outcome.did);
    apply(&cluster, json!({"tag": "2"}))
        .await
        .expect("upgraded");
    assert_eq!(replicas().await, Some(json!(5)));
}

#[tokio::test]
async fn nothing_to_do_costs_one_list_per_kind() {
    let (memory, cluster) = cluster();
    apply(&cluster, json!({})).await.expect("installed");
    let counting = Dying::new(Arc::clone(&cluster), None);
    let writes = memory.writes();
    let counted: Arc<dyn Cluster> = Arc::new(counting.clone());
    assert!(
        apply(&counted, json!({}))
            .await
            .expect("unchanged")
            .unchanged
    );
    assert_eq!(memory.writes(), writes);
    // The records, discovery, one Deployment, one ConfigMap.
    assert_eq!(counting.requests(), 4);
}

#[tokio::test]
async fn templates_see_what_they_look_up() {
    let (_, cluster) = cluster();
    let mut palette = Object::named(&ObjectRef::namespaced(
        "v1",
        "ConfigMap",
        NAMESPACE,
        "palette",
    ));
    palette
        .as_map_mut()
        .insert("data".into(), json!({"color": "teal"}));
    let created = cluster.create(palette, WriteOptions::default()).await;
    assert!(matches!(created, Ok(Created::New(_))));
    apply(&cluster, json!({})).await.expect("installed");
    let found = ObjectRef::namespaced("v1", "ConfigMap", NAMESPACE, "found");
    let live = cluster.get(found).await.expect("readable").expect("there");
    assert_eq!(live.text("/data/color"), Some("teal"));
}

#[tokio::test(start_paused = true)]
async fn who_has_the_lease_but_not_the_first_revision_leaves_it_to_who_has_that() {
    let (memory, cluster) = cluster();
    let by = Duration::from_millis;
    let client = |memory: Memory| Arc::new(memory) as Arc<dyn Cluster>;
    let revision_first = client(memory.clone().late("Secret", by(20)).late("Lease", by(50)));
    let lease_first = client(memory.late("Secret", by(30)));
    let (one, two) = tokio::join!(
        apply(&revision_first, json!({"tag": "one"})),
        apply(&lease_first, json!({"tag": "two"})),
    );
    assert_eq!(one.expect("the first").did, "installed, revision 1");
    assert_eq!(two.expect("the second").did, "upgraded, revision 2");
    let statuses: Vec<Status> = story(&cluster).await.into_iter().map(|one| one.1).collect();
    assert_eq!(statuses, [Status::Superseded, Status::Deployed]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_goes_only_once_its_success_is_stored() {
    let (memory, cluster) = cluster();
    let slow: Arc<dyn Cluster> = Arc::new(memory.clone().late("Secret", Duration::from_secs(1)));
    let job = ObjectRef::namespaced("batch/v1", "Job", NAMESPACE, "migrate");
    let values = json!({"goes": "hook-succeeded"});
    // The client dies as soon as the hook is gone.
    let gone = async {
        while memory.creations("migrate") == 0 || cluster.get(job.clone()).await.unwrap().is_some()
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        biased;
        () = gone => {}
        outcome = apply(&slow, values.clone()) => panic!("it ended before: {outcome:?}"),
    }
    apply(&cluster, values).await.expect("the next run");
    assert_eq!(memory.creations("migrate"), 1, "the hook ran twice");
}

#[tokio::test(start_paused = true)]
async fn a_living_client_is_respected_and_a_dead_one_replaced() {
    let (_, cluster) = cluster();
    // Requests 7 and on never come back, but the Lease is renewed: the client lives and is slow.
    let slow = Dying::new(
        Arc::clone(&cluster),
        Some(Death {
            at: 8,
            after_effect: true,
        }),
    );
    let first: Arc<dyn Cluster> = Arc::new(slow.clone());
    assert!(slow.run(apply(&first, json!({}))).await.is_none());
    let lease = ObjectRef::namespaced(
        "coordination.k8s.io/v1",
        "Lease",
        NAMESPACE,
        "aks-airflow.release.r",
    );
    let renewing = Arc::clone(&cluster);
    let target = lease.clone();
    let alive = tokio::spawn(async move {
        loop {
            let found = renewing.get(target.clone()).await.expect("readable");
            let mut found = found.expect("the Lease is there");
            let now = format!("{:.9}", jiff::Timestamp::now());
            found.as_map_mut()["spec"]["renewTime"] = now.into();
            renewing
                .replace(found, WriteOptions::default())
                .await
                .expect("renewed");
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });
    let error = apply(&cluster, json!({})).await.expect_err("it is alive");
    assert!(error.is_pending(), "{error:?}");
    let plan = || {
        let releases = ClusterReleases::new(Arc::clone(&cluster));
        async move { releases.plan(intent(json!({})), Policy::default()).await }
    };
    let error = plan().await.expect_err("a plan sees it live");
    assert!(error.is_pending(), "{error:?}");
    alive.abort();
    // By the clocks the Lease is fresh still, but it does not move.
    let action = plan().await.expect("a plan sees it dead").action;
    let revision = Revision::FIRST;
    assert_eq!(action, PlannedAction::Resume { revision });
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    let listener = move |event: Event| sink.lock().expect("unpoisoned").push(event);
    let outcome = ClusterReleases::new(Arc::clone(&cluster))
        .apply(
            intent(json!({})),
            Policy::default(),
            Observer::new("test", Arc::new(listener)),
        )
        .await
        .expect("the dead one is replaced");
    assert_eq!(outcome.did, "resumed, revision 1");
    let told = told.lock().expect("unpoisoned").clone();
    assert!(
        told.iter().any(|event| matches!(event, Event::Waiting { reason, .. } if reason.contains("seeing whether it is alive"))),
        "{told:?}"
    );
    assert!(cluster.get(lease).await.expect("readable").is_none());
}

#[tokio::test]
async fn a_finished_job_with_a_time_to_live_is_not_missed() {
    let (memory, cluster) = cluster();
    let values = json!({"job": true});
    apply(&cluster, values.clone()).await.expect("installed");
    let job = ObjectRef::namespaced("batch/v1", "Job", NAMESPACE, "passing");
    let deleted = cluster.delete(job, DeleteOptions::default()).await;
    assert!(matches!(deleted, Ok(Deleted::Gone)));
    let outcome = apply(&cluster, values).await.expect("nothing to do");
    assert!(outcome.unchanged, "{}", outcome.did);
    assert_eq!(memory.creations("passing"), 1);
}

/// A revision as Helm 3.21 stores it: zero times as empty texts, no apply method, not compressed.
async fn helm_three_release(cluster: &Arc<dyn Cluster>) {
    let record = json!({
        "name": "r", "version": 1, "namespace": NAMESPACE,
        "info": {"first_deployed": "2024-01-02T03:04:05.678+01:00", "last_deployed": "2024-01-02T03:04:05.678+01:00",
            "deleted": "", "description": "Install complete", "status": "deployed"},
        "chart": {"metadata": {"name": "c", "version": "0.0.9", "apiVersion": "v2"}, "lock": null, "templates": null, "values": null, "schema": null, "files": null},
        "config": null,
        "manifest": "---\n# Source: c/templates/old.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: old\n",
        "hooks": [{"name": "h", "kind": "Job", "path": "p", "manifest": "kind: Job\napiVersion: batch/v1\nmetadata: {name: h}\n",
            "events": ["post-install"], "last_run": {"started_at": "", "completed_at": "", "phase": ""}}],
    });
    let target = ObjectRef::namespaced("v1", "Secret", NAMESPACE, "sh.helm.release.v1.r.v1");
    let mut secret = Object::named(&target);
    for (label, value) in BTreeMap::from([
        ("owner", "helm"),
        ("name", "r"),
        ("status", "deployed"),
        ("version", "1"),
    ]) {
        secret.set_label(label, value);
    }
    let inner = STANDARD.encode(record.to_string());
    secret
        .as_map_mut()
        .insert("type".into(), "helm.sh/release.v1".into());
    secret
        .as_map_mut()
        .insert("data".into(), json!({"release": STANDARD.encode(inner)}));
    let as_helm = WriteOptions {
        manager: "helm".into(),
        dry_run: false,
    };
    cluster
        .create(secret, as_helm.clone())
        .await
        .expect("stored");
    let mut old = Object::named(&ObjectRef::namespaced("v1", "ConfigMap", NAMESPACE, "old"));
    old.set_label("app.kubernetes.io/managed-by", "Helm");
    old.set_annotation("meta.helm.sh/release-name", "r");
    old.set_annotation("meta.helm.sh/release-namespace", NAMESPACE);
    cluster.create(old, as_helm).await.expect("created");
}

#[tokio::test]
async fn a_release_of_helm_three_is_upgraded() {
    let (_, cluster) = cluster();
    helm_three_release(&cluster).await;
    let outcome = apply(&cluster, json!({})).await.expect("upgraded");
    assert_eq!(outcome.did, "upgraded, revision 2");
    let old = ObjectRef::namespaced("v1", "ConfigMap", NAMESPACE, "old");
    assert!(
        cluster.get(old).await.expect("readable").is_none(),
        "no longer declared"
    );
    let releases = ClusterReleases::new(Arc::clone(&cluster));
    let record = releases
        .record(id(), None)
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(
        record.info.first_deployed.as_deref(),
        Some("2024-01-02T03:04:05.678+01:00")
    );
    let statuses: Vec<Status> = story(&cluster)
        .await
        .into_iter()
        .map(|(_, status, _)| status)
        .collect();
    assert_eq!(statuses, [Status::Superseded, Status::Deployed]);
}
