//! [`SecretRef`]: where a secret is, never what it is. It owns the three forms and refuses a
//! fourth.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A reference to a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum SecretRef {
    /// The current version of a secret in the deployment's key vault.
    KeyVault(String),
    /// An environment variable of the process that runs the workflow.
    Env(String),
    /// A file readable by the process that runs the workflow; one trailing newline is dropped.
    File(String),
}
