//! [`Releases`]: the seam to Helm releases. It owns the contract and the answers; it refuses to
//! know which chart is installed and why.

use std::fmt;

use async_trait::async_trait;
use converge::{Change, ChangeKind, Observer, Verification};
use kube_cluster::ObjectRef;
use serde::{Deserialize, Serialize};

use crate::{Planned, Policy, Record, ReleaseError, ReleaseId, ReleaseIntent, Revision, Status};

/// Releases of Helm charts in one cluster.
///
/// # Contract
/// - What is installed here Helm 3 and 4 list, upgrade, roll back and uninstall, and the other way
///   round.
/// - [`plan`](Self::plan), [`status`](Self::status), [`history`](Self::history),
///   [`list`](Self::list) and [`record`](Self::record) make no Write.
/// - [`apply`](Self::apply) of an intent that is already met makes no Write.
/// - After a crash at any request, `apply` of the same intent converges to the same end, resuming
///   the same revision.
/// - Absence is `None`; uninstalling nothing is [`Uninstalled::AlreadyAbsent`].
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Releases: fmt::Debug + Send + Sync + 'static {
    /// What [`apply`](Self::apply) would do. Conflicts with other managers are rows of the plan,
    /// not errors. Where a revision is pending, its client's Lease is watched for up to the 15 s it
    /// lasts: what the dead left is planned as resumed.
    ///
    /// # Errors
    /// What makes applying impossible: the chart does not render, a release is pending, names are
    /// taken, the record would be too large. Nothing was written.
    async fn plan(
        &self,
        intent: ReleaseIntent,
        policy: Policy,
    ) -> Result<ReleasePlan, ReleaseError>;

    /// Installs, upgrades, resumes, or finds that nothing is to be done; then waits as the intent
    /// says.
    ///
    /// # Errors
    /// As [`plan`](Self::plan), a conflict the policy does not allow to take (before any write), and
    /// what fails on the way; [`ReleaseError::written`] tells which.
    ///
    /// # Cancellation
    /// Dropping the future leaves the revision pending; applying the same intent again resumes it.
    async fn apply(
        &self,
        intent: ReleaseIntent,
        policy: Policy,
        observer: Observer,
    ) -> Result<Outcome, ReleaseError>;

    /// The newest revision and how its objects are; `None` without any record.
    async fn status(&self, release: ReleaseId) -> Result<Option<ReleaseStatus>, ReleaseError>;

    /// All revisions that are kept, oldest first; empty without any record.
    async fn history(&self, release: ReleaseId) -> Result<Vec<RevisionSummary>, ReleaseError>;

    /// The newest revision of every release in one namespace or (with `None`) in all, by namespace
    /// and name.
    async fn list(&self, namespace: Option<String>) -> Result<Vec<ReleaseSummary>, ReleaseError>;

    /// One revision's whole record, or with `None` the newest's. May hold secrets: charts put them
    /// into manifests.
    async fn record(
        &self,
        release: ReleaseId,
        revision: Option<Revision>,
    ) -> Result<Option<Record>, ReleaseError>;

    /// Makes a new revision with an older one's content.
    ///
    /// # Errors
    /// No such revision, a pending release, and whatever fails on the way.
    async fn rollback(
        &self,
        release: ReleaseId,
        options: RollbackOptions,
        observer: Observer,
    ) -> Result<Outcome, ReleaseError>;

    /// Deletes a release's objects and, unless they are to be kept, its records. Hooks' objects,
    /// CRDs of `crds/` and objects with `helm.sh/resource-policy: keep` stay.
    ///
    /// # Errors
    /// A guarded object, a pending release of a living client, and whatever fails on the way.
    async fn uninstall(
        &self,
        release: ReleaseId,
        options: UninstallOptions,
        observer: Observer,
    ) -> Result<Uninstalled, ReleaseError>;
}

