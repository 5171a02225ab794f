//! Hooks: documents that run at moments of a release's life instead of belonging to it.

use std::collections::BTreeMap;

/// A moment at which a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HookEvent {
    /// Before the objects of a new release are created.
    PreInstall,
    /// After they are.
    PostInstall,
    /// Before the objects of a release are deleted.
    PreDelete,
    /// After they are.
    PostDelete,
    /// Before the objects of a release are changed.
    PreUpgrade,
    /// After they are.
    PostUpgrade,
    /// Before an earlier revision is restored.
    PreRollback,
    /// After it is.
    PostRollback,
    /// When the release is tested.
    Test,
}

impl HookEvent {
    const ALL: [(Self, &'static str); 9] = [
        (Self::PreInstall, "pre-install"),
        (Self::PostInstall, "post-install"),
        (Self::PreDelete, "pre-delete"),
        (Self::PostDelete, "post-delete"),
        (Self::PreUpgrade, "pre-upgrade"),
        (Self::PostUpgrade, "post-upgrade"),
        (Self::PreRollback, "pre-rollback"),
        (Self::PostRollback, "post-rollback"),
        (Self::Test, "test"),
    ];

    /// The event of a name; `test-success` is the old name of `test`.
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "test-success" {
            return Some(Self::Test);
        }
        Self::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(event, _)| *event)
    }

    /// The name in annotations and release records.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(event, _)| *event == self)
            .map_or("", |(_, name)| name)
    }
}

impl std::fmt::Display for HookEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// When the objects of a hook are deleted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HookDeletePolicy {
    /// After the hook succeeded.
    HookSucceeded,
    /// After the hook failed.
    HookFailed,
    /// Before the hook is created again.
    BeforeHookCreation,
    /// A word without meaning, which Helm stores all the same.
    Other(String),
}

impl HookDeletePolicy {
    /// The policy of a name.
    pub fn from_name(name: &str) -> Self {
        match name {
            "hook-succeeded" => Self::HookSucceeded,
            "hook-failed" => Self::HookFailed,
            "before-hook-creation" => Self::BeforeHookCreation,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The name in annotations and release records.
    pub fn name(&self) -> &str {
        match self {
            Self::HookSucceeded => "hook-succeeded",
            Self::HookFailed => "hook-failed",
            Self::BeforeHookCreation => "before-hook-creation",
            Self::Other(name) => name,
        }
    }
}

/// When the logs of a hook are shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HookOutputLogPolicy {
    /// After the hook succeeded.
    HookSucceeded,
    /// After the hook failed.
    HookFailed,
    /// A word without meaning, which Helm stores all the same.
    Other(String),
}

impl HookOutputLogPolicy {
    /// The policy of a name.
    pub fn from_name(name: &str) -> Self {
        match name {
            "hook-succeeded" => Self::HookSucceeded,
            "hook-failed" => Self::HookFailed,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The name in annotations and release records.
    pub fn name(&self) -> &str {
        match self {
            Self::HookSucceeded => "hook-succeeded",
            Self::HookFailed => "hook-failed",
            Self::Other(name) => name,
        }
    }
}

/// A document that runs as a hook.
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    /// Name of the object.
    pub name: String,
    /// Kind of the object.
    pub kind: String,
    /// The file it comes from.
    pub path: String,
    /// The document.
    pub manifest: super::Manifest,
    /// When it runs.
    pub events: Vec<HookEvent>,
    /// Lower runs earlier.
    pub weight: i32,
    /// When its objects are deleted; empty means before the next creation.
    pub delete_policies: Vec<HookDeletePolicy>,
    /// When its logs are shown.
    pub output_log_policies: Vec<HookOutputLogPolicy>,
}

/// What the annotations of a document say about hooks.
pub(super) struct HookAnnotations {
    pub(super) events: Vec<HookEvent>,
    pub(super) weight: i32,
    pub(super) delete_policies: Vec<HookDeletePolicy>,
    pub(super) output_log_policies: Vec<HookOutputLogPolicy>,
}

/// What a document is.
pub(super) enum Role {
    Object,
    Hook(HookAnnotations),
    /// It names an event nobody knows; Helm drops such documents.
    Dropped,
}

pub(super) fn role(annotations: &BTreeMap<String, String>) -> Role {
    let Some(names) = annotations.get("helm.sh/hook") else {
        return Role::Object;
    };
    let events: Option<Vec<HookEvent>> = words(names)
        .map(|name| HookEvent::from_name(&name))
        .collect();
    let Some(events) = events else {
        return Role::Dropped;
    };
    let list = |key: &str| {
        annotations
            .get(key)
            .into_iter()
            .flat_map(|text| words(text))
    };
    let weight = annotations.get("helm.sh/hook-weight");
    Role::Hook(HookAnnotations {
        events,
        weight: weight.and_then(|weight| weight.parse().ok()).unwrap_or(0),
        delete_policies: list("helm.sh/hook-delete-policy")
            .map(|name| HookDeletePolicy::from_name(&name))
            .collect(),
        output_log_policies: list("helm.sh/hook-output-log-policy")
            .map(|name| HookOutputLogPolicy::from_name(&name))
            .collect(),
    })
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(',').map(|word| word.trim().to_lowercase())
}
