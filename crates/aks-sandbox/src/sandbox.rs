//! [`Sandbox`]: a world with all its services and controllers, ready for clients. It owns putting
//! the parts together and the standard world's first objects; it refuses rules.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::azure::{self, AzureState, DEPLOYER_APPLICATION, DEPLOYER_SECRET, ExternalIssuer};
use crate::controllers::Controllers;
use crate::kubernetes;
use crate::mount::{Certificates, Listener, Pipe, Router, Scheme, TlsError};
use crate::registry::{self, Charts};
use crate::world::{
    Clock, Entropy, Faults, FolderError, Hook, Progress, RequestRecord, State, Store, World,
    WorldSpec, load, save, seconds,
};

/// The object id of the caller that owns the subscription.
pub const DEPLOYER: &str = "66666666-6666-4666-8666-666666666666";

/// When seeded worlds begin: 2026-01-05 09:00 UTC.
const BEGINNING: i64 = 1_767_603_600;

/// A running world. Dropping it stops its controllers and listeners.
#[derive(Debug)]
pub struct Sandbox {
    world: Arc<World>,
    router: Router,
    folder: Option<PathBuf>,
    certificates: Mutex<Option<Certificates>>,
    listeners: Mutex<Vec<Listener>>,
    pages: Mutex<Vec<tokio::task::JoinHandle<()>>>,
    _controllers: Controllers,
}

/// A world as it was at one time, to go on from more than once: [`Sandbox::resumed`].
#[derive(Debug, Clone)]
pub struct Moment {
    state: State,
    now: Timestamp,
}

impl Moment {
    /// The moment a world is in. A hook may ask for it: the request it judges is not executed yet.
    pub fn of(world: &World) -> Self {
        Self {
            state: world.read(State::clone),
            now: world.clock().now(),
        }
    }

    /// What there is.
    pub fn state(&self) -> &State {
        &self.state
    }
}

/// How other programs log in as the deployer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Login {
    /// The client id of an application.
    pub application: &'static str,
    /// Its secret; a simulated world has nothing to protect.
    pub secret: &'static str,
    /// The tenant.
    pub tenant: String,
}

/// Where a listening sandbox is reached.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// Plain HTTP, all services by `Host` header: `http://127.0.0.1:PORT`.
    pub http: String,
    /// The Kubernetes API over TLS: `https://127.0.0.1:PORT`.
    pub kubernetes: String,
    /// The authority of the TLS endpoint, PEM.
    pub authority: String,
    /// A kubeconfig with the administrator's certificate.
    pub kubeconfig: String,
    /// An HTTP proxy behind which Azure's hosts have their own names, over TLS under
    /// [`authority`](Self::authority): a value for `HTTPS_PROXY`. Other hosts are refused.
    pub proxy: String,
}

impl Sandbox {
    /// The guide's world with everything chance decides taken from `seed`; nothing is kept. The
    /// world's clock starts on a fixed day and follows tokio's.
    ///
    /// # Panics
    /// Outside a tokio runtime, which the controllers need.
    pub fn seeded(seed: u64) -> Self {
        Self::with_spec(seed, WorldSpec::default())
    }

    /// A world with other names than the guide's.
    pub fn with_spec(seed: u64, spec: WorldSpec) -> Self {
        Self::with_charts(seed, spec, Charts::compact())
    }

    /// A world that offers these charts instead of the compact ones.
    pub fn with_charts(seed: u64, spec: WorldSpec, charts: Charts) -> Self {
        let start = Timestamp::from_second(BEGINNING).expect("a valid time");
        Self::assemble(
            first_state(seed, spec, start),
            Clock::starting_at(start),
            None,
            charts,
        )
    }

    /// The world kept in a folder, or a new one that will be kept there. Its clock shows the
    /// machine's time, but never goes back.
    ///
    /// # Errors
    /// [`FolderError`] when the folder holds something unreadable, or another format.
    pub fn open(
        folder: impl AsRef<Path>,
        seed: u64,
        spec: WorldSpec,
        charts: Charts,
    ) -> Result<Self, FolderError> {
        let folder = folder.as_ref().to_path_buf();
        let machine = Timestamp::now();
        let (state, start) = match load(&folder)? {
            Some((state, saved)) => {
                let saved = Timestamp::from_millisecond(saved).unwrap_or(machine);
                (state, machine.max(saved))
            }
            None => (first_state(seed, spec, machine), machine),
        };
        Ok(Self::assemble(
            state,
            Clock::starting_at(start),
            Some(folder),
            charts,
        ))
    }

    fn assemble(state: State, clock: Clock, folder: Option<PathBuf>, charts: Charts) -> Self {
        let world = Arc::new(World::new(state, clock));
        let router = Router::new(Arc::clone(&world));
        let router = registry::mount(azure::mount(kubernetes::mount(router)), charts);
        let controllers = Controllers::start(Arc::clone(&world));
        Self {
            world,
            router,
            folder,
            certificates: Mutex::default(),
            listeners: Mutex::default(),
            pages: Mutex::default(),
            _controllers: controllers,
        }
    }

