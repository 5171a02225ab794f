//! The API server behind the router: which code answers which request. It owns authentication and
//! dispatch; it refuses rules.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use serde_json::Value;

use super::apply::{ManagerKey, Operation};
use super::delete::{self, DeleteOptions};
use super::list::{self, Form};
use super::logs;
use super::resource::Resource;
use super::status::ApiError;
use super::target::{Params, Target};
use super::write::{self, Patch, Write};
use super::{discovery, port_forward, protobuf, review, scale, watch};
use crate::mount::{Body, Router, ShownCertificate, full, handler, json, stream};
use crate::world::{Key, State, World, seconds};

/// Registers the API server under the cluster's host, and for every address that names no host, as
/// loopback addresses do.
#[must_use]
pub fn mount(router: Router) -> Router {
    let world = Arc::clone(router.world());
    let host = world.read(|state| state.spec.api_host());
    let service = handler(move |request: Request<Bytes>| {
        let world = Arc::clone(&world);
        async move { respond(&world, request) }
    });
    router
        .route(host, Arc::clone(&service))
        .route("kubernetes.default.svc", Arc::clone(&service))
        .otherwise(service)
}

fn refusal(error: &ApiError) -> Response<Body> {
    json(
        StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        &error.to_value(),
    )
}

fn respond(world: &Arc<World>, request: Request<Bytes>) -> Response<Body> {
    let anonymous = request
        .extensions()
        .get::<ShownCertificate>()
        .is_some_and(|shown| !shown.0)
        && !has_token(&request);
    if anonymous {
        return refusal(&ApiError::unauthorized());
    }
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/healthz" | "/readyz" | "/livez" => return Response::new(full("ok")),
        "/openid/v1/jwks" | "/.well-known/openid-configuration" => {
            return refusal(&ApiError::no_such_resource());
        }
        _ => {}
    }
    let accept = text_header(&request, header::ACCEPT).to_owned();
    let found = world.read(|state| {
        discovery::answer(&state.store, &state.spec.kubernetes_version, &path, &accept)
    });
    if let Some(document) = found {
        let mut response = json(StatusCode::OK, &document);
        if accept.contains("as=APIGroupDiscoveryList")
            && document["kind"] == "APIGroupDiscoveryList"
        {
            let kind = header::HeaderValue::from_static(
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            );
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        return response;
    }
    let Some(target) = Target::parse(&path) else {
        return page_not_found();
    };
    match serve(world, target, request) {
        Ok(response) => response,
        Err(error) => refusal(&error),
    }
}

/// Paths of unknown groups are answered by the server's mux, not by its API machinery.
fn page_not_found() -> Response<Body> {
    let mut response = Response::new(full("404 page not found\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

fn has_token(request: &Request<Bytes>) -> bool {
    text_header(request, header::AUTHORIZATION)
        .strip_prefix("Bearer ")
        .is_some_and(|token| !token.is_empty())
}

fn text_header(request: &Request<Bytes>, name: header::HeaderName) -> &str {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn body(request: &Request<Bytes>) -> Result<Value, ApiError> {
    if request.body().is_empty() {
        return Ok(Value::Null);
    }
    let media = text_header(request, header::CONTENT_TYPE);
    if media.contains("protobuf") {
        return protobuf::read(request.body());
    }
    if media.contains("cbor") {
        return Err(ApiError::unsupported_media_type("application/json"));
    }
    serde_json::from_slice(request.body()).map_err(|error| {
        ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type JSON): {error}"
        ))
    })
}

fn serve(
    world: &Arc<World>,
    target: Target,
    request: Request<Bytes>,
) -> Result<Response<Body>, ApiError> {
    let params = Params::parse(request.uri().query().unwrap_or_default());
    if *request.method() == Method::POST
        && target.version == "v1"
        && let Some(answer) = review::review(&target.group, &target.plural, &body(&request)?)
    {
        return Ok(json(StatusCode::CREATED, &answer));
    }
    let resource = world
        .read(|state| Resource::find(&state.store, &target.group, &target.version, &target.plural));
    let Some(resource) = resource else {
        let known = world.read(|state| {
            Resource::all(&state.store).iter().any(|resource| {
                resource.group == target.group && resource.version == target.version
            })
        });
        return if known {
            Err(ApiError::no_such_resource())
        } else {
            Ok(page_not_found())
        };
    };
    if resource.namespaced && target.namespace.is_none() && target.name.is_some()
        || !resource.namespaced && target.namespace.is_some()
    {
        return Err(ApiError::no_such_resource());
    }
    if let Some(subresource) = target
        .subresource
        .as_deref()
        .filter(|name| !resource.has(name))
    {
        tracing::debug!(subresource, "no such subresource");
        return Err(ApiError::no_such_resource());
    }
    let (namespace, name) = (
        target.namespace.clone().unwrap_or_default(),
        target.name.clone().unwrap_or_default(),
    );
    match (target.subresource.as_deref(), request.method()) {
        (Some("log"), &Method::GET) => {
            let mut response = Response::new(logs::answer(world, &namespace, &name, &params)?);
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                header::HeaderValue::from_static("text/plain"),
            );
            Ok(response)
        }
        (Some("portforward"), &Method::GET | &Method::POST) => {
            port_forward::answer(world, &namespace, &name, request)
        }
        (Some("token"), &Method::POST) => {
            let (asked, now) = (body(&request)?, world.clock().millis());
            let answer =
                world.read(|state| review::token(state, &namespace, &name, &asked, now))?;
            Ok(json(StatusCode::CREATED, &answer))
        }
        (_, &Method::GET) if target.name.is_none() => {
            collection(world, resource, target.namespace, &params, &request)
        }
        (_, &Method::GET) => get(world, &resource, &target, &request),
        _ => write_request(world, resource, &target, &params, &request),
    }
}

