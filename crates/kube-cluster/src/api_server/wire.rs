//! [`Wire`]: the connections to one API server, direct or through the proxy that is configured. It owns
//! which protocol a request takes; it refuses to know what is sent.
//!
//! Requests share one HTTP/2 connection, so that a burst of them waits for no handshake. Upgrades,
//! which HTTP/2 has not, take HTTP/1.1, and so do large bodies: a stream of HTTP/2 may carry no more
//! than [`WINDOW`] until the server says that it has read, which is a round trip each time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::UPGRADE;
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::{Body as _, Incoming};
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::{Client, Error, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::Config;
use kube::client::{Body, ConfigExt as _};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tower::{BoxError, Service};

use super::outage::Outage;
use super::stream::{Connector, connector, shared, within};

/// What a stream of an API server's HTTP/2 takes at first, in bytes: `resourceBody99Percentile` in
/// `apiserver/pkg/server/secure_serving.go`.
const WINDOW: u64 = 256 * 1024;
/// How many of the first requests take HTTP/1.1, so that its connections are there when a release's
/// records are written, two releases at a time.
const FIRST: usize = 2;
/// How long a connection with open streams may be silent before it is asked whether it lives, and
/// how long it has to answer: as client-go has it (`apimachinery/pkg/util/net/http.go`).
const SILENCE: Duration = Duration::from_secs(30);
const PING: Duration = Duration::from_secs(15);

/// A service for requests whose address is complete. A server that does not offer HTTP/2 is spoken
/// to in HTTP/1.1. Clones share the connections.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    http2: Client<Connector, Body>,
    http1: Client<Connector, Body>,
    sent: Arc<AtomicUsize>,
}

impl Wire {
    /// What a configuration's proxy, certificates and server name ask for. Nothing is sent yet. Where the
    /// shared connection was lost, that is noted.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub(super) fn new(config: &Config, outage: &Outage) -> Result<Self, BoxError> {
        let tls = config.rustls_client_config()?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let tcp = connector(tcp);
        let way = match &config.proxy_url {
            None => tcp,
            Some(proxy) => {
                let tls = (proxy.scheme_str() == Some("https")).then_some(&tls);
                through(proxy, tls, tcp)?
            }
        };
        let name = config.tls_server_name.clone();
        let name = name.map(ServerName::try_from).transpose()?;
        let client = |protocols| {
            let secured = secured(way.clone(), &tls, name.clone(), protocols);
            let made = match protocols {
                Protocols::Http1 => secured,
                Protocols::Both => shared(secured, outage.clone()),
            };
            // Who waits for another's connection waits no longer than for one of its own.
            let made = match config.connect_timeout {
                Some(limit) => within(limit, made),
                None => made,
            };
            Client::builder(TokioExecutor::new())
                .timer(TokioTimer::new())
                .pool_timer(TokioTimer::new())
                .http2_keep_alive_interval(SILENCE)
                .http2_keep_alive_timeout(PING)
                .build(made)
        };
        Ok(Self {
            http2: client(Protocols::Both),
            http1: client(Protocols::Http1),
            sent: Arc::default(),
        })
    }

    /// Whether a request is not for HTTP/2.
    fn is_for_http1(&self, request: &Request<Body>) -> bool {
        request.headers().contains_key(UPGRADE)
            || request.body().size_hint().lower() > WINDOW
            || self.sent.fetch_add(1, Ordering::Relaxed) < FIRST
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
        if self.is_for_http1(&request) {
            self.http1.request(request)
        } else {
            self.http2.request(request)
        }
    }
}

/// What a connection offers to speak.
#[derive(Debug, Clone, Copy)]
enum Protocols {
    Http1,
    Both,
}

/// TLS over a way, where the address asks for it.
fn secured(
    way: Connector,
    tls: &ClientConfig,
    name: Option<ServerName<'static>>,
    protocols: Protocols,
) -> Connector {
    let mut builder = HttpsConnectorBuilder::new()
        .with_tls_config(tls.clone())
        .https_or_http();
    if let Some(name) = name {
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    connector(match protocols {
        Protocols::Http1 => builder.enable_http1().wrap_connector(way),
        Protocols::Both => builder.enable_all_versions().wrap_connector(way),
    })
}

/// The way through a proxy, which is spoken to over TLS if `tls` is given.
fn through(proxy: &Uri, tls: Option<&ClientConfig>, tcp: Connector) -> Result<Connector, BoxError> {
    let scheme = proxy.scheme_str().unwrap_or_default();
    if !matches!(scheme, "http" | "https") {
        return Err(format!("a proxy of scheme {scheme:?} is not supported").into());
    }
    let near = tls.map_or(tcp.clone(), |tls| secured(tcp, tls, None, Protocols::Http1));
    let mut tunnel = Tunnel::new(proxy.clone(), near);
    let authority = proxy.authority().map_or("", http::uri::Authority::as_str);
    if let Some((user, _)) = authority.rsplit_once('@') {
        let user: Vec<u8> = percent_encoding::percent_decode_str(user).collect();
        let basic = format!("Basic {}", STANDARD.encode(user));
        tunnel = tunnel.with_auth(HeaderValue::try_from(basic)?);
    }
    Ok(connector(tunnel))
}
