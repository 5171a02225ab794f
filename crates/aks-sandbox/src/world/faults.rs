//! [`Faults`]: what goes wrong on demand. It owns the switches; the services and controllers act
//! on them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Faults of the world; none by default. Persisted with it, changeable at any time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Faults {
    /// Images (`myacr.azurecr.io/airflow:2.9.3`) that registries answer 404 for, though imported.
    pub missing_images: BTreeSet<String>,
    /// The vault's grant does not take effect: Key Vault answers 403 whatever ARM says.
    pub vault_grant_missing: bool,
    /// Entra compares the token's subject with this one instead of the stored credential's
    /// (`AADSTS700213`).
    pub federated_subject: Option<String>,
    /// How long new federated credentials take to be seen by Entra, in milliseconds; the service's
    /// own default otherwise.
    pub federated_propagation_ms: Option<u64>,
    /// How long new vault grants take to be seen by Key Vault, in milliseconds.
    pub grant_propagation_ms: Option<u64>,
    /// Claims that never bind: `namespace/name`.
    pub unbound_claims: BTreeSet<String>,
    /// The migration Job's container fails.
    pub migration: Option<MigrationFailure>,
    /// The External Secrets webhook is ready but does not answer (`context deadline exceeded`).
    pub webhook_silent: bool,
}

/// How the migration container fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationFailure {
    /// Its exit code.
    pub exit_code: i32,
    /// What it logs before.
    pub log: String,
}
