//! A page that looks like Airflow's web server to a health check: health, version, DAGs, runs,
//! import errors, in the forms of 2.x (`/health`, `/api/v1`) and 3.x (`/api/v2`), as Airflow 2.9.3 and
//! 3.2.2 answer. It runs no DAG; every page says so.
//!
//! There is one DAG. The login is the password in a Secret of the namespace under the key
//! `admin-password`, else the chart's `admin`; any user name goes with it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::target::decode;
use crate::mount::{Body, full, json as json_answer};
use crate::world::{Progress, World, seconds};

/// What the page shows first.
const MARK: &str = "simulated by aks-airflow sandbox, not Airflow";
/// The one DAG there is.
const DAG: &str = "sandbox_example";
/// The one token of 3.x.
const TOKEN: &str = "sandbox";
/// How long a triggered run takes, milliseconds.
const RUN_TAKES: i64 = 2_000;

/// Connects to a port of a running pod; `None` when none of its containers listens there.
pub(super) fn connect(world: &Arc<World>, pod: &Value, port: u16) -> Option<DuplexStream> {
    let container = pod["spec"]["containers"]
        .as_array()?
        .iter()
        .find(|container| {
            container["ports"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|listens| listens["containerPort"] == port)
        })?;
    let image = container["image"].as_str().unwrap_or_default();
    let version = image
        .rsplit_once(':')
        .map_or("0.0.0", |(_, tag)| tag)
        .to_owned();
    let namespace = pod["metadata"]["namespace"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let place = Place {
        world: Arc::clone(world),
        namespace,
        version,
    };
    let (client, server) = tokio::io::duplex(64 * 1024);
    tokio::spawn(serve(place, server));
    Some(client)
}

/// The page of one version on a free port of 127.0.0.1, for clusters whose pods run nothing.
pub(crate) async fn listen(
    world: &Arc<World>,
    namespace: &str,
    version: &str,
) -> std::io::Result<(SocketAddr, JoinHandle<()>)> {
    let place = Place {
        world: Arc::clone(world),
        namespace: namespace.to_owned(),
        version: version.to_owned(),
    };
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = socket.local_addr()?;
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            tokio::spawn(serve(place.clone(), stream));
        }
    });
    Ok((address, task))
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(place: Place, stream: S) {
    let service = service_fn(move |request: Request<Incoming>| {
        let place = place.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body
                .collect()
                .await
                .map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
            Ok::<_, std::convert::Infallible>(place.respond(&Request::from_parts(parts, body)))
        }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a simulated page's connection ended early");
    }
}

#[derive(Clone)]
struct Place {
    world: Arc<World>,
    namespace: String,
    version: String,
}

fn ok(value: &Value) -> Response<Body> {
    json_answer(StatusCode::OK, value)
}

impl Place {
    fn is_three(&self) -> bool {
        self.version.starts_with('3')
    }

