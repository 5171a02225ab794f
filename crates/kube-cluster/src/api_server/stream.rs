//! [`Connector`]: whatever makes a connection, as one type, so that the HTTP client is compiled once.
//! It owns how long that may take and who shares it; it refuses to know what the connection is made of.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt as _, service_fn};

use super::outage::Outage;

/// Makes connections.
pub(super) type Connector = BoxCloneSyncService<Uri, Stream, BoxError>;

/// One type for any service that makes connections.
pub(super) fn connector<S>(service: S) -> Connector
where
    S: Service<Uri> + Clone + Send + Sync + 'static,
    S::Response: Carrier + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    let service = service.map_response(|stream| Stream(Box::new(stream)));
    BoxCloneSyncService::new(service.map_err(Into::into))
}

/// The same, but a connection that takes longer than `limit` fails.
pub(super) fn within(limit: Duration, connector: Connector) -> Connector {
    BoxCloneSyncService::new(service_fn(move |address: Uri| {
        let connecting = connector.clone().oneshot(address);
        async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(format!("no connection within {limit:?}").into()),
            }
        }
    }))
}

/// The same, but one at a time while the server offers HTTP/2: whoever asked for a connection before
/// one came about has that one, from the client's pool. That another is needed is noted as an outage:
/// the one before may have been lost while nobody asked.
pub(super) fn shared(connector: Connector, outage: Outage) -> Connector {
    let last = Arc::new(Mutex::new(Last::None));
    BoxCloneSyncService::new(service_fn(move |address: Uri| {
        let (last, connector) = (Arc::clone(&last), connector.clone());
        let outage = outage.clone();
        let asked = Instant::now();
        async move {
            let mut turn = last.lock().await;
            match *turn {
                Last::Shared(since) if since >= asked => {
                    drop(turn);
                    tokio::time::sleep(POOLED).await;
                    Err("another connection was shared, and is lost".into())
                }
                Last::Alone => {
                    drop(turn);
                    connector.oneshot(address).await
                }
                before @ (Last::None | Last::Shared(_)) => {
                    let stream = connector.oneshot(address).await?;
                    if let Last::Shared(_) = before {
                        outage.note();
                    }
                    *turn = if stream.connected().is_negotiated_h2() {
                        Last::Shared(Instant::now())
                    } else {
                        Last::Alone
                    };
                    Ok(stream)
                }
            }
        }
    }))
}

/// The connection that last came about.
#[derive(Debug, Clone, Copy)]
enum Last {
    None,
    /// It speaks HTTP/2, and is there since then.
    Shared(Instant),
    /// It speaks HTTP/1.1: each request needs one of its own.
    Alone,
}

/// How long the client's pool may take to hand out a connection.
const POOLED: Duration = Duration::from_millis(250);

/// What carries bytes to a server.
pub(super) trait Carrier: Read + Write + Connection + Send + Unpin {}

impl<T: Read + Write + Connection + Send + Unpin> Carrier for T {}

/// A connection of any kind.
pub(super) struct Stream(Box<dyn Carrier>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.0.connected()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write_vectored(context, bytes)
    }
}
