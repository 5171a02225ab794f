//! [`Api`]: the API server's HTTP interface, bare, for what plays a controller's or a neighbour's
//! part. It owns authentication and impersonation; it refuses to know any object.

use reqwest::{Certificate, Client, Identity, Method};
use serde_json::Value;

use crate::{ControlPlane, ControlPlaneError};

/// A client of the API server.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    base: String,
    user: Option<String>,
}

/// A request the server did not carry out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// It cannot be asked.
    #[error("the API server cannot be asked")]
    Http(#[from] reqwest::Error),
    /// It said no.
    #[error("{method} {path}: {status} {message}")]
    Refused {
        /// The request's method.
        method: Method,
        /// The request's path.
        path: String,
        /// The HTTP status.
        status: u16,
        /// The server's sentence.
        message: String,
    },
}

impl ApiError {
    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

impl Api {
    /// The administrator of a control plane.
    ///
    /// # Errors
    /// When its certificates cannot be used.
    pub fn administrator(plane: &ControlPlane) -> Result<Self, ControlPlaneError> {
        let read = |name: &str| std::fs::read_to_string(plane.folder().join(name));
        let authority = Certificate::from_pem(read("ca.crt")?.as_bytes())?;
        let pair = format!("{}{}", read("admin.crt")?, read("admin.key")?);
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([authority])
            .identity(Identity::from_pem(pair.as_bytes())?)
            .build()?;
        Ok(Self {
            client,
            base: plane.url(),
            user: None,
        })
    }

    /// The same as a ServiceAccount: what it may do is up to its roles.
    #[must_use]
    pub fn acting_as(&self, namespace: &str, account: &str) -> Self {
        Self {
            user: Some(format!("system:serviceaccount:{namespace}:{account}")),
            ..self.clone()
        }
    }

    /// An object or a list; `None` if it is not there.
    ///
    /// # Errors
    /// When the server refuses or cannot be asked.
    pub async fn get(&self, path: &str) -> Result<Option<Value>, ApiError> {
        match self.send(Method::GET, path, "application/json", None).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The items of a list; none if the kind is not served.
    ///
    /// # Errors
    /// When the server refuses or cannot be asked.
    pub async fn items(&self, path: &str) -> Result<Vec<Value>, ApiError> {
        let list = self.get(path).await?.unwrap_or_default();
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Makes an object.
    ///
    /// # Errors
    /// When the server refuses or cannot be asked.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.send(Method::POST, path, "application/json", Some(body))
            .await
    }

    /// Replaces an object.
    ///
    /// # Errors
    /// When the server refuses or cannot be asked.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.send(Method::PUT, path, "application/json", Some(body))
            .await
    }

    /// Changes an object by a merge patch.
    ///
    /// # Errors
    /// When the server refuses or cannot be asked.
    pub async fn merge(&self, path: &str, patch: &Value) -> Result<Value, ApiError> {
        let content = "application/merge-patch+json";
        self.send(Method::PATCH, path, content, Some(patch)).await
    }

    /// Changes an object by a JSON patch.
    ///
    /// # Errors
    /// When the server refuses or cannot be asked.
    pub async fn patch(&self, path: &str, operations: &Value) -> Result<Value, ApiError> {
        let content = "application/json-patch+json";
        self.send(Method::PATCH, path, content, Some(operations))
            .await
    }

    /// Deletes an object or a collection; nothing is fine.
    ///
    /// # Errors
    /// When the server refuses or cannot be asked.
    pub async fn delete(&self, path: &str) -> Result<(), ApiError> {
        let gone = self.send(Method::DELETE, path, "application/json", None);
        match gone.await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: Option<&Value>,
    ) -> Result<Value, ApiError> {
        let url = format!("{}{path}", self.base);
        let mut request = self.client.request(method.clone(), url);
        if let Some(user) = &self.user {
            request = request.header("Impersonate-User", user);
        }
        if let Some(body) = body {
            request = request
                .header("Content-Type", content)
                .body(body.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status();
        let bytes = answer.bytes().await?;
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        Err(ApiError::Refused {
            method,
            path: path.to_owned(),
            status: status.as_u16(),
            message: body["message"].as_str().unwrap_or_default().to_owned(),
        })
    }
}
