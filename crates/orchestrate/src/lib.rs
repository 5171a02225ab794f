//! The workflow: a typed document becomes a graph of steps, a plan, a run, a report.
//!
//! ```text
//! document(s).yaml ─parse→ Deployment ─plan(&World)→ Plan ─apply→ events … Report
//! ```
//!
//! The domains know the steps; this crate knows their order and wires what one learns into what
//! another needs. It refuses to print, to read the process environment, and to keep state of its
//! own: the world is the state.

mod graph;
mod plan;
mod report;
mod run;

pub use graph::{Fate, Graph, GraphError, Node};
pub use plan::{Deviation, PLAN_FORMAT, Plan, StepPlan, Tally};
pub use report::{REPORT_FORMAT, Report, StepReport, StepResult};
pub use run::Run;
