//! The workflow: a typed document becomes a graph of steps, a plan, a run, a report.
//!
//! ```text
//! document(s).yaml ─parse→ Deployment ─plan(&World)→ Plan ─apply→ events … Report
//! ```
//!
//! The domains know the steps; this crate knows their order and wires what one learns into what
//! another needs. It refuses to print, to read the process environment, and to keep state of its
//! own: the world is the state.

mod adoption;
mod charts;
mod deploy;
mod destroy;
mod doctor;
mod document;
mod graph;
mod history;
mod objects;
mod plan;
mod policy;
mod proof;
mod report;
mod rights;
mod run;
mod status;
mod wiring;
mod world;

pub use adoption::FoundTrap;
pub use charts::{
    AIRFLOW_REPOSITORY, ChartError, ChartLibrary, Charts, EXTERNAL_SECRETS_REPOSITORY, OneSource,
};
pub use deploy::{ApplyError, PlanError, StepFailure, deviations};
pub use destroy::{Doomed, Guarded, TearDown, TearDownError};
pub use doctor::{Check, Diagnosis, Verdict};
pub use document::{
    Access, ApiVersion, AzureSettings, ChartOrigin, ChartPin, Cloud, CredentialKind, Deployment,
    DocumentError, ExternalSecretsSettings, IdentitySettings, LogSettings, Operator, Place,
    Problem, Profile, Rule, SecretRef, Source, schema,
};
pub use graph::{Fate, Graph, GraphError, Node};
pub use history::{HistoryRecord, history};
pub use objects::ObjectError;
pub use plan::{Deviation, PLAN_FORMAT, Plan, StepPlan, Tally};
pub use policy::Policy;
pub use report::{REPORT_FORMAT, Report, StepReport, StepResult};
pub use rights::{Only, RIGHTS, Right};
pub use run::Run;
pub use status::{LookError, ReleaseLine, Status, StepState, StepStatus, Unhealthy};
pub use wiring::WiringError;
pub use world::{ConnectError, LocalSecrets, NoLocalSecrets, Parts, RandomSource, World};
