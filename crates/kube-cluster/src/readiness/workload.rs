//! Workloads: counts of replicas, revisions, and a Job's conditions.

use converge::Readiness;

use super::{Condition, condition, number};
use crate::Object;

pub(super) fn deployment(object: &Object) -> Readiness {
    if let Some(progressing) = condition(object, "Progressing")
        && progressing.reason == "ProgressDeadlineExceeded"
    {
        return Readiness::Failed(progressing.sentence());
    }
    if let Some(unseen) = never_looked_at(object) {
        return unseen;
    }
    let wanted = replicas(object);
    let [total, updated, ready, available] = counts(
        object,
        [
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
        ],
    );
    let waiting = if updated < wanted {
        format!("{updated} of {wanted} pods are of the new template")
    } else if total > updated {
        format!(
            "{} pods of the old template are still there",
            total - updated
        )
    } else if ready < wanted {
        format!("{ready} of {wanted} pods are ready")
    } else if available < wanted {
        format!("{available} of {wanted} pods are available")
    } else {
        return Readiness::Current(format!("{wanted} of {wanted} pods are available"));
    };
    Readiness::InProgress(with_failure(object, waiting))
}

pub(super) fn replica_set(object: &Object) -> Readiness {
    if let Some(unseen) = never_looked_at(object) {
        return unseen;
    }
    let wanted = replicas(object);
    let [total, ready, available] =
        counts(object, ["replicas", "readyReplicas", "availableReplicas"]);
    let waiting = if total > wanted {
        format!("{} pods too many are still there", total - wanted)
    } else if ready < wanted {
        format!("{ready} of {wanted} pods are ready")
    } else if available < wanted {
        format!("{available} of {wanted} pods are available")
    } else {
        return Readiness::Current(format!("{wanted} of {wanted} pods are available"));
    };
    Readiness::InProgress(with_failure(object, waiting))
}

pub(super) fn stateful_set(object: &Object) -> Readiness {
    if let Some(unseen) = never_looked_at(object) {
        return unseen;
    }
    let wanted = replicas(object);
    let [total, ready, updated] = counts(object, ["replicas", "readyReplicas", "updatedReplicas"]);
    if object.text("/spec/updateStrategy/type") == Some("OnDelete") {
        return if ready < wanted {
            Readiness::InProgress(format!("{ready} of {wanted} pods are ready"))
        } else {
            Readiness::Current(format!("{wanted} of {wanted} pods are ready"))
        };
    }
    let kept = number(object, "/spec/updateStrategy/rollingUpdate/partition").min(wanted);
    if total > wanted {
        return Readiness::InProgress(format!("{} pods too many are still there", total - wanted));
    }
    if ready < wanted {
        return Readiness::InProgress(format!("{ready} of {wanted} pods are ready"));
    }
    if updated < wanted - kept {
        let goal = wanted - kept;
        return Readiness::InProgress(format!("{updated} of {goal} pods are of the new template"));
    }
    let revisions = (
        object.text("/status/currentRevision"),
        object.text("/status/updateRevision"),
    );
    if kept == 0 && wanted > 0 && revisions.0 != revisions.1 {
        return Readiness::InProgress("the new revision is not the current one yet".into());
    }
    Readiness::Current(format!("{wanted} of {wanted} pods are ready"))
}

pub(super) fn daemon_set(object: &Object) -> Readiness {
    if object.at("/status/observedGeneration").is_none() {
        return Readiness::InProgress("its controller has not looked at it yet".into());
    }
    let [wanted, placed, updated, available] = counts(
        object,
        [
            "desiredNumberScheduled",
            "currentNumberScheduled",
            "updatedNumberScheduled",
            "numberAvailable",
        ],
    );
    let on_delete = object.text("/spec/updateStrategy/type") == Some("OnDelete");
    if placed < wanted {
        Readiness::InProgress(format!("{placed} of {wanted} nodes have their pod"))
    } else if updated < wanted && !on_delete {
        Readiness::InProgress(format!(
            "{updated} of {wanted} pods are of the new template"
        ))
    } else if available < wanted {
        Readiness::InProgress(format!("{available} of {wanted} pods are available"))
    } else {
        Readiness::Current(format!("{wanted} of {wanted} pods are available"))
    }
}

/// A Job is what was asked for when it is complete.
pub(super) fn job(object: &Object) -> Readiness {
    for failing in ["Failed", "FailureTarget"] {
        if let Some(failed) = condition(object, failing).filter(Condition::is_true) {
            return Readiness::Failed(failed.sentence());
        }
    }
    if condition(object, "Complete").is_some_and(|complete| complete.is_true()) {
        return Readiness::Current("completed".into());
    }
    if condition(object, "Suspended").is_some_and(|suspended| suspended.is_true()) {
        return Readiness::InProgress("suspended".into());
    }
    let [active, failed, succeeded] = counts(object, ["active", "failed", "succeeded"]);
    Readiness::InProgress(match (active, failed, succeeded) {
        (0, 0, 0) => "no pod has started yet".into(),
        (_, 0, _) => "its pod has not completed yet".into(),
        _ => format!("{failed} pods failed, {active} are active"),
    })
}

fn replicas(object: &Object) -> i64 {
    object
        .at("/spec/replicas")
        .and_then(serde_json::Value::as_i64)
        .unwrap_or(1)
}

fn counts<const N: usize>(object: &Object, names: [&str; N]) -> [i64; N] {
    names.map(|name| number(object, &format!("/status/{name}")))
}

fn never_looked_at(object: &Object) -> Option<Readiness> {
    let looked = object.at("/status/observedGeneration").is_some();
    (!looked).then(|| Readiness::InProgress("its controller has not looked at it yet".into()))
}

/// Why pods cannot even be created: quota, admission.
fn with_failure(object: &Object, waiting: String) -> String {
    match condition(object, "ReplicaFailure").filter(Condition::is_true) {
        Some(failure) => format!("{waiting}: {}", failure.sentence()),
        None => waiting,
    }
}
