//! [`Pipe`]: a connector without sockets. It owns in-memory connections to the router's hosts; it
//! refuses every other host, so nothing can leave the process.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;

use super::{Router, connection};

/// Bytes a pipe holds before the writer has to wait.
const PIPE_BYTES: usize = 256 * 1024;

/// Opens in-memory connections by host name; the scheme and port of the address do not matter.
/// It is a connector for hyper-util's client (and thereby for kube's).
#[derive(Debug, Clone)]
pub struct Pipe {
    router: Router,
}

impl Pipe {
    /// A connector to the router's hosts.
    pub fn new(router: Router) -> Self {
        Self { router }
    }

    /// Opens a connection to a host.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when no service is registered for it.
    pub fn open(&self, host: &str) -> io::Result<PipeStream> {
        if !self.router.serves(host) {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("the sandbox serves no host `{host}`"),
            ));
        }
        let (client, server) = tokio::io::duplex(PIPE_BYTES);
        tokio::spawn(connection::serve(
            self.router.clone(),
            server,
            Some(host.to_owned()),
            None,
        ));
        Ok(PipeStream(TokioIo::new(client)))
    }
}

impl tower::Service<http::Uri> for Pipe {
    type Response = PipeStream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<PipeStream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let opened = self.open(uri.host().unwrap_or_default());
        Box::pin(std::future::ready(opened))
    }
}

/// The client's end of an in-memory connection.
#[derive(Debug)]
pub struct PipeStream(TokioIo<DuplexStream>);

impl PipeStream {
    /// The stream itself, for clients that speak tokio's traits.
    pub fn into_inner(self) -> DuplexStream {
        self.0.into_inner()
    }
}

impl Connection for PipeStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for PipeStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for PipeStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
