//! From a `Status` to a [`ClusterErrorKind`]. It owns what the API server's reasons and sentences
//! mean; it refuses to send or to retry. Pure.
//!
//! Source: `apimachinery/pkg/api/errors` and `apiserver` at Kubernetes v1.35.

use std::time::Duration;

use serde::Deserialize;

use crate::{ClusterErrorKind, FieldConflict};

/// How a role of every cluster begins in a refusal.
const ROLE: &str = "clusterrole.rbac.authorization.k8s.io \"system:";

/// `metav1.Status`, as much of it as decides anything.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) code: u16,
    pub(super) message: String,
    pub(super) reason: String,
    pub(super) details: Details,
}

/// `metav1.StatusDetails`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Details {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) causes: Vec<Cause>,
    pub(super) retry_after_seconds: u64,
}

/// `metav1.StatusCause`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Cause {
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) field: String,
}

/// A refusal: the HTTP status, what the body says, and how long the server asks to wait.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) status: Status,
    /// Whether the body was a `Status`; a router's `404 page not found` is none.
    pub(super) spoken: bool,
    pub(super) retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn read(code: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let is_status = |value: &serde_json::Value| {
            value.get("kind").and_then(serde_json::Value::as_str) == Some("Status")
        };
        let parsed = serde_json::from_slice::<serde_json::Value>(body)
            .ok()
            .filter(is_status)
            .and_then(|value| serde_json::from_value::<Status>(nulls_removed(value)).ok());
        let spoken = parsed.is_some();
        let status = parsed.unwrap_or_else(|| Status {
            message: String::from_utf8_lossy(body)
                .trim()
                .chars()
                .take(500)
                .collect(),
            ..Status::default()
        });
        let asked = status.details.retry_after_seconds;
        Self {
            code,
            retry_after: retry_after.or((asked > 0).then(|| Duration::from_secs(asked))),
            spoken,
            status,
        }
    }

    /// Whether this says that the object (not its kind, not its namespace) is not there.
    pub(super) fn is_absent_object(&self) -> bool {
        self.code == 404 && self.spoken && !self.status.details.name.is_empty()
    }

    /// Whether the server has no such path: a kind it does not serve.
    pub(super) fn is_unknown_path(&self) -> bool {
        self.code == 404 && (!self.spoken || self.status.details.name.is_empty())
    }

    pub(super) fn is_already_exists(&self) -> bool {
        self.code == 409 && self.status.reason == "AlreadyExists"
    }

    /// Whether somebody else wrote in between, or a precondition does not hold.
    pub(super) fn is_stale(&self) -> bool {
        self.code == 409 && self.status.reason == "Conflict" && self.field_conflicts().is_empty()
    }

    pub(super) fn is_expired(&self) -> bool {
        self.code == 410 || matches!(self.status.reason.as_str(), "Expired" | "Gone")
    }

    /// Whether trying again may help: overload and servers that are starting or stopping. A webhook
    /// that does not answer is 500 too, but it does not recover within seconds.
    pub(super) fn is_transient(&self) -> bool {
        match self.code {
            429 | 502 | 503 | 504 => true,
            500 => !is_webhook_failure(&self.status.message),
            _ => false,
        }
    }

    /// Whether the server refused because it has not read its roles yet: the sentence names one that
    /// every cluster has and everybody is bound to. Source: `RBACAuthorizer.Authorize`
    /// in `plugin/pkg/auth/authorizer/rbac/rbac.go`, which appends the errors of its lookups.
    pub(super) fn knows_no_role(&self) -> bool {
        let mut missing = self.status.message.split(ROLE).skip(1);
        missing.any(|role| {
            let name = role.split_once('"');
            name.is_some_and(|(_, rest)| rest.starts_with(" not found"))
        })
    }

    /// The fields other managers own, of a server-side apply that was not forced.
    pub(super) fn field_conflicts(&self) -> Vec<FieldConflict> {
        if self.code != 409 {
            return Vec::new();
        }
        let causes = self.status.details.causes.iter();
        causes
            .filter(|cause| cause.reason == "FieldManagerConflict")
            .map(|cause| FieldConflict {
                field: cause.field.clone(),
                manager: quoted(&cause.message).unwrap_or_default().to_owned(),
                message: cause.message.clone(),
            })
            .collect()
    }

    /// What went wrong, for a request about `kind`.
    pub(super) fn into_kind(self, kind: &str) -> ClusterErrorKind {
        let Status {
            message,
            reason,
            details,
            ..
        } = self.status;
        if is_webhook_failure(&message) || is_admission_refusal(&message) {
            return ClusterErrorKind::Admission(message);
        }
        let terminating = details
            .causes
            .iter()
            .any(|cause| cause.reason == "NamespaceTerminating");
        match self.code {
            401 => ClusterErrorKind::Unauthenticated(message),
            403 if terminating => ClusterErrorKind::Conflict(message),
            403 => ClusterErrorKind::Forbidden(message),
            404 if self.spoken && details.kind == "namespaces" => {
                ClusterErrorKind::NamespaceMissing(details.name)
            }
            404 if !self.spoken || details.name.is_empty() => {
                ClusterErrorKind::UnknownKind(kind.to_owned())
            }
            404 => ClusterErrorKind::NotFound(message),
            409 => ClusterErrorKind::Conflict(message),
            400 | 413 | 415 | 422 => ClusterErrorKind::Invalid {
                message,
                fields: details
                    .causes
                    .into_iter()
                    .map(|cause| cause.field)
                    .filter(|field| !field.is_empty())
                    .collect(),
            },
            429 | 503 => ClusterErrorKind::Throttled(message),
            status => ClusterErrorKind::Server {
                status,
                message: if message.is_empty() { reason } else { message },
            },
        }
    }
}

