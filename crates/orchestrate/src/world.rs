//! [`World`]: the handles of every seam a workflow talks through. It owns the bundle and the real
//! connection; it refuses to read the process environment: what comes from there is handed in.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use airflow_helm::{RANDOM_BYTES, RandomBytes};
use aks_identity::{ArmIdentities, ClusterFacts, Identities, IdentityError};
use azure::{Arm, Azure, ResourceId, TokenExchange};
use blob_storage::{ArmStorageAccounts, BlobLogStore, LogStore, StorageAccounts};
use converge::{RequestLog, Secret};
use ext_secrets::{ArmVaultAccess, KeyVault, KeyVaultOptions, VaultAccess, VaultSecrets};
use helm_release::{ClusterReleases, Releases};
use kube_cluster::{Cluster, ConnectOptions, KubeCluster, PodLogs, PortForward, RunView};

use crate::charts::ChartLibrary;
use crate::document::{Deployment, SecretRef};

/// What a workflow talks through. Cheap to clone; every part can be replaced by a mock.
#[derive(Clone)]
pub struct World {
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// Logs of its pods.
    pub logs: Arc<dyn PodLogs>,
    /// Ways to ports of its pods.
    pub forward: Arc<dyn PortForward>,
    /// Helm releases in it.
    pub releases: Arc<dyn Releases>,
    /// The engine behind [`releases`](Self::releases), where they are this crate's own: a run hands
    /// it its view of the cluster.
    #[doc(hidden)]
    pub engine: Option<(Arc<dyn Releases>, ClusterReleases)>,
    /// The run's view of the cluster, where [`cluster`](Self::cluster) is one.
    #[doc(hidden)]
    pub view: Option<Arc<RunView>>,
    /// Azure Resource Manager.
    pub arm: Arc<dyn Arm>,
    /// Entra's federation.
    pub exchange: Arc<dyn TokenExchange>,
    /// Managed identities and their federated credentials.
    pub identities: Arc<dyn Identities>,
    /// Key vaults and who may read them.
    pub vault_access: Arc<dyn VaultAccess>,
    /// Secrets in key vaults.
    pub vault_secrets: Arc<dyn VaultSecrets>,
    /// Storage accounts, containers and lifecycle rules.
    pub storage: Arc<dyn StorageAccounts>,
    /// The log container's content.
    pub log_store: Arc<dyn LogStore>,
    /// Where charts come from.
    pub charts: Arc<dyn ChartLibrary>,
    /// What the caller's process knows: environment and files that secret references name.
    pub local: Arc<dyn LocalSecrets>,
    /// Random bytes for new keys.
    pub random: RandomSource,
    /// Where requests are counted.
    pub requests: RequestLog,
    /// Whether nothing in this world is real.
    pub simulated: bool,
}

/// Fills a buffer with random bytes that must be secret.
pub type RandomSource = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Secrets of the process that runs the workflow.
pub trait LocalSecrets: fmt::Debug + Send + Sync + 'static {
    /// The secret behind an `env` or `file` reference; `None` if it is not there.
    ///
    /// # Errors
    /// A sentence, when it is there but cannot be read.
    fn resolve(&self, reference: &SecretRef) -> Result<Option<Secret>, String>;
}

/// No environment and no files.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLocalSecrets;

impl LocalSecrets for NoLocalSecrets {
    fn resolve(&self, _: &SecretRef) -> Result<Option<Secret>, String> {
        Ok(None)
    }
}

/// What [`World::over`] is made of.
#[derive(Clone)]
pub struct Parts {
    /// The cluster's client.
    pub cluster: KubeCluster,
    /// The way to Azure.
    pub azure: Azure,
    /// Where charts come from.
    pub charts: Arc<dyn ChartLibrary>,
    /// What the caller's process knows.
    pub local: Arc<dyn LocalSecrets>,
    /// Random bytes for new keys.
    pub random: RandomSource,
    /// Where requests are counted; give the same log to cluster and Azure.
    pub requests: RequestLog,
}

/// A world that cannot be reached. Nothing was written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum ConnectError {
    /// The subscription, resource group or cluster cannot be named.
    #[error("the document names an Azure resource that cannot exist")]
    #[diagnostic(code(aka::world::resource))]
    Resource(
        #[source]
        #[diagnostic_source]
        azure::ResourceIdError,
    ),
    /// Azure or the cluster cannot be reached.
    #[error("cannot reach the cluster")]
    #[diagnostic(code(aka::world::login))]
    Login(
        #[source]
        #[diagnostic_source]
        IdentityError,
    ),
    /// The cluster does not exist.
    #[error("AKS cluster `{0}` is not there")]
    #[diagnostic(
        code(aka::world::no_cluster),
        help("check `azure.subscription`, `azure.resourceGroup` and `azure.cluster`")
    )]
    NoCluster(String),
}

