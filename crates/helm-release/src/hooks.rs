//! Running hooks: one after the other, each to its end, each result stored. It owns deletion
//! policies and what a failing hook said; it refuses to know which hooks run when.
//!
//! Source: `pkg/action/hooks.go` of Helm v4.2. Storing each success at once and going on with a hook
//! that still runs are ours: a run that died and is resumed starts no hook twice.

use std::sync::Arc;
use std::time::Duration;

use converge::{Observer, Readiness};
use kube_cluster::{
    Applied, ApplyOptions, Created, Deleted, Kind, LogQuery, Object, Query, Target, WaitError,
    Watches, insist, last_lines, mask_secrets, readiness, wait_gone, wait_on,
};

use crate::Hook;
use crate::engine::ClusterReleases;
use crate::error::ReleaseErrorKind;
use crate::objects;
use crate::record::HookRun;
use crate::run::Run;
use crate::storage::{HELM, as_helm};

/// Marks a hook's object with the record and the event whose run created it.
const RUN: &str = "aks-airflow.io/run";
/// How often a hook that still runs is listened to.
const LISTEN_EVERY: Duration = Duration::from_secs(5);
/// How many lines of a failing hook's log an error shows.
const LOG_LINES: u32 = 20;

/// The hooks of one stage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch<'a> {
    /// The stage's name.
    pub name: &'a str,
    /// The event they run for.
    pub event: &'a str,
    /// Which, in order.
    pub hooks: &'a [usize],
    /// The stage after it: noted with the last hook's success, so that it needs no note of its own.
    pub next: Option<&'a str>,
    /// That stage's first hook and its event, if it has hooks: noted with the last hook's success, too.
    pub next_hook: Option<(&'a str, usize)>,
}

/// The objects of all of a record's hooks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Objects<'a> {
    /// As declared.
    pub declared: &'a [Object],
    /// Those the survey looked for and did not find, or takes not to be there.
    pub absent: &'a [bool],
}

/// Runs hooks in order. Each hook is noted in the record before anything is done for it, which makes
/// sure that the release is still ours; the next one is noted with the success of the one before, and
/// where another write has made sure a moment ago, it begins beside that note: a run that finds its
/// object without the note goes on with it. What became superfluous goes while the run goes on, after
/// its success is stored: [`Run::settle`] waits for it.
///
/// # Errors
/// [`ReleaseErrorKind::Hook`] for the first that fails; the ones after it do not run.
pub(crate) async fn run_all(
    run: &mut Run<'_>,
    stretch: Stretch<'_>,
    objects: Objects<'_>,
) -> Result<(), ReleaseErrorKind> {
    let Stretch { event, hooks, .. } = stretch;
    run.enter(stretch.name)?;
    // What became of each; without it, it is looked for before it is deleted.
    let mut lives: Vec<Option<Object>> = vec![None; hooks.len()];
    let mut is_noted = false;
    for (position, index) in hooks.iter().enumerate() {
        let object = &objects.declared[*index];
        let target = object.reference();
        if run.is_done(event, &target) {
            run.observer
                .progress(format!("hook {target} succeeded before"));
            continue;
        }
        is_noted = true;
        // A run that is resumed looks first whether the next hook goes on.
        let next = match hooks.get(position + 1) {
            Some(hook) => Next {
                stage: None,
                hook: Some((event, *hook)),
            },
            None => Next {
                stage: stretch.next,
                hook: stretch.next_hook,
            },
        };
        let next = Next {
            hook: next.hook.filter(|(event, hook)| {
                let coming = objects.declared[*hook].reference();
                !run.is_resumed && coming != target && !run.is_done(event, &coming)
            }),
            ..next
        };
        let is_absent = objects.absent.get(*index).copied().unwrap_or_default();
        run.pass(std::iter::once(object)).await?;
        match run_one(run, event, *index, object, is_absent, next).await {
            Ok(live) => lives[position] = live,
            Err(error) => {
                // What is not known to be stored as having succeeded stays.
                if run.stored().await.is_err() {
                    return Err(error);
                }
                for (earlier, live) in hooks[..position].iter().zip(&lives) {
                    let object = &objects.declared[*earlier];
                    discard(run, *earlier, object, live.as_ref(), "hook-succeeded").await?;
                }
                return Err(error);
            }
        }
    }
    if !is_noted {
        run.checkpoint(stretch.name).await?;
    }
    for (index, live) in hooks.iter().zip(&lives) {
        let object = &objects.declared[*index];
        if let Some(going) = discarding(run, *index, object, live.as_ref(), "hook-succeeded") {
            run.let_go(object.reference(), going);
        }
    }
    Ok(())
}

/// What comes after a hook, and is noted with its success.
#[derive(Debug, Clone, Copy)]
struct Next<'a> {
    stage: Option<&'a str>,
    /// Its event and number.
    hook: Option<(&'a str, usize)>,
}

