//! Verification over mocks, on a paused clock: a ready pod is not believed, a moving heartbeat is.

use futures::StreamExt;
use kube_cluster::{MockCluster, Object, ObjectList, ObjectRef, Query, WatchEvent};
use serde_json::json;

use super::*;
use crate::MockAirflowApi;
use crate::api::{Health, ImportError, PartHealth};

/// A workload as its controller leaves it once all replicas are available.
fn available(target: &ObjectRef) -> Object {
    let mut object = Object::named(target);
    object.as_map_mut()["metadata"]["generation"] = 1.into();
    object
        .as_map_mut()
        .insert("spec".into(), json!({"replicas": 1}));
    object.as_map_mut().insert(
        "status".into(),
        json!({
            "observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1,
            "availableReplicas": 1, "currentReplicas": 1,
            "conditions": [{"type": "Available", "status": "True"},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}],
        }),
    );
    object
}

fn cluster() -> MockCluster {
    let mut cluster = MockCluster::new();
    cluster.expect_list().returning(|query| {
        let settings = AirflowSettings::default();
        let pair = settings.validate().unwrap();
        let items = if query.kind.kind == "Pod" {
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "airflow",
                    "labels": {"release": "airflow"}},
                "status": {"phase": "Running", "initContainerStatuses": [
                    {"name": "wait-for-airflow-migrations", "state": {"terminated": {"exitCode": 0}}},
                ]},
            });
            vec![Object::from_value(pod).unwrap()]
        } else {
            workloads(&settings, &pair)
                .iter()
                .filter(|(_, target)| target.kind == query.kind)
                .map(|(_, target)| available(target))
                .collect()
        };
        Ok(ObjectList {
            items,
            resource_version: "1".into(),
        })
    });
    cluster
}

fn healthy(beat: u32) -> Health {
    let part = PartHealth {
        status: Some("healthy".into()),
        heartbeat: Some(format!("t{beat}")),
    };
    Health {
        metadatabase: part.clone(),
        scheduler: part.clone(),
        triggerer: part.clone(),
        dag_processor: part,
    }
}

fn step(api: MockAirflowApi) -> VerifyAirflow {
    let settings = AirflowSettings::default();
    VerifyAirflow {
        cluster: Arc::new(cluster()),
        view: None,
        logs: None,
        api: Arc::new(api),
        pair: settings.validate().unwrap(),
        settings,
        limit: Duration::from_secs(60),
    }
}

fn api(moves: bool, errors: Vec<ImportError>) -> MockAirflowApi {
    let mut api = MockAirflowApi::new();
    let mut beat = 0;
    api.expect_has_seen().returning(|_| ());
    api.expect_health().returning(move || {
        beat += u32::from(moves);
        Ok(healthy(beat))
    });
    api.expect_version().returning(|| Ok("2.9.3".into()));
    api.expect_import_errors()
        .returning(move || Ok(errors.clone()));
    api
}

fn finding<'a>(findings: &'a [Finding], name: &str) -> &'a Finding {
    findings
        .iter()
        .find(|finding| finding.name == name)
        .unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test(start_paused = true)]
async fn everything_of_the_guide_is_claimed_with_its_proof() {
    let findings = step(api(true, Vec::new()))
        .wait(&Observer::default())
        .await
        .unwrap();
    for name in [
        "postgresql",
        "pgbouncer",
        "statsd",
        "scheduler",
        "webserver",
        "triggerer",
    ] {
        assert_eq!(
            finding(&findings, name).proof.kind,
            ProofKind::Observed,
            "{name}"
        );
    }
    for name in [
        "migrations",
        "user",
        "version",
        "scheduler health",
        "triggerer health",
        "dags",
    ] {
        assert_eq!(
            finding(&findings, name).proof.kind,
            ProofKind::Effect,
            "{name}"
        );
    }
    assert_eq!(
        finding(&findings, "scheduler health").proof.to_string(),
        "effect: heartbeat advanced"
    );
}

