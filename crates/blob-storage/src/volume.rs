//! [`VolumeSettings`]: the PersistentVolume and the claim of S9 and S10 as typed settings. It owns
//! their documents, the unique handle and what is wrong with a live pair; it refuses requests.

use std::time::Duration;

use converge::FieldChange;
use kube_cluster::{ClusterError, FieldConflict, Object, ObjectRef, WaitError};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::ContainerName;

/// The blob CSI driver.
pub(crate) const DRIVER: &str = "blob.csi.azure.com";

/// How the logs are mounted. Every default is the guide's; the handle is not: the guide's
/// `airflow-logs-1` makes a second environment on the same cluster mount the first one's container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSettings {
    /// The PersistentVolume; `pv-airflow-logs`, with the namespace appended where that is not
    /// `airflow`, because volumes have no namespace.
    pub volume: String,
    /// The claim; `pvc-airflow-logs`.
    pub claim: String,
    /// The claim's namespace, and that of the Secret; `airflow`.
    pub namespace: String,
    /// The size; `5Gi`. The driver does not enforce it.
    pub capacity: String,
    /// The class; `azureblob-fuse-premium`. For a volume made by hand it is only a label that must
    /// match the claim's.
    pub storage_class: String,
    /// Each one argument of blobfuse; `-o allow_other` (Airflow is not root) and
    /// `--file-cache-timeout-in-seconds=120`.
    pub mount_options: Vec<String>,
    /// The Secret with `azurestorageaccountname` and `azurestorageaccountkey`;
    /// `storage-account-credentials`.
    pub secret: String,
    /// The label `type` of the volume; `local`, which means nothing.
    pub type_label: String,
    /// The volume handle; by default made of account, container and a hash of cluster and
    /// namespace, so that no other volume of the cluster has it.
    pub handle: Option<String>,
}

impl Default for VolumeSettings {
    fn default() -> Self {
        Self::for_namespace("airflow")
    }
}

/// Where the volume's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSource {
    /// The account.
    pub account: String,
    /// The account's resource group.
    pub resource_group: String,
    /// The container.
    pub container: ContainerName,
    /// Any text that names the cluster: its resource id.
    pub cluster: String,
}

impl VolumeSettings {
    /// The guide's settings for an Airflow in this namespace.
    pub fn for_namespace(namespace: &str) -> Self {
        let volume = if namespace == "airflow" {
            "pv-airflow-logs".to_owned()
        } else {
            format!("pv-airflow-logs-{namespace}")
        };
        Self {
            volume,
            claim: "pvc-airflow-logs".into(),
            namespace: namespace.to_owned(),
            capacity: "5Gi".into(),
            storage_class: "azureblob-fuse-premium".into(),
            mount_options: vec![
                "-o allow_other".into(),
                "--file-cache-timeout-in-seconds=120".into(),
            ],
            secret: "storage-account-credentials".into(),
            type_label: "local".into(),
            handle: None,
        }
    }

    /// The handle: the one that is set, else a unique one.
    pub fn handle(&self, source: &VolumeSource) -> String {
        if let Some(handle) = &self.handle {
            return handle.clone();
        }
        let text = format!("{}|{}", source.cluster.to_ascii_lowercase(), self.namespace);
        let digest = Sha256::digest(text.as_bytes());
        let hash: Vec<String> = digest
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{}_{}_{}", source.account, source.container, hash.concat())
    }

    /// The PersistentVolume (S9), with this handle.
    pub fn volume(&self, source: &VolumeSource, handle: &str) -> Object {
        let mut object = Object::named(&self.volume_ref());
        object.set_label("type", &self.type_label);
        let spec = json!({
            "capacity": {"storage": self.capacity},
            "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": self.storage_class,
            "mountOptions": self.mount_options,
            "csi": {
                "driver": DRIVER,
                "readOnly": false,
                "volumeHandle": handle,
                "volumeAttributes": {
                    "resourceGroup": source.resource_group,
                    "storageAccount": source.account,
                    "containerName": source.container.as_str(),
                },
                "nodeStageSecretRef": {"name": self.secret, "namespace": self.namespace},
            },
        });
        object.as_map_mut().insert("spec".into(), spec);
        object
    }

    /// The PersistentVolumeClaim (S10).
    pub fn claim(&self) -> Object {
        let mut object = Object::named(&self.claim_ref());
        let spec = json!({
            "storageClassName": self.storage_class,
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": self.capacity}},
            "volumeName": self.volume,
        });
        object.as_map_mut().insert("spec".into(), spec);
        object
    }

    /// Which volume.
    pub fn volume_ref(&self) -> ObjectRef {
        ObjectRef::cluster_wide("v1", "PersistentVolume", &self.volume)
    }

    /// Which claim.
    pub fn claim_ref(&self) -> ObjectRef {
        ObjectRef::namespaced("v1", "PersistentVolumeClaim", &self.namespace, &self.claim)
    }

