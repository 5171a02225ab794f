//! An in-process Azure and AKS at wire level: a small world with rules for the real clients to
//! talk to.

pub mod azure;
pub mod mount;
pub mod world;
