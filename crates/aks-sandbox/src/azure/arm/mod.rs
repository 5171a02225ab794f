//! Resource Manager. It owns the front door (token, api-version, subscription) and the way to each
//! provider's rules; it refuses to keep documents a rule has not seen.

mod cluster;
mod identity;
mod inventory;
mod path;
mod registry;
mod role;
mod storage;
mod store;
mod vault;

use bytes::Bytes;
use http::{Method, Request};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::caller::{NotRecognised, query, recognise, segments};
use super::{AzureState, Reply};
use path::{Named, Target};

/// Audiences of a Resource Manager token.
pub(super) const AUDIENCES: &[&str] = &[
    "https://management.azure.com",
    "https://management.core.windows.net",
];

/// One request, past the front door.
struct Question<'a> {
    request: &'a Request<Bytes>,
    api_version: String,
    caller: String,
    now: Timestamp,
}

impl Question<'_> {
    /// The body as JSON; `null` if there is none.
    fn body(&self) -> Result<Value, Reply> {
        if self.request.body().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(self.request.body()).map_err(|error| {
            Reply::refusal(
                400,
                "InvalidRequestContent",
                format!(
                    "The request content was invalid and could not be deserialized: '{error}'."
                ),
            )
        })
    }

    fn query(&self, name: &str) -> Option<String> {
        query(self.request, name)
    }
}

/// Answers `management.azure.com`.
pub(super) fn respond(state: &mut AzureState, request: &Request<Bytes>, now: Timestamp) -> Reply {
    let id = state.new_guid("request");
    answer(state, request, now)
        .unwrap_or_else(|refusal| refusal)
        .with("x-ms-request-id", &id)
        .with("x-ms-correlation-request-id", &id)
}

fn answer(
    state: &mut AzureState,
    request: &Request<Bytes>,
    now: Timestamp,
) -> Result<Reply, Reply> {
    let question = admit(state, request, now)?;
    let target = Target::parse(&segments(request))?;
    if let Some(subscription) = target.subscription()
        && !subscription.eq_ignore_ascii_case(&state.subscription)
    {
        let message = format!("The subscription '{subscription}' could not be found.");
        return Err(Reply::refusal(404, "SubscriptionNotFound", message));
    }
    route(state, &question, target)
}

/// The front door.
fn admit<'a>(
    state: &AzureState,
    request: &'a Request<Bytes>,
    now: Timestamp,
) -> Result<Question<'a>, Reply> {
    let caller = recognise(state, request, AUDIENCES, now).map_err(|reason| {
        let (code, message) = match reason {
            NotRecognised::Missing => (
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.".to_owned(),
            ),
            NotRecognised::Foreign => (
                "InvalidAuthenticationToken",
                "The access token is invalid: it is no token of this sandbox.".to_owned(),
            ),
            NotRecognised::Expired => (
                "ExpiredAuthenticationToken",
                "The access token expiry UTC time is earlier than current UTC time.".to_owned(),
            ),
            NotRecognised::Audience(audience) => (
                "InvalidAuthenticationTokenAudience",
                format!(
                    "The access token has been obtained for wrong audience or resource \
                     '{audience}'. It should exactly match with one of the allowed audiences \
                     'https://management.core.windows.net/','https://management.azure.com/'."
                ),
            ),
        };
        Reply::refusal(401, code, message).with(
            "www-authenticate",
            format!(
                "Bearer authorization_uri=\"https://login.microsoftonline.com/{}\", \
                 error=\"invalid_token\"",
                state.tenant
            ),
        )
    })?;
    let Some(api_version) = query(request, "api-version") else {
        return Err(Reply::refusal(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ));
    };
    if !path::is_api_version(&api_version) {
        let message = format!("The api-version '{api_version}' is invalid.");
        return Err(Reply::refusal(400, "InvalidApiVersionParameter", message));
    }
    if caller.object_id != state.deployer {
        let message = format!(
            "The client '{}' with object id '{}' does not have authorization to perform action on \
             scope '{}' or the scope is invalid. If access was recently granted, please refresh \
             your credentials.",
            caller.application,
            caller.object_id,
            request.uri().path()
        );
        return Err(Reply::refusal(403, "AuthorizationFailed", message));
    }
    Ok(Question {
        request,
        api_version,
        caller: caller.object_id,
        now,
    })
}

