//! A page that looks like Airflow's web server to a health check: health, version, DAGs, runs,
//! import errors, in the forms of 2.x (`/health`, `/api/v1`) and 3.x (`/api/v2`). It runs no DAG;
//! every page says so.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::DuplexStream;

use crate::mount::{Body, full, json as json_answer};
use crate::world::{Progress, World, seconds};

/// What the page shows first.
const MARK: &str = "simulated by aks-airflow sandbox, not Airflow";
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
    tokio::spawn(async move {
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
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(server), service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a simulated page's connection ended early");
        }
    });
    Some(client)
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

fn problem(status: StatusCode, title: &str) -> Response<Body> {
    json_answer(
        status,
        &json!({"detail": MARK, "status": status.as_u16(), "title": title, "type": "about:blank"}),
    )
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
            return json_answer(StatusCode::CREATED, &json!({"access_token": "sandbox"}));
        }
        let Some(rest) = path.strip_prefix(api) else {
            if path.starts_with("/api/") || (self.is_three() && path == "/health") {
                return problem(StatusCode::NOT_FOUND, "Not Found");
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
        if !request.headers().contains_key(http::header::AUTHORIZATION) {
            let status = if self.is_three() {
                StatusCode::UNAUTHORIZED
            } else {
                StatusCode::FORBIDDEN
            };
            return problem(status, "Unauthorized");
        }
        let segments: Vec<&str> = rest
            .split('/')
            .filter(|segment| !segment.is_empty())
            .collect();
        match (request.method(), segments.as_slice()) {
            (&Method::GET, ["importErrors"]) => {
                ok(&json!({"import_errors": [], "total_entries": 0}))
            }
            (&Method::GET, ["dagWarnings"]) => ok(&json!({"dag_warnings": [], "total_entries": 0})),
            (&Method::GET, ["dags"]) => {
                ok(&json!({"dags": [self.dag("sandbox_example")], "total_entries": 1}))
            }
            (&Method::GET | &Method::PATCH, ["dags", dag]) => ok(&self.dag(dag)),
            (&Method::POST, ["dags", dag, "dagRuns"]) => self.trigger(dag, request.body()),
            (&Method::GET, ["dags", dag, "dagRuns"]) => {
                let runs = self.runs(dag);
                ok(&json!({"total_entries": runs.len(), "dag_runs": runs}))
            }
            (&Method::GET, ["dags", dag, "dagRuns", run]) => match self
                .runs(dag)
                .into_iter()
                .find(|found| found["dag_run_id"] == *run)
            {
                Some(found) => ok(&found),
                None => problem(StatusCode::NOT_FOUND, "DAGRun not found"),
            },
            (&Method::GET, ["jobs"]) => ok(&json!({"jobs": [], "total_entries": 0})),
            _ => problem(StatusCode::NOT_FOUND, "Not Found"),
        }
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
            return problem(StatusCode::BAD_REQUEST, "Request body is not valid JSON");
        };
        if self.is_three() && asked.get("logical_date").is_none() {
            return json_answer(
                StatusCode::UNPROCESSABLE_ENTITY,
                &json!({"detail": [{"type": "missing", "loc": ["body", "logical_date"], "msg": "Field required"}]}),
            );
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
            return problem(StatusCode::CONFLICT, "DAGRun already exists");
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
