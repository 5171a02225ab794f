//! Plan and apply: the way from an intent to a deployed revision. It owns the order of survey, lock,
//! stages and end; every part of the way has its own file.

use std::sync::Arc;
use std::time::Duration;

use converge::Observer;
use futures::{StreamExt, TryStreamExt, stream};
use kube_cluster::{Created, Target as Wanted, WaitError, Watches, insist, wait_until};

use crate::assess::Assessed;
use crate::decide::Step;
use crate::earlier::newest;
use crate::engine::ClusterReleases;
use crate::error::ReleaseErrorKind;
use crate::lease;
use crate::live::{CONCURRENCY, Live};
use crate::manifest::Declared;
use crate::objects::{self, Writer};
use crate::observe::{self, Survey};
use crate::perform::perform;
use crate::record::{Info, Record};
use crate::run::{self, Failing, Manner, Run, Start};
use crate::stages::Operation;
use crate::storage::{self, Stored};
use crate::undo::undo;
use crate::{
    Outcome, Planned, Policy, Profile, ReleaseError, ReleaseIntent, ReleasePlan, Revision,
    RevisionSummary, RollbackOptions, Status, reading,
};

/// How often a run starts anew because somebody else finished in between.
const ATTEMPTS: usize = 3;
/// How long CRDs may take to be established, as Helm.
const CRD_TIMEOUT: Duration = Duration::from_secs(60);

/// What applying would do.
pub(crate) async fn plan(
    engine: &ClusterReleases,
    intent: &ReleaseIntent,
    policy: &Policy,
) -> Result<ReleasePlan, ReleaseError> {
    let release = intent.id();
    let planned = async {
        let survey = observe::survey(engine, intent, policy, true).await?;
        // The record would be refused by its size only at the end of a long way.
        if !matches!(survey.step, Step::Keep(_) | Step::Resume(_)) {
            let record = new_record(engine, intent, &survey)?;
            secret_of(engine, intent, &survey, &record)?;
        }
        Ok(survey)
    };
    let survey = planned
        .await
        .map_err(|kind: ReleaseErrorKind| ReleaseError::before_writes("plan", &release, kind))?;
    let made_elsewhere = made_elsewhere(&survey.history)
        .map_err(|kind| ReleaseError::before_writes("plan", &release, kind))?;
    Ok(ReleasePlan {
        action: survey.action(),
        changes: survey.changes(&release),
        notes: survey.target.content.notes.clone(),
        digest: survey.digest.clone(),
        random_sources: survey.target.random_sources.clone(),
        warnings: survey.target.warnings.clone(),
        made_elsewhere,
        deployed: newest(&survey.history, Status::Deployed).map(|stored| stored.revision),
        api_versions: survey.target.api_versions(),
        planned: Planned::new(survey, policy),
    })
}

/// The deployed revision, unless one of the history was made here: Helm drops our marks from the
/// records it rewrites, and writes none.
fn made_elsewhere(history: &[Stored]) -> Result<Option<RevisionSummary>, ReleaseErrorKind> {
    if history.iter().any(|stored| stored.marks.digest.is_some()) {
        return Ok(None);
    }
    let deployed = newest(history, Status::Deployed);
    let record = deployed.map(Stored::record).transpose()?;
    Ok(record.as_ref().map(reading::summary))
}

/// Brings the release to the intent.
pub(crate) async fn apply(
    engine: &ClusterReleases,
    intent: &ReleaseIntent,
    policy: &Policy,
    observer: &Observer,
) -> Result<Outcome, ReleaseError> {
    let release = intent.id();
    for attempt in 1..=ATTEMPTS {
        let survey = match intent.planned.take(intent, policy) {
            Some(survey) => survey,
            None => observe::survey(engine, intent, policy, false)
                .await
                .map_err(|kind| ReleaseError::before_writes("apply", &release, kind))?,
        };
        let failing = Failing {
            operation: survey.operation(),
            release: release.clone(),
        };
        let conflicts = survey.conflicts();
        if !conflicts.is_empty() {
            return Err(failing.before(ReleaseErrorKind::Conflicts(conflicts)));
        }
        match survey.step {
            Step::Keep(revision) if !survey.has_drift() => {
                return keep(engine, intent, survey, revision, observer)
                    .await
                    .map_err(|kind| failing.before(kind));
            }
            _ => {}
        }
        if let Some(outcome) = write(engine, intent, policy, survey, &failing, observer).await? {
            return Ok(outcome);
        }
        observer.progress(format!(
            "another client finished first; looking again ({attempt})"
        ));
    }
    let busy = ReleaseErrorKind::AlreadyExists(Revision::FIRST);
    Err(ReleaseError::before_writes("apply", &release, busy))
}

