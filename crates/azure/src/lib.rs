//! Azure as a seam: a short, explicit credential chain, one transport, our own retry, and a thin
//! Azure Resource Manager client with its own polling.
//!
//! [`Arm`] is what the rest of the project talks to. The crate gives way to the official
//! `azure_resourcemanager_*` crates when they come; it refuses to know what any resource is for.

mod arm;
mod entra;
mod error;
mod resource;

pub use arm::{Arm, ArmDeleted};
pub use entra::{AccessToken, EntraError, Refusal, TokenExchange};
pub use error::{ArmError, ArmErrorKind};
pub use resource::{ApiVersion, ResourceId, ResourceIdError};

#[cfg(feature = "mock")]
pub use {arm::MockArm, entra::MockTokenExchange};
