//! Questions that keep nothing: TokenRequest and access reviews. Everyone who is let in is the
//! administrator: RBAC objects are kept, not enforced.

use serde_json::{Value, json};

use super::resource::Resource;
use super::status::{ApiError, Cause};
use crate::world::{Key, State, seconds};

/// Answers a TokenRequest for a ServiceAccount; `now` in milliseconds since 1970.
pub(crate) fn token(
    state: &State,
    namespace: &str,
    name: &str,
    body: &Value,
    now: i64,
) -> Result<Value, ApiError> {
    let accounts =
        Resource::find(&state.store, "", "v1", "serviceaccounts").expect("a built-in resource");
    let account = state
        .store
        .get("/serviceaccounts", &Key::new(namespace, name))
        .ok_or_else(|| ApiError::not_found(&accounts, name))?;
    let lifetime = body
        .pointer("/spec/expirationSeconds")
        .and_then(Value::as_i64)
        .unwrap_or(3600);
    if lifetime < 600 {
        let cause = Cause::invalid(
            "spec.expirationSeconds",
            &lifetime.into(),
            "may not specify a duration less than 10 minutes",
        );
        let mut about = accounts;
        about.kind = "TokenRequest".into();
        about.group = "authentication.k8s.io".into();
        return Err(ApiError::invalid(&about, "", &[cause]));
    }
    let lifetime = lifetime.min(1 << 32);
    let mut audiences: Vec<String> = body
        .pointer("/spec/audiences")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|one| one.as_str().map(str::to_owned))
        .collect();
    if audiences.is_empty() {
        audiences.push(state.azure.issuer.url.clone());
    }
    let issued = now / 1000;
    let expires = issued + lifetime;
    let token = state
        .azure
        .issuer
        .service_account_token(namespace, name, &audiences, issued, expires);
    Ok(json!({
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": name, "namespace": namespace, "uid": account["metadata"]["uid"], "creationTimestamp": seconds(now)},
        "spec": {"audiences": audiences, "expirationSeconds": lifetime, "boundObjectRef": body["spec"]["boundObjectRef"]},
        "status": {"token": token, "expirationTimestamp": seconds(expires * 1000)},
    }))
}

/// Answers a review; `None` if the plural is no review's.
pub(crate) fn review(group: &str, plural: &str, body: &Value) -> Option<Value> {
    let status = match (group, plural) {
        ("authorization.k8s.io", "selfsubjectaccessreviews") => {
            json!({"allowed": true, "reason": "the sandbox's administrator may do everything"})
        }
        ("authorization.k8s.io", "selfsubjectrulesreviews") => json!({
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": false,
        }),
        ("authentication.k8s.io", "selfsubjectreviews") => {
            json!({"userInfo": {"username": "sandbox-admin", "groups": ["system:masters", "system:authenticated"]}})
        }
        _ => return None,
    };
    let mut answer = body.clone();
    if !answer.is_object() {
        return None;
    }
    answer["metadata"] = json!({"creationTimestamp": null});
    answer["status"] = status;
    Some(answer)
}
