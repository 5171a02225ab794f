//! [`Store`]: Kubernetes objects by resource and name, with one revision counter and the changes
//! watches replay. It owns revisions; it refuses to look into objects beyond their metadata.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

/// How many changes are kept for watches; older positions are answered 410.
const KEPT_CHANGES: usize = 20_000;

/// Which object, within a resource: namespace (empty for cluster-scoped) and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// Names an object.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was created.
    Added,
    /// It was changed.
    Modified,
    /// It was removed.
    Deleted,
}

/// One change.
#[derive(Debug, Clone)]
pub struct Change {
    /// The revision it got.
    pub revision: u64,
    /// `group/plural`, the core group being empty: `/pods`, `apps/deployments`.
    pub resource: String,
    /// What happened.
    pub kind: ChangeKind,
    /// The object after it; for a removal, the last state with the removal's revision.
    pub object: Arc<Value>,
    /// The object before it.
    pub previous: Option<Arc<Value>>,
}

/// The objects.
#[derive(Debug, Clone, Default)]
pub struct Store {
    revision: u64,
    compacted: u64,
    objects: BTreeMap<String, BTreeMap<Key, Arc<Value>>>,
    changes: VecDeque<Change>,
}

impl Store {
    /// A store whose past is unknown: objects as they were saved at `revision`.
    pub fn restored(revision: u64, objects: BTreeMap<String, BTreeMap<Key, Arc<Value>>>) -> Self {
        Self {
            revision,
            compacted: revision,
            objects,
            changes: VecDeque::new(),
        }
    }

    /// The newest revision.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The oldest revision a watch can continue from.
    pub fn oldest(&self) -> u64 {
        self.compacted
    }

    /// Forgets the changes up to now, as etcd's compaction does.
    pub fn compact(&mut self) {
        self.changes.clear();
        self.compacted = self.revision;
    }

    /// One object.
    pub fn get(&self, resource: &str, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(resource)?.get(key)
    }

    /// All objects of a resource by namespace and name.
    pub fn all(&self, resource: &str) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.get(resource).into_iter().flatten()
    }

    /// The objects of one namespace.
    pub fn within<'a>(
        &'a self,
        resource: &str,
        namespace: &str,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        let from = Key::new(namespace, "");
        let namespace = namespace.to_owned();
        self.objects
            .get(resource)
            .into_iter()
            .flat_map(move |objects| objects.range(from.clone()..))
            .take_while(move |(key, _)| key.namespace == namespace)
    }

    /// The resources that have objects.
    pub fn resources(&self) -> Vec<String> {
        self.objects
            .iter()
            .filter(|(_, objects)| !objects.is_empty())
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Creates or replaces an object under a new revision, which it gets as its
    /// `metadata.resourceVersion`.
    pub fn put(&mut self, resource: &str, key: Key, mut object: Value) -> Arc<Value> {
        let revision = self.stamp(&mut object);
        let object = Arc::new(object);
        let previous = self
            .objects
            .entry(resource.to_owned())
            .or_default()
            .insert(key, Arc::clone(&object));
        let kind = if previous.is_some() {
            ChangeKind::Modified
        } else {
            ChangeKind::Added
        };
        self.record(Change {
            revision,
            resource: resource.to_owned(),
            kind,
            object: Arc::clone(&object),
            previous,
        });
        object
    }

    /// Removes an object; its last state carries the removal's revision.
    pub fn remove(&mut self, resource: &str, key: &Key) -> Option<Arc<Value>> {
        let previous = self.objects.get_mut(resource)?.remove(key)?;
        let mut last = Value::clone(&previous);
        let revision = self.stamp(&mut last);
        let last = Arc::new(last);
        self.record(Change {
            revision,
            resource: resource.to_owned(),
            kind: ChangeKind::Deleted,
            object: Arc::clone(&last),
            previous: Some(previous),
        });
        Some(last)
    }

    /// The changes after a revision; `None` when it is older than what is kept.
    pub fn after(&self, revision: u64) -> Option<impl Iterator<Item = &Change>> {
        if revision < self.compacted {
            return None;
        }
        let from = self
            .changes
            .partition_point(|change| change.revision <= revision);
        Some(self.changes.range(from..))
    }

    fn stamp(&mut self, object: &mut Value) -> u64 {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = Value::String(self.revision.to_string());
        self.revision
    }

    fn record(&mut self, change: Change) {
        self.changes.push_back(change);
        while self.changes.len() > KEPT_CHANGES {
            if let Some(dropped) = self.changes.pop_front() {
                self.compacted = dropped.revision;
            }
        }
    }
}
