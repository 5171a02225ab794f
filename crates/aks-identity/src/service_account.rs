//! [`ServiceAccountStep`]: the ServiceAccount that stands for the managed identity. It owns the two
//! annotations workload identity reads; it refuses to touch anything else of the account.
//!
//! Source: azure-workload-identity, "Service account labels and annotations".

use std::sync::Arc;

use async_trait::async_trait;
use converge::{
    Change, ChangeKind, Decision, Proof, Slot, Step, StepContext, StepError, StepOutcome,
    Verification,
};
use kube_cluster::{
    Cluster, Object, ObjectRef, differences, take_declared_fields, take_over_from_kubectl,
};

use crate::namespace::{MANAGER, apply};
use crate::{IdentityError, IdentityFacts, NamespaceName, ServiceAccountName};

/// The annotation with the identity's client id.
pub const CLIENT_ID_ANNOTATION: &str = "azure.workload.identity/client-id";
/// The annotation with the identity's tenant.
pub const TENANT_ID_ANNOTATION: &str = "azure.workload.identity/tenant-id";

/// Ensures a ServiceAccount with the identity's annotations.
#[derive(Debug, Clone)]
pub struct ServiceAccountStep {
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// Its namespace.
    pub namespace: NamespaceName,
    /// Its name.
    pub name: ServiceAccountName,
    /// The identity it stands for.
    pub identity: Slot<IdentityFacts>,
    /// Take annotations other managers own; off means: stop and name them.
    pub take: bool,
}

/// What to do.
#[derive(Debug, Clone)]
pub struct ServiceAccountAction {
    declared: Object,
    /// The account as `kubectl apply` left it, if only its owner changes.
    adopt: Option<Object>,
}

/// What was seen.
#[derive(Debug, Clone)]
pub struct ServiceAccountSeen {
    live: Option<Object>,
    namespace_exists: bool,
    identity: Option<IdentityFacts>,
}

impl ServiceAccountStep {
    fn target(&self) -> ObjectRef {
        let namespace = self.namespace.as_str();
        ObjectRef::namespaced("v1", "ServiceAccount", namespace, self.name.as_str())
    }

    fn declared(&self, identity: &IdentityFacts) -> Object {
        let mut object = Object::named(&self.target());
        object.set_annotation(CLIENT_ID_ANNOTATION, identity.client_id.as_str());
        object.set_annotation(TENANT_ID_ANNOTATION, identity.tenant_id.as_str());
        object
    }
}

#[async_trait]
impl Step for ServiceAccountStep {
    type Observed = ServiceAccountSeen;
    type Action = ServiceAccountAction;
    type Output = ObjectRef;

