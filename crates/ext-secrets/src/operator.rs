//! [`EnsureOperator`]: the operator, installed here or found (S4 of the guide). It owns the gate
//! between "installed" and "usable": CRDs established, an API version we speak, and a webhook that
//! really admits; it refuses to take over an operator another release owns.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use converge::{
    Change, ChangeKind, Decision, Proof, Readiness, Signal, Slot, Step, StepContext, StepError,
    StepOutcome, Verification,
};
use helm_release::{
    Planned, PlannedAction, Policy, ReleaseChart, ReleaseError, ReleaseId, ReleaseIntent,
    ReleaseName, ReleasePlan, Releases, Revision,
};
use kube_cluster::{
    ApplyOptions, Cluster, ClusterError, Object, ObjectRef, Patience, Target, WaitError, wait_until,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::api_version::served;
use crate::{SecretStoreSettings, StoreApi, negotiate};

/// The CRDs this crate's objects need.
const CRDS: [&str; 2] = [
    "secretstores.external-secrets.io",
    "externalsecrets.external-secrets.io",
];

/// Installs or finds External Secrets, and proves that its webhook admits.
#[derive(Debug, Clone)]
pub struct EnsureOperator {
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// Helm releases in it.
    pub releases: Arc<dyn Releases>,
    /// Install it, or use the one that is there.
    pub mode: OperatorMode,
    /// The namespace in which a SecretStore will be made; the dry-run is tried there.
    pub namespace: String,
    /// How long CRDs and webhook may take once the release is applied; two minutes by default in
    /// [`OperatorSettings::gate`].
    pub gate: Duration,
    /// Change a release that another client made although the operator's pods restart; off means:
    /// keep it as it is and say so.
    pub restart: bool,
    /// Filled as soon as a look knows: the API versions that the operator's own definitions make
    /// the server serve.
    pub api_versions: Slot<Vec<String>>,
}

/// Where the operator comes from.
#[derive(Debug, Clone)]
pub enum OperatorMode {
    /// It is installed from this chart.
    Install {
        /// The chart.
        chart: Arc<dyn ReleaseChart>,
        /// Release name, namespace and values.
        settings: OperatorSettings,
        /// What may be done on the way.
        policy: Policy,
    },
    /// It is there, installed by somebody else.
    Existing,
}

/// How the operator is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OperatorSettings {
    /// The release's name; `external-secrets`.
    pub release: String,
    /// The release's namespace; `airflow`, as the guide.
    pub namespace: String,
    /// Raw chart values, merged over `installCRDs: true`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub values: Map<String, Value>,
    /// How long each wait of the release may take, in seconds; 300.
    pub timeout_seconds: u64,
    /// How long CRDs and webhook may take afterwards, in seconds; 120.
    pub gate_seconds: u64,
}

impl Default for OperatorSettings {
    fn default() -> Self {
        Self {
            release: "external-secrets".into(),
            namespace: "airflow".into(),
            values: Map::new(),
            timeout_seconds: 300,
            gate_seconds: 120,
        }
    }
}

impl OperatorSettings {
    /// [`gate_seconds`](Self::gate_seconds) as a duration.
    pub fn gate(&self) -> Duration {
        Duration::from_secs(self.gate_seconds)
    }

    /// The chart values: `installCRDs: true`, then the raw values key by key.
    pub fn chart_values(&self) -> Value {
        let mut values = Map::new();
        values.insert("installCRDs".into(), true.into());
        for (key, value) in &self.values {
            values.insert(key.clone(), value.clone());
        }
        Value::Object(values)
    }

    /// The release as declared.
    ///
    /// # Errors
    /// A name Helm refuses.
    pub fn intent(&self, chart: Arc<dyn ReleaseChart>) -> Result<ReleaseIntent, OperatorError> {
        let name = ReleaseName::parse(self.release.clone()).map_err(OperatorError::Name)?;
        let mut intent = ReleaseIntent::new(name, self.namespace.clone(), chart);
        intent.values = self.chart_values();
        intent.timeout = Duration::from_secs(self.timeout_seconds);
        intent.create_namespace = true;
        Ok(intent)
    }
}

