//! Key Vault's data plane: the challenge, who may, and secrets with their versions and soft delete.
//! It owns the 403s and their inner codes; it refuses keys and certificates.
//!
//! Source: Key Vault REST API 7.4; "Authentication, requests and responses"; "REST API error codes".

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::caller::{Caller, NotRecognised, query, recognise, segments};
use super::{AzureState, Reply, SecretVersion, StoredSecret};
use crate::world::Faults;

const AUDIENCE: &str = "https://vault.azure.net";

/// A secret's value is at most this long.
const LONGEST_VALUE: usize = 25 * 1024;

/// Answers `{vault}.vault.azure.net`.
pub(super) fn respond(
    state: &mut AzureState,
    faults: &Faults,
    vault: &str,
    request: &Request<Bytes>,
    now: Timestamp,
) -> Reply {
    answer(state, faults, vault, request, now)
        .unwrap_or_else(|refusal| refusal)
        .with("x-ms-keyvault-region", "canadacentral")
}

fn answer(
    state: &mut AzureState,
    faults: &Faults,
    vault: &str,
    request: &Request<Bytes>,
    now: Timestamp,
) -> Result<Reply, Reply> {
    let Some(found) = state.named("Microsoft.KeyVault/vaults", vault) else {
        // In Azure the name does not resolve.
        return Err(Reply::empty(502));
    };
    let properties = found.body["properties"].clone();
    let id = found.id.clone();
    let caller =
        recognise(state, request, &[AUDIENCE], now).map_err(|reason| challenge(state, &reason))?;
    if query(request, "api-version").is_none() {
        let message = "api-version must be specified";
        return Err(Reply::vault_refusal(400, "BadParameter", message, None));
    }
    if properties["networkAcls"]["defaultAction"] == "Deny"
        || properties["publicNetworkAccess"] == "Disabled"
    {
        let message = "Client address is not authorized and caller is not a trusted service.";
        return Err(Reply::vault_refusal(
            403,
            "Forbidden",
            message,
            Some("ForbiddenByFirewall"),
        ));
    }
    let path = segments(request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let need = Need::of(request.method(), &path).ok_or_else(|| {
        Reply::vault_refusal(404, "NotFound", "There is no such path in Key Vault.", None)
    })?;
    let gate = Gate {
        state,
        vault,
        id: &id,
        properties: &properties,
        now,
    };
    gate.admit(&caller, &need, faults.vault_grant_missing)?;
    let vault = vault.to_owned();
    secrets(state, &vault, request, &path, now)
}

/// 401, with where to get a token for what.
fn challenge(state: &AzureState, reason: &NotRecognised) -> Reply {
    let message = match reason {
        NotRecognised::Missing => "AKV10000: Request is missing a Bearer or PoP token.".to_owned(),
        NotRecognised::Foreign => "AKV10032: Invalid issuer.".to_owned(),
        NotRecognised::Expired => "AKV10014: Token is expired.".to_owned(),
        NotRecognised::Audience(found) => {
            format!("AKV10022: Invalid audience. Expected {AUDIENCE}, found: {found}.")
        }
    };
    Reply::vault_refusal(401, "Unauthorized", message, None).with(
        "www-authenticate",
        format!(
            "Bearer authorization=\"https://login.microsoftonline.com/{}\", \
             resource=\"{AUDIENCE}\"",
            state.tenant
        ),
    )
}

/// What a request needs to be allowed.
struct Need {
    permission: &'static str,
    action: &'static str,
    secret: Option<String>,
}

impl Need {
    fn of(method: &Method, path: &[&str]) -> Option<Self> {
        let (permission, action) = match (method, path) {
            (&Method::GET, ["secrets" | "deletedsecrets"] | ["secrets", _, "versions"]) => (
                "list",
                "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
            ),
            (&Method::GET, ["secrets", _] | ["secrets", _, _]) => {
                ("get", "Microsoft.KeyVault/vaults/secrets/getSecret/action")
            }
            (&Method::PUT, ["secrets", _]) => {
                ("set", "Microsoft.KeyVault/vaults/secrets/setSecret/action")
            }
            (&Method::PATCH, ["secrets", _] | ["secrets", _, _]) => {
                ("set", "Microsoft.KeyVault/vaults/secrets/update/action")
            }
            (&Method::DELETE, ["secrets", _]) => {
                ("delete", "Microsoft.KeyVault/vaults/secrets/delete")
            }
            (&Method::GET, ["deletedsecrets", _]) => (
                "get",
                "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
            ),
            (&Method::POST, ["deletedsecrets", _, "recover"]) => (
                "recover",
                "Microsoft.KeyVault/vaults/secrets/recover/action",
            ),
            (&Method::DELETE, ["deletedsecrets", _]) => {
                ("purge", "Microsoft.KeyVault/vaults/secrets/purge/action")
            }
            _ => return None,
        };
        let secret = path.get(1).map(|name| (*name).to_owned());
        Some(Self {
            permission,
            action,
            secret,
        })
    }
}

/// Who may do what in one vault.
struct Gate<'a> {
    state: &'a AzureState,
    vault: &'a str,
    id: &'a str,
    properties: &'a Value,
    now: Timestamp,
}

