//! [`Transport`]: the one way to Azure's wire. It owns counting, our retry and the two wires (the
//! internet, or a connector the caller gives); it refuses to know any service.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::headers::HeaderName;
use azure_core::http::{AsyncRawResponse, HttpClient, Method, Request, StatusCode};
use azure_core::time::{OffsetDateTime, parse_rfc7231};
use converge::{Backoff, RequestClass, RequestLog, Service};
use tokio::time::{Instant, sleep};

/// How often and how long a request is tried again. Times are of tokio's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOptions {
    /// How many times a request is sent at most; 6 by default, 1 for no retry.
    pub attempts: u32,
    /// The first pause where the service names none; 500 ms by default, doubling.
    pub first_pause: Duration,
    /// The longest pause where the service names none; 30 s by default.
    pub longest_pause: Duration,
    /// No retry begins later than this after the first try; 2 minutes by default.
    pub limit: Duration,
    /// Decides the jitter of the pauses.
    pub seed: u64,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            attempts: 6,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            limit: Duration::from_secs(120),
            seed: 0,
        }
    }
}

impl RetryOptions {
    /// Every request is sent once.
    pub fn none() -> Self {
        Self {
            attempts: 1,
            ..Self::default()
        }
    }
}

/// The transport every request to Azure takes: ours and those of the SDK clients. Cheap to clone;
/// clones count together.
///
/// A request is tried again after 429 and 503, which mean that it was not carried out, and after a
/// connection that never came about; after 408, 500, 502, 504 and a broken connection only if
/// repeating it is harmless (everything but POST and PATCH, and those that are probes).
/// `Retry-After` is honoured.
#[derive(Clone)]
pub struct Transport {
    wire: Arc<dyn HttpClient>,
    requests: RequestLog,
    retry: RetryOptions,
    in_process: bool,
}

impl Transport {
    /// The internet: HTTPS with the platform's trust and proxy settings, no redirects, 20 s to
    /// connect, 60 s without a byte.
    ///
    /// # Errors
    /// When no TLS client can be made on this machine.
    pub fn internet(requests: RequestLog, retry: RetryOptions) -> Result<Self, TransportError> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(20))
            .read_timeout(Duration::from_secs(60))
            .pool_idle_timeout(Duration::from_secs(60))
            .no_gzip()
            .no_deflate()
            .build()
            .map_err(|error| TransportError(Box::new(error)))?;
        Ok(Self::over(Arc::new(client), false, requests, retry))
    }

    /// Plain HTTP through a connector the caller gives, whatever the host: the in-memory pipes and
    /// the loopback listener of a sandbox. The original host stays in the `Host` header. Only a
    /// sandbox handle can hold one, so that no real token ever takes this way.
    pub(crate) fn sandbox(
        wire: Arc<dyn HttpClient>,
        requests: RequestLog,
        retry: RetryOptions,
    ) -> Self {
        Self::over(wire, true, requests, retry)
    }

    fn over(
        wire: Arc<dyn HttpClient>,
        in_process: bool,
        requests: RequestLog,
        retry: RetryOptions,
    ) -> Self {
        Self {
            wire,
            requests,
            retry,
            in_process,
        }
    }

    /// The counter.
    pub fn requests(&self) -> &RequestLog {
        &self.requests
    }

    /// Whether this leads to a sandbox.
    pub fn is_sandbox(&self) -> bool {
        self.in_process
    }

    /// The same transport and counter, with no retry later than `left` from now.
    #[must_use]
    pub(crate) fn within(&self, left: Duration) -> Self {
        let mut bounded = self.clone();
        bounded.retry.limit = bounded.retry.limit.min(left);
        bounded
    }

    /// The same transport and counter without retry: for what bounds its own time.
    #[must_use]
    pub(crate) fn once(&self) -> Self {
        Self {
            retry: RetryOptions::none(),
            ..self.clone()
        }
    }

    /// Sends a request of a known class, with retries. Every try is counted.
    pub(crate) async fn send(
        &self,
        request: &Request,
        class: RequestClass,
    ) -> azure_core::Result<AsyncRawResponse> {
        let started = Instant::now();
        let harmless = class != RequestClass::Write
            || !matches!(request.method(), Method::Post | Method::Patch);
        let pauses = Backoff::new(
            self.retry.first_pause,
            self.retry.longest_pause,
            self.retry.seed,
        );
        for (attempt, pause) in (1..).zip(pauses) {
            self.requests.record(Service::Azure, class);
            let answer = self.wire.execute_request(request).await;
            let Some(asked) = worth_retrying(&answer, harmless) else {
                return answer;
            };
            let pause = asked.unwrap_or(pause);
            if attempt >= self.retry.attempts || started.elapsed() + pause > self.retry.limit {
                return answer;
            }
            tracing::debug!(
                attempt,
                ?pause,
                host = request.url().host_str(),
                "trying again"
            );
            sleep(pause).await;
        }
        unreachable!("the pauses are endless")
    }
}

