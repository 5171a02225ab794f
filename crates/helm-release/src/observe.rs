//! What is there of a release, and what an intent would make of it: reads and probes only. It owns
//! the picture that [`decide`](crate::decide) judges; it refuses to write.

use converge::{Change, ChangeKind, Verification};
use kube_cluster::{Cluster, Object, ObjectRef};

use crate::assess::{self, Assessed, Question, Terms};
use crate::codec::Packer;
use crate::decide::{self, Head, Refusal, Seen, Step, Wanted};
use crate::earlier::{Deletion, Earlier, deletion, is_same_object, newest};
use crate::engine::ClusterReleases;
use crate::error::ReleaseErrorKind;
use crate::live::{self, Live};
use crate::manifest::{Declared, Scopes};
use crate::perform::Plan;
use crate::storage::{self, Marks, RenderedWith, Stored};
use crate::target::{self, Content, Target};
use crate::{
    PlannedAction, Policy, ReleaseId, ReleaseIntent, Revision, Status, digest, lease, ownership,
    stages,
};

/// The whole picture.
#[derive(Debug)]
pub(crate) struct Survey {
    /// All revisions, oldest first.
    pub history: Vec<Stored>,
    /// What is to be done.
    pub step: Step,
    /// The digest of the intent.
    pub digest: String,
    /// What the revision is to bring about.
    pub target: Target,
    /// What is to be done about each object of the target, in its order.
    pub objects: Vec<Assessed>,
    /// Objects of earlier revisions that the target no longer declares and that are there.
    pub deletions: Vec<Deletion>,
    /// Objects of `crds/` that are to be applied.
    pub crds: Vec<Declared>,
    /// Whether the namespace is to be created.
    pub creates_namespace: bool,
    /// Whether hooks are left out.
    pub no_hooks: bool,
    /// Which hooks' objects were looked for and are not there, or are taken not to be.
    pub absent_hooks: Vec<bool>,
    /// What templates saw of the cluster.
    pub capabilities: digest::Capabilities,
    /// Packs the record of the revision to make.
    pub packer: Packer,
}

impl Survey {
    /// Whether objects are to be written though the revision stays.
    pub(crate) fn has_drift(&self) -> bool {
        self.objects
            .iter()
            .any(|object| object.kind != ChangeKind::None)
    }

    /// Whether nothing is there of the release, and nothing is to be done before its first revision.
    pub(crate) fn is_first(&self) -> bool {
        matches!(self.step, Step::Install { .. }) && self.history.is_empty() && self.crds.is_empty()
    }

    /// The revision this run would make or keep.
    pub(crate) fn revision(&self) -> Revision {
        match &self.step {
            Step::Keep(revision) | Step::Resume(revision) | Step::Install { revision, .. } => {
                *revision
            }
            Step::Upgrade { to, .. } => *to,
            Step::Refuse(_) => Revision::FIRST,
        }
    }

    /// What hooks and errors call this run.
    pub(crate) fn operation(&self) -> stages::Operation {
        let is_install = match &self.step {
            Step::Install { .. } => true,
            Step::Resume(revision) => self
                .stored(*revision)
                .is_some_and(|stored| stored.status == Status::PendingInstall),
            _ => false,
        };
        if is_install {
            stages::Operation::Install
        } else {
            stages::Operation::Upgrade
        }
    }

    /// A revision as it is stored.
    pub(crate) fn stored(&self, revision: Revision) -> Option<&Stored> {
        self.history
            .iter()
            .find(|stored| stored.revision == revision)
    }

    /// What kind of run it would be.
    pub(crate) fn action(&self) -> PlannedAction {
        match &self.step {
            Step::Keep(revision) if self.has_drift() => PlannedAction::Repair {
                revision: *revision,
            },
            Step::Keep(_) | Step::Refuse(_) => PlannedAction::Nothing,
            Step::Install { revision, .. } => PlannedAction::Install {
                revision: *revision,
            },
            Step::Upgrade { from, to, .. } => PlannedAction::Upgrade {
                from: *from,
                to: *to,
            },
            Step::Resume(revision) => PlannedAction::Resume {
                revision: *revision,
            },
        }
    }

