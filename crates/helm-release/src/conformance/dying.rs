//! [`Dying`] and [`Forgetful`]: a cluster whose caller dies at a chosen request, and one that loses
//! the answer to a chosen write. They own the count; they refuse to change any effect.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use kube_cluster::{
    AccessDecision, AccessQuestion, Applied, ApplyOptions, Cluster, ClusterError, ClusterErrorKind,
    Created, DeleteOptions, Deleted, Discovery, Object, ObjectList, ObjectRef, Query, Replaced,
    TokenGrant, TokenQuestion, WatchStream, WriteOptions,
};
use tokio::sync::Notify;

/// When the caller dies: at which request, before or after its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    /// The request, from 0.
    pub at: usize,
    /// Whether the request still takes effect.
    pub after_effect: bool,
}

/// A cluster whose caller dies at a chosen request: the answer never comes. Clones die together.
#[derive(Clone)]
pub struct Dying {
    cluster: Arc<dyn Cluster>,
    death: Option<Death>,
    requests: Arc<AtomicUsize>,
    dead: Arc<Notify>,
}

impl Dying {
    /// The caller of `cluster` dies so; with `None` it lives, and its requests are counted.
    pub fn new(cluster: Arc<dyn Cluster>, death: Option<Death>) -> Self {
        Self {
            cluster,
            death,
            requests: Arc::default(),
            dead: Arc::default(),
        }
    }

    /// How many requests were made.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Runs `work` until it is done or its caller died; `None` if it died.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.dead.notified() => None,
            done = work => Some(done),
        }
    }

    /// Lets a request through, or dies.
    async fn pass<T>(&self, request: impl Future<Output = T>) -> T {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        match self.death {
            Some(death) if number >= death.at => {
                if death.after_effect && number == death.at {
                    drop(request.await);
                }
                self.dead.notify_one();
                std::future::pending().await
            }
            _ => request.await,
        }
    }
}

impl fmt::Debug for Dying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dying({:?} of {:?})", self.death, self.cluster)
    }
}

#[async_trait]
impl Cluster for Dying {
    async fn get(&self, target: ObjectRef) -> Result<Option<Object>, ClusterError> {
        self.pass(self.cluster.get(target)).await
    }

    async fn list(&self, query: Query) -> Result<ObjectList, ClusterError> {
        self.pass(self.cluster.list(query)).await
    }

    async fn watch(&self, query: Query, version: String) -> Result<WatchStream, ClusterError> {
        self.pass(self.cluster.watch(query, version)).await
    }

    async fn create(&self, object: Object, options: WriteOptions) -> Result<Created, ClusterError> {
        self.pass(self.cluster.create(object, options)).await
    }

    async fn replace(
        &self,
        object: Object,
        options: WriteOptions,
    ) -> Result<Replaced, ClusterError> {
        self.pass(self.cluster.replace(object, options)).await
    }

    async fn apply(&self, object: Object, options: ApplyOptions) -> Result<Applied, ClusterError> {
        self.pass(self.cluster.apply(object, options)).await
    }

    async fn apply_new(
        &self,
        object: Object,
        options: WriteOptions,
    ) -> Result<Created, ClusterError> {
        self.pass(self.cluster.apply_new(object, options)).await
    }

    async fn patch(
        &self,
        target: ObjectRef,
        operations: serde_json::Value,
        options: WriteOptions,
    ) -> Result<Option<Object>, ClusterError> {
        self.pass(self.cluster.patch(target, operations, options))
            .await
    }

    async fn delete(
        &self,
        target: ObjectRef,
        options: DeleteOptions,
    ) -> Result<Deleted, ClusterError> {
        self.pass(self.cluster.delete(target, options)).await
    }

    async fn request_token(&self, question: TokenQuestion) -> Result<TokenGrant, ClusterError> {
        self.pass(self.cluster.request_token(question)).await
    }

    async fn review_access(
        &self,
        question: AccessQuestion,
    ) -> Result<AccessDecision, ClusterError> {
        self.pass(self.cluster.review_access(question)).await
    }

    async fn discover(&self) -> Result<Discovery, ClusterError> {
        self.pass(self.cluster.discover()).await
    }
}

/// A cluster that loses the answer to one write that backends do not repeat by themselves: create,
/// replace, patch or delete. Clones forget together.
#[derive(Clone)]
pub struct Forgetful {
    cluster: Arc<dyn Cluster>,
    loss: Option<Death>,
    writes: Arc<AtomicUsize>,
}

impl Forgetful {
    /// The answer to this write is lost; with `None` none is, and the writes are counted.
    pub fn new(cluster: Arc<dyn Cluster>, loss: Option<Death>) -> Self {
        Self {
            cluster,
            loss,
            writes: Arc::default(),
        }
    }

    /// How many such writes were made.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    async fn pass<T>(
        &self,
        write: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        let Some(loss) = self.loss.filter(|loss| loss.at == number) else {
            return write.await;
        };
        if loss.after_effect {
            drop(write.await);
        }
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let kind = ClusterErrorKind::Unreachable(Box::new(broken));
        Err(ClusterError::new("write", "something", kind))
    }
}

impl fmt::Debug for Forgetful {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Forgetful({:?} of {:?})", self.loss, self.cluster)
    }
}

#[async_trait]
impl Cluster for Forgetful {
    async fn get(&self, target: ObjectRef) -> Result<Option<Object>, ClusterError> {
        self.cluster.get(target).await
    }

    async fn list(&self, query: Query) -> Result<ObjectList, ClusterError> {
        self.cluster.list(query).await
    }

    async fn watch(&self, query: Query, version: String) -> Result<WatchStream, ClusterError> {
        self.cluster.watch(query, version).await
    }

    async fn create(&self, object: Object, options: WriteOptions) -> Result<Created, ClusterError> {
        self.pass(self.cluster.create(object, options)).await
    }

    async fn replace(
        &self,
        object: Object,
        options: WriteOptions,
    ) -> Result<Replaced, ClusterError> {
        self.pass(self.cluster.replace(object, options)).await
    }

    async fn apply(&self, object: Object, options: ApplyOptions) -> Result<Applied, ClusterError> {
        self.cluster.apply(object, options).await
    }

    async fn apply_new(
        &self,
        object: Object,
        options: WriteOptions,
    ) -> Result<Created, ClusterError> {
        self.pass(self.cluster.apply_new(object, options)).await
    }

    async fn patch(
        &self,
        target: ObjectRef,
        operations: serde_json::Value,
        options: WriteOptions,
    ) -> Result<Option<Object>, ClusterError> {
        self.pass(self.cluster.patch(target, operations, options))
            .await
    }

    async fn delete(
        &self,
        target: ObjectRef,
        options: DeleteOptions,
    ) -> Result<Deleted, ClusterError> {
        self.pass(self.cluster.delete(target, options)).await
    }

    async fn request_token(&self, question: TokenQuestion) -> Result<TokenGrant, ClusterError> {
        self.cluster.request_token(question).await
    }

    async fn review_access(
        &self,
        question: AccessQuestion,
    ) -> Result<AccessDecision, ClusterError> {
        self.cluster.review_access(question).await
    }

    async fn discover(&self) -> Result<Discovery, ClusterError> {
        self.cluster.discover().await
    }
}
