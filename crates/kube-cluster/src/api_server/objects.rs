//! Reading and writing objects: each verb of the seam as one request and the reading of its answer.

use http::Method;
use serde_json::{Value, json};

use super::KubeCluster;
use super::answer::Refusal;
use super::request::{Ask, Parameters, collection_path, object_path, query_parameters};
use crate::{
    Applied, ApplyOptions, ClusterError, ClusterErrorKind, Created, DeleteOptions, Deleted, Object,
    ObjectList, ObjectRef, Propagation, Query, Replaced, Resource, WriteOptions,
};

/// How many objects one page holds, as kubectl's default.
const PAGE: &str = "500";
/// A version no object has: a store's own first revision. An apply with it finds what is there changed,
/// and where nothing is, a version says nothing.
/// Source: `registry/generic/registry/store.go` of Kubernetes v1.35 (`Update`, which creates what has
/// version 0 before it compares).
const BEFORE_ALL: &str = "1";

impl KubeCluster {
    pub(super) async fn read_object(
        &self,
        target: &ObjectRef,
    ) -> Result<Option<Object>, ClusterError> {
        let fail = |kind| ClusterError::about("read", target, kind);
        let path = self.path_of(target).await.map_err(fail)?;
        match self.ask(&Ask::get(path)).await.map_err(fail)? {
            Ok(value) => object(value).map(Some).map_err(fail),
            Err(refusal) if refusal.is_absent_object() => Ok(None),
            Err(refusal) => Err(fail(self.refused(refusal, target).await)),
        }
    }

