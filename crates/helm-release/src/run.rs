//! [`Run`]: a revision being brought about. It owns the record from pending to its end, the Lease,
//! and the check before each stage that both are still ours; it refuses to know what the stages do.

use std::sync::Arc;
use std::time::Duration;

use converge::Observer;
use kube_cluster::{Created, Object, ObjectRef, Watches, insist};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::codec::Packer;
use crate::engine::ClusterReleases;
use crate::error::{ReleaseErrorKind, chain};
use crate::lease::{self, Hold, Taken};
use crate::record::HookRun;
use crate::stages::Operation;
use crate::storage::{self, Marks, Stored, Swapped};
use crate::{Gate, Profile, Record, ReleaseError, ReleaseId, Revision, Status, WaitMode};

/// How long a write shows that a revision is ours: as long as its Lease goes without renewal.
const JUST_NOW: Duration = lease::RENEWAL;

/// How a run goes about it.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    pub timeout: Duration,
    pub wait: WaitMode,
    pub profile: Profile,
    pub no_hooks: bool,
    /// What keeps objects and hooks back.
    pub gates: Vec<Gate>,
}

/// A revision being brought about.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub engine: &'a ClusterReleases,
    pub release: ReleaseId,
    pub operation: Operation,
    pub manner: Manner,
    pub observer: &'a Observer,
    /// The record as it should be stored next.
    pub record: Record,
    /// Whether an earlier run began this revision.
    pub is_resumed: bool,
    /// The watches of all of the run's waits.
    pub watches: Watches,
    /// The hook that the last write noted as running, and for which nothing was done yet.
    pub noted_hook: Option<usize>,
    going: Vec<ObjectRef>,
    goings: JoinSet<Result<(), ReleaseErrorKind>>,
    /// Who hears that the write under way has been done; dropped where it was not.
    on_stored: Vec<oneshot::Sender<()>>,
    stored: Stored,
    stored_at: Instant,
    /// The write under way, if there is one.
    storing: JoinSet<Result<Swapped, ReleaseErrorKind>>,
    /// The stage that the newest write notes.
    noted_stage: Option<String>,
    packer: Packer,
    marks: Marks,
    final_digest: Option<String>,
    hold: Option<Hold>,
}

/// Takes the release's Lease, telling the observer whom it waits for. The second value is whether
/// there was anybody to wait for.
///
/// # Errors
/// [`ReleaseErrorKind::Pending`] while its holder is alive.
pub(crate) async fn take_lease(
    engine: &ClusterReleases,
    release: &ReleaseId,
    newest: Option<&Stored>,
    observer: &Observer,
) -> Result<(Hold, bool), ReleaseErrorKind> {
    let waited = std::sync::atomic::AtomicBool::new(false);
    let tell = |other: &str, elapsed: Duration| {
        waited.store(true, std::sync::atomic::Ordering::Relaxed);
        let reason = format!("`{other}` holds the release; seeing whether it is alive");
        observer.waiting(reason, elapsed, lease::DURATION);
    };
    let taken = lease::take(
        &engine.cluster,
        release,
        &engine.holder,
        &engine.clock,
        tell,
    )
    .await?;
    match taken {
        Taken::Ours(hold) => Ok((hold, waited.into_inner())),
        Taken::HeldBy(other) => Err(ReleaseErrorKind::Pending {
            revision: newest.map_or(Revision::FIRST, |stored| stored.revision),
            status: newest.map_or(Status::Unknown, |stored| stored.status),
            holder: format!("held by `{other}`, which is alive"),
        }),
    }
}

/// Makes the release's namespace, labelled as Helm does; one that is there is fine.
pub(crate) async fn create_namespace(
    engine: &ClusterReleases,
    namespace: &str,
) -> Result<(), ReleaseErrorKind> {
    let mut object = Object::named(&ObjectRef::cluster_wide("v1", "Namespace", namespace));
    object.set_label("name", namespace);
    let (Created::New(_) | Created::AlreadyExists) =
        insist(|| engine.cluster.create(object.clone(), storage::as_helm())).await?;
    Ok(())
}

