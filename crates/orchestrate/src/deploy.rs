//! The way a deployment takes: document → plan → run. It owns these two verbs and what can stop
//! them; it refuses to print.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use converge::{ChangeKind, Observer, RequestCount, StepContext, StepError};
use futures::future::{Either, FusedFuture, FutureExt as _, join, select};
use helm_release::objects_of;
use kube_cluster::{Cluster, Kind, RunView};
use miette::Diagnostic;
use tokio::time::Instant;

use crate::adoption;
use crate::charts::{ChartError, Charts};
use crate::document::{Deployment, Operator};
use crate::graph::{Fate, Graph, Node};
use crate::plan::{Deviation, PLAN_FORMAT, Plan, StepPlan};
use crate::policy::Policy;
use crate::run::Run;
use crate::wiring::{WiringError, wire};
use crate::world::World;

/// A plan that cannot be made. Nothing was written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum PlanError {
    /// A chart cannot be had.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Chart(ChartError),
    /// The document cannot be wired.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Wiring(WiringError),
    /// Steps could not look at the world, or cannot work in it.
    #[error("{}", sentence(.0))]
    #[diagnostic(code(aka::plan::steps))]
    Steps(#[related] Vec<StepFailure>),
    /// Two steps would make one object.
    #[error("{target} would be made twice: by {one} and by {other}")]
    #[diagnostic(
        code(aka::plan::twice),
        help("give one of them another name in the document or in the chart's values")
    )]
    Twice {
        /// Which object.
        target: String,
        /// The step that comes first.
        one: String,
        /// The other step.
        other: String,
    },
}

fn sentence(failures: &[StepFailure]) -> String {
    match failures {
        [one] => one.to_string(),
        many => format!("{} steps cannot be planned", many.len()),
    }
}

/// One step that could not be planned.
#[derive(Debug)]
pub struct StepFailure {
    /// Which step.
    pub step: &'static str,
    /// Why.
    pub error: StepError,
}

impl fmt::Display for StepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.error)
    }
}

impl std::error::Error for StepFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source.source()
    }
}

impl Diagnostic for StepFailure {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error.source.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error.source.help()
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        self.error.source.diagnostic_source()
    }
}

/// A plan that is not carried out. Nothing was written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum ApplyError {
    /// Other managers changed declared fields.
    #[error("{} declared fields were changed by others: {}", .0.len(), .0.join("; "))]
    #[diagnostic(
        code(aka::apply::conflict),
        help("give the fields up in the document, or take them back: `--take FIELD`")
    )]
    Conflicts(Vec<String>),
    /// The document cannot be wired.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Wiring(WiringError),
    /// The plan was read from a file and belongs to no document yet.
    #[error("a saved plan is carried out through the document it was made from")]
    #[diagnostic(
        code(aka::apply::unprepared),
        help("plan again and compare: `Plan::digest`")
    )]
    Unprepared,
}

/// What a plan keeps to be carried out.
#[derive(Debug)]
pub(crate) struct Prepared {
    deployment: Deployment,
    charts: Charts,
    /// The graph that was planned, until it is carried out.
    planned: Mutex<Option<Planned>>,
}

/// A graph whose steps have looked.
#[derive(Debug)]
struct Planned {
    graph: Graph,
    view: Arc<RunView>,
    cluster: Arc<dyn Cluster>,
    policy: Policy,
    at: Instant,
    /// What was counted before.
    requests: RequestCount,
}

/// How long after a plan its steps need not look again.
const FRESH: Duration = Duration::from_secs(60);

impl Planned {
    fn holds(&self, world: &World, policy: &Policy) -> bool {
        self.at.elapsed() < FRESH
            && self.policy == *policy
            && Arc::ptr_eq(&self.cluster, &world.cluster)
    }
}

impl Deployment {
    /// What a run would do. Reads and probes only.
    ///
    /// # Errors
    /// What makes a run impossible, all steps' reasons at once. Nothing was written.
    pub async fn plan(&self, world: &World) -> Result<Plan, PlanError> {
        self.plan_with(world, &Policy::default(), &Observer::default())
            .await
    }

