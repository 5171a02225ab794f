//! External Secrets: the chart's pods run nothing here, so this plays their part against the real
//! API server, as their own ServiceAccounts. The controller is its own program where it was built
//! ([`Controller`]), else *simulated*, through the production identity chain: TokenRequest for the
//! store's ServiceAccount, Entra's exchange, the vault, a Secret the ExternalSecret owns.
//! Cert-controller and webhook are simulated. It refuses to act before the Deployment whose part it
//! plays is ready.

mod controller;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aks_sandbox::Sandbox;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub(crate) use controller::Controller;

use crate::api::{Api, ApiError};
use crate::pki::{Authority, Leaf};

/// The port the chart's webhook listens on.
pub(crate) const WEBHOOK_PORT: u16 = 10250;
const GROUP: &str = "/apis/external-secrets.io";
const AUDIENCE: &str = "api://AzureADTokenExchange";
const WEBHOOKS: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// The pause after a failure.
const RETRY: Duration = Duration::from_millis(500);

/// What went wrong with one object, as its condition and event would say.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("{0}")]
    Said(String),
    #[error("a certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
    #[error("the operator's program cannot be started")]
    Program(#[from] io::Error),
}

/// The operator's three programs in one namespace.
pub(crate) struct Operator {
    api: Api,
    sandbox: Arc<Sandbox>,
    namespace: String,
    authority: Authority,
    webhook: Arc<Webhook>,
    /// The real controller; `None` where its part is played.
    controller: Option<Controller>,
    /// When an object that failed is looked at again, by uid and generation.
    later: BTreeMap<String, Instant>,
}

impl Operator {
    /// An operator that is not installed yet.
    ///
    /// # Errors
    /// When no authority can be made.
    pub(crate) fn new(
        api: Api,
        sandbox: Arc<Sandbox>,
        namespace: &str,
        webhook: Arc<Webhook>,
        controller: Option<Controller>,
    ) -> Result<Self, rcgen::Error> {
        Ok(Self {
            api,
            sandbox,
            namespace: namespace.to_owned(),
            authority: Authority::new()?,
            webhook,
            controller,
            later: BTreeMap::new(),
        })
    }

    /// One look at everything.
    ///
    /// # Errors
    /// When the API server refuses or cannot be asked.
    pub(crate) async fn pass(&mut self) -> Result<(), Trouble> {
        let namespace = &self.namespace;
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments?resourceVersion=0");
        let deployments = self.api.items(&path).await?;
        let is_ready = |name: &str| {
            deployments.iter().any(|deployment| {
                deployment["metadata"]["name"] == name
                    && deployment["status"]["readyReplicas"].as_u64() > Some(0)
            })
        };
        if is_ready("external-secrets-cert-controller") {
            self.certify().await?;
        }
        let is_ready = is_ready("external-secrets");
        if let Some(controller) = &mut self.controller {
            controller.follow(is_ready)?;
        } else if is_ready {
            let Some(group) = self.api.get(GROUP).await? else {
                return Ok(());
            };
            let served = group["preferredVersion"]["version"].as_str();
            if let Some(version) = served {
                let version = version.to_owned();
                self.reconcile(&version).await?;
            }
        }
        Ok(())
    }

