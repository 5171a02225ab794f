//! [`RunView`]: a cluster as one run sees it. It owns what several steps ask alike, so that it is
//! asked once; it refuses to hide a change from whoever is about to write.
//!
//! While a run only looks, each question goes out once: equal ones share the answer, also while the
//! first is under way, single objects of kinds that are [gathered](RunView::gather) share one list,
//! and what is in a namespace that is not there needs no question at all. Once it acts, every question goes out again, but for what the server serves: that changes only with
//! definitions, and the run's own are learnt as they are applied. Equal watches are one at any time.

mod shared_watch;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::future::join_all;
use serde_json::Value;
use tokio::sync::OnceCell;

use shared_watch::SharedWatch;

use crate::{
    AccessDecision, AccessQuestion, Applied, ApplyOptions, Cluster, ClusterError, ClusterErrorKind,
    Created, DeleteOptions, Deleted, Discovery, Kind, Object, ObjectList, ObjectRef, Query,
    Replaced, Resource, TokenGrant, TokenQuestion, WatchStream, WriteOptions,
};

/// A cluster as one run sees it.
pub struct RunView {
    inner: Arc<dyn Cluster>,
    acts: AtomicBool,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    objects: HashMap<ObjectRef, Arc<OnceCell<Option<Object>>>>,
    lists: HashMap<Query, Arc<OnceCell<ObjectList>>>,
    discovery: Arc<OnceCell<Discovery>>,
    /// Watches from the start, which several waits may follow.
    watches: HashMap<Query, Arc<tokio::sync::Mutex<SharedWatch>>>,
    /// The lists that answer for single objects of their kind and namespace.
    gathered: Vec<Query>,
    /// Lists that are a part of another, which is asked for instead: the part, the whole, and the label
    /// and value that make the difference.
    parts: HashMap<Query, (Query, String, String)>,
    /// Objects that a list no longer answers for: a probe has shown another version.
    moved: HashSet<ObjectRef>,
    /// Namespaces this run has made sure of.
    made: Vec<String>,
}

impl RunView {
    /// A view that only looks, until [`act`](Self::act).
    pub fn new(inner: Arc<dyn Cluster>) -> Self {
        Self {
            inner,
            acts: AtomicBool::new(false),
            known: Mutex::default(),
        }
    }

    /// From now on the run acts: questions go out again.
    pub fn act(&self) {
        self.acts.store(true, Ordering::Release);
        let mut known = self.known();
        known.objects.clear();
        known.lists.clear();
        known.gathered.clear();
        known.parts.clear();
    }

    /// While the run looks, lists that select one value of a label each are answered by one list of all
    /// of these values: for questions that differ in nothing else. `rest` is what all of them select.
    pub fn gather_by_label(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        rest: &str,
        label: &str,
        values: &[String],
    ) {
        let all = || Query::all(kind.clone(), namespace.map(str::to_owned));
        let whole = all().with_labels(format!("{rest},{label} in ({})", values.join(",")));
        let parts = values.iter().map(|value| {
            let part = all().with_labels(format!("{rest},{label}={value}"));
            (part, (whole.clone(), label.to_owned(), value.clone()))
        });
        self.known().parts.extend(parts);
    }

    /// While the run looks, questions after single objects of this list's kind and namespace are
    /// answered by the list: for kinds of which several objects will be asked for. What the list's
    /// selectors leave out must not be asked for. Without the right to list, each object is read.
    pub fn gather(&self, list: Query) {
        self.known().gathered.push(list);
    }

    /// Asks for the lists that gather, before anybody needs them: those of a namespace as soon as it is
    /// known to be there. Whoever needs one meanwhile waits for the same answer; one that cannot be had
    /// is asked for again by whoever needs it.
    ///
    /// # Cancellation
    /// What is under way is asked for again by whoever needs it. Nobody must wait for what this asks
    /// for while it is not polled.
    pub async fn look_ahead(&self) {
        if self.acts() {
            return;
        }
        let lists = {
            let known = self.known();
            let wholes = known.parts.values().map(|(whole, ..)| whole);
            let lists: HashSet<Query> = known.gathered.iter().chain(wholes).cloned().collect();
            lists
        };
        let ask = |list: Query| async move {
            if let Some(namespace) = &list.namespace {
                let namespace = ObjectRef::cluster_wide("v1", "Namespace", namespace);
                if !matches!(self.get(namespace).await, Ok(Some(_))) {
                    return;
                }
            }
            // Another error is told to whoever asks again.
            if self
                .listed(list.clone())
                .await
                .is_err_and(|error| error.is_denied())
            {
                self.known().gathered.retain(|one| *one != list);
            }
        };
        join_all(lists.into_iter().map(ask)).await;
    }