/// What later steps may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorFacts {
    /// The API version to speak.
    pub api: StoreApi,
    /// The deployed revision, where it was installed here.
    pub revision: Option<Revision>,
    /// The chart's notes, where it was installed here.
    pub notes: String,
    /// Whether its definitions were made by this run: no object of theirs can be there yet.
    pub fresh: bool,
}

/// The operator is not usable.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum OperatorError {
    /// The release's name.
    #[error("External Secrets cannot be installed under this name")]
    #[diagnostic(code(aka::secrets::release_name))]
    Name(
        #[source]
        #[diagnostic_source]
        helm_release::InvalidReleaseName,
    ),

    /// The release failed.
    #[error("External Secrets cannot be installed")]
    #[diagnostic(code(aka::secrets::install))]
    Release(
        #[source]
        #[diagnostic_source]
        ReleaseError,
    ),

    /// The cluster refused.
    #[error("cannot look at External Secrets")]
    #[diagnostic(code(aka::secrets::look))]
    Cluster(
        #[source]
        #[diagnostic_source]
        ClusterError,
    ),

    /// Another release owns the CRDs.
    #[error("External Secrets is there already, installed by {owner}")]
    #[diagnostic(
        code(aka::secrets::foreign_operator),
        help("use it: set `externalSecrets.operator` to `existing`")
    )]
    Foreign {
        /// `release namespace/name`, or who else.
        owner: String,
    },

    /// `existing` was asked for and there is none.
    #[error("the cluster serves no External Secrets API this version writes{}", of_these(.served))]
    #[diagnostic(
        code(aka::secrets::no_operator),
        help(
            "install the operator: set `externalSecrets.operator` to `install`, or upgrade the existing one to 0.9 or later"
        )
    )]
    NotServed {
        /// What of the group is served.
        served: Vec<String>,
    },

    /// The gate did not open in time.
    #[error("External Secrets is not usable after {} s: {reason}", .limit.as_secs())]
    #[diagnostic(
        code(aka::secrets::gate),
        help(
            "look at the deployments `external-secrets-webhook` and `external-secrets-cert-controller`"
        )
    )]
    Gate {
        /// How long was waited.
        limit: Duration,
        /// What was missing last.
        reason: String,
    },
}

fn of_these(served: &[String]) -> String {
    if served.is_empty() {
        String::new()
    } else {
        format!(", only {}", served.join(", "))
    }
}

/// What was seen.
pub struct OperatorObserved {
    plan: Option<ReleasePlan>,
    gate: Result<StoreApi, Closed>,
    foreign: Option<String>,
    served: Vec<String>,
    revision: Option<Revision>,
}

impl fmt::Debug for OperatorObserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorObserved")
            .field("gate", &self.gate)
            .field("foreign", &self.foreign)
            .finish_non_exhaustive()
    }
}

/// Why the gate is closed.
#[derive(Debug)]
enum Closed {
    /// It may open; the sentence says what is missing.
    Waiting(String),
    /// It cannot be looked at.
    Cluster(ClusterError),
}

/// What to do.
#[derive(Debug)]
pub enum OperatorAction {
    /// Apply the release, then wait at the gate.
    Apply {
        /// What its plan has seen.
        planned: Planned,
        /// Whether the server serves nothing of the operator yet.
        fresh: bool,
    },
    /// Only wait at the gate.
    Wait,
}

