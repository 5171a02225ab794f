//! Managed identities and their federated credentials. It owns the limits Entra sets on them; it
//! refuses what the documentation says it refuses.
//!
//! Source: Microsoft Entra, "Important considerations and restrictions for federated identity
//! credentials".

use serde_json::{Value, json};

use super::store::{Made, need_location};
use super::{Named, Question, Reply, Timestamp};
use crate::azure::AzureState;

/// How many federated credentials an identity can have.
const MOST_CREDENTIALS: usize = 20;

pub(super) fn identity(
    state: &mut AzureState,
    _: &Question<'_>,
    named: &Named,
    body: &mut Value,
) -> Result<Made, Reply> {
    need_location(body)?;
    // Written again it keeps its ids; deleted and made anew it has others.
    body["properties"] = match state.resource(&named.id) {
        Some(old) => old.body["properties"].clone(),
        None => json!({
            "tenantId": state.tenant,
            "principalId": state.new_guid("principal"),
            "clientId": state.new_guid("client"),
        }),
    };
    Ok(Made::default())
}

/// Takes the identity's lock: one write to its credentials at a time.
pub(super) fn lock(state: &mut AzureState, named: &Named, now: Timestamp) -> Result<(), Reply> {
    let identity = named.parent.clone().unwrap_or_default();
    if state.lock(&identity, now) {
        return Ok(());
    }
    Err(Reply::refusal(
        409,
        "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
        format!(
            "Too many Federated Identity Credentials are written concurrently for the managed \
             identity '{identity}'. Concurrent Federated Identity Credentials writes under the \
             same managed identity are not supported."
        ),
    ))
}

pub(super) fn credential(
    state: &mut AzureState,
    question: &Question<'_>,
    named: &Named,
    body: &mut Value,
) -> Result<Made, Reply> {
    check(named, body)?;
    let prefix = format!(
        "{}/federatedidentitycredentials/",
        named
            .parent
            .as_deref()
            .unwrap_or_default()
            .to_ascii_lowercase()
    );
    let key = named.id.to_ascii_lowercase();
    let others: Vec<&Value> = state
        .resources
        .range(prefix.clone()..)
        .take_while(|(id, _)| id.starts_with(&prefix))
        .filter(|(id, _)| **id != key)
        .map(|(_, other)| &other.body["properties"])
        .collect();
    let properties = &body["properties"];
    if others.iter().any(|other| {
        other["issuer"] == properties["issuer"] && other["subject"] == properties["subject"]
    }) {
        return Err(Reply::refusal(
            400,
            "BadRequest",
            "Issuer and subject combination already exists for this Managed Identity.",
        ));
    }
    if others.len() >= MOST_CREDENTIALS {
        return Err(Reply::refusal(
            400,
            "BadRequest",
            format!(
                "Too many federated identity credentials: the limit of {MOST_CREDENTIALS} per \
                 managed identity is reached."
            ),
        ));
    }
    lock(state, named, question.now)?;
    Ok(Made {
        after: state.delays.write,
        ..Made::default()
    })
}

/// The rules for names and bodies.
fn check(named: &Named, body: &Value) -> Result<(), Reply> {
    let name = &named.name;
    let good_name = (3..=120).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let bad = |message: String| Err(Reply::refusal(400, "BadRequest", message));
    if !good_name {
        return bad(format!(
            "Federated Identity Credential name '{name}' is invalid."
        ));
    }
    let properties = &body["properties"];
    for field in ["issuer", "subject"] {
        match properties[field].as_str() {
            None | Some("") => return bad(format!("The property '{field}' must not be empty.")),
            Some(text) if text.len() > 600 => {
                return bad(format!(
                    "The property '{field}' is longer than 600 characters."
                ));
            }
            Some(_) => {}
        }
    }
    match properties["audiences"].as_array().map(Vec::as_slice) {
        Some([Value::String(audience)]) if !audience.is_empty() => Ok(()),
        _ => bad("The property 'audiences' must hold exactly one audience.".into()),
    }
}
