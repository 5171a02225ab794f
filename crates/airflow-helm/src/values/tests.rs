//! Settings against values: each setting changes its named path, in both generations, and raw
//! values win.

use std::collections::BTreeMap;

use super::*;
use crate::settings::{ExternalDatabase, Image, IngressHost, Resources, WorkloadIdentity};
use crate::{EnvVar, Executor, Executors, GitPin, GitSync, SecretEnvVar};

fn guide15() -> AirflowSettings {
    let mut settings = AirflowSettings::default();
    settings.images.registry = Some("myacr.azurecr.io".into());
    settings
}

fn guide22() -> AirflowSettings {
    AirflowSettings {
        chart_version: "1.22.0".into(),
        airflow_version: "3.2.2".into(),
        ..guide15()
    }
}

fn render(settings: &AirflowSettings) -> Value {
    let pair = settings
        .validate()
        .unwrap_or_else(|error| panic!("{error}"));
    chart_values(settings, &pair, &Map::new())
}

fn at<'a>(values: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.')
        .try_fold(values, |value, key| value.get(key))
}

/// Every setting of the guide, at the path where the guide writes it.
#[test]
fn the_defaults_are_the_guides_values() {
    let values = render(&guide15());
    let expected = [
        (
            "images.airflow.repository",
            json!("myacr.azurecr.io/airflow"),
        ),
        ("images.airflow.tag", json!("2.9.3")),
        ("images.airflow.pullPolicy", json!("IfNotPresent")),
        ("images.useDefaultImageForMigration", json!(false)),
        ("images.migrationsWaitTimeout", json!(60)),
        (
            "images.pod_template.repository",
            json!("myacr.azurecr.io/airflow"),
        ),
        ("images.pod_template.tag", json!("2.9.3")),
        (
            "images.flower.repository",
            json!("myacr.azurecr.io/airflow"),
        ),
        ("images.flower.tag", json!("2.9.3")),
        (
            "images.statsd.repository",
            json!("myacr.azurecr.io/statsd-exporter"),
        ),
        ("images.statsd.tag", json!("v0.26.1")),
        (
            "images.pgbouncer.repository",
            json!("myacr.azurecr.io/airflow"),
        ),
        (
            "images.pgbouncer.tag",
            json!("airflow-pgbouncer-2024.01.19-1.21.0"),
        ),
        (
            "images.pgbouncerExporter.tag",
            json!("airflow-pgbouncer-exporter-2024.06.18-0.17.0"),
        ),
        (
            "images.gitSync.repository",
            json!("myacr.azurecr.io/git-sync"),
        ),
        ("images.gitSync.tag", json!("v4.1.0")),
        ("executor", json!("KubernetesExecutor")),
        ("env", json!([{"name": "ENVIRONMENT", "value": "dev"}])),
        (
            "extraEnv",
            json!("- name: \"AIRFLOW__CORE__DEFAULT_TIMEZONE\"\n  value: \"America/New_York\"\n"),
        ),
        ("postgresql.enabled", json!(true)),
        ("pgbouncer.enabled", json!(true)),
        ("dags.gitSync.enabled", json!(true)),
        (
            "dags.gitSync.repo",
            json!("https://github.com/donhighmsft/airflowexamples.git"),
        ),
        ("dags.gitSync.ref", json!("main")),
        ("dags.gitSync.depth", json!(1)),
        ("dags.gitSync.maxFailures", json!(0)),
        ("dags.gitSync.subPath", json!("dags")),
        ("logs.persistence.enabled", json!(true)),
        ("logs.persistence.existingClaim", json!("pvc-airflow-logs")),
        (
            "logs.persistence.storageClassName",
            json!("azureblob-fuse-premium"),
        ),
        ("triggerer.logGroomerSidecar.enabled", json!(false)),
        ("scheduler.logGroomerSidecar.enabled", json!(false)),
        ("workers.logGroomerSidecar.enabled", json!(false)),
    ];
    for (path, value) in expected {
        assert_eq!(at(&values, path), Some(&value), "{path}");
    }
}

