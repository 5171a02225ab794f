//! [`ProveExchange`]: our own proof that the ServiceAccount's identity can read the vault, before
//! anything that depends on it is made. It owns the wait for propagation and its reasons; it
//! refuses to ask before the federated credential is known to exist, since Entra remembers a
//! refusal for minutes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use azure::{EntraError, TokenExchange};
use converge::{
    Change, ChangeKind, Decision, Proof, Secret, Slot, Step, StepContext, StepError, StepOutcome,
    Verification,
};
use futures::future::try_join_all;
use kube_cluster::{Cluster, ClusterError, Patience, TokenQuestion};
use url::Url;

use crate::{SecretName, VaultError, VaultFacts, VaultSecrets};

const AUDIENCE: &str = "api://AzureADTokenExchange";

/// Proves the chain ServiceAccount token → Entra → vault, exactly as the operator will use it.
#[derive(Debug, Clone)]
pub struct ProveExchange {
    /// Where the ServiceAccount lives.
    pub cluster: Arc<dyn Cluster>,
    /// Entra.
    pub exchange: Arc<dyn TokenExchange>,
    /// The vault's data plane.
    pub secrets: Arc<dyn VaultSecrets>,
    /// What is proven and how long to wait for it.
    pub inputs: ExchangeInputs,
}

/// What is proven and how long to wait for it.
#[derive(Debug, Clone)]
pub struct ExchangeInputs {
    /// The vault, from [`FindVault`](crate::FindVault).
    pub vault: Slot<VaultFacts>,
    /// The identity; to be filled only once its federated credential exists.
    pub identity: Slot<ReaderIdentity>,
    /// The ServiceAccount's namespace.
    pub namespace: String,
    /// The ServiceAccount's name.
    pub service_account: String,
    /// The secrets that must be readable.
    pub names: Vec<SecretName>,
    /// The scope asked of Entra; by default derived from the vault's host.
    pub scope: Option<String>,
    /// How long credential and grant may take to arrive; a role assignment needs up to ten minutes.
    pub limit: Duration,
    /// The first pause; later ones double up to five times this. A shorter one makes Entra's
    /// memory of refusals more likely to hurt.
    pub pause: Duration,
    /// The ServiceAccount's token of an earlier try: Entra's answer changes, the token does not.
    held: Arc<Mutex<Option<Secret>>>,
}

impl ExchangeInputs {
    /// A proof for one ServiceAccount: up to ten minutes, first pause two seconds.
    pub fn new(
        vault: Slot<VaultFacts>,
        identity: Slot<ReaderIdentity>,
        namespace: impl Into<String>,
        service_account: impl Into<String>,
        names: Vec<SecretName>,
    ) -> Self {
        Self {
            vault,
            identity,
            namespace: namespace.into(),
            service_account: service_account.into(),
            names,
            scope: None,
            limit: Duration::from_secs(600),
            pause: Duration::from_secs(2),
            held: Arc::default(),
        }
    }
}

/// Who the ServiceAccount is in Azure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderIdentity {
    /// The identity's client id.
    pub client_id: String,
    /// Its tenant.
    pub tenant_id: String,
}

