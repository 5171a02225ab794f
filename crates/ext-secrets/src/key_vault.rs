//! [`KeyVault`]: the data plane over the official client. It owns the translation of calls and
//! answers; it refuses names the vault would refuse before they reach a URL.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, StatusCode};
use azure_core::time::OffsetDateTime;
use azure_security_keyvault_secrets::models::SetSecretParameters;
use azure_security_keyvault_secrets::{ResourceExt, SecretClient, SecretClientOptions};
use converge::Secret;
use url::Url;

use crate::known_challenge::KnownChallenge;
use crate::{SecretName, VaultError, VaultErrorKind, VaultSecret, VaultSecrets};

/// The data plane of real vaults, one client per vault.
///
/// Source: `azure_security_keyvault_secrets`, data plane API 7.4 and later.
pub struct KeyVault {
    credential: Arc<dyn TokenCredential>,
    options: KeyVaultOptions,
    clients: Mutex<HashMap<Url, Arc<SecretClient>>>,
}

/// How vaults are reached.
#[derive(Clone)]
pub struct KeyVaultOptions {
    /// Transport, retry and telemetry of the client; the project's retry, not the SDK's.
    pub client: ClientOptions,
    /// Refuse to send a token when the vault's challenge names a resource of another domain; on by
    /// default. Off only where addresses are rewritten.
    pub verify_challenge: bool,
}

impl Default for KeyVaultOptions {
    fn default() -> Self {
        Self {
            client: ClientOptions::default(),
            verify_challenge: true,
        }
    }
}

impl fmt::Debug for KeyVaultOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "KeyVaultOptions(verify_challenge: {})",
            self.verify_challenge
        )
    }
}

impl KeyVault {
    /// Vaults as `credential` sees them.
    pub fn new(credential: Arc<dyn TokenCredential>, options: KeyVaultOptions) -> Self {
        Self {
            credential,
            options,
            clients: Mutex::new(HashMap::new()),
        }
    }

    fn client(&self, vault: &Url) -> azure_core::Result<Arc<SecretClient>> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(vault) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(self.open(vault, Arc::clone(&self.credential))?);
        clients.insert(vault.clone(), Arc::clone(&client));
        Ok(client)
    }

    fn open(
        &self,
        vault: &Url,
        credential: Arc<dyn TokenCredential>,
    ) -> azure_core::Result<SecretClient> {
        let mut client_options = self.options.client.clone();
        client_options
            .per_try_policies
            .push(Arc::new(KnownChallenge));
        let options = SecretClientOptions {
            client_options,
            verify_challenge_resource: Some(self.options.verify_challenge),
            ..SecretClientOptions::default()
        };
        SecretClient::new(vault.as_str(), credential, Some(options))
    }
}

#[async_trait]
impl VaultSecrets for KeyVault {
    async fn get(&self, vault: Url, name: SecretName) -> Result<Option<VaultSecret>, VaultError> {
        let fail = |error| failure("read", &vault, &name, error);
        let client = self.client(&vault).map_err(fail)?;
        read(&client, &name).await.map_err(fail)
    }

    async fn get_as(
        &self,
        vault: Url,
        name: SecretName,
        token: Secret,
    ) -> Result<Option<VaultSecret>, VaultError> {
        let fail = |error| failure("read", &vault, &name, error);
        let client = self
            .open(&vault, Arc::new(GivenToken(token)))
            .map_err(fail)?;
        read(&client, &name).await.map_err(fail)
    }

    async fn set(
        &self,
        vault: Url,
        name: SecretName,
        value: Secret,
    ) -> Result<VaultSecret, VaultError> {
        let fail = |error| failure("write", &vault, &name, error);
        let client = self.client(&vault).map_err(fail)?;
        let parameters = SetSecretParameters {
            value: Some(value.expose().to_owned()),
            tags: Some(HashMap::from([("managed-by".into(), "aks-airflow".into())])),
            ..SetSecretParameters::default()
        };
        let written = async {
            let content = parameters.try_into()?;
            client
                .set_secret(name.as_str(), content, None)
                .await?
                .into_model()
        }
        .await
        .map_err(fail)?;
        Ok(VaultSecret {
            version: version(&written),
            value,
            enabled: true,
        })
    }
}

async fn read(client: &SecretClient, name: &SecretName) -> azure_core::Result<Option<VaultSecret>> {
    match client.get_secret(name.as_str(), None).await {
        Ok(response) => {
            let secret = response.into_model()?;
            Ok(Some(VaultSecret {
                version: version(&secret),
                enabled: secret
                    .attributes
                    .as_ref()
                    .and_then(|a| a.enabled)
                    .unwrap_or(true),
                value: Secret::new(secret.value.unwrap_or_default()),
            }))
        }
        Err(error) if error.http_status() == Some(StatusCode::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

fn version(secret: &azure_security_keyvault_secrets::models::Secret) -> String {
    secret
        .resource_id()
        .ok()
        .and_then(|id| id.version)
        .unwrap_or_default()
}

fn failure(
    verb: &'static str,
    vault: &Url,
    name: &SecretName,
    error: azure_core::Error,
) -> VaultError {
    VaultError {
        verb,
        name: name.clone(),
        vault: vault.host_str().unwrap_or_default().to_owned(),
        kind: classify(error),
    }
}

fn classify(error: azure_core::Error) -> VaultErrorKind {
    match error.kind() {
        ErrorKind::HttpResponse {
            status,
            raw_response,
            ..
        } => {
            let body = raw_response
                .as_ref()
                .and_then(|response| serde_json::from_slice(response.body().as_ref()).ok())
                .unwrap_or_default();
            VaultErrorKind::of_answer(u16::from(*status), &body)
        }
        ErrorKind::Credential => VaultErrorKind::Unauthenticated(error.to_string()),
        ErrorKind::Io | ErrorKind::Connection => VaultErrorKind::Unreachable(Box::new(error)),
        _ => VaultErrorKind::Answer {
            status: 0,
            message: error.to_string(),
        },
    }
}

impl fmt::Debug for KeyVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyVault")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A token that was had elsewhere, as a credential.
#[derive(Debug)]
struct GivenToken(Secret);

#[async_trait]
impl TokenCredential for GivenToken {
    async fn get_token(
        &self,
        _scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        // The vault judges the token itself; the client only has to believe that it still lasts.
        let lasting = OffsetDateTime::now_utc() + azure_core::time::Duration::minutes(30);
        Ok(AccessToken::new(self.0.expose().to_owned(), lasting))
    }
}
