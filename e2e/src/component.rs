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
    /// Helm 4.
    Helm4,
    /// Helm 3.
    Helm3,
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
            Self::Helm4 => "helm4",
            Self::Helm3 => "helm3",
        }
    }

    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::ControlPlane => &[
                "etcd",
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
            ],
            Self::Kwok => &["kwok"],
            Self::Helm4 => &["helm4"],
            Self::Helm3 => &["helm3"],
        }
    }

    /// The folder that holds all of the component's programs: `$E2E_TOOLS_DIR`, else the
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
                how_to_get: "run e2e/tools/build.sh (needs Go)",
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
