//! Where records are kept: one Secret per revision. It owns names, labels, annotations and
//! compare-and-swap; it refuses to know what a revision means for its objects.
//!
//! Source: `pkg/storage/driver/secrets.go` of Helm v4.2.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kube_cluster::{
    Cluster, ClusterError, Created, DeleteOptions, Deleted, Kind, Object, ObjectRef, Query,
    Replaced, WriteOptions, insist,
};
use serde_json::json;

use crate::codec::{self, Packer, SECRET_LIMIT};
use crate::error::ReleaseErrorKind;
use crate::{Profile, Record, RecordError, ReleaseId, Revision, Status, TapeSeed};

/// Helm's field manager.
pub(crate) const HELM: &str = "helm";
/// The managers under which Helm applies client-side.
pub(crate) const CLIENT_SIDE: &[&str] = &[HELM];

/// The type of a record's Secret.
pub(crate) const RECORD_TYPE: &str = "helm.sh/release.v1";

/// Labels that are Helm's own.
const SYSTEM_LABELS: [&str; 6] = [
    "name",
    "owner",
    "status",
    "version",
    "createdAt",
    "modifiedAt",
];

/// The digest of the inputs a revision was made from.
const DIGEST: &str = "aks-airflow.io/input-digest";
/// Who is at work on a pending revision.
const HOLDER: &str = "aks-airflow.io/holder";
/// Which phase of the schedule a pending revision is in.
const PHASE: &str = "aks-airflow.io/phase";
/// Which hooks of the operation under way have succeeded.
const DONE: &str = "aks-airflow.io/hooks-done";
/// The key of the Secret's data that holds the tape, beside Helm's `release`.
const TAPE: &str = "tape";

/// What we write beside Helm's record. Helm drops it when it rewrites a record, and does not mind
/// it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// The digest of the inputs.
    pub digest: Option<String>,
    /// Who is at work.
    pub holder: Option<String>,
    /// Which phase.
    pub phase: Option<String>,
    /// Which hooks of the operation under way have succeeded: event and object.
    pub done: Vec<String>,
    /// How the render can be repeated.
    pub tape: Option<RenderedWith>,
}

impl Marks {
    /// The same for a settled revision: nobody is at work.
    pub(crate) fn settled(&self) -> Self {
        Self {
            digest: self.digest.clone(),
            tape: self.tape.clone(),
            ..Self::default()
        }
    }
}

/// How a revision was rendered.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct RenderedWith {
    /// Randomness and time.
    #[serde(flatten)]
    pub seed: TapeSeed,
    /// Whether `.Release.IsUpgrade` held.
    pub is_upgrade: bool,
}

/// One revision's Secret as it was read; the record in it is decoded on demand.
#[derive(Clone)]
pub(crate) struct Stored {
    /// The revision, from the label.
    pub revision: Revision,
    /// The status, from the label.
    pub status: Status,
    /// Ours.
    pub marks: Marks,
    secret: Object,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stored({}, {})", self.secret.name(), self.status)
    }
}

impl Stored {
    fn read(secret: Object) -> Option<Self> {
        let revision = Revision(secret.label("version")?.parse().ok()?);
        let status = serde_json::from_value(json!(secret.label("status")?)).unwrap_or_default();
        let annotation = |key: &str| secret.annotation(key).map(str::to_owned);
        let tape = secret
            .text("/data/tape")
            .and_then(|text| STANDARD.decode(text).ok())
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Some(Self {
            revision,
            status,
            marks: Marks {
                digest: annotation(DIGEST),
                holder: annotation(HOLDER),
                phase: annotation(PHASE),
                done: annotation(DONE)
                    .iter()
                    .flat_map(|done| done.split(','))
                    .map(str::to_owned)
                    .collect(),
                tape,
            },
            secret,
        })
    }

    /// The record in it.
    pub(crate) fn record(&self) -> Result<Record, RecordError> {
        let missing = || RecordError::Missing(self.secret.name().to_owned());
        let outer = self.secret.text("/data/release").ok_or_else(missing)?;
        let inner = STANDARD
            .decode(outer.trim_ascii())
            .map_err(RecordError::Base64)?;
        codec::decode(&String::from_utf8_lossy(&inner))
    }

    /// The Secret's uid: this incarnation of the revision.
    pub(crate) fn uid(&self) -> &str {
        self.secret.uid().unwrap_or_default()
    }

