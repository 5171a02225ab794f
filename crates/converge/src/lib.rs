//! The vocabulary every layer of the project speaks: what is secret, what is ready, what was
//! proven, how long to wait, what will change, what happened, and what a step is.
//!
//! This crate is pure. It owns types and decisions and refuses every kind of I/O: no runtime,
//! no network, no clock and no randomness of its own. Time enters as a [`Duration`] since an
//! origin the caller chose, randomness as a seed.
//!
//! [`Duration`]: std::time::Duration

mod backoff;
mod change;
mod deadline;
mod event;
mod prerequisites;
mod proof;
mod readiness;
mod requests;
mod secret;
mod step;

pub use backoff::Backoff;
pub use change::{Change, ChangeKind, FieldChange, Verification};
pub use deadline::Deadline;
pub use event::{Event, EventSink, Observer};
pub use prerequisites::{KeptBack, Prerequisites, Signal};
pub use proof::{Proof, ProofKind};
pub use readiness::Readiness;
pub use requests::{RequestClass, RequestCount, RequestLog, Service};
pub use secret::Secret;
pub use step::{
    Decision, ErasedStep, Planned, Slot, Step, StepContext, StepError, StepOutcome, Written,
};
