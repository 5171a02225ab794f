//! Bringing a pending revision about: its stages one after the other, and its end. It owns the
//! order of stages, deletions and waits; it refuses to look at anything the survey has not seen.

use kube_cluster::Object;

use crate::assess::Assessed;
use crate::earlier::Deletion;
use crate::error::ReleaseErrorKind;
use crate::live::Live;
use crate::objects::{self, Writer};
use crate::observe::Survey;
use crate::run::Run;
use crate::stages::{Operation, Stage, stages};
use crate::target::Target;
use crate::{Hook, Record, ReleaseIntent, Schedule, hooks};

/// Runs the stages of a pending revision and ends it, well or badly.
pub(crate) async fn perform(
    mut run: Run<'_>,
    intent: &ReleaseIntent,
    survey: &Survey,
) -> Result<Record, ReleaseErrorKind> {
    let plan = Plan {
        schedule: &intent.schedule,
        target: &survey.target,
        objects: &survey.objects,
        deletions: &survey.deletions,
        absent_hooks: &survey.absent_hooks,
    };
    match run_stages(&mut run, plan).await {
        Ok(()) => {
            intent.ready.set();
            run.set_final_digest(Some(survey.digest_once_deployed(intent)));
            let description = intent.description.clone();
            let description = description.unwrap_or_else(|| match run.operation {
                Operation::Install => "Install complete".into(),
                _ => "Upgrade complete".into(),
            });
            run.deployed(description, &survey.history).await
        }
        Err(kind) => Err(run.failed(kind).await),
    }
}

/// What the stages of a run work on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub schedule: &'a Schedule,
    pub target: &'a Target,
    pub objects: &'a [Assessed],
    pub deletions: &'a [Deletion],
    /// Hooks' objects that were looked for and are not there, or are taken not to be.
    pub absent_hooks: &'a [bool],
}

impl Plan<'_> {
    fn stages(&self, operation: Operation, hooks: &[Hook], no_hooks: bool) -> Vec<Stage> {
        let declared: Vec<&Object> = self.objects.iter().map(|object| &object.declared).collect();
        let hooks: Vec<_> = if no_hooks {
            Vec::new()
        } else {
            self.target.hooks.iter().cloned().zip(hooks).collect()
        };
        stages(self.schedule, operation, &declared, &hooks)
    }

    /// The name of the first stage: noted when the revision is stored.
    pub(crate) fn first_stage(&self, operation: Operation, no_hooks: bool) -> Option<String> {
        let stages = self.stages(operation, &self.target.content.hooks, no_hooks);
        stages.first().map(|stage| stage.name().to_owned())
    }
}

/// Runs the stages one after the other. What is no longer declared goes after the last objects are
/// applied, before they are waited for. What hooks leave to be deleted is gone at the end.
pub(crate) async fn run_stages(run: &mut Run<'_>, plan: Plan<'_>) -> Result<(), ReleaseErrorKind> {
    let ran = run_each(run, plan).await;
    let settled = run.settle().await;
    ran.and(settled)
}

