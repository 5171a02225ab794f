//! Uninstall: objects in reverse order, then the records. It owns what stays, what is guarded and
//! the end of the history; it refuses to touch hooks' objects and CRDs of `crds/`, as Helm does.
//!
//! Source: `pkg/action/uninstall.go` of Helm v4.2.

use converge::Observer;
use helm_chart::manifest::sort_for_uninstall;
use kube_cluster::{Deleted, Object, ObjectRef, wait_gone};

use crate::codec::Packer;
use crate::engine::ClusterReleases;
use crate::error::ReleaseErrorKind;
use crate::manifest::{self, Scopes};
use crate::run::{self, Failing, Manner, Run, Start};
use crate::stages::{Operation, of_event};
use crate::storage::{self, Marks, Stored};
use crate::target::{self, Content};
use crate::{
    Profile, ReleaseError, ReleaseId, Status, UninstallOptions, Uninstalled, WaitMode, hooks, live,
    objects, ownership,
};

/// Everything an uninstall looks at before it writes.
struct Survey {
    history: Vec<Stored>,
    newest: Stored,
    hooks: Vec<Object>,
    /// Live objects to delete, in the order of deletion.
    deleted: Vec<Object>,
    /// Live objects that stay.
    kept: Vec<ObjectRef>,
}

/// Deletes a release's objects and records.
pub(crate) async fn uninstall(
    engine: &ClusterReleases,
    release: &ReleaseId,
    options: &UninstallOptions,
    observer: &Observer,
) -> Result<Uninstalled, ReleaseError> {
    let failing = Failing {
        operation: Operation::Uninstall,
        release: release.clone(),
    };
    let Some(survey) = survey(engine, release, options)
        .await
        .map_err(|kind| failing.before(kind))?
    else {
        return Ok(Uninstalled::AlreadyAbsent);
    };
    let (hold, _) = run::take_lease(engine, release, Some(&survey.newest), observer)
        .await
        .map_err(|kind| failing.before(kind))?;
    let start = Start {
        engine,
        release: release.clone(),
        operation: Operation::Uninstall,
        manner: Manner {
            timeout: options.timeout,
            wait: WaitMode::default(),
            profile: Profile::default(),
            no_hooks: options.no_hooks,
            gates: Vec::new(),
        },
        observer,
        hold,
        marks: Marks {
            holder: Some(engine.holder.clone()),
            done: match survey.newest.status {
                Status::Uninstalling => survey.newest.marks.done.clone(),
                _ => Vec::new(),
            },
            ..survey.newest.marks.settled()
        },
        packer: Packer::default(),
    };
    perform(start, options, &survey)
        .await
        .map_err(|kind| failing.after(kind))?;
    Ok(Uninstalled::Done {
        deleted: survey.deleted.iter().map(Object::reference).collect(),
        kept: survey.kept,
    })
}

async fn survey(
    engine: &ClusterReleases,
    release: &ReleaseId,
    options: &UninstallOptions,
) -> Result<Option<Survey>, ReleaseErrorKind> {
    let cluster = engine.cluster.as_ref();
    let (history, discovery) =
        futures::try_join!(storage::history(cluster, release), cluster.discover())?;
    let Some(newest) = history.last().cloned() else {
        return Ok(None);
    };
    if newest.status == Status::Uninstalled && options.keep_history {
        return Ok(None);
    }
    let scopes = Scopes::of(&discovery);
    // A failed or pending revision may have made objects the deployed one does not know, and the
    // other way round: all that may still be there goes.
    let relevant = history.iter().filter(|stored| {
        stored.revision == newest.revision
            || stored.status == Status::Deployed
            || stored.status.is_pending()
            || stored.status == Status::Failed
    });
    let mut declared: Vec<ObjectRef> = Vec::new();
    for stored in relevant {
        for one in manifest::objects(&stored.record()?.manifest, &scopes, &release.namespace)? {
            let target = one.object.reference();
            if !target.name.is_empty() && !declared.contains(&target) {
                declared.push(target);
            }
        }
    }
    let live = live::read(cluster, &declared).await?;
    let present = declared.iter().filter_map(|target| live.get(target));
    let (kept, mut deleted): (Vec<&Object>, Vec<&Object>) = present.partition(|live| {
        ownership::is_kept(live) || ownership::objection(live, release).is_some()
    });
    sort_for_uninstall(
        &mut deleted,
        |object| object.text("/kind").unwrap_or_default(),
        Profile::default(),
    );
    guard(&deleted, &options.guard)?;
    let content = Content::of(&newest.record()?);
    Ok(Some(Survey {
        hooks: target::of_content(content, &scopes, &release.namespace)?.hooks,
        deleted: deleted.into_iter().cloned().collect(),
        kept: kept.into_iter().map(Object::reference).collect(),
        newest,
        history,
    }))
}

