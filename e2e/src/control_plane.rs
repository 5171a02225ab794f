//! [`ControlPlane`]: etcd, kube-apiserver, kube-controller-manager and kube-scheduler on loopback.
//! It owns their certificates, flags and folder; it refuses to start what would listen elsewhere.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use converge::Secret;
use kube_cluster::{Cluster as _, ClusterError, ConnectOptions, KubeCluster, ObjectRef};

use crate::pki::{Authority, Leaf};
use crate::process::{Process, free_port};
use crate::{Component, Missing};

/// What a control plane has besides the usual.
#[derive(Debug, Clone, Default)]
pub struct ControlPlaneOptions {
    /// The socket of the proxy through which the API server reaches pods and nodes
    /// ([`Egress`](crate::Egress)); without one it dials them.
    pub egress: Option<PathBuf>,
    /// Users whose requests are written to [`ControlPlane::audit`], when they arrive and when they
    /// are answered.
    pub audited: Vec<String>,
}

/// A running control plane; dropping it stops everything and removes its folder.
#[derive(Debug)]
pub struct ControlPlane {
    folder: PathBuf,
    port: u16,
    authority: Authority,
    tools: PathBuf,
    processes: Mutex<Vec<Process>>,
    keep: AtomicBool,
    options: ControlPlaneOptions,
}

