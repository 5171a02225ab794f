//! [`Identities`]: managed identities and whom they trust. It owns the contract and its
//! implementation over Resource Manager; it refuses to decide who is to be trusted.
//!
//! Source: `Microsoft.ManagedIdentity` 2024-11-30.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure::{ApiVersion, Arm, ArmDeleted, ArmError, ArmErrorKind, ResourceId};
use converge::Backoff;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::{ClientId, CredentialName, IdentityError, PrincipalId, TenantId};

/// `Microsoft.ManagedIdentity/userAssignedIdentities` and their credentials.
const IDENTITIES: ApiVersion = ApiVersion("2024-11-30");

/// How many federated credentials an identity may hold.
pub const MOST_CREDENTIALS: usize = 20;

/// The audience of tokens that are exchanged at Entra.
pub const AUDIENCE: &str = "api://AzureADTokenExchange";

/// A user-assigned managed identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFacts {
    /// Its resource id.
    pub id: ResourceId,
    /// By which it logs in.
    pub client_id: ClientId,
    /// By which it is granted rights.
    pub principal_id: PrincipalId,
    /// The tenant it lives in: the subscription's.
    pub tenant_id: TenantId,
    /// Its region.
    pub location: String,
}

impl IdentityFacts {
    /// Reads the answer of a GET on the identity.
    ///
    /// # Errors
    /// When an id is missing or none.
    pub fn read(id: ResourceId, answer: &Value) -> Result<Self, IdentityError> {
        let text = |field: &'static str| match answer["properties"][field].as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(IdentityError::Incomplete {
                what: "the managed identity",
                field,
            }),
        };
        let name = |source| IdentityError::Name {
            what: "the managed identity",
            source,
        };
        Ok(Self {
            client_id: ClientId::parse(text("clientId")?).map_err(name)?,
            principal_id: PrincipalId::parse(text("principalId")?).map_err(name)?,
            tenant_id: TenantId::parse(text("tenantId")?).map_err(name)?,
            location: answer["location"].as_str().unwrap_or_default().to_owned(),
            id,
        })
    }
}

/// Whom an identity trusts: tokens of this issuer, about this subject, for this audience, each to
/// the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederatedCredential {
    /// Its name.
    pub name: CredentialName,
    /// The token's `iss`: the cluster's OIDC issuer URL, with its trailing slash.
    pub issuer: String,
    /// The token's `sub`: `system:serviceaccount:airflow:airflow`.
    pub subject: String,
    /// The token's `aud`; [`AUDIENCE`].
    pub audience: String,
}

impl FederatedCredential {
    /// Whether both trust the same tokens, whatever their names.
    pub fn trusts_as(&self, other: &Self) -> bool {
        self.issuer == other.issuer
            && self.subject == other.subject
            && self.audience == other.audience
    }

    fn read(answer: &Value) -> Option<Self> {
        let properties = &answer["properties"];
        Some(Self {
            name: CredentialName::parse(answer["name"].as_str()?).ok()?,
            issuer: properties["issuer"].as_str()?.to_owned(),
            subject: properties["subject"].as_str()?.to_owned(),
            audience: properties["audiences"][0].as_str()?.to_owned(),
        })
    }
}

/// Managed identities and their federated credentials.
///
/// # Contract
/// - Absence is `None`; deleting nothing is [`ArmDeleted::AlreadyAbsent`].
/// - Writes to one identity through one value of this trait go one after the other, as Azure wants.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Identities: fmt::Debug + Send + Sync + 'static {
    /// Reads an identity.
    async fn identity(&self, id: ResourceId) -> Result<Option<IdentityFacts>, IdentityError>;

    /// Creates an identity, or leaves the one that is there as it is.
    async fn ensure_identity(
        &self,
        id: ResourceId,
        location: String,
        deadline: Duration,
    ) -> Result<IdentityFacts, IdentityError>;

    /// Reads all of an identity's credentials; `None` if the identity is not there.
    async fn credentials(
        &self,
        identity: ResourceId,
    ) -> Result<Option<Vec<FederatedCredential>>, IdentityError>;

    /// Creates or replaces the credential of this name. An identity made moments ago may not be
    /// known everywhere yet; that is waited for within `deadline`.
    async fn put_credential(
        &self,
        identity: ResourceId,
        credential: FederatedCredential,
        deadline: Duration,
    ) -> Result<FederatedCredential, IdentityError>;

    /// Deletes a credential.
    async fn delete_credential(
        &self,
        identity: ResourceId,
        name: CredentialName,
        deadline: Duration,
    ) -> Result<ArmDeleted, IdentityError>;
}

