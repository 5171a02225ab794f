//! Behaviours of hooks and schedules.

use converge::Observer;
use serde_json::json;

use super::Subject;
use crate::{Phase, Policy, Releases, Schedule, Selector};

/// Lighter first; each with times and phase.
pub async fn hooks_run_by_weight_and_their_runs_are_recorded(subject: &Subject) {
    subject
        .applied(json!({"hooks": {"late": 5, "early": -5, "middle": 0}}))
        .await;
    let record = subject.releases().record(subject.id(), None).await;
    let Ok(Some(record)) = record else {
        panic!("no record: {record:?}");
    };
    let mut runs: Vec<(&str, &str)> = record
        .hooks
        .iter()
        .map(|hook| {
            assert_eq!(hook.last_run.phase, "Succeeded", "{}", hook.name);
            assert_eq!(hook.delete_policies, ["before-hook-creation"]);
            let started = hook.last_run.started_at.as_deref();
            (started.unwrap_or_default(), hook.name.as_str())
        })
        .collect();
    runs.sort_unstable();
    let order: Vec<&str> = runs.into_iter().map(|(_, name)| name).collect();
    assert_eq!(order, ["probe-early", "probe-middle", "probe-late"]);
    assert!(
        !record.manifest.contains("probe-early"),
        "hooks are not in the manifest"
    );
}

/// `hook-succeeded` deletes after success.
pub async fn a_hook_that_is_to_go_is_gone(subject: &Subject) {
    let values = json!({"hooks": {"once": 0}, "hookPolicy": "hook-succeeded"});
    subject.applied(values).await;
    assert!(subject.live(&subject.config("once")).await.is_none());
}

/// `before-hook-creation`, the default.
pub async fn a_hook_is_made_anew_each_time(subject: &Subject) {
    subject.applied(json!({"hooks": {"again": 0}})).await;
    let hook = subject.config("again");
    let before = subject.existing(&hook).await;
    subject
        .applied(json!({"hooks": {"again": 0}, "greeting": "new"}))
        .await;
    let after = subject.existing(&hook).await;
    assert_ne!(before.uid(), after.uid());
}

/// The record tells nothing of it: events and text are the chart's.
pub async fn a_schedule_moves_a_hook_behind_objects(subject: &Subject) {
    let mut intent = subject.intent(json!({"hooks": {"moved": 0}}));
    intent.schedule = Schedule::phases([
        Phase::objects("first", Selector::kind("Secret")),
        Phase::hooks("second", Selector::name("probe-moved")),
        Phase::objects("third", Selector::Any),
    ]);
    let releases = subject.releases();
    let applied = releases
        .apply(intent, Policy::default(), Observer::default())
        .await;
    assert!(applied.is_ok(), "{applied:?}");
    let Ok(Some(record)) = releases.record(subject.id(), None).await else {
        panic!("no record");
    };
    let hook = &record.hooks[0];
    assert_eq!(hook.events, ["pre-install", "pre-upgrade", "pre-delete"]);
    assert_eq!(hook.last_run.phase, "Succeeded");
}
