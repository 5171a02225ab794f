//! Other clients at work on the guide's objects, and a server that goes away.

use std::time::Duration;

use aks_airflow_e2e::Failed;

use crate::ground::{Ground, expect, failures, words};

/// Two runs at once on an empty cluster: whoever loses is told by whom, and the next run has
/// nothing to mend that both together left.
pub(crate) async fn two_runs_at_once_do_not_mix(ground: &Ground) -> Result<(), Failed> {
    ground.reset().await?;
    let (one, two) = tokio::join!(ground.up(), ground.up());
    let mut won = 0;
    for outcome in [one, two] {
        match outcome {
            Ok(up) if up.report.succeeded() => won += 1,
            Ok(up) => is_named(&failures(&up.report))?,
            Err(error) => is_named(&error.to_string())?,
        }
    }
    expect(won > 0, || "both lost".into())?;
    ground.up().await?.succeeded()?;
    noop(ground).await
}

/// A loser's words name the other client.
fn is_named(said: &str) -> Result<(), Failed> {
    let named = [
        "pending",
        "another client",
        "is at work",
        "alive",
        "already",
    ];
    expect(named.iter().any(|word| said.contains(word)), || {
        format!("not by name: {said}")
    })
}

/// The API server is killed and comes back in the middle, with every watch cut: the run ends well,
/// or with an error that says so, and the next one finishes it.
pub(crate) async fn the_api_server_may_go_away(ground: &Ground) -> Result<(), Failed> {
    disturbed(ground, Duration::from_millis(2500), || {
        let restarted = ground.aks.plane.restart_api_server();
        restarted.map_err(|error| words(&error))
    })
    .await
}

async fn disturbed(
    ground: &Ground,
    after: Duration,
    disturb: impl FnOnce() -> Result<(), String> + Send,
) -> Result<(), Failed> {
    ground.reset().await?;
    let disturbance = async {
        tokio::time::sleep(after).await;
        tokio::task::block_in_place(disturb)
    };
    let (outcome, disturbed) = tokio::join!(ground.up(), disturbance);
    disturbed?;
    let said = match outcome {
        Ok(up) if up.report.succeeded() => None,
        Ok(up) => Some(failures(&up.report)),
        Err(error) => Some(error.to_string()),
    };
    if let Some(said) = said {
        let named = [
            "cannot be reached",
            "did not answer",
            "too busy",
            "answered 5",
            "taken over",
            "timed out",
        ];
        expect(named.iter().any(|word| said.contains(word)), || {
            format!("not named: {said}")
        })?;
        ground.up().await?.succeeded()?;
    }
    noop(ground).await
}

async fn noop(ground: &Ground) -> Result<(), Failed> {
    let plan = ground.plan().await?;
    expect(plan.is_noop(), || plan.to_string())
}
