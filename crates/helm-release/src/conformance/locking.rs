//! Behaviours towards other clients, living and dead.

use serde_json::json;

use super::Subject;
use crate::{Policy, Status};

/// Helm's sentence, and nothing was written.
pub async fn a_revision_that_helm_left_pending_is_respected(subject: &Subject) {
    subject.applied(json!({})).await;
    subject.leave_as(Status::PendingUpgrade, false).await;
    let before = subject.versions().await;
    let error = subject.refused(json!({}), Policy::default()).await;
    assert!(error.is_pending(), "{error:?}");
    assert!(
        error
            .kind
            .to_string()
            .starts_with("another operation (install/upgrade/rollback) is in progress"),
        "{error:?}"
    );
    assert_eq!(subject.versions().await, before);
}

/// The pending revision is marked failed.
pub async fn a_revision_that_helm_left_pending_is_taken_over_on_demand(subject: &Subject) {
    subject.applied(json!({})).await;
    subject.applied(json!({"greeting": "new"})).await;
    subject.leave_as(Status::PendingUpgrade, false).await;
    let policy = Policy {
        take_over: true,
        ..Policy::default()
    };
    let outcome = subject.try_apply(json!({}), policy).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(subject.story().await, "1 superseded, 2 failed, 3 deployed");
}

/// The same revision, to its end.
pub async fn an_unfinished_revision_of_the_same_inputs_is_resumed(subject: &Subject) {
    subject.applied(json!({})).await;
    subject.leave_as(Status::PendingInstall, true).await;
    let outcome = subject.applied(json!({})).await;
    assert_eq!(outcome.did, "resumed, revision 1");
    assert_eq!(subject.story().await, "1 deployed");
    assert!(subject.applied(json!({})).await.unchanged);
}

/// Failed, then the next one.
pub async fn an_unfinished_revision_of_other_inputs_is_abandoned(subject: &Subject) {
    subject.applied(json!({})).await;
    subject.leave_as(Status::PendingInstall, true).await;
    let outcome = subject.applied(json!({"greeting": "new"})).await;
    assert_eq!(outcome.did, "installed, revision 2");
    assert_eq!(subject.story().await, "1 failed, 2 deployed");
}
