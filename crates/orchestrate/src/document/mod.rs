//! The document: what a team declares, read with every problem at once.

mod check;
mod deployment;
mod problem;
mod schema;
mod secret_ref;
mod text;

pub use deployment::{
    Access, ApiVersion, AzureSettings, ChartOrigin, ChartPin, Cloud, CredentialKind, Deployment,
    ExternalSecretsSettings, IdentitySettings, LogSettings, Operator, Profile,
};
pub use problem::{DocumentError, Place, Problem, Rule};
pub use schema::schema;
pub use secret_ref::SecretRef;
pub use text::Source;
