//! Airflow's logs in blob storage: the account's facts and key, the container, its lifecycle, the
//! PersistentVolume and the claim, and the proof that the container takes and gives.
//!
//! [`StorageAccounts`] (control plane) and [`LogStore`] (data plane) are the seams;
//! [`ArmStorageAccounts`] and [`BlobLogStore`] are the real implementations. The steps are wired by
//! typed slots: [`FindAccount`] → [`EnsureContainer`], [`EnsureLifecycle`] → [`ProveLogStore`];
//! [`FindAccount`] → [`EnsureVolume`] → [`EnsureClaim`]. Defaults are the guide's (S9, S10), except
//! for the volume handle, which is unique.
//!
//! # Not here
//! Mounting: only a pod on a node can mount, so a bound claim says `mount not checked`. Identity
//! mounts without a key (`mountWithWorkloadIdentityToken`), NFS, SAS, key rotation.

mod account;
mod arm_accounts;
mod blob_log_store;
mod claim_step;
#[cfg(feature = "conformance")]
pub mod conformance;
mod container;
mod container_step;
mod declared;
mod lifecycle;
mod lifecycle_step;
mod log_store;
mod proof_step;
mod shared_key;
mod volume;
mod volume_step;

pub use account::{
    AccountAccess, AccountFacts, AccountKey, Ensured, FindAccount, StorageAccounts, StorageError,
};
pub use arm_accounts::ArmStorageAccounts;
pub use blob_log_store::BlobLogStore;
pub use claim_step::{BoundClaim, EnsureClaim};
pub use container::{ContainerName, InvalidContainerName};
pub use container_step::EnsureContainer;
pub use lifecycle::LifecycleRule;
pub use lifecycle_step::EnsureLifecycle;
pub use log_store::{LogContainer, LogStore, LogStoreError, LogStoreErrorKind, MARKER};
pub use proof_step::ProveLogStore;
pub use volume::{VolumeError, VolumeSettings, VolumeSource};
pub use volume_step::EnsureVolume;

#[cfg(any(test, feature = "mock"))]
pub use {account::MockStorageAccounts, log_store::MockLogStore};
