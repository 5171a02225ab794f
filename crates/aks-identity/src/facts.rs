//! [`FactsStep`]: reading subscription, cluster and identity, before anything is decided. It never
//! writes.

use std::sync::Arc;

use async_trait::async_trait;
use azure::{ApiVersion, Arm, ResourceId};
use converge::{Decision, Proof, Step, StepContext, StepError, StepOutcome};
use serde_json::Value;

use crate::cluster_facts::CLUSTERS;
use crate::{ClusterFacts, Identities, IdentityError, IdentityFacts, Severity, TenantId, findings};

/// `Microsoft.Resources/subscriptions`.
const SUBSCRIPTIONS: ApiVersion = ApiVersion("2022-12-01");

/// What every other step starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The subscription's id.
    pub subscription: String,
    /// The subscription's name, for reports.
    pub subscription_name: String,
    /// The subscription's tenant.
    pub tenant: TenantId,
    /// The cluster.
    pub cluster: ClusterFacts,
    /// The OIDC issuer's URL to the letter.
    pub issuer: String,
    /// The identity Airflow uses.
    pub identity: IdentityFacts,
}

/// Reads the facts.
#[derive(Debug, Clone)]
pub struct FactsStep {
    /// Resource Manager.
    pub arm: Arc<dyn Arm>,
    /// Managed identities.
    pub identities: Arc<dyn Identities>,
    /// The cluster's resource id.
    pub cluster: ResourceId,
    /// The managed identity's resource id.
    pub identity: ResourceId,
}

/// What Azure said.
#[derive(Debug, Clone)]
pub struct FactsSeen {
    subscription: Option<Value>,
    cluster: Option<Value>,
    identity: Option<IdentityFacts>,
}

#[async_trait]
impl Step for FactsStep {
    type Observed = FactsSeen;
    type Action = ();
    type Output = Facts;

    fn name(&self) -> &'static str {
        "facts"
    }

    async fn observe(&self, _context: &StepContext) -> Result<FactsSeen, StepError> {
        let arm = |result: Result<_, _>| result.map_err(IdentityError::Arm);
        let look = async {
            let subscription = self.cluster.segment("subscriptions").unwrap_or_default();
            let subscription =
                ResourceId::subscription(subscription).map_err(|_| IdentityError::Incomplete {
                    what: "the cluster's id",
                    field: "subscriptions",
                })?;
            let (subscription, cluster, identity) = futures::try_join!(
                async { arm(self.arm.get(subscription, SUBSCRIPTIONS).await) },
                async { arm(self.arm.get(self.cluster.clone(), CLUSTERS).await) },
                self.identities.identity(self.identity.clone()),
            )?;
            Ok(FactsSeen {
                subscription,
                cluster,
                identity,
            })
        };
        look.await
            .map_err(|error: IdentityError| StepError::before_writes(error))
    }

    fn decide(&self, seen: &FactsSeen) -> Result<Decision<(), Facts>, StepError> {
        let output = self.facts(seen).map_err(StepError::before_writes)?;
        Ok(Decision::Done {
            proof: Proof::observed("subscription, cluster and identity"),
            output,
        })
    }

    async fn perform(
        &self,
        (): (),
        context: &StepContext,
    ) -> Result<StepOutcome<Facts>, StepError> {
        let seen = self.observe(context).await?;
        Ok(StepOutcome {
            output: self.facts(&seen).map_err(StepError::before_writes)?,
            did: "read".into(),
            proof: Proof::observed("subscription, cluster and identity"),
        })
    }
}

impl FactsStep {
    fn facts(&self, seen: &FactsSeen) -> Result<Facts, IdentityError> {
        let missing = |what, id: &ResourceId| IdentityError::Missing {
            what,
            id: id.clone(),
        };
        let (subscription, tenant) = self.subscription(seen)?;
        let cluster = seen
            .cluster
            .as_ref()
            .ok_or_else(|| missing("cluster", &self.cluster))?;
        let cluster = ClusterFacts::read(self.cluster.clone(), cluster)?;
        let identity = seen.identity.clone();
        let identity = identity.ok_or_else(|| missing("managed identity", &self.identity))?;
        // What stops this domain; the blob driver stops only those who mount volumes.
        let blocking = findings(&cluster).into_iter().find(|finding| {
            finding.severity == Severity::Blocking && finding.code != "aka::aks::blob_driver_off"
        });
        if let Some(finding) = blocking {
            return Err(IdentityError::ClusterUnusable {
                cluster: self.cluster.name().to_owned(),
                what: finding.what,
                fix: finding.fix,
            });
        }
        let issuer = cluster.issuer.clone().ok_or(IdentityError::Incomplete {
            what: "the cluster",
            field: "oidcIssuerProfile.issuerURL",
        })?;
        Ok(Facts {
            subscription_name: subscription["displayName"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            subscription: subscription["subscriptionId"]
                .as_str()
                .unwrap_or(self.cluster.segment("subscriptions").unwrap_or_default())
                .to_owned(),
            tenant,
            cluster,
            issuer,
            identity,
        })
    }

    fn subscription<'a>(
        &self,
        seen: &'a FactsSeen,
    ) -> Result<(&'a Value, TenantId), IdentityError> {
        let Some(subscription) = &seen.subscription else {
            return Err(IdentityError::Missing {
                what: "subscription",
                id: self.cluster.clone(),
            });
        };
        let state = subscription["state"].as_str().unwrap_or("Enabled");
        if matches!(state, "Disabled" | "Deleted") {
            return Err(IdentityError::SubscriptionUnusable {
                subscription: subscription["subscriptionId"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                state: state.to_owned(),
            });
        }
        let tenant = subscription["tenantId"]
            .as_str()
            .ok_or(IdentityError::Incomplete {
                what: "the subscription",
                field: "tenantId",
            })?;
        let tenant = TenantId::parse(tenant).map_err(|source| IdentityError::Name {
            what: "the subscription",
            source,
        })?;
        Ok((subscription, tenant))
    }
}