    fn respond(&self, request: &Request<Bytes>) -> Response<Body> {
        let path = request.uri().path();
        let api = if self.is_three() {
            "/api/v2"
        } else {
            "/api/v1"
        };
        let health = if self.is_three() {
            "/api/v2/monitor/health"
        } else {
            "/health"
        };
        if path == health || (!self.is_three() && path == "/api/v1/health") {
            return ok(&self.health());
        }
        if path == "/auth/token" && self.is_three() && *request.method() == Method::POST {
            return self.token(request.body());
        }
        let Some(rest) = path.strip_prefix(api) else {
            if self.is_three() && (path.starts_with("/api/v1") || path == "/health") {
                let error = "moved in Airflow 3 to /api/v2";
                return json_answer(StatusCode::NOT_FOUND, &json!({"error": error}));
            }
            if path.starts_with("/api/") {
                return self.refuse(StatusCode::NOT_FOUND, "Not Found", MARK.into());
            }
            let page = format!(
                "<!doctype html><title>Airflow</title><h1>{MARK}</h1><p>Version {}</p>\n",
                self.version
            );
            let mut response = Response::new(full(page));
            response
                .headers_mut()
                .insert("content-type", http::HeaderValue::from_static("text/html"));
            return response;
        };
        if rest == "/version" {
            return ok(&json!({"version": self.version, "git_version": MARK}));
        }
        if let Some(refused) = self.check_login(request) {
            return refused;
        }
        // Ids of runs hold `:` and `+`, which come escaped.
        let segments: Vec<String> = rest
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(decode)
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (request.method(), segments.as_slice()) {
            (&Method::GET, ["importErrors"]) => {
                ok(&json!({"import_errors": [], "total_entries": 0}))
            }
            (&Method::GET, ["dagWarnings"]) => ok(&json!({"dag_warnings": [], "total_entries": 0})),
            (&Method::GET, ["dags"]) => ok(&json!({"dags": [self.dag(DAG)], "total_entries": 1})),
            (_, ["dags", dag, ..]) if *dag != DAG => {
                let detail = format!("Dag with id: '{dag}' not found");
                self.refuse(StatusCode::NOT_FOUND, "DAG not found", detail.into())
            }
            (&Method::GET | &Method::PATCH, ["dags", dag]) => ok(&self.dag(dag)),
            (&Method::POST, ["dags", dag, "dagRuns"]) => self.trigger(dag, request.body()),
            (&Method::GET, ["dags", dag, "dagRuns"]) => {
                let runs = self.runs(dag);
                ok(&json!({"total_entries": runs.len(), "dag_runs": runs}))
            }
            (&Method::GET, ["dags", dag, "dagRuns", run]) => {
                let mut runs = self.runs(dag).into_iter();
                let found = runs.find(|found| found["dag_run_id"] == *run);
                let detail =
                    format!("DAGRun with DAG ID: '{dag}' and DagRun ID: '{run}' not found");
                found.map_or_else(
                    || self.refuse(StatusCode::NOT_FOUND, "DAGRun not found", detail.into()),
                    |found| ok(&found),
                )
            }
            (&Method::GET, ["jobs"]) => ok(&json!({"jobs": [], "total_entries": 0})),
            _ => self.refuse(StatusCode::NOT_FOUND, "Not Found", MARK.into()),
        }
    }

    /// A refusal in the form of the generation: a problem document in 2.x, a detail in 3.x.
    fn refuse(&self, status: StatusCode, title: &str, detail: Value) -> Response<Body> {
        if self.is_three() {
            let detail = if detail.is_null() {
                title.into()
            } else {
                detail
            };
            return json_answer(status, &json!({"detail": detail}));
        }
        let mut answer = json_answer(
            status,
            &json!({"detail": detail, "status": status.as_u16(), "title": title, "type": "about:blank"}),
        );
        let kind = http::HeaderValue::from_static("application/problem+json");
        answer.headers_mut().insert("content-type", kind);
        answer
    }

    /// Airflow 3's login.
    fn token(&self, body: &Bytes) -> Response<Body> {
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let word = |key: &str| asked[key].as_str().unwrap_or_default();
        if word("username").is_empty() || word("password").is_empty() {
            let why = "Username and password must be provided";
            return self.refuse(StatusCode::BAD_REQUEST, why, Value::Null);
        }
        if word("password") != self.password() {
            return self.refuse(StatusCode::UNAUTHORIZED, "Invalid credentials", Value::Null);
        }
        json_answer(StatusCode::CREATED, &json!({"access_token": TOKEN}))
    }