/// The chain does not hold.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum ExchangeProofError {
    /// The cluster gives no token for the ServiceAccount.
    #[error("no token for ServiceAccount `{service_account}`")]
    #[diagnostic(
        code(aka::identity::token_request),
        help(
            "the ServiceAccount must exist and the caller may need `create` on `serviceaccounts/token`"
        )
    )]
    Token {
        /// `namespace/name`.
        service_account: String,
        /// Why.
        #[source]
        source: ClusterError,
    },

    /// Entra does not exchange it.
    #[error("Entra does not accept `{subject}` as client {client_id}{}", waited(*.after))]
    #[diagnostic(code(aka::identity::exchange))]
    Exchange {
        /// What the cluster's token says it is.
        subject: String,
        /// The identity asked for.
        client_id: String,
        /// How long was waited; zero if waiting makes no sense.
        after: Duration,
        /// Entra's refusal.
        #[source]
        #[diagnostic_source]
        source: EntraError,
    },

    /// The vault does not let the identity read.
    #[error("the identity {client_id} cannot read the vault{}", waited(*.after))]
    #[diagnostic(code(aka::identity::vault_read))]
    Vault {
        /// The identity.
        client_id: String,
        /// How long was waited; zero if waiting makes no sense.
        after: Duration,
        /// The vault's refusal.
        #[source]
        #[diagnostic_source]
        source: VaultError,
    },

    /// The identity may read, but the secret is not there.
    #[error("the vault has no secret `{name}`")]
    #[diagnostic(
        code(aka::vault::secret_missing),
        help("write it first, under exactly this name")
    )]
    SecretMissing {
        /// Its name.
        name: SecretName,
    },
}

/// An error and its causes in one line.
fn sentence(error: &ExchangeProofError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(why) = cause {
        text.push_str(&format!(": {why}"));
        cause = why.source();
    }
    text
}

fn waited(after: Duration) -> String {
    if after.is_zero() {
        String::new()
    } else {
        format!(", even after {} s", after.as_secs())
    }
}

impl ExchangeProofError {
    /// The sentence to wait with, if waiting makes sense at all.
    fn waiting_reason(&self) -> Option<String> {
        match self {
            Self::Exchange { source, .. } if source.is_propagating() || source.is_transient() => {
                Some(match source.aadsts {
                    Some(number) => format!("AADSTS{number}, propagating"),
                    None => "Entra does not answer".into(),
                })
            }
            Self::Vault { source, .. } if source.is_forbidden() => {
                Some("the vault refuses the identity (403), the grant is on its way".into())
            }
            Self::Vault { source, .. } if source.may_pass() => {
                Some("the vault does not answer".into())
            }
            Self::Token { source, .. } if source.is_transient() => {
                Some("the API server gives no token".into())
            }
            _ => None,
        }
    }

    fn after(mut self, waited: Duration) -> Self {
        if let Self::Exchange { after, .. } | Self::Vault { after, .. } = &mut self {
            *after = waited;
        }
        self
    }
}

/// What was seen.
#[derive(Debug)]
pub enum ExchangeObserved {
    /// The identity or the vault is not known yet.
    Unknown,
    /// The chain held.
    Proven,
    /// It did not, this once.
    Refused(ExchangeProofError),
}

impl ProveExchange {
    fn known(&self) -> Option<(VaultFacts, ReaderIdentity)> {
        Some((self.inputs.vault.get()?, self.inputs.identity.get()?))
    }

    /// Goes the whole chain once.
    async fn attempt(
        &self,
        vault: &VaultFacts,
        identity: &ReaderIdentity,
    ) -> Result<(), ExchangeProofError> {
        let ExchangeInputs {
            namespace,
            service_account,
            ..
        } = &self.inputs;
        let token = self.service_account_token().await?;
        let scope = self
            .inputs
            .scope
            .clone()
            .unwrap_or_else(|| scope_of(&vault.uri));
        let access = self
            .exchange
            .exchange(
                identity.tenant_id.clone(),
                identity.client_id.clone(),
                token,
                scope,
            )
            .await
            .map_err(|source| ExchangeProofError::Exchange {
                subject: format!("system:serviceaccount:{namespace}:{service_account}"),
                client_id: identity.client_id.clone(),
                after: Duration::ZERO,
                source,
            })?;
        let reads = self.inputs.names.iter().map(async |name| {
            let (vault, token) = (vault.uri.clone(), access.token.clone());
            let read = self.secrets.get_as(vault, name.clone(), token).await;
            let read = read.map_err(|source| ExchangeProofError::Vault {
                client_id: identity.client_id.clone(),
                after: Duration::ZERO,
                source,
            })?;
            read.map(drop)
                .ok_or_else(|| ExchangeProofError::SecretMissing { name: name.clone() })
        });
        try_join_all(reads).await?;
        Ok(())
    }

