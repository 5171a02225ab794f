//! A tiny cluster in memory: versions, managers, conflicts, and controllers that finish at once. It
//! owns just enough of an API server for the engine's own tests; it models no validation, no
//! defaults, no owner references and no list merging (lists are atomic).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use kube_cluster::{
    AccessDecision, AccessQuestion, Applied, ApplyOptions, Cluster, ClusterError, ClusterErrorKind,
    Created, DeleteOptions, Deleted, Discovery, FieldConflict, Kind, Object, ObjectList, ObjectRef,
    Query, Replaced, Resource, TokenGrant, TokenQuestion, WatchEvent, WatchStream, WriteOptions,
};
use serde_json::{Map, Value, json};

/// A field's path, key by key.
type Path = Vec<String>;
/// Who owns a field: manager, `Apply` or `Update`, subresource.
type Owner = (String, String, String);

#[derive(Clone)]
struct Kept {
    object: Value,
    owners: BTreeMap<Path, BTreeSet<Owner>>,
}

#[derive(Default)]
struct World {
    objects: BTreeMap<ObjectRef, Kept>,
    version: u64,
    created: BTreeMap<String, usize>,
    failing_jobs: BTreeSet<String>,
    writes: usize,
}

/// The cluster; clones are the same cluster.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    world: Arc<Mutex<World>>,
    /// How long what this clone creates or replaces of a kind is under way.
    late: BTreeMap<&'static str, Duration>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

const KINDS: [(&str, &str, bool); 10] = [
    ("v1", "Namespace", false),
    ("v1", "ConfigMap", true),
    ("v1", "Secret", true),
    ("v1", "Pod", true),
    ("v1", "Event", true),
    ("apps/v1", "Deployment", true),
    ("apps/v1", "ReplicaSet", true),
    ("batch/v1", "Job", true),
    ("coordination.k8s.io/v1", "Lease", true),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", false),
];

impl Memory {
    /// An empty cluster with one namespace.
    pub(crate) fn with_namespace(name: &str) -> Self {
        let memory = Self::default();
        let target = ObjectRef::cluster_wide("v1", "Namespace", name);
        let object = Object::named(&target).into_value();
        memory.world().keep(&target, object, BTreeMap::new());
        memory
    }

    /// Jobs of this name fail from now on.
    #[allow(dead_code, reason = "not every test binary needs it")]
    pub(crate) fn fail_job(&self, name: &str) {
        self.world().failing_jobs.insert(name.into());
    }

    /// Jobs of this name succeed from now on.
    #[allow(dead_code, reason = "not every test binary needs it")]
    pub(crate) fn mend_job(&self, name: &str) {
        self.world().failing_jobs.remove(name);
    }

    /// The same cluster, for a client whose objects of this kind are under way for this long.
    #[allow(dead_code, reason = "not every test binary needs it")]
    pub(crate) fn late(mut self, kind: &'static str, by: Duration) -> Self {
        self.late.insert(kind, by);
        self
    }

    /// How often an object of this name was created.
    #[allow(dead_code, reason = "not every test binary needs it")]
    pub(crate) fn creations(&self, name: &str) -> usize {
        self.world().created.get(name).copied().unwrap_or_default()
    }

    /// How many writes changed something.
    #[allow(dead_code, reason = "not every test binary needs it")]
    pub(crate) fn writes(&self) -> usize {
        self.world().writes
    }

    /// Sets a field as an autoscaler does: through the `scale` subresource.
    #[allow(dead_code, reason = "not every test binary needs it")]
    pub(crate) fn scale(&self, target: &ObjectRef, replicas: u64) {
        let mut world = self.world();
        let mut kept = world.objects[target].clone();
        let path: Path = vec!["spec".into(), "replicas".into()];
        set(&mut kept.object, &path, json!(replicas));
        let owner = (
            "kube-controller-manager".into(),
            "Update".into(),
            "scale".into(),
        );
        kept.owners.insert(path, BTreeSet::from([owner]));
        world.keep(target, kept.object, kept.owners);
    }

