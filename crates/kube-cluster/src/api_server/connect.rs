//! How a [`KubeCluster`] comes about: from a kubeconfig, an address, or a connector. It owns the
//! HTTP stack; it refuses to look for configuration by itself.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use converge::{RequestLog, Secret, Service};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::config::{AuthInfo, Config, KubeConfigOptions, Kubeconfig};
use tower::{ServiceBuilder, service_fn};
use tower_http::decompression::DecompressionLayer;

use super::outage::Outage;
use super::wire::Wire;
use super::{KubeCluster, Limits, TokenSource, request};
use crate::{ClusterError, ClusterErrorKind};

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// The kubeconfig's context; its current one by default.
    pub context: Option<String>,
    /// Where bearer tokens come from. When given, whatever the kubeconfig says about the user
    /// (certificates, exec plugins) is not used.
    pub token: Option<Arc<dyn TokenSource>>,
    /// Lets a kubeconfig's user that has a certificate, a token or a password of its own come before
    /// [`token`](Self::token), which then stands in for a login program only; off by default.
    pub prefer_own_user: bool,
    /// Counts the requests.
    pub requests: RequestLog,
    /// How long a connection may take to come about; 10 s by default.
    pub connect_timeout: Duration,
    /// How long one answer may take; 60 s by default. Watches and followed logs are exempt.
    pub request_timeout: Duration,
    /// How long a request may be repeated; 20 s by default.
    pub retry_limit: Duration,
    /// Decides the jitter between repetitions.
    pub seed: u64,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            context: None,
            token: None,
            prefer_own_user: false,
            requests: RequestLog::new(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            retry_limit: Duration::from_secs(20),
            seed: 0,
        }
    }
}

/// Where an API server is and which certificate authorities vouch for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// As `https://aks-abc.hcp.westeurope.azmk8s.io:443`.
    pub url: String,
    /// Certificate authorities in PEM; those of the platform when `None`.
    pub certificate_authority: Option<Vec<u8>>,
}

impl KubeCluster {
    /// Connects with the text of a kubeconfig. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClusterErrorKind::Config`] when the text is no kubeconfig, the context is not in it, or a
    /// file or plugin it names cannot be used.
    pub async fn from_kubeconfig(
        text: &Secret,
        options: ConnectOptions,
    ) -> Result<Self, ClusterError> {
        let kubeconfig = Kubeconfig::from_yaml(text.expose()).map_err(unusable)?;
        Self::from_parsed(kubeconfig, options).await
    }

    /// Connects with a kubeconfig file; certificate files it names are looked for beside it.
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// As [`from_kubeconfig`](Self::from_kubeconfig), and when the file cannot be read.
    pub async fn from_kubeconfig_file(
        path: impl AsRef<Path>,
        options: ConnectOptions,
    ) -> Result<Self, ClusterError> {
        let kubeconfig = Kubeconfig::read_from(path).map_err(unusable)?;
        Self::from_parsed(kubeconfig, options).await
    }

    async fn from_parsed(
        kubeconfig: Kubeconfig,
        options: ConnectOptions,
    ) -> Result<Self, ClusterError> {
        let choice = KubeConfigOptions {
            context: options.context.clone(),
            ..KubeConfigOptions::default()
        };
        let config = Config::from_custom_kubeconfig(kubeconfig, &choice)
            .await
            .map_err(unusable)?;
        Self::from_config(config, options)
    }

    /// Connects to an address, usually with [`ConnectOptions::token`]. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClusterErrorKind::Config`] when the address or the certificates cannot be used.
    pub fn from_address(
        address: &ServerAddress,
        options: ConnectOptions,
    ) -> Result<Self, ClusterError> {
        let mut config = Config::new(address.url.parse().map_err(unusable)?);
        if let Some(pem) = &address.certificate_authority {
            config.root_cert = Some(certificates(pem)?);
        }
        Self::from_config(config, options)
    }

    fn from_config(mut config: Config, mut options: ConnectOptions) -> Result<Self, ClusterError> {
        config.connect_timeout = Some(options.connect_timeout);
        if options.prefer_own_user && is_user_of_its_own(&config.auth_info) {
            options.token = None;
        }
        if options.token.is_some() {
            config.auth_info = AuthInfo::default();
        }
        let server = config.cluster_url.to_string();
        let namespace = config.default_namespace.clone();
        let outage = Outage::default();
        let client = client(&config, &outage)?;
        Ok(Self {
            outage,
            ..Self::over(client, server, &namespace, options)
        })
    }

