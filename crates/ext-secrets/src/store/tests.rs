//! The SecretStore over a mocked cluster: what is applied, what is waited for, what is said.

use kube_cluster::{MockCluster, ObjectList};

use super::*;
use crate::AccessModel;

fn step(cluster: MockCluster) -> EnsureStore {
    let step = EnsureStore {
        cluster: Arc::new(cluster),
        operator: Slot::new(),
        vault: Slot::new(),
        exchange: Slot::new(),
        settings: SecretStoreSettings::default(),
        take_fields: false,
        limit: Duration::from_secs(120),
    };
    step.vault.fill(VaultFacts {
        id: "/subscriptions/s".parse().unwrap(),
        uri: "https://kv.vault.azure.net/".parse().unwrap(),
        tenant_id: "t".into(),
        model: AccessModel::Policies,
        firewalled: false,
    });
    step
}

fn known(cluster: MockCluster) -> EnsureStore {
    let step = step(cluster);
    step.operator.fill(OperatorFacts {
        fresh: false,
        api: StoreApi::V1,
        revision: None,
        notes: String::new(),
    });
    step.exchange.fill(());
    step
}

fn store(status: &str, reason: &str) -> Object {
    let vault = "https://kv.vault.azure.net/".parse().unwrap();
    let mut object = SecretStoreSettings::default().manifest(StoreApi::V1, &vault);
    object.as_map_mut().insert(
        "status".into(),
        serde_json::json!({"conditions": [{"type": "Ready", "status": status, "reason": reason}]}),
    );
    object
}

fn event(message: &str) -> Object {
    Object::from_value(serde_json::json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "type": "Warning",
        "involvedObject": {"kind": "SecretStore", "name": "azure-store"},
        "message": message, "lastTimestamp": "2026-01-01T00:00:00Z",
    }))
    .unwrap()
}

#[tokio::test]
async fn before_the_operator_is_known_the_store_is_predicted() {
    let mut cluster = MockCluster::new();
    cluster
        .expect_discover()
        .returning(|| Ok(kube_cluster::Discovery::default()));
    let step = step(cluster);
    let observed = step.observe(&StepContext::default()).await.unwrap();
    let Decision::Later { changes } = step.decide(&observed).unwrap() else {
        panic!("nothing is known yet");
    };
    assert_eq!(changes[0].target, "SecretStore airflow/azure-store");
    assert_eq!(changes[0].kind, ChangeKind::Create);
}

/// A server that serves `v1` of both kinds.
fn discovery() -> kube_cluster::Discovery {
    let resource = |kind| kube_cluster::Resource {
        kind,
        plural: String::new(),
        namespaced: true,
        verbs: Vec::new(),
    };
    kube_cluster::Discovery {
        resources: vec![
            resource(StoreApi::V1.secret_store()),
            resource(StoreApi::V1.external_secret()),
        ],
        ..kube_cluster::Discovery::default()
    }
}

#[tokio::test]
async fn a_store_that_is_there_is_compared_while_its_operator_is_to_change() {
    let mut cluster = MockCluster::new();
    cluster.expect_discover().returning(|| Ok(discovery()));
    cluster
        .expect_list()
        .returning(|_| Ok(ObjectList::default()));
    cluster.expect_get().returning(|_| {
        let mut live = store("True", "Valid");
        live.as_map_mut()["spec"]["provider"]["azurekv"]["serviceAccountRef"]["name"] = "x".into();
        Ok(Some(live))
    });
    let step = step(cluster);
    let observed = step.observe(&StepContext::default()).await.unwrap();
    let Decision::Later { changes } = step.decide(&observed).unwrap() else {
        panic!("its operator is not known");
    };
    assert_eq!(changes[0].kind, ChangeKind::Update);
    assert_eq!(
        changes[0].fields[0].path,
        "spec.provider.azurekv.serviceAccountRef.name"
    );
}

#[tokio::test]
async fn a_valid_store_as_declared_is_done_without_a_write() {
    let mut cluster = MockCluster::new();
    cluster
        .expect_get()
        .returning(|_| Ok(Some(store("True", "Valid"))));
    let step = known(cluster);
    let observed = step.observe(&StepContext::default()).await.unwrap();
    assert!(matches!(
        step.decide(&observed).unwrap(),
        Decision::Done { .. }
    ));
}

#[tokio::test]
async fn another_managers_field_stops_before_the_write() {
    let mut cluster = MockCluster::new();
    cluster.expect_get().returning(|_| Ok(None));
    cluster.expect_apply().times(1).returning(|_, options| {
        assert!(!options.force);
        Ok(Applied::Conflicts(vec![FieldConflict {
            field: ".spec.provider".into(),
            manager: "kubectl-edit".into(),
            message: String::new(),
        }]))
    });
    let step = known(cluster);
    let observed = step.observe(&StepContext::default()).await.unwrap();
    let Decision::Act { action, .. } = step.decide(&observed).unwrap() else {
        panic!("it is not there");
    };
    let error = step
        .perform(action, &StepContext::default())
        .await
        .unwrap_err();
    assert_eq!(error.written, converge::Written::Nothing);
    assert!(error.to_string().contains(".spec.provider by kubectl-edit"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_invalid_is_reported_with_entras_reason() {
    let mut cluster = MockCluster::new();
    cluster
        .expect_get()
        .returning(|_| Ok(Some(store("False", "InvalidProviderConfig"))));
    cluster
        .expect_apply()
        .returning(|object, _| Ok(Applied::Done(object)));
    cluster.expect_list().returning(|_| {
        Ok(ObjectList {
            items: vec![event("AADSTS700213: No matching federated identity record")],
            resource_version: "1".into(),
        })
    });
    cluster
        .expect_watch()
        .returning(|_, _| Ok(Box::pin(futures::stream::pending())));
    let step = known(cluster);
    let observed = step.observe(&StepContext::default()).await.unwrap();
    let Decision::Act { action, .. } = step.decide(&observed).unwrap() else {
        panic!("it is not valid");
    };
    let error = step
        .perform(action, &StepContext::default())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("no federated credential names this ServiceAccount"),
        "{text}"
    );
    assert!(text.contains("after 120 s"), "{text}");
}
