//! The token endpoint of Entra ID and the OIDC documents of the cluster. It owns federation with its
//! exact comparisons, numbers and delays; it refuses every grant but client credentials.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::caller::{TOKEN_ISSUER, segments};
use super::{AzureState, Reply, token};
use crate::world::Faults;

const HELP: &str =
    "https://docs.microsoft.com/azure/active-directory/develop/workload-identity-federation";

/// Where tokens are had.
const LOGIN_HOST: &str = "login.microsoftonline.com";

/// How long a token of a workload identity lasts, in seconds; as Azure's.
const LIFETIME: i64 = 86_399;

/// Answers `login.microsoftonline.com`.
pub(super) fn respond(
    state: &mut AzureState,
    faults: &Faults,
    request: &Request<Bytes>,
    now: Timestamp,
) -> Reply {
    let segments = segments(request);
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (request.method(), path.as_slice()) {
        (&Method::POST, [tenant, "oauth2", "v2.0", "token"]) => {
            token_endpoint(state, faults, tenant, request.body(), now)
        }
        (&Method::GET, [tenant, "v2.0", ".well-known", "openid-configuration"]) => {
            let base = format!("https://{LOGIN_HOST}/{tenant}");
            Reply::json(
                200,
                &json!({
                    // Clients compare it with the address they asked.
                    "issuer": format!("{base}/v2.0"),
                    "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
                    "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
                    "token_endpoint": format!("{base}/oauth2/v2.0/token"),
                }),
            )
        }
        (&Method::GET, ["common", "discovery", "instance"]) => Reply::json(
            200,
            &json!({
                "api-version": "1.1",
                "tenant_discovery_endpoint":
                    format!("https://{LOGIN_HOST}/common/v2.0/.well-known/openid-configuration"),
                "metadata": [{
                    "preferred_network": LOGIN_HOST,
                    "preferred_cache": "login.windows.net",
                    "aliases": [LOGIN_HOST, "login.windows.net"],
                }],
            }),
        ),
        _ => Reply::empty(404),
    }
}

/// Answers the cluster's issuer host: its discovery document and its keys.
pub(super) fn issuer_documents(state: &AzureState, request: &Request<Bytes>) -> Reply {
    let issuer = &state.issuer.url;
    let base = issuer
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]))
        .unwrap_or("/");
    let path = request.uri().path();
    match path.strip_prefix(base.trim_end_matches('/')) {
        Some("/.well-known/openid-configuration") => Reply::json(
            200,
            &json!({
                "issuer": issuer,
                "jwks_uri": format!("{}/openid/v1/jwks", issuer.trim_end_matches('/')),
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["HS256"],
            }),
        ),
        Some("/openid/v1/jwks") => Reply::json(
            200,
            &json!({"keys": [{"kty": "oct", "kid": "aks-sandbox", "use": "sig", "alg": "HS256"}]}),
        ),
        _ => Reply::empty(404),
    }
}

fn token_endpoint(
    state: &mut AzureState,
    faults: &Faults,
    tenant: &str,
    body: &Bytes,
    now: Timestamp,
) -> Reply {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if tenant != state.tenant {
        let sentence = format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are \
             signing into the correct cloud. Check with your subscription administrator, this may \
             happen if there are no active subscriptions for the tenant."
        );
        return refuse(400, "invalid_request", 90002, &sentence, now);
    }
    if field("grant_type") != "client_credentials" {
        let sentence = "The requested grant type is not supported by this endpoint.";
        return refuse(400, "unsupported_grant_type", 70003, sentence, now);
    }
    let Some(audience) = resource_in(field("scope")) else {
        let sentence = "The provided value for scope is not valid. Client credential flows must \
                        have a scope value with /.default suffixed to the resource identifier.";
        return refuse(400, "invalid_scope", 1_002_012, sentence, now);
    };
    let client = field("client_id");
    let principal = if form.contains_key("client_assertion") {
        federate(state, faults, client, field("client_assertion"), now)
    } else {
        by_secret(state, client, field("client_secret"), now)
    };
    match principal {
        Err(refusal) => refusal,
        Ok(principal) => {
            let issued = now.as_second();
            let token = state.issuer.sign(&json!({
                "aud": audience,
                "iss": format!("{TOKEN_ISSUER}{tenant}/"),
                "tid": tenant,
                "oid": principal,
                "sub": principal,
                "appid": client,
                "iat": issued,
                "nbf": issued,
                "exp": issued + LIFETIME,
            }));
            Reply::json(
                200,
                &json!({
                    "token_type": "Bearer",
                    "expires_in": LIFETIME,
                    "ext_expires_in": LIFETIME,
                    "access_token": token,
                }),
            )
        }
    }
}