    /// What a run under this policy would do, telling an observer on the way.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub async fn plan_with(
        &self,
        world: &World,
        policy: &Policy,
        observer: &Observer,
    ) -> Result<Plan, PlanError> {
        let requests = world.requests.count();
        let (seen, view) = world.viewed();
        gather(&view, self);
        let at = Instant::now();
        // The way to the server is opened, and what it serves and holds is asked for, while the charts
        // are had and the first steps look; who needs it waits for it, or learns why it cannot be had.
        let ahead = join(seen.cluster.discover(), view.look_ahead());
        let mut ahead = Box::pin(ahead).fuse();
        let charts = Charts::load(self, world.charts.as_ref());
        let charts = beside(charts, &mut ahead).await;
        let charts = charts.map_err(PlanError::Chart)?;
        let graph = wire(self, &seen, &charts, policy).map_err(PlanError::Wiring)?;
        let steps = beside(plan_steps(&graph, observer), &mut ahead).await;
        let steps = steps?;
        made_once(&steps)?;
        let traps = beside(adoption::find(self, &seen, &steps), &mut ahead)
            .await
            .map_err(|failure| PlanError::Steps(vec![failure]))?;
        drop(ahead);
        let planned = Planned {
            graph,
            view,
            cluster: Arc::clone(&world.cluster),
            policy: policy.clone(),
            at,
            requests,
        };
        Ok(Plan {
            format: PLAN_FORMAT,
            deployment: self.name.clone(),
            document_digest: self.digest(),
            steps,
            deviations: deviations(self),
            traps,
            prepared: Some(Arc::new(Prepared {
                deployment: self.clone(),
                charts,
                planned: Mutex::new(Some(planned)),
            })),
        })
    }
}

/// Waits for a future and moves another one on meanwhile.
async fn beside<T>(wanted: impl Future<Output = T>, other: &mut (impl FusedFuture + Unpin)) -> T {
    match select(pin!(wanted), other).await {
        Either::Left((wanted, _)) => wanted,
        Either::Right((_, wanted)) => wanted.await,
    }
}

