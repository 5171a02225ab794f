//! [`ClusterWork`]: when the cluster, not the tool, was at work: Jobs, pods, bindings, the webhook's
//! certificate, the Secret from the vault. It owns watching for it; it refuses to count the time
//! before the tool had asked for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aks_airflow_e2e::{Audited, ControlPlane, NAMESPACE};
use converge::Readiness;
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use kube_cluster::{Cluster, Kind, KubeCluster, Object, Query, WatchEvent, readiness};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::Failure;

/// The Secret that External Secrets makes.
const CREDENTIALS: &str = "storage-account-credentials";

/// A request that takes longer is not worked on but held.
const HELD: SignedDuration = SignedDuration::from_secs(1);

/// Follows what the cluster does until it is dropped.
pub(crate) struct ClusterWork {
    seen: Arc<Mutex<BTreeMap<String, Seen>>>,
    tasks: Vec<JoinHandle<()>>,
}

/// When something came to be and when it was done.
#[derive(Debug, Clone, Copy)]
struct Seen {
    made: Timestamp,
    done: Option<Timestamp>,
    /// Whether its pods wait for Airflow's migrations.
    waits_for_migrations: bool,
}

/// A time in which the tool could only wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    from: Timestamp,
    to: Timestamp,
}

impl ClusterWork {
    /// Follows from now on.
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub(crate) async fn follow(plane: &ControlPlane) -> Result<Self, Failure> {
        let cluster = Arc::new(plane.connect().await?);
        let seen = Arc::<Mutex<BTreeMap<String, Seen>>>::default();
        let within = |api, kind| Query::all(Kind::new(api, kind), Some(NAMESPACE.to_owned()));
        let hooks = Kind::new(
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
        );
        let credentials = format!("metadata.name={CREDENTIALS}");
        let tasks = [
            within("apps/v1", "Deployment"),
            within("apps/v1", "StatefulSet"),
            within("batch/v1", "Job"),
            within("v1", "PersistentVolumeClaim"),
            within("v1", "Secret").with_fields(credentials),
            Query::all(hooks, None),
        ]
        .map(|query| {
            let (cluster, seen) = (Arc::clone(&cluster), Arc::clone(&seen));
            tokio::spawn(async move {
                loop {
                    follow(&cluster, &query, &seen).await;
                }
            })
        });
        Ok(Self {
            seen,
            tasks: tasks.into(),
        })
    }

    /// The seconds of a run in which the cluster was at work on what the run had asked for.
    pub(crate) fn seconds(&self, run: Span, requests: &[Audited]) -> f64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let done = |part: &str| {
            let found = seen.iter().find(|(name, _)| name.contains(part));
            found.and_then(|(_, seen)| seen.done)
        };
        let migrated = done("Job/airflow-run-airflow-migrations");
        let certified = done("Deployment/external-secrets-cert-controller");
        let asked = requests
            .iter()
            .filter(|one| one.is_write() && one.resource == "externalsecrets")
            .map(|one| one.answered)
            .max();
        let mut spans: Vec<Span> = seen
            .iter()
            .filter_map(|(name, seen)| {
                let from = match name.split('/').next()? {
                    "Secret" => asked?,
                    "ValidatingWebhookConfiguration" => certified?,
                    _ if seen.waits_for_migrations => migrated?.max(seen.made),
                    _ => seen.made,
                };
                let to = seen.done?;
                Some(Span { from, to })
            })
            .chain(heartbeat(requests))
            .chain(held(requests))
            .collect();
        union(&mut spans, run)
    }
}

impl Span {
    /// From one moment to another.
    pub(crate) fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to }
    }
}

impl Drop for ClusterWork {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn follow(cluster: &KubeCluster, query: &Query, seen: &Mutex<BTreeMap<String, Seen>>) {
    let Ok(mut events) = cluster.watch(query.clone(), String::new()).await else {
        return;
    };
    while let Some(Ok(event)) = events.next().await {
        let WatchEvent::Applied(object) = event else {
            continue;
        };
        let now = Timestamp::now();
        let kind = object.kind().kind;
        let name = format!("{kind}/{}/{:?}", object.name(), object.uid());
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let one = seen.entry(name).or_insert_with(|| Seen {
            made: now,
            done: None,
            waits_for_migrations: waits_for_migrations(&object),
        });
        if one.done.is_none() && is_done(&object) {
            one.done = Some(now);
        }
    }
}

fn waits_for_migrations(object: &Object) -> bool {
    let containers = object.at("/spec/template/spec/initContainers");
    let containers = containers.and_then(Value::as_array);
    containers.is_some_and(|all| {
        all.iter()
            .any(|one| one["name"] == "wait-for-airflow-migrations")
    })
}

fn is_done(object: &Object) -> bool {
    match object.kind().kind.as_str() {
        "Secret" => true,
        "ValidatingWebhookConfiguration" => {
            let hooks = object.at("/webhooks").and_then(Value::as_array);
            hooks.is_some_and(|hooks| {
                hooks
                    .iter()
                    .all(|hook| hook["clientConfig"]["caBundle"].is_string())
            })
        }
        _ => matches!(readiness(object), Readiness::Current(_)),
    }
}

/// The time in which our proof waits for the scheduler's next heartbeat: the forward to Airflow is
/// open, and nothing else is asked.
fn heartbeat(requests: &[Audited]) -> Option<Span> {
    let forward = requests
        .iter()
        .find(|one| one.resource == "pods/portforward")?;
    let others = requests.iter().filter(|one| {
        one.verb != "watch"
            && one.received >= forward.received
            && one.answered < forward.answered
            && one.resource != forward.resource
    });
    let from = others.map(|one| one.answered).max()?;
    Some(Span::new(from, forward.answered))
}

/// The times in which the API server held a request, as it holds the first one about an object of the
/// operator's definitions, which have just changed.
fn held(requests: &[Audited]) -> impl Iterator<Item = Span> {
    let ends = requests.iter().filter(|one| {
        one.verb != "watch" && !["pods/portforward", "pods/log"].contains(&one.resource.as_str())
    });
    ends.filter(|one| one.answered.duration_since(one.received) >= HELD)
        .map(|one| Span::new(one.received, one.answered))
}

/// The seconds that the spans cover of the whole.
fn union(spans: &mut [Span], whole: Span) -> f64 {
    spans.sort_by_key(|span| span.from);
    let mut covered = 0.0;
    let mut at = whole.from;
    for span in spans {
        let (from, to) = (span.from.max(at), span.to.min(whole.to));
        if to > from {
            covered += to.duration_since(from).as_secs_f64();
            at = to;
        }
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "whole seconds are exact")]
    fn what_overlaps_counts_once_and_what_is_outside_not_at_all() {
        let span = |from, to| {
            let at = |second| Timestamp::from_second(second).unwrap();
            Span::new(at(from), at(to))
        };
        let mut spans = [span(3, 6), span(0, 2), span(4, 5), span(8, 20)];
        assert_eq!(union(&mut spans, span(1, 10)), 6.0);
        assert_eq!(union(&mut [], span(1, 10)), 0.0);
    }
}
