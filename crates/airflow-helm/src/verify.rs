//! [`VerifyAirflow`]: whether Airflow is up (S14 of the guide), claim by claim, each with its proof.
//! It owns the checks; it refuses to take a ready pod for a working component, since scheduler,
//! triggerer and DAG processor have no readiness probe.

mod checks;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use converge::{
    Decision, Observer, Planned, Proof, ProofKind, Readiness, Step, StepContext, StepError,
    StepOutcome,
};
use futures::FutureExt;
use kube_cluster::{Cluster, Kind, Object, Patience, PodLogs, RunView};
use serde::Serialize;

use crate::api::{ApiError, Health, ImportError};
use crate::settings::AirflowSettings;
use crate::{AirflowApi, Pair};

pub use checks::workloads;

/// How often is asked whether heartbeats have advanced; the scheduler's are five seconds apart.
const BEAT: Duration = Duration::from_secs(1);

/// Proves that Airflow works.
#[derive(Debug, Clone)]
pub struct VerifyAirflow {
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// A run's view of it, whose open watches know the pods to ask before they are listed.
    pub view: Option<Arc<RunView>>,
    /// Logs, to learn which commit git-sync has; without them that stays unchecked.
    pub logs: Option<Arc<dyn PodLogs>>,
    /// Airflow itself, logged in if there is a user.
    pub api: Arc<dyn AirflowApi>,
    /// The settings.
    pub settings: AirflowSettings,
    /// Chart and Airflow.
    pub pair: Pair,
    /// How long Airflow may take; five minutes is plenty after a release that waited.
    pub limit: Duration,
}

/// One claim about Airflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about: `migrations`, `scheduler`.
    pub name: String,
    /// How it is.
    pub readiness: Readiness,
    /// How that is known.
    pub proof: Proof,
    /// Whether Airflow counts as up without it. Import errors are the DAGs' own.
    pub essential: bool,
}

impl Finding {
    fn new(name: impl Into<String>, readiness: Readiness, proof: Proof) -> Self {
        Self {
            name: name.into(),
            readiness,
            proof,
            essential: true,
        }
    }

    fn current(name: impl Into<String>, reason: &str, proof: Proof) -> Self {
        Self::new(name, Readiness::Current(reason.to_owned()), proof)
    }

    fn waiting(name: impl Into<String>, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let proof = Proof::observed(reason.clone());
        Self::new(name, Readiness::InProgress(reason), proof)
    }

    fn failed(name: impl Into<String>, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let proof = Proof::observed(reason.clone());
        Self::new(name, Readiness::Failed(reason), proof)
    }

    fn not_essential(mut self) -> Self {
        self.essential = false;
        self
    }

    fn blocks(&self) -> bool {
        self.essential && !self.readiness.is_current()
    }
}

/// Airflow is not up.
#[derive(Debug, Clone, thiserror::Error, miette::Diagnostic)]
#[error("Airflow is not up after {} s: {}", .limit.as_secs(), sentences(.findings))]
#[diagnostic(
    code(aka::airflow::not_up),
    help("look at the first one named; the others may follow from it")
)]
#[non_exhaustive]
pub struct VerifyError {
    /// How long was waited.
    pub limit: Duration,
    /// Every claim, good and bad.
    pub findings: Vec<Finding>,
}

fn sentences(findings: &[Finding]) -> String {
    findings
        .iter()
        .filter(|finding| finding.blocks())
        .map(|finding| format!("{}: {}", finding.name, finding.readiness.reason()))
        .collect::<Vec<_>>()
        .join("; ")
}

impl VerifyAirflow {
    /// Looks at everything once, without waiting. Heartbeats are only observed.
    pub async fn look(&self) -> Vec<Finding> {
        self.see().await.0
    }

    /// What [`look`](Self::look) finds, and the health it was found with.
    async fn see(&self) -> (Vec<Finding>, Option<Health>) {
        let airflow = async {
            let health = self.api.health().await;
            (
                health,
                self.api.version().await,
                self.api.import_errors().await,
            )
        };
        let listing = checks::running(&*self.cluster, &self.settings);
        // Whom to ask is told by an open watch, where there is one; what counts is what is listed.
        let (pods, listing) = if let Some(pods) = self.told() {
            (pods, listing.left_future())
        } else {
            let running = listing.await;
            let pods = running.pods().to_vec();
            (pods, futures::future::ready(running).right_future())
        };
        self.api.has_seen(&pods);
        let parser = self.parser(&pods);
        let cluster = async {
            let running = listing.await;
            let findings =
                checks::cluster_findings(&*self.cluster, &running, &self.settings, &self.pair)
                    .await;
            (findings, self.parser(running.pods()))
        };
        let ((mut findings, parser_now), mut commit, (health, version, errors)) =
            futures::join!(cluster, self.commit(parser.as_deref()), airflow);
        if parser_now != parser {
            commit = self.commit(parser_now.as_deref()).await;
        }
        findings.extend(checks::health(health.as_ref(), &self.settings, &self.pair));
        findings.push(checks::version(version, &self.pair));
        findings.extend(self.dags(&errors, commit.as_deref()));
        (findings, health.ok())
    }

    /// The same findings with Airflow's health as it is now.
    async fn see_health(&self, mut findings: Vec<Finding>) -> (Vec<Finding>, Option<Health>) {
        let health = self.api.health().await;
        for now in checks::health(health.as_ref(), &self.settings, &self.pair) {
            match findings.iter_mut().find(|one| one.name == now.name) {
                Some(before) => *before = now,
                None => findings.push(now),
            }
        }
        (findings, health.ok())
    }

