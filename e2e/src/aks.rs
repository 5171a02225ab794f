//! [`Aks`]: the guide's AKS cluster on real ground. It owns joining a real control plane to the
//! simulated Azure (which takes the real API server's tokens) and whatever the pods would do; it
//! refuses to change the documents and charts that are deployed.
//!
//! Real: API server, etcd, controllers, scheduler, kwok's kubelet port and, if asked for, the
//! controller of External Secrets. Simulated: Azure, the rest of External Secrets, the disk
//! provisioner, the page Airflow serves.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aks_sandbox::azure::Delays;
use aks_sandbox::registry::Charts;
use aks_sandbox::world::WorldSpec;
use aks_sandbox::{Endpoints, Moment, Sandbox};
use azure::{Azure, SandboxCredential};
use converge::{RequestLog, Secret};
use helm_registry::Folder;
use kube_cluster::{ClusterError, ConnectOptions, KubeCluster};
use orchestrate::{Deployment, NoLocalSecrets, OneSource, Parts, World};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

use crate::api::{Api, ApiError};
use crate::audit::Audit;
use crate::egress::Egress;
use crate::external_secrets::{self, Controller, WEBHOOK_PORT, Webhook};
use crate::helm::{Helm, HelmFailed};
use crate::program::Program;
use crate::{
    ControlPlane, ControlPlaneError, ControlPlaneOptions, forward_to, let_migrations_through,
    provisioner,
};

/// The namespace of both of the guide's documents.
pub const NAMESPACE: &str = "airflow";
/// The user the shipped rights are granted to.
pub const DEPLOYER: &str = "aks-airflow-deployer";
/// The user who does by hand what [`DEPLOYER`] does, with every right.
pub const BY_HAND: &str = "by-hand";
/// The Secret of Airflow's keys and passwords.
const KEYS: &str = "airflow-keys";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// How often the simulated parts look at the cluster.
const LOOKING: Duration = Duration::from_millis(100);

/// Which of the two documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Airflow 2.9.3 on chart 1.15.0, External Secrets 0.10.5 (`v1beta1`).
    Guide2024,
    /// Airflow 3.2.2 on chart 1.22.0, External Secrets 2.9.0 (`v1`).
    Current,
}

impl Generation {
    /// The document, as it is shipped.
    pub fn document(self) -> &'static str {
        match self {
            Self::Guide2024 => include_str!("../../examples/guide.yaml"),
            Self::Current => include_str!("../../examples/guide-2025.yaml"),
        }
    }

    fn airflow(self) -> &'static str {
        match self {
            Self::Guide2024 => "2.9.3",
            Self::Current => "3.2.2",
        }
    }
}

/// Who plays the part of External Secrets' controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// The harness.
    Simulated,
    /// [`Component::ExternalSecrets`](crate::Component::ExternalSecrets).
    Real,
}

/// The cluster and Azure.
#[derive(Debug)]
pub struct Aks {
    /// The control plane.
    pub plane: ControlPlane,
    /// Azure.
    pub sandbox: Arc<Sandbox>,
    /// Where Azure listens.
    pub endpoints: Endpoints,
    /// The API server, as its administrator.
    pub api: Api,
    /// What the API server wrote down about the deployer since it was booted.
    pub audit: Audit,
    charts: PathBuf,
    folder: PathBuf,
    /// Azure before the first run.
    before: Moment,
    /// What plays a part in the cluster.
    parts: [AbortHandle; 2],
    _egress: Egress,
    /// Last, so that it ends after what runs on it.
    runtime: Option<Runtime>,
}

