//! [`Status`]: how a deployment is, and why. It owns one look at everything: drift, releases,
//! unhealthy objects, Airflow's own claims; it writes nothing and waits for nothing.

use std::sync::Arc;

use airflow_helm::{Finding, KeyMaterial, KeyNames, KeysReady, Pair, SettingsError, VerifyAirflow};
use converge::{Change, ChangeKind, Observer, Readiness, StepContext, Verification};
use helm_release::{ReleaseError, ReleaseId, ReleaseName};
use kube_cluster::{
    Cluster, ClusterError, Kind, LogQuery, Object, ObjectRef, Query, explain, last_lines,
    mask_secrets, readiness,
};
use serde::Serialize;

use crate::charts::Charts;
use crate::deploy::PlanError;
use crate::document::Deployment;
use crate::graph::Fate;
use crate::policy::Policy;
use crate::proof::api;
use crate::run::causes;
use crate::wiring::wire;
use crate::world::World;

/// How a deployment is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The format's version: 1.
    pub format: u32,
    /// The deployment's name.
    pub deployment: String,
    /// Every step: as declared, different, or impossible.
    pub steps: Vec<StepStatus>,
    /// The releases.
    pub releases: Vec<ReleaseLine>,
    /// Objects of the namespace that are not current, each with the sentence a person needs.
    pub unhealthy: Vec<Unhealthy>,
    /// Airflow's own claims.
    pub airflow: Vec<Finding>,
}

/// One step against the world.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepStatus {
    /// The step's name.
    pub step: String,
    /// How it stands.
    pub state: StepState,
}

/// How a step stands.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum StepState {
    /// The world is as declared.
    AsDeclared,
    /// It differs.
    Differs {
        /// The rows a run would carry out.
        changes: Vec<Change>,
    },
    /// It cannot be brought about, or not be looked at.
    Failed {
        /// The error and its causes.
        causes: Vec<String>,
        /// How to mend it.
        help: Option<String>,
    },
    /// It was not looked at because of others.
    KeptBack,
}

/// A release in a line.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseLine {
    /// Its name.
    pub name: String,
    /// What is known of it: `deployed, revision 1, airflow 1.15.0`, or why nothing is.
    pub summary: String,
    /// Why the newest revision failed, as its record says; `None` unless it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// An object that is not current.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unhealthy {
    /// Which object.
    pub object: String,
    /// How it is, with the reason.
    pub readiness: Readiness,
}

impl Status {
    /// Why things are as they are, one sentence each: objects that are not current, releases that
    /// failed, steps that cannot be brought about, and what a run would wait for.
    pub fn causes(&self) -> Vec<String> {
        let objects = self
            .unhealthy
            .iter()
            .map(|line| format!("{}: {}", line.object, line.readiness.reason()));
        let releases = self
            .releases
            .iter()
            .filter_map(|line| Some(format!("{}: {}", line.name, line.failure.as_ref()?)));
        let steps = self.steps.iter().flat_map(|line| match &line.state {
            StepState::Failed { causes, .. } => {
                vec![format!("{}: {}", line.step, causes.join(": "))]
            }
            StepState::Differs { changes } => changes
                .iter()
                .filter(|change| change.kind == ChangeKind::Run)
                .filter(|change| change.verification == Verification::Verified)
                .filter_map(|change| Some(format!("{}: {}", line.step, change.note.as_ref()?)))
                .collect(),
            StepState::AsDeclared | StepState::KeptBack => Vec::new(),
        });
        objects.chain(releases).chain(steps).collect()
    }

    /// Whether the world is as declared and Airflow's essential claims hold.
    pub fn is_healthy(&self) -> bool {
        self.steps
            .iter()
            .all(|step| matches!(step.state, StepState::AsDeclared))
            && self.unhealthy.is_empty()
            && self
                .airflow
                .iter()
                .all(|finding| !finding.essential || finding.readiness.is_current())
    }
}

/// The checks of Airflow that cannot even begin.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum LookError {
    /// The settings cannot work.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Settings(SettingsError),
    /// The cluster cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cluster(ClusterError),
    /// The plan cannot be made at all.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plan(PlanError),
}

