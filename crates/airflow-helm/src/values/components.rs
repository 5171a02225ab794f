//! Value paths of the components and of the first user. This file owns where each generation keeps
//! them; it refuses to decide defaults.

use serde_json::{Value, json};

use super::Table;
use crate::keys::KeyNames;
use crate::settings::{AirflowSettings, LogGroomer, Resources};
use crate::{Generation, Pair};

pub(super) fn write(values: &mut Table, settings: &AirflowSettings, pair: &Pair, names: &KeyNames) {
    write_scheduling(values, settings, pair);
    write_web(values, settings, pair);
    write_workers(values, settings, pair);
    values.set("statsd.enabled", settings.statsd.enabled);
    write_resources(values, "statsd.resources", &settings.statsd.resources);
    write_user(values, settings, pair, names);
}

fn write_scheduling(values: &mut Table, settings: &AirflowSettings, pair: &Pair) {
    let scheduler = &settings.scheduler;
    values.set("scheduler.replicas", scheduler.replicas);
    write_resources(values, "scheduler.resources", &scheduler.resources);
    write_groomer(values, "scheduler", &scheduler.log_groomer);
    if scheduler.disruption_budget {
        values.set("scheduler.podDisruptionBudget.enabled", true);
    }

    let triggerer = &settings.triggerer;
    values.set("triggerer.enabled", triggerer.enabled);
    values.set("triggerer.replicas", triggerer.replicas);
    write_resources(values, "triggerer.resources", &triggerer.resources);
    write_groomer(values, "triggerer", &triggerer.log_groomer);

    let processor = &settings.dag_processor;
    if let Some(enabled) = processor.enabled {
        values.set("dagProcessor.enabled", enabled);
    }
    values.set("dagProcessor.replicas", processor.replicas);
    write_resources(values, "dagProcessor.resources", &processor.resources);
    // The guide's values predate this sidecar; its intent, no groomers, covers it.
    if pair.airflow.is_three() || processor.enabled == Some(true) {
        write_groomer(values, "dagProcessor", &processor.log_groomer);
    }
}

fn write_web(values: &mut Table, settings: &AirflowSettings, pair: &Pair) {
    let web = &settings.web;
    let key = web_key(pair);
    values.set(&format!("{key}.replicas"), web.replicas);
    values.set(&format!("{key}.service.type"), web.service_type.clone());
    write_resources(values, &format!("{key}.resources"), &web.resources);
    if web.disruption_budget {
        values.set(&format!("{key}.podDisruptionBudget.enabled"), true);
    }
    let configured = settings
        .config
        .get("api")
        .is_some_and(|options| options.contains_key("auth_backends"));
    if web.basic_auth && !pair.airflow.is_three() && !configured {
        values.set(
            "config.api.auth_backends",
            "airflow.api.auth.backend.session,airflow.api.auth.backend.basic_auth",
        );
    }
}

/// The chart's key of the component that serves the UI.
pub(super) fn web_key(pair: &Pair) -> &'static str {
    if pair.airflow.is_three() {
        "apiServer"
    } else {
        "webserver"
    }
}

fn write_workers(values: &mut Table, settings: &AirflowSettings, pair: &Pair) {
    let workers = &settings.workers;
    let split = splits_workers(pair);
    let celery = if split { "workers.celery" } else { "workers" };
    values.set(&format!("{celery}.replicas"), workers.replicas);
    values.set(
        &format!("{celery}.persistence.enabled"),
        workers.persistence,
    );
    write_groomer(values, celery, &workers.log_groomer);
    if workers.keda {
        values.set(&format!("{celery}.keda.enabled"), true);
        values.set(
            &format!("{celery}.keda.maxReplicaCount"),
            workers.keda_max_replicas,
        );
    }
    write_resources(values, &format!("{celery}.resources"), &workers.resources);
    // The one table serves the pods of tasks too.
    if split {
        write_resources(values, "workers.kubernetes.resources", &workers.resources);
    }
}

/// Whether Celery's workers and the pods of tasks have tables of their own. The split began with
/// 1.19 and is complete, and its ServiceAccounts heeded, since 1.22; the old table works throughout.
pub(super) fn splits_workers(pair: &Pair) -> bool {
    pair.chart.minor >= 22
}

/// The chart would put the password into the Job's arguments and the release's record; this reads
/// it from the Secret instead.
fn write_user(values: &mut Table, settings: &AirflowSettings, pair: &Pair, names: &KeyNames) {
    let user = &settings.user;
    let table = match pair.generation {
        Generation::Chart15 => {
            values.set("webserver.defaultUser.enabled", user.enabled);
            "webserver.defaultUser"
        }
        Generation::Chart22 => {
            values.set("createUserJob.enabled", user.enabled);
            "createUserJob.defaultUser"
        }
    };
    let fields = [
        ("role", &user.role),
        ("username", &user.username),
        ("email", &user.email),
        ("firstName", &user.first_name),
        ("lastName", &user.last_name),
    ];
    for (key, text) in fields {
        values.set(&format!("{table}.{key}"), text.clone());
    }
    // Not a password: the chart prints it in its notes.
    let hint = format!("(key admin-password of Secret {})", names.keys);
    values.set(&format!("{table}.password"), hint);
    let args = [
        "bash",
        "-c",
        "exec airflow users create \"$@\" -p \"$ADMIN_PASSWORD\"",
        "--",
        "-r",
        &user.role,
        "-u",
        &user.username,
        "-e",
        &user.email,
        "-f",
        &user.first_name,
        "-l",
        &user.last_name,
    ];
    values.set("createUserJob.args", json!(args));
    values.set(
        "createUserJob.env",
        json!([{
            "name": "ADMIN_PASSWORD",
            "valueFrom": {"secretKeyRef": {"name": names.keys, "key": "admin-password"}},
        }]),
    );
}

fn write_groomer(values: &mut Table, component: &str, groomer: &LogGroomer) {
    values.set(
        &format!("{component}.logGroomerSidecar.enabled"),
        groomer.enabled,
    );
    if groomer.enabled {
        values.set(
            &format!("{component}.logGroomerSidecar.retentionDays"),
            groomer.retention_days,
        );
    }
}

pub(super) fn write_resources(values: &mut Table, path: &str, resources: &Resources) {
    if !resources.is_empty() {
        let value = serde_json::to_value(resources).unwrap_or(Value::Null);
        values.set(path, value);
    }
}
