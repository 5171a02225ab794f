//! Bringing objects to what was assessed, deleting what is no longer declared, and waiting for
//! both. It owns concurrency and order of writes; it refuses to judge what should be written.
//!
//! Helm's order of kinds is kept where one kind needs another; kinds that do not need each other go
//! at the same time, in one of a few [waves](wave).

use std::sync::Arc;

use converge::{ChangeKind, Observer, Readiness};
use futures::{StreamExt, stream};
use kube_cluster::{
    Applied, ApplyOptions, Cluster, ClusterError, Created, DeleteOptions, Deleted, Object,
    ObjectRef, Target, WaitError, Watches, condition, hand_over_fields, insist, insistence,
    readiness, wait_gone, wait_on,
};

use crate::assess::Assessed;
use crate::earlier::Deletion;
use crate::error::ReleaseErrorKind;
use crate::live::{CONCURRENCY, Live};
use crate::run::Manner;
use crate::stages::Operation;
use crate::storage::{CLIENT_SIDE, HELM, as_helm};
use crate::{ReleaseId, WaitMode, ownership};

/// What writes need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub cluster: &'a Arc<dyn Cluster>,
    pub release: &'a ReleaseId,
    pub operation: Operation,
    pub manner: &'a Manner,
    pub observer: &'a Observer,
}

/// The wave of what runs.
const RUNS: u8 = 2;
/// The wave of what intercepts requests.
const INTERCEPTS: u8 = 3;

/// When an object of a kind is applied. What runs comes after what it needs to start (accounts,
/// secrets, configuration, claims, the services its environment names), a binding after its role and
/// with what runs, which needs it once it has started, what intercepts requests after what answers
/// them, and custom resources last.
fn wave(kind: &str) -> u8 {
    match kind {
        "Namespace" => 0,
        "PriorityClass"
        | "NetworkPolicy"
        | "ResourceQuota"
        | "LimitRange"
        | "PodSecurityPolicy"
        | "PodDisruptionBudget"
        | "ServiceAccount"
        | "Secret"
        | "SecretList"
        | "ConfigMap"
        | "StorageClass"
        | "PersistentVolume"
        | "PersistentVolumeClaim"
        | "CustomResourceDefinition"
        | "ClusterRole"
        | "ClusterRoleList"
        | "Role"
        | "RoleList"
        | "Service" => 1,
        "ClusterRoleBinding"
        | "ClusterRoleBindingList"
        | "RoleBinding"
        | "RoleBindingList"
        | "DaemonSet"
        | "Pod"
        | "ReplicationController"
        | "ReplicaSet"
        | "Deployment"
        | "HorizontalPodAutoscaler"
        | "StatefulSet"
        | "Job"
        | "CronJob"
        | "IngressClass"
        | "Ingress"
        | "APIService" => RUNS,
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => INTERCEPTS,
        _ => 4,
    }
}

/// Whether an object of this kind stays as it was seen while nobody writes it: nothing that runs.
fn stays(kind: &str) -> bool {
    wave(kind) < RUNS || kind.ends_with("Binding")
}

/// What is to be written of these objects, in its waves.
pub(crate) fn waves<'a>(objects: &[&'a Assessed]) -> Vec<Vec<&'a Assessed>> {
    let mut wanted: Vec<&Assessed> = objects
        .iter()
        .copied()
        .filter(|object| object.kind != ChangeKind::None)
        .collect();
    let rank = |object: &Assessed| match wave(&object.target.kind.kind) {
        INTERCEPTS if is_of_no_concern(&object.declared, objects) => RUNS,
        wave => wave,
    };
    wanted.sort_by_key(|object| rank(object));
    let waves = wanted.chunk_by(|a, b| rank(a) == rank(b));
    waves.map(<[_]>::to_vec).collect()
}

/// Whether a webhook configuration intercepts none of these objects, nor what controllers make of them:
/// only custom resources of groups that none of them is of. It may be written beside what answers it.
fn is_of_no_concern(configuration: &Object, objects: &[&Assessed]) -> bool {
    let hooks = configuration
        .at("/webhooks")
        .and_then(serde_json::Value::as_array);
    let rules = hooks.into_iter().flatten().map(|hook| &hook["rules"]);
    let mut rules = rules.flat_map(|rules| rules.as_array().into_iter().flatten());
    rules.all(|rule| {
        let groups = rule["apiGroups"].as_array();
        groups.is_some_and(|groups| {
            let mut groups = groups.iter().map(|group| group.as_str().unwrap_or("*"));
            groups.all(|group| {
                let is_custom = group.contains('.') && !group.ends_with(".k8s.io");
                is_custom && objects.iter().all(|one| one.target.kind.group() != group)
            })
        })
    })
}

