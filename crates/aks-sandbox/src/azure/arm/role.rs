//! Role assignments and definitions at any scope. It owns their uniqueness; it refuses conditions.

use serde_json::{Value, json};

use super::{Method, Question, Reply};
use crate::azure::roles::{ROLES, role};
use crate::azure::{AzureState, Resource};

const KIND: &str = "Microsoft.Authorization/roleAssignments";

/// Answers `{scope}/providers/Microsoft.Authorization/{kind}[/{name}]`.
pub(super) fn respond(
    state: &mut AzureState,
    question: &Question<'_>,
    scope: &str,
    kind: &str,
    name: Option<String>,
) -> Result<Reply, Reply> {
    match (question.request.method(), kind, name) {
        (&Method::GET, "roledefinitions", None) => Ok(definitions(state, question)),
        (&Method::GET, "roledefinitions", Some(name)) => role(&name)
            .map(|role| Reply::json(200, &role.document(&state.subscription)))
            .ok_or_else(|| {
                let message =
                    format!("The specified role definition with ID '{name}' does not exist.");
                Reply::refusal(404, "RoleDefinitionDoesNotExist", message)
            }),
        (&Method::GET, "permissions", None) => Ok(Reply::json(
            200,
            &json!({"value": [
                {"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}
            ]}),
        )),
        (&Method::GET, "roleassignments", None) => Ok(list(state, question, scope)),
        (&Method::GET, "roleassignments", Some(name)) => state
            .resource(&id(scope, &name))
            .map(|found| Reply::json(200, &found.body))
            .ok_or_else(|| {
                let message = format!("The role assignment '{name}' is not found.");
                Reply::refusal(404, "RoleAssignmentNotFound", message)
            }),
        (&Method::PUT, "roleassignments", Some(name)) => put(state, question, scope, &name),
        (&Method::DELETE, "roleassignments", Some(name)) => {
            let removed = state
                .resources
                .remove(&id(scope, &name).to_ascii_lowercase());
            Ok(removed.map_or_else(|| Reply::empty(204), |old| Reply::json(200, &old.body)))
        }
        (method, ..) => Err(super::not_allowed(method)),
    }
}

fn id(scope: &str, name: &str) -> String {
    format!("{scope}/providers/{KIND}/{name}")
}

fn definitions(state: &AzureState, question: &Question<'_>) -> Reply {
    let filter = question.query("$filter").unwrap_or_default();
    let wanted = quoted(&filter);
    let value: Vec<Value> = ROLES
        .iter()
        .filter(|role| !filter.contains("roleName") || wanted == Some(role.name))
        .map(|role| role.document(&state.subscription))
        .collect();
    Reply::json(200, &json!({"value": value}))
}

/// Assignments at a scope, those it inherits, and with no `atScope()` those below it.
fn list(state: &AzureState, question: &Question<'_>, scope: &str) -> Reply {
    let filter = question.query("$filter").unwrap_or_default();
    let here = format!("{}/", scope.to_ascii_lowercase());
    let value: Vec<&Value> = state
        .of_kind(KIND)
        .map(|assignment| &assignment.body)
        .filter(|body| {
            let there = body["properties"]["scope"].as_str().unwrap_or_default();
            let there = format!("{}/", there.to_ascii_lowercase());
            here.starts_with(&there) || (!filter.contains("atScope()") && there.starts_with(&here))
        })
        .filter(|body| {
            let by_principal = filter.contains("principalId") || filter.contains("assignedTo");
            !by_principal || body["properties"]["principalId"].as_str() == quoted(&filter)
        })
        .collect();
    Reply::json(200, &json!({"value": value}))
}

/// The first text between single quotes.
fn quoted(filter: &str) -> Option<&str> {
    filter.split('\'').nth(1)
}

fn put(
    state: &mut AzureState,
    question: &Question<'_>,
    scope: &str,
    name: &str,
) -> Result<Reply, Reply> {
    if !is_guid(name) {
        let message = format!(
            "The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."
        );
        return Err(Reply::refusal(400, "InvalidRoleAssignmentId", message));
    }
    let body = question.body()?;
    let text = |key: &str| body["properties"][key].as_str().unwrap_or_default();
    let (definition, principal) = (text("roleDefinitionId"), text("principalId"));
    let Some(role) = role(definition) else {
        let message =
            format!("The specified role definition with ID '{definition}' does not exist.");
        return Err(Reply::refusal(400, "RoleDefinitionDoesNotExist", message));
    };
    let known = principal == state.deployer
        || state.resources.values().any(|resource| {
            let properties = &resource.body["properties"];
            properties["principalId"] == principal && resource.kind != KIND
                || properties["identityProfile"]["kubeletidentity"]["objectId"] == principal
        });
    if !known && text("principalType") != "ServicePrincipal" {
        let message = format!(
            "Principal {principal} does not exist in the directory {}. Check that you have the \
             correct principal ID. If you are creating this principal and then immediately \
             assigning a role, this error might be related to a replication delay. In this case, \
             set the role assignment principalType property to a value, such as ServicePrincipal, \
             User, or Group.",
            state.tenant
        );
        return Err(Reply::refusal(400, "PrincipalNotFound", message));
    }
    let target = scope.trim_end_matches('/').to_owned();
    let parent = target.split("/secrets/").next().unwrap_or_default();
    let is_subscription = parent.matches('/').count() == 2;
    if !is_subscription && state.resource(parent).is_none() {
        return Err(super::store::not_found(parent, "resource"));
    }
    let same = |assignment: &Resource| {
        let properties = &assignment.body["properties"];
        properties["principalId"] == principal
            && properties["scope"]
                .as_str()
                .is_some_and(|other| other.eq_ignore_ascii_case(&target))
            && properties["roleDefinitionId"]
                .as_str()
                .is_some_and(|other| other.to_ascii_lowercase().ends_with(role.id))
    };
    let key = id(scope, name).to_ascii_lowercase();
    match state.resources.get(&key) {
        Some(old) if same(old) => return Ok(Reply::json(201, &old.body)),
        Some(_) => {
            return Err(Reply::refusal(
                409,
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            ));
        }
        None => {}
    }
    if let Some(other) = state.of_kind(KIND).find(|other| same(other)) {
        let message = format!(
            "The role assignment already exists. The ID of the existing role assignment is {}.",
            other.body["name"]
                .as_str()
                .unwrap_or_default()
                .replace('-', "")
        );
        return Err(Reply::refusal(409, "RoleAssignmentExists", message));
    }
    let body = json!({
        "id": id(scope, name),
        "name": name,
        "type": KIND,
        "properties": {
            "roleDefinitionId": format!(
                "/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{}",
                state.subscription, role.id
            ),
            "principalId": principal,
            "principalType": "ServicePrincipal",
            "scope": target,
            "description": body["properties"]["description"],
        },
    });
    let reply = Reply::json(201, &body);
    let assignment = Resource {
        id: id(scope, name),
        kind: KIND.into(),
        body,
        changed: question.now,
        settles: None,
    };
    state.resources.insert(key, assignment);
    Ok(reply)
}

fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
