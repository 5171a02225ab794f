//! The guide's middle part at wire level: the External Secrets chain through Entra and the vault,
//! with the reasons it gives while something is missing.

use aks_sandbox::{DEPLOYER, Sandbox};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::Duration;

struct Wire(Sandbox);

impl Wire {
    async fn ask(
        &self,
        method: &str,
        url: &str,
        audience: Option<&str>,
        body: &Value,
    ) -> (u16, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header("content-type", "application/json");
        if method == "PATCH" {
            request = request.header("content-type", "application/apply-patch+yaml");
        }
        if let Some(audience) = audience {
            request = request.header("authorization", format!("Bearer {}", self.token(audience)));
        }
        let host = url.split('/').nth(2).unwrap().to_owned();
        let request = request
            .header("host", host)
            .body(Bytes::from(body.to_string()))
            .unwrap();
        let response = self.0.router().call(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }

    /// The sandbox owner's own, unsigned token.
    fn token(&self, audience: &str) -> String {
        let tenant = self.0.spec().tenant;
        let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let claims = json!({"iss": format!("https://sts.aks-sandbox.invalid/{tenant}/"), "aud": audience, "oid": DEPLOYER, "aks-sandbox": true});
        format!(
            "{}.{}.",
            part(json!({"alg": "none", "kid": "aks-sandbox"})),
            part(claims)
        )
    }

    async fn create(&self, path: &str, body: Value) {
        let (status, answer) = self
            .ask("POST", &format!("{}{path}", self.0.api_url()), None, &body)
            .await;
        assert_eq!(status, 201, "{path}: {answer}");
    }

    async fn get(&self, path: &str) -> Value {
        self.ask(
            "GET",
            &format!("{}{path}", self.0.api_url()),
            None,
            &Value::Null,
        )
        .await
        .1
    }

    async fn arm(&self, method: &str, path: &str, version: &str, body: Value) {
        let spec = self.0.spec();
        let url = format!(
            "https://management.azure.com/subscriptions/{}/resourceGroups/{}/providers/{path}?api-version={version}",
            spec.subscription, spec.resource_group
        );
        let (status, answer) = self
            .ask(method, &url, Some("https://management.azure.com"), &body)
            .await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
    }

    async fn ready(&self, plural: &str, name: &str) -> (String, String, String) {
        let object = self
            .get(&format!(
                "/apis/external-secrets.io/v1/namespaces/airflow/{plural}/{name}"
            ))
            .await;
        let condition = &object["status"]["conditions"][0];
        let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"), text("message"))
    }
}

fn definition(kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.external-secrets.io")},
        "spec": {
            "group": "external-secrets.io", "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            }}}}],
        },
    })
}

async fn with_the_operator_and_its_objects() -> Wire {
    let wire = Wire(Sandbox::seeded(3));
    let spec = wire.0.spec();
    wire.create(
        "/api/v1/namespaces",
        json!({"metadata": {"name": "airflow"}}),
    )
    .await;
    for (kind, plural) in [
        ("SecretStore", "secretstores"),
        ("ExternalSecret", "externalsecrets"),
    ] {
        wire.create(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            definition(kind, plural),
        )
        .await;
    }
    wire.create("/api/v1/namespaces/airflow/serviceaccounts", json!({"metadata": {"name": "airflow", "annotations": {
        "azure.workload.identity/client-id": spec.client_id, "azure.workload.identity/tenant-id": spec.tenant,
    }}}))
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    wire.create("/apis/external-secrets.io/v1/namespaces/airflow/secretstores", json!({"metadata": {"name": "azure-store"}, "spec": {"provider": {"azurekv": {
        "authType": "WorkloadIdentity", "vaultUrl": format!("https://{}.vault.azure.net", spec.vault), "serviceAccountRef": {"name": "airflow"},
    }}}}))
    .await;
    wire.create("/apis/external-secrets.io/v1/namespaces/airflow/externalsecrets", json!({"metadata": {"name": "logs"}, "spec": {
        "refreshInterval": "1h",
        "secretStoreRef": {"kind": "SecretStore", "name": "azure-store"},
        "target": {"name": "storage-account-credentials", "creationPolicy": "Owner"},
        "data": [{"secretKey": "azurestorageaccountname", "remoteRef": {"key": "AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-NAME"}}],
    }}))
    .await;
    let vault = format!(
        "https://{}.vault.azure.net/secrets/AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-NAME?api-version=7.4",
        spec.vault
    );
    let (status, answer) = wire
        .ask(
            "PUT",
            &vault,
            Some("https://vault.azure.net"),
            &json!({"value": "account"}),
        )
        .await;
    assert_eq!(status, 200, "{answer}");
    wire
}

async fn start_the_operator(wire: &Wire) {
    wire.create("/apis/apps/v1/namespaces/airflow/deployments", json!({"metadata": {"name": "external-secrets"}, "spec": {
        "selector": {"matchLabels": {"app": "eso"}},
        "template": {"metadata": {"labels": {"app": "eso"}}, "spec": {"containers": [{"name": "external-secrets", "image": "ghcr.io/external-secrets/external-secrets:v0.10.4"}]}},
    }}))
    .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
}

async fn federate(wire: &Wire, subject: &str) {
    let spec = wire.0.spec();
    let credential = format!(
        "Microsoft.ManagedIdentity/userAssignedIdentities/{}/federatedIdentityCredentials/external-secret-operator",
        spec.identity
    );
    wire.arm("PUT", &credential, "2023-01-31", json!({"properties": {"issuer": spec.issuer_url(), "subject": subject, "audiences": ["api://AzureADTokenExchange"]}})).await;
}

