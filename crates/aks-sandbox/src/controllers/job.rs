//! Jobs: pods that end. This file owns retries and the verdict.

use serde_json::{Value, json};

use super::pass::{Pass, list, number, set_condition, terminating, text};
use super::pod;
use super::replicas::{owned_pods, set_count};
use crate::world::parse_time;

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    for job in pass.all("batch/jobs") {
        if terminating(&job) {
            continue;
        }
        if finished(&job) {
            expire(pass, &job);
        } else {
            advance(pass, &job);
        }
    }
}

fn finished(job: &Value) -> bool {
    list(job, "/status/conditions").iter().any(|condition| {
        matches!(text(condition, "/type"), "Complete" | "Failed")
            && text(condition, "/status") == "True"
    })
}

/// Deletes a finished Job when its time to live is over.
fn expire(pass: &mut Pass<'_>, job: &Value) {
    let Some(seconds) = number(job, "/spec/ttlSecondsAfterFinished") else {
        return;
    };
    let ended = list(job, "/status/conditions")
        .iter()
        .filter_map(|condition| parse_time(text(condition, "/lastTransitionTime")))
        .max();
    let Some(at) = ended.map(|ended| ended + seconds * 1000) else {
        return;
    };
    if at > pass.now {
        pass.wake_at(at);
        return;
    }
    for pod in owned_pods(pass, job) {
        pass.delete("/pods", &pod);
    }
    pass.remove("batch/jobs", job);
}

fn advance(pass: &mut Pass<'_>, job: &Value) {
    let completions = number(job, "/spec/completions").unwrap_or(1);
    let limit = number(job, "/spec/backoffLimit").unwrap_or(6);
    let pods = owned_pods(pass, job);
    let in_phase = |phase: &str| {
        pods.iter()
            .filter(|pod| text(pod, "/status/phase") == phase)
            .count() as i64
    };
    let (succeeded, failed) = (in_phase("Succeeded"), in_phase("Failed"));
    let active: Vec<_> = pods
        .iter()
        .filter(|pod| !pod::ended(pod) && !terminating(pod))
        .collect();
    let restarts: i64 = active
        .iter()
        .flat_map(|pod| list(pod, "/status/containerStatuses"))
        .filter_map(|status| number(status, "/restartCount"))
        .sum();
    let now = pass.timestamp();
    let mut conditions = list(job, "/status/conditions").to_vec();
    let start = match text(job, "/status/startTime") {
        "" => now.clone(),
        known => known.to_owned(),
    };
    let mut status =
        json!({"startTime": start, "ready": active.iter().filter(|pod| pod::ready(pod)).count()});
    if succeeded >= completions {
        set_condition(
            &mut conditions,
            "SuccessCriteriaMet",
            "True",
            "CompletionsReached",
            "Reached expected number of succeeded pods",
            &now,
        );
        set_condition(
            &mut conditions,
            "Complete",
            "True",
            "CompletionsReached",
            "Reached expected number of succeeded pods",
            &now,
        );
        status["completionTime"] = now.into();
        pass.event(job, false, "Completed", "Job completed", "job-controller");
    } else if failed + restarts > limit {
        let message = "Job has reached the specified backoff limit";
        set_condition(
            &mut conditions,
            "FailureTarget",
            "True",
            "BackoffLimitExceeded",
            message,
            &now,
        );
        set_condition(
            &mut conditions,
            "Failed",
            "True",
            "BackoffLimitExceeded",
            message,
            &now,
        );
        pass.event(job, true, "BackoffLimitExceeded", message, "job-controller");
    } else if active.is_empty() && (failed == 0 || pass.due(job, &format!("retry-{failed}"), 100)) {
        let name = format!(
            "{}-{}",
            text(job, "/metadata/name"),
            pass.state.entropy.suffix(5)
        );
        let mut template = job["spec"]["template"].clone();
        let uid = job["metadata"]["uid"].clone();
        template["metadata"]["labels"]["batch.kubernetes.io/job-name"] =
            job["metadata"]["name"].clone();
        template["metadata"]["labels"]["job-name"] = job["metadata"]["name"].clone();
        template["metadata"]["labels"]["batch.kubernetes.io/controller-uid"] = uid;
        pod::create(pass, job, &template, &name, None);
        return;
    }
    set_count(&mut status, "active", active.len() as i64);
    set_count(&mut status, "succeeded", succeeded);
    set_count(&mut status, "failed", failed);
    if !conditions.is_empty() {
        status["conditions"] = conditions.into();
    }
    pass.set_status("batch/jobs", job, status);
}