/// Applies objects wave by wave, waits for nothing between. Stops after the first wave with a failure.
pub(crate) async fn apply_all(
    writer: Writer<'_>,
    watches: &mut Watches,
    objects: &[&Assessed],
    answers: &mut Live,
) -> Result<(), ReleaseErrorKind> {
    let waves = waves(objects);
    for (number, wave) in waves.iter().enumerate() {
        let is_last = number + 1 == waves.len();
        let followed = followed(objects, answers, writer.manner, is_last);
        apply_wave(writer, watches, followed, wave, answers).await?;
    }
    Ok(())
}

/// What is followed beside a wave's writes, for the wait that comes after the last one.
pub(crate) fn followed(
    objects: &[&Assessed],
    answers: &Live,
    manner: &Manner,
    is_last: bool,
) -> Vec<ObjectRef> {
    if is_last {
        awaited_at_last(objects, answers, manner)
    } else {
        awaited(objects, manner)
    }
}

/// Applies the objects of a wave at once, following others beside the writes, and keeps what the
/// server answers.
pub(crate) async fn apply_wave(
    writer: Writer<'_>,
    watches: &mut Watches,
    followed: Vec<ObjectRef>,
    wave: &[&Assessed],
    answers: &mut Live,
) -> Result<(), ReleaseErrorKind> {
    let writes: Vec<_> = wave
        .iter()
        .map(|object| apply_one(writer, object))
        .collect();
    let writes = stream::iter(writes).buffered(CONCURRENCY).collect();
    let results: Vec<Result<Option<Object>, ReleaseErrorKind>> =
        watches.beside(followed, writes).await;
    let mut failures = Vec::new();
    for (object, result) in wave.iter().zip(results) {
        match result {
            Ok(Some(live)) => answers.put(object.target.clone(), live),
            Ok(None) => {}
            Err(ReleaseErrorKind::Cluster(error)) => failures.push(error),
            Err(other) => return Err(other),
        }
    }
    if failures.len() == 1 {
        return Err(failures.remove(0).into());
    }
    if !failures.is_empty() {
        return Err(ReleaseErrorKind::Objects(failures));
    }
    Ok(())
}

async fn apply_one(
    writer: Writer<'_>,
    object: &Assessed,
) -> Result<Option<Object>, ReleaseErrorKind> {
    let cluster = writer.cluster;
    if object.target.name.is_empty() {
        let (Created::New(_) | Created::AlreadyExists) =
            cluster.create(object.declared.clone(), as_helm()).await?;
        return Ok(None);
    }
    if let Some(live) = &object.live {
        if live.is_terminating() {
            let gone = [object.target.clone()];
            wait_gone(cluster, &gone, writer.manner.timeout, writer.observer)
                .await
                .map_err(|error| not_gone(error, writer.manner))?;
        } else if let Some(patch) = hand_over_fields(live, CLIENT_SIDE, HELM) {
            migrate(cluster.as_ref(), &object.target, patch).await?;
        }
    }
    let is_there = object
        .live
        .as_ref()
        .is_some_and(|live| !live.is_terminating());
    if is_there {
        apply(cluster.as_ref(), object).await.map(Some)
    } else {
        apply_new(writer, object).await.map(Some)
    }
}

/// Makes an object that was not there when it was looked for. What has come to be since then is
/// judged as if it had been seen: it is the release's if it bears its marks, as after a lost answer,
/// or may be taken; otherwise it stays as it is, and Helm's sentence is the error.
async fn apply_new(writer: Writer<'_>, object: &Assessed) -> Result<Object, ReleaseErrorKind> {
    let cluster = writer.cluster.as_ref();
    let created = insist(|| cluster.apply_new(object.declared.clone(), as_helm())).await?;
    if let Created::New(live) = created {
        return Ok(live);
    }
    let found = cluster.get(object.target.clone()).await?;
    let refusal = found
        .filter(|_| !object.adopts)
        .and_then(|live| ownership::refusal(&live, writer.release, writer.operation));
    match refusal {
        Some(refusal) => Err(ReleaseErrorKind::Ownership(vec![refusal])),
        None => apply(cluster, object).await,
    }
}

/// Server-side apply under Helm's field manager.
async fn apply(cluster: &dyn Cluster, object: &Assessed) -> Result<Object, ReleaseErrorKind> {
    let options = ApplyOptions {
        manager: HELM.into(),
        dry_run: false,
        force: object.force,
    };
    match cluster.apply(object.declared.clone(), options).await? {
        Applied::Done(live) => Ok(live),
        Applied::Conflicts(conflicts) => {
            let mut change = object.change();
            change.kind = ChangeKind::Conflict;
            change.fields = conflicts
                .into_iter()
                .map(|conflict| converge::FieldChange {
                    path: crate::compare::plain_path(&conflict.field),
                    before: None,
                    after: None,
                    manager: Some(conflict.manager),
                })
                .collect();
            Err(ReleaseErrorKind::Conflicts(vec![change]))
        }
    }
}

