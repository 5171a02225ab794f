//! [`chart_values`]: settings as chart values. It owns every value path of both generations and the
//! merge of raw values, last; it refuses root keys the chart does not know, which the chart itself
//! ignores in silence.

mod components;
mod platform;
mod roots;
mod table;

use serde_json::{Map, Value, json};

pub use roots::{UnknownRoots, check_roots, roots_of};

use crate::keys::KeyNames;
use crate::settings::{AirflowSettings, Database, ResolvedImages};
use crate::{Generation, Pair};
use table::Table;

/// The chart values for settings, then `raw` merged over them as Helm merges: tables key by key,
/// `null` removes, everything else replaces.
///
/// `pair` is what [`AirflowSettings::validate`] returned.
pub fn chart_values(settings: &AirflowSettings, pair: &Pair, raw: &Map<String, Value>) -> Value {
    let mut values = Table::default();
    let images = settings.images.resolve(pair.generation, pair.airflow);
    let names = KeyNames::of(settings);
    write_images(&mut values, settings, pair, &images);
    write_environment(&mut values, settings);
    write_database(&mut values, settings, &images, &names);
    write_keys(&mut values, pair, &names);
    write_dags(&mut values, settings, pair);
    write_logs(&mut values, settings);
    components::write(&mut values, settings, pair, &names);
    platform::write(&mut values, settings, pair);
    let mut merged = values.into_map();
    merge(&mut merged, raw);
    Value::Object(merged)
}

fn write_images(
    values: &mut Table,
    settings: &AirflowSettings,
    pair: &Pair,
    images: &ResolvedImages,
) {
    let policy = json!(settings.images.pull_policy);
    values.set("airflowVersion", pair.airflow.to_string());
    values.set(
        "defaultAirflowRepository",
        images.airflow.repository.clone(),
    );
    values.set("defaultAirflowTag", images.airflow.tag.clone());
    // KubernetesExecutor's pods ignore the digest and flower falls back to another tag, so each
    // of the three is written in full.
    let parts = [
        ("airflow", &images.airflow),
        ("pod_template", &images.airflow),
        ("flower", &images.airflow),
        ("statsd", &images.statsd),
        ("pgbouncer", &images.pgbouncer),
        ("pgbouncerExporter", &images.pgbouncer_exporter),
        ("gitSync", &images.git_sync),
        ("redis", &images.redis),
    ];
    for (key, image) in parts {
        values.set(
            &format!("images.{key}.repository"),
            image.repository.clone(),
        );
        values.set(&format!("images.{key}.tag"), image.tag.clone());
        values.set(&format!("images.{key}.pullPolicy"), policy.clone());
    }
    if let Some(digest) = &images.airflow.digest {
        values.set("images.airflow.digest", digest.clone());
    }
    values.set(
        "images.useDefaultImageForMigration",
        settings.images.use_default_image_for_migration,
    );
    values.set(
        "images.migrationsWaitTimeout",
        settings.images.migrations_wait_timeout,
    );
}

fn write_environment(values: &mut Table, settings: &AirflowSettings) {
    values.set("executor", String::from(settings.executor.clone()));
    values.set("env", json!(settings.env));
    if !settings.extra_env.is_empty() {
        values.set("extraEnv", extra_env(settings));
    }
    if !settings.secret_env.is_empty() {
        values.set("secret", json!(settings.secret_env));
    }
    for (section, options) in &settings.config {
        for (option, value) in options {
            values.set(&format!("config.{section}.{option}"), value.clone());
        }
    }
}

/// The chart takes this one as templated YAML text; JSON strings are YAML, and `{{` is quoted so
/// that it stays text.
fn extra_env(settings: &AirflowSettings) -> String {
    let text = |value: &str| Value::from(value).to_string().replace("{{", "{{ \"{{\" }}");
    let lines: Vec<String> = settings
        .extra_env
        .iter()
        .map(|variable| {
            let (name, value) = (text(&variable.name), text(&variable.value));
            format!("- name: {name}\n  value: {value}\n")
        })
        .collect();
    lines.concat()
}