/// The deployed revision is the wanted one: waits until its objects are ready, writes nothing.
async fn keep(
    engine: &ClusterReleases,
    intent: &ReleaseIntent,
    survey: Survey,
    revision: Revision,
    observer: &Observer,
) -> Result<Outcome, ReleaseErrorKind> {
    let manner = manner(intent);
    let unready: Vec<&Assessed> = survey
        .objects
        .iter()
        .filter(|object| {
            let live = object.live.as_ref();
            live.is_none_or(|live| !objects::is_ready(live, intent.wait))
        })
        .collect();
    let writer = Writer {
        cluster: &engine.cluster,
        release: &intent.id(),
        operation: survey.operation(),
        manner: &manner,
        observer,
    };
    let mut watches = Watches::new(Arc::clone(&engine.cluster));
    objects::wait(writer, &mut watches, "objects", &unready, &Live::default()).await?;
    Ok(outcome(intent, &survey, revision, "unchanged".into()))
}

/// Everything that writes. `None` means: the world changed before the first write; look again.
async fn write(
    engine: &ClusterReleases,
    intent: &ReleaseIntent,
    policy: &Policy,
    survey: Survey,
    failing: &Failing,
    observer: &Observer,
) -> Result<Option<Outcome>, ReleaseError> {
    let release = intent.id();
    // Everything that can be refused without a write is refused here.
    let prepared = prepare(engine, intent, &survey).map_err(|kind| failing.before(kind))?;
    if survey.creates_namespace {
        run::create_namespace(engine, &intent.namespace)
            .await
            .map_err(|kind| failing.before(kind))?;
    }
    let newest = survey.history.last();
    let taking = run::take_lease(engine, &release, newest, observer);
    // Of a first revision the record is Helm's lock as well, and needs nothing settled before.
    let first = prepared.as_ref().filter(|_| survey.is_first());
    let (taken, stored) = match first {
        Some(first) => {
            let storing = storage::create(engine.cluster.as_ref(), first.secret.clone());
            let (taken, stored) = futures::join!(taking, storing);
            (taken, Some(stored))
        }
        None => (taking.await, None),
    };
    let (hold, waited) = match (taken, &stored) {
        (Ok(taken), _) => taken,
        // Whoever holds the Lease finds the revision pending and goes on with it.
        (Err(kind), Some(Ok(Some(_)))) => return Err(failing.after(kind)),
        (Err(kind), _) => return Err(failing.before(kind)),
    };
    if waited && stored.is_none() {
        let moved = has_moved(engine, intent, &survey).await;
        if !matches!(moved, Ok(false)) {
            hold.release().await.map_err(|error| failing.after(error))?;
            return moved.map(|_| None).map_err(|kind| failing.after(kind));
        }
    }
    let start = Start {
        engine,
        release: release.clone(),
        operation: failing.operation,
        manner: manner(intent),
        observer,
        marks: survey.marks(&engine.holder, intent),
        packer: survey.packer.clone(),
        hold,
    };
    if let Step::Keep(revision) = survey.step {
        return repair(start, intent, survey, revision)
            .await
            .map(Some)
            .map_err(|kind| failing.after(kind));
    }
    let begun = match (stored, prepared) {
        (Some(stored), Some(prepared)) => begin_first(start, prepared, stored, waited).await,
        (_, prepared) => begin(start, intent, &survey, prepared).await,
    };
    let run = match begun {
        Err(ReleaseErrorKind::AlreadyExists(_) | ReleaseErrorKind::Lost(_)) => return Ok(None),
        other => other.map_err(|kind| failing.after(kind))?,
    };
    let result = perform(run, intent, &survey).await;
    match result {
        Ok(record) => Ok(Some(finished(intent, &survey, &record))),
        Err(kind) => {
            let kind = undo(engine, policy, &survey, intent, observer, kind).await;
            Err(failing.after(kind))
        }
    }
}

