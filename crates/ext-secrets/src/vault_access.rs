//! [`VaultAccess`]: who may read a vault, over Resource Manager. It owns the detection of the
//! vault's access model and idempotent, additive grants in either; it refuses to take anything
//! from other holders.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure::{ApiVersion, Arm, ArmError, ArmErrorKind, ResourceId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::SecretName;

const VAULTS: ApiVersion = ApiVersion("2026-02-01");
const ROLE_ASSIGNMENTS: ApiVersion = ApiVersion("2022-04-01");
const AUTHORIZATION: &str = "Microsoft.Authorization";

/// `Key Vault Secrets User`: get, and list of metadata.
const SECRETS_USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";
/// Roles that can read secrets: Secrets User, Secrets Officer, Administrator.
const READING_ROLES: [&str; 3] = [
    SECRETS_USER,
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "00482a5a-887f-4fb3-b363-3b7fe8e74483",
];

/// The control plane of key vaults.
///
/// # Contract
/// - An absent vault is `None`.
/// - [`grant`](Self::grant) only adds: other holders keep what they have. Granting what is granted
///   writes nothing.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait VaultAccess: fmt::Debug + Send + Sync + 'static {
    /// Reads a vault's facts; `None` if it is not there.
    ///
    /// # Errors
    /// What Azure refuses, or an answer without a vault URI. Nothing was written.
    async fn facts(&self, vault: ResourceId) -> Result<Option<VaultFacts>, VaultAccessError>;

    /// Whether the grant is in place already.
    ///
    /// # Errors
    /// What Azure refuses. Nothing was written.
    async fn is_granted(&self, grant: ReadGrant) -> Result<bool, VaultAccessError>;

    /// Lets the principal read secrets, in the vault's own access model.
    ///
    /// # Errors
    /// What Azure refuses; of several role assignments some may have been written.
    async fn grant(&self, grant: ReadGrant) -> Result<Granted, VaultAccessError>;
}

/// What is known of a vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultFacts {
    /// Its resource id.
    pub id: ResourceId,
    /// The address of its data plane: `https://name.vault.azure.net/`.
    pub uri: Url,
    /// The tenant its access policies are about.
    pub tenant_id: String,
    /// Which access model counts.
    pub model: AccessModel,
    /// Whether only listed networks may reach it.
    pub firewalled: bool,
}

/// How a vault decides who may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessModel {
    /// By the policies in the vault itself (the guide's).
    Policies,
    /// By role assignments; access policies are stored but ignored.
    Roles,
}

impl fmt::Display for AccessModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Policies => "access policy",
            Self::Roles => "role assignment",
        })
    }
}

/// Who may read what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadGrant {
    /// The vault.
    pub vault: VaultFacts,
    /// The object id of the principal, not its client id.
    pub principal_id: String,
    /// How far the grant reaches, in a vault with roles.
    pub scope: GrantScope,
}

/// How far a role assignment reaches. Access policies always reach the whole vault.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum GrantScope {
    /// Every secret of the vault, as the guide's access policy.
    #[default]
    Vault,
    /// Only these secrets.
    Secrets(Vec<SecretName>),
}

/// The answer to a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granted {
    /// It was written; it may take minutes to arrive.
    Added,
    /// It was there; nothing was written.
    AlreadyThere,
}

/// A failed look at, or change of, a vault's access.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum VaultAccessError {
    /// Azure refused a look.
    #[error("cannot look at the key vault")]
    #[diagnostic(code(aka::vault::access))]
    Look(
        #[source]
        #[diagnostic_source]
        ArmError,
    ),

    /// Azure refused a grant.
    #[error("cannot grant access to the key vault")]
    #[diagnostic(code(aka::vault::grant))]
    Grant(
        #[source]
        #[diagnostic_source]
        ArmError,
    ),

    /// The vault is not there.
    #[error("key vault `{vault}` is not there")]
    #[diagnostic(
        code(aka::vault::missing),
        help(
            "check the name, the resource group and the subscription; a deleted vault may wait to be recovered"
        )
    )]
    Missing {
        /// The vault's name.
        vault: String,
    },

    /// The answer lacks what every vault has.
    #[error("key vault `{vault}` has no usable `{field}`")]
    #[diagnostic(code(aka::vault::facts))]
    Facts {
        /// The vault's name.
        vault: String,
        /// The missing field.
        field: &'static str,
    },
}

