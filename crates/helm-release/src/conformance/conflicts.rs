//! Behaviours where others have a say.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use converge::{Observer, Written};
use kube_cluster::{Created, Object, WriteOptions};
use serde_json::json;

use super::Subject;
use crate::{Policy, ReleaseErrorKind, Releases};

/// The plan names field and manager; applying refuses.
pub async fn a_field_changed_by_another_stops_before_any_write(subject: &Subject) {
    subject.applied(json!({})).await;
    let config = subject.config("config");
    subject
        .meddle(&config, "greeting", "theirs", "somebody")
        .await;
    let before = subject.versions().await;
    let plan = subject
        .releases()
        .plan(subject.intent(json!({})), Policy::default())
        .await
        .expect("a conflict is a row of a plan");
    let Some(row) = plan.conflicts().next() else {
        panic!("no conflict: {:?}", plan.changes);
    };
    assert_eq!(row.target, config.to_string());
    assert_eq!(row.fields[0].path, "data.greeting");
    assert_eq!(row.fields[0].manager.as_deref(), Some("somebody"));
    let error = subject.refused(json!({}), Policy::default()).await;
    assert!(error.is_conflict(), "{error:?}");
    assert_eq!(error.written, Written::Nothing);
    assert_eq!(subject.versions().await, before);
}

/// Only the field that is named.
pub async fn a_named_field_is_taken_back(subject: &Subject) {
    subject.applied(json!({})).await;
    let config = subject.config("config");
    subject
        .meddle(&config, "greeting", "theirs", "somebody")
        .await;
    let other = Policy {
        take_fields: vec!["data.other".into()],
        ..Policy::default()
    };
    assert!(subject.refused(json!({}), other).await.is_conflict());
    let policy = Policy {
        take_fields: vec![format!("{config} data.greeting")],
        ..Policy::default()
    };
    let outcome = subject.try_apply(json!({}), policy).await;
    assert_eq!(
        outcome.map(|outcome| outcome.did).ok().as_deref(),
        Some("repaired, revision 1")
    );
    let live = subject.existing(&config).await;
    assert_eq!(live.text("/data/greeting"), Some("hello"));
}

/// What others add stays, and is no difference.
pub async fn fields_of_others_stay(subject: &Subject) {
    subject.applied(json!({})).await;
    let config = subject.config("config");
    subject.meddle(&config, "theirs", "x", "somebody").await;
    assert!(subject.applied(json!({})).await.unchanged);
    subject.applied(json!({"greeting": "new"})).await;
    let live = subject.existing(&config).await;
    assert_eq!(live.text("/data/theirs"), Some("x"));
}

async fn strange_config(subject: &Subject) {
    let object = Object::named(&subject.config("config"));
    let created = subject
        .cluster
        .create(object, WriteOptions::default())
        .await;
    assert!(matches!(created, Ok(Created::New(_))));
}

/// Helm's sentence, and nothing was written.
pub async fn an_object_of_nobody_is_refused_in_helms_words(subject: &Subject) {
    strange_config(subject).await;
    let before = subject.versions().await;
    let error = subject.refused(json!({}), Policy::default()).await;
    let ReleaseErrorKind::Ownership(sentences) = &*error.kind else {
        panic!("another refusal: {error:?}");
    };
    let expected = format!(
        "unable to continue with install: ConfigMap \"probe-config\" in namespace \"{}\" exists and cannot be imported into the current release: invalid ownership metadata; label validation error: missing key \"app.kubernetes.io/managed-by\": must be set to \"Helm\"",
        subject.namespace
    );
    assert!(sentences[0].starts_with(&expected), "{sentences:?}");
    assert_eq!(subject.versions().await, before);
}

/// What a plan has not seen is judged when it is met: an object of nobody stays as it is, also where
/// no field clashes; a hook's is deleted before its creation, as Helm does.
pub async fn an_object_of_nobody_that_came_after_the_plan_is_not_merged_into(subject: &Subject) {
    let mut intent = subject.intent(json!({"hooks": {"again": 0}}));
    let policy = Policy::default();
    let releases = subject.releases();
    match releases.plan(intent.clone(), policy.clone()).await {
        Ok(plan) => intent.planned = plan.planned,
        Err(error) => panic!("no plan: {error:?}"),
    }
    strange_config(subject).await;
    let config = subject.config("config");
    let before = subject.existing(&config).await;
    let hook = subject.config("again");
    let stranger = subject
        .cluster
        .create(Object::named(&hook), WriteOptions::default())
        .await;
    let Ok(Created::New(stranger)) = stranger else {
        panic!("no hook of a stranger: {stranger:?}");
    };
    let outcome = releases
        .apply(intent.clone(), policy, Observer::default())
        .await;
    let error = outcome.expect_err("merged into what is not the release's");
    let ReleaseErrorKind::Ownership(sentences) = &*error.kind else {
        panic!("another refusal: {error:?}");
    };
    assert!(
        sentences[0].contains("ConfigMap \"probe-config\"")
            && sentences[0].contains("exists and cannot be imported"),
        "{sentences:?}"
    );
    assert_ne!(error.written, Written::Nothing);
    let after = subject.existing(&config).await;
    assert_eq!(after.resource_version(), before.resource_version());
    assert_ne!(subject.existing(&hook).await.uid(), stranger.uid());
    assert_eq!(subject.story().await, "1 failed");
    // Adopted on demand, as if it had been seen.
    let policy = Policy {
        take_ownership: true,
        ..Policy::default()
    };
    let outcome = releases.apply(intent, policy, Observer::default()).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    let live = subject.existing(&config).await;
    assert_eq!(live.uid(), before.uid());
    assert_eq!(live.annotation("meta.helm.sh/release-name"), Some("probe"));
}

/// As Helm's `--take-ownership`.
pub async fn an_object_of_nobody_is_adopted_on_demand(subject: &Subject) {
    strange_config(subject).await;
    let policy = Policy {
        take_ownership: true,
        ..Policy::default()
    };
    let outcome = subject.try_apply(json!({}), policy).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    let live = subject.existing(&subject.config("config")).await;
    assert_eq!(live.annotation("meta.helm.sh/release-name"), Some("probe"));
}

/// One MiB is the limit of a Secret.
pub async fn a_record_that_is_too_large_is_refused_before_any_write(subject: &Subject) {
    // Digits of a chaotic sequence: they do not compress.
    let mut noise = Vec::with_capacity(900_000);
    let mut state = 1_u64;
    while noise.len() < 900_000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        noise.push((state >> 33) as u8);
    }
    let values = json!({"ballast": STANDARD.encode(noise)});
    let error = subject.refused(values, Policy::default()).await;
    assert!(
        matches!(*error.kind, ReleaseErrorKind::TooLarge { .. }),
        "{error:?}"
    );
    assert_eq!(error.written, Written::Nothing);
    assert_eq!(subject.story().await, "");
}