/// Goes on with a first revision, whose record was stored while the Lease was taken, or was not.
async fn begin_first(
    start: Start<'_>,
    prepared: Prepared,
    stored: Result<Option<Stored>, ReleaseErrorKind>,
    waited: bool,
) -> Result<Run<'_>, ReleaseErrorKind> {
    let Prepared { record, .. } = prepared;
    match stored {
        Ok(Some(stored)) => Run::begun(start, record, stored, waited).await,
        Ok(None) => {
            start.hold.release().await?;
            // Whose it is may be waiting for the Lease.
            tokio::time::sleep(lease::YIELD).await;
            Err(ReleaseErrorKind::AlreadyExists(record.revision))
        }
        Err(kind) => {
            start.hold.release().await?;
            Err(kind)
        }
    }
}

/// Whether the history is not what the survey saw.
async fn has_moved(
    engine: &ClusterReleases,
    intent: &ReleaseIntent,
    survey: &Survey,
) -> Result<bool, ReleaseErrorKind> {
    let now = storage::history(engine.cluster.as_ref(), &intent.id()).await?;
    let head = |history: &[Stored]| history.last().map(|last| (last.revision, last.status));
    Ok(head(&now) != head(&survey.history))
}

/// What a new revision is stored as: its record and Secret.
struct Prepared {
    record: Record,
    secret: kube_cluster::Object,
}

fn prepare(
    engine: &ClusterReleases,
    intent: &ReleaseIntent,
    survey: &Survey,
) -> Result<Option<Prepared>, ReleaseErrorKind> {
    if matches!(survey.step, Step::Keep(_) | Step::Resume(_)) {
        return Ok(None);
    }
    let record = new_record(engine, intent, survey)?;
    let secret = secret_of(engine, intent, survey, &record)?;
    Ok(Some(Prepared { record, secret }))
}

fn secret_of(
    engine: &ClusterReleases,
    intent: &ReleaseIntent,
    survey: &Survey,
    record: &Record,
) -> Result<kube_cluster::Object, ReleaseErrorKind> {
    let marks = survey.marks(&engine.holder, intent);
    let now = (engine.clock)();
    storage::secret(
        &survey.packer,
        record,
        &marks,
        &intent.labels,
        intent.profile,
        now,
    )
}

/// The pending record of a new revision.
fn new_record(
    engine: &ClusterReleases,
    intent: &ReleaseIntent,
    survey: &Survey,
) -> Result<Record, ReleaseErrorKind> {
    let now = engine.now();
    let (status, description) = match survey.operation() {
        Operation::Install => (Status::PendingInstall, "Initial install underway"),
        _ => (Status::PendingUpgrade, "Preparing upgrade"),
    };
    let first_deployed = match survey.history.last() {
        Some(last) if status == Status::PendingUpgrade => last.record()?.info.first_deployed,
        _ => None,
    };
    let content = &survey.target.content;
    Ok(Record {
        name: intent.name.to_string(),
        info: Info {
            first_deployed: Some(first_deployed.unwrap_or_else(|| now.clone())),
            last_deployed: Some(now),
            description: description.into(),
            status,
            notes: content.notes.clone(),
            ..Info::default()
        },
        chart: content.chart.clone(),
        config: content.config.clone(),
        manifest: content.manifest.clone(),
        hooks: content.hooks.clone(),
        revision: survey.revision(),
        namespace: intent.namespace.clone(),
        apply_method: "ssa".into(),
        other: serde_json::Map::default(),
    })
}

/// Settles what is left of earlier runs, applies CRDs, and stores the revision as pending.
async fn begin<'a>(
    start: Start<'a>,
    intent: &ReleaseIntent,
    survey: &Survey,
    prepared: Option<Prepared>,
) -> Result<Run<'a>, ReleaseErrorKind> {
    let engine = start.engine;
    if let Err(error) = settle(engine, intent, survey, start.observer).await {
        start.hold.release().await?;
        return Err(error);
    }
    if let Some(Prepared { record, secret }) = prepared {
        return Run::begin(start, record, secret).await;
    }
    let revision = survey.revision();
    let stored = survey.stored(revision).cloned();
    let stored = stored.ok_or(ReleaseErrorKind::Lost(revision))?;
    Run::resume(start, stored).await
}