impl Deployment {
    /// Looks at everything once.
    ///
    /// # Errors
    /// When the cluster cannot be read or the charts cannot be had. Nothing was written.
    pub async fn status(&self, world: &World) -> Result<Status, LookError> {
        let steps = self.steps_against(world).await?;
        let (releases, unhealthy, airflow) = futures::future::join3(
            self.release_lines(world),
            self.unhealthy(world),
            self.verify(world),
        )
        .await;
        Ok(Status {
            format: 1,
            deployment: self.name.clone(),
            steps,
            releases,
            unhealthy: unhealthy.map_err(LookError::Cluster)?,
            airflow: airflow?,
        })
    }

    /// Airflow's claims, looked at once; heartbeats are only observed. Before Airflow is installed
    /// the claims say what is missing.
    ///
    /// # Errors
    /// Settings that cannot work, or a cluster that cannot be read. Nothing was written.
    pub async fn verify(&self, world: &World) -> Result<Vec<Finding>, LookError> {
        Ok(self.checks(world).await?.look().await)
    }

    /// Airflow's claims, waited for until they hold and heartbeats have advanced, within five
    /// minutes.
    ///
    /// # Errors
    /// Settings that cannot work, or a cluster that cannot be read. Nothing was written. What does
    /// not hold is in the findings.
    pub async fn verify_by_effect(
        &self,
        world: &World,
        observer: &Observer,
    ) -> Result<Vec<Finding>, LookError> {
        let checks = self.checks(world).await?;
        Ok(checks
            .wait(observer)
            .await
            .unwrap_or_else(|error| error.findings))
    }

    /// The settings and their pair, and the keys if they are there.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn keys(&self, world: &World) -> Result<(Pair, Option<KeysReady>), LookError> {
        let settings = self.airflow_settings();
        let pair = settings.validate().map_err(LookError::Settings)?;
        let names = KeyNames::of(&settings);
        let secret =
            ObjectRef::namespaced("v1", "Secret", self.namespace.clone(), names.keys.clone());
        let secret = world
            .cluster
            .get(secret)
            .await
            .map_err(LookError::Cluster)?;
        let material = secret.and_then(|secret| KeyMaterial::read(&secret).ok());
        Ok((pair, material.map(|material| KeysReady { names, material })))
    }

    async fn checks(&self, world: &World) -> Result<VerifyAirflow, LookError> {
        let settings = self.airflow_settings();
        let (pair, keys) = self.keys(world).await?;
        Ok(VerifyAirflow {
            cluster: Arc::clone(&world.cluster),
            view: world.view.clone(),
            logs: Some(Arc::clone(&world.logs)),
            api: api(
                &world.cluster,
                &world.forward,
                &settings,
                &pair,
                keys.as_ref(),
            ),
            settings,
            pair,
            limit: std::time::Duration::from_secs(300),
        })
    }

    async fn steps_against(&self, world: &World) -> Result<Vec<StepStatus>, LookError> {
        let charts = Charts::load(self, world.charts.as_ref())
            .await
            .map_err(|error| LookError::Plan(PlanError::Chart(error)))?;
        let graph = wire(self, world, &charts, &Policy::default())
            .map_err(|error| LookError::Plan(PlanError::Wiring(error)))?;
        let fates = graph
            .drive_looking_ahead(
                |node| {
                    let step = Arc::clone(&node.step);
                    async move { step.look(&StepContext::default()).await }
                },
                |node| {
                    let step = Arc::clone(&node.step);
                    async move { step.plan(&StepContext::default()).await }
                },
            )
            .await;
        let states = fates.into_iter().map(|(step, fate)| StepStatus {
            step: step.to_owned(),
            state: match fate {
                Fate::Done(changes) if changes.iter().any(Change::writes) => {
                    StepState::Differs { changes }
                }
                Fate::Done(_) => StepState::AsDeclared,
                Fate::Failed(error) => StepState::Failed {
                    causes: causes(&error),
                    help: crate::run::help(error.source.as_ref()),
                },
                Fate::Skipped(_) => StepState::KeptBack,
            },
        });
        Ok(states.collect())
    }

    async fn release_lines(&self, world: &World) -> Vec<ReleaseLine> {
        let mut lines = Vec::new();
        for name in [&self.external_secrets.release, &self.airflow.release] {
            let (summary, failure) = match ReleaseName::parse(name.clone()) {
                Ok(parsed) => {
                    let release = ReleaseId::new(parsed, self.namespace.clone());
                    release_summary(world.releases.status(release).await)
                }
                Err(error) => (error.to_string(), None),
            };
            lines.push(ReleaseLine {
                name: name.clone(),
                summary,
                failure,
            });
        }
        lines
    }

    /// Objects of the namespace that are not current.
    async fn unhealthy(&self, world: &World) -> Result<Vec<Unhealthy>, ClusterError> {
        const KINDS: [(&str, &str); 8] = [
            ("apps/v1", "Deployment"),
            ("apps/v1", "StatefulSet"),
            ("apps/v1", "DaemonSet"),
            ("batch/v1", "Job"),
            ("v1", "PersistentVolumeClaim"),
            ("external-secrets.io/v1", "SecretStore"),
            ("external-secrets.io/v1", "ExternalSecret"),
            ("external-secrets.io/v1beta1", "ExternalSecret"),
        ];
        let mut found: Vec<Unhealthy> = Vec::new();
        for (version, kind) in KINDS {
            let query = Query::all(Kind::new(version, kind), Some(self.namespace.clone()));
            let objects = match world.cluster.list(query).await {
                Ok(list) => list.items,
                Err(error) if error.is_unknown_kind() || error.is_denied() => continue,
                Err(error) => return Err(error),
            };
            for object in objects {
                let mut readiness = explained(world.cluster.as_ref(), &object).await?;
                if let (Readiness::Failed(reason) | Readiness::InProgress(reason), "Job") =
                    (&mut readiness, kind)
                    && let Some(last) = last_words(world, &object).await
                {
                    reason.push_str(&format!("; its log ends: {last}"));
                }
                let line = Unhealthy {
                    object: object.reference().to_string(),
                    readiness,
                };
                if !line.readiness.is_current()
                    && found.iter().all(|known| known.object != line.object)
                {
                    found.push(line);
                }
            }
        }
        Ok(found)
    }
}

