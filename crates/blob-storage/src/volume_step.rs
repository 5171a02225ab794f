//! [`EnsureVolume`]: the PersistentVolume of the logs (S9). It owns its place in the cluster: a
//! handle nobody else has, a holder that is ours; it refuses to take a volume from another claim.

use std::sync::Arc;

use async_trait::async_trait;
use converge::{
    Change, ChangeKind, Decision, Proof, Slot, Step, StepContext, StepError, StepOutcome,
    Verification,
};
use kube_cluster::{Cluster, ClusterError, Kind, Object, ObjectRef, Query, WriteOptions, insist};
use serde_json::json;

use crate::declared::{Declared, Terms, adopt, beside, declare};
use crate::volume::{DRIVER, Holder};
use crate::{AccountAccess, ContainerName, VolumeError, VolumeSettings, VolumeSource};

/// Keeps the volume as declared, and free for its claim.
///
/// It does not wait until the volume controller has seen a new volume: a claim that the controller
/// sees first is [brought before it again](crate::EnsureClaim).
///
/// A volume that a deleted claim of the same name left behind is taken into use again: its stale
/// reference is cleared, guarded by the old claim's uid. A volume of the guide keeps its
/// handle where it leads to the same container.
#[derive(Debug, Clone)]
pub struct EnsureVolume {
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// The account, from [`FindAccount`](crate::FindAccount).
    pub account: Slot<AccountAccess>,
    /// The container.
    pub container: ContainerName,
    /// Any text that names the cluster: its resource id.
    pub cluster_id: String,
    /// Names, class and mount options.
    pub settings: VolumeSettings,
    /// Take fields other managers own; off unless the caller allows it.
    pub take_fields: bool,
    /// Plan an object that is not there without asking the server by a dry-run: for a plan that is
    /// carried out at once, where the write itself says it.
    pub predict_creates: bool,
}

/// What was seen.
#[derive(Debug)]
pub struct VolumeObserved(Option<(Declared, Holder)>);

/// What to do.
#[derive(Debug)]
pub struct VolumeAction {
    /// The volume to declare, unless it is as declared.
    wanted: Option<Object>,
    /// Whether other managers own fields of it.
    conflicted: bool,
    /// The uid of the gone claim whose reference is cleared.
    release: Option<String>,
    /// The declaration and the volume as `kubectl apply` left it, if only its owner changes.
    adopt: Option<(Object, Object)>,
}

impl EnsureVolume {
    fn terms(&self) -> Terms {
        Terms {
            take: self.take_fields,
            predict_creates: self.predict_creates,
        }
    }

    fn source(&self, access: &AccountAccess) -> VolumeSource {
        let group = access.facts.id.segment("resourceGroups");
        VolumeSource {
            account: access.facts.name.clone(),
            resource_group: group.unwrap_or_default().to_owned(),
            container: self.container.clone(),
            cluster: self.cluster_id.clone(),
        }
    }

    async fn look(&self) -> Result<VolumeObserved, VolumeError> {
        let Some(access) = self.account.get() else {
            return Ok(VolumeObserved(None));
        };
        let source = self.source(&access);
        let target = self.settings.volume_ref();
        let all = Query::all(Kind::new("v1", "PersistentVolume"), None);
        let volumes = self.cluster.list(all).await;
        let volumes = volumes.map_err(VolumeError::cluster(&target))?.items;
        let live = volumes.iter().find(|volume| volume.name() == target.name);
        let handle = self.settings.handle_beside(&source, live);
        let other = volumes.iter().find(|volume| {
            volume.name() != target.name
                && volume.text("/spec/csi/driver") == Some(DRIVER)
                && volume.text("/spec/csi/volumeHandle") == Some(&handle)
        });
        if let Some(other) = other {
            return Err(VolumeError::HandleTaken {
                other: other.name().to_owned(),
                handle,
            });
        }
        let holder = match live {
            Some(live) => {
                let claim = self.settings.claim_ref();
                let found = self.cluster.get(claim.clone()).await;
                let found = found.map_err(VolumeError::cluster(&claim))?;
                let uid = found.as_ref().and_then(Object::uid);
                self.settings.holder(live, uid)
            }
            None => Holder::Nobody,
        };
        if let Holder::Other(claim) = holder {
            let volume = target.name;
            return Err(VolumeError::Taken { volume, claim });
        }
        let wanted = self.settings.volume(&source, &handle);
        let fixed = |path: &str| path.starts_with("spec.csi");
        let live = live.cloned();
        let declared = beside(&*self.cluster, wanted, live, fixed, self.terms()).await?;
        Ok(VolumeObserved(Some((declared, holder))))
    }

