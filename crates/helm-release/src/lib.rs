//! Helm releases as a seam: records, hooks, schedules, install, upgrade, rollback and uninstall.
//!
//! [`Releases`] is what the rest of the project talks to; [`ClusterReleases`] is the engine over a
//! [`kube_cluster::Cluster`]. What it leaves in the cluster is what Helm leaves there, so either
//! can go on where the other stopped. It refuses to know any particular chart.

mod apply;
mod assess;
mod chart;
mod codec;
mod compare;
#[cfg(feature = "conformance")]
pub mod conformance;
mod decide;
mod digest;
mod earlier;
mod engine;
mod error;
mod gate;
mod hooks;
mod intent;
mod lease;
mod live;
mod manifest;
mod name;
mod objects;
mod observe;
mod ownership;
mod perform;
mod planned;
mod reading;
mod record;
mod releases;
mod rendering;
mod rollback;
mod run;
mod schedule;
mod stages;
mod storage;
mod target;
mod undo;
mod uninstall;

pub use chart::{
    CrdFile, Lookup, LookupAnswer, ReleaseChart, RenderFailure, RenderInput, Rendered,
    RenderedHook, Rendering, TapeSeed,
};
pub use codec::RecordError;
pub use engine::ClusterReleases;
pub use error::{ReleaseError, ReleaseErrorKind, RenderFailureSource};
pub use gate::Gate;
pub use helm_chart::Profile;
pub use intent::{Policy, ReleaseIntent, WaitMode};
pub use live::objects_of;
pub use name::{InvalidReleaseName, ReleaseId, ReleaseName, Revision};
pub use planned::Planned;
pub use record::{Hook, HookRun, Info, Record, Status};
#[cfg(any(test, feature = "mock"))]
pub use releases::MockReleases;
pub use releases::{
    HookSummary, Outcome, PlannedAction, ReleasePlan, ReleaseStatus, ReleaseSummary, Releases,
    RevisionSummary, RollbackOptions, UninstallOptions, Uninstalled,
};
pub use schedule::{Members, Phase, Schedule, Selector};
