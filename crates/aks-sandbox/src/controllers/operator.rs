//! The External Secrets operator: validates SecretStores and syncs ExternalSecrets through the
//! same identity chain as the real one: ServiceAccount token → Entra → vault → Secret. It acts only
//! while its Deployment is ready.
//!
//! Conditions and reasons: External Secrets `apis/externalsecrets`, provider `azurekv` with
//! `authType: WorkloadIdentity`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::pass::{Pass, list, number, owned_by, reference_to, set_condition, terminating, text};
use crate::world::{Progress, State};

const STORES: &str = "external-secrets.io/secretstores";
const SECRETS: &str = "external-secrets.io/externalsecrets";
/// How soon a new object is looked at, milliseconds.
const LOOKING: i64 = 20;
/// The first pause after a failure, milliseconds; doubles.
const RETRYING: i64 = 250;
/// The longest pause after a failure, milliseconds.
const LONGEST: i64 = 4_000;

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    let running = pass.all("apps/deployments").iter().any(|deployment| {
        list(deployment, "/spec/template/spec/containers")
            .iter()
            .any(|container| container["name"] == "external-secrets")
            && number(deployment, "/status/readyReplicas").unwrap_or(0) > 0
    });
    if !running {
        return;
    }
    for store in pass.all(STORES) {
        if !terminating(&store) && is_due(pass, &store) {
            validate(pass, &store);
        }
    }
    for wanted in pass.all(SECRETS) {
        if !terminating(&wanted)
            && (is_due(pass, &wanted) || is_missing(pass, &wanted) || is_stale(pass, &wanted))
        {
            sync(pass, &wanted);
        }
    }
}

/// Whether an object is to be looked at: new, changed, or failed a pause ago.
fn is_due(pass: &mut Pass<'_>, object: &Value) -> bool {
    let mark = mark(object);
    if pass
        .state
        .progress
        .get(&seen_key(object))
        .is_none_or(|seen| seen.step != mark)
    {
        pass.state
            .progress
            .remove(&format!("{}/retry", text(object, "/metadata/uid")));
        return pass.due(object, &format!("look-{mark}"), LOOKING);
    }
    let ready = list(object, "/status/conditions")
        .iter()
        .any(|condition| condition["status"] == "True");
    if ready {
        return false;
    }
    let tries = pass.tries(object, "retry");
    pass.due(object, "retry", (RETRYING << tries.min(6)).min(LONGEST))
}

/// Whether a synced ExternalSecret's Secret was taken away.
fn is_missing(pass: &Pass<'_>, wanted: &Value) -> bool {
    let namespace = text(wanted, "/metadata/namespace");
    is_ready(wanted)
        && pass
            .get("/secrets", namespace, target_name(wanted))
            .is_none()
}

/// Whether a synced ExternalSecret's `refreshInterval` is over (`1h` by default, `0` for never).
fn is_stale(pass: &mut Pass<'_>, wanted: &Value) -> bool {
    let interval = match text(wanted, "/spec/refreshInterval") {
        "" => Some(3_600_000),
        given => milliseconds(given),
    };
    let refreshed = crate::world::parse_time(text(wanted, "/status/refreshTime"));
    match (interval, refreshed) {
        (Some(interval @ 1..), Some(refreshed)) if is_ready(wanted) => {
            let at = refreshed + interval;
            if at > pass.now {
                pass.wake_at(at);
            }
            at <= pass.now
        }
        _ => false,
    }
}

/// A duration of Go's whole units: `1h30m`, `90s`.
fn milliseconds(text: &str) -> Option<i64> {
    let mut total = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(rest.len());
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let units = rest
            .find(|letter: char| letter.is_ascii_digit())
            .unwrap_or(rest.len());
        total += number
            * match &rest[..units] {
                "h" => 3_600_000,
                "m" => 60_000,
                "s" => 1_000,
                "ms" => 1,
                "" if number == 0 => 0,
                _ => return None,
            };
        rest = &rest[units..];
    }
    Some(total)
}

/// The Secret an ExternalSecret is for.
fn target_name(wanted: &Value) -> &str {
    match text(wanted, "/spec/target/name") {
        "" => text(wanted, "/metadata/name"),
        name => name,
    }
}

/// Where the world remembers which state of an object was looked at last.
fn seen_key(object: &Value) -> String {
    format!("{}/seen", text(object, "/metadata/uid"))
}

