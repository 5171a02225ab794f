//! An in-process Azure and AKS at wire level: a small world with rules for the real clients to
//! talk to.
//!
//! [`Sandbox`] is the way in: a seeded [`world`], its services ([`kubernetes`], [`azure`],
//! [`registry`]) behind one [`mount::Router`], and the [`controllers`] that give realistic reasons.
//! Clients reach it over in-memory pipes ([`Sandbox::connector`], virtual time) or on loopback
//! ([`Sandbox::listen`]). It never receives a real token, and serves no address but 127.0.0.1.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use aks_sandbox::Sandbox;
//!
//! let sandbox = Sandbox::seeded(7);
//! let answer = sandbox
//!     .router()
//!     .call(http::Request::get(format!("{}/version", sandbox.api_url())).body(bytes::Bytes::new()).unwrap())
//!     .await
//!     .unwrap();
//! assert_eq!(answer.status(), 200);
//! # }
//! ```
//!
//! Each module says what it does not model.

pub mod azure;
pub mod charts;
pub mod controllers;
pub mod kubernetes;
pub mod mount;
pub mod registry;
mod sandbox;
pub mod world;

pub use sandbox::{DEPLOYER, Endpoints, Login, Moment, Sandbox};
