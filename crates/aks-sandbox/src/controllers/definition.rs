//! CustomResourceDefinitions: names accepted, established.

use serde_json::{Value, json};

use super::pass::{Pass, list, set_condition, terminating, text};

/// How long the API server takes, milliseconds.
const ESTABLISHING: i64 = 30;
const RESOURCE: &str = "apiextensions.k8s.io/customresourcedefinitions";

/// Whether a definition is served.
pub(crate) fn established(definition: &Value) -> bool {
    list(definition, "/status/conditions")
        .iter()
        .any(|condition| {
            text(condition, "/type") == "Established" && text(condition, "/status") == "True"
        })
}

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    for definition in pass.all(RESOURCE) {
        if terminating(&definition) {
            empty(pass, &definition);
        } else if !established(&definition) && pass.due(&definition, "establishing", ESTABLISHING) {
            establish(pass, &definition);
        }
    }
}

fn establish(pass: &mut Pass<'_>, definition: &Value) {
    let now = pass.timestamp();
    let mut conditions = list(definition, "/status/conditions").to_vec();
    set_condition(
        &mut conditions,
        "NamesAccepted",
        "True",
        "NoConflicts",
        "no conflicts found",
        &now,
    );
    set_condition(
        &mut conditions,
        "Established",
        "True",
        "InitialNamesAccepted",
        "the initial names have been accepted",
        &now,
    );
    let stored: Vec<_> = list(definition, "/spec/versions")
        .iter()
        .filter(|version| version["storage"] == true)
        .map(|version| version["name"].clone())
        .collect();
    let status = json!({
        "acceptedNames": definition["spec"]["names"],
        "conditions": conditions,
        "storedVersions": stored,
    });
    pass.set_status(RESOURCE, definition, status);
}

/// Deletes the objects of a definition that goes; it goes when none is left.
fn empty(pass: &mut Pass<'_>, definition: &Value) {
    let resource = format!(
        "{}/{}",
        text(definition, "/spec/group"),
        text(definition, "/spec/names/plural")
    );
    let objects = pass.all(&resource);
    if objects.is_empty() {
        pass.update(RESOURCE, definition, |definition| {
            if let Some(finalizers) = definition["metadata"]["finalizers"].as_array_mut() {
                finalizers.retain(|known| known != "customresourcecleanup.apiextensions.k8s.io");
            }
        });
    }
    for object in objects {
        if !terminating(&object) {
            pass.delete(&resource, &object);
        }
    }
}
