//! An in-process Azure and AKS at wire level: a small world with rules for the real clients to
//! talk to.

pub mod azure;
mod charts;
pub mod controllers;
pub mod mount;
pub mod registry;
pub mod world;

pub use charts::{COMPACT_CHARTS, CompactChart};
