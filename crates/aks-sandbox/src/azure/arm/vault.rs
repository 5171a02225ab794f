//! Vaults as resources: their body, their access policies, their secrets by Resource Manager. It
//! owns the merge rules of `accessPolicies/{add,replace,remove}`; it refuses data-plane reads.

use serde_json::{Value, json};

use super::store::{Made, need_location, not_found};
use super::{Named, Question, Reply};
use crate::azure::AzureState;
use crate::azure::vault::write_secret;

/// From this version on a vault is made in role mode unless it says otherwise.
const ROLES_BY_DEFAULT: &str = "2026-02-01";

pub(super) fn vault(
    state: &mut AzureState,
    question: &Question<'_>,
    named: &Named,
    body: &mut Value,
) -> Result<Made, Reply> {
    need_location(body)?;
    let old = state
        .resource(&named.id)
        .map(|old| old.body["properties"].clone());
    if old.is_none() && state.named(&named.kind, &named.name).is_some() {
        let message = format!("The vault name '{}' is already in use.", named.name);
        return Err(Reply::refusal(409, "VaultAlreadyExists", message));
    }
    let properties = &mut body["properties"];
    if !properties["tenantId"].is_string() || !properties["sku"].is_object() {
        return Err(Reply::refusal(
            400,
            "BadRequest",
            "The properties 'tenantId' and 'sku' are required.",
        ));
    }
    if properties["enableRbacAuthorization"].is_null() {
        let kept = old
            .as_ref()
            .map(|old| old["enableRbacAuthorization"].clone());
        let by_version = Value::from(question.api_version.as_str() >= ROLES_BY_DEFAULT);
        properties["enableRbacAuthorization"] = kept.unwrap_or(by_version);
    }
    if !properties["accessPolicies"].is_array() {
        properties["accessPolicies"] = json!([]);
    }
    properties["vaultUri"] = format!("https://{}.vault.azure.net/", named.name).into();
    properties["provisioningState"] = "Succeeded".into();
    let policies = properties["accessPolicies"].clone();
    remember(state, &named.name, &policies, question);
    state
        .secrets
        .entry(named.name.to_ascii_lowercase())
        .or_default();
    Ok(Made::default())
}

/// `PUT …/vaults/{vault}/accessPolicies/{add|replace|remove}`.
pub(super) fn access_policies(
    state: &mut AzureState,
    question: &Question<'_>,
    named: &Named,
) -> Result<Reply, Reply> {
    let id = named.parent.clone().unwrap_or_default();
    let Some(found) = state.resource(&id) else {
        return Err(not_found(&id, "Microsoft.KeyVault/vaults"));
    };
    let name = found.body["name"].as_str().unwrap_or_default().to_owned();
    let mut policies = found.body["properties"]["accessPolicies"].clone();
    let body = question.body()?;
    let Some(given) = body["properties"]["accessPolicies"].as_array() else {
        return Err(Reply::refusal(
            400,
            "BadRequest",
            "The property 'accessPolicies' is required.",
        ));
    };
    for policy in given {
        merge(&mut policies, policy, &named.name)?;
    }
    if !state.lock(&id, question.now) {
        return Err(Reply::refusal(
            409,
            "ConflictError",
            format!("A conflict occurred: another operation on vault '{name}' is in progress."),
        ));
    }
    remember(state, &name, &policies, question);
    if let Some(vault) = state.resources.get_mut(&id.to_ascii_lowercase()) {
        vault.body["properties"]["accessPolicies"] = policies.clone();
        vault.changed = question.now;
    }
    let answer = json!({
        "id": format!("{id}/accessPolicies/"),
        "type": "Microsoft.KeyVault/vaults/accessPolicies",
        "properties": {"accessPolicies": policies},
    });
    Ok(Reply::json(200, &answer).after(state.delays.write))
}