    /// Every object without what differs from run to run.
    #[allow(dead_code, reason = "not every test binary needs it")]
    pub(crate) fn picture(&self) -> BTreeMap<String, Value> {
        let world = self.world();
        let objects = world.objects.iter();
        objects
            .map(|(target, kept)| {
                let mut object = kept.object.clone();
                let metadata = object["metadata"].as_object_mut().expect("metadata");
                for key in ["uid", "resourceVersion", "creationTimestamp", "generation"] {
                    metadata.remove(key);
                }
                object.as_object_mut().expect("an object").remove("status");
                (target.to_string(), object)
            })
            .collect()
    }

    async fn under_way(&self, target: &ObjectRef) {
        if let Some(late) = self.late.get(target.kind.kind.as_str()) {
            tokio::time::sleep(*late).await;
        }
    }

    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world
            .lock()
            .expect("no test panics while it holds the world")
    }
}

impl World {
    fn keep(
        &mut self,
        target: &ObjectRef,
        object: Value,
        owners: BTreeMap<Path, BTreeSet<Owner>>,
    ) -> Object {
        let mut object = object;
        let before = self.objects.get(target);
        let same = before
            .is_some_and(|kept| content(&kept.object) == content(&object) && kept.owners == owners);
        if same {
            return self.read(target).expect("it is there");
        }
        self.version += 1;
        self.writes += 1;
        let version = self.version;
        if before.is_none() {
            *self.created.entry(target.name.clone()).or_default() += 1;
            object["metadata"]["uid"] = format!("uid-{version}").into();
            object["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        object["metadata"]["resourceVersion"] = version.to_string().into();
        object["metadata"]["generation"] = version.into();
        self.control(target, &mut object);
        self.objects.insert(target.clone(), Kept { object, owners });
        self.read(target).expect("just kept")
    }

    /// The controllers: everything is ready at once.
    fn control(&self, target: &ObjectRef, object: &mut Value) {
        match target.kind.kind.as_str() {
            "Job" => {
                let failed = self.failing_jobs.contains(&target.name);
                let condition = if failed { "Failed" } else { "Complete" };
                object["status"] = json!({"startTime": "t", "conditions": [
                    {"type": condition, "status": "True", "reason": condition, "message": "it ended"}]});
            }
            "Deployment" => {
                let replicas = object["spec"]["replicas"].clone();
                object["status"] = json!({"observedGeneration": object["metadata"]["generation"], "replicas": replicas, "updatedReplicas": replicas,
                    "readyReplicas": replicas, "availableReplicas": replicas,
                    "conditions": [{"type": "Available", "status": "True"}]});
            }
            "CustomResourceDefinition" => {
                object["status"] = json!({"conditions": [
                    {"type": "Established", "status": "True"}, {"type": "NamesAccepted", "status": "True"}]});
            }
            _ => {}
        }
    }

    fn read(&self, target: &ObjectRef) -> Option<Object> {
        let kept = self.objects.get(target)?;
        let mut object = kept.object.clone();
        let mut entries: BTreeMap<&Owner, Map<String, Value>> = BTreeMap::new();
        for (path, owners) in &kept.owners {
            for owner in owners {
                let mut at = entries.entry(owner).or_default();
                for key in path {
                    let below = at.entry(format!("f:{key}")).or_insert_with(|| json!({}));
                    at = below.as_object_mut().expect("a table");
                }
            }
        }
        let entries: Vec<Value> = entries
            .into_iter()
            .map(|((manager, operation, subresource), fields)| {
                json!({"manager": manager, "operation": operation, "subresource": subresource,
                    "apiVersion": target.kind.api_version, "fieldsType": "FieldsV1", "fieldsV1": fields})
            })
            .collect();
        object["metadata"]["managedFields"] = entries.into();
        Object::from_value(object).ok()
    }

    fn check(&self, verb: &'static str, target: &ObjectRef) -> Result<(), ClusterError> {
        let kind = &target.kind;
        if !self.resources().iter().any(|one| one.kind == *kind) {
            return Err(ClusterError::about(
                verb,
                target,
                ClusterErrorKind::UnknownKind(kind.to_string()),
            ));
        }
        if let Some(namespace) = &target.namespace {
            let home = ObjectRef::cluster_wide("v1", "Namespace", namespace);
            if !self.objects.contains_key(&home) {
                let kind = ClusterErrorKind::NamespaceMissing(namespace.clone());
                return Err(ClusterError::about(verb, target, kind));
            }
        }
        Ok(())
    }

    /// What is served: the built-in kinds and those of definitions.
    fn resources(&self) -> Vec<Resource> {
        let built_in = KINDS
            .iter()
            .map(|(version, kind, namespaced)| (Kind::new(*version, *kind), *namespaced));
        let defined = self.objects.values().filter_map(|kept| {
            let spec = &kept.object["spec"];
            let version = format!("{}/v1", spec["group"].as_str()?);
            let kind = Kind::new(version, spec["names"]["kind"].as_str()?);
            Some((kind, spec["scope"] != "Cluster"))
        });
        built_in
            .chain(defined)
            .map(|(kind, namespaced)| Resource {
                plural: format!("{}s", kind.kind.to_lowercase()),
                kind,
                namespaced,
                verbs: Vec::new(),
            })
            .collect()
    }
}

/// What counts when two states are compared.
fn content(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for key in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "managedFields",
        ] {
            metadata.remove(key);
        }
    }
    object
}