    /// The cert-controller: the webhook's certificate into its Secret, the authority into the CRDs
    /// it converts and the webhook configurations.
    async fn certify(&self) -> Result<(), Trouble> {
        let api = self
            .api
            .acting_as(&self.namespace, "external-secrets-cert-controller");
        let name = format!("external-secrets-webhook.{}.svc", self.namespace);
        let path = format!(
            "/api/v1/namespaces/{}/secrets/external-secrets-webhook",
            self.namespace
        );
        let Some(secret) = api.get(&path).await? else {
            return Ok(());
        };
        let encode = |text: &str| STANDARD.encode(text);
        if secret["data"]["tls.crt"].is_null() {
            let leaf = self
                .authority
                .server("external-secrets-webhook", &[&name])?;
            let data = json!({
                "ca.crt": encode(&self.authority.certificate), "ca.key": encode(&self.authority.key),
                "tls.crt": encode(&leaf.certificate), "tls.key": encode(&leaf.key),
            });
            api.merge(&path, &json!({"data": data})).await?;
            self.webhook.mount(&leaf);
        }
        let bundle = encode(&self.authority.certificate);
        for definition in api.items(DEFINITIONS).await? {
            let conversion = &definition["spec"]["conversion"];
            let label = &definition["metadata"]["labels"]["external-secrets.io/component"];
            let current = &conversion["webhook"]["clientConfig"]["caBundle"];
            if label == "controller" && conversion["strategy"] == "Webhook" && *current != bundle {
                let name = text(&definition, "/metadata/name");
                let path = format!("{DEFINITIONS}/{name}?fieldManager=external-secrets");
                let patch = json!({"spec": {"conversion": {"webhook": {
                    "clientConfig": {"caBundle": bundle},
                }}}});
                api.merge(&path, &patch).await?;
            }
        }
        for configuration in api.items(WEBHOOKS).await? {
            let label = &configuration["metadata"]["labels"]["external-secrets.io/component"];
            if label != "webhook" {
                continue;
            }
            let hooks = configuration["webhooks"].as_array().cloned();
            let hooks = hooks.unwrap_or_default();
            if hooks
                .iter()
                .all(|hook| hook["clientConfig"]["caBundle"] == bundle)
            {
                continue;
            }
            let mut changed = configuration.clone();
            for hook in changed["webhooks"].as_array_mut().into_iter().flatten() {
                hook["clientConfig"]["caBundle"] = bundle.clone().into();
            }
            let name = text(&configuration, "/metadata/name");
            let path = format!("{WEBHOOKS}/{name}?fieldManager=external-secrets");
            match api.put(&path, &changed).await {
                // Somebody else was faster; the next look sees it.
                Err(ApiError::Refused { status: 409, .. }) => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    async fn reconcile(&mut self, version: &str) -> Result<(), Trouble> {
        let root = format!("{GROUP}/{version}");
        let stores = self.api.items(&format!("{root}/secretstores")).await?;
        for store in &stores {
            if self.is_due(store) && !is_ready(store) {
                let outcome = self.client(store).await.map(drop);
                let ready = ("Valid", "store validated");
                let failed = ("InvalidProviderConfig", "unable to create client");
                let more = json!({"capabilities": "ReadWrite"});
                self.conclude(&root, "secretstores", store, outcome, ready, failed, more)
                    .await?;
            }
        }
        for wanted in self.api.items(&format!("{root}/externalsecrets")).await? {
            if !self.is_due(&wanted) || self.is_synced(&wanted).await? {
                continue;
            }
            let outcome = self.sync(&stores, &wanted).await;
            let ready = ("SecretSynced", "secret synced");
            let failed = (
                "SecretSyncedError",
                "could not get secret data from provider",
            );
            let more = json!({
                "refreshTime": now(),
                "syncedResourceVersion": mark(&wanted),
                "binding": {"name": target(&wanted)},
            });
            self.conclude(
                &root,
                "externalsecrets",
                &wanted,
                outcome,
                ready,
                failed,
                more,
            )
            .await?;
        }
        Ok(())
    }

    /// Whether an object is not in the pause after a failure.
    fn is_due(&self, object: &Value) -> bool {
        let gone = !object["metadata"]["deletionTimestamp"].is_null();
        let waits = self.later.get(&mark(object));
        !gone && waits.is_none_or(|until| *until <= Instant::now())
    }

    async fn is_synced(&self, wanted: &Value) -> Result<bool, ApiError> {
        if !is_ready(wanted) || wanted["status"]["syncedResourceVersion"] != mark(wanted).as_str() {
            return Ok(false);
        }
        let path = secret_path(wanted);
        Ok(self.as_controller().get(&path).await?.is_some())
    }

    fn as_controller(&self) -> Api {
        self.api.acting_as(&self.namespace, "external-secrets")
    }

    /// Writes the condition, and the event of a failure.
    #[expect(
        clippy::too_many_arguments,
        reason = "a condition and an event have that many words"
    )]
    async fn conclude(
        &mut self,
        root: &str,
        plural: &str,
        object: &Value,
        outcome: Result<(), Trouble>,
        ready: (&str, &str),
        failed: (&str, &str),
        more: Value,
    ) -> Result<(), Trouble> {
        let (status, (reason, message)) = match &outcome {
            Ok(()) => ("True", ready),
            Err(_) => ("False", failed),
        };
        let mut patch = json!({"conditions": [{
            "type": "Ready", "status": status, "reason": reason, "message": message,
            "lastTransitionTime": now(),
        }]});
        match outcome {
            Ok(()) => {
                for (key, value) in more.as_object().into_iter().flatten() {
                    patch[key] = value.clone();
                }
            }
            Err(trouble) => {
                self.later.insert(mark(object), Instant::now() + RETRY);
                self.report(object, reason, &trouble.to_string()).await?;
            }
        }
        let (namespace, name) = (
            text(object, "/metadata/namespace"),
            text(object, "/metadata/name"),
        );
        let path = format!(
            "{root}/namespaces/{namespace}/{plural}/{name}/status?fieldManager=external-secrets"
        );
        match self
            .as_controller()
            .merge(&path, &json!({"status": patch}))
            .await
        {
            // It was deleted meanwhile.
            Err(error) if error.is_not_found() => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    async fn report(&self, object: &Value, reason: &str, cause: &str) -> Result<(), ApiError> {
        let meta = &object["metadata"];
        let namespace = text(object, "/metadata/namespace");
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "type": "Warning",
            "metadata": {"generateName": text(object, "/metadata/name"), "namespace": namespace},
            "involvedObject": {
                "apiVersion": object["apiVersion"], "kind": object["kind"],
                "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"],
            },
            "reason": reason, "message": cause, "firstTimestamp": now(), "lastTimestamp": now(),
            "source": {"component": "external-secrets"}, "count": 1,
        });
        let path = format!("/api/v1/namespaces/{namespace}/events");
        self.as_controller().post(&path, &event).await.map(drop)
    }

