//! [`OciRepository`]: charts in an OCI registry. It owns tags, media types and limits; it refuses to
//! show the registry client's types.
//!
//! Source: `pkg/registry` of Helm v4.2 for media types and tags.

use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use converge::{RequestClass, Service};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{OciDescriptor, OciImageManifest, OciManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use tokio::io::AsyncWrite;

use crate::memory::not_found;
use crate::resolve::newest_first;
use crate::transport::{Login, TransportOptions, USER_AGENT, again};
use crate::{Archive, ChartRef, ChartSource, ChartVersion, SourceError, SourceErrorKind};
use helm_chart::semver::Version;

const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const CONTENT: [&str; 2] = [
    "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
    "application/tar+gzip",
];
/// How many tags one page holds, and how many pages are read.
const PAGE: usize = 1000;
const PAGES: usize = 100;

/// Charts below a path of an OCI registry.
pub struct OciRepository {
    registry: String,
    path: String,
    auth: RegistryAuth,
    client: Client,
    options: OciOptions,
}

/// How a registry is used.
#[derive(Debug, Clone, Default)]
pub struct OciOptions {
    /// Who asks; nobody in particular by default.
    pub login: Login,
    /// Speak http instead of https; off by default, meant for registries on this machine.
    pub plain_http: bool,
    /// How it is reached.
    pub transport: TransportOptions,
}

impl std::fmt::Debug for OciRepository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OciRepository(oci://{}/{})", self.registry, self.path)
    }
}

impl OciRepository {
    /// The charts below `address`, such as `oci://myacr.azurecr.io/helm`. Makes no request.
    ///
    /// # Errors
    /// An address or option that cannot be used.
    pub fn new(address: &str, options: OciOptions) -> Result<Self, SourceError> {
        let invalid = |why: String| {
            SourceError::new(
                "use",
                "the registry's address",
                SourceErrorKind::Invalid { why },
            )
        };
        let rest = address
            .strip_prefix("oci://")
            .ok_or_else(|| invalid("it must begin with oci://".into()))?;
        let (registry, path) = rest.split_once('/').unwrap_or((rest, ""));
        if registry.is_empty() || registry.contains('@') {
            return Err(invalid("it must name a host, without credentials".into()));
        }
        let protocol = if options.plain_http {
            ClientProtocol::HttpsExcept(vec![registry.to_owned()])
        } else {
            ClientProtocol::Https
        };
        // `Client::new` would fall back to defaults on a bad configuration.
        let client = Client::try_from(ClientConfig {
            protocol,
            platform_resolver: None,
            read_timeout: Some(options.transport.read_timeout),
            connect_timeout: Some(options.transport.connect_timeout),
            user_agent: USER_AGENT,
            https_proxy: options.transport.proxy.clone(),
            http_proxy: options.transport.proxy.clone(),
            ..ClientConfig::default()
        })
        .map_err(|error| invalid(format!("the registry client cannot be set up: {error}")))?;
        Ok(Self {
            registry: registry.to_owned(),
            path: path.trim_matches('/').to_owned(),
            auth: match &options.login {
                Login::Anonymous => RegistryAuth::Anonymous,
                Login::Basic { user, password } => {
                    RegistryAuth::Basic(user.clone(), password.expose().to_owned())
                }
                Login::Bearer(token) => RegistryAuth::Bearer(token.expose().to_owned()),
            },
            client,
            options,
        })
    }

    fn repository(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.path)
        }
    }

    fn reference(&self, name: &str, version: &str) -> Reference {
        let tag = version.replace('+', "_");
        Reference::with_tag(self.registry.clone(), self.repository(name), tag)
    }

    /// Asks the registry, again where that may help.
    async fn ask<T, F>(&self, mut request: impl FnMut() -> F) -> Result<T, SourceErrorKind>
    where
        F: Future<Output = Result<T, OciDistributionError>>,
    {
        again(|| {
            self.count();
            let answer = request();
            async {
                answer
                    .await
                    .map_err(|error| kind_of(error, &self.options.transport))
            }
        })
        .await
    }

    fn count(&self) {
        let requests = &self.options.transport.requests;
        requests.record(Service::Charts, RequestClass::Read);
    }

    /// All tags, as versions.
    async fn tags(&self, name: &str) -> Result<Vec<String>, SourceError> {
        let reference = self.reference(name, "latest");
        let mut tags: Vec<String> = Vec::new();
        for _ in 0..PAGES {
            let last = tags.last().cloned();
            let (auth, last) = (&self.auth, last.as_deref());
            let page = self
                .ask(|| self.client.list_tags(&reference, auth, Some(PAGE), last))
                .await;
            let page = match page {
                Ok(page) => page.tags,
                Err(SourceErrorKind::NotFound { .. }) => return Ok(Vec::new()),
                Err(kind) => {
                    let target = format!("oci://{}/{}", self.registry, self.repository(name));
                    return Err(SourceError::new("list the tags of", target, kind));
                }
            };
            // A registry that does not know pages answers all tags each time.
            let fresh: Vec<String> = page.into_iter().filter(|tag| !tags.contains(tag)).collect();
            let is_last = fresh.len() < PAGE;
            tags.extend(fresh);
            if is_last {
                break;
            }
        }
        Ok(tags)
    }

    /// The manifest of a chart; an image index is searched for one.
    async fn manifest(&self, reference: &Reference) -> Result<OciImageManifest, SourceErrorKind> {
        let pull = |reference: &Reference| {
            let reference = reference.clone();
            async move {
                self.ask(|| self.client.pull_manifest(&reference, &self.auth))
                    .await
            }
        };
        let index = match pull(reference).await?.0 {
            OciManifest::Image(manifest) => return Ok(manifest),
            OciManifest::ImageIndex(index) => index,
        };
        for entry in index.manifests {
            let inner = reference.clone_with_digest(entry.digest);
            if let OciManifest::Image(manifest) = pull(&inner).await?.0
                && manifest.config.media_type == CONFIG
            {
                return Ok(manifest);
            }
        }
        Err(SourceErrorKind::Answer {
            why: "the image index holds no chart".into(),
        })
    }

    /// A layer's bytes; the client compares them with the layer's digest.
    async fn blob(
        &self,
        reference: &Reference,
        layer: &OciDescriptor,
    ) -> Result<Vec<u8>, SourceErrorKind> {
        self.ask(|| async {
            let mut bytes = Capped {
                bytes: Vec::new(),
                limit: self.options.transport.max_archive,
            };
            self.client.pull_blob(reference, layer, &mut bytes).await?;
            Ok(bytes.bytes)
        })
        .await
    }

    /// The layer that holds the archive.
    fn content<'m>(
        &self,
        manifest: &'m OciImageManifest,
    ) -> Result<&'m OciDescriptor, SourceErrorKind> {
        let layer = manifest
            .layers
            .iter()
            .find(|layer| CONTENT.contains(&layer.media_type.as_str()))
            .filter(|_| manifest.config.media_type == CONFIG)
            .ok_or_else(|| SourceErrorKind::Answer {
                why: format!("it is no Helm chart but {}", manifest.config.media_type),
            })?;
        let limit = self.options.transport.max_archive;
        if u64::try_from(layer.size).is_ok_and(|size| size > limit) {
            return Err(SourceErrorKind::TooLarge { limit });
        }
        Ok(layer)
    }
}