async fn grant(wire: &Wire) {
    let spec = wire.0.spec();
    wire.arm("PUT", &format!("Microsoft.KeyVault/vaults/{}/accessPolicies/add", spec.vault), "2022-07-01", json!({"properties": {"accessPolicies": [
        {"tenantId": spec.tenant, "objectId": spec.principal_id, "permissions": {"secrets": ["get"]}},
    ]}}))
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_the_operator_nobody_looks_at_its_objects() {
    let wire = with_the_operator_and_its_objects().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(wire.ready("secretstores", "azure-store").await.0, "");
}

#[tokio::test(start_paused = true)]
async fn the_chain_says_what_is_missing_until_the_secret_is_there() {
    let wire = with_the_operator_and_its_objects().await;
    start_the_operator(&wire).await;
    let (status, reason, message) = wire.ready("secretstores", "azure-store").await;
    assert_eq!(
        (status.as_str(), reason.as_str(), message.as_str()),
        ("False", "InvalidProviderConfig", "unable to create client")
    );
    assert_eq!(
        wire.ready("externalsecrets", "logs").await.1,
        "SecretSyncedError"
    );

    federate(&wire, "system:serviceaccount:airflow:airflow").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(wire.ready("secretstores", "azure-store").await.1, "Valid");
    let (status, reason, message) = wire.ready("externalsecrets", "logs").await;
    assert_eq!(
        (status.as_str(), reason.as_str(), message.as_str()),
        (
            "False",
            "SecretSyncedError",
            "could not get secret data from provider"
        )
    );

    grant(&wire).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(
        wire.ready("externalsecrets", "logs").await.1,
        "SecretSynced"
    );
    let path = "/api/v1/namespaces/airflow/secrets/storage-account-credentials";
    assert_eq!(
        wire.get(path).await["data"]["azurestorageaccountname"],
        STANDARD.encode("account")
    );

    let (status, _) = wire
        .ask(
            "DELETE",
            &format!("{}{path}", wire.0.api_url()),
            None,
            &Value::Null,
        )
        .await;
    assert_eq!(status, 200);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(
        wire.get(path).await["kind"],
        "Secret",
        "the operator makes it again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_credential_for_another_subject_is_refused_by_entra_in_an_event() {
    let wire = with_the_operator_and_its_objects().await;
    federate(&wire, "system:serviceaccount:airflw:airflow").await;
    grant(&wire).await;
    start_the_operator(&wire).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let events = wire.get("/api/v1/namespaces/airflow/events").await;
    let messages: Vec<&str> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["reason"] == "InvalidProviderConfig")
        .filter_map(|event| event["message"].as_str())
        .collect();
    assert!(
        messages
            .iter()
            .any(|message| message.contains("AADSTS700213")),
        "{messages:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn objects_of_a_deleted_definition_are_gone() {
    let wire = with_the_operator_and_its_objects().await;
    let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    wire.ask(
        "DELETE",
        &format!(
            "{}{crds}/externalsecrets.external-secrets.io",
            wire.0.api_url()
        ),
        None,
        &Value::Null,
    )
    .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(
        wire.get(&format!("{crds}/externalsecrets.external-secrets.io"))
            .await["code"],
        404
    );
    wire.create(crds, definition("ExternalSecret", "externalsecrets"))
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let listed = wire
        .get("/apis/external-secrets.io/v1/externalsecrets")
        .await;
    assert_eq!(listed["items"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn the_guides_volume_binds_to_its_claim_in_the_controllers_next_rounds() {
    let wire = Wire(Sandbox::seeded(3));
    wire.create(
        "/api/v1/namespaces",
        json!({"metadata": {"name": "airflow"}}),
    )
    .await;
    let claim = "/api/v1/namespaces/airflow/persistentvolumeclaims";
    wire.create(claim, json!({"metadata": {"name": "pvc-airflow-logs"}, "spec": {
        "accessModes": ["ReadWriteMany"], "storageClassName": "azureblob-fuse-premium", "volumeName": "pv-airflow-logs", "resources": {"requests": {"storage": "5Gi"}},
    }}))
    .await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let claim = format!("{claim}/pvc-airflow-logs");
    assert_eq!(
        wire.get(&claim).await["status"]["phase"],
        "Pending",
        "it names a volume, so none is made for it"
    );
    wire.create("/api/v1/persistentvolumes", json!({"metadata": {"name": "pv-airflow-logs"}, "spec": {
        "capacity": {"storage": "5Gi"}, "accessModes": ["ReadWriteMany"], "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "azureblob-fuse-premium",
        "csi": {"driver": "blob.csi.azure.com", "volumeHandle": "account_airflow-logs", "volumeAttributes": {"containerName": "airflow-logs"}},
    }}))
    .await;
    let phase = async |seconds| {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        wire.get(&claim).await["status"]["phase"].clone()
    };
    // The controller's rounds are 15 seconds apart: one binds the volume, the next the claim.
    assert_eq!(
        phase(1).await,
        "Pending",
        "the volume's coming queues no claim"
    );
    assert_eq!(phase(30).await, "Bound");
    assert_eq!(
        wire.get("/api/v1/persistentvolumes/pv-airflow-logs").await["spec"]["claimRef"]["name"],
        "pvc-airflow-logs"
    );
}
