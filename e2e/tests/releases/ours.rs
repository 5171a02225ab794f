//! A release of the sample chart, by us alone.

use aks_airflow_e2e::Failed;
use converge::{ChangeKind, Observer};
use helm_release::{
    PlannedAction, Policy, ReleaseError, Releases as _, Revision, RollbackOptions,
    UninstallOptions, Uninstalled,
};
use serde_json::json;

use crate::ground::{Ground, assert_ready, expect, same, words};
use aks_airflow_e2e::Helm;

/// Install, again, upgrade, rollback, uninstall, again.
pub(crate) async fn a_release_lives_its_whole_life(ground: Ground) -> Result<(), Failed> {
    let plan = ground
        .releases()
        .plan(ground.intent(json!({})), Policy::default())
        .await
        .map_err(|error| words(&error))?;
    same(
        &plan.action,
        &PlannedAction::Install {
            revision: Revision(1),
        },
    )?;
    let outcome = ground.apply(json!({})).await?;
    same(outcome.did.as_str(), "installed, revision 1")?;
    same(outcome.notes.trim(), "It says hello.")?;
    ground.assert_says("hello").await?;
    let deployment = ground.live("apps/v1", "Deployment").await?;
    same(&deployment.at("/status/readyReplicas"), &Some(&json!(2)))?;
    ground.assert_noop(json!({})).await?;

    ground
        .apply(json!({"greeting": "two", "extra": true}))
        .await?;
    ground.assert_says("two").await?;
    ground
        .assert_noop(json!({"greeting": "two", "extra": true}))
        .await?;

    let back = RollbackOptions::default();
    let rolled = ground
        .releases()
        .rollback(ground.id(), back, Observer::default())
        .await
        .map_err(|error| words(&error))?;
    same(&rolled.revision, &Revision(3))?;
    ground.assert_says("hello").await?;
    same(
        ground.story().await?.as_str(),
        "1 superseded, 2 superseded, 3 deployed",
    )?;
    let status = ground.releases().status(ground.id()).await?;
    let status = status.ok_or("no status")?;
    assert_ready(&status)?;
    let extra = ground.object("v1", "ConfigMap", "sample-extra");
    let cluster: &dyn kube_cluster::Cluster = &ground.cluster;
    expect(cluster.get(extra).await?.is_none(), || {
        "the rollback left the extra object".into()
    })?;

    let gone = ground
        .releases()
        .uninstall(
            ground.id(),
            UninstallOptions::default(),
            Observer::default(),
        )
        .await
        .map_err(|error| words(&error))?;
    expect(matches!(gone, Uninstalled::Done { .. }), || {
        format!("{gone:?}")
    })?;
    ground.assert_gone().await?;
    let again = ground
        .releases()
        .uninstall(
            ground.id(),
            UninstallOptions::default(),
            Observer::default(),
        )
        .await?;
    same(&again, &Uninstalled::AlreadyAbsent)
}

/// `kubectl scale` is one conflict on `spec.replicas`; it stops before any write and is taken back
/// on demand.
pub(crate) async fn a_scaled_deployment_is_one_conflict_on_one_field(
    ground: Ground,
) -> Result<(), Failed> {
    ground.apply(json!({})).await?;
    let kubectl = Helm::kubectl(ground.plane)?;
    let namespace = &ground.namespace;
    kubectl
        .run(&format!(
            "-n {namespace} scale deployment/sample --replicas=5"
        ))
        .await?;
    let plan = ground
        .releases()
        .plan(ground.intent(json!({})), Policy::default())
        .await
        .map_err(|error| words(&error))?;
    let conflicts: Vec<_> = plan.conflicts().collect();
    let [conflict] = conflicts.as_slice() else {
        return Err(format!("not one conflict: {:?}", plan.changes).into());
    };
    same(
        conflict.target.as_str(),
        format!("Deployment {namespace}/sample").as_str(),
    )?;
    let [field] = conflict.fields.as_slice() else {
        return Err(format!("not one field: {:?}", conflict.fields).into());
    };
    same(field.path.as_str(), "spec.replicas")?;
    same(&field.before, &Some(json!(5)))?;
    same(&field.after, &Some(json!(2)))?;
    same(&field.manager.as_deref(), &Some("kubectl"))?;
    let others: Vec<_> = plan
        .changes
        .iter()
        .filter(|change| change.kind != ChangeKind::Conflict)
        .collect();
    expect(others.is_empty(), || format!("also: {others:?}"))?;

    let before = ground.versions().await?;
    let refused = ground.try_apply(json!({}), Policy::default()).await;
    expect(
        refused.as_ref().is_err_and(ReleaseError::is_conflict),
        || format!("{refused:?}"),
    )?;
    same(&ground.versions().await?, &before)?;

    let policy = Policy {
        take_fields: vec!["spec.replicas".into()],
        ..Policy::default()
    };
    ground
        .try_apply(json!({}), policy)
        .await
        .map_err(|error| words(&error))?;
    let deployment = ground.live("apps/v1", "Deployment").await?;
    same(&deployment.at("/spec/replicas"), &Some(&json!(2)))?;
    ground.assert_noop(json!({})).await
}
