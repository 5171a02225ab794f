//! [`ClusterReleases`]: Helm releases over a [`Cluster`]. It owns the handles an operation needs and
//! hands each operation to its file; it refuses to decide anything.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use converge::Observer;
use jiff::Timestamp;
use kube_cluster::{Cluster, PodLogs, Watches};

use crate::digest::hex;
use crate::{
    Outcome, Policy, Record, ReleaseError, ReleaseId, ReleaseIntent, ReleasePlan, ReleaseStatus,
    ReleaseSummary, Releases, Revision, RevisionSummary, RollbackOptions, TapeSeed,
    UninstallOptions, Uninstalled, apply, reading, rollback, uninstall,
};

/// Tells the time.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// Makes up 32 random bytes.
pub(crate) type Luck = Arc<dyn Fn() -> [u8; 32] + Send + Sync>;

/// Helm releases in a cluster.
///
/// Every request goes through the [`Cluster`] it was made with: reads, dry-run probes, and writes
/// under field manager `helm` (the Lease under `aks-airflow`).
#[derive(Clone)]
pub struct ClusterReleases {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) logs: Option<Arc<dyn PodLogs>>,
    pub(crate) holder: String,
    pub(crate) clock: Clock,
    pub(crate) luck: Luck,
    /// The watches that one operation leaves to the next, where operations share them.
    watches: Option<Arc<Mutex<Option<Watches>>>>,
}

impl ClusterReleases {
    /// Releases in `cluster`, with the system's clock and randomness and a holder name of its own.
    ///
    /// # Panics
    /// Where the operating system has no randomness.
    pub fn new(cluster: Arc<dyn Cluster>) -> Self {
        let luck: Luck = Arc::new(|| {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).expect("the operating system has randomness");
            bytes
        });
        let unique = hex(&luck()[..8]);
        Self {
            cluster,
            logs: None,
            holder: format!("aks-airflow-{unique}"),
            clock: Arc::new(Timestamp::now),
            luck,
            watches: None,
        }
    }

    /// The same, which also reads the logs of failing hooks.
    #[must_use]
    pub fn with_logs(mut self, logs: Arc<dyn PodLogs>) -> Self {
        self.logs = Some(logs);
        self
    }

    /// The same releases through another handle of the same cluster.
    #[must_use]
    pub fn over(mut self, cluster: Arc<dyn Cluster>) -> Self {
        self.cluster = cluster;
        self.watches = self.watches.map(|_| Arc::default());
        self
    }

    /// The same, whose operations share their watches: those of one stay open for the next until the
    /// last clone is dropped. For operations that follow one another soon.
    #[must_use]
    pub fn sharing_watches(mut self) -> Self {
        self.watches = Some(Arc::default());
        self
    }

    /// The watches that the operation before has left, or none yet.
    pub(crate) fn take_watches(&self) -> Watches {
        let left = self.watches.as_ref().and_then(|watches| {
            let mut watches = watches.lock().unwrap_or_else(PoisonError::into_inner);
            watches.take()
        });
        left.map_or_else(
            || Watches::new(Arc::clone(&self.cluster)),
            Watches::for_later,
        )
    }

    /// Leaves watches to the next operation.
    pub(crate) fn leave_watches(&self, left: Watches) {
        if let Some(watches) = &self.watches {
            *watches.lock().unwrap_or_else(PoisonError::into_inner) = Some(left);
        }
    }

    /// The same under a holder name that tells people who is at work; it must be unique to this
    /// process.
    #[must_use]
    pub fn with_holder(mut self, holder: impl Into<String>) -> Self {
        self.holder = holder.into();
        self
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The same with another source of random bytes; they must be secret.
    #[must_use]
    pub fn with_luck(mut self, luck: impl Fn() -> [u8; 32] + Send + Sync + 'static) -> Self {
        self.luck = Arc::new(luck);
        self
    }

    /// A fresh seed for a render that happens now.
    pub(crate) fn seed(&self) -> TapeSeed {
        TapeSeed {
            seed: (self.luck)(),
            now: (self.clock)(),
        }
    }

    /// The time as records have it.
    pub(crate) fn now(&self) -> String {
        (self.clock)().to_string()
    }
}

impl fmt::Debug for ClusterReleases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterReleases")
            .field("cluster", &self.cluster)
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Releases for ClusterReleases {
    async fn plan(
        &self,
        intent: ReleaseIntent,
        policy: Policy,
    ) -> Result<ReleasePlan, ReleaseError> {
        apply::plan(self, &intent, &policy).await
    }

    async fn apply(
        &self,
        intent: ReleaseIntent,
        policy: Policy,
        observer: Observer,
    ) -> Result<Outcome, ReleaseError> {
        apply::apply(self, &intent, &policy, &observer).await
    }

    async fn status(&self, release: ReleaseId) -> Result<Option<ReleaseStatus>, ReleaseError> {
        reading::status(self, &release).await
    }

    async fn history(&self, release: ReleaseId) -> Result<Vec<RevisionSummary>, ReleaseError> {
        reading::history(self, &release).await
    }

    async fn list(&self, namespace: Option<String>) -> Result<Vec<ReleaseSummary>, ReleaseError> {
        reading::list(self, namespace).await
    }

    async fn record(
        &self,
        release: ReleaseId,
        revision: Option<Revision>,
    ) -> Result<Option<Record>, ReleaseError> {
        reading::record(self, &release, revision).await
    }

    async fn rollback(
        &self,
        release: ReleaseId,
        options: RollbackOptions,
        observer: Observer,
    ) -> Result<Outcome, ReleaseError> {
        rollback::rollback(self, &release, &options, &observer).await
    }

    async fn uninstall(
        &self,
        release: ReleaseId,
        options: UninstallOptions,
        observer: Observer,
    ) -> Result<Uninstalled, ReleaseError> {
        uninstall::uninstall(self, &release, &options, &observer).await
    }
}
