//! The simulated Key Vault keeps the contracts of `VaultSecrets` and `VaultAccess` under Microsoft's
//! client, and the whole identity chain holds: federated credential, grant, exchange, read.

use std::sync::Arc;
use std::time::Duration;

use aks_sandbox::world::WorldSpec;
use aks_sandbox::{DEPLOYER, Sandbox};
use azure::{ApiVersion, Azure, Refusal, ResourceId, SandboxCredential};
use converge::{RequestLog, Secret};
use ext_secrets::{
    AccessModel, ArmVaultAccess, GrantScope, KeyVault, KeyVaultOptions, ReadGrant, SecretName,
    VaultAccess, VaultErrorKind, VaultSecrets, conformance,
};
use kube_cluster::{
    Cluster, ConnectOptions, KubeCluster, Object, ObjectRef, TokenQuestion, WriteOptions,
};
use serde_json::json;

fn azure(sandbox: &Sandbox) -> Azure {
    let credential = SandboxCredential::new(sandbox.spec().tenant, DEPLOYER);
    Azure::sandbox_over(sandbox.connector(), credential, RequestLog::new())
}

fn key_vault(azure: &Azure) -> KeyVault {
    let options = KeyVaultOptions {
        client: azure.client_options(),
        ..KeyVaultOptions::default()
    };
    KeyVault::new(azure.credential(), options)
}

fn group(sandbox: &Sandbox) -> ResourceId {
    let spec = sandbox.spec();
    ResourceId::resource_group(&spec.subscription, &spec.resource_group).unwrap()
}

fn vault(sandbox: &Sandbox) -> ResourceId {
    let name = sandbox.spec().vault;
    group(sandbox)
        .provider("Microsoft.KeyVault", "vaults", &name)
        .unwrap()
}

/// The data plane, its address and a free name. The sandbox lives as long as the pipe's router.
fn world() -> (KeyVault, url::Url, SecretName) {
    let sandbox = Sandbox::seeded(7);
    let address = format!("https://{}.vault.azure.net/", sandbox.spec().vault);
    (
        key_vault(&azure(&sandbox)),
        address.parse().unwrap(),
        SecretName::parse("suite-secret").unwrap(),
    )
}

mod secrets {
    use super::*;

    ext_secrets::vault_secrets_conformance!(world());
}

#[tokio::test]
async fn access_is_granted_once_and_only_added_in_both_models() {
    for vault_uses_roles in [false, true] {
        let spec = WorldSpec {
            vault_uses_roles,
            ..WorldSpec::default()
        };
        let principal = spec.principal_id.clone();
        let sandbox = Sandbox::with_spec(7, spec);
        let access = ArmVaultAccess::new(azure(&sandbox).arm());
        let absent = group(&sandbox)
            .provider("Microsoft.KeyVault", "vaults", "no-such-vault")
            .unwrap();
        conformance::an_absent_vault_is_none(&access, absent).await;
        let id = vault(&sandbox);
        conformance::a_grant_is_idempotent(&access, id.clone(), principal.clone()).await;
        conformance::a_grant_keeps_other_holders(&access, id, principal, DEPLOYER.into()).await;
    }
}

