//! Namespaces: what each has from the start, and how they go.

use serde_json::json;

use super::pass::{Pass, list, terminating, text};

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    for namespace in pass.all("/namespaces") {
        let name = text(&namespace, "/metadata/name").to_owned();
        if terminating(&namespace) {
            empty(pass, &namespace, &name);
            continue;
        }
        if text(&namespace, "/status/phase") != "Active" {
            pass.update("/namespaces", &namespace, |namespace| {
                namespace["status"] = json!({"phase": "Active"});
            });
        }
        pass.create(
            "/serviceaccounts",
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}),
        );
        pass.create(
            "/configmaps",
            json!({
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "kube-root-ca.crt", "namespace": name},
                "data": {"ca.crt": "sandbox"},
            }),
        );
    }
}

/// Deletes what is in a namespace; the namespace goes when nothing is left.
fn empty(pass: &mut Pass<'_>, namespace: &serde_json::Value, name: &str) {
    if text(namespace, "/status/phase") != "Terminating" {
        pass.update("/namespaces", namespace, |namespace| {
            namespace["status"]["phase"] = "Terminating".into();
        });
    }
    let mut left = false;
    for resource in pass.state.store.resources() {
        let inside: Vec<_> = pass
            .state
            .store
            .within(&resource, name)
            .map(|(_, object)| std::sync::Arc::clone(object))
            .collect();
        for object in inside {
            left = true;
            if !terminating(&object) {
                pass.delete(&resource, &object);
            }
        }
    }
    if !left && list(namespace, "/metadata/finalizers").is_empty() {
        pass.remove("/namespaces", namespace);
    }
}