    /// The namespace the Secret is in.
    pub(crate) fn namespace(&self) -> &str {
        self.secret.namespace().unwrap_or_default()
    }

    /// The release's name, from the label.
    pub(crate) fn name(&self) -> &str {
        self.secret.label("name").unwrap_or_default()
    }

    /// Labels that are not Helm's own.
    pub(crate) fn user_labels(&self) -> BTreeMap<String, String> {
        let labels = self.secret.at("/metadata/labels");
        labels
            .and_then(serde_json::Value::as_object)
            .into_iter()
            .flatten()
            .filter(|(key, _)| !SYSTEM_LABELS.contains(&key.as_str()))
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }
}

/// The answer to a compare-and-swap.
pub(crate) enum Swapped {
    /// It is stored.
    Done(Stored),
    /// Somebody else changed or deleted it; nothing was written.
    Lost,
}

/// All revisions of a release, oldest first.
pub(crate) async fn history(
    cluster: &dyn Cluster,
    release: &ReleaseId,
) -> Result<Vec<Stored>, ClusterError> {
    let selector = format!("owner=helm,name={}", release.name);
    let query = secrets(Some(release.namespace.clone())).with_labels(selector);
    let mut stored: Vec<Stored> = list(cluster, query).await?;
    stored.sort_by_key(|stored| stored.revision);
    Ok(stored)
}

/// All revisions of all releases in one namespace or in all.
pub(crate) async fn everything(
    cluster: &dyn Cluster,
    namespace: Option<String>,
) -> Result<Vec<Stored>, ClusterError> {
    list(cluster, secrets(namespace).with_labels("owner=helm")).await
}

async fn list(cluster: &dyn Cluster, query: Query) -> Result<Vec<Stored>, ClusterError> {
    let list = cluster.list(query).await?;
    Ok(list.items.into_iter().filter_map(Stored::read).collect())
}

fn secrets(namespace: Option<String>) -> Query {
    Query::all(Kind::new("v1", "Secret"), namespace)
}

/// Builds the Secret of a revision that is not stored yet, and predicts whether it fits.
///
/// # Errors
/// Reserved labels, a record that cannot be encoded or is too large. Nothing was written.
pub(crate) fn secret(
    packer: &Packer,
    record: &Record,
    marks: &Marks,
    labels: &BTreeMap<String, String>,
    profile: Profile,
    now: Timestamp,
) -> Result<Object, ReleaseErrorKind> {
    if let Some(label) = SYSTEM_LABELS.iter().find(|key| labels.contains_key(**key)) {
        return Err(ReleaseErrorKind::ReservedLabel((*label).to_owned()));
    }
    let name = format!("sh.helm.release.v1.{}.v{}", record.name, record.revision);
    let target = ObjectRef::namespaced("v1", "Secret", &record.namespace, name);
    let mut secret = Object::named(&target);
    for (key, value) in labels {
        secret.set_label(key, value);
    }
    secret.set_label("createdAt", now.as_second().to_string());
    secret
        .as_map_mut()
        .insert("type".into(), RECORD_TYPE.into());
    fill(&mut secret, packer, record, marks, profile)?;
    Ok(secret)
}

/// Puts the record and our marks into a Secret.
fn fill(
    secret: &mut Object,
    packer: &Packer,
    record: &Record,
    marks: &Marks,
    profile: Profile,
) -> Result<(), ReleaseErrorKind> {
    let payload = packer.encode(record, profile)?;
    let tape = match &marks.tape {
        Some(tape) => serde_json::to_vec(tape).map_err(RecordError::Json)?,
        None => Vec::new(),
    };
    let size = payload.len() + tape.len();
    if size > SECRET_LIMIT {
        return Err(ReleaseErrorKind::TooLarge {
            size,
            limit: SECRET_LIMIT,
            largest: largest_files(record),
        });
    }
    let mut data = json!({"release": STANDARD.encode(&payload)});
    if !tape.is_empty() {
        data[TAPE] = STANDARD.encode(&tape).into();
    }
    secret.as_map_mut().insert("data".into(), data);
    secret.set_label("name", &record.name);
    secret.set_label("owner", HELM);
    secret.set_label("status", record.info.status.as_str());
    secret.set_label("version", record.revision.to_string());
    for (key, value) in [
        (DIGEST, &marks.digest),
        (HOLDER, &marks.holder),
        (PHASE, &marks.phase),
        (
            DONE,
            &Some(marks.done.join(",")).filter(|done| !done.is_empty()),
        ),
    ] {
        set_annotation(secret, key, value.as_deref());
    }
    Ok(())
}

