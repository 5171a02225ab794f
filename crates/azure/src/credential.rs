//! [`CredentialChain`]: who we are, tried in the order given. It owns the chain, its memory and its
//! error; it refuses to read the environment: every value is in the options.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{
    AccessToken, Secret as SdkSecret, TokenCredential, TokenRequestOptions,
};
use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, Method, Request, Url};
use azure_core::time::OffsetDateTime;
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use converge::{RequestClass, Secret};
use serde_json::Value;
use tokio::time::timeout;

use crate::{ServiceAnswer, Transport};

/// How long the metadata endpoint may take; off Azure nobody answers there at all.
const METADATA_LIMIT: Duration = Duration::from_secs(3);

/// A cached token is used until this long before its end.
const MARGIN: Duration = Duration::from_secs(300);

/// One way to log in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CredentialSource {
    /// A ServiceAccount's projected token, exchanged at Entra.
    WorkloadIdentity {
        /// The tenant.
        tenant: String,
        /// The identity's client id.
        client_id: String,
        /// Where the kubelet puts the token (`AZURE_FEDERATED_TOKEN_FILE`).
        token_file: PathBuf,
    },
    /// An application's secret.
    ClientSecret {
        /// The tenant.
        tenant: String,
        /// The application's id.
        client_id: String,
        /// The secret's value.
        secret: Secret,
    },
    /// The identity of the machine, from the instance metadata endpoint, within 3 s.
    ManagedIdentity {
        /// The client id of a user-assigned identity; the machine's own without.
        client_id: Option<String>,
    },
    /// A token that somebody else got, for whatever it is good for.
    Token {
        /// The token.
        token: Secret,
        /// How long it is valid from now.
        expires_in: Duration,
    },
    /// The login of `az`, which must be installed.
    #[cfg(feature = "azure-cli")]
    AzureCli {
        /// The tenant; the CLI's current one without.
        tenant: Option<String>,
    },
}

impl CredentialSource {
    /// The name used in errors.
    pub fn name(&self) -> &'static str {
        match self {
            Self::WorkloadIdentity { .. } => "workload identity",
            Self::ClientSecret { .. } => "client secret",
            Self::ManagedIdentity { .. } => "managed identity",
            Self::Token { .. } => "given token",
            #[cfg(feature = "azure-cli")]
            Self::AzureCli { .. } => "Azure CLI",
        }
    }
}

/// Tries each source in order until one gives a token, then stays with it. Tokens are kept per
/// scope until five minutes before their end.
#[derive(Debug)]
pub struct CredentialChain {
    links: Vec<Link>,
    winner: OnceLock<usize>,
    tokens: Mutex<HashMap<String, AccessToken>>,
}

#[derive(Debug)]
struct Link {
    name: &'static str,
    credential: Result<Arc<dyn TokenCredential>, String>,
}

impl CredentialChain {
    /// A chain of these sources, over this transport. A source that cannot even be set up (a
    /// tenant that is none) is kept and named in the error.
    pub fn new(
        sources: &[CredentialSource],
        transport: &Transport,
        options: &ClientOptions,
    ) -> Self {
        let links = sources
            .iter()
            .map(|source| Link {
                name: source.name(),
                credential: set_up(source, transport, options).map_err(|error| first_line(&error)),
            })
            .collect();
        Self {
            links,
            winner: OnceLock::new(),
            tokens: Mutex::default(),
        }
    }

    /// The name of the source that gave the first token, once one has.
    pub fn winner(&self) -> Option<&'static str> {
        self.winner.get().map(|at| self.links[*at].name)
    }

    fn kept(&self, scope: &str) -> Option<AccessToken> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens
            .get(scope)
            .filter(|token| token.expires_on > OffsetDateTime::now_utc() + MARGIN)
            .cloned()
    }
}