/// The control plane over [`Arm`].
///
/// Source: `Microsoft.KeyVault/vaults` 2026-02-01, `Microsoft.Authorization/roleAssignments`
/// 2022-04-01.
#[derive(Debug, Clone)]
pub struct ArmVaultAccess {
    arm: Arc<dyn Arm>,
    /// How long one write may take, its retries included.
    deadline: Duration,
}

impl ArmVaultAccess {
    /// Vaults as Resource Manager sees them; each write may take five minutes, which covers the
    /// time a new principal needs to become known.
    pub fn new(arm: Arc<dyn Arm>) -> Self {
        Self {
            arm,
            deadline: Duration::from_secs(300),
        }
    }

    async fn read(&self, vault: &ResourceId) -> Result<Option<Value>, VaultAccessError> {
        self.arm
            .get(vault.clone(), VAULTS)
            .await
            .map_err(VaultAccessError::Look)
    }

    /// The scopes of the principal's assignments of reading roles at, above and below the vault.
    async fn reading_scopes(&self, grant: &ReadGrant) -> Result<Vec<String>, VaultAccessError> {
        let filter = format!("principalId%20eq%20'{}'", grant.principal_id);
        let assignments = self
            .arm
            .list(
                grant.vault.id.clone(),
                format!("providers/{AUTHORIZATION}/roleAssignments?$filter={filter}"),
                ROLE_ASSIGNMENTS,
            )
            .await
            .map_err(VaultAccessError::Look)?;
        Ok(assignments
            .iter()
            .filter_map(|assignment| assignment.get("properties"))
            .filter(|properties| {
                text(properties, "principalId").eq_ignore_ascii_case(&grant.principal_id)
                    && READING_ROLES.iter().any(|role| {
                        text(properties, "roleDefinitionId")
                            .to_ascii_lowercase()
                            .ends_with(role)
                    })
            })
            .map(|properties| text(properties, "scope").to_owned())
            .collect())
    }

    async fn add_policy(&self, grant: &ReadGrant) -> Result<(), VaultAccessError> {
        // `accessPolicies/add` unions into the holder's entry; a PUT of the vault would replace all.
        let id = grant
            .vault
            .id
            .child("accessPolicies", "add")
            .expect("a constant segment");
        let body = json!({"properties": {"accessPolicies": [{
            "tenantId": grant.vault.tenant_id,
            "objectId": grant.principal_id,
            "permissions": {"secrets": ["get"]},
        }]}});
        self.put(id, VAULTS, body).await
    }

    async fn assign_role(
        &self,
        grant: &ReadGrant,
        scope: ResourceId,
    ) -> Result<(), VaultAccessError> {
        let subscription = grant.vault.id.segment("subscriptions").unwrap_or_default();
        let body = json!({"properties": {
            "roleDefinitionId": format!(
                "/subscriptions/{subscription}/providers/{AUTHORIZATION}/roleDefinitions/{SECRETS_USER}"
            ),
            "principalId": grant.principal_id,
            // Tells Resource Manager not to look the principal up, which fails right after its creation.
            "principalType": "ServicePrincipal",
        }});
        let name = assignment_name(&scope, &grant.principal_id);
        let id = scope
            .provider(AUTHORIZATION, "roleAssignments", &name)
            .expect("constant segments and a GUID");
        self.put(id, ROLE_ASSIGNMENTS, body).await
    }

    async fn put(
        &self,
        id: ResourceId,
        version: ApiVersion,
        body: Value,
    ) -> Result<(), VaultAccessError> {
        match self.arm.put(id, version, body, self.deadline).await {
            Ok(_) => Ok(()),
            Err(ArmError {
                kind: ArmErrorKind::Conflict { ref code, .. },
                ..
            }) if code == "RoleAssignmentExists" => Ok(()),
            Err(source) => Err(VaultAccessError::Grant(source)),
        }
    }
}

#[async_trait]
impl VaultAccess for ArmVaultAccess {
    async fn facts(&self, vault: ResourceId) -> Result<Option<VaultFacts>, VaultAccessError> {
        let Some(body) = self.read(&vault).await? else {
            return Ok(None);
        };
        read_facts(vault, &body).map(Some)
    }

