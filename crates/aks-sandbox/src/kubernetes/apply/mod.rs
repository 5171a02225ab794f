//! Field ownership: which fields an object has, who manages them, and merging what one manager
//! declares into what is there (structured-merge-diff, `sigs.k8s.io/structured-merge-diff/v6`, and
//! `k8s.io/apimachinery/pkg/util/managedfields`). It owns those rules; it refuses storage.
//!
//! Not modelled: conversion of ownership between API versions of a kind (all built-in kinds are
//! served in one version; the versions of a custom resource share their field names), merging of
//! the oldest of more than ten update managers, `CSAUpgrade` on the server.

mod builtin;
mod compare;
mod managed;
mod merge;
mod path;
mod schema;
mod set;

pub(crate) use managed::{ApplyError, Conflict, ManagerKey, Operation, apply, track_update};
pub(crate) use schema::{How, Node};
