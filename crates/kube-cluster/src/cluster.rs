//! [`Cluster`]: the seam. It owns the contract every backend keeps; it refuses conveniences, which
//! are functions over the trait.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use converge::Secret;
use futures::stream::BoxStream;

use crate::{ClusterError, Discovery, Kind, Object, ObjectRef};

/// A Kubernetes API server.
///
/// # Contract
/// - Reads never change anything. `dry_run` requests are probes: the server checks and answers as
///   if it had written, and keeps nothing.
/// - No method retries a request whose repetition could do harm; transport retries of reads and of
///   server-side apply are the backend's own.
/// - Unknown kinds are [`ClusterErrorKind::UnknownKind`](crate::ClusterErrorKind::UnknownKind);
///   a backend asks discovery again before it says so.
///
/// # Cancellation
/// Dropping a future may leave its request done or not done; look before trying again.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Cluster: fmt::Debug + Send + Sync + 'static {
    /// Reads one object; `None` if it is not there.
    async fn get(&self, target: ObjectRef) -> Result<Option<Object>, ClusterError>;

    /// Reads all objects a query selects, all pages, in one consistent snapshot.
    async fn list(&self, query: Query) -> Result<ObjectList, ClusterError>;

    /// Follows changes after `resource_version` (from a [`list`](Self::list) of the same query).
    /// With an empty one everything that is there comes first, as [`WatchEvent::Applied`] one by
    /// one and without a mark where it ends; then the changes. The stream ends when the server ends
    /// it; [`WatchEvent::Expired`] means: list again.
    async fn watch(
        &self,
        query: Query,
        resource_version: String,
    ) -> Result<WatchStream, ClusterError>;

    /// Creates an object. A taken name is an answer, not an error.
    async fn create(&self, object: Object, options: WriteOptions) -> Result<Created, ClusterError>;

    /// Replaces an object that carries the `metadata.resourceVersion` it was read with. A lost
    /// race is an answer ([`Replaced::Stale`]), so is absence.
    ///
    /// # Errors
    /// [`ClusterErrorKind::Invalid`](crate::ClusterErrorKind::Invalid) without a resource version;
    /// nothing was written.
    async fn replace(
        &self,
        object: Object,
        options: WriteOptions,
    ) -> Result<Replaced, ClusterError>;

    /// Server-side apply: creates the object or brings the declared fields to it. Conflicts with
    /// other managers are an answer, unless forced.
    async fn apply(&self, object: Object, options: ApplyOptions) -> Result<Applied, ClusterError>;

    /// Server-side apply of an object that must not be there yet: its fields are owned as if
    /// [applied](Self::apply). What is there under its name is left as it is, which is an answer.
    async fn apply_new(
        &self,
        object: Object,
        options: WriteOptions,
    ) -> Result<Created, ClusterError>;

    /// Applies an RFC 6902 patch; `None` if the object is not there. A failing `test` operation is
    /// [`ClusterErrorKind::Invalid`](crate::ClusterErrorKind::Invalid).
    async fn patch(
        &self,
        target: ObjectRef,
        operations: serde_json::Value,
        options: WriteOptions,
    ) -> Result<Option<Object>, ClusterError>;

    /// Deletes an object. Nothing to delete is an answer; so is a precondition that does not hold.
    async fn delete(
        &self,
        target: ObjectRef,
        options: DeleteOptions,
    ) -> Result<Deleted, ClusterError>;

    /// Asks for a ServiceAccount's token (TokenRequest); a probe: nothing is kept.
    async fn request_token(&self, question: TokenQuestion) -> Result<TokenGrant, ClusterError>;

    /// Asks whether the caller may do something (SelfSubjectAccessReview); a probe.
    async fn review_access(&self, question: AccessQuestion)
    -> Result<AccessDecision, ClusterError>;

    /// Reads what the server serves, past every cache.
    async fn discover(&self) -> Result<Discovery, ClusterError>;
}

/// Which objects to list or watch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    /// The kind.
    pub kind: Kind,
    /// One namespace; `None` for all, and for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// A label selector: `owner=helm,name=airflow`.
    pub labels: Option<String>,
    /// A field selector: `metadata.name=airflow`.
    pub fields: Option<String>,
}

impl Query {
    /// All objects of a kind, in one namespace or (with `None`) in all.
    pub fn all(kind: Kind, namespace: Option<String>) -> Self {
        Self {
            kind,
            namespace,
            labels: None,
            fields: None,
        }
    }

    /// Only those with these labels.
    #[must_use]
    pub fn with_labels(mut self, selector: impl Into<String>) -> Self {
        self.labels = Some(selector.into());
        self
    }