#[test]
fn the_current_generation_has_its_own_tags_keys_and_paths() {
    let values = render(&guide22());
    let expected = [
        ("airflowVersion", json!("3.2.2")),
        ("images.statsd.tag", json!("v0.30.0")),
        (
            "images.pgbouncer.tag",
            json!("airflow-pgbouncer-2025.03.05-1.23.1"),
        ),
        (
            "images.pgbouncerExporter.tag",
            json!("airflow-pgbouncer-exporter-2025.03.05-0.18.0"),
        ),
        ("images.gitSync.tag", json!("v4.4.2")),
        ("postgresql.image.registry", json!("myacr.azurecr.io")),
        ("postgresql.image.repository", json!("postgresql")),
        ("postgresql.image.tag", json!("16.1.0-debian-11-r15")),
        ("apiSecretKeySecretName", json!("airflow-keys")),
        ("jwtSecretName", json!("airflow-keys")),
        ("apiServer.replicas", json!(1)),
        ("createUserJob.enabled", json!(true)),
        ("createUserJob.defaultUser.username", json!("admin")),
        ("workers.celery.logGroomerSidecar.enabled", json!(false)),
        ("dagProcessor.logGroomerSidecar.enabled", json!(false)),
    ];
    for (path, value) in expected {
        assert_eq!(at(&values, path), Some(&value), "{path}");
    }
    for absent in ["webserver", "webserverSecretKeySecretName", "config"] {
        assert_eq!(at(&values, absent), None, "{absent}");
    }
}

#[test]
fn no_generation_writes_a_password() {
    for settings in [guide15(), guide22()] {
        let text = render(&settings).to_string();
        for known in ["\"postgres\"", "\"admin\",\"-p\""] {
            assert!(!text.contains(known), "{known} in {text}");
        }
        let args = at(&render(&settings), "createUserJob.args")
            .unwrap()
            .to_string();
        assert!(args.contains("-p \\\"$ADMIN_PASSWORD\\\""), "{args}");
    }
}

type Change = fn(&mut AirflowSettings);

