//! An object as declared beside the live one. It owns the look, the row of the plan and the apply
//! that all objects here share; it refuses to know their fields.

use converge::{Change, ChangeKind, FieldChange, Verification};
use kube_cluster::{Applied, ApplyOptions, Cluster, ClusterErrorKind, Object, differences};

use crate::VolumeError;

/// Our field manager.
const MANAGER: &str = "aks-airflow";

/// An object as declared, as live, and what the server says to it.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) wanted: Object,
    pub(crate) live: Option<Object>,
    /// What applying would change; `None` if nothing.
    pub(crate) change: Option<Change>,
}

/// Whether the server leaves the declared value out: `false` is how an absent `readOnly` reads.
fn is_left_out(change: &FieldChange) -> bool {
    change.before.is_none() && change.after == Some(serde_json::Value::Bool(false))
}

/// What a look may do and leave out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Take fields other managers own.
    pub(crate) take: bool,
    /// Leave the dry-run of what is not there to the write itself.
    pub(crate) predict_creates: bool,
}

/// Looks at an object and asks the server, by a dry-run, what it says to what is declared.
/// `immutable` tells which paths cannot change once the object is there.
pub(crate) async fn look(
    cluster: &dyn Cluster,
    wanted: Object,
    immutable: impl Fn(&str) -> bool,
    terms: Terms,
) -> Result<Declared, VolumeError> {
    let target = wanted.reference();
    let live = cluster.get(target.clone()).await;
    let live = live.map_err(VolumeError::cluster(&target))?;
    beside(cluster, wanted, live, immutable, terms).await
}

/// The same for an object that was just read.
pub(crate) async fn beside(
    cluster: &dyn Cluster,
    wanted: Object,
    live: Option<Object>,
    immutable: impl Fn(&str) -> bool,
    terms: Terms,
) -> Result<Declared, VolumeError> {
    let target = wanted.reference();
    let mut fields: Vec<FieldChange> = Vec::new();
    if let Some(live) = &live {
        fields.extend(
            differences(&wanted, live)
                .iter()
                .map(|difference| difference.to_change(MANAGER))
                .filter(|change| !is_left_out(change)),
        );
        let fixed: Vec<FieldChange> = fields
            .iter()
            .filter(|field| immutable(&field.path))
            .cloned()
            .collect();
        if !fixed.is_empty() {
            return Err(VolumeError::Immutable {
                target: target.to_string(),
                fields: fixed,
            });
        }
        if fields.is_empty() {
            let change = None;
            return Ok(Declared {
                wanted,
                live: Some(live.clone()),
                change,
            });
        }
    }
    let kind = if live.is_some() {
        ChangeKind::Update
    } else {
        ChangeKind::Create
    };
    if live.is_none() && terms.predict_creates {
        let row = Change::new(kind, target.to_string(), Verification::Predicted);
        return Ok(Declared {
            wanted,
            live,
            change: Some(row),
        });
    }
    let options = ApplyOptions {
        dry_run: true,
        force: terms.take,
        ..ApplyOptions::default()
    };
    let change = match cluster.apply(wanted.clone(), options).await {
        Ok(Applied::Done(_)) => Change::new(kind, target.to_string(), Verification::Verified),
        Ok(Applied::Conflicts(conflicts)) => {
            for conflict in conflicts {
                let path = conflict.field.trim_start_matches('.');
                if let Some(field) = fields.iter_mut().find(|field| field.path == path) {
                    field.manager = Some(conflict.manager);
                }
            }
            Change::new(
                ChangeKind::Conflict,
                target.to_string(),
                Verification::Verified,
            )
        }
        Err(error) if matches!(error.kind, ClusterErrorKind::NamespaceMissing(_)) => {
            Change::new(kind, target.to_string(), Verification::Predicted)
                .with_note("its namespace is made first")
        }
        Err(error) => return Err(VolumeError::cluster(&target)(error)),
    };
    Ok(Declared {
        wanted,
        live,
        change: Some(change.with_fields(fields)),
    })
}

impl Declared {
    /// The plan's row if the object is as declared and still `kubectl apply`'s, and the object.
    pub(crate) fn adoption(&self) -> Option<(Change, Object)> {
        let live = self.live.as_ref().filter(|_| self.change.is_none())?;
        kube_cluster::take_declared_fields(&self.wanted, live, MANAGER)?;
        let target = self.wanted.reference().to_string();
        let row = Change::new(ChangeKind::Adopt, target, Verification::Verified)
            .with_note("it was applied by kubectl");
        Some((row, live.clone()))
    }
}

/// Takes the declared fields over from `kubectl apply`.
pub(crate) async fn adopt(
    cluster: &dyn Cluster,
    wanted: &Object,
    live: &Object,
) -> Result<(), VolumeError> {
    kube_cluster::take_over_from_kubectl(cluster, wanted, live, MANAGER)
        .await
        .map(|_| ())
        .map_err(VolumeError::cluster(&wanted.reference()))
}

/// Declares an object by server-side apply.
pub(crate) async fn declare(
    cluster: &dyn Cluster,
    object: Object,
    take: bool,
) -> Result<Object, VolumeError> {
    let target = object.reference();
    let options = ApplyOptions {
        force: take,
        ..ApplyOptions::default()
    };
    let applied = cluster.apply(object, options).await;
    match applied.map_err(VolumeError::cluster(&target))? {
        Applied::Done(live) => Ok(live),
        Applied::Conflicts(conflicts) => Err(VolumeError::Conflict {
            target: target.to_string(),
            conflicts,
        }),
    }
}