/// Everything a run starts from.
pub(crate) struct Start<'a> {
    pub engine: &'a ClusterReleases,
    pub release: ReleaseId,
    pub operation: Operation,
    pub manner: Manner,
    pub observer: &'a Observer,
    pub hold: Hold,
    pub marks: Marks,
    /// Has packed the record before, if it was stored or planned by this process.
    pub packer: Packer,
}

impl<'a> Run<'a> {
    /// Goes on with a new revision that was stored while the Lease was taken. If its holder had to be
    /// waited for, the revision may be another's by now.
    ///
    /// # Errors
    /// [`ReleaseErrorKind::Lost`] where it is.
    pub(crate) async fn begun(
        start: Start<'a>,
        record: Record,
        stored: Stored,
        waited: bool,
    ) -> Result<Self, ReleaseErrorKind> {
        let mut run = Self::with(start, record, stored, false);
        if waited {
            run.store().await?;
        }
        Ok(run)
    }

    /// Stores a new revision as pending: Helm's lock.
    ///
    /// # Errors
    /// [`ReleaseErrorKind::AlreadyExists`] when somebody else was faster; nothing was written.
    pub(crate) async fn begin(
        start: Start<'a>,
        record: Record,
        secret: Object,
    ) -> Result<Self, ReleaseErrorKind> {
        let cluster = start.engine.cluster.as_ref();
        if let Some(stored) = storage::create(cluster, secret).await? {
            return Ok(Self::with(start, record, stored, false));
        }
        start.hold.release().await?;
        Err(ReleaseErrorKind::AlreadyExists(record.revision))
    }

    /// Goes on with a pending revision under our name.
    ///
    /// # Errors
    /// [`ReleaseErrorKind::Lost`] when somebody else was faster; nothing was written.
    pub(crate) async fn resume(start: Start<'a>, stored: Stored) -> Result<Self, ReleaseErrorKind> {
        let mut run = Self::continuing(start, stored, true)?;
        run.marks.done.clone_from(&run.stored.marks.done);
        run.store().await?;
        Ok(run)
    }

