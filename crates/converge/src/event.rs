//! [`Event`]: what a run tells while it runs. It owns the vocabulary and refuses to draw.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::Proof;

/// One thing that happened, told as it happens. Only binaries turn events into text.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
#[non_exhaustive]
pub enum Event {
    /// A step has begun.
    StepStarted {
        /// Which step.
        step: &'static str,
    },
    /// A step waits for other steps.
    StepBlocked {
        /// Which step.
        step: &'static str,
        /// The steps it waits for.
        waiting_for: Vec<&'static str>,
    },
    /// A step waits for the world, and says for what.
    Waiting {
        /// Which step.
        step: &'static str,
        /// What it waits for, in a sentence.
        reason: String,
        /// How long it has waited.
        elapsed: Duration,
        /// How long it will wait at most.
        limit: Duration,
    },
    /// A step did something worth a line.
    Progress {
        /// Which step.
        step: &'static str,
        /// What it did.
        message: String,
    },
    /// Something a person should know that does not stop the run.
    Warning {
        /// Which step.
        step: &'static str,
        /// What.
        message: String,
    },
    /// A step is done.
    StepFinished {
        /// Which step.
        step: &'static str,
        /// What it did: `installed, revision 1`, `unchanged`.
        did: String,
        /// How long it took.
        took: Duration,
        /// How the result is known.
        proof: Proof,
    },
    /// A step failed; the run stops at the next safe point.
    StepFailed {
        /// Which step.
        step: &'static str,
        /// The error's message.
        error: String,
    },
}

/// Receives events. Must return at once.
pub trait EventSink: Send + Sync {
    /// Takes one event.
    fn emit(&self, event: Event);
}

impl<F: Fn(Event) + Send + Sync> EventSink for F {
    fn emit(&self, event: Event) {
        self(event);
    }
}

/// A step's handle to its listener: a name and a sink. Cheap to clone; the default is deaf.
#[derive(Clone, Default)]
pub struct Observer {
    step: &'static str,
    sink: Option<Arc<dyn EventSink>>,
}

impl Observer {
    /// Events of `step` go to `sink`.
    pub fn new(step: &'static str, sink: Arc<dyn EventSink>) -> Self {
        Self {
            step,
            sink: Some(sink),
        }
    }

    /// The same sink under another step's name.
    #[must_use]
    pub fn named(&self, step: &'static str) -> Self {
        Self {
            step,
            sink: self.sink.clone(),
        }
    }

    /// The step these events belong to.
    pub fn step(&self) -> &'static str {
        self.step
    }

    /// Tells what the step waits for.
    pub fn waiting(&self, reason: impl Into<String>, elapsed: Duration, limit: Duration) {
        self.emit(Event::Waiting {
            step: self.step,
            reason: reason.into(),
            elapsed,
            limit,
        });
    }

    /// Tells what the step did.
    pub fn progress(&self, message: impl Into<String>) {
        self.emit(Event::Progress {
            step: self.step,
            message: message.into(),
        });
    }

    /// Tells what a person should know.
    pub fn warning(&self, message: impl Into<String>) {
        self.emit(Event::Warning {
            step: self.step,
            message: message.into(),
        });
    }

    /// Passes an event on as it is.
    pub fn emit(&self, event: Event) {
        if let Some(sink) = &self.sink {
            sink.emit(event);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observer({})", self.step)
    }
}