    /// Connects through any connector, without TLS or login of its own: an in-process server over
    /// in-memory pipes. `base_url` is what requests are addressed to, as
    /// `http://cluster.sandbox.invalid`. A connector is a clonable `tower::Service<Uri>` whose
    /// future is `Unpin` and whose connection speaks hyper's I/O traits.
    ///
    /// # Errors
    /// [`ClusterErrorKind::Config`] when the address is none.
    pub fn with_connector<C>(
        connector: C,
        base_url: &str,
        options: ConnectOptions,
    ) -> Result<Self, ClusterError>
    where
        C: Connect + Clone + Send + Sync + 'static,
    {
        let uri: http::Uri = base_url.parse().map_err(unusable)?;
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .build::<_, Body>(connector);
        let inner = ClientBuilder::new(http, "default")
            .with_layer(&kube::client::middleware::BaseUriLayer::new(uri))
            .build();
        Ok(Self::over(inner, base_url.to_owned(), "default", options))
    }

    /// Connects over plain TCP to a loopback server without TLS.
    ///
    /// # Errors
    /// [`ClusterErrorKind::Config`] when the address is none.
    pub fn over_plain_tcp(base_url: &str, options: ConnectOptions) -> Result<Self, ClusterError> {
        Self::with_connector(HttpConnector::new(), base_url, options)
    }

    /// Wraps a client so that each request, upgrades included, is counted once and carries a token.
    fn over(
        inner: kube::Client,
        server: String,
        default_namespace: &str,
        options: ConnectOptions,
    ) -> Self {
        let requests = options.requests.clone();
        let token = options.token;
        let service = service_fn(move |mut request: Request<Body>| {
            let (inner, requests, token) = (inner.clone(), requests.clone(), token.clone());
            async move {
                if let Some(source) = token {
                    let bearer = source.token().await?;
                    let mut value = HeaderValue::try_from(format!("Bearer {}", bearer.expose()))?;
                    value.set_sensitive(true);
                    request.headers_mut().insert(AUTHORIZATION, value);
                }
                requests.record(
                    Service::Kubernetes,
                    request::class(request.method(), request.uri()),
                );
                inner.send(request).await.map_err(tower::BoxError::from)
            }
        });
        Self {
            client: kube::Client::new(service, default_namespace),
            server: server.into(),
            default_namespace: default_namespace.into(),
            served: Arc::default(),
            asking: Arc::default(),
            requests: options.requests,
            outage: Outage::default(),
            limits: Limits {
                request: options.request_timeout,
                retries: options.retry_limit,
                seed: options.seed,
            },
        }
    }
}

/// A client of the configuration's server, as its user.
fn client(config: &Config, outage: &Outage) -> Result<kube::Client, ClusterError> {
    let wire = Wire::new(config, outage).map_err(unusable)?;
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(DecompressionLayer::new().gzip(!config.disable_compression))
        .option_layer(config.auth_layer().map_err(unusable)?)
        .layer(config.extra_headers_layer().map_err(unusable)?)
        .map_err(tower::BoxError::from)
        .service(wire);
    Ok(ClientBuilder::new(service, &*config.default_namespace).build())
}

/// The certificates of a PEM text, in DER.
fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, ClusterError> {
    use base64::Engine as _;
    let text = std::str::from_utf8(pem).map_err(unusable)?;
    let mut found = Vec::new();
    for block in text.split("-----BEGIN CERTIFICATE-----").skip(1) {
        let body = block
            .split("-----END CERTIFICATE-----")
            .next()
            .unwrap_or_default();
        let compact: String = body.split_whitespace().collect();
        found.push(
            base64::engine::general_purpose::STANDARD
                .decode(compact)
                .map_err(unusable)?,
        );
    }
    if found.is_empty() {
        return Err(unusable("no certificate in the PEM text"));
    }
    Ok(found)
}

fn unusable(error: impl Into<Box<dyn Error + Send + Sync>>) -> ClusterError {
    ClusterError::new(
        "connect to",
        "the cluster",
        ClusterErrorKind::Config(error.into()),
    )
}

/// Whether a kubeconfig's user needs no login program.
fn is_user_of_its_own(user: &AuthInfo) -> bool {
    let own = user.client_certificate.is_some()
        || user.client_certificate_data.is_some()
        || user.token.is_some()
        || user.token_file.is_some()
        || user.username.is_some();
    own && user.exec.is_none() && user.auth_provider.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_program_is_replaced_and_a_certificate_is_not() {
        let user = |yaml: &str| -> AuthInfo {
            let text = format!("apiVersion: v1\nkind: Config\nusers:\n- name: u\n  user: {yaml}\n");
            let kubeconfig = Kubeconfig::from_yaml(&text).unwrap();
            kubeconfig.auth_infos[0].auth_info.clone().unwrap()
        };
        assert!(is_user_of_its_own(&user("{client-certificate-data: YQ==}")));
        assert!(is_user_of_its_own(&user("{token: t}")));
        assert!(!is_user_of_its_own(&user("{exec: {command: kubelogin}}")));
        assert!(!is_user_of_its_own(&user("{}")));
    }
}