    /// Looks until everything essential is current, and until heartbeats have advanced. Once only
    /// those are missing, only they are asked for.
    ///
    /// # Errors
    /// What is missing at the limit, with every claim. Nothing was written.
    pub async fn wait(&self, observer: &Observer) -> Result<Vec<Finding>, VerifyError> {
        let mut patience = Patience::new(
            observer,
            self.limit,
            Duration::from_secs(1),
            Duration::from_secs(5),
        );
        let mut first = None;
        let mut current: Option<Vec<Finding>> = None;
        loop {
            let (mut findings, now) = match current.take() {
                Some(findings) => self.see_health(findings).await,
                None => self.see().await,
            };
            let advanced =
                checks::heartbeats(first.as_ref(), now.as_ref(), &self.settings, &self.pair);
            if first.is_none() {
                first = now;
            }
            if sentences(&findings).is_empty() {
                current = Some(findings.clone());
            }
            checks::raise_to_effect(&mut findings, &advanced);
            let missing = sentences(&findings);
            if missing.is_empty() {
                return Ok(findings);
            }
            // A heartbeat is one small question away.
            let goes_on = match &current {
                Some(_) => patience.pause_for(&missing, BEAT).await,
                None => patience.pause(&missing).await,
            };
            if !goes_on {
                return Err(VerifyError {
                    limit: patience.limit(),
                    findings,
                });
            }
        }
    }

    /// The pods that an open watch of the run knows.
    fn told(&self) -> Option<Vec<Object>> {
        let view = self.view.as_ref()?;
        view.told(&Kind::new("v1", "Pod"), &self.settings.namespace)
    }

    /// The pod that parses DAGs, where its git-sync can be asked.
    fn parser(&self, pods: &[Object]) -> Option<String> {
        self.settings.dags.git_sync.as_ref()?;
        self.logs.as_ref()?;
        checks::parser(pods, &self.settings, &self.pair)
    }

    /// Which commit git-sync has in this pod, as far as it is known.
    async fn commit(&self, parser: Option<&str>) -> Option<String> {
        let logs = self.logs.as_ref()?;
        checks::commit(parser?, &**logs, &self.settings).await
    }

    /// What Airflow says of DAGs, and which commit git-sync has.
    fn dags(
        &self,
        errors: &Result<Vec<ImportError>, ApiError>,
        commit: Option<&str>,
    ) -> Vec<Finding> {
        let user = match (errors, self.settings.user.enabled) {
            (Ok(_), true) => {
                Finding::current("user", "login accepted", Proof::effect("login accepted"))
            }
            (Ok(_), false) => Finding::current(
                "user",
                "made elsewhere",
                Proof::not_checked("no user is made here"),
            )
            .not_essential(),
            (Err(error), true) if error.may_pass() => Finding::waiting("user", error.to_string()),
            (Err(error), true) => Finding::failed("user", checks::cause(error)),
            (Err(_), false) => Finding::current(
                "user",
                "made elsewhere",
                Proof::not_checked("no login to check with"),
            )
            .not_essential(),
        };
        let dags = checks::dags(
            errors.as_ref().ok().map(Vec::as_slice),
            commit,
            &self.settings,
        );
        vec![user, dags.not_essential()]
    }
}

/// How each claim was proven, in a sentence for a report.
fn summary(findings: &[Finding]) -> Proof {
    let count = |kind| {
        let of_kind = findings.iter().filter(|finding| finding.proof.kind == kind);
        of_kind.count()
    };
    let worked: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.essential && finding.proof.kind == ProofKind::Effect)
        .collect();
    let mut statement = format!(
        "{} by effect, {} observed",
        count(ProofKind::Effect),
        count(ProofKind::Observed)
    );
    let unchecked = count(ProofKind::NotChecked);
    if unchecked > 0 {
        statement.push_str(&format!(", {unchecked} not checked"));
    }
    if worked
        .iter()
        .any(|finding| finding.name.ends_with(" health"))
    {
        statement.push_str("; heartbeat advanced");
    }
    if worked.is_empty() {
        Proof::observed(statement)
    } else {
        Proof::effect(statement)
    }
}

#[async_trait]
impl Step for VerifyAirflow {
    type Observed = ();
    type Action = ();
    type Output = Vec<Finding>;

    fn name(&self) -> &'static str {
        "verify"
    }

    async fn observe(&self, _context: &StepContext) -> Result<Self::Observed, StepError> {
        Ok(())
    }

    /// Always to be done, and never a row of a plan: it only looks.
    fn decide(
        &self,
        _observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        Ok(Decision::Act {
            action: (),
            changes: Vec::new(),
        })
    }

    async fn perform(
        &self,
        _action: Self::Action,
        context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError> {
        // Where nothing was done, a look is enough: nobody waits for a heartbeat.
        let seen = match context.planned {
            Planned::Untouched => Some(self.look().await).filter(|seen| sentences(seen).is_empty()),
            Planned::Stale | Planned::Overtaken => None,
        };
        let findings = match seen {
            Some(findings) => findings,
            None => self
                .wait(&context.observer)
                .await
                .map_err(StepError::before_writes)?,
        };
        for finding in findings
            .iter()
            .filter(|finding| finding.readiness.is_failed())
        {
            context
                .observer
                .warning(format!("{}: {}", finding.name, finding.readiness.reason()));
        }
        Ok(StepOutcome {
            did: format!("{} claims", findings.len()),
            proof: summary(&findings),
            output: findings,
        })
    }
}

#[cfg(test)]
#[path = "verify/tests.rs"]
mod tests;