/// The principal of an application that shows its secret.
fn by_secret(
    state: &AzureState,
    client: &str,
    secret: &str,
    now: Timestamp,
) -> Result<String, Reply> {
    match state.applications.get(client) {
        None => Err(unknown_client(state, client, now)),
        Some(application) if application.secret != secret => {
            let sentence = format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the \
                 client secret value, not the client secret ID, for a secret added to app \
                 '{client}'."
            );
            Err(refuse(401, "invalid_client", 7_000_215, &sentence, now))
        }
        Some(application) => Ok(application.object_id.clone()),
    }
}

/// The resource a client asks for: `https://vault.azure.net` of `https://vault.azure.net/.default`.
/// Microsoft's libraries for Go add the scopes of a person's login, which mean nothing here.
fn resource_in(scope: &str) -> Option<&str> {
    let mut scopes = scope
        .split_whitespace()
        .filter(|scope| !["openid", "offline_access", "profile"].contains(scope));
    let resource = scopes.next()?.strip_suffix("/.default")?;
    scopes.next().is_none().then_some(resource)
}

/// The principal of an identity one of whose federated credentials matches the assertion.
fn federate(
    state: &mut AzureState,
    faults: &Faults,
    client: &str,
    assertion: &str,
    now: Timestamp,
) -> Result<String, Reply> {
    let Some(identity) = state.identity(client) else {
        return Err(unknown_client(state, client, now));
    };
    let principal = identity.body["properties"]["principalId"].clone();
    let name = identity
        .id
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    let prefix = format!(
        "{}/federatedidentitycredentials/",
        identity.id.to_ascii_lowercase()
    );

    let Some(claims) = token::claims(assertion) else {
        let sentence = "Invalid JWT token. The token is malformed.";
        return Err(refuse(401, "invalid_client", 50027, sentence, now));
    };
    let text = |key: &str| claims.get(key).and_then(Value::as_str).unwrap_or_default();
    let (issuer, subject) = (text("iss").to_owned(), text("sub").to_owned());
    let audiences: Vec<String> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many
            .iter()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    };
    let is_signed = match &state.external_issuer {
        Some(external) if external.url == issuer => external.verify(assertion).is_some(),
        // Nobody vouches for what others signed; the comparison below refuses them by issuer.
        _ => state.issuer.url != issuer || state.issuer.verify(assertion).is_some(),
    };
    if !is_signed {
        let sentence = "Client assertion contains an invalid signature.";
        return Err(refuse(401, "invalid_client", 700_027, sentence, now));
    }
    let time = |key: &str| claims.get(key).and_then(Value::as_i64).unwrap_or_default();
    if time("exp") <= now.as_second() || time("nbf") > now.as_second() + 300 {
        let sentence = format!(
            "Client assertion is not within its valid time range. Current time: {now}, assertion \
             valid from {}, expiry time of assertion {}.",
            time("nbf"),
            time("exp")
        );
        return Err(refuse(401, "invalid_client", 700_024, &sentence, now));
    }

    let memory = format!("{client}|{subject}");
    let no_record = format!(
        "No matching federated identity record found for presented assertion. Assertion Issuer: \
         '{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: '{}'. {HELP}",
        audiences.first().map(String::as_str).unwrap_or_default()
    );
    if state.refused.get(&memory).is_some_and(|until| *until > now) {
        return Err(refuse(401, "invalid_client", 70021, &no_record, now));
    }
    let all: Vec<(Value, Timestamp)> = state
        .resources
        .range(prefix.clone()..)
        .take_while(|(id, _)| id.starts_with(&prefix))
        .map(|(_, credential)| {
            let mut properties = credential.body["properties"].clone();
            if let Some(subject) = &faults.federated_subject {
                properties["subject"] = subject.clone().into();
            }
            (properties, credential.changed)
        })
        .collect();
    let visible: Vec<&Value> = all
        .iter()
        .filter(|(_, changed)| *changed + state.delays.federation <= now)
        .map(|(properties, _)| properties)
        .collect();
    let verdict = judge(&visible, &issuer, &subject, &audiences);
    let (number, sentence) = match verdict {
        Verdict::Match => {
            return Ok(principal.as_str().unwrap_or_default().to_owned());
        }
        Verdict::None if all.is_empty() => (
            70025,
            format!(
                "The client '{client}'({name}) has no configured federated identity credentials. \
                 {HELP}"
            ),
        ),
        Verdict::None => (70021, no_record),
        Verdict::Part(number, part, value) => (
            number,
            format!(
                "No matching federated identity record found for presented assertion {part} \
                 '{value}'. Please check your federated identity credential Subject, Audience and \
                 Issuer against the presented assertion. {HELP}"
            ),
        ),
        Verdict::Case(part, value) => (
            7_002_131,
            format!(
                "No matching federated identity record found for presented assertion {part} \
                 '{value}'. The {part} matches with case-insensitive comparison, but not with \
                 case-sensitive comparison. {HELP}"
            ),
        ),
    };
    let until = now + state.delays.refusal_memory;
    state.refused.insert(memory, until);
    Err(refuse(401, "invalid_client", number, &sentence, now))
}

