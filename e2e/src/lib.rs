//! The ground of the proofs on real components: finding them, starting them on loopback, stopping
//! them again.
//!
//! [`Component`] says where a program is expected and how to get it; [`ControlPlane`] boots etcd,
//! kube-apiserver, kube-controller-manager and kube-scheduler with their own certificates, and kwok's
//! nodes on demand; [`Helm`] is the real command; [`sample`] a small chart. The
//! harness refuses to pass a test whose component is missing: such tests are *ignored*, or fail if
//! `E2E_REQUIRE` names the component.

mod component;
mod control_plane;
mod helm;
mod nodes;
mod pki;
mod process;
pub mod sample;

pub use component::{Component, Missing, is_required};
pub use control_plane::{ControlPlane, ControlPlaneError};
pub use helm::{Helm, HelmFailed};
pub use nodes::{let_migrations_through, let_waiting_pods_run, make_namespace};
pub use process::{Listening, Process};
