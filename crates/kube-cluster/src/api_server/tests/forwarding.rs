//! Port-forward and logs through the client's own upgrade, over an in-memory pipe.

use futures::{SinkExt, StreamExt, TryStreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::{LogQuery, PodLogs, PortForward};

/// What the pod's port does once the stream is open.
#[derive(Clone, Copy)]
enum Port {
    /// Answers each message with itself in upper case.
    Shouts,
    /// Nobody listens.
    Closed,
}

fn cluster(port: Port) -> KubeCluster {
    let connector = tower::service_fn(move |_: http::Uri| {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let serve = hyper::server::conn::http1::Builder::new()
            .serve_connection(
                TokioIo::new(theirs),
                service_fn(move |request| {
                    std::future::ready(Ok::<_, std::convert::Infallible>(answer(request, port)))
                }),
            )
            .with_upgrades();
        tokio::spawn(serve);
        std::future::ready(Ok::<_, std::io::Error>(Pipe(TokioIo::new(ours))))
    });
    KubeCluster::with_connector(
        connector,
        "http://server.invalid",
        ConnectOptions::default(),
    )
    .expect("the address is one")
}

fn answer(mut request: Request<Incoming>, port: Port) -> Response<Full<Bytes>> {
    let respond = |code: u16, body: String| {
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = http::StatusCode::from_u16(code).expect("a status");
        response
    };
    let path = request.uri().to_string();
    if path.starts_with("/api/v1/namespaces/n/pods/web/log?") {
        assert!(
            path.contains("container=main") && path.contains("tailLines=2"),
            "{path}"
        );
        return respond(200, "one\r\ntwo".into());
    }
    if !path.starts_with("/api/v1/namespaces/n/pods/web/portforward") {
        let (code, body) = refused(404, "NotFound", json!({"name": "absent", "kind": "pods"}));
        return respond(code, body.to_string());
    }
    let key = request.headers()["sec-websocket-key"].as_bytes();
    let accept = derive_accept_key(key);
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(&mut request).await.expect("an upgrade");
        let io = TokioIo::new(upgraded);
        serve_port(
            WebSocketStream::from_raw_socket(io, Role::Server, None).await,
            port,
        )
        .await;
    });
    let mut response = respond(101, String::new());
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-protocol", "v5.channel.k8s.io"),
        ("sec-websocket-accept", accept.as_str()),
    ] {
        let value = http::HeaderValue::from_str(value).expect("a header");
        response.headers_mut().insert(name, value);
    }
    response
}

async fn serve_port<S>(mut socket: WebSocketStream<S>, port: Port)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    // Each channel first names its port, in little endian.
    for channel in [0, 1] {
        let first = Message::binary(vec![channel, 0x90, 0x1f]);
        socket.send(first).await.expect("the client listens");
    }
    if matches!(port, Port::Closed) {
        let mut trouble = vec![1];
        trouble.extend(b"connection refused by 8080");
        socket
            .send(Message::binary(trouble))
            .await
            .expect("the client listens");
    }
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Binary(bytes) = message
            && bytes.first() == Some(&0)
        {
            let shouted = bytes.to_ascii_uppercase();
            if socket.send(Message::binary(shouted)).await.is_err() {
                return;
            }
        }
    }
}

#[tokio::test]
async fn bytes_go_both_ways_and_nothing_is_written() {
    let cluster = cluster(Port::Shouts);
    let mut stream = cluster
        .forward("n".into(), "web".into(), 8080)
        .await
        .unwrap();
    let mut heard = [0; 5];
    for _ in 0..2 {
        stream.write_all(b"hello").await.unwrap();
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"HELLO");
    }
    let count = cluster.requests().count();
    assert_eq!((count.total(), count.of(RequestClass::Write)), (1, 0));
}

#[tokio::test]
async fn a_port_nobody_listens_on_is_an_error_of_the_stream() {
    let cluster = cluster(Port::Closed);
    let mut stream = cluster
        .forward("n".into(), "web".into(), 8080)
        .await
        .unwrap();
    let error = stream.read_u8().await.unwrap_err();
    assert_eq!(error.to_string(), "connection refused by 8080");
}

#[tokio::test]
async fn a_pod_that_is_not_there_cannot_be_forwarded_to() {
    let forwarded = cluster(Port::Shouts)
        .forward("n".into(), "absent".into(), 8080)
        .await;
    let Err(error) = forwarded else {
        panic!("the pod is not there");
    };
    assert!(
        matches!(error.kind, ClusterErrorKind::NotFound(_)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_log_comes_as_lines_and_is_none_without_its_pod() {
    let cluster = cluster(Port::Shouts);
    let query = LogQuery::of("n", "web").container("main").tail(2);
    let lines = cluster
        .logs(query)
        .await
        .unwrap()
        .expect("the pod is there");
    assert_eq!(lines.try_collect::<Vec<_>>().await.unwrap(), ["one", "two"]);
    assert!(
        cluster
            .logs(LogQuery::of("n", "absent"))
            .await
            .unwrap()
            .is_none()
    );
}