impl Gate<'_> {
    fn admit(&self, caller: &Caller, need: &Need, grants_broken: bool) -> Result<(), Reply> {
        let owner = caller.object_id == self.state.deployer;
        let broken = grants_broken && !owner;
        let who = format!(
            "appid={};oid={};iss={}{}/",
            caller.application,
            caller.object_id,
            super::caller::TOKEN_ISSUER,
            self.state.tenant
        );
        if self.properties["enableRbacAuthorization"] == true {
            let scope = match &need.secret {
                Some(secret) => format!("{}/secrets/{secret}", self.id),
                None => self.id.to_owned(),
            };
            if !broken
                && self
                    .state
                    .role_allows(&caller.object_id, &scope, need.action, self.now)
            {
                return Ok(());
            }
            let message = format!(
                "Caller is not authorized to perform action on resource.\r\nIf role assignments, \
                 deny assignments or role definitions were changed recently, please observe \
                 propagation time.\r\nCaller: {who}\r\nAction: '{}'\r\nResource: '{}'\r\n\
                 Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\n\
                 Vault: {};location=canadacentral\r\n",
                need.action,
                scope.to_ascii_lowercase(),
                self.vault
            );
            let refusal = Reply::vault_refusal(403, "Forbidden", message, Some("ForbiddenByRbac"));
            return Err(refusal);
        }
        if !broken && self.policy_allows(&caller.object_id, need.permission) {
            return Ok(());
        }
        let message = format!(
            "The user, group or application '{who}' does not have secrets {} permission on key \
             vault '{};location=canadacentral'. For help resolving this issue, please see \
             https://go.microsoft.com/fwlink/?linkid=2125287",
            need.permission, self.vault
        );
        Err(Reply::vault_refusal(
            403,
            "Forbidden",
            message,
            Some("ForbiddenByPolicy"),
        ))
    }

    fn policy_allows(&self, object: &str, permission: &str) -> bool {
        let key = format!("{}|{object}", self.vault);
        let in_effect = self
            .state
            .policies_since
            .get(&key)
            .is_some_and(|since| *since + self.state.delays.access_policy <= self.now);
        in_effect
            && self.properties["accessPolicies"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|policy| policy["objectId"] == object)
                .flat_map(|policy| {
                    policy["permissions"]["secrets"]
                        .as_array()
                        .into_iter()
                        .flatten()
                })
                .filter_map(Value::as_str)
                .any(|given| {
                    given.eq_ignore_ascii_case(permission) || given.eq_ignore_ascii_case("all")
                })
    }
}

fn secrets(
    state: &mut AzureState,
    vault: &str,
    request: &Request<Bytes>,
    path: &[&str],
    now: Timestamp,
) -> Result<Reply, Reply> {
    if let Some(name) = path.get(1)
        && !is_secret_name(name)
    {
        let message = format!("The request URI contains an invalid name: {name}");
        return Err(Reply::vault_refusal(400, "BadParameter", message, None));
    }
    match (request.method(), path) {
        (&Method::GET, ["secrets"]) => Ok(list(state, vault, request)),
        (&Method::GET, ["secrets", name]) => read(state, vault, name, None),
        (&Method::GET, ["secrets", name, "versions"]) => versions(state, vault, name),
        (&Method::GET, ["secrets", name, version]) => read(state, vault, name, Some(version)),
        (&Method::PUT, ["secrets", name]) => {
            let body = body(request)?;
            write_secret(state, vault, name, &body, now).map(|bundle| Reply::json(200, &bundle))
        }
        (&Method::PATCH, ["secrets", name, ..]) => {
            let body = body(request)?;
            update(state, vault, name, path.get(2).copied(), &body)
        }
        (&Method::DELETE, ["secrets", name]) => delete(state, vault, name, now),
        (&Method::GET, ["deletedsecrets"]) => {
            let value: Vec<Value> = content(state, vault)
                .values()
                .filter(|secret| secret.deleted.is_some())
                .map(|secret| json!({"id": id(vault, &secret.name)}))
                .collect();
            Ok(Reply::json(200, &json!({"value": value, "nextLink": null})))
        }
        (&Method::GET, ["deletedsecrets", name]) => match stored(state, vault, name) {
            Some(secret) if secret.deleted.is_some() => {
                Ok(Reply::json(200, &deleted_bundle(vault, secret)))
            }
            _ => Err(not_found(name)),
        },
        (&Method::POST, ["deletedsecrets", name, "recover"]) => {
            let secret = content(state, vault)
                .get_mut(&name.to_ascii_lowercase())
                .filter(|secret| secret.deleted.is_some())
                .ok_or_else(|| not_found(name))?;
            secret.deleted = None;
            Ok(Reply::json(200, &json!({"id": id(vault, &secret.name)})))
        }
        (&Method::DELETE, ["deletedsecrets", name]) => {
            let key = name.to_ascii_lowercase();
            match content(state, vault).get(&key) {
                Some(secret) if secret.deleted.is_some() => {
                    content(state, vault).remove(&key);
                    Ok(Reply::empty(204))
                }
                _ => Err(not_found(name)),
            }
        }
        _ => Err(Reply::vault_refusal(
            405,
            "MethodNotAllowed",
            "The method is not allowed.",
            None,
        )),
    }
}