impl EnsureOperator {
    async fn look(&self) -> Result<OperatorObserved, OperatorError> {
        let discovery = self
            .cluster
            .discover()
            .await
            .map_err(OperatorError::Cluster)?;
        let mut observed = OperatorObserved {
            plan: None,
            gate: Err(Closed::Waiting("it is not installed yet".into())),
            foreign: None,
            served: served(&discovery),
            revision: None,
        };
        if let OperatorMode::Install {
            chart,
            settings,
            policy,
        } = &self.mode
        {
            let intent = settings.intent(Arc::clone(chart))?;
            let id = intent.id();
            let owner = async {
                if policy.take_ownership || observed.served.is_empty() {
                    return Ok(None);
                }
                self.foreign_owner(&id).await
            };
            let plan = self.releases.plan(intent, policy.clone());
            let (owner, plan) = futures::join!(owner, plan);
            observed.foreign = owner?;
            // Whose it is says more than what is in the way of a release of ours.
            if observed.foreign.is_some() {
                return Ok(observed);
            }
            let plan = plan.map_err(OperatorError::Release)?;
            observed.revision = plan.deployed;
            self.api_versions.fill(plan.api_versions.clone());
            let is_settled =
                plan.action == PlannedAction::Nothing || !self.kept(Some(&plan))?.is_empty();
            observed.plan = Some(plan);
            // What is about to be applied is waited for afterwards.
            if !is_settled {
                return Ok(observed);
            }
        }
        observed.gate = match negotiate(&discovery) {
            Some(api) => self.webhook_admits(api).await.map(|()| api),
            None => Err(Closed::Waiting("the API is not served yet".into())),
        };
        Ok(observed)
    }

    /// The release that owns the CRDs, if it is not ours.
    async fn foreign_owner(&self, ours: &ReleaseId) -> Result<Option<String>, OperatorError> {
        let Some(crd) = self.crd(CRDS[0]).await.map_err(OperatorError::Cluster)? else {
            return Ok(None);
        };
        let annotation = |key| crd.annotation(key).unwrap_or_default();
        let name = annotation("meta.helm.sh/release-name");
        let namespace = annotation("meta.helm.sh/release-namespace");
        Ok(match (name, namespace) {
            ("", _) => Some("something other than Helm".into()),
            (name, namespace) if name == ours.name.as_str() && namespace == ours.namespace => None,
            (name, namespace) => Some(format!("release {namespace}/{name}")),
        })
    }

    async fn crd(&self, name: &str) -> Result<Option<Object>, ClusterError> {
        self.cluster.get(definition(name)).await
    }