    /// The ServiceAccount's token; asked for once, it lasts an hour.
    async fn service_account_token(&self) -> Result<Secret, ExchangeProofError> {
        let held = || {
            self.inputs
                .held
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let known = held().clone();
        if let Some(token) = known {
            return Ok(token);
        }
        let ExchangeInputs {
            namespace,
            service_account,
            ..
        } = &self.inputs;
        let grant = self
            .cluster
            .request_token(TokenQuestion {
                namespace: namespace.clone(),
                service_account: service_account.clone(),
                audiences: vec![AUDIENCE.into()],
                lifetime: Duration::from_secs(3600),
            })
            .await
            .map_err(|source| ExchangeProofError::Token {
                service_account: format!("{namespace}/{service_account}"),
                source,
            })?;
        *held() = Some(grant.token.clone());
        Ok(grant.token)
    }

    fn proof(&self) -> Proof {
        Proof::effect(format!(
            "token exchanged, {} vault secrets read",
            self.inputs.names.len()
        ))
    }

    fn row(&self, verification: Verification) -> Change {
        Change::new(
            ChangeKind::Run,
            format!(
                "token exchange for {}/{}",
                self.inputs.namespace, self.inputs.service_account
            ),
            verification,
        )
    }
}

/// `https://kv.vault.azure.net/` → `https://vault.azure.net/.default`.
fn scope_of(vault: &Url) -> String {
    let host = vault.host_str().unwrap_or_default();
    let domain = host.split_once('.').map_or(host, |(_, domain)| domain);
    format!("https://{domain}/.default")
}

#[async_trait]
impl Step for ProveExchange {
    type Observed = ExchangeObserved;
    type Action = (VaultFacts, ReaderIdentity);
    type Output = ();

    fn name(&self) -> &'static str {
        "token exchange"
    }

    async fn observe(&self, _context: &StepContext) -> Result<Self::Observed, StepError> {
        let Some((vault, identity)) = self.known() else {
            return Ok(ExchangeObserved::Unknown);
        };
        Ok(match self.attempt(&vault, &identity).await {
            Ok(()) => ExchangeObserved::Proven,
            Err(error) => ExchangeObserved::Refused(error),
        })
    }

    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        Ok(match (observed, self.known()) {
            (ExchangeObserved::Proven, _) => Decision::Done {
                output: (),
                proof: self.proof(),
            },
            (ExchangeObserved::Refused(error), Some(action)) => Decision::Act {
                action,
                changes: vec![self.row(Verification::Verified).with_note(sentence(error))],
            },
            _ => Decision::Later {
                changes: vec![
                    self.row(Verification::Predicted)
                        .with_note("waits for the federated credential and the vault"),
                ],
            },
        })
    }

    async fn perform(
        &self,
        (vault, identity): Self::Action,
        context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError> {
        let pause = self.inputs.pause;
        let mut patience = Patience::new(&context.observer, self.inputs.limit, pause, pause * 5);
        // The look that led here was a try of its own: pause first, Entra remembers refusals.
        let mut reason = "credential and grant are propagating".to_owned();
        while patience.pause(&reason).await {
            match self.attempt(&vault, &identity).await {
                Ok(()) => {
                    return Ok(StepOutcome {
                        output: (),
                        did: "proven".into(),
                        proof: self.proof(),
                    });
                }
                Err(error) => match error.waiting_reason() {
                    Some(next) => reason = next,
                    None => return Err(StepError::before_writes(error)),
                },
            }
        }
        let last = self.attempt(&vault, &identity).await;
        match last {
            Ok(()) => Ok(StepOutcome {
                output: (),
                did: "proven".into(),
                proof: self.proof(),
            }),
            Err(error) => Err(StepError::before_writes(error.after(patience.limit()))),
        }
    }
}

#[cfg(test)]
#[path = "exchange/tests.rs"]
mod tests;
