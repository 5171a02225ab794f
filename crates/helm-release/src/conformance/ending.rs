//! Behaviours of rollback and uninstall.

use converge::Observer;
use serde_json::json;

use super::Subject;
use crate::{ReleaseErrorKind, Releases, Revision, RollbackOptions, UninstallOptions, Uninstalled};

async fn uninstalled(subject: &Subject, options: UninstallOptions) -> Uninstalled {
    let answer = subject
        .releases()
        .uninstall(subject.id(), options, Observer::default())
        .await;
    match answer {
        Ok(answer) => answer,
        Err(error) => panic!("not uninstalled: {error:?}"),
    }
}

/// A new revision with the old content; then the old intent is what is deployed.
pub async fn a_rollback_brings_the_old_content_back(subject: &Subject) {
    subject.applied(json!({"greeting": "old"})).await;
    subject
        .applied(json!({"greeting": "new", "extra": true}))
        .await;
    let outcome = subject
        .releases()
        .rollback(
            subject.id(),
            RollbackOptions::default(),
            Observer::default(),
        )
        .await;
    let Ok(outcome) = outcome else {
        panic!("not rolled back: {outcome:?}");
    };
    assert_eq!(outcome.revision, Revision(3));
    let live = subject.existing(&subject.config("config")).await;
    assert_eq!(live.text("/data/greeting"), Some("old"));
    assert!(subject.live(&subject.config("extra")).await.is_none());
    assert_eq!(
        subject.story().await,
        "1 superseded, 2 superseded, 3 deployed"
    );
    let history = subject.releases().history(subject.id()).await;
    let description = history.map(|history| history[2].description.clone());
    assert_eq!(description.ok().as_deref(), Some("Rollback to 1"));
    assert!(subject.applied(json!({"greeting": "old"})).await.unchanged);
}

/// `release has no 9 version`, `release: not found`.
pub async fn a_rollback_to_nothing_is_refused_in_helms_words(subject: &Subject) {
    let rollback = |to| {
        let options = RollbackOptions {
            to,
            ..RollbackOptions::default()
        };
        let releases = subject.releases();
        async move {
            let answer = releases
                .rollback(subject.id(), options, Observer::default())
                .await;
            answer.err().map(|error| error.kind.to_string())
        }
    };
    assert_eq!(rollback(None).await.as_deref(), Some("release: not found"));
    subject.applied(json!({})).await;
    assert_eq!(
        rollback(Some(Revision(9))).await.as_deref(),
        Some("release has no 9 version")
    );
}

/// Objects, records and the Lease go.
pub async fn uninstalling_leaves_nothing(subject: &Subject) {
    let before = subject.versions().await;
    subject.applied(json!({})).await;
    subject.applied(json!({"greeting": "new"})).await;
    let answer = uninstalled(subject, UninstallOptions::default()).await;
    let Uninstalled::Done { deleted, kept } = answer else {
        panic!("there was something to uninstall");
    };
    assert_eq!(deleted.len(), 2, "{deleted:?}");
    assert!(kept.is_empty(), "{kept:?}");
    assert_eq!(subject.versions().await, before);
}

/// Nothing to uninstall is not an error.
pub async fn uninstalling_nothing_is_an_answer(subject: &Subject) {
    let answer = uninstalled(subject, UninstallOptions::default()).await;
    assert_eq!(answer, Uninstalled::AlreadyAbsent);
}

/// `helm.sh/resource-policy: keep`, on uninstall and on upgrade.
pub async fn what_is_to_be_kept_stays(subject: &Subject) {
    let values = json!({"extra": true, "keep": true});
    subject.applied(values.clone()).await;
    subject.applied(json!({})).await;
    assert!(subject.live(&subject.config("extra")).await.is_some());
    subject.applied(values).await;
    let answer = uninstalled(subject, UninstallOptions::default()).await;
    let Uninstalled::Done { kept, .. } = answer else {
        panic!("there was something to uninstall");
    };
    assert_eq!(kept, [subject.config("extra")]);
    assert!(subject.live(&subject.config("extra")).await.is_some());
}

/// The error names the object.
pub async fn what_is_guarded_stops_before_any_write(subject: &Subject) {
    subject.applied(json!({})).await;
    let before = subject.versions().await;
    let secret = format!("Secret {}/probe-secret", subject.namespace);
    let options = UninstallOptions {
        guard: vec![secret.clone()],
        ..UninstallOptions::default()
    };
    let answer = subject
        .releases()
        .uninstall(subject.id(), options, Observer::default())
        .await;
    let Err(error) = answer else {
        panic!("uninstalled though guarded");
    };
    let ReleaseErrorKind::Guarded(named) = &*error.kind else {
        panic!("another refusal: {error:?}");
    };
    assert_eq!(named, &[secret]);
    assert_eq!(subject.versions().await, before);
}

/// Revisions go on counting.
pub async fn a_kept_history_can_be_installed_upon(subject: &Subject) {
    subject.applied(json!({})).await;
    let options = UninstallOptions {
        keep_history: true,
        ..UninstallOptions::default()
    };
    uninstalled(subject, options).await;
    assert_eq!(subject.story().await, "1 uninstalled");
    assert!(subject.live(&subject.config("config")).await.is_none());
    let outcome = subject.applied(json!({})).await;
    assert_eq!(outcome.did, "installed, revision 2");
}