#[async_trait]
impl HttpClient for Transport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        self.send(request, classify(request)).await
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Transport({}, {})",
            if self.in_process {
                "sandbox"
            } else {
                "internet"
            },
            self.requests.count()
        )
    }
}

/// `None` if the answer is to be returned; otherwise the pause the service asks for, if any.
#[expect(
    clippy::option_option,
    reason = "whether to retry and for how long are two questions, asked at one place"
)]
fn worth_retrying(
    answer: &azure_core::Result<AsyncRawResponse>,
    harmless: bool,
) -> Option<Option<Duration>> {
    match answer {
        Ok(response) => match response.status() {
            StatusCode::TooManyRequests | StatusCode::ServiceUnavailable => {
                Some(retry_after(response.headers(), OffsetDateTime::now_utc()))
            }
            StatusCode::RequestTimeout
            | StatusCode::InternalServerError
            | StatusCode::BadGateway
            | StatusCode::GatewayTimeout
                if harmless =>
            {
                Some(retry_after(response.headers(), OffsetDateTime::now_utc()))
            }
            _ => None,
        },
        Err(error) => match error.kind() {
            ErrorKind::Connection => Some(None),
            ErrorKind::Io if harmless => Some(None),
            _ => None,
        },
    }
}

/// The pause a service asks for: `Retry-After` in seconds or as a date, or the millisecond headers
/// of Azure.
pub(crate) fn retry_after(
    headers: &azure_core::http::headers::Headers,
    now: OffsetDateTime,
) -> Option<Duration> {
    for name in ["retry-after-ms", "x-ms-retry-after-ms"] {
        let millis = headers.get_optional_str(&HeaderName::from_static(name));
        if let Some(millis) = millis.and_then(|text| text.trim().parse().ok()) {
            return Some(Duration::from_millis(millis));
        }
    }
    let text = headers.get_optional_str(&HeaderName::from_static("retry-after"))?;
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = parse_rfc7231(text.trim()).ok()?;
    Some((at - now).try_into().unwrap_or(Duration::ZERO))
}

/// The class of a request the SDK clients send: what its method says, except for tokens, listings
/// by POST, and requests without any credential, which only ask for a challenge.
fn classify(request: &Request) -> RequestClass {
    let path = request.url().path();
    let last = path.rsplit('/').next().unwrap_or_default();
    let authorised = request
        .headers()
        .get_optional_str(&HeaderName::from_static("authorization"))
        .is_some()
        || request.url().query_pairs().any(|(name, _)| name == "sig");
    if !authorised || path.contains("/oauth2/") {
        return RequestClass::Probe;
    }
    match request.method() {
        Method::Get | Method::Head => RequestClass::Read,
        Method::Post if last.starts_with("list") => RequestClass::Probe,
        _ => RequestClass::Write,
    }
}

