//! The sandbox's API server keeps the contract of `Cluster`: every behaviour of the conformance
//! suite over in-memory pipes, and again on loopback through kube's own TLS and login.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aks_sandbox::Sandbox;
use converge::Secret;
use kube_cluster::conformance::Subject;
use kube_cluster::{
    Cluster, ConnectOptions, Created, KubeCluster, Object, ObjectRef, WriteOptions,
};

static NAMESPACES: AtomicU32 = AtomicU32::new(0);

async fn subject(cluster: KubeCluster, sandbox: Sandbox) -> Subject {
    let namespace = format!("suite-{}", NAMESPACES.fetch_add(1, Ordering::Relaxed));
    let object = Object::named(&ObjectRef::cluster_wide("v1", "Namespace", &namespace));
    let created = cluster
        .create(object, WriteOptions::default())
        .await
        .unwrap();
    assert!(matches!(created, Created::New(_)));
    let mut subject = Subject::new(Arc::new(cluster), namespace);
    subject.guard = Box::new(sandbox);
    subject
}

mod over_pipes {
    use super::*;

    async fn setup() -> Subject {
        let sandbox = Sandbox::seeded(7);
        let cluster = KubeCluster::with_connector(
            sandbox.connector(),
            &sandbox.api_url(),
            ConnectOptions::default(),
        )
        .unwrap();
        subject(cluster, sandbox).await
    }

    kube_cluster::cluster_conformance!(setup());
}

mod on_loopback {
    use super::*;

    async fn setup() -> Subject {
        let sandbox = Sandbox::seeded(7);
        let endpoints = sandbox.listen().await.unwrap();
        let kubeconfig = Secret::new(endpoints.kubeconfig);
        let cluster = KubeCluster::from_kubeconfig(&kubeconfig, ConnectOptions::default())
            .await
            .unwrap();
        subject(cluster, sandbox).await
    }

    kube_cluster::cluster_conformance!(setup());
}