/// Runs one hook to its end and answers its object as it was last seen.
async fn run_one(
    run: &mut Run<'_>,
    event: &str,
    index: usize,
    object: &Object,
    is_absent: bool,
    next: Next<'_>,
) -> Result<Option<Object>, ReleaseErrorKind> {
    let target = object.reference();
    // The same object may have been another hook's.
    if run.is_letting_go(&target) {
        run.settle().await?;
    }
    let mut live = going_on(run, event, object).await?;
    if live.is_none() {
        let is_noted = run.noted_hook.take() == Some(index);
        if !is_noted || !run.was_ours_just_now() {
            set_running(run, index);
            run.store().await?;
        }
        run.observer.progress(format!("{event} hook {target}"));
        let awaited = (target.kind.kind == "Job").then(|| target.clone());
        let mut watches = run.lend_watches();
        let made = watches
            .beside(awaited, make(run, event, index, object, is_absent))
            .await;
        run.watches = watches;
        live = Some(made?);
    }
    let (outcome, heard) = wait_and_listen(run, object, live.clone()).await;
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
        if let Some(stage) = next.stage {
            run.enter(stage)?;
        }
        if let Some((_, hook)) = next.hook {
            set_running(run, hook);
            run.noted_hook = Some(hook);
        }
        run.store_beside().await?;
    } else {
        run.store().await?;
    }
    match outcome {
        Ok(last) => {
            if wants_log(&run.record.hooks[index], "hook-succeeded") {
                tell_log(run, object).await;
            }
            Ok(last.or(live))
        }
        Err(error) => {
            let logs = match log_of(run.engine, object, |_| true).await {
                gone if gone.is_empty() => heard,
                logs => logs,
            };
            if wants_log(&run.record.hooks[index], "hook-failed") {
                tell_log(run, object).await;
            }
            discard(run, index, object, live.as_ref(), "hook-failed").await?;
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

/// Notes what comes after objects that are being applied, as it would be noted when they are ready:
/// the stage, and its first hook unless that is kept back.
pub(crate) async fn note_ahead(
    run: &mut Run<'_>,
    stage: &str,
    hook: Option<(&str, usize, &Object)>,
) -> Result<(), ReleaseErrorKind> {
    run.enter(stage)?;
    if let Some((event, index, object)) = hook
        && !run.is_done(event, &object.reference())
        && !run.is_kept(object)
    {
        set_running(run, index);
        run.noted_hook = Some(index);
    }
    run.store().await
}

fn set_run(run: &mut Run<'_>, index: usize, change: impl FnOnce(&mut HookRun)) {
    change(&mut run.record.hooks[index].last_run);
}

/// A hook as it is noted before anything is done for it.
fn set_running(run: &mut Run<'_>, index: usize) {
    let policies = &mut run.record.hooks[index].delete_policies;
    if policies.is_empty() {
        policies.push("before-hook-creation".to_owned());
    }
    let started = run.engine.now();
    set_run(run, index, |last| {
        *last = HookRun {
            started_at: Some(started),
            completed_at: None,
            phase: "Running".into(),
        };
    });
}

/// What tells this run's object from another's: the record and the event.
fn mark(run: &Run<'_>, event: &str) -> String {
    format!("{} {event}", run.uid())
}

/// The hook's object, if it was created by the run that is resumed, and so goes on. One that failed
/// meanwhile is made anew: whoever runs again has mended the cause.
async fn going_on(
    run: &Run<'_>,
    event: &str,
    object: &Object,
) -> Result<Option<Object>, ReleaseErrorKind> {
    if !run.is_resumed {
        return Ok(None);
    }
    let live = run.engine.cluster.get(object.reference()).await?;
    Ok(live.filter(|live| {
        is_of_run(run, event, live) && !matches!(readiness(live), Readiness::Failed(_))
    }))
}

/// Whether a hook's object was made by this run, and stays.
fn is_of_run(run: &Run<'_>, event: &str, live: &Object) -> bool {
    live.annotation(RUN) == Some(&mark(run, event)) && !live.is_terminating()
}

fn marked(run: &Run<'_>, event: &str, object: &Object) -> Object {
    let mut object = object.clone();
    object.set_annotation(RUN, mark(run, event));
    object
}

/// Makes a hook's object; one that is there goes before, as far as its policies ask for it.
async fn make(
    run: &Run<'_>,
    event: &str,
    index: usize,
    object: &Object,
    is_absent: bool,
) -> Result<Object, ReleaseErrorKind> {
    if is_absent && let Some(live) = create_new(run, event, object).await? {
        return Ok(live);
    }
    discard(run, index, object, None, "before-hook-creation").await?;
    create(run, event, object).await
}

/// Makes a hook's object that was not there when it was looked for; `None` if one has come to be
/// since that this run did not make.
async fn create_new(
    run: &Run<'_>,
    event: &str,
    object: &Object,
) -> Result<Option<Object>, ReleaseErrorKind> {
    let cluster = run.engine.cluster.as_ref();
    let object = marked(run, event, object);
    match insist(|| cluster.apply_new(object.clone(), as_helm())).await? {
        Created::New(live) => Ok(Some(live)),
        // The first answer may have been lost.
        Created::AlreadyExists => Ok(cluster
            .get(object.reference())
            .await?
            .filter(|live| is_of_run(run, event, live))),
    }
}

async fn create(run: &Run<'_>, event: &str, object: &Object) -> Result<Object, ReleaseErrorKind> {
    let object = marked(run, event, object);
    let options = ApplyOptions {
        manager: HELM.into(),
        dry_run: false,
        force: true,
    };
    let target = object.reference();
    match run.engine.cluster.apply(object, options).await? {
        Applied::Done(live) => Ok(live),
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
async fn wait(
    watches: &mut Watches,
    limit: Duration,
    observer: &Observer,
    object: &Object,
    live: Option<Object>,
) -> Result<Option<Object>, WaitError> {
    let target = object.reference();
    let mut target = match target.kind.kind.as_str() {
        "Job" => Target::ready(target),
        "Pod" => Target::judged(target, pod_end),
        _ => return Ok(live),
    };
    target.seen = live;
    let mut ended = wait_on(watches, &[target], limit, observer).await?;
    Ok(ended.pop())
}

/// Waits for the end, and keeps the last lines of tries that failed on the way: Kubernetes deletes a
/// Job's pods, and their logs with them, once it gives the Job up.
async fn wait_and_listen(
    run: &mut Run<'_>,
    object: &Object,
    live: Option<Object>,
) -> (Result<Option<Object>, WaitError>, Vec<String>) {
    let (engine, limit, observer) = (run.engine, run.manner.timeout, run.observer);
    let mut heard = Vec::new();
    let mut end = std::pin::pin!(wait(&mut run.watches, limit, observer, object, live));
    loop {
        tokio::select! {
            biased;
            outcome = &mut end => return (outcome, heard),
            () = tokio::time::sleep(LISTEN_EVERY) => {
                let lines = log_of(engine, object, has_failed).await;
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
/// Without `live` it is looked for first.
async fn discard(
    run: &Run<'_>,
    index: usize,
    object: &Object,
    live: Option<&Object>,
    policy: &str,
) -> Result<(), ReleaseErrorKind> {
    match discarding(run, index, object, live, policy) {
        Some(going) => going.await,
        None => Ok(()),
    }
}

/// The deletion of [`discard`], if its policies ask for it; it needs nothing of the run.
fn discarding(
    run: &Run<'_>,
    index: usize,
    object: &Object,
    live: Option<&Object>,
    policy: &str,
) -> Option<impl Future<Output = Result<(), ReleaseErrorKind>> + Send + use<>> {
    let hook = &run.record.hooks[index];
    let asked = hook.delete_policies.iter().any(|one| one == policy);
    if !asked || object.kind().kind == "CustomResourceDefinition" {
        return None;
    }
    let cluster = Arc::clone(&run.engine.cluster);
    let (target, live) = (object.reference(), live.cloned());
    let (manner, observer) = (run.manner.clone(), run.observer.clone());
    Some(async move {
        let found = match live {
            Some(live) => Some(live),
            None => cluster.get(target.clone()).await?,
        };
        let Some(found) = found else { return Ok(()) };
        if let Deleted::Begun(_) | Deleted::PreconditionFailed =
            objects::delete(cluster.as_ref(), &found).await?
        {
            wait_gone(&cluster, &[target], manner.timeout, &observer)
                .await
                .map_err(|error| objects::not_gone(error, &manner))?;
        }
        Ok(())
    })
}

fn wants_log(hook: &Hook, policy: &str) -> bool {
    hook.output_log_policies.iter().any(|one| one == policy)
}

async fn tell_log(run: &Run<'_>, object: &Object) {
    for line in log_of(run.engine, object, |_| true).await {
        run.observer.progress(line);
    }
}

/// The last lines of those of the hook's pods that `which` picks, each container's under its name;
/// empty where they cannot be read.
async fn log_of(
    engine: &ClusterReleases,
    object: &Object,
    which: fn(&Object) -> bool,
) -> Vec<String> {
    let (Some(logs), Some(namespace)) = (&engine.logs, object.namespace()) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for pod in pods_of(engine, object).await.into_iter().filter(which) {
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

async fn pods_of(engine: &ClusterReleases, object: &Object) -> Vec<Object> {
    let cluster = &engine.cluster;
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
