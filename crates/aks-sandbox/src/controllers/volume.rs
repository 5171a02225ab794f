//! PersistentVolumes and claims: binding, provisioning, release. This file owns phases and the
//! reasons a claim waits.
//!
//! As Kubernetes' controller, it does not look at an unbound claim that names its volume because the
//! volume has come or changed: only when the claim itself changes, and once a round. And its two workers
//! get into each other's way when such a claim is bound: the claim's writes the reference into the
//! volume and then gives up over the phase that the volume's has written meanwhile. There it happens
//! about every second time, here each time.

use std::sync::Arc;

use serde_json::{Value, json};

use super::pass::{Pass, list, terminating, text};

/// How long a provisioner takes, milliseconds.
const PROVISIONING: i64 = 30;
/// How often every claim is looked at, milliseconds. Source: Kubernetes,
/// `--pvclaimbinder-sync-period`.
const ROUND: i64 = 15_000;
/// The annotation of the default class.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    for volume in pass.all("/persistentvolumes") {
        keep(pass, &volume);
    }
    for claim in pass.all("/persistentvolumeclaims") {
        if terminating(&claim) {
            release(pass, &claim);
        } else if text(&claim, "/status/phase") != "Bound" {
            bind(pass, &claim);
        }
    }
}

/// A new volume is available; one whose claim is gone is released.
fn keep(pass: &mut Pass<'_>, volume: &Value) {
    let uid = text(volume, "/spec/claimRef/uid").to_owned();
    let phase = if uid.is_empty() {
        "Available"
    } else {
        let claim = pass.get(
            "/persistentvolumeclaims",
            text(volume, "/spec/claimRef/namespace"),
            text(volume, "/spec/claimRef/name"),
        );
        match claim {
            Some(claim) if text(&claim, "/metadata/uid") == uid => "Bound",
            _ => "Released",
        }
    };
    if terminating(volume) && phase != "Bound" {
        pass.update("/persistentvolumes", volume, |volume| {
            drop_finalizer(volume, "kubernetes.io/pv-protection");
        });
    } else if phase == "Released" && text(volume, "/spec/persistentVolumeReclaimPolicy") == "Delete"
    {
        pass.remove("/persistentvolumes", volume);
    } else if text(volume, "/status/phase") != phase {
        pass.update("/persistentvolumes", volume, |volume| {
            volume["status"]["phase"] = phase.into();
        });
    }
}

/// A deleted claim goes once no pod uses it.
fn release(pass: &mut Pass<'_>, claim: &Value) {
    let name = text(claim, "/metadata/name");
    let used = pass
        .state
        .store
        .within("/pods", text(claim, "/metadata/namespace"))
        .any(|(_, pod)| {
            list(pod, "/spec/volumes")
                .iter()
                .any(|volume| text(volume, "/persistentVolumeClaim/claimName") == name)
        });
    if !used {
        pass.update("/persistentvolumeclaims", claim, |claim| {
            drop_finalizer(claim, "kubernetes.io/pvc-protection");
        });
    }
}

fn drop_finalizer(object: &mut Value, finalizer: &str) {
    if let Some(finalizers) = object["metadata"]["finalizers"].as_array_mut() {
        finalizers.retain(|known| known != finalizer);
    }
}

fn bind(pass: &mut Pass<'_>, claim: &Value) {
    let (namespace, name) = (
        text(claim, "/metadata/namespace").to_owned(),
        text(claim, "/metadata/name").to_owned(),
    );
    if claim.pointer("/status/phase").is_none() {
        pass.update("/persistentvolumeclaims", claim, |claim| {
            claim["status"] = json!({"phase": "Pending"});
        });
    }
    if pass
        .state
        .faults
        .unbound_claims
        .contains(&format!("{namespace}/{name}"))
    {
        pass.event(
            claim,
            true,
            "ProvisioningFailed",
            "no persistent volumes available for this claim and no storage class is set",
            "persistentvolume-controller",
        );
        return;
    }
    let wanted = text(claim, "/spec/volumeName").to_owned();
    if wanted.is_empty() {
        provision(pass, claim);
        return;
    }
    if !pass.due(claim, "binding", PROVISIONING) || !pass.queued(claim, "volume controller", ROUND)
    {
        return;
    }
    match pass.get("/persistentvolumes", "", &wanted) {
        None => pass.event(
            claim,
            true,
            "FailedBinding",
            &format!("volume \"{wanted}\" not found"),
            "persistentvolume-controller",
        ),
        Some(volume) => match obstacle(&volume, claim) {
            Some(message) => pass.event(
                claim,
                true,
                "VolumeMismatch",
                &message,
                "persistentvolume-controller",
            ),
            None if text(&volume, "/spec/claimRef/uid").is_empty() => reserve(pass, &volume, claim),
            None => finish(pass, &volume, claim),
        },
    }
}

