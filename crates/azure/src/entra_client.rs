//! [`EntraClient`]: Entra's token endpoint over the wire. It owns the form and the reading of the
//! answer; it refuses to keep tokens.

use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::{Method, Request, Url};
use converge::{RequestClass, Secret};
use serde_json::Value;
use url::form_urlencoded;

use crate::{AccessToken, Azure, EntraError, ServiceAnswer, TokenExchange};

/// Entra's token endpoint over the wire. Made by [`Azure::entra`].
#[derive(Debug, Clone)]
pub struct EntraClient {
    azure: Azure,
}

impl EntraClient {
    pub(crate) fn new(azure: Azure) -> Self {
        Self { azure }
    }
}

#[async_trait]
impl TokenExchange for EntraClient {
    async fn exchange(
        &self,
        tenant: String,
        client_id: String,
        assertion: Secret,
        scope: String,
    ) -> Result<AccessToken, EntraError> {
        let url = endpoint(&self.azure.cloud().login, &tenant)?;
        let mut request = Request::new(url, Method::Post);
        request.insert_header("content-type", "application/x-www-form-urlencoded");
        request.insert_header("accept", "application/json");
        request.set_body(form(&client_id, &assertion, &scope));
        let unreachable = |error: azure_core::Error| {
            EntraError::not_answered(
                "the token endpoint cannot be reached",
                Some(Box::new(error)),
            )
        };
        let response = self
            .azure
            .transport()
            .send(&request, RequestClass::Probe)
            .await
            .map_err(unreachable)?
            .try_into_raw_response()
            .await
            .map_err(unreachable)?;
        let status = u16::from(response.status());
        if let Ok(json) = serde_json::from_slice(response.body()) {
            return read(status, &json);
        }
        let answer = ServiceAnswer::read(status, response.headers(), response.body());
        let message = format!("{status}: {}", answer.message);
        Err(EntraError::not_answered(message, None))
    }
}

/// The tenant's token endpoint.
fn endpoint(login: &str, tenant: &str) -> Result<Url, EntraError> {
    let is_tenant = !tenant.is_empty()
        && tenant
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    let url = is_tenant.then(|| Url::parse(&format!("{login}/{tenant}/oauth2/v2.0/token")));
    match url {
        Some(Ok(url)) => Ok(url),
        _ => Err(EntraError::refused(
            90002,
            format!("`{tenant}` is not a tenant id"),
        )),
    }
}

/// The grant as a form.
fn form(client_id: &str, assertion: &Secret, scope: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", client_id)
        .append_pair(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )
        .append_pair("client_assertion", assertion.expose())
        .append_pair("scope", scope)
        .finish()
}

/// Reads the endpoint's answer.
fn read(status: u16, json: &Value) -> Result<AccessToken, EntraError> {
    if status == 200 {
        return match (json["access_token"].as_str(), json["expires_in"].as_u64()) {
            (Some(token), Some(seconds)) if !token.is_empty() => Ok(AccessToken {
                token: Secret::new(token),
                expires_in: Duration::from_secs(seconds),
            }),
            _ => Err(EntraError::not_answered("the answer has no token", None)),
        };
    }
    let description = json["error_description"].as_str().unwrap_or_default();
    let sentence = description.lines().next().unwrap_or_default().trim();
    let correlation = json["correlation_id"].as_str().map(str::to_owned);
    let number = json["error_codes"][0]
        .as_u64()
        .and_then(|number| u32::try_from(number).ok());
    let error = match number {
        Some(number) => EntraError::refused(number, sentence),
        None => EntraError::not_answered(format!("{status}: {sentence}"), None),
    };
    Err(error.with_correlation_id(correlation))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Refusal;

    #[test]
    fn a_refusal_is_read_by_its_number() {
        let error = read(
            401,
            &json!({
                "error": "invalid_client",
                "error_description": "AADSTS700213: No matching federated identity record found \
                    for presented assertion subject 'x'.\r\nTrace ID: t\r\nCorrelation ID: c",
                "error_codes": [700_213],
                "correlation_id": "c",
            }),
        )
        .unwrap_err();
        assert_eq!(error.aadsts, Some(700_213));
        assert_eq!(error.refusal, Refusal::Subject);
        assert_eq!(error.correlation_id.as_deref(), Some("c"));
        assert!(!error.to_string().contains("Trace"), "{error}");
    }

    #[test]
    fn a_token_is_read_with_its_lifetime() {
        let token = read(200, &json!({"access_token": "t", "expires_in": 3599})).unwrap();
        assert_eq!(token.expires_in, Duration::from_secs(3599));
        assert!(read(200, &json!({"token_type": "Bearer"})).is_err());
    }

    #[test]
    fn a_tenant_cannot_leave_its_place_in_the_url() {
        for tenant in ["", "../x", "a/b", "a?b"] {
            assert!(
                endpoint("https://login.example", tenant).is_err(),
                "{tenant}"
            );
        }
        let url = endpoint("https://login.example", "t-1").unwrap();
        assert_eq!(url.as_str(), "https://login.example/t-1/oauth2/v2.0/token");
    }
}
