//! Status, history, list and record: what Helm's `status`, `history`, `list` and `get` tell. It owns
//! the summaries; it refuses to write.

use std::collections::BTreeMap;

use converge::Readiness;
use kube_cluster::{ObjectRef, readiness};

use crate::engine::ClusterReleases;
use crate::error::ReleaseErrorKind;
use crate::manifest::{self, Scopes};
use crate::storage::{self, Stored};
use crate::{
    HookSummary, Record, RecordError, ReleaseError, ReleaseId, ReleaseName, ReleaseStatus,
    ReleaseSummary, Revision, RevisionSummary, Status, live,
};

/// The newest revision and how its objects are.
pub(crate) async fn status(
    engine: &ClusterReleases,
    release: &ReleaseId,
) -> Result<Option<ReleaseStatus>, ReleaseError> {
    let read = async {
        let cluster = engine.cluster.as_ref();
        let history = storage::history(cluster, release).await?;
        let Some(newest) = history.last() else {
            return Ok(None);
        };
        let record = newest.record()?;
        let scopes = Scopes::of(&cluster.discover().await?);
        let declared = manifest::objects(&record.manifest, &scopes, &release.namespace)?;
        let targets: Vec<ObjectRef> = declared
            .iter()
            .map(|one| one.object.reference())
            .filter(|target| !target.name.is_empty())
            .collect();
        let live = live::read(cluster, &targets).await?;
        let objects = targets
            .into_iter()
            .map(|target| {
                let state = live.get(&target).map_or(Readiness::NotFound, readiness);
                (target, state)
            })
            .collect();
        let deployed = history
            .iter()
            .rev()
            .find(|stored| stored.status == Status::Deployed);
        Ok(Some(ReleaseStatus {
            summary: summary(&record),
            deployed: deployed.map(|stored| stored.revision),
            notes: record.info.notes.clone(),
            objects,
            hooks: hooks(&record, &release.namespace),
            digest: newest.marks.digest.clone(),
        }))
    };
    read.await.map_err(failed_to_read(release))
}

/// All revisions, oldest first.
pub(crate) async fn history(
    engine: &ClusterReleases,
    release: &ReleaseId,
) -> Result<Vec<RevisionSummary>, ReleaseError> {
    let read = async {
        let stored = storage::history(engine.cluster.as_ref(), release).await?;
        let records: Result<Vec<Record>, RecordError> = stored.iter().map(Stored::record).collect();
        Ok(records?.iter().map(summary).collect())
    };
    read.await.map_err(failed_to_read(release))
}

/// The newest revision of every release. Only those are decoded.
pub(crate) async fn list(
    engine: &ClusterReleases,
    namespace: Option<String>,
) -> Result<Vec<ReleaseSummary>, ReleaseError> {
    let place = namespace.clone().unwrap_or_else(|| "*".into());
    let stored = storage::everything(engine.cluster.as_ref(), namespace)
        .await
        .map_err(|error| {
            let all = ReleaseName::parse("all").expect("a valid name");
            ReleaseError::before_writes("list", &ReleaseId::new(all, place), error)
        })?;
    let mut newest: BTreeMap<(String, String), Stored> = BTreeMap::new();
    for one in stored {
        let key = (one.namespace().to_owned(), one.name().to_owned());
        match newest.get(&key) {
            Some(known) if known.revision >= one.revision => {}
            _ => {
                newest.insert(key, one);
            }
        }
    }
    // As Helm, a record that cannot be read is left out.
    let readable = newest
        .into_iter()
        .filter_map(|((namespace, name), stored)| {
            let name = ReleaseName::parse(name).ok()?;
            let record = stored
                .record()
                .inspect_err(|error| tracing::debug!(%name, %error, "skipping a release record"))
                .ok()?;
            Some(ReleaseSummary {
                release: ReleaseId::new(name, namespace),
                newest: summary(&record),
            })
        });
    Ok(readable.collect())
}

/// One revision's record, or the newest's.
pub(crate) async fn record(
    engine: &ClusterReleases,
    release: &ReleaseId,
    revision: Option<Revision>,
) -> Result<Option<Record>, ReleaseError> {
    let read = async {
        let history = storage::history(engine.cluster.as_ref(), release).await?;
        let found = match revision {
            Some(revision) => history.iter().find(|stored| stored.revision == revision),
            None => history.last(),
        };
        Ok(found.map(Stored::record).transpose()?)
    };
    read.await.map_err(failed_to_read(release))
}

fn failed_to_read(release: &ReleaseId) -> impl FnOnce(ReleaseErrorKind) -> ReleaseError {
    |kind| ReleaseError::before_writes("read", release, kind)
}

pub(crate) fn summary(record: &Record) -> RevisionSummary {
    RevisionSummary {
        revision: record.revision,
        status: record.info.status,
        updated: record.info.last_deployed.clone(),
        chart: record.chart_name().to_owned(),
        chart_version: record.chart_version().to_owned(),
        app_version: record.app_version().map(str::to_owned),
        description: record.info.description.clone(),
    }
}

fn hooks(record: &Record, namespace: &str) -> Vec<HookSummary> {
    record
        .hooks
        .iter()
        .filter(|hook| !hook.last_run.phase.is_empty())
        .map(|hook| HookSummary {
            target: format!("{} {namespace}/{}", hook.kind, hook.name),
            phase: hook.last_run.phase.clone(),
            started: hook.last_run.started_at.clone(),
            completed: hook.last_run.completed_at.clone(),
        })
        .collect()
}
