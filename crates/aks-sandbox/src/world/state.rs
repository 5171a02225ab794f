//! [`State`] and [`World`]: everything there is, and the lock around it. They own waking those
//! who wait for changes; they refuse to hold the lock over an await.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::Request;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{
    Clock, Entropy, Faults, Hook, RequestLog, RequestRecord, Store, Verdict, Witness, WorldSpec,
};
use crate::azure::AzureState;

/// Everything that is persisted, and the store. A copy is cheap: it shares the objects.
#[derive(Debug, Clone)]
pub struct State {
    /// The names it started with.
    pub spec: WorldSpec,
    /// Chance.
    pub entropy: Entropy,
    /// Kubernetes objects.
    pub store: Store,
    /// What the controllers remember, by object uid.
    pub progress: BTreeMap<String, Progress>,
    /// Container logs, by `namespace/pod/container`.
    pub logs: BTreeMap<String, Vec<String>>,
    /// Azure's records, with the issuer of ServiceAccount tokens.
    pub azure: AzureState,
    /// What goes wrong.
    pub faults: Faults,
}

/// What a controller remembers about one object between passes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The step it is in.
    pub step: String,
    /// When it entered the step, milliseconds since 1970.
    pub since: i64,
    /// How often it tried.
    pub tries: u32,
}

/// The world: the state behind a lock, its clock and its request log.
#[derive(Debug)]
pub struct World {
    clock: Clock,
    state: Mutex<State>,
    requests: Mutex<RequestLog>,
    changed: watch::Sender<u64>,
}

impl World {
    /// A world from its state.
    pub fn new(state: State, clock: Clock) -> Self {
        Self {
            clock,
            state: Mutex::new(state),
            requests: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Looks at the state.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the state and wakes watches and controllers.
    pub fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let outcome = change(&mut self.lock());
        self.changed.send_modify(|count| *count += 1);
        outcome
    }

    /// Changes the state; wakes the others only if the store or anything `change` reports changed.
    pub(crate) fn update_quietly<T>(&self, change: impl FnOnce(&mut State) -> (bool, T)) -> T {
        let (wake, outcome) = change(&mut self.lock());
        if wake {
            self.changed.send_modify(|count| *count += 1);
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns of changes: resolves after each [`update`](Self::update).
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The request log.
    pub fn requests(&self) -> MutexGuard<'_, RequestLog> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks `hook` before each client request; replaces the one before.
    pub fn on_request(&self, hook: Option<Hook>) {
        self.requests().set_hook(hook);
    }

    /// Shows each client request whole to `witness`; replaces the one before.
    pub fn witnessed_by(&self, witness: Option<Witness>) {
        self.requests().set_witness(witness);
    }

    pub(crate) fn begin_request(&self, host: &str, request: &Request<Bytes>) -> RequestRecord {
        let record = self.requests().begin(host, request);
        let witness = self.requests().witness();
        if let Some(witness) = witness {
            witness(&record, request);
        }
        record
    }

    pub(crate) fn judge(&self, record: &RequestRecord) -> Verdict {
        let hook = self.requests().hook();
        hook.map_or(Verdict::Proceed, |hook| hook(record))
    }

    pub(crate) fn finish_request(&self, index: u64, status: Option<u16>) {
        self.requests().finish(index, status);
    }
}