/// What an object's owner may change to have it looked at again.
fn mark(object: &Value) -> String {
    let forced = object
        .pointer("/metadata/annotations/force-sync")
        .and_then(Value::as_str)
        .unwrap_or_default();
    format!(
        "{}{forced}",
        number(object, "/metadata/generation").unwrap_or(1)
    )
}

/// A failure: the condition's reason and sentence, and the event with the cause.
struct Failure {
    reason: &'static str,
    message: &'static str,
    event: &'static str,
    cause: String,
}

fn conclude(
    pass: &mut Pass<'_>,
    resource: &str,
    object: &Value,
    result: Result<(&str, &str, Value), Failure>,
) {
    let now = pass.timestamp();
    let mut conditions = list(object, "/status/conditions").to_vec();
    let mut status = object.get("status").cloned().unwrap_or_else(|| json!({}));
    match result {
        Ok((reason, message, more)) => {
            set_condition(&mut conditions, "Ready", "True", reason, message, &now);
            for (key, value) in more.as_object().into_iter().flatten() {
                status[key] = value.clone();
            }
        }
        Err(failure) => {
            set_condition(
                &mut conditions,
                "Ready",
                "False",
                failure.reason,
                failure.message,
                &now,
            );
            pass.event(
                object,
                true,
                failure.event,
                &failure.cause,
                "external-secrets",
            );
            pass.restart(object, "retry");
        }
    }
    status["conditions"] = conditions.into();
    let seen = Progress {
        step: mark(object),
        since: pass.now,
        tries: 0,
    };
    pass.state.progress.insert(seen_key(object), seen);
    pass.set_status(resource, object, status);
    // A failure is tried again after a pause even if nobody touches the object.
    if let Some(object) = pass.get(
        resource,
        text(object, "/metadata/namespace"),
        text(object, "/metadata/name"),
    ) {
        is_due(pass, &object);
    }
}

fn validate(pass: &mut Pass<'_>, store: &Value) {
    let result = client(pass, store).map(|_| {
        (
            "Valid",
            "store validated",
            json!({"capabilities": "ReadWrite"}),
        )
    });
    let result = result.map_err(|cause| Failure {
        reason: "InvalidProviderConfig",
        message: "unable to create client",
        event: "InvalidProviderConfig",
        cause,
    });
    conclude(pass, STORES, store, result);
}