#[async_trait]
impl TokenCredential for CredentialChain {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let scope = scopes.join(" ");
        if let Some(token) = self.kept(&scope) {
            return Ok(token);
        }
        let mut failed = Vec::new();
        for (at, link) in self.links.iter().enumerate() {
            if self.winner.get().is_some_and(|winner| *winner != at) {
                continue;
            }
            let token = match &link.credential {
                Ok(credential) => credential
                    .get_token(scopes, None)
                    .await
                    .map_err(|error| first_line(&error)),
                Err(reason) => Err(reason.clone()),
            };
            match token {
                Ok(token) => {
                    let _ = self.winner.set(at);
                    let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
                    tokens.insert(scope, token.clone());
                    return Ok(token);
                }
                Err(reason) => failed.push(FailedCredential {
                    name: link.name,
                    reason,
                }),
            }
        }
        Err(azure_core::Error::new(
            ErrorKind::Credential,
            CredentialError { scope, failed },
        ))
    }
}

/// Makes the credential of one source.
fn set_up(
    source: &CredentialSource,
    transport: &Transport,
    client_options: &ClientOptions,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let client_options = client_options.clone();
    Ok(match source {
        CredentialSource::WorkloadIdentity {
            tenant,
            client_id,
            token_file,
        } => WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
            credential_options: ClientAssertionCredentialOptions { client_options },
            client_id: Some(client_id.clone()),
            tenant_id: Some(tenant.clone()),
            token_file_path: Some(token_file.clone()),
        }))?,
        CredentialSource::ClientSecret {
            tenant,
            client_id,
            secret,
        } => ClientSecretCredential::new(
            tenant,
            client_id.clone(),
            SdkSecret::new(secret.expose().to_owned()),
            Some(ClientSecretCredentialOptions { client_options }),
        )?,
        CredentialSource::ManagedIdentity { client_id } => Arc::new(MachineIdentity {
            transport: transport.once(),
            client_id: client_id.clone(),
        }),
        CredentialSource::Token { token, expires_in } => {
            Arc::new(StaticCredential::new(token.clone(), *expires_in))
        }
        #[cfg(feature = "azure-cli")]
        CredentialSource::AzureCli { tenant } => {
            let options = azure_identity::AzureCliCredentialOptions {
                tenant_id: tenant.clone(),
                ..Default::default()
            };
            azure_identity::AzureCliCredential::new(Some(options))?
        }
    })
}

/// The first line: the SDK appends links to its troubleshooting pages.
fn first_line(error: &azure_core::Error) -> String {
    error
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// A token that somebody else got: the outcome of a [`TokenExchange`](crate::TokenExchange), to
/// read a vault as the identity that will read it later. It is given for every scope.
#[derive(Debug, Clone)]
pub struct StaticCredential {
    token: Secret,
    expires_on: OffsetDateTime,
}

impl StaticCredential {
    /// Wraps a token that is valid for this long from now.
    pub fn new(token: Secret, expires_in: Duration) -> Self {
        Self {
            token,
            expires_on: OffsetDateTime::now_utc() + expires_in,
        }
    }
}

#[async_trait]
impl TokenCredential for StaticCredential {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new(
            self.token.expose().to_owned(),
            self.expires_on,
        ))
    }
}

/// The identity of the machine. `azure_identity` has one too, but it tries for 100 s where there is
/// no metadata endpoint, and reads the environment.
#[derive(Debug)]
struct MachineIdentity {
    transport: Transport,
    client_id: Option<String>,
}

impl MachineIdentity {
    async fn ask(&self, scope: &str) -> azure_core::Result<AccessToken> {
        let mut url = Url::parse("http://169.254.169.254/metadata/identity/oauth2/token")?;
        let resource = scope.strip_suffix("/.default").unwrap_or(scope);
        url.query_pairs_mut()
            .append_pair("api-version", "2018-02-01")
            .append_pair("resource", resource);
        if let Some(client_id) = &self.client_id {
            url.query_pairs_mut().append_pair("client_id", client_id);
        }
        let mut request = Request::new(url, Method::Get);
        request.insert_header("metadata", "true");
        let response = self.transport.send(&request, RequestClass::Probe).await?;
        let response = response.try_into_raw_response().await?;
        let status = u16::from(response.status());
        if status != 200 {
            let answer = ServiceAnswer::read(status, response.headers(), response.body());
            return Err(refuse(format!("{status}: {}", answer.message)));
        }
        let json: Value = serde_json::from_slice(response.body())?;
        let seconds = json["expires_in"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .or_else(|| json["expires_in"].as_u64());
        match (json["access_token"].as_str(), seconds) {
            (Some(token), Some(seconds)) => Ok(AccessToken::new(
                token.to_owned(),
                OffsetDateTime::now_utc() + Duration::from_secs(seconds),
            )),
            _ => Err(refuse("the metadata endpoint's answer has no token".into())),
        }
    }
}

#[async_trait]
impl TokenCredential for MachineIdentity {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let scope = scopes.first().copied().unwrap_or_default();
        match timeout(METADATA_LIMIT, self.ask(scope)).await {
            Ok(answer) => answer,
            Err(_) => Err(refuse(format!(
                "no metadata endpoint within {METADATA_LIMIT:?}: not a machine of Azure"
            ))),
        }
    }
}

