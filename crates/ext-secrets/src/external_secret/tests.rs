//! The ExternalSecret over mocks: the Secret is compared with the vault, not believed.

use kube_cluster::MockCluster;

use super::*;
use crate::{AccessModel, MockVaultSecrets, SecretStoreSettings, StoreApi, VaultSecret};

fn vault_with(value: &'static str) -> MockVaultSecrets {
    let mut secrets = MockVaultSecrets::new();
    secrets.expect_get().returning(move |_, _| {
        Ok(Some(VaultSecret {
            value: Secret::new(value),
            version: "1".into(),
            enabled: true,
        }))
    });
    secrets
}

fn cluster_with(data: serde_json::Value) -> MockCluster {
    let mut cluster = MockCluster::new();
    cluster.expect_get().returning(move |target| {
        if target.kind.kind == "Secret" {
            let mut secret = Object::named(&target);
            secret.as_map_mut().insert("data".into(), data.clone());
            return Ok(Some(secret));
        }
        Ok(Some(synced()))
    });
    cluster.expect_watch().returning(|_, _| {
        let there = futures::stream::iter([Ok(kube_cluster::WatchEvent::Applied(synced()))]);
        Ok(Box::pin(futures::StreamExt::chain(
            there,
            futures::stream::pending(),
        )))
    });
    cluster
}

/// The ExternalSecret as the operator leaves it once it is ready.
fn synced() -> Object {
    let mut object =
        ExternalSecretSettings::default().manifest(StoreApi::V1, &SecretStoreSettings::default());
    object.as_map_mut().insert(
        "status".into(),
        json!({"conditions": [{"type": "Ready", "status": "True", "reason": "SecretSynced"}]}),
    );
    object
}

fn step(cluster: MockCluster, secrets: MockVaultSecrets) -> EnsureExternalSecret {
    let step = EnsureExternalSecret {
        cluster: Arc::new(cluster),
        secrets: Arc::new(secrets),
        store: Slot::new(),
        vault: Slot::new(),
        settings: ExternalSecretSettings::default(),
        expected: SecretStoreSettings::default(),
        take_fields: false,
        limit: Duration::from_secs(60),
    };
    step.store.fill(StoreReady {
        fresh: false,
        api: StoreApi::V1,
        settings: SecretStoreSettings::default(),
    });
    step.vault.fill(VaultFacts {
        id: "/subscriptions/s".parse().unwrap(),
        uri: "https://kv.vault.azure.net/".parse().unwrap(),
        tenant_id: "t".into(),
        model: AccessModel::Policies,
        firewalled: false,
    });
    step
}

/// `dg==` is `v`.
fn both(first: &str, second: &str) -> serde_json::Value {
    json!({"azurestorageaccountname": first, "azurestorageaccountkey": second})
}

#[tokio::test]
async fn equal_values_are_an_effect_and_nothing_is_written() {
    let step = step(cluster_with(both("dg==", "dg==")), vault_with("v"));
    let observed = step.observe(&StepContext::default()).await.unwrap();
    let Decision::Done { output, proof } = step.decide(&observed).unwrap() else {
        panic!("everything is in place");
    };
    assert_eq!(output.keys.len(), 2);
    assert_eq!(proof.to_string(), "effect: keys present, hash equal");
}

#[tokio::test(start_paused = true)]
async fn a_ready_condition_over_an_empty_or_stale_key_is_not_believed() {
    for (data, says) in [
        (
            both("dg==", ""),
            "has no value for `azurestorageaccountkey`",
        ),
        (json!({}), "has no value for `azurestorageaccountname`"),
        (
            both("dg==", "eA=="),
            "does not hold what the vault holds for `azurestorageaccountkey`",
        ),
    ] {
        let mut cluster = cluster_with(data);
        cluster
            .expect_patch()
            .times(1)
            .withf(|_, operations, _| operations.to_string().contains("force-sync"))
            .returning(|target, _, _| Ok(Some(Object::named(&target))));
        let step = step(cluster, vault_with("v"));
        let observed = step.observe(&StepContext::default()).await.unwrap();
        let Decision::Act { action, .. } = step.decide(&observed).unwrap() else {
            panic!("it is not in place");
        };
        let error = step
            .perform(action, &StepContext::default())
            .await
            .unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}
