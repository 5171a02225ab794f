//! Rollback: a new revision with an older one's content. It owns the choice of the revision and the
//! record of the new one; stages and locks are those of every run.
//!
//! Source: `pkg/action/rollback.go` of Helm v4.2: no render, no CRDs, no adoption check.

use converge::Observer;
use kube_cluster::ObjectRef;

use crate::apply::manner_of_rollback;
use crate::assess::{self, Assessed, Question, Terms};
use crate::codec::Packer;
use crate::earlier::{Deletion, Earlier, deletion, is_same_object};
use crate::engine::ClusterReleases;
use crate::error::ReleaseErrorKind;
use crate::manifest::Scopes;
use crate::perform::{Plan, run_stages};
use crate::record::Record;
use crate::run::{self, Failing, Run, Start};
use crate::stages::Operation;
use crate::storage::{self, Marks, Stored};
use crate::target::{self, Content, Target};
use crate::{Outcome, Policy, ReleaseError, ReleaseId, Revision, RollbackOptions, Status, live};

/// Everything a rollback looks at before it writes.
struct Survey {
    history: Vec<Stored>,
    /// The revision to go back to.
    to: Stored,
    /// The pending revision of an earlier rollback to the same, if it can be resumed.
    pending: Option<Stored>,
    /// A pending revision of ours that something else left behind.
    abandoned: Option<Stored>,
    target: Target,
    objects: Vec<Assessed>,
    deletions: Vec<Deletion>,
}

/// Makes a new revision with an older one's content.
pub(crate) async fn rollback(
    engine: &ClusterReleases,
    release: &ReleaseId,
    options: &RollbackOptions,
    observer: &Observer,
) -> Result<Outcome, ReleaseError> {
    let failing = Failing {
        operation: Operation::Rollback,
        release: release.clone(),
    };
    let survey = survey(engine, release, options)
        .await
        .map_err(|kind| failing.before(kind))?;
    let conflicting = survey
        .objects
        .iter()
        .filter(|object| object.kind == converge::ChangeKind::Conflict);
    let conflicts: Vec<converge::Change> = conflicting.map(Assessed::change).collect();
    if !conflicts.is_empty() {
        return Err(failing.before(ReleaseErrorKind::Conflicts(conflicts)));
    }
    let newest = survey.history.last();
    let (hold, _) = run::take_lease(engine, release, newest, observer)
        .await
        .map_err(|kind| failing.before(kind))?;
    let start = Start {
        engine,
        release: release.clone(),
        operation: Operation::Rollback,
        manner: manner_of_rollback(options),
        observer,
        hold,
        marks: marks(engine, &survey),
        packer: Packer::default(),
    };
    let run = begin(start, options, &survey)
        .await
        .map_err(|kind| failing.after(kind))?;
    perform(run, options, &survey)
        .await
        .map_err(|kind| failing.after(kind))
}

async fn survey(
    engine: &ClusterReleases,
    release: &ReleaseId,
    options: &RollbackOptions,
) -> Result<Survey, ReleaseErrorKind> {
    let cluster = engine.cluster.as_ref();
    let (history, discovery) =
        futures::try_join!(storage::history(cluster, release), cluster.discover())?;
    let newest = history.last().ok_or(ReleaseErrorKind::NotFound)?.clone();
    let (pending, current) = if newest.status.is_pending() {
        if newest.marks.holder.is_none() {
            return Err(ReleaseErrorKind::Pending {
                revision: newest.revision,
                status: newest.status,
                holder: "made by another client, probably Helm".into(),
            });
        }
        let before = history.iter().rev().nth(1);
        let current = before.ok_or(ReleaseErrorKind::NoRevision(newest.revision))?;
        (Some(newest), current.revision)
    } else {
        (None, newest.revision)
    };
    let wanted = match options.to {
        Some(wanted) => wanted,
        None if current.0 > 1 => Revision(current.0 - 1),
        None => return Err(ReleaseErrorKind::NoEarlierRevision(current)),
    };
    let to = history
        .iter()
        .find(|stored| stored.revision == wanted && !stored.status.is_pending())
        .ok_or(ReleaseErrorKind::NoRevision(wanted))?
        .clone();
    let is_same = |pending: &Stored| pending.marks.digest == Some(digest(&to));
    let (pending, abandoned) = match pending {
        Some(pending) if is_same(&pending) => (Some(pending), None),
        other => (None, other),
    };

    let scopes = Scopes::of(&discovery);
    let mut target = target::of_content(Content::of(&to.record()?), &scopes, &release.namespace)?;
    let earlier = Earlier::read(&history, None, &scopes, &release.namespace)?;
    let declared: Vec<ObjectRef> = target
        .objects
        .iter()
        .map(|one| one.object.reference())
        .collect();
    let gone: Vec<ObjectRef> = earlier
        .references()
        .into_iter()
        .filter(|old| !declared.iter().any(|new| is_same_object(old, new)))
        .collect();
    let live = live::read(cluster, declared.iter().chain(&gone)).await?;
    let questions = target
        .objects
        .iter_mut()
        .map(|one| {
            let is_as_before = earlier.declares(&one.object);
            Question::about(one, is_as_before, release)
        })
        .collect();
    let policy = Policy {
        force_conflicts: options.force_conflicts,
        ..Policy::default()
    };
    let terms = Terms {
        release,
        policy: &policy,
        probe_creates: false,
        makes_revision: true,
    };
    let objects = assess::assess(cluster, questions, &live, terms).await?;
    let present = gone.iter().filter_map(|target| live.get(target));
    let deletions = present.map(|live| deletion(live, release)).collect();
    Ok(Survey {
        history,
        to,
        pending,
        abandoned,
        target,
        objects,
        deletions,
    })
}

