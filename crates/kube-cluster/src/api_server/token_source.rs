//! [`TokenSource`]: where bearer tokens come from. It owns the contract; it refuses to know Entra.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use converge::Secret;

/// A source of bearer tokens for the API server, asked before every request: it caches and
/// refreshes on its own. With it a cluster that uses Entra needs no exec plugin.
#[async_trait]
pub trait TokenSource: fmt::Debug + Send + Sync + 'static {
    /// A token that is valid now.
    ///
    /// # Errors
    /// When no token can be had.
    async fn token(&self) -> Result<Secret, TokenError>;
}

/// No token could be had; the cause is the source's own.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no token for the API server")]
#[diagnostic(code(aka::cluster::token))]
pub struct TokenError(#[source] pub Box<dyn Error + Send + Sync>);
