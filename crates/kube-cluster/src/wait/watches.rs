//! [`Watches`]: the watches of several waits, one per kind and namespace. It owns what they have
//! told; it refuses to judge it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use futures::stream::{AbortHandle, SelectAll, abortable};

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
    /// Whether nobody has listened for a while: what it has told may be old, what it will tell is not.
    is_old: bool,
    end: Option<AbortHandle>,
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

    /// No watch yet; where one object of a kind is waited for, it alone is followed.
    pub fn of_single_objects(cluster: Arc<dyn Cluster>) -> Self {
        Self {
            by_name: true,
            ..Self::new(cluster)
        }
    }

    /// Does `work` while the kinds of these objects come to be followed: what a write brings about is
    /// seen as soon as it happens, and a wait that comes after it need not begin by asking.
    ///
    /// # Cancellation
    /// As `work`; the watches stay.
    pub async fn beside<T>(
        &mut self,
        objects: impl IntoIterator<Item = ObjectRef>,
        work: impl Future<Output = T>,
    ) -> T {
        let targets: Vec<Target> = objects.into_iter().map(Target::ready).collect();
        // What follows a write is enough, which an old watch tells, too.
        for group in self
            .groups_of(&targets.iter().collect::<Vec<_>>())
            .into_keys()
        {
            self.open(group, false, false);
        }
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                // What cannot be followed is for the wait to tell.
                _ = self.next() => {}
            }
        }
    }

    /// The cluster they are in.
    pub fn cluster(&self) -> &Arc<dyn Cluster> {
        &self.cluster
    }

    /// The same for waits of a later time: watches stay open, and what they have told so far counts only
    /// beside what a write has answered since.
    #[must_use]
    pub fn for_later(mut self) -> Self {
        for held in self.groups.values_mut() {
            held.is_old = true;
        }
        self
    }

    /// Follows the kinds of these targets, if they are not followed yet.
    pub(super) fn follow(&mut self, targets: &[&Target]) {
        for (group, targets) in self.groups_of(targets) {
            let absence_matters = targets
                .iter()
                .any(|target| matches!(target.until, Until::Gone));
            // An old watch tells what comes after a write, and not what there is.
            if absence_matters || targets.iter().any(|target| target.seen.is_none()) {
                self.close_old(&group);
            }
            self.open(group, absence_matters, false);
        }
    }

    /// What is followed together.
    fn groups_of<'a>(&self, targets: &[&'a Target]) -> BTreeMap<Group, Vec<&'a Target>> {
        let mut wanted: BTreeMap<(Kind, Option<String>), Vec<&Target>> = BTreeMap::new();
        for &target in targets {
            let object = &target.object;
            let place = (object.kind.clone(), object.namespace.clone());
            wanted.entry(place).or_default().push(target);
        }
        let group = |((kind, namespace), targets): (_, Vec<&'a Target>)| {
            let name = match targets.as_slice() {
                [one] if self.by_name => Some(one.object.name.clone()),
                _ => None,
            };
            let group = Group {
                kind,
                namespace,
                name,
            };
            (group, targets)
        };
        wanted.into_iter().map(group).collect()
    }

    fn open(&mut self, group: Group, listing: bool, is_courtesy: bool) {
        if self.groups.contains_key(&group) {
            return;
        }
        let changes = follow(Arc::clone(&self.cluster), group.clone(), listing);
        let (changes, end) = abortable(changes);
        self.opened().push(changes.boxed());
        let held = Held {
            is_courtesy,
            end: Some(end),
            ..Held::default()
        };
        self.groups.insert(group, held);
    }

    fn close_old(&mut self, group: &Group) {
        if self.groups.get(group).is_some_and(|held| held.is_old)
            && let Some(end) = self.groups.remove(group).and_then(|held| held.end)
        {
            end.abort();
        }
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

    /// The last state of a target, or that it is not there; `None` if that is not known.
    #[expect(
        clippy::option_option,
        reason = "what is not known differs from what is known not to be there"
    )]
    pub(super) fn held(&self, target: &Target) -> Option<Option<&Object>> {
        let object = &target.object;
        self.groups
            .iter()
            .filter(|(_, held)| !held.is_old || target.seen.is_some())
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
