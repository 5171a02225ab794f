//! How repositories are reached: limits, proxy, and requests without surprises. It owns the HTTP
//! client; it refuses to read the environment, to follow from https to http, and to read without
//! limit.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use converge::{Backoff, RequestClass, RequestLog, Secret, Service};
use reqwest::redirect;
use url::Url;

use crate::{SourceError, SourceErrorKind};

/// How a repository is reached.
#[derive(Debug, Clone)]
pub struct TransportOptions {
    /// How long connecting may take; ten seconds by default.
    pub connect_timeout: Duration,
    /// How long the other side may be silent; thirty seconds by default.
    pub read_timeout: Duration,
    /// The proxy, such as `http://proxy:3128`; none by default: the environment is not read.
    pub proxy: Option<String>,
    /// The largest index, in bytes; 64 MiB by default.
    pub max_index: u64,
    /// The largest archive, in bytes; 20 MiB by default.
    pub max_archive: u64,
    /// Where requests are counted.
    pub requests: RequestLog,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            proxy: None,
            max_index: 64 * 1024 * 1024,
            max_archive: 20 * 1024 * 1024,
            requests: RequestLog::new(),
        }
    }
}

/// Who asks. Kept from every other host.
#[derive(Debug, Clone, Default)]
pub enum Login {
    /// Nobody in particular.
    #[default]
    Anonymous,
    /// Name and password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Bearer(Secret),
}

/// An HTTP client for repositories.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    client: reqwest::Client,
    pub(crate) options: TransportOptions,
}

pub(crate) const USER_AGENT: &str = concat!("aks-airflow/", env!("CARGO_PKG_VERSION"));

impl Transport {
    pub(crate) fn new(options: TransportOptions) -> Result<Self, SourceErrorKind> {
        let unusable = |error: reqwest::Error| SourceErrorKind::Invalid {
            why: format!("the HTTP client cannot be set up: {error}"),
        };
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.read_timeout)
            .redirect(redirect::Policy::custom(follow))
            .no_proxy();
        if let Some(proxy) = &options.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(unusable)?);
        }
        Ok(Self {
            client: builder.build().map_err(unusable)?,
            options,
        })
    }

    /// Reads an address, at most `limit` bytes; tries again where that may help.
    pub(crate) async fn get(
        &self,
        url: &Url,
        login: &Login,
        limit: u64,
    ) -> Result<Bytes, SourceErrorKind> {
        again(|| self.get_once(url, login, limit)).await
    }

    async fn get_once(
        &self,
        url: &Url,
        login: &Login,
        limit: u64,
    ) -> Result<Bytes, SourceErrorKind> {
        self.options
            .requests
            .record(Service::Charts, RequestClass::Read);
        let mut request = self.client.get(url.clone());
        request = match login {
            Login::Anonymous => request,
            Login::Basic { user, password } => request.basic_auth(user, Some(password.expose())),
            Login::Bearer(token) => request.bearer_auth(token.expose()),
        };
        let failed = |error| self.failed(error);
        let response = request.send().await.map_err(failed)?;
        read(response, limit).await?.map_err(failed)
    }

    /// Posts a form and reads a short answer.
    pub(crate) async fn post_form(
        &self,
        url: &Url,
        form: String,
    ) -> Result<Bytes, SourceErrorKind> {
        const SHORT: u64 = 1024 * 1024;
        self.options
            .requests
            .record(Service::Charts, RequestClass::Probe);
        let request = self
            .client
            .post(url.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let failed = |error| self.failed(error);
        let response = request.send().await.map_err(failed)?;
        read(response, SHORT).await?.map_err(failed)
    }

    fn failed(&self, error: reqwest::Error) -> SourceErrorKind {
        if error.is_timeout() {
            return SourceErrorKind::Timeout(self.options.read_timeout);
        }
        SourceErrorKind::Unreachable(Box::new(error.without_url()))
    }
}

/// Reads up to three times, with growing pauses, as long as the failure may pass.
pub(crate) async fn again<T, F>(mut read: impl FnMut() -> F) -> Result<T, SourceErrorKind>
where
    F: Future<Output = Result<T, SourceErrorKind>>,
{
    let mut pauses = Backoff::new(Duration::from_millis(200), Duration::from_secs(2), 1).take(2);
    loop {
        match read().await {
            Err(kind) if kind.is_transient() => match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(kind),
            },
            other => return other,
        }
    }
}

/// An address as people may see it: a query may hold a signature.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// Ten redirects, none of which gives up encryption.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let was_encrypted = attempt.previous().iter().any(|url| url.scheme() == "https");
    if was_encrypted && attempt.url().scheme() != "https" {
        return attempt.error("the redirect leads from https to http");
    }
    if attempt.previous().len() > 10 {
        return attempt.error("too many redirects");
    }
    attempt.follow()
}

async fn read(
    mut response: reqwest::Response,
    limit: u64,
) -> Result<Result<Bytes, reqwest::Error>, SourceErrorKind> {
    match response.status().as_u16() {
        200..=299 => {}
        status @ (401 | 403) => return Err(SourceErrorKind::Denied { status }),
        status => return Err(SourceErrorKind::Status { status }),
    }
    if response
        .content_length()
        .is_some_and(|length| length > limit)
    {
        return Err(SourceErrorKind::TooLarge { limit });
    }
    let mut bytes = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(Ok(bytes.freeze())),
            Err(error) => return Ok(Err(error)),
        }
        if bytes.len() as u64 > limit {
            return Err(SourceErrorKind::TooLarge { limit });
        }
    }
}

/// An address that can be fetched: http or https, with a host, without credentials in it.
pub(crate) fn address(text: &str) -> Result<Url, SourceError> {
    let invalid = |why: &str| {
        let kind = SourceErrorKind::Invalid { why: why.into() };
        SourceError::new("use", "the repository's address", kind)
    };
    let url = Url::parse(text).map_err(|_| invalid("it is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(invalid("it must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(
            "it holds credentials; give them apart from the address",
        ));
    }
    Ok(url)
}
