//! What must hold among settings before a chart sees them. This file owns the cross-field rules,
//! each with the path of the setting it is about; it refuses to stop at the first.

use std::fmt;

use super::{AirflowSettings, Database};
use crate::{Pair, PairError};

/// One thing that is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsProblem {
    /// The setting: `dags.gitSync.repo`.
    pub path: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: &'static str,
}

impl fmt::Display for SettingsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Settings that cannot work.
#[derive(Debug, Clone, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum SettingsError {
    /// Chart and Airflow do not go together.
    #[error("these versions cannot be deployed together")]
    #[diagnostic(code(aka::airflow::versions))]
    Pair(
        #[source]
        #[diagnostic_source]
        PairError,
    ),

    /// Settings that contradict each other or the versions.
    #[error("{}", join(.0))]
    #[diagnostic(code(aka::airflow::settings), help("{}", helps(.0)))]
    Problems(Vec<SettingsProblem>),
}

fn join(problems: &[SettingsProblem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

fn helps(problems: &[SettingsProblem]) -> String {
    let lines: Vec<&str> = problems.iter().map(|problem| problem.help).collect();
    lines.join("; ")
}

impl AirflowSettings {
    /// Checks versions and every rule among settings.
    ///
    /// # Errors
    /// A pair that cannot work, or all problems at once.
    pub fn validate(&self) -> Result<Pair, SettingsError> {
        let pair =
            Pair::check(&self.chart_version, &self.airflow_version).map_err(SettingsError::Pair)?;
        let problems = self.problems(&pair);
        if problems.is_empty() {
            Ok(pair)
        } else {
            Err(SettingsError::Problems(problems))
        }
    }

    fn problems(&self, pair: &Pair) -> Vec<SettingsProblem> {
        let mut found = Vec::new();
        let mut check = |wrong: bool, path, message: &str, help| {
            if wrong {
                found.push(SettingsProblem {
                    path,
                    message: message.to_owned(),
                    help,
                });
            }
        };
        let three = pair.airflow.is_three();
        let executors = &self.executor.0;

        check(
            helm_release::ReleaseName::parse(self.release.clone()).is_err(),
            "airflow.release",
            "not a name Helm accepts",
            "use lower-case letters, digits and hyphens",
        );
        check(
            three && executors.iter().any(|executor| executor.is_hybrid()),
            "airflow.executor",
            "the two-in-one executors are gone in Airflow 3, though the chart renders them",
            "write `CeleryExecutor,KubernetesExecutor`",
        );
        check(
            executors.len() > 1
                && (pair.airflow < crate::AirflowVersion::new(2, 10, 0) || pair.chart.minor < 16),
            "airflow.executor",
            "several executors need Airflow 2.10 and chart 1.16; before, the chart renders no workers at all",
            "choose one executor",
        );
        check(
            executors.is_empty(),
            "airflow.executor",
            "no executor",
            "write `KubernetesExecutor`",
        );
        for (replicas, budget, path) in [
            (
                self.scheduler.replicas,
                self.scheduler.disruption_budget,
                "airflow.scheduler.disruptionBudget",
            ),
            (
                self.web.replicas,
                self.web.disruption_budget,
                "airflow.web.disruptionBudget",
            ),
        ] {
            check(
                budget && replicas < 2,
                path,
                "with one replica a disruption budget keeps nodes from being drained",
                "set `replicas` to 2 or more",
            );
        }
        check(
            self.network_policies.enabled && three && self.network_policies.web_from.is_empty(),
            "airflow.networkPolicies.webFrom",
            "without peers the policy cuts the API server off from Airflow's own pods",
            "allow at least the pods with label `tier: airflow`",
        );
        check(
            self.ingress.enabled && self.ingress.hosts.is_empty(),
            "airflow.ingress.hosts",
            "an ingress without a host answers to every name",
            "name at least one host",
        );
        check(
            self.workers.keda && !self.executor.is_celery(),
            "airflow.workers.keda",
            "KEDA scales Celery workers, and there are none",
            "use `CeleryExecutor`, or switch KEDA off",
        );
        check(
            self.housekeeping.database && pair.chart.minor < 19,
            "airflow.housekeeping.database",
            "the chart has no database cleanup before 1.19",
            "use chart 1.19 or later, or switch it off",
        );
        check(
            pair.airflow.is_three() && self.dag_processor.enabled == Some(false),
            "airflow.dagProcessor.enabled",
            "Airflow 3 parses no DAG without its DAG processor",
            "leave it out",
        );
        let tagged = self.images.airflow.tag.as_deref().is_some_and(|tag| {
            let version = tag.split(['-', '@']).next().unwrap_or_default();
            crate::AirflowVersion::parse(version).is_ok_and(|found| found != pair.airflow)
        });
        check(
            tagged,
            "airflow.images.airflow.tag",
            "the image's version is not `airflowVersion`, which decides what the chart starts",
            "set both to the same version",
        );
        if let Database::ExistingSecret(existing) = &self.database {
            check(
                self.pgbouncer.enabled
                    && (existing.pgbouncer_config_secret.is_none()
                        || existing.pgbouncer_stats_secret.is_none()),
                "airflow.database.existingSecret",
                "the pool's configuration cannot be made without the password",
                "name `pgbouncerConfigSecret` and `pgbouncerStatsSecret`, or switch the pool off",
            );
        }
        let templated = [
            &self.user.username,
            &self.user.role,
            &self.user.email,
            &self.user.first_name,
            &self.user.last_name,
        ];
        check(
            templated.iter().any(|text| text.contains("{{")),
            "airflow.user",
            "`{{` would be read as a template",
            "use plain text",
        );
        if let Some(git) = &self.dags.git_sync {
            for problem in git.problems() {
                found.push(problem);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Executor, Executors};

    fn with(change: impl FnOnce(&mut AirflowSettings)) -> Vec<&'static str> {
        let mut settings = AirflowSettings::default();
        change(&mut settings);
        match settings.validate() {
            Ok(_) => Vec::new(),
            Err(SettingsError::Problems(problems)) => problems.iter().map(|p| p.path).collect(),
            Err(SettingsError::Pair(error)) => panic!("{error}"),
        }
    }

    fn three(settings: &mut AirflowSettings) {
        settings.chart_version = "1.22.0".into();
        settings.airflow_version = "3.2.2".into();
    }

    #[test]
    fn the_guide_is_valid_in_both_generations() {
        assert_eq!(with(|_| {}), Vec::<&str>::new());
        assert_eq!(with(three), Vec::<&str>::new());
    }

    #[test]
    fn every_rule_names_its_setting() {
        type Case = (fn(&mut AirflowSettings), &'static str);
        let cases: [Case; 9] = [
            (
                |s| {
                    three(s);
                    s.executor = Executors(vec![Executor::CeleryKubernetes]);
                },
                "airflow.executor",
            ),
            (
                |s| s.executor = Executors(vec![Executor::Celery, Executor::Kubernetes]),
                "airflow.executor",
            ),
            (
                |s| s.web.disruption_budget = true,
                "airflow.web.disruptionBudget",
            ),
            (
                |s| {
                    three(s);
                    s.network_policies.enabled = true;
                },
                "airflow.networkPolicies.webFrom",
            ),
            (|s| s.ingress.enabled = true, "airflow.ingress.hosts"),
            (|s| s.workers.keda = true, "airflow.workers.keda"),
            (
                |s| s.housekeeping.database = true,
                "airflow.housekeeping.database",
            ),
            (
                |s| s.images.airflow.tag = Some("3.0.2-python3.12".into()),
                "airflow.images.airflow.tag",
            ),
            (|s| s.release = "Air_flow".into(), "airflow.release"),
        ];
        for (change, path) in cases {
            assert_eq!(with(change), [path]);
        }
    }

    #[test]
    fn a_suffixed_tag_of_the_same_version_is_fine() {
        assert_eq!(
            with(|s| s.images.airflow.tag = Some("2.9.3-python3.12".into())),
            Vec::<&str>::new()
        );
    }
}
