//! Real Helm goes on with what we installed, and we go on with what real Helm installed.

use aks_airflow_e2e::Failed;
use aks_airflow_e2e::{Component, Helm, sample};
use converge::Observer;
use helm_release::{Releases as _, Revision, RollbackOptions, UninstallOptions};
use kube_cluster::FieldOwners;
use serde_json::json;

use crate::ground::{Ground, assert_ready, expect, same, words};

pub(crate) async fn helm4_goes_on_with_ours(ground: Ground) -> Result<(), Failed> {
    helm_goes_on_with_ours(ground, Component::Helm4).await
}

pub(crate) async fn helm3_goes_on_with_ours(ground: Ground) -> Result<(), Failed> {
    helm_goes_on_with_ours(ground, Component::Helm3).await
}

pub(crate) async fn we_go_on_with_helm4s(ground: Ground) -> Result<(), Failed> {
    we_go_on_with_helms(ground, Component::Helm4).await
}

pub(crate) async fn we_go_on_with_helm3s(ground: Ground) -> Result<(), Failed> {
    we_go_on_with_helms(ground, Component::Helm3).await
}

async fn helm_goes_on_with_ours(ground: Ground, component: Component) -> Result<(), Failed> {
    let (helm, chart) = helm(&ground, component)?;
    let namespace = ground.namespace.clone();
    let on = |command: &str, rest: &str| format!("{command} sample -n {namespace} {rest}");
    ground.apply(json!({"greeting": "one"})).await?;

    let list = helm.json(&format!("list -n {namespace}")).await?;
    same(&list[0]["name"], &json!("sample"))?;
    same(&list[0]["revision"], &json!("1"))?;
    same(&list[0]["status"], &json!("deployed"))?;
    same(&list[0]["chart"], &json!("sample-0.1.0"))?;
    same(&list[0]["app_version"], &json!("7"))?;
    let values = helm.json(&on("get values", "")).await?;
    same(&values, &json!({"greeting": "one"}))?;
    let record = ground.releases().record(ground.id(), None).await?;
    let record = record.ok_or("no record")?;
    let manifest = helm.run(&on("get manifest", "")).await?;
    same(manifest.trim(), record.manifest.trim())?;
    let notes = helm.run(&on("get notes", "")).await?;
    expect(notes.contains("It says one."), || notes.clone())?;
    let hooks = helm.run(&on("get hooks", "")).await?;
    expect(hooks.contains("name: sample-prepare"), || hooks.clone())?;
    let status = helm.json(&on("status", "")).await?;
    same(&status["info"]["status"], &json!("deployed"))?;
    same(&status["info"]["description"], &json!("Install complete"))?;

    let upgrade = format!("{chart} --set greeting=two --wait --timeout 60s");
    helm.run(&on("upgrade", &upgrade)).await?;
    same(ground.story().await?.as_str(), "1 superseded, 2 deployed")?;
    ground.assert_says("two").await?;
    let history = helm.json(&on("history", "")).await?;
    same(&history.as_array().map(Vec::len), &Some(2))?;

    helm.run(&on("rollback", "1 --wait --timeout 60s")).await?;
    ground.assert_says("one").await?;
    same(
        ground.story().await?.as_str(),
        "1 superseded, 2 superseded, 3 deployed",
    )?;

    ground.apply(json!({"greeting": "four"})).await?;
    ground.assert_says("four").await?;
    assert_owned_by_helm(&ground).await?;
    ground.assert_noop(json!({"greeting": "four"})).await?;
    let list = helm.json(&format!("list -n {namespace}")).await?;
    same(&list[0]["revision"], &json!("4"))?;

    helm.run(&on("uninstall", "--wait --timeout 60s")).await?;
    same(
        &ground.releases().status(ground.id()).await?.is_none(),
        &true,
    )?;
    ground.assert_gone().await
}

