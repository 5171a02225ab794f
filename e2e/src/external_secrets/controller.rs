//! [`Controller`]: External Secrets' own program, in the place of the pod that kwok only pretends
//! to run. It owns when the program runs: while its Deployment is ready. It refuses to give it more
//! than the pod has: the ServiceAccount's rights, and Azure under Azure's own names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aks_sandbox::Endpoints;

use crate::{Component, ControlPlane, ControlPlaneError, Process};

/// The program, running or not.
#[derive(Debug)]
pub(crate) struct Controller {
    program: PathBuf,
    environment: Vec<(String, String)>,
    logs: PathBuf,
    process: Option<Process>,
}

impl Controller {
    /// A controller that acts as the ServiceAccount `external-secrets` of a namespace and reaches
    /// Azure's hosts through the sandbox's proxy. Its files are kept in `folder`.
    ///
    /// # Errors
    /// When the program is missing or its files cannot be written.
    pub(crate) fn new(
        plane: &ControlPlane,
        endpoints: &Endpoints,
        namespace: &str,
        folder: &Path,
    ) -> Result<Self, ControlPlaneError> {
        let tools = Component::ExternalSecrets.locate()?;
        let account = format!("system:serviceaccount:{namespace}:external-secrets");
        let kubeconfig = folder.join("external-secrets.kubeconfig");
        fs::write(&kubeconfig, plane.kubeconfig_of(&account, None)?)?;
        let authority = folder.join("azure.pem");
        fs::write(&authority, &endpoints.authority)?;
        let environment = [
            ("KUBECONFIG", kubeconfig.display().to_string()),
            ("SSL_CERT_FILE", authority.display().to_string()),
            ("HTTPS_PROXY", endpoints.proxy.clone()),
            ("NO_PROXY", "127.0.0.1".to_owned()),
        ];
        Ok(Self {
            program: tools.join("external-secrets"),
            environment: environment
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            logs: plane.folder().to_owned(),
            process: None,
        })
    }

    /// Starts the program when its Deployment has become ready, and ends it when it no longer is. One
    /// that ended by itself is started again, as the kubelet does.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn follow(&mut self, is_ready: bool) -> io::Result<()> {
        let has_ended = |process: &mut Process| process.ended().is_some();
        if !is_ready || self.process.as_mut().is_some_and(has_ended) {
            self.process = None;
        }
        if is_ready && self.process.is_none() {
            let arguments = ["--metrics-addr=0", "--concurrent=1", "--loglevel=debug"];
            self.process = Some(Process::start_with(
                "external-secrets",
                &self.program,
                &arguments.map(str::to_owned),
                &self.environment,
                &self.logs,
            )?);
        }
        Ok(())
    }
}
