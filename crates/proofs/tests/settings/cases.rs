//! The table of `settings.rs`: each setting's change, the object it shows in, the place and what
//! must be there. It owns nothing but rows.

use airflow_helm::{
    AirflowSettings, Database, EnvVar, Executor, Executors, ExternalDatabase, GitCredentials,
    GitPin, GitSync, HttpsLogin, PullPolicy, SecretEnvVar, SshLogin,
};
use serde_json::{Value, json};

/// What a change must bring about at its place.
pub(crate) enum Then {
    /// The place holds exactly this, and did not before.
    Is(Value),
    /// The text there holds this, and did not before.
    Holds(&'static str),
    /// Nothing is there any more.
    Gone,
    /// Something is there now.
    There,
}

/// Which charts can show the change.
#[derive(PartialEq)]
pub(crate) enum Shown {
    /// The compact chart and the official ones.
    Everywhere,
    /// The compact chart leaves this object out.
    Officially,
}
use Shown::{Everywhere, Officially};
use Then::{Gone, Holds, Is, There};

/// One setting: its name in the guide's values, the change, the object, the place in it.
pub(crate) struct Case {
    pub(crate) setting: &'static str,
    pub(crate) change: fn(&mut AirflowSettings),
    pub(crate) object: &'static str,
    pub(crate) place: &'static str,
    pub(crate) then: Then,
    pub(crate) shown: Shown,
}

pub(crate) const SCHEDULER: &str = "Deployment/airflow-scheduler";
const IMAGE: &str = "/spec/template/spec/containers/scheduler/image";
const SYNC: &str = "/spec/template/spec/containers/git-sync/env";

fn case(
    setting: &'static str,
    change: fn(&mut AirflowSettings),
    (object, place): (&'static str, &'static str),
    then: Then,
    shown: Shown,
) -> Case {
    Case {
        setting,
        change,
        object,
        place,
        then,
        shown,
    }
}

fn git(settings: &mut AirflowSettings) -> &mut GitSync {
    settings
        .dags
        .git_sync
        .as_mut()
        .expect("the guide syncs from Git")
}

fn over_ssh(settings: &mut AirflowSettings) {
    git(settings).repo = "git@github.com:team/dags.git".into();
    git(settings).credentials = GitCredentials::Ssh(SshLogin {
        secret: "git-key".into(),
        known_hosts: "github.com ssh-ed25519 AAAA".into(),
    });
}

fn image_cases() -> Vec<Case> {
    vec![
        case(
            "images.registry",
            |it| it.images.registry = Some("other.azurecr.io".into()),
            (SCHEDULER, IMAGE),
            Is(json!("other.azurecr.io/airflow:2.9.3")),
            Everywhere,
        ),
        case(
            "images.airflow.repository",
            |it| it.images.airflow.repository = Some("ghcr.io/team/airflow".into()),
            (SCHEDULER, IMAGE),
            Is(json!("ghcr.io/team/airflow:2.9.3")),
            Everywhere,
        ),
        case(
            "images.airflow.tag",
            |it| it.images.airflow.tag = Some("2.9.3-team".into()),
            (SCHEDULER, IMAGE),
            Is(json!("myacr.azurecr.io/airflow:2.9.3-team")),
            Everywhere,
        ),
        case(
            "images.airflow.pullPolicy",
            |it| it.images.pull_policy = PullPolicy::Always,
            (
                SCHEDULER,
                "/spec/template/spec/containers/scheduler/imagePullPolicy",
            ),
            Is(json!("Always")),
            Everywhere,
        ),
        case(
            "images.migrationsWaitTimeout",
            |it| it.images.migrations_wait_timeout = 90,
            (
                SCHEDULER,
                "/spec/template/spec/initContainers/wait-for-airflow-migrations/args",
            ),
            Holds("--migration-wait-timeout=90"),
            Everywhere,
        ),
        case(
            "images.pod_template",
            |it| it.images.airflow.tag = Some("2.9.3-team".into()),
            ("ConfigMap/airflow-config", "/data/pod_template_file.yaml"),
            Holds("image: myacr.azurecr.io/airflow:2.9.3-team"),
            Everywhere,
        ),
        case(
            "images.flower",
            |it| {
                it.executor = Executors(vec![Executor::Celery]); // flower watches Celery
                it.images.airflow.tag = Some("2.9.3-team".into());
            },
            (
                "Deployment/airflow-flower",
                "/spec/template/spec/containers/flower/image",
            ),
            Is(json!("myacr.azurecr.io/airflow:2.9.3-team")),
            Officially,
        ),
        case(
            "images.statsd",
            |it| it.images.statsd.tag = Some("v0.27.0".into()),
            (
                "Deployment/airflow-statsd",
                "/spec/template/spec/containers/statsd/image",
            ),
            Is(json!("myacr.azurecr.io/statsd-exporter:v0.27.0")),
            Everywhere,
        ),
        case(
            "images.pgbouncer",
            |it| it.images.pgbouncer.tag = Some("pool-2".into()),
            (
                "Deployment/airflow-pgbouncer",
                "/spec/template/spec/containers/pgbouncer/image",
            ),
            Is(json!("myacr.azurecr.io/airflow:pool-2")),
            Everywhere,
        ),
        case(
            "images.pgbouncerExporter",
            |it| it.images.pgbouncer_exporter.tag = Some("exporter-2".into()),
            (
                "Deployment/airflow-pgbouncer",
                "/spec/template/spec/containers/metrics-exporter/image",
            ),
            Is(json!("myacr.azurecr.io/airflow:exporter-2")),
            Everywhere,
        ),
        case(
            "images.gitSync",
            |it| it.images.git_sync.tag = Some("v4.4.2".into()),
            (SCHEDULER, "/spec/template/spec/containers/git-sync/image"),
            Is(json!("myacr.azurecr.io/git-sync:v4.4.2")),
            Everywhere,
        ),
        case(
            "postgresql.image",
            |it| it.images.postgresql.tag = Some("16.2".into()),
            (
                "StatefulSet/airflow-postgresql",
                "/spec/template/spec/containers/postgresql/image",
            ),
            Is(json!("myacr.azurecr.io/postgresql:16.2")),
            Everywhere,
        ),
    ]
}

pub(crate) fn environment_cases() -> Vec<Case> {
    const ENV: &str = "/spec/template/spec/containers/scheduler/env";
    vec![
        case(
            "executor",
            |it| it.executor = Executors(vec![Executor::Local]),
            ("ConfigMap/airflow-config", "/data/airflow.cfg"),
            Holds("executor = LocalExecutor"),
            Everywhere,
        ),
        case(
            "env",
            |it| it.env = vec![EnvVar::new("ENVIRONMENT", "prod")],
            (
                SCHEDULER,
                "/spec/template/spec/containers/scheduler/env/ENVIRONMENT/value",
            ),
            Is(json!("prod")),
            Everywhere,
        ),
        case(
            "extraEnv",
            |it| {
                it.extra_env = vec![EnvVar::new(
                    "AIRFLOW__CORE__DEFAULT_TIMEZONE",
                    "Europe/Berlin",
                )];
            },
            (
                SCHEDULER,
                "/spec/template/spec/containers/scheduler/env/AIRFLOW__CORE__DEFAULT_TIMEZONE/value",
            ),
            Is(json!("Europe/Berlin")),
            Everywhere,
        ),
        case(
            "secret",
            |it| {
                it.secret_env = vec![SecretEnvVar {
                    env_name: "TOKEN".into(),
                    secret_name: "team".into(),
                    secret_key: "token".into(),
                }];
            },
            (SCHEDULER, ENV),
            Holds("\"TOKEN\""),
            Everywhere,
        ),
        case(
            "config",
            |it| {
                it.config
                    .entry("core".into())
                    .or_default()
                    .insert("parallelism".into(), json!(64));
            },
            ("ConfigMap/airflow-config", "/data/airflow.cfg"),
            Holds("parallelism = 64"),
            Everywhere,
        ),
        case(
            "labels",
            |it| {
                it.labels.insert("team".into(), "data".into());
            },
            (SCHEDULER, "/metadata/labels/team"),
            Is(json!("data")),
            Everywhere,
        ),
        case(
            "postgresql.enabled",
            |it| it.database = external(),
            ("StatefulSet/airflow-postgresql", ""),
            Gone,
            Everywhere,
        ),
        case(
            "pgbouncer.enabled",
            |it| it.pgbouncer.enabled = false,
            ("Deployment/airflow-pgbouncer", ""),
            Gone,
            Everywhere,
        ),
        case(
            "pgbouncer.replicas",
            |it| it.pgbouncer.replicas = 2,
            ("Deployment/airflow-pgbouncer", "/spec/replicas"),
            Is(json!(2)),
            Everywhere,
        ),
        case(
            "statsd.enabled",
            |it| it.statsd.enabled = false,
            ("Deployment/airflow-statsd", ""),
            Gone,
            Everywhere,
        ),
        case(
            "scheduler.replicas",
            |it| it.scheduler.replicas = 3,
            (SCHEDULER, "/spec/replicas"),
            Is(json!(3)),
            Everywhere,
        ),
        case(
            "scheduler.resources",
            |it| {
                it.scheduler
                    .resources
                    .requests
                    .insert("cpu".into(), "1500m".into());
            },
            (
                SCHEDULER,
                "/spec/template/spec/containers/scheduler/resources/requests/cpu",
            ),
            Is(json!("1500m")),
            Everywhere,
        ),
        case(
            "triggerer.enabled",
            |it| it.triggerer.enabled = false,
            ("StatefulSet/airflow-triggerer", ""),
            Gone,
            Everywhere,
        ),
        case(
            "webserver.replicas",
            |it| it.web.replicas = 2,
            ("Deployment/airflow-webserver", "/spec/replicas"),
            Is(json!(2)),
            Everywhere,
        ),
        case(
            "webserver.service.type",
            |it| it.web.service_type = "LoadBalancer".into(),
            ("Service/airflow-webserver", "/spec/type"),
            Is(json!("LoadBalancer")),
            Everywhere,
        ),
        case(
            "webserver.defaultUser.username",
            |it| it.user.username = "ada".into(),
            (
                "Job/airflow-create-user",
                "/spec/template/spec/containers/create-user/args",
            ),
            Holds("\"ada\""),
            Everywhere,
        ),
        case(
            "nodeSelector",
            |it| {
                it.node_selector.insert("pool".into(), "airflow".into());
            },
            (SCHEDULER, "/spec/template/spec/nodeSelector/pool"),
            Is(json!("airflow")),
            Officially,
        ),
        case(
            "tolerations",
            |it| it.tolerations = vec![json!({"key": "airflow", "operator": "Exists"})],
            (SCHEDULER, "/spec/template/spec/tolerations"),
            Holds("airflow"),
            Officially,
        ),
        case(
            "networkPolicies.enabled",
            |it| {
                it.network_policies.enabled = true;
                it.network_policies.web_from = vec![json!({"podSelector": {}})];
            },
            ("NetworkPolicy/airflow-scheduler-policy", ""),
            There,
            Officially,
        ),
    ]
}

fn external() -> Database {
    let server = json!({"host": "airflow.postgres.database.azure.com"});
    Database::External(
        serde_json::from_value::<ExternalDatabase>(server).expect("a host is enough"),
    )
}

pub(crate) fn dag_cases() -> Vec<Case> {
    vec![
        case(
            "dags.gitSync.enabled",
            |it| it.dags.git_sync = None,
            (SCHEDULER, "/spec/template/spec/containers/git-sync"),
            Gone,
            Everywhere,
        ),
        case(
            "dags.gitSync.repo",
            |it| git(it).repo = "https://github.com/team/dags.git".into(),
            (
                SCHEDULER,
                "/spec/template/spec/containers/git-sync/env/GITSYNC_REPO/value",
            ),
            Is(json!("https://github.com/team/dags.git")),
            Everywhere,
        ),
        case(
            "dags.gitSync.branch",
            |it| git(it).pin = GitPin::Branch("release".into()),
            (
                SCHEDULER,
                "/spec/template/spec/containers/git-sync/env/GITSYNC_REF/value",
            ),
            Is(json!("release")),
            Everywhere,
        ),
        case(
            "dags.gitSync.rev",
            |it| git(it).pin = GitPin::Commit("0123456789012345678901234567890123456789".into()),
            (
                SCHEDULER,
                "/spec/template/spec/containers/git-sync/env/GITSYNC_REF/value",
            ),
            Is(json!("0123456789012345678901234567890123456789")),
            Everywhere,
        ),
        case(
            "dags.gitSync.depth",
            |it| git(it).depth = 7,
            (
                SCHEDULER,
                "/spec/template/spec/containers/git-sync/env/GITSYNC_DEPTH/value",
            ),
            Is(json!("7")),
            Everywhere,
        ),
        case(
            "dags.gitSync.maxFailures",
            |it| git(it).max_failures = 3,
            (
                SCHEDULER,
                "/spec/template/spec/containers/git-sync/env/GITSYNC_MAX_FAILURES/value",
            ),
            Is(json!("3")),
            Everywhere,
        ),
        case(
            "dags.gitSync.period",
            |it| git(it).period_seconds = 30,
            (
                SCHEDULER,
                "/spec/template/spec/containers/git-sync/env/GITSYNC_PERIOD/value",
            ),
            Is(json!("30s")),
            Everywhere,
        ),
        case(
            "dags.gitSync.subPath",
            |it| git(it).sub_path = "team/dags".into(),
            ("ConfigMap/airflow-config", "/data/airflow.cfg"),
            Holds("dags_folder = /opt/airflow/dags/repo/team/dags"),
            Everywhere,
        ),
        case(
            "dags.gitSync.sshKeySecret",
            over_ssh,
            (
                SCHEDULER,
                "/spec/template/spec/volumes/git-sync-ssh-key/secret/secretName",
            ),
            Is(json!("git-key")),
            Everywhere,
        ),
        case(
            "dags.gitSync.knownHosts",
            over_ssh,
            ("ConfigMap/airflow-config", "/data/known_hosts"),
            Holds("github.com ssh-ed25519 AAAA"),
            Everywhere,
        ),
        case(
            "dags.gitSync.credentialsSecret",
            |it| {
                git(it).credentials = GitCredentials::Https(HttpsLogin {
                    secret: "git-login".into(),
                });
            },
            (SCHEDULER, SYNC),
            Holds("\"git-login\""),
            Everywhere,
        ),
    ]
}

pub(crate) fn log_cases() -> Vec<Case> {
    const CLAIM: &str = "/spec/template/spec/volumes/logs/persistentVolumeClaim/claimName";
    vec![
        case(
            "logs.persistence.enabled",
            |it| it.logs.persistence = false,
            (SCHEDULER, CLAIM),
            Gone,
            Everywhere,
        ),
        case(
            "logs.persistence.existingClaim",
            |it| it.logs.claim = Some("team-logs".into()),
            (SCHEDULER, CLAIM),
            Is(json!("team-logs")),
            Everywhere,
        ),
        case(
            "logs.persistence.storageClassName",
            |it| (it.logs.claim, it.logs.storage_class) = (None, Some("azurefile-csi".into())),
            (
                "PersistentVolumeClaim/airflow-logs",
                "/spec/storageClassName",
            ),
            Is(json!("azurefile-csi")),
            Officially,
        ),
        case(
            "logGroomerSidecar.enabled",
            |it| it.scheduler.log_groomer.enabled = true,
            (
                SCHEDULER,
                "/spec/template/spec/containers/scheduler-log-groomer",
            ),
            There,
            Everywhere,
        ),
        case(
            "triggerer.logGroomerSidecar.enabled",
            |it| it.triggerer.log_groomer.enabled = true,
            (
                "StatefulSet/airflow-triggerer",
                "/spec/template/spec/containers/triggerer-log-groomer",
            ),
            There,
            Everywhere,
        ),
        case(
            "workers.logGroomerSidecar.enabled",
            |it| {
                it.executor = Executors(vec![Executor::Celery]);
                it.workers.log_groomer.enabled = true;
            },
            (
                "StatefulSet/airflow-worker",
                "/spec/template/spec/containers/worker-log-groomer",
            ),
            There,
            Officially,
        ),
    ]
}

pub(crate) fn cases() -> Vec<Case> {
    [image_cases(), environment_cases(), dag_cases(), log_cases()]
        .into_iter()
        .flatten()
        .collect()
}