/// `failed calling webhook "…": …`: the webhook did not answer.
fn is_webhook_failure(message: &str) -> bool {
    message.contains("failed calling webhook") || message.contains("failed to call webhook")
}

/// `admission webhook "…" denied the request: …`, or an admission policy's refusal.
fn is_admission_refusal(message: &str) -> bool {
    message.contains("admission webhook \"") && message.contains("denied the request")
        || message.contains("ValidatingAdmissionPolicy '") && message.contains("denied request")
}

/// The first text in double quotes.
fn quoted(text: &str) -> Option<&str> {
    text.split('"').nth(1)
}

/// `null` means "not given" in a `Status`, which serde's defaults do not know.
fn nulls_removed(mut value: serde_json::Value) -> serde_json::Value {
    fn sweep(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                map.retain(|_, entry| !entry.is_null());
                map.values_mut().for_each(sweep);
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(sweep),
            _ => {}
        }
    }
    sweep(&mut value);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(code: u16, body: &serde_json::Value) -> Refusal {
        let mut body = body.clone();
        body["kind"] = json!("Status");
        Refusal::read(code, None, body.to_string().as_bytes())
    }

    #[test]
    fn reasons_and_sentences_become_kinds() {
        let cases = [
            (
                401,
                json!({"message": "Unauthorized", "reason": "Unauthorized"}),
                "Unauthenticated",
            ),
            (
                403,
                json!({"message": "pods is forbidden: User \"x\" cannot list", "reason": "Forbidden"}),
                "Forbidden",
            ),
            (
                403,
                json!({"message": "unable to create new content in namespace n because it is being terminated",
                "reason": "Forbidden", "details": {"causes": [{"reason": "NamespaceTerminating"}]}}),
                "Conflict",
            ),
            (
                404,
                json!({"message": "namespaces \"n\" not found", "reason": "NotFound",
                "details": {"name": "n", "kind": "namespaces"}}),
                "NamespaceMissing",
            ),
            (
                404,
                json!({"message": "the server could not find the requested resource",
                "reason": "NotFound", "details": {}}),
                "UnknownKind",
            ),
            (
                404,
                json!({"message": "pods \"p\" not found", "reason": "NotFound",
                "details": {"name": "p", "kind": "pods"}}),
                "NotFound",
            ),
            (
                422,
                json!({"message": "invalid", "reason": "Invalid",
                "details": {"causes": [{"field": "spec.clusterIP"}]}}),
                "Invalid",
            ),
            (
                403,
                json!({"message": "admission webhook \"v.example\" denied the request: no"}),
                "Admission",
            ),
            (
                500,
                json!({"message": "Internal error occurred: failed calling webhook \"v\": no endpoints available for service \"x\""}),
                "Admission",
            ),
            (429, json!({"message": "too many requests"}), "Throttled"),
            (
                500,
                json!({"message": "etcdserver: leader changed"}),
                "Server",
            ),
        ];
        for (code, body, expected) in cases {
            let kind = refusal(code, &body).into_kind("apps/v1 Deployment");
            assert!(
                format!("{kind:?}").starts_with(expected),
                "{body}: {kind:?}"
            );
        }
    }

    #[test]
    fn a_routers_answer_is_an_unknown_kind_and_not_an_absent_object() {
        let refusal = Refusal::read(404, None, b"404 page not found\n");
        assert!(refusal.is_unknown_path() && !refusal.is_absent_object());
    }

    #[test]
    fn apply_conflicts_name_field_and_manager() {
        let refusal = refusal(
            409,
            &json!({"reason": "Conflict", "details": {"causes": [{
                "reason": "FieldManagerConflict",
                "message": "conflict with \"kubectl-edit\" using apps/v1",
                "field": ".spec.replicas"}]}}),
        );
        let conflicts = refusal.field_conflicts();
        assert_eq!(conflicts[0].field, ".spec.replicas");
        assert_eq!(conflicts[0].manager, "kubectl-edit");
        assert!(!refusal.is_stale());
    }

    #[test]
    fn a_webhook_that_does_not_answer_is_not_repeated_blindly() {
        let message = json!({"message": "failed calling webhook \"v\": connection refused"});
        assert!(!refusal(500, &message).is_transient());
        assert!(refusal(500, &json!({"message": "etcd"})).is_transient());
    }

    #[test]
    fn null_fields_of_a_status_do_not_hide_the_rest() {
        let refusal = refusal(409, &json!({"reason": "AlreadyExists", "details": null}));
        assert!(refusal.is_already_exists());
    }
}
