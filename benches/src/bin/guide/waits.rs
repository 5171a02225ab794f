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

/// What takes longer is not at work but waits: a request that the API server holds, a forward through
/// which nothing comes.
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

/// A stretch of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// A time in which the tool could only wait.
#[derive(Debug, Clone)]
pub(crate) struct Wait {
    /// What for.
    pub(crate) on: String,
    pub(crate) span: Span,
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

    /// When, within a run, the cluster was at work on what the run had asked for, by beginning.
    pub(crate) fn waits(&self, run: Span, requests: &[Audited]) -> Vec<Wait> {
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
        let works = seen.iter().filter_map(|(name, seen)| {
            let from = match name.split('/').next()? {
                "Secret" => asked?,
                "ValidatingWebhookConfiguration" => certified?,
                _ if seen.waits_for_migrations => migrated?.max(seen.made),
                _ => seen.made,
            };
            Some(Wait::new(name, Span::new(from, seen.done?)))
        });
        let mut waits: Vec<Wait> = works
            .chain(heartbeat(requests))
            .chain(held(requests))
            .filter_map(|wait| {
                let span = wait.span.within(run)?;
                Some(Wait { span, ..wait })
            })
            .collect();
        waits.sort_by_key(|wait| wait.span.from);
        waits
    }
}

impl Wait {
    fn new(on: impl Into<String>, span: Span) -> Self {
        Self {
            on: on.into(),
            span,
        }
    }
}

impl Span {
    /// From one moment to another.
    pub(crate) fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to }
    }

    /// What of it is in another one, if anything is.
    fn within(self, whole: Self) -> Option<Self> {
        let part = Self::new(self.from.max(whole.from), self.to.min(whole.to));
        (part.from < part.to).then_some(part)
    }

    fn length(self) -> SignedDuration {
        self.to.duration_since(self.from)
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

/// The time in which our proof waits for the scheduler's next heartbeat: the longest in which the
/// forward to Airflow is open and nothing else is asked. What comes after it may be answered before the
/// forward is written down as ended.
fn heartbeat(requests: &[Audited]) -> Option<Wait> {
    let forward = requests
        .iter()
        .find(|one| one.resource == "pods/portforward")?;
    let mut others: Vec<&Audited> = requests
        .iter()
        .filter(|one| {
            one.verb != "watch"
                && one.resource != forward.resource
                && one.answered >= forward.received
                && one.received <= forward.answered
        })
        .collect();
    others.sort();
    let mut longest = Span::new(forward.received, forward.received);
    let mut idle_since = forward.received;
    for (from, to) in others
        .into_iter()
        .map(|one| (one.received, one.answered))
        .chain([(forward.answered, forward.answered)])
    {
        let idle = Span::new(idle_since, from);
        if idle.length() > longest.length() {
            longest = idle;
        }
        idle_since = idle_since.max(to);
    }
    let is_held = longest.length() >= HELD;
    is_held.then(|| Wait::new("the scheduler's heartbeat", longest))
}

/// The times in which the API server held a request, as it holds the first one about an object of the
/// operator's definitions, which have just changed.
fn held(requests: &[Audited]) -> impl Iterator<Item = Wait> {
    let ends = requests.iter().filter(|one| {
        one.verb != "watch" && !["pods/portforward", "pods/log"].contains(&one.resource.as_str())
    });
    ends.filter(|one| one.answered.duration_since(one.received) >= HELD)
        .map(|one| Wait::new(&one.uri, Span::new(one.received, one.answered)))
}

/// The seconds that the waits, sorted by their beginning, cover; overlaps count once.
pub(crate) fn seconds(waits: &[Wait]) -> f64 {
    let mut covered = 0.0;
    let mut until = Timestamp::MIN;
    for Wait { span, .. } in waits {
        let from = span.from.max(until);
        if span.to > from {
            covered += Span::new(from, span.to).length().as_secs_f64();
            until = span.to;
        }
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(resource: &str, received: i64, answered: i64) -> Audited {
        let at = |millisecond| Timestamp::from_millisecond(millisecond).unwrap();
        Audited {
            received: at(received),
            answered: at(answered),
            resource: resource.into(),
            ..Audited::default()
        }
    }

    #[test]
    fn the_heartbeat_is_waited_for_while_the_forward_is_open_and_nothing_else_is_asked() {
        let mut requests = vec![
            asked("pods", 5, 12),
            asked("pods/portforward", 10, 5_000),
            asked("pods/log", 11, 20),
            asked("pods/log", 15, 30),
            // The proof's record, begun before the forward was written down as ended.
            asked("secrets", 4_900, 4_999),
        ];
        let [from, to] = [30, 4_900].map(|at| Timestamp::from_millisecond(at).unwrap());
        let found = heartbeat(&requests).unwrap().span;
        assert_eq!((found.from, found.to), (from, to));
        requests.pop();
        assert_eq!(heartbeat(&requests).unwrap().span.from, from);
        assert!(heartbeat(&requests[..1]).is_none(), "no forward");
        requests.push(asked("pods", 900, 4_100));
        assert!(heartbeat(&requests).is_none(), "the rest is the tool's");
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "whole seconds are exact")]
    fn what_overlaps_counts_once_and_what_is_outside_not_at_all() {
        let span = |from, to| {
            let at = |second| Timestamp::from_second(second).unwrap();
            Span::new(at(from), at(to))
        };
        let spans = [span(0, 2), span(3, 6), span(4, 5), span(8, 20)];
        let waits = |whole: Span| -> Vec<Wait> {
            let parts = spans.iter().filter_map(|span| span.within(whole));
            parts.map(|span| Wait::new("it", span)).collect()
        };
        assert_eq!(seconds(&waits(span(1, 10))), 6.0);
        assert_eq!(seconds(&waits(span(20, 30))), 0.0);
        assert_eq!(seconds(&[]), 0.0);
    }
}
