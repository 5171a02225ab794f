//! [`Database`] and [`PgBouncer`]: where the metadata lives and the pool in front of it. They own
//! the choices; they refuse to hold a password.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the metadata lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Database {
    /// The chart's own PostgreSQL, as the guide: for development.
    Embedded(EmbeddedDatabase),
    /// A server of your own; its password comes from a secret reference.
    External(ExternalDatabase),
    /// A Secret of your own that holds the whole connection.
    ExistingSecret(ExistingDatabase),
}

impl Default for Database {
    fn default() -> Self {
        Self::Embedded(EmbeddedDatabase::default())
    }
}

/// The chart's own PostgreSQL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EmbeddedDatabase {
    /// The size of its volume; the chart's 8Gi by default.
    pub size: Option<String>,
    /// The class of its volume; the cluster's default by default.
    pub storage_class: Option<String>,
}

/// A PostgreSQL server of your own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalDatabase {
    /// Its host.
    pub host: String,
    /// Its port; 5432.
    #[serde(default = "postgres_port")]
    pub port: u16,
    /// The database; `airflow`.
    #[serde(default = "airflow")]
    pub database: String,
    /// The user; `airflow`.
    #[serde(default = "airflow")]
    pub user: String,
    /// `disable`, `prefer`, `require`, `verify-ca`, `verify-full`; `require`, as Azure enforces.
    #[serde(default = "require")]
    pub sslmode: String,
}

/// A Secret of your own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExistingDatabase {
    /// The Secret; its key `connection` holds the URI, user and password encoded.
    pub secret: String,
    /// With a pool: the Secret that holds `pgbouncer.ini` and `users.txt`.
    #[serde(default)]
    pub pgbouncer_config_secret: Option<String>,
    /// With a pool: the Secret whose key `connection` the exporter uses.
    #[serde(default)]
    pub pgbouncer_stats_secret: Option<String>,
}

fn postgres_port() -> u16 {
    5432
}

fn airflow() -> String {
    "airflow".into()
}

fn require() -> String {
    "require".into()
}

/// The connection pool in front of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PgBouncer {
    /// Run one; on, as the guide.
    pub enabled: bool,
    /// How many; 1.
    pub replicas: u16,
    /// Connections to the metadata database; 10.
    pub metadata_pool_size: u16,
    /// Connections for Celery's results; 5.
    pub result_backend_pool_size: u16,
    /// Connections it accepts; 100.
    pub max_client_conn: u32,
    /// TLS towards the server: by default `prefer` to the embedded one, the server's own setting
    /// to an external one.
    pub sslmode: Option<String>,
    /// Requests and limits.
    pub resources: super::Resources,
}

impl Default for PgBouncer {
    fn default() -> Self {
        Self {
            enabled: true,
            replicas: 1,
            metadata_pool_size: 10,
            result_backend_pool_size: 5,
            max_client_conn: 100,
            sslmode: None,
            resources: super::Resources::default(),
        }
    }
}
