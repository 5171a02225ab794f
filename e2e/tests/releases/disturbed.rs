//! Other clients at work, and a server that goes away.

use std::time::Duration;

use aks_airflow_e2e::Failed;
use aks_airflow_e2e::{Component, Helm, let_waiting_pods_run, sample};
use converge::Written;
use helm_release::{Policy, ReleaseError, ReleaseErrorKind};
use kube_cluster::{Cluster as _, Kind, Query};
use serde_json::json;

use crate::ground::{Ground, expect, same, words};

/// Two clients, one release, at once: they go one after the other, or one is refused by name. Their
/// work never mixes.
pub(crate) async fn two_runs_at_once_do_not_mix(ground: Ground) -> Result<(), Failed> {
    let (one, two) = tokio::join!(
        ground.try_apply(json!({"greeting": "one"}), Policy::default()),
        ground.try_apply(json!({"greeting": "two"}), Policy::default()),
    );
    let (said, story) = match (one, two) {
        (Ok(_), Err(loser)) => (refused("one", &loser)?, "1 deployed"),
        (Err(loser), Ok(_)) => (refused("two", &loser)?, "1 deployed"),
        (Ok(one), Ok(two)) if one.revision < two.revision => ("two", "1 superseded, 2 deployed"),
        (Ok(_), Ok(_)) => ("one", "1 superseded, 2 deployed"),
        (Err(one), Err(two)) => {
            return Err(format!("both lost: {}; {}", words(&one), words(&two)).into());
        }
    };
    same(ground.story().await?.as_str(), story)?;
    ground.assert_says(said).await?;
    ground.assert_noop(json!({"greeting": said})).await
}

/// The loser's error names what is going on.
fn refused(winner: &'static str, loser: &ReleaseError) -> Result<&'static str, Failed> {
    let named = matches!(
        *loser.kind,
        ReleaseErrorKind::Pending { .. }
            | ReleaseErrorKind::AlreadyExists(_)
            | ReleaseErrorKind::Lost(_)
    );
    expect(named, || format!("not by name: {}", words(loser)))?;
    Ok(winner)
}

/// While a run waits for pods, another of ours is refused and told who is at work, even if it would
/// take over from the dead; so is Helm. Then the first ends as if nobody had come.
pub(crate) async fn a_run_beside_a_living_one_is_refused_by_name(
    ground: Ground,
) -> Result<(), Failed> {
    let waits = json!({"greeting": "first", "waits": true});
    let first = ground.try_apply(waits.clone(), Policy::default());
    let others = async {
        until_pending(&ground).await?;
        let policy = Policy {
            take_over: true,
            ..Policy::default()
        };
        let second = ground
            .try_apply(json!({"greeting": "second"}), policy)
            .await;
        let said = second.map(|outcome| outcome.did);
        let Err(error) = said else {
            return Err(format!("not refused: {said:?}").into());
        };
        expect(error.is_pending(), || words(&error))?;
        same(&error.written, &Written::Nothing)?;
        expect(words(&error).contains("which is alive"), || words(&error))?;
        let folder = ground.plane.folder().join("charts/beside");
        sample::write_to(&folder)?;
        let namespace = &ground.namespace;
        let upgrade = format!("upgrade sample {} -n {namespace}", folder.display());
        let said = match Helm::new(Component::Helm4, ground.plane)?
            .run(&upgrade)
            .await
        {
            Ok(said) => return Err(format!("Helm was not refused: {said}").into()),
            Err(error) => error.to_string(),
        };
        expect(said.contains("another operation"), || said.clone())?;
        let_waiting_pods_run(&ground.cluster, namespace).await?;
        Ok::<_, Failed>(())
    };
    let (first, others) = tokio::join!(first, others);
    others?;
    let first = first.map_err(|error| words(&error))?;
    same(first.did.as_str(), "installed, revision 1")?;
    same(ground.story().await?.as_str(), "1 deployed")?;
    ground.assert_says("first").await?;
    ground.assert_noop(waits).await
}

/// Waits until the first revision is pending and its pods are there.
async fn until_pending(ground: &Ground) -> Result<(), Failed> {
    let pods = Query::all(Kind::new("v1", "Pod"), Some(ground.namespace.clone()));
    for _ in 0..600 {
        if ground.cluster.list(pods.clone()).await?.items.len() == 2 {
            return same(ground.story().await?.as_str(), "1 pending-install");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err("no pods after a minute".into())
}

/// The API server is killed and comes back while a release is applied, several times: the run ends
/// well or with an error that says so, and the next run finishes it.
pub(crate) async fn the_api_server_may_go_away_in_the_middle(ground: Ground) -> Result<(), Failed> {
    ground.apply(json!({"greeting": "zero"})).await?;
    for (number, after) in [150_u64, 700, 1500].into_iter().enumerate() {
        let values = json!({"greeting": format!("turn {number}"), "extra": number % 2 == 0});
        let plane = ground.plane;
        let restart = async {
            tokio::time::sleep(Duration::from_millis(after)).await;
            tokio::task::spawn_blocking(|| plane.restart_api_server()).await
        };
        let (outcome, restarted) =
            tokio::join!(ground.try_apply(values.clone(), Policy::default()), restart);
        restarted?.map_err(|error| words(&error))?;
        if let Err(error) = outcome {
            let text = words(&error);
            let expected = text.contains("cannot be reached")
                || text.contains("did not answer")
                || text.contains("too busy")
                || text.contains("answered 5")
                || text.contains("another client has taken over");
            expect(expected, || format!("not named: {text}"))?;
            ground.apply(values.clone()).await?;
        }
        ground.assert_says(&format!("turn {number}")).await?;
        ground.assert_noop(values).await?;
        let story = ground.story().await?;
        same(&story.matches(" deployed").count(), &1)?;
    }
    Ok(())
}
