//! The volume over a mocked cluster: create, adopt, release, refuse.

use azure::ResourceId;
use converge::Secret;
use kube_cluster::{Applied, MockCluster, ObjectList};
use serde_json::Value;

use super::*;
use crate::{AccountFacts, AccountKey};

fn account() -> AccountAccess {
    let id: ResourceId =
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/logs"
            .parse()
            .unwrap();
    AccountAccess {
        facts: AccountFacts {
            id,
            name: "logs".into(),
            blob_endpoint: "https://logs.blob.core.windows.net/".parse().unwrap(),
            sku: "Standard_ZRS".into(),
            shared_key_allowed: true,
            firewalled: false,
        },
        key: Some(AccountKey {
            name: "key1".into(),
            value: Secret::new("k"),
        }),
    }
}

fn step(cluster: MockCluster) -> EnsureVolume {
    EnsureVolume {
        cluster: Arc::new(cluster),
        account: Slot::known(account()),
        container: ContainerName::default(),
        cluster_id: "aks".into(),
        settings: VolumeSettings::default(),
        take_fields: false,
        predict_creates: false,
    }
}

/// The volume as it would be live, with a claim and a phase.
fn live(handle: &str, claim: Value, phase: &str) -> Object {
    let step = step(MockCluster::new());
    let mut volume = step.settings.volume(&step.source(&account()), handle);
    if !claim.is_null() {
        volume.as_map_mut()["spec"]["claimRef"] = claim;
    }
    volume
        .as_map_mut()
        .insert("status".into(), json!({"phase": phase}));
    volume
}

/// A cluster that has these volumes and takes every dry-run.
fn having(volumes: Vec<Object>) -> MockCluster {
    let mut cluster = MockCluster::new();
    let items = volumes.clone();
    cluster.expect_list().returning(move |_| {
        Ok(ObjectList {
            items: items.clone(),
            resource_version: "1".into(),
        })
    });
    let mut claim = VolumeSettings::default().claim();
    claim.metadata().insert("uid".into(), "u".into());
    cluster.expect_get().returning(move |target| {
        let mut known = volumes.iter().chain([&claim]);
        Ok(known.find(|object| object.reference() == target).cloned())
    });
    cluster
        .expect_apply()
        .withf(|_, options| options.dry_run)
        .returning(|object, _| Ok(Applied::Done(object)));
    cluster
}

async fn decide(cluster: MockCluster) -> Result<Decision<VolumeAction, String>, StepError> {
    let step = step(cluster);
    let observed = step.observe(&StepContext::default()).await?;
    step.decide(&observed)
}

fn kinds(decision: &Decision<VolumeAction, String>) -> Vec<ChangeKind> {
    match decision {
        Decision::Act { changes, .. } => changes.iter().map(|change| change.kind).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn an_absent_volume_is_created_after_a_dry_run() {
    let decision = decide(having(Vec::new())).await.unwrap();
    assert_eq!(kinds(&decision), [ChangeKind::Create]);
}

#[tokio::test]
async fn the_guides_volume_is_left_as_it_is() {
    let ours = json!({"namespace": "airflow", "name": "pvc-airflow-logs", "uid": "u"});
    let guide = live("airflow-logs-1", ours, "Bound");
    let decision = decide(having(vec![guide])).await.unwrap();
    assert!(matches!(decision, Decision::Done { .. }), "{decision:?}");
}

#[tokio::test]
async fn a_volume_released_by_a_claim_of_ours_is_taken_into_use_again() {
    let ours = json!({"namespace": "airflow", "name": "pvc-airflow-logs", "uid": "old"});
    let mut cluster = having(vec![live("airflow-logs-1", ours, "Released")]);
    cluster
        .expect_patch()
        .withf(|_, operations, _| {
            operations[0]["op"] == "test"
                && operations[0]["value"] == "old"
                && operations[1] == json!({"op": "remove", "path": "/spec/claimRef"})
        })
        .times(1)
        .returning(|_, _, _| Ok(None));
    let step = step(cluster);
    let context = StepContext::default();
    let observed = step.observe(&context).await.unwrap();
    let decision = step.decide(&observed).unwrap();
    assert_eq!(kinds(&decision), [ChangeKind::Run]);
    let Decision::Act { action, .. } = decision else {
        panic!("nothing to do");
    };
    let outcome = step.perform(action, &context).await.unwrap();
    assert_eq!(outcome.did, "taken into use again");
}

#[tokio::test]
async fn another_claims_volume_and_another_volumes_handle_are_refused() {
    let theirs = json!({"namespace": "team-b", "name": "logs", "uid": "u"});
    let error = decide(having(vec![live("h", theirs, "Released")]))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("belongs to claim team-b/logs"),
        "{error}"
    );

    let handle = step(MockCluster::new());
    let handle = handle.settings.handle(&handle.source(&account()));
    let mut twin = live(&handle, Value::Null, "Available");
    twin.metadata()
        .insert("name".into(), "pv-of-another".into());
    let error = decide(having(vec![twin])).await.unwrap_err();
    assert!(
        error.to_string().contains("pv-of-another already has"),
        "{error}"
    );
}

#[tokio::test]
async fn what_kubernetes_never_changes_is_said_with_both_values() {
    let mut other = live("h", Value::Null, "Available");
    other.as_map_mut()["spec"]["csi"]["volumeAttributes"]["containerName"] = "elsewhere".into();
    let error = decide(having(vec![other])).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("\"elsewhere\", wanted \"airflow-logs\""),
        "{text}"
    );
}

#[tokio::test]
async fn without_the_account_the_row_is_predicted() {
    let step = EnsureVolume {
        account: Slot::new(),
        ..step(MockCluster::new())
    };
    let observed = step.observe(&StepContext::default()).await.unwrap();
    let Ok(Decision::Later { changes }) = step.decide(&observed) else {
        panic!("decided without an account");
    };
    assert_eq!(changes[0].verification, Verification::Predicted);
}