/// Moves Helm's client-side ownership to server-side apply. An object that changed meanwhile is
/// read again, a few times.
async fn migrate(
    cluster: &dyn Cluster,
    target: &ObjectRef,
    patch: serde_json::Value,
) -> Result<(), ClusterError> {
    let mut pauses = insistence();
    let mut patch = Some(patch);
    while let Some(operations) = patch {
        match cluster.patch(target.clone(), operations, as_helm()).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_denied() => return Err(error),
            Err(error) => match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            },
        }
        let live = cluster.get(target.clone()).await?;
        patch = live
            .as_ref()
            .and_then(|live| hand_over_fields(live, CLIENT_SIDE, HELM));
    }
    Ok(())
}

/// Those of which a wait will be: they are not there yet, and what answers their creation is never
/// ready. (Definitions are, soon; following them means to be sent each one of the cluster, and again
/// with each change, so that they are followed [at last](awaited_at_last).)
fn awaited(objects: &[&Assessed], manner: &Manner) -> Vec<ObjectRef> {
    if manner.wait == WaitMode::HooksOnly {
        return Vec::new();
    }
    let run = ["Deployment", "StatefulSet", "DaemonSet", "Job"];
    let made = objects
        .iter()
        .filter(|object| object.live.is_none() && !object.target.name.is_empty())
        .filter(|object| run.contains(&object.target.kind.kind.as_str()));
    made.map(|object| object.target.clone()).collect()
}

/// The same, what earlier waves have made and was not ready when they had, and what intercepts requests
/// before it is told whom to trust.
fn awaited_at_last(objects: &[&Assessed], answers: &Live, manner: &Manner) -> Vec<ObjectRef> {
    let mut followed = awaited(objects, manner);
    if manner.wait == WaitMode::HooksOnly {
        return followed;
    }
    let late = objects.iter().filter(|object| {
        let is_made_last = object.live.is_none() && wave(&object.target.kind.kind) == INTERCEPTS;
        let known = answers.get(&object.target);
        let known = known.or_else(|| is_made_last.then_some(&object.declared));
        known.is_some_and(|known| !is_ready(known, manner.wait))
    });
    followed.extend(late.map(|object| object.target.clone()));
    followed
}

/// Deletes what is no longer declared and may go.
pub(crate) async fn delete_all(
    writer: Writer<'_>,
    deletions: &[Deletion],
) -> Result<(), ReleaseErrorKind> {
    for deletion in deletions {
        let target = deletion.live.reference();
        if let Some(reason) = deletion.kept {
            writer.observer.warning(format!(
                "{target} is no longer declared but stays: {reason}"
            ));
            continue;
        }
        delete(writer.cluster.as_ref(), &deletion.live).await?;
    }
    Ok(())
}

/// Deletes this incarnation of an object.
pub(crate) async fn delete(cluster: &dyn Cluster, live: &Object) -> Result<Deleted, ClusterError> {
    let only = DeleteOptions {
        uid: live.uid().map(str::to_owned),
        ..DeleteOptions::default()
    };
    insist(|| cluster.delete(live.reference(), only.clone())).await
}

/// Waits until objects are ready, as the wait mode understands it, from the states that are known:
/// what a write answered, or what was seen of an object that nothing changes by itself.
pub(crate) async fn wait(
    writer: Writer<'_>,
    watches: &mut Watches,
    phase: &str,
    objects: &[&Assessed],
    answers: &Live,
) -> Result<(), ReleaseErrorKind> {
    if writer.manner.wait == WaitMode::HooksOnly {
        return Ok(());
    }
    let targets: Vec<Target> = objects
        .iter()
        .filter(|object| !object.target.name.is_empty())
        .map(|object| {
            let target = waited_for(&object.target, writer.manner.wait);
            let written = answers.get(&object.target);
            let unmoved = object
                .live
                .as_ref()
                .filter(|_| object.kind == ChangeKind::None && stays(&object.target.kind.kind));
            match written.or(unmoved) {
                Some(live) => target.seen(live.clone()),
                None => target,
            }
        })
        .collect();
    if targets.is_empty() {
        return Ok(());
    }
    wait_on(watches, &targets, writer.manner.timeout, writer.observer)
        .await
        .map(drop)
        .map_err(|error| not_ready(error, phase, writer.manner))
}

fn waited_for(target: &ObjectRef, mode: WaitMode) -> Target {
    if target.kind.kind == "Job" && mode != WaitMode::ObjectsAndJobs {
        return Target::judged(target.clone(), started);
    }
    Target::ready(target.clone())
}