    /// Tries a store in a dry-run, by server-side apply: the API server holds each POST for two seconds
    /// while a definition is younger than that.
    /// Source: `pkg/apiserver/customresource_handler.go` of apiextensions-apiserver v0.35.
    async fn webhook_admits(&self, api: StoreApi) -> Result<(), Closed> {
        let probe = SecretStoreSettings {
            name: "aks-airflow-admission-probe".into(),
            namespace: self.namespace.clone(),
            ..SecretStoreSettings::default()
        };
        let vault = "https://probe.vault.azure.net"
            .parse()
            .expect("a constant URL");
        let options = ApplyOptions {
            dry_run: true,
            ..ApplyOptions::default()
        };
        match self
            .cluster
            .apply(probe.manifest(api, &vault), options)
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.is_webhook_unavailable() => {
                Err(Closed::Waiting(webhook_reason(&error)))
            }
            Err(error) if error.is_unknown_kind() => {
                Err(Closed::Waiting(format!("{api} is not served yet")))
            }
            Err(error) => Err(Closed::Cluster(error)),
        }
    }

    async fn wait_at_gate(&self, context: &StepContext) -> Result<StoreApi, OperatorError> {
        let started = Instant::now();
        let discovery = self
            .cluster
            .discover()
            .await
            .map_err(OperatorError::Cluster)?;
        let api = match negotiate(&discovery) {
            Some(api) => api,
            None => self.wait_served(context).await?,
        };
        let mut patience = Patience::new(
            &context.observer,
            self.gate.saturating_sub(started.elapsed()),
            Duration::from_millis(200),
            Duration::from_secs(5),
        );
        loop {
            let reason = match self.webhook_admits(api).await {
                Ok(()) => return Ok(api),
                Err(Closed::Waiting(reason)) => reason,
                Err(Closed::Cluster(error)) if error.is_transient() => error.to_string(),
                Err(Closed::Cluster(error)) => return Err(OperatorError::Cluster(error)),
            };
            if !patience.pause(&reason).await {
                return Err(OperatorError::Gate {
                    limit: self.gate,
                    reason,
                });
            }
        }
    }

    /// What stays as it is of a release another client made.
    fn kept(&self, plan: Option<&ReleasePlan>) -> Result<Vec<Change>, OperatorError> {
        let (OperatorMode::Install { settings, .. }, Some(plan), false) =
            (&self.mode, plan, self.restart)
        else {
            return Ok(Vec::new());
        };
        let name = ReleaseName::parse(settings.release.clone()).map_err(OperatorError::Name)?;
        Ok(plan.kept(&ReleaseId::new(name, settings.namespace.clone())))
    }

    /// Waits until the definitions are established; which API version they serve.
    async fn wait_served(&self, context: &StepContext) -> Result<StoreApi, OperatorError> {
        let targets = CRDS.map(|name| Target::judged(definition(name), established));
        let gate = |reason: String| OperatorError::Gate {
            limit: self.gate,
            reason,
        };
        let found = wait_until(&self.cluster, &targets, self.gate, &context.observer)
            .await
            .map_err(|error| match error {
                WaitError::Cluster(error) => OperatorError::Cluster(error),
                other => gate(other.to_string()),
            })?;
        found
            .first()
            .and_then(StoreApi::served_by)
            .ok_or_else(|| gate("it serves no API version this program writes".into()))
    }

    /// Applies the release, and waits at the gate as soon as its objects are ready: what is left of it
    /// then is the end of its record.
    async fn install(
        &self,
        planned: Planned,
        context: &StepContext,
    ) -> Result<(Applied, StoreApi), OperatorError> {
        let ready = Signal::new();
        let mut applying = pin!(self.apply(planned, ready.clone(), context));
        let applied = tokio::select! {
            biased;
            applied = &mut applying => Some(applied?),
            () = ready.wait() => None,
        };
        if let Some(applied) = applied {
            return Ok((applied, self.wait_at_gate(context).await?));
        }
        let (applied, api) = futures::join!(applying, self.wait_at_gate(context));
        Ok((applied?, api?))
    }

    async fn apply(
        &self,
        planned: Planned,
        ready: Signal,
        context: &StepContext,
    ) -> Result<Applied, OperatorError> {
        match &self.mode {
            OperatorMode::Install {
                chart,
                settings,
                policy,
            } => {
                let mut intent = settings.intent(Arc::clone(chart))?;
                intent.planned = planned;
                intent.ready = ready;
                let outcome = self
                    .releases
                    .apply(intent, policy.clone(), context.observer.clone())
                    .await
                    .map_err(OperatorError::Release)?;
                Ok((outcome.did, Some(outcome.revision), outcome.notes))
            }
            OperatorMode::Existing => Ok(("found".into(), None, String::new())),
        }
    }
}

/// What was done, which revision is deployed, and the chart's notes.
type Applied = (String, Option<Revision>, String);

fn definition(name: &str) -> ObjectRef {
    ObjectRef::cluster_wide("apiextensions.k8s.io/v1", "CustomResourceDefinition", name)
}

fn established(crd: &Object) -> Readiness {
    if kube_cluster::condition(crd, "Established").is_some_and(|one| one.is_true()) {
        Readiness::Current("established".into())
    } else {
        Readiness::InProgress("it is not established".into())
    }
}