    /// Goes on with a revision that is there, without a write yet.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub(crate) fn continuing(
        start: Start<'a>,
        stored: Stored,
        is_resumed: bool,
    ) -> Result<Self, ReleaseErrorKind> {
        let record = stored.record()?;
        Ok(Self::with(start, record, stored, is_resumed))
    }

    fn with(start: Start<'a>, record: Record, stored: Stored, is_resumed: bool) -> Self {
        Self {
            watches: start.engine.take_watches(),
            engine: start.engine,
            release: start.release,
            operation: start.operation,
            manner: start.manner,
            observer: start.observer,
            record,
            is_resumed,
            noted_hook: None,
            going: Vec::new(),
            goings: JoinSet::new(),
            on_stored: Vec::new(),
            storing: JoinSet::new(),
            noted_stage: stored.marks.phase.clone(),
            stored,
            stored_at: Instant::now(),
            final_digest: start.marks.digest.clone(),
            marks: start.marks,
            packer: start.packer,
            hold: Some(start.hold),
        }
    }

    /// The uid of the pending record: what marks hooks' objects as this run's.
    pub(crate) fn uid(&self) -> &str {
        self.stored.uid()
    }

    /// Makes sure that revision and Lease are still ours, and notes the stage; no write is needed
    /// where the last one noted it.
    pub(crate) async fn checkpoint(&mut self, stage: &str) -> Result<(), ReleaseErrorKind> {
        self.enter(stage)?;
        let is_noted = self.noted_stage.as_deref() == Some(stage);
        if is_noted && !self.is_resumed && self.was_ours_just_now() {
            return Ok(());
        }
        self.store().await
    }

    /// Whether a write has shown a moment ago that the revision is still ours. (The Lease is looked at
    /// by [`enter`](Self::enter); Helm heeds no Lease.)
    pub(crate) fn was_ours_just_now(&self) -> bool {
        self.stored_at.elapsed() < JUST_NOW
    }

    /// Waits until no gate keeps any of these objects back.
    ///
    /// # Errors
    /// [`ReleaseErrorKind::KeptBack`] where what they need will not be there.
    pub(crate) async fn pass(
        &self,
        objects: impl Iterator<Item = &Object> + Clone,
    ) -> Result<(), ReleaseErrorKind> {
        for gate in &self.manner.gates {
            if objects.clone().any(|object| gate.keeps(object)) {
                gate.pass(self.observer).await?;
            }
        }
        Ok(())
    }

    /// Whether a gate keeps this object back by now.
    pub(crate) fn is_kept(&self, object: &Object) -> bool {
        let mut gates = self.manner.gates.iter();
        gates.any(|gate| gate.keeps(object) && !gate.is_open())
    }

    /// Lends the watches out, so that the record can be stored beside what they follow.
    pub(crate) fn lend_watches(&mut self) -> Watches {
        let none = Watches::new(Arc::clone(&self.engine.cluster));
        std::mem::replace(&mut self.watches, none)
    }

    /// Makes sure that the Lease is still ours; the stage is noted with the next write.
    pub(crate) fn enter(&mut self, stage: &str) -> Result<(), ReleaseErrorKind> {
        if let Some(reason) = self.hold.as_ref().and_then(Hold::lost) {
            self.observer.warning(reason);
            return Err(ReleaseErrorKind::Lost(self.record.revision));
        }
        self.marks.phase = Some(stage.to_owned());
        Ok(())
    }

    /// Deletes an object while the run goes on, once what [is being stored](Self::store_beside) is
    /// stored; until it [settles](Self::settle).
    pub(crate) fn let_go(
        &mut self,
        target: ObjectRef,
        going: impl Future<Output = Result<(), ReleaseErrorKind>> + Send + 'static,
    ) {
        self.going.push(target);
        if self.storing.is_empty() {
            self.goings.spawn(going);
            return;
        }
        let (on_stored, is_stored) = oneshot::channel();
        self.on_stored.push(on_stored);
        self.goings.spawn(async move {
            match is_stored.await {
                Ok(()) => going.await,
                Err(_) => Ok(()),
            }
        });
    }

    /// Whether an object is being deleted meanwhile.
    pub(crate) fn is_letting_go(&self, target: &ObjectRef) -> bool {
        self.going.contains(target)
    }

    /// Waits until everything that was let go is gone. All of it is waited for, also after a failure.
    pub(crate) async fn settle(&mut self) -> Result<(), ReleaseErrorKind> {
        let mut settled = self.stored().await;
        while let Some(gone) = self.goings.join_next().await {
            settled = settled.and(joined(gone));
        }
        self.going.clear();
        settled
    }

    /// Whether a hook has succeeded for this event, now or in the run that is resumed.
    pub(crate) fn is_done(&self, event: &str, hook: &ObjectRef) -> bool {
        self.marks.done.contains(&done(event, hook))
    }

    /// Remembers that a hook has succeeded for this event; stored with the next write.
    pub(crate) fn set_done(&mut self, event: &str, hook: &ObjectRef) {
        self.marks.done.push(done(event, hook));
    }

    /// Stores the record as it is now, if it is still ours.
    pub(crate) async fn store(&mut self) -> Result<(), ReleaseErrorKind> {
        self.stored().await?;
        let secret = self.next_state()?;
        let swapped = storage::swap(self.engine.cluster.as_ref(), secret).await;
        self.answered(swapped)
    }

    /// Stores the record as it is now beside what comes next. For this a write must have shown a
    /// moment ago that the revision is ours; otherwise it is as [`store`](Self::store). The answer is
    /// taken in by [`stored`](Self::stored), at the latest before the next write.
    pub(crate) async fn store_beside(&mut self) -> Result<(), ReleaseErrorKind> {
        self.stored().await?;
        if !self.was_ours_just_now() {
            return self.store().await;
        }
        let secret = self.next_state()?;
        let cluster = Arc::clone(&self.engine.cluster);
        self.storing
            .spawn(async move { storage::swap(cluster.as_ref(), secret).await });
        Ok(())
    }

    /// Waits for the write under way, if there is one; what was to go after it begins to.
    pub(crate) async fn stored(&mut self) -> Result<(), ReleaseErrorKind> {
        match self.storing.join_next().await {
            Some(swapped) => self.answered(joined(swapped)),
            None => Ok(()),
        }
    }

    fn next_state(&mut self) -> Result<Object, ReleaseErrorKind> {
        self.noted_stage.clone_from(&self.marks.phase);
        storage::next_state(
            &self.stored,
            &self.packer,
            &self.record,
            &self.marks,
            self.manner.profile,
            (self.engine.clock)(),
        )
    }

    fn answered(
        &mut self,
        swapped: Result<Swapped, ReleaseErrorKind>,
    ) -> Result<(), ReleaseErrorKind> {
        let on_stored = std::mem::take(&mut self.on_stored);
        match swapped? {
            Swapped::Done(stored) => {
                self.stored = stored;
                self.stored_at = Instant::now();
                for waiting in on_stored {
                    // Nobody hears it where the deletion was aborted with the run.
                    let _ = waiting.send(());
                }
                Ok(())
            }
            Swapped::Lost => Err(ReleaseErrorKind::Lost(self.record.revision)),
        }
    }

    /// Ends well: earlier deployed revisions are superseded, then this one is deployed and the Lease
    /// given back. A client that gets the Lease before the revision has ended finds it pending and goes
    /// on with it by a compare-and-swap, which only one of the two wins; a crash leaves something to
    /// resume or nothing to do.
    pub(crate) async fn deployed(
        mut self,
        description: String,
        history: &[Stored],
    ) -> Result<Record, ReleaseErrorKind> {
        let before: Vec<&Stored> = history
            .iter()
            .filter(|stored| {
                stored.status == Status::Deployed && stored.revision != self.record.revision
            })
            .collect();
        // Ending is a compare-and-swap of its own.
        if !before.is_empty() {
            self.checkpoint("finishing").await?;
        }
        for stored in before {
            supersede(self.engine, stored, self.manner.profile).await?;
        }
        self.marks.digest.clone_from(&self.final_digest);
        let hold = self.hold.take();
        let giving_back = async {
            match hold {
                Some(hold) => hold.release().await,
                None => Ok(()),
            }
        };
        let (ended, given_back) =
            futures::join!(self.end(Status::Deployed, description), giving_back);
        ended?;
        if let Err(error) = given_back {
            let why = chain(&error);
            self.observer
                .warning(format!("the Lease runs out by itself: {why}"));
        }
        self.engine.leave_watches(self.watches);
        Ok(self.record)
    }

    /// Ends badly: the revision is marked failed, and the error tells why. What is lost to somebody
    /// else is left alone.
    pub(crate) async fn failed(mut self, kind: ReleaseErrorKind) -> ReleaseErrorKind {
        if matches!(kind, ReleaseErrorKind::Lost(_)) {
            return kind;
        }
        // It was to come next and did not.
        if let Some(hook) = self.noted_hook.take() {
            self.record.hooks[hook].last_run = HookRun::default();
        }
        let why = chain(&kind);
        let name = &self.release.name;
        let description = match self.operation {
            Operation::Install => format!("Release \"{name}\" failed: {why}"),
            Operation::Rollback => format!("Rollback \"{name}\" failed: {why}"),
            _ => format!("Upgrade \"{name}\" failed: {why}"),
        };
        let marked = self.end(Status::Failed, description).await;
        // Where even this fails, the Lease runs out by itself.
        let _ = self.give_back().await;
        match marked {
            Ok(()) => kind,
            Err(error) => ReleaseErrorKind::Twice {
                first: why,
                then: format!("the revision stays pending: {}", chain(&error)),
            },
        }
    }

    /// The digest under which the revision will be found again once it is deployed. Until then it
    /// keeps the one under which it is resumed.
    pub(crate) fn set_final_digest(&mut self, digest: Option<String>) {
        self.final_digest = digest;
    }

    /// Ends an uninstall that keeps the history.
    pub(crate) async fn uninstalled(mut self, description: String) -> Result<(), ReleaseErrorKind> {
        self.give_back().await?;
        self.end(Status::Uninstalled, description).await
    }

    /// Ends an uninstall that keeps nothing. The Lease goes first: nobody would clean up after the
    /// last record is gone.
    pub(crate) async fn purge(mut self) -> Result<(), ReleaseErrorKind> {
        self.give_back().await?;
        storage::delete(self.engine.cluster.as_ref(), &self.stored).await?;
        Ok(())
    }

    async fn give_back(&mut self) -> Result<(), ReleaseErrorKind> {
        if let Some(hold) = self.hold.take() {
            hold.release().await?;
        }
        Ok(())
    }

    async fn end(&mut self, status: Status, description: String) -> Result<(), ReleaseErrorKind> {
        self.record.info.status = status;
        self.record.info.description = description;
        self.marks = self.marks.settled();
        self.store().await
    }
}

