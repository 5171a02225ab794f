//! Deployments, ReplicaSets and DaemonSets: pods that are interchangeable. This file owns how many
//! of them there are and what their owners say about it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::pass::{Pass, list, number, owned_by, reference_to, set_condition, terminating, text};
use super::pod;
use crate::world::{fnv32, safe_encode};

/// The label that tells a Deployment's ReplicaSets apart.
const HASH: &str = "pod-template-hash";

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    for deployment in pass.all("apps/deployments") {
        if !terminating(&deployment) {
            roll_out(pass, &deployment);
        }
    }
    for set in pass.all("apps/replicasets") {
        if !terminating(&set) {
            scale(pass, &set);
        }
    }
    for set in pass.all("apps/daemonsets") {
        if !terminating(&set) {
            cover_nodes(pass, &set);
        }
    }
}

/// Makes the ReplicaSet of the current template, empties older ones once it is available.
fn roll_out(pass: &mut Pass<'_>, deployment: &Value) {
    let hash = safe_encode(fnv32(deployment["spec"]["template"].to_string().as_bytes()));
    let namespace = text(deployment, "/metadata/namespace").to_owned();
    let name = format!("{}-{hash}", text(deployment, "/metadata/name"));
    let wanted = number(deployment, "/spec/replicas").unwrap_or(1);
    let Some(current) = pass.get("apps/replicasets", &namespace, &name) else {
        let set = new_set(deployment, &name, &hash, wanted);
        pass.create("apps/replicasets", set);
        return;
    };
    if number(&current, "/spec/replicas") != Some(wanted) {
        pass.update("apps/replicasets", &current, |set| {
            set["spec"]["replicas"] = wanted.into();
            set["metadata"]["generation"] =
                (set["metadata"]["generation"].as_i64().unwrap_or(1) + 1).into();
        });
    }
    let available = number(&current, "/status/availableReplicas").unwrap_or(0);
    let mut old_pods = 0;
    for old in pass.all("apps/replicasets") {
        if !owned_by(&old, deployment) || old["metadata"]["uid"] == current["metadata"]["uid"] {
            continue;
        }
        old_pods += number(&old, "/status/replicas").unwrap_or(0);
        if available >= wanted && number(&old, "/spec/replicas") != Some(0) {
            pass.update("apps/replicasets", &old, |set| {
                set["spec"]["replicas"] = 0.into();
            });
        }
    }
    describe(pass, deployment, &current, wanted, old_pods);
}

fn new_set(deployment: &Value, name: &str, hash: &str, replicas: i64) -> Value {
    let mut template = deployment["spec"]["template"].clone();
    template["metadata"]["labels"][HASH] = hash.into();
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"][HASH] = hash.into();
    let mut labels = template["metadata"]["labels"].clone();
    labels[HASH] = hash.into();
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": deployment["metadata"]["namespace"],
            "labels": labels,
            "ownerReferences": [reference_to(deployment)],
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    })
}

fn describe(pass: &mut Pass<'_>, deployment: &Value, current: &Value, wanted: i64, old_pods: i64) {
    let count = |pointer| number(current, pointer).unwrap_or(0);
    let (updated, ready, available) = (
        count("/status/replicas"),
        count("/status/readyReplicas"),
        count("/status/availableReplicas"),
    );
    let now = pass.timestamp();
    let name = text(current, "/metadata/name");
    let mut conditions = list(deployment, "/status/conditions").to_vec();
    let complete = updated == wanted && available >= wanted && old_pods == 0;
    let (reason, message) = if complete {
        (
            "NewReplicaSetAvailable",
            format!("ReplicaSet \"{name}\" has successfully progressed."),
        )
    } else {
        (
            "ReplicaSetUpdated",
            format!("ReplicaSet \"{name}\" is progressing."),
        )
    };
    if available >= wanted {
        set_condition(
            &mut conditions,
            "Available",
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
            &now,
        );
    } else {
        set_condition(
            &mut conditions,
            "Available",
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
            &now,
        );
    }
    set_condition(
        &mut conditions,
        "Progressing",
        "True",
        reason,
        &message,
        &now,
    );
    let mut status = json!({
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": updated + old_pods,
        "updatedReplicas": updated,
        "conditions": conditions,
    });
    set_count(&mut status, "readyReplicas", ready);
    set_count(&mut status, "availableReplicas", available);
    set_count(
        &mut status,
        "unavailableReplicas",
        (wanted - available).max(0),
    );
    pass.set_status("apps/deployments", deployment, status);
}