    /// The rows of the plan.
    pub(crate) fn changes(&self, release: &ReleaseId) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.creates_namespace {
            let name = format!("Namespace {}", release.namespace);
            changes.push(Change::new(
                ChangeKind::Create,
                name,
                Verification::Verified,
            ));
        }
        for crd in &self.crds {
            changes.push(Change::new(
                ChangeKind::Create,
                crd.object.reference().to_string(),
                Verification::Predicted,
            ));
        }
        let touched = self
            .objects
            .iter()
            .filter(|one| one.kind != ChangeKind::None);
        changes.extend(touched.map(Assessed::change));
        for deletion in self.deletions.iter().filter(|one| one.kept.is_none()) {
            changes.push(Change::new(
                ChangeKind::Delete,
                deletion.live.reference().to_string(),
                Verification::Verified,
            ));
        }
        if !matches!(self.step, Step::Keep(_)) && !self.no_hooks {
            changes.extend(self.hook_rows());
        }
        changes
    }

    fn hook_rows(&self) -> Vec<Change> {
        let operation = self.operation();
        let events = [operation.before(), operation.after()];
        let hooks = self.target.content.hooks.iter().zip(&self.target.hooks);
        hooks
            .filter(|(hook, _)| {
                hook.events
                    .iter()
                    .any(|event| events.contains(&event.as_str()))
            })
            .map(|(hook, object)| {
                let target = object.reference().to_string();
                Change::new(ChangeKind::Run, target, Verification::Predicted)
                    .with_note(format!("hook: {}", hook.events.join(", ")))
            })
            .collect()
    }

    /// The rows that stop before any write.
    pub(crate) fn conflicts(&self) -> Vec<Change> {
        let blocking = self.objects.iter();
        blocking
            .filter(|object| object.kind == ChangeKind::Conflict)
            .map(Assessed::change)
            .collect()
    }

    /// Marks for the record of this run.
    pub(crate) fn marks(&self, holder: &str, intent: &ReleaseIntent) -> Marks {
        let plan = Plan {
            schedule: &intent.schedule,
            target: &self.target,
            objects: &self.objects,
            deletions: &self.deletions,
            absent_hooks: &self.absent_hooks,
        };
        Marks {
            digest: Some(self.digest.clone()),
            holder: Some(holder.to_owned()),
            phase: plan.first_stage(self.operation(), intent.no_hooks),
            tape: self.target.rendered_with.clone(),
            ..Marks::default()
        }
    }

    /// The digest the same intent will have once this revision is deployed: its own CRDs are served
    /// then.
    pub(crate) fn digest_once_deployed(&self, intent: &ReleaseIntent) -> String {
        let mut capabilities = self.capabilities.clone();
        capabilities.api_versions.extend(self.target.api_versions());
        capabilities.api_versions.sort_unstable();
        capabilities.api_versions.dedup();
        digest::of_intent(intent, &capabilities)
    }
}

/// Looks at everything an intent touches.
///
/// # Errors
/// What makes applying impossible. Nothing was written.
pub(crate) async fn survey(
    engine: &ClusterReleases,
    intent: &ReleaseIntent,
    policy: &Policy,
    is_plan: bool,
) -> Result<Survey, ReleaseErrorKind> {
    let cluster = engine.cluster.as_ref();
    let release = intent.id();
    let (history, discovery) =
        futures::try_join!(storage::history(cluster, &release), cluster.discover())?;
    let crds = target::crds(intent)?;
    let capabilities = target::capabilities(&discovery, &crds, &intent.extra_api_versions);
    let mut scopes = Scopes::of(&discovery);
    for crd in &crds {
        scopes.learn(&crd.object);
    }
    let digest = digest::of_intent(intent, &capabilities);

    let deployed = newest(&history, Status::Deployed);
    let renders = Renders {
        engine,
        intent,
        capabilities: &capabilities,
        scopes: &scopes,
    };
    let known = renders.of_deployed(&history, deployed, &digest).await?;
    let seen = see(engine, &release, &history, deployed, is_plan).await?;
    let wanted = Wanted {
        digest: &digest,
        is_deployed: known.is_some(),
        take_over: policy.take_over,
    };
    let step = decide::decide(&seen, wanted);
    let target = match (&step, known) {
        (Step::Refuse(refusal), _) => return Err(refuse(refusal, intent)),
        (Step::Keep(_), Some(target)) => target,
        (step, _) => renders.of_next(&history, deployed, step).await?,
    };
    let mut survey = Survey {
        creates_namespace: history.is_empty() && needs_namespace(cluster, intent).await?,
        crds: absent_crds(cluster, crds, &step).await?,
        history,
        step,
        digest,
        target,
        objects: Vec::new(),
        deletions: Vec::new(),
        no_hooks: intent.no_hooks,
        absent_hooks: Vec::new(),
        capabilities,
        packer: Packer::default(),
    };
    look_at_objects(engine, intent, policy, &mut survey, &scopes, is_plan).await?;
    Ok(survey)
}

