//! One connection, of whatever kind: HTTP/1.1 with upgrades in front of the router.

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Router;
use super::listener::ShownCertificate;
use super::router::{ConnectionHost, Cut};

/// Serves a connection until the peer closes it or it is cut. `host` is the host it was opened to,
/// where that is known.
pub(super) async fn serve<S>(
    router: Router,
    stream: S,
    host: Option<String>,
    shown: Option<ShownCertificate>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        let host = host.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body
                .collect()
                .await
                .map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
            let mut request = Request::from_parts(parts, body);
            if let Some(host) = host {
                request.extensions_mut().insert(ConnectionHost(host));
            }
            if let Some(shown) = shown {
                request.extensions_mut().insert(shown);
            }
            // An error here makes hyper drop the connection without an answer.
            router.call(request).await.map_err(|cut: Cut| cut)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection ended early");
    }
}