#[async_trait]
impl ChartSource for OciRepository {
    async fn versions(&self, name: String) -> Result<Vec<ChartVersion>, SourceError> {
        let tags = self.tags(&name).await?;
        let mut versions: Vec<ChartVersion> = tags
            .iter()
            .map(|tag| tag.replace('_', "+"))
            .filter(|version| Version::parse_strict(version).is_ok())
            .map(|version| ChartVersion {
                version,
                ..ChartVersion::default()
            })
            .collect();
        newest_first(&mut versions);
        Ok(versions)
    }

    async fn pull(&self, chart: ChartRef) -> Result<Archive, SourceError> {
        let reference = self.reference(&chart.name, &chart.version);
        let origin = format!("oci://{}", reference.whole());
        let failed = |kind| SourceError::new("pull", origin.clone(), kind);
        let manifest = match self.manifest(&reference).await {
            Ok(manifest) => manifest,
            Err(SourceErrorKind::NotFound { .. }) => {
                let versions = self.versions(chart.name.clone()).await;
                return Err(not_found(&origin, &chart, &versions.unwrap_or_default()));
            }
            Err(kind) => return Err(failed(kind)),
        };
        let layer = self.content(&manifest).map_err(failed)?;
        let bytes = self.blob(&reference, layer).await.map_err(failed)?;
        Archive::new(bytes, origin).checked(chart.digest, "the pin")
    }
}

fn kind_of(error: OciDistributionError, transport: &TransportOptions) -> SourceErrorKind {
    match error {
        OciDistributionError::ImageManifestNotFoundError(what) => missing(what),
        OciDistributionError::ServerError { code: 404, url, .. } => missing(url),
        OciDistributionError::RegistryError { ref envelope, .. }
            if envelope.errors.iter().any(|error| {
                let code = format!("{:?}", error.code);
                code.contains("Unknown") && !code.contains("Blob")
            }) =>
        {
            missing("the chart or version".into())
        }
        OciDistributionError::UnauthorizedError { .. }
        | OciDistributionError::AuthenticationFailure(_) => SourceErrorKind::Denied { status: 401 },
        OciDistributionError::ServerError {
            code: status @ (401 | 403),
            ..
        } => SourceErrorKind::Denied { status },
        OciDistributionError::ServerError { code, .. } => SourceErrorKind::Status { status: code },
        OciDistributionError::RequestError(error) if error.is_timeout() => {
            SourceErrorKind::Timeout(transport.read_timeout)
        }
        OciDistributionError::RequestError(error) => {
            SourceErrorKind::Unreachable(Box::new(error.without_url()))
        }
        OciDistributionError::IoError(error)
            if error.kind() == std::io::ErrorKind::FileTooLarge =>
        {
            SourceErrorKind::TooLarge {
                limit: transport.max_archive,
            }
        }
        other => SourceErrorKind::Answer {
            why: other.to_string(),
        },
    }
}

fn missing(what: String) -> SourceErrorKind {
    SourceErrorKind::NotFound {
        what,
        help: "check the repository's path, the chart's name and its version".into(),
    }
}

/// A buffer that takes no more than it may.
struct Capped {
    bytes: Vec<u8>,
    limit: u64,
}

impl AsyncWrite for Capped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if (self.bytes.len() + bytes.len()) as u64 > self.limit {
            return Poll::Ready(Err(std::io::ErrorKind::FileTooLarge.into()));
        }
        self.bytes.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