fn collection(
    world: &Arc<World>,
    resource: Resource,
    namespace: Option<String>,
    params: &Params,
    request: &Request<Bytes>,
) -> Result<Response<Body>, ApiError> {
    let form = Form::of(text_header(request, header::ACCEPT));
    if params.is("watch") {
        let mut response = Response::new(stream(watch::watch(
            world, resource, namespace, params, form,
        )?));
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/json"),
        );
        return Ok(response);
    }
    let listed = world
        .read(|state| list::list(&state.store, &resource, namespace.as_deref(), params, form))?;
    Ok(json(StatusCode::OK, &listed))
}

fn get(
    world: &World,
    resource: &Resource,
    target: &Target,
    request: &Request<Bytes>,
) -> Result<Response<Body>, ApiError> {
    let name = target.name.clone().unwrap_or_default();
    let key = Key::new(target.namespace.clone().unwrap_or_default(), name.clone());
    let object = world
        .read(|state| state.store.get(&resource.storage(), &key).cloned())
        .ok_or_else(|| ApiError::not_found(resource, &name))?;
    let form = Form::of(text_header(request, header::ACCEPT));
    let shown = match target.subresource.as_deref() {
        Some("scale") => scale::show(resource, &object),
        _ => form.show(&object, resource),
    };
    Ok(json(StatusCode::OK, &shown))
}

fn write_request(
    world: &World,
    resource: Resource,
    target: &Target,
    params: &Params,
    request: &Request<Bytes>,
) -> Result<Response<Body>, ApiError> {
    let sent = body(request)?;
    let now = seconds(world.clock().millis());
    let (code, answer) = world.update_quietly(|state| {
        let (revision, entropy) = (state.store.revision(), state.entropy.clone());
        let outcome = dispatch(state, resource, target, params, request, sent, &now);
        let changed = state.store.revision() != revision;
        if !changed {
            // A refused or dry-run write leaves chance as it was.
            state.entropy = entropy;
        }
        (changed, outcome)
    })?;
    Ok(json(code, &answer))
}

