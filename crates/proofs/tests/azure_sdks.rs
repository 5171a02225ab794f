//! The simulated Azure judged by Microsoft's Python SDKs, and our requests by theirs: the guide's steps in
//! Azure are taken by the SDKs, against a sandbox that listens, under Azure's own names; then by us in
//! another one. Where both ask for the same, they ask the same, field by field, but for what
//! [`DIFFERENT`] says.
//!
//! The SDKs come with `az`, at the versions it is pinned with: `e2e/tools/install.sh azure-cli`.

mod guide_world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use aks_sandbox::world::RequestRecord;
use bytes::Bytes;
use guide_world::{Guide, NAMESPACE};
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};

/// A field that differs between a request of ours and the SDKs' for the same thing.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Difference {
    /// The end of what is asked for.
    of: String,
    field: String,
    ours: Option<String>,
    theirs: Option<String>,
}

/// Every difference there is: the end of its path, the field, ours, theirs; and why.
const DIFFERENT: [(&str, &str, Option<&str>, Option<&str>); 10] = [
    // MSAL leaves it open; Entra answers in JSON.
    (
        "/token",
        "header accept",
        Some("application/json"),
        Some("*/*"),
    ),
    // A blob's bytes are neither; what is put is not answered with a body.
    ("/marker", "header accept", None, Some("application/xml")),
    (
        "/marker",
        "header accept",
        Some("application/octet-stream"),
        Some("application/xml"),
    ),
    // Two names of one header, which Azure takes in this order: `x-ms-range`, `Range`.
    ("/marker", "header range", Some("bytes=0-4194303"), None),
    (
        "/marker",
        "header x-ms-range",
        None,
        Some("bytes=0-33554431"),
    ),
    // The command line is pinned with an SDK of an older version of the vault's API.
    (
        "-NAME",
        "query api-version",
        Some("2025-07-01"),
        Some("7.4"),
    ),
    (
        "-NAME/",
        "query api-version",
        Some("2025-07-01"),
        Some("7.4"),
    ),
    ("-KEY", "query api-version", Some("2025-07-01"), Some("7.4")),
    (
        "-KEY/",
        "query api-version",
        Some("2025-07-01"),
        Some("7.4"),
    ),
    // The SDK asks for the Kerberos keys too, which are for Azure Files.
    ("/listKeys", "query $expand", None, Some("kerb")),
];

/// What only says who asks, when, or how the connection is kept.
const OF_THE_CLIENT: [&str; 14] = [
    "accept-encoding",
    "client-request-id",
    "connection",
    "content-length",
    "expect",
    "host",
    "user-agent",
    "x-client-current-telemetry",
    "x-client-last-telemetry",
    "x-client-os",
    "x-client-sku",
    "x-client-ver",
    "x-ms-client-request-id",
    "x-ms-date",
];

/// What is asked for: method, host and path.
type Wish = (String, String, String);

/// A request's fields: of its query, its headers and its body.
type Fields = BTreeMap<String, String>;

/// The requests to Azure, in their order.
type Heard = Arc<Mutex<Vec<(Wish, Fields)>>>;

/// Has every request to Azure written down, but those that only ask which token is wanted.
fn listen(guide: &Guide) -> Heard {
    let heard = Heard::default();
    let (sink, spec) = (Arc::clone(&heard), guide.sandbox.spec());
    let cluster = spec.api_host();
    let witness = move |record: &RequestRecord, request: &Request<Bytes>| {
        let is_azure = record.host != cluster && !record.host.starts_with("127.0.0.1");
        let is_login = record.host.starts_with("login.");
        if is_azure && (is_login || request.headers().contains_key("authorization")) {
            // Azure decodes a blob's name before it looks for it.
            let path = request.uri().path().replace("%2F", "/");
            let wish = (record.method.clone(), record.host.clone(), path);
            sink.lock().unwrap().push((wish, fields(request)));
        }
    };
    let world = guide.sandbox.world();
    world.witnessed_by(Some(Arc::new(witness)));
    heard
}

fn fields(request: &Request<Bytes>) -> Fields {
    let mut fields = Fields::new();
    let query = request.uri().query().unwrap_or_default();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        fields.insert(format!("query {name}"), value.into_owned());
    }
    for (name, value) in request.headers() {
        let value = value.to_str().unwrap();
        let value = match name.as_str() {
            name if OF_THE_CLIENT.contains(&name) => continue,
            "authorization" => value.split(' ').next().unwrap_or_default(),
            _ => value,
        };
        fields.insert(format!("header {name}"), value.to_owned());
    }
    let kind = request.headers().get("content-type");
    match kind.map(|kind| kind.to_str().unwrap()) {
        Some("application/json") => {
            let body = serde_json::from_slice(request.body()).unwrap();
            leaves("body ", &body, &mut fields);
        }
        Some("application/x-www-form-urlencoded") => {
            for (name, value) in url::form_urlencoded::parse(request.body()) {
                // Each signs its own.
                let value = match &*name {
                    "client_assertion" => "a token".to_owned(),
                    _ => value.into_owned(),
                };
                fields.insert(format!("form {name}"), value);
            }
        }
        _ if request.body().is_empty() => {}
        _ => {
            let text = String::from_utf8_lossy(request.body()).into_owned();
            fields.insert("body".to_owned(), text);
        }
    }
    fields
}

/// Each scalar of a JSON document by its path.
fn leaves(path: &str, value: &Value, into: &mut Fields) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                leaves(&format!("{path}/{name}"), member, into);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(&format!("{path}/{index}"), item, into);
            }
        }
        scalar => {
            into.insert(path.to_owned(), scalar.to_string());
        }
    }
}