async fn we_go_on_with_helms(ground: Ground, component: Component) -> Result<(), Failed> {
    let (helm, chart) = helm(&ground, component)?;
    let namespace = ground.namespace.clone();
    let on = |command: &str, rest: &str| format!("{command} sample -n {namespace} {rest}");
    let install = format!("{chart} --set greeting=one,second=yes --wait --timeout 60s");
    helm.run(&on("install", &install)).await?;

    let status = ground.releases().status(ground.id()).await?;
    let status = status.ok_or("no status")?;
    same(&status.deployed, &Some(Revision(1)))?;
    same(status.notes.trim(), "It says one.")?;
    same(status.summary.chart_version.as_str(), "0.1.0")?;
    assert_ready(&status)?;
    let listed = ground.releases().list(Some(namespace.clone())).await?;
    same(&listed.len(), &1)?;
    same(ground.story().await?.as_str(), "1 deployed")?;

    // The same chart and values: no new revision, whoever made the first.
    let plan = ground
        .releases()
        .plan(
            ground.intent(json!({"greeting": "one", "second": "yes"})),
            helm_release::Policy::default(),
        )
        .await
        .map_err(|error| words(&error))?;
    let conflicts: Vec<_> = plan.conflicts().collect();
    expect(conflicts.is_empty(), || format!("{conflicts:?}"))?;
    ground
        .apply(json!({"greeting": "one", "second": "yes"}))
        .await?;
    same(ground.story().await?.as_str(), "1 deployed")?;
    ground
        .assert_noop(json!({"greeting": "one", "second": "yes"}))
        .await?;

    // A field that is left out goes, whoever applied it how.
    ground.apply(json!({"greeting": "one"})).await?;
    let config = ground.live("v1", "ConfigMap").await?;
    same(&config.at("/data"), &Some(&json!({"greeting": "one"})))?;
    assert_owned_by_helm(&ground).await?;

    ground
        .apply(json!({"greeting": "two", "extra": true}))
        .await?;
    ground.assert_says("two").await?;
    assert_owned_by_helm(&ground).await?;
    ground
        .assert_noop(json!({"greeting": "two", "extra": true}))
        .await?;

    let back = RollbackOptions {
        to: Some(Revision(1)),
        ..RollbackOptions::default()
    };
    ground
        .releases()
        .rollback(ground.id(), back, Observer::default())
        .await
        .map_err(|error| words(&error))?;
    ground.assert_says("one").await?;
    let history = helm.json(&on("history", "")).await?;
    let statuses: Vec<_> = history
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| one["status"].as_str().unwrap_or_default())
        .collect();
    same(
        &statuses,
        &vec!["superseded", "superseded", "superseded", "deployed"],
    )?;
    same(&history[3]["description"], &json!("Rollback to 1"))?;

    // And back to Helm for one more turn.
    let upgrade = format!("{chart} --set greeting=four --wait --timeout 60s");
    helm.run(&on("upgrade", &upgrade)).await?;
    ground.assert_says("four").await?;

    ground
        .releases()
        .uninstall(
            ground.id(),
            UninstallOptions::default(),
            Observer::default(),
        )
        .await
        .map_err(|error| words(&error))?;
    ground.assert_gone().await?;
    // Helm 4 lists every status by itself.
    let all = if component == Component::Helm3 {
        "--all"
    } else {
        ""
    };
    let list = helm.json(&format!("list {all} -n {namespace}")).await?;
    same(&list, &json!([]))
}

/// After an apply of ours each declared object has one owner of what is declared: `helm`, by
/// server-side apply. Whatever a client-side Helm left has been handed over.
async fn assert_owned_by_helm(ground: &Ground) -> Result<(), Failed> {
    for (api_version, kind) in [
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
        ("v1", "Service"),
        ("v1", "ServiceAccount"),
        ("apps/v1", "Deployment"),
        ("e2e.invalid/v1", "Widget"),
    ] {
        let live = ground.live(api_version, kind).await?;
        let owners: Vec<_> = FieldOwners::of(&live)
            .entries()
            .iter()
            .filter(|owner| owner.subresource.is_empty())
            .map(|owner| (owner.manager.clone(), owner.applied))
            .filter(|(manager, _)| manager != "kube-controller-manager")
            .collect();
        expect(owners == [("helm".to_owned(), true)], || {
            format!("{kind} is owned by {owners:?}")
        })?;
    }
    Ok(())
}

fn helm(ground: &Ground, component: Component) -> Result<(Helm, String), Failed> {
    let folder = ground.plane.folder().join("charts").join(&ground.namespace);
    sample::write_to(&folder)?;
    let helm = Helm::new(component, ground.plane)?;
    Ok((helm, folder.display().to_string()))
}