async fn see(
    engine: &ClusterReleases,
    release: &ReleaseId,
    history: &[Stored],
    deployed: Option<&Stored>,
    is_plan: bool,
) -> Result<Seen, ReleaseErrorKind> {
    let last = history.last();
    let is_ours = last.is_some_and(|last| last.status.is_pending() && last.marks.holder.is_some());
    // Applying finds out by taking the Lease.
    let alive = if is_ours && is_plan {
        lease::holder(engine.cluster.as_ref(), release, &engine.clock).await?
    } else {
        None
    };
    Ok(Seen {
        last: last.map(|last| Head {
            revision: last.revision,
            status: last.status,
            digest: last.marks.digest.clone(),
            holder: last.marks.holder.clone(),
        }),
        deployed: deployed.map(|stored| stored.revision),
        was_deployed: history.iter().any(|stored| {
            matches!(
                stored.status,
                Status::Deployed | Status::Superseded | Status::Uninstalled
            )
        }),
        alive,
    })
}

fn refuse(refusal: &Refusal, intent: &ReleaseIntent) -> ReleaseErrorKind {
    match refusal {
        Refusal::Pending {
            revision,
            status,
            holder,
        } => ReleaseErrorKind::Pending {
            revision: *revision,
            status: *status,
            holder: holder.clone(),
        },
        Refusal::Uninstalling(revision) => ReleaseErrorKind::Uninstalling(*revision),
        Refusal::NoDeployed => ReleaseErrorKind::NoDeployed(intent.name.to_string()),
    }
}

/// The renders a survey may need.
struct Renders<'a> {
    engine: &'a ClusterReleases,
    intent: &'a ReleaseIntent,
    capabilities: &'a digest::Capabilities,
    scopes: &'a Scopes,
}

impl Renders<'_> {
    /// The deployed revision's target, if it is what the intent asks for: by digest, which needs no
    /// render, or by rendering as it was rendered then.
    async fn of_deployed(
        &self,
        history: &[Stored],
        deployed: Option<&Stored>,
        digest: &str,
    ) -> Result<Option<Target>, ReleaseErrorKind> {
        let Some(deployed) = deployed
            .filter(|deployed| history.last().map(|last| last.revision) == Some(deployed.revision))
        else {
            return Ok(None);
        };
        let stored = Content::of(&deployed.record()?);
        let namespace = &self.intent.namespace;
        if deployed.marks.digest.as_deref() == Some(digest) {
            return target::of_content(stored, self.scopes, namespace).map(Some);
        }
        let with = deployed.marks.tape.clone().unwrap_or_else(|| RenderedWith {
            seed: self.engine.seed(),
            is_upgrade: deployed.revision > Revision::FIRST,
        });
        let rendered = self.render(deployed.revision, with).await?;
        if rendered.content.is_same_as(&stored) {
            return target::of_content(stored, self.scopes, namespace).map(Some);
        }
        Ok(None)
    }

    /// The target of the revision to make, with the randomness of the one before.
    async fn of_next(
        &self,
        history: &[Stored],
        deployed: Option<&Stored>,
        step: &Step,
    ) -> Result<Target, ReleaseErrorKind> {
        let (revision, is_upgrade) = match step {
            Step::Install { revision, .. } => (*revision, false),
            Step::Upgrade { to, .. } => (*to, true),
            Step::Resume(revision) | Step::Keep(revision) => {
                let stored = history.iter().find(|stored| stored.revision == *revision);
                if let Some(stored) = stored {
                    let content = Content::of(&stored.record()?);
                    let mut target =
                        target::of_content(content, self.scopes, &self.intent.namespace)?;
                    target.rendered_with.clone_from(&stored.marks.tape);
                    return Ok(target);
                }
                (*revision, *revision > Revision::FIRST)
            }
            Step::Refuse(_) => (Revision::FIRST, false),
        };
        let before = deployed.or(history.last());
        let mut seed = self.engine.seed();
        if let Some(tape) = before.and_then(|stored| stored.marks.tape.as_ref()) {
            seed.seed = tape.seed.seed;
        }
        self.render(revision, RenderedWith { seed, is_upgrade })
            .await
    }

    async fn render(
        &self,
        revision: Revision,
        with: RenderedWith,
    ) -> Result<Target, ReleaseErrorKind> {
        let cluster = self.engine.cluster.as_ref();
        target::render(
            cluster,
            self.intent,
            revision,
            with,
            self.capabilities,
            self.scopes,
        )
        .await
    }
}

async fn needs_namespace(
    cluster: &dyn Cluster,
    intent: &ReleaseIntent,
) -> Result<bool, ReleaseErrorKind> {
    if !intent.create_namespace {
        return Ok(false);
    }
    let namespace = ObjectRef::cluster_wide("v1", "Namespace", &intent.namespace);
    Ok(cluster.get(namespace).await?.is_none())
}

