//! Who calls: reading and checking bearer tokens. It owns the one check every service makes; it
//! refuses tokens of the real Entra before anything else.

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;

use super::{AzureState, token};

/// The issuer of every simulated token; a host that cannot exist.
pub(super) const TOKEN_ISSUER: &str = "https://sts.aks-sandbox.invalid/";

/// A caller that was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) object_id: String,
    pub(super) application: String,
}

/// Why a caller was not recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotRecognised {
    /// There is no bearer token.
    Missing,
    /// It is no token of this world: another issuer, a forged signature, no token at all.
    Foreign,
    /// It is for another service: the audience it has.
    Audience(String),
    /// It has expired.
    Expired,
}

/// The caller of a request to a service that takes tokens for `audiences`.
pub(super) fn recognise(
    state: &AzureState,
    request: &Request<Bytes>,
    audiences: &[&str],
    now: Timestamp,
) -> Result<Caller, NotRecognised> {
    let token = request
        .headers()
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or(NotRecognised::Missing)?;
    let claims = token::claims(token).ok_or(NotRecognised::Foreign)?;
    let header = token::header(token).ok_or(NotRecognised::Foreign)?;
    let text = |key: &str| {
        claims
            .get(key)
            .and_then(|value| value.as_str())
            .unwrap_or_default()
    };
    let issuer = format!("{TOKEN_ISSUER}{}/", state.tenant);
    if text("iss") != issuer || header.get("kid").is_none_or(|kid| kid != "aks-sandbox") {
        return Err(NotRecognised::Foreign);
    }
    // The caller that owns the world says who it is without a signature; all others were given
    // their token here.
    let unsigned = header.get("alg").is_some_and(|alg| alg == "none");
    if unsigned {
        if claims.get("aks-sandbox").is_none_or(|mark| mark != true) {
            return Err(NotRecognised::Foreign);
        }
    } else if state.issuer.verify(token).is_none() {
        return Err(NotRecognised::Foreign);
    } else if claims
        .get("exp")
        .and_then(serde_json::Value::as_i64)
        .is_none_or(|expires| expires <= now.as_second())
    {
        return Err(NotRecognised::Expired);
    }
    let audience = text("aud").trim_end_matches('/');
    if !audiences.contains(&audience) {
        return Err(NotRecognised::Audience(audience.to_owned()));
    }
    Ok(Caller {
        object_id: text("oid").to_owned(),
        application: text("appid").to_owned(),
    })
}

/// One value of a request's query, decoded; names are compared without case.
pub(super) fn query(request: &Request<Bytes>, name: &str) -> Option<String> {
    let query = request.uri().query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.into_owned())
}

/// The segments of a request's path, decoded.
pub(super) fn segments(request: &Request<Bytes>) -> Vec<String> {
    request
        .uri()
        .path()
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(decode)
        .collect()
}

/// Percent-decoding of one segment; `+` stays.
pub(super) fn decode(text: &str) -> String {
    let escaped = text.replace('+', "%2B");
    let text = format!("x={escaped}");
    url::form_urlencoded::parse(text.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}
