//! [`NamespaceStep`]: a namespace that is there, made or adopted. It refuses one that is going away
//! and never deletes.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use converge::{
    Change, ChangeKind, Decision, Proof, Readiness, Step, StepContext, StepError, StepOutcome,
    Verification,
};
use kube_cluster::{Applied, ApplyOptions, Cluster, Object, ObjectRef, differences, readiness};

use crate::{IdentityError, NamespaceName};

/// Our field manager for objects that belong to no release.
pub(crate) const MANAGER: &str = "aks-airflow";

/// Ensures a namespace.
#[derive(Debug, Clone)]
pub struct NamespaceStep {
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// The namespace.
    pub name: NamespaceName,
    /// Labels it must have; others stay as they are.
    pub labels: BTreeMap<String, String>,
    /// Take labels other managers own; off means: stop and name them.
    pub take: bool,
}

impl NamespaceStep {
    fn target(&self) -> ObjectRef {
        ObjectRef::cluster_wide("v1", "Namespace", self.name.as_str())
    }

    fn declared(&self) -> Object {
        let mut object = Object::named(&self.target());
        for (key, value) in &self.labels {
            object.set_label(key, value);
        }
        object
    }
}

#[async_trait]
impl Step for NamespaceStep {
    type Observed = Option<Object>;
    type Action = Object;
    type Output = NamespaceName;

    fn name(&self) -> &'static str {
        "namespace"
    }

    async fn observe(&self, _context: &StepContext) -> Result<Option<Object>, StepError> {
        let read = self.cluster.get(self.target()).await;
        read.map_err(|error| StepError::before_writes(IdentityError::Cluster(error)))
    }

    fn decide(&self, live: &Option<Object>) -> Result<Decision<Object, NamespaceName>, StepError> {
        let declared = self.declared();
        let change = |kind| Change::new(kind, self.target().to_string(), Verification::Verified);
        let Some(live) = live else {
            return Ok(Decision::Act {
                action: declared,
                changes: vec![change(ChangeKind::Create)],
            });
        };
        if let Readiness::Terminating(reason) = readiness(live) {
            return Err(StepError::before_writes(
                IdentityError::NamespaceTerminating {
                    namespace: self.name.to_string(),
                    reason,
                },
            ));
        }
        let found = differences(&declared, live);
        if found.is_empty() {
            return Ok(Decision::Done {
                output: self.name.clone(),
                proof: Proof::observed("active"),
            });
        }
        let fields: Vec<_> = found.iter().map(|one| one.to_change(MANAGER)).collect();
        let is_foreign = !self.take
            && found.iter().any(|one| {
                !one.owners.is_empty() && one.owners.iter().all(|owner| owner != MANAGER)
            });
        let kind = if is_foreign {
            ChangeKind::Conflict
        } else {
            ChangeKind::Update
        };
        Ok(Decision::Act {
            action: declared,
            changes: vec![change(kind).with_fields(fields)],
        })
    }

    async fn perform(
        &self,
        declared: Object,
        _context: &StepContext,
    ) -> Result<StepOutcome<NamespaceName>, StepError> {
        apply(self.cluster.as_ref(), declared, self.take).await?;
        Ok(StepOutcome {
            output: self.name.clone(),
            did: "ensured".into(),
            proof: Proof::observed("active"),
        })
    }
}

/// Applies one of our own objects; conflicts are an error.
pub(crate) async fn apply(
    cluster: &dyn Cluster,
    declared: Object,
    take: bool,
) -> Result<Object, StepError> {
    let target = declared.reference().to_string();
    let options = ApplyOptions {
        manager: MANAGER.into(),
        force: take,
        ..ApplyOptions::default()
    };
    match cluster.apply(declared, options).await {
        Ok(Applied::Done(object)) => Ok(object),
        Ok(Applied::Conflicts(conflicts)) => {
            let error = IdentityError::Conflict { target, conflicts };
            Err(StepError::before_writes(error))
        }
        Err(error) => Err(StepError::before_writes(IdentityError::Cluster(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube_cluster::MockCluster;
    use serde_json::json;

    fn step(labels: &[(&str, &str)]) -> NamespaceStep {
        NamespaceStep {
            cluster: Arc::new(MockCluster::new()),
            name: NamespaceName::parse("airflow").unwrap(),
            labels: labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            take: false,
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "the callers write literals")]
    fn live(metadata: serde_json::Value) -> Option<Object> {
        Object::from_value(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
            .ok()
    }

    #[test]
    fn a_namespace_is_made_adopted_labelled_or_refused() {
        let kinds = |step: &NamespaceStep, live: Option<Object>| match step.decide(&live) {
            Ok(Decision::Done { .. }) => "done".to_owned(),
            Ok(Decision::Act { changes, .. }) => changes[0].kind.to_string(),
            Ok(Decision::Later { .. }) => "later".to_owned(),
            Ok(other) => format!("{other:?}"),
            Err(error) => error.to_string(),
        };
        let labelled = step(&[("team", "data")]);
        assert_eq!(kinds(&labelled, None), "create");
        assert_eq!(
            kinds(&labelled, live(json!({"labels": {"team": "data"}}))),
            "done"
        );
        assert_eq!(kinds(&labelled, live(json!({}))), "change");
        let foreign = json!({"labels": {"team": "web"}, "managedFields": [{"manager": "terraform",
            "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:team": {}}}}}]});
        assert_eq!(kinds(&labelled, live(foreign)), "conflict");
        assert_eq!(
            kinds(&labelled, live(json!({"deletionTimestamp": "t"}))),
            "namespace `airflow` is being deleted"
        );
    }
}
