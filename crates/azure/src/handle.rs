//! [`Azure`]: transport, credential and cloud in one handle. It owns the wiring of the crate's
//! parts and of the SDK clients' options; it refuses to know any service's client.

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::Uri;
use azure_core::credentials::TokenCredential;
use azure_core::http::{self, ClientOptions, HttpClient};
use azure_core::time::OffsetDateTime;
use converge::{RequestLog, Secret};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use tower::Service;

use crate::credential::FailedCredential;
use crate::pipe::{Loopback, Pipe};
use crate::{
    AccessToken, Arm, ArmClient, Cloud, CredentialChain, CredentialError, CredentialSource,
    EntraClient, NotLoopback, RetryOptions, SandboxCredential, TokenExchange, Transport,
    TransportError,
};

/// How to reach Azure.
#[derive(Debug, Clone, Default)]
pub struct AzureOptions {
    /// Which cloud; the public one by default.
    pub cloud: Cloud,
    /// How to log in, in the order in which it is tried; nothing by default.
    pub credentials: Vec<CredentialSource>,
    /// How often requests are tried again.
    pub retry: RetryOptions,
    /// Where requests are counted; a counter of its own by default.
    pub requests: RequestLog,
}

/// A way to Azure: one transport, one credential, one cloud. Cheap to clone; domains hold one.
///
/// ```
/// use azure::{Azure, AzureOptions, CredentialSource};
///
/// let azure = Azure::connect(AzureOptions {
///     credentials: vec![CredentialSource::ManagedIdentity { client_id: None }],
///     ..AzureOptions::default()
/// })?;
/// assert_eq!(azure.requests().count().total(), 0); // connecting asks nobody
/// # Ok::<(), azure::TransportError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Azure {
    transport: Transport,
    credential: Arc<dyn TokenCredential>,
    cloud: Cloud,
}

impl Azure {
    /// Over the internet. Sends nothing yet.
    ///
    /// # Errors
    /// When no HTTPS client can be made on this machine.
    pub fn connect(options: AzureOptions) -> Result<Self, TransportError> {
        let transport = Transport::internet(options.requests, options.retry)?;
        let client_options = client_options(&transport, &options.cloud);
        let chain = CredentialChain::new(&options.credentials, &transport, &client_options);
        Ok(Self {
            transport,
            credential: Arc::new(chain),
            cloud: options.cloud,
        })
    }

    /// To a sandbox in this process: `connector` gives a stream to any host, over which plain HTTP
    /// is spoken with the original `Host`. It is a connector as hyper-util's client takes it. Public
    /// cloud.
    pub fn sandbox_over<C>(
        connector: C,
        credential: SandboxCredential,
        requests: RequestLog,
    ) -> Self
    where
        C: Service<Uri> + Clone + Send + Sync + 'static,
        C::Response: Read + Write + Connection + Unpin + Send + 'static,
        C::Error: Into<Box<dyn StdError + Send + Sync>>,
        C::Future: Unpin + Send + 'static,
    {
        Self::sandbox(Arc::new(Pipe::over(connector)), credential, requests)
    }

    /// To a sandbox that listens on this machine: every host is that listener. Public cloud.
    ///
    /// # Errors
    /// When the address is not a loopback address.
    pub fn sandbox_at(
        listener: SocketAddr,
        credential: SandboxCredential,
        requests: RequestLog,
    ) -> Result<Self, NotLoopback> {
        if !listener.ip().is_loopback() {
            return Err(NotLoopback(listener));
        }
        let pipe = Arc::new(Pipe::over(Loopback(listener)));
        Ok(Self::sandbox(pipe, credential, requests))
    }

    fn sandbox(
        wire: Arc<dyn HttpClient>,
        credential: SandboxCredential,
        requests: RequestLog,
    ) -> Self {
        Self {
            transport: Transport::sandbox(wire, requests, RetryOptions::default()),
            credential: Arc::new(credential),
            cloud: Cloud::public(),
        }
    }

    /// The same way as somebody else: with a token from [`TokenExchange`], to see what that
    /// identity may do.
    #[must_use]
    pub fn acting_as(&self, credential: Arc<dyn TokenCredential>) -> Self {
        Self {
            credential,
            ..self.clone()
        }
    }

    /// Resource Manager.
    pub fn arm(&self) -> Arc<dyn Arm> {
        Arc::new(ArmClient::new(self.clone()))
    }

    /// Entra's federation.
    pub fn entra(&self) -> Arc<dyn TokenExchange> {
        Arc::new(EntraClient::new(self.clone()))
    }

    /// A token for a scope such as [`Cloud::cluster_scope`].
    ///
    /// # Errors
    /// Every credential that was tried, with its reason.
    pub async fn token_for(&self, scope: &str) -> Result<AccessToken, CredentialError> {
        let token = self.credential.get_token(&[scope], None).await;
        let token = token.map_err(|error| {
            error
                .into_downcast()
                .unwrap_or_else(|error| CredentialError {
                    scope: scope.to_owned(),
                    failed: vec![FailedCredential {
                        name: "credential",
                        reason: error.to_string(),
                    }],
                })
        })?;
        let left = token.expires_on - OffsetDateTime::now_utc();
        Ok(AccessToken {
            token: Secret::new(token.token.secret()),
            expires_in: left.try_into().unwrap_or(Duration::ZERO),
        })
    }

    /// Options for an SDK client: our transport, the SDK's own retries off, this cloud.
    pub fn client_options(&self) -> ClientOptions {
        client_options(&self.transport, &self.cloud)
    }

    /// The credential, for an SDK client.
    pub fn credential(&self) -> Arc<dyn TokenCredential> {
        Arc::clone(&self.credential)
    }

    /// The transport.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The endpoints.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The counter of requests.
    pub fn requests(&self) -> &RequestLog {
        self.transport.requests()
    }
}

fn client_options(transport: &Transport, cloud: &Cloud) -> ClientOptions {
    ClientOptions {
        transport: Some(http::Transport::new(Arc::new(transport.clone()))),
        retry: http::RetryOptions::none(),
        cloud: Some(cloud.configuration()),
        ..ClientOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_elsewhere_is_refused() {
        let credential = SandboxCredential::new("t", "o");
        for address in ["10.0.0.1:80", "8.8.8.8:443", "[2001:db8::1]:80"] {
            let address = address.parse().unwrap();
            let refused = Azure::sandbox_at(address, credential.clone(), RequestLog::new());
            assert!(refused.is_err(), "{address}");
        }
    }

    #[tokio::test]
    async fn without_credentials_the_error_says_so() {
        let azure = Azure::connect(AzureOptions::default()).unwrap();
        let error = azure.token_for("s").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "no token for `s`: no credential is configured"
        );
    }
}
