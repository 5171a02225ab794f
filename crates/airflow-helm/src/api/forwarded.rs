//! [`ForwardedApi`]: Airflow's API through a stream to one of its pods. It owns the connection, kept
//! for as long as the pod keeps it, and the token of Airflow 3; it needs no way in from outside the
//! cluster.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use bytes::Bytes;
use converge::Secret;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use kube_cluster::{Cluster, Object, PodStream, PortForward};
use serde_json::{Value, json};

use super::wire::{self, Dialect, Question};
use super::{AirflowApi, ApiError, ApiErrorKind, Health, ImportError, RunState};
use crate::pods::ready_among;
use crate::{Pair, PodTarget, ready_pod};

/// The largest answer read, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;

/// The pauses before a request is sent again, where that may help: Airflow answers 500 while its
/// database is locked or its pod restarts.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// A user and their password.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// Airflow's API through port-forward.
pub struct ForwardedApi {
    cluster: Arc<dyn Cluster>,
    forward: Arc<dyn PortForward>,
    target: PodTarget,
    dialect: Dialect,
    login: Option<Login>,
    token: Mutex<Option<Secret>>,
    /// The pod that answered last, or may, and the connection to it.
    pod: Mutex<Option<String>>,
    open: Mutex<Option<Open>>,
    timeout: Duration,
}

/// A connection. It moves only while a request on it is polled.
struct Open {
    sender: SendRequest<Full<Bytes>>,
    connection: BoxFuture<'static, Result<(), hyper::Error>>,
    ended: bool,
}

impl Open {
    async fn new(stream: Box<dyn PodStream>) -> Result<Self, hyper::Error> {
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self {
            sender,
            connection: connection.boxed(),
            ended: false,
        })
    }

    /// Whether another request may be tried.
    fn goes_on(&self) -> bool {
        !self.ended && !self.sender.is_closed()
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<(u16, Bytes), BoxError> {
        let Self {
            sender,
            connection,
            ended,
        } = self;
        let answer = async {
            sender.ready().await?;
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), LARGEST)
                .collect()
                .await?;
            Ok((status, body.to_bytes()))
        };
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            result = connection => {
                *ended = true;
                match result {
                    Ok(()) => answer.await,
                    Err(error) => Err(error.into()),
                }
            }
        }
    }
}

type BoxError = Box<dyn Error + Send + Sync>;

impl ForwardedApi {
    /// The API of the release `target` names; each request may take 30 seconds. Without a login
    /// only [`health`](AirflowApi::health) and [`version`](AirflowApi::version) work.
    pub fn new(
        cluster: Arc<dyn Cluster>,
        forward: Arc<dyn PortForward>,
        target: PodTarget,
        pair: &Pair,
        login: Option<Login>,
    ) -> Self {
        Self {
            cluster,
            forward,
            target,
            dialect: if pair.airflow.is_three() {
                Dialect::Three
            } else {
                Dialect::Two
            },
            login,
            token: Mutex::new(None),
            pod: Mutex::new(None),
            open: Mutex::new(None),
            timeout: Duration::from_secs(30),
        }
    }

    /// Asks, and asks again where Airflow could not answer; every question may be asked twice. What is
    /// only read is soon given up: whoever waits for it asks again, and says meanwhile why.
    async fn ask(&self, question: Question) -> Result<Option<Value>, ApiError> {
        let patience = if question.method == Method::GET {
            2
        } else {
            PAUSES.len()
        };
        for &pause in &PAUSES[..patience] {
            match self.ask_once(&question).await {
                Err(error) if error.kind.may_be_momentary() => tokio::time::sleep(pause).await,
                other => return other,
            }
        }
        self.ask_once(&question).await
    }