    async fn is_granted(&self, grant: ReadGrant) -> Result<bool, VaultAccessError> {
        match grant.vault.model {
            AccessModel::Policies => Ok(self
                .read(&grant.vault.id)
                .await?
                .is_some_and(|vault| policy_lets_read(&vault, &grant.principal_id))),
            AccessModel::Roles => {
                let scopes = self.reading_scopes(&grant).await?;
                Ok(wanted_scopes(&grant)
                    .iter()
                    .all(|wanted| scopes.iter().any(|held| covers(held, wanted))))
            }
        }
    }

    async fn grant(&self, grant: ReadGrant) -> Result<Granted, VaultAccessError> {
        if self.is_granted(grant.clone()).await? {
            return Ok(Granted::AlreadyThere);
        }
        match grant.vault.model {
            AccessModel::Policies => self.add_policy(&grant).await?,
            AccessModel::Roles => {
                let held = self.reading_scopes(&grant).await?;
                for scope in wanted_scopes(&grant) {
                    if !held.iter().any(|held| covers(held, &scope)) {
                        self.assign_role(&grant, scope).await?;
                    }
                }
            }
        }
        Ok(Granted::Added)
    }
}

fn read_facts(id: ResourceId, body: &Value) -> Result<VaultFacts, VaultAccessError> {
    let lacks = |field| VaultAccessError::Facts {
        vault: id.name().to_owned(),
        field,
    };
    let properties = body.get("properties").ok_or_else(|| lacks("properties"))?;
    let uri = text(properties, "vaultUri")
        .parse()
        .map_err(|_| lacks("properties.vaultUri"))?;
    let tenant_id = match text(properties, "tenantId") {
        "" => return Err(lacks("properties.tenantId")),
        tenant => tenant.to_owned(),
    };
    // Absent and null mean access policies, whatever the default for new vaults is.
    let model = match properties.get("enableRbacAuthorization") {
        Some(Value::Bool(true)) => AccessModel::Roles,
        _ => AccessModel::Policies,
    };
    let firewalled = properties
        .pointer("/networkAcls/defaultAction")
        .and_then(Value::as_str)
        .is_some_and(|action| action.eq_ignore_ascii_case("deny"))
        || text(properties, "publicNetworkAccess").eq_ignore_ascii_case("disabled");
    Ok(VaultFacts {
        id,
        uri,
        tenant_id,
        model,
        firewalled,
    })
}

fn policy_lets_read(vault: &Value, principal_id: &str) -> bool {
    let policies = vault
        .pointer("/properties/accessPolicies")
        .and_then(Value::as_array);
    policies.into_iter().flatten().any(|policy| {
        text(policy, "objectId").eq_ignore_ascii_case(principal_id)
            && policy
                .pointer("/permissions/secrets")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .any(|permission| {
                    permission.eq_ignore_ascii_case("get") || permission.eq_ignore_ascii_case("all")
                })
    })
}

fn wanted_scopes(grant: &ReadGrant) -> Vec<ResourceId> {
    match &grant.scope {
        GrantScope::Vault => vec![grant.vault.id.clone()],
        GrantScope::Secrets(names) => names
            .iter()
            .map(|name| {
                grant
                    .vault
                    .id
                    .child("secrets", name.as_str())
                    .expect("secret names are one segment")
            })
            .collect(),
    }
}

/// Whether an assignment at `held` reaches `wanted`: the same scope or one above it.
fn covers(held: &str, wanted: &ResourceId) -> bool {
    let held = held.trim_end_matches('/');
    let wanted = wanted.as_str();
    wanted.len() >= held.len()
        && wanted.as_bytes()[..held.len()].eq_ignore_ascii_case(held.as_bytes())
        && (wanted.len() == held.len() || wanted.as_bytes()[held.len()] == b'/')
}

/// A GUID that is the same for the same scope and principal, so that a repeated PUT is the same
/// assignment, and another for a recreated principal, whose assignment ARM would refuse to change.
fn assignment_name(scope: &ResourceId, principal_id: &str) -> String {
    let text = format!("{scope}|{principal_id}|{SECRETS_USER}").to_ascii_lowercase();
    let hash = Sha256::digest(text.as_bytes());
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&hash[..16]);
    // RFC 9562: version 8 (custom), variant 10.
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let number = u128::from_be_bytes(bytes);
    let hex = format!("{number:032x}");
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
#[path = "vault_access/tests.rs"]
mod tests;