/// No TLS client can be made.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no HTTPS client can be made on this machine")]
#[diagnostic(
    code(aka::azure::transport),
    help("install the system's certificate authorities and check the proxy settings")
)]
pub struct TransportError(#[source] Box<dyn StdError + Send + Sync>);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use azure_core::http::headers::Headers;

    use super::*;

    /// A wire that answers from a list and remembers nothing else.
    #[derive(Debug)]
    struct Scripted(Mutex<Vec<(u16, Option<&'static str>)>>);

    #[async_trait]
    impl HttpClient for Scripted {
        async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
            let (status, after) = self.0.lock().unwrap().remove(0);
            if status == 0 {
                return Err(azure_core::Error::with_message(ErrorKind::Io, "reset"));
            }
            let mut headers = Headers::new();
            if let Some(after) = after {
                headers.insert("retry-after", after);
            }
            Ok(AsyncRawResponse::from_bytes(status.into(), headers, ""))
        }
    }

    /// Sends one request over a script; the final status (0 for an error), how many were sent, how
    /// long it took.
    async fn run(
        method: Method,
        class: RequestClass,
        script: &[(u16, Option<&'static str>)],
    ) -> (u16, u32, Duration) {
        let wire = Arc::new(Scripted(Mutex::new(script.to_vec())));
        let transport = Transport::over(wire, true, RequestLog::new(), RetryOptions::default());
        let request = Request::new("https://management.azure.com/x".parse().unwrap(), method);
        let started = Instant::now();
        let answer = transport.send(&request, class).await;
        (
            answer.map_or(0, |response| response.status().into()),
            transport.requests().count().of(class),
            started.elapsed(),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_is_waited_out_as_long_as_the_service_asks() {
        let script = [(429, Some("7")), (429, Some("5")), (200, None)];
        let (status, sent, took) = run(Method::Post, RequestClass::Write, &script).await;
        assert_eq!((status, sent), (200, 3));
        assert!((12..13).contains(&took.as_secs()), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_by_post_is_not_repeated_when_it_may_have_happened() {
        for failure in [(500, None), (0, None), (504, None)] {
            let script = [failure, (200, None)];
            let (status, sent, _) = run(Method::Post, RequestClass::Write, &script).await;
            assert_eq!((status, sent), (failure.0, 1));
            let (status, sent, _) = run(Method::Put, RequestClass::Write, &script).await;
            assert_eq!((status, sent), (200, 2));
            let (status, sent, _) = run(Method::Post, RequestClass::Probe, &script).await;
            assert_eq!((status, sent), (200, 2));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn retries_end_with_the_last_answer_and_within_the_limit() {
        let script = [(503, None); 9];
        let (status, sent, took) = run(Method::Get, RequestClass::Read, &script).await;
        assert_eq!((status, sent), (503, 6));
        assert!(took < Duration::from_secs(120), "{took:?}");
        let (status, sent, _) = run(Method::Get, RequestClass::Read, &[(429, Some("600"))]).await;
        assert_eq!((status, sent), (429, 1));
    }

    #[test]
    fn requests_are_classed_by_what_they_do() {
        let class = |method, url: &str, authorised: bool| {
            let mut request = Request::new(url.parse().unwrap(), method);
            if authorised {
                request.insert_header("authorization", "Bearer x");
            }
            classify(&request)
        };
        let vault = "https://kv.vault.azure.net/secrets/x?api-version=7.4";
        assert_eq!(class(Method::Get, vault, true), RequestClass::Read);
        assert_eq!(class(Method::Put, vault, true), RequestClass::Write);
        assert_eq!(class(Method::Put, vault, false), RequestClass::Probe);
        let token = "https://login.microsoftonline.com/t/oauth2/v2.0/token";
        assert_eq!(class(Method::Post, token, false), RequestClass::Probe);
        let keys = "https://management.azure.com/x/listKeys?api-version=1";
        assert_eq!(class(Method::Post, keys, true), RequestClass::Probe);
    }

    #[test]
    fn the_pause_is_read_from_every_form() {
        let now = parse_rfc7231("Mon, 23 Nov 2026 12:00:00 GMT").unwrap();
        for (name, value, millis) in [
            ("retry-after", "3", 3000),
            ("retry-after", "Mon, 23 Nov 2026 12:00:05 GMT", 5000),
            ("retry-after", "Mon, 23 Nov 2026 11:00:00 GMT", 0),
            ("x-ms-retry-after-ms", "250", 250),
        ] {
            let mut headers = Headers::new();
            headers.insert(name, value);
            let pause = retry_after(&headers, now).unwrap();
            assert_eq!(pause, Duration::from_millis(millis), "{value}");
        }
    }
}
