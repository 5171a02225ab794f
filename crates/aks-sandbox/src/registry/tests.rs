//! Registries and repositories, request by request.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::Charts;
use crate::{DEPLOYER, Sandbox};

struct Seen {
    status: u16,
    headers: http::HeaderMap,
    body: Bytes,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn send(sandbox: &Sandbox, request: http::request::Builder, body: &str) -> Seen {
    let request = request.body(Bytes::from(body.to_owned())).unwrap();
    let response = sandbox.router().call(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let Ok(body) = body.collect().await;
    Seen {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.to_bytes(),
    }
}

async fn get(sandbox: &Sandbox, url: &str) -> Seen {
    send(sandbox, Request::get(url), "").await
}

/// The deployer's token for Resource Manager, as registries take it.
fn entra_token(sandbox: &Sandbox) -> String {
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!(
        "{}.{}.",
        part(json!({"alg": "none", "kid": "aks-sandbox"})),
        part(json!({
            "aud": "https://management.azure.com",
            "iss": format!("https://sts.aks-sandbox.invalid/{}/", sandbox.spec().tenant),
            "oid": DEPLOYER,
            "aks-sandbox": true,
        }))
    )
}

#[tokio::test]
async fn a_repository_serves_its_index_and_archives() {
    let sandbox = Sandbox::seeded(7);
    let index = get(&sandbox, "https://airflow.apache.org/index.yaml").await;
    assert_eq!(index.status, 200);
    let text = String::from_utf8(index.body.to_vec()).unwrap();
    let url = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("- https://"))
        .unwrap();
    let archive = get(&sandbox, &format!("https://{url}")).await;
    let charts = Charts::compact();
    let version = charts.versions("airflow")[0];
    assert_eq!(
        archive.body,
        charts.find("airflow", version).unwrap().archive
    );
    assert_eq!(
        get(&sandbox, "https://airflow.apache.org/airflow-0.0.0.tgz")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_chart_is_an_artefact_whose_digests_hold() {
    let sandbox = Sandbox::seeded(7);
    let base = "https://charts.aks-sandbox.invalid/v2/charts/airflow";
    let tags = get(&sandbox, &format!("{base}/tags/list")).await.json();
    let tag = tags["tags"][0].as_str().unwrap();
    let manifest = get(&sandbox, &format!("{base}/manifests/{tag}")).await;
    let digest = manifest.headers["docker-content-digest"].to_str().unwrap();
    assert_eq!(
        digest,
        format!("sha256:{}", super::charts::hex(&manifest.body))
    );
    let by_digest = get(&sandbox, &format!("{base}/manifests/{digest}")).await;
    assert_eq!(by_digest.body, manifest.body);
    let manifest = manifest.json();
    for descriptor in [&manifest["config"], &manifest["layers"][0]] {
        let digest = descriptor["digest"].as_str().unwrap();
        let blob = get(&sandbox, &format!("{base}/blobs/{digest}")).await;
        assert_eq!(digest, format!("sha256:{}", super::charts::hex(&blob.body)));
        assert_eq!(descriptor["size"], blob.body.len());
    }
    let unknown = get(&sandbox, &format!("{base}/manifests/0.0.0")).await;
    assert_eq!(unknown.json()["errors"][0]["code"], "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_container_registry_gives_its_own_token_for_entras() {
    let sandbox = Sandbox::seeded(7);
    let host = sandbox.spec().registry_host();
    let manifest = format!("https://{host}/v2/airflow/manifests/2.9.3");
    let refused = get(&sandbox, &manifest).await;
    assert_eq!(refused.status, 401);
    let challenge = refused.headers["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains("scope=\"repository:airflow:pull\""),
        "{challenge}"
    );

    let exchange = format!("https://{host}/oauth2/exchange");
    let form = |token: &str| format!("grant_type=access_token&service={host}&access_token={token}");
    let bad = send(&sandbox, Request::post(&exchange), &form("x.y.z")).await;
    assert_eq!(bad.status, 401);
    let good = form(&entra_token(&sandbox));
    let refresh = send(&sandbox, Request::post(&exchange), &good).await.json();
    let refresh = refresh["refresh_token"].as_str().unwrap().to_owned();

    let token = format!("https://{host}/oauth2/token");
    let form = format!("grant_type=refresh_token&service={host}&refresh_token={refresh}");
    let access = send(&sandbox, Request::post(&token), &form).await.json();
    let access = access["access_token"].as_str().unwrap().to_owned();
    let basic = STANDARD.encode(format!("00000000-0000-0000-0000-000000000000:{refresh}"));
    let basic = Request::get(&token).header("authorization", format!("Basic {basic}"));
    assert_eq!(send(&sandbox, basic, "").await.status, 200);

    let head = |url: String, token: &str| {
        Request::head(url).header("authorization", format!("Bearer {token}"))
    };
    let found = send(&sandbox, head(manifest.clone(), &access), "").await;
    assert_eq!(found.status, 200);
    assert!(found.headers.contains_key("docker-content-digest"));
    assert!(found.body.is_empty());
    let refresh_is_no_access = send(&sandbox, head(manifest.clone(), &refresh), "").await;
    assert_eq!(refresh_is_no_access.status, 401);
    let absent = format!("https://{host}/v2/airflow/manifests/0.0.1");
    assert_eq!(send(&sandbox, head(absent, &access), "").await.status, 404);

    let image = format!("{host}/airflow:2.9.3");
    sandbox.set_faults(|faults| {
        faults.missing_images.insert(image);
    });
    assert_eq!(
        send(&sandbox, head(manifest, &access), "").await.status,
        404
    );
}