fn refuse(message: String) -> azure_core::Error {
    azure_core::Error::with_message(ErrorKind::Credential, message)
}

/// No source gives a token; each with its reason.
#[derive(Debug)]
#[non_exhaustive]
pub struct CredentialError {
    /// What the token was for.
    pub scope: String,
    /// What was tried, in order.
    pub failed: Vec<FailedCredential>,
}

/// One source that gave no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCredential {
    /// Its name: `workload identity`.
    pub name: &'static str,
    /// Why.
    pub reason: String,
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no token for `{}`", self.scope)?;
        if self.failed.is_empty() {
            return f.write_str(": no credential is configured");
        }
        for (at, FailedCredential { name, reason }) in self.failed.iter().enumerate() {
            write!(f, "{} {name}: {reason}", if at == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl std::error::Error for CredentialError {}

impl miette::Diagnostic for CredentialError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new("aka::azure::credential"))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(if self.failed.is_empty() {
            "configure workload identity, a client secret or a managed identity"
        } else {
            "repair one of the credentials named above"
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a token or a reason, and counts.
    #[derive(Debug, Default)]
    struct Scripted {
        token: Option<&'static str>,
        asked: Mutex<u32>,
    }

    #[async_trait]
    impl TokenCredential for Scripted {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            *self.asked.lock().unwrap() += 1;
            let expires = OffsetDateTime::now_utc() + Duration::from_secs(3600);
            self.token
                .map(|token| AccessToken::new(token, expires))
                .ok_or_else(|| refuse("AADSTS1: no\nTo troubleshoot, visit …".into()))
        }
    }

    fn chain(links: Vec<Arc<Scripted>>) -> CredentialChain {
        let names = ["first", "second"];
        CredentialChain {
            links: links
                .into_iter()
                .zip(names)
                .map(|(credential, name)| Link {
                    name,
                    credential: Ok(credential),
                })
                .collect(),
            winner: OnceLock::new(),
            tokens: Mutex::default(),
        }
    }

    #[tokio::test]
    async fn the_winner_is_remembered_and_its_tokens_are_kept_per_scope() {
        let broken = Arc::new(Scripted::default());
        let working = Arc::new(Scripted {
            token: Some("t"),
            ..Scripted::default()
        });
        let chain = chain(vec![broken.clone(), working.clone()]);
        for scope in ["a", "a", "b"] {
            chain.get_token(&[scope], None).await.unwrap();
        }
        assert_eq!(chain.winner(), Some("second"));
        assert_eq!(*broken.asked.lock().unwrap(), 1);
        assert_eq!(*working.asked.lock().unwrap(), 2);
    }

    #[tokio::test]
    async fn a_failing_chain_names_every_link_with_its_reason() {
        let chain = chain(vec![Arc::default(), Arc::default()]);
        let error = chain.get_token(&["s"], None).await.unwrap_err();
        let error = error.into_downcast::<CredentialError>().unwrap();
        assert_eq!(
            error.to_string(),
            "no token for `s`: first: AADSTS1: no; second: AADSTS1: no"
        );
    }

    #[test]
    fn a_source_shows_no_secret() {
        let source = CredentialSource::ClientSecret {
            tenant: "t".into(),
            client_id: "c".into(),
            secret: Secret::new("canary"),
        };
        assert!(!format!("{source:?}").contains("canary"));
    }
}