    pub(super) async fn list_all(&self, query: &Query) -> Result<ObjectList, ClusterError> {
        let fail = |kind| ClusterError::new("list", described(query), kind);
        let resource = self.resource_of(&query.kind).await.map_err(fail)?;
        let path = collection_path(&resource, query.namespace.as_deref());
        let mut restarts = 3;
        'snapshot: loop {
            let mut list = ObjectList::default();
            let mut next = String::new();
            loop {
                let mut parameters = query_parameters(query).with("limit", PAGE);
                if !next.is_empty() {
                    parameters.add("continue", &next);
                }
                let page = match self
                    .ask(&Ask::get(parameters.on(&path)))
                    .await
                    .map_err(fail)?
                {
                    Ok(page) => page,
                    Err(refusal) if refusal.is_expired() && restarts > 0 => {
                        restarts -= 1;
                        continue 'snapshot;
                    }
                    Err(refusal) => {
                        self.forget_if_unknown(&refusal, &query.kind).await;
                        return Err(fail(refusal.into_kind(&query.kind.to_string())));
                    }
                };
                next = take_page(page, query, &mut list).map_err(fail)?;
                if next.is_empty() {
                    return Ok(list);
                }
            }
        }
    }

    pub(super) async fn create_object(
        &self,
        object: &Object,
        options: &WriteOptions,
    ) -> Result<Created, ClusterError> {
        let target = object.reference();
        let fail = |kind| ClusterError::about("create", &target, kind);
        let resource = self.writable(&target).await.map_err(fail)?;
        let path = collection_path(&resource, target.namespace.as_deref());
        let ask = Ask::with_body(
            Method::POST,
            Parameters::write(&options.manager, options.dry_run).on(&path),
            "application/json",
            object.as_map(),
        )
        .repeatable(options.dry_run);
        match self.ask(&ask).await.map_err(fail)? {
            Ok(value) => self::object(value).map(Created::New).map_err(fail),
            Err(refusal) if refusal.is_already_exists() => Ok(Created::AlreadyExists),
            Err(refusal) => Err(fail(self.refused(refusal, &target).await)),
        }
    }

    pub(super) async fn replace_object(
        &self,
        object: &Object,
        options: &WriteOptions,
    ) -> Result<Replaced, ClusterError> {
        let target = object.reference();
        let fail = |kind| ClusterError::about("replace", &target, kind);
        if object.resource_version().is_none_or(str::is_empty) {
            return Err(fail(ClusterErrorKind::Invalid {
                message: "a replace needs the resource version the object was read with".into(),
                fields: vec!["metadata.resourceVersion".into()],
            }));
        }
        let path = self.path_of(&target).await.map_err(fail)?;
        let ask = Ask::with_body(
            Method::PUT,
            Parameters::write(&options.manager, options.dry_run).on(&path),
            "application/json",
            object.as_map(),
        )
        .repeatable(options.dry_run);
        match self.ask(&ask).await.map_err(fail)? {
            Ok(value) => self::object(value).map(Replaced::Done).map_err(fail),
            Err(refusal) if refusal.is_stale() => Ok(Replaced::Stale),
            Err(refusal)
                if refusal.is_absent_object() && !is_about_namespace(&refusal, &target) =>
            {
                Ok(Replaced::Absent)
            }
            Err(refusal) => Err(fail(self.refused(refusal, &target).await)),
        }
    }

    pub(super) async fn apply_object(
        &self,
        object: &Object,
        options: &ApplyOptions,
    ) -> Result<Applied, ClusterError> {
        let target = object.reference();
        let fail = |kind| ClusterError::about("apply", &target, kind);
        let path = self.path_of(&target).await.map_err(fail)?;
        let mut parameters = Parameters::write(&options.manager, options.dry_run);
        if options.force {
            parameters.add("force", "true");
        }
        let ask = Ask::with_body(
            Method::PATCH,
            parameters.on(&path),
            "application/apply-patch+yaml",
            object.as_map(),
        )
        .repeatable(true);
        match self.ask(&ask).await.map_err(fail)? {
            Ok(value) => self::object(value).map(Applied::Done).map_err(fail),
            Err(refusal) => match refusal.field_conflicts() {
                conflicts if conflicts.is_empty() => {
                    Err(fail(self.refused(refusal, &target).await))
                }
                conflicts => Ok(Applied::Conflicts(conflicts)),
            },
        }
    }

    pub(super) async fn apply_new_object(
        &self,
        mut object: Object,
        options: &WriteOptions,
    ) -> Result<Created, ClusterError> {
        let target = object.reference();
        let fail = |kind| ClusterError::about("apply", &target, kind);
        let path = self.path_of(&target).await.map_err(fail)?;
        object
            .metadata()
            .insert("resourceVersion".into(), BEFORE_ALL.into());
        let ask = Ask::with_body(
            Method::PATCH,
            Parameters::write(&options.manager, options.dry_run).on(&path),
            "application/apply-patch+yaml",
            object.as_map(),
        )
        .repeatable(options.dry_run);
        match self.ask(&ask).await.map_err(fail)? {
            Ok(value) => self::object(value).map(Created::New).map_err(fail),
            // Fields of other managers are looked at first, then the version; both say it is there.
            Err(refusal) if !refusal.field_conflicts().is_empty() => Ok(Created::AlreadyExists),
            Err(refusal) if refusal.is_stale() && refusal.status.details.name == target.name => {
                Ok(Created::AlreadyExists)
            }
            Err(refusal) => Err(fail(self.refused(refusal, &target).await)),
        }
    }

    pub(super) async fn patch_object(
        &self,
        target: &ObjectRef,
        operations: &Value,
        options: &WriteOptions,
    ) -> Result<Option<Object>, ClusterError> {
        let fail = |kind| ClusterError::about("patch", target, kind);
        let path = self.path_of(target).await.map_err(fail)?;
        let ask = Ask::with_body(
            Method::PATCH,
            Parameters::write(&options.manager, options.dry_run).on(&path),
            "application/json-patch+json",
            operations,
        )
        .repeatable(options.dry_run);
        match self.ask(&ask).await.map_err(fail)? {
            Ok(value) => object(value).map(Some).map_err(fail),
            Err(refusal) if refusal.is_absent_object() => Ok(None),
            Err(refusal) => Err(fail(self.refused(refusal, target).await)),
        }
    }

    pub(super) async fn delete_object(
        &self,
        target: &ObjectRef,
        options: &DeleteOptions,
    ) -> Result<Deleted, ClusterError> {
        let fail = |kind| ClusterError::about("delete", target, kind);
        let path = self.path_of(target).await.map_err(fail)?;
        let parameters = if options.dry_run {
            Parameters::default().with("dryRun", "All")
        } else {
            Parameters::default()
        };
        let ask = Ask::with_body(
            Method::DELETE,
            parameters.on(&path),
            "application/json",
            &delete_body(options),
        )
        .repeatable(options.dry_run);
        match self.ask(&ask).await.map_err(fail)? {
            Ok(value) => Ok(deleted(value)),
            Err(refusal) if refusal.is_absent_object() => Ok(Deleted::AlreadyAbsent),
            Err(refusal) if refusal.is_stale() => Ok(Deleted::PreconditionFailed),
            Err(refusal) => Err(fail(self.refused(refusal, target).await)),
        }
    }

    /// The object's own path.
    async fn path_of(&self, target: &ObjectRef) -> Result<String, ClusterErrorKind> {
        let resource = self.writable(target).await?;
        if target.name.is_empty() || matches!(target.name.as_str(), "." | "..") {
            return Err(ClusterErrorKind::Invalid {
                message: format!("`{}` cannot be a name", target.name),
                fields: vec!["metadata.name".into()],
            });
        }
        Ok(object_path(
            &resource,
            target.namespace.as_deref(),
            &target.name,
        ))
    }

    /// How the kind is served; a namespaced kind needs a namespace.
    async fn writable(&self, target: &ObjectRef) -> Result<Resource, ClusterErrorKind> {
        let resource = self.resource_of(&target.kind).await?;
        if resource.namespaced && target.namespace.as_deref().is_none_or(str::is_empty) {
            return Err(ClusterErrorKind::Invalid {
                message: format!(
                    "a {} lives in a namespace and none is given",
                    target.kind.kind
                ),
                fields: vec!["metadata.namespace".into()],
            });
        }
        Ok(resource)
    }

    async fn refused(&self, refusal: Refusal, target: &ObjectRef) -> ClusterErrorKind {
        self.forget_if_unknown(&refusal, &target.kind).await;
        refusal.into_kind(&target.kind.to_string())
    }
}

