//! [`Router`]: which service answers for which host. It owns the order and the log of requests and
//! the hook around each; it refuses to change what a service answers.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode, header::HOST};

use super::{Body, full};
use crate::world::{Verdict, World};

/// A service: takes a whole request, gives an answer whose body may stream.
pub type Handler = Arc<dyn Fn(Request<Bytes>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// Makes a [`Handler`] of an async function.
///
/// ```
/// use aks_sandbox::mount::{full, handler};
/// let ping = handler(|_request| async { http::Response::new(full("pong")) });
/// # drop(ping);
/// ```
pub fn handler<F, A>(function: F) -> Handler
where
    F: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    Arc::new(move |request| Box::pin(function(request)))
}

/// The connection is to be cut without an answer (a [`Verdict`] said so).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection was cut")]
pub struct Cut;

/// The host a connection was opened to; wins over the `Host` header.
#[derive(Debug, Clone)]
pub(super) struct ConnectionHost(pub(super) String);

#[derive(Clone)]
struct Route {
    host: String,
    handler: Handler,
}

/// Hosts and their services.
#[derive(Clone)]
pub struct Router {
    world: Arc<World>,
    routes: Vec<Route>,
    fallback: Option<Handler>,
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.routes.iter().map(|route| &route.host).collect();
        f.debug_struct("Router")
            .field("hosts", &hosts)
            .finish_non_exhaustive()
    }
}

impl Router {
    /// A router that serves no host yet and logs into `world`.
    pub fn new(world: Arc<World>) -> Self {
        Self {
            world,
            routes: Vec::new(),
            fallback: None,
        }
    }

    /// Registers a service for a host (`management.azure.com`) or a suffix (`*.vault.azure.net`).
    /// Exact hosts win over suffixes, longer suffixes over shorter ones.
    #[must_use]
    pub fn route(mut self, host: impl Into<String>, handler: Handler) -> Self {
        let host = host.into().to_ascii_lowercase();
        self.routes.push(Route { host, handler });
        self.routes
            .sort_by_key(|route| (route.host.starts_with('*'), usize::MAX - route.host.len()));
        self
    }

    /// Registers the service for addresses that name no known host (loopback listeners).
    #[must_use]
    pub fn otherwise(mut self, handler: Handler) -> Self {
        self.fallback = Some(handler);
        self
    }

    /// Whether some service is registered for this host.
    pub fn serves(&self, host: &str) -> bool {
        self.find(host).is_some()
    }

    /// The world requests are logged in.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    fn find(&self, host: &str) -> Option<&Handler> {
        let host = host.to_ascii_lowercase();
        self.routes
            .iter()
            .find(|route| match route.host.strip_prefix('*') {
                Some(suffix) => host.ends_with(suffix),
                None => host == route.host,
            })
            .map(|route| &route.handler)
    }

    /// Answers a client's request: it is numbered and logged, the world's hook is asked, then the
    /// host's service runs.
    ///
    /// # Errors
    /// [`Cut`] when the hook wants the connection cut, before or after the service ran.
    pub async fn call(&self, request: Request<Bytes>) -> Result<Response<Body>, Cut> {
        let host = host_of(&request);
        let known = self.find(&host).or(self.fallback.as_ref()).cloned();
        let record = self.world.begin_request(&host, &request);
        let verdict = self.world.judge(&record);
        if let Verdict::Delay(duration) = verdict {
            tokio::time::sleep(duration).await;
        }
        if let Verdict::CutBefore = verdict {
            self.world.finish_request(record.index, None);
            return Err(Cut);
        }
        let response = match (verdict.answer(), known) {
            (Some(response), _) => response,
            (None, Some(handler)) => handler(request).await,
            (None, None) => {
                let mut response =
                    Response::new(full(format!("the sandbox serves no host `{host}`\n")));
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }
        };
        if let Verdict::CutAfter = verdict {
            self.world.finish_request(record.index, None);
            return Err(Cut);
        }
        self.world
            .finish_request(record.index, Some(response.status().as_u16()));
        Ok(response)
    }
}

fn host_of(request: &Request<Bytes>) -> String {
    let named = request
        .extensions()
        .get::<ConnectionHost>()
        .map(|host| host.0.as_str())
        .or_else(|| request.uri().host())
        .or_else(|| {
            request
                .headers()
                .get(HOST)
                .and_then(|value| value.to_str().ok())
        })
        .unwrap_or_default();
    match named.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => named,
    }
    .to_ascii_lowercase()
}