/// Refuses to delete what is guarded.
fn guard(deleted: &[&Object], guarded: &[String]) -> Result<(), ReleaseErrorKind> {
    let hit: Vec<String> = deleted
        .iter()
        .map(|object| object.reference())
        .filter(|target| {
            let name = target.to_string();
            guarded
                .iter()
                .any(|one| *one == name || *one == target.kind.kind)
        })
        .map(|target| target.to_string())
        .collect();
    if hit.is_empty() {
        Ok(())
    } else {
        Err(ReleaseErrorKind::Guarded(hit))
    }
}

async fn perform(
    start: Start<'_>,
    options: &UninstallOptions,
    survey: &Survey,
) -> Result<(), ReleaseErrorKind> {
    let engine = start.engine;
    let is_resumed = survey.newest.status == Status::Uninstalling;
    let mut run = Run::continuing(start, survey.newest.clone(), is_resumed)?;
    run.record.info.status = Status::Uninstalling;
    run.record.info.description = "Deletion in progress (or silently failed)".into();
    if run.record.info.deleted.is_none() {
        run.record.info.deleted = Some(engine.now());
    }
    run.checkpoint("pre-delete").await?;
    run_hooks(&mut run, Operation::Uninstall.before(), survey).await?;
    run.checkpoint("deletions").await?;
    delete_objects(&run, options, survey).await?;
    run.checkpoint("post-delete").await?;
    run_hooks(&mut run, Operation::Uninstall.after(), survey).await?;
    if options.keep_history {
        return run.uninstalled("Uninstallation complete".into()).await;
    }
    // The newest goes last: as long as it is there, uninstalling can be resumed.
    for stored in &survey.history {
        if stored.revision != survey.newest.revision {
            storage::delete(engine.cluster.as_ref(), stored).await?;
        }
    }
    run.purge().await
}

async fn run_hooks(
    run: &mut Run<'_>,
    event: &'static str,
    survey: &Survey,
) -> Result<(), ReleaseErrorKind> {
    if run.manner.no_hooks {
        return Ok(());
    }
    let stored = run.record.hooks.clone();
    let hooks: Vec<_> = survey.hooks.iter().cloned().zip(&stored).collect();
    let chosen = of_event(&hooks, event);
    let stretch = hooks::Stretch {
        name: event,
        event,
        hooks: &chosen,
        next: None,
        next_hook: None,
    };
    let objects = hooks::Objects {
        declared: &survey.hooks,
        absent: &[],
    };
    hooks::run_all(run, stretch, objects).await?;
    run.settle().await
}

async fn delete_objects(
    run: &Run<'_>,
    options: &UninstallOptions,
    survey: &Survey,
) -> Result<(), ReleaseErrorKind> {
    let cluster = &run.engine.cluster;
    for target in &survey.kept {
        run.observer.progress(format!("kept: {target}"));
    }
    let mut failures = Vec::new();
    let mut going = Vec::new();
    for live in &survey.deleted {
        match objects::delete(cluster.as_ref(), live).await {
            Ok(Deleted::Gone | Deleted::AlreadyAbsent | Deleted::PreconditionFailed) => {}
            Ok(Deleted::Begun(_)) => going.push(live.reference()),
            Err(error) => failures.push(error),
        }
    }
    if !failures.is_empty() {
        return Err(ReleaseErrorKind::Objects(failures));
    }
    if options.wait && !going.is_empty() {
        wait_gone(cluster, &going, options.timeout, run.observer)
            .await
            .map_err(|error| objects::not_gone(error, &run.manner))?;
    }
    Ok(())
}
