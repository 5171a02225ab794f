//! [`AirflowApi`]: a running Airflow as a seam. It owns the contract over both API generations and
//! what follows from their answers; it refuses to know how the connection came to be.

#[cfg(feature = "conformance")]
pub mod conformance;
mod forwarded;
mod wire;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use converge::Observer;
use kube_cluster::Object;
use serde::{Deserialize, Serialize};

pub use forwarded::{ForwardedApi, Login};

/// A running Airflow.
///
/// # Contract
/// - [`health`](Self::health) and [`version`](Self::version) need no login; all others do, so their
///   success proves it.
/// - Absence is `None`.
/// - No method waits for Airflow to get better.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait AirflowApi: fmt::Debug + Send + Sync + 'static {
    /// Tells of pods that were seen a moment ago: whoever needs one to ask need not look for it. Asks
    /// nothing; what it is told may be of no use to it.
    fn has_seen(&self, pods: &[Object]) {
        let _ = pods;
    }

    /// How the parts of Airflow are, as its database knows it.
    ///
    /// # Errors
    /// Every [`ApiErrorKind`]. Nothing was written.
    async fn health(&self) -> Result<Health, ApiError>;

    /// Which version answers.
    ///
    /// # Errors
    /// Every [`ApiErrorKind`]. Nothing was written.
    async fn version(&self) -> Result<String, ApiError>;

    /// The files Airflow cannot import, at most 100.
    ///
    /// # Errors
    /// Every [`ApiErrorKind`]. Nothing was written.
    async fn import_errors(&self) -> Result<Vec<ImportError>, ApiError>;

    /// The ids of all DAGs, at most 1000.
    ///
    /// # Errors
    /// Every [`ApiErrorKind`]. Nothing was written.
    async fn dags(&self) -> Result<Vec<String>, ApiError>;

    /// Unpauses a DAG, starts a run of it now, and returns the run's id; `None` if there is no
    /// such DAG. The id is chosen before Airflow is asked (`aks-airflow__` and the time), so a lost
    /// answer does not start a second run.
    ///
    /// # Errors
    /// Every [`ApiErrorKind`]; the DAG may be unpaused.
    async fn trigger(&self, dag: String) -> Result<Option<String>, ApiError>;

    /// How a run is; `None` if there is no such run.
    ///
    /// # Errors
    /// Every [`ApiErrorKind`]. Nothing was written.
    async fn run_state(&self, dag: String, run: String) -> Result<Option<RunState>, ApiError>;
}

/// How the parts of Airflow are. Each status is that of the newest process of its kind, so one
/// living scheduler of two counts as healthy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// The database.
    pub metadatabase: PartHealth,
    /// The scheduler.
    pub scheduler: PartHealth,
    /// The triggerer.
    pub triggerer: PartHealth,
    /// The DAG processor, where it runs apart.
    pub dag_processor: PartHealth,
}

/// How one part is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PartHealth {
    /// `healthy`, `unhealthy`; absent if it never started.
    pub status: Option<String>,
    /// When it last gave a sign of life, as Airflow writes it.
    #[serde(
        alias = "latest_scheduler_heartbeat",
        alias = "latest_triggerer_heartbeat",
        alias = "latest_dag_processor_heartbeat"
    )]
    pub heartbeat: Option<String>,
}

impl PartHealth {
    /// Whether it is healthy.
    pub fn is_healthy(&self) -> bool {
        self.status.as_deref() == Some("healthy")
    }

    /// The word for a person: `healthy`, `unhealthy`, `never started`.
    pub fn word(&self) -> &str {
        self.status.as_deref().unwrap_or("never started")
    }
}

/// A file Airflow cannot import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportError {
    /// The file.
    pub filename: String,
    /// Python's traceback.
    #[serde(default)]
    pub stack_trace: String,
}

impl ImportError {
    /// The traceback's last line, which says what is wrong.
    pub fn last_line(&self) -> &str {
        self.stack_trace
            .trim_end()
            .lines()
            .next_back()
            .unwrap_or_default()
    }
}

/// How a run of a DAG is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// It has not begun.
    Queued,
    /// It is under way.
    Running,
    /// It is done.
    Success,
    /// It is done, and something failed.
    Failed,
}

