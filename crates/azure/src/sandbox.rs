//! [`SandboxCredential`]: obviously fake tokens for a sandbox. It owns their form; it refuses to be
//! used on the internet: only a sandbox handle takes one, and that handle has no other wire.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

/// How long a fake token says it is valid.
const LIFETIME: Duration = Duration::from_secs(3600);

/// A caller of a sandbox. Its tokens are unsigned JWTs (`alg: none`) of an issuer that cannot
/// exist, with a claim `aks-sandbox`; Azure refuses them, and a sandbox refuses all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxCredential {
    /// The tenant of the simulated subscription.
    pub tenant: String,
    /// The caller's object id.
    pub object_id: String,
}

impl SandboxCredential {
    /// A caller by tenant and object id.
    pub fn new(tenant: impl Into<String>, object_id: impl Into<String>) -> Self {
        Self {
            tenant: tenant.into(),
            object_id: object_id.into(),
        }
    }

    fn token(&self, scope: &str, now: i64) -> String {
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let header = part(json!({"alg": "none", "typ": "JWT", "kid": "aks-sandbox"}));
        let claims = part(json!({
            "aud": scope.strip_suffix("/.default").unwrap_or(scope),
            "iss": format!("https://sts.aks-sandbox.invalid/{}/", self.tenant),
            "tid": self.tenant,
            "oid": self.object_id,
            "sub": self.object_id,
            "iat": now,
            "nbf": now,
            "exp": now + i64::try_from(LIFETIME.as_secs()).unwrap_or(i64::MAX),
            "aks-sandbox": true,
        }));
        format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode("sandbox"))
    }
}

#[async_trait]
impl TokenCredential for SandboxCredential {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let now = OffsetDateTime::now_utc();
        let scope = scopes.first().copied().unwrap_or_default();
        let token = self.token(scope, now.unix_timestamp());
        Ok(AccessToken::new(token, now + LIFETIME))
    }
}

/// The sandbox's listener is not on this machine.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{0}` is not a loopback address")]
#[diagnostic(
    code(aka::azure::not_loopback),
    help("a sandbox is reached on 127.0.0.1 or ::1 only")
)]
pub struct NotLoopback(pub SocketAddr);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_it_is() {
        let token = SandboxCredential::new("t", "o").token("https://vault.azure.net/.default", 10);
        let parts: Vec<_> = token
            .split('.')
            .map(|part| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert!(parts[0].contains(r#""alg":"none""#), "{}", parts[0]);
        let claims: serde_json::Value = serde_json::from_str(&parts[1]).unwrap();
        assert_eq!(claims["aud"], "https://vault.azure.net");
        assert_eq!(claims["aks-sandbox"], true);
        assert_eq!(claims["iss"], "https://sts.aks-sandbox.invalid/t/");
        assert_eq!(parts[2], "sandbox");
    }
}
