//! [`KnownChallenge`]: what a vault answers a request without a token, said before it is sent. It owns
//! the one sentence that follows from the vault's address; it refuses to speak for any other host.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::headers::{AUTHORIZATION, Headers, WWW_AUTHENTICATE};
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{AsyncRawResponse, Context, Request, StatusCode};
use url::Url;

/// Spares each client of a vault the round trip of its first request, which the official client sends
/// without a token to be told for what it needs one. That is always the vault's own domain, and the
/// client takes nothing else. (The last policy before the wire.)
///
/// Source: <https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses>;
/// `authorizer.rs` of `azure_security_keyvault_secrets` 1.0.
#[derive(Debug)]
pub(crate) struct KnownChallenge;

#[async_trait]
impl Policy for KnownChallenge {
    async fn send(
        &self,
        context: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        let has_token = request.headers().get_optional_str(&AUTHORIZATION).is_some();
        if let (false, Some(domain)) = (has_token, domain(request.url())) {
            let mut headers = Headers::new();
            headers.insert(
                WWW_AUTHENTICATE,
                format!("Bearer resource=\"https://{domain}\""),
            );
            let nothing: &[u8] = &[];
            let refusal = AsyncRawResponse::from_bytes(StatusCode::Unauthorized, headers, nothing);
            return Ok(refusal);
        }
        next[0].send(context, request, &next[1..]).await
    }
}

/// The domain that a vault's address is in: `vault.azure.net`, or another cloud's.
fn domain(vault: &Url) -> Option<&str> {
    let (name, domain) = vault.host_str()?.split_once('.')?;
    (!name.is_empty() && domain.starts_with("vault.")).then_some(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_vault_s_own_domain_is_named() {
        let of = |address: &str| domain(&address.parse().unwrap()).map(str::to_owned);
        let public = of("https://logs.vault.azure.net/secrets/a");
        assert_eq!(public.as_deref(), Some("vault.azure.net"));
        let china = of("https://logs.vault.azure.cn/");
        assert_eq!(china.as_deref(), Some("vault.azure.cn"));
        for other in [
            "https://vault.azure.net/",
            "https://example.org/",
            "http://127.0.0.1:1/",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