    async fn bring_about(&self, action: VolumeAction) -> Result<(), VolumeError> {
        let target = self.settings.volume_ref();
        if let Some((wanted, live)) = action.adopt {
            return adopt(&*self.cluster, &wanted, &live).await;
        }
        if let Some(wanted) = action.wanted {
            declare(&*self.cluster, wanted, self.take_fields).await?;
        }
        if let Some(uid) = action.release {
            let release = || self.release(&target, &uid);
            insist(release)
                .await
                .map_err(VolumeError::cluster(&target))?;
        }
        Ok(())
    }

    /// Clears the reference to a claim that is gone; one that is cleared already, perhaps by a try
    /// whose answer was lost, is left alone.
    async fn release(&self, target: &ObjectRef, uid: &str) -> Result<(), ClusterError> {
        let live = self.cluster.get(target.clone()).await?;
        if live.is_none_or(|live| live.text("/spec/claimRef/uid") != Some(uid)) {
            return Ok(());
        }
        let operations = json!([
            {"op": "test", "path": "/spec/claimRef/uid", "value": uid},
            {"op": "remove", "path": "/spec/claimRef"},
        ]);
        let patch = self
            .cluster
            .patch(target.clone(), operations, WriteOptions::default());
        patch.await?;
        Ok(())
    }
}

#[async_trait]
impl Step for EnsureVolume {
    type Observed = VolumeObserved;
    type Action = VolumeAction;
    type Output = String;

    fn name(&self) -> &'static str {
        "log volume"
    }

    async fn observe(&self, _context: &StepContext) -> Result<Self::Observed, StepError> {
        self.look().await.map_err(StepError::before_writes)
    }

    /// Nothing before it makes a volume or a claim of its name.
    fn outlives(&self, observed: &Self::Observed) -> bool {
        observed.0.is_some()
    }

    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        let target = self.settings.volume_ref().to_string();
        let Some((declared, holder)) = &observed.0 else {
            return Ok(Decision::Later {
                changes: vec![Change::new(
                    ChangeKind::Create,
                    target,
                    Verification::Predicted,
                )],
            });
        };
        let mut changes: Vec<Change> = declared.change.iter().cloned().collect();
        let release = match holder {
            Holder::OursGone { uid } => Some(uid.clone()),
            _ => None,
        };
        if release.is_some() {
            changes.push(
                Change::new(ChangeKind::Run, target, Verification::Verified)
                    .with_note("released by a claim that is gone; its reference is cleared"),
            );
        }
        if changes.is_empty()
            && let Some((row, live)) = declared.adoption()
        {
            return Ok(Decision::Adopt {
                action: VolumeAction {
                    wanted: None,
                    conflicted: false,
                    release: None,
                    adopt: Some((declared.wanted.clone(), live)),
                },
                output: self.settings.volume.clone(),
                changes: vec![row],
            });
        }
        if changes.is_empty() {
            let phase = declared.live.as_ref();
            let phase = phase.and_then(|live| live.text("/status/phase"));
            return Ok(Decision::Done {
                output: self.settings.volume.clone(),
                proof: Proof::observed(phase.unwrap_or("no phase yet")),
            });
        }
        let change = declared.change.as_ref();
        Ok(Decision::Act {
            action: VolumeAction {
                wanted: change.map(|_| declared.wanted.clone()),
                conflicted: change.is_some_and(|change| change.kind == ChangeKind::Conflict),
                release,
                adopt: None,
            },
            changes,
        })
    }

    async fn perform(
        &self,
        action: Self::Action,
        _context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError> {
        let first_write_may_fail = action.wanted.is_none() || action.release.is_none();
        let did = match (&action.wanted, &action.release) {
            (_, Some(_)) => "taken into use again",
            _ if action.adopt.is_some() => "adopted",
            _ if action.conflicted && self.take_fields => "fields taken",
            _ => "applied",
        };
        self.bring_about(action)
            .await
            .map_err(|error| match error {
                error @ VolumeError::Conflict { .. } => StepError::before_writes(error),
                error if first_write_may_fail => StepError::before_writes(error),
                error => StepError::after_writes(error),
            })?;
        Ok(StepOutcome {
            output: self.settings.volume.clone(),
            did: did.into(),
            proof: Proof::observed("the API server keeps it"),
        })
    }
}

#[cfg(test)]
#[path = "volume_step/tests.rs"]
mod tests;
