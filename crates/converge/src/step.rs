//! [`Step`]: observe → decide → perform, and its erased form. It owns the contract between domains
//! and the workflow; it refuses to know what any step does.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;

use crate::{Change, Observer, Prerequisites, Proof, Signal};

/// What a failing step left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Written {
    /// Nothing was written.
    #[default]
    Nothing,
    /// Something was written; running again continues.
    Something,
}

/// A step's failure: any typed error of a domain, with what was written.
#[derive(Debug)]
pub struct StepError {
    /// Whether anything was written before the failure.
    pub written: Written,
    /// The domain's own error, with its code and help.
    pub source: Box<dyn miette::Diagnostic + Send + Sync>,
}

impl StepError {
    /// A failure before any write.
    pub fn before_writes(source: impl miette::Diagnostic + Send + Sync + 'static) -> Self {
        Self {
            written: Written::Nothing,
            source: Box::new(source),
        }
    }

    /// A failure after at least one write.
    pub fn after_writes(source: impl miette::Diagnostic + Send + Sync + 'static) -> Self {
        Self {
            written: Written::Something,
            source: Box::new(source),
        }
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.source, f)
    }
}

impl Error for StepError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}

/// What a step wants to do after it has looked.
#[derive(Debug, Clone)]
pub enum Decision<Action, Output> {
    /// It is as declared; the output is known.
    Done {
        /// What later steps may use.
        output: Output,
        /// How that is known.
        proof: Proof,
    },
    /// It is as declared and belongs to another tool; only whose it is changes. Later steps need not
    /// wait to be planned.
    Adopt {
        /// What to do.
        action: Action,
        /// What later steps may use, before and after.
        output: Output,
        /// The rows of the plan.
        changes: Vec<Change>,
    },
    /// It is not as declared and stays so: what it would take must be named first. Later steps go
    /// on with what is there.
    Keep {
        /// What later steps may use.
        output: Output,
        /// How that is known.
        proof: Proof,
        /// The rows of the plan, each of kind [`Keep`](crate::ChangeKind::Keep).
        kept: Vec<Change>,
    },
    /// Something must be done; what changes is listed.
    Act {
        /// What to do.
        action: Action,
        /// The rows of the plan.
        changes: Vec<Change>,
    },
    /// It cannot be decided before an earlier step has acted; what is predicted is listed.
    Later {
        /// The rows of the plan, all predicted.
        changes: Vec<Change>,
    },
}

/// What a performed step returns.
#[derive(Debug, Clone)]
pub struct StepOutcome<Output> {
    /// What later steps may use.
    pub output: Output,
    /// What was done, in a few words: `installed, revision 1`.
    pub did: String,
    /// How the result is known.
    pub proof: Proof,
}

/// What a step is handed besides its own inputs.
#[derive(Debug, Clone, Default)]
pub struct StepContext {
    /// Where its events go.
    pub observer: Observer,
    /// What the plan's look is still worth.
    pub planned: Planned,
    /// The steps it runs beside, which must succeed before its last part; none by default.
    pub prerequisites: Prerequisites,
    /// For the step to set once its effect is there and only bookkeeping is left: steps that need no
    /// more than the effect start then. It is set for a step that has ended.
    pub effect: Signal,
}

/// What the look that a plan took is still worth when its step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Planned {
    /// Nothing: there was none, or it is too old.
    #[default]
    Stale,
    /// Everything: it was just taken, and no step before this one has acted since.
    Untouched,
    /// What steps before this one cannot have changed: they have acted since.
    Overtaken,
}

/// One idempotent piece of the workflow.
///
/// `observe` reads and probes, `decide` is pure, `perform` writes and waits until the effect is
/// seen. After a crash at any point, running the step again converges: a step keeps no state but
/// the world's.
///
/// # Cancellation
/// Dropping `observe` leaves nothing behind. Dropping `perform` may leave what it wrote so far; the
/// next run observes that and continues.
#[async_trait]
pub trait Step: fmt::Debug + Send + Sync {
    /// What was seen.
    type Observed: Send + Sync;
    /// What to do about it.
    type Action: Send + Sync;
    /// What later steps may use.
    type Output: Clone + Send + Sync + 'static;

    /// The step's name in events and reports.
    fn name(&self) -> &'static str;

    /// Looks. Makes no Write.
    ///
    /// # Errors
    /// What could not be read. Nothing was written.
    async fn observe(&self, context: &StepContext) -> Result<Self::Observed, StepError>;