    fn name(&self) -> &'static str {
        "service account"
    }

    async fn observe(&self, _context: &StepContext) -> Result<ServiceAccountSeen, StepError> {
        let fail = |error| StepError::before_writes(IdentityError::Cluster(error));
        let namespace = ObjectRef::cluster_wide("v1", "Namespace", self.namespace.as_str());
        let live = self.cluster.get(self.target()).await.map_err(fail)?;
        let namespace_exists = match &live {
            Some(_) => true,
            None => self.cluster.get(namespace).await.map_err(fail)?.is_some(),
        };
        Ok(ServiceAccountSeen {
            live,
            namespace_exists,
            identity: self.identity.get(),
        })
    }

    /// Making the namespace puts no account of ours into it.
    fn outlives(&self, seen: &ServiceAccountSeen) -> bool {
        seen.identity.is_some()
    }

    fn decide(
        &self,
        seen: &ServiceAccountSeen,
    ) -> Result<Decision<ServiceAccountAction, ObjectRef>, StepError> {
        let change =
            |kind, verification| Change::new(kind, self.target().to_string(), verification);
        let Some(identity) = &seen.identity else {
            let row = change(ChangeKind::Create, Verification::Predicted);
            return Ok(Decision::Later {
                changes: vec![row.with_note("its client id is known once the identity is")],
            });
        };
        let declared = self.declared(identity);
        let Some(live) = &seen.live else {
            let verification = if seen.namespace_exists {
                Verification::Verified
            } else {
                Verification::Predicted
            };
            return Ok(Decision::Act {
                action: ServiceAccountAction {
                    declared,
                    adopt: None,
                },
                changes: vec![change(ChangeKind::Create, verification)],
            });
        };
        let found = differences(&declared, live);
        if found.is_empty() && take_declared_fields(&declared, live, MANAGER).is_some() {
            let row = change(ChangeKind::Adopt, Verification::Verified);
            return Ok(Decision::Adopt {
                action: ServiceAccountAction {
                    declared,
                    adopt: Some(live.clone()),
                },
                output: self.target(),
                changes: vec![row.with_note("its annotations were applied by kubectl")],
            });
        }
        if found.is_empty() {
            return Ok(Decision::Done {
                output: self.target(),
                proof: Proof::observed("both annotations"),
            });
        }
        let fields = found.iter().map(|one| one.to_change(MANAGER)).collect();
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
            action: ServiceAccountAction {
                declared,
                adopt: None,
            },
            changes: vec![change(kind, Verification::Verified).with_fields(fields)],
        })
    }

    async fn perform(
        &self,
        action: ServiceAccountAction,
        _context: &StepContext,
    ) -> Result<StepOutcome<ObjectRef>, StepError> {
        let did = if let Some(live) = &action.adopt {
            let cluster = self.cluster.as_ref();
            take_over_from_kubectl(cluster, &action.declared, live, MANAGER)
                .await
                .map_err(|error| StepError::before_writes(IdentityError::Cluster(error)))?;
            "adopted"
        } else {
            apply(self.cluster.as_ref(), action.declared, self.take).await?;
            "annotated"
        };
        Ok(StepOutcome {
            output: self.target(),
            did: did.into(),
            proof: Proof::observed("both annotations"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientId, PrincipalId, TenantId};
    use kube_cluster::{Applied, MockCluster};
    use serde_json::json;

    fn identity() -> IdentityFacts {
        IdentityFacts {
            id: "/subscriptions/s/resourceGroups/g".parse().unwrap(),
            client_id: ClientId::parse("11111111-2222-3333-4444-555555555555").unwrap(),
            principal_id: PrincipalId::parse("21111111-2222-3333-4444-555555555555").unwrap(),
            tenant_id: TenantId::parse("31111111-2222-3333-4444-555555555555").unwrap(),
            location: "l".into(),
        }
    }

    fn step(cluster: MockCluster) -> ServiceAccountStep {
        ServiceAccountStep {
            cluster: Arc::new(cluster),
            namespace: NamespaceName::parse("airflow").unwrap(),
            name: ServiceAccountName::parse("airflow").unwrap(),
            identity: Slot::known(identity()),
            take: false,
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "the callers write literals")]
    fn seen(annotations: serde_json::Value, manager: &str) -> ServiceAccountSeen {
        let live = Object::from_value(
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {
            "name": "airflow", "namespace": "airflow", "annotations": annotations,
            "managedFields": [{"manager": manager, "operation": "Update",
                "fieldsV1": {"f:metadata": {"f:annotations": {format!("f:{CLIENT_ID_ANNOTATION}"): {}}}}}]}}),
        );
        ServiceAccountSeen {
            live: live.ok(),
            namespace_exists: true,
            identity: Some(identity()),
        }
    }

    #[test]
    fn a_stale_client_id_is_a_change_or_a_conflict_and_names_its_field() {
        let step = step(MockCluster::new());
        let annotations = json!({CLIENT_ID_ANNOTATION: "old", TENANT_ID_ANNOTATION: identity().tenant_id.as_str()});
        for (manager, expected) in [
            (MANAGER, ChangeKind::Update),
            ("kubectl", ChangeKind::Conflict),
        ] {
            let Ok(Decision::Act { changes, .. }) =
                step.decide(&seen(annotations.clone(), manager))
            else {
                panic!("something is to be done");
            };
            assert_eq!(changes[0].kind, expected);
            assert_eq!(
                changes[0].fields[0].path,
                "metadata.annotations[azure.workload.identity/client-id]"
            );
        }
    }

    #[test]
    fn equal_annotations_are_done_whoever_owns_them() {
        let annotations = json!({CLIENT_ID_ANNOTATION: identity().client_id.as_str(),
            TENANT_ID_ANNOTATION: identity().tenant_id.as_str(), "team": "data"});
        let decision = step(MockCluster::new()).decide(&seen(annotations, "kubectl"));
        assert!(matches!(decision, Ok(Decision::Done { .. })));
    }

    #[test]
    fn without_an_identity_it_is_decided_later_and_without_a_namespace_predicted() {
        let unknown = ServiceAccountSeen {
            live: None,
            namespace_exists: false,
            identity: None,
        };
        assert!(matches!(
            step(MockCluster::new()).decide(&unknown),
            Ok(Decision::Later { .. })
        ));
        let early = ServiceAccountSeen {
            identity: Some(identity()),
            ..unknown
        };
        let Ok(Decision::Act { changes, .. }) = step(MockCluster::new()).decide(&early) else {
            panic!("something is to be done");
        };
        assert_eq!(changes[0].verification, Verification::Predicted);
    }

    #[tokio::test]
    async fn performing_applies_both_annotations_under_our_name_and_without_force() {
        let mut cluster = MockCluster::new();
        cluster
            .expect_apply()
            .times(1)
            .returning(|object, options| {
                assert_eq!((options.manager.as_str(), options.force), (MANAGER, false));
                assert_eq!(
                    object.annotation(CLIENT_ID_ANNOTATION),
                    Some("11111111-2222-3333-4444-555555555555")
                );
                assert_eq!(
                    object.annotation(TENANT_ID_ANNOTATION),
                    Some("31111111-2222-3333-4444-555555555555")
                );
                Ok(Applied::Done(object))
            });
        let step = step(cluster);
        let declared = step.declared(&identity());
        let action = ServiceAccountAction {
            declared,
            adopt: None,
        };
        step.perform(action, &StepContext::default()).await.unwrap();
    }
}
