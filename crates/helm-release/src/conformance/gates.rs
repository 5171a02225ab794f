//! Behaviours of releases that begin before all that they need is there.

use converge::{Observer, Signal};
use serde_json::json;

use super::Subject;
use crate::{Gate, Policy, Releases, Selector, Status};

/// What is kept back comes after the gate, everything else before it, under the pending record.
pub async fn what_a_gate_keeps_comes_once_it_is_open(subject: &Subject) {
    let open = Signal::new();
    let mut intent = subject.intent(json!({"hooks": {"first": 0}}));
    let (kept, opened) = (Selector::kind("Secret"), open.clone());
    intent.gates = vec![Gate::new("a signal", kept, async move {
        opened.wait().await;
        Ok::<(), String>(())
    })];
    let releases = subject.releases();
    let applying = releases.apply(intent, Policy::default(), Observer::default());
    let mut applying = std::pin::pin!(applying);
    let hook = subject.config("first");
    loop {
        tokio::select! {
            applied = &mut applying => panic!("it did not wait: {applied:?}"),
            () = tokio::time::sleep(std::time::Duration::from_millis(50)) => {}
        }
        if subject.live(&hook).await.is_some() {
            break;
        }
    }
    // The hook has run and is noted; the objects of one wave wait together.
    assert_eq!(subject.story().await, "1 pending-install");
    assert!(subject.live(&subject.config("config")).await.is_none());
    open.set();
    let applied = applying.await;
    assert!(applied.is_ok(), "{applied:?}");
    assert_eq!(subject.story().await, "1 deployed");
    assert!(
        subject
            .applied(json!({"hooks": {"first": 0}}))
            .await
            .unchanged
    );
}

/// The revision has failed, which its record tells with the reason; the next one finishes.
pub async fn a_gate_that_will_not_open_fails_the_revision(subject: &Subject) {
    let mut intent = subject.intent(json!({"hooks": {"first": 0}}));
    let never = async { Err::<(), _>("the claim is not bound") };
    intent.gates = vec![Gate::new(
        "the claim",
        Selector::name("probe-config"),
        never,
    )];
    let ready = intent.ready.clone();
    let releases = subject.releases();
    let applied = releases.apply(intent, Policy::default(), Observer::default());
    let Err(error) = applied.await else {
        panic!("applied though it is kept back");
    };
    assert!(
        error.kind.to_string().contains("the claim is not bound"),
        "{error:?}"
    );
    assert!(!ready.is_set());
    assert!(subject.live(&subject.config("first")).await.is_some());
    assert!(subject.live(&subject.config("config")).await.is_none());
    let Ok(Some(record)) = releases.record(subject.id(), None).await else {
        panic!("no record");
    };
    assert_eq!(record.info.status, Status::Failed);
    let why = &record.info.description;
    assert!(why.contains("the claim is not bound"), "{why}");
    let again = subject.applied(json!({"hooks": {"first": 0}})).await;
    assert_eq!(again.did, "installed, revision 2");
    assert_eq!(subject.story().await, "1 failed, 2 deployed");
}