    /// Only those with these fields.
    #[must_use]
    pub fn with_fields(mut self, selector: impl Into<String>) -> Self {
        self.fields = Some(selector.into());
        self
    }

    /// Only the one with this name.
    pub fn one(target: &ObjectRef) -> Self {
        Self::all(target.kind.clone(), target.namespace.clone())
            .with_fields(format!("metadata.name={}", target.name))
    }
}

/// A consistent snapshot.
#[derive(Debug, Clone, Default)]
pub struct ObjectList {
    /// The objects, in the server's order (by namespace and name).
    pub items: Vec<Object>,
    /// Where a watch continues.
    pub resource_version: String,
}

/// One change seen by a watch.
#[derive(Debug, Clone)]
pub enum WatchEvent {
    /// It is there now, new or changed.
    Applied(Object),
    /// It is gone; its last state.
    Deleted(Object),
    /// Nothing changed, but the position moved on.
    Bookmark(String),
    /// The position is too old: list again.
    Expired,
}

/// The changes of a watch, in order.
pub type WatchStream = BoxStream<'static, Result<WatchEvent, ClusterError>>;

/// How to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOptions {
    /// The field manager; `aks-airflow` by default.
    pub manager: String,
    /// Check only, keep nothing; off by default.
    pub dry_run: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            manager: "aks-airflow".into(),
            dry_run: false,
        }
    }
}

/// How to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyOptions {
    /// The field manager; `aks-airflow` by default.
    pub manager: String,
    /// Check only, keep nothing; off by default.
    pub dry_run: bool,
    /// Take fields that other managers own; off by default.
    pub force: bool,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self {
            manager: "aks-airflow".into(),
            dry_run: false,
            force: false,
        }
    }
}

/// How to delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// What happens to dependents; background by default.
    pub propagation: Propagation,
    /// Only this incarnation.
    pub uid: Option<String>,
    /// Only this version.
    pub resource_version: Option<String>,
    /// Check only, keep nothing; off by default.
    pub dry_run: bool,
}

/// What happens to the dependents of a deleted object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They go afterwards.
    #[default]
    Background,
    /// They go first.
    Foreground,
    /// They stay.
    Orphan,
}

/// The answer to a create.
#[derive(Debug, Clone)]
pub enum Created {
    /// It was created; as the server keeps it.
    New(Object),
    /// The name is taken; nothing was written.
    AlreadyExists,
}

/// The answer to a replace.
#[derive(Debug, Clone)]
pub enum Replaced {
    /// It was replaced (or was equal); as the server keeps it.
    Done(Object),
    /// Somebody else wrote in between; nothing was written.
    Stale,
    /// It is not there; nothing was written.
    Absent,
}

/// The answer to an apply.
#[derive(Debug, Clone)]
pub enum Applied {
    /// It is as declared; as the server keeps it.
    Done(Object),
    /// Other managers own fields with other values; nothing was written.
    Conflicts(Vec<FieldConflict>),
}

/// A field another manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldConflict {
    /// The field, in the server's notation: `.spec.replicas`.
    pub field: String,
    /// The manager: `kubectl-edit`.
    pub manager: String,
    /// The server's sentence.
    pub message: String,
}

/// The answer to a delete.
#[derive(Debug, Clone)]
pub enum Deleted {
    /// It is gone.
    Gone,
    /// Deletion began; finalizers or foreground dependents still hold it. Its state now.
    Begun(Object),
    /// There was nothing to delete.
    AlreadyAbsent,
    /// It is another incarnation or version than asked for; nothing was written.
    PreconditionFailed,
}

/// Whose token, for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenQuestion {
    /// The ServiceAccount's namespace.
    pub namespace: String,
    /// The ServiceAccount's name.
    pub service_account: String,
    /// The audiences the token is for.
    pub audiences: Vec<String>,
    /// How long it should last; the server may shorten or (below ten minutes) refuse it.
    pub lifetime: Duration,
}

/// A ServiceAccount's token.
#[derive(Debug, Clone)]
pub struct TokenGrant {
    /// The token.
    pub token: Secret,
    /// When it expires, RFC 3339.
    pub expires: String,
}

/// What the caller would like to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessQuestion {
    /// `get`, `create`, `patch`, …
    pub verb: String,
    /// The API group, empty for the core group.
    pub group: String,
    /// The resource's plural, with subresource: `secrets`, `pods/portforward`.
    pub resource: String,
    /// The namespace; `None` for cluster-wide.
    pub namespace: Option<String>,
    /// One object's name, or all.
    pub name: Option<String>,
}

/// Whether the caller may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessDecision {
    /// Allowed.
    pub allowed: bool,
    /// The authoriser's reason, often empty.
    pub reason: String,
}
