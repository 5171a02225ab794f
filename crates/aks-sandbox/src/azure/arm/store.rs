//! Documents of any kind: reading, listing, writing, deleting, and operations that take time. It
//! owns what all providers share; it refuses to judge a body.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::state::last;
use super::super::{AzureState, Reply, Resource};
use super::{Method, Named, Question, Timestamp};

/// How a provider wants a document stored.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Made {
    /// How long the operation runs in the background; the answer then points to it.
    pub(super) settles: Duration,
    /// How long the answer itself takes.
    pub(super) after: Duration,
    /// Whether a new one is answered with 200, as an old one is, instead of 201.
    pub(super) always_ok: bool,
}

/// Resource Manager's answer to a resource that is not there.
pub(super) fn not_found(id: &str, kind: &str) -> Reply {
    let group = id.split('/').nth(4).unwrap_or_default();
    Reply::refusal(
        404,
        "ResourceNotFound",
        format!(
            "The Resource '{kind}/{}' under resource group '{group}' was not found. For more \
             details please go to https://aka.ms/ARMResourceNotFoundFix",
            last(id)
        ),
    )
}

fn group_not_found(group: &str) -> Reply {
    let message = format!("Resource group '{}' could not be found.", last(group));
    Reply::refusal(404, "ResourceGroupNotFound", message)
}

/// The document as it is shown now: with the state its operation has reached.
fn shown(resource: &Resource, now: Timestamp) -> Value {
    let mut body = resource.body.clone();
    if resource.settles.is_some_and(|until| until > now)
        && let Some(properties) = body["properties"].as_object_mut()
    {
        properties.insert("provisioningState".into(), "Updating".into());
    }
    body
}

pub(super) fn get(
    state: &AzureState,
    question: &Question<'_>,
    named: &Named,
) -> Result<Reply, Reply> {
    match state.resource(&named.id) {
        Some(resource) => Ok(Reply::json(200, &shown(resource, question.now))),
        None if state.resource(&named.group).is_none() => Err(group_not_found(&named.group)),
        None => Err(not_found(&named.id, &named.kind)),
    }
}

pub(super) fn list(
    state: &AzureState,
    question: &Question<'_>,
    parent: &str,
    kind: &str,
) -> Result<Reply, Reply> {
    let is_subscription = parent.matches('/').count() == 2;
    if !is_subscription && state.resource(parent).is_none() {
        let parent_kind = kind.rsplit_once('/').map_or(kind, |(parent, _)| parent);
        return Err(not_found(parent, parent_kind));
    }
    let prefix = format!("{}/", parent.to_ascii_lowercase());
    let value: Vec<Value> = state
        .resources
        .range(prefix.clone()..)
        .take_while(|(id, _)| id.starts_with(&prefix))
        .filter(|(_, resource)| resource.kind.eq_ignore_ascii_case(kind))
        .map(|(_, resource)| shown(resource, question.now))
        .collect();
    Ok(page(question, &value))
}

/// One page of a list: `$top` at a time, with a link to the next.
pub(super) fn page(question: &Question<'_>, all: &[Value]) -> Reply {
    let number = |name: &str| question.query(name).and_then(|text| text.parse().ok());
    let skip: usize = number("$skiptoken").unwrap_or(0);
    let top: usize = number("$top").unwrap_or(100);
    let items: Vec<_> = all.iter().skip(skip).take(top).collect();
    let mut body = json!({"value": items});
    if skip + top < all.len() {
        let path = question.request.uri().path();
        let version = &question.api_version;
        let filter = question
            .query("$filter")
            .map_or_else(String::new, |filter| {
                let filter: String =
                    url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
                format!("&$filter={filter}")
            });
        body["nextLink"] = format!(
            "https://management.azure.com{path}?api-version={version}{filter}&$top={top}&$skiptoken={}",
            skip + top
        )
        .into();
    }
    Reply::json(200, &body)
}

/// Whether a resource can be written here at all: its group and parent are there.
pub(super) fn admit_put(state: &AzureState, named: &Named) -> Result<(), Reply> {
    if state.resource(&named.group).is_none() {
        return Err(group_not_found(&named.group));
    }
    match &named.parent {
        Some(parent) if state.resource(parent).is_none() => Err(Reply::refusal(
            404,
            "ParentResourceNotFound",
            format!(
                "Failed to perform 'write' on resource(s) of type '{}', because the parent \
                 resource '{}' could not be found.",
                named.kind,
                last(parent)
            ),
        )),
        _ => Ok(()),
    }
}

/// Keeps a document and answers as Azure does: 200 or 201, with the operation's address while it
/// runs.
pub(super) fn put(
    state: &mut AzureState,
    question: &Question<'_>,
    named: &Named,
    mut body: Value,
    made: Made,
) -> Reply {
    if !body.is_object() {
        body = json!({});
    }
    body["id"] = named.id.clone().into();
    body["name"] = named.name.clone().into();
    body["type"] = named.kind.clone().into();
    let key = named.id.to_ascii_lowercase();
    let status = if made.always_ok || state.resources.contains_key(&key) {
        200
    } else {
        201
    };
    // A write that changes nothing does not start to propagate again.
    let changed = state
        .resources
        .get(&key)
        .filter(|old| old.body["properties"] == body["properties"])
        .map_or(question.now, |old| old.changed);
    let running = !made.settles.is_zero();
    let settles = running.then(|| question.now + made.settles);
    let resource = Resource {
        id: named.id.clone(),
        kind: named.kind.clone(),
        body,
        changed,
        settles,
    };
    let reply = Reply::json(status, &shown(&resource, question.now)).after(made.after);
    state.resources.insert(key, resource);
    let Some(settles) = settles else {
        return reply;
    };
    let operation = state.new_guid("operation");
    state
        .operations
        .insert(operation.clone(), (settles, named.id.clone()));
    let namespace = named.kind.split('/').next().unwrap_or_default();
    let url = format!(
        "https://management.azure.com/subscriptions/{}/providers/{namespace}/locations/global/\
         operations/{operation}?api-version={}",
        state.subscription, question.api_version
    );
    reply
        .with("azure-asyncoperation", url)
        .with("retry-after", "5")
}

