//! The External Secrets cert-controller: fills the webhook's Secret and injects the CA bundle once
//! its own pods are ready.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::pass::{Pass, number, text};

/// How long it takes after becoming ready, milliseconds.
const ISSUING: i64 = 100;
const WEBHOOKS: &str = "admissionregistration.k8s.io/validatingwebhookconfigurations";

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    let controller = pass.all("apps/deployments").into_iter().find(|deployment| {
        super::pass::list(deployment, "/spec/template/spec/containers")
            .iter()
            .any(|container| container["name"] == "cert-controller")
            && number(deployment, "/status/readyReplicas").unwrap_or(0) > 0
    });
    let Some(controller) = controller else { return };
    if !pass.due(&controller, "issuing", ISSUING) {
        return;
    }
    let bundle =
        STANDARD.encode("-----BEGIN CERTIFICATE-----\nsandbox\n-----END CERTIFICATE-----\n");
    for webhook in pass.all(WEBHOOKS) {
        if text(&webhook, "/metadata/labels/external-secrets.io~1component") != "webhook" {
            continue;
        }
        pass.update(WEBHOOKS, &webhook, |webhook| {
            for hook in webhook["webhooks"].as_array_mut().into_iter().flatten() {
                hook["clientConfig"]["caBundle"] = bundle.clone().into();
            }
        });
    }
    let namespace = text(&controller, "/metadata/namespace").to_owned();
    let secrets: Vec<_> = pass
        .state
        .store
        .within("/secrets", &namespace)
        .filter(|(_, secret)| {
            text(secret, "/metadata/labels/external-secrets.io~1component") == "webhook"
        })
        .map(|(_, secret)| std::sync::Arc::clone(secret))
        .collect();
    for secret in secrets {
        if secret.pointer("/data").is_none_or(Value::is_null) {
            pass.update("/secrets", &secret, |secret| {
                secret["data"] = json!({"ca.crt": bundle, "tls.crt": bundle, "tls.key": bundle});
            });
        }
    }
}