/// Each setting, the value it takes and the path it must change in 1.15 and in 1.22.
fn table() -> Vec<(Change, &'static str, &'static str, Value)> {
    fn resources() -> Resources {
        Resources {
            requests: BTreeMap::from([("cpu".into(), "500m".into())]),
            limits: BTreeMap::new(),
        }
    }
    let cpu = json!({"requests": {"cpu": "500m"}});
    vec![
        (
            |s| {
                s.images.airflow = Image {
                    repository: Some("r/a".into()),
                    ..Image::default()
                }
            },
            "images.airflow.repository",
            "",
            json!("r/a"),
        ),
        (
            |s| s.images.airflow.digest = Some("sha256:1".into()),
            "images.airflow.digest",
            "",
            json!("sha256:1"),
        ),
        (
            |s| s.images.pull_policy = crate::PullPolicy::Always,
            "images.gitSync.pullPolicy",
            "",
            json!("Always"),
        ),
        (
            |s| s.images.git_sync.tag = Some("v4.3.0".into()),
            "images.gitSync.tag",
            "",
            json!("v4.3.0"),
        ),
        (
            |s| s.images.use_default_image_for_migration = true,
            "images.useDefaultImageForMigration",
            "",
            json!(true),
        ),
        (
            |s| s.images.migrations_wait_timeout = 600,
            "images.migrationsWaitTimeout",
            "",
            json!(600),
        ),
        (
            |s| s.executor = Executors(vec![Executor::Celery]),
            "executor",
            "",
            json!("CeleryExecutor"),
        ),
        (
            |s| s.env = vec![EnvVar::new("A", "b")],
            "env",
            "",
            json!([{"name": "A", "value": "b"}]),
        ),
        (
            |s| s.extra_env = vec![EnvVar::new("A", "{{x")],
            "extraEnv",
            "",
            json!("- name: \"A\"\n  value: \"{{ \"{{\" }}x\"\n"),
        ),
        (
            |s| {
                s.secret_env = vec![SecretEnvVar {
                    env_name: "A".into(),
                    secret_name: "s".into(),
                    secret_key: "k".into(),
                }];
            },
            "secret",
            "",
            json!([{"envName": "A", "secretName": "s", "secretKey": "k"}]),
        ),
        (
            |s| {
                s.config
                    .entry("core".into())
                    .or_default()
                    .insert("parallelism".into(), json!(8));
            },
            "config.core.parallelism",
            "",
            json!(8),
        ),
        (
            |s| {
                s.database = Database::External(ExternalDatabase {
                    host: "h".into(),
                    port: 5432,
                    database: "d".into(),
                    user: "u".into(),
                    sslmode: "require".into(),
                });
            },
            "postgresql.enabled",
            "",
            json!(false),
        ),
        (
            |s| s.pgbouncer.enabled = false,
            "pgbouncer.enabled",
            "",
            json!(false),
        ),
        (
            |s| s.pgbouncer.replicas = 2,
            "pgbouncer.replicas",
            "",
            json!(2),
        ),
        (
            |s| s.pgbouncer.metadata_pool_size = 20,
            "pgbouncer.metadataPoolSize",
            "",
            json!(20),
        ),
        (
            |s| s.pgbouncer.max_client_conn = 200,
            "pgbouncer.maxClientConn",
            "",
            json!(200),
        ),
        (
            |s| s.pgbouncer.sslmode = Some("require".into()),
            "pgbouncer.sslmode",
            "",
            json!("require"),
        ),
        (
            |s| s.pgbouncer.resources = resources(),
            "pgbouncer.resources",
            "",
            cpu.clone(),
        ),
        (
            |s| s.dags.git_sync = None,
            "dags.gitSync.enabled",
            "",
            json!(false),
        ),
        (
            |s| {
                s.dags.git_sync = Some(GitSync {
                    pin: GitPin::Tag("v1".into()),
                    ..GitSync::default()
                });
            },
            "dags.gitSync.ref",
            "",
            json!("v1"),
        ),
        (
            |s| {
                s.dags.git_sync = Some(GitSync {
                    sub_path: "x".into(),
                    ..GitSync::default()
                });
            },
            "dags.gitSync.subPath",
            "",
            json!("x"),
        ),
        (
            |s| {
                s.dags.git_sync = Some(GitSync {
                    max_failures: -1,
                    ..GitSync::default()
                });
            },
            "dags.gitSync.maxFailures",
            "",
            json!(-1),
        ),
        (
            |s| {
                s.dags.git_sync = Some(GitSync {
                    period_seconds: 60,
                    ..GitSync::default()
                });
            },
            "dags.gitSync.period",
            "",
            json!("60s"),
        ),
        (
            |s| s.logs.persistence = false,
            "logs.persistence.enabled",
            "",
            json!(false),
        ),
        (
            |s| s.logs.claim = Some("c".into()),
            "logs.persistence.existingClaim",
            "",
            json!("c"),
        ),
        (
            |s| s.logs.size = Some("9Gi".into()),
            "logs.persistence.size",
            "",
            json!("9Gi"),
        ),
        (
            |s| s.scheduler.replicas = 2,
            "scheduler.replicas",
            "",
            json!(2),
        ),
        (
            |s| s.scheduler.resources = resources(),
            "scheduler.resources",
            "",
            cpu.clone(),
        ),
        (
            |s| s.scheduler.log_groomer.enabled = true,
            "scheduler.logGroomerSidecar.enabled",
            "",
            json!(true),
        ),
        (
            |s| {
                s.scheduler.replicas = 2;
                s.scheduler.disruption_budget = true;
            },
            "scheduler.podDisruptionBudget.enabled",
            "",
            json!(true),
        ),
        (
            |s| s.triggerer.enabled = false,
            "triggerer.enabled",
            "",
            json!(false),
        ),
        (
            |s| s.triggerer.resources = resources(),
            "triggerer.resources",
            "",
            cpu.clone(),
        ),
        (
            |s| s.dag_processor.enabled = Some(true),
            "dagProcessor.enabled",
            "",
            json!(true),
        ),
        (
            |s| s.web.replicas = 2,
            "webserver.replicas",
            "apiServer.replicas",
            json!(2),
        ),
        (
            |s| s.web.resources = resources(),
            "webserver.resources",
            "apiServer.resources",
            cpu.clone(),
        ),
        (
            |s| s.web.service_type = "LoadBalancer".into(),
            "webserver.service.type",
            "apiServer.service.type",
            json!("LoadBalancer"),
        ),
        (
            |s| s.workers.replicas = 3,
            "workers.replicas",
            "workers.celery.replicas",
            json!(3),
        ),
        (
            |s| s.workers.resources = resources(),
            "workers.resources",
            "workers.kubernetes.resources",
            cpu.clone(),
        ),
        (
            |s| s.workers.persistence = false,
            "workers.persistence.enabled",
            "workers.celery.persistence.enabled",
            json!(false),
        ),
        (
            |s| {
                s.executor = Executors(vec![Executor::Celery]);
                s.workers.keda = true;
            },
            "workers.keda.enabled",
            "workers.celery.keda.enabled",
            json!(true),
        ),
        (
            |s| s.statsd.enabled = false,
            "statsd.enabled",
            "",
            json!(false),
        ),
        (
            |s| s.user.enabled = false,
            "webserver.defaultUser.enabled",
            "createUserJob.enabled",
            json!(false),
        ),
        (
            |s| s.user.username = "root".into(),
            "webserver.defaultUser.username",
            "createUserJob.defaultUser.username",
            json!("root"),
        ),
        (
            |s| {
                s.labels.insert("team".into(), "data".into());
            },
            "labels",
            "",
            json!({"team": "data"}),
        ),
        (
            |s| {
                s.node_selector.insert("pool".into(), "x".into());
            },
            "nodeSelector",
            "",
            json!({"pool": "x"}),
        ),
        (
            |s| s.tolerations = vec![json!({"key": "k"})],
            "tolerations",
            "",
            json!([{"key": "k"}]),
        ),
        (
            |s| {
                s.affinity.insert("podAffinity".into(), json!({}));
            },
            "affinity",
            "",
            json!({"podAffinity": {}}),
        ),
        (
            |s| {
                s.ingress.enabled = true;
                s.ingress.hosts = vec![IngressHost {
                    name: "h".into(),
                    tls_secret: None,
                }];
            },
            "ingress.web.enabled",
            "ingress.apiServer.enabled",
            json!(true),
        ),
        (
            |s| {
                s.network_policies.enabled = true;
                s.network_policies.web_from = vec![json!({})];
            },
            "webserver.networkPolicy.ingress.from",
            "apiServer.networkPolicy.ingress.from",
            json!([{}]),
        ),
        (
            |s| {
                s.workload_identity = Some(WorkloadIdentity {
                    client_id: "c".into(),
                    tenant_id: None,
                });
            },
            "scheduler.serviceAccount.annotations",
            "",
            json!({"azure.workload.identity/client-id": "c"}),
        ),
        (
            |s| s.housekeeping.pods = true,
            "cleanup.enabled",
            "",
            json!(true),
        ),
        (
            |s| s.release = "other".into(),
            "fernetKeySecretName",
            "",
            json!("other-keys"),
        ),
    ]
}

