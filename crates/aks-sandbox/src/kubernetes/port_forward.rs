//! `pods/portforward` over WebSocket (`v4.channel.k8s.io`, `v5.channel.k8s.io`): for each port a
//! data and an error channel, each opened by the port as two little-endian bytes
//! (`k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go`). Not modelled: SPDY, which kubectl
//! still uses.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::airflow;
use super::logs::running;
use super::resource::Resource;
use super::status::ApiError;
use crate::mount::{Body, empty};
use crate::world::{Key, World};

const PROTOCOLS: [&str; 5] = [
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "portforward.k8s.io",
    "channel.k8s.io",
];

/// How long a client may take to notice that its port was refused.
const REFUSED_STAYS_OPEN: Duration = Duration::from_secs(1);

/// Answers an upgrade request; the streams live on after the answer.
pub(crate) fn answer(
    world: &Arc<World>,
    namespace: &str,
    name: &str,
    request: Request<Bytes>,
) -> Result<Response<Body>, ApiError> {
    let pod = world.read(|state| {
        let pods = Resource::find(&state.store, "", "v1", "pods").expect("a built-in resource");
        state
            .store
            .get("/pods", &Key::new(namespace, name))
            .cloned()
            .ok_or_else(|| ApiError::not_found(&pods, name))
    })?;
    if !running(&pod) {
        return Err(ApiError::bad_request(format!(
            "pod {name} is not running. Current status={}",
            pod["status"]["phase"].as_str().unwrap_or_default()
        )));
    }
    let query = request.uri().query().unwrap_or_default();
    let ports: Vec<u16> = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == "ports" || key == "port")
        .flat_map(|(_, value)| {
            value
                .split(',')
                .filter_map(|port| port.parse().ok())
                .collect::<Vec<u16>>()
        })
        .collect();
    if ports.is_empty() {
        return Err(ApiError::bad_request(
            "query parameter \"port\" is required",
        ));
    }
    let header = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let key = header(SEC_WEBSOCKET_KEY).ok_or_else(|| {
        ApiError::bad_request("unable to upgrade: the sandbox forwards ports over WebSocket only")
    })?;
    let accept = derive_accept_key(key.as_bytes());
    let offered = header(SEC_WEBSOCKET_PROTOCOL).unwrap_or_default();
    let protocol = offered
        .split(',')
        .map(str::trim)
        .find(|offer| PROTOCOLS.contains(offer))
        .map(str::to_owned);
    let mut answer = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        answer = answer.header(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    let servers: Vec<(u16, Option<DuplexStream>)> = ports
        .iter()
        .map(|port| (*port, airflow::connect(world, &pod, *port)))
        .collect();
    let mut request = request;
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgrade.await {
            Ok(stream) => {
                let socket =
                    WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, None)
                        .await;
                forward(socket, servers).await;
            }
            Err(error) => tracing::debug!(%error, "a port-forward was not upgraded"),
        }
    });
    answer
        .body(empty())
        .map_err(|error| ApiError::internal(error.to_string()))
}

async fn forward<S>(socket: WebSocketStream<S>, servers: Vec<(u16, Option<DuplexStream>)>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut to_client, mut from_client) = socket.split();
    let (frames, mut outgoing) = mpsc::channel::<Vec<u8>>(64);
    let (mut inputs, mut refused) = (Vec::new(), false);
    for (index, (port, server)) in servers.into_iter().enumerate() {
        let (data, error) = (index as u8 * 2, index as u8 * 2 + 1);
        let [low, high] = port.to_le_bytes();
        for channel in [data, error] {
            if to_client
                .send(Message::binary(vec![channel, low, high]))
                .await
                .is_err()
            {
                return;
            }
        }
        let Some(server) = server else {
            let mut refusal = vec![error];
            refusal.extend(format!("failed to connect to localhost:{port} inside namespace: dial tcp4 127.0.0.1:{port}: connect: connection refused").bytes());
            if to_client.send(Message::binary(refusal)).await.is_err() {
                return;
            }
            inputs.push(None);
            refused = true;
            continue;
        };
        let (mut from_server, to_server) = tokio::io::split(server);
        inputs.push(Some(to_server));
        let frames = frames.clone();
        tokio::spawn(async move {
            let mut buffer = vec![0; 32 * 1024];
            while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
                let mut frame = Vec::with_capacity(length + 1);
                frame.push(data);
                frame.extend(&buffer[..length]);
                if frames.send(frame).await.is_err() {
                    return;
                }
            }
        });
    }
    drop(frames);
    loop {
        tokio::select! {
            frame = outgoing.recv() => match frame {
                Some(frame) => if to_client.send(Message::binary(frame)).await.is_err() { return },
                None => break,
            },
            message = from_client.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    let Some((channel, data)) = bytes.split_first() else { continue };
                    if channel % 2 == 0
                        && let Some(Some(server)) = inputs.get_mut(usize::from(channel / 2))
                        && server.write_all(data).await.is_err()
                    {
                        break;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
        }
    }
    if refused {
        // The client reads the refusal and closes; a close from here could overtake it.
        let closing = async { while let Some(Ok(_)) = from_client.next().await {} };
        if tokio::time::timeout(REFUSED_STAYS_OPEN, closing)
            .await
            .is_err()
        {
            tracing::debug!("a client kept a refused port-forward open");
        }
    }
    if let Err(error) = to_client.close().await {
        tracing::debug!(%error, "a port-forward ended early");
    }
}