    /// Whether what was seen holds although steps before this one have acted since: they change
    /// nothing of it, or nothing that the write itself would not notice. If so, the step does not
    /// look again when it runs right after its plan. Never, unless a step says otherwise.
    fn outlives(&self, _observed: &Self::Observed) -> bool {
        false
    }

    /// Decides from what was seen; pure.
    ///
    /// # Errors
    /// What cannot be brought about, such as a conflict or a pair that cannot work.
    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError>;

    /// Does it and waits for the effect.
    ///
    /// # Errors
    /// What failed, and whether anything was written.
    async fn perform(
        &self,
        action: Self::Action,
        context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError>;
}

/// A step whose types are erased, wired to the slot that receives its output.
#[async_trait]
pub trait ErasedStep: fmt::Debug + Send + Sync {
    /// The step's name in events and reports.
    fn name(&self) -> &'static str;

    /// Observes, for a [`plan`](Self::plan) that follows once the steps before are planned: for a step
    /// whose look needs nothing of what they find out.
    ///
    /// # Errors
    /// As [`Step::observe`]. Nothing was written.
    async fn look(&self, _context: &StepContext) -> Result<(), StepError> {
        Ok(())
    }

    /// Observes, unless it has [looked](Self::look) already, and decides: the rows of the plan, empty
    /// when there is nothing to do. A known output is put into the slot.
    ///
    /// # Errors
    /// As [`Step::observe`] and [`Step::decide`]. Nothing was written.
    async fn plan(&self, context: &StepContext) -> Result<Vec<Change>, StepError>;

    /// Observes, unless the plan's look still holds, decides and performs. The output is put into
    /// the slot.
    ///
    /// # Errors
    /// As [`Step::perform`].
    async fn run(&self, context: &StepContext) -> Result<StepOutcome<()>, StepError>;

    /// Whether [`run`](Self::run) has performed anything; `true` where that is not known.
    fn has_acted(&self) -> bool {
        true
    }
}

/// A typed place for a step's output: empty until known, possibly only after apply.
///
/// A slot is either filled by a step or a view of another slot ([`map`](Self::map)).
pub struct Slot<T>(Place<T>);

enum Place<T> {
    Own(Arc<OnceLock<T>>),
    View(Arc<dyn Fn() -> Option<T> + Send + Sync>),
}

impl<T: Clone> Slot<T> {
    /// An empty slot.
    pub fn new() -> Self {
        Self(Place::Own(Arc::new(OnceLock::new())))
    }

    /// A slot whose value is known from the start.
    pub fn known(value: T) -> Self {
        let slot = Self::new();
        slot.fill(value);
        slot
    }

    /// The value, if it is known by now.
    pub fn get(&self) -> Option<T> {
        match &self.0 {
            Place::Own(cell) => cell.get().cloned(),
            Place::View(view) => view(),
        }
    }

    /// Fills the slot; a value that is there stays, a view takes none.
    pub fn fill(&self, value: T) {
        if let Place::Own(cell) = &self.0 {
            let _ = cell.set(value);
        }
    }

    /// A view of this slot: known as soon as this one is.
    ///
    /// ```
    /// let name = converge::Slot::<String>::new();
    /// let length = name.map(|name| name.len());
    /// assert_eq!(length.get(), None);
    /// name.fill("airflow".into());
    /// assert_eq!(length.get(), Some(7));
    /// ```
    #[must_use]
    pub fn map<U>(&self, view: impl Fn(T) -> U + Send + Sync + 'static) -> Slot<U>
    where
        T: Send + Sync + 'static,
    {
        let source = self.clone();
        Slot(Place::View(Arc::new(move || source.get().map(&view))))
    }
}

impl<T: Clone + Send + Sync + 'static> Slot<T> {
    /// A view of this slot that is known only once `gate` is known too.
    #[must_use]
    pub fn after<G: Clone + Send + Sync + 'static>(&self, gate: &Slot<G>) -> Self {
        let (source, gate) = (self.clone(), gate.clone());
        Self(Place::View(Arc::new(move || {
            gate.get().and_then(|_| source.get())
        })))
    }
}

impl<T: Clone> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Place::Own(cell) => Place::Own(Arc::clone(cell)),
            Place::View(view) => Place::View(Arc::clone(view)),
        })
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = match &self.0 {
            Place::Own(cell) => cell.get().is_some(),
            Place::View(view) => view().is_some(),
        };
        f.write_str(if known {
            "Slot(known)"
        } else {
            "Slot(known after apply)"
        })
    }
}

/// A step together with the slot for its output.
struct Wired<S: Step> {
    step: S,
    slot: Slot<S::Output>,
    /// What the plan has seen.
    seen: Mutex<Option<S::Observed>>,
    /// Whether that was before it was planned.
    ahead: AtomicBool,
    acted: AtomicBool,
}

