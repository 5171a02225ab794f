//! [`EnsureClaim`]: the claim of the logs (S10), bound. It owns the wait with its reason; it refuses
//! to say that a pod could mount it.

mod requeue;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use converge::{
    Change, ChangeKind, Decision, Proof, Slot, Step, StepContext, StepError, StepOutcome,
    Verification,
};
use kube_cluster::{Cluster, Object, Target, wait_until};

use crate::declared::{Declared, Terms, adopt, declare, look};
use crate::{VolumeError, VolumeSettings};
use requeue::requeue;

/// Keeps the claim as declared and waits until it is bound.
///
/// One that is not bound at once, whoever made it, is brought before the volume controller again by
/// a changed annotation (`aks-airflow.io/requeued`), which belongs to nobody's declaration.
#[derive(Debug, Clone)]
pub struct EnsureClaim {
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// The volume's name, from [`EnsureVolume`](crate::EnsureVolume).
    pub volume: Slot<String>,
    /// The same settings the volume has.
    pub settings: VolumeSettings,
    /// Take fields other managers own; off unless the caller allows it.
    pub take_fields: bool,
    /// Plan an object that is not there without asking the server by a dry-run: for a plan that is
    /// carried out at once, where the write itself says it.
    pub predict_creates: bool,
    /// How long binding may take; it is a matter of seconds.
    pub limit: Duration,
}

/// A claim that is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundClaim {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its volume.
    pub volume: String,
}

/// What to do.
#[derive(Debug)]
pub struct ClaimAction {
    /// The claim to declare, unless it is as declared.
    wanted: Option<Object>,
    /// The claim as it was seen, if it is there.
    live: Option<Object>,
    /// The declaration and the claim as `kubectl apply` left it, if only its owner changes.
    adopt: Option<(Object, Object)>,
}

impl EnsureClaim {
    fn terms(&self) -> Terms {
        Terms {
            take: self.take_fields,
            predict_creates: self.predict_creates,
        }
    }

    fn output(&self) -> BoundClaim {
        BoundClaim {
            namespace: self.settings.namespace.clone(),
            name: self.settings.claim.clone(),
            volume: self.settings.volume.clone(),
        }
    }

    fn is_bound(&self, live: &Object) -> bool {
        live.text("/status/phase") == Some("Bound")
            && live.text("/spec/volumeName") == Some(&self.settings.volume)
    }

    async fn bring_about(
        &self,
        action: ClaimAction,
        context: &StepContext,
    ) -> Result<(), VolumeError> {
        if let Some((wanted, live)) = action.adopt {
            return adopt(&*self.cluster, &wanted, &live).await;
        }
        let target = self.settings.claim_ref();
        let mut wanted = Target::ready(target.clone());
        let mut live = action.live;
        if let Some(declared) = action.wanted {
            live = Some(declare(&*self.cluster, declared, self.take_fields).await?);
            wanted.seen.clone_from(&live);
        }
        let targets = [wanted];
        let bound = tokio::select! {
            bound = wait_until(&self.cluster, &targets, self.limit, &context.observer) => bound,
            never = requeue(&*self.cluster, &target, live) => match never {},
        };
        bound.map_err(|source| VolumeError::Unbound {
            claim: target.to_string(),
            limit: self.limit,
            source,
        })?;
        Ok(())
    }
}

/// A claim's specification is fixed but for its size. Source: Kubernetes,
/// `ValidatePersistentVolumeClaimUpdate`.
fn is_fixed(path: &str) -> bool {
    path.starts_with("spec.") && !path.starts_with("spec.resources.requests")
}

fn proof() -> Proof {
    Proof::observed("Bound; mount not checked")
}

#[async_trait]
impl Step for EnsureClaim {
    type Observed = ClaimObserved;
    type Action = ClaimAction;
    type Output = BoundClaim;

    fn name(&self) -> &'static str {
        "logs"
    }

    async fn observe(&self, _context: &StepContext) -> Result<Self::Observed, StepError> {
        look(
            &*self.cluster,
            self.settings.claim(),
            is_fixed,
            self.terms(),
        )
        .await
        .map(ClaimObserved)
        .map_err(StepError::before_writes)
    }

    /// Nothing before it makes a claim of its name; one that was bound may have lost its volume.
    fn outlives(&self, observed: &Self::Observed) -> bool {
        let live = observed.0.live.as_ref();
        !live.is_some_and(|live| self.is_bound(live))
    }

    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        let target = self.settings.claim_ref().to_string();
        let ClaimObserved(declared) = observed;
        if let Some(change) = &declared.change {
            if self.volume.get().is_none() {
                return Ok(Decision::Later {
                    changes: vec![change.clone().with_note("waits for its volume")],
                });
            }
            return Ok(Decision::Act {
                action: ClaimAction {
                    wanted: Some(declared.wanted.clone()),
                    live: None,
                    adopt: None,
                },
                changes: vec![change.clone()],
            });
        }
        if declared
            .live
            .as_ref()
            .is_some_and(|live| self.is_bound(live))
        {
            if let Some((row, live)) = declared.adoption() {
                return Ok(Decision::Adopt {
                    action: ClaimAction {
                        wanted: None,
                        live: None,
                        adopt: Some((declared.wanted.clone(), live)),
                    },
                    output: self.output(),
                    changes: vec![row],
                });
            }
            return Ok(Decision::Done {
                output: self.output(),
                proof: proof(),
            });
        }
        Ok(Decision::Act {
            action: ClaimAction {
                wanted: None,
                live: declared.live.clone(),
                adopt: None,
            },
            changes: vec![
                Change::new(ChangeKind::Run, target, Verification::Verified)
                    .with_note("it is there and not bound: it is waited for"),
            ],
        })
    }

    async fn perform(
        &self,
        action: Self::Action,
        context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError> {
        let writes = action.wanted.is_some();
        let did = if action.adopt.is_some() {
            "adopted"
        } else {
            "Bound"
        };
        self.bring_about(action, context)
            .await
            .map_err(|error| match error {
                error @ VolumeError::Unbound { .. } if writes => StepError::after_writes(error),
                error => StepError::before_writes(error),
            })?;
        Ok(StepOutcome {
            output: self.output(),
            did: did.into(),
            proof: proof(),
        })
    }
}

/// What was seen of the claim.
#[derive(Debug)]
pub struct ClaimObserved(Declared);

#[cfg(test)]
#[path = "claim_step/tests.rs"]
mod tests;
