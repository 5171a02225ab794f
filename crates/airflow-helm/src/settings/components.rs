//! The components of Airflow: how many of each, how large, and their sidecars. This file owns the
//! defaults, the guide's where it names them; it refuses to know their value paths.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Requests and limits of a container, as Kubernetes writes quantities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Resources {
    /// What is reserved: `cpu: 500m`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, String>,
    /// What is allowed: `memory: 2Gi`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, String>,
}

impl Resources {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.limits.is_empty()
    }
}

/// The sidecar that deletes old logs from a component's volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogGroomer {
    /// Run it; off, as the guide: the storage account's lifecycle rule deletes logs.
    pub enabled: bool,
    /// How old a log may grow, in days; 15.
    pub retention_days: u32,
}

impl Default for LogGroomer {
    fn default() -> Self {
        Self {
            enabled: false,
            retention_days: 15,
        }
    }
}

/// A component and nothing special about it: the scheduler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ComponentSettings {
    /// How many; 1.
    pub replicas: u16,
    /// Requests and limits; none by default.
    pub resources: Resources,
    /// The log groomer; off.
    pub log_groomer: LogGroomer,
    /// Keep at least one when nodes are drained; off. Needs two replicas.
    pub disruption_budget: bool,
}

impl Default for ComponentSettings {
    fn default() -> Self {
        Self {
            replicas: 1,
            resources: Resources::default(),
            log_groomer: LogGroomer::default(),
            disruption_budget: false,
        }
    }
}

/// The triggerer, which runs deferred tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TriggererSettings {
    /// Run it; on.
    pub enabled: bool,
    /// How many; 1.
    pub replicas: u16,
    /// Requests and limits; none by default.
    pub resources: Resources,
    /// The log groomer; off.
    pub log_groomer: LogGroomer,
}

impl Default for TriggererSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            replicas: 1,
            resources: Resources::default(),
            log_groomer: LogGroomer::default(),
        }
    }
}

/// The DAG processor: always there in Airflow 3, a choice in Airflow 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DagProcessorSettings {
    /// Run it apart from the scheduler; by default only where Airflow needs it.
    pub enabled: Option<bool>,
    /// How many; 1.
    pub replicas: u16,
    /// Requests and limits; none by default.
    pub resources: Resources,
    /// The log groomer; off.
    pub log_groomer: LogGroomer,
}

impl Default for DagProcessorSettings {
    fn default() -> Self {
        Self {
            enabled: None,
            replicas: 1,
            resources: Resources::default(),
            log_groomer: LogGroomer::default(),
        }
    }
}

/// The web server, or API server since Airflow 3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WebSettings {
    /// How many; 1.
    pub replicas: u16,
    /// Requests and limits; none by default.
    pub resources: Resources,
    /// The Service's type; `ClusterIP`.
    pub service_type: String,
    /// Keep at least one when nodes are drained; off. Needs two replicas.
    pub disruption_budget: bool,
    /// Let the REST API of Airflow 2 accept user and password, which `verify` needs; on. Airflow 3
    /// has tokens instead.
    pub basic_auth: bool,
}

impl Default for WebSettings {
    fn default() -> Self {
        Self {
            replicas: 1,
            resources: Resources::default(),
            service_type: "ClusterIP".into(),
            disruption_budget: false,
            basic_auth: true,
        }
    }
}

/// Celery's workers, and resources of the pods of tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorkerSettings {
    /// How many Celery workers; 1. No effect without Celery.
    pub replicas: u16,
    /// Requests and limits of workers and of the pods of tasks; none by default.
    pub resources: Resources,
    /// The log groomer; off.
    pub log_groomer: LogGroomer,
    /// Give each Celery worker a volume of its own for logs; the chart's default, on.
    pub persistence: bool,
    /// Scale Celery workers with KEDA, which must be installed; off.
    pub keda: bool,
    /// The most workers KEDA makes; 10.
    pub keda_max_replicas: u16,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            replicas: 1,
            resources: Resources::default(),
            log_groomer: LogGroomer::default(),
            persistence: true,
            keda: false,
            keda_max_replicas: 10,
        }
    }
}

/// The metrics exporter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StatsdSettings {
    /// Run it; on.
    pub enabled: bool,
    /// Requests and limits; none by default.
    pub resources: Resources,
}

impl Default for StatsdSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            resources: Resources::default(),
        }
    }
}

/// The first user. The password is one of the generated keys, never a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AdminUser {
    /// Make one; on. Switch it off where users come from Entra ID.
    pub enabled: bool,
    /// The login; `admin`.
    pub username: String,
    /// The role; `Admin`.
    pub role: String,
    /// The address; `admin@example.com`.
    pub email: String,
    /// The first name; `admin`.
    pub first_name: String,
    /// The last name; `user`.
    pub last_name: String,
}

impl Default for AdminUser {
    fn default() -> Self {
        Self {
            enabled: true,
            username: "admin".into(),
            role: "Admin".into(),
            email: "admin@example.com".into(),
            first_name: "admin".into(),
            last_name: "user".into(),
        }
    }
}

/// Jobs that clean up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Housekeeping {
    /// Delete finished pods of tasks; off.
    pub pods: bool,
    /// When, as cron writes it; every 15 minutes.
    pub pods_schedule: String,
    /// Delete old rows of the database (chart 1.19 and later); off.
    pub database: bool,
    /// How old rows may grow, in days; 90.
    pub database_retention_days: u32,
}

impl Default for Housekeeping {
    fn default() -> Self {
        Self {
            pods: false,
            pods_schedule: "*/15 * * * *".into(),
            database: false,
            database_retention_days: 90,
        }
    }
}
