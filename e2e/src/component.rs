//! [`Component`]: a program nobody here wrote, and where it is. It owns the search and the advice;
//! it refuses to install anything.

use std::path::{Path, PathBuf};

/// A real component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Component {
    /// etcd, kube-apiserver, kube-controller-manager, kube-scheduler.
    ControlPlane,
    /// kwok, for nodes and pods without a kubelet.
    Kwok,
    /// External Secrets' controller, of the guide of 2024.
    ExternalSecrets,
    /// Helm 4.
    Helm4,
    /// Helm 3.
    Helm3,
    /// Azurite, Microsoft's storage emulator.
    Azurite,
    /// docker-registry, the OCI registry of Debian.
    Registry,
    /// Git with its daemon.
    Git,
    /// Airflow 2.9.3.
    Airflow2,
    /// Airflow 3.2.2.
    Airflow3,
    /// Python 3, whose library holds a plain web server.
    Python,
}

/// A component that was not found.
#[derive(Debug, Clone, thiserror::Error)]
#[error("needs {name}: `{path}` is not there; {how_to_get}")]
pub struct Missing {
    /// The component's name in `E2E_REQUIRE`.
    pub name: &'static str,
    /// The first file that was not found.
    pub path: String,
    /// How to get it.
    pub how_to_get: &'static str,
}

impl Component {
    /// The name used in `E2E_REQUIRE`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::Kwok => "kwok",
            Self::ExternalSecrets => "external-secrets",
            Self::Helm4 => "helm4",
            Self::Helm3 => "helm3",
            Self::Azurite => "azurite",
            Self::Registry => "registry",
            Self::Git => "git",
            Self::Airflow2 => "airflow2",
            Self::Airflow3 => "airflow3",
            Self::Python => "python",
        }
    }

    /// What it consists of, below the folder of tools; what begins with `/` is the system's.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::ControlPlane => &[
                "etcd",
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
            ],
            Self::Kwok => &["kwok"],
            Self::ExternalSecrets => &["external-secrets"],
            Self::Helm4 => &["helm4"],
            Self::Helm3 => &["helm3"],
            Self::Azurite => &[
                "azurite/node_modules/azurite/dist/src/blob/main.js",
                "/usr/bin/node",
            ],
            Self::Registry => &["registry/usr/bin/docker-registry"],
            Self::Git => &["/usr/bin/git", "/usr/lib/git-core/git-daemon"],
            Self::Airflow2 => &["airflow2/bin/airflow"],
            Self::Airflow3 => &["airflow3/bin/airflow"],
            Self::Python => &["/usr/bin/python3"],
        }
    }

    fn how_to_get(self) -> &'static str {
        match self {
            Self::ControlPlane | Self::Kwok | Self::Helm4 | Self::Helm3 => {
                "run e2e/tools/build.sh (needs Go)"
            }
            Self::ExternalSecrets => {
                "run e2e/tools/build.sh external-secrets (needs Go and some minutes)"
            }
            Self::Azurite => "run e2e/tools/install.sh azurite (needs Node and npm)",
            Self::Registry => "run e2e/tools/install.sh registry (needs Debian's apt-get)",
            Self::Airflow2 => "run e2e/tools/install.sh airflow2 (needs Python 3.11)",
            Self::Airflow3 => "run e2e/tools/install.sh airflow3 (needs Python 3.11)",
            Self::Git => "apt-get install git",
            Self::Python => "apt-get install python3",
        }
    }

    /// The folder of tools, below which the component's programs are: `$E2E_TOOLS_DIR`, else the
    /// `e2e-tools` folder of the build's target folder.
    ///
    /// # Errors
    /// The first program that is missing and how to get it.
    pub fn locate(self) -> Result<PathBuf, Missing> {
        let folder = std::env::var_os("E2E_TOOLS_DIR")
            .map_or_else(|| workspace().join("target/e2e-tools"), PathBuf::from);
        match self
            .programs()
            .iter()
            .find(|program| !folder.join(program).is_file())
        {
            None => Ok(folder),
            Some(program) => Err(Missing {
                name: self.name(),
                path: folder.join(program).display().to_string(),
                how_to_get: self.how_to_get(),
            }),
        }
    }
}

/// Whether `E2E_REQUIRE` (a comma-separated list, or `all`) names the component.
pub fn is_required(component: Component) -> bool {
    std::env::var("E2E_REQUIRE").is_ok_and(|list| {
        list.split(',')
            .map(str::trim)
            .any(|name| name == "all" || name == component.name())
    })
}

/// The workspace's root folder.
fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}
