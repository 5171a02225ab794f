//! Storage accounts as resources: body, keys, containers, lifecycle. It owns their names' rules; it
//! refuses to run a lifecycle rule.

use serde_json::{Value, json};

use super::store::{Made, need_location, not_found};
use super::{Method, Named, Question, Reply, Timestamp};
use crate::azure::state::last;
use crate::azure::{AzureState, Container, Resource};

const ACCOUNT: &str = "Microsoft.Storage/storageAccounts";

pub(super) fn account(
    state: &mut AzureState,
    _: &Question<'_>,
    named: &Named,
    body: &mut Value,
) -> Result<Made, Reply> {
    need_location(body)?;
    let name = &named.name;
    let good = (3..=24).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !good {
        let message = format!(
            "{name} is not a valid storage account name. Storage account name must be between 3 \
             and 24 characters in length and use numbers and lower-case letters only."
        );
        return Err(Reply::refusal(400, "AccountNameInvalid", message));
    }
    let old = state.resource(&named.id).map(|old| old.body.clone());
    if old.is_none() && state.named(ACCOUNT, name).is_some() {
        let message = format!("The storage account named {name} is already taken.");
        return Err(Reply::refusal(409, "StorageAccountAlreadyTaken", message));
    }
    if let Some(old) = &old
        && old["location"] != body["location"]
    {
        let message = "The location of a storage account cannot be changed.";
        return Err(Reply::refusal(409, "InvalidResourceLocation", message));
    }
    let mut properties = old.map_or_else(|| json!({}), |old| old["properties"].clone());
    for (key, value) in body["properties"].as_object().into_iter().flatten() {
        properties[key] = value.clone();
    }
    properties["provisioningState"] = "Succeeded".into();
    properties["primaryEndpoints"] =
        json!({"blob": format!("https://{name}.blob.core.windows.net/")});
    body["properties"] = properties;
    state.containers.entry(name.clone()).or_default();
    Ok(WITHOUT_201)
}

/// `listKeys`.
pub(super) fn keys(state: &AzureState, account: &Resource) -> Reply {
    let name = last(&account.id);
    let keys: Vec<Value> = ["key1", "key2"]
        .iter()
        .map(|key| {
            json!({
                "keyName": key,
                "value": state.account_key(name, key),
                "permissions": "FULL",
                "creationTime": account.changed.to_string(),
            })
        })
        .collect();
    Reply::json(200, &json!({"keys": keys}))
}

/// `regenerateKey`.
pub(super) fn renew_key(
    state: &mut AzureState,
    question: &Question<'_>,
    account: &Resource,
) -> Result<Reply, Reply> {
    let body = question.body()?;
    let key = body["keyName"].as_str().unwrap_or_default();
    if key != "key1" && key != "key2" {
        let message = "The key name must be 'key1' or 'key2'.";
        return Err(Reply::refusal(
            400,
            "InvalidValuesForRequestParameters",
            message,
        ));
    }
    state.renew_account_key(last(&account.id), key);
    Ok(keys(state, account))
}

/// The account a path below `blobServices/default` belongs to.
fn account_of(id: &str) -> String {
    let mut segments = id.split('/');
    segments
        .by_ref()
        .find(|segment| segment.eq_ignore_ascii_case("storageAccounts"));
    segments.next().unwrap_or_default().to_ascii_lowercase()
}

fn document(parent: &str, name: &str, container: &Container) -> Value {
    let made = Timestamp::from_second(container.created).unwrap_or(Timestamp::UNIX_EPOCH);
    json!({
        "id": format!("{parent}/containers/{name}"),
        "name": name,
        "type": format!("{ACCOUNT}/blobServices/containers"),
        "properties": {
            "publicAccess": "None",
            "leaseState": "Available",
            "lastModifiedTime": made.to_string(),
        },
    })
}

/// One container.
pub(super) fn container(
    state: &mut AzureState,
    question: &Question<'_>,
    named: &Named,
    method: &Method,
) -> Result<Reply, Reply> {
    let parent = named.parent.clone().unwrap_or_default();
    let account = account_of(&named.id);
    let (name, now) = (&named.name, question.now);
    if state.named(ACCOUNT, &account).is_none() {
        let id = parent.split("/blobServices").next().unwrap_or_default();
        return Err(not_found(id, ACCOUNT));
    }
    let containers = state.containers.entry(account).or_default();
    match *method {
        Method::GET => match containers.get(name) {
            Some(found) => Ok(Reply::json(200, &document(&parent, name, found))),
            None => Err(Reply::refusal(
                404,
                "ContainerNotFound",
                "The specified container does not exist.",
            )),
        },
        Method::PUT => {
            if !is_container_name(name) {
                let message = format!("The container name '{name}' is invalid.");
                return Err(Reply::refusal(400, "ContainerOperationFailure", message));
            }
            let status = if containers.contains_key(name) {
                200
            } else {
                201
            };
            let made = containers.entry(name.clone()).or_insert_with(|| Container {
                created: now.as_second(),
                ..Container::default()
            });
            Ok(Reply::json(status, &document(&parent, name, made)))
        }
        Method::DELETE => Ok(Reply::empty(match containers.remove(name) {
            Some(_) => 200,
            None => 204,
        })),
        _ => Err(super::not_allowed(method)),
    }
}

/// All containers of an account.
pub(super) fn containers(state: &AzureState, parent: &str) -> Result<Reply, Reply> {
    let account = account_of(parent);
    if state.named(ACCOUNT, &account).is_none() {
        let id = parent.split("/blobServices").next().unwrap_or_default();
        return Err(not_found(id, ACCOUNT));
    }
    let value: Vec<Value> = state
        .containers
        .get(&account)
        .into_iter()
        .flatten()
        .map(|(name, container)| document(parent, name, container))
        .collect();
    Ok(Reply::json(200, &json!({"value": value})))
}

/// Source: Azure Storage, "Naming and referencing containers".
pub(crate) fn is_container_name(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Storage's accounts and policies never answer 201. Source: the operations' answers in the REST
/// description of Microsoft.Storage 2025-08-01, which Microsoft's SDKs insist on.
const WITHOUT_201: Made = Made {
    settles: std::time::Duration::ZERO,
    after: std::time::Duration::ZERO,
    always_ok: true,
};

/// `managementPolicies/default`: the whole document is replaced.
pub(super) fn management_policy(named: &Named, body: &mut Value) -> Result<Made, Reply> {
    let refuse = |message: &str| Err(Reply::refusal(400, "InvalidRequestPropertyValue", message));
    if named.name != "default" {
        return refuse("The name of the management policy must be 'default'.");
    }
    let Some(rules) = body["properties"]["policy"]["rules"].as_array() else {
        return refuse("The management policy has no rules.");
    };
    if rules.is_empty() || rules.len() > 100 {
        return refuse("A management policy has between 1 and 100 rules.");
    }
    let mut names: Vec<&str> = Vec::new();
    for rule in rules {
        let name = rule["name"].as_str().unwrap_or_default();
        if name.is_empty() || names.contains(&name) {
            return refuse("The names of rules must be present and unique.");
        }
        if rule["type"] != "Lifecycle" || !rule["definition"]["actions"].is_object() {
            return refuse("A rule needs the type 'Lifecycle' and actions.");
        }
        names.push(name);
    }
    Ok(WITHOUT_201)
}