/// [`Identities`] over Resource Manager.
#[derive(Debug, Clone)]
pub struct ArmIdentities {
    arm: Arc<dyn Arm>,
    /// One lock per identity, by its id in lower case.
    writing: Arc<Mutex<HashMap<String, Arc<Mutex<()>>>>>,
}

impl ArmIdentities {
    /// Over this Resource Manager. Clones share their locks.
    pub fn new(arm: Arc<dyn Arm>) -> Self {
        Self {
            arm,
            writing: Arc::default(),
        }
    }

    async fn lock(&self, identity: &ResourceId) -> Arc<Mutex<()>> {
        let key = identity.as_str().to_ascii_lowercase();
        Arc::clone(self.writing.lock().await.entry(key).or_default())
    }
}

#[async_trait]
impl Identities for ArmIdentities {
    async fn identity(&self, id: ResourceId) -> Result<Option<IdentityFacts>, IdentityError> {
        match self.arm.get(id.clone(), IDENTITIES).await? {
            Some(answer) => IdentityFacts::read(id, &answer).map(Some),
            None => Ok(None),
        }
    }

    async fn ensure_identity(
        &self,
        id: ResourceId,
        location: String,
        deadline: Duration,
    ) -> Result<IdentityFacts, IdentityError> {
        if let Some(facts) = self.identity(id.clone()).await? {
            return Ok(facts);
        }
        let body = json!({"location": location});
        let answer = self.arm.put(id.clone(), IDENTITIES, body, deadline).await?;
        IdentityFacts::read(id, &answer)
    }

