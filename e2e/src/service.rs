//! [`Service`]: processes with a folder of their own that are ready before they are handed out. It
//! owns the folder, the wait and the look at what they listen on; it refuses to know what they are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Missing;
use crate::process::{Process, free_port};

/// Running processes; dropping it stops them and removes their folder.
#[derive(Debug)]
pub(crate) struct Service {
    folder: PathBuf,
    processes: Vec<Process>,
    keep: AtomicBool,
}

/// A component that did not come up, or does not answer as it must.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// A program is missing.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// Files or processes failed.
    #[error("the component cannot be set up")]
    Io(#[from] io::Error),
    /// A request failed.
    #[error("the component cannot be asked")]
    Http(#[from] reqwest::Error),
    /// A process ended.
    #[error("{0}")]
    Ended(String),
    /// It did not become ready.
    #[error("{what} is not ready after {limit:?}; the log ends:\n{log}")]
    NotReady {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        limit: Duration,
        /// The end of the logs.
        log: String,
    },
    /// A process listens on more than loopback.
    #[error("a component listens beyond loopback: {0}")]
    Exposed(String),
    /// A command or request was refused.
    #[error("{what} was refused: {why}")]
    Refused {
        /// What was tried.
        what: String,
        /// What it said.
        why: String,
    },
    /// A certificate could not be made.
    #[error("a certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
}

impl Service {
    /// Nothing yet, in a folder of its own.
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let id = std::process::id();
        let folder =
            std::env::temp_dir().join(format!("aks-airflow-e2e-{name}-{id}-{}", free_port()?));
        fs::create_dir_all(&folder)?;
        Ok(Self {
            folder,
            processes: Vec::new(),
            keep: AtomicBool::new(false),
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps the folder when the processes stop, for a look at the logs.
    pub(crate) fn keep_logs(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }

    /// Starts one more process.
    pub(crate) fn start(
        &mut self,
        name: &str,
        program: &Path,
        arguments: &[String],
        environment: &[(String, String)],
    ) -> io::Result<()> {
        let process = Process::start_with(name, program, arguments, environment, &self.folder)?;
        self.processes.push(process);
        Ok(())
    }

    /// Waits until `ready` says so and makes sure that nothing listens beyond loopback.
    pub(crate) async fn wait<F: Future<Output = bool>>(
        &mut self,
        what: &'static str,
        limit: Duration,
        mut ready: impl FnMut() -> F,
    ) -> Result<(), ServiceError> {
        let started = Instant::now();
        while !ready().await {
            if let Some(end) = self.processes.iter_mut().find_map(Process::ended) {
                return Err(ServiceError::Ended(end));
            }
            if started.elapsed() > limit {
                let logs: Vec<_> = self.processes.iter().map(Process::tail).collect();
                let log = logs.join("\n--\n");
                return Err(ServiceError::NotReady { what, limit, log });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.assert_loopback_only()
    }

    /// Fails if a process, or one it started, listens on more than loopback.
    pub(crate) fn assert_loopback_only(&self) -> Result<(), ServiceError> {
        for process in &self.processes {
            let exposed = process.listening()?.into_iter().find(|one| !one.loopback);
            if let Some(exposed) = exposed {
                let name = process.name();
                return Err(ServiceError::Exposed(format!("{name}: {exposed:?}")));
            }
        }
        Ok(())
    }

    /// Stops everything and, unless its logs are kept, removes the folder: what dropping does, for
    /// one that lives in a `static`.
    pub(crate) fn end(&mut self) {
        while let Some(process) = self.processes.pop() {
            drop(process);
        }
        if !self.keep.load(Ordering::Relaxed) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep_logs();
        }
        self.end();
    }
}

/// A client for what listens on this machine: no proxy, no redirects, ten seconds.
pub(crate) fn http() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(10))
        .build()
}

/// The answer, if it has one of these statuses; otherwise what it said.
pub(crate) async fn expect_status(
    what: &str,
    answer: reqwest::Response,
    expected: &[u16],
) -> Result<reqwest::Response, ServiceError> {
    let status = answer.status();
    if expected.contains(&status.as_u16()) {
        return Ok(answer);
    }
    Err(ServiceError::Refused {
        what: what.to_owned(),
        why: format!("{status}: {}", answer.text().await?),
    })
}
