//! [`ProveLogStore`]: the container takes and gives. It owns the marker; it refuses to claim that a
//! pod could mount the container.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use converge::{
    Change, ChangeKind, Decision, Proof, Slot, Step, StepContext, StepError, StepOutcome,
    Verification,
};
use kube_cluster::Patience;

use crate::{LogContainer, LogStore, LogStoreError, LogStoreErrorKind, MARKER};

/// What the marker says.
const CONTENT: &[u8] = b"aks-airflow wrote this to see that the container takes and gives.\n";

/// Writes a marker once and reads it back; a marker that is there is only read.
#[derive(Debug, Clone)]
pub struct ProveLogStore {
    /// The data plane.
    pub store: Arc<dyn LogStore>,
    /// The container, from [`EnsureContainer`](crate::EnsureContainer).
    pub container: Slot<LogContainer>,
    /// How long a new container or key may take to be seen; 60 s is plenty.
    pub limit: Duration,
}

impl ProveLogStore {
    async fn read(&self, container: LogContainer) -> Result<bool, LogStoreError> {
        let read = self.store.read(container.clone(), MARKER.into()).await?;
        match read {
            None => Ok(false),
            Some(content) if content == CONTENT => Ok(true),
            Some(_) => Err(differs(&container)),
        }
    }

    async fn round_trip(
        &self,
        container: &LogContainer,
        context: &StepContext,
    ) -> Result<(), LogStoreError> {
        let (first, ceiling) = (Duration::from_millis(500), Duration::from_secs(5));
        let mut patience = Patience::new(&context.observer, self.limit, first, ceiling);
        loop {
            let written = self
                .store
                .write(container.clone(), MARKER.into(), CONTENT.into())
                .await;
            let error = match written {
                Ok(()) => break,
                Err(error) => error,
            };
            if !may_be_propagation(&error) || !patience.pause(&error.kind.to_string()).await {
                return Err(error);
            }
        }
        if self.read(container.clone()).await? {
            Ok(())
        } else {
            Err(differs(container))
        }
    }
}

fn differs(container: &LogContainer) -> LogStoreError {
    LogStoreError {
        verb: "read",
        blob: MARKER.into(),
        container: container.container.to_string(),
        kind: LogStoreErrorKind::Differs,
    }
}

/// A container or role of a moment ago may not be seen everywhere.
fn may_be_propagation(error: &LogStoreError) -> bool {
    matches!(
        error.kind,
        LogStoreErrorKind::NoContainer
            | LogStoreErrorKind::Forbidden { .. }
            | LogStoreErrorKind::Unreachable(_)
    )
}

/// What was seen.
#[derive(Debug)]
pub enum MarkerSeen {
    /// The container is not known yet.
    Unknown,
    /// The container has no marker, or it is not there itself.
    Absent(LogContainer),
    /// The marker was read.
    There,
}

#[async_trait]
impl Step for ProveLogStore {
    type Observed = MarkerSeen;
    type Action = LogContainer;
    type Output = ();

    fn name(&self) -> &'static str {
        "log store"
    }

    async fn observe(&self, _context: &StepContext) -> Result<Self::Observed, StepError> {
        let Some(container) = self.container.get() else {
            return Ok(MarkerSeen::Unknown);
        };
        match self.read(container.clone()).await {
            Ok(true) => Ok(MarkerSeen::There),
            Ok(false) => Ok(MarkerSeen::Absent(container)),
            Err(error)
                if matches!(
                    error.kind,
                    LogStoreErrorKind::NoContainer | LogStoreErrorKind::Differs
                ) =>
            {
                Ok(MarkerSeen::Absent(container))
            }
            Err(error) => Err(StepError::before_writes(error)),
        }
    }

    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        let row = |verification| {
            vec![
                Change::new(ChangeKind::Run, format!("blob {MARKER}"), verification)
                    .with_note("written and read back"),
            ]
        };
        Ok(match observed {
            MarkerSeen::There => Decision::Done {
                output: (),
                proof: Proof::effect("marker read; mount not checked"),
            },
            MarkerSeen::Absent(container) => Decision::Act {
                action: container.clone(),
                changes: row(Verification::Verified),
            },
            MarkerSeen::Unknown => Decision::Later {
                changes: row(Verification::Predicted),
            },
        })
    }

    async fn perform(
        &self,
        container: Self::Action,
        context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError> {
        self.round_trip(&container, context)
            .await
            .map_err(|error| match error.verb {
                "write" => StepError::before_writes(error),
                _ => StepError::after_writes(error),
            })?;
        Ok(StepOutcome {
            output: (),
            did: "marker written".into(),
            proof: Proof::effect("marker written and read back; mount not checked"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MockLogStore;

    fn container() -> LogContainer {
        LogContainer {
            account: "logs".into(),
            endpoint: "https://logs.blob.core.windows.net/".parse().unwrap(),
            container: crate::ContainerName::default(),
            key: None,
        }
    }

    fn step(store: MockLogStore) -> ProveLogStore {
        ProveLogStore {
            store: Arc::new(store),
            container: Slot::known(container()),
            limit: Duration::from_secs(60),
        }
    }

    fn error(verb: &'static str, kind: LogStoreErrorKind) -> LogStoreError {
        LogStoreError {
            verb,
            blob: MARKER.into(),
            container: "airflow-logs".into(),
            kind,
        }
    }

    #[tokio::test]
    async fn a_marker_that_is_there_is_not_written() {
        let mut store = MockLogStore::new();
        store
            .expect_read()
            .times(1)
            .returning(|_, _| Ok(Some(CONTENT.into())));
        let step = step(store);
        let context = StepContext::default();
        let observed = step.observe(&context).await.unwrap();
        assert!(matches!(step.decide(&observed), Ok(Decision::Done { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_container_not_seen_yet_is_waited_for() {
        let mut store = MockLogStore::new();
        let mut tries = 0;
        store.expect_write().returning(move |_, _, _| {
            tries += 1;
            if tries < 4 {
                Err(error("write", LogStoreErrorKind::NoContainer))
            } else {
                Ok(())
            }
        });
        store
            .expect_read()
            .returning(|_, _| Ok(Some(CONTENT.into())));
        let outcome = step(store)
            .perform(container(), &StepContext::default())
            .await;
        assert_eq!(outcome.unwrap().did, "marker written");
    }

    #[tokio::test(start_paused = true)]
    async fn what_waiting_cannot_help_fails_at_once() {
        let mut store = MockLogStore::new();
        store
            .expect_write()
            .times(1)
            .returning(|_, _, _| Err(error("write", LogStoreErrorKind::SharedKeyDisabled)));
        let failed = step(store)
            .perform(container(), &StepContext::default())
            .await;
        assert!(failed.unwrap_err().to_string().starts_with("cannot write"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_marker_that_comes_back_different_is_a_failure() {
        let mut store = MockLogStore::new();
        store.expect_write().returning(|_, _, _| Ok(()));
        store
            .expect_read()
            .returning(|_, _| Ok(Some(b"x".to_vec())));
        let failed = step(store)
            .perform(container(), &StepContext::default())
            .await;
        assert_eq!(failed.unwrap_err().written, converge::Written::Something);
    }
}