/// The fields in which two requests differ.
fn differences(path: &str, ours: &Fields, theirs: &Fields) -> BTreeSet<Difference> {
    ours.keys()
        .chain(theirs.keys())
        .filter(|name| ours.get(*name) != theirs.get(*name))
        .map(|name| Difference {
            of: path.to_owned(),
            field: name.clone(),
            ours: ours.get(name).cloned(),
            theirs: theirs.get(name).cloned(),
        })
        .collect()
}

/// Does something to the cluster as a person does.
async fn by_hand(guide: &Guide, path: &str, body: Value) -> Value {
    let request = Request::post(path)
        .header("host", guide.sandbox.spec().api_host())
        .header("content-type", "application/json")
        .body(Bytes::from(body.to_string()))
        .unwrap();
    let response = guide.sandbox.router().call(request).await.unwrap();
    assert!(response.status().is_success(), "{path}: {response:?}");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

/// The token that a pod of the guide's ServiceAccount is given.
async fn service_account_token(guide: &Guide) -> String {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    by_hand(guide, "/api/v1/namespaces", namespace).await;
    let accounts = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts");
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "airflow"}});
    by_hand(guide, &accounts, account).await;
    let wanted = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"audiences": ["api://AzureADTokenExchange"]},
    });
    let granted = by_hand(guide, &format!("{accounts}/airflow/token"), wanted).await;
    granted["status"]["token"].as_str().unwrap().to_owned()
}

/// Takes the guide's steps in Azure with the SDKs; what they were answered.
async fn by_sdks(guide: &Guide) -> Value {
    let tools = PathBuf::from(std::env::var_os("E2E_TOOLS_DIR").expect("E2E_TOOLS_DIR is set"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("azure_sdks");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let endpoints = guide.sandbox.listen().await.unwrap();
    let (authority, token) = (folder.join("authority.pem"), folder.join("token"));
    std::fs::write(&authority, &endpoints.authority).unwrap();
    std::fs::write(&token, service_account_token(guide).await).unwrap();
    let (login, spec) = (guide.sandbox.login(), guide.sandbox.spec());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/azure_sdks/guide.py");
    let output = tokio::process::Command::new(tools.join("azure-cli/bin/python"))
        .arg(script)
        .args([&login.tenant, login.application, login.secret])
        .arg(&spec.subscription)
        .arg(&token)
        .env("HOME", &folder)
        .env("HTTPS_PROXY", &endpoints.proxy)
        .env("REQUESTS_CA_BUNDLE", &authority)
        .env("SSL_CERT_FILE", &authority)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Microsoft's Python SDKs, which come with az (E2E_TOOLS_DIR)"]
async fn the_sdks_take_the_guides_steps_and_ask_as_we_do() {
    let guide = Guide::new();
    let heard = listen(&guide);
    let said = by_sdks(&guide).await;
    let log = "dag_id=a/run_id=b/task_id=c/attempt=1.log";
    let wanted = json!({
        "subscription": "Enabled",
        "account": {"kind": "StorageV2", "blob": "https://airflowsasa123.blob.core.windows.net/"},
        "container": "airflow-logs",
        "no lifecycle": 404,
        "lifecycle": ["expire-airflow-logs"],
        "secrets": [true, true],
        "missing secret": [404, "SecretNotFound"],
        "policy": [["get"]],
        "credentials": ["system:serviceaccount:airflow:airflow"],
        "second credential": [400, "BadRequest"],
        "read by the pod": [true, true],
        "container again": [409, "ContainerAlreadyExists"],
        "marker": true,
        "log": true,
        "logs": [log],
        "wrong key": [403, "AuthenticationFailed"],
        "logs after": [],
    });
    assert_eq!(said, wanted);

    let mut theirs: BTreeMap<Wish, Vec<Fields>> = BTreeMap::new();
    for (wish, fields) in heard.lock().unwrap().drain(..) {
        theirs.entry(wish).or_default().push(fields);
    }

    // What the SDKs did in Azure is as we would have done it.
    let (before, after) = (Guide::new().plan().await, guide.plan().await);
    let (before, after) = (before.to_string(), after.to_string());
    for step in [
        "federated credential",
        "vault grant",
        "log container",
        "log lifecycle",
    ] {
        assert!(before.contains(step), "{step}: {before}");
        assert!(!after.contains(step), "{step}: {after}");
    }

    let other = Guide::new();
    let ours = listen(&other);
    other.up().await.succeeded();
    let mut unlike = BTreeSet::new();
    let ours = ours.lock().unwrap();
    for (wish, fields) in &*ours {
        let twins = theirs
            .get(wish)
            .unwrap_or_else(|| panic!("only we ask for {wish:?}"));
        let least = twins
            .iter()
            .map(|twin| differences(&wish.2, fields, twin))
            .min_by_key(BTreeSet::len);
        unlike.extend(least.unwrap());
    }
    let unlike: Vec<Difference> = unlike.into_iter().collect();
    let known = |found: &Difference| {
        DIFFERENT.iter().position(|(end, field, ours, theirs)| {
            found.of.ends_with(end)
                && found.field == *field
                && found.ours.as_deref() == *ours
                && found.theirs.as_deref() == *theirs
        })
    };
    let unknown: Vec<_> = unlike
        .iter()
        .filter(|found| known(found).is_none())
        .collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    let gone: Vec<_> = (0..DIFFERENT.len())
        .filter(|row| !unlike.iter().any(|found| known(found) == Some(*row)))
        .map(|row| DIFFERENT[row])
        .collect();
    assert!(gone.is_empty(), "no longer different: {gone:#?}");
}