/// The fields a manager can own, with their values.
fn leaves(object: &Value) -> BTreeMap<Path, Value> {
    fn walk(value: &Value, path: &mut Path, into: &mut BTreeMap<Path, Value>) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, value) in map {
                    path.push(key.clone());
                    walk(value, path, into);
                    path.pop();
                }
            }
            leaf => {
                into.insert(path.clone(), leaf.clone());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(object, &mut Vec::new(), &mut found);
    found.retain(|path, _| {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        match keys.as_slice() {
            ["metadata", key, ..] => ["labels", "annotations"].contains(key),
            [key, ..] => !["apiVersion", "kind", "status"].contains(key),
            [] => false,
        }
    });
    found
}

fn get<'a>(object: &'a Value, path: &Path) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, key| value.get(key))
}

fn set(object: &mut Value, path: &Path, value: Value) {
    let mut at = object;
    for key in path {
        if !at.is_object() {
            *at = json!({});
        }
        at = at
            .as_object_mut()
            .expect("a table")
            .entry(key.clone())
            .or_insert(Value::Null);
    }
    *at = value;
}

fn unset(object: &mut Value, path: &Path) {
    let (last, above) = path.split_last().expect("a path");
    let mut at = Some(object);
    for key in above {
        at = at.and_then(|value| value.get_mut(key));
    }
    if let Some(table) = at.and_then(Value::as_object_mut) {
        table.remove(last);
    }
}

/// What the server makes of an object before it keeps it.
fn admit(object: Object) -> Value {
    let mut value = object.into_value();
    let texts = value
        .as_object_mut()
        .and_then(|map| map.remove("stringData"));
    for (key, text) in texts
        .as_ref()
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let encoded = STANDARD.encode(text.as_str().unwrap_or_default());
        set(
            &mut value,
            &vec!["data".into(), key.clone()],
            encoded.into(),
        );
    }
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    value
}

#[async_trait]
impl Cluster for Memory {
    async fn get(&self, target: ObjectRef) -> Result<Option<Object>, ClusterError> {
        let world = self.world();
        if let Err(error) = world.check("read", &target)
            && error.is_unknown_kind()
        {
            return Err(error);
        }
        Ok(world.read(&target))
    }

    async fn list(&self, query: Query) -> Result<ObjectList, ClusterError> {
        let world = self.world();
        let selected = |object: &Object| {
            let labels = query.labels.iter().flat_map(|labels| labels.split(','));
            let fields = query.fields.iter().flat_map(|fields| fields.split(','));
            labels
                .filter_map(|pair| pair.split_once('='))
                .all(|(key, value)| object.label(key) == Some(value))
                && fields
                    .filter_map(|pair| pair.split_once('='))
                    .all(|(key, value)| {
                        let (key, wanted) = match key.strip_suffix('!') {
                            Some(key) => (key, false),
                            None => (key, true),
                        };
                        let held = object.text(&format!("/{}", key.replace('.', "/")));
                        (held == Some(value)) == wanted
                    })
        };
        let items = world
            .objects
            .keys()
            .filter(|target| target.kind == query.kind)
            .filter(|target| query.namespace.is_none() || target.namespace == query.namespace)
            .filter_map(|target| world.read(target))
            .filter(selected)
            .collect();
        Ok(ObjectList {
            items,
            resource_version: world.version.to_string(),
        })
    }

