//! [`AirflowSettings`]: everything a person may want of Airflow, typed, with the guide's values as
//! defaults. It owns names and defaults; how they become chart values is `values`, what must hold
//! among them is `validate`.

mod components;
mod database;
mod images;
mod network;
mod validate;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use components::{
    AdminUser, ComponentSettings, DagProcessorSettings, Housekeeping, LogGroomer, Resources,
    StatsdSettings, TriggererSettings, WebSettings, WorkerSettings,
};
pub use database::{Database, EmbeddedDatabase, ExistingDatabase, ExternalDatabase, PgBouncer};
pub use images::{Image, ImageRef, ImageSettings, PullPolicy, ResolvedImages};
pub use network::{IngressHost, IngressSettings, NetworkPolicies, WorkloadIdentity};
pub use validate::{SettingsError, SettingsProblem};

use crate::dags::DagSettings;

/// What Airflow should be (S11 of the guide).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AirflowSettings {
    /// The release's name; `airflow`.
    pub release: String,
    /// The namespace; `airflow`. Not part of the written form: whoever embeds the settings decides.
    #[serde(skip, default = "airflow_namespace")]
    pub namespace: String,
    /// The chart's version; `1.15.0`.
    pub chart_version: String,
    /// Airflow's version, which drives the chart's branches and every image tag; `2.9.3`.
    pub airflow_version: String,
    /// Where images come from.
    pub images: ImageSettings,
    /// Who runs tasks; Kubernetes pods by default.
    pub executor: Executors,
    /// Environment of every Airflow container; `ENVIRONMENT=dev`.
    pub env: Vec<EnvVar>,
    /// Further environment, written as the chart's templated text; the default time zone.
    pub extra_env: Vec<EnvVar>,
    /// Environment from keys of Secrets.
    pub secret_env: Vec<SecretEnvVar>,
    /// Where the metadata lives.
    pub database: Database,
    /// The connection pool in front of the database.
    pub pgbouncer: PgBouncer,
    /// Where DAGs come from.
    pub dags: DagSettings,
    /// Where task logs are kept.
    pub logs: LogSettings,
    /// The scheduler.
    pub scheduler: ComponentSettings,
    /// The triggerer.
    pub triggerer: TriggererSettings,
    /// The DAG processor.
    pub dag_processor: DagProcessorSettings,
    /// The web server, or API server since Airflow 3.
    pub web: WebSettings,
    /// The workers, or the pods of tasks.
    pub workers: WorkerSettings,
    /// The metrics exporter.
    pub statsd: StatsdSettings,
    /// The first user.
    pub user: AdminUser,
    /// Sections and options of `airflow.cfg`. Secrets do not belong here.
    pub config: BTreeMap<String, BTreeMap<String, Value>>,
    /// Labels on every object and pod.
    pub labels: BTreeMap<String, String>,
    /// Nodes every pod may run on.
    pub node_selector: BTreeMap<String, String>,
    /// Taints every pod tolerates, as in Kubernetes.
    pub tolerations: Vec<Value>,
    /// Affinity of every pod, as in Kubernetes.
    pub affinity: Map<String, Value>,
    /// The way in from outside.
    pub ingress: IngressSettings,
    /// Network policies between the components.
    pub network_policies: NetworkPolicies,
    /// Azure identity of Airflow's own pods.
    pub workload_identity: Option<WorkloadIdentity>,
    /// Jobs that clean up.
    pub housekeeping: Housekeeping,
    /// How long each wait of the release may take, in seconds; 900.
    pub timeout_seconds: u64,
}

impl Default for AirflowSettings {
    fn default() -> Self {
        Self {
            release: "airflow".into(),
            namespace: "airflow".into(),
            chart_version: "1.15.0".into(),
            airflow_version: "2.9.3".into(),
            images: ImageSettings::default(),
            executor: Executors(vec![Executor::Kubernetes]),
            env: vec![EnvVar::new("ENVIRONMENT", "dev")],
            extra_env: vec![EnvVar::new(
                "AIRFLOW__CORE__DEFAULT_TIMEZONE",
                "America/New_York",
            )],
            secret_env: Vec::new(),
            database: Database::default(),
            pgbouncer: PgBouncer::default(),
            dags: DagSettings::default(),
            logs: LogSettings::default(),
            scheduler: ComponentSettings::default(),
            triggerer: TriggererSettings::default(),
            dag_processor: DagProcessorSettings::default(),
            web: WebSettings::default(),
            workers: WorkerSettings::default(),
            statsd: StatsdSettings::default(),
            user: AdminUser::default(),
            config: BTreeMap::new(),
            labels: BTreeMap::new(),
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            affinity: Map::new(),
            ingress: IngressSettings::default(),
            network_policies: NetworkPolicies::default(),
            workload_identity: None,
            housekeeping: Housekeeping::default(),
            timeout_seconds: 900,
        }
    }
}