/// Changes the top level of a document, and one level of its properties.
pub(super) fn patch(
    state: &mut AzureState,
    question: &Question<'_>,
    named: &Named,
) -> Result<Reply, Reply> {
    let change = question.body()?;
    let now = question.now;
    let key = named.id.to_ascii_lowercase();
    let Some(resource) = state.resources.get_mut(&key) else {
        return Err(not_found(&named.id, &named.kind));
    };
    for (name, value) in change.as_object().unwrap_or(&Map::new()) {
        match (name.as_str(), value.as_object()) {
            ("properties", Some(properties)) => {
                for (name, value) in properties {
                    resource.body["properties"][name] = value.clone();
                }
            }
            ("tags" | "sku" | "identity", _) => resource.body[name] = value.clone(),
            _ => {}
        }
    }
    resource.changed = now;
    Ok(Reply::json(200, &shown(resource, now)))
}

/// Deletes a resource with its children; 204 if there is none.
pub(super) fn delete(
    state: &mut AzureState,
    question: &Question<'_>,
    named: &Named,
) -> Result<Reply, Reply> {
    let key = named.id.to_ascii_lowercase();
    if !state.resources.contains_key(&key) {
        return Ok(Reply::empty(204));
    }
    let mut after = Duration::ZERO;
    if named.kind.ends_with("/federatedIdentityCredentials") {
        super::identity::lock(state, named, question.now)?;
        after = state.delays.write;
    }
    remove_below(state, &key);
    Ok(Reply::empty(200).after(after))
}

fn remove_below(state: &mut AzureState, key: &str) {
    let below = format!("{key}/");
    state
        .resources
        .retain(|id, _| id != key && !id.starts_with(&below));
}

/// An operation's document.
pub(super) fn operation(state: &AzureState, id: &str, now: Timestamp) -> Reply {
    match state.operations.get(id) {
        Some((ends, _)) if *ends > now => {
            Reply::json(200, &json!({"name": id, "status": "InProgress"})).with("retry-after", "5")
        }
        Some(_) => Reply::json(200, &json!({"name": id, "status": "Succeeded"})),
        None => Reply::refusal(
            404,
            "NotFound",
            format!("The operation '{id}' was not found."),
        ),
    }
}

/// All resource groups.
pub(super) fn groups(state: &AzureState) -> Reply {
    let value: Vec<_> = state
        .of_kind("Microsoft.Resources/resourceGroups")
        .map(|group| group.body.clone())
        .collect();
    Reply::json(200, &json!({"value": value}))
}

/// One resource group.
pub(super) fn group(
    state: &mut AzureState,
    question: &Question<'_>,
    id: &str,
) -> Result<Reply, Reply> {
    let key = id.to_ascii_lowercase();
    let found = state.resources.get(&key).cloned();
    match (question.request.method(), found) {
        (&Method::GET, Some(group)) => Ok(Reply::json(200, &group.body)),
        (&Method::HEAD, Some(_)) => Ok(Reply::empty(204)),
        (&Method::DELETE, Some(_)) => {
            remove_below(state, &key);
            Ok(Reply::empty(200))
        }
        (&Method::PUT, found) => {
            let body = question.body()?;
            let Some(location) = body["location"].as_str() else {
                return Err(location_required());
            };
            if let Some(group) = &found
                && group.body["location"] != location
            {
                return Err(Reply::refusal(
                    409,
                    "InvalidResourceGroupLocation",
                    format!(
                        "The Resource group '{}' already exists in location '{}'.",
                        last(id),
                        group.body["location"].as_str().unwrap_or_default()
                    ),
                ));
            }
            let body = json!({
                "id": id,
                "name": last(id),
                "type": "Microsoft.Resources/resourceGroups",
                "location": location,
                "tags": body["tags"],
                "properties": {"provisioningState": "Succeeded"},
            });
            let reply = Reply::json(if found.is_some() { 200 } else { 201 }, &body);
            let group = Resource {
                id: id.to_owned(),
                kind: "Microsoft.Resources/resourceGroups".into(),
                body,
                changed: question.now,
                settles: None,
            };
            state.resources.insert(key, group);
            Ok(reply)
        }
        (_, None) => Err(group_not_found(id)),
        (method, Some(_)) => Err(super::not_allowed(method)),
    }
}

/// `checkNameAvailability` of vaults, accounts and registries: names are global.
pub(super) fn name_available(state: &AzureState, question: &Question<'_>) -> Result<Reply, Reply> {
    let body = question.body()?;
    let kind = body["type"].as_str().unwrap_or_default();
    let name = body["name"].as_str().unwrap_or_default();
    let available = state.named(kind, name).is_none();
    let mut answer = json!({"nameAvailable": available});
    if !available {
        answer["reason"] = "AlreadyExists".into();
        answer["message"] = format!("The name '{name}' is already taken.").into();
    }
    Ok(Reply::json(200, &answer))
}

pub(super) fn location_required() -> Reply {
    Reply::refusal(
        400,
        "LocationRequired",
        "The location property is required for this definition.",
    )
}

/// Refuses a top-level resource without a location.
pub(super) fn need_location(body: &Value) -> Result<(), Reply> {
    if body["location"].is_string() {
        Ok(())
    } else {
        Err(location_required())
    }
}