/// What was decided, without its rows.
enum Decided<A, O> {
    Done(O, Proof),
    Keep(O, Proof),
    Act(A),
    Later,
}

impl<A, O> From<Decision<A, O>> for Decided<A, O> {
    fn from(decision: Decision<A, O>) -> Self {
        match decision {
            Decision::Done { output, proof } => Self::Done(output, proof),
            Decision::Keep { output, proof, .. } => Self::Keep(output, proof),
            Decision::Act { action, .. } | Decision::Adopt { action, .. } => Self::Act(action),
            Decision::Later { .. } => Self::Later,
        }
    }
}

impl<S: Step> Wired<S> {
    fn seen(&self) -> std::sync::MutexGuard<'_, Option<S::Observed>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is decided from the plan's look, if that still holds and is enough.
    fn decided(&self, planned: Planned) -> Option<Decided<S::Action, S::Output>> {
        let seen = self.seen().take()?;
        let holds = match planned {
            Planned::Stale => false,
            Planned::Untouched => true,
            Planned::Overtaken => self.step.outlives(&seen),
        };
        if !holds {
            return None;
        }
        match self.step.decide(&seen) {
            // What is adopted is compared and swapped: a version that is a moment old would miss.
            Ok(Decision::Later { .. } | Decision::Adopt { .. }) | Err(_) => None,
            Ok(decided) => Some(decided.into()),
        }
    }
}

impl<S: Step> fmt::Debug for Wired<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} → {:?}", self.step, self.slot)
    }
}

impl<O: Clone> Slot<O> {
    /// Erases `step`, whose output will land in this slot.
    pub fn of<S>(&self, step: S) -> Arc<dyn ErasedStep>
    where
        S: Step<Output = O> + 'static,
        O: Send + Sync + 'static,
    {
        Arc::new(Wired {
            step,
            slot: self.clone(),
            seen: Mutex::new(None),
            ahead: AtomicBool::new(false),
            acted: AtomicBool::new(false),
        })
    }
}

#[async_trait]
impl<S: Step> ErasedStep for Wired<S> {
    fn name(&self) -> &'static str {
        self.step.name()
    }

    async fn look(&self, context: &StepContext) -> Result<(), StepError> {
        let observed = self.step.observe(context).await?;
        *self.seen() = Some(observed);
        self.ahead.store(true, Ordering::Release);
        Ok(())
    }

    async fn plan(&self, context: &StepContext) -> Result<Vec<Change>, StepError> {
        let is_seen = self.ahead.swap(false, Ordering::AcqRel);
        let seen = self.seen().take().filter(|_| is_seen);
        let observed = match seen {
            Some(observed) => observed,
            None => self.step.observe(context).await?,
        };
        let changes = match self.step.decide(&observed)? {
            Decision::Done { output, .. } => {
                self.slot.fill(output);
                Vec::new()
            }
            Decision::Adopt {
                output, changes, ..
            } => {
                self.slot.fill(output);
                changes
            }
            Decision::Keep { output, kept, .. } => {
                self.slot.fill(output);
                kept
            }
            Decision::Act { changes, .. } | Decision::Later { changes } => changes,
        };
        *self.seen() = Some(observed);
        Ok(changes)
    }

    async fn run(&self, context: &StepContext) -> Result<StepOutcome<()>, StepError> {
        let decided = match self.decided(context.planned) {
            Some(decided) => decided,
            None => self.step.decide(&self.step.observe(context).await?)?.into(),
        };
        let (output, did, proof) = match decided {
            Decided::Done(output, proof) => (output, "unchanged".to_owned(), proof),
            Decided::Keep(output, proof) => (output, "kept as found".to_owned(), proof),
            Decided::Act(action) => {
                self.acted.store(true, Ordering::Release);
                let outcome = self.step.perform(action, context).await?;
                (outcome.output, outcome.did, outcome.proof)
            }
            Decided::Later => {
                return Err(StepError::before_writes(Undecided {
                    step: self.step.name(),
                }));
            }
        };
        self.slot.fill(output);
        Ok(StepOutcome {
            output: (),
            did,
            proof,
        })
    }

    fn has_acted(&self) -> bool {
        self.acted.load(Ordering::Acquire)
    }
}

/// A step was run before the steps it depends on: a wiring mistake.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("step `{step}` was run before its inputs were known")]
#[diagnostic(
    code(aka::converge::undecided),
    help("declare the dependency on the step that produces the input")
)]
struct Undecided {
    step: &'static str,
}
