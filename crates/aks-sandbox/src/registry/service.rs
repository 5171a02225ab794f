//! Registries and repositories behind the router. It owns their hosts, the registry API and the
//! tokens of a container registry; it refuses content, which the siblings make.
//!
//! Source: OCI distribution specification 1.1; Azure Container Registry, "AAD-OAuth".

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::{Charts, images, oci};
use crate::azure::host;
use crate::mount::{Body, Router, full, handler};
use crate::world::World;

/// Where charts are offered as OCI artefacts, in any repository: `oci://charts.aks-sandbox.invalid`.
const CHART_REGISTRY: &str = "charts.aks-sandbox.invalid";

/// Registers every registry (`*.azurecr.io`), the hosts of the chart repositories, and
/// `charts.aks-sandbox.invalid`, where the same charts are OCI artefacts.
#[must_use]
pub fn mount(router: Router, charts: Charts) -> Router {
    let charts = Arc::new(charts);
    let world = Arc::clone(router.world());
    let hosts: Vec<String> = charts
        .hosts()
        .into_iter()
        .chain(["*.azurecr.io", CHART_REGISTRY])
        .map(str::to_owned)
        .collect();
    let service = handler(move |request: Request<Bytes>| {
        let (world, charts) = (Arc::clone(&world), Arc::clone(&charts));
        async move { respond(&world, &charts, &request) }
    });
    hosts.into_iter().fold(router, |router, host| {
        router.route(host, Arc::clone(&service))
    })
}

fn respond(world: &World, charts: &Charts, request: &Request<Bytes>) -> Response<Body> {
    let host = host(request);
    let path = request.uri().path();
    if path == "/v2" || path.starts_with("/v2/") {
        return registry(world, charts, request, &host);
    }
    if host.ends_with(".azurecr.io") && path.starts_with("/oauth2/") {
        return token(world, request, &host);
    }
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let file = path.rsplit('/').next().unwrap_or_default();
    if looks && file == "index.yaml" {
        return match charts.index(&host) {
            Some(index) => answer(200, index, &[("content-type", "text/yaml")]),
            None => answer(404, "", &[]),
        };
    }
    let found = charts
        .at(&host)
        .find(|chart| looks && chart.file_name() == file);
    match found {
        Some(chart) => answer(
            200,
            chart.archive.clone(),
            &[("content-type", "application/gzip")],
        ),
        None => answer(404, "not found\n", &[]),
    }
}

/// The registry API.
fn registry(
    world: &World,
    charts: &Charts,
    request: &Request<Bytes>,
    host: &str,
) -> Response<Body> {
    let path = request
        .uri()
        .path()
        .trim_start_matches("/v2")
        .trim_matches('/')
        .to_owned();
    let is_acr = host.ends_with(".azurecr.io");
    let repository = path
        .rsplit_once("/manifests/")
        .or_else(|| path.rsplit_once("/blobs/"))
        .map_or_else(
            || path.trim_end_matches("/tags/list"),
            |(repository, _)| repository,
        )
        .to_owned();
    if is_acr && !has_registry_token(world, request, host) {
        let scope = if repository.is_empty() {
            String::new()
        } else {
            format!(",scope=\"repository:{repository}:pull\"")
        };
        let challenge =
            format!("Bearer realm=\"https://{host}/oauth2/token\",service=\"{host}\"{scope}");
        let body = errors("UNAUTHORIZED", "authentication required");
        return answer(401, body, &[("www-authenticate", &challenge)]);
    }
    if path.is_empty() {
        return answer(
            200,
            "{}",
            &[("docker-distribution-api-version", "registry/2.0")],
        );
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return answer(
            405,
            errors("UNSUPPORTED", "the sandbox takes no pushes"),
            &[],
        );
    }
    if path.ends_with("/tags/list") {
        let tags = if is_acr {
            world.read(|state| images::tags(&state.azure, host, &repository))
        } else {
            oci::tags(charts, &repository)
        };
        if tags.is_empty() {
            return answer(
                404,
                errors("NAME_UNKNOWN", "repository name not known"),
                &[],
            );
        }
        let body = json!({"name": repository, "tags": tags}).to_string();
        return answer(200, body, &[("content-type", "application/json")]);
    }
    if let Some((_, reference)) = path.rsplit_once("/manifests/") {
        let found = if is_acr {
            world.read(|state| {
                images::manifest(&state.azure, &state.faults, host, &repository, reference)
            })
        } else {
            oci::manifest(charts, &repository, reference)
        };
        let Some((manifest, media_type, digest)) = found else {
            return answer(404, errors("MANIFEST_UNKNOWN", "manifest unknown"), &[]);
        };
        let headers = [
            ("content-type", media_type),
            ("docker-content-digest", &digest),
        ];
        return content(request, manifest, &headers);
    }
    if let Some((_, digest)) = path.rsplit_once("/blobs/")
        && let Some(blob) = oci::blob(charts, &repository, digest)
    {
        let headers = [
            ("content-type", "application/octet-stream"),
            ("docker-content-digest", digest),
        ];
        return content(request, blob, &headers);
    }
    answer(404, errors("BLOB_UNKNOWN", "blob unknown to registry"), &[])
}

