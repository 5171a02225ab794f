//! The keys of a deployment: made once, kept in an immutable Secret outside the release, and read
//! by every `*SecretName` value. This module owns their names, their making and the connections
//! derived from them; it refuses randomness and clocks of its own.
//!
//! The chart draws these keys in hooks and renders, so that reinstalling, or each render, changes
//! them: the fernet key's change makes every stored connection unreadable, the JWT secret's breaks
//! running tasks.

mod connection;
mod material;
mod step;

use serde::Serialize;
use sha2::{Digest, Sha256};

pub use connection::derived_secrets;
pub(crate) use connection::server_sslmode;
pub use material::{KeyMaterial, RANDOM_BYTES, RandomBytes};
pub use step::{EnsureKeys, KeyError, KeysReady};

use crate::settings::{AirflowSettings, Database};

/// The names of the Secrets values refer to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyNames {
    /// The immutable Secret with all keys.
    pub keys: String,
    /// The metadata database's connection.
    pub metadata: String,
    /// The pool's `pgbouncer.ini` and `users.txt`.
    pub pgbouncer_config: String,
    /// The pool's exporter's connection.
    pub pgbouncer_stats: String,
    /// The broker's connection.
    pub broker: String,
}

impl KeyNames {
    /// The names for a release; those of an existing database Secret are the user's.
    pub fn of(settings: &AirflowSettings) -> Self {
        let named = |suffix: &str| format!("{}-{suffix}", settings.release);
        let mut names = Self {
            keys: named("keys"),
            metadata: named("metadata-connection"),
            pgbouncer_config: named("pgbouncer-files"),
            pgbouncer_stats: named("pgbouncer-stats-connection"),
            broker: named("broker-connection"),
        };
        if let Database::ExistingSecret(existing) = &settings.database {
            names.metadata.clone_from(&existing.secret);
            if let Some(secret) = &existing.pgbouncer_config_secret {
                names.pgbouncer_config.clone_from(secret);
            }
            if let Some(secret) = &existing.pgbouncer_stats_secret {
                names.pgbouncer_stats.clone_from(secret);
            }
        }
        names
    }
}

/// Standard base64, as a Secret's `data` wants it.
pub(crate) fn encode(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// The text of one key of a Secret.
pub(crate) fn decode(secret: &kube_cluster::Object, key: &str) -> Option<converge::Secret> {
    use base64::Engine;
    let encoded = secret.at("/data")?.get(key)?.as_str()?;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .ok()?;
    String::from_utf8(bytes).ok().map(converge::Secret::new)
}

/// A digest of the pool's configuration, which holds no password.
pub(crate) fn pool_digest(settings: &AirflowSettings) -> String {
    let hash = Sha256::digest(connection::pgbouncer_ini(settings).as_bytes());
    hash.iter().take(8).fold(String::new(), |mut text, byte| {
        use std::fmt::Write;
        let _ = write!(text, "{byte:02x}");
        text
    })
}
