//! Nodes without a kubelet: kwok with stages of our own. It owns kwok's flags and the nodes'
//! manifests; it refuses to run any image.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use converge::Secret;
use futures::StreamExt as _;
use kube_cluster::{
    Cluster, ClusterError, ConnectOptions, Kind, KubeCluster, Object, ObjectRef, Query, WatchEvent,
    WriteOptions,
};
use serde_json::{Value, json};

use crate::process::{Process, free_port};
use crate::{Component, ControlPlane, ControlPlaneError};

const STAGES: &str = include_str!("nodes/stages.yaml");
/// Airflow's init container that waits until the database is migrated.
const WAITER: &str = "wait-for-airflow-migrations";
/// What the stages look for before such a pod runs.
const MIGRATED: &str = "e2e.invalid/migrated";

impl ControlPlane {
    /// Starts kwok and `count` nodes; returns when all are ready.
    ///
    /// # Errors
    /// What is missing, failed, or did not become ready in time.
    pub fn add_nodes(&self, count: u32) -> Result<(), ControlPlaneError> {
        self.add_nodes_with(count, "")
    }

    /// The same with more of kwok's configuration than our stages: whole YAML documents, each
    /// after a line `---`.
    ///
    /// # Errors
    /// As [`add_nodes`](Self::add_nodes).
    pub fn add_nodes_with(&self, count: u32, more: &str) -> Result<(), ControlPlaneError> {
        let tools = Component::Kwok.locate()?;
        let stages = self.folder().join("stages.yaml");
        fs::write(&stages, format!("{STAGES}{more}"))?;
        // An empty home: kwok reads `~/.kwok/kwok.yaml`.
        let home = self.folder().join("kwok");
        fs::create_dir_all(&home)?;
        let port = free_port()?;
        let file = |name: &str| self.folder().join(name).display().to_string();
        let arguments = [
            format!("--kubeconfig={}", file("kwok.kubeconfig")),
            format!("--config={}", stages.display()),
            "--manage-all-nodes=true".into(),
            "--cidr=10.244.0.0/16".into(),
            "--node-ip=127.0.0.1".into(),
            format!("--node-port={port}"),
            // Without it the port is open on every address.
            format!("--server-address=127.0.0.1:{port}"),
            format!("--tls-cert-file={}", file("kubelet.crt")),
            format!("--tls-private-key-file={}", file("kubelet.key")),
            "--node-lease-duration-seconds=40".into(),
        ];
        self.adopt(Process::start(
            "kwok",
            &tools.join("kwok"),
            &arguments,
            &home,
        )?);
        let names: Vec<String> = (0..count).map(|number| format!("node-{number}")).collect();
        self.probe(|cluster| {
            let names = names.clone();
            async move { create_nodes(&cluster, &names).await }
        })?;
        self.wait("the nodes", |plane| {
            plane
                .probe(|cluster| async move { ready_nodes(&cluster).await })
                .is_ok_and(|ready| ready >= names.len())
        })?;
        self.assert_loopback_only()
    }

    /// A client of its own, with a count of its own.
    ///
    /// # Errors
    /// When no client can be made.
    pub async fn connect(&self) -> Result<KubeCluster, ClusterError> {
        let kubeconfig = Secret::new(self.admin_kubeconfig());
        KubeCluster::from_kubeconfig(&kubeconfig, ConnectOptions::default()).await
    }
}

async fn create_nodes(cluster: &KubeCluster, names: &[String]) -> Result<(), ClusterError> {
    for name in names {
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux", "kubernetes.io/hostname": name}},
        });
        if let Ok(node) = Object::from_value(node) {
            cluster.create(node, WriteOptions::default()).await?;
        }
    }
    Ok(())
}

async fn ready_nodes(cluster: &KubeCluster) -> Result<usize, ClusterError> {
    let nodes = cluster
        .list(Query::all(Kind::new("v1", "Node"), None))
        .await?;
    let is_usable = |node: &&Object| {
        let conditions = node.at("/status/conditions").and_then(Value::as_array);
        let ready = conditions.is_some_and(|all| {
            all.iter()
                .any(|one| one["type"] == "Ready" && one["status"] == "True")
        });
        ready && node.at("/spec/taints").is_none()
    };
    Ok(nodes.items.iter().filter(is_usable).count())
}

