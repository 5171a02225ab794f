//! Over TLS: which protocol each request takes, and how many connections that makes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use http::Version;
use http::header::UPGRADE;
use hyper_util::rt::TokioExecutor;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{PortForward, ServerAddress};

/// A server on loopback that knows one ConfigMap and no pod.
struct Spoken {
    address: ServerAddress,
    /// Each request: its protocol, and whether it asked for an upgrade.
    seen: Arc<Mutex<Vec<(Version, bool)>>>,
    connections: Arc<AtomicUsize>,
    serving: Arc<Mutex<JoinSet<()>>>,
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
        let serving = Arc::<Mutex<JoinSet<()>>>::default();
        let tasks = Arc::clone(&serving);
        let (log, count) = (Arc::clone(&seen), Arc::clone(&connections));
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let serve = serve(stream, acceptor.clone(), Arc::clone(&log));
                tasks.lock().unwrap().spawn(serve);
            }
        });
        Self {
            address,
            seen,
            connections,
            serving,
        }
    }

    /// Cuts every connection.
    fn cut(&self) {
        self.serving.lock().unwrap().abort_all();
    }

    fn cluster(&self) -> KubeCluster {
        KubeCluster::from_address(&self.address, ConnectOptions::default()).unwrap()
    }

    /// How many requests took HTTP/1.1, how many of these were upgrades, and how many took HTTP/2.
    fn protocols(&self) -> (usize, usize, usize) {
        let seen = self.seen.lock().unwrap();
        let of = |version| seen.iter().filter(move |one| one.0 == version);
        let upgrades = seen.iter().filter(|one| one.1).count();
        let http1 = of(Version::HTTP_11).count();
        (http1, upgrades, of(Version::HTTP_2).count())
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
        async move { Ok::<_, std::convert::Infallible>(answered(request).await) }
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
async fn answered(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let _ = request.into_body().collect().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (code, body) = match path.as_str() {
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

/// One read, and then so many at once.
async fn burst(cluster: &KubeCluster, reads: usize) {
    assert!(cluster.get(target()).await.unwrap().is_some());
    for read in join_all((0..reads).map(|_| cluster.get(target()))).await {
        assert!(read.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_burst_of_requests_shares_one_connection() {
    let server = Spoken::offering(&["h2", "http/1.1"]).await;
    burst(&server.cluster(), 20).await;
    // The first two open what upgrades and large bodies take.
    assert_eq!(server.protocols(), (2, 0, 19));
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_shared_connection_that_is_made_anew_is_an_outage() {
    let server = Spoken::offering(&["h2", "http/1.1"]).await;
    let options = ConnectOptions {
        retry_limit: Duration::ZERO,
        ..ConnectOptions::default()
    };
    let cluster = KubeCluster::from_address(&server.address, options).unwrap();
    burst(&cluster, 5).await;
    assert!(!cluster.outage.is_recent());
    server.cut();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!cluster.outage.is_recent(), "nobody has asked");
    assert!(cluster.get(target()).await.unwrap().is_some());
    assert!(cluster.outage.is_recent());
}

#[tokio::test]
async fn an_upgrade_takes_a_connection_that_is_there() {
    let server = Spoken::offering(&["h2", "http/1.1"]).await;
    let cluster = server.cluster();
    burst(&cluster, 2).await;
    let refused = cluster.forward("n".into(), "absent".into(), 80);
    assert!(refused.await.is_err());
    assert_eq!(server.protocols(), (3, 1, 1));
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_large_body_does_not_take_a_stream() {
    let server = Spoken::offering(&["h2", "http/1.1"]).await;
    let cluster = server.cluster();
    burst(&cluster, 2).await;
    let mut object = Object::named(&target());
    for (size, protocols) in [(10, (2, 0, 2)), (300 * 1024, (3, 0, 2))] {
        object
            .as_map_mut()
            .insert("data".into(), json!({"a": "a".repeat(size)}));
        let applied = cluster.apply(object.clone(), ApplyOptions::default());
        assert!(matches!(applied.await, Ok(Applied::Done(_))));
        assert_eq!(server.protocols(), protocols);
    }
}

#[tokio::test]
async fn a_server_without_http2_is_spoken_to_in_http1() {
    for protocols in [&["http/1.1"][..], &[]] {
        let server = Spoken::offering(protocols).await;
        burst(&server.cluster(), 3).await;
        assert_eq!(server.protocols(), (4, 0, 0));
    }
}

/// A proxy that carries whatever connects, and the first line and the authorization it was sent.
async fn proxy() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut near = BufReader::new(near);
                let mut lines = Vec::new();
                while !matches!(lines.last().map(String::as_str), Some("\r\n")) {
                    let mut line = String::new();
                    near.read_line(&mut line).await.unwrap();
                    lines.push(line);
                }
                let target = lines[0].split(' ').nth(1).unwrap().to_owned();
                log.lock().unwrap().extend(lines);
                near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let mut far = TcpStream::connect(target).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (address, seen)
}

#[tokio::test]
async fn a_proxy_is_gone_through_with_its_password() {
    let server = Spoken::offering(&["h2", "http/1.1"]).await;
    let (proxy, seen) = proxy().await;
    let authority = server.address.certificate_authority.as_ref().unwrap();
    let config = |scheme: &str| {
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: c, \
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
             users: [{{name: u, user: {{}}}}], clusters: [{{name: c, cluster: {{server: '{}', \
             certificate-authority-data: {}, proxy-url: '{scheme}://me:p%40ss@{proxy}'}}}}]}}",
            server.address.url,
            STANDARD.encode(authority),
        );
        async move {
            let text = Secret::new(text);
            KubeCluster::from_kubeconfig(&text, ConnectOptions::default()).await
        }
    };
    let cluster = config("http").await.unwrap();
    burst(&cluster, 3).await;
    assert_eq!(server.protocols(), (2, 0, 2));
    let seen = seen.lock().unwrap().clone();
    let target = server.address.url.replace("https://", "");
    assert_eq!(seen[0], format!("CONNECT {target} HTTP/1.1\r\n"));
    let password = format!("Basic {}\r\n", STANDARD.encode("me:p@ss"));
    assert!(
        seen.iter().any(|line| line.ends_with(&password)),
        "{seen:?}"
    );
    let other = config("socks5").await;
    assert!(matches!(
        other.unwrap_err().kind,
        ClusterErrorKind::Config(_)
    ));
}