    async fn watch(&self, query: Query, position: String) -> Result<WatchStream, ClusterError> {
        let mut there = Vec::new();
        if position.is_empty() {
            there = self.list(query).await?.items;
        }
        let there = there
            .into_iter()
            .map(|object| Ok(WatchEvent::Applied(object)));
        Ok(futures::stream::iter(there)
            .chain(futures::stream::pending())
            .boxed())
    }

    async fn create(&self, object: Object, options: WriteOptions) -> Result<Created, ClusterError> {
        let target = object.reference();
        self.under_way(&target).await;
        let mut world = self.world();
        world.check("create", &target)?;
        if world.objects.contains_key(&target) {
            return Ok(Created::AlreadyExists);
        }
        let object = admit(object);
        let owner = (options.manager, "Update".to_owned(), String::new());
        let owners = leaves(&object)
            .into_keys()
            .map(|path| (path, BTreeSet::from([owner.clone()])));
        let owners = owners.collect();
        Ok(Created::New(world.keep(&target, object, owners)))
    }

    async fn replace(
        &self,
        object: Object,
        options: WriteOptions,
    ) -> Result<Replaced, ClusterError> {
        let target = object.reference();
        self.under_way(&target).await;
        let mut world = self.world();
        let Some(kept) = world.objects.get(&target).cloned() else {
            return Ok(Replaced::Absent);
        };
        if kept.object["metadata"]["resourceVersion"].as_str() != object.resource_version() {
            return Ok(Replaced::Stale);
        }
        let object = admit(object);
        let (before, after) = (leaves(&kept.object), leaves(&object));
        let owner = (options.manager, "Update".to_owned(), String::new());
        let mut owners = kept.owners;
        owners.retain(|path, _| after.contains_key(path));
        for (path, value) in &after {
            if before.get(path) != Some(value) {
                owners.insert(path.clone(), BTreeSet::from([owner.clone()]));
            }
        }
        Ok(Replaced::Done(world.keep(&target, object, owners)))
    }

    async fn apply(&self, object: Object, options: ApplyOptions) -> Result<Applied, ClusterError> {
        let target = object.reference();
        let mut world = self.world();
        world.check("apply", &target)?;
        let declared = admit(object);
        let owner = (options.manager, "Apply".to_owned(), String::new());
        let kept = world.objects.get(&target).cloned();
        let mut kept = kept.unwrap_or_else(|| Kept {
            object: Object::named(&target).into_value(),
            owners: BTreeMap::new(),
        });
        let wanted = leaves(&declared);
        let mut conflicts = Vec::new();
        for (path, value) in &wanted {
            let others: BTreeSet<Owner> = kept
                .owners
                .get(path)
                .into_iter()
                .flatten()
                .filter(|one| **one != owner)
                .cloned()
                .collect();
            let differs = get(&kept.object, path) != Some(value);
            if differs && !options.force {
                conflicts.extend(others.iter().map(|(manager, ..)| FieldConflict {
                    field: format!(".{}", path.join(".")),
                    manager: manager.clone(),
                    message: format!("conflict with \"{manager}\""),
                }));
            }
            let owners = kept.owners.entry(path.clone()).or_default();
            if differs {
                owners.clear();
            }
            owners.insert(owner.clone());
            set(&mut kept.object, path, value.clone());
        }
        if !conflicts.is_empty() {
            return Ok(Applied::Conflicts(conflicts));
        }
        let dropped: Vec<Path> = kept
            .owners
            .iter()
            .filter(|(path, owners)| owners.contains(&owner) && !wanted.contains_key(*path))
            .map(|(path, _)| path.clone())
            .collect();
        for path in dropped {
            let owners = kept.owners.get_mut(&path).expect("it is owned");
            owners.remove(&owner);
            if owners.is_empty() {
                kept.owners.remove(&path);
                unset(&mut kept.object, &path);
            }
        }
        if let Some(kind) = declared.get("type") {
            kept.object["type"] = kind.clone();
        }
        if options.dry_run {
            let mut copy = World {
                objects: world.objects.clone(),
                version: world.version,
                ..World::default()
            };
            return Ok(Applied::Done(copy.keep(&target, kept.object, kept.owners)));
        }
        Ok(Applied::Done(world.keep(&target, kept.object, kept.owners)))
    }