/// The kinds of which both releases and our own steps have objects: a list of each is enough for all
/// of them; and the records of both releases.
fn gather(view: &RunView, deployment: &Deployment) {
    let namespace = deployment.namespace.as_str();
    let releases = [
        &deployment.external_secrets.release,
        &deployment.airflow.release,
    ];
    view.gather_by_label(
        &Kind::new("v1", "Secret"),
        Some(namespace),
        "owner=helm",
        "name",
        &releases.map(Clone::clone),
    );
    let kinds = [
        ("v1", "ServiceAccount"),
        ("v1", "Secret"),
        ("v1", "ConfigMap"),
        ("v1", "Service"),
        ("v1", "PersistentVolumeClaim"),
        ("rbac.authorization.k8s.io/v1", "Role"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
    ];
    for (api_version, kind) in kinds {
        let kind = Kind::new(api_version, kind);
        view.gather(objects_of(kind, Some(namespace.to_owned())));
    }
    let mut cluster_wide = vec![("v1", "PersistentVolume")];
    if deployment.external_secrets.operator == Operator::Install {
        cluster_wide.extend([
            ("rbac.authorization.k8s.io/v1", "ClusterRole"),
            ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            (
                "admissionregistration.k8s.io/v1",
                "ValidatingWebhookConfiguration",
            ),
        ]);
    }
    for (api_version, kind) in cluster_wide {
        view.gather(objects_of(Kind::new(api_version, kind), None));
    }
}

async fn plan_steps(graph: &Graph, observer: &Observer) -> Result<Vec<StepPlan>, PlanError> {
    let of = |node: &Node| {
        let step = Arc::clone(&node.step);
        let context = StepContext {
            observer: observer.named(step.name()),
            ..StepContext::default()
        };
        (step, context)
    };
    let failed = |step| move |error| StepFailure { step, error };
    let fates = graph
        .drive_looking_ahead(
            |node| {
                let (step, context) = of(node);
                async move { step.look(&context).await.map_err(failed(step.name())) }
            },
            |node| {
                let (step, context) = of(node);
                async move { step.plan(&context).await.map_err(failed(step.name())) }
            },
        )
        .await;
    let mut plans = Vec::new();
    let mut failures = Vec::new();
    for (step, fate) in fates {
        match fate {
            Fate::Done(changes) => plans.push(StepPlan {
                step: step.to_owned(),
                changes,
            }),
            Fate::Failed(failure) => failures.push(failure),
            Fate::Skipped(_) => {}
        }
    }
    if failures.is_empty() {
        Ok(plans)
    } else {
        Err(PlanError::Steps(failures))
    }
}

/// No object is made by two steps: neither look would find the other's, and the second would take
/// it from the first.
fn made_once(steps: &[StepPlan]) -> Result<(), PlanError> {
    let mut made: std::collections::BTreeMap<&str, &str> = std::collections::BTreeMap::new();
    for step in steps {
        for change in &step.changes {
            // A release that finds no namespace lists the one that the namespace's own step makes.
            if change.kind != ChangeKind::Create || change.target.starts_with("Namespace ") {
                continue;
            }
            if let Some(one) = made.insert(&change.target, &step.step)
                && one != step.step
            {
                return Err(PlanError::Twice {
                    target: change.target.clone(),
                    one: one.to_owned(),
                    other: step.step.clone(),
                });
            }
        }
    }
    Ok(())
}

impl Plan {
    /// Carries the plan out: every step decides and performs. Where the plan is at most a minute old
    /// and made under the same policy, a step looks again only at what earlier steps of this run
    /// could have changed, or what its write would not notice; otherwise every step looks again. The
    /// run moves while it is polled.
    ///
    /// # Errors
    /// Conflicts the policy does not allow to take. Nothing was written.
    pub fn apply(&self, world: &World, policy: &Policy) -> Result<Run, ApplyError> {
        let prepared = self.prepared.as_ref().ok_or(ApplyError::Unprepared)?;
        let conflicts: Vec<String> = self
            .conflicts()
            .map(|change| {
                let fields: Vec<_> = change
                    .fields
                    .iter()
                    .map(|field| match &field.manager {
                        Some(manager) => format!("{} (by {manager})", field.path),
                        None => field.path.clone(),
                    })
                    .collect();
                format!("{} {}", change.target, fields.join(", "))
            })
            .collect();
        if !conflicts.is_empty() {
            return Err(ApplyError::Conflicts(conflicts));
        }
        let planned = prepared
            .planned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .filter(|planned| planned.holds(world, policy));
        let before = planned.as_ref().map(|planned| planned.requests);
        let (graph, view) = if let Some(planned) = planned {
            (planned.graph, planned.view)
        } else {
            let (seen, view) = world.viewed();
            let graph = wire(&prepared.deployment, &seen, &prepared.charts, policy)
                .map_err(ApplyError::Wiring)?;
            (graph, view)
        };
        view.act();
        Ok(Run::start(
            self.deployment.clone(),
            graph,
            world.requests.clone(),
            before,
        ))
    }
}

/// Where a deployment deliberately leaves the guide's letter.
pub fn deviations(deployment: &Deployment) -> Vec<Deviation> {
    let ours = |trap: &str, guide: &str, ours: &str, reason: &str| Deviation {
        trap: trap.into(),
        guide: guide.into(),
        ours: ours.into(),
        reason: reason.into(),
    };
    let mut found = vec![
        ours(
            "G3",
            "SecretStore and ExternalSecret before the federated credential and the vault grant",
            "credential and grant first, then a token exchange and a vault read of our own prove them",
            "the operator backs off for minutes and Entra remembers refusals",
        ),
        ours(
            "G29",
            "volumeHandle `airflow-logs-1`",
            "a handle made of account, container, cluster and namespace",
            "two volumes with one handle mount each other's container",
        ),
        ours(
            "G27",
            "objects right after `helm install --wait`",
            "the webhook must admit a dry-run first",
            "its certificate arrives after its pods are ready",
        ),
    ];
    if deployment.logs.retention_days > 0 {
        found.push(ours(
            "O1",
            "a lifecycle policy is mentioned and never made",
            "a rule deletes logs after the retention",
            "logs would grow without bound",
        ));
    }
    let settings = deployment.airflow_settings();
    if let Ok(pair) = settings.validate() {
        found.extend(
            airflow_helm::deviations(&settings, &pair)
                .into_iter()
                .map(|one| Deviation {
                    trap: one.id.into(),
                    guide: one.guide.into(),
                    ours: format!("{} ({})", one.ours, one.path),
                    reason: one.reason.into(),
                }),
        );
    }
    found
}
