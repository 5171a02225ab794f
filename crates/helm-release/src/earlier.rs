//! [`Earlier`]: what earlier revisions declared and may have left. It owns the choice of revisions
//! that count, and what becomes of an object nobody declares any more; it refuses to delete.

use std::collections::BTreeSet;

use kube_cluster::{Object, ObjectRef};

use crate::error::ReleaseErrorKind;
use crate::manifest::{self, Scopes};
use crate::storage::Stored;
use crate::{ReleaseId, Revision, Status, ownership};

/// What earlier revisions declared that may still be there: the deployed one, and every one after
/// it that failed or is pending.
pub(crate) struct Earlier {
    manifests: Vec<Vec<Object>>,
}

impl Earlier {
    /// Reads them; `own` is left out.
    pub(crate) fn read(
        history: &[Stored],
        own: Option<Revision>,
        scopes: &Scopes,
        namespace: &str,
    ) -> Result<Self, ReleaseErrorKind> {
        let deployed = newest(history, Status::Deployed).map(|stored| stored.revision);
        let relevant = history.iter().filter(|stored| {
            Some(stored.revision) != own
                && deployed.is_none_or(|deployed| stored.revision >= deployed)
                && stored.status != Status::Uninstalled
                && !(deployed.is_none() && stored.status == Status::Superseded)
        });
        let mut manifests = Vec::new();
        for stored in relevant {
            let objects = manifest::objects(&stored.record()?.manifest, scopes, namespace)?;
            manifests.push(objects.into_iter().map(|one| one.object).collect());
        }
        Ok(Self { manifests })
    }

    /// Their objects, each once.
    pub(crate) fn references(&self) -> Vec<ObjectRef> {
        let all: BTreeSet<ObjectRef> = self
            .manifests
            .iter()
            .flatten()
            .filter(|object| !object.name().is_empty())
            .map(Object::reference)
            .collect();
        all.into_iter().collect()
    }

    /// Whether one of them is this object.
    pub(crate) fn has(&self, target: &ObjectRef) -> bool {
        let mut all = self.manifests.iter().flatten();
        all.any(|object| is_same_object(&object.reference(), target))
    }

    /// Whether every earlier manifest that declares an object declares it exactly so.
    pub(crate) fn declares(&self, object: &Object) -> bool {
        let target = object.reference();
        let mut found = self
            .manifests
            .iter()
            .flatten()
            .filter(|earlier| earlier.reference() == target)
            .peekable();
        found.peek().is_some() && found.all(|earlier| earlier == object)
    }
}

/// An object that is no longer declared.
#[derive(Debug, Clone)]
pub(crate) struct Deletion {
    /// The object as it is.
    pub live: Object,
    /// Why it stays, if it does.
    pub kept: Option<&'static str>,
}

/// What is to be done about an object that is no longer declared.
pub(crate) fn deletion(live: &Object, release: &ReleaseId) -> Deletion {
    let kept = if ownership::is_kept(live) {
        Some("its resource policy is keep")
    } else if ownership::objection(live, release).is_some() {
        Some("it is not this release's any more")
    } else {
        None
    };
    Deletion {
        live: live.clone(),
        kept,
    }
}

/// Whether two references mean one object: the same name of a kind in any version.
pub(crate) fn is_same_object(a: &ObjectRef, b: &ObjectRef) -> bool {
    (&a.name, &a.namespace, &a.kind.kind, a.kind.group())
        == (&b.name, &b.namespace, &b.kind.kind, b.kind.group())
}

/// The newest revision of a status.
pub(crate) fn newest(history: &[Stored], status: Status) -> Option<&Stored> {
    history.iter().rev().find(|stored| stored.status == status)
}
