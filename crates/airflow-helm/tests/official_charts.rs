//! Our values through real Helm and the official charts: the schema accepts them, and the objects
//! hold the guide's intent. Needs a Helm binary (`AKS_AIRFLOW_HELM`) and the chart archives.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use airflow_helm::{AirflowSettings, GitPin, chart_values};

static RENDERS: AtomicU32 = AtomicU32::new(0);

/// Renders settings with real Helm; the manifest's text.
fn render(settings: &AirflowSettings) -> String {
    let helm = std::env::var_os("AKS_AIRFLOW_HELM").expect("AKS_AIRFLOW_HELM names a Helm binary");
    let shared = std::env::var_os("AKS_AIRFLOW_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let chart = shared.join(format!("charts/airflow-{}.tgz", settings.chart_version));
    let pair = settings.validate().expect("valid settings");
    let values = chart_values(settings, &pair, &serde_json::Map::new());
    // Tests of one process share it, so each render has a file of its own.
    let number = RENDERS.fetch_add(1, Ordering::Relaxed);
    let name = format!("airflow-values-{}-{number}.json", std::process::id());
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, values.to_string()).expect("a writable folder");
    let output = Command::new(helm)
        .args(["template", &settings.release])
        .arg(chart)
        .args(["--namespace", &settings.namespace, "--values"])
        .arg(&file)
        .output()
        .expect("Helm runs");
    let _ = std::fs::remove_file(&file);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

fn guide(chart: &str, airflow: &str) -> AirflowSettings {
    let mut settings = AirflowSettings {
        chart_version: chart.into(),
        airflow_version: airflow.into(),
        ..AirflowSettings::default()
    };
    settings.images.registry = Some("myacr.azurecr.io".into());
    settings
}

fn assert_holds(text: &str, wanted: &[&str], unwanted: &[&str]) {
    for part in wanted {
        assert!(text.contains(part), "lacks {part}");
    }
    for part in unwanted {
        assert!(!text.contains(part), "holds {part}");
    }
}

#[test]
#[ignore = "needs a Helm binary and the official chart archives"]
fn the_guides_generation_renders_its_intent() {
    let text = render(&guide("1.15.0", "2.9.3"));
    assert_holds(
        &text,
        &[
            "myacr.azurecr.io/airflow:2.9.3",
            "myacr.azurecr.io/statsd-exporter:v0.26.1",
            "myacr.azurecr.io/git-sync:v4.1.0",
            "myacr.azurecr.io/postgresql:16.1.0-debian-11-r15",
            "exec airflow webserver",
            "executor = KubernetesExecutor",
            "airflow.api.auth.backend.basic_auth",
            "--migration-wait-timeout=60",
            "America/New_York",
            "claimName: pvc-airflow-logs",
            "name: airflow-keys",
            "secretName: airflow-pgbouncer-files",
            "name: ADMIN_PASSWORD",
        ],
        &[
            // Nothing the chart would draw by itself, and no well-known password.
            "kind: Secret",
            "docker.io/bitnami",
            "postgres:postgres",
            "log-groomer",
        ],
    );
}

#[test]
#[ignore = "needs a Helm binary and the official chart archives"]
fn the_current_generation_renders_its_intent() {
    let text = render(&guide("1.22.0", "3.2.2"));
    assert_holds(
        &text,
        &[
            "myacr.azurecr.io/airflow:3.2.2",
            "myacr.azurecr.io/git-sync:v4.4.2",
            "exec airflow api-server",
            "exec airflow dag-processor",
            "name: airflow-keys",
            "key: jwt-secret",
            "key: api-secret-key",
        ],
        &["kind: Secret", "log-groomer", "postgres:postgres"],
    );
}

#[test]
#[ignore = "needs a Helm binary and the official chart archives"]
fn a_pinned_commit_reaches_git_sync_and_nothing_overrides_it() {
    let hash = "0123456789012345678901234567890123456789";
    for (chart, airflow) in [("1.15.0", "2.9.3"), ("1.22.0", "3.2.2")] {
        let mut settings = guide(chart, airflow);
        let git = settings
            .dags
            .git_sync
            .as_mut()
            .expect("the guide syncs from Git");
        git.pin = GitPin::Commit(hash.into());
        let text = render(&settings);
        let pairs: Vec<(&str, &str)> = text
            .lines()
            .zip(text.lines().skip(1))
            .filter_map(|(name, value)| {
                Some((
                    name.trim().strip_prefix("- name: ")?,
                    value.trim().strip_prefix("value: ")?,
                ))
            })
            .filter(|(name, _)| ["GIT_SYNC_BRANCH", "GIT_SYNC_REV", "GITSYNC_REF"].contains(name))
            .collect();
        assert!(pairs.len() >= 6, "{pairs:?}");
        for (name, value) in pairs {
            let expected = if name == "GITSYNC_REF" {
                format!("\"{hash}\"")
            } else {
                "\"\"".into()
            };
            assert_eq!(value, expected, "{chart} {name}");
        }
    }
}

#[test]
#[ignore = "needs a Helm binary and the official chart archives"]
fn every_setting_of_a_large_deployment_passes_the_schema() {
    for (chart, airflow) in [
        ("1.15.0", "2.9.3"),
        ("1.22.0", "3.2.2"),
        ("1.22.0", "2.11.2"),
    ] {
        let mut settings: AirflowSettings = serde_json::from_value(serde_json::json!({
            "executor": "CeleryExecutor",
            "chartVersion": chart,
            "airflowVersion": airflow,
            "database": {"external": {"host": "pg.example.com"}},
            "scheduler": {"replicas": 2, "disruptionBudget": true,
                "resources": {"requests": {"cpu": "1", "memory": "2Gi"}}},
            "web": {"replicas": 2, "disruptionBudget": true, "resources": {"limits": {"memory": "2Gi"}}},
            "workers": {"replicas": 3, "keda": true, "persistence": false, "logGroomer": {"enabled": true},
                "resources": {"requests": {"cpu": "1"}}},
            "triggerer": {"resources": {"requests": {"cpu": "1"}}},
            "statsd": {"resources": {"requests": {"cpu": "1"}}},
            "ingress": {"enabled": true, "class": "c", "hosts": [{"name": "a.example.com", "tlsSecret": "t"}]},
            "networkPolicies": {"enabled": true, "webFrom": [{"podSelector": {}}]},
            "workloadIdentity": {"clientId": "c", "tenantId": "t"},
            "housekeeping": {"pods": true},
            "labels": {"team": "data"}, "nodeSelector": {"pool": "x"},
            "tolerations": [{"key": "k", "operator": "Exists"}],
            "secretEnv": [{"envName": "A", "secretName": "s", "secretKey": "k"}],
            "config": {"core": {"parallelism": 64}},
            "dags": {"gitSync": {"repo": "git@github.com:a/b.git", "pin": {"tag": "v1"},
                "credentials": {"ssh": {"secret": "git", "knownHosts": "github.com ssh-ed25519 AAAA"}}}},
        }))
        .expect("settings");
        settings.housekeeping.database = chart == "1.22.0";
        let text = render(&settings);
        assert_holds(
            &text,
            &[
                "a.example.com",
                "azure.workload.identity/client-id",
                "gitSshKey",
            ],
            &["kind: StatefulSet\nmetadata:\n  name: airflow-postgresql"],
        );
    }
}