/// Kubernetes leaves counts of zero out.
pub(super) fn set_count(status: &mut Value, key: &str, count: i64) {
    if count != 0 {
        status[key] = count.into();
    }
}

/// Makes and deletes pods until there are as many as wanted.
fn scale(pass: &mut Pass<'_>, set: &Value) {
    let wanted = number(set, "/spec/replicas").unwrap_or(1);
    let pods: Vec<_> = owned_pods(pass, set);
    let living: Vec<_> = pods
        .iter()
        .filter(|pod| !terminating(pod) && !pod::ended(pod))
        .collect();
    let missing = wanted - living.len() as i64;
    for _ in 0..missing.max(0) {
        let name = format!(
            "{}-{}",
            text(set, "/metadata/name"),
            pass.state.entropy.suffix(5)
        );
        pod::create(pass, set, &set["spec"]["template"], &name, None);
    }
    for surplus in living.iter().rev().take((-missing).max(0) as usize) {
        pass.delete("/pods", surplus);
    }
    let ready = living.iter().filter(|pod| pod::ready(pod)).count() as i64;
    let mut status = json!({
        "observedGeneration": set["metadata"]["generation"],
        "replicas": living.len(),
        "fullyLabeledReplicas": living.len(),
    });
    set_count(&mut status, "readyReplicas", ready);
    set_count(&mut status, "availableReplicas", ready);
    pass.set_status("apps/replicasets", set, status);
}

/// The pods a workload controls.
pub(super) fn owned_pods(pass: &Pass<'_>, owner: &Value) -> Vec<Arc<Value>> {
    pass.state
        .store
        .within("/pods", text(owner, "/metadata/namespace"))
        .filter(|(_, pod)| owned_by(pod, owner))
        .map(|(_, pod)| Arc::clone(pod))
        .collect()
}

/// One pod on each node.
fn cover_nodes(pass: &mut Pass<'_>, set: &Value) {
    let hash = safe_encode(fnv32(set["spec"]["template"].to_string().as_bytes()));
    let pods = owned_pods(pass, set);
    let nodes = pass.all("/nodes");
    let (mut updated, mut ready) = (0, 0);
    for node in &nodes {
        let node_name = text(node, "/metadata/name");
        let here = pods
            .iter()
            .find(|pod| text(pod, "/spec/nodeName") == node_name && !terminating(pod));
        match here {
            Some(pod) if text(pod, "/metadata/labels/controller-revision-hash") != hash => {
                pass.delete("/pods", pod);
            }
            Some(pod) => {
                updated += 1;
                ready += i64::from(pod::ready(pod));
            }
            None => {
                let name = format!(
                    "{}-{}",
                    text(set, "/metadata/name"),
                    pass.state.entropy.suffix(5)
                );
                let mut template = set["spec"]["template"].clone();
                template["metadata"]["labels"]["controller-revision-hash"] = hash.clone().into();
                pod::create(pass, set, &template, &name, Some(node_name));
            }
        }
    }
    let status = json!({
        "observedGeneration": set["metadata"]["generation"],
        "desiredNumberScheduled": nodes.len(),
        "currentNumberScheduled": pods.len(),
        "updatedNumberScheduled": updated,
        "numberReady": ready,
        "numberAvailable": ready,
        "numberMisscheduled": 0,
    });
    pass.set_status("apps/daemonsets", set, status);
}
