//! [`ProveAirflow`]: the step that proves Airflow works once it is installed. It owns logging in
//! with the generated password; what is checked is `airflow-helm`'s.

use std::sync::Arc;
use std::time::Duration;

use airflow_helm::{
    AirflowApi, AirflowSettings, Finding, ForwardedApi, KeysReady, Login, Pair, PodTarget,
    VerifyAirflow,
};
use async_trait::async_trait;
use converge::{Decision, Slot, Step, StepContext, StepError, StepOutcome};
use kube_cluster::{Cluster, PodLogs, PortForward, RunView};

/// Proves that Airflow works; never a row of a plan.
#[derive(Debug)]
pub(crate) struct ProveAirflow {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) view: Option<Arc<RunView>>,
    pub(crate) forward: Arc<dyn PortForward>,
    pub(crate) logs: Arc<dyn PodLogs>,
    pub(crate) settings: AirflowSettings,
    pub(crate) keys: Slot<KeysReady>,
    pub(crate) limit: Duration,
}

impl ProveAirflow {
    /// The checks, with what is known by now.
    fn checks(&self, pair: Pair) -> VerifyAirflow {
        VerifyAirflow {
            cluster: Arc::clone(&self.cluster),
            view: self.view.clone(),
            logs: Some(Arc::clone(&self.logs)),
            api: api(
                &self.cluster,
                &self.forward,
                &self.settings,
                &pair,
                self.keys.get().as_ref(),
            ),
            settings: self.settings.clone(),
            pair,
            limit: self.limit,
        }
    }
}

/// Airflow's API through port-forward, logged in where there is a user of ours.
pub(crate) fn api(
    cluster: &Arc<dyn Cluster>,
    forward: &Arc<dyn PortForward>,
    settings: &AirflowSettings,
    pair: &Pair,
    keys: Option<&KeysReady>,
) -> Arc<dyn AirflowApi> {
    let login = keys.filter(|_| settings.user.enabled).map(|keys| Login {
        username: settings.user.username.clone(),
        password: keys.material.get("admin-password").clone(),
    });
    Arc::new(ForwardedApi::new(
        Arc::clone(cluster),
        Arc::clone(forward),
        PodTarget::ui(settings, pair),
        pair,
        login,
    ))
}

#[async_trait]
impl Step for ProveAirflow {
    type Observed = ();
    type Action = ();
    type Output = Vec<Finding>;

    fn name(&self) -> &'static str {
        "verify"
    }

    async fn observe(&self, _: &StepContext) -> Result<(), StepError> {
        Ok(())
    }

    fn decide(&self, (): &()) -> Result<Decision<(), Vec<Finding>>, StepError> {
        Ok(Decision::Act {
            action: (),
            changes: Vec::new(),
        })
    }

    async fn perform(
        &self,
        (): (),
        context: &StepContext,
    ) -> Result<StepOutcome<Vec<Finding>>, StepError> {
        let pair = self.settings.validate().map_err(StepError::before_writes)?;
        self.checks(pair).perform((), context).await
    }
}