    /// The refusal of a request that is not logged in.
    fn check_login(&self, request: &Request<Bytes>) -> Option<Response<Body>> {
        let header = request.headers().get(http::header::AUTHORIZATION);
        let header = header.and_then(|value| value.to_str().ok());
        if self.is_three() {
            let (status, why) = match header.and_then(|text| text.strip_prefix("Bearer ")) {
                Some(TOKEN) => return None,
                Some(_) => (StatusCode::FORBIDDEN, "Invalid JWT token"),
                None => (StatusCode::UNAUTHORIZED, "Not authenticated"),
            };
            return Some(self.refuse(status, why, Value::Null));
        }
        let pair = header
            .and_then(|text| text.strip_prefix("Basic "))
            .and_then(|text| STANDARD.decode(text).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let password = pair.as_deref().and_then(|pair| pair.split_once(':'));
        if password.is_some_and(|(_, password)| password == self.password()) {
            return None;
        }
        Some(self.refuse(StatusCode::FORBIDDEN, "Forbidden", Value::Null))
    }

    /// What the job that makes the first user was given.
    fn password(&self) -> String {
        let encoded = self.world.read(|state| {
            let mut secrets = state.store.within("/secrets", &self.namespace);
            secrets.find_map(|(_, secret)| {
                let password = secret["data"]["admin-password"].as_str();
                password.map(str::to_owned)
            })
        });
        encoded
            .and_then(|text| STANDARD.decode(text).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .unwrap_or_else(|| "admin".into())
    }

    /// Heartbeats are five seconds apart, as the scheduler's.
    fn health(&self) -> Value {
        let now = self.world.clock().millis();
        let beat = seconds(now - now % 5_000).replace('Z', ".000000+00:00");
        let alive =
            |name: &str| json!({"status": "healthy", format!("latest_{name}_heartbeat"): beat});
        let processor = if self.is_three() {
            alive("dag_processor")
        } else {
            json!({"status": null, "latest_dag_processor_heartbeat": null})
        };
        json!({
            "metadatabase": {"status": "healthy"},
            "scheduler": alive("scheduler"),
            "triggerer": alive("triggerer"),
            "dag_processor": processor,
        })
    }

    fn dag(&self, name: &str) -> Value {
        json!({
            "dag_id": name,
            "is_active": true,
            "is_paused": false,
            "has_import_errors": false,
            "description": MARK,
            "last_parsed_time": seconds(self.world.clock().millis()),
        })
    }

    fn run_key(&self, dag: &str, run: &str) -> String {
        format!("dag-run/{}/{dag}/{run}", self.namespace)
    }

    fn trigger(&self, dag: &str, body: &Bytes) -> Response<Body> {
        let Ok(asked) = serde_json::from_slice::<Value>(body) else {
            if self.is_three() {
                let detail = json!([{"type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error", "input": {}}]);
                return self.refuse(StatusCode::UNPROCESSABLE_ENTITY, "", detail);
            }
            let why = "Request body is not valid JSON";
            return self.refuse(StatusCode::BAD_REQUEST, "Bad Request", why.into());
        };
        if self.is_three() && asked.get("logical_date").is_none() {
            let detail = json!([{"type": "missing", "loc": ["body", "logical_date"], "msg": "Field required", "input": {}}]);
            return self.refuse(StatusCode::UNPROCESSABLE_ENTITY, "", detail);
        }
        let now = self.world.clock().millis();
        let run = asked["dag_run_id"]
            .as_str()
            .map_or_else(|| format!("manual__{}", seconds(now)), str::to_owned);
        let key = self.run_key(dag, &run);
        let new = self.world.update_quietly(|state| {
            let known = state.progress.contains_key(&key);
            state.progress.entry(key).or_insert_with(|| Progress {
                step: run.clone(),
                since: now,
                tries: 1,
            });
            (false, !known)
        });
        if !new {
            let detail =
                format!("DAGRun with DAG ID: '{dag}' and DAGRun ID: '{run}' already exists");
            return self.refuse(StatusCode::CONFLICT, "Conflict", detail.into());
        }
        ok(&self.show_run(dag, &run, now))
    }

    fn runs(&self, dag: &str) -> Vec<Value> {
        let prefix = self.run_key(dag, "");
        let found: Vec<Progress> = self.world.read(|state| {
            state
                .progress
                .range(prefix.clone()..)
                .take_while(|(key, _)| key.starts_with(&prefix))
                .map(|(_, run)| run.clone())
                .collect()
        });
        found
            .iter()
            .map(|run| self.show_run(dag, &run.step, run.since))
            .collect()
    }

    fn show_run(&self, dag: &str, run: &str, since: i64) -> Value {
        let age = self.world.clock().millis() - since;
        let state = match age {
            ..500 => "queued",
            500..RUN_TAKES => "running",
            _ => "success",
        };
        let end = if age >= RUN_TAKES {
            seconds(since + RUN_TAKES).into()
        } else {
            Value::Null
        };
        json!({"dag_id": dag, "dag_run_id": run, "state": state, "conf": {}, "start_date": seconds(since), "end_date": end, "note": MARK})
    }
}