async fn explained(cluster: &dyn Cluster, object: &Object) -> Result<Readiness, ClusterError> {
    let state = readiness(object);
    if state.is_current() {
        return Ok(state);
    }
    // The operator's own words are its libraries', JSON and all.
    if object.kind().group() == "external-secrets.io"
        && let Some(why) = ext_secrets::why_not_ready(cluster, object).await
    {
        return Ok(Readiness::InProgress(why));
    }
    explain(cluster, object).await
}

/// The last lines of a Job's youngest pod, where they can be read.
async fn last_words(world: &World, job: &Object) -> Option<String> {
    const LINES: u32 = 3;
    let namespace = job.namespace()?.to_owned();
    let query = Query::all(Kind::new("v1", "Pod"), Some(namespace.clone()))
        .with_labels(format!("job-name={}", job.name()));
    let pods = world.cluster.list(query).await.ok()?.items;
    let created = |pod: &&Object| pod.text("/metadata/creationTimestamp").map(str::to_owned);
    let pod = pods.iter().max_by_key(created)?;
    let container = pod.text("/spec/containers/0/name")?;
    let query = LogQuery::of(namespace, pod.name()).container(container);
    let lines = last_lines(world.logs.as_ref(), query, LINES).await.ok()?;
    (!lines.is_empty()).then(|| mask_secrets(&lines.join(" / ")))
}

/// What is known of a release, and why its newest revision failed.
fn release_summary(
    status: Result<Option<helm_release::ReleaseStatus>, ReleaseError>,
) -> (String, Option<String>) {
    match status {
        Ok(Some(status)) => {
            let newest = status.summary;
            let summary = format!(
                "{}, revision {}, {} {}",
                newest.status, newest.revision, newest.chart, newest.chart_version
            );
            let failed = newest.status == helm_release::Status::Failed;
            (summary, failed.then_some(newest.description))
        }
        Ok(None) => ("not installed".into(), None),
        Err(error) => (error.to_string(), None),
    }
}