    async fn apply_new(
        &self,
        object: Object,
        options: WriteOptions,
    ) -> Result<Created, ClusterError> {
        if self.world().objects.contains_key(&object.reference()) {
            return Ok(Created::AlreadyExists);
        }
        let options = ApplyOptions {
            manager: options.manager,
            dry_run: options.dry_run,
            force: false,
        };
        match self.apply(object, options).await? {
            Applied::Done(object) => Ok(Created::New(object)),
            Applied::Conflicts(_) => Ok(Created::AlreadyExists),
        }
    }

    async fn patch(
        &self,
        target: ObjectRef,
        operations: Value,
        _: WriteOptions,
    ) -> Result<Option<Object>, ClusterError> {
        let mut world = self.world();
        let Some(kept) = world.objects.get(&target).cloned() else {
            return Ok(None);
        };
        let invalid = |message: &str| {
            let kind = ClusterErrorKind::Invalid {
                message: message.into(),
                fields: Vec::new(),
            };
            ClusterError::about("patch", &target, kind)
        };
        let [test, replace] = operations.as_array().map(Vec::as_slice).unwrap_or_default() else {
            return Err(invalid("this cluster only knows the hand-over of fields"));
        };
        if test["value"] != kept.object["metadata"]["resourceVersion"] {
            return Err(invalid("the test failed"));
        }
        let mut owners: BTreeMap<Path, BTreeSet<Owner>> = BTreeMap::new();
        for entry in replace["value"].as_array().into_iter().flatten() {
            let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            let owner = (text("manager"), text("operation"), text("subresource"));
            for path in owned_paths(&entry["fieldsV1"]) {
                owners.entry(path).or_default().insert(owner.clone());
            }
        }
        Ok(Some(world.keep(&target, kept.object, owners)))
    }

    async fn delete(
        &self,
        target: ObjectRef,
        options: DeleteOptions,
    ) -> Result<Deleted, ClusterError> {
        let mut world = self.world();
        let Some(kept) = world.objects.get(&target) else {
            return Ok(Deleted::AlreadyAbsent);
        };
        if options.uid.is_some()
            && options.uid.as_deref() != kept.object["metadata"]["uid"].as_str()
        {
            return Ok(Deleted::PreconditionFailed);
        }
        world.objects.remove(&target);
        world.version += 1;
        world.writes += 1;
        Ok(Deleted::Gone)
    }

    async fn request_token(&self, question: TokenQuestion) -> Result<TokenGrant, ClusterError> {
        Err(unsupported(&question.service_account))
    }

    async fn review_access(
        &self,
        question: AccessQuestion,
    ) -> Result<AccessDecision, ClusterError> {
        Err(unsupported(&question.resource))
    }

    async fn discover(&self) -> Result<Discovery, ClusterError> {
        Ok(Discovery {
            version: "v1.33.1".into(),
            resources: self.world().resources(),
        })
    }
}

fn unsupported(what: &str) -> ClusterError {
    let kind = ClusterErrorKind::Server {
        status: 501,
        message: "not in memory".into(),
    };
    ClusterError::new("ask about", what, kind)
}

fn owned_paths(fields: &Value) -> Vec<Path> {
    fn walk(fields: &Value, path: &mut Path, into: &mut Vec<Path>) {
        let below = fields.as_object().filter(|map| !map.is_empty());
        let Some(below) = below else {
            into.push(path.clone());
            return;
        };
        for (key, fields) in below {
            path.push(key.trim_start_matches("f:").to_owned());
            walk(fields, path, into);
            path.pop();
        }
    }
    let mut found = Vec::new();
    walk(fields, &mut Vec::new(), &mut found);
    found
}
