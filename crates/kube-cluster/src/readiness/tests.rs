//! The table: one status, one state, one sentence.

use serde_json::{Value, json};

use super::*;
use crate::{Kind, Object};

fn object(api_version: &str, kind: &str, mut rest: Value) -> Object {
    rest["apiVersion"] = json!(api_version);
    rest["kind"] = json!(kind);
    if rest["metadata"].is_null() {
        rest["metadata"] = json!({"name": "x", "namespace": "n"});
    }
    Object::from_value(rest).unwrap()
}

#[track_caller]
fn check(kind: (&str, &str), rest: Value, expected: &str) {
    let state = readiness(&object(kind.0, kind.1, rest));
    assert_eq!(format!("{}: {}", state.word(), state.reason()), expected);
}

const POD: (&str, &str) = ("v1", "Pod");
const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");
const STATEFUL_SET: (&str, &str) = ("apps/v1", "StatefulSet");
const JOB: (&str, &str) = ("batch/v1", "Job");

#[test]
fn the_generation_is_compared_before_any_condition() {
    check(
        DEPLOYMENT,
        json!({"metadata": {"name": "d", "generation": 3},
            "status": {"observedGeneration": 2, "conditions": [{"type": "Available", "status": "True"}]}}),
        "in progress: its controller has not seen generation 3 yet, only 2",
    );
}

#[test]
fn deletion_names_what_holds_the_object() {
    check(
        POD,
        json!({"metadata": {"deletionTimestamp": "t", "finalizers": ["a/b", "c/d"]}}),
        "terminating: being deleted, held by a/b, c/d",
    );
    check(
        ("v1", "Namespace"),
        json!({"metadata": {"deletionTimestamp": "t"}, "status": {"phase": "Terminating",
            "conditions": [{"type": "NamespaceContentRemaining", "status": "True",
                "message": "Some resources are remaining: pods. has 1 resource instances"}]}}),
        "terminating: being deleted: Some resources are remaining: pods. has 1 resource instances",
    );
}

