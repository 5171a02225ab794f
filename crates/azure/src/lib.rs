//! Azure as a seam: a short, explicit credential chain, one transport, our own retry, and a thin
//! Azure Resource Manager client with its own polling.
//!
//! [`Azure`] bundles transport, credential and cloud; domains take it and get from it [`Arm`] (the
//! Resource Manager), [`TokenExchange`] (Entra's federation), and the options for the SDK client
//! they name themselves. The crate gives way to the official `azure_resourcemanager_*` crates when
//! they come; it refuses to know what any resource is for.
//!
//! # Not here
//! Answers to `claims` challenges (continuous access evaluation) end as
//! [`ArmErrorKind::Unauthenticated`]; providers are never registered on the caller's behalf.

mod answer;
mod arm;
mod arm_client;
mod cloud;
#[cfg(feature = "conformance")]
pub mod conformance;
mod credential;
mod entra;
mod entra_client;
mod error;
mod handle;
mod operation;
mod pipe;
mod resource;
mod sandbox;
mod transport;

pub use answer::ServiceAnswer;
pub use arm::{Arm, ArmDeleted};
pub use arm_client::ArmClient;
pub use cloud::Cloud;
pub use credential::{
    CredentialChain, CredentialError, CredentialSource, FailedCredential, StaticCredential,
};
pub use entra::{AccessToken, EntraError, Refusal, TokenExchange};
pub use entra_client::EntraClient;
pub use error::{ArmError, ArmErrorKind};
pub use handle::{Azure, AzureOptions};
pub use resource::{ApiVersion, ResourceId, ResourceIdError};
pub use sandbox::{NotLoopback, SandboxCredential};
pub use transport::{RetryOptions, Transport, TransportError};

#[cfg(feature = "mock")]
pub use {arm::MockArm, entra::MockTokenExchange};
