//! The ground of the proofs on real components: finding them, starting them on loopback, stopping
//! them again.
//!
//! [`Component`] says where a program is expected and how to get it; [`ControlPlane`] boots etcd,
//! kube-apiserver, kube-controller-manager and kube-scheduler with their own certificates, and kwok's
//! nodes on demand; [`Helm`] is the real command; [`sample`] a small chart. [`Azurite`], [`Registry`]
//! and [`StaticServer`] are storage and chart sources, [`RealAirflow`] is Airflow itself. [`Aks`] is
//! the guide's cluster: a real control plane, the simulated Azure that takes its tokens, storage,
//! External Secrets (*operator simulated*, or its own controller) and a page for Airflow; [`Program`]
//! is the real command on it.
//!
//! The harness refuses to pass a test whose component is missing: such tests are *ignored*, or fail if
//! `E2E_REQUIRE` names the component.

pub mod airflow;
mod aks;
mod api;
mod audit;
pub mod azurite;
mod cable;
mod component;
mod control_plane;
mod egress;
mod external_secrets;
mod git;
mod helm;
mod nodes;
mod pki;
mod process;
mod program;
mod provisioner;
pub mod registry;
pub mod sample;
mod service;
mod trial;
mod web;

pub use airflow::RealAirflow;
pub use aks::{Aks, AksError, BY_HAND, DEPLOYER, Generation, NAMESPACE, Operator};
pub use api::{Api, ApiError};
pub use audit::{Audit, Audited, longest_chain};
pub use azurite::Azurite;
pub use cable::Cable;
pub use component::{Component, Missing, is_required};
pub use control_plane::{ControlPlane, ControlPlaneError, ControlPlaneOptions};
pub use egress::Egress;
pub use git::{GitDaemon, SyncedTree};
pub use helm::{Helm, HelmFailed};
pub use nodes::{forward_to, let_migrations_through, let_waiting_pods_run, make_namespace};
pub use process::{Listening, Process};
pub use program::Program;
pub use registry::Registry;
pub use service::ServiceError;
pub use trial::{Failed, Needs, official_charts, runtime, say_once, told, trial};
pub use web::StaticServer;
