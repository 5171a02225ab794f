//! `history` and `rollback`: what was, and going back to it.

use std::time::Duration;

use converge::{Event, Observer};
use helm_release::{ReleaseId, ReleaseName, Revision, RollbackOptions};
use std::sync::Arc;

use crate::cli::{RollbackArgs, TargetArgs};
use crate::console::Console;
use crate::failure::Failure;
use crate::session::Session;

fn release(session: &Session) -> Result<ReleaseId, Failure> {
    let name = ReleaseName::parse(session.deployment.airflow.release.clone())
        .map_err(Failure::before_writes)?;
    Ok(ReleaseId::new(name, session.deployment.namespace.clone()))
}

/// Lists finished runs and revisions of the Airflow release.
pub(crate) async fn history(args: &TargetArgs, console: &Console) -> Result<u8, Failure> {
    let session = Session::open(args).await.map_err(Failure::before_writes)?;
    let deployment = &session.deployment;
    let runs = orchestrate::history(
        session.world.cluster.as_ref(),
        &deployment.namespace,
        &deployment.name,
    )
    .await
    .map_err(Failure::before_writes)?;
    let revisions = session
        .world
        .releases
        .history(release(&session)?)
        .await
        .map_err(Failure::before_writes)?;
    let mut text = String::from("RUN  DOCUMENT      VERSIONS\n");
    for run in &runs {
        let versions: Vec<_> = run
            .versions
            .iter()
            .map(|(what, version)| format!("{what} {version}"))
            .collect();
        text.push_str(&format!(
            "{:<4} {:<13} {}\n",
            run.number,
            &run.document_digest[..12.min(run.document_digest.len())],
            versions.join(", ")
        ));
    }
    text.push_str("\nREVISION  STATUS      CHART                     UPDATED                         DESCRIPTION\n");
    for revision in &revisions {
        let chart = format!("{}-{}", revision.chart, revision.chart_version);
        text.push_str(&format!(
            "{:<9} {:<11} {chart:<25} {:<31} {}\n",
            revision.revision.to_string(),
            revision.status.to_string(),
            revision.updated.as_deref().unwrap_or("-"),
            revision.description
        ));
    }
    console.result(
        &text,
        &serde_json::json!({"format": 1, "runs": runs, "revisions": revisions}),
    );
    Ok(0)
}

/// Goes back to an earlier revision of the Airflow release.
pub(crate) async fn rollback(args: &RollbackArgs, console: &Console) -> Result<u8, Failure> {
    let session = Session::open(&args.target)
        .await
        .map_err(Failure::before_writes)?;
    let options = RollbackOptions {
        to: args.revision.map(Revision),
        timeout: Duration::from_secs(session.deployment.airflow.timeout_seconds),
        schedule: airflow_helm::schedule(&session.deployment.airflow.release),
        ..RollbackOptions::default()
    };
    let quiet = console.is_json();
    let observer = Observer::new(
        "rollback",
        Arc::new(move |event: Event| {
            if let (false, Event::Progress { message, .. }) = (quiet, &event) {
                crate::console::remark(message);
            }
        }),
    );
    let outcome = session
        .world
        .releases
        .rollback(release(&session)?, options, observer)
        .await
        .map_err(Failure::of_release)?;
    session.save().map_err(Failure::after_writes)?;
    console.result(
        &outcome.did,
        &serde_json::json!({"format": 1, "did": outcome.did, "revision": outcome.revision}),
    );
    Ok(0)
}