#[test]
fn pods_say_which_container_is_stuck_in_what() {
    let scheduled = json!([{"type": "PodScheduled", "status": "True"}]);
    let container = |state: Value| {
        json!({"status": {"conditions": scheduled, "containerStatuses": [
            {"name": "scheduler", "image": "acr.io/airflow:2.9.3", "restartCount": 2, "state": state,
             "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "no\n database"}}}]}})
    };
    check(
        POD,
        container(
            json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}),
        ),
        "in progress: container scheduler: ImagePullBackOff: acr.io/airflow:2.9.3: Back-off pulling image",
    );
    check(
        POD,
        container(
            json!({"waiting": {"reason": "ErrImagePull", "message": "acr.io/airflow:2.9.3: not found"}}),
        ),
        "failed: container scheduler: ErrImagePull: acr.io/airflow:2.9.3: acr.io/airflow:2.9.3: not found",
    );
    check(
        POD,
        container(json!({"waiting": {"reason": "CrashLoopBackOff"}})),
        "in progress: container scheduler: CrashLoopBackOff after 2 restarts: exit code 1: no database",
    );
    check(
        POD,
        container(
            json!({"waiting": {"reason": "CreateContainerConfigError", "message": "secret \"s\" not found"}}),
        ),
        "in progress: container scheduler: CreateContainerConfigError: secret \"s\" not found",
    );
}

#[test]
fn a_long_crash_loop_fails() {
    check(
        POD,
        json!({"status": {"containerStatuses": [{"name": "web", "restartCount": 5,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]}}),
        "failed: container web: CrashLoopBackOff after 5 restarts: OOMKilled (exit code 137)",
    );
}

#[test]
fn the_first_init_container_that_is_not_done_is_named() {
    check(
        POD,
        json!({"spec": {"initContainers": [{"name": "sync", "restartPolicy": "Always"}]},
            "status": {"initContainerStatuses": [
                {"name": "first", "state": {"terminated": {"exitCode": 0}}},
                {"name": "sync", "started": true, "state": {"running": {}}},
                {"name": "wait-for-airflow-migrations", "state": {"running": {}}}],
            "containerStatuses": [{"name": "web", "state": {"waiting": {"reason": "PodInitializing"}}}]}}),
        "in progress: init container wait-for-airflow-migrations is still running",
    );
}

#[test]
fn pods_end_run_or_find_no_node() {
    check(
        POD,
        json!({"status": {"phase": "Succeeded"}}),
        "current: completed",
    );
    check(
        POD,
        json!({"status": {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}}),
        "failed: Evicted: low on memory",
    );
    check(
        POD,
        json!({"status": {"phase": "Failed", "containerStatuses": [
            {"name": "m", "state": {"terminated": {"exitCode": 2, "message": "boom"}}}]}}),
        "failed: container m: exit code 2: boom",
    );
    check(
        POD,
        json!({"status": {"conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/3 nodes are available: 3 Insufficient cpu."}]}}),
        "in progress: cannot be scheduled: Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.",
    );
    check(
        POD,
        json!({"status": {"conditions": [{"type": "Ready", "status": "False"}],
            "containerStatuses": [{"name": "web", "ready": false, "state": {"running": {}}}]}}),
        "in progress: container web is running but not ready",
    );
}

#[test]
fn a_warning_event_completes_the_sentence() {
    let pod = object(
        "v1",
        "Pod",
        json!({"status": {"containerStatuses": [
        {"name": "web", "state": {"waiting": {"reason": "ContainerCreating"}}}]}}),
    );
    let event = |reason: &str, time: &str, kind: &str| {
        object(
            "v1",
            "Event",
            json!({"type": kind, "reason": reason, "lastTimestamp": time,
            "message": "secret \"storage-account-credentials\" not found"}),
        )
    };
    let events = [
        event("FailedMount", "2026-01-01T00:00:05Z", "Warning"),
        event("FailedScheduling", "2026-01-01T00:00:01Z", "Warning"),
        event("Pulled", "2026-01-01T00:00:09Z", "Normal"),
    ];
    assert_eq!(
        readiness_with_events(&pod, &events).reason(),
        "container web: ContainerCreating: FailedMount: secret \"storage-account-credentials\" not found"
    );
}

#[test]
fn deployments_count_new_old_ready_and_available_pods() {
    let status = |rest: Value| {
        let mut status = json!({"observedGeneration": 1});
        status
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        json!({"spec": {"replicas": 2}, "status": status})
    };
    for (rest, expected) in [
        (
            json!({"updatedReplicas": 1}),
            "in progress: 1 of 2 pods are of the new template",
        ),
        (
            json!({"updatedReplicas": 2, "replicas": 3}),
            "in progress: 1 pods of the old template are still there",
        ),
        (
            json!({"updatedReplicas": 2, "replicas": 2, "readyReplicas": 1}),
            "in progress: 1 of 2 pods are ready",
        ),
        (
            json!({"updatedReplicas": 2, "replicas": 2, "readyReplicas": 2, "availableReplicas": 2}),
            "current: 2 of 2 pods are available",
        ),
        (
            json!({"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "has timed out"}]}),
            "failed: ProgressDeadlineExceeded: has timed out",
        ),
        (
            json!({"updatedReplicas": 0, "conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}]}),
            "in progress: 0 of 2 pods are of the new template: FailedCreate: exceeded quota",
        ),
    ] {
        check(DEPLOYMENT, status(rest), expected);
    }
    check(
        DEPLOYMENT,
        json!({"spec": {}}),
        "in progress: its controller has not looked at it yet",
    );
}

#[test]
fn stateful_sets_wait_for_their_revision() {
    let status =
        json!({"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1});
    let mut rolling = status.clone();
    rolling["currentRevision"] = json!("a");
    rolling["updateRevision"] = json!("b");
    check(
        STATEFUL_SET,
        json!({"status": rolling}),
        "in progress: the new revision is not the current one yet",
    );
    check(
        STATEFUL_SET,
        json!({"status": status}),
        "current: 1 of 1 pods are ready",
    );
}

#[test]
fn jobs_complete_or_fail() {
    check(
        JOB,
        json!({"status": {}}),
        "in progress: no pod has started yet",
    );
    check(
        JOB,
        json!({"status": {"failed": 2, "active": 1}}),
        "in progress: 2 pods failed, 1 are active",
    );
    check(
        JOB,
        json!({"status": {"conditions": [{"type": "Complete", "status": "True"}]}}),
        "current: completed",
    );
    check(
        JOB,
        json!({"status": {"conditions": [{"type": "Failed", "status": "True",
            "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}]}}),
        "failed: BackoffLimitExceeded: Job has reached the specified backoff limit",
    );
}

#[test]
fn storage_is_bound_lost_or_released() {
    let claim = ("v1", "PersistentVolumeClaim");
    let volume = ("v1", "PersistentVolume");
    check(
        claim,
        json!({"status": {"phase": "Bound"}, "spec": {"volumeName": "pv"}}),
        "current: bound to pv",
    );
    check(
        claim,
        json!({"status": {"phase": "Lost"}, "spec": {"volumeName": "pv"}}),
        "failed: its volume pv is gone",
    );
    check(
        volume,
        json!({"status": {"phase": "Available"}}),
        "current: available",
    );
    assert!(
        readiness(&object(
            "v1",
            "PersistentVolume",
            json!({"status": {"phase": "Released"}})
        ))
        .is_failed()
    );
    let _ = volume;
}

#[test]
fn definitions_webhooks_and_services_have_their_own_rules() {
    check(
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        json!({"status": {"conditions": [{"type": "NamesAccepted", "status": "False", "reason": "ListKindConflict", "message": "in use"}]}}),
        "failed: its names are taken: ListKindConflict: in use",
    );
    let webhook = (
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
    );
    let entry = |bundle: &str| json!({"webhooks": [{"name": "validate.es", "clientConfig": {"service": {}, "caBundle": bundle}}]});
    check(
        webhook,
        entry(""),
        "in progress: webhook validate.es: its CA bundle is still empty",
    );
    check(
        webhook,
        entry("Zm9v"),
        "current: every webhook has its CA bundle",
    );
    check(
        ("v1", "Service"),
        json!({"spec": {"type": "LoadBalancer"}}),
        "in progress: its load balancer has no address yet",
    );
    check(
        ("v1", "Service"),
        json!({"spec": {"type": "ClusterIP"}}),
        "current: exists",
    );
}

/// A warning of this second of a minute.
fn warning(second: u8, reason: &str, message: &str) -> Object {
    object(
        "v1",
        "Event",
        json!({"type": "Warning", "reason": reason, "message": message,
            "lastTimestamp": format!("2026-01-05T09:00:0{second}Z")}),
    )
}

#[test]
fn of_a_pause_between_tries_the_failure_is_told() {
    let pod = Object::from_value(
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}],
        "containerStatuses": [{"name": "c", "image": "i",
            "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}}),
    )
    .unwrap();
    let events = [
        warning(0, "FailedScheduling", "0/1 nodes are available"),
        warning(1, "Failed", "Failed to pull image \"i\": 401 Unauthorized"),
        warning(2, "Failed", "Error: ErrImagePull"),
        warning(3, "BackOff", "Back-off pulling image \"i\""),
        warning(4, "Failed", "Error: ImagePullBackOff"),
    ];
    let told = |events: &[Object]| readiness_with_events(&pod, events).reason().to_owned();
    assert_eq!(
        told(&events),
        "container c: ImagePullBackOff: i: Failed: Failed to pull image \"i\": 401 Unauthorized"
    );
    // Where there is no failure, what is there is told, never something older of another kind.
    assert_eq!(
        told(&[events[0].clone(), events[3].clone()]),
        "container c: ImagePullBackOff: i: BackOff: Back-off pulling image \"i\""
    );
}

#[test]
fn a_probe_that_kills_is_told_with_the_crash_loop() {
    let pod = Object::from_value(
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "status": {"phase": "Running", "containerStatuses": [{"name": "c", "restartCount": 6,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 137, "reason": "Error"}}}]}}),
    )
    .unwrap();
    let events = [
        warning(1, "Unhealthy", "Liveness probe failed: statuscode: 500"),
        warning(2, "BackOff", "Back-off restarting failed container c"),
    ];
    assert_eq!(
        readiness_with_events(&pod, &events),
        converge::Readiness::Failed(
            "container c: CrashLoopBackOff after 6 restarts: exit code 137: Unhealthy: Liveness \
             probe failed: statuscode: 500"
                .into()
        )
    );
}

#[test]
fn unknown_kinds_follow_their_conditions() {
    let kind = Kind::new("external-secrets.io/v1", "ExternalSecret");
    let of = (kind.api_version.as_str(), kind.kind.as_str());
    let conditions = |entries: Value| json!({"status": {"conditions": entries}});
    check(of, json!({}), "current: exists");
    check(
        of,
        conditions(
            json!([{"type": "Ready", "status": "False", "reason": "SecretSyncedError", "message": "could not get secret"}]),
        ),
        "in progress: SecretSyncedError: could not get secret",
    );
    check(
        of,
        conditions(json!([{"type": "Ready", "status": "True", "reason": "SecretSynced"}])),
        "current: SecretSynced",
    );
    check(
        of,
        conditions(json!([{"type": "Stalled", "status": "True", "message": "bad spec"}])),
        "failed: bad spec",
    );
}
