//! The controllers of the simulated cluster: workloads, pods, volumes, namespaces, garbage,
//! definitions, the External Secrets operator. They own what happens *after* a write, with
//! realistic reasons and delays; they refuse to poll: each pass says when it wants to be woken.
//!
//! # What is not modelled
//! Scheduling by resources, taints and affinity; rolling back a Deployment; partitions and parallel
//! management of StatefulSets; CronJobs (kept, never run); liveness; networking beyond
//! EndpointSlices; resource quotas; disruption budgets; autoscalers.

mod certificate;
mod container;
mod definition;
mod garbage;
mod identity;
mod image;
mod job;
mod namespace;
mod operator;
mod pass;
mod pod;
mod replicas;
mod service;
mod stateful;
mod volume;

use std::sync::Arc;

use tokio::task::JoinHandle;

pub(crate) use identity::inject as inject_identity;
pub(crate) use pass::Pass;

use crate::world::World;

/// The controllers' task; dropping it stops them.
#[derive(Debug)]
pub struct Controllers(JoinHandle<()>);

impl Controllers {
    /// Starts the controllers of a world on the current runtime.
    pub fn start(world: Arc<World>) -> Self {
        Self(tokio::spawn(run(world)))
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Passes over the world after each change and whenever something is due.
async fn run(world: Arc<World>) {
    let mut changes = world.changes();
    loop {
        changes.mark_unchanged();
        let next = settle(&world);
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(world.clock().instant_at(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = due => {}
        }
    }
}

/// Passes until nothing changes any more; returns when the next thing is due.
fn settle(world: &World) -> Option<i64> {
    /// More rounds than any cascade has; a rule that never settles waits for the next change.
    const ROUNDS: usize = 50;
    let mut next = None;
    for _ in 0..ROUNDS {
        let now = world.clock().millis();
        let changed = world.update_quietly(|state| {
            let mut pass = Pass::new(state, now);
            one_pass(&mut pass);
            next = pass.next_wake();
            (pass.changed(), pass.changed())
        });
        if !changed {
            break;
        }
    }
    next
}

fn one_pass(pass: &mut Pass<'_>) {
    namespace::reconcile(pass);
    definition::reconcile(pass);
    service::reconcile(pass);
    volume::reconcile(pass);
    replicas::reconcile(pass);
    stateful::reconcile(pass);
    job::reconcile(pass);
    pod::reconcile(pass);
    certificate::reconcile(pass);
    operator::reconcile(pass);
    garbage::reconcile(pass);
}
