//! The commands, one file each.

pub(crate) mod down;
pub(crate) mod history;
pub(crate) mod logs;
pub(crate) mod plan;
pub(crate) mod render;
pub(crate) mod repo;
#[cfg(feature = "sandbox")]
pub(crate) mod sandbox;
pub(crate) mod status;
pub(crate) mod ui;
pub(crate) mod up;
