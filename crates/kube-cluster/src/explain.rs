//! [`explain`]: why an object is not ready, with its pods and events. It owns the search for the
//! one sentence; it refuses to wait.

use converge::Readiness;
use serde_json::Value;

use crate::{Cluster, ClusterError, Kind, Object, Query, readiness, readiness_with_events};

/// The state of an object, looking at its pods and events where its own status only counts:
/// `pod airflow-run-airflow-migrations-x2k: container migrate: ImagePullBackOff: …`.
///
/// A pod that cannot succeed (an image that is not there, a long crash loop) makes its workload
/// [`Readiness::Failed`] before the workload's own controller says so. What may not be read (403)
/// is left out.
///
/// # Errors
/// When pods or events cannot be read for another reason than a missing right. Nothing was written.
pub async fn explain(cluster: &dyn Cluster, object: &Object) -> Result<Readiness, ClusterError> {
    let own = readiness(object);
    if !is_open(&own) {
        return Ok(own);
    }
    let pods = match pod_selector(object) {
        Some(selector) => pods_of(cluster, object, &selector).await?,
        None => Vec::new(),
    };
    let pods: Vec<&Object> = pods.iter().collect();
    let mut events = events_of(cluster, worst(&pods).map_or(object, |(pod, _)| pod)).await?;
    if pods.is_empty() && object.kind().kind == "Deployment" {
        events.extend(events_of_sets(cluster, object).await?);
    }
    Ok(explain_by(
        object,
        &pods,
        &events.iter().collect::<Vec<_>>(),
    ))
}

/// Whether the sentence about an object is its pods'.
pub(crate) fn has_pods(object: &Object) -> bool {
    pod_selector(object).is_some()
}

/// [`explain`] by pods and events that are known: those of the object may be among others.
pub fn explain_by(object: &Object, pods: &[&Object], events: &[&Object]) -> Readiness {
    let own = readiness(object);
    if !is_open(&own) {
        return own;
    }
    let mine: Vec<&Object> = pods
        .iter()
        .copied()
        .filter(|pod| is_selected(object, pod))
        .collect();
    let Some((pod, state)) = worst(&mine) else {
        let about = events_about(object, events);
        return match own {
            Readiness::Failed(_) if has_pods(object) => own,
            _ => readiness_with_events(object, &about),
        };
    };
    let state = if is_open(&state) {
        readiness_with_events(pod, &events_about(pod, events))
    } else {
        state
    };
    let sentence = format!("pod {}: {}", pod.name(), state.reason());
    // A Job tries again until its own controller gives up.
    let retries = object.kind().kind == "Job" && state.reason().contains("CrashLoopBackOff");
    let gives_up = state.is_failed() && pod.text("/status/phase") != Some("Failed") && !retries;
    match own {
        Readiness::Failed(reason) => Readiness::Failed(format!("{reason}; {sentence}")),
        _ if gives_up => Readiness::Failed(sentence),
        _ => Readiness::InProgress(sentence),
    }
}

fn is_open(state: &Readiness) -> bool {
    matches!(state, Readiness::InProgress(_) | Readiness::Failed(_))
}

/// Whether the workload's selector chooses the pod.
fn is_selected(object: &Object, pod: &Object) -> bool {
    let labels = object
        .at("/spec/selector/matchLabels")
        .and_then(Value::as_object);
    has_pods(object)
        && labels.is_some_and(|labels| {
            labels
                .iter()
                .all(|(key, value)| pod.label(key) == value.as_str())
        })
}

/// The events about an object, and about the ReplicaSets of a Deployment: those say why it has no
/// pod.
fn events_about(object: &Object, events: &[&Object]) -> Vec<Object> {
    let kind = object.kind().kind;
    let sets = (kind == "Deployment").then(|| format!("{}-", object.name()));
    events
        .iter()
        .copied()
        .filter(|event| {
            let name = event.text("/involvedObject/name").unwrap_or_default();
            let theirs = event.text("/involvedObject/uid");
            let is_it = name == object.name()
                && match (theirs, object.uid()) {
                    (Some(theirs), Some(uid)) => theirs == uid,
                    _ => event
                        .text("/involvedObject/kind")
                        .is_none_or(|theirs| theirs == kind),
                };
            is_it
                || sets.as_ref().is_some_and(|prefix| {
                    event.text("/involvedObject/kind") == Some("ReplicaSet")
                        && name.starts_with(prefix)
                })
        })
        .cloned()
        .collect()
}

/// The events of the ReplicaSets a Deployment made.
async fn events_of_sets(
    cluster: &dyn Cluster,
    object: &Object,
) -> Result<Vec<Object>, ClusterError> {
    let Some(selector) = pod_selector(object) else {
        return Ok(Vec::new());
    };
    let kind = Kind::new("apps/v1", "ReplicaSet");
    let namespace = object.namespace().map(str::to_owned);
    let query = Query::all(kind, namespace).with_labels(selector);
    let mut events = Vec::new();
    for set in &readable(cluster.list(query).await)? {
        events.extend(events_of(cluster, set).await?);
    }
    Ok(events)
}

