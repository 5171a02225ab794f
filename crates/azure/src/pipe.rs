//! [`Pipe`]: plain HTTP/1.1 over any connector. It owns the translation between the SDK's requests
//! and hyper's; it refuses TLS, because what it leads to runs in this process or on this machine.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, Url};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{TryStreamExt, stream};
use http::Uri;
use http_body_util::{BodyExt, Full};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tower::Service;

type BoxError = Box<dyn StdError + Send + Sync>;

/// A stream of bytes to a server.
trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// HTTP over a connector.
pub(crate) struct Pipe(Client<Dial, Full<Bytes>>);

impl Pipe {
    /// Over any connector: it is asked for a stream to each `http://HOST` we talk to.
    pub(crate) fn over<C>(connector: C) -> Self
    where
        C: Service<Uri> + Clone + Send + Sync + 'static,
        C::Response: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        C::Error: Into<BoxError>,
        C::Future: Send + 'static,
    {
        Self::dialling(move |uri| {
            let mut connector = connector.clone();
            Box::pin(async move {
                std::future::poll_fn(|context| connector.poll_ready(context))
                    .await
                    .map_err(io::Error::other)?;
                let stream = connector.call(uri).await.map_err(io::Error::other)?;
                Ok(Box::new(stream) as Box<dyn ByteStream>)
            })
        })
    }

    /// To one listener on this machine, whatever the host.
    pub(crate) fn to(listener: SocketAddr) -> Self {
        Self::dialling(move |_| {
            Box::pin(async move {
                let stream = TcpStream::connect(listener).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream) as Box<dyn ByteStream>)
            })
        })
    }

    fn dialling<F>(dial: F) -> Self
    where
        F: Fn(Uri) -> Dialling + Send + Sync + 'static,
    {
        Self(Client::builder(TokioExecutor::new()).build(Dial(Arc::new(dial))))
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pipe")
    }
}

#[async_trait]
impl HttpClient for Pipe {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let request = translate(request).await?;
        let response = self.0.request(request).await.map_err(|error| {
            let kind = if error.is_connect() {
                ErrorKind::Connection
            } else {
                ErrorKind::Io
            };
            azure_core::Error::with_error(kind, error, "the sandbox does not answer")
        })?;
        let status = response.status().as_u16();
        let mut headers = Headers::new();
        for (name, value) in response.headers() {
            if let Ok(text) = value.to_str() {
                headers.insert(
                    HeaderName::from(name.as_str().to_owned()),
                    HeaderValue::from(text.to_owned()),
                );
            }
        }
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| {
                azure_core::Error::with_error(ErrorKind::Io, error, "the answer broke off")
            })?
            .to_bytes();
        let body = Box::pin(stream::iter([Ok(body)]));
        Ok(AsyncRawResponse::new(status.into(), headers, body))
    }
}

/// The SDK's request as hyper's: the same, but to `http`, with the host it was meant for.
async fn translate(request: &Request) -> azure_core::Result<http::Request<Full<Bytes>>> {
    let body = match request.body().clone() {
        Body::Bytes(bytes) => bytes,
        Body::SeekableStream(mut stream) => {
            stream.reset().await?;
            let chunks: Vec<Bytes> = stream.try_collect().await?;
            chunks.concat().into()
        }
    };
    let mut built = http::Request::builder()
        .method(request.method().as_str())
        .uri(plain(request.url()))
        .header(http::header::HOST, authority(request.url()));
    for (name, value) in request.headers().iter() {
        built = built.header(name.as_str(), value.as_str());
    }
    built.body(Full::new(body)).map_err(|error| {
        azure_core::Error::with_error(ErrorKind::DataConversion, error, "not an HTTP request")
    })
}

/// `HOST[:PORT]` as the original URL has it.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The URL with scheme `http`.
fn plain(url: &Url) -> String {
    let rest = &url.as_str()[url.scheme().len()..];
    format!("http{rest}")
}

/// A stream that is being dialled.
type Dialling = BoxFuture<'static, io::Result<Box<dyn ByteStream>>>;

/// A connector hyper can use, from any function that dials.
#[derive(Clone)]
struct Dial(Arc<dyn Fn(Uri) -> Dialling + Send + Sync>);

impl Service<Uri> for Dial {
    type Response = Line;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Line>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialled = (self.0)(uri);
        Box::pin(async move { Ok(Line(TokioIo::new(dialled.await?))) })
    }
}

/// A dialled stream with the trait hyper's pool asks for.
struct Line(TokioIo<Box<dyn ByteStream>>);

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_survives_and_the_scheme_does_not() {
        let url: Url = "https://kv.vault.azure.net/secrets/a%2Fb?x=1"
            .parse()
            .unwrap();
        assert_eq!(plain(&url), "http://kv.vault.azure.net/secrets/a%2Fb?x=1");
        assert_eq!(authority(&url), "kv.vault.azure.net");
        let url: Url = "https://h.example:8443/".parse().unwrap();
        assert_eq!(authority(&url), "h.example:8443");
    }
}
