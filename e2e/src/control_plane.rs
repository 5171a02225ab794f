//! [`ControlPlane`]: etcd, kube-apiserver, kube-controller-manager and kube-scheduler on loopback.
//! It owns their certificates, flags and folder; it refuses to start what would listen elsewhere.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::pki::{Authority, Leaf};
use crate::process::{Process, free_port};
use crate::{Component, Missing};

/// A running control plane; dropping it stops everything and removes its folder.
#[derive(Debug)]
pub struct ControlPlane {
    folder: PathBuf,
    port: u16,
    authority: Authority,
    tools: PathBuf,
    processes: Mutex<Vec<Process>>,
    keep: bool,
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
    /// A certificate could not be made.
    #[error("a certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
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
        let tools = Component::ControlPlane.locate()?;
        let folder = std::env::temp_dir().join(format!(
            "aks-airflow-e2e-{}-{}",
            std::process::id(),
            free_port()?
        ));
        fs::create_dir_all(folder.join("etcd"))?;
        let mut plane = Self {
            folder,
            port: free_port()?,
            authority: Authority::new()?,
            tools,
            processes: Mutex::default(),
            keep: false,
        };
        plane.write_certificates()?;
        plane.start_etcd()?;
        plane.start_api_server()?;
        plane.wait("the API server", |plane| plane.answers("/readyz"))?;
        plane.start_controllers()?;
        plane.wait("the default ServiceAccount", |plane| {
            plane.answers("/api/v1/namespaces/default/serviceaccounts/default")
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

    /// The file that holds [`admin_kubeconfig`](Self::admin_kubeconfig), for other programs.
    pub fn admin_kubeconfig_path(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    /// The folder of logs and state.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps the folder when the control plane stops, for a look at the logs.
    pub fn keep_logs(&mut self) {
        self.keep = true;
    }

    /// Stops every process, last started first. A stopped control plane stays stopped.
    pub fn stop(&self) {
        while let Some(process) = self.processes().pop() {
            drop(process);
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
        let pair = rcgen::KeyPair::generate()?;
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

    fn launch(&mut self, name: &str, arguments: Vec<String>) -> Result<(), ControlPlaneError> {
        let process = Process::start(name, &self.tools.join(name), &arguments, &self.folder)?;
        self.processes().push(process);
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn start_etcd(&mut self) -> Result<(), ControlPlaneError> {
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
        self.launch("etcd", arguments)
    }

    fn start_api_server(&mut self) -> Result<(), ControlPlaneError> {
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
        self.launch("kube-apiserver", arguments)
    }

    fn start_controllers(&mut self) -> Result<(), ControlPlaneError> {
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
            self.launch(program, arguments)?;
        }
        Ok(())
    }

    fn wait(
        &mut self,
        what: &'static str,
        ready: impl Fn(&Self) -> bool,
    ) -> Result<(), ControlPlaneError> {
        const LIMIT: Duration = Duration::from_secs(120);
        let started = Instant::now();
        while !ready(self) {
            let ended = self.processes().iter_mut().find_map(Process::ended);
            if let Some(end) = ended {
                self.keep = true;
                return Err(ControlPlaneError::Ended(end));
            }
            if started.elapsed() > LIMIT {
                self.keep = true;
                return Err(ControlPlaneError::NotReady(LIMIT, what));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Whether a path answers 200 to the administrator.
    fn answers(&self, path: &str) -> bool {
        Command::new("curl")
            .args([
                "--silent",
                "--fail",
                "--noproxy",
                "*",
                "--max-time",
                "5",
                "--output",
                "/dev/null",
            ])
            .args(["--cacert", &self.path("ca.crt")])
            .args([
                "--cert",
                &self.path("admin.crt"),
                "--key",
                &self.path("admin.key"),
            ])
            .arg(format!("{}{path}", self.url()))
            .status()
            .is_ok_and(|status| status.success())
    }

    fn assert_loopback_only(&self) -> Result<(), ControlPlaneError> {
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
        self.stop();
        if !self.keep {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
