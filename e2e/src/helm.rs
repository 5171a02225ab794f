//! [`Helm`]: the real command in a home of its own. It owns the environment it runs in; it refuses
//! to interpret more of the output than JSON.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::process::Command;

use crate::{Component, ControlPlane, Missing};

/// Helm (or kubectl) on one control plane.
#[derive(Debug, Clone)]
pub struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
}

/// A command that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HelmFailed {
    /// The program is missing.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// It could not be run.
    #[error("the command cannot be run")]
    Io(#[from] io::Error),
    /// It said no.
    #[error("`{command}` failed: {stderr}")]
    Said {
        /// The arguments.
        command: String,
        /// What it wrote to standard error.
        stderr: String,
    },
    /// Its output is not JSON.
    #[error("the output is not JSON")]
    Json(#[from] serde_json::Error),
}

impl Helm {
    /// Helm 3 or 4 as the administrator of `plane`.
    ///
    /// # Errors
    /// When it is missing.
    pub fn new(component: Component, plane: &ControlPlane) -> Result<Self, HelmFailed> {
        Self::program(&component.locate()?.join(component.name()), plane)
    }

    /// kubectl in the same surroundings.
    ///
    /// # Errors
    /// When it is missing.
    pub fn kubectl(plane: &ControlPlane) -> Result<Self, HelmFailed> {
        Self::program(&Component::ControlPlane.locate()?.join("kubectl"), plane)
    }

    fn program(program: &Path, plane: &ControlPlane) -> Result<Self, HelmFailed> {
        let name = program.file_name().unwrap_or_default();
        let home = plane.folder().join("homes").join(name);
        fs::create_dir_all(&home)?;
        Ok(Self {
            program: program.to_owned(),
            kubeconfig: plane.admin_kubeconfig_path(),
            home,
        })
    }

    /// Runs it and answers what it wrote to standard output. The arguments are split at spaces.
    ///
    /// # Errors
    /// When it fails, with its standard error.
    pub async fn run(&self, arguments: &str) -> Result<String, HelmFailed> {
        self.run_with(arguments, &[]).await
    }

    /// The same with more in its environment.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_with(
        &self,
        arguments: &str,
        environment: &[(&str, &str)],
    ) -> Result<String, HelmFailed> {
        let output = Command::new(&self.program)
            .args(arguments.split_whitespace())
            .env_clear()
            .envs(environment.iter().copied())
            .env("HOME", &self.home)
            .env("PATH", "/usr/bin:/bin")
            .env("KUBECONFIG", &self.kubeconfig)
            .kill_on_drop(true)
            .output()
            .await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(HelmFailed::Said {
            command: arguments.to_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The same with `-o json`.
    ///
    /// # Errors
    /// When it fails or does not answer JSON.
    pub async fn json(&self, arguments: &str) -> Result<Value, HelmFailed> {
        let output = self.run(&format!("{arguments} -o json")).await?;
        Ok(serde_json::from_str(&output)?)
    }
}
