//! Garbage: objects whose owners are gone, and objects that are to go and are free to.
//!
//! Source: Kubernetes, "Garbage Collection": background, foreground and orphan propagation.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::pass::{Pass, list, owned_by, terminating, text};

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    let resources = pass.state.store.resources();
    let everything: Vec<(String, Arc<Value>)> = resources
        .iter()
        .flat_map(|resource| {
            pass.all(resource)
                .into_iter()
                .map(|object| (resource.clone(), object))
        })
        .collect();
    let uids: BTreeSet<String> = everything
        .iter()
        .map(|(_, object)| text(object, "/metadata/uid").to_owned())
        .collect();
    for (resource, object) in &everything {
        if terminating(object) {
            finish(pass, resource, object, &everything);
        } else {
            let owners = list(object, "/metadata/ownerReferences");
            if !owners.is_empty()
                && owners
                    .iter()
                    .all(|owner| !uids.contains(text(owner, "/uid")))
            {
                pass.delete(resource, object);
            }
        }
    }
}

/// Works off the finalizers of an object that is to go; takes it away when there are none.
fn finish(
    pass: &mut Pass<'_>,
    resource: &str,
    object: &Value,
    everything: &[(String, Arc<Value>)],
) {
    let has = |finalizer: &str| {
        list(object, "/metadata/finalizers")
            .iter()
            .any(|known| known == finalizer)
    };
    if has("orphan") {
        let uid = text(object, "/metadata/uid").to_owned();
        for (kind, dependent) in everything
            .iter()
            .filter(|(_, dependent)| owned_by(dependent, object))
        {
            pass.update(kind, dependent, |dependent| {
                if let Some(owners) = dependent["metadata"]["ownerReferences"].as_array_mut() {
                    owners.retain(|owner| text(owner, "/uid") != uid);
                }
            });
        }
        drop_finalizer(pass, resource, object, "orphan");
    } else if has("foregroundDeletion") {
        let mut left = false;
        for (kind, dependent) in everything
            .iter()
            .filter(|(_, dependent)| owned_by(dependent, object))
        {
            left = true;
            if !terminating(dependent) {
                pass.delete(kind, dependent);
            }
        }
        if !left {
            drop_finalizer(pass, resource, object, "foregroundDeletion");
        }
    } else if list(object, "/metadata/finalizers").is_empty()
        && resource != "/pods"
        && resource != "/namespaces"
    {
        pass.remove(resource, object);
    }
}

fn drop_finalizer(pass: &mut Pass<'_>, resource: &str, object: &Value, finalizer: &str) {
    pass.update(resource, object, |object| {
        if let Some(finalizers) = object["metadata"]["finalizers"].as_array_mut() {
            finalizers.retain(|known| known != finalizer);
        }
    });
}