/// Everything External Secrets will do, done by us: with the cluster's token for Entra's, with that
/// into the vault.
async fn walk_the_chain(vault_uses_roles: bool) {
    let spec = WorldSpec {
        vault_uses_roles,
        ..WorldSpec::default()
    };
    let sandbox = Sandbox::with_spec(7, spec.clone());
    let azure = azure(&sandbox);
    let secrets = key_vault(&azure);
    let access = ArmVaultAccess::new(azure.arm());
    let facts = access.facts(vault(&sandbox)).await.unwrap().unwrap();
    let expected = if vault_uses_roles {
        AccessModel::Roles
    } else {
        AccessModel::Policies
    };
    assert_eq!(facts.model, expected);
    let name: SecretName = SecretName::parse("AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-NAME").unwrap();
    secrets
        .set(
            facts.uri.clone(),
            name.clone(),
            Secret::new("airflowsasa123"),
        )
        .await
        .unwrap();

    // The cluster's side.
    let cluster = KubeCluster::with_connector(
        sandbox.connector(),
        &sandbox.api_url(),
        ConnectOptions::default(),
    )
    .unwrap();
    for object in [
        ObjectRef::cluster_wide("v1", "Namespace", "airflow"),
        ObjectRef::namespaced("v1", "ServiceAccount", "airflow", "airflow"),
    ] {
        let object = Object::named(&object);
        cluster
            .create(object, WriteOptions::default())
            .await
            .unwrap();
    }
    let question = TokenQuestion {
        namespace: "airflow".into(),
        service_account: "airflow".into(),
        audiences: vec!["api://AzureADTokenExchange".into()],
        lifetime: Duration::from_secs(3600),
    };
    let assertion = cluster.request_token(question).await.unwrap().token;
    let entra = azure.entra();
    let exchange = || {
        entra.exchange(
            spec.tenant.clone(),
            spec.client_id.clone(),
            assertion.clone(),
            azure.cloud().vault_scope.clone(),
        )
    };
    assert_eq!(exchange().await.unwrap_err().refusal, Refusal::NoCredential);

    // Azure's side.
    let credential = group(&sandbox)
        .provider(
            "Microsoft.ManagedIdentity",
            "userAssignedIdentities",
            &spec.identity,
        )
        .and_then(|id| id.child("federatedIdentityCredentials", "external-secret-operator"))
        .unwrap();
    let body = json!({"properties": {
        "issuer": spec.issuer_url(),
        "subject": "system:serviceaccount:airflow:airflow",
        "audiences": ["api://AzureADTokenExchange"],
    }});
    let version = ApiVersion("2024-11-30");
    azure
        .arm()
        .put(credential, version, body, Duration::from_secs(60))
        .await
        .unwrap();
    assert!(exchange().await.unwrap_err().is_propagating());
    tokio::time::sleep(Duration::from_secs(30)).await;
    let token = exchange().await.unwrap().token;

    let read = || secrets.get_as(facts.uri.clone(), name.clone(), token.clone());
    let refused = read().await.unwrap_err();
    assert!(
        matches!(refused.kind, VaultErrorKind::Forbidden(_)),
        "{refused:?}"
    );
    let grant = ReadGrant {
        vault: facts.clone(),
        principal_id: spec.principal_id.clone(),
        scope: GrantScope::Secrets(vec![name.clone()]),
    };
    access.grant(grant).await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let value = read().await.unwrap().unwrap().value;
    assert!(value.same_as(&Secret::new("airflowsasa123")));
}

#[tokio::test(start_paused = true)]
async fn the_identity_chain_holds_with_access_policies() {
    walk_the_chain(false).await;
}

#[tokio::test(start_paused = true)]
async fn the_identity_chain_holds_with_roles() {
    walk_the_chain(true).await;
}

#[tokio::test]
async fn a_cluster_credential_leads_to_the_cluster() {
    let sandbox = Sandbox::seeded(7);
    sandbox.listen().await.unwrap();
    let azure = azure(&sandbox);
    let id = group(&sandbox)
        .provider(
            "Microsoft.ContainerService",
            "managedClusters",
            &sandbox.spec().cluster,
        )
        .unwrap();
    let answer = azure
        .arm()
        .post(
            id,
            "listClusterUserCredential".into(),
            ApiVersion("2026-06-01"),
            None,
            false,
            Duration::from_secs(30),
        )
        .await
        .unwrap();
    let encoded = answer["kubeconfigs"][0]["value"]
        .as_str()
        .unwrap()
        .to_owned();
    let decoded = azure_core::base64::decode(encoded).unwrap();
    let kubeconfig = Secret::new(String::from_utf8(decoded).unwrap());
    let cluster: Arc<dyn Cluster> = Arc::new(
        KubeCluster::from_kubeconfig(&kubeconfig, ConnectOptions::default())
            .await
            .unwrap(),
    );
    let version = cluster.discover().await.unwrap().version;
    assert_eq!(version, sandbox.spec().kubernetes_version);
}