    async fn ask_once(&self, question: &Question) -> Result<Option<Value>, ApiError> {
        let verb = question.verb;
        let authorization = if question.login {
            Some(self.authorization().await?)
        } else {
            None
        };
        let result = self.send(question, authorization.as_ref()).await;
        match result {
            // A token may be older than the key it was signed with: once, ask for another.
            Err(ApiErrorKind::Login { .. }) if question.login && self.forget_token() => {
                let again = self.authorization().await?;
                self.send(question, Some(&again)).await
            }
            other => other,
        }
        .map_err(|kind| ApiError { verb, kind })
    }

    async fn send(
        &self,
        question: &Question,
        authorization: Option<&Secret>,
    ) -> Result<Option<Value>, ApiErrorKind> {
        let (status, body) = self
            .exchange(
                &question.method,
                &question.path,
                question.body.as_ref(),
                authorization,
            )
            .await?;
        wire::answer(status, &body)
    }

    fn forget_token(&self) -> bool {
        self.token
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .is_some()
    }

    /// The value of the `Authorization` header.
    async fn authorization(&self) -> Result<Secret, ApiError> {
        const VERB: &str = "log in to";
        let fail = |kind| ApiError { verb: VERB, kind };
        let login = self.login.as_ref().ok_or_else(|| {
            fail(ApiErrorKind::Login {
                status: 401,
                message: "no login was given".into(),
            })
        })?;
        if self.dialect == Dialect::Two {
            let pair = format!("{}:{}", login.username, login.password.expose());
            let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
            return Ok(Secret::new(format!("Basic {encoded}")));
        }
        let held = self
            .token
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(token) = held {
            return Ok(token);
        }
        let body = json!({"username": login.username, "password": login.password.expose()});
        let (status, body) = self
            .exchange(&Method::POST, "/auth/token", Some(&body), None)
            .await
            .map_err(fail)?;
        let answer = wire::answer(status, &body)
            .map_err(fail)?
            .unwrap_or_default();
        let token = answer
            .get("access_token")
            .and_then(Value::as_str)
            .map(|token| Secret::new(format!("Bearer {token}")))
            .ok_or_else(|| fail(ApiErrorKind::Unreadable("no access_token".into())))?;
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        Ok(token)
    }

    /// One request to a ready pod: on the connection that is open, if repeating it does no harm
    /// should that connection turn out to be closed; else on a new one.
    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        authorization: Option<&Secret>,
    ) -> Result<(u16, Bytes), ApiErrorKind> {
        let exchange = async {
            let make = |pod: &str| {
                request(method, path, body, authorization).map_err(|error| broken(pod, error))
            };
            let open = lock(&self.open).take();
            if let (Some(mut open), Method::GET) = (open.filter(Open::goes_on), method.clone()) {
                let answer = open.send(make("")?).await;
                if let Ok(answer) = answer {
                    *lock(&self.open) = Some(open);
                    return Ok(answer);
                }
            }
            let (pod, mut open) = self.connect().await?;
            let answer = open.send(make(&pod)?).await;
            let answer = answer.map_err(|error| broken(&pod, error))?;
            *lock(&self.open) = Some(open);
            Ok(answer)
        };
        tokio::time::timeout(self.timeout, exchange)
            .await
            .unwrap_or(Err(ApiErrorKind::Timeout(self.timeout)))
    }

    /// A connection to the pod that answered last, or to one that is ready.
    async fn connect(&self) -> Result<(String, Open), ApiErrorKind> {
        let last = lock(&self.pod).take();
        if let Some(pod) = last
            && let Ok(open) = self.connect_to(&pod).await
        {
            *lock(&self.pod) = Some(pod.clone());
            return Ok((pod, open));
        }
        let pod = ready_pod(&*self.cluster, &self.target, &[])
            .await
            .map_err(ApiErrorKind::Pod)?;
        let open = self.connect_to(&pod).await?;
        *lock(&self.pod) = Some(pod.clone());
        Ok((pod, open))
    }

    async fn connect_to(&self, pod: &str) -> Result<Open, ApiErrorKind> {
        let namespace = self.target.namespace.clone();
        let stream = self
            .forward
            .forward(namespace, pod.to_owned(), self.target.port)
            .await
            .map_err(|error| broken(pod, error))?;
        Open::new(stream).await.map_err(|error| broken(pod, error))
    }
}

