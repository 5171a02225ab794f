//! The real client over an in-memory server that answers from a script.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use converge::{RequestClass, Secret};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::DuplexStream;

use super::{ConnectOptions, KubeCluster, TokenError, TokenSource};
use crate::{
    Applied, ApplyOptions, Cluster, ClusterErrorKind, Created, Deleted, Kind, Object, ObjectRef,
    Query, WriteOptions,
};

mod forwarding;
mod wire;

type Script = dyn Fn(&str, &str, usize) -> (u16, Value) + Send + Sync;

/// One end of an in-memory pipe, as the HTTP client wants it.
struct Pipe(TokioIo<DuplexStream>);

impl hyper_util::client::legacy::connect::Connection for Pipe {
    fn connected(&self) -> hyper_util::client::legacy::connect::Connected {
        hyper_util::client::legacy::connect::Connected::new()
    }
}

impl hyper::rt::Read for Pipe {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl hyper::rt::Write for Pipe {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(context)
    }
}

struct Server {
    cluster: KubeCluster,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// A server that answers each request (method, path with query, how many came before it).
    fn answering(
        script: impl Fn(&str, &str, usize) -> (u16, Value) + Send + Sync + 'static,
    ) -> Self {
        Self::with_options(script, ConnectOptions::default())
    }

    fn with_options(
        script: impl Fn(&str, &str, usize) -> (u16, Value) + Send + Sync + 'static,
        options: ConnectOptions,
    ) -> Self {
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let script: Arc<Script> = Arc::new(script);
        let log = Arc::clone(&seen);
        let connector = tower::service_fn(move |_: http::Uri| {
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            let (script, log) = (Arc::clone(&script), Arc::clone(&log));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(
                TokioIo::new(theirs),
                service_fn(move |request| answer(request, Arc::clone(&script), Arc::clone(&log))),
            ));
            std::future::ready(Ok::<_, std::io::Error>(Pipe(TokioIo::new(ours))))
        });
        let cluster = KubeCluster::with_connector(connector, "http://server.invalid", options)
            .expect("the address is one");
        Self { cluster, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen
            .lock()
            .expect("no test panics while it holds this")
            .clone()
    }
}

async fn answer(
    request: Request<Incoming>,
    script: Arc<Script>,
    log: Arc<Mutex<Vec<String>>>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let path = request.uri().to_string();
    let method = request.method().to_string();
    let authorization = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .map(|value| format!(" [{value}]"))
        .unwrap_or_default();
    let _ = request.into_body().collect().await;
    if path == "/api/v1" {
        return Ok(Response::new(core_kinds().to_string().into()));
    }
    let before = {
        let mut log = log.lock().expect("no test panics while it holds this");
        log.push(format!("{method} {path}{authorization}"));
        log.len() - 1
    };
    let (code, body) = script(&method, &path, before);
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = http::StatusCode::from_u16(code).expect("a status");
    Ok(response)
}

fn core_kinds() -> Value {
    json!({"kind": "APIResourceList", "resources": [
        {"name": "configmaps", "kind": "ConfigMap", "namespaced": true, "verbs": ["get"]},
        {"name": "namespaces", "kind": "Namespace", "namespaced": false, "verbs": ["get"]}]})
}

#[expect(clippy::needless_pass_by_value, reason = "the callers write literals")]
fn refused(code: u16, reason: &str, details: Value) -> (u16, Value) {
    let body = json!({"kind": "Status", "code": code, "reason": reason, "message": reason, "details": details});
    (code, body)
}

fn target() -> ObjectRef {
    ObjectRef::namespaced("v1", "ConfigMap", "n", "c")
}

#[tokio::test(start_paused = true)]
async fn absence_is_none_and_a_missing_kind_is_an_error() {
    let server = Server::answering(|_, _, _| {
        refused(404, "NotFound", json!({"name": "c", "kind": "configmaps"}))
    });
    assert!(server.cluster.get(target()).await.unwrap().is_none());
    let error = server
        .cluster
        .get(ObjectRef::namespaced("v1", "Widget", "n", "w"))
        .await
        .unwrap_err();
    assert!(error.is_unknown_kind(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn reads_are_repeated_and_every_request_is_counted() {
    let server = Server::answering(|_, _, before| match before {
        0 | 1 => refused(503, "ServiceUnavailable", json!({"retryAfterSeconds": 2})),
        _ => (
            200,
            json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}}),
        ),
    });
    let started = tokio::time::Instant::now();
    assert!(server.cluster.get(target()).await.unwrap().is_some());
    assert!(
        started.elapsed() >= Duration::from_secs(4),
        "Retry-After is honoured"
    );
    assert_eq!(server.cluster.requests().count().of(RequestClass::Read), 3);
}