/// What a task of the run came to. Nobody aborts one while the run lives.
fn joined<T>(ended: Result<T, JoinError>) -> T {
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

fn done(event: &str, hook: &ObjectRef) -> String {
    format!("{event} {hook}")
}

/// Makes errors of one operation on one release.
#[derive(Debug, Clone)]
pub(crate) struct Failing {
    pub operation: Operation,
    pub release: ReleaseId,
}

impl Failing {
    /// An error before any write.
    pub(crate) fn before(&self, kind: impl Into<ReleaseErrorKind>) -> ReleaseError {
        ReleaseError::before_writes(self.operation.verb(), &self.release, kind)
    }

    /// An error after at least one write.
    pub(crate) fn after(&self, kind: impl Into<ReleaseErrorKind>) -> ReleaseError {
        ReleaseError::after_writes(self.operation.verb(), &self.release, kind)
    }
}

/// Marks a revision as superseded.
pub(crate) async fn supersede(
    engine: &ClusterReleases,
    stored: &Stored,
    profile: Profile,
) -> Result<(), ReleaseErrorKind> {
    let mut record = stored.record()?;
    record.info.status = Status::Superseded;
    rewrite(engine, stored, &record, profile).await
}

/// Marks a pending revision of a dead client as failed.
pub(crate) async fn abandon(
    engine: &ClusterReleases,
    stored: &Stored,
    profile: Profile,
) -> Result<(), ReleaseErrorKind> {
    let mut record = stored.record()?;
    record.info.status = Status::Failed;
    record.info.description = format!(
        "abandoned by its client{}",
        match &stored.marks.phase {
            Some(phase) => format!(" in phase {phase}"),
            None => String::new(),
        }
    );
    rewrite(engine, stored, &record, profile).await
}

/// Stores a changed record of a settled revision; one that somebody removed meanwhile stays away.
pub(crate) async fn rewrite(
    engine: &ClusterReleases,
    stored: &Stored,
    record: &Record,
    profile: Profile,
) -> Result<(), ReleaseErrorKind> {
    let marks = stored.marks.settled();
    let cluster = engine.cluster.as_ref();
    let now = (engine.clock)();
    let packer = Packer::default();
    let secret = storage::next_state(stored, &packer, record, &marks, profile, now)?;
    match storage::swap(cluster, secret).await? {
        Swapped::Done(_) => Ok(()),
        Swapped::Lost => Err(ReleaseErrorKind::Lost(record.revision)),
    }
}

/// Removes the oldest revisions so that the new one fits into the history.
pub(crate) async fn prune(
    engine: &ClusterReleases,
    history: &[Stored],
    max: u32,
    own: Revision,
) -> Result<(), ReleaseErrorKind> {
    let others: Vec<Stored> = history
        .iter()
        .filter(|stored| stored.revision != own)
        .cloned()
        .collect();
    for stored in storage::surplus(&others, max) {
        storage::delete(engine.cluster.as_ref(), stored).await?;
    }
    Ok(())
}