fn set_annotation(secret: &mut Object, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        secret.set_annotation(key, value);
    } else if let Some(annotations) = secret
        .metadata()
        .get_mut("annotations")
        .and_then(serde_json::Value::as_object_mut)
    {
        annotations.remove(key);
    }
}

/// The three largest files of a stored chart, in words.
fn largest_files(record: &Record) -> String {
    let mut files: Vec<(usize, &str)> = ["templates", "files"]
        .iter()
        .filter_map(|key| record.chart.get(key)?.as_array())
        .flatten()
        .filter_map(|file| {
            let size = file.get("data")?.as_str()?.len() / 4 * 3;
            Some((size, file.get("name")?.as_str()?))
        })
        .collect();
    files.sort_unstable_by(|a, b| b.cmp(a));
    let named: Vec<String> = files
        .iter()
        .take(3)
        .map(|(size, name)| format!("{name} ({size} bytes)"))
        .collect();
    match named.as_slice() {
        [] => format!("the manifest alone is {} bytes", record.manifest.len()),
        named => named.join(", "),
    }
}

/// Stores a revision that is not stored yet. This is Helm's lock; `None` means that somebody else
/// was faster.
pub(crate) async fn create(
    cluster: &dyn Cluster,
    secret: Object,
) -> Result<Option<Stored>, ReleaseErrorKind> {
    let created = insist(|| cluster.create(secret.clone(), as_helm())).await?;
    let stored = match created {
        Created::New(stored) => Some(stored),
        // Either it is somebody else's, or ours and the answer to an earlier try was lost.
        Created::AlreadyExists => found_as_written(cluster, &secret).await?,
    };
    Ok(stored.and_then(Stored::read))
}

/// A revision's next state, as [`swap`] stores it.
pub(crate) fn next_state(
    stored: &Stored,
    packer: &Packer,
    record: &Record,
    marks: &Marks,
    profile: Profile,
    now: Timestamp,
) -> Result<Object, ReleaseErrorKind> {
    let mut secret = stored.secret.clone();
    fill(&mut secret, packer, record, marks, profile)?;
    secret.set_label("modifiedAt", now.as_second().to_string());
    secret.metadata().remove("managedFields");
    Ok(secret)
}

/// Stores a revision's next state if nobody changed it since it was read.
pub(crate) async fn swap(
    cluster: &dyn Cluster,
    secret: Object,
) -> Result<Swapped, ReleaseErrorKind> {
    let replaced = insist(|| cluster.replace(secret.clone(), as_helm())).await?;
    let stored = match replaced {
        Replaced::Done(stored) => Some(stored),
        Replaced::Stale => found_as_written(cluster, &secret).await?,
        Replaced::Absent => None,
    };
    Ok(stored
        .and_then(Stored::read)
        .map_or(Swapped::Lost, Swapped::Done))
}

/// The Secret as it is, if it holds exactly what we wrote: the record, and our marks with the
/// holder's name.
async fn found_as_written(
    cluster: &dyn Cluster,
    written: &Object,
) -> Result<Option<Object>, ClusterError> {
    let found = cluster.get(written.reference()).await?;
    let is_ours = |found: &Object| {
        ["/data", "/metadata/annotations"]
            .iter()
            .all(|part| found.at(part) == written.at(part))
    };
    Ok(found.filter(is_ours))
}

/// Removes a revision's record, whatever state it is in.
pub(crate) async fn delete(
    cluster: &dyn Cluster,
    stored: &Stored,
) -> Result<Deleted, ClusterError> {
    let only = DeleteOptions {
        uid: stored.secret.uid().map(str::to_owned),
        ..DeleteOptions::default()
    };
    insist(|| cluster.delete(stored.secret.reference(), only.clone())).await
}

pub(crate) fn as_helm() -> WriteOptions {
    WriteOptions {
        manager: HELM.into(),
        dry_run: false,
    }
}

/// Which revisions go so that one more fits: the oldest, never a deployed one. As Helm does before
/// it stores a new revision; 0 keeps all.
pub(crate) fn surplus(history: &[Stored], max: u32) -> Vec<&Stored> {
    let max = max as usize;
    if max == 0 || history.len() < max {
        return Vec::new();
    }
    let go = history.len() - (max - 1);
    history
        .iter()
        .filter(|stored| stored.status != Status::Deployed)
        .take(go)
        .collect()
}