/// A Job counts as ready once it has started, unless Jobs are waited for; one that failed does not.
pub(crate) fn started(job: &Object) -> Readiness {
    match readiness(job) {
        Readiness::InProgress(_) if job.at("/status/startTime").is_some() => {
            Readiness::Current("started".into())
        }
        other => other,
    }
}

/// Whether a live object counts as ready in this mode.
pub(crate) fn is_ready(live: &Object, mode: WaitMode) -> bool {
    let state = match (live.kind().kind.as_str(), mode) {
        (_, WaitMode::HooksOnly) => return true,
        ("Job", WaitMode::Objects) => started(live),
        _ => readiness(live),
    };
    state.is_current()
}

pub(crate) fn not_ready(error: WaitError, phase: &str, manner: &Manner) -> ReleaseErrorKind {
    let reasons = match error {
        WaitError::Failed { object, reason } => vec![format!("{object}: {reason}")],
        WaitError::Deadline { pending, .. } => pending
            .into_iter()
            .map(|(object, state)| format!("{object}: {}", state.reason()))
            .collect(),
        WaitError::Cluster(error) => return error.into(),
        other => vec![other.to_string()],
    };
    ReleaseErrorKind::NotReady {
        phase: phase.to_owned(),
        waited: manner.timeout,
        reasons,
    }
}

pub(crate) fn not_gone(error: WaitError, manner: &Manner) -> ReleaseErrorKind {
    match not_ready(error, "", manner) {
        ReleaseErrorKind::NotReady {
            waited, reasons, ..
        } => ReleaseErrorKind::NotGone {
            waited,
            remaining: reasons,
        },
        other => other,
    }
}

/// Whether a CRD is established: its kind can be used.
pub(crate) fn established(crd: &Object) -> Readiness {
    match condition(crd, "Established") {
        Some(condition) if condition.is_true() => Readiness::Current("established".into()),
        _ => readiness(crd),
    }
}

#[cfg(test)]
mod tests {
    use converge::Verification;
    use serde_json::json;

    use super::*;

    fn new(object: Object) -> Assessed {
        Assessed {
            target: object.reference(),
            declared: object,
            live: None,
            kind: ChangeKind::Create,
            fields: Vec::new(),
            force: false,
            adopts: false,
            verification: Verification::Predicted,
            note: None,
        }
    }

    fn object(api_version: &str, kind: &str) -> Assessed {
        new(Object::named(&ObjectRef::cluster_wide(
            api_version,
            kind,
            "o",
        )))
    }

    /// A webhook that judges objects of these groups.
    fn webhook(groups: &[&str]) -> Assessed {
        let kind = "ValidatingWebhookConfiguration";
        let mut webhook = object("admissionregistration.k8s.io/v1", kind).declared;
        let hooks = json!([{"rules": [{"apiGroups": groups}]}]);
        webhook.as_map_mut().insert("webhooks".into(), hooks);
        new(webhook)
    }

    #[test]
    fn a_webhook_comes_after_what_answers_it_unless_nothing_here_concerns_it() {
        let deployment = object("apps/v1", "Deployment");
        let account = object("v1", "ServiceAccount");
        let custom = object("example.com/v1", "Widget");
        let waves = |groups: &[&str], others: &[&Assessed]| {
            let webhook = webhook(groups);
            let all: Vec<&Assessed> = others.iter().copied().chain([&webhook]).collect();
            let lines = super::waves(&all).into_iter().map(|wave| {
                let kinds = wave.iter().map(|one| one.target.kind.kind.as_str());
                kinds.collect::<Vec<_>>().join(" ")
            });
            lines.collect::<Vec<_>>().join(", ")
        };
        let others = [&account, &deployment];
        let beside = "ServiceAccount, Deployment ValidatingWebhookConfiguration";
        assert_eq!(waves(&["external-secrets.io"], &others), beside);
        let after = "ServiceAccount, Deployment, ValidatingWebhookConfiguration";
        for groups in [
            &["*"][..],
            &["apps"],
            &[""],
            &["policy.k8s.io"],
            &["a.io", "*"],
        ] {
            assert_eq!(waves(groups, &others), after, "{groups:?}");
        }
        let judged = "ServiceAccount, Deployment, ValidatingWebhookConfiguration, Widget";
        let others = [&account, &deployment, &custom];
        assert_eq!(waves(&["example.com"], &others), judged);
        let other = "ServiceAccount, Deployment ValidatingWebhookConfiguration, Widget";
        assert_eq!(waves(&["example.org"], &others), other);
    }

    #[test]
    fn what_runs_is_looked_at_again_and_nothing_else() {
        for kind in ["Service", "RoleBinding", "ClusterRoleBinding", "ConfigMap"] {
            assert!(stays(kind), "{kind}");
        }
        for kind in ["Deployment", "Job", "ValidatingWebhookConfiguration"] {
            assert!(!stays(kind), "{kind}");
        }
    }
}