    /// A world that goes on from a moment of another one, with the compact charts: the same objects,
    /// time and chance, no requests yet. Nothing is kept.
    ///
    /// # Panics
    /// Outside a tokio runtime, which the controllers need.
    pub fn resumed(moment: &Moment) -> Self {
        Self::assemble(
            moment.state.clone(),
            Clock::starting_at(moment.now),
            None,
            Charts::compact(),
        )
    }

    /// Writes the world into its folder; either the old or the new state is there afterwards. Does
    /// nothing for a world without one.
    ///
    /// # Errors
    /// [`FolderError`] when the folder cannot be written.
    pub fn save(&self) -> Result<(), FolderError> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let now = self.world.clock().millis();
        self.world.read(|state| save(folder, state, now))
    }

    /// A connector to all hosts of the world, for hyper-util's client and kube's.
    pub fn connector(&self) -> Pipe {
        Pipe::new(self.router.clone())
    }

    /// The router, to call a service without a connection.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// The world itself.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// The names the world started with.
    pub fn spec(&self) -> WorldSpec {
        self.world.read(|state| state.spec.clone())
    }

    /// The Kubernetes API's address over [`connector`](Self::connector); plain HTTP, as there is no
    /// wire to protect.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.spec().api_host())
    }

    /// How other programs log in to Azure here as the deployer: `az login --service-principal`.
    pub fn login(&self) -> Login {
        Login {
            application: DEPLOYER_APPLICATION,
            secret: DEPLOYER_SECRET,
            tenant: self.world.read(|state| state.azure.tenant.clone()),
        }
    }

    /// Starts loopback listeners on free ports of 127.0.0.1; they stop with the sandbox. The
    /// cluster's credential in ARM is this kubeconfig from then on.
    ///
    /// # Errors
    /// The socket's error; [`std::io::ErrorKind::InvalidData`] for unusable certificates.
    pub async fn listen(&self) -> std::io::Result<Endpoints> {
        let certificates = self
            .certificates()
            .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))?;
        let plain = Listener::bind(self.router.clone(), Scheme::Http).await?;
        let secure =
            Listener::bind(self.router.clone(), Scheme::Https(certificates.clone())).await?;
        let proxy =
            Listener::bind(self.router.clone(), Scheme::Proxy(certificates.clone())).await?;
        let http = format!("http://{}", plain.address());
        let proxy_url = format!("http://{}", proxy.address());
        let kubernetes = format!("https://{}", secure.address());
        let kubeconfig = kubeconfig(&self.spec().cluster, &kubernetes, &certificates);
        self.listeners
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .extend([plain, secure, proxy]);
        self.world.update(|state| {
            let cluster = state.spec.cluster.to_ascii_lowercase();
            state.azure.kubeconfigs.insert(cluster, kubeconfig.clone());
        });
        Ok(Endpoints {
            http,
            kubernetes,
            authority: certificates.authority,
            kubeconfig,
            proxy: proxy_url,
        })
    }

    /// Serves the page that looks like Airflow's web server on a free port of 127.0.0.1, for a
    /// cluster whose pods run nothing; it stops with the sandbox.
    ///
    /// # Errors
    /// The socket's error.
    pub async fn serve_airflow(
        &self,
        namespace: &str,
        version: &str,
    ) -> std::io::Result<std::net::SocketAddr> {
        let (address, task) = kubernetes::serve_airflow(&self.world, namespace, version).await?;
        self.pages
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(task);
        Ok(address)
    }

    fn certificates(&self) -> Result<Certificates, TlsError> {
        let mut kept = self
            .certificates
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(certificates) = kept.as_ref() {
            return Ok(certificates.clone());
        }
        let certificates = Certificates::generate()?;
        *kept = Some(certificates.clone());
        Ok(certificates)
    }

    /// The clients' requests so far, in order.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.world.requests().records().to_vec()
    }

    /// Asks `hook` before each client request: the way to inject faults and to kill a run at a
    /// chosen request.
    pub fn on_request(&self, hook: Option<Hook>) {
        self.world.on_request(hook);
    }

    /// The uids of a namespace's pods, sorted: unchanged if and only if no pod was rolled.
    pub fn pod_uids(&self, namespace: &str) -> Vec<String> {
        let mut uids: Vec<String> = self.world.read(|state| {
            state
                .store
                .within("/pods", namespace)
                .map(|(_, pod)| {
                    pod["metadata"]["uid"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned()
                })
                .collect()
        });
        uids.sort();
        uids
    }

    /// Changes what goes wrong.
    pub fn set_faults(&self, change: impl FnOnce(&mut Faults)) {
        self.world.update(|state| change(&mut state.faults));
    }

    /// Lets a real API server be the cluster: Resource Manager names its issuer, and Entra takes
    /// the ServiceAccount tokens that this key set (its `/openid/v1/jwks`) verifies. The world's
    /// own Kubernetes is still there, but its tokens are no longer federated.
    pub fn federate_with(&self, issuer: impl Into<String>, keys: Value) {
        let issuer = ExternalIssuer::new(issuer, keys);
        self.world.update(|state| {
            for cluster in state.azure.resources.values_mut() {
                let profile = cluster.body.pointer_mut("/properties/oidcIssuerProfile");
                if let Some(profile) = profile.filter(|profile| profile["enabled"] == true) {
                    profile["issuerURL"] = issuer.url.clone().into();
                }
            }
            state.azure.external_issuer = Some(issuer);
        });
    }

    /// Forgets the changes watches could resume from, so that older positions get 410.
    pub fn compact(&self) {
        self.world.update(|state| state.store.compact());
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let pages = self
            .pages
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for page in pages {
            page.abort();
        }
    }
}

