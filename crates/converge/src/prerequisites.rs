//! [`Prerequisites`] and [`Signal`]: how steps that run beside each other wait for one another. They
//! own waking who waits; they refuse to know why a step failed, and to keep a value.

use std::collections::BTreeSet;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::Slot;

/// Something that happens once. Clones share it.
///
/// ```
/// let ready = converge::Signal::new();
/// let other = ready.clone();
/// other.set();
/// assert!(ready.is_set());
/// ```
#[derive(Clone, Default)]
pub struct Signal(Arc<Mutex<Happened>>);

#[derive(Default)]
struct Happened {
    has: bool,
    wakers: Vec<Waker>,
}

impl Signal {
    /// It has not happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// It has happened: whoever waits goes on. The second time changes nothing.
    pub fn set(&self) {
        let mut happened = lock(&self.0);
        happened.has = true;
        happened.wakers.drain(..).for_each(Waker::wake);
    }

    /// Whether it has happened.
    pub fn is_set(&self) -> bool {
        lock(&self.0).has
    }

    /// Waits until it has happened.
    ///
    /// # Cancellation
    /// Dropping it changes nothing.
    pub async fn wait(&self) {
        poll_fn(|context| {
            let mut happened = lock(&self.0);
            if happened.has {
                return Poll::Ready(());
            }
            remember(&mut happened.wakers, context);
            Poll::Pending
        })
        .await;
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_set() {
            "Signal(set)"
        } else {
            "Signal(not yet)"
        })
    }
}

/// The steps that a step runs beside, and that must succeed before its last part. Without any by
/// default. Clones share it.
#[derive(Clone, Default)]
pub struct Prerequisites(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    pending: BTreeSet<&'static str>,
    failed: BTreeSet<&'static str>,
    wakers: Vec<Waker>,
}

impl Prerequisites {
    /// These steps, none of which has ended yet.
    pub fn new(steps: impl IntoIterator<Item = &'static str>) -> Self {
        Self(Arc::new(Mutex::new(Open {
            pending: steps.into_iter().collect(),
            ..Open::default()
        })))
    }

    /// A step has ended, well or not; one that is not among them does not matter.
    pub fn ended(&self, step: &'static str, succeeded: bool) {
        let mut open = lock(&self.0);
        if open.pending.remove(step) {
            if !succeeded {
                open.failed.insert(step);
            }
            open.wakers.drain(..).for_each(Waker::wake);
        }
    }

    /// The value of a slot that one of these steps fills, as soon as it is known.
    ///
    /// # Errors
    /// [`KeptBack`] as soon as one of the steps has not succeeded, or when all have ended and the
    /// slot is still empty.
    ///
    /// # Cancellation
    /// Dropping it changes nothing.
    pub async fn known<T: Clone>(&self, slot: &Slot<T>) -> Result<T, KeptBack> {
        poll_fn(|context| {
            let mut open = lock(&self.0);
            if let Some(value) = slot.get() {
                return Poll::Ready(Ok(value));
            }
            if !open.failed.is_empty() || open.pending.is_empty() {
                return Poll::Ready(Err(KeptBack {
                    by: open.failed.iter().copied().collect(),
                }));
            }
            remember(&mut open.wakers, context);
            Poll::Pending
        })
        .await
    }
}

impl fmt::Debug for Prerequisites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = lock(&self.0);
        f.debug_struct("Prerequisites")
            .field("pending", &open.pending)
            .field("failed", &open.failed)
            .finish()
    }
}

/// What came next was not begun, because steps beside it did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("it was not gone on with: {}", sentence(.by))]
#[diagnostic(
    code(aka::converge::kept_back),
    help("mend what these steps tell and run again")
)]
#[non_exhaustive]
pub struct KeptBack {
    /// The steps that did not succeed; none if all have, and what was waited for is still not known.
    pub by: Vec<&'static str>,
}

fn sentence(by: &[&'static str]) -> String {
    match by {
        [] => "what it needs is not known".to_owned(),
        steps => format!("`{}` did not succeed", steps.join("`, `")),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remember(wakers: &mut Vec<Waker>, context: &Context<'_>) {
    if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
        wakers.push(context.waker().clone());
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_value_is_known_once_its_step_has_filled_it() {
        let (slot, steps) = (Slot::<u8>::new(), Prerequisites::new(["a", "b"]));
        let mut known = pin!(steps.known(&slot));
        assert_eq!(poll(known.as_mut()), Poll::Pending);
        steps.ended("b", true);
        assert_eq!(poll(known.as_mut()), Poll::Pending);
        slot.fill(7);
        steps.ended("a", true);
        assert_eq!(poll(known.as_mut()), Poll::Ready(Ok(7)));
    }

    #[test]
    fn a_step_that_fails_keeps_back_what_waits_for_any() {
        let (slot, steps) = (Slot::<u8>::new(), Prerequisites::new(["a", "b"]));
        steps.ended("stranger", false);
        let mut known = pin!(steps.known(&slot));
        assert_eq!(poll(known.as_mut()), Poll::Pending);
        steps.ended("b", false);
        let Poll::Ready(Err(error)) = poll(known.as_mut()) else {
            panic!("it cannot come any more");
        };
        assert_eq!(
            error.to_string(),
            "it was not gone on with: `b` did not succeed"
        );
        // What is known is known.
        slot.fill(1);
        assert_eq!(poll(pin!(steps.known(&slot)).as_mut()), Poll::Ready(Ok(1)));
    }

    #[test]
    fn without_steps_an_empty_slot_is_no_endless_wait() {
        let slot = Slot::<u8>::new();
        let none = Prerequisites::default();
        let Poll::Ready(Err(error)) = poll(pin!(none.known(&slot)).as_mut()) else {
            panic!("nobody fills it");
        };
        assert!(error.by.is_empty());
    }

    #[test]
    fn a_signal_wakes_whoever_waits_and_stays_set() {
        let signal = Signal::new();
        let mut wait = pin!(signal.wait());
        assert_eq!(poll(wait.as_mut()), Poll::Pending);
        signal.clone().set();
        assert_eq!(poll(wait.as_mut()), Poll::Ready(()));
        assert!(signal.is_set());
    }
}