fn lock<T>(held: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

fn broken(pod: &str, source: impl Into<BoxError>) -> ApiErrorKind {
    ApiErrorKind::Connection {
        pod: pod.to_owned(),
        source: source.into(),
    }
}

fn request(
    method: &Method,
    path: &str,
    body: Option<&Value>,
    authorization: Option<&Secret>,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost:8080")
        .header(header::ACCEPT, "application/json");
    if let Some(authorization) = authorization {
        let mut value = header::HeaderValue::try_from(authorization.expose())?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    request.body(Full::from(body.map(Value::to_string).unwrap_or_default()))
}

fn there(verb: &'static str, answer: Option<Value>) -> Result<Value, ApiError> {
    answer.ok_or(ApiError {
        verb,
        kind: ApiErrorKind::Answer {
            status: 404,
            message: "not found: another version of Airflow may be running".into(),
        },
    })
}

fn read<T: serde::de::DeserializeOwned>(verb: &'static str, value: Value) -> Result<T, ApiError> {
    serde_json::from_value(value).map_err(|error| ApiError {
        verb,
        kind: ApiErrorKind::Unreadable(error.to_string()),
    })
}

#[async_trait]
impl AirflowApi for ForwardedApi {
    fn has_seen(&self, pods: &[Object]) {
        let mut pod = lock(&self.pod);
        if pod.is_none() {
            *pod = ready_among(pods, &self.target);
        }
    }

    async fn health(&self) -> Result<Health, ApiError> {
        let question = self.dialect.health();
        let verb = question.verb;
        read(verb, there(verb, self.ask(question).await?)?)
    }

    async fn version(&self) -> Result<String, ApiError> {
        let question = self.dialect.version();
        let verb = question.verb;
        let mut answer = there(verb, self.ask(question).await?)?;
        read(verb, answer["version"].take())
    }

    async fn import_errors(&self) -> Result<Vec<ImportError>, ApiError> {
        let question = self.dialect.import_errors();
        let verb = question.verb;
        let mut answer = there(verb, self.ask(question).await?)?;
        read(verb, answer["import_errors"].take())
    }

    async fn dags(&self) -> Result<Vec<String>, ApiError> {
        let question = self.dialect.dags();
        let verb = question.verb;
        let answer = there(verb, self.ask(question).await?)?;
        let dags = answer
            .get("dags")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        dags.into_iter()
            .map(|mut dag| read(verb, dag["dag_id"].take()))
            .collect()
    }

    async fn trigger(&self, dag: String) -> Result<Option<String>, ApiError> {
        if self.ask(self.dialect.unpause(&dag)).await?.is_none() {
            return Ok(None);
        }
        let run = format!("aks-airflow__{}", jiff::Timestamp::now());
        match self.ask(self.dialect.trigger(&dag, &run)).await {
            Ok(started) => Ok(started.map(|_| run)),
            // The run is there where the answer to an earlier attempt was lost.
            Err(conflict) if conflict.kind.is_conflict() => {
                match self.ask(self.dialect.run(&dag, &run)).await? {
                    Some(_) => Ok(Some(run)),
                    None => Err(conflict),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn run_state(&self, dag: String, run: String) -> Result<Option<RunState>, ApiError> {
        let question = self.dialect.run(&dag, &run);
        let verb = question.verb;
        match self.ask(question).await? {
            None => Ok(None),
            Some(run) => wire::run_state(&run)
                .map(Some)
                .map_err(|kind| ApiError { verb, kind }),
        }
    }
}

impl fmt::Debug for ForwardedApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardedApi")
            .field("target", &self.target)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "forwarded_tests.rs"]
mod tests;
