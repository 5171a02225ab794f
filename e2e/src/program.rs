//! [`Program`]: the real `aks-airflow`, unchanged, with the ground as its world: a kubeconfig file
//! and, through a proxy under Azure's own names, the simulated Azure. It owns the environment it
//! runs in; it refuses to read what it prints.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use aks_sandbox::Sandbox;
use aks_sandbox::azure::Application;
use tokio::process::Command;

use crate::{Aks, Generation};

const CLIENT: &str = "99999999-9999-4999-8999-999999999999";
const SECRET: &str = "worth nothing outside of this machine";

/// How the program is started.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    document: PathBuf,
    authority: PathBuf,
    charts: PathBuf,
    home: PathBuf,
    tenant: String,
    /// The proxy to Azure: a value for `HTTPS_PROXY`.
    pub proxy: String,
}

impl Program {
    /// The program at `path`, for a generation's document and the user of `kubeconfig`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn new(
        path: &Path,
        aks: &Aks,
        generation: Generation,
        kubeconfig: &str,
    ) -> io::Result<Self> {
        let home = aks.folder().to_owned();
        let config = home.join("program.kubeconfig");
        fs::write(&config, kubeconfig)?;
        let document = home.join("guide.yaml");
        let access = format!("\naccess:\n  kubeconfig: {}\n", config.display());
        fs::write(&document, format!("{}{access}", generation.document()))?;
        let authority = home.join("authority.pem");
        fs::write(&authority, &aks.endpoints.authority)?;
        Ok(Self {
            path: path.to_owned(),
            document,
            authority,
            charts: aks.charts().to_owned(),
            home,
            tenant: aks.sandbox.spec().tenant,
            proxy: aks.endpoints.proxy.clone(),
        })
    }

    /// Lets Entra know the application the program logs in as.
    pub(crate) fn register_in(sandbox: &Sandbox) {
        sandbox.world().update(|state| {
            let application = Application {
                secret: SECRET.into(),
                object_id: aks_sandbox::DEPLOYER.into(),
            };
            state.azure.applications.insert(CLIENT.into(), application);
        });
    }

    /// A command (`up`, `doctor`) with nothing of this process' environment; its output is piped.
    pub fn command(&self, command: &str) -> Command {
        let mut process = Command::new(&self.path);
        process
            .arg(command)
            .arg("-f")
            .arg(&self.document)
            .arg("--charts")
            .arg(&self.charts)
            .env_clear()
            .env("HOME", &self.home)
            .env("HTTPS_PROXY", &self.proxy)
            .env("NO_PROXY", "127.0.0.1")
            .env("SSL_CERT_FILE", &self.authority)
            .env("AZURE_TENANT_ID", &self.tenant)
            .env("AZURE_CLIENT_ID", CLIENT)
            .env("AZURE_CLIENT_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        process
    }
}
