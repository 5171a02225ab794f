//! [`Change`]: one row of a plan. It owns verbs, field differences and how sure the row is; it
//! refuses to hold secret values.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What will happen to one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Nothing: it is as declared.
    None,
    /// It stays as it was found, though it differs: changing it would restart or lose something, and
    /// nobody has named that yet.
    Keep,
    /// It comes into being.
    Create,
    /// Declared fields change.
    Update,
    /// It exists without our mark and becomes ours without a difference.
    Adopt,
    /// It goes away.
    Delete,
    /// A declared field was changed by another manager: stops before any write.
    Conflict,
    /// It runs once: a hook, a rotation.
    Run,
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "unchanged",
            Self::Keep => "keep",
            Self::Create => "create",
            Self::Update => "change",
            Self::Adopt => "adopt",
            Self::Delete => "delete",
            Self::Conflict => "conflict",
            Self::Run => "run",
        })
    }
}

/// How sure a row of a plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verification {
    /// The server was asked (a read that decides, or a dry-run).
    Verified,
    /// Its namespace, CRD or inputs do not exist yet; derived offline.
    Predicted,
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Verified => "verified",
            Self::Predicted => "predicted",
        })
    }
}

/// One field that differs. Values of secrets are given as digests by whoever builds this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The path, as `spec.template.spec.containers[name=scheduler].image`.
    pub path: String,
    /// The live value, absent if the field is not there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<serde_json::Value>,
    /// The declared value, absent if the field goes away.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<serde_json::Value>,
    /// Who owns the live value, where that is known and is not us.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub manager: Option<String>,
}

/// One row of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The verb.
    pub kind: ChangeKind,
    /// What it happens to, as a person would name it: `Deployment airflow/airflow-scheduler`,
    /// `federatedIdentityCredential external-secret-operator`.
    pub target: String,
    /// How sure this row is.
    pub verification: Verification,
    /// The fields that differ, for [`ChangeKind::Update`] and [`ChangeKind::Conflict`].
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub fields: Vec<FieldChange>,
    /// A remark: what it waits for, why it is done, what it yields to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

impl Change {
    /// A row without field differences or remark.
    pub fn new(kind: ChangeKind, target: impl Into<String>, verification: Verification) -> Self {
        Self {
            kind,
            target: target.into(),
            verification,
            fields: Vec::new(),
            note: None,
        }
    }

    /// The same row with a remark.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// The same row with field differences.
    #[must_use]
    pub fn with_fields(mut self, fields: Vec<FieldChange>) -> Self {
        self.fields = fields;
        self
    }

    /// Whether carrying the plan out would write because of this row.
    pub fn writes(&self) -> bool {
        !matches!(self.kind, ChangeKind::None | ChangeKind::Keep)
    }

    /// Whether the row says something: it writes, or what differs is kept.
    pub fn is_shown(&self) -> bool {
        self.kind != ChangeKind::None
    }
}
