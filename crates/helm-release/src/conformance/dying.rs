//! [`Dying`]: a cluster whose caller dies at a chosen request. It owns the count; it refuses to
//! change any answer.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use kube_cluster::{
    AccessDecision, AccessQuestion, Applied, ApplyOptions, Cluster, ClusterError, Created,
    DeleteOptions, Deleted, Discovery, Object, ObjectList, ObjectRef, Query, Replaced, TokenGrant,
    TokenQuestion, WatchStream, WriteOptions,
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
