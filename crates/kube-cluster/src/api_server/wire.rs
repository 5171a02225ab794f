//! [`Wire`]: the connections to one API server. Requests share one HTTP/2 connection, so that a burst
//! of them waits for no handshake; upgrades, which HTTP/2 has not, take connections of HTTP/1.1. It
//! refuses to know what is sent, and to go through a proxy.

use std::task::{Context, Poll};
use std::time::Duration;

use http::header::UPGRADE;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::Config;
use kube::client::{Body, ConfigExt as _};
use tower::{BoxError, Service};

/// How long a connection with open streams may be silent before it is asked whether it lives, and
/// how long it has to answer: as client-go has it (apimachinery, `pkg/util/net/http.go`).
const SILENCE: Duration = Duration::from_secs(30);
const PING: Duration = Duration::from_secs(15);

type Connector = TimeoutConnector<HttpsConnector<HttpConnector>>;

/// A service for requests whose address is complete. A server that does not offer HTTP/2 is spoken
/// to in HTTP/1.1.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    requests: Client<Connector, Body>,
    upgrades: Client<Connector, Body>,
}

impl Wire {
    /// What a configuration's certificates and server name ask for. Nothing is sent yet.
    ///
    /// # Errors
    /// When the certificates, the key or the server name cannot be used.
    pub(super) fn new(config: &Config) -> Result<Self, BoxError> {
        let tls = config.rustls_client_config()?;
        let name = config.tls_server_name.clone();
        let name = name.map(TryInto::try_into).transpose()?;
        let client = |is_for_upgrades: bool| {
            let mut builder = HttpsConnectorBuilder::new()
                .with_tls_config(tls.clone())
                .https_or_http();
            if let Some(name) = &name {
                let name = FixedServerNameResolver::new(Clone::clone(name));
                builder = builder.with_server_name_resolver(name);
            }
            let mut tcp = HttpConnector::new();
            tcp.enforce_http(false);
            tcp.set_nodelay(true);
            let mut connector = TimeoutConnector::new(if is_for_upgrades {
                builder.enable_http1().wrap_connector(tcp)
            } else {
                builder.enable_all_versions().wrap_connector(tcp)
            });
            connector.set_connect_timeout(config.connect_timeout);
            Client::builder(TokioExecutor::new())
                .timer(TokioTimer::new())
                .pool_timer(TokioTimer::new())
                .http2_keep_alive_interval(SILENCE)
                .http2_keep_alive_timeout(PING)
                .build(connector)
        };
        Ok(Self {
            requests: client(false),
            upgrades: client(true),
        })
    }
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Incoming>;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Each request finds or makes its connection by itself.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> ResponseFuture {
        if request.headers().contains_key(UPGRADE) {
            self.upgrades.request(request)
        } else {
            self.requests.request(request)
        }
    }
}