fn route(state: &mut AzureState, question: &Question<'_>, target: Target) -> Result<Reply, Reply> {
    let method = question.request.method().clone();
    match target {
        Target::Subscriptions => {
            let value = subscription(state);
            Ok(Reply::json(200, &json!({"value": [value]})))
        }
        Target::Subscription(_) if method == Method::GET => {
            Ok(Reply::json(200, &subscription(state)))
        }
        Target::Inventory(_) if method == Method::GET => inventory::list(state, question),
        Target::Provider(_, namespace) if method == Method::GET => Ok(Reply::json(
            200,
            &json!({
                "id": format!("/subscriptions/{}/providers/{namespace}", state.subscription),
                "namespace": namespace,
                "registrationState": "Registered",
                "resourceTypes": [],
            }),
        )),
        Target::Operation(_, id) => Ok(store::operation(state, &id, question.now)),
        Target::Roles { scope, kind, name } => role::respond(state, question, &scope, &kind, name),
        Target::Groups(_) => Ok(store::groups(state)),
        Target::Group(id) => store::group(state, question, &id),
        Target::Resource(named) => resource(state, question, &named, &method),
        Target::Collection { parent, kind } => match method {
            Method::GET if kind.ends_with("/containers") => storage::containers(state, &parent),
            Method::GET => store::list(state, question, &parent, &kind),
            Method::POST => action(state, question, &parent, &kind),
            _ => Err(not_allowed(&method)),
        },
        _ => Err(not_allowed(&method)),
    }
}

/// One resource, by the rules of its kind.
fn resource(
    state: &mut AzureState,
    question: &Question<'_>,
    named: &Named,
    method: &Method,
) -> Result<Reply, Reply> {
    let kind = named.kind.to_ascii_lowercase();
    match (kind.as_str(), method) {
        ("microsoft.keyvault/vaults/accesspolicies", &Method::PUT) => {
            vault::access_policies(state, question, named)
        }
        ("microsoft.keyvault/vaults/secrets", &Method::PUT) => {
            vault::secret(state, question, named)
        }
        ("microsoft.storage/storageaccounts/blobservices/containers", _) => {
            storage::container(state, question, named, method)
        }
        (_, &Method::GET | &Method::HEAD) => store::get(state, question, named),
        (_, &Method::DELETE) => store::delete(state, question, named),
        (_, &Method::PUT) => {
            store::admit_put(state, named)?;
            let mut body = question.body()?;
            let made = match kind.as_str() {
                "microsoft.managedidentity/userassignedidentities" => {
                    identity::identity(state, question, named, &mut body)?
                }
                "microsoft.managedidentity/userassignedidentities/federatedidentitycredentials" => {
                    identity::credential(state, question, named, &mut body)?
                }
                "microsoft.keyvault/vaults" => vault::vault(state, question, named, &mut body)?,
                "microsoft.storage/storageaccounts" => {
                    storage::account(state, question, named, &mut body)?
                }
                "microsoft.storage/storageaccounts/managementpolicies" => {
                    storage::management_policy(named, &mut body)?
                }
                "microsoft.containerregistry/registries" => registry::registry(named, &mut body)?,
                "microsoft.containerservice/managedclusters" => {
                    cluster::cluster(state, named, &mut body)?
                }
                _ => return Err(path::unknown_kind(&named.kind)),
            };
            Ok(store::put(state, question, named, body, made))
        }
        (_, &Method::PATCH) => store::patch(state, question, named),
        _ => Err(not_allowed(method)),
    }
}

/// An action on a resource: `POST …/{action}`.
fn action(
    state: &mut AzureState,
    question: &Question<'_>,
    parent: &str,
    kind: &str,
) -> Result<Reply, Reply> {
    let action = kind.rsplit('/').next().unwrap_or_default();
    let on = kind
        .rsplit_once('/')
        .map_or("", |(on, _)| on)
        .to_ascii_lowercase();
    if action == "checkNameAvailability" {
        return store::name_available(state, question);
    }
    let Some(found) = state.resource(parent).cloned() else {
        return Err(store::not_found(parent, &on));
    };
    match (on.as_str(), action) {
        ("microsoft.storage/storageaccounts", "listKeys") => Ok(storage::keys(state, &found)),
        ("microsoft.storage/storageaccounts", "regenerateKey") => {
            storage::renew_key(state, question, &found)
        }
        (
            "microsoft.containerservice/managedclusters",
            "listClusterUserCredential" | "listClusterAdminCredential",
        ) => cluster::credential(state, &found, action),
        ("microsoft.containerregistry/registries", "importImage") => {
            registry::import(state, question, &found)
        }
        _ => Err(Reply::refusal(
            404,
            "InvalidResourceType",
            format!("The resource type '{kind}' could not be found."),
        )),
    }
}

fn subscription(state: &AzureState) -> Value {
    json!({
        "id": format!("/subscriptions/{}", state.subscription),
        "subscriptionId": state.subscription,
        "displayName": "AKS sandbox",
        "state": "Enabled",
        "tenantId": state.tenant,
        "managedByTenants": [],
    })
}

fn not_allowed(method: &Method) -> Reply {
    Reply::refusal(
        405,
        "MethodNotAllowed",
        format!("The requested resource does not support http method '{method}'."),
    )
}
