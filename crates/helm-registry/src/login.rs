//! Logins for registries: from a Docker configuration's text, and from an Entra token for an Azure
//! registry. It owns reading and exchanging; it refuses to find files and to run helpers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use converge::Secret;
use serde_json::Value;
use url::Url;

use crate::transport::{Login, Transport, TransportOptions, address};
use crate::{SourceError, SourceErrorKind};

/// The user name that stands for "the password is a token" at Azure registries.
const TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";

/// The login a Docker `config.json` (or Helm's `registry/config.json`) holds for a registry;
/// `None` if it holds none. Credential helpers are programs and are not run: an entry that needs
/// one is none.
///
/// ```
/// let config = r#"{"auths": {"myacr.azurecr.io": {"auth": "dXNlcjpwYXNz"}}}"#;
/// let login = helm_registry::docker_login(config, "myacr.azurecr.io").unwrap();
/// assert!(matches!(login, Some(helm_registry::Login::Basic { user, .. }) if user == "user"));
/// ```
///
/// # Errors
/// The text is no such configuration.
pub fn docker_login(config: &str, registry: &str) -> Result<Option<Login>, SourceError> {
    let invalid = |why: &str| {
        let kind = SourceErrorKind::Invalid { why: why.into() };
        SourceError::new("read", "the Docker configuration", kind)
    };
    let config: Value = serde_json::from_str(config).map_err(|_| invalid("it is no JSON"))?;
    let Some(auths) = config.get("auths").and_then(Value::as_object) else {
        return Ok(None);
    };
    let entry = auths.iter().find(|(host, _)| host_of(host) == registry);
    let Some((_, entry)) = entry else {
        return Ok(None);
    };
    let text = |key: &str| {
        let text = entry.get(key).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    if let Some(token) = text("identitytoken") {
        return Ok(Some(basic(TOKEN_USER, token)));
    }
    if let (Some(user), Some(password)) = (text("username"), text("password")) {
        return Ok(Some(basic(user, password)));
    }
    let Some(auth) = text("auth") else {
        return Ok(None);
    };
    let pair = STANDARD
        .decode(auth)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| invalid("an `auth` is no base64 of text"))?;
    let (user, password) = pair
        .split_once(':')
        .ok_or_else(|| invalid("an `auth` is no `user:password`"))?;
    Ok(Some(basic(user, password.trim_end_matches('\0'))))
}

/// `https://host/v1/` and `host` are one registry.
fn host_of(key: &str) -> &str {
    let key = key.strip_prefix("https://").unwrap_or(key);
    let key = key.strip_prefix("http://").unwrap_or(key);
    key.split('/').next().unwrap_or(key)
}

fn basic(user: &str, password: &str) -> Login {
    Login::Basic {
        user: user.to_owned(),
        password: Secret::new(password),
    }
}

/// Exchanges an Entra access token (for `https://containerregistry.azure.net`) for a login at an
/// Azure registry, such as `myacr.azurecr.io`. A probe: nothing is kept by the registry.
///
/// Source: `POST /oauth2/exchange` of Azure Container Registry's token API.
///
/// # Errors
/// The registry cannot be reached or refuses the token.
pub async fn azure_login(
    registry: &str,
    entra_token: &Secret,
    transport: TransportOptions,
) -> Result<Login, SourceError> {
    let url = address(&format!("https://{registry}/oauth2/exchange"))?;
    exchange(&url, registry, entra_token, transport).await
}

async fn exchange(
    url: &Url,
    registry: &str,
    entra_token: &Secret,
    transport: TransportOptions,
) -> Result<Login, SourceError> {
    let failed = |kind| SourceError::new("log in at", registry, kind);
    let form: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "access_token")
        .append_pair("service", registry)
        .append_pair("access_token", entra_token.expose())
        .finish();
    let transport = Transport::new(transport).map_err(failed)?;
    let answer = transport.post_form(url, form).await.map_err(failed)?;
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    match answer.get("refresh_token").and_then(Value::as_str) {
        Some(token) => Ok(basic(TOKEN_USER, token)),
        None => Err(failed(SourceErrorKind::Answer {
            why: "the exchange gave no refresh token".into(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(config: &str) -> String {
        match docker_login(config, "r.example") {
            Ok(Some(Login::Basic { user, password })) => format!("{user}:{}", password.expose()),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_docker_configuration_is_read_in_its_forms() {
        for (config, expected) in [
            (r#"{"auths": {"r.example": {"auth": "dTpw"}}}"#, "u:p"),
            (
                r#"{"auths": {"https://r.example/v1/": {"username": "u", "password": "p"}}}"#,
                "u:p",
            ),
            (
                r#"{"auths": {"r.example": {"identitytoken": "t"}}}"#,
                "00000000-0000-0000-0000-000000000000:t",
            ),
            (r#"{"auths": {"other": {"auth": "dTpw"}}}"#, "Ok(None)"),
            (r#"{"credsStore": "desktop"}"#, "Ok(None)"),
        ] {
            assert_eq!(login(config), expected, "{config}");
        }
        assert!(docker_login("nonsense", "r.example").is_err());
        assert!(docker_login(r#"{"auths": {"r.example": {"auth": "!"}}}"#, "r.example").is_err());
    }
}