/// Why a named volume and a claim do not go together.
fn obstacle(volume: &Value, claim: &Value) -> Option<String> {
    let name = text(volume, "/metadata/name");
    let holder = text(volume, "/spec/claimRef/uid");
    if !holder.is_empty() && holder != text(claim, "/metadata/uid") {
        return Some(format!(
            "volume \"{name}\" already bound to a different claim."
        ));
    }
    if text(volume, "/spec/storageClassName") != text(claim, "/spec/storageClassName") {
        return Some(format!(
            "Cannot bind to requested volume \"{name}\": storageClassName does not match"
        ));
    }
    let modes = list(volume, "/spec/accessModes");
    if !list(claim, "/spec/accessModes")
        .iter()
        .all(|mode| modes.contains(mode))
    {
        return Some(format!(
            "Cannot bind to requested volume \"{name}\": incompatible accessMode"
        ));
    }
    let size = |object: &Value, pointer: &str| bytes(text(object, pointer));
    if size(volume, "/spec/capacity/storage") < size(claim, "/spec/resources/requests/storage") {
        return Some(format!(
            "Cannot bind to requested volume \"{name}\": requested PV is too small"
        ));
    }
    None
}

/// A size in bytes, for comparison.
fn bytes(text: &str) -> u128 {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u128 = match &text[digits.len()..] {
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        _ => 1,
    };
    digits.parse::<u128>().unwrap_or(0).saturating_mul(factor)
}

/// The volume's half of a binding.
fn reserve(pass: &mut Pass<'_>, volume: &Value, claim: &Value) {
    let reference = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": claim["metadata"]["namespace"],
        "name": claim["metadata"]["name"],
        "uid": claim["metadata"]["uid"],
    });
    pass.update("/persistentvolumes", volume, |volume| {
        volume["spec"]["claimRef"] = reference;
        volume["status"]["phase"] = "Bound".into();
    });
}

/// The claim's half.
fn finish(pass: &mut Pass<'_>, volume: &Value, claim: &Value) {
    let volume_name = volume["metadata"]["name"].clone();
    pass.update("/persistentvolumeclaims", claim, |claim| {
        claim["spec"]["volumeName"] = volume_name;
        claim["status"] = json!({
            "phase": "Bound",
            "accessModes": volume["spec"]["accessModes"],
            "capacity": volume["spec"]["capacity"],
        });
        claim["metadata"]["annotations"]["pv.kubernetes.io/bind-completed"] = "yes".into();
    });
}

/// Makes a volume for a claim that names none.
fn provision(pass: &mut Pass<'_>, claim: &Value) {
    let classes = pass.all("storage.k8s.io/storageclasses");
    let wanted = claim
        .pointer("/spec/storageClassName")
        .and_then(Value::as_str);
    let class: Option<&Arc<Value>> = classes.iter().find(|class| match wanted {
        Some(name) => text(class, "/metadata/name") == name,
        None => class
            .pointer("/metadata/annotations")
            .and_then(|known| known.get(DEFAULT_CLASS))
            .is_some_and(|value| value == "true"),
    });
    let Some(class) = class else {
        let message = match wanted {
            Some(name) => format!("storageclass.storage.k8s.io \"{name}\" not found"),
            None => "no persistent volumes available for this claim and no storage class is set"
                .to_owned(),
        };
        pass.event(
            claim,
            true,
            "ProvisioningFailed",
            &message,
            "persistentvolume-controller",
        );
        return;
    };
    if !pass.due(claim, "provisioning", PROVISIONING) {
        return;
    }
    let name = format!("pvc-{}", text(claim, "/metadata/uid"));
    let policy = match text(class, "/reclaimPolicy") {
        "" => "Delete",
        policy => policy,
    };
    pass.create(
        "/persistentvolumes",
        json!({
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": class["provisioner"]}},
            "spec": {
                "accessModes": claim["spec"]["accessModes"],
                "capacity": claim["spec"]["resources"]["requests"],
                "csi": {"driver": class["provisioner"], "volumeHandle": name},
                "persistentVolumeReclaimPolicy": policy,
                "storageClassName": class["metadata"]["name"],
            },
            "status": {"phase": "Available"},
        }),
    );
    if let Some(volume) = pass.get("/persistentvolumes", "", &name) {
        if wanted.is_none() {
            let class_name = class["metadata"]["name"].clone();
            pass.update("/persistentvolumeclaims", claim, |claim| {
                claim["spec"]["storageClassName"] = class_name;
            });
        }
        reserve(pass, &volume, claim);
        finish(pass, &volume, claim);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_compare_across_units() {
        assert!(bytes("5Gi") > bytes("5G"));
        assert_eq!(bytes("1024Mi"), bytes("1Gi"));
        assert_eq!(bytes("10"), 10);
    }
}