fn body(request: &Request<Bytes>) -> Result<Value, Reply> {
    serde_json::from_slice(request.body()).map_err(|_| {
        let message = "Could not parse the request body.";
        Reply::vault_refusal(400, "BadParameter", message, None)
    })
}

fn content<'a>(state: &'a mut AzureState, vault: &str) -> &'a mut BTreeMap<String, StoredSecret> {
    state.secrets.entry(vault.to_ascii_lowercase()).or_default()
}

fn stored<'a>(state: &'a AzureState, vault: &str, name: &str) -> Option<&'a StoredSecret> {
    state
        .secrets
        .get(&vault.to_ascii_lowercase())?
        .get(&name.to_ascii_lowercase())
}

fn id(vault: &str, name: &str) -> String {
    format!("https://{vault}.vault.azure.net/secrets/{name}")
}

fn is_secret_name(name: &str) -> bool {
    (1..=127).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn not_found(name: &str) -> Reply {
    let message = format!(
        "A secret with (name/id) {name} was not found in this key vault. If you recently deleted \
         this secret you may be able to recover it using the correct recovery command. For help \
         resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
    );
    Reply::vault_refusal(404, "SecretNotFound", message, None)
}

fn attributes(version: &SecretVersion) -> Value {
    json!({
        "enabled": version.enabled,
        "created": version.created.as_second(),
        "updated": version.created.as_second(),
        "recoveryLevel": "Recoverable+Purgeable",
        "recoverableDays": 90,
    })
}

fn bundle(vault: &str, name: &str, version: &SecretVersion) -> Value {
    let mut bundle = json!({
        "value": version.value,
        "id": format!("{}/{}", id(vault, name), version.version),
        "attributes": attributes(version),
        "tags": version.tags,
    });
    if let Some(content_type) = &version.content_type {
        bundle["contentType"] = content_type.clone().into();
    }
    bundle
}

fn deleted_bundle(vault: &str, secret: &StoredSecret) -> Value {
    json!({
        "recoveryId": format!("https://{vault}.vault.azure.net/deletedsecrets/{}", secret.name),
        "deletedDate": secret.deleted.map(Timestamp::as_second),
        "id": id(vault, &secret.name),
    })
}

fn read(
    state: &AzureState,
    vault: &str,
    name: &str,
    version: Option<&str>,
) -> Result<Reply, Reply> {
    let secret = stored(state, vault, name)
        .filter(|secret| secret.deleted.is_none())
        .ok_or_else(|| not_found(name))?;
    let found = match version {
        Some(wanted) => secret
            .versions
            .iter()
            .find(|version| version.version == wanted),
        None => secret.versions.last(),
    };
    let found = found.ok_or_else(|| not_found(name))?;
    if !found.enabled {
        let message = "Operation get is not allowed on a disabled secret.";
        return Err(Reply::vault_refusal(
            403,
            "Forbidden",
            message,
            Some("SecretDisabled"),
        ));
    }
    Ok(Reply::json(200, &bundle(vault, &secret.name, found)))
}

fn list(state: &mut AzureState, vault: &str, request: &Request<Bytes>) -> Reply {
    let number = |name: &str| query(request, name).and_then(|text| text.parse().ok());
    let skip: usize = number("$skiptoken").unwrap_or(0);
    let most: usize = number("maxresults").unwrap_or(25).clamp(1, 25);
    let live: Vec<(&StoredSecret, &SecretVersion)> = content(state, vault)
        .values()
        .filter(|secret| secret.deleted.is_none())
        .filter_map(|secret| Some((secret, secret.versions.last()?)))
        .collect();
    let value: Vec<Value> = live
        .iter()
        .skip(skip)
        .take(most)
        .map(|(secret, version)| {
            json!({"id": id(vault, &secret.name), "attributes": attributes(version), "tags": version.tags})
        })
        .collect();
    let next = (skip + most < live.len()).then(|| {
        format!(
            "https://{vault}.vault.azure.net/secrets?api-version={}&maxresults={most}&$skiptoken={}",
            query(request, "api-version").unwrap_or_default(),
            skip + most
        )
    });
    Reply::json(200, &json!({"value": value, "nextLink": next}))
}

fn versions(state: &AzureState, vault: &str, name: &str) -> Result<Reply, Reply> {
    let secret = stored(state, vault, name).ok_or_else(|| not_found(name))?;
    let value: Vec<Value> = secret
        .versions
        .iter()
        .map(|version| {
            let id = format!("{}/{}", id(vault, &secret.name), version.version);
            json!({"id": id, "attributes": attributes(version)})
        })
        .collect();
    Ok(Reply::json(200, &json!({"value": value, "nextLink": null})))
}

/// Writes a new version and returns its bundle.
pub(super) fn write_secret(
    state: &mut AzureState,
    vault: &str,
    name: &str,
    body: &Value,
    now: Timestamp,
) -> Result<Value, Reply> {
    let bad = |message: &str| Reply::vault_refusal(400, "BadParameter", message, None);
    if !is_secret_name(name) {
        return Err(bad("The request URI contains an invalid name."));
    }
    let value = body["value"]
        .as_str()
        .ok_or_else(|| bad("The property value is missing."))?;
    if value.len() > LONGEST_VALUE {
        return Err(bad("The value is longer than 25600 characters."));
    }
    if stored(state, vault, name).is_some_and(|secret| secret.deleted.is_some()) {
        let message = format!(
            "Secret {name} is currently in a deleted but recoverable state, and its name cannot be \
             reused; in this state, the secret can only be recovered or purged."
        );
        return Err(Reply::vault_refusal(
            409,
            "Conflict",
            message,
            Some("ObjectIsDeletedButRecoverable"),
        ));
    }
    let version = SecretVersion {
        version: state.new_hex(name),
        value: value.to_owned(),
        content_type: body["contentType"].as_str().map(str::to_owned),
        tags: serde_json::from_value(body["tags"].clone()).unwrap_or_default(),
        enabled: body["attributes"]["enabled"].as_bool().unwrap_or(true),
        created: now,
    };
    let secret = content(state, vault)
        .entry(name.to_ascii_lowercase())
        .or_insert_with(|| StoredSecret {
            name: name.to_owned(),
            ..StoredSecret::default()
        });
    secret.versions.push(version.clone());
    Ok(bundle(vault, &secret.name.clone(), &version))
}

fn update(
    state: &mut AzureState,
    vault: &str,
    name: &str,
    version: Option<&str>,
    body: &Value,
) -> Result<Reply, Reply> {
    let key = name.to_ascii_lowercase();
    let secret = content(state, vault)
        .get_mut(&key)
        .filter(|secret| secret.deleted.is_none())
        .ok_or_else(|| not_found(name))?;
    let stored_name = secret.name.clone();
    let found = match version {
        Some(wanted) => secret
            .versions
            .iter_mut()
            .find(|version| version.version == wanted),
        None => secret.versions.last_mut(),
    };
    let found = found.ok_or_else(|| not_found(name))?;
    if let Some(enabled) = body["attributes"]["enabled"].as_bool() {
        found.enabled = enabled;
    }
    if let Ok(tags) = serde_json::from_value(body["tags"].clone()) {
        found.tags = tags;
    }
    let mut answer = bundle(vault, &stored_name, found);
    if let Some(fields) = answer.as_object_mut() {
        fields.remove("value");
    }
    Ok(Reply::json(200, &answer))
}

fn delete(state: &mut AzureState, vault: &str, name: &str, now: Timestamp) -> Result<Reply, Reply> {
    let secret = content(state, vault)
        .get_mut(&name.to_ascii_lowercase())
        .filter(|secret| secret.deleted.is_none())
        .ok_or_else(|| not_found(name))?;
    secret.deleted = Some(now);
    Ok(Reply::json(200, &deleted_bundle(vault, secret)))
}