/// How an assertion compares with the credentials that are visible.
enum Verdict {
    Match,
    None,
    Part(u32, &'static str, String),
    Case(&'static str, String),
}

fn judge(credentials: &[&Value], issuer: &str, subject: &str, audiences: &[String]) -> Verdict {
    if credentials.is_empty() {
        return Verdict::None;
    }
    let with_issuer: Vec<_> = credentials
        .iter()
        .filter(|credential| credential["issuer"] == issuer)
        .collect();
    if with_issuer.is_empty() {
        return Verdict::Part(700_211, "issuer", issuer.to_owned());
    }
    let with_subject: Vec<_> = with_issuer
        .iter()
        .filter(|credential| credential["subject"] == subject)
        .collect();
    if with_subject.is_empty() {
        let only_case = with_issuer.iter().any(|credential| {
            credential["subject"]
                .as_str()
                .is_some_and(|text| text.eq_ignore_ascii_case(subject))
        });
        return if only_case {
            Verdict::Case("subject", subject.to_owned())
        } else {
            Verdict::Part(700_213, "subject", subject.to_owned())
        };
    }
    let matches = with_subject.iter().any(|credential| {
        credential["audiences"][0]
            .as_str()
            .is_some_and(|wanted| audiences.iter().any(|audience| audience == wanted))
    });
    if matches {
        Verdict::Match
    } else {
        let audience = audiences.first().cloned().unwrap_or_default();
        Verdict::Part(700_212, "audience", audience)
    }
}

fn unknown_client(state: &AzureState, client: &str, now: Timestamp) -> Reply {
    let sentence = format!(
        "Application with identifier '{client}' was not found in the directory '{}'. This can \
         happen if the application has not been installed by the administrator of the tenant or \
         consented to by any user in the tenant. You may have sent your authentication request to \
         the wrong tenant.",
        state.tenant
    );
    refuse(400, "unauthorized_client", 700_016, &sentence, now)
}

/// Entra's error body.
fn refuse(status: u16, error: &str, number: u32, sentence: &str, now: Timestamp) -> Reply {
    let id = format!("00000000-0000-4000-a000-{:012x}", now.as_second());
    Reply::json(
        status,
        &json!({
            "error": error,
            "error_description": format!(
                "AADSTS{number}: {sentence}\r\nTrace ID: {id}\r\nCorrelation ID: {id}\r\n\
                 Timestamp: {now}"
            ),
            "error_codes": [number],
            "timestamp": now.to_string(),
            "trace_id": id,
            "correlation_id": id,
            "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::resource_in;

    #[test]
    fn one_resource_is_asked_for() {
        let vault = Some("https://vault.azure.net");
        assert_eq!(resource_in("https://vault.azure.net/.default"), vault);
        let of_go = "https://vault.azure.net/.default openid offline_access profile";
        assert_eq!(resource_in(of_go), vault);
        assert_eq!(resource_in("https://vault.azure.net/user"), None);
        assert_eq!(resource_in("https://a/.default https://b/.default"), None);
        assert_eq!(resource_in("openid"), None);
        assert_eq!(resource_in(""), None);
    }
}