#[tokio::test(start_paused = true)]
async fn whom_to_ask_is_known_by_an_open_watch_before_the_pods_are_listed() {
    let there = || ObjectRef::namespaced("v1", "Pod", "airflow", "watched");
    let mut inner = cluster();
    inner.expect_watch().times(1).returning(move |_, _| {
        let pod = WatchEvent::Applied(Object::named(&there()));
        let told = futures::stream::iter([Ok(pod)]);
        Ok(told.chain(futures::stream::pending()).boxed())
    });
    let view = Arc::new(RunView::new(Arc::new(inner)));
    view.act();
    let pods = Query::all(Kind::new("v1", "Pod"), Some("airflow".into()));
    drop(view.watch(pods, String::new()).await.unwrap());
    let mut api = MockAirflowApi::new();
    api.expect_has_seen()
        .withf(|pods| pods.iter().map(Object::name).eq(["watched"]))
        .times(1)
        .returning(|_| ());
    api.expect_health().returning(|| Ok(healthy(1)));
    api.expect_version().returning(|| Ok("2.9.3".into()));
    api.expect_import_errors().returning(|| Ok(Vec::new()));
    let step = VerifyAirflow {
        cluster: Arc::clone(&view) as Arc<dyn Cluster>,
        view: Some(view),
        ..step(api)
    };
    // What is claimed is claimed of what is listed.
    let findings = step.look().await;
    assert!(finding(&findings, "migrations").readiness.is_current());
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_stands_still_is_not_health() {
    let error = step(api(false, Vec::new()))
        .wait(&Observer::default())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("scheduler health: healthy, but its heartbeat has not moved yet"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn import_errors_are_told_and_do_not_make_airflow_down() {
    let errors = vec![ImportError {
        filename: "a.py".into(),
        stack_trace: "x\nValueError: y".into(),
    }];
    let findings = step(api(true, errors))
        .wait(&Observer::default())
        .await
        .unwrap();
    let dags = finding(&findings, "dags");
    assert!(dags.readiness.is_failed());
    assert_eq!(
        dags.readiness.reason(),
        "1 files cannot be imported, first a.py: ValueError: y"
    );
}

#[tokio::test]
async fn another_version_than_declared_is_a_failure() {
    let mut api = MockAirflowApi::new();
    api.expect_has_seen().returning(|_| ());
    api.expect_health().returning(|| Ok(healthy(1)));
    api.expect_version().returning(|| Ok("2.9.2".into()));
    api.expect_import_errors().returning(|| Ok(Vec::new()));
    let findings = step(api).look().await;
    assert!(finding(&findings, "version").readiness.is_failed());
}

#[test]
fn workloads_follow_executor_and_generation() {
    let names = |settings: &AirflowSettings| {
        let pair = settings.validate().unwrap();
        workloads(settings, &pair)
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    let mut settings = AirflowSettings::default();
    assert_eq!(
        names(&settings),
        [
            "postgresql",
            "pgbouncer",
            "statsd",
            "scheduler",
            "webserver",
            "triggerer"
        ]
    );
    settings.executor = crate::Executors(vec![crate::Executor::Celery]);
    settings.chart_version = "1.22.0".into();
    settings.airflow_version = "3.2.2".into();
    assert_eq!(
        names(&settings),
        [
            "postgresql",
            "pgbouncer",
            "redis",
            "statsd",
            "scheduler",
            "api-server",
            "dag-processor",
            "triggerer",
            "worker"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn where_nothing_was_done_a_look_is_enough() {
    let context = StepContext {
        planned: Planned::Untouched,
        ..StepContext::default()
    };
    let started = tokio::time::Instant::now();
    let outcome = step(api(false, Vec::new()))
        .perform((), &context)
        .await
        .unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert!(
        !outcome.proof.to_string().contains("heartbeat"),
        "{}",
        outcome.proof
    );
}

#[test]
fn a_report_tells_how_each_claim_was_proven() {
    let finding = |name: &str, proof| Finding::current(name, "as it should be", proof);
    let mut findings = vec![
        finding("pods", Proof::observed("ready")),
        finding("user", Proof::not_checked("made elsewhere")).not_essential(),
    ];
    let of = |findings: &[Finding]| summary(findings).to_string();
    assert_eq!(
        of(&findings),
        "observed: 0 by effect, 1 observed, 1 not checked"
    );
    findings.push(finding("scheduler health", Proof::effect("it beats")));
    assert_eq!(
        of(&findings),
        "effect: 1 by effect, 1 observed, 1 not checked; heartbeat advanced"
    );
}
