//! The claim over a mocked cluster.

use kube_cluster::{Applied, ClusterError, ClusterErrorKind, FieldConflict, MockCluster};
use serde_json::json;

use super::*;

fn step(cluster: MockCluster) -> EnsureClaim {
    EnsureClaim {
        cluster: Arc::new(cluster),
        volume: Slot::known("pv-airflow-logs".into()),
        settings: VolumeSettings::default(),
        take_fields: false,
        predict_creates: false,
        limit: Duration::from_secs(30),
    }
}

fn live(phase: &str) -> Object {
    let mut claim = VolumeSettings::default().claim();
    claim
        .as_map_mut()
        .insert("status".into(), json!({"phase": phase}));
    claim
}

fn having(live: Option<Object>) -> MockCluster {
    let mut cluster = MockCluster::new();
    cluster.expect_get().returning(move |_| Ok(live.clone()));
    cluster
}

async fn decide(cluster: MockCluster) -> Result<Decision<ClaimAction, BoundClaim>, StepError> {
    let step = step(cluster);
    let observed = step.observe(&StepContext::default()).await?;
    step.decide(&observed)
}

#[tokio::test]
async fn a_bound_claim_needs_nothing_and_says_that_no_mount_was_checked() {
    let decision = decide(having(Some(live("Bound")))).await.unwrap();
    let Decision::Done { output, proof } = decision else {
        panic!("{decision:?}");
    };
    assert_eq!(output.volume, "pv-airflow-logs");
    assert_eq!(proof.to_string(), "observed: Bound; mount not checked");
}

#[tokio::test]
async fn a_pending_claim_is_only_waited_for() {
    let decision = decide(having(Some(live("Pending")))).await.unwrap();
    let Decision::Act { action, changes } = decision else {
        panic!("{decision:?}");
    };
    assert!(action.wanted.is_none());
    assert_eq!(changes[0].kind, ChangeKind::Run);
}

#[tokio::test]
async fn a_claim_in_a_namespace_to_come_is_predicted() {
    let mut cluster = having(None);
    cluster.expect_apply().returning(|object, _| {
        let kind = ClusterErrorKind::NamespaceMissing("airflow".into());
        Err(ClusterError::about("apply", &object.reference(), kind))
    });
    let Ok(Decision::Act { changes, .. }) = decide(cluster).await else {
        panic!("not decided");
    };
    assert_eq!(
        (changes[0].kind, changes[0].verification),
        (ChangeKind::Create, Verification::Predicted)
    );
}

#[tokio::test]
async fn a_claim_on_another_volume_cannot_be_moved() {
    let mut other = live("Bound");
    other.as_map_mut()["spec"]["volumeName"] = "pv-other".into();
    let error = decide(having(Some(other))).await.unwrap_err();
    assert!(error.to_string().contains("cannot be changed"), "{error}");
}

#[tokio::test]
async fn a_size_somebody_else_set_is_a_conflict_with_its_owner() {
    let mut bigger = live("Bound");
    bigger.as_map_mut()["spec"]["resources"]["requests"]["storage"] = "9Gi".into();
    let mut cluster = having(Some(bigger));
    cluster.expect_apply().returning(|_, _| {
        Ok(Applied::Conflicts(vec![FieldConflict {
            field: ".spec.resources.requests.storage".into(),
            manager: "kubectl-edit".into(),
            message: String::new(),
        }]))
    });
    let Ok(Decision::Act { changes, .. }) = decide(cluster).await else {
        panic!("not decided");
    };
    assert_eq!(changes[0].kind, ChangeKind::Conflict);
    assert_eq!(
        changes[0].fields[0].manager.as_deref(),
        Some("kubectl-edit")
    );
}
