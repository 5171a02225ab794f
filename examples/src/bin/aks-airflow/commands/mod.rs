//! The commands, one file each.

pub(crate) mod plan;
pub(crate) mod render;
pub(crate) mod up;