/// The wait's sentence, from the API server's words about a webhook that did not answer.
fn webhook_reason(error: &ClusterError) -> String {
    let text =
        std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    let why = if text.contains("x509") {
        "its CA bundle is not in place yet"
    } else if text.contains("no endpoints") {
        "it has no ready pod yet"
    } else if text.contains("refused") {
        "it refuses connections yet"
    } else {
        "it does not answer yet"
    };
    format!("webhook: {why}")
}

const ADMITTED: &str = "webhook admitted a dry-run";

#[async_trait]
impl Step for EnsureOperator {
    type Observed = OperatorObserved;
    type Action = OperatorAction;
    type Output = OperatorFacts;

    fn name(&self) -> &'static str {
        "external-secrets"
    }

    async fn observe(&self, _context: &StepContext) -> Result<Self::Observed, StepError> {
        self.look().await.map_err(StepError::before_writes)
    }

    /// Steps before it make the release's namespace, in which it has looked already.
    fn outlives(&self, _observed: &Self::Observed) -> bool {
        true
    }

    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        if let Some(owner) = &observed.foreign {
            return Err(StepError::before_writes(OperatorError::Foreign {
                owner: owner.clone(),
            }));
        }
        let gate_row = || {
            Change::new(
                ChangeKind::Run,
                "External Secrets: wait for its webhook",
                Verification::Verified,
            )
        };
        let facts = |api| OperatorFacts {
            api,
            revision: observed.revision,
            notes: observed
                .plan
                .as_ref()
                .map(|plan| plan.notes.clone())
                .unwrap_or_default(),
            fresh: false,
        };
        let kept = self
            .kept(observed.plan.as_ref())
            .map_err(StepError::before_writes)?;
        Ok(match (&observed.plan, &observed.gate) {
            (Some(plan), _) if plan.action != PlannedAction::Nothing && kept.is_empty() => {
                Decision::Act {
                    action: OperatorAction::Apply {
                        planned: plan.planned.clone(),
                        fresh: observed.served.is_empty(),
                    },
                    changes: plan.changes.clone(),
                }
            }
            (_, Ok(api)) if !kept.is_empty() => Decision::Keep {
                output: facts(*api),
                proof: Proof::effect(ADMITTED),
                kept,
            },
            (_, Ok(api)) => Decision::Done {
                output: facts(*api),
                proof: Proof::effect(ADMITTED),
            },
            (None, Err(_)) if observed.served.is_empty() || !speaks(&observed.served) => {
                return Err(StepError::before_writes(OperatorError::NotServed {
                    served: observed.served.clone(),
                }));
            }
            (_, Err(Closed::Waiting(reason))) => Decision::Act {
                action: OperatorAction::Wait,
                changes: vec![gate_row().with_note(reason.clone())],
            },
            // The namespace of the dry-run may not be there before the run makes it.
            (_, Err(Closed::Cluster(error))) => Decision::Act {
                action: OperatorAction::Wait,
                changes: vec![gate_row().with_note(error.to_string())],
            },
        })
    }

    async fn perform(
        &self,
        action: Self::Action,
        context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError> {
        let (fresh, ((did, revision, notes), api)) = match action {
            OperatorAction::Apply { planned, fresh } => {
                let installed = self.install(planned, context).await;
                (fresh, installed.map_err(StepError::after_writes)?)
            }
            OperatorAction::Wait => {
                let api = self.wait_at_gate(context).await;
                let api = api.map_err(StepError::before_writes)?;
                (false, (("found".into(), None, String::new()), api))
            }
        };
        Ok(StepOutcome {
            output: OperatorFacts {
                api,
                revision,
                notes,
                fresh,
            },
            did,
            proof: Proof::effect(ADMITTED),
        })
    }
}

fn speaks(served: &[String]) -> bool {
    [StoreApi::V1, StoreApi::V1Beta1]
        .iter()
        .any(|api| served.iter().any(|version| version == api.api_version()))
}

#[cfg(test)]
#[path = "operator/tests.rs"]
mod tests;
