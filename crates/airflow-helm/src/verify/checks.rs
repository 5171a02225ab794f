//! The single checks: what is looked at, and how an answer becomes a claim. This file owns the
//! judgements; waiting and order are [`VerifyAirflow`](super::VerifyAirflow)'s.

use converge::{Proof, Readiness};
use kube_cluster::{
    Cluster, ClusterError, Kind, LogQuery, Object, ObjectList, ObjectRef, PodLogs, Query, explain,
    explain_by, last_lines, readiness,
};
use serde_json::Value;

use super::Finding;
use crate::api::{ApiError, Health, ImportError, PartHealth};
use crate::schedule::WAITER;
use crate::settings::{AirflowSettings, Database};
use crate::{Executor, GitPin, Pair, synced_commit};

/// The workloads of a release: what to call each, its kind and its name.
pub fn workloads(settings: &AirflowSettings, pair: &Pair) -> Vec<(&'static str, ObjectRef)> {
    let mut found = Vec::new();
    let mut add = |wanted: bool, name: &'static str, stateful: bool| {
        if wanted {
            let kind = if stateful {
                "StatefulSet"
            } else {
                "Deployment"
            };
            let object = format!("{}-{name}", settings.release);
            found.push((
                name,
                ObjectRef::namespaced("apps/v1", kind, &settings.namespace, object),
            ));
        }
    };
    let celery = settings.executor.is_celery();
    let local = settings
        .executor
        .0
        .iter()
        .any(|executor| matches!(executor, Executor::Local | Executor::LocalKubernetes));
    let three = pair.airflow.is_three();
    add(
        matches!(settings.database, Database::Embedded(_)),
        "postgresql",
        true,
    );
    add(settings.pgbouncer.enabled, "pgbouncer", false);
    add(celery, "redis", true);
    add(settings.statsd.enabled, "statsd", false);
    add(true, "scheduler", local && settings.workers.persistence);
    add(true, pair.airflow.ui_component(), false);
    add(
        three || settings.dag_processor.enabled == Some(true),
        "dag-processor",
        false,
    );
    add(settings.triggerer.enabled, "triggerer", true);
    add(celery, "worker", settings.workers.persistence);
    found
}

/// What runs in the namespace.
pub(super) struct Running {
    pods: Result<Vec<Object>, ClusterError>,
    deployments: Result<ObjectList, ClusterError>,
    sets: Result<ObjectList, ClusterError>,
}

impl Running {
    /// The pods, as far as they could be listed.
    pub(super) fn pods(&self) -> &[Object] {
        self.pods.as_deref().unwrap_or_default()
    }
}

/// Lists what runs, each kind once.
pub(super) async fn running(cluster: &dyn Cluster, settings: &AirflowSettings) -> Running {
    // The database's chart labels its objects otherwise: the namespace is what they share.
    let all = |kind: Kind| cluster.list(Query::all(kind, Some(settings.namespace.clone())));
    let (pods, deployments, sets) = futures::join!(
        all(Kind::new("v1", "Pod")),
        all(Kind::new("apps/v1", "Deployment")),
        all(Kind::new("apps/v1", "StatefulSet")),
    );
    Running {
        pods: pods.map(|list| list.items),
        deployments,
        sets,
    }
}

/// Migrations and workloads.
pub(super) async fn cluster_findings(
    cluster: &dyn Cluster,
    running: &Running,
    settings: &AirflowSettings,
    pair: &Pair,
) -> Vec<Finding> {
    let Running {
        pods,
        deployments,
        sets,
    } = running;
    let known = pods.as_ref().map(Vec::as_slice);
    let mut findings = vec![migrations(cluster, settings, known).await];
    let pods: Vec<&Object> = pods.iter().flatten().collect();
    let mut events = None;
    for (name, target) in workloads(settings, pair) {
        let listed = if target.kind.kind == "StatefulSet" {
            sets
        } else {
            deployments
        };
        let finding = match listed {
            Err(error) => unknown(name, error),
            Ok(list) => {
                let found = list.items.iter().find(|one| one.name() == target.name);
                let state = match found {
                    None => Readiness::NotFound,
                    Some(object) if readiness(object).is_current() => readiness(object),
                    Some(object) => {
                        if events.is_none() {
                            events = Some(events_in(cluster, settings).await);
                        }
                        let events: Vec<&Object> = events.iter().flatten().collect();
                        explain_by(object, &pods, &events)
                    }
                };
                let proof = Proof::observed(state.reason().to_owned());
                Finding::new(name, state, proof)
            }
        };
        findings.push(finding);
    }
    findings
}

