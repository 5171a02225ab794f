//! [`SharedKey`]: requests signed with an account's key. It owns the canonical text and the
//! signature; it refuses to show the key.
//!
//! Source: Azure Storage, "Authorize with Shared Key", versions from 2015-02-21 on. The official
//! client has tokens and SAS only.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::base64;
use azure_core::error::ErrorKind;
use azure_core::http::headers::HeaderName;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Request};
use azure_core::time::{OffsetDateTime, to_rfc7231};
use converge::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The standard headers whose values are signed by position. `Date` stays empty: we send
/// `x-ms-date`.
const SIGNED: [&str; 11] = [
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

/// A policy of the official client that signs every try.
pub(crate) struct SharedKey {
    account: String,
    key: Secret,
}

impl SharedKey {
    pub(crate) fn new(account: impl Into<String>, key: Secret) -> Self {
        Self {
            account: account.into(),
            key,
        }
    }

    fn sign(&self, text: &str) -> azure_core::Result<String> {
        let bad =
            |message: &'static str| azure_core::Error::with_message(ErrorKind::Credential, message);
        let key = base64::decode(self.key.expose()).map_err(|_| bad("the key is not base64"))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| bad("the key is empty"))?;
        mac.update(text.as_bytes());
        Ok(base64::encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedKey({})", self.account)
    }
}

#[async_trait]
impl Policy for SharedKey {
    async fn send(
        &self,
        context: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        request.insert_header("x-ms-date", to_rfc7231(&OffsetDateTime::now_utc()));
        let signature = self.sign(&canonical(request, &self.account))?;
        request.insert_header(
            "authorization",
            format!("SharedKey {}:{signature}", self.account),
        );
        let Some((first, rest)) = next.split_first() else {
            let message = "no transport follows the signature";
            return Err(azure_core::Error::with_message(ErrorKind::Other, message));
        };
        first.send(context, request, rest).await
    }
}

/// The text that is signed.
fn canonical(request: &Request, account: &str) -> String {
    let header = |name: &'static str| {
        request
            .headers()
            .get_optional_str(&HeaderName::from_static(name))
            .unwrap_or_default()
            .to_owned()
    };
    let mut text = request.method().as_str().to_owned();
    for name in SIGNED {
        text.push('\n');
        match name {
            "" => {}
            "content-length" => match request.body().len() {
                Some(0) | None => {}
                Some(length) => text.push_str(&length.to_string()),
            },
            name => text.push_str(&header(name)),
        }
    }
    let mut own: Vec<(&str, &str)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().trim()))
        .filter(|(name, _)| name.starts_with("x-ms-"))
        .collect();
    own.sort_unstable();
    for (name, value) in own {
        text = format!("{text}\n{name}:{value}");
    }
    text = format!("{text}\n/{account}{}", request.url().path());
    let mut parameters: Vec<(String, String)> = request
        .url()
        .query_pairs()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned()))
        .collect();
    parameters.sort_unstable();
    for (name, value) in parameters {
        text = format!("{text}\n{name}:{value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use azure_core::http::Method;

    use super::*;

    #[test]
    fn the_text_has_every_line_in_its_place() {
        let url = "https://logs.blob.core.windows.net/airflow-logs/a%2Fb?timeout=5&comp=list"
            .parse()
            .unwrap();
        let mut request = Request::new(url, Method::Put);
        request.insert_header("x-ms-version", "2025-11-05");
        request.insert_header("x-ms-blob-type", "BlockBlob");
        request.insert_header("content-type", "text/plain");
        request.set_body("12345");
        assert_eq!(
            canonical(&request, "logs"),
            "PUT\n\n\n5\n\ntext/plain\n\n\n\n\n\n\n\
             x-ms-blob-type:BlockBlob\nx-ms-version:2025-11-05\n\
             /logs/airflow-logs/a%2Fb\ncomp:list\ntimeout:5"
        );
    }

    #[test]
    fn the_signature_is_hmac_sha_256_under_the_decoded_key() {
        // RFC 4231, test case 2, with the key in base64.
        let signer = SharedKey::new("a", Secret::new(base64::encode(b"Jefe")));
        let signature = signer.sign("what do ya want for nothing?").unwrap();
        let hex: Vec<String> = base64::decode(signature)
            .unwrap()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex.concat(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
