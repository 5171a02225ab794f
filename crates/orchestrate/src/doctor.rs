//! [`Diagnosis`]: whether a deployment can succeed, before anything is written. It owns the list of
//! checks; each finding says how to mend it.

use aks_identity::{ClusterFacts, Severity, findings};
use futures::{StreamExt as _, stream};
use kube_cluster::{AccessQuestion, Kind, ObjectRef, Query};
use serde::Serialize;

use crate::charts::Charts;
use crate::document::Deployment;
use crate::rights::{Only, RIGHTS};
use crate::world::{World, cluster_id, resource_group};

/// How many access reviews are asked at once.
const AT_ONCE: usize = 8;

/// What a preflight found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// The format's version: 1.
    pub format: u32,
    /// Every check, in order.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What was looked at.
    pub subject: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// How to mend it.
    pub fix: Option<String>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing in the way.
    Good,
    /// It will work, but not well.
    Warning,
    /// A run would fail.
    Bad,
}

impl Diagnosis {
    /// Whether a run can succeed.
    pub fn passed(&self) -> bool {
        self.checks
            .iter()
            .all(|check| check.verdict != Verdict::Bad)
    }

    fn add(
        &mut self,
        subject: &str,
        verdict: Verdict,
        seen: impl Into<String>,
        fix: Option<String>,
    ) {
        self.checks.push(Check {
            subject: subject.to_owned(),
            verdict,
            seen: seen.into(),
            fix,
        });
    }
}

impl Deployment {
    /// Checks, reading and probing only, what this deployment needs. What cannot be checked is a
    /// finding, not an error.
    pub async fn doctor(&self, world: &World) -> Diagnosis {
        let mut diagnosis = Diagnosis {
            format: 1,
            checks: Vec::new(),
        };
        self.check_azure(world, &mut diagnosis).await;
        self.check_cluster(world, &mut diagnosis).await;
        self.check_rights(world, &mut diagnosis).await;
        match Charts::load(self, world.charts.as_ref()).await {
            Ok(charts) => diagnosis.add(
                "charts",
                Verdict::Good,
                format!("airflow {}", charts.airflow.version()),
                None,
            ),
            Err(error) => {
                let fix = innermost_help(&error);
                diagnosis.add("charts", Verdict::Bad, chain(&error), fix);
            }
        }
        diagnosis
    }

    async fn check_azure(&self, world: &World, diagnosis: &mut Diagnosis) {
        let azure = &self.azure;
        let Ok(group) = resource_group(self) else {
            return;
        };
        let resources = [
            (
                "managed identity",
                "Microsoft.ManagedIdentity",
                "userAssignedIdentities",
                &azure.managed_identity,
                "2024-11-30",
            ),
            (
                "key vault",
                "Microsoft.KeyVault",
                "vaults",
                &azure.key_vault,
                "2023-07-01",
            ),
            (
                "storage account",
                "Microsoft.Storage",
                "storageAccounts",
                &azure.storage_account,
                "2024-01-01",
            ),
            (
                "container registry",
                "Microsoft.ContainerRegistry",
                "registries",
                &azure.container_registry,
                "2023-07-01",
            ),
        ];
        for (what, provider, kind, name, version) in resources {
            let Ok(id) = group.provider(provider, kind, name) else {
                continue;
            };
            match world.arm.get(id, azure::ApiVersion(version)).await {
                Ok(Some(_)) => {
                    diagnosis.add(what, Verdict::Good, format!("`{name}` is there"), None);
                }
                Ok(None) => diagnosis.add(
                    what,
                    Verdict::Bad,
                    format!(
                        "`{name}` is not in resource group `{}`",
                        azure.resource_group
                    ),
                    Some("create it (part 2 of the guide), or correct the document".into()),
                ),
                Err(error) => {
                    diagnosis.add(what, Verdict::Bad, chain(&error), innermost_help(&error));
                }
            }
        }
        let Ok(id) = cluster_id(self) else { return };
        match world.arm.get(id.clone(), aks_identity::CLUSTERS).await {
            Ok(Some(answer)) => match ClusterFacts::read(id, &answer) {
                Ok(facts) => {
                    let found = findings(&facts);
                    if found.is_empty() {
                        diagnosis.add(
                            "AKS cluster",
                            Verdict::Good,
                            "issuer, workload identity and blob driver are on",
                            None,
                        );
                    }
                    for finding in found {
                        let verdict = if finding.severity == Severity::Blocking {
                            Verdict::Bad
                        } else {
                            Verdict::Warning
                        };
                        diagnosis.add("AKS cluster", verdict, finding.what, Some(finding.fix));
                    }
                }
                Err(error) => diagnosis.add(
                    "AKS cluster",
                    Verdict::Bad,
                    chain(&error),
                    innermost_help(&error),
                ),
            },
            Ok(None) => diagnosis.add(
                "AKS cluster",
                Verdict::Bad,
                format!("`{}` is not there", azure.cluster),
                Some("correct `azure.cluster`".into()),
            ),
            Err(error) => diagnosis.add(
                "AKS cluster",
                Verdict::Bad,
                chain(&error),
                innermost_help(&error),
            ),
        }
    }

