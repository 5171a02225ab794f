//! Random templates and real charts through Helm's binary and through ours, compared byte for byte.
//!
//! Owns what is tried, how many cases share one process of Helm, and how a difference is made
//! small. It refuses to know what is right: Helm is.

pub mod batch;
pub mod chance;
pub mod charts;
pub mod grammar;
pub mod helm;
mod json;
pub mod ours;
pub mod reports;
pub mod shrink;
