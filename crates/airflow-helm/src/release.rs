//! [`InstallAirflow`]: the step that brings the release about (S13 of the guide). It owns turning
//! settings into an intent; how a release is applied is `helm-release`'s.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use converge::{
    Change, ChangeKind, Decision, Prerequisites, Proof, Slot, Step, StepContext, StepError,
    StepOutcome, Verification,
};
use helm_release::{
    Gate, Planned, PlannedAction, Policy, ReleaseChart, ReleaseError, ReleaseId, ReleaseIntent,
    ReleaseName, ReleasePlan, Releases, Revision, Selector,
};
use serde_json::{Map, Value};

use crate::schedule::waits_for_migrations;
use crate::settings::{AirflowSettings, SettingsError};
use crate::{KeysReady, Pair, PairError, UnknownRoots, chart_values, check_roots, schedule};

/// Installs or upgrades Airflow, or finds that nothing is to be done.
#[derive(Debug, Clone)]
pub struct InstallAirflow {
    /// Helm releases in the cluster.
    pub releases: Arc<dyn Releases>,
    /// The chart; its version must be the settings'.
    pub chart: Arc<dyn ReleaseChart>,
    /// The chart's root keys, from [`roots_of`](crate::roots_of).
    pub roots: BTreeSet<String>,
    /// The settings.
    pub settings: AirflowSettings,
    /// Raw values, merged last.
    pub raw: Map<String, Value>,
    /// What may be done on the way.
    pub policy: Policy,
    /// Change a release that another client made although its pods restart; off means: keep it as
    /// it is and say so.
    pub restart: bool,
    /// The keys, from [`EnsureKeys`](crate::EnsureKeys): every pod reads some. Until they are there the
    /// release's pods are not begun; all else is.
    pub keys: Slot<KeysReady>,
    /// Filled once the claim for logs is bound and can be mounted, and DAG credentials are in place. Until
    /// then the pods that wait for migrations are not begun.
    pub storage: Slot<()>,
    /// API versions that other steps make the server serve; templates see them as served.
    pub api_versions: Slot<Vec<String>>,
}

/// A release that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AirflowRelease {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The deployed revision.
    pub revision: Option<Revision>,
    /// The chart's notes.
    pub notes: String,
    /// Chart and Airflow.
    pub pair: Pair,
}

/// Airflow cannot be installed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum InstallError {
    /// The settings cannot work.
    #[error("these settings cannot be installed")]
    #[diagnostic(code(aka::airflow::install_settings))]
    Settings(
        #[source]
        #[diagnostic_source]
        SettingsError,
    ),

    /// Raw values hold keys nobody reads.
    #[error("these values cannot be installed")]
    #[diagnostic(code(aka::airflow::install_values))]
    Roots(
        #[source]
        #[diagnostic_source]
        UnknownRoots,
    ),

    /// Another chart than the settings name was given.
    #[error("the chart is version {found}, the settings say {wanted}")]
    #[diagnostic(
        code(aka::airflow::chart_version),
        help("set `airflow.chartVersion` to the chart's version, or give the other chart")
    )]
    ChartVersion {
        /// The chart's.
        found: String,
        /// The settings'.
        wanted: String,
    },

    /// The name is none.
    #[error("the release cannot have this name")]
    #[diagnostic(code(aka::airflow::release_name))]
    Name(
        #[source]
        #[diagnostic_source]
        helm_release::InvalidReleaseName,
    ),

    /// The release failed.
    #[error("Airflow cannot be installed")]
    #[diagnostic(code(aka::airflow::install))]
    Release(
        #[source]
        #[diagnostic_source]
        ReleaseError,
    ),
}

impl InstallAirflow {
    /// The release as declared, and the pair it runs.
    ///
    /// # Errors
    /// What makes it impossible; nothing was read or written.
    pub fn intent(&self) -> Result<(ReleaseIntent, Pair), InstallError> {
        let pair = self.settings.validate().map_err(InstallError::Settings)?;
        self.check_chart(&pair)?;
        check_roots(&self.raw, &self.roots).map_err(InstallError::Roots)?;
        let name = ReleaseName::parse(self.settings.release.clone()).map_err(InstallError::Name)?;
        let mut intent = ReleaseIntent::new(
            name,
            self.settings.namespace.clone(),
            Arc::clone(&self.chart),
        );
        intent.values = chart_values(&self.settings, &pair, &self.raw);
        intent.schedule = schedule(&self.settings.release);
        intent.timeout = Duration::from_secs(self.settings.timeout_seconds);
        intent.extra_api_versions = self.api_versions.get().unwrap_or_default();
        Ok((intent, pair))
    }

