//! The release a chart is rendered for: what templates see as `.Release`.

/// What is about to happen with a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Operation {
    /// A first installation: `.Release.IsInstall`.
    #[default]
    Install,
    /// A change of what is installed: `.Release.IsUpgrade`.
    Upgrade,
}

/// The release a chart is rendered for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The number of the revision, from one.
    pub revision: u32,
    /// What is about to happen.
    pub operation: Operation,
}

impl Release {
    /// The first revision of a new release.
    pub fn install(name: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            namespace: namespace.into(),
            revision: 1,
            operation: Operation::Install,
        }
    }

    /// A later revision of a release.
    pub fn upgrade(name: impl Into<String>, namespace: impl Into<String>, revision: u32) -> Self {
        Self {
            name: name.into(),
            namespace: namespace.into(),
            revision,
            operation: Operation::Upgrade,
        }
    }
}