/// For [`ControlPlane::add_nodes_with`]: a port of every pod in the namespace leads to a port of
/// this machine, as seen by port-forward.
pub fn forward_to(namespace: &str, pod_port: u16, port: u16) -> String {
    format!(
        "---\napiVersion: kwok.x-k8s.io/v1alpha1\nkind: ClusterPortForward\n\
         metadata: {{name: {namespace}-{pod_port}}}\n\
         spec:\n  selector: {{matchNamespaces: [{namespace}]}}\n  \
         forwards: [{{ports: [{pod_port}], target: {{address: 127.0.0.1, port: {port}}}}}]\n"
    )
}

/// Makes a namespace, unless it is there.
///
/// # Errors
/// When it cannot be made.
pub async fn make_namespace(cluster: &dyn Cluster, name: &str) -> Result<(), ClusterError> {
    let object = Object::named(&ObjectRef::cluster_wide("v1", "Namespace", name));
    cluster.create(object, WriteOptions::default()).await?;
    Ok(())
}

/// Lets the pods of one namespace leave Airflow's waiting init container once a migration Job of
/// that namespace is complete. Ends only when it is dropped.
///
/// A stage sees one object only, so this is the one thing kwok cannot model.
pub async fn let_migrations_through(cluster: Arc<dyn Cluster>, namespace: String) {
    let mut migrated = false;
    loop {
        // A watch ends now and then; an error (a restart of the server) is tried again.
        let _ = follow_pods(cluster.as_ref(), &namespace, &mut migrated).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Lets the pods that are there now leave Airflow's waiting init container.
///
/// # Errors
/// When they cannot be read or changed.
pub async fn let_waiting_pods_run(
    cluster: &dyn Cluster,
    namespace: &str,
) -> Result<(), ClusterError> {
    let query = Query::all(Kind::new("v1", "Pod"), Some(namespace.to_owned()));
    let mut waiting = BTreeMap::new();
    for pod in cluster.list(query).await?.items {
        note(&pod, &mut waiting, &mut false);
    }
    for (_, pod) in waiting {
        release(cluster, pod).await?;
    }
    Ok(())
}

async fn follow_pods(
    cluster: &dyn Cluster,
    namespace: &str,
    migrated: &mut bool,
) -> Result<(), ClusterError> {
    let query = Query::all(Kind::new("v1", "Pod"), Some(namespace.to_owned()));
    let list = cluster.list(query.clone()).await?;
    let mut waiting = BTreeMap::new();
    for pod in list.items {
        note(&pod, &mut waiting, migrated);
    }
    let mut events = cluster.watch(query, list.resource_version).await?;
    loop {
        if *migrated {
            while let Some((_, pod)) = waiting.pop_first() {
                release(cluster, pod).await?;
            }
        }
        match events.next().await.transpose()? {
            Some(WatchEvent::Applied(pod)) => note(&pod, &mut waiting, migrated),
            Some(WatchEvent::Deleted(pod)) => {
                waiting.remove(pod.name());
            }
            Some(WatchEvent::Bookmark(_)) => {}
            Some(WatchEvent::Expired) | None => return Ok(()),
        }
    }
}

/// Remembers a pod that waits, or that the migrations are done.
fn note(pod: &Object, waiting: &mut BTreeMap<String, ObjectRef>, migrated: &mut bool) {
    let is_migration = pod.label("component") == Some("run-airflow-migrations");
    if is_migration && pod.text("/status/phase") == Some("Succeeded") {
        *migrated = true;
    }
    let waits = pod
        .at("/spec/initContainers")
        .and_then(Value::as_array)
        .is_some_and(|all| all.iter().any(|one| one["name"] == WAITER));
    // Its kubelet must have begun to wait: a label that comes before that may go unseen.
    let has_begun = pod.at("/status/startTime").is_some();
    if waits && has_begun && pod.label(MIGRATED).is_none() {
        waiting.insert(pod.name().to_owned(), pod.reference());
    }
}

async fn release(cluster: &dyn Cluster, pod: ObjectRef) -> Result<(), ClusterError> {
    let operations = json!([
        {"op": "add", "path": "/metadata/labels/e2e.invalid~1migrated", "value": "true"},
    ]);
    let options = WriteOptions {
        manager: "e2e".into(),
        ..WriteOptions::default()
    };
    cluster.patch(pod, operations, options).await.map(|_| ())
}