/// What applying would do.
#[derive(Debug, Clone)]
pub struct ReleasePlan {
    /// What kind of run it would be.
    pub action: PlannedAction,
    /// The rows that are not [`ChangeKind::None`].
    pub changes: Vec<Change>,
    /// The chart's notes.
    pub notes: String,
    /// SHA-256 of everything the intent is made of, lower-case hex.
    pub digest: String,
    /// Each random or clock source of the render, in words; empty if the render is repeatable.
    pub random_sources: Vec<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// The deployed revision, where another client made it and none that is kept was made here.
    pub made_elsewhere: Option<RevisionSummary>,
    /// The deployed revision, if there is one.
    pub deployed: Option<Revision>,
    /// The API versions that the release's own CRDs make the server serve.
    pub api_versions: Vec<String>,
    /// What was seen: in [`ReleaseIntent::planned`] it spares an apply that follows at once the
    /// second look.
    pub planned: Planned,
}

impl ReleasePlan {
    /// The rows that would end running pods: a changed template of a Deployment, StatefulSet or
    /// DaemonSet, or one of these deleted.
    pub fn restarts(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| {
            let kind = change.target.split(' ').next().unwrap_or_default();
            let ends = match change.kind {
                ChangeKind::Delete => true,
                ChangeKind::Update => change
                    .fields
                    .iter()
                    .any(|field| field.path.starts_with("spec.template")),
                _ => false,
            };
            ends && matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet")
        })
    }

    /// What stays as it is until somebody names the release: where another client made it and
    /// taking it over would end running pods, a row that says so and one for each workload; empty
    /// otherwise.
    pub fn kept(&self, release: &ReleaseId) -> Vec<Change> {
        let Some(theirs) = &self.made_elsewhere else {
            return Vec::new();
        };
        let workloads: Vec<Change> = self
            .restarts()
            .map(|change| Change {
                kind: ChangeKind::Keep,
                ..change.clone().with_note("a change restarts its pods")
            })
            .collect();
        if workloads.is_empty() {
            return workloads;
        }
        let note = format!(
            "revision {} of chart {} {} was made by another client; changing it restarts {} workloads: `--restart {}`",
            theirs.revision,
            theirs.chart,
            theirs.chart_version,
            workloads.len(),
            release.name,
        );
        let target = format!("release {}/{}", release.namespace, release.name);
        let mut rows =
            vec![Change::new(ChangeKind::Keep, target, Verification::Verified).with_note(note)];
        rows.extend(workloads);
        rows
    }

    /// Whether applying would write nothing.
    pub fn is_noop(&self) -> bool {
        self.action == PlannedAction::Nothing
    }

    /// The rows that stop before any write.
    pub fn conflicts(&self) -> impl Iterator<Item = &Change> {
        self.changes
            .iter()
            .filter(|change| change.kind == ChangeKind::Conflict)
    }
}

/// What kind of run it would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlannedAction {
    /// Everything is as declared.
    Nothing,
    /// There is no release yet, or only a failed first one.
    Install {
        /// The revision it would make.
        revision: Revision,
    },
    /// Chart, values or another input changed.
    Upgrade {
        /// The deployed revision, or the last one where none is deployed.
        from: Revision,
        /// The revision it would make.
        to: Revision,
    },
    /// An earlier run of the same intent did not finish.
    Resume {
        /// The revision it would finish.
        revision: Revision,
    },
    /// The inputs are those of the deployed revision, but live objects differ: they are brought
    /// back without a new revision.
    Repair {
        /// The deployed revision.
        revision: Revision,
    },
}

/// What applying did.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The deployed revision.
    pub revision: Revision,
    /// What was done, in a few words: `installed, revision 1`, `unchanged`.
    pub did: String,
    /// Whether nothing was written.
    pub unchanged: bool,
    /// The chart's notes.
    pub notes: String,
    /// The release's objects, in the order of the manifest, without hooks.
    pub objects: Vec<ObjectRef>,
    /// What changed.
    pub changes: Vec<Change>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// The newest revision and its objects.
