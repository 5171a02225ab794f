//! [`Pipe`]: plain HTTP/1.1 over any connector. It owns the translation between the SDK's requests
//! and hyper's; it refuses TLS, because what it leads to runs in this process or on this machine.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, Url};
use bytes::Bytes;
use futures::TryStreamExt;
use http::Uri;
use http_body_util::{BodyExt, Full};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connection;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tower::Service;

/// HTTP over a connector, as hyper-util's client takes it.
pub(crate) struct Pipe<C>(Client<C, Full<Bytes>>);

impl<C> Pipe<C>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Read + Write + Connection + Unpin + Send + 'static,
    C::Error: Into<Box<dyn StdError + Send + Sync>>,
    C::Future: Unpin + Send + 'static,
{
    /// The connector is asked for a stream to each `http://HOST` we talk to.
    pub(crate) fn over(connector: C) -> Self {
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }
}

impl<C> fmt::Debug for Pipe<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pipe")
    }
}

#[async_trait]
impl<C> HttpClient for Pipe<C>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Read + Write + Connection + Unpin + Send + 'static,
    C::Error: Into<Box<dyn StdError + Send + Sync>>,
    C::Future: Unpin + Send + 'static,
{
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
        let body = response.into_body().collect().await.map_err(|error| {
            azure_core::Error::with_error(ErrorKind::Io, error, "the answer broke off")
        })?;
        Ok(AsyncRawResponse::from_bytes(
            status.into(),
            headers,
            body.to_bytes(),
        ))
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

/// A connector to one listener on this machine, whatever the host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loopback(pub(crate) SocketAddr);

impl Service<Uri> for Loopback {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self(listener) = *self;
        Box::pin(async move {
            let stream = TcpStream::connect(listener).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        })
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
