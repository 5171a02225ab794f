//! [`readiness`]: what one object is doing, with the sentence a person needs. It owns the reading
//! of status fields, generation first; it refuses to ask the server anything.
//!
//! Source: `cli-utils/pkg/kstatus/status` for the rules per kind; the wording of pods follows the
//! kubelet's reasons. Where kstatus needs a clock ("unschedulable for 15 s") this stays in progress
//! and leaves giving up to the caller's deadline.

mod api;
mod conditions;
mod pod;
mod storage;
mod workload;

#[cfg(test)]
mod tests;

pub use conditions::{Condition, condition};

use converge::Readiness;
use serde_json::Value;

use crate::Object;

/// The state of one object, from the object alone.
///
/// ```
/// use kube_cluster::{Object, readiness};
///
/// let claim = Object::from_value(serde_json::json!({
///     "apiVersion": "v1", "kind": "PersistentVolumeClaim",
///     "metadata": {"name": "pvc-airflow-logs", "namespace": "airflow"},
///     "status": {"phase": "Pending"},
/// })).unwrap();
/// assert_eq!(readiness(&claim).reason(), "not bound yet");
/// ```
pub fn readiness(object: &Object) -> Readiness {
    readiness_with_events(object, &[])
}

/// The state of one object, where its events say more than its status: a volume that does not
/// mount, a pod that may not be created. `events` are the object's own `v1 Event`s, in any order.
pub fn readiness_with_events(object: &Object, events: &[Object]) -> Readiness {
    if object.is_terminating() {
        return Readiness::Terminating(what_holds(object));
    }
    if let Some(unseen) = unseen_generation(object) {
        return Readiness::InProgress(unseen);
    }
    let state = by_kind(object);
    match (state, last_warning(events)) {
        (Readiness::InProgress(reason), Some(warning)) => {
            Readiness::InProgress(format!("{reason}: {warning}"))
        }
        // A container that the kubelet ends for its probe only knows that it was killed.
        (Readiness::Failed(reason), Some(warning)) if warning.starts_with("Unhealthy: ") => {
            Readiness::Failed(format!("{reason}: {warning}"))
        }
        (state, _) => state,
    }
}

fn by_kind(object: &Object) -> Readiness {
    let kind = object.kind();
    match (kind.group(), kind.kind.as_str()) {
        ("", "Pod") => pod::pod(object),
        ("apps", "Deployment") => workload::deployment(object),
        ("apps", "StatefulSet") => workload::stateful_set(object),
        ("apps", "DaemonSet") => workload::daemon_set(object),
        ("apps", "ReplicaSet") => workload::replica_set(object),
        ("batch", "Job") => workload::job(object),
        ("", "PersistentVolumeClaim") => storage::claim(object),
        ("", "PersistentVolume") => storage::volume(object),
        ("", "Service") => api::service(object),
        ("", "Namespace") => api::namespace(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => api::definition(object),
        ("apiregistration.k8s.io", "APIService") => api::api_service(object),
        (
            "admissionregistration.k8s.io",
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration",
        ) => api::webhook_configuration(object),
        _ => conditions::generic(object),
    }
}

/// A status that speaks of an older generation says nothing.
fn unseen_generation(object: &Object) -> Option<String> {
    let generation = object.generation()?;
    let observed = object.at("/status/observedGeneration")?.as_i64()?;
    (observed < generation).then(|| {
        format!("its controller has not seen generation {generation} yet, only {observed}")
    })
}

fn what_holds(object: &Object) -> String {
    let names = |pointer: &str| -> Vec<&str> {
        let items = object.at(pointer).and_then(Value::as_array);
        items
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    };
    let finalizers = names("/metadata/finalizers");
    if !finalizers.is_empty() {
        return format!("being deleted, held by {}", finalizers.join(", "));
    }
    if object.kind().kind == "Namespace" {
        return api::what_holds_a_namespace(object);
    }
    "being deleted".into()
}

/// `FailedMount: MountVolume.SetUp failed …`, of the most recent warning; where that only says that
/// the kubelet waits before it tries again, of the failure it waits after.
fn last_warning(events: &[Object]) -> Option<String> {
    let latest = |told: &dyn Fn(&Object) -> bool| {
        events
            .iter()
            .filter(|event| event.text("/type") == Some("Warning") && told(event))
            .max_by_key(|event| event_time(event).to_owned())
    };
    let mut warning = latest(&|_| true)?;
    if is_pause(warning)
        && let Some(failure) = latest(&|event| is_failure(event) && !is_pause(event))
    {
        warning = failure;
    }
    let message = one_line(warning.text("/message").unwrap_or_default());
    Some(match warning.text("/reason") {
        Some(reason) => format!("{reason}: {message}"),
        None => message,
    })
}

/// What the kubelet says of a container that did not start or is not healthy.
fn is_failure(event: &Object) -> bool {
    matches!(event.text("/reason"), Some("Failed" | "Unhealthy"))
}

/// `Back-off pulling image …`, `Error: ImagePullBackOff`: no cause, only the state it led to.
fn is_pause(event: &Object) -> bool {
    let message = event.text("/message").unwrap_or_default();
    match event.text("/reason") {
        Some("BackOff") => true,
        Some("Failed") => ["Error: ImagePullBackOff", "Error: ErrImagePull"].contains(&message),
        _ => false,
    }
}

/// When an event was last seen; RFC 3339 in UTC, which sorts as text.
fn event_time(event: &Object) -> &str {
    [
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/eventTime",
        "/metadata/creationTimestamp",
    ]
    .into_iter()
    .find_map(|pointer| event.text(pointer))
    .unwrap_or_default()
}

/// A message on one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn number(object: &Object, pointer: &str) -> i64 {
    object
        .at(pointer)
        .and_then(Value::as_i64)
        .unwrap_or_default()
}