/// A failed request to Airflow.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot {verb} Airflow")]
#[diagnostic(code(aka::airflow::api))]
#[non_exhaustive]
pub struct ApiError {
    /// What was tried: `ask the health of`.
    pub verb: &'static str,
    /// Why it failed.
    #[source]
    #[diagnostic_source]
    pub kind: ApiErrorKind,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum ApiErrorKind {
    /// No pod is ready to answer.
    #[error("nobody is there to answer")]
    #[diagnostic(code(aka::airflow::api_no_pod))]
    Pod(
        #[source]
        #[diagnostic_source]
        crate::PodError,
    ),

    /// No connection, or it broke.
    #[error("the connection to {pod} broke")]
    #[diagnostic(code(aka::airflow::api_connection))]
    Connection {
        /// The pod.
        pod: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },

    /// It did not answer in time.
    #[error("no answer within {0:?}")]
    #[diagnostic(code(aka::airflow::api_timeout))]
    Timeout(Duration),

    /// 401, 403.
    #[error("the login is refused ({status}): {message}")]
    #[diagnostic(
        code(aka::airflow::api_login),
        help(
            "the user's password may have been changed in the UI; in Airflow 2 the API needs `web.basicAuth`"
        )
    )]
    Login {
        /// The HTTP status.
        status: u16,
        /// Airflow's sentence.
        message: String,
    },

    /// Every other refusal.
    #[error("it answered {status}: {message}")]
    #[diagnostic(code(aka::airflow::api_answer))]
    Answer {
        /// The HTTP status.
        status: u16,
        /// Airflow's sentence.
        message: String,
    },

    /// The answer makes no sense, such as a page where data had to be.
    #[error("the answer cannot be understood: {0}")]
    #[diagnostic(
        code(aka::airflow::api_unreadable),
        help("another version than expected may be running")
    )]
    Unreadable(String),
}

impl ApiErrorKind {
    /// Whether the same request may be answered a moment later. A pod that is not ready and an
    /// answer that took too long are not of this kind: they have been waited for.
    fn may_be_momentary(&self) -> bool {
        match self {
            Self::Connection { .. } => true,
            Self::Answer { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }

    fn is_conflict(&self) -> bool {
        matches!(self, Self::Answer { status: 409, .. })
    }
}

impl ApiError {
    /// Whether trying again later may help.
    pub fn may_pass(&self) -> bool {
        match &self.kind {
            ApiErrorKind::Pod(_) | ApiErrorKind::Connection { .. } | ApiErrorKind::Timeout(_) => {
                true
            }
            ApiErrorKind::Answer { status, .. } => *status >= 500,
            _ => false,
        }
    }
}

/// How following a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// It ended so.
    Ended(RunState),
    /// It was not over in time; its last state.
    StillGoing(RunState),
    /// There is no such DAG or run.
    Unknown,
}

/// Starts a run of a DAG and follows it to its end, telling the observer; at most for `limit`.
///
/// # Errors
/// The first failing request that waiting cannot mend.
///
/// # Cancellation
/// Dropping the future leaves the run going.
pub async fn trigger_and_follow(
    api: &dyn AirflowApi,
    dag: &str,
    limit: Duration,
    observer: &Observer,
) -> Result<Followed, ApiError> {
    let Some(run) = api.trigger(dag.to_owned()).await? else {
        return Ok(Followed::Unknown);
    };
    let mut patience = kube_cluster::Patience::new(
        observer,
        limit,
        Duration::from_secs(1),
        Duration::from_secs(5),
    );
    let mut last = RunState::Queued;
    loop {
        match api.run_state(dag.to_owned(), run.clone()).await {
            Ok(Some(state @ (RunState::Success | RunState::Failed))) => {
                return Ok(Followed::Ended(state));
            }
            Ok(Some(state)) => last = state,
            Ok(None) => return Ok(Followed::Unknown),
            Err(error) if error.may_pass() => {}
            Err(error) => return Err(error),
        }
        if !patience
            .pause(&format!("run {run} of {dag} is under way"))
            .await
        {
            return Ok(Followed::StillGoing(last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_generations_health_is_read() {
        let text = r#"{"metadatabase":{"status":"healthy"},
            "scheduler":{"status":"healthy","latest_scheduler_heartbeat":"2026-01-01T00:00:00+00:00"},
            "triggerer":{"status":null,"latest_triggerer_heartbeat":null},
            "dag_processor":{"status":"unhealthy","latest_dag_processor_heartbeat":"x"}}"#;
        let health: Health = serde_json::from_str(text).unwrap();
        assert!(health.metadatabase.is_healthy());
        assert_eq!(
            health.scheduler.heartbeat.as_deref(),
            Some("2026-01-01T00:00:00+00:00")
        );
        assert_eq!(health.triggerer.word(), "never started");
        assert_eq!(health.dag_processor.word(), "unhealthy");
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_is_followed_to_its_end() {
        let mut api = MockAirflowApi::new();
        api.expect_trigger().returning(|_| Ok(Some("run-1".into())));
        let mut states = vec![RunState::Success, RunState::Running, RunState::Queued];
        api.expect_run_state()
            .returning(move |_, _| Ok(states.pop()));
        let end =
            trigger_and_follow(&api, "dag", Duration::from_secs(60), &Observer::default()).await;
        assert_eq!(end.unwrap(), Followed::Ended(RunState::Success));
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_does_not_end_is_let_go_at_the_limit() {
        let mut api = MockAirflowApi::new();
        api.expect_trigger().returning(|_| Ok(Some("run-1".into())));
        api.expect_run_state()
            .returning(|_, _| Ok(Some(RunState::Running)));
        let end =
            trigger_and_follow(&api, "dag", Duration::from_secs(60), &Observer::default()).await;
        assert_eq!(end.unwrap(), Followed::StillGoing(RunState::Running));
    }
}
