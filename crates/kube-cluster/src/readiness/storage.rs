//! Volumes and claims: phases.

use converge::Readiness;

use super::one_line;
use crate::Object;

pub(super) fn claim(object: &Object) -> Readiness {
    match object.text("/status/phase") {
        Some("Bound") => Readiness::Current(match object.text("/spec/volumeName") {
            Some(volume) => format!("bound to {volume}"),
            None => "bound".into(),
        }),
        Some("Lost") => Readiness::Failed(match object.text("/spec/volumeName") {
            Some(volume) => format!("its volume {volume} is gone"),
            None => "its volume is gone".into(),
        }),
        _ => Readiness::InProgress("not bound yet".into()),
    }
}

pub(super) fn volume(object: &Object) -> Readiness {
    match object.text("/status/phase") {
        Some("Available") => Readiness::Current("available".into()),
        Some("Bound") => Readiness::Current(match object.text("/spec/claimRef/name") {
            Some(claim) => format!("bound to {claim}"),
            None => "bound".into(),
        }),
        Some("Released") => Readiness::Failed(
            "released: its claim was deleted, and no other can bind it until `spec.claimRef` is removed"
                .into(),
        ),
        Some("Failed") => Readiness::Failed(one_line(
            object.text("/status/message").unwrap_or("its reclamation failed"),
        )),
        _ => Readiness::InProgress("not available yet".into()),
    }
}
