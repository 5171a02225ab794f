//! Running hooks: one after the other, each to its end, each result stored. It owns deletion
//! policies and what a failing hook said; it refuses to know which hooks run when.
//!
//! Source: `pkg/action/hooks.go` of Helm v4.2. Storing each success at once and going on with a hook
//! that still runs are ours: a run that died and is resumed starts no hook twice.

use std::time::Duration;

use converge::Readiness;
use kube_cluster::{
    Applied, ApplyOptions, Kind, LogQuery, Object, Query, Target, WaitError, last_lines,
    mask_secrets, readiness, wait_gone, wait_until,
};

use crate::Hook;
use crate::error::ReleaseErrorKind;
use crate::objects;
use crate::record::HookRun;
use crate::run::Run;
use crate::storage::HELM;

/// Marks a hook's object with the record and the event whose run created it.
const RUN: &str = "aks-airflow.io/run";
/// How often a hook that still runs is listened to.
const LISTEN_EVERY: Duration = Duration::from_secs(5);
/// How many lines of a failing hook's log an error shows.
const LOG_LINES: u32 = 20;

/// Runs hooks in order. `objects` are those of all of the record's hooks.
///
/// # Errors
/// [`ReleaseErrorKind::Hook`] for the first that fails; the ones after it do not run.
pub(crate) async fn run_all(
    run: &mut Run<'_>,
    event: &str,
    hooks: &[usize],
    objects: &[Object],
) -> Result<(), ReleaseErrorKind> {
    for (position, index) in hooks.iter().enumerate() {
        let object = &objects[*index];
        let target = object.reference();
        if run.is_done(event, &target) {
            run.observer
                .progress(format!("hook {target} succeeded before"));
            continue;
        }
        if let Err(error) = run_one(run, event, *index, object).await {
            for earlier in &hooks[..position] {
                discard(run, *earlier, &objects[*earlier], "hook-succeeded").await?;
            }
            return Err(error);
        }
    }
    for index in hooks {
        discard(run, *index, &objects[*index], "hook-succeeded").await?;
    }
    Ok(())
}

async fn run_one(
    run: &mut Run<'_>,
    event: &str,
    index: usize,
    object: &Object,
) -> Result<(), ReleaseErrorKind> {
    let target = object.reference();
    if run.record.hooks[index].delete_policies.is_empty() {
        let default = "before-hook-creation".to_owned();
        run.record.hooks[index].delete_policies.push(default);
    }
    if !goes_on(run, event, object).await? {
        discard(run, index, object, "before-hook-creation").await?;
        let started = run.engine.now();
        set_run(run, index, |last| {
            *last = HookRun {
                started_at: Some(started),
                completed_at: None,
                phase: "Running".into(),
            };
        });
        run.store().await?;
        run.observer.progress(format!("{event} hook {target}"));
        create(run, event, object).await?;
    }
    let (outcome, heard) = wait_and_listen(run, object).await;
    let completed = run.engine.now();
    let phase = if outcome.is_ok() {
        "Succeeded"
    } else {
        "Failed"
    };
    set_run(run, index, |last| {
        last.completed_at = Some(completed);
        last.phase = phase.into();
    });
    if outcome.is_ok() {
        run.set_done(event, &target);
    }
    run.store().await?;
    match outcome {
        Ok(()) => {
            if wants_log(&run.record.hooks[index], "hook-succeeded") {
                tell_log(run, object).await;
            }
            Ok(())
        }
        Err(error) => {
            let logs = match log_of(run, object, |_| true).await {
                gone if gone.is_empty() => heard,
                logs => logs,
            };
            if wants_log(&run.record.hooks[index], "hook-failed") {
                tell_log(run, object).await;
            }
            discard(run, index, object, "hook-failed").await?;
            let reason = match error {
                WaitError::Failed { reason, .. } => reason,
                WaitError::Cluster(error) => return Err(error.into()),
                other => other.to_string(),
            };
            Err(ReleaseErrorKind::Hook {
                event: event.to_owned(),
                hook: target.to_string(),
                reason,
                logs: logs.iter().map(|line| mask_secrets(line)).collect(),
            })
        }
    }
}

fn set_run(run: &mut Run<'_>, index: usize, change: impl FnOnce(&mut HookRun)) {
    change(&mut run.record.hooks[index].last_run);
}

/// What tells this run's object from another's: the record and the event.
fn mark(run: &Run<'_>, event: &str) -> String {
    format!("{} {event}", run.uid())
}

/// Whether the hook's object was created by the run that is resumed, and so goes on. One that failed
/// meanwhile is made anew: whoever runs again has mended the cause.
async fn goes_on(run: &Run<'_>, event: &str, object: &Object) -> Result<bool, ReleaseErrorKind> {
    if !run.is_resumed {
        return Ok(false);
    }
    let live = run.engine.cluster.get(object.reference()).await?;
    Ok(live.is_some_and(|live| {
        live.annotation(RUN) == Some(&mark(run, event))
            && !live.is_terminating()
            && !matches!(readiness(&live), Readiness::Failed(_))
    }))
}

