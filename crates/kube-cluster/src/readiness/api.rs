//! What extends or partitions the API: definitions, aggregated services, webhooks, namespaces,
//! Services.

use converge::Readiness;
use serde_json::Value;

use super::{Condition, condition, one_line};
use crate::Object;

pub(super) fn definition(object: &Object) -> Readiness {
    if let Some(names) = condition(object, "NamesAccepted").filter(Condition::is_false) {
        return Readiness::Failed(format!("its names are taken: {}", names.sentence()));
    }
    match condition(object, "Established") {
        Some(established) if established.is_true() => Readiness::Current("established".into()),
        _ => Readiness::InProgress("not established yet".into()),
    }
}

pub(super) fn api_service(object: &Object) -> Readiness {
    match condition(object, "Available") {
        Some(available) if available.is_true() => Readiness::Current("available".into()),
        Some(available) => Readiness::InProgress(available.sentence()),
        None => Readiness::InProgress("not checked by the aggregator yet".into()),
    }
}

/// A webhook behind a Service is called only with a CA bundle, which its operator writes later.
pub(super) fn webhook_configuration(object: &Object) -> Readiness {
    let webhooks = object.at("/webhooks").and_then(Value::as_array);
    for webhook in webhooks.into_iter().flatten() {
        let client = &webhook["clientConfig"];
        let bundle = client["caBundle"].as_str().unwrap_or_default();
        if client.get("service").is_some() && bundle.is_empty() {
            let name = webhook["name"].as_str().unwrap_or_default();
            return Readiness::InProgress(format!("webhook {name}: its CA bundle is still empty"));
        }
    }
    Readiness::Current("every webhook has its CA bundle".into())
}

pub(super) fn namespace(object: &Object) -> Readiness {
    match object.text("/status/phase") {
        Some("Terminating") => Readiness::Terminating(what_holds_a_namespace(object)),
        _ => Readiness::Current("active".into()),
    }
}

/// What the namespace controller says it waits for.
pub(super) fn what_holds_a_namespace(object: &Object) -> String {
    let holding = [
        "NamespaceDeletionDiscoveryFailure",
        "NamespaceDeletionGroupVersionParsingFailure",
        "NamespaceDeletionContentFailure",
        "NamespaceFinalizersRemaining",
        "NamespaceContentRemaining",
    ];
    holding
        .into_iter()
        .find_map(|name| condition(object, name).filter(Condition::is_true))
        .map_or_else(
            || "being deleted".into(),
            |held| format!("being deleted: {}", one_line(held.message)),
        )
}

pub(super) fn service(object: &Object) -> Readiness {
    if object.text("/spec/type") != Some("LoadBalancer") {
        return Readiness::Current("exists".into());
    }
    let ingress = object
        .at("/status/loadBalancer/ingress/0")
        .and_then(|entry| entry["ip"].as_str().or_else(|| entry["hostname"].as_str()));
    match ingress {
        Some(address) => Readiness::Current(format!("reachable at {address}")),
        None => Readiness::InProgress("its load balancer has no address yet".into()),
    }
}