#[tokio::test(start_paused = true)]
async fn creates_are_not_repeated_after_a_server_error_and_applies_are() {
    let server = Server::answering(|_, _, _| refused(500, "InternalError", json!({})));
    let object = Object::named(&target());
    let error = server
        .cluster
        .create(object.clone(), WriteOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(
        error.kind,
        ClusterErrorKind::Server { status: 500, .. }
    ));
    assert_eq!(server.seen().len(), 1);
    let _ = server.cluster.apply(object, ApplyOptions::default()).await;
    assert!(server.seen().len() > 3, "{:?}", server.seen());
}

const NO_ROLE: &str = "configmaps is forbidden: User \"u\" cannot create resource: RBAC: \
    clusterrole.rbac.authorization.k8s.io \"system:basic-user\" not found";

#[tokio::test(start_paused = true)]
async fn a_server_that_has_not_read_its_roles_is_asked_again_and_a_missing_right_is_told() {
    let server = Server::answering(|_, _, before| match before {
        0 | 1 => refused(403, NO_ROLE, json!({})),
        _ => (201, json!({"kind": "ConfigMap"})),
    });
    let object = Object::named(&target());
    let created = server.cluster.create(object, WriteOptions::default());
    assert!(matches!(created.await, Ok(Created::New(_))));
    assert_eq!(server.seen().len(), 3);

    let server = Server::answering(|_, _, _| refused(403, "Forbidden", json!({})));
    let error = server.cluster.get(target()).await.unwrap_err();
    assert!(error.is_denied(), "{error:?}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_a_server_that_was_just_away_is_asked_again_for_a_while() {
    let server = Server::answering(|_, _, before| match before {
        0 | 1 => refused(403, "Forbidden", json!({})),
        _ => (200, json!({"kind": "ConfigMap"})),
    });
    server.cluster.outage.note();
    assert!(server.cluster.get(target()).await.unwrap().is_some());
    assert_eq!(server.seen().len(), 3);

    let never = Server::answering(|_, _, _| refused(403, "Forbidden", json!({})));
    never.cluster.outage.note();
    let started = tokio::time::Instant::now();
    assert!(never.cluster.get(target()).await.unwrap_err().is_denied());
    assert!(started.elapsed() < Duration::from_secs(16));
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_is_an_outage() {
    let nobody = tower::service_fn(|_: http::Uri| {
        std::future::ready(Err::<Pipe, _>(std::io::Error::other("nobody listens")))
    });
    let options = ConnectOptions {
        retry_limit: Duration::ZERO,
        ..ConnectOptions::default()
    };
    let cluster = KubeCluster::with_connector(nobody, "http://server.invalid", options).unwrap();
    assert!(!cluster.outage.is_recent());
    assert!(cluster.get(target()).await.is_err());
    assert!(cluster.outage.is_recent());
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_is_a_probe_and_says_so_to_the_server() {
    let server = Server::answering(|_, _, _| (201, json!({"kind": "ConfigMap"})));
    let options = WriteOptions {
        dry_run: true,
        ..WriteOptions::default()
    };
    let created = server
        .cluster
        .create(Object::named(&target()), options)
        .await
        .unwrap();
    assert!(matches!(created, Created::New(_)));
    assert_eq!(
        server.seen(),
        ["POST /api/v1/namespaces/n/configmaps?fieldManager=aks-airflow&dryRun=All"]
    );
    let count = server.cluster.requests().count();
    assert_eq!(
        (count.of(RequestClass::Probe), count.of(RequestClass::Write)),
        (1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn conflicts_of_an_apply_are_an_answer() {
    let server = Server::answering(|_, _, _| {
        refused(
            409,
            "Conflict",
            json!({"causes": [{"reason": "FieldManagerConflict",
            "message": "conflict with \"kubectl-edit\" using v1", "field": ".data.a"}]}),
        )
    });
    let applied = server
        .cluster
        .apply(Object::named(&target()), ApplyOptions::default())
        .await
        .unwrap();
    assert!(
        matches!(applied, Applied::Conflicts(conflicts) if conflicts[0].manager == "kubectl-edit")
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_follows_its_pages_and_starts_again_when_they_expire() {
    let server = Server::answering(|_, path, before| {
        let page = |name: &str, next: &str| {
            (
                200,
                json!({"metadata": {"resourceVersion": "9", "continue": next},
                "items": [{"metadata": {"name": name}}]}),
            )
        };
        match before {
            1 => refused(410, "Expired", json!({})),
            _ if path.contains("continue=") => page("b", ""),
            _ => page("a", "token"),
        }
    });
    let list = server
        .cluster
        .list(Query::all(Kind::new("v1", "ConfigMap"), Some("n".into())))
        .await
        .unwrap();
    let names: Vec<_> = list.items.iter().map(Object::name).collect();
    assert_eq!(
        (names, list.resource_version.as_str()),
        (vec!["a", "b"], "9")
    );
    assert_eq!(list.items[0].kind(), Kind::new("v1", "ConfigMap"));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_object_is_gone_unless_something_holds_it() {
    let cases = [
        (json!({"kind": "Status", "status": "Success"}), "Gone"),
        (
            json!({"kind": "Service", "metadata": {"name": "c"}}),
            "Gone",
        ),
        (
            json!({"kind": "ConfigMap", "metadata": {"deletionTimestamp": "t", "finalizers": ["a/b"]}}),
            "Begun",
        ),
        (
            json!({"kind": "Pod", "metadata": {"deletionTimestamp": "t", "deletionGracePeriodSeconds": 30}}),
            "Begun",
        ),
        (
            json!({"kind": "Pod", "metadata": {"deletionTimestamp": "t", "deletionGracePeriodSeconds": 0}}),
            "Gone",
        ),
    ];
    for (answer, expected) in cases {
        let shown = answer.to_string();
        let server = Server::answering(move |_, _, _| (200, answer.clone()));
        let deleted = server
            .cluster
            .delete(target(), crate::DeleteOptions::default())
            .await
            .unwrap();
        let word = match deleted {
            Deleted::Gone => "Gone",
            Deleted::Begun(_) => "Begun",
            Deleted::AlreadyAbsent => "AlreadyAbsent",
            Deleted::PreconditionFailed => "PreconditionFailed",
        };
        assert_eq!(word, expected, "{shown}");
    }
}

#[derive(Debug)]
struct Fixed(Result<&'static str, &'static str>);

#[async_trait::async_trait]
impl TokenSource for Fixed {
    async fn token(&self) -> Result<Secret, TokenError> {
        match self.0 {
            Ok(token) => Ok(Secret::new(token)),
            Err(message) => Err(TokenError(message.into())),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_request_carries_the_sources_token() {
    let options = ConnectOptions {
        token: Some(Arc::new(Fixed(Ok("t0k3n")))),
        ..ConnectOptions::default()
    };
    let server = Server::with_options(|_, _, _| (200, json!({"kind": "ConfigMap"})), options);
    server.cluster.get(target()).await.unwrap();
    assert!(
        server.seen()[0].ends_with("[Bearer t0k3n]"),
        "{:?}",
        server.seen()
    );
}

#[tokio::test(start_paused = true)]
async fn a_source_without_a_token_stops_before_anything_is_sent() {
    let options = ConnectOptions {
        token: Some(Arc::new(Fixed(Err("no login")))),
        ..ConnectOptions::default()
    };
    let server = Server::with_options(|_, _, _| (200, json!({})), options);
    let error = server.cluster.get(target()).await.unwrap_err();
    assert!(
        matches!(error.kind, ClusterErrorKind::Config(_)),
        "{error:?}"
    );
    assert_eq!(server.cluster.requests().count().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_a_timeout() {
    let connector = tower::service_fn(|_: http::Uri| {
        let (ours, theirs) = tokio::io::duplex(1024);
        std::mem::forget(theirs);
        std::future::ready(Ok::<_, std::io::Error>(Pipe(TokioIo::new(ours))))
    });
    let cluster = KubeCluster::with_connector(
        connector,
        "http://server.invalid",
        ConnectOptions::default(),
    )
    .unwrap();
    let error = cluster.get(target()).await.unwrap_err();
    assert!(
        matches!(error.kind, ClusterErrorKind::Timeout(limit) if limit == Duration::from_secs(60))
    );
}