/// A kubeconfig with everything inline. JSON is YAML.
fn kubeconfig(cluster: &str, server: &str, certificates: &Certificates) -> String {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let user = format!("clusterAdmin_{cluster}");
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"server": server, "certificate-authority-data": encode(&certificates.authority)}}],
        "users": [{"name": user, "user": {
            "client-certificate-data": encode(&certificates.client),
            "client-key-data": encode(&certificates.client_key),
        }}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
        "current-context": cluster,
    });
    format!("{config}\n")
}

fn first_state(seed: u64, spec: WorldSpec, now: Timestamp) -> State {
    let azure = AzureState::seeded(&spec, DEPLOYER, seed, now);
    let mut state = State {
        entropy: Entropy::seeded(seed),
        store: Store::default(),
        progress: std::collections::BTreeMap::<String, Progress>::new(),
        logs: std::collections::BTreeMap::new(),
        azure,
        faults: Faults::default(),
        spec,
    };
    let time = seconds(now.as_millisecond());
    for (resource, object) in first_objects(&state.spec) {
        add(&mut state, resource, object, &time);
    }
    // As on a server that has run for a while, the first revisions are history.
    state.store.compact();
    state
}

fn add(state: &mut State, resource: &str, mut object: Value, time: &str) {
    object["metadata"]["uid"] = state.entropy.uuid().into();
    object["metadata"]["creationTimestamp"] = time.into();
    let text = |key: &str| {
        object["metadata"][key]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let key = crate::world::Key::new(text("namespace"), text("name"));
    state.store.put(resource, key, object);
}

/// What an AKS cluster of the guide has when it is new.
fn first_objects(spec: &WorldSpec) -> Vec<(&'static str, Value)> {
    let mut objects = Vec::new();
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        objects.push((
            "/namespaces",
            json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
                "spec": {"finalizers": ["kubernetes"]},
                "status": {"phase": "Active"},
            }),
        ));
    }
    for number in 0..spec.nodes {
        let name = format!("aks-nodepool1-12345678-vmss{number:06}");
        objects.push((
            "/nodes",
            json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": {"name": name, "labels": {
                    "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
                    "kubernetes.azure.com/agentpool": "nodepool1",
                    "topology.kubernetes.io/region": spec.location,
                    "topology.kubernetes.io/zone": format!("{}-{}", spec.location, number % 3 + 1),
                }},
                "spec": {},
                "status": {
                    "capacity": {"cpu": "8", "memory": "28Gi", "pods": "250"},
                    "allocatable": {"cpu": "7820m", "memory": "24Gi", "pods": "250"},
                    "addresses": [{"type": "InternalIP", "address": format!("10.224.0.{}", number + 4)}, {"type": "Hostname", "address": name}],
                    "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}],
                    "nodeInfo": {"kubeletVersion": spec.kubernetes_version, "osImage": "sandbox", "containerRuntimeVersion": "sandbox://1"},
                },
            }),
        ));
    }
    for (name, provisioner, default, binding) in [
        (
            "default",
            "disk.csi.azure.com",
            true,
            "WaitForFirstConsumer",
        ),
        (
            "managed-csi",
            "disk.csi.azure.com",
            false,
            "WaitForFirstConsumer",
        ),
        (
            "managed-csi-premium",
            "disk.csi.azure.com",
            false,
            "WaitForFirstConsumer",
        ),
        ("azurefile-csi", "file.csi.azure.com", false, "Immediate"),
        (
            "azureblob-fuse-premium",
            "blob.csi.azure.com",
            false,
            "Immediate",
        ),
        (
            "azureblob-nfs-premium",
            "blob.csi.azure.com",
            false,
            "Immediate",
        ),
    ] {
        let mut class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": name, "labels": {"addonmanager.kubernetes.io/mode": "EnsureExists"}},
            "provisioner": provisioner, "reclaimPolicy": "Delete", "volumeBindingMode": binding, "allowVolumeExpansion": true,
        });
        if default {
            class["metadata"]["annotations"] =
                json!({"storageclass.kubernetes.io/is-default-class": "true"});
        }
        objects.push(("storage.k8s.io/storageclasses", class));
    }
    for name in [
        "disk.csi.azure.com",
        "file.csi.azure.com",
        "blob.csi.azure.com",
    ] {
        objects.push((
            "storage.k8s.io/csidrivers",
            json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": name},
                "spec": {"attachRequired": name.starts_with("disk"), "podInfoOnMount": true, "tokenRequests": [{"audience": "api://AzureADTokenExchange"}], "requiresRepublish": true},
            }),
        ));
    }
    objects
}