/// A token for the store's vault, by the store's ServiceAccount.
fn client(pass: &mut Pass<'_>, store: &Value) -> Result<String, String> {
    let namespace = text(store, "/metadata/namespace").to_owned();
    let account_name = text(store, "/spec/provider/azurekv/serviceAccountRef/name").to_owned();
    let account = pass
        .get("/serviceaccounts", &namespace, &account_name)
        .ok_or_else(|| format!("ServiceAccount \"{account_name}\" not found"))?;
    let annotation = |key: &str| {
        account
            .pointer("/metadata/annotations")
            .and_then(|annotations| annotations.get(format!("azure.workload.identity/{key}")))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let client_id = annotation("client-id").ok_or_else(|| {
        "missing service account annotation azure.workload.identity/client-id".to_owned()
    })?;
    let tenant = annotation("tenant-id")
        .or_else(|| {
            store
                .pointer("/spec/provider/azurekv/tenantId")
                .and_then(Value::as_str)
                .map(str::to_owned)
        })
        .ok_or_else(|| "missing tenant id".to_owned())?;
    let now = pass.now / 1000;
    let audiences = ["api://AzureADTokenExchange".to_owned()];
    let assertion = pass.state.azure.issuer.service_account_token(
        &namespace,
        &account_name,
        &audiences,
        now,
        now + 3600,
    );
    let form = form(&[
        ("grant_type", "client_credentials"),
        ("client_id", &client_id),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", &assertion),
        ("scope", "https://vault.azure.net/.default"),
    ]);
    let request = Request::post(format!(
        "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
    ))
    .header("host", "login.microsoftonline.com")
    .header("content-type", "application/x-www-form-urlencoded")
    .body(Bytes::from(form));
    let (status, body) = ask(pass, request)?;
    if status != 200 {
        return Err(text(&body, "/error_description").to_owned());
    }
    Ok(text(&body, "/access_token").to_owned())
}

fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// Sends a request to the simulated Azure; status and JSON body.
fn ask(
    pass: &mut Pass<'_>,
    request: Result<Request<Bytes>, http::Error>,
) -> Result<(u16, Value), String> {
    let request = request.map_err(|error| error.to_string())?;
    let now = Timestamp::from_millisecond(pass.now).unwrap_or_default();
    let State { azure, faults, .. } = &mut *pass.state;
    let reply = crate::azure::respond(azure, faults, &request, now)
        .ok_or_else(|| "no such host".to_owned())?;
    let body = serde_json::from_slice(reply.response.body()).unwrap_or(Value::Null);
    Ok((reply.response.status().as_u16(), body))
}

fn sync(pass: &mut Pass<'_>, wanted: &Value) {
    let namespace = text(wanted, "/metadata/namespace").to_owned();
    let store_name = text(wanted, "/spec/secretStoreRef/name").to_owned();
    let store = pass.get(STORES, &namespace, &store_name);
    let fail = |cause: String| Failure {
        reason: "SecretSyncedError",
        message: "could not get secret data from provider",
        event: "UpdateFailed",
        cause,
    };
    let result = match store {
        None => Err(fail(format!(
            "could not get SecretStore \"{store_name}\", not found"
        ))),
        Some(store) if !is_ready(&store) => Err(Failure {
            message: "the desired SecretStore is not ready",
            ..fail(format!("the desired SecretStore {store_name} is not ready"))
        }),
        Some(store) => fetch(pass, &store, wanted).map_err(fail),
    };
    let result = result.map(|data| {
        let binding = write(pass, wanted, &data);
        let more = json!({
            "refreshTime": pass.timestamp(),
            "syncedResourceVersion": mark(wanted),
            "binding": {"name": binding},
        });
        ("SecretSynced", "secret synced", more)
    });
    conclude(pass, SECRETS, wanted, result);
}

fn is_ready(store: &Value) -> bool {
    list(store, "/status/conditions")
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// The vault's values for every entry, by the Secret's keys.
fn fetch(
    pass: &mut Pass<'_>,
    store: &Value,
    wanted: &Value,
) -> Result<Vec<(String, String)>, String> {
    let token = client(pass, store)?;
    let vault = text(store, "/spec/provider/azurekv/vaultUrl")
        .trim_end_matches('/')
        .to_owned();
    let host = vault.trim_start_matches("https://").to_owned();
    let mut data = Vec::new();
    for entry in list(wanted, "/spec/data") {
        let name = text(entry, "/remoteRef/key").to_owned();
        let request = Request::get(format!("{vault}/secrets/{name}?api-version=7.4"))
            .header("host", host.clone())
            .header("authorization", format!("Bearer {token}"))
            .body(Bytes::new());
        let (status, body) = ask(pass, request)?;
        if status != 200 {
            let code = match text(&body, "/error/innererror/code") {
                "" => text(&body, "/error/code"),
                inner => inner,
            };
            return Err(format!(
                "error retrieving secret {name}: StatusCode={status} Code=\"{code}\" Message=\"{}\"",
                text(&body, "/error/message")
            ));
        }
        data.push((
            text(entry, "/secretKey").to_owned(),
            text(&body, "/value").to_owned(),
        ));
    }
    Ok(data)
}

/// Writes the target Secret; returns its name.
fn write(pass: &mut Pass<'_>, wanted: &Value, data: &[(String, String)]) -> String {
    let namespace = text(wanted, "/metadata/namespace").to_owned();
    let name = target_name(wanted).to_owned();
    let encoded: serde_json::Map<String, Value> = data
        .iter()
        .map(|(key, value)| (key.clone(), STANDARD.encode(value).into()))
        .collect();
    let owns = matches!(text(wanted, "/spec/target/creationPolicy"), "" | "Owner");
    if let Some(secret) = pass.get("/secrets", &namespace, &name) {
        pass.update("/secrets", &secret, |secret| {
            secret["data"] = encoded.into();
            if owns && !owned_by(secret, wanted) {
                secret["metadata"]["ownerReferences"] = json!([reference_to(wanted)]);
            }
        });
    } else {
        let mut secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {"reconcile.external-secrets.io/managed": "true"},
            },
            "type": "Opaque",
            "data": encoded,
        });
        if owns {
            secret["metadata"]["ownerReferences"] = json!([reference_to(wanted)]);
        }
        pass.create("/secrets", secret);
    }
    name
}
