//! Port-forward over a WebSocket: one connection per stream. It owns turning the port's error
//! channel into an I/O error; it refuses to find the pod.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::KubeCluster;
use super::send::client_error;
use crate::{ClusterError, ClusterErrorKind, PodStream};

impl KubeCluster {
    pub(super) async fn open_forward(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> Result<Box<dyn PodStream>, ClusterError> {
        let fail = |kind| {
            ClusterError::new(
                "forward",
                format!("port {port} of Pod {namespace}/{pod}"),
                kind,
            )
        };
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let limit = self.limits.request;
        let mut forwarder = tokio::time::timeout(limit, pods.portforward(pod, &[port]))
            .await
            .map_err(|_| fail(ClusterErrorKind::Timeout(limit)))?
            .map_err(|error| fail(client_error(error)))?;
        let inner = forwarder
            .take_stream(port)
            .ok_or_else(|| fail(ClusterErrorKind::Answer("no stream for the port".into())))?;
        let trouble = forwarder
            .take_error(port)
            .map(|future| Box::pin(future) as BoxFuture<'static, Option<String>>);
        Ok(Box::new(Forwarded { inner, trouble }))
    }
}

/// The stream and the port's error channel, which speaks at most once.
struct Forwarded {
    inner: DuplexStream,
    trouble: Option<BoxFuture<'static, Option<String>>>,
}

impl Forwarded {
    /// What the server says against the port, if anything yet.
    fn trouble(&mut self, context: &mut Context<'_>) -> Option<io::Error> {
        match self.trouble.as_mut()?.as_mut().poll(context) {
            Poll::Ready(message) => {
                self.trouble = None;
                message.map(|text| io::Error::new(io::ErrorKind::ConnectionRefused, text))
            }
            Poll::Pending => None,
        }
    }
}

impl AsyncRead for Forwarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        let is_end = matches!(polled, Poll::Ready(Ok(()))) && buffer.filled().len() == before;
        if (is_end || polled.is_pending())
            && let Some(error) = self.trouble(context)
        {
            return Poll::Ready(Err(error));
        }
        polled
    }
}

impl AsyncWrite for Forwarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