fn write_database(
    values: &mut Table,
    settings: &AirflowSettings,
    images: &ResolvedImages,
    names: &KeyNames,
) {
    let pool = &settings.pgbouncer;
    values.set("data.metadataSecretName", names.metadata.clone());
    // Not a password: the chart prints it in its notes, and this tells where the real one is.
    values.set(
        "data.metadataConnection.pass",
        format!("(in Secret {})", names.metadata),
    );
    values.set("pgbouncer.enabled", pool.enabled);
    if pool.enabled {
        values.set("pgbouncer.replicas", pool.replicas);
        values.set("pgbouncer.metadataPoolSize", pool.metadata_pool_size);
        values.set(
            "pgbouncer.resultBackendPoolSize",
            pool.result_backend_pool_size,
        );
        values.set("pgbouncer.maxClientConn", pool.max_client_conn);
        values.set("pgbouncer.sslmode", crate::keys::server_sslmode(settings));
        values.set("pgbouncer.configSecretName", names.pgbouncer_config.clone());
        values.set(
            "pgbouncer.metricsExporterSidecar.statsSecretName",
            names.pgbouncer_stats.clone(),
        );
        values.set(
            "pgbouncer.metricsExporterSidecar.statsSecretKey",
            "connection",
        );
        // The chart's own checksum does not see a Secret of ours; this rolls the pool in its place.
        values.set(
            "pgbouncer.podAnnotations",
            json!({"aks-airflow/pool-config": crate::keys::pool_digest(settings)}),
        );
        components::write_resources(values, "pgbouncer.resources", &pool.resources);
    }
    match &settings.database {
        Database::Embedded(embedded) => {
            let (registry, repository) = images.postgresql.split();
            values.set("postgresql.enabled", true);
            values.set("postgresql.image.registry", registry);
            values.set("postgresql.image.repository", repository);
            values.set("postgresql.image.tag", images.postgresql.tag.clone());
            values.set(
                "postgresql.image.pullPolicy",
                json!(settings.images.pull_policy),
            );
            values.set("postgresql.auth.existingSecret", names.keys.clone());
            values.set(
                "postgresql.auth.secretKeys.adminPasswordKey",
                "postgres-password",
            );
            if let Some(size) = &embedded.size {
                values.set("postgresql.primary.persistence.size", size.clone());
            }
            if let Some(class) = &embedded.storage_class {
                values.set("postgresql.primary.persistence.storageClass", class.clone());
            }
        }
        Database::External(external) => {
            values.set("postgresql.enabled", false);
            values.set("data.metadataConnection.user", external.user.clone());
            values.set("data.metadataConnection.host", external.host.clone());
            values.set("data.metadataConnection.port", external.port);
            values.set("data.metadataConnection.db", external.database.clone());
            values.set("data.metadataConnection.sslmode", external.sslmode.clone());
        }
        Database::ExistingSecret(_) => values.set("postgresql.enabled", false),
    }
}

/// Every key in a Secret of ours, so that none is drawn anew by a render or by a hook.
fn write_keys(values: &mut Table, pair: &Pair, names: &KeyNames) {
    values.set("fernetKeySecretName", names.keys.clone());
    if pair.airflow.is_three() {
        values.set("apiSecretKeySecretName", names.keys.clone());
        values.set("jwtSecretName", names.keys.clone());
    } else {
        values.set("webserverSecretKeySecretName", names.keys.clone());
    }
    values.set("redis.passwordSecretName", names.keys.clone());
    values.set("data.brokerUrlSecretName", names.broker.clone());
}

fn write_dags(values: &mut Table, settings: &AirflowSettings, pair: &Pair) {
    match &settings.dags.git_sync {
        Some(git) => {
            values.set("dags.gitSync", git.chart_values());
            if pair.generation == Generation::Chart22 && pair.chart.minor >= 20 {
                values.set("dags.gitSync.recommendedProbeSetting", true);
            }
        }
        None => values.set("dags.gitSync.enabled", false),
    }
}

fn write_logs(values: &mut Table, settings: &AirflowSettings) {
    let logs = &settings.logs;
    values.set("logs.persistence.enabled", logs.persistence);
    if logs.persistence {
        if let Some(claim) = &logs.claim {
            values.set("logs.persistence.existingClaim", claim.clone());
        }
        if let Some(class) = &logs.storage_class {
            values.set("logs.persistence.storageClassName", class.clone());
        }
        if let Some(size) = &logs.size {
            values.set("logs.persistence.size", size.clone());
        }
    }
}

/// Merges as Helm merges a user's file over another.
fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
#[path = "values/tests.rs"]
mod tests;