fn dispatch(
    state: &mut State,
    resource: Resource,
    target: &Target,
    params: &Params,
    request: &Request<Bytes>,
    sent: Value,
    now: &str,
) -> Result<(StatusCode, Value), ApiError> {
    let dry_run = match params.text("dryRun") {
        None => false,
        Some("All") => true,
        Some(other) => {
            return Err(ApiError::bad_request(format!(
                "Invalid value: {other:?}: supported values: \"All\""
            )));
        }
    };
    let media = text_header(request, header::CONTENT_TYPE)
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    let applies = *request.method() == Method::PATCH && media == "application/apply-patch+yaml";
    let manager = params.text("fieldManager").map(str::to_owned);
    if applies && manager.is_none() {
        return Err(ApiError::bad_request(
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
        ));
    }
    if params.is("force") && *request.method() == Method::PATCH && !applies {
        return Err(ApiError::bad_request(
            "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
        ));
    }
    let name = target.name.clone().unwrap_or_default();
    let subresource = target.subresource.clone().unwrap_or_default();
    let write = Write {
        manager: ManagerKey {
            operation: if applies {
                Operation::Apply
            } else {
                Operation::Update
            },
            name: manager.unwrap_or_else(|| agent(request)),
            api_version: resource.api_version(),
            subresource: subresource.clone(),
        },
        namespace: target.namespace.clone().unwrap_or_default(),
        name: name.clone(),
        subresource: subresource.clone(),
        dry_run,
        strict: params.text("fieldValidation") == Some("Strict"),
        now: now.to_owned(),
        resource,
    };
    let named = target.name.is_some();
    match (request.method(), subresource.as_str()) {
        (&Method::POST, "") if !named => {
            if write.resource.namespaced && target.namespace.is_none() {
                return Err(ApiError::method_not_allowed());
            }
            Ok((StatusCode::CREATED, write::create(state, write, sent)?))
        }
        (&Method::POST, "eviction") => {
            let mut options = DeleteOptions::of_body(&sent["deleteOptions"]);
            options.dry_run |= dry_run;
            delete::delete(
                state,
                &write.resource,
                &Key::new(write.namespace.clone(), name),
                &options,
                now,
            )?;
            Ok((
                StatusCode::CREATED,
                serde_json::json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
            ))
        }
        (&Method::PUT | &Method::PATCH, "scale") if named => {
            scale_to(state, write, &sent).map(|answer| (StatusCode::OK, answer))
        }
        (&Method::PUT, "" | "status") if named => {
            Ok((StatusCode::OK, write::replace(state, &write, sent)?))
        }
        (&Method::PUT, "finalize") if named => {
            finalize(state, &write, &sent).map(|answer| (StatusCode::OK, answer))
        }
        (&Method::PATCH, "" | "status") if named => {
            let patch = match media.as_str() {
                "application/json-patch+json" => {
                    Patch::Json(sent.as_array().cloned().ok_or_else(|| {
                        ApiError::bad_request(
                            "json: cannot unmarshal object into Go value of type jsonpatch.Patch",
                        )
                    })?)
                }
                "application/merge-patch+json" => Patch::Merge(sent),
                "application/strategic-merge-patch+json" if write.resource.definition.is_none() => {
                    Patch::Strategic(sent)
                }
                "application/apply-patch+yaml" => Patch::Apply {
                    declared: sent,
                    force: params.is("force"),
                },
                _ if write.resource.definition.is_some() => {
                    return Err(ApiError::unsupported_media_type(
                        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
                    ));
                }
                _ => {
                    return Err(ApiError::unsupported_media_type(
                        "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml",
                    ));
                }
            };
            let (object, created) = write::patch(state, &write, patch)?;
            Ok((
                if created {
                    StatusCode::CREATED
                } else {
                    StatusCode::OK
                },
                object,
            ))
        }
        (&Method::DELETE, "") => {
            let mut options = DeleteOptions::of_body(&sent);
            options.dry_run |= dry_run;
            options.propagation = options
                .propagation
                .or_else(|| params.text("propagationPolicy").map(str::to_owned));
            options.grace_seconds = options.grace_seconds.or_else(|| {
                params
                    .text("gracePeriodSeconds")
                    .and_then(|seconds| seconds.parse().ok())
            });
            if named {
                let answer = delete::delete(
                    state,
                    &write.resource,
                    &Key::new(write.namespace.clone(), name),
                    &options,
                    now,
                )?;
                return Ok((StatusCode::OK, answer));
            }
            let listed = list::list(
                &state.store,
                &write.resource,
                target.namespace.as_deref(),
                params,
                Form::Whole,
            )?;
            for object in listed["items"].as_array().into_iter().flatten() {
                let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
                delete::delete(
                    state,
                    &write.resource,
                    &Key::new(text("namespace"), text("name")),
                    &options,
                    now,
                )?;
            }
            Ok((StatusCode::OK, listed))
        }
        _ => Err(ApiError::method_not_allowed()),
    }
}

/// The manager of a client that names none: its user agent up to the first slash.
fn agent(request: &Request<Bytes>) -> String {
    let agent = text_header(request, header::USER_AGENT);
    let name = agent.split('/').next().unwrap_or_default();
    if name.is_empty() {
        "unknown".into()
    } else {
        name.to_owned()
    }
}

fn scale_to(state: &mut State, mut write: Write, sent: &Value) -> Result<Value, ApiError> {
    let replicas = sent
        .pointer("/spec/replicas")
        .cloned()
        .ok_or_else(|| ApiError::bad_request("spec.replicas is required"))?;
    let mut patch = serde_json::json!({"spec": {"replicas": replicas}});
    if let Some(version) = sent
        .pointer("/metadata/resourceVersion")
        .filter(|version| !version.is_null())
    {
        patch["metadata"] = serde_json::json!({"resourceVersion": version});
    }
    write.subresource = "scale".into();
    let (object, _) = write::patch(state, &write, Patch::Merge(patch))?;
    Ok(scale::show(&write.resource, &object))
}

/// `namespaces/finalize`: an empty list of finalizers lets a namespace go at once.
fn finalize(state: &mut State, write: &Write, sent: &Value) -> Result<Value, ApiError> {
    let key = Key::new("", write.name.clone());
    let live = state
        .store
        .get("/namespaces", &key)
        .cloned()
        .ok_or_else(|| ApiError::not_found(&write.resource, &write.name))?;
    let mut object = Value::clone(&live);
    object["spec"]["finalizers"] = sent["spec"]["finalizers"].clone();
    Ok(Value::clone(&state.store.put("/namespaces", key, object)))
}
