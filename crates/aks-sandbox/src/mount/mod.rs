//! How requests get to the services: one [`Router`] by host name, mounted on in-memory pipes
//! ([`Pipe`]), on loopback listeners ([`Listener`]) and behind a loopback proxy
//! ([`Scheme::Proxy`]). It owns transport, request order and cut
//! connections; it refuses to know any protocol.
//!
//! A service is a [`Handler`]: an `async fn(Request<Bytes>) -> Response<Body>`, registered under a
//! host (`management.azure.com`) or a suffix (`*.vault.azure.net`). The request arrives whole, with
//! hyper's upgrade handle among its extensions. The same router serves pipes and sockets, so there
//! is one implementation of each protocol.

mod body;
mod connection;
mod listener;
mod pipe;
mod proxy;
mod router;
mod tls;

pub use body::{Body, empty, full, json, stream};
pub(crate) use listener::ShownCertificate;
pub use listener::{Listener, Scheme};
pub use pipe::{Pipe, PipeStream};
pub use router::{Cut, Handler, Router, handler};
pub use tls::{Certificates, TlsError};