async fn run_each(run: &mut Run<'_>, plan: Plan<'_>) -> Result<(), ReleaseErrorKind> {
    let stages = plan.stages(run.operation, &run.record.hooks, run.manner.no_hooks);
    let last_objects = stages
        .iter()
        .rposition(|stage| matches!(stage, Stage::Objects { .. }));
    if last_objects.is_none() && !plan.deletions.is_empty() {
        run.checkpoint("deletions").await?;
        delete_undeclared(run, plan).await?;
    }
    let mut applied = vec![false; plan.objects.len()];
    let mut answers = Live::default();
    let deletes = |position: usize| Some(position) == last_objects && !plan.deletions.is_empty();
    for (position, stage) in stages.iter().enumerate() {
        match stage {
            Stage::Hooks { name, event, hooks } => {
                let stretch = hooks::Stretch {
                    name,
                    event,
                    hooks,
                    next: stages.get(position + 1).map(Stage::name),
                    next_hook: match stages.get(position + 1) {
                        Some(Stage::Hooks { event, hooks, .. }) => {
                            hooks.first().map(|hook| (*event, *hook))
                        }
                        _ => None,
                    },
                };
                let objects = hooks::Objects {
                    declared: &plan.target.hooks,
                    absent: plan.absent_hooks,
                };
                hooks::run_all(run, stretch, objects).await?;
            }
            Stage::Objects {
                name,
                objects: members,
                wait,
            } => {
                let all: Vec<&Assessed> =
                    members.iter().map(|index| &plan.objects[*index]).collect();
                let fresh: Vec<&Assessed> = members
                    .iter()
                    .filter(|index| !std::mem::replace(&mut applied[**index], true))
                    .map(|index| &plan.objects[*index])
                    .collect();
                let manner = run.manner.clone();
                let (engine, release) = (run.engine, run.release.clone());
                let writer = Writer {
                    cluster: &engine.cluster,
                    release: &release,
                    operation: run.operation,
                    manner: &manner,
                    observer: run.observer,
                };
                let next = stages.get(position + 1).filter(|next| {
                    !run.is_resumed && (writes(next, &applied) || deletes(position + 1))
                });
                let waves = objects::waves(&fresh);
                if waves.is_empty() {
                    if deletes(position) {
                        run.checkpoint(name).await?;
                    } else {
                        run.enter(name)?;
                    }
                }
                for (number, wave) in waves.iter().enumerate() {
                    run.pass(wave.iter().map(|object| &object.declared)).await?;
                    if number == 0 || !run.was_ours_just_now() {
                        run.checkpoint(name).await?;
                    }
                    let is_last = number + 1 == waves.len();
                    let followed = if *wait {
                        objects::followed(&fresh, &answers, &manner, is_last)
                    } else {
                        Vec::new()
                    };
                    let mut watches = run.lend_watches();
                    let applying =
                        objects::apply_wave(writer, &mut watches, followed, wave, &mut answers);
                    let next = next.filter(|_| is_last);
                    let (applied, noted) = futures::join!(applying, note_ahead(run, plan, next));
                    run.watches = watches;
                    noted.and(applied)?;
                }
                if deletes(position) {
                    delete_undeclared(run, plan).await?;
                }
                if *wait {
                    objects::wait(writer, &mut run.watches, name, &all, &answers).await?;
                }
            }
        }
    }
    Ok(())
}

/// Whether a stage writes, given which objects are applied: one that only waits needs no note.
fn writes(stage: &Stage, applied: &[bool]) -> bool {
    match stage {
        Stage::Hooks { .. } => true,
        Stage::Objects { objects, .. } => objects.iter().any(|index| !applied[*index]),
    }
}

/// Notes the stage that comes after the last writes of this one, while they are under way: what starts
/// it then needs no write of its own. Where none comes, a write under way is answered meanwhile.
async fn note_ahead(
    run: &mut Run<'_>,
    plan: Plan<'_>,
    next: Option<&Stage>,
) -> Result<(), ReleaseErrorKind> {
    match next {
        Some(Stage::Hooks { name, event, hooks }) => {
            let first = hooks.first().copied();
            let hook = first.map(|index| (*event, index, &plan.target.hooks[index]));
            hooks::note_ahead(run, name, hook).await
        }
        Some(Stage::Objects { name, .. }) => hooks::note_ahead(run, name, None).await,
        None => run.stored().await,
    }
}

async fn delete_undeclared(run: &Run<'_>, plan: Plan<'_>) -> Result<(), ReleaseErrorKind> {
    let writer = Writer {
        cluster: &run.engine.cluster,
        release: &run.release,
        operation: run.operation,
        manner: &run.manner,
        observer: run.observer,
    };
    objects::delete_all(writer, plan.deletions).await
}