    /// A token for the store's vault, by the store's ServiceAccount.
    async fn client(&self, store: &Value) -> Result<String, Trouble> {
        let api = self.as_controller();
        let namespace = text(store, "/metadata/namespace");
        let provider = &store["spec"]["provider"]["azurekv"];
        let account = text(provider, "/serviceAccountRef/name");
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}");
        let found = api.get(&path).await?;
        let found =
            found.ok_or_else(|| Trouble::Said(format!("ServiceAccount {account} not found")))?;
        let annotation = |key: &str| {
            let value = &found["metadata"]["annotations"][format!("azure.workload.identity/{key}")];
            let missing = || Trouble::Said(format!("missing service account annotation {key}"));
            value.as_str().map(str::to_owned).ok_or_else(missing)
        };
        let (client_id, tenant) = (annotation("client-id")?, annotation("tenant-id")?);
        let question = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"audiences": [AUDIENCE], "expirationSeconds": 3600},
        });
        let granted = api.post(&format!("{path}/token"), &question).await?;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &client_id)
            .append_pair(
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            )
            .append_pair("client_assertion", text(&granted, "/status/token"))
            .append_pair("scope", "https://vault.azure.net/.default")
            .finish();
        let request = http::Request::post(format!(
            "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
        ))
        .header("host", "login.microsoftonline.com")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(form));
        let (status, body) = self.ask(request)?;
        if status == 200 {
            Ok(text(&body, "/access_token").to_owned())
        } else {
            Err(Trouble::Said(text(&body, "/error_description").to_owned()))
        }
    }

    /// A request to the simulated Azure, not counted among the clients'.
    fn ask(
        &self,
        request: Result<http::Request<Bytes>, http::Error>,
    ) -> Result<(u16, Value), Trouble> {
        let request = request.map_err(|error| Trouble::Said(error.to_string()))?;
        let world = self.sandbox.world();
        let now = world.clock().now();
        let reply = world.update(|state| {
            aks_sandbox::azure::respond(&mut state.azure, &state.faults, &request, now)
        });
        let reply = reply.ok_or_else(|| Trouble::Said("no such host".into()))?;
        let body = serde_json::from_slice(reply.response.body()).unwrap_or_default();
        Ok((reply.response.status().as_u16(), body))
    }

    /// The vault's values into the target Secret.
    async fn sync(&self, stores: &[Value], wanted: &Value) -> Result<(), Trouble> {
        let named = text(wanted, "/spec/secretStoreRef/name");
        let store = stores
            .iter()
            .find(|store| {
                store["metadata"]["name"] == named
                    && store["metadata"]["namespace"] == wanted["metadata"]["namespace"]
            })
            .ok_or_else(|| Trouble::Said(format!("could not get SecretStore {named:?}")))?;
        let token = self.client(store).await?;
        let vault = text(&store["spec"]["provider"]["azurekv"], "/vaultUrl");
        let vault = vault.trim_end_matches('/');
        let host = vault.trim_start_matches("https://");
        let mut data = Map::new();
        for entry in wanted["spec"]["data"].as_array().into_iter().flatten() {
            let name = text(entry, "/remoteRef/key");
            let request = http::Request::get(format!("{vault}/secrets/{name}?api-version=7.4"))
                .header("host", host)
                .header("authorization", format!("Bearer {token}"))
                .body(Bytes::new());
            let (status, body) = self.ask(request)?;
            if status != 200 {
                let message = text(&body, "/error/message");
                let cause = format!("error retrieving secret {name}: {status} {message}");
                return Err(Trouble::Said(cause));
            }
            let value = STANDARD.encode(text(&body, "/value"));
            data.insert(text(entry, "/secretKey").to_owned(), value.into());
        }
        self.write(wanted, data).await
    }

    async fn write(&self, wanted: &Value, data: Map<String, Value>) -> Result<(), Trouble> {
        let api = self.as_controller();
        let meta = &wanted["metadata"];
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {
                "name": target(wanted), "namespace": meta["namespace"],
                "labels": {"reconcile.external-secrets.io/managed": "true"},
                "ownerReferences": [{
                    "apiVersion": wanted["apiVersion"], "kind": "ExternalSecret",
                    "name": meta["name"], "uid": meta["uid"],
                    "controller": true, "blockOwnerDeletion": true,
                }],
            },
            "data": data,
        });
        let path = secret_path(wanted);
        if api.get(&path).await?.is_some() {
            api.merge(&path, &secret).await?;
        } else {
            let namespace = text(wanted, "/metadata/namespace");
            api.post(&format!("/api/v1/namespaces/{namespace}/secrets"), &secret)
                .await?;
        }
        Ok(())
    }
}