/// The label selector of a workload's pods; `None` for other kinds.
fn pod_selector(object: &Object) -> Option<String> {
    let kind = object.kind();
    if !matches!(
        (kind.group(), kind.kind.as_str()),
        (
            "apps",
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet"
        ) | ("batch", "Job")
    ) {
        return None;
    }
    let labels = object.at("/spec/selector/matchLabels")?.as_object()?;
    let pairs: Vec<String> = labels
        .iter()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    (!pairs.is_empty()).then(|| pairs.join(","))
}

async fn pods_of(
    cluster: &dyn Cluster,
    object: &Object,
    selector: &str,
) -> Result<Vec<Object>, ClusterError> {
    let namespace = object.namespace().map(str::to_owned);
    let query = Query::all(Kind::new("v1", "Pod"), namespace).with_labels(selector);
    readable(cluster.list(query).await)
}

async fn events_of(cluster: &dyn Cluster, object: &Object) -> Result<Vec<Object>, ClusterError> {
    let mut fields = format!("involvedObject.name={}", object.name());
    if let Some(uid) = object.uid() {
        fields = format!("{fields},involvedObject.uid={uid}");
    }
    // Events about cluster-scoped objects are kept in `default`.
    let namespace = object.namespace().unwrap_or("default").to_owned();
    let query = Query::all(Kind::new("v1", "Event"), Some(namespace)).with_fields(fields);
    readable(cluster.list(query).await)
}

fn readable(listed: Result<crate::ObjectList, ClusterError>) -> Result<Vec<Object>, ClusterError> {
    match listed {
        Ok(list) => Ok(list.items),
        Err(error) if error.is_denied() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The pod furthest from ready; of equals the youngest, which is of the newest template.
fn worst<'a>(pods: &[&'a Object]) -> Option<(&'a Object, Readiness)> {
    pods.iter()
        .copied()
        .map(|pod| (pod, readiness(pod)))
        .filter(|(_, state)| !state.is_current())
        .max_by_key(|(pod, state)| {
            let hopeless = state.is_failed() && pod.text("/status/phase") != Some("Failed");
            let created = pod
                .at("/metadata/creationTimestamp")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            (
                hopeless,
                !matches!(state, Readiness::Terminating(_)),
                created,
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MockCluster, ObjectList};
    use serde_json::json;

    fn job() -> Object {
        Object::from_value(json!({"apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "airflow-run-airflow-migrations", "namespace": "airflow"},
            "spec": {"selector": {"matchLabels": {"job-name": "m"}}}, "status": {"active": 1}}))
        .unwrap()
    }

    fn cluster(pods: Vec<Value>, events: Vec<Value>) -> MockCluster {
        let mut cluster = MockCluster::new();
        cluster.expect_list().returning(move |query| {
            let items = match query.kind.kind.as_str() {
                "Pod" => &pods,
                "Event" => &events,
                other => panic!("nobody asks for {other}"),
            };
            Ok(ObjectList {
                items: items
                    .iter()
                    .cloned()
                    .filter_map(|item| Object::from_value(item).ok())
                    .collect(),
                resource_version: "1".into(),
            })
        });
        cluster
    }

    #[tokio::test]
    async fn a_jobs_missing_image_is_named_and_fails_the_job() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "m-x", "namespace": "airflow", "labels": {"job-name": "m"}},
            "status": {"phase": "Pending", "containerStatuses": [{"name": "migrate", "image": "myacr.azurecr.io/airflow:2.9.3",
                "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}]}});
        let state = explain(&cluster(vec![pod], vec![]), &job()).await.unwrap();
        assert_eq!(
            state,
            Readiness::Failed("pod m-x: container migrate: ImagePullBackOff: myacr.azurecr.io/airflow:2.9.3: not found".into())
        );
    }

    #[tokio::test]
    async fn a_try_that_failed_does_not_fail_the_job() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "m-x", "namespace": "airflow", "labels": {"job-name": "m"}},
            "status": {"phase": "Failed", "containerStatuses": [{"name": "migrate",
                "state": {"terminated": {"exitCode": 1, "message": "no route to database"}}}]}});
        let state = explain(&cluster(vec![pod], vec![]), &job()).await.unwrap();
        assert_eq!(
            state,
            Readiness::InProgress(
                "pod m-x: container migrate: exit code 1: no route to database".into()
            )
        );
    }

    #[tokio::test]
    async fn without_pods_the_events_say_why() {
        let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "type": "Warning",
            "involvedObject": {"kind": "Job", "name": "airflow-run-airflow-migrations"},
            "reason": "FailedCreate", "message": "serviceaccount \"x\" not found"});
        let state = explain(&cluster(vec![], vec![event]), &job())
            .await
            .unwrap();
        assert!(
            state
                .reason()
                .ends_with("FailedCreate: serviceaccount \"x\" not found"),
            "{state:?}"
        );
    }
}
