//! The Kubernetes API server of the world: discovery, objects, server-side apply, patches, watches,
//! tokens, logs, port-forward. It owns what a request means; what happens afterwards is the
//! controllers'.
//!
//! # What is not modelled
//! - Protobuf (a few kubectl commands send it, as `create namespace`; `apply` does not), CBOR and
//!   YAML bodies (JSON is YAML, and what clients send).
//! - Tables: `kubectl get` falls back to names and ages.
//! - RBAC: kept, not enforced; whoever is let in may do everything.
//! - Of custom resources: CEL rules, patterns, formats, conversion webhooks.
//! - More than one version of a built-in kind; the types of built-in fields.
//! - What a webhook would object to or change: only whether it can be reached and trusted.
//! - Quotas, limit ranges, exec, attach, SPDY, API priority and fairness.

mod admission;
mod airflow;
mod apply;
mod custom;
mod defaults;
mod delete;
mod discovery;
mod known;
mod list;
mod logs;
mod patch;
mod pod_defaults;
mod port_forward;
mod protobuf;
mod resource;
mod review;
mod scale;
mod selector;
mod service;
mod status;
mod strategic;
mod target;
mod validate;
mod watch;
mod write;

pub(crate) use airflow::listen as serve_airflow;
pub use service::mount;
