//! [`Session`]: the deployment and the world one command works with. It owns reading files and
//! environment and choosing between Azure and the sandbox ([`simulated`](crate::simulated)); it refuses
//! to do any work.

use std::path::PathBuf;
use std::sync::Arc;

use azure::{Azure, AzureOptions, CredentialSource};
use converge::{RequestLog, Secret};
use kube_cluster::{ConnectOptions, KubeCluster};
use orchestrate::{
    ChartLibrary, Cloud, CredentialKind, Deployment, DocumentError, LocalSecrets, Parts, SecretRef,
    Source, World,
};

use crate::cli::TargetArgs;

/// The deployment and the world.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) deployment: Deployment,
    pub(crate) world: World,
    #[cfg(feature = "sandbox")]
    pub(crate) sandbox: Option<aks_sandbox::Sandbox>,
}

/// A session that cannot be opened. Nothing was written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub(crate) enum SessionError {
    /// No document was named.
    #[error("no document is given")]
    #[diagnostic(
        code(aka::cli::no_document),
        help("write `-f guide.yaml`, or try everything without Azure: `--sandbox`")
    )]
    NoDocument,
    /// A file cannot be read.
    #[error("cannot read {path}")]
    #[diagnostic(code(aka::cli::file))]
    File {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The sandbox finds no port on loopback.
    #[cfg(feature = "sandbox")]
    #[error("cannot listen on loopback")]
    #[diagnostic(code(aka::cli::listen))]
    Listen {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {path}")]
    #[diagnostic(code(aka::cli::file))]
    Unwritable {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The document is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Document(DocumentError),
    /// Azure cannot be spoken to.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Azure(azure::TransportError),
    /// The cluster cannot be reached.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Connect(orchestrate::ConnectError),
    /// The sandbox's client cannot be made.
    #[cfg(feature = "sandbox")]
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cluster(kube_cluster::ClusterError),
    /// The sandbox's world cannot be opened or kept.
    #[cfg(feature = "sandbox")]
    #[error("the sandbox's world in {folder} cannot be used: {message}")]
    #[diagnostic(
        code(aka::cli::sandbox),
        help("throw it away: `aks-airflow sandbox reset`")
    )]
    Sandbox {
        /// Its folder.
        folder: String,
        /// Why.
        message: String,
    },
}

impl Session {
    /// Reads the documents and connects. Reads only.
    pub(crate) async fn open(target: &TargetArgs) -> Result<Self, SessionError> {
        #[cfg(feature = "sandbox")]
        if target.sandbox {
            return crate::simulated::open(target);
        }
        let deployment = read_documents(&target.files)?.ok_or(SessionError::NoDocument)?;
        let requests = RequestLog::new();
        let options = AzureOptions {
            cloud: cloud(deployment.azure.cloud),
            credentials: credentials(&deployment.azure.credentials),
            requests: requests.clone(),
            ..AzureOptions::default()
        };
        let azure = Azure::connect(options).map_err(SessionError::Azure)?;
        let connect = ConnectOptions {
            requests: requests.clone(),
            ..ConnectOptions::default()
        };
        let cluster = World::login(&deployment, &azure, connect)
            .await
            .map_err(SessionError::Connect)?;
        let charts = crate::charts::library(target.charts.as_deref(), target.cache.as_deref());
        let world = world(cluster, azure, charts, requests);
        Ok(Self {
            deployment,
            world,
            #[cfg(feature = "sandbox")]
            sandbox: None,
        })
    }

    /// Keeps the sandbox's world for the next command.
    #[cfg_attr(
        not(feature = "sandbox"),
        expect(
            clippy::unused_self,
            clippy::unnecessary_wraps,
            reason = "what is real needs no keeping"
        )
    )]
    pub(crate) fn save(&self) -> Result<(), SessionError> {
        #[cfg(feature = "sandbox")]
        if let Some(sandbox) = &self.sandbox {
            return sandbox.save().map_err(|error| SessionError::Sandbox {
                folder: "the sandbox's folder".into(),
                message: error.to_string(),
            });
        }
        Ok(())
    }
}

/// Reads a base and overlays; `None` without any.
pub(crate) fn read_documents(files: &[PathBuf]) -> Result<Option<Deployment>, SessionError> {
    if files.is_empty() {
        return Ok(None);
    }
    let sources = files
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).map_err(|source| SessionError::File {
                path: path.display().to_string(),
                source,
            })?;
            Ok(Source {
                name: path.display().to_string(),
                text,
            })
        })
        .collect::<Result<Vec<_>, SessionError>>()?;
    Deployment::load(&sources)
        .map(Some)
        .map_err(SessionError::Document)
}

fn cloud(cloud: Cloud) -> azure::Cloud {
    match cloud {
        Cloud::Public => azure::Cloud::public(),
        Cloud::Government => azure::Cloud::us_government(),
        Cloud::China => azure::Cloud::china(),
    }
}

/// Credentials in the document's order, with what the environment says; those the environment does
/// not speak of are left out.
fn credentials(wanted: &[CredentialKind]) -> Vec<CredentialSource> {
    const DEFAULT: [CredentialKind; 3] = [
        CredentialKind::WorkloadIdentity,
        CredentialKind::ClientSecret,
        CredentialKind::ManagedIdentity,
    ];
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let kinds = if wanted.is_empty() { &DEFAULT } else { wanted };
    kinds
        .iter()
        .filter_map(|kind| match kind {
            CredentialKind::WorkloadIdentity => Some(CredentialSource::WorkloadIdentity {
                tenant: variable("AZURE_TENANT_ID")?,
                client_id: variable("AZURE_CLIENT_ID")?,
                token_file: variable("AZURE_FEDERATED_TOKEN_FILE")?.into(),
            }),
            CredentialKind::ClientSecret => Some(CredentialSource::ClientSecret {
                tenant: variable("AZURE_TENANT_ID")?,
                client_id: variable("AZURE_CLIENT_ID")?,
                secret: Secret::new(variable("AZURE_CLIENT_SECRET")?),
            }),
            CredentialKind::ManagedIdentity => Some(CredentialSource::ManagedIdentity {
                client_id: variable("AZURE_CLIENT_ID"),
            }),
        })
        .collect()
}

/// The world of these clients, with what this process knows and the operating system's randomness.
pub(crate) fn world(
    cluster: KubeCluster,
    azure: Azure,
    charts: Arc<dyn ChartLibrary>,
    requests: RequestLog,
) -> World {
    World::over(Parts {
        cluster,
        azure,
        charts,
        local: Arc::new(Process),
        random: Arc::new(|bytes| {
            getrandom::fill(bytes).expect("the operating system has randomness");
        }),
        requests,
    })
}

/// Environment and files of this process.
#[derive(Debug)]
struct Process;

impl LocalSecrets for Process {
    fn resolve(&self, reference: &SecretRef) -> Result<Option<Secret>, String> {
        match reference {
            SecretRef::Env(name) => Ok(std::env::var(name).ok().map(Secret::new)),
            SecretRef::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(Some(Secret::new(text.strip_suffix('\n').unwrap_or(&text)))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error.to_string()),
            },
            SecretRef::KeyVault(_) => Ok(None),
        }
    }
}