fn airflow_namespace() -> String {
    "airflow".into()
}

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl EnvVar {
    /// One variable.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// One variable from a key of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretEnvVar {
    /// Its name.
    pub env_name: String,
    /// The Secret.
    pub secret_name: String,
    /// The key in it.
    pub secret_key: String,
}

/// Who runs tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Executor {
    /// One pod per task.
    #[serde(rename = "KubernetesExecutor")]
    Kubernetes,
    /// Workers behind a broker.
    #[serde(rename = "CeleryExecutor")]
    Celery,
    /// Both, chosen by queue; Airflow 2 only.
    #[serde(rename = "CeleryKubernetesExecutor")]
    CeleryKubernetes,
    /// Inside the scheduler.
    #[serde(rename = "LocalExecutor")]
    Local,
    /// Both, chosen by queue; Airflow 2 only.
    #[serde(rename = "LocalKubernetesExecutor")]
    LocalKubernetes,
}

impl Executor {
    /// Airflow's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "KubernetesExecutor",
            Self::Celery => "CeleryExecutor",
            Self::CeleryKubernetes => "CeleryKubernetesExecutor",
            Self::Local => "LocalExecutor",
            Self::LocalKubernetes => "LocalKubernetesExecutor",
        }
    }

    /// Whether it needs workers and a broker.
    pub fn is_celery(self) -> bool {
        matches!(self, Self::Celery | Self::CeleryKubernetes)
    }

    /// Whether it is one of Airflow 2's two-in-one executors.
    pub fn is_hybrid(self) -> bool {
        matches!(self, Self::CeleryKubernetes | Self::LocalKubernetes)
    }
}

/// One executor, or several side by side (Airflow 2.10 and chart 1.16 at least), the first the
/// default. Written as the chart writes it: `CeleryExecutor,KubernetesExecutor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Executors(pub Vec<Executor>);

impl Executors {
    /// Whether any needs workers and a broker.
    pub fn is_celery(&self) -> bool {
        self.0.iter().any(|executor| executor.is_celery())
    }
}

impl From<Executors> for String {
    fn from(executors: Executors) -> Self {
        let names: Vec<&str> = executors.0.iter().map(|executor| executor.name()).collect();
        names.join(",")
    }
}

impl TryFrom<String> for Executors {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.split(',')
            .map(|name| {
                let value = Value::String(name.trim().to_owned());
                serde_json::from_value(value).map_err(|error| error.to_string())
            })
            .collect::<Result<Vec<Executor>, _>>()
            .map(Self)
    }
}

/// Where task logs are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogSettings {
    /// Keep them on a claim that all pods share; on.
    pub persistence: bool,
    /// The claim; `pvc-airflow-logs`. Without one the chart makes its own.
    pub claim: Option<String>,
    /// The class of the claim the chart makes; no effect with a claim of your own (the guide sets
    /// it all the same).
    pub storage_class: Option<String>,
    /// The size of the claim the chart makes: `100Gi`.
    pub size: Option<String>,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            persistence: true,
            claim: Some("pvc-airflow-logs".into()),
            storage_class: Some("azureblob-fuse-premium".into()),
            size: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_document_is_the_guide() {
        let settings: AirflowSettings = serde_json::from_str("{}").unwrap();
        assert_eq!(settings, AirflowSettings::default());
        assert_eq!(String::from(settings.executor), "KubernetesExecutor");
    }

    #[test]
    fn settings_survive_a_round_trip() {
        let settings = AirflowSettings::default();
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(
            serde_json::from_str::<AirflowSettings>(&text).unwrap(),
            settings
        );
    }

    #[test]
    fn unknown_keys_and_executors_are_refused() {
        for bad in [
            r#"{"executer": "CeleryExecutor"}"#,
            r#"{"executor": "MagicExecutor"}"#,
            r#"{"web": {"replica": 2}}"#,
            r#"{"dags": {"gitSync": {"repo": "https://x/y", "pin": {"branch": "a"}, "revv": 1}}}"#,
        ] {
            assert!(
                serde_json::from_str::<AirflowSettings>(bad).is_err(),
                "{bad}"
            );
        }
    }
}
