//! Clients that are really killed: a process of its own, SIGKILL, and the next run finishes.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use aks_airflow_e2e::Failed;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use helm_release::{Policy, Releases as _};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::ground::{Ground, assert_ready, expect, same, words};

const DRIVER: &str = env!("CARGO_BIN_EXE_apply-release");
/// How many clients die at once; most of their successors' time is waiting for the dead's Lease.
const AT_ONCE: usize = 10;

/// Where a client dies.
#[derive(Debug, Clone, Copy)]
struct Point {
    is_upgrade: bool,
    at: usize,
    after_effect: bool,
}

/// Spread over the requests of an install and an upgrade, before and after the request's effect.
pub(crate) async fn a_client_killed_at_any_request_is_finished_by_the_next(
    ground: Ground,
) -> Result<(), Failed> {
    let install = requests_of(&ground.sibling().await?, false).await?;
    let upgrade = requests_of(&ground.sibling().await?, true).await?;
    let mut points = Vec::new();
    for (is_upgrade, requests) in [(false, install), (true, upgrade)] {
        // Twelve places each, the last requests among them, so that every stretch is hit.
        let places: BTreeSet<usize> = (0..12).map(|part| part * (requests - 1) / 11).collect();
        for at in places {
            for after_effect in [false, true] {
                points.push(Point {
                    is_upgrade,
                    at,
                    after_effect,
                });
            }
        }
    }
    expect(points.len() >= 40, || format!("{} points", points.len()))?;
    all(&ground, points, |ground, point| async move {
        let arguments = [
            point.at.to_string(),
            if point.after_effect {
                "after"
            } else {
                "before"
            }
            .to_owned(),
        ];
        let values = wanted(&ground, point.is_upgrade).await?;
        let mut client = start(&ground, &values, &arguments)?;
        let line = first_line(&mut client).await?;
        // Watches and retries make the count vary a little: a client that ended in time is fine.
        let ended = line.starts_with("done");
        client.kill().await?;
        let context = |error: Failed| Failed::from(format!("{point:?}: {error:?}"));
        finish(&ground, values, ended, point.is_upgrade)
            .await
            .map_err(context)
    })
    .await
}

/// At moments instead of requests: whatever is in flight then.
pub(crate) async fn a_client_killed_at_any_moment_is_finished_by_the_next(
    ground: Ground,
) -> Result<(), Failed> {
    let moments: Vec<u64> = (1..=14).map(|step| step * 130).collect();
    all(&ground, moments, |ground, moment| async move {
        let values = wanted(&ground, moment % 3 == 0).await?;
        let mut client = start(&ground, &values, &[])?;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        client.kill().await?;
        finish(&ground, values, false, moment % 3 == 0)
            .await
            .map_err(|error| format!("{moment} ms: {error:?}").into())
    })
    .await
}

/// Each in a namespace of its own, some at once.
async fn all<P, F>(
    ground: &Ground,
    points: Vec<P>,
    one: impl Fn(Ground, P) -> F,
) -> Result<(), Failed>
where
    F: Future<Output = Result<(), Failed>>,
{
    stream::iter(points)
        .map(|point| async { one(ground.sibling().await?, point).await })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// The values the dying client applies; for an upgrade after an install with others.
async fn wanted(ground: &Ground, is_upgrade: bool) -> Result<Value, Failed> {
    if is_upgrade {
        ground
            .apply(json!({"greeting": "old", "extra": true}))
            .await?;
    }
    Ok(json!({"greeting": "wanted"}))
}

/// Starts the client that will die.
fn start(ground: &Ground, values: &Value, death: &[String]) -> Result<Child, Failed> {
    let child = Command::new(DRIVER)
        .arg(ground.plane.admin_kubeconfig_path())
        .arg(&ground.namespace)
        .arg(values.to_string())
        .args(death)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}

async fn first_line(client: &mut Child) -> Result<String, Failed> {
    let output = client.stdout.take().ok_or("no output")?;
    let mut lines = BufReader::new(output).lines();
    lines
        .next_line()
        .await?
        .ok_or_else(|| "the client ended without a word".into())
}

/// How many requests the whole operation makes.
async fn requests_of(ground: &Ground, is_upgrade: bool) -> Result<usize, Failed> {
    let values = wanted(ground, is_upgrade).await?;
    let mut client = start(ground, &values, &[])?;
    let line = first_line(&mut client).await?;
    let number = line
        .strip_prefix("done ")
        .and_then(|text| text.parse().ok());
    number.ok_or_else(|| line.into())
}

/// Applies what the dead client applied: the same end as if nobody had died.
async fn finish(
    ground: &Ground,
    values: Value,
    ended: bool,
    is_upgrade: bool,
) -> Result<(), Failed> {
    let outcome = ground
        .try_apply(values.clone(), Policy::default())
        .await
        .map_err(|error| words(&error))?;
    if ended {
        expect(outcome.unchanged, || outcome.did.clone())?;
    }
    ground.assert_says("wanted").await?;
    // The dead client's revision was finished, not left behind.
    let story = ground.story().await?;
    let want = if is_upgrade {
        "1 superseded, 2 deployed"
    } else {
        "1 deployed"
    };
    same(story.as_str(), want)?;
    ground.assert_noop(values).await?;
    let status = ground.releases().status(ground.id()).await?;
    let status = status.ok_or("no status")?;
    assert_ready(&status)?;
    let left = ground.versions().await?;
    let left: Vec<_> = left
        .iter()
        .filter(|one| one.contains("sample-extra") || one.contains("sample-prepare"))
        .collect();
    expect(left.is_empty(), || format!("left: {left:?}"))
}
