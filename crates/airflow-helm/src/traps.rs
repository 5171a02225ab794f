//! [`deviations`]: where we do not do what the guide says to the letter, each with the trap it
//! avoids. It owns the list; the settings decide which entries apply.

use serde::Serialize;

use crate::Pair;
use crate::settings::{AirflowSettings, Database};

/// One deviation from the literal guide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deviation {
    /// The trap's id.
    pub id: &'static str,
    /// The setting or chart value it is about.
    pub path: &'static str,
    /// What the guide says.
    pub guide: &'static str,
    /// What we do.
    pub ours: String,
    /// Why.
    pub reason: &'static str,
}

/// The deviations of a deployment, in a fixed order.
pub fn deviations(settings: &AirflowSettings, pair: &Pair) -> Vec<Deviation> {
    let embedded = matches!(settings.database, Database::Embedded(_));
    let mut found = vec![
        Deviation {
            id: "G12",
            path: "chartVersion, airflowVersion",
            guide: "no chart version; the image's tag alone",
            ours: format!("chart {} with airflowVersion {}", pair.chart, pair.airflow),
            reason: "templates follow airflowVersion, so the newest chart with an older image starts commands the image does not have",
        },
        Deviation {
            id: "S3",
            path: "fernetKeySecretName and the other `*SecretName` values",
            guide: "keys drawn by the chart's hooks and renders",
            ours: format!("one immutable Secret, {}-keys", settings.release),
            reason: "a reinstall draws a new fernet key and every stored connection becomes unreadable; each render draws new session keys",
        },
        Deviation {
            id: "D1",
            path: "the release's schedule",
            guide: "hooks after everything is applied",
            ours: "migrations and first user run before the pods that wait for them".into(),
            reason: "waiting for readiness would dead-lock, and without waiting pods restart for minutes",
        },
    ];
    if settings.user.enabled {
        found.push(Deviation {
            id: "S1",
            path: "createUserJob.args",
            guide: "user admin with password admin",
            ours: format!(
                "a generated password, key admin-password of Secret {}-keys",
                settings.release
            ),
            reason: "anyone who reaches the port would be administrator",
        });
    }
    if embedded {
        found.push(Deviation {
            id: "S2",
            path: "postgresql.auth",
            guide: "user postgres with password postgres",
            ours: format!("a generated password in Secret {}-keys", settings.release),
            reason: "a well-known password for the database that holds every connection",
        });
        if pair.chart.minor < 19 {
            found.push(Deviation {
                id: "G11",
                path: "postgresql.image",
                guide: "the subchart's docker.io/bitnami/postgresql",
                ours: settings
                    .images
                    .resolve(pair.generation, pair.airflow)
                    .postgresql
                    .reference(),
                reason: "that image was removed from its registry: the database would never start",
            });
        }
    }
    if settings.dags.git_sync.is_some() {
        found.push(Deviation {
            id: "G39",
            path: "dags.gitSync.{branch,rev,ref}",
            guide: "branch main, rev HEAD",
            ours: "branch and rev empty, ref the pin".into(),
            reason: "git-sync v4 lets branch and rev override ref, so a pin to a tag or commit would be ignored",
        });
    }
    if settings.web.basic_auth && !pair.airflow.is_three() {
        found.push(Deviation {
            id: "V1",
            path: "config.api.auth_backends",
            guide: "sessions of the browser only",
            ours: "sessions, and user and password".into(),
            reason: "without it nothing but a browser can ask Airflow whether it works",
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(settings: &AirflowSettings) -> Vec<&'static str> {
        let pair = settings.validate().unwrap();
        deviations(settings, &pair)
            .iter()
            .map(|deviation| deviation.id)
            .collect()
    }

    #[test]
    fn each_generation_lists_what_applies_to_it() {
        let guide = AirflowSettings::default();
        assert_eq!(
            ids(&guide),
            ["G12", "S3", "D1", "S1", "S2", "G11", "G39", "V1"]
        );
        let current = AirflowSettings {
            chart_version: "1.22.0".into(),
            airflow_version: "3.2.2".into(),
            ..AirflowSettings::default()
        };
        assert_eq!(ids(&current), ["G12", "S3", "D1", "S1", "S2", "G39"]);
    }
}