/// Merges one policy into a vault's. The entry is the one with the same tenant, object and
/// application.
fn merge(policies: &mut Value, policy: &Value, how: &str) -> Result<(), Reply> {
    if !policy["objectId"].is_string() || !policy["tenantId"].is_string() {
        return Err(Reply::refusal(
            400,
            "BadRequest",
            "An access policy needs 'tenantId' and 'objectId'.",
        ));
    }
    let entries = match policies {
        Value::Array(entries) => entries,
        other => {
            *other = json!([]);
            other.as_array_mut().expect("just made a list")
        }
    };
    let same = |entry: &Value| {
        ["tenantId", "objectId", "applicationId"]
            .iter()
            .all(|key| entry[*key] == policy[*key])
    };
    let at = entries.iter().position(same);
    match (how.to_ascii_lowercase().as_str(), at) {
        ("add" | "replace", None) => entries.push(policy.clone()),
        ("replace", Some(at)) => entries[at] = policy.clone(),
        ("add", Some(at)) => {
            for (kind, given) in policy["permissions"].as_object().into_iter().flatten() {
                let present = &mut entries[at]["permissions"][kind];
                let mut all = present.as_array().cloned().unwrap_or_default();
                for permission in given.as_array().into_iter().flatten() {
                    if !holds(&all, permission) {
                        all.push(permission.clone());
                    }
                }
                *present = all.into();
            }
        }
        ("remove", Some(at)) => {
            let mut left = false;
            for (kind, given) in policy["permissions"].as_object().into_iter().flatten() {
                let gone = given.as_array().cloned().unwrap_or_default();
                if let Some(present) = entries[at]["permissions"][kind].as_array_mut() {
                    present.retain(|permission| !holds(&gone, permission));
                }
            }
            for present in entries[at]["permissions"].as_object().into_iter().flatten() {
                left |= present
                    .1
                    .as_array()
                    .is_some_and(|present| !present.is_empty());
            }
            if !left {
                entries.remove(at);
            }
        }
        ("remove", None) => {}
        _ => {
            return Err(Reply::refusal(
                400,
                "BadRequest",
                "The operation must be 'add', 'replace' or 'remove'.",
            ));
        }
    }
    Ok(())
}

fn holds(permissions: &[Value], permission: &Value) -> bool {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_ascii_lowercase();
    permissions
        .iter()
        .any(|present| text(present) == text(permission))
}

/// Remembers since when each principal has a policy, and forgets those who have none.
fn remember(state: &mut AzureState, vault: &str, policies: &Value, question: &Question<'_>) {
    let vault = vault.to_ascii_lowercase();
    let objects: Vec<&str> = policies
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|policy| policy["objectId"].as_str())
        .collect();
    let prefix = format!("{vault}|");
    state.policies_since.retain(|key, _| {
        key.strip_prefix(&prefix)
            .is_none_or(|object| objects.contains(&object))
    });
    for object in objects {
        // The maker of a vault does not wait for what it gave itself at creation.
        let since = if object == question.caller {
            question.now - state.delays.access_policy
        } else {
            question.now
        };
        state
            .policies_since
            .entry(format!("{prefix}{object}"))
            .or_insert(since);
    }
}

/// `PUT …/vaults/{vault}/secrets/{name}`: written by Resource Manager, never read by it.
pub(super) fn secret(
    state: &mut AzureState,
    question: &Question<'_>,
    named: &Named,
) -> Result<Reply, Reply> {
    let id = named.parent.clone().unwrap_or_default();
    let Some(vault) = state.resource(&id) else {
        return Err(not_found(&id, "Microsoft.KeyVault/vaults"));
    };
    let vault = vault.body["name"]
        .as_str()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let body = question.body()?;
    let Some(value) = body["properties"]["value"].as_str() else {
        let message = "The property 'value' is required.";
        return Err(Reply::refusal(400, "BadRequest", message));
    };
    let request = json!({"value": value, "contentType": body["properties"]["contentType"]});
    let written = write_secret(state, &vault, &named.name, &request, question.now)?;
    let answer = json!({
        "id": named.id,
        "name": named.name,
        "type": named.kind,
        "properties": {"secretUriWithVersion": written["id"], "attributes": {"enabled": true}},
    });
    Ok(Reply::json(200, &answer))
}