fn target(wanted: &Value) -> &str {
    match text(wanted, "/spec/target/name") {
        "" => text(wanted, "/metadata/name"),
        name => name,
    }
}

fn secret_path(wanted: &Value) -> String {
    let namespace = text(wanted, "/metadata/namespace");
    format!("/api/v1/namespaces/{namespace}/secrets/{}", target(wanted))
}

/// Which state of an object is meant: its spec, and a sync somebody forced.
fn mark(object: &Value) -> String {
    let forced = object["metadata"]["annotations"]["force-sync"].as_str();
    format!(
        "{}-{}-{}",
        object["metadata"]["generation"],
        text(object, "/metadata/uid"),
        forced.unwrap_or_default()
    )
}

fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The webhook's server. Without a certificate it closes every connection.
#[derive(Default)]
pub(crate) struct Webhook(Mutex<Option<TlsAcceptor>>);

impl Webhook {
    /// Listens on loopback; the address.
    ///
    /// # Errors
    /// When loopback has no port.
    pub(crate) async fn listen(self: &Arc<Self>) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let webhook = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = webhook.acceptor();
                tokio::spawn(async move {
                    if let Some(acceptor) = acceptor {
                        answer(stream, acceptor).await;
                    }
                });
            }
        });
        Ok(address)
    }

    fn acceptor(&self) -> Option<TlsAcceptor> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }

    /// Begins to serve with a certificate.
    fn mount(&self, leaf: &Leaf) {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let certificate = CertificateDer::from_pem_slice(leaf.certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes());
        let (Ok(certificate), Ok(key)) = (certificate, key) else {
            return;
        };
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![certificate], key)
            });
        if let Ok(config) = config {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *kept = Some(TlsAcceptor::from(Arc::new(config)));
        }
    }
}

async fn answer(stream: TcpStream, acceptor: TlsAcceptor) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let service = service_fn(|request: http::Request<Incoming>| async move {
        let body = request.into_body().collect().await;
        let body = body.map(http_body_util::Collected::to_bytes);
        let review = body.map(|bytes| serde_json::from_slice(&bytes).unwrap_or_default());
        review.map(|review| {
            let answer = Full::new(Bytes::from(self::review(&review).to_string()));
            let mut response = http::Response::new(answer);
            let json = http::HeaderValue::from_static("application/json");
            response.headers_mut().insert("content-type", json);
            response
        })
    });
    // The API server says what became of a connection that ended.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Answers a review of whichever kind.
fn review(asked: &Value) -> Value {
    if asked["kind"] == "ConversionReview" {
        convert(asked)
    } else {
        judge(asked)
    }
}

/// Between versions that differ in nothing our objects use.
fn convert(review: &Value) -> Value {
    let request = &review["request"];
    let objects = request["objects"].as_array().cloned().unwrap_or_default();
    let converted: Vec<Value> = objects
        .into_iter()
        .map(|mut object| {
            object["apiVersion"] = request["desiredAPIVersion"].clone();
            object
        })
        .collect();
    json!({
        "apiVersion": review["apiVersion"], "kind": "ConversionReview",
        "response": {
            "uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": converted,
        },
    })
}

/// Admits what names exactly one provider, as the real webhook does first of all.
fn judge(review: &Value) -> Value {
    let request = &review["request"];
    let is_store = request["kind"]["kind"]
        .as_str()
        .is_some_and(|kind| kind.ends_with("SecretStore"));
    let providers = request["object"]["spec"]["provider"].as_object();
    let allowed = request["operation"] == "DELETE"
        || !is_store
        || providers.is_some_and(|providers| providers.len() == 1);
    let mut response = json!({"uid": request["uid"], "allowed": allowed});
    if !allowed {
        response["status"] = json!({"code": 403, "message": "store must have one provider"});
    }
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_without_a_provider_is_not_admitted() {
        let review = |spec: Value| {
            json!({"request": {
                "uid": "u", "operation": "CREATE", "kind": {"kind": "SecretStore"},
                "object": {"spec": spec},
            }})
        };
        let admits = |spec| judge(&review(spec))["response"]["allowed"] == true;
        assert!(admits(json!({"provider": {"azurekv": {}}})));
        assert!(!admits(json!({"provider": {}})));
        assert!(!admits(json!({"provider": {"azurekv": {}, "fake": {}}})));
    }
}
