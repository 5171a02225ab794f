//! StatefulSets: pods with a name and volumes of their own, one after the other.

use serde_json::{Value, json};

use super::pass::{Pass, list, number, terminating, text};
use super::pod;
use super::replicas::{owned_pods, set_count};
use crate::world::{fnv32, safe_encode};

/// The label that tells revisions apart.
const REVISION: &str = "controller-revision-hash";

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    for set in pass.all("apps/statefulsets") {
        if !terminating(&set) {
            reconcile_one(pass, &set);
        }
    }
}

fn reconcile_one(pass: &mut Pass<'_>, set: &Value) {
    let name = text(set, "/metadata/name").to_owned();
    let wanted = number(set, "/spec/replicas").unwrap_or(1);
    let revision = format!(
        "{name}-{}",
        safe_encode(fnv32(set["spec"]["template"].to_string().as_bytes()))
    );
    let pods = owned_pods(pass, set);
    let of = |ordinal: i64| {
        pods.iter()
            .find(|pod| text(pod, "/metadata/name") == format!("{name}-{ordinal}"))
    };
    let (mut updated, mut ready) = (0, 0);
    for ordinal in 0..wanted {
        let Some(pod) = of(ordinal) else {
            make(pass, set, ordinal, &revision);
            break;
        };
        if terminating(pod) {
            break;
        }
        if text(pod, &format!("/metadata/labels/{REVISION}")) != revision {
            pass.delete("/pods", pod);
            break;
        }
        updated += 1;
        if !pod::ready(pod) {
            break;
        }
        ready += 1;
    }
    for pod in &pods {
        let ordinal: i64 = text(pod, "/metadata/name")
            .rsplit('-')
            .next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        if ordinal >= wanted && !terminating(pod) {
            pass.delete("/pods", pod);
        }
    }
    let complete = updated == wanted && ready == wanted;
    let current = match text(set, "/status/currentRevision") {
        known if !known.is_empty() && !complete => known.to_owned(),
        _ => revision.clone(),
    };
    let mut status = json!({
        "observedGeneration": set["metadata"]["generation"],
        "replicas": pods.iter().filter(|pod| !terminating(pod)).count(),
        "availableReplicas": ready,
        "currentRevision": current,
        "updateRevision": revision,
        "collisionCount": 0,
    });
    set_count(&mut status, "readyReplicas", ready);
    set_count(&mut status, "updatedReplicas", updated);
    set_count(&mut status, "currentReplicas", updated);
    pass.set_status("apps/statefulsets", set, status);
}

/// Makes one pod and, before it, the claims of its templates.
fn make(pass: &mut Pass<'_>, set: &Value, ordinal: i64, revision: &str) {
    let pod_name = format!("{}-{ordinal}", text(set, "/metadata/name"));
    let mut template = set["spec"]["template"].clone();
    template["metadata"]["labels"][REVISION] = revision.into();
    template["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = pod_name.clone().into();
    for claim in list(set, "/spec/volumeClaimTemplates") {
        let volume = text(claim, "/metadata/name");
        let claim_name = format!("{volume}-{pod_name}");
        let mut object = claim.clone();
        object["apiVersion"] = "v1".into();
        object["kind"] = "PersistentVolumeClaim".into();
        object["metadata"]["name"] = claim_name.clone().into();
        object["metadata"]["namespace"] = set["metadata"]["namespace"].clone();
        object["metadata"]["labels"] = set["spec"]["selector"]["matchLabels"].clone();
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        pass.create("/persistentvolumeclaims", object);
        let mount = json!({"name": volume, "persistentVolumeClaim": {"claimName": claim_name}});
        match template["spec"]["volumes"].as_array_mut() {
            Some(volumes) => volumes.push(mount),
            None => template["spec"]["volumes"] = json!([mount]),
        }
    }
    template["spec"]["hostname"] = pod_name.clone().into();
    pod::create(pass, set, &template, &pod_name, None);
}