/// It did not come up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AksError {
    /// The control plane.
    #[error(transparent)]
    ControlPlane(#[from] ControlPlaneError),
    /// Sockets and files.
    #[error("the ground cannot be set up")]
    Io(#[from] io::Error),
    /// The API server refused.
    #[error("the cluster cannot be prepared")]
    Api(#[from] ApiError),
    /// A certificate could not be made.
    #[error("a certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
    /// The simulated Azure.
    #[error("the simulated Azure cannot be set up")]
    Azure(#[from] aks_sandbox::world::FolderError),
    /// kubectl failed.
    #[error("the deployer's rights cannot be granted")]
    Rights(#[from] HelmFailed),
    /// The guide's namespace, volume or CRDs are still there.
    #[error("not gone after two minutes: {0}")]
    NotGone(String),
    /// A client cannot be made.
    #[error("no client can be made")]
    Cluster(#[from] ClusterError),
}

impl Aks {
    /// Boots everything. `charts` holds the official archives. The API server writes down the
    /// requests of [`DEPLOYER`] and [`BY_HAND`].
    ///
    /// # Errors
    /// What is missing or failed; whatever had started is stopped.
    ///
    /// # Panics
    /// Within a tokio runtime: it has its own.
    pub fn start(
        generation: Generation,
        operator: Operator,
        charts: &Path,
    ) -> Result<Self, AksError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let folder = std::env::temp_dir().join(format!(
            "aks-airflow-azure-{}-{}",
            std::process::id(),
            crate::process::free_port()?
        ));
        fs::create_dir_all(&folder)?;
        let entered = runtime.enter();
        let egress = Egress::start(&folder.join("egress.sock"))?;
        let plane = ControlPlane::start_with(ControlPlaneOptions {
            egress: Some(egress.socket().to_owned()),
            audited: [DEPLOYER, BY_HAND].map(str::to_owned).to_vec(),
        })?;
        // A kept world's clock is the machine's, as the API server's tokens need.
        let spec = WorldSpec::default();
        let sandbox = Arc::new(Sandbox::open(&folder, 7, spec, Charts::compact())?);
        let api = Api::administrator(&plane)?;
        let (endpoints, page) = runtime.block_on(async {
            let keys = api.get("/openid/v1/jwks").await?.unwrap_or_default();
            sandbox.federate_with(plane.url(), keys);
            Program::register_in(&sandbox);
            provisioner::install(&api).await?;
            let endpoints = sandbox.listen().await?;
            let page = sandbox
                .serve_airflow(NAMESPACE, generation.airflow())
                .await?;
            Ok::<_, AksError>((endpoints, page))
        })?;
        plane.add_nodes_with(3, &forward_to(NAMESPACE, 8080, page.port()))?;
        let webhook = Arc::new(Webhook::default());
        egress.serve(WEBHOOK_PORT, runtime.block_on(webhook.listen())?);
        let controller = match operator {
            Operator::Simulated => None,
            Operator::Real => Some(Controller::new(&plane, &endpoints, NAMESPACE, &folder)?),
        };
        let operator = external_secrets::Operator::new(
            api.clone(),
            Arc::clone(&sandbox),
            NAMESPACE,
            webhook,
            controller,
        )?;
        let playing = runtime.spawn(play(operator, api.clone(), Arc::clone(&sandbox)));
        let cluster = runtime.block_on(plane.connect())?;
        let migrating = runtime.spawn(let_migrations_through(
            Arc::new(cluster),
            NAMESPACE.to_owned(),
        ));
        drop(entered);
        let aks = Self {
            before: Moment::of(sandbox.world()),
            audit: Audit::of(&plane, DEPLOYER),
            plane,
            sandbox,
            endpoints,
            api,
            charts: charts.to_owned(),
            folder,
            parts: [playing, migrating].map(|part| part.abort_handle()),
            _egress: egress,
            runtime: Some(runtime),
        };
        if let Some(runtime) = &aks.runtime {
            runtime.block_on(aks.grant())?;
        }
        Ok(aks)
    }

    /// Lets everything in Azure take effect at once.
    pub fn without_delays(&self) {
        let world = self.sandbox.world();
        world.update(|state| state.azure.delays = Delays::none());
    }

    /// Clients as a new process has them, with this kubeconfig.
    ///
    /// # Errors
    /// When no client can be made.
    pub async fn world(&self, kubeconfig: &str) -> Result<World, AksError> {
        let requests = RequestLog::new();
        let options = ConnectOptions {
            requests: requests.clone(),
            ..ConnectOptions::default()
        };
        let kubeconfig = Secret::new(kubeconfig);
        let cluster = KubeCluster::from_kubeconfig(&kubeconfig, options).await?;
        let credential = SandboxCredential::new(self.sandbox.spec().tenant, aks_sandbox::DEPLOYER);
        let address = self.endpoints.http.trim_start_matches("http://");
        let address = address.parse().map_err(io::Error::other)?;
        let azure = Azure::sandbox_at(address, credential, requests.clone());
        Ok(World::over(Parts {
            cluster,
            azure: azure.map_err(io::Error::other)?,
            charts: Arc::new(OneSource(Arc::new(Folder::new(&self.charts)))),
            local: Arc::new(NoLocalSecrets),
            random: Arc::new(|bytes| {
                // Without randomness the keys would be guessable, which nothing here depends on.
                let _ = getrandom::fill(bytes);
            }),
            requests,
        }))
    }

    /// Takes everything of the guide away, from the cluster and from Azure: the next run finds
    /// what the first one found. The deployer's rights are as shipped again.
    ///
    /// # Errors
    /// When something does not go within two minutes.
    pub async fn reset(&self) -> Result<(), AksError> {
        let space = format!("/api/v1/namespaces/{NAMESPACE}");
        for list in [
            // A webhook first: without its pods it would refuse what is to go.
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            DEFINITIONS,
            "/api/v1/persistentvolumes",
        ] {
            for object in self.api.items(list).await? {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let release = &object["metadata"]["annotations"]["meta.helm.sh/release-name"];
                let is_the_guides = release.is_string()
                    || name.ends_with(".external-secrets.io")
                    || name == "pv-airflow-logs";
                if is_the_guides {
                    self.api.delete(&format!("{list}/{name}")).await?;
                }
            }
        }
        self.api.delete(&space).await?;
        // Pods end at once instead of after their grace period.
        let pods = format!("{space}/pods?gracePeriodSeconds=0");
        self.api.delete(&pods).await?;
        let mut tries = 0_u32;
        while !self.is_empty(&space).await? {
            tries += 1;
            if tries.is_multiple_of(10) {
                self.nudge_definitions(tries).await?;
            }
            if tries > 1200 {
                let left = self.api.get(&space).await?.unwrap_or_default();
                return Err(AksError::NotGone(left["status"].to_string()));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.sandbox.world().update(|state| {
            state.azure = self.before.state().azure.clone();
        });
        self.grant().await
    }

    async fn is_empty(&self, space: &str) -> Result<bool, ApiError> {
        for path in [space, "/api/v1/persistentvolumes/pv-airflow-logs"] {
            if self.api.get(path).await?.is_some() {
                return Ok(false);
            }
        }
        Ok(self.definitions().await?.is_empty())
    }

    /// The names of External Secrets' definitions that are left.
    async fn definitions(&self) -> Result<Vec<String>, ApiError> {
        let definitions = self.api.items(DEFINITIONS).await?;
        let names = definitions.iter().filter_map(|one| {
            let name = one["metadata"]["name"].as_str()?;
            name.ends_with(".external-secrets.io")
                .then(|| name.to_owned())
        });
        Ok(names.collect())
    }

    /// Lets the API server look again at definitions that are to go. Where listing the instances
    /// fails because their storage is being set up anew, its finalizer may come back only five
    /// minutes later, and whoever installs the definition again waits for that.
    async fn nudge_definitions(&self, number: u32) -> Result<(), ApiError> {
        let nudge =
            json!({"metadata": {"annotations": {"e2e.invalid/nudged": number.to_string()}}});
        for name in self.definitions().await? {
            match self
                .api
                .merge(&format!("{DEFINITIONS}/{name}"), &nudge)
                .await
            {
                Err(error) if error.is_not_found() => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    /// Gives the deployer the rights of the shipped manifest.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn grant(&self) -> Result<(), AksError> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/rbac.yaml");
        let kubectl = Helm::kubectl(&self.plane)?;
        let apply = format!("apply -f {}", file.display());
        kubectl.run(&apply).await?;
        Ok(())
    }

    /// The document of a generation.
    ///
    /// # Errors
    /// When it is wrong.
    pub fn document(generation: Generation) -> Result<Deployment, orchestrate::DocumentError> {
        Deployment::parse(generation.document())
    }

    /// The folder of the official archives.
    pub fn charts(&self) -> &Path {
        &self.charts
    }

    /// A folder that goes when this ends.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends everything: what dropping does, for one that lives in a `static`.
    pub fn end(&self) {
        // First those who would ask an API server that is gone.
        self.parts.iter().for_each(AbortHandle::abort);
        self.plane.end();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Drop for Aks {
    fn drop(&mut self) {
        self.end();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The parts of operator and provisioner, for as long as the runtime lives.
async fn play(mut operator: external_secrets::Operator, api: Api, sandbox: Arc<Sandbox>) {
    let mut said = String::new();
    loop {
        let operated = operator.pass().await.map_err(|error| error.to_string());
        let provisioned = provisioner::pass(&api).await;
        tell_page(&api, &sandbox).await;
        let trouble = operated.and(provisioned.map_err(|error| error.to_string()));
        // An API server that is away is no news; whatever else it is, a test sees the effect
        // missing, and this says why.
        if let Err(trouble) = trouble
            && trouble != said
        {
            use std::io::Write as _;
            let _ = writeln!(io::stderr(), "simulated operator: {trouble}");
            said = trouble;
        }
        tokio::time::sleep(LOOKING).await;
    }
}

/// Lets the page know the password of the Secret that the real pods would mount.
async fn tell_page(api: &Api, sandbox: &Sandbox) {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/secrets/{KEYS}");
    let Ok(Some(secret)) = api.get(&path).await else {
        return;
    };
    let key = aks_sandbox::world::Key::new(NAMESPACE, KEYS);
    let world = sandbox.world();
    let known = world.read(|state| {
        let kept = state.store.get("/secrets", &key);
        kept.is_some_and(|kept| kept["data"] == secret["data"])
    });
    if !known {
        world.update(|state| drop(state.store.put("/secrets", key, secret)));
    }
}
