//! [`KubeCluster`]: the seams over a real API server. It owns one HTTP client, the cache of what
//! is served, retries and the count of requests; it refuses to decide what anything is for.
//!
//! Retries are ours, not those of `kube` (it also repeats creates). Reads, probes and server-side
//! apply are repeated after a broken connection, a timeout, 429 and 5xx; every other write only where
//! the server certainly did nothing: 429, no connection at all, or 403 by a server that has just
//! started and not read its roles yet.

mod access;
mod answer;
mod connect;
mod discovery;
mod forward;
mod logs;
mod objects;
mod outage;
mod request;
mod send;
pub(crate) mod stable;
mod stream;
mod token_source;
mod watch;
mod wire;

#[cfg(test)]
mod tests;

pub use connect::{ConnectOptions, ServerAddress};
pub use token_source::{TokenError, TokenSource};

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use converge::RequestLog;
use tokio::sync::Mutex;

use outage::Outage;

use crate::{
    AccessDecision, AccessQuestion, Applied, ApplyOptions, Cluster, ClusterError, Created,
    DeleteOptions, Deleted, Discovery, Kind, LogLines, LogQuery, Object, ObjectList, ObjectRef,
    PodLogs, PodStream, PortForward, Query, Replaced, Resource, TokenGrant, TokenQuestion,
    WatchStream, WriteOptions,
};

/// A Kubernetes API server, reached through the `kube` client. Cheap to clone; clones share
/// connections, cache and count.
///
/// ```no_run
/// # // needs a server
/// use kube_cluster::{Cluster, ConnectOptions, KubeCluster, ObjectRef};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cluster = KubeCluster::from_kubeconfig_file("kubeconfig", ConnectOptions::default()).await?;
/// let namespace = ObjectRef::cluster_wide("v1", "Namespace", "airflow");
/// println!("{}", cluster.get(namespace).await?.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KubeCluster {
    client: kube::Client,
    server: Arc<str>,
    default_namespace: Arc<str>,
    served: Arc<Mutex<HashMap<Kind, Resource>>>,
    /// Group versions that are being asked for: whoever else needs one waits for the answer.
    asking: Arc<Mutex<HashMap<String, Arc<Mutex<()>>>>>,
    requests: RequestLog,
    outage: Outage,
    limits: Limits,
}

/// How long one request and its retries may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    request: Duration,
    retries: Duration,
    seed: u64,
}

impl KubeCluster {
    /// The server's address, as `https://aks-abc.hcp.westeurope.azmk8s.io:443/`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The namespace of the kubeconfig's context; `default` where it names none.
    pub fn default_namespace(&self) -> &str {
        &self.default_namespace
    }

    /// The counter of the requests this client makes.
    pub fn requests(&self) -> &RequestLog {
        &self.requests
    }
}

impl fmt::Debug for KubeCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KubeCluster({})", self.server)
    }
}

#[async_trait]
impl Cluster for KubeCluster {
    async fn get(&self, target: ObjectRef) -> Result<Option<Object>, ClusterError> {
        self.read_object(&target).await
    }

    async fn list(&self, query: Query) -> Result<ObjectList, ClusterError> {
        self.list_all(&query).await
    }

    async fn watch(
        &self,
        query: Query,
        resource_version: String,
    ) -> Result<WatchStream, ClusterError> {
        self.open_watch(&query, &resource_version).await
    }

    async fn create(&self, object: Object, options: WriteOptions) -> Result<Created, ClusterError> {
        let created = self.create_object(&object, &options).await?;
        if let (Created::New(object), false) = (&created, options.dry_run) {
            self.learn(object).await;
        }
        Ok(created)
    }

    async fn replace(
        &self,
        object: Object,
        options: WriteOptions,
    ) -> Result<Replaced, ClusterError> {
        self.replace_object(&object, &options).await
    }

    async fn apply(&self, object: Object, options: ApplyOptions) -> Result<Applied, ClusterError> {
        let applied = self.apply_object(&object, &options).await?;
        if let (Applied::Done(object), false) = (&applied, options.dry_run) {
            self.learn(object).await;
        }
        Ok(applied)
    }

    async fn apply_new(
        &self,
        object: Object,
        options: WriteOptions,
    ) -> Result<Created, ClusterError> {
        let created = self.apply_new_object(object, &options).await?;
        if let (Created::New(object), false) = (&created, options.dry_run) {
            self.learn(object).await;
        }
        Ok(created)
    }

    async fn patch(
        &self,
        target: ObjectRef,
        operations: serde_json::Value,
        options: WriteOptions,
    ) -> Result<Option<Object>, ClusterError> {
        self.patch_object(&target, &operations, &options).await
    }

    async fn delete(
        &self,
        target: ObjectRef,
        options: DeleteOptions,
    ) -> Result<Deleted, ClusterError> {
        self.delete_object(&target, &options).await
    }

    async fn request_token(&self, question: TokenQuestion) -> Result<TokenGrant, ClusterError> {
        self.ask_token(&question).await
    }

    async fn review_access(
        &self,
        question: AccessQuestion,
    ) -> Result<AccessDecision, ClusterError> {
        self.ask_access(&question).await
    }

    async fn discover(&self) -> Result<Discovery, ClusterError> {
        self.discover_all().await
    }
}

#[async_trait]
impl PodLogs for KubeCluster {
    async fn logs(&self, query: LogQuery) -> Result<Option<LogLines>, ClusterError> {
        self.open_log(&query).await
    }
}

#[async_trait]
impl PortForward for KubeCluster {
    async fn forward(
        &self,
        namespace: String,
        pod: String,
        port: u16,
    ) -> Result<Box<dyn PodStream>, ClusterError> {
        self.open_forward(&namespace, &pod, port).await
    }
}
