//! Helm releases as a seam: records, hooks, schedules, install, upgrade, rollback and uninstall.
//!
//! [`Releases`] is what the rest of the project talks to; `ClusterReleases` is the engine over a
//! [`kube_cluster::Cluster`]. What it leaves in the cluster is what Helm leaves there, so either
//! can go on where the other stopped. It refuses to know any particular chart.

mod chart;
mod codec;
mod error;
mod intent;
mod name;
mod record;
mod releases;
mod schedule;

pub use chart::{
    CrdFile, Lookup, LookupAnswer, Profile, ReleaseChart, RenderFailure, RenderInput, Rendered,
    RenderedHook, Rendering, TapeSeed,
};
pub use codec::RecordError;
pub use error::{ReleaseError, ReleaseErrorKind};
pub use intent::{Policy, ReleaseIntent, WaitMode};
pub use name::{InvalidReleaseName, ReleaseId, ReleaseName, Revision};
pub use record::{Hook, HookRun, Info, Record, Status};
#[cfg(any(test, feature = "mock"))]
pub use releases::MockReleases;
pub use releases::{
    HookSummary, Outcome, PlannedAction, ReleasePlan, ReleaseStatus, ReleaseSummary, Releases,
    RevisionSummary, RollbackOptions, UninstallOptions, Uninstalled,
};
pub use schedule::{Members, Phase, Schedule, Selector};
