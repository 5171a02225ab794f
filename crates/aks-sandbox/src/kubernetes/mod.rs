//! The Kubernetes API server of the world: discovery, objects, server-side apply, patches, watches,
//! tokens, logs, port-forward. It owns what a request means; what happens afterwards is the
//! controllers'.
//!
//! # What is not modelled
//! Protobuf, CBOR and YAML bodies (JSON is YAML; kubectl and helm send it); tables (`kubectl get`
//! falls back to names and ages); RBAC (kept, not enforced); CEL, patterns and conversion webhooks of
//! custom resources; more than one version of a built-in kind; the types of built-in fields; quotas and limit ranges; exec and attach; SPDY; API priority and fairness.

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

pub use service::mount;