#[test]
fn each_setting_changes_its_named_value() {
    for (generation, base) in [(15, guide15()), (22, guide22())] {
        let before = render(&base);
        for (change, path15, path22, expected) in table() {
            let path = if generation == 15 || path22.is_empty() {
                path15
            } else {
                path22
            };
            let mut settings = base.clone();
            change(&mut settings);
            let after = render(&settings);
            assert_eq!(at(&after, path), Some(&expected), "{generation}: {path}");
            assert_ne!(
                at(&before, path),
                Some(&expected),
                "{generation}: {path} did not change"
            );
        }
    }
}

#[test]
fn workload_identity_labels_every_pod() {
    let mut settings = guide15();
    settings.workload_identity = Some(WorkloadIdentity {
        client_id: "c".into(),
        tenant_id: Some("t".into()),
    });
    let values = render(&settings);
    assert_eq!(
        at(&values, "labels"),
        Some(&json!({"azure.workload.identity/use": "true"}))
    );
    assert_eq!(
        at(&values, "workers.serviceAccount.annotations"),
        Some(
            &json!({"azure.workload.identity/client-id": "c", "azure.workload.identity/tenant-id": "t"})
        )
    );
}

#[test]
fn another_pool_setting_rolls_the_pool_and_a_password_does_not() {
    let annotation =
        |settings: &AirflowSettings| at(&render(settings), "pgbouncer.podAnnotations").cloned();
    let mut other = guide15();
    other.pgbouncer.metadata_pool_size = 11;
    assert_ne!(annotation(&guide15()), annotation(&other));
    assert_eq!(annotation(&guide15()), annotation(&guide15()));
}

#[test]
fn raw_values_are_merged_last() {
    let settings = guide15();
    let pair = settings.validate().unwrap();
    let raw = json!({"scheduler": {"replicas": 3}, "env": [], "flower": {"enabled": true}});
    let values = chart_values(&settings, &pair, raw.as_object().unwrap());
    assert_eq!(at(&values, "scheduler.replicas"), Some(&json!(3)));
    assert_eq!(
        at(&values, "scheduler.logGroomerSidecar.enabled"),
        Some(&json!(false))
    );
    assert_eq!(at(&values, "env"), Some(&json!([])));
    assert_eq!(at(&values, "flower.enabled"), Some(&json!(true)));
}

/// The names of our Secrets reach every value that would otherwise make the chart draw a key.
#[test]
fn no_key_is_left_to_the_chart() {
    for (settings, paths) in [
        (
            guide15(),
            &["fernetKeySecretName", "webserverSecretKeySecretName"][..],
        ),
        (
            guide22(),
            &[
                "fernetKeySecretName",
                "apiSecretKeySecretName",
                "jwtSecretName",
            ],
        ),
    ] {
        let values = render(&settings);
        let always = [
            "redis.passwordSecretName",
            "data.brokerUrlSecretName",
            "data.metadataSecretName",
            "pgbouncer.configSecretName",
            "pgbouncer.metricsExporterSidecar.statsSecretName",
            "postgresql.auth.existingSecret",
        ];
        for path in paths.iter().chain(&always) {
            assert!(at(&values, path).is_some_and(Value::is_string), "{path}");
        }
    }
}