/// The registry's own tokens: an Entra token for a refresh token, that for an access token.
fn token(world: &World, request: &Request<Bytes>, host: &str) -> Response<Body> {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(request.body())
        .into_owned()
        .collect();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let refuse = || answer(401, errors("UNAUTHORIZED", "authentication required"), &[]);
    let path = request.uri().path();
    let is_own = |token: &str, usage: &str| {
        let claims = world.read(|state| state.azure.issuer.verify(token));
        claims.is_some_and(|claims| claims["aud"] == host && claims["usage"] == usage)
    };
    let sign = |usage: &str| {
        let now = world.clock().now().as_second();
        let claims = json!({"aud": host, "usage": usage, "iat": now, "exp": now + 3600});
        world.read(|state| state.azure.issuer.sign(&claims))
    };
    let body = match (request.method(), path) {
        (&Method::POST, "/oauth2/exchange") => {
            if field("grant_type") != "access_token"
                || !is_entra_token(world, field("access_token"))
            {
                return refuse();
            }
            json!({"refresh_token": sign("refresh")})
        }
        (&Method::POST, "/oauth2/token") if is_own(field("refresh_token"), "refresh") => {
            json!({"access_token": sign("access")})
        }
        // Basic with the null user and a refresh token, as Docker's clients log in.
        (&Method::GET, "/oauth2/token") => {
            let password = basic_password(request);
            if !password.is_some_and(|password| is_own(&password, "refresh")) {
                return refuse();
            }
            let access = sign("access");
            json!({"access_token": access, "token": access})
        }
        _ => return refuse(),
    };
    answer(
        200,
        body.to_string(),
        &[("content-type", "application/json")],
    )
}

fn is_entra_token(world: &World, token: &str) -> bool {
    let Ok(value) = http::HeaderValue::from_str(&format!("Bearer {token}")) else {
        return false;
    };
    let mut request = Request::new(Bytes::new());
    request
        .headers_mut()
        .insert(http::header::AUTHORIZATION, value);
    let now = world.clock().now();
    world.read(|state| crate::azure::is_arm_caller(&state.azure, &request, now))
}

fn basic_password(request: &Request<Bytes>) -> Option<String> {
    use base64::Engine as _;
    let header = request
        .headers()
        .get(http::header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(header.strip_prefix("Basic ")?)
        .ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':')
        .map(|(_, password)| password.to_owned())
}

fn has_registry_token(world: &World, request: &Request<Bytes>, host: &str) -> bool {
    request
        .headers()
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .and_then(|token| world.read(|state| state.azure.issuer.verify(token)))
        .is_some_and(|claims| claims["aud"] == host && claims["usage"] == "access")
}

fn errors(code: &str, message: &str) -> String {
    json!({"errors": [{"code": code, "message": message, "detail": Value::Null}]}).to_string()
}

/// Content, or for HEAD its length alone.
fn content(request: &Request<Bytes>, bytes: Bytes, headers: &[(&str, &str)]) -> Response<Body> {
    let length = bytes.len().to_string();
    let body = if *request.method() == Method::HEAD {
        Bytes::new()
    } else {
        bytes
    };
    let mut response = answer(200, body, headers);
    if let Ok(length) = length.parse() {
        response
            .headers_mut()
            .insert(http::header::CONTENT_LENGTH, length);
    }
    response
}

fn answer(status: u16, body: impl Into<Bytes>, headers: &[(&str, &str)]) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (
            http::HeaderName::try_from(*name),
            http::HeaderValue::from_str(value),
        ) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