    /// The handle to declare beside a live volume: its own where it leads to the same container
    /// with the same Secret, so that a volume of the guide is taken over as it is.
    pub(crate) fn handle_beside(&self, source: &VolumeSource, live: Option<&Object>) -> String {
        let ours = self.handle(source);
        let Some(live) = live.filter(|_| self.handle.is_none()) else {
            return ours;
        };
        let Some(theirs) = live.text("/spec/csi/volumeHandle") else {
            return ours;
        };
        let same = self
            .volume(source, theirs)
            .at("/spec/csi")
            .is_some_and(|wanted| {
                let live = live.at("/spec/csi").cloned().unwrap_or_default();
                covers(&live, wanted)
            });
        if same { theirs.to_owned() } else { ours }
    }

    /// Who holds a live volume, given the uid of our claim where that is there. The reference
    /// decides, not the phase: a volume whose claim has just gone still says `Bound` for a moment.
    pub(crate) fn holder(&self, live: &Object, our_claim: Option<&str>) -> Holder {
        let Some(claim) = live.at("/spec/claimRef") else {
            return Holder::Nobody;
        };
        let text = |key: &str| claim[key].as_str().unwrap_or_default();
        let (namespace, name, uid) = (text("namespace"), text("name"), text("uid"));
        if (namespace, name) != (&*self.namespace, &*self.claim) {
            return Holder::Other(format!("{namespace}/{name}"));
        }
        // Without a uid the volume is reserved for our claim by whoever made it.
        if uid.is_empty() || our_claim == Some(uid) {
            Holder::Ours
        } else {
            Holder::OursGone {
                uid: uid.to_owned(),
            }
        }
    }
}

/// Whether `live` says everything `wanted` says; `readOnly: false` may be left out.
fn covers(live: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(wanted) => wanted
            .iter()
            .all(|(key, wanted)| covers(&live[key], wanted)),
        Value::Bool(false) => live.is_null() || live == wanted,
        wanted => live == wanted,
    }
}

/// Who holds a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    Nobody,
    /// Our claim, which is there.
    Ours,
    /// A claim of our claim's name that is gone: the volume is released and would never bind again.
    OursGone {
        uid: String,
    },
    Other(String),
}

/// A volume or claim that cannot be brought about.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum VolumeError {
    /// The cluster refused.
    #[error("cannot bring about {target}")]
    #[diagnostic(code(aka::volume::apply))]
    Cluster {
        /// Which object.
        target: String,
        /// Why.
        #[source]
        #[diagnostic_source]
        source: ClusterError,
    },

    /// Another manager owns fields.
    #[error("{target} was changed by another manager: {}", owned(.conflicts))]
    #[diagnostic(
        code(aka::volume::conflict),
        help("allow to take these fields, or declare them as they are")
    )]
    Conflict {
        /// Which object.
        target: String,
        /// The fields and their managers.
        conflicts: Vec<FieldConflict>,
    },

    /// Kubernetes never changes these fields.
    #[error("{target} is there and cannot be changed: {}", changed(.fields))]
    #[diagnostic(
        code(aka::volume::immutable),
        help(
            "choose another name, or delete the claim and the volume first: with `Retain` the \
             container keeps its logs"
        )
    )]
    Immutable {
        /// Which object.
        target: String,
        /// The fields that would have to change.
        fields: Vec<FieldChange>,
    },

    /// Another claim has the volume.
    #[error("PersistentVolume {volume} belongs to claim {claim}")]
    #[diagnostic(code(aka::volume::taken), help("choose another name for the volume"))]
    Taken {
        /// The volume.
        volume: String,
        /// `namespace/name`.
        claim: String,
    },

    /// Another volume has the handle.
    #[error("PersistentVolume {other} already has the volume handle `{handle}`")]
    #[diagnostic(
        code(aka::volume::handle_taken),
        help(
            "two volumes with one handle show each other's container; leave the handle out to get \
             a unique one"
        )
    )]
    HandleTaken {
        /// The other volume.
        other: String,
        /// The handle.
        handle: String,
    },

    /// The claim does not bind.
    #[error("{claim} is not bound after {} s", .limit.as_secs())]
    #[diagnostic(
        code(aka::volume::unbound),
        help(
            "`kubectl describe` the claim and its volume: size, class and access modes must match"
        )
    )]
    Unbound {
        /// Which claim.
        claim: String,
        /// How long was waited.
        limit: Duration,
        /// What was seen last. Its own help, to wait on, would hide the better one.
        #[source]
        source: WaitError,
    },
}

impl VolumeError {
    pub(crate) fn cluster(target: &ObjectRef) -> impl FnOnce(ClusterError) -> Self + '_ {
        |source| Self::Cluster {
            target: target.to_string(),
            source,
        }
    }
}

fn owned(conflicts: &[FieldConflict]) -> String {
    let texts: Vec<String> = conflicts
        .iter()
        .map(|conflict| format!("{} by {}", conflict.field, conflict.manager))
        .collect();
    texts.join(", ")
}

fn changed(fields: &[FieldChange]) -> String {
    let shown = |value: &Option<Value>| value.as_ref().map_or("absent".into(), Value::to_string);
    let texts: Vec<String> = fields
        .iter()
        .map(|field| {
            format!(
                "{} is {}, wanted {}",
                field.path,
                shown(&field.before),
                shown(&field.after)
            )
        })
        .collect();
    texts.join("; ")
}

#[cfg(test)]
#[path = "volume/tests.rs"]
mod tests;