async fn create(run: &Run<'_>, event: &str, object: &Object) -> Result<(), ReleaseErrorKind> {
    let mut object = object.clone();
    object.set_annotation(RUN, mark(run, event));
    let options = ApplyOptions {
        manager: HELM.into(),
        dry_run: false,
        force: true,
    };
    let target = object.reference();
    match run.engine.cluster.apply(object, options).await? {
        Applied::Done(_) => Ok(()),
        Applied::Conflicts(conflicts) => Err(ReleaseErrorKind::Hook {
            event: event.to_owned(),
            hook: target.to_string(),
            reason: conflicts
                .into_iter()
                .map(|conflict| conflict.message)
                .collect(),
            logs: Vec::new(),
        }),
    }
}

/// Jobs until they complete, Pods until they succeed; everything else is done once it is there.
async fn wait(run: &Run<'_>, object: &Object) -> Result<(), WaitError> {
    let target = object.reference();
    let target = match target.kind.kind.as_str() {
        "Job" => Target::ready(target),
        "Pod" => Target::judged(target, pod_end),
        _ => return Ok(()),
    };
    let cluster = &run.engine.cluster;
    wait_until(cluster, &[target], run.manner.timeout, run.observer).await?;
    Ok(())
}

/// Waits for the end, and keeps the last lines of tries that failed on the way: Kubernetes deletes a
/// Job's pods, and their logs with them, once it gives the Job up.
async fn wait_and_listen(run: &Run<'_>, object: &Object) -> (Result<(), WaitError>, Vec<String>) {
    let mut heard = Vec::new();
    let mut end = std::pin::pin!(wait(run, object));
    loop {
        tokio::select! {
            biased;
            outcome = &mut end => return (outcome, heard),
            () = tokio::time::sleep(LISTEN_EVERY) => {
                let lines = log_of(run, object, has_failed).await;
                if !lines.is_empty() {
                    heard = lines;
                }
            }
        }
    }
}

/// Whether a container of the pod has ended badly at least once.
fn has_failed(pod: &Object) -> bool {
    let statuses = pod.at("/status/containerStatuses");
    let statuses = statuses.and_then(serde_json::Value::as_array);
    statuses.into_iter().flatten().any(|status| {
        ["/state", "/lastState"].iter().any(|state| {
            let code = status.pointer(&format!("{state}/terminated/exitCode"));
            code.is_some_and(|code| *code != 0)
        })
    })
}

fn pod_end(pod: &Object) -> Readiness {
    match pod.text("/status/phase") {
        Some("Succeeded") => Readiness::Current("succeeded".into()),
        Some("Failed") => Readiness::Failed(readiness(pod).reason().to_owned()),
        _ => match readiness(pod) {
            Readiness::Current(reason) => Readiness::InProgress(format!("still runs: {reason}")),
            other => other,
        },
    }
}

/// Deletes the hook's object if its policies ask for it at this point. CRDs are never deleted.
async fn discard(
    run: &Run<'_>,
    index: usize,
    object: &Object,
    policy: &str,
) -> Result<(), ReleaseErrorKind> {
    let hook = &run.record.hooks[index];
    let asked = hook.delete_policies.iter().any(|one| one == policy);
    if !asked || object.kind().kind == "CustomResourceDefinition" {
        return Ok(());
    }
    let cluster = &run.engine.cluster;
    let target = object.reference();
    if let Some(live) = cluster.get(target.clone()).await? {
        objects::delete(cluster.as_ref(), &live).await?;
        wait_gone(cluster, &[target], run.manner.timeout, run.observer)
            .await
            .map_err(|error| objects::not_gone(error, &run.manner))?;
    }
    Ok(())
}

fn wants_log(hook: &Hook, policy: &str) -> bool {
    hook.output_log_policies.iter().any(|one| one == policy)
}

async fn tell_log(run: &Run<'_>, object: &Object) {
    for line in log_of(run, object, |_| true).await {
        run.observer.progress(line);
    }
}

/// The last lines of those of the hook's pods that `which` picks, each container's under its name;
/// empty where they cannot be read.
async fn log_of(run: &Run<'_>, object: &Object, which: fn(&Object) -> bool) -> Vec<String> {
    let (Some(logs), Some(namespace)) = (&run.engine.logs, object.namespace()) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for pod in pods_of(run, object).await.into_iter().filter(which) {
        let containers = pod
            .at("/spec/containers")
            .and_then(serde_json::Value::as_array);
        for container in containers.into_iter().flatten() {
            let name = container.get("name").and_then(serde_json::Value::as_str);
            let query = LogQuery::of(namespace, pod.name()).container(name.unwrap_or_default());
            let found = last_lines(logs.as_ref(), query, LOG_LINES).await;
            let Some(found) = found.ok().filter(|found| !found.is_empty()) else {
                continue;
            };
            lines.push(format!(
                "POD LOGS: {} ({})",
                pod.name(),
                name.unwrap_or_default()
            ));
            lines.extend(found);
        }
    }
    lines
}

async fn pods_of(run: &Run<'_>, object: &Object) -> Vec<Object> {
    let cluster = &run.engine.cluster;
    match object.kind().kind.as_str() {
        "Pod" => cluster
            .get(object.reference())
            .await
            .ok()
            .flatten()
            .into_iter()
            .collect(),
        "Job" => {
            let namespace = object.namespace().map(str::to_owned);
            let query = Query::all(Kind::new("v1", "Pod"), namespace)
                .with_labels(format!("job-name={}", object.name()));
            cluster
                .list(query)
                .await
                .map(|list| list.items)
                .unwrap_or_default()
        }
        _ => Vec::new(),
    }
}
