//! Pods of the sandbox through the real client: they start, log, listen, and say why they cannot
//! start. On virtual time over pipes, and port-forward once more on loopback.

use std::sync::Arc;
use std::time::Duration;

use aks_sandbox::Sandbox;
use converge::{Observer, Secret};
use kube_cluster::{
    Cluster, ConnectOptions, Created, Kind, KubeCluster, LogQuery, Object, PodLogs, PortForward,
    Query, Target, WriteOptions, wait_until,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn pod(image: &str) -> Object {
    Object::from_value(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"containers": [{"name": "webserver", "image": image, "ports": [{"containerPort": 8080}]}]},
    }))
    .unwrap()
}

fn over_pipes(sandbox: &Sandbox) -> Arc<KubeCluster> {
    let options = ConnectOptions::default();
    Arc::new(KubeCluster::with_connector(sandbox.connector(), &sandbox.api_url(), options).unwrap())
}

async fn started(cluster: &Arc<KubeCluster>, image: &str) {
    let object = pod(image);
    let target = Target::ready(object.reference());
    let created = cluster
        .create(object, WriteOptions::default())
        .await
        .unwrap();
    assert!(matches!(created, Created::New(_)));
    let seam: Arc<dyn Cluster> = Arc::clone(cluster) as _;
    wait_until(
        &seam,
        &[target],
        Duration::from_secs(120),
        &Observer::default(),
    )
    .await
    .unwrap();
}

async fn ask(cluster: &KubeCluster, port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = cluster
        .forward("default".into(), "web".into(), port)
        .await
        .unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn airflow(sandbox: &Sandbox) -> String {
    format!("{}/airflow:2.9.3", sandbox.spec().registry_host())
}

async fn answers_on_its_port(cluster: &KubeCluster) {
    let answer = ask(cluster, 8080, "/health").await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let health: Value = serde_json::from_str(body).unwrap();
    assert_eq!(health["scheduler"]["status"], "healthy");
    let page = ask(cluster, 8080, "/").await.unwrap();
    assert!(
        page.contains("simulated by aks-airflow sandbox, not Airflow"),
        "{page}"
    );
    let refused = ask(cluster, 9, "/").await.unwrap_err();
    assert!(
        refused.to_string().contains("connection refused"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_running_pod_answers_on_its_port() {
    let sandbox = Sandbox::seeded(7);
    let cluster = over_pipes(&sandbox);
    started(&cluster, &airflow(&sandbox)).await;
    answers_on_its_port(&cluster).await;
}

#[tokio::test]
async fn a_running_pod_answers_on_its_port_over_loopback() {
    let sandbox = Sandbox::seeded(7);
    let endpoints = sandbox.listen().await.unwrap();
    let kubeconfig = Secret::new(endpoints.kubeconfig);
    let cluster = KubeCluster::from_kubeconfig(&kubeconfig, ConnectOptions::default())
        .await
        .unwrap();
    let cluster = Arc::new(cluster);
    started(&cluster, &airflow(&sandbox)).await;
    answers_on_its_port(&cluster).await;
}

#[tokio::test(start_paused = true)]
async fn the_log_of_a_running_container_can_be_read() {
    let sandbox = Sandbox::seeded(7);
    let cluster = over_pipes(&sandbox);
    started(&cluster, &airflow(&sandbox)).await;
    assert!(
        cluster
            .logs(LogQuery::of("default", "web"))
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        cluster
            .logs(LogQuery::of("default", "absent"))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_in_the_registry_is_named() {
    let sandbox = Sandbox::seeded(7);
    let cluster = over_pipes(&sandbox);
    let image = airflow(&sandbox);
    sandbox.set_faults(|faults| faults.missing_images = [image.clone()].into());
    cluster
        .create(pod(&image), WriteOptions::default())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let pods = cluster
        .list(Query::all(Kind::new("v1", "Pod"), Some("default".into())))
        .await
        .unwrap();
    let waiting = pods.items[0]
        .at("/status/containerStatuses/0/state/waiting")
        .unwrap();
    assert!(
        matches!(
            waiting["reason"].as_str(),
            Some("ErrImagePull" | "ImagePullBackOff")
        ),
        "{waiting}"
    );
    assert!(
        waiting["message"].as_str().unwrap().contains(&image),
        "{waiting}"
    );
}