/// What must be done before the revision is stored.
async fn settle(
    engine: &ClusterReleases,
    intent: &ReleaseIntent,
    survey: &Survey,
    observer: &Observer,
) -> Result<(), ReleaseErrorKind> {
    if let Step::Install { abandon, .. } | Step::Upgrade { abandon, .. } = &survey.step
        && let Some(stored) = abandon.and_then(|revision| survey.stored(revision))
    {
        run::abandon(engine, stored, intent.profile).await?;
    }
    run::prune(
        engine,
        &survey.history,
        intent.history_max,
        survey.revision(),
    )
    .await?;
    apply_crds(engine, &survey.crds, observer).await
}

/// Makes the CRDs of `crds/` that are not there and waits until their kinds can be used.
async fn apply_crds(
    engine: &ClusterReleases,
    crds: &[Declared],
    observer: &Observer,
) -> Result<(), ReleaseErrorKind> {
    if crds.is_empty() {
        return Ok(());
    }
    let cluster = engine.cluster.as_ref();
    let made: Vec<_> = crds
        .iter()
        .map(|crd| insist(|| cluster.apply_new(crd.object.clone(), storage::as_helm())))
        .collect();
    let made: Vec<Created> = stream::iter(made)
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    let wanted: Vec<Wanted> = crds
        .iter()
        .zip(made)
        .map(|(crd, made)| {
            let target = Wanted::judged(crd.object.reference(), objects::established);
            match made {
                Created::New(live) => target.seen(live),
                // Helm, too, leaves one that is there as it is.
                Created::AlreadyExists => target,
            }
        })
        .collect();
    match wait_until(&engine.cluster, &wanted, CRD_TIMEOUT, observer).await {
        Ok(_) => Ok(()),
        Err(WaitError::Cluster(error)) => Err(error.into()),
        Err(other) => Err(ReleaseErrorKind::NotReady {
            phase: "CustomResourceDefinitions".into(),
            waited: CRD_TIMEOUT,
            reasons: vec![other.to_string()],
        }),
    }
}

/// Brings live objects back to the deployed revision, which stays.
async fn repair(
    start: Start<'_>,
    intent: &ReleaseIntent,
    survey: Survey,
    revision: Revision,
) -> Result<Outcome, ReleaseErrorKind> {
    let cluster = Arc::clone(&start.engine.cluster);
    let writer = Writer {
        cluster: &cluster,
        release: &start.release,
        operation: start.operation,
        manner: &start.manner,
        observer: start.observer,
    };
    let all: Vec<&Assessed> = survey.objects.iter().collect();
    let repaired = async {
        let mut answers = Live::default();
        let mut watches = Watches::new(Arc::clone(&cluster));
        objects::apply_all(writer, &mut watches, &all, &mut answers).await?;
        objects::wait(writer, &mut watches, "objects", &all, &answers).await
    }
    .await;
    start.hold.release().await?;
    repaired?;
    Ok(outcome(
        intent,
        &survey,
        revision,
        format!("repaired, revision {revision}"),
    ))
}

fn finished(intent: &ReleaseIntent, survey: &Survey, record: &Record) -> Outcome {
    let did = match &survey.step {
        Step::Resume(revision) => format!("resumed, revision {revision}"),
        Step::Install { revision, .. } => format!("installed, revision {revision}"),
        _ => format!("upgraded, revision {}", record.revision),
    };
    outcome(intent, survey, record.revision, did)
}

fn outcome(intent: &ReleaseIntent, survey: &Survey, revision: Revision, did: String) -> Outcome {
    Outcome {
        revision,
        unchanged: did == "unchanged",
        did,
        notes: survey.target.content.notes.clone(),
        objects: survey
            .target
            .objects
            .iter()
            .map(|one| one.object.reference())
            .collect(),
        changes: survey.changes(&intent.id()),
        warnings: survey.target.warnings.clone(),
    }
}

fn manner(intent: &ReleaseIntent) -> Manner {
    Manner {
        timeout: intent.timeout,
        wait: intent.wait,
        profile: intent.profile,
        no_hooks: intent.no_hooks,
        gates: intent.gates.clone(),
    }
}

/// How a rollback goes about it.
pub(crate) fn manner_of_rollback(options: &RollbackOptions) -> Manner {
    Manner {
        timeout: options.timeout,
        wait: options.wait,
        profile: Profile::default(),
        no_hooks: options.no_hooks,
        gates: Vec::new(),
    }
}