#[derive(Debug, Clone)]
pub struct ReleaseStatus {
    /// The newest revision.
    pub summary: RevisionSummary,
    /// The deployed revision, which after a failed upgrade is not the newest.
    pub deployed: Option<Revision>,
    /// The notes of the newest revision.
    pub notes: String,
    /// The newest revision's objects and how they are.
    pub objects: Vec<(ObjectRef, converge::Readiness)>,
    /// The hooks that ran, with phase and times.
    pub hooks: Vec<HookSummary>,
    /// The digest its inputs had, if it was made here.
    pub digest: Option<String>,
}

/// One revision in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionSummary {
    /// Its number.
    pub revision: Revision,
    /// Its status.
    pub status: Status,
    /// When it was last deployed, RFC 3339.
    pub updated: Option<String>,
    /// The chart's name.
    pub chart: String,
    /// The chart's version.
    pub chart_version: String,
    /// The version of the app, if the chart says so.
    pub app_version: Option<String>,
    /// Helm's description: `Upgrade complete`.
    pub description: String,
}

/// A release in a line: `helm list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseSummary {
    /// Which release.
    pub release: ReleaseId,
    /// Its newest revision.
    pub newest: RevisionSummary,
}

/// A hook's last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookSummary {
    /// Which object.
    pub target: String,
    /// Helm's phase: `Succeeded`.
    pub phase: String,
    /// When it was started, RFC 3339.
    pub started: Option<String>,
    /// When it ended, RFC 3339.
    pub completed: Option<String>,
}

/// How to roll back.
#[derive(Debug, Clone)]
pub struct RollbackOptions {
    /// The revision to go back to; the one before the newest by default.
    pub to: Option<Revision>,
    /// How long each wait may take; five minutes by default.
    pub timeout: std::time::Duration,
    /// What is waited for; all objects but Jobs by default.
    pub wait: crate::WaitMode,
    /// Leave out all hooks; off by default.
    pub no_hooks: bool,
    /// How many revisions are kept, 0 for all; 10 by default.
    pub history_max: u32,
    /// Take every field other managers own; off by default.
    pub force_conflicts: bool,
    /// When objects and hooks run; Helm's own order by default.
    pub schedule: crate::Schedule,
}

impl Default for RollbackOptions {
    fn default() -> Self {
        Self {
            to: None,
            timeout: std::time::Duration::from_secs(300),
            wait: crate::WaitMode::default(),
            no_hooks: false,
            history_max: 10,
            force_conflicts: false,
            schedule: crate::Schedule::helm(),
        }
    }
}

/// How to uninstall.
#[derive(Debug, Clone)]
pub struct UninstallOptions {
    /// Keep the records, with status `uninstalled`; off by default.
    pub keep_history: bool,
    /// Leave out all hooks; off by default.
    pub no_hooks: bool,
    /// How long to wait for objects to be gone; five minutes by default.
    pub timeout: std::time::Duration,
    /// Wait until the objects are gone; on by default.
    pub wait: bool,
    /// Objects that must not go: if the release would delete one, nothing is deleted and the error
    /// names it. Each a kind (`PersistentVolumeClaim`) or a whole name (`Secret airflow/keys`).
    pub guard: Vec<String>,
}

impl Default for UninstallOptions {
    fn default() -> Self {
        Self {
            keep_history: false,
            no_hooks: false,
            timeout: std::time::Duration::from_secs(300),
            wait: true,
            guard: Vec::new(),
        }
    }
}

/// The answer to an uninstall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uninstalled {
    /// It is gone.
    Done {
        /// What was deleted.
        deleted: Vec<ObjectRef>,
        /// What stayed because of its resource policy.
        kept: Vec<ObjectRef>,
    },
    /// There was no such release; nothing was written.
    AlreadyAbsent,
}
