//! The shipped rights: the deployer of every other proof here has exactly these. That they suffice
//! is shown by those; here, that each of them is needed and that a missing one is named.

use std::collections::BTreeSet;

use aks_airflow_e2e::Failed;
use aks_airflow_e2e::{DEPLOYER, NAMESPACE};
use orchestrate::{RIGHTS, Verdict};
use serde_json::{Value, json};

use crate::ground::{Ground, expect, failures, same};

type Rights = BTreeSet<(String, String, String)>;

/// The manifest grants what `doctor` asks for, and nothing that no run has used.
pub(crate) async fn nothing_is_granted_that_is_not_used(ground: &Ground) -> Result<(), Failed> {
    let world = ground.world().await?;
    let diagnosis = ground.deployment.doctor(&world).await;
    let rights = diagnosis
        .checks
        .iter()
        .find(|check| check.subject == "rights in the cluster");
    let rights = rights.ok_or("doctor does not look at rights")?;
    expect(rights.verdict == Verdict::Good, || rights.seen.clone())?;
    let mut granted = Rights::new();
    for path in [role(), cluster_role()] {
        for rule in rules(&ground.get(&path).await?) {
            granted.extend(triples(&rule));
        }
    }
    let asked: Rights = RIGHTS
        .iter()
        .flat_map(|right| {
            right
                .verbs
                .iter()
                .map(|verb| triple(right.group, right.resource, verb))
        })
        .collect();
    let missing: Vec<_> = asked.difference(&granted).collect();
    expect(missing.is_empty(), || format!("not granted: {missing:?}"))?;
    let used = ground.used_rights()?;
    let unused: Vec<_> = granted
        .iter()
        .filter(|right| !is_used(right, &used) && !is_for_others(right))
        .collect();
    expect(unused.is_empty(), || {
        format!("granted, never used: {unused:?}")
    })
}

/// Whether a right was used. How the charts' objects are read (one by one, as a list, by a watch)
/// goes by how many a chart has of a kind, so that one of these stands for all.
fn is_used(right: &(String, String, String), used: &Rights) -> bool {
    const READS: [&str; 3] = ["get", "list", "watch"];
    let (group, resource, verb) = right;
    let verbs = if READS.contains(&verb.as_str()) {
        READS.as_slice()
    } else {
        &[verb.as_str()]
    };
    verbs
        .iter()
        .any(|verb| used.contains(&triple(group, resource, verb)))
}

/// Rights no request of these proofs is for.
fn is_for_others((group, resource, verb): &(String, String, String)) -> bool {
    // Asked by the server about the writing of a role, no request of its own.
    let is_about_roles = matches!(verb.as_str(), "escalate" | "bind");
    let others = [
        // A port forwarded by WebSocket is a `get` that must be allowed to `create`.
        ("", "pods/portforward", "create"),
        // Read where a Deployment cannot make its pods: its ReplicaSet's events say why.
        ("apps", "replicasets", "list"),
        // The shipped manifest makes the namespace; a document may declare labels for it.
        ("", "namespaces", "patch"),
    ];
    is_about_roles || others.contains(&(group.as_str(), resource.as_str(), verb.as_str()))
}

/// Without any one rule `doctor` names what is missing, before anything is written.
pub(crate) async fn a_missing_right_is_named(ground: &Ground) -> Result<(), Failed> {
    for path in [role(), cluster_role()] {
        let whole = ground.get(&path).await?;
        for (number, rule) in rules(&whole).into_iter().enumerate() {
            let known = triples(&rule).into_iter().any(|(group, resource, verb)| {
                RIGHTS.iter().any(|right| {
                    (right.group, right.resource) == (group.as_str(), resource.as_str())
                        && right.verbs.contains(&verb.as_str())
                })
            });
            // `escalate` and `bind` go by the charts' names; `doctor`'s own reads are its own.
            if !known {
                continue;
            }
            let removal = json!([{"op": "remove", "path": format!("/rules/{number}")}]);
            ground.aks.api.patch(&path, &removal).await?;
            let world = ground.world().await?;
            let diagnosis = ground.deployment.doctor(&world).await;
            let put_back = json!([{"op": "replace", "path": "/rules", "value": whole["rules"]}]);
            ground.aks.api.patch(&path, &put_back).await?;
            let seen: Vec<_> = diagnosis
                .checks
                .iter()
                .filter(|check| check.verdict == Verdict::Bad)
                .map(|check| check.seen.as_str())
                .collect();
            let resource = rule["resources"][0].as_str().unwrap_or_default();
            let verb = rule["verbs"][0].as_str().unwrap_or_default();
            let named = format!("{verb} {resource}");
            expect(seen.iter().any(|seen| seen.contains(&named)), || {
                format!("without {rule}: {seen:?}")
            })?;
        }
    }
    Ok(())
}

/// A run without one of them stops with an error that names the verb and the resource.
pub(crate) async fn a_run_without_a_right_says_which(ground: &Ground) -> Result<(), Failed> {
    ground.reset().await?;
    let path = cluster_role();
    let whole = ground.get(&path).await?;
    let rules = rules(&whole);
    let at = rules
        .iter()
        .position(|rule| rule["resources"][0] == "persistentvolumes")
        .ok_or("no such rule")?;
    let removal = json!([{"op": "remove", "path": format!("/rules/{at}")}]);
    ground.aks.api.patch(&path, &removal).await?;
    let outcome = ground.up().await;
    let put_back = json!([{"op": "replace", "path": "/rules", "value": whole["rules"]}]);
    ground.aks.api.patch(&path, &put_back).await?;
    let said = match outcome {
        Ok(up) => failures(&up.report),
        Err(error) => error.to_string(),
    };
    expect(
        said.contains("persistentvolumes") && said.contains(DEPLOYER),
        || format!("not named: {said}"),
    )?;
    ground.up().await?.succeeded()?;
    same(&ground.plan().await?.is_noop(), &true)
}

fn role() -> String {
    format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/{DEPLOYER}")
}

fn cluster_role() -> String {
    format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{DEPLOYER}")
}

fn rules(role: &Value) -> Vec<Value> {
    role["rules"].as_array().cloned().unwrap_or_default()
}

pub(crate) fn triple(group: &str, resource: &str, verb: &str) -> (String, String, String) {
    (group.to_owned(), resource.to_owned(), verb.to_owned())
}

fn triples(rule: &Value) -> Vec<(String, String, String)> {
    let list = |key: &str| {
        let list = rule[key].as_array().cloned().unwrap_or_default();
        let texts = list.iter().filter_map(Value::as_str).map(str::to_owned);
        texts.collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    for group in list("apiGroups") {
        for resource in list("resources") {
            for verb in list("verbs") {
                found.push(triple(&group, &resource, &verb));
            }
        }
    }
    found
}