/// What a list is of, for an error's text.
pub(super) fn described(query: &Query) -> String {
    let mut text = query.kind.kind.clone();
    if let Some(namespace) = &query.namespace {
        text = format!("{text} in {namespace}");
    }
    for selector in query.labels.iter().chain(&query.fields) {
        text = format!("{text} with {selector}");
    }
    text
}

/// Whether a 404 speaks of the namespace around the object.
fn is_about_namespace(refusal: &Refusal, target: &ObjectRef) -> bool {
    refusal.status.details.kind == "namespaces" && target.kind.kind != "Namespace"
}

/// Adds a page to the list and answers where the next one begins.
fn take_page(
    page: Value,
    query: &Query,
    list: &mut ObjectList,
) -> Result<String, ClusterErrorKind> {
    let Value::Object(mut page) = page else {
        return Err(ClusterErrorKind::Answer("a list is not an object".into()));
    };
    let metadata = page.remove("metadata").unwrap_or_default();
    let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
    list.resource_version = text("resourceVersion");
    if let Some(Value::Array(items)) = page.remove("items") {
        for item in items {
            let mut item = object(item)?;
            // Items of a typed list do not repeat what the list says.
            for (key, value) in [
                ("apiVersion", &query.kind.api_version),
                ("kind", &query.kind.kind),
            ] {
                item.as_map_mut()
                    .entry(key)
                    .or_insert_with(|| value.clone().into());
            }
            list.items.push(item);
        }
    }
    Ok(text("continue"))
}

pub(super) fn object(value: Value) -> Result<Object, ClusterErrorKind> {
    Object::from_value(value)
        .map_err(|_| ClusterErrorKind::Answer("the answer is not an object".into()))
}

fn delete_body(options: &DeleteOptions) -> Value {
    let mut body = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": match options.propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        },
    });
    // With a body the server does not look at the query's `dryRun`: it would delete for real.
    if options.dry_run {
        body["dryRun"] = json!(["All"]);
    }
    if let Some(uid) = &options.uid {
        body["preconditions"]["uid"] = uid.clone().into();
    }
    if let Some(version) = &options.resource_version {
        body["preconditions"]["resourceVersion"] = version.clone().into();
    }
    body
}

/// A delete answers with a `Status`, or with the object: its last state if it is gone already
/// (some kinds), its present state if something still holds it.
fn deleted(value: Value) -> Deleted {
    let Ok(object) = object(value) else {
        return Deleted::Gone;
    };
    if object.kind().kind == "Status" {
        return Deleted::Gone;
    }
    let held = |pointer: &str| {
        object
            .at(pointer)
            .and_then(Value::as_array)
            .is_some_and(|finalizers| !finalizers.is_empty())
    };
    let grace = object
        .at("/metadata/deletionGracePeriodSeconds")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    let is_held = held("/metadata/finalizers")
        || grace > 0
        || (object.kind().kind == "Namespace" && held("/spec/finalizers"));
    if object.is_terminating() && is_held {
        Deleted::Begun(object)
    } else {
        Deleted::Gone
    }
}
