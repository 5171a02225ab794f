//! [`CAUSES`]: what goes wrong with a pod, as its kubelet and the controllers write it down. It owns
//! the statuses and events; it refuses words of ours in them.

use serde_json::{Value, json};

/// One thing that goes wrong.
pub(crate) struct Cause {
    /// What is broken.
    pub(crate) name: &'static str,
    /// The pod's status from then on.
    pub(crate) status: fn() -> Value,
    /// The event about the pod: reason and message.
    pub(crate) event: Option<(&'static str, &'static str)>,
    /// What a sentence that names the cause must say, all of it.
    pub(crate) says: &'static [&'static str],
}

fn waiting(reason: &str, message: &str) -> Value {
    let state = json!({"waiting": {"reason": reason, "message": message}});
    main_container(&state, &json!({}), 0)
}

fn main_container(state: &Value, last: &Value, restarts: u32) -> Value {
    json!({"phase": "Pending", "containerStatuses": [{
        "name": "main", "image": "myacr.azurecr.io/airflow:2.9.3", "imageID": "", "ready": false,
        "restartCount": restarts, "state": state, "lastState": last,
    }]})
}

fn crashes(ended: &Value) -> Value {
    let state = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting failed container"}});
    main_container(&state, &json!({"terminated": ended}), 2)
}

fn init(state: &Value, last: &Value) -> Value {
    json!({"phase": "Pending", "initContainerStatuses": [{
        "name": "wait-for-airflow-migrations", "image": "myacr.azurecr.io/airflow:2.9.3", "imageID": "",
        "ready": false, "restartCount": 1, "state": state, "lastState": last,
    }]})
}

fn unschedulable(message: &str) -> Value {
    json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
    }]})
}

fn creating() -> Value {
    let state = json!({"waiting": {"reason": "ContainerCreating"}});
    main_container(&state, &json!({}), 0)
}

fn running_unready() -> Value {
    let state = json!({"running": {"startedAt": "2026-11-28T12:00:00Z"}});
    let mut status = main_container(&state, &json!({}), 0);
    status["phase"] = "Running".into();
    status["conditions"] =
        json!([{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]);
    status
}

/// Twenty of them.
pub(crate) const CAUSES: [Cause; 20] = [
    Cause {
        name: "the image cannot be pulled",
        status: || waiting("ImagePullBackOff", "Back-off pulling image"),
        event: None,
        says: &["ImagePullBackOff", "airflow:2.9.3"],
    },
    Cause {
        name: "the registry does not have the image",
        status: || waiting("ErrImagePull", "myacr.azurecr.io/airflow:2.9.3: not found"),
        event: None,
        says: &["ErrImagePull", "not found"],
    },
    Cause {
        name: "the registry refuses the login",
        status: || waiting("ErrImagePull", "failed to authorize: 401 Unauthorized"),
        event: None,
        says: &["ErrImagePull", "401 Unauthorized"],
    },
    Cause {
        name: "the image's name is wrong",
        status: || waiting("InvalidImageName", "couldn't parse image name"),
        event: None,
        says: &["InvalidImageName", "airflow:2.9.3"],
    },
    Cause {
        name: "the image may not be pulled",
        status: || {
            waiting(
                "ErrImageNeverPull",
                "Container image is not present with pull policy of Never",
            )
        },
        event: None,
        says: &["ErrImageNeverPull"],
    },
    Cause {
        name: "a Secret is missing",
        status: || {
            waiting(
                "CreateContainerConfigError",
                "secret \"airflow-keys\" not found",
            )
        },
        event: None,
        says: &["CreateContainerConfigError", "airflow-keys"],
    },
    Cause {
        name: "the container cannot be made",
        status: || waiting("CreateContainerError", "context deadline exceeded"),
        event: None,
        says: &["CreateContainerError", "context deadline exceeded"],
    },
    Cause {
        name: "the program is not in the image",
        status: || {
            waiting(
                "RunContainerError",
                "exec: \"airflow\": executable file not found in $PATH",
            )
        },
        event: None,
        says: &["RunContainerError", "executable file not found"],
    },
    Cause {
        name: "the program ends with an error",
        status: || {
            crashes(
                &json!({"exitCode": 1, "reason": "Error", "message": "cannot reach the database"}),
            )
        },
        event: None,
        says: &[
            "CrashLoopBackOff",
            "exit code 1",
            "cannot reach the database",
        ],
    },
    Cause {
        name: "the memory does not suffice",
        status: || crashes(&json!({"exitCode": 137, "reason": "OOMKilled"})),
        event: None,
        says: &["CrashLoopBackOff", "OOMKilled"],
    },
    Cause {
        name: "the program may not be started",
        status: || {
            crashes(
                &json!({"exitCode": 126, "reason": "StartError", "message": "permission denied"}),
            )
        },
        event: None,
        says: &["StartError", "permission denied"],
    },
    Cause {
        name: "the migrations are waited for",
        status: || {
            init(
                &json!({"running": {"startedAt": "2026-11-28T12:00:00Z"}}),
                &json!({}),
            )
        },
        event: None,
        says: &["wait-for-airflow-migrations", "running"],
    },
    Cause {
        name: "an init container crashes",
        status: || {
            init(
                &json!({"waiting": {"reason": "CrashLoopBackOff"}}),
                &json!({"terminated": {"exitCode": 1, "reason": "Error", "message": "no such host"}}),
            )
        },
        event: None,
        says: &[
            "wait-for-airflow-migrations",
            "CrashLoopBackOff",
            "no such host",
        ],
    },
    Cause {
        name: "no node has the memory",
        status: || unschedulable("0/3 nodes are available: 3 Insufficient memory."),
        event: None,
        says: &["scheduled", "Insufficient memory"],
    },
    Cause {
        name: "no node fits",
        status: || {
            unschedulable(
                "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
            )
        },
        event: None,
        says: &["scheduled", "affinity"],
    },
    Cause {
        name: "its claim is not bound",
        status: || {
            unschedulable(
                "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
            )
        },
        event: None,
        says: &["scheduled", "unbound immediate PersistentVolumeClaims"],
    },
    Cause {
        name: "a volume cannot be mounted",
        status: creating,
        event: Some((
            "FailedMount",
            "MountVolume.MountDevice failed for volume \"pv-airflow-logs\": blobfuse2: 403 AuthorizationFailure",
        )),
        says: &["FailedMount", "pv-airflow-logs", "AuthorizationFailure"],
    },
    Cause {
        name: "a disk cannot be attached",
        status: creating,
        event: Some((
            "FailedAttachVolume",
            "AttachVolume.Attach failed: disk is attached to another node",
        )),
        says: &["FailedAttachVolume", "another node"],
    },
    Cause {
        name: "there is no address left",
        status: creating,
        event: Some((
            "FailedCreatePodSandBox",
            "Failed to create pod sandbox: failed to allocate for range: no IP addresses available",
        )),
        says: &["FailedCreatePodSandBox", "no IP addresses available"],
    },
    Cause {
        name: "its probe fails",
        status: running_unready,
        event: Some((
            "Unhealthy",
            "Readiness probe failed: HTTP probe failed with statuscode: 503",
        )),
        says: &["Unhealthy", "statuscode: 503"],
    },
];
