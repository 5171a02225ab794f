//! One place where requests leave and answers come in: timeout, retry, decoding. It refuses to know
//! what is asked.

use std::error::Error;
use std::time::Duration;

use converge::Backoff;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;
use tokio::time::Instant;

use super::KubeCluster;
use super::answer::Refusal;
use super::request::Ask;
use crate::ClusterErrorKind;

/// An answer whose body still streams, or a refusal.
pub(super) type Opened = Result<Response<Body>, Refusal>;

/// A JSON answer, or a refusal.
pub(super) type Answered = Result<Value, Refusal>;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl KubeCluster {
    /// Asks and reads the whole answer, repeating where that can do no harm.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Answered, ClusterErrorKind> {
        self.with_retries(ask, || self.ask_once(ask)).await
    }

    /// Asks and leaves the body streaming; only the answer's head is waited for with a limit.
    pub(super) async fn open(&self, ask: &Ask) -> Result<Opened, ClusterErrorKind> {
        self.with_retries(ask, || self.open_once(ask)).await
    }

    async fn with_retries<T, F, R>(
        &self,
        ask: &Ask,
        once: F,
    ) -> Result<Result<T, Refusal>, ClusterErrorKind>
    where
        F: Fn() -> R,
        R: Future<Output = Result<Result<T, Refusal>, Failure>>,
    {
        let started = Instant::now();
        let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, self.limits.seed);
        loop {
            let outcome = once().await;
            if matches!(&outcome, Err(failure) if failure.is_cut()) {
                self.outage.note();
            }
            let wish = match &outcome {
                Ok(Err(refusal)) if self.is_premature(refusal) => Some(Duration::ZERO),
                Ok(Err(refusal)) if refusal.code == 429 || ask.repeatable => refusal
                    .is_transient()
                    .then_some(refusal.retry_after.unwrap_or_default()),
                Ok(_) => None,
                Err(failure) => (ask.repeatable || failure.never_sent)
                    .then_some(Duration::ZERO)
                    .filter(|_| failure.is_transient()),
            };
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            match wish.map(|asked| asked.max(pause)) {
                Some(pause) if started.elapsed() + pause < self.limits.retries => {
                    tracing::debug!(path = ask.path, ?pause, "the request is repeated");
                    tokio::time::sleep(pause).await;
                }
                _ => return outcome.map_err(|failure| failure.kind),
            }
        }
    }

    /// Whether a server that has just started refused what it cannot judge yet: it did nothing, and
    /// answers otherwise once it has read its roles and bindings.
    fn is_premature(&self, refusal: &Refusal) -> bool {
        refusal.code == 403 && (refusal.knows_no_role() || self.outage.is_recent())
    }

    async fn ask_once(&self, ask: &Ask) -> Result<Answered, Failure> {
        let limit = self.limits.request;
        let exchange = async {
            let bytes = match self.head(ask).await? {
                Err(refusal) => return Ok(Err(refusal)),
                Ok(response) => body(response).await?,
            };
            match serde_json::from_slice(&bytes) {
                Ok(value) => Ok(Ok(value)),
                Err(error) => Err(Failure::of(ClusterErrorKind::Answer(error.into()))),
            }
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::of(ClusterErrorKind::Timeout(limit))),
        }
    }

    async fn open_once(&self, ask: &Ask) -> Result<Opened, Failure> {
        let limit = self.limits.request;
        match tokio::time::timeout(limit, self.head(ask)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::of(ClusterErrorKind::Timeout(limit))),
        }
    }

    /// Sends once; a refusal's body is read whole.
    async fn head(&self, ask: &Ask) -> Result<Opened, Failure> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(&ask.path)
            .header(ACCEPT, ask.accept);
        if let Some(content_type) = ask.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if ask.path.contains("watch=1") {
            // Servers compress watches event by event, which the client's decoder does not follow.
            request = request.header(ACCEPT_ENCODING, "identity");
        }
        let request = request
            .body(Body::from(ask.body.clone()))
            .map_err(|error| Failure::of(ClusterErrorKind::Config(error.into())))?;
        let response = self
            .client
            .send(request)
            .await
            .map_err(Failure::from_client)?;
        if response.status().is_success() {
            return Ok(Ok(response));
        }
        let code = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        Ok(Err(Refusal::read(
            code,
            retry_after,
            &body(response).await?,
        )))
    }
}

/// A request without an answer.
struct Failure {
    kind: ClusterErrorKind,
    /// No connection came about, so the server did nothing.
    never_sent: bool,
}

impl Failure {
    fn of(kind: ClusterErrorKind) -> Self {
        Self {
            kind,
            never_sent: false,
        }
    }

    fn from_client(error: kube::Error) -> Self {
        let never_sent = causes(&error).any(|cause| {
            cause
                .downcast_ref::<hyper_util::client::legacy::Error>()
                .is_some_and(hyper_util::client::legacy::Error::is_connect)
        });
        Self {
            kind: client_error(error),
            never_sent,
        }
    }

    /// Whether the server was lost, or is not there.
    fn is_cut(&self) -> bool {
        matches!(self.kind, ClusterErrorKind::Unreachable(_))
    }

    fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            ClusterErrorKind::Unreachable(_) | ClusterErrorKind::Timeout(_)
        )
    }
}

/// What an error of the HTTP client means.
pub(super) fn client_error(error: kube::Error) -> ClusterErrorKind {
    match error {
        kube::Error::Api(status) => Refusal::read(
            status.code,
            None,
            &serde_json::to_vec(&with_kind(&status)).unwrap_or_default(),
        )
        .into_kind("the resource"),
        kube::Error::Auth(error) => ClusterErrorKind::Config(Box::new(error)),
        kube::Error::SerdeError(error) => ClusterErrorKind::Answer(Box::new(error)),
        kube::Error::Service(error) if error.is::<super::TokenError>() => {
            ClusterErrorKind::Config(error)
        }
        other => ClusterErrorKind::Unreachable(Box::new(other)),
    }
}

fn with_kind(status: &kube::core::Status) -> Value {
    let mut value = serde_json::to_value(status).unwrap_or_default();
    value["kind"] = "Status".into();
    value
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        error.source()
    })
}

async fn body(response: Response<Body>) -> Result<bytes::Bytes, Failure> {
    match response.into_body().collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(Failure::of(ClusterErrorKind::Unreachable(Box::new(error)))),
    }
}