    async fn check_cluster(&self, world: &World, diagnosis: &mut Diagnosis) {
        match world.cluster.discover().await {
            Ok(discovery) => diagnosis.add(
                "API server",
                Verdict::Good,
                format!("Kubernetes {}", discovery.version),
                None,
            ),
            Err(error) => {
                diagnosis.add(
                    "API server",
                    Verdict::Bad,
                    chain(&error),
                    innermost_help(&error),
                );
                return;
            }
        }
        let driver =
            ObjectRef::cluster_wide("storage.k8s.io/v1", "CSIDriver", "blob.csi.azure.com");
        match world.cluster.get(driver).await {
            Ok(Some(_)) => diagnosis.add(
                "blob driver",
                Verdict::Good,
                "blob.csi.azure.com is installed",
                None,
            ),
            Ok(None) => diagnosis.add(
                "blob driver",
                Verdict::Bad,
                "blob.csi.azure.com is not installed",
                Some("enable it on the cluster: storageProfile.blobCSIDriver".into()),
            ),
            Err(error) => diagnosis.add("blob driver", Verdict::Warning, chain(&error), None),
        }
        let nodes = Query::all(Kind::new("v1", "Node"), None);
        if let Ok(list) = world.cluster.list(nodes).await {
            let ready = list
                .items
                .iter()
                .filter(|node| kube_cluster::readiness(node).is_current())
                .count();
            let verdict = if ready == 0 {
                Verdict::Bad
            } else {
                Verdict::Good
            };
            diagnosis.add(
                "nodes",
                verdict,
                format!("{ready} of {} ready", list.items.len()),
                None,
            );
        }
    }

    async fn check_rights(&self, world: &World, diagnosis: &mut Diagnosis) {
        let questions = RIGHTS.iter().flat_map(|right| {
            right.verbs.iter().map(|verb| AccessQuestion {
                verb: (*verb).into(),
                group: right.group.into(),
                resource: right.resource.into(),
                namespace: right.namespaced.then(|| self.namespace.clone()),
                name: match right.only {
                    Only::Any => None,
                    Only::Namespace => Some(self.namespace.clone()),
                    Only::ServiceAccount => Some(self.identity.service_account.clone()),
                },
            })
        });
        let answers = stream::iter(questions)
            .map(|question| async move {
                let denial = format!("{} {}", question.verb, question.resource);
                let decision = world.cluster.review_access(question).await;
                decision
                    .is_ok_and(|decision| !decision.allowed)
                    .then_some(denial)
            })
            .buffered(AT_ONCE)
            .collect::<Vec<_>>();
        let mut denied: Vec<String> = answers.await.into_iter().flatten().collect();
        // A new namespace needs more than an existing one.
        let place = ObjectRef::cluster_wide("v1", "Namespace", &self.namespace);
        if let Ok(None) = world.cluster.get(place).await {
            let question = AccessQuestion {
                verb: "create".into(),
                group: String::new(),
                resource: "namespaces".into(),
                namespace: None,
                name: None,
            };
            let decision = world.cluster.review_access(question).await;
            if decision.is_ok_and(|decision| !decision.allowed) {
                denied.push("create namespaces".into());
            }
        }
        if denied.is_empty() {
            diagnosis.add(
                "rights in the cluster",
                Verdict::Good,
                "everything this deployment does",
                None,
            );
        } else {
            let fix = "grant these verbs (examples/rbac.yaml has them all), or run as somebody who has them";
            diagnosis.add(
                "rights in the cluster",
                Verdict::Bad,
                format!("may not: {}", denied.join(", ")),
                Some(fix.into()),
            );
        }
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(next) = cause {
        texts.push(next.to_string());
        cause = next.source();
    }
    texts.dedup();
    texts.join(": ")
}

fn innermost_help(error: &dyn miette::Diagnostic) -> Option<String> {
    crate::run::help(error)
}
