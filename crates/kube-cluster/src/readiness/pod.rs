//! Pods: scheduling, init containers, images, crashes. It owns the words for what a container is
//! stuck in.
//!
//! Source: `pkg/kubelet/container` and `pkg/kubelet/images` at Kubernetes v1.35 for the reasons.

use converge::Readiness;
use serde_json::Value;

use super::{condition, one_line};
use crate::Object;

/// So many crashes of one container are no start-up race any more (the kubelet's pauses add up to
/// about five minutes).
const CRASHES_TO_FAIL: i64 = 5;

pub(super) fn pod(object: &Object) -> Readiness {
    match object.text("/status/phase") {
        Some("Succeeded") => return Readiness::Current("completed".into()),
        Some("Failed") => return Readiness::Failed(why_failed(object)),
        _ => {}
    }
    if let Some(scheduled) = condition(object, "PodScheduled").filter(super::Condition::is_false) {
        return Readiness::InProgress(format!("cannot be scheduled: {}", scheduled.sentence()));
    }
    for (status, is_init) in containers(object) {
        if let Some(state) = stuck(object, status, is_init) {
            return state;
        }
    }
    match condition(object, "Ready") {
        Some(ready) if ready.is_true() => Readiness::Current("ready".into()),
        Some(ready) => Readiness::InProgress(match not_ready(object) {
            Some(names) => format!("container {names} is running but not ready"),
            None => one_line(&ready.sentence()),
        }),
        None => Readiness::InProgress("not looked at by a node yet".into()),
    }
}

/// Init containers first, in their order; whether each is one.
fn containers(object: &Object) -> impl Iterator<Item = (&Value, bool)> {
    let statuses = |pointer: &str, is_init| {
        let items = object.at(pointer).and_then(Value::as_array);
        items
            .into_iter()
            .flatten()
            .map(move |status| (status, is_init))
    };
    statuses("/status/initContainerStatuses", true)
        .chain(statuses("/status/containerStatuses", false))
}

/// What one container is stuck in; `None` if it is as far as it can be.
fn stuck(object: &Object, status: &Value, is_init: bool) -> Option<Readiness> {
    let name = status["name"].as_str().unwrap_or_default();
    let label = if is_init {
        format!("init container {name}")
    } else {
        format!("container {name}")
    };
    let state = &status["state"];
    if let Some(waiting) = state.get("waiting") {
        return waiting_for(status, waiting, &label);
    }
    if is_init {
        if let Some(ended) = state.get("terminated") {
            return (ended["exitCode"].as_i64() != Some(0))
                .then(|| Readiness::InProgress(format!("{label}: {}", ending(ended))));
        }
        // A sidecar lets the next container start once it has started.
        let is_past = status["started"].as_bool() == Some(true) && is_sidecar(object, name);
        return (!is_past).then(|| Readiness::InProgress(format!("{label} is still running")));
    }
    let ended = state.get("terminated")?;
    (ended["exitCode"].as_i64() != Some(0))
        .then(|| Readiness::InProgress(format!("{label}: {}", ending(ended))))
}

/// A container that waits: `None` for the wait behind other containers.
fn waiting_for(status: &Value, waiting: &Value, label: &str) -> Option<Readiness> {
    let reason = waiting["reason"].as_str().unwrap_or("Waiting");
    let message = one_line(waiting["message"].as_str().unwrap_or_default());
    let image = status["image"].as_str().unwrap_or_default();
    Some(match reason {
        "PodInitializing" => return None,
        "ContainerCreating" => Readiness::InProgress(format!("{label}: ContainerCreating")),
        "InvalidImageName" => Readiness::Failed(format!("{label}: {reason}: {image}")),
        "ImagePullBackOff"
        | "ErrImagePull"
        | "ErrImageNeverPull"
        | "RegistryUnavailable"
        | "ImageInspectError" => {
            let sentence = if message.is_empty() {
                format!("{label}: {reason}: {image}")
            } else {
                format!("{label}: {reason}: {image}: {message}")
            };
            if is_missing_image(&message) {
                Readiness::Failed(sentence)
            } else {
                Readiness::InProgress(sentence)
            }
        }
        "CrashLoopBackOff" => {
            let restarts = status["restartCount"].as_i64().unwrap_or_default();
            let last = status["lastState"].get("terminated").map(ending);
            let sentence = format!(
                "{label}: CrashLoopBackOff after {restarts} restarts: {}",
                last.unwrap_or(message)
            );
            if restarts >= CRASHES_TO_FAIL {
                Readiness::Failed(sentence)
            } else {
                Readiness::InProgress(sentence)
            }
        }
        _ if message.is_empty() => Readiness::InProgress(format!("{label}: {reason}")),
        _ => Readiness::InProgress(format!("{label}: {reason}: {message}")),
    })
}

/// Whether the registry was reached and does not have the image; a refused login may still be a
/// role assignment on its way.
fn is_missing_image(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "not found",
        "manifest unknown",
        "repository does not exist",
        "name unknown",
    ]
    .iter()
    .any(|text| message.contains(text))
}

/// `OOMKilled (exit code 137)`, `exit code 1: last words`.
fn ending(ended: &Value) -> String {
    let code = ended["exitCode"].as_i64().unwrap_or_default();
    let how = match ended["reason"].as_str() {
        None | Some("" | "Error" | "Completed") => format!("exit code {code}"),
        Some(reason) => format!("{reason} (exit code {code})"),
    };
    match ended["message"].as_str().map(one_line) {
        Some(words) if !words.is_empty() => format!("{how}: {words}"),
        _ => how,
    }
}

fn why_failed(object: &Object) -> String {
    let ended = containers(object).find_map(|(status, is_init)| {
        let ended = status["state"].get("terminated")?;
        (ended["exitCode"].as_i64() != Some(0)).then(|| {
            let word = if is_init {
                "init container"
            } else {
                "container"
            };
            let name = status["name"].as_str().unwrap_or_default();
            format!("{word} {name}: {}", ending(ended))
        })
    });
    let own = [
        object.text("/status/reason"),
        object.text("/status/message"),
    ];
    let own: Vec<String> = own.into_iter().flatten().map(one_line).collect();
    ended.unwrap_or_else(|| {
        if own.is_empty() {
            "the pod failed".into()
        } else {
            own.join(": ")
        }
    })
}

fn not_ready(object: &Object) -> Option<String> {
    let statuses = object.at("/status/containerStatuses")?.as_array()?;
    let names: Vec<&str> = statuses
        .iter()
        .filter(|status| status["ready"].as_bool() != Some(true))
        .filter_map(|status| status["name"].as_str())
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn is_sidecar(object: &Object, name: &str) -> bool {
    let containers = object.at("/spec/initContainers").and_then(Value::as_array);
    containers.into_iter().flatten().any(|container| {
        container["name"].as_str() == Some(name)
            && container["restartPolicy"].as_str() == Some("Always")
    })
}