/// A control plane that did not come up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlPlaneError {
    /// A program is missing.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// Files or processes failed.
    #[error("the control plane cannot be set up")]
    Io(#[from] io::Error),
    /// The API server's bare interface cannot be used.
    #[error("no HTTP client can be made")]
    Http(#[from] reqwest::Error),
    /// A certificate could not be made.
    #[error("a certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
    /// The API server refused or could not be asked.
    #[error("the API server cannot be asked")]
    Cluster(#[from] ClusterError),
    /// A process ended.
    #[error("{0}")]
    Ended(String),
    /// It did not become ready.
    #[error("not ready after {0:?}: {1}")]
    NotReady(Duration, &'static str),
    /// A process listens on more than loopback.
    #[error("a component listens beyond loopback: {0}")]
    Exposed(String),
}

impl ControlPlane {
    /// Boots a cluster and waits until its `default` ServiceAccount exists.
    ///
    /// # Errors
    /// What is missing, failed, or did not become ready within two minutes; whatever had started
    /// is stopped.
    pub fn start() -> Result<Self, ControlPlaneError> {
        Self::start_with(ControlPlaneOptions::default())
    }

    /// The same with more than the usual.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(options: ControlPlaneOptions) -> Result<Self, ControlPlaneError> {
        let tools = Component::ControlPlane.locate()?;
        let folder = std::env::temp_dir().join(format!(
            "aks-airflow-e2e-{}-{}",
            std::process::id(),
            free_port()?
        ));
        fs::create_dir_all(folder.join("etcd"))?;
        let plane = Self {
            folder,
            port: free_port()?,
            authority: Authority::new()?,
            tools,
            processes: Mutex::default(),
            keep: AtomicBool::new(false),
            options,
        };
        plane.write_certificates()?;
        plane.start_etcd()?;
        plane.start_api_server()?;
        plane.wait_for_api_server()?;
        plane.start_controllers()?;
        plane.wait("the default ServiceAccount", |plane| {
            plane.has(&ObjectRef::namespaced(
                "v1",
                "ServiceAccount",
                "default",
                "default",
            ))
        })?;
        plane.assert_loopback_only()?;
        Ok(plane)
    }

    /// The API server's address.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// A kubeconfig for a member of `system:masters`.
    pub fn admin_kubeconfig(&self) -> String {
        fs::read_to_string(self.folder.join("admin.kubeconfig")).unwrap_or_default()
    }

    /// A kubeconfig for a user of these groups, with a certificate of its own.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn kubeconfig_of(
        &self,
        user: &str,
        group: Option<&str>,
    ) -> Result<String, ControlPlaneError> {
        Ok(self.kubeconfig(&self.authority.client(user, group)?))
    }

    /// The requests of the audited users, a JSON document a line.
    pub fn audit(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    /// The file that holds [`admin_kubeconfig`](Self::admin_kubeconfig), for other programs.
    pub fn admin_kubeconfig_path(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    /// The folder of logs and state.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps the folder when the control plane stops, for a look at the logs.
    pub fn keep_logs(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }

    /// Stops every process, last started first. A stopped control plane stays stopped.
    pub fn stop(&self) {
        while let Some(process) = self.processes().pop() {
            drop(process);
        }
    }

    /// Stops every process and, unless its logs are kept, removes the folder: what dropping does,
    /// for one that lives in a `static`.
    pub fn end(&self) {
        self.stop();
        if !self.keep.load(Ordering::Relaxed) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    fn processes(&self) -> MutexGuard<'_, Vec<Process>> {
        self.processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write_certificates(&self) -> Result<(), ControlPlaneError> {
        let file = |name: &str| self.folder.join(name);
        fs::write(file("ca.crt"), &self.authority.certificate)?;
        fs::write(file("ca.key"), &self.authority.key)?;
        self.authority
            .server(
                "kube-apiserver",
                &[
                    "localhost",
                    "kubernetes.default.svc",
                    "127.0.0.1",
                    "10.0.0.1",
                ],
            )?
            .write(&self.folder, "apiserver")?;
        self.authority
            .server("kubelet", &["localhost", "127.0.0.1"])?
            .write(&self.folder, "kubelet")?;
        self.authority
            .client("front-proxy-client", None)?
            .write(&self.folder, "front-proxy-client")?;
        for (stem, name, group) in [
            (
                "kubelet-client",
                "kube-apiserver-kubelet-client",
                Some("system:masters"),
            ),
            ("admin", "admin", Some("system:masters")),
            ("kwok", "kwok", Some("system:masters")),
            ("kcm", "system:kube-controller-manager", None),
            ("scheduler", "system:kube-scheduler", None),
        ] {
            let leaf = self.authority.client(name, group)?;
            leaf.write(&self.folder, stem)?;
            fs::write(file(&format!("{stem}.kubeconfig")), self.kubeconfig(&leaf))?;
        }
        // RS256, as AKS signs: the one algorithm Entra takes from an external issuer.
        let pair =
            rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)?;
        fs::write(file("sa.key"), pair.serialize_pem())?;
        fs::write(file("sa.pub"), pair.public_key_pem())?;
        Ok(())
    }

    fn kubeconfig(&self, leaf: &Leaf) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: e2e\nclusters:\n- name: e2e\n  cluster:\n    server: {}\n    certificate-authority-data: {}\n\
             contexts:\n- name: e2e\n  context: {{cluster: e2e, user: e2e}}\nusers:\n- name: e2e\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
            self.url(),
            STANDARD.encode(&self.authority.certificate),
            STANDARD.encode(&leaf.certificate),
            STANDARD.encode(&leaf.key),
        )
    }

    fn launch(&self, name: &str, arguments: &[String]) -> Result<(), ControlPlaneError> {
        let process = Process::start(name, &self.tools.join(name), arguments, &self.folder)?;
        self.adopt(process);
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn start_etcd(&self) -> Result<(), ControlPlaneError> {
        let (client, peer) = (free_port()?, free_port()?);
        let client = format!("http://127.0.0.1:{client}");
        let peer = format!("http://127.0.0.1:{peer}");
        fs::write(self.folder.join("etcd.url"), &client)?;
        let arguments = vec![
            "--name=e2e".into(),
            format!("--data-dir={}", self.path("etcd")),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=e2e={peer}"),
            "--unsafe-no-fsync".into(),
        ];
        self.launch("etcd", &arguments)
    }

    fn start_api_server(&self) -> Result<(), ControlPlaneError> {
        let etcd = fs::read_to_string(self.folder.join("etcd.url"))?;
        let url = self.url();
        let mut arguments: Vec<String> = [
            "bind-address=127.0.0.1",
            "advertise-address=127.0.0.1",
            "endpoint-reconciler-type=none",
            "authorization-mode=RBAC",
            "anonymous-auth=true",
            "allow-privileged=true",
            "service-cluster-ip-range=10.0.0.0/16",
            "kubelet-preferred-address-types=Hostname,InternalIP",
            "requestheader-allowed-names=front-proxy-client",
            "requestheader-username-headers=X-Remote-User",
            "requestheader-group-headers=X-Remote-Group",
            "requestheader-extra-headers-prefix=X-Remote-Extra-",
        ]
        .map(|flag| format!("--{flag}"))
        .to_vec();
        arguments.extend([
            format!("--etcd-servers={etcd}"),
            format!("--secure-port={}", self.port),
            format!("--cert-dir={}", self.path("apiserver")),
            format!("--service-account-issuer={url}"),
            format!("--service-account-jwks-uri={url}/openid/v1/jwks"),
            format!("--api-audiences={url},https://kubernetes.default.svc"),
        ]);
        for (flag, file) in [
            ("tls-cert-file", "apiserver.crt"),
            ("tls-private-key-file", "apiserver.key"),
            ("client-ca-file", "ca.crt"),
            ("service-account-signing-key-file", "sa.key"),
            ("service-account-key-file", "sa.pub"),
            ("kubelet-client-certificate", "kubelet-client.crt"),
            ("kubelet-client-key", "kubelet-client.key"),
            ("kubelet-certificate-authority", "ca.crt"),
            ("requestheader-client-ca-file", "ca.crt"),
            ("proxy-client-cert-file", "front-proxy-client.crt"),
            ("proxy-client-key-file", "front-proxy-client.key"),
        ] {
            arguments.push(format!("--{flag}={}", self.path(file)));
        }
        arguments.extend(self.extra_arguments()?);
        self.launch("kube-apiserver", &arguments)
    }

    fn extra_arguments(&self) -> io::Result<Vec<String>> {
        let mut arguments = Vec::new();
        if let Some(socket) = &self.options.egress {
            let config = serde_json::json!({
                "apiVersion": "apiserver.k8s.io/v1beta1", "kind": "EgressSelectorConfiguration",
                "egressSelections": [{"name": "cluster", "connection": {
                    "proxyProtocol": "HTTPConnect",
                    "transport": {"uds": {"udsName": socket}},
                }}],
            });
            fs::write(self.folder.join("egress.json"), config.to_string())?;
            // Services are resolved to ready pods, as there is no kube-proxy.
            arguments.push("--enable-aggregator-routing=true".to_owned());
            let file = self.path("egress.json");
            arguments.push(format!("--egress-selector-config-file={file}"));
        }
        if !self.options.audited.is_empty() {
            let policy = serde_json::json!({
                "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
                "omitStages": ["ResponseStarted"],
                "rules": [
                    {"level": "Metadata", "users": self.options.audited},
                    {"level": "None"},
                ],
            });
            fs::write(self.folder.join("audit.json"), policy.to_string())?;
            let (policy, log) = (self.path("audit.json"), self.path("audit.log"));
            arguments.push(format!("--audit-policy-file={policy}"));
            arguments.push(format!("--audit-log-path={log}"));
        }
        Ok(arguments)
    }

    fn start_controllers(&self) -> Result<(), ControlPlaneError> {
        for (program, stem) in [
            ("kube-controller-manager", "kcm"),
            ("kube-scheduler", "scheduler"),
        ] {
            let kubeconfig = self.path(&format!("{stem}.kubeconfig"));
            let mut arguments = vec![
                format!("--kubeconfig={kubeconfig}"),
                format!("--authentication-kubeconfig={kubeconfig}"),
                format!("--authorization-kubeconfig={kubeconfig}"),
                "--bind-address=127.0.0.1".into(),
                format!("--secure-port={}", free_port()?),
                format!("--cert-dir={}", self.path(stem)),
                "--leader-elect=false".into(),
            ];
            if stem == "kcm" {
                arguments.extend([
                    "--use-service-account-credentials=true".into(),
                    "--allocate-node-cidrs=false".into(),
                    format!("--service-account-private-key-file={}", self.path("sa.key")),
                    format!("--root-ca-file={}", self.path("ca.crt")),
                    format!("--cluster-signing-cert-file={}", self.path("ca.crt")),
                    format!("--cluster-signing-key-file={}", self.path("ca.key")),
                ]);
            }
            self.launch(program, &arguments)?;
        }
        Ok(())
    }

    pub(crate) fn wait(
        &self,
        what: &'static str,
        ready: impl Fn(&Self) -> bool,
    ) -> Result<(), ControlPlaneError> {
        const LIMIT: Duration = Duration::from_secs(120);
        let started = Instant::now();
        while !ready(self) {
            let ended = self.processes().iter_mut().find_map(Process::ended);
            if let Some(end) = ended {
                self.keep_logs();
                return Err(ControlPlaneError::Ended(end));
            }
            if started.elapsed() > LIMIT {
                self.keep_logs();
                return Err(ControlPlaneError::NotReady(LIMIT, what));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// The server answers and has made the roles its controllers need.
    fn wait_for_api_server(&self) -> Result<(), ControlPlaneError> {
        let roles = ["system:kube-controller-manager", "system:kube-scheduler"];
        self.wait("the API server", |plane| {
            roles.iter().all(|name| {
                plane.has(&ObjectRef::cluster_wide(
                    "rbac.authorization.k8s.io/v1",
                    "ClusterRoleBinding",
                    *name,
                ))
            })
        })
    }

    /// Whether the administrator can read an object.
    fn has(&self, target: &ObjectRef) -> bool {
        self.probe(|cluster| async move { cluster.get(target.clone()).await })
            .is_ok_and(|found| found.is_some())
    }

    /// Asks the API server from a thread of its own, so that callers may be within a runtime.
    pub(crate) fn probe<T: Send, F: Future<Output = Result<T, ClusterError>>>(
        &self,
        ask: impl FnOnce(KubeCluster) -> F + Send,
    ) -> Result<T, ControlPlaneError> {
        let options = ConnectOptions {
            connect_timeout: Duration::from_secs(1),
            request_timeout: Duration::from_secs(5),
            retry_limit: Duration::ZERO,
            ..ConnectOptions::default()
        };
        let kubeconfig = Secret::new(self.admin_kubeconfig());
        let work = || -> Result<T, ControlPlaneError> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let cluster = KubeCluster::from_kubeconfig(&kubeconfig, options).await?;
                Ok(ask(cluster).await?)
            })
        };
        std::thread::scope(|scope| scope.spawn(work).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Kills the API server and starts it again on the same port and store, as a node that dies
    /// does; returns as soon as it answers.
    ///
    /// # Errors
    /// When it does not come back.
    pub fn restart_api_server(&self) -> Result<(), ControlPlaneError> {
        const NAME: &str = "kube-apiserver";
        let old = {
            let mut processes = self.processes();
            let at = processes.iter().position(|one| one.name() == NAME);
            at.map(|at| processes.remove(at))
        };
        drop(old);
        self.start_api_server()?;
        self.wait_for_api_server()
    }

    /// Sends a signal to one of the programs: `STOP` pauses it, `CONT` lets it go on.
    ///
    /// # Errors
    /// When it does not run, or no signal can be sent.
    pub fn signal(&self, program: &str, signal: &str) -> io::Result<()> {
        let processes = self.processes();
        let found = processes.iter().find(|one| one.name() == program);
        found
            .ok_or_else(|| io::Error::other(format!("{program} does not run")))?
            .signal(signal)
    }

    /// The program's log so far; empty where there is none.
    pub fn log(&self, program: &str) -> String {
        fs::read_to_string(self.folder.join(format!("{program}.log"))).unwrap_or_default()
    }

    /// Takes over a process: it ends with the control plane.
    pub(crate) fn adopt(&self, process: Process) {
        self.processes().push(process);
    }

    pub(crate) fn assert_loopback_only(&self) -> Result<(), ControlPlaneError> {
        for process in self.processes().iter() {
            if let Some(exposed) = process
                .listening()?
                .into_iter()
                .find(|listening| !listening.loopback)
            {
                return Err(ControlPlaneError::Exposed(format!("{exposed:?}")));
            }
        }
        Ok(())
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.end();
    }
}