    /// What an open watch of all objects of a kind has told so far, without a question; `None` where
    /// none is open. It is a hint: a list that is asked for now would be newer.
    pub fn told(&self, kind: &Kind, namespace: &str) -> Option<Vec<Object>> {
        let query = Query::all(kind.clone(), Some(namespace.to_owned()));
        let watch = self.known().watches.get(&query).cloned()?;
        // One that is being opened has told nothing.
        let watch = watch.try_lock().ok()?;
        watch.told()
    }

    /// The list that answers for an object.
    fn gathering(&self, target: &ObjectRef) -> Option<Query> {
        let known = self.known();
        let covers = |list: &&Query| list.kind == target.kind && list.namespace == target.namespace;
        let found = known.gathered.iter().find(covers)?;
        (!known.moved.contains(target)).then(|| found.clone())
    }

    /// A list that goes out once.
    async fn listed(&self, query: Query) -> Result<Arc<OnceCell<ObjectList>>, ClusterError> {
        let cell = cell(&mut self.known().lists, query.clone());
        cell.get_or_try_init(|| self.inner.list(query)).await?;
        Ok(cell)
    }

    fn acts(&self) -> bool {
        self.acts.load(Ordering::Acquire)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a namespace was looked for and is not there.
    fn is_absent(&self, namespace: Option<&str>) -> bool {
        let Some(namespace) = namespace.filter(|_| !self.acts()) else {
            return false;
        };
        let target = ObjectRef::cluster_wide("v1", "Namespace", namespace);
        let known = self.known();
        let looked = known.objects.get(&target);
        looked.is_some_and(|cell| matches!(cell.get(), Some(None)))
    }

    /// Forgets an object whose version a probe has shown to be another by now.
    fn forget_older(&self, probed: &Object) {
        let target = probed.reference();
        let mut known = self.known();
        let is_older = known.objects.get(&target).is_some_and(|cell| {
            let found = cell.get().and_then(Option::as_ref);
            found.is_some_and(|found| found.resource_version() != probed.resource_version())
        });
        if is_older {
            known.objects.remove(&target);
        }
        // A list is older than whatever is probed after it.
        known.moved.insert(target);
    }

    fn missing(&self, verb: &'static str, target: &ObjectRef) -> Option<ClusterError> {
        let namespace = target.namespace.as_deref();
        self.is_absent(namespace).then(|| {
            let kind = ClusterErrorKind::NamespaceMissing(namespace.unwrap_or_default().to_owned());
            ClusterError::about(verb, target, kind)
        })
    }

    /// Learns from a write what is served from now on. A definition that is gone, or an API of
    /// another server, is a reason to ask again.
    fn learn(&self, kind: &Kind, written: Option<&Object>) {
        let mut known = self.known();
        match (kind.kind.as_str(), written) {
            ("Namespace", Some(object)) => known.made.push(object.name().to_owned()),
            ("CustomResourceDefinition", Some(object)) => {
                let Some(discovery) = known.discovery.get() else {
                    return;
                };
                let mut discovery = discovery.clone();
                for resource in Resource::of_definition(object) {
                    let is_new = !discovery
                        .resources
                        .iter()
                        .any(|one| one.kind == resource.kind);
                    if is_new {
                        discovery.resources.push(resource);
                    }
                }
                known.discovery = Arc::new(OnceCell::new_with(Some(discovery)));
            }
            ("CustomResourceDefinition" | "APIService", _) => {
                known.discovery = Arc::default();
            }
            _ => {}
        }
    }
}

/// The cell of a question, which whoever comes first fills.
fn cell<K: Eq + Hash, V>(cells: &mut HashMap<K, Arc<OnceCell<V>>>, key: K) -> Arc<OnceCell<V>> {
    Arc::clone(cells.entry(key).or_default())
}

impl fmt::Debug for RunView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunView({:?})", self.inner)
    }
}

#[async_trait]
impl Cluster for RunView {
    async fn get(&self, target: ObjectRef) -> Result<Option<Object>, ClusterError> {
        if self.acts() {
            return self.inner.get(target).await;
        }
        if self.is_absent(target.namespace.as_deref()) {
            return Ok(None);
        }
        if let Some(list) = self.gathering(&target) {
            match self.listed(list.clone()).await {
                Ok(cell) => {
                    let items = cell.get().map(|list| list.items.as_slice());
                    let mut items = items.unwrap_or_default().iter();
                    return Ok(items.find(|item| item.name() == target.name).cloned());
                }
                Err(error) if error.is_denied() => {
                    self.known().gathered.retain(|one| *one != list);
                }
                Err(error) => return Err(error),
            }
        }
        let cell = cell(&mut self.known().objects, target.clone());
        let found = cell.get_or_try_init(|| self.inner.get(target)).await?;
        Ok(found.clone())
    }