    /// A stand-in (`1.15.0-sandbox`) passes for the version it stands in for.
    fn check_chart(&self, pair: &Pair) -> Result<(), InstallError> {
        let parsed = crate::ChartVersion::parse(self.chart.version())
            .map_err(|error: PairError| InstallError::Settings(SettingsError::Pair(error)))?;
        let same = (parsed.major, parsed.minor, parsed.patch)
            == (pair.chart.major, pair.chart.minor, pair.chart.patch);
        if same {
            Ok(())
        } else {
            Err(InstallError::ChartVersion {
                found: self.chart.version().to_owned(),
                wanted: pair.chart.to_string(),
            })
        }
    }

    /// What keeps pods back until what they mount is there, or is known not to come.
    fn gates(&self, prerequisites: &Prerequisites) -> Vec<Gate> {
        let (steps, keys) = (prerequisites.clone(), self.keys.clone());
        let keys = async move { steps.known(&keys).await.map(drop) };
        let (steps, storage) = (prerequisites.clone(), self.storage.clone());
        let storage = async move { steps.known(&storage).await };
        vec![
            Gate::new("the keys", Selector::pods(), keys),
            Gate::new("the claim for logs", waits_for_migrations(), storage),
        ]
    }

    fn output(&self, pair: Pair, revision: Option<Revision>, notes: String) -> AirflowRelease {
        AirflowRelease {
            name: self.settings.release.clone(),
            namespace: self.settings.namespace.clone(),
            revision,
            notes,
            pair,
        }
    }
}

/// What was seen.
#[derive(Debug)]
pub struct InstallObserved {
    pair: Pair,
    plan: ReleasePlan,
    revision: Option<Revision>,
}

#[async_trait]
impl Step for InstallAirflow {
    type Observed = InstallObserved;
    type Action = (Pair, Planned);
    type Output = AirflowRelease;

