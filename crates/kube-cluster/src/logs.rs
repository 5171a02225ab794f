//! [`PodLogs`]: what a container said. It owns the question and the stream of lines; it refuses to
//! interpret them.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt;
use futures::stream::BoxStream;

use crate::ClusterError;

/// The logs of pods.
///
/// # Contract
/// - A pod that is not there is `None`.
/// - A container that has not started is
///   [`ClusterErrorKind::Invalid`](crate::ClusterErrorKind::Invalid) with the server's sentence
///   (`container "x" in pod "y" is waiting to start: …`).
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait PodLogs: fmt::Debug + Send + Sync + 'static {
    /// Opens the log of one container.
    ///
    /// # Errors
    /// As every read. Nothing was written.
    async fn logs(&self, query: LogQuery) -> Result<Option<LogLines>, ClusterError>;
}

/// The lines of a log, without their line ends; bytes that are no text are replaced. With
/// [`LogQuery::follow`] the stream ends when the container does.
pub type LogLines = BoxStream<'static, Result<String, ClusterError>>;

/// Whose log, and how much of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container; may be left out where the pod has only one.
    pub container: Option<String>,
    /// Only the last lines; all by default.
    pub tail: Option<u32>,
    /// The container's previous run, after a crash; off by default.
    pub previous: bool,
    /// Keep the stream open for what comes; off by default.
    pub follow: bool,
    /// Only lines younger than this (whole seconds); all by default.
    pub since: Option<Duration>,
    /// The server prefixes each line with its RFC 3339 time; off by default.
    pub timestamps: bool,
}

impl LogQuery {
    /// All lines so far of one container.
    pub fn of(namespace: impl Into<String>, pod: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            pod: pod.into(),
            ..Self::default()
        }
    }

    /// The same of a named container.
    #[must_use]
    pub fn container(mut self, container: impl Into<String>) -> Self {
        self.container = Some(container.into());
        self
    }

    /// The same, only the last lines.
    #[must_use]
    pub fn tail(mut self, lines: u32) -> Self {
        self.tail = Some(lines);
        self
    }
}

/// The last lines of a container, for an error's text; empty when the pod is not there.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), kube_cluster::ClusterError> {
/// # #[cfg(feature = "mock")] {
/// use futures::StreamExt;
/// use kube_cluster::{LogQuery, MockPodLogs, last_lines};
///
/// let mut logs = MockPodLogs::new();
/// logs.expect_logs().returning(|_| {
///     Ok(Some(futures::stream::iter([Ok("Traceback".to_owned())]).boxed()))
/// });
/// assert_eq!(last_lines(&logs, LogQuery::of("airflow", "migrate-x"), 5).await?, ["Traceback"]);
/// # }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`PodLogs::logs`].
pub async fn last_lines(
    logs: &dyn PodLogs,
    query: LogQuery,
    lines: u32,
) -> Result<Vec<String>, ClusterError> {
    let query = LogQuery {
        follow: false,
        ..query.tail(lines)
    };
    match logs.logs(query).await? {
        Some(stream) => stream.try_collect().await,
        None => Ok(Vec::new()),
    }
}