    async fn list(&self, query: Query) -> Result<ObjectList, ClusterError> {
        if self.acts() {
            return self.inner.list(query).await;
        }
        if self.is_absent(query.namespace.as_deref()) {
            return Ok(ObjectList::default());
        }
        let part = self.known().parts.get(&query).cloned();
        let Some((whole, label, value)) = part else {
            let cell = self.listed(query).await?;
            return Ok(cell.get().cloned().unwrap_or_default());
        };
        let cell = self.listed(whole).await?;
        let whole = cell.get();
        let items = whole.map(|list| list.items.as_slice()).unwrap_or_default();
        let is_part = |item: &&Object| item.label(&label) == Some(&value);
        Ok(ObjectList {
            items: items.iter().filter(is_part).cloned().collect(),
            resource_version: whole.map_or_else(String::new, |list| list.resource_version.clone()),
        })
    }

    async fn watch(
        &self,
        query: Query,
        resource_version: String,
    ) -> Result<WatchStream, ClusterError> {
        if !resource_version.is_empty() {
            return self.inner.watch(query, resource_version).await;
        }
        let shared = Arc::clone(self.known().watches.entry(query.clone()).or_default());
        // Whoever comes while it is being opened joins it then.
        let mut shared = shared.lock().await;
        if let Some(joined) = shared.join() {
            return Ok(joined);
        }
        // What is watched whole is soon wanted again.
        let is_whole = query.fields.is_none() && query.labels.is_none();
        let opened = self.inner.watch(query, resource_version).await?;
        let (watch, listener) = SharedWatch::open(opened);
        *shared = if is_whole { watch.kept() } else { watch };
        Ok(listener)
    }

    async fn create(&self, object: Object, options: WriteOptions) -> Result<Created, ClusterError> {
        let kind = object.kind();
        if options.dry_run
            && let Some(error) = self.missing("create", &object.reference())
        {
            return Err(error);
        }
        if kind.kind == "Namespace" && self.known().made.iter().any(|one| one == object.name()) {
            return Ok(Created::AlreadyExists);
        }
        let is_kept = !options.dry_run;
        let created = self.inner.create(object, options).await?;
        if let (Created::New(object), true) = (&created, is_kept) {
            self.learn(&kind, Some(object));
        }
        Ok(created)
    }

    async fn replace(
        &self,
        object: Object,
        options: WriteOptions,
    ) -> Result<Replaced, ClusterError> {
        let kind = object.kind();
        let is_kept = !options.dry_run;
        let replaced = self.inner.replace(object, options).await?;
        if is_kept {
            self.learn(&kind, None);
        }
        Ok(replaced)
    }

    async fn apply(&self, object: Object, options: ApplyOptions) -> Result<Applied, ClusterError> {
        let kind = object.kind();
        if options.dry_run
            && let Some(error) = self.missing("apply", &object.reference())
        {
            return Err(error);
        }
        let is_kept = !options.dry_run;
        let applied = self.inner.apply(object, options).await?;
        match &applied {
            Applied::Done(object) if is_kept => self.learn(&kind, Some(object)),
            Applied::Done(object) => self.forget_older(object),
            Applied::Conflicts(_) => {}
        }
        Ok(applied)
    }

    async fn apply_new(
        &self,
        object: Object,
        options: WriteOptions,
    ) -> Result<Created, ClusterError> {
        let kind = object.kind();
        if options.dry_run
            && let Some(error) = self.missing("apply", &object.reference())
        {
            return Err(error);
        }
        let is_kept = !options.dry_run;
        let created = self.inner.apply_new(object, options).await?;
        if let (Created::New(object), true) = (&created, is_kept) {
            self.learn(&kind, Some(object));
        }
        Ok(created)
    }

    async fn patch(
        &self,
        target: ObjectRef,
        operations: Value,
        options: WriteOptions,
    ) -> Result<Option<Object>, ClusterError> {
        let kind = target.kind.clone();
        let is_kept = !options.dry_run;
        let patched = self.inner.patch(target, operations, options).await?;
        if is_kept {
            self.learn(&kind, None);
        }
        Ok(patched)
    }

    async fn delete(
        &self,
        target: ObjectRef,
        options: DeleteOptions,
    ) -> Result<Deleted, ClusterError> {
        let (kind, name) = (target.kind.clone(), target.name.clone());
        let is_kept = !options.dry_run;
        let deleted = self.inner.delete(target, options).await?;
        if is_kept {
            self.learn(&kind, None);
            if kind.kind == "Namespace" {
                self.known().made.retain(|one| *one != name);
            }
        }
        Ok(deleted)
    }

    async fn request_token(&self, question: TokenQuestion) -> Result<TokenGrant, ClusterError> {
        self.inner.request_token(question).await
    }

    async fn review_access(
        &self,
        question: AccessQuestion,
    ) -> Result<AccessDecision, ClusterError> {
        self.inner.review_access(question).await
    }

    async fn discover(&self) -> Result<Discovery, ClusterError> {
        let cell = Arc::clone(&self.known().discovery);
        let found = cell.get_or_try_init(|| self.inner.discover()).await?;
        Ok(found.clone())
    }
}

#[cfg(test)]
#[path = "run_view/tests.rs"]
mod tests;
