//! Whose an object is: the label and annotations Helm puts on live objects. It owns marks and
//! Helm's sentences about them; it refuses to adopt anything.
//!
//! Source: `pkg/action/validate.go` of Helm v4.2.

use kube_cluster::Object;

use crate::ReleaseId;
use crate::stages::Operation;

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const RELEASE_NAME: &str = "meta.helm.sh/release-name";
const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";

/// Marks an object as a release's. The stored manifest stays without these marks.
pub(crate) fn stamp(object: &mut Object, release: &ReleaseId) {
    object.set_label(MANAGED_BY, "Helm");
    object.set_annotation(RELEASE_NAME, release.name.as_str());
    object.set_annotation(RELEASE_NAMESPACE, &release.namespace);
}

/// Why a live object is not the release's, in Helm's words; `None` if it is.
pub(crate) fn objection(live: &Object, release: &ReleaseId) -> Option<String> {
    let wanted = [
        ("label", MANAGED_BY, live.label(MANAGED_BY), "Helm"),
        (
            "annotation",
            RELEASE_NAME,
            live.annotation(RELEASE_NAME),
            release.name.as_str(),
        ),
        (
            "annotation",
            RELEASE_NAMESPACE,
            live.annotation(RELEASE_NAMESPACE),
            release.namespace.as_str(),
        ),
    ];
    let problems: Vec<String> = wanted
        .into_iter()
        .filter_map(|(what, key, found, wanted)| match found {
            Some(found) if found == wanted => None,
            Some(found) => Some(format!(
                "{what} validation error: key \"{key}\" must equal \"{wanted}\": current value is \"{found}\""
            )),
            None => Some(format!(
                "{what} validation error: missing key \"{key}\": must be set to \"{wanted}\""
            )),
        })
        .collect();
    if problems.is_empty() {
        return None;
    }
    Some(format!(
        "{} \"{}\" in namespace \"{}\" exists and cannot be imported into the current release: invalid ownership metadata; {}",
        live.kind().kind,
        live.name(),
        live.namespace().unwrap_or_default(),
        problems.join("; ")
    ))
}

/// [`objection`], as the refusal of a run.
pub(crate) fn refusal(live: &Object, release: &ReleaseId, operation: Operation) -> Option<String> {
    let context = match operation {
        Operation::Install => "unable to continue with install",
        _ => "unable to continue with update",
    };
    objection(live, release).map(|objection| format!("{context}: {objection}"))
}

/// Whether an object wants to stay when its release goes: `helm.sh/resource-policy: keep`.
pub(crate) fn is_kept(object: &Object) -> bool {
    object
        .annotation("helm.sh/resource-policy")
        .is_some_and(|policy| policy.trim().eq_ignore_ascii_case("keep"))
}

#[cfg(test)]
mod tests {
    use kube_cluster::ObjectRef;

    use super::*;
    use crate::ReleaseName;

    #[test]
    fn the_objection_is_helm_s_sentence() {
        let release = ReleaseId::new(ReleaseName::parse("r").unwrap(), "ns");
        let mut object = Object::named(&ObjectRef::namespaced("v1", "Secret", "ns", "s"));
        object.set_annotation(RELEASE_NAME, "x");
        object.set_annotation(RELEASE_NAMESPACE, "ns");
        assert_eq!(
            objection(&object, &release).unwrap(),
            "Secret \"s\" in namespace \"ns\" exists and cannot be imported into the current release: invalid ownership metadata; label validation error: missing key \"app.kubernetes.io/managed-by\": must be set to \"Helm\"; annotation validation error: key \"meta.helm.sh/release-name\" must equal \"r\": current value is \"x\""
        );
        stamp(&mut object, &release);
        assert_eq!(objection(&object, &release), None);
    }
}
