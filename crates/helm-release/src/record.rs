//! [`Record`]: one revision of a release as Helm stores it. It owns the fields and keeps those it
//! does not know; it refuses to know where records are kept.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::codec::{self, RecordError};
use crate::{Profile, ReleaseId, ReleaseName, Revision};

/// One revision of a release.
///
/// Source: `pkg/release/v1/{release,info,hook}.go` of Helm v3.21 and v4.2. Fields this crate does
/// not know survive a rewrite.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The release's name.
    pub name: String,
    /// Status, times, notes.
    pub info: Info,
    /// The chart: `metadata`, `lock`, `templates`, `values`, `schema`, `files`. Subcharts are not
    /// stored.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub chart: Value,
    /// The values the user supplied.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Map::is_empty"
    )]
    pub config: Map<String, Value>,
    /// The rendered objects: `---\n# Source: path\n…`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// The hooks.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub hooks: Vec<Hook>,
    /// The revision.
    #[serde(rename = "version")]
    pub revision: Revision,
    /// The release's namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// How objects were last applied: `ssa` (server-side) or `csa`; Helm 3 does not say, which
    /// means `csa`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub apply_method: String,
    /// What else is there.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Record {
    /// Reads the text a Secret of Helm holds under the key `release`, once the Secret's own base64
    /// is off: base64, gzip, JSON; JSON that was not compressed is accepted, as in Helm.
    ///
    /// # Errors
    /// [`RecordError`] when it is none of that, or unpacks to more than 512 MiB.
    pub fn decode(text: &str) -> Result<Self, RecordError> {
        codec::decode(text)
    }

    /// The text Helm keeps under the key `release`, byte for byte as `profile` writes it but for the
    /// compressor's choices.
    ///
    /// # Errors
    /// [`RecordError::Json`] when the record holds what JSON cannot express.
    pub fn encode(&self, profile: Profile) -> Result<String, RecordError> {
        codec::encode(self, profile)
    }

    /// Which release this is; `None` for a name Helm would not accept.
    pub fn id(&self) -> Option<ReleaseId> {
        let name = ReleaseName::parse(self.name.clone()).ok()?;
        Some(ReleaseId::new(name, self.namespace.clone()))
    }

    /// Whether the objects were last applied client-side.
    pub fn is_client_side(&self) -> bool {
        self.apply_method != "ssa"
    }

    /// The chart's name; empty if it is not recorded.
    pub fn chart_name(&self) -> &str {
        self.chart_text("name").unwrap_or_default()
    }

    /// The chart's version; empty if it is not recorded.
    pub fn chart_version(&self) -> &str {
        self.chart_text("version").unwrap_or_default()
    }

    /// The version of the app, if the chart says so.
    pub fn app_version(&self) -> Option<&str> {
        self.chart_text("appVersion")
            .filter(|version| !version.is_empty())
    }

    fn chart_text(&self, key: &str) -> Option<&str> {
        self.chart.get("metadata")?.get(key)?.as_str()
    }
}

/// Name, revision and status: the rest may hold secrets.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Record({}/{} revision {}, {})",
            self.namespace, self.name, self.revision, self.info.status
        )
    }
}

/// A revision's status, times and notes. Times are RFC 3339 texts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// When the first revision was deployed.
    #[serde(
        default,
        deserialize_with = "empty_is_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub first_deployed: Option<String>,
    /// When this revision was deployed.
    #[serde(
        default,
        deserialize_with = "empty_is_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_deployed: Option<String>,
    /// When the release was uninstalled.
    #[serde(
        default,
        deserialize_with = "empty_is_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub deleted: Option<String>,
    /// `Install complete`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The status.
    #[serde(default)]
    pub status: Status,
    /// The rendered notes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// What else is there.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A hook and its last run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    /// `metadata.name`.
    #[serde(default)]
    pub name: String,
    /// The kind.
    #[serde(default)]
    pub kind: String,
    /// The template's path.
    #[serde(default)]
    pub path: String,
    /// Its YAML.
    #[serde(default)]
    pub manifest: String,
    /// `pre-install`, `post-upgrade`, `test`, …
    #[serde(default, deserialize_with = "null_is_default")]
    pub events: Vec<String>,
    /// Its last run.
    #[serde(default, deserialize_with = "null_is_default")]
    pub last_run: HookRun,
    /// Lighter hooks run first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight: i32,
    /// `before-hook-creation`, `hook-succeeded`, `hook-failed`.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub delete_policies: Vec<String>,
    /// `hook-succeeded`, `hook-failed`.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub output_log_policies: Vec<String>,
    /// What else is there.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A hook's last run. Times are RFC 3339 texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRun {
    /// When it was started.
    #[serde(
        default,
        deserialize_with = "empty_is_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(
        default,
        deserialize_with = "empty_is_none",
        skip_serializing_if = "Option::is_none"
    )]
    pub completed_at: Option<String>,
    /// `Unknown`, `Running`, `Succeeded`, `Failed`; empty if it never ran.
    #[serde(default)]
    pub phase: String,
}

/// A revision's status.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is what runs.
    Deployed,
    /// It was uninstalled and its record kept.
    Uninstalled,
    /// A later revision is deployed.
    Superseded,
    /// It failed.
    Failed,
    /// It is being uninstalled.
    Uninstalling,
    /// It is being installed, or was when its client died.
    PendingInstall,
    /// It is being upgraded to, or was when its client died.
    PendingUpgrade,
    /// It is being rolled back to, or was when its client died.
    PendingRollback,
    /// Helm does not know, or says what we do not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Status {
    /// Helm's word: `pending-install`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Deployed => "deployed",
            Self::Uninstalled => "uninstalled",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Uninstalling => "uninstalling",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
        }
    }

    /// Whether an operation is under way, or was when its client died.
    pub fn is_pending(self) -> bool {
        matches!(
            self,
            Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback
        )
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes the field by reference"
)]
fn is_zero(weight: &i32) -> bool {
    *weight == 0
}

/// Go writes nil maps and slices as `null`.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Helm 3 writes zero times as empty texts.
fn empty_is_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty() && !text.starts_with("0001-01-01T00:00:00")))
}
