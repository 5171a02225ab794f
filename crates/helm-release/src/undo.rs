//! What the policy asks for after a failure: cleaning up, rolling back, uninstalling. It owns the
//! choice of the revision to go back to; it refuses to hide the first failure.

use converge::Observer;
use futures::future::BoxFuture;

use crate::assess::Assessed;
use crate::engine::ClusterReleases;
use crate::error::{ReleaseErrorKind, chain};
use crate::observe::Survey;
use crate::{
    Policy, ReleaseIntent, Revision, RollbackOptions, Status, UninstallOptions, objects, rollback,
    uninstall,
};

/// What the policy asks for after a failure.
pub(crate) fn undo<'a>(
    engine: &'a ClusterReleases,
    policy: &'a Policy,
    survey: &'a Survey,
    intent: &'a ReleaseIntent,
    observer: &'a Observer,
    kind: ReleaseErrorKind,
) -> BoxFuture<'a, ReleaseErrorKind> {
    Box::pin(async move {
        if matches!(kind, ReleaseErrorKind::Lost(_)) {
            return kind;
        }
        if policy.cleanup_on_fail {
            for object in created(survey) {
                let found = engine.cluster.get(object.target.clone()).await;
                if let Ok(Some(live)) = found {
                    let _ = objects::delete(engine.cluster.as_ref(), &live).await;
                }
            }
        }
        if !policy.rollback_on_failure {
            return kind;
        }
        let release = intent.id();
        let undone = if let Some(revision) = last_good(survey) {
            let options = RollbackOptions {
                to: Some(revision),
                timeout: intent.timeout,
                history_max: intent.history_max,
                schedule: intent.schedule.clone(),
                force_conflicts: policy.force_conflicts,
                ..RollbackOptions::default()
            };
            let result = rollback::rollback(engine, &release, &options, observer).await;
            result.map(|_| format!("rolled back to {revision}"))
        } else {
            let options = UninstallOptions {
                timeout: intent.timeout,
                ..UninstallOptions::default()
            };
            let result = uninstall::uninstall(engine, &release, &options, observer).await;
            result.map(|_| "uninstalled".to_owned())
        };
        let why = chain(&kind);
        match undone {
            Ok(undone) => ReleaseErrorKind::Undone {
                name: intent.name.to_string(),
                undone,
                why,
            },
            Err(error) => ReleaseErrorKind::Twice {
                first: why,
                then: chain(&error),
            },
        }
    })
}

fn created(survey: &Survey) -> impl Iterator<Item = &Assessed> {
    let objects = survey.objects.iter();
    objects.filter(|object| object.live.is_none() && !object.target.name.is_empty())
}

fn last_good(survey: &Survey) -> Option<Revision> {
    let good = survey.history.iter().rev();
    good.clone()
        .find(|stored| stored.status == Status::Deployed)
        .or_else(|| {
            good.clone()
                .find(|stored| stored.status == Status::Superseded)
        })
        .map(|stored| stored.revision)
}