impl World {
    /// A world over a cluster's client and a way to Azure: the real implementation of every seam.
    pub fn over(parts: Parts) -> Self {
        let cluster: Arc<KubeCluster> = Arc::new(parts.cluster);
        let logs: Arc<dyn PodLogs> = Arc::clone(&cluster) as Arc<dyn PodLogs>;
        let arm = parts.azure.arm();
        let options = KeyVaultOptions {
            client: parts.azure.client_options(),
            ..KeyVaultOptions::default()
        };
        let seam: Arc<dyn Cluster> = Arc::clone(&cluster) as Arc<dyn Cluster>;
        let engine = ClusterReleases::new(Arc::clone(&seam)).with_logs(Arc::clone(&logs));
        let releases: Arc<dyn Releases> = Arc::new(engine.clone());
        Self {
            engine: Some((Arc::clone(&releases), engine)),
            releases,
            view: None,
            forward: cluster,
            cluster: seam,
            logs,
            exchange: parts.azure.entra(),
            identities: Arc::new(ArmIdentities::new(Arc::clone(&arm))),
            vault_access: Arc::new(ArmVaultAccess::new(Arc::clone(&arm))),
            vault_secrets: Arc::new(KeyVault::new(parts.azure.credential(), options)),
            storage: Arc::new(ArmStorageAccounts::new(Arc::clone(&arm))),
            log_store: Arc::new(BlobLogStore::new(parts.azure.clone())),
            simulated: parts.azure.transport().is_sandbox(),
            arm,
            charts: parts.charts,
            local: parts.local,
            random: parts.random,
            requests: parts.requests,
        }
    }

    /// Connects to the cluster of a deployment: by a kubeconfig, or by the user credential that
    /// Azure gives out, with an Entra token where the cluster wants one. Reads only.
    ///
    /// # Errors
    /// Why the cluster cannot be reached.
    pub async fn login(
        deployment: &Deployment,
        azure: &Azure,
        options: ConnectOptions,
    ) -> Result<KubeCluster, ConnectError> {
        if let Some(path) = &deployment.access.kubeconfig {
            let options = ConnectOptions {
                context: deployment.access.context.clone(),
                ..options
            };
            return aks_identity::login_with_kubeconfig(&PathBuf::from(path), Some(azure), options)
                .await
                .map_err(ConnectError::Login);
        }
        let id = cluster_id(deployment).map_err(ConnectError::Resource)?;
        let arm = azure.arm();
        let answer = arm
            .get(id.clone(), aks_identity::CLUSTERS)
            .await
            .map_err(|error| ConnectError::Login(IdentityError::from(error)))?
            .ok_or_else(|| ConnectError::NoCluster(deployment.azure.cluster.clone()))?;
        let facts = ClusterFacts::read(id, &answer).map_err(ConnectError::Login)?;
        aks_identity::login(arm.as_ref(), Some(azure), &facts, options)
            .await
            .map_err(ConnectError::Login)
    }

    /// The same world as one run sees it.
    pub(crate) fn viewed(&self) -> (Self, Arc<RunView>) {
        let view = Arc::new(RunView::new(Arc::clone(&self.cluster)));
        let mut world = Self {
            cluster: Arc::clone(&view) as Arc<dyn Cluster>,
            view: Some(Arc::clone(&view)),
            ..self.clone()
        };
        if let Some((releases, engine)) = &self.engine
            && Arc::ptr_eq(releases, &self.releases)
        {
            let seen = engine.clone().over(Arc::clone(&world.cluster));
            world.releases = Arc::new(seen.sharing_watches());
        }
        (world, view)
    }

    pub(crate) fn fresh_random(&self) -> RandomBytes {
        let mut bytes = [0; RANDOM_BYTES];
        (self.random)(&mut bytes);
        RandomBytes(bytes)
    }
}

/// The resource group of a deployment.
pub(crate) fn resource_group(
    deployment: &Deployment,
) -> Result<ResourceId, azure::ResourceIdError> {
    ResourceId::resource_group(
        &deployment.azure.subscription,
        &deployment.azure.resource_group,
    )
}

/// The AKS cluster of a deployment.
pub(crate) fn cluster_id(deployment: &Deployment) -> Result<ResourceId, azure::ResourceIdError> {
    resource_group(deployment)?.provider(
        "Microsoft.ContainerService",
        "managedClusters",
        &deployment.azure.cluster,
    )
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("cluster", &self.cluster)
            .field("simulated", &self.simulated)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("cluster", &self.cluster)
            .field("azure", &self.azure)
            .finish_non_exhaustive()
    }
}