/// The namespace's events: a courtesy, without which reasons are less telling.
async fn events_in(cluster: &dyn Cluster, settings: &AirflowSettings) -> Vec<Object> {
    let query = Query::all(Kind::new("v1", "Event"), Some(settings.namespace.clone()));
    cluster
        .list(query)
        .await
        .map(|list| list.items)
        .unwrap_or_default()
}

fn unknown(name: &str, error: &ClusterError) -> Finding {
    Finding::new(
        name,
        Readiness::InProgress(error.to_string()),
        Proof::not_checked(error.to_string()),
    )
}

fn of_readiness(name: &str, readiness: Result<Readiness, ClusterError>) -> Finding {
    match readiness {
        Ok(readiness) => {
            let proof = Proof::observed(readiness.reason().to_owned());
            Finding::new(name, readiness, proof)
        }
        Err(error) => unknown(name, &error),
    }
}

/// The migration's hook is gone once it succeeded, so its effect is read where it shows: pods pass
/// their first init container only when the database is at the image's own state.
async fn migrations(
    cluster: &dyn Cluster,
    settings: &AirflowSettings,
    pods: Result<&[Object], &ClusterError>,
) -> Finding {
    const NAME: &str = "migrations";
    let pods = match pods {
        Ok(pods) => pods,
        Err(error) => return unknown(NAME, error),
    };
    let passed = pods
        .iter()
        .filter(|pod| pod.label("release") == Some(&settings.release) && passed_waiter(pod))
        .count();
    if passed > 0 {
        return Finding::current(
            NAME,
            "completed",
            Proof::effect(format!(
                "database heads match, {passed} pods passed the check"
            )),
        );
    }
    let job = ObjectRef::namespaced(
        "batch/v1",
        "Job",
        &settings.namespace,
        format!("{}-run-airflow-migrations", settings.release),
    );
    match cluster.get(job).await {
        Ok(Some(job)) => of_readiness(NAME, explain(cluster, &job).await),
        Ok(None) => Finding::waiting(NAME, "no pod has passed its check yet"),
        Err(error) => of_readiness(NAME, Err(error)),
    }
}

fn passed_waiter(pod: &Object) -> bool {
    let statuses = pod
        .at("/status/initContainerStatuses")
        .and_then(Value::as_array);
    statuses.into_iter().flatten().any(|status| {
        status.get("name").and_then(Value::as_str) == Some(WAITER)
            && status
                .pointer("/state/terminated/exitCode")
                .and_then(Value::as_i64)
                == Some(0)
    })
}

/// The parts whose health counts: what to call each.
fn parts(settings: &AirflowSettings, pair: &Pair) -> Vec<&'static str> {
    let mut parts = vec!["scheduler"];
    if settings.triggerer.enabled {
        parts.push("triggerer");
    }
    if pair.airflow.is_three() || settings.dag_processor.enabled == Some(true) {
        parts.push("dag-processor");
    }
    parts
}

fn part<'a>(health: &'a Health, name: &str) -> &'a PartHealth {
    match name {
        "scheduler" => &health.scheduler,
        "triggerer" => &health.triggerer,
        "dag-processor" => &health.dag_processor,
        _ => &health.metadatabase,
    }
}

pub(super) fn health(
    health: Result<&Health, &ApiError>,
    settings: &AirflowSettings,
    pair: &Pair,
) -> Vec<Finding> {
    let health = match health {
        Ok(health) => health,
        Err(error) => return vec![Finding::waiting("health", cause(error))],
    };
    let mut findings = Vec::new();
    for name in std::iter::once("database").chain(parts(settings, pair)) {
        let part = part(health, name);
        let label = format!("{name} health");
        findings.push(if part.is_healthy() {
            Finding::current(label, "healthy", Proof::observed("healthy"))
        } else {
            Finding::waiting(label, part.word().to_owned())
        });
    }
    findings
}

/// The parts whose heartbeat is another than before, and healthy.
pub(super) fn heartbeats(
    before: Option<&Health>,
    now: Option<&Health>,
    settings: &AirflowSettings,
    pair: &Pair,
) -> Vec<(&'static str, bool)> {
    parts(settings, pair)
        .into_iter()
        .map(|name| {
            let advanced = match (before, now) {
                (Some(before), Some(now)) => {
                    let (before, now) = (part(before, name), part(now, name));
                    now.is_healthy() && now.heartbeat.is_some() && before.heartbeat != now.heartbeat
                }
                _ => false,
            };
            (name, advanced)
        })
        .collect()
}

