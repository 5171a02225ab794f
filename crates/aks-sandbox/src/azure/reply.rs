//! [`Reply`]: an answer and how long it takes. It owns the error bodies each service
//! speaks in; it refuses to know when they are due.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

/// An answer to a request.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP response.
    pub response: Box<Response<Bytes>>,
    /// How long the service takes to answer, in the world's time.
    pub after: Duration,
}

impl Reply {
    /// A status without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self::bytes(status, Bytes::new())
    }

    /// A status with a JSON body.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::bytes(status, body.to_string().into())
            .with("content-type", "application/json; charset=utf-8")
    }

    /// A status with any body.
    pub(crate) fn bytes(status: u16, body: Bytes) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            response: Box::new(response),
            after: Duration::ZERO,
        }
    }

    /// Resource Manager's error: `{"error":{"code","message"}}`.
    pub(crate) fn refusal(status: u16, code: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self::json(
            status,
            &json!({"error": {"code": code, "message": message}}),
        )
        .with("x-ms-failure-cause", "gateway")
    }

    /// Key Vault's error, with the inner code that tells which rule refused.
    pub(crate) fn vault_refusal(
        status: u16,
        code: &str,
        message: impl Into<String>,
        inner: Option<&str>,
    ) -> Self {
        let message: String = message.into();
        let mut error = json!({"code": code, "message": message});
        if let Some(inner) = inner {
            error["innererror"] = json!({"code": inner});
        }
        Self::json(status, &json!({"error": error}))
    }

    /// Storage's error: XML, and the code in a header.
    pub(crate) fn storage_refusal(status: u16, code: &str, message: &str) -> Self {
        let body = format!(
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\
             <Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        Self::bytes(status, body.into())
            .with("content-type", "application/xml")
            .with("x-ms-error-code", code)
    }

    /// The same reply with a header; a value that cannot be one is left out.
    pub(crate) fn with(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        if let Ok(value) = value.as_ref().parse() {
            self.response.headers_mut().insert(name, value);
        }
        self
    }

    /// The same reply, after this long.
    pub(crate) fn after(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }
}