/// The CRDs to apply: all of them on install, missing ones later; Helm never touches them again.
async fn absent_crds(
    cluster: &dyn Cluster,
    crds: Vec<Declared>,
    step: &Step,
) -> Result<Vec<Declared>, ReleaseErrorKind> {
    if crds.is_empty() || matches!(step, Step::Keep(_)) {
        return Ok(Vec::new());
    }
    let wanted: Vec<ObjectRef> = crds.iter().map(|crd| crd.object.reference()).collect();
    let live = live::read(cluster, &wanted).await?;
    let is_absent = |crd: &Declared| live.get(&crd.object.reference()).is_none();
    Ok(crds.into_iter().filter(is_absent).collect())
}

/// Reads the live objects and finds what is to be done about each.
async fn look_at_objects(
    engine: &ClusterReleases,
    intent: &ReleaseIntent,
    policy: &Policy,
    survey: &mut Survey,
    scopes: &Scopes,
    is_plan: bool,
) -> Result<(), ReleaseErrorKind> {
    let cluster = engine.cluster.as_ref();
    let release = intent.id();
    let own = matches!(survey.step, Step::Keep(_)).then(|| survey.revision());
    let earlier = Earlier::read(&survey.history, own, scopes, &intent.namespace)?;
    let declared: Vec<ObjectRef> = survey
        .target
        .objects
        .iter()
        .map(|one| one.object.reference())
        .collect();
    let gone: Vec<ObjectRef> = earlier
        .references()
        .into_iter()
        .filter(|old| !declared.iter().any(|new| is_same_object(old, new)))
        .collect();
    let is_kept = matches!(survey.step, Step::Keep(_));
    let hooks: Vec<ObjectRef> = survey.target.hooks.iter().map(Object::reference).collect();
    // A first revision's hooks have left nothing: making one or nothing notices what is there.
    let is_first = matches!(survey.step, Step::Install { .. });
    let looks_for_hooks = !is_kept && !survey.no_hooks && !is_first;
    let wanted = declared
        .iter()
        .chain(&gone)
        .chain(hooks.iter().filter(|_| looks_for_hooks))
        // In a namespace that is not there is nothing.
        .filter(|target| {
            !(survey.creates_namespace && target.namespace.as_ref() == Some(&intent.namespace))
        });
    let live = live::read(cluster, wanted).await?;
    if looks_for_hooks || is_first {
        survey.absent_hooks = hooks.iter().map(|hook| live.get(hook).is_none()).collect();
    }
    // What the deployed revision declares is no stranger, as in Helm: marks that somebody changed
    // since are fields like any other.
    if !policy.take_ownership && !is_kept {
        refuse_strangers(survey, &earlier, &live, &release)?;
    }
    survey.deletions = gone
        .iter()
        .filter_map(|target| live.get(target))
        .filter(|live| !live.is_terminating())
        .map(|live| deletion(live, &release))
        .collect();
    let questions = survey
        .target
        .objects
        .iter_mut()
        .filter(|one| !(is_kept && may_be_gone(one, &live)))
        .map(|one| {
            let is_as_before = is_kept || earlier.declares(&one.object);
            Question::about(one, is_as_before, &release)
        })
        .collect();
    let terms = Terms {
        release: &release,
        policy,
        probe_creates: is_plan && !survey.creates_namespace && !policy.predict_creates,
        makes_revision: !is_kept,
    };
    survey.objects = assess::assess(cluster, questions, &live, terms).await?;
    Ok(())
}

/// Whether an object of the deployed revision has had its time: a name the server chose cannot be
/// found again, and a finished Job with a time to live is deleted by its controller.
fn may_be_gone(declared: &Declared, live: &Live) -> bool {
    let object = &declared.object;
    let passes =
        object.kind().kind == "Job" && object.at("/spec/ttlSecondsAfterFinished").is_some();
    declared.has_generated_name() || (passes && live.get(&object.reference()).is_none())
}

/// Objects that exist without the release's marks and are not its own from before.
fn refuse_strangers(
    survey: &Survey,
    earlier: &Earlier,
    live: &Live,
    release: &ReleaseId,
) -> Result<(), ReleaseErrorKind> {
    let operation = survey.operation();
    let objections: Vec<String> = survey
        .target
        .objects
        .iter()
        .map(|one| one.object.reference())
        .filter(|target| !earlier.has(target))
        .filter_map(|target| ownership::refusal(live.get(&target)?, release, operation))
        .collect();
    if objections.is_empty() {
        Ok(())
    } else {
        Err(ReleaseErrorKind::Ownership(objections))
    }
}
