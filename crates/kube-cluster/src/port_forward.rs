//! [`PortForward`]: a byte stream to a port of a pod. It owns the contract; it refuses to listen
//! on a port of this machine.

use std::fmt;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::ClusterError;

/// Byte streams into pods.
///
/// # Contract
/// - One call is one connection to the port; concurrent calls are independent.
/// - A pod that is not there is [`ClusterErrorKind::NotFound`](crate::ClusterErrorKind::NotFound).
/// - A port nobody listens on ends the stream with an I/O error that says so; some servers open
///   the stream first.
///
/// # Cancellation
/// Dropping the stream closes the connection.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait PortForward: fmt::Debug + Send + Sync + 'static {
    /// Opens a stream to `port` of a pod.
    ///
    /// # Errors
    /// As every request. Nothing was written.
    async fn forward(
        &self,
        namespace: String,
        pod: String,
        port: u16,
    ) -> Result<Box<dyn PodStream>, ClusterError>;
}

/// A two-way byte stream to a port of a pod.
pub trait PodStream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> PodStream for T {}
