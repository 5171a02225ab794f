//! [`Listener`]: the router on a loopback socket, for kubectl, helm and kube's own TLS. It owns
//! accepting and the check that a TLS client is the administrator; it refuses any address but
//! 127.0.0.1.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::{Certificates, Router, connection, proxy};

/// How a listener speaks.
#[derive(Debug, Clone)]
pub enum Scheme {
    /// Plain HTTP, without authentication.
    Http,
    /// TLS with the sandbox's certificates. Clients show its client certificate or a bearer token;
    /// others are anonymous (401 from the Kubernetes service).
    Https(Certificates),
    /// An HTTP proxy (`HTTPS_PROXY`) behind which the world's hosts have their own names, over TLS
    /// with the sandbox's certificates: for clients that know no other address than Azure's.
    /// Every other host is refused, so nothing leaves the machine.
    Proxy(Certificates),
}

/// A loopback listener; dropping it stops accepting.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// Set on requests that came over TLS: whether the client showed the administrator's certificate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShownCertificate(pub(crate) bool);

impl Listener {
    /// Binds a free port of 127.0.0.1 and serves the router there.
    ///
    /// # Errors
    /// The socket's error, or the certificates' as [`std::io::ErrorKind::InvalidData`].
    pub async fn bind(router: Router, scheme: Scheme) -> std::io::Result<Self> {
        let is_proxy = matches!(scheme, Scheme::Proxy(_));
        let acceptor = match scheme {
            Scheme::Http => None,
            Scheme::Https(certificates) | Scheme::Proxy(certificates) => {
                Some(TlsAcceptor::from(certificates.server_config().map_err(
                    |error| std::io::Error::new(std::io::ErrorKind::InvalidData, error),
                )?))
            }
        };
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        let task = tokio::spawn(accept(socket, acceptor, router, is_proxy));
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    socket: TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    is_proxy: bool,
) {
    let acceptor = acceptor.map(Arc::new);
    loop {
        let Ok((stream, _)) = socket.accept().await else {
            continue;
        };
        let router = router.clone();
        let acceptor = acceptor.clone();
        tokio::spawn(async move { greet(stream, acceptor, router, is_proxy).await });
    }
}

async fn greet(
    mut stream: TcpStream,
    acceptor: Option<Arc<TlsAcceptor>>,
    router: Router,
    is_proxy: bool,
) {
    // Nagle's algorithm would hold back small watch events.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Some(acceptor) = acceptor else {
        return connection::serve(router, stream, None, None).await;
    };
    let mut host = None;
    if is_proxy {
        match proxy::connect(&mut stream, &router).await {
            Ok(wanted) => host = Some(wanted),
            Err(error) => return tracing::debug!(%error, "the proxy opened no tunnel"),
        }
    }
    match acceptor.accept(stream).await {
        Ok(stream) => {
            let shown = stream
                .get_ref()
                .1
                .peer_certificates()
                .is_some_and(|chain| !chain.is_empty());
            connection::serve(router, stream, host, Some(ShownCertificate(shown))).await;
        }
        Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
    }
}
