//! Value paths of what surrounds the components: labels, placement, ingress, policies, identity,
//! cleaning. This file owns where each generation keeps them; it refuses to decide defaults.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Table;
use super::components::{splits_workers, web_key};
use crate::Pair;
use crate::settings::{AirflowSettings, IngressHost};

pub(super) fn write(values: &mut Table, settings: &AirflowSettings, pair: &Pair) {
    write_placement(values, settings);
    write_identity(values, settings, pair);
    write_ingress(values, settings, pair);
    let housekeeping = &settings.housekeeping;
    if housekeeping.pods {
        values.set("cleanup.enabled", true);
        values.set("cleanup.schedule", housekeeping.pods_schedule.clone());
    }
    if housekeeping.database {
        values.set("databaseCleanup.enabled", true);
        values.set(
            "databaseCleanup.retentionDays",
            housekeeping.database_retention_days,
        );
    }
}

fn write_placement(values: &mut Table, settings: &AirflowSettings) {
    let mut labels = settings.labels.clone();
    if settings.workload_identity.is_some() {
        // Global labels reach every pod, those of tasks included.
        labels.insert("azure.workload.identity/use".into(), "true".into());
    }
    if !labels.is_empty() {
        values.set("labels", json!(labels));
    }
    if !settings.node_selector.is_empty() {
        values.set("nodeSelector", json!(settings.node_selector));
    }
    if !settings.tolerations.is_empty() {
        values.set("tolerations", settings.tolerations.clone());
    }
    if !settings.affinity.is_empty() {
        values.set("affinity", settings.affinity.clone());
    }
}

fn write_identity(values: &mut Table, settings: &AirflowSettings, pair: &Pair) {
    let Some(identity) = &settings.workload_identity else {
        return;
    };
    let mut annotations = BTreeMap::from([(
        "azure.workload.identity/client-id",
        identity.client_id.as_str(),
    )]);
    if let Some(tenant) = &identity.tenant_id {
        annotations.insert("azure.workload.identity/tenant-id", tenant);
    }
    let workers: &[&str] = if splits_workers(pair) {
        &["workers.celery", "workers.kubernetes"]
    } else {
        &["workers"]
    };
    let components = ["scheduler", "triggerer", "dagProcessor", web_key(pair)];
    for component in components.iter().chain(workers) {
        values.set(
            &format!("{component}.serviceAccount.annotations"),
            json!(annotations),
        );
    }
}

fn write_ingress(values: &mut Table, settings: &AirflowSettings, pair: &Pair) {
    let ingress = &settings.ingress;
    if ingress.enabled {
        let key = if pair.airflow.is_three() {
            "ingress.apiServer"
        } else {
            "ingress.web"
        };
        values.set(&format!("{key}.enabled"), true);
        values.set(&format!("{key}.path"), ingress.path.clone());
        let hosts: Vec<Value> = ingress.hosts.iter().map(host).collect();
        values.set(&format!("{key}.hosts"), hosts);
        if let Some(class) = &ingress.class {
            values.set(&format!("{key}.ingressClassName"), class.clone());
        }
        if !ingress.annotations.is_empty() {
            values.set(&format!("{key}.annotations"), json!(ingress.annotations));
        }
    }
    let policies = &settings.network_policies;
    if policies.enabled {
        values.set("networkPolicies.enabled", true);
        if !policies.web_from.is_empty() {
            let path = format!("{}.networkPolicy.ingress.from", web_key(pair));
            values.set(&path, policies.web_from.clone());
        }
    }
}

fn host(host: &IngressHost) -> Value {
    let tls = host.tls_secret.as_deref();
    json!({
        "name": host.name,
        "tls": {"enabled": tls.is_some(), "secretName": tls.unwrap_or_default()},
    })
}
