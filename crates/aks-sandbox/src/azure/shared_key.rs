//! Shared Key authorisation of blob storage. It owns the canonical text and its check; it refuses
//! Shared Key Lite and SAS.
//!
//! Source: Azure Storage, "Authorize with Shared Key", version 2015-02-21 and later.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;

use super::caller::decode;
use super::token::hmac_sha256;

/// The headers whose values are signed by position.
const SIGNED: [&str; 11] = [
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

/// Whether one of an account's keys made the signature.
pub(super) fn is_signed(
    request: &Request<Bytes>,
    account: &str,
    signature: &str,
    keys: &[String],
) -> bool {
    let text = text_to_sign(request, account);
    keys.iter().any(|key| {
        STANDARD
            .decode(key)
            .is_ok_and(|key| STANDARD.encode(hmac_sha256(&key, text.as_bytes())) == signature)
    })
}

fn text_to_sign(request: &Request<Bytes>, account: &str) -> String {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let mut text = request.method().to_string();
    for name in SIGNED {
        let value = match (name, header(name)) {
            ("content-length", "0") => "",
            // A date of Azure's own replaces the standard one.
            ("date", _) if request.headers().contains_key("x-ms-date") => "",
            (_, value) => value,
        };
        text = format!("{text}\n{value}");
    }
    let mut own: Vec<(&str, &str)> = request
        .headers()
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-ms-"))
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default().trim()))
        .collect();
    own.sort_unstable();
    for (name, value) in own {
        text = format!("{text}\n{name}:{value}");
    }
    text = format!("{text}\n/{account}{}", request.uri().path());
    let mut parameters: Vec<(String, String)> = request
        .uri()
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name).to_ascii_lowercase(), decode(value))
        })
        .collect();
    parameters.sort_unstable();
    for (name, value) in parameters {
        text = format!("{text}\n{name}:{value}");
    }
    text
}