    async fn credentials(
        &self,
        identity: ResourceId,
    ) -> Result<Option<Vec<FederatedCredential>>, IdentityError> {
        let collection = "federatedIdentityCredentials".to_owned();
        match self.arm.list(identity, collection, IDENTITIES).await {
            Ok(items) => Ok(Some(
                items.iter().filter_map(FederatedCredential::read).collect(),
            )),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn put_credential(
        &self,
        identity: ResourceId,
        credential: FederatedCredential,
        deadline: Duration,
    ) -> Result<FederatedCredential, IdentityError> {
        let lock = self.lock(&identity).await;
        let _turn = lock.lock().await;
        let id = credential_id(&identity, &credential.name)?;
        let body = json!({"properties": {
            "issuer": credential.issuer,
            "subject": credential.subject,
            "audiences": [credential.audience],
        }});
        let started = Instant::now();
        let mut pauses = Backoff::new(Duration::from_secs(2), Duration::from_secs(15), 0);
        loop {
            let left = deadline.saturating_sub(started.elapsed());
            match self
                .arm
                .put(id.clone(), IDENTITIES, body.clone(), left)
                .await
            {
                Ok(answer) => {
                    return FederatedCredential::read(&answer).ok_or(IdentityError::Incomplete {
                        what: "the federated credential",
                        field: "properties",
                    });
                }
                Err(error) if is_absent(&error) => {
                    // The identity is there and its directory entry is not seen everywhere yet.
                    let pause = pauses.next().unwrap_or_default();
                    if started.elapsed() + pause >= deadline
                        || self.identity(identity.clone()).await?.is_none()
                    {
                        return Err(error.into());
                    }
                    tokio::time::sleep(pause).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn delete_credential(
        &self,
        identity: ResourceId,
        name: CredentialName,
        deadline: Duration,
    ) -> Result<ArmDeleted, IdentityError> {
        let lock = self.lock(&identity).await;
        let _turn = lock.lock().await;
        let id = credential_id(&identity, &name)?;
        Ok(self.arm.delete(id, IDENTITIES, deadline).await?)
    }
}

fn credential_id(
    identity: &ResourceId,
    name: &CredentialName,
) -> Result<ResourceId, IdentityError> {
    let id = identity.child("federatedIdentityCredentials", name.as_str());
    id.map_err(|error| {
        ArmError::new(
            "write",
            identity.as_str(),
            ArmErrorKind::Answer(error.into()),
        )
        .into()
    })
}

fn is_absent(error: &ArmError) -> bool {
    matches!(error.kind, ArmErrorKind::NotFound { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure::MockArm;

    fn id() -> ResourceId {
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/airflow"
            .parse()
            .unwrap()
    }

    fn credential() -> FederatedCredential {
        FederatedCredential {
            name: CredentialName::parse("external-secret-operator").unwrap(),
            issuer: "https://oidc/t/g/".into(),
            subject: "system:serviceaccount:airflow:airflow".into(),
            audience: AUDIENCE.into(),
        }
    }

    fn identity_answer() -> Value {
        json!({"location": "canadacentral", "properties": {
            "clientId": "11111111-2222-3333-4444-555555555555",
            "principalId": "21111111-2222-3333-4444-555555555555",
            "tenantId": "31111111-2222-3333-4444-555555555555"}})
    }

    fn not_found() -> ArmError {
        ArmError::new(
            "write",
            "it",
            ArmErrorKind::NotFound {
                code: "NotFound".into(),
                message:
                    "MS Graph resource not found during Federated Identity Credential creation"
                        .into(),
            },
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_young_identity_is_waited_for_before_its_credential_is_written() {
        let mut arm = MockArm::new();
        let mut tries = 0;
        arm.expect_put().times(3).returning(move |id, _, body, _| {
            tries += 1;
            assert!(
                id.as_str()
                    .ends_with("/federatedIdentityCredentials/external-secret-operator")
            );
            if tries < 3 {
                return Err(not_found());
            }
            Ok(json!({"name": id.name(), "properties": body["properties"]}))
        });
        arm.expect_get()
            .returning(|_, _| Ok(Some(identity_answer())));
        let identities = ArmIdentities::new(Arc::new(arm));
        let written = identities
            .put_credential(id(), credential(), Duration::from_secs(300))
            .await
            .unwrap();
        assert_eq!(written, credential());
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_identity_is_not_waited_for() {
        let mut arm = MockArm::new();
        arm.expect_put()
            .times(1)
            .returning(|_, _, _, _| Err(not_found()));
        arm.expect_get().returning(|_, _| Ok(None));
        let identities = ArmIdentities::new(Arc::new(arm));
        let written = identities
            .put_credential(id(), credential(), Duration::from_secs(300))
            .await;
        assert!(matches!(written, Err(IdentityError::Arm(_))));
    }

    #[tokio::test]
    async fn an_identity_that_is_there_is_not_written() {
        let mut arm = MockArm::new();
        arm.expect_get()
            .returning(|_, _| Ok(Some(identity_answer())));
        arm.expect_put().never();
        let identities = ArmIdentities::new(Arc::new(arm));
        let facts = identities
            .ensure_identity(id(), "canadacentral".into(), Duration::from_secs(60))
            .await
            .unwrap();
        assert_ne!(facts.client_id.as_str(), facts.principal_id.as_str());
    }

    #[tokio::test]
    async fn credentials_of_a_missing_identity_are_none() {
        let mut arm = MockArm::new();
        arm.expect_list().returning(|_, _, _| Err(not_found()));
        let identities = ArmIdentities::new(Arc::new(arm));
        assert!(identities.credentials(id()).await.unwrap().is_none());
    }
}
