//! A Kubernetes cluster as a seam: small object-safe traits, the real client, readiness with
//! reasons, waiting, port-forward.
//!
//! [`Cluster`] is what the rest of the project talks to. Every edge is defined: absence is `None`,
//! deleting nothing is [`Deleted::AlreadyAbsent`], a name that is taken is [`Created::AlreadyExists`],
//! a lost race is [`Replaced::Stale`], fields owned by others are [`Applied::Conflicts`].
//!
//! This crate alone names the `kube` crate. It refuses to know what any object is for.

mod adoption;
mod api_server;
mod cluster;
#[cfg(feature = "conformance")]
pub mod conformance;
mod diff;
mod error;
mod explain;
mod field_path;
mod insist;
mod logs;
mod managed_fields;
mod mask;
mod object;
mod patience;
mod port_forward;
mod quantity;
mod readiness;
mod run_view;
mod wait;

pub use adoption::{KUBECTL_APPLY, take_declared_fields, take_over_from_kubectl};
pub use api_server::{ConnectOptions, KubeCluster, ServerAddress, TokenError, TokenSource};
#[cfg(any(test, feature = "mock"))]
pub use cluster::MockCluster;
pub use cluster::{
    AccessDecision, AccessQuestion, Applied, ApplyOptions, Cluster, Created, DeleteOptions,
    Deleted, FieldConflict, ObjectList, Propagation, Query, Replaced, TokenGrant, TokenQuestion,
    WatchEvent, WatchStream, WriteOptions,
};
pub use diff::{FieldDifference, differences, key_of, merge_keys};
pub use error::{ClusterError, ClusterErrorKind};
pub use explain::{explain, explain_by};
pub use field_path::{FieldPath, FieldStep};
pub use insist::{insist, insistence};
#[cfg(any(test, feature = "mock"))]
pub use logs::MockPodLogs;
pub use logs::{LogLines, LogQuery, PodLogs, last_lines};
pub use managed_fields::{FieldOwner, FieldOwners, hand_over_fields};
pub use mask::mask_secrets;
pub use object::{Discovery, Kind, Object, ObjectRef, Resource};
pub use patience::Patience;
#[cfg(any(test, feature = "mock"))]
pub use port_forward::MockPortForward;
pub use port_forward::{PodStream, PortForward};
pub use readiness::{Condition, condition, readiness, readiness_with_events};
pub use run_view::RunView;
pub use wait::{Target, Until, WaitError, Watches, wait_gone, wait_on, wait_until};