    fn name(&self) -> &'static str {
        "airflow"
    }

    async fn observe(&self, context: &StepContext) -> Result<Self::Observed, StepError> {
        let (intent, pair) = self.intent().map_err(StepError::before_writes)?;
        for warning in &pair.warnings {
            context.observer.warning(warning.clone());
        }
        let failed = |error| StepError::before_writes(InstallError::Release(error));
        let plan = self
            .releases
            .plan(intent, self.policy.clone())
            .await
            .map_err(failed)?;
        Ok(InstallObserved {
            pair,
            revision: plan.deployed,
            plan,
        })
    }

    /// Nothing before it makes an object of its names: of that a plan makes sure. A release that is
    /// there is looked at again.
    fn outlives(&self, observed: &Self::Observed) -> bool {
        matches!(observed.plan.action, PlannedAction::Install { .. })
    }

    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        let InstallObserved {
            pair,
            plan,
            revision,
        } = observed;
        if plan.action == PlannedAction::Nothing {
            let output = self.output(pair.clone(), *revision, plan.notes.clone());
            return Ok(Decision::Done {
                output,
                proof: Proof::observed("the deployed revision is as declared"),
            });
        }
        let kept = plan.kept(&ReleaseId::new(
            ReleaseName::parse(self.settings.release.clone())
                .map_err(|error| StepError::before_writes(InstallError::Name(error)))?,
            self.settings.namespace.clone(),
        ));
        if !self.restart && !kept.is_empty() {
            return Ok(Decision::Keep {
                output: self.output(pair.clone(), *revision, plan.notes.clone()),
                proof: Proof::observed("deployed by another client, kept as it is"),
                kept,
            });
        }
        let mut changes = plan.changes.clone();
        if self.keys.get().is_none() || self.storage.get().is_none() {
            for change in &mut changes {
                change.verification = Verification::Predicted;
            }
        }
        if changes.is_empty() {
            changes.push(
                Change::new(
                    ChangeKind::Run,
                    format!("release {}", self.settings.release),
                    Verification::Verified,
                )
                .with_note("a new revision without a change to its objects"),
            );
        }
        Ok(Decision::Act {
            action: (pair.clone(), plan.planned.clone()),
            changes,
        })
    }

    async fn perform(
        &self,
        (pair, planned): Self::Action,
        context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError> {
        let (mut intent, _) = self.intent().map_err(StepError::before_writes)?;
        intent.planned = planned;
        intent.gates = self.gates(&context.prerequisites);
        intent.ready = context.effect.clone();
        let outcome = self
            .releases
            .apply(intent, self.policy.clone(), context.observer.clone())
            .await
            .map_err(|error| StepError::after_writes(InstallError::Release(error)))?;
        for warning in &outcome.warnings {
            context.observer.warning(warning.clone());
        }
        Ok(StepOutcome {
            did: outcome.did.clone(),
            output: self.output(pair, Some(outcome.revision), outcome.notes),
            proof: Proof::observed(format!("{} objects current", outcome.objects.len())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use helm_release::{CrdFile, RenderFailure, RenderInput, Rendering};

    #[derive(Debug)]
    struct Named(&'static str);

    impl ReleaseChart for Named {
        fn name(&self) -> &'static str {
            "airflow"
        }
        fn version(&self) -> &str {
            self.0
        }
        fn digest(&self) -> String {
            String::new()
        }
        fn crds(&self, _: &Value, _: helm_release::Profile) -> Result<Vec<CrdFile>, RenderFailure> {
            Ok(Vec::new())
        }
        fn render(&self, _: &RenderInput) -> Result<Rendering, RenderFailure> {
            unreachable!("an intent renders nothing")
        }
    }

    fn step(chart: &'static str) -> InstallAirflow {
        InstallAirflow {
            releases: Arc::new(helm_release::MockReleases::new()),
            chart: Arc::new(Named(chart)),
            roots: BTreeSet::from(["scheduler".to_owned()]),
            settings: AirflowSettings::default(),
            raw: Map::new(),
            policy: Policy::default(),
            restart: false,
            keys: Slot::new(),
            storage: Slot::new(),
            api_versions: Slot::new(),
        }
    }

    #[test]
    fn the_intent_carries_values_schedule_and_name() {
        let (intent, pair) = step("1.15.0-sandbox").intent().unwrap();
        assert_eq!(pair.airflow.to_string(), "2.9.3");
        assert_eq!(intent.name.as_str(), "airflow");
        assert!(!intent.schedule.is_helm());
        assert_eq!(intent.values["executor"], "KubernetesExecutor");
    }

    #[test]
    fn another_chart_and_unknown_values_are_refused() {
        assert!(matches!(
            step("1.22.0").intent(),
            Err(InstallError::ChartVersion { .. })
        ));
        let mut step = step("1.15.0");
        step.raw.insert("schedular".into(), Value::Null);
        let error = step.intent().unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(why, "the chart does not know `schedular`");
    }

    /// A plan that changes a release another client made.
    fn foreign(path: &str) -> InstallObserved {
        let field = converge::FieldChange {
            path: path.into(),
            before: None,
            after: None,
            manager: None,
        };
        let row = Change::new(
            ChangeKind::Update,
            "Deployment airflow/airflow-scheduler",
            Verification::Verified,
        );
        InstallObserved {
            pair: AirflowSettings::default().validate().unwrap(),
            plan: ReleasePlan {
                action: PlannedAction::Upgrade {
                    from: Revision::FIRST,
                    to: Revision(2),
                },
                changes: vec![row.with_fields(vec![field])],
                notes: String::new(),
                digest: String::new(),
                random_sources: Vec::new(),
                warnings: Vec::new(),
                made_elsewhere: Some(helm_release::RevisionSummary {
                    revision: Revision::FIRST,
                    status: helm_release::Status::Deployed,
                    updated: None,
                    chart: "airflow".into(),
                    chart_version: "1.15.0".into(),
                    app_version: None,
                    description: String::new(),
                }),
                deployed: Some(Revision::FIRST),
                api_versions: Vec::new(),
                planned: Planned::default(),
            },
            revision: Some(Revision::FIRST),
        }
    }

    #[test]
    fn another_clients_release_is_kept_where_pods_would_restart_and_nobody_named_it() {
        let template = "spec.template.spec.containers[name=scheduler].image";
        let Decision::Keep { kept, output, .. } =
            step("1.15.0").decide(&foreign(template)).unwrap()
        else {
            panic!("its pods would restart");
        };
        assert_eq!(output.revision, Some(Revision::FIRST));
        assert!(kept.iter().all(|row| row.kind == ChangeKind::Keep));
        assert!(
            kept[0]
                .note
                .as_ref()
                .unwrap()
                .contains("`--restart airflow`")
        );
        assert_eq!(kept[1].fields[0].path, template);
        // A label rolls no pod, and a named restart is allowed.
        for (restart, path) in [(false, "metadata.labels.team"), (true, template)] {
            let step = InstallAirflow {
                restart,
                ..step("1.15.0")
            };
            let decision = step.decide(&foreign(path)).unwrap();
            assert!(matches!(decision, Decision::Act { .. }), "{decision:?}");
        }
    }

    #[tokio::test]
    async fn before_keys_and_storage_the_plan_is_predicted() {
        let mut releases = helm_release::MockReleases::new();
        releases.expect_plan().returning(|_, _| {
            Ok(ReleasePlan {
                action: PlannedAction::Install {
                    revision: Revision::FIRST,
                },
                changes: vec![Change::new(
                    ChangeKind::Create,
                    "Deployment airflow/x",
                    Verification::Verified,
                )],
                notes: String::new(),
                digest: String::new(),
                random_sources: Vec::new(),
                warnings: Vec::new(),
                made_elsewhere: None,
                deployed: None,
                api_versions: Vec::new(),
                planned: Planned::default(),
            })
        });
        let step = InstallAirflow {
            releases: Arc::new(releases),
            ..step("1.15.0")
        };
        let observed = step.observe(&StepContext::default()).await.unwrap();
        let Decision::Act { changes, .. } = step.decide(&observed).unwrap() else {
            panic!("it begins before keys are known");
        };
        assert_eq!(changes[0].verification, Verification::Predicted);
    }
}
