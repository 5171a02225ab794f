//! [`Watches`]: the watches of several waits, one per kind and namespace. It owns what they have
//! told; it refuses to judge it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use futures::stream::SelectAll;

use super::follow::{Changes, Group, Seen, follow};
use super::{Target, Until};
use crate::{Cluster, ClusterError, Kind, Object, ObjectRef};

/// Watches that outlast one wait: [`wait_on`](super::wait_on) opens what it needs and leaves it open
/// for the next. They move only while a wait is polled.
///
/// # Cancellation
/// Dropping it ends the watches.
pub struct Watches {
    cluster: Arc<dyn Cluster>,
    groups: BTreeMap<Group, Held>,
    /// Only ever reached exclusively; the lock lets watches be shared between threads.
    changes: Mutex<SelectAll<Changes>>,
    /// Follow one object alone by its name.
    pub(super) by_name: bool,
}

/// What a watch has told so far.
#[derive(Default)]
struct Held {
    objects: BTreeMap<String, Object>,
    /// Whether the server has answered at all.
    answered: bool,
    /// Whether it is only followed for reasons: without the right to read, reasons are less telling.
    is_courtesy: bool,
}

impl Watches {
    /// No watch yet.
    pub fn new(cluster: Arc<dyn Cluster>) -> Self {
        Self {
            cluster,
            groups: BTreeMap::new(),
            changes: Mutex::new(SelectAll::new()),
            by_name: false,
        }
    }

    /// The cluster they are in.
    pub fn cluster(&self) -> &Arc<dyn Cluster> {
        &self.cluster
    }

    /// Follows the kinds of these targets, if they are not followed yet.
    pub(super) fn follow(&mut self, targets: &[&Target]) {
        let mut wanted: BTreeMap<(Kind, Option<String>), Vec<&Target>> = BTreeMap::new();
        for target in targets {
            let object = &target.object;
            let place = (object.kind.clone(), object.namespace.clone());
            wanted.entry(place).or_default().push(target);
        }
        for ((kind, namespace), targets) in wanted {
            let name = match targets.as_slice() {
                [one] if self.by_name => Some(one.object.name.clone()),
                _ => None,
            };
            let absence_matters = targets
                .iter()
                .any(|target| matches!(target.until, Until::Gone));
            let group = Group {
                kind,
                namespace,
                name,
            };
            self.open(group, absence_matters, false);
        }
    }

    fn open(&mut self, group: Group, listing: bool, is_courtesy: bool) {
        if self.groups.contains_key(&group) {
            return;
        }
        let changes = follow(Arc::clone(&self.cluster), group.clone(), listing);
        self.opened().push(changes);
        let held = Held {
            is_courtesy,
            ..Held::default()
        };
        self.groups.insert(group, held);
    }

    /// Follows a kind for reasons; whether the server has answered.
    pub(super) fn reasons(&mut self, kind: &Kind, namespace: Option<String>) -> bool {
        let group = Group {
            kind: kind.clone(),
            namespace,
            name: None,
        };
        self.open(group.clone(), false, true);
        self.groups.get(&group).is_some_and(|held| held.answered)
    }

    /// The last state of an object, or that it is not there; `None` if that is not known.
    #[expect(
        clippy::option_option,
        reason = "what is not known differs from what is known not to be there"
    )]
    pub(super) fn held(&self, object: &ObjectRef) -> Option<Option<&Object>> {
        self.groups
            .iter()
            .find(|(group, held)| group.covers(object) && held.answered)
            .map(|(_, held)| held.objects.get(&object.name))
    }

    /// All objects of a followed kind.
    pub(super) fn all(&self, kind: &Kind, namespace: Option<&str>) -> Vec<&Object> {
        self.groups
            .iter()
            .filter(|(group, _)| group.kind == *kind && group.namespace.as_deref() == namespace)
            .flat_map(|(_, held)| held.objects.values())
            .collect()
    }

    fn opened(&mut self) -> &mut SelectAll<Changes> {
        self.changes
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The next thing seen; never, while nothing is followed.
    pub(super) async fn next(&mut self) -> Result<Seen, ClusterError> {
        loop {
            match self.opened().next().await {
                Some(Ok(seen)) => {
                    self.take(&seen);
                    return Ok(seen);
                }
                Some(Err((group, error))) => {
                    let held = self.groups.entry(group.clone()).or_default();
                    if held.is_courtesy && error.is_denied() {
                        held.answered = true;
                        return Ok(Seen::Opened(group));
                    }
                    // The stream has ended; a later wait may open it again.
                    self.groups.remove(&group);
                    return Err(error);
                }
                None => futures::future::pending::<()>().await,
            }
        }
    }

    fn take(&mut self, seen: &Seen) {
        let held = self.groups.entry(seen.group().clone()).or_default();
        match seen {
            Seen::All(_, items) => {
                held.answered = true;
                held.objects = items
                    .iter()
                    .map(|item| (item.name().to_owned(), item.clone()))
                    .collect();
            }
            Seen::Opened(_) => held.answered = true,
            Seen::Applied(_, item) => {
                held.objects.insert(item.name().to_owned(), item.clone());
            }
            Seen::Deleted(_, item) => {
                held.objects.remove(item.name());
            }
            Seen::Trouble(..) => held.answered |= held.is_courtesy,
        }
    }
}

impl fmt::Debug for Watches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.groups.keys().map(|group| &group.kind))
            .finish()
    }
}