/// A healthy status that may be a stale row becomes an effect once its heartbeat has moved, and is
/// not enough before.
pub(super) fn raise_to_effect(findings: &mut [Finding], advanced: &[(&'static str, bool)]) {
    for (name, advanced) in advanced {
        let label = format!("{name} health");
        let Some(finding) = findings.iter_mut().find(|finding| finding.name == label) else {
            continue;
        };
        if !finding.readiness.is_current() {
            continue;
        }
        *finding = if *advanced {
            Finding::current(label, "healthy", Proof::effect("heartbeat advanced"))
        } else {
            Finding::waiting(label, "healthy, but its heartbeat has not moved yet")
        };
    }
}

pub(super) fn version(found: Result<String, ApiError>, pair: &Pair) -> Finding {
    const NAME: &str = "version";
    let wanted = pair.airflow.to_string();
    match found {
        Ok(found) if found == wanted => Finding::current(
            NAME,
            &found,
            Proof::effect(format!("Airflow {found} answered")),
        ),
        Ok(found) => Finding::failed(
            NAME,
            format!("Airflow {found} answers, {wanted} was declared"),
        ),
        Err(error) => Finding::waiting(NAME, cause(&error)),
    }
}

/// A ready pod that parses DAGs.
pub(super) fn parser(pods: &[Object], settings: &AirflowSettings, pair: &Pair) -> Option<String> {
    let component = if pair.airflow.is_three() || settings.dag_processor.enabled == Some(true) {
        "dag-processor"
    } else {
        "scheduler"
    };
    let target = crate::PodTarget {
        namespace: settings.namespace.clone(),
        release: settings.release.clone(),
        component: component.into(),
        port: 0,
    };
    crate::pods::ready_among(pods, &target)
}

/// The commit git-sync says it has, from the pod that parses DAGs.
pub(super) async fn commit(
    parser: &str,
    logs: &dyn PodLogs,
    settings: &AirflowSettings,
) -> Option<String> {
    let synced = |container: &str| {
        let query = LogQuery::of(settings.namespace.clone(), parser).container(container);
        async move {
            // Logs are a courtesy here: without them the claim is weaker, not wrong.
            let lines = last_lines(logs, query, 400).await;
            lines.ok().and_then(|lines| synced_commit(&lines))
        }
    };
    // The one that goes on tells only what has changed since it began.
    let (now, first) = futures::join!(synced("git-sync"), synced("git-sync-init"));
    now.or(first)
}

pub(super) fn dags(
    errors: Option<&[ImportError]>,
    commit: Option<&str>,
    settings: &AirflowSettings,
) -> Finding {
    const NAME: &str = "dags";
    let pin = settings.dags.git_sync.as_ref().map(|git| &git.pin);
    let place = match (pin, commit) {
        (None, _) => "image".to_owned(),
        (Some(pin), None) => format!("{}, commit not checked", pin.reference()),
        (Some(GitPin::Commit(_)), Some(commit)) => short(commit).to_owned(),
        (Some(pin), Some(commit)) => format!("{}@{}", pin.reference(), short(commit)),
    };
    if let (Some(GitPin::Commit(wanted)), Some(found)) = (pin, commit)
        && !wanted.eq_ignore_ascii_case(found)
    {
        return Finding::waiting(
            NAME,
            format!(
                "git-sync has {}, {} was declared",
                short(found),
                short(wanted)
            ),
        );
    }
    match errors {
        None => Finding::current(
            NAME,
            &place,
            Proof::not_checked("import errors cannot be read without a login"),
        ),
        Some([]) => {
            let proof = if commit.is_some() {
                Proof::effect("worktree, 0 import errors")
            } else {
                Proof::effect("0 import errors")
            };
            Finding::current(NAME, &place, proof)
        }
        Some(errors) => {
            let first = &errors[0];
            Finding::failed(
                NAME,
                format!(
                    "{} files cannot be imported, first {}: {}",
                    errors.len(),
                    first.filename,
                    first.last_line()
                ),
            )
        }
    }
}

fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

/// The error and its causes, in one line.
pub(super) fn cause(error: &ApiError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
