//! Other clients at work, and a server that goes away.

use std::time::Duration;

use helm_release::{Policy, ReleaseErrorKind};
use libtest_mimic::Failed;
use serde_json::json;

use crate::ground::{Ground, expect, same, words};

/// Two clients, one release, at once: one installs, the other is refused by name.
pub(crate) async fn two_runs_at_once_have_one_winner(ground: Ground) -> Result<(), Failed> {
    let (one, two) = tokio::join!(
        ground.try_apply(json!({"greeting": "one"}), Policy::default()),
        ground.try_apply(json!({"greeting": "two"}), Policy::default()),
    );
    let (winner, loser, said) = match (one, two) {
        (Ok(winner), Err(loser)) => (winner, loser, "one"),
        (Err(loser), Ok(winner)) => (winner, loser, "two"),
        (Ok(one), Ok(two)) => {
            return Err(format!("both won: {}, {}", one.did, two.did).into());
        }
        (Err(one), Err(two)) => {
            return Err(format!("both lost: {}; {}", words(&one), words(&two)).into());
        }
    };
    same(winner.did.as_str(), "installed, revision 1")?;
    let named = matches!(
        *loser.kind,
        ReleaseErrorKind::Pending { .. }
            | ReleaseErrorKind::AlreadyExists(_)
            | ReleaseErrorKind::Lost(_)
    );
    expect(named, || format!("not by name: {}", words(&loser)))?;
    same(ground.story().await?.as_str(), "1 deployed")?;
    ground.assert_says(said).await?;
    ground.assert_noop(json!({"greeting": said})).await
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
