//! [`BlobLogStore`]: containers over the official client. It owns its options and the reading of its
//! errors; it refuses the client's own retries.

use std::sync::Arc;

use async_trait::async_trait;
use azure::{Azure, ServiceAnswer};
use azure_core::http::RequestContent;
use azure_storage_blob::{BlobContainerClient, BlobContainerClientOptions};
use url::Url;

use crate::shared_key::SharedKey;
use crate::{LogContainer, LogStore, LogStoreError, LogStoreErrorKind};

/// The data plane of real containers, with the account's key or as the caller.
///
/// Source: `azure_storage_blob` 1.1; the client asks for the service version it was made for.
#[derive(Debug, Clone)]
pub struct BlobLogStore {
    azure: Azure,
    version: Option<String>,
}

impl BlobLogStore {
    /// Over this way to Azure.
    pub fn new(azure: Azure) -> Self {
        Self {
            azure,
            version: None,
        }
    }

    /// The same with another service version (`x-ms-version`), for servers that lag behind.
    #[must_use]
    pub fn with_service_version(self, version: impl Into<String>) -> Self {
        Self {
            version: Some(version.into()),
            ..self
        }
    }

    fn client(&self, target: &LogContainer) -> azure_core::Result<BlobContainerClient> {
        let mut options = BlobContainerClientOptions {
            client_options: self.azure.client_options(),
            ..BlobContainerClientOptions::default()
        };
        if let Some(version) = &self.version {
            options.version.clone_from(version);
        }
        let url = container_url(target)?;
        let credential = match &target.key {
            Some(key) => {
                let signer = SharedKey::new(&target.account, key.value.clone());
                options
                    .client_options
                    .per_try_policies
                    .push(Arc::new(signer));
                None
            }
            None => Some(self.azure.credential()),
        };
        BlobContainerClient::new(url, credential, Some(options))
    }
}

/// The container's address.
fn container_url(target: &LogContainer) -> azure_core::Result<Url> {
    let base = target.endpoint.as_str().trim_end_matches('/');
    Ok(format!("{base}/{}", target.container).parse()?)
}

#[async_trait]
impl LogStore for BlobLogStore {
    async fn write(
        &self,
        container: LogContainer,
        blob: String,
        content: Vec<u8>,
    ) -> Result<(), LogStoreError> {
        let fail = |error| failure("write", &container, &blob, error);
        let client = self.client(&container).map_err(&fail)?.blob_client(&blob);
        let content = RequestContent::from(content);
        client.upload(content, None).await.map_err(fail)?;
        Ok(())
    }

    async fn read(
        &self,
        container: LogContainer,
        blob: String,
    ) -> Result<Option<Vec<u8>>, LogStoreError> {
        let fail = |error| failure("read", &container, &blob, error);
        let client = self.client(&container).map_err(&fail)?.blob_client(&blob);
        let content = match client.download(None).await {
            Ok(answer) => answer.body.collect().await.map_err(fail)?,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(fail(error)),
        };
        Ok(Some(content.to_vec()))
    }

    async fn delete(&self, container: LogContainer, blob: String) -> Result<bool, LogStoreError> {
        let fail = |error| failure("delete", &container, &blob, error);
        let client = self.client(&container).map_err(&fail)?.blob_client(&blob);
        match client.delete(None).await {
            Ok(_) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(fail(error)),
        }
    }
}

fn is_absent(error: &azure_core::Error) -> bool {
    ServiceAnswer::of(error).is_some_and(|answer| answer.code == "BlobNotFound")
}

fn failure(
    verb: &'static str,
    target: &LogContainer,
    blob: &str,
    error: azure_core::Error,
) -> LogStoreError {
    LogStoreError {
        verb,
        blob: blob.to_owned(),
        container: target.container.to_string(),
        kind: match ServiceAnswer::of(&error) {
            Some(answer) => read_refusal(answer),
            None => LogStoreErrorKind::Unreachable(Box::new(error)),
        },
    }
}

/// How the service begins when it does not know the caller. Azure says it with the code
/// `AuthenticationFailed`, Azurite with `AuthorizationFailure`, which at Azure is the firewall's.
const NOT_KNOWN: &str = "Server failed to authenticate the request";

fn read_refusal(answer: ServiceAnswer) -> LogStoreErrorKind {
    let (code, message) = (answer.code, answer.message);
    match (answer.status, code.as_str()) {
        (404, "ContainerNotFound") => LogStoreErrorKind::NoContainer,
        (_, "KeyBasedAuthenticationNotPermitted") => LogStoreErrorKind::SharedKeyDisabled,
        (401, _) | (403, "AuthenticationFailed") => {
            LogStoreErrorKind::Unauthenticated { code, message }
        }
        (403, _) if message.starts_with(NOT_KNOWN) => {
            LogStoreErrorKind::Unauthenticated { code, message }
        }
        (403, _) => LogStoreErrorKind::Forbidden { code, message },
        (status, _) => LogStoreErrorKind::Refused {
            status,
            code,
            message,
        },
    }
}

#[cfg(test)]
mod tests {
    use azure_core::http::headers::Headers;

    use super::*;

    #[test]
    fn refusals_are_told_apart_by_code() {
        let kind = |status, code: &'static str| {
            let mut headers = Headers::new();
            headers.insert("x-ms-error-code", code);
            read_refusal(ServiceAnswer::read(status, &headers, b""))
        };
        assert!(matches!(
            kind(404, "ContainerNotFound"),
            LogStoreErrorKind::NoContainer
        ));
        assert!(matches!(
            kind(403, "KeyBasedAuthenticationNotPermitted"),
            LogStoreErrorKind::SharedKeyDisabled
        ));
        assert!(matches!(
            kind(403, "AuthenticationFailed"),
            LogStoreErrorKind::Unauthenticated { .. }
        ));
        assert!(matches!(
            kind(403, "AuthorizationFailure"),
            LogStoreErrorKind::Forbidden { .. }
        ));
        assert!(matches!(
            kind(409, "LeaseIdMissing"),
            LogStoreErrorKind::Refused { status: 409, .. }
        ));
    }
}