/// What tells a rollback to this revision from every other intent while it is pending.
fn digest(to: &Stored) -> String {
    format!("rollback to {} ({})", to.revision, to.uid())
}

fn marks(engine: &ClusterReleases, survey: &Survey) -> Marks {
    Marks {
        digest: Some(digest(&survey.to)),
        holder: Some(engine.holder.clone()),
        tape: survey.to.marks.tape.clone(),
        ..Marks::default()
    }
}

async fn begin<'a>(
    start: Start<'a>,
    options: &RollbackOptions,
    survey: &Survey,
) -> Result<Run<'a>, ReleaseErrorKind> {
    let engine = start.engine;
    let profile = start.manner.profile;
    if let Some(abandoned) = &survey.abandoned {
        run::abandon(engine, abandoned, profile).await?;
    }
    if let Some(pending) = &survey.pending {
        run::prune(
            engine,
            &survey.history,
            options.history_max,
            pending.revision,
        )
        .await?;
        return Run::resume(start, pending.clone()).await;
    }
    let newest = survey.history.last().ok_or(ReleaseErrorKind::NotFound)?;
    let revision = newest.revision.next();
    let source = survey.to.record()?;
    let mut record = Record {
        revision,
        apply_method: "ssa".into(),
        ..source.clone()
    };
    record.info.status = Status::PendingRollback;
    record.info.description = format!("Rollback to {}", survey.to.revision);
    record.info.last_deployed = Some(engine.now());
    record.info.deleted = None;
    record.hooks.clone_from(&survey.target.content.hooks);
    let marks = marks(engine, survey);
    let labels = survey.to.user_labels();
    let now = (engine.clock)();
    let secret = storage::secret(&start.packer, &record, &marks, &labels, profile, now)?;
    run::prune(engine, &survey.history, options.history_max, revision).await?;
    Run::begin(start, record, secret).await
}

async fn perform(
    mut run: Run<'_>,
    options: &RollbackOptions,
    survey: &Survey,
) -> Result<Outcome, ReleaseErrorKind> {
    let plan = Plan {
        schedule: &options.schedule,
        target: &survey.target,
        objects: &survey.objects,
        deletions: &survey.deletions,
        absent_hooks: &[],
    };
    if let Err(kind) = run_stages(&mut run, plan).await {
        return Err(run.failed(kind).await);
    }
    // The deployed revision has the digest of what was deployed then, so that the same intent finds
    // nothing to do.
    run.set_final_digest(survey.to.marks.digest.clone());
    let description = format!("Rollback to {}", survey.to.revision);
    let record = run.deployed(description, &survey.history).await?;
    let changed = survey.objects.iter().map(Assessed::change);
    Ok(Outcome {
        revision: record.revision,
        did: format!(
            "rolled back to {}, revision {}",
            survey.to.revision, record.revision
        ),
        unchanged: false,
        notes: record.info.notes,
        objects: survey
            .target
            .objects
            .iter()
            .map(|one| one.object.reference())
            .collect(),
        changes: changed.filter(converge::Change::writes).collect(),
        warnings: Vec::new(),
    })
}
