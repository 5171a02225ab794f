//! Over TLS: which protocol each request takes, and how many connections that makes.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use http::Version;
use http::header::UPGRADE;
use hyper_util::rt::TokioExecutor;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{PortForward, ServerAddress};

/// A server on loopback that knows one ConfigMap and no pod.
struct Spoken {
    cluster: KubeCluster,
    /// Each request: its protocol, and whether it asked for an upgrade.
    seen: Arc<Mutex<Vec<(Version, bool)>>>,
    connections: Arc<AtomicUsize>,
}

impl Spoken {
    async fn offering(protocols: &[&str]) -> Self {
        let parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let pair = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&pair).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        tls.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().into())
            .collect();
        let listener = TcpListener::bind("localhost:0").await.unwrap();
        let address = ServerAddress {
            url: format!(
                "https://localhost:{}",
                listener.local_addr().unwrap().port()
            ),
            certificate_authority: Some(certificate.pem().into_bytes()),
        };
        let (seen, connections) = (Arc::default(), Arc::<AtomicUsize>::default());
        let (log, count) = (Arc::clone(&seen), Arc::clone(&connections));
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, acceptor.clone(), Arc::clone(&log)));
            }
        });
        let cluster = KubeCluster::from_address(&address, ConnectOptions::default()).unwrap();
        Self {
            cluster,
            seen,
            connections,
        }
    }

    /// So many reads at once, after one that told the kinds.
    async fn burst(&self, reads: usize) {
        self.cluster.get(target()).await.unwrap();
        for read in join_all((0..reads).map(|_| self.cluster.get(target()))).await {
            assert!(read.unwrap().is_some());
        }
    }

    fn protocols(&self) -> Vec<(Version, bool)> {
        let mut seen = self.seen.lock().unwrap().clone();
        seen.dedup();
        seen
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, log: Arc<Mutex<Vec<(Version, bool)>>>) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request: Request<Incoming>| {
        let is_upgrade = request.headers().contains_key(UPGRADE);
        log.lock().unwrap().push((request.version(), is_upgrade));
        async move { Ok::<_, std::convert::Infallible>(object(request.uri().path()).await) }
    });
    let stream = TokioIo::new(stream);
    // Clients end their connections as they like.
    if speaks_http2 {
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(stream, service)
            .await;
    } else {
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(stream, service)
            .await;
    }
}

/// An answer that takes long enough for a burst to be on its way as a whole.
async fn object(path: &str) -> Response<Full<Bytes>> {
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (code, body) = match path {
        "/api/v1" => (200, core_kinds()),
        "/api/v1/namespaces/n/configmaps/c" => (
            200,
            json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}}),
        ),
        _ => refused(404, "NotFound", json!({"name": "absent", "kind": "pods"})),
    };
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap();
    response
}

#[tokio::test]
async fn a_burst_of_requests_shares_one_connection() {
    let server = Spoken::offering(&["h2", "http/1.1"]).await;
    server.burst(20).await;
    assert_eq!(server.protocols(), [(Version::HTTP_2, false)]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_upgrade_has_a_connection_of_its_own() {
    let server = Spoken::offering(&["h2", "http/1.1"]).await;
    server.burst(2).await;
    let refused = server.cluster.forward("n".into(), "absent".into(), 80);
    assert!(refused.await.is_err());
    let protocols = [(Version::HTTP_2, false), (Version::HTTP_11, true)];
    assert_eq!(server.protocols(), protocols);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_server_without_http2_is_spoken_to_in_http1() {
    for protocols in [&["http/1.1"][..], &[]] {
        let server = Spoken::offering(protocols).await;
        server.burst(3).await;
        assert_eq!(server.protocols(), [(Version::HTTP_11, false)]);
        assert_eq!(server.connections(), 3);
    }
}
