//! Port-forward through a real API server: bytes stay what they are, and Airflow itself answers
//! behind a pod, for the UI's local port and for the API.
//!
//! The pods are kwok's; their port leads to a process on this machine. Without the programs the tests
//! are *ignored*; named in `E2E_REQUIRE` they fail.

use std::sync::Arc;
use std::time::Duration;

use airflow_helm::{
    AirflowApi as _, AirflowSettings, Followed, ForwardedApi, Login, Pair, PodTarget, RunState,
    UiServer, chart_values, trigger_and_follow,
};
use aks_airflow_e2e::Failed;
use aks_airflow_e2e::airflow::{ConfigOption, GOOD_DAG, PASSWORD, USER};
use aks_airflow_e2e::{Component, ControlPlane, RealAirflow, forward_to, make_namespace, trial};
use converge::{Observer, Secret};
use kube_cluster::{
    Cluster, DeleteOptions, KubeCluster, Object, ObjectRef, PortForward as _, Target, WriteOptions,
    wait_until,
};
use libtest_mimic::{Arguments, Trial};
use serde_json::{Map, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// How long anything may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(240);

fn main() {
    let mut arguments = Arguments::from_args();
    // Each has a control plane of its own.
    arguments.test_threads.get_or_insert(1);
    let plane = [Component::ControlPlane, Component::Kwok];
    let mut trials: Vec<Trial> = vec![trial(
        "a_hundred_megabytes_come_back_equal",
        &plane,
        a_hundred_megabytes_come_back_equal,
    )];
    for (component, chart, airflow) in [
        (Component::Airflow2, "1.15.0", "2.9.3"),
        (Component::Airflow3, "1.22.0", "3.2.2"),
    ] {
        trials.push(trial(
            format!("{}::the_ui_and_the_api_reach_it", component.name()),
            &[plane[0], plane[1], component],
            move || the_ui_and_the_api_reach_it(component, chart, airflow),
        ));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// A control plane with one node, on which a port of every pod of `namespace` leads here.
async fn plane(namespace: &str, port: u16) -> Result<(ControlPlane, Arc<KubeCluster>), Failed> {
    let forwards = forward_to(namespace, 8080, port);
    let start = move || -> Result<ControlPlane, Failed> {
        let plane = ControlPlane::start()?;
        plane.add_nodes_with(1, &forwards)?;
        Ok(plane)
    };
    let plane = tokio::task::spawn_blocking(start).await??;
    let cluster = Arc::new(plane.connect().await?);
    make_namespace(&*cluster, namespace).await?;
    let account = ObjectRef::namespaced("v1", "ServiceAccount", namespace, "default");
    let seam: Arc<dyn Cluster> = Arc::clone(&cluster) as _;
    wait_until(
        &seam,
        &[Target::ready(account)],
        LIMIT,
        &Observer::default(),
    )
    .await?;
    Ok((plane, cluster))
}

/// A ready pod with the labels the chart gives the server of the UI.
async fn pod(cluster: &Arc<KubeCluster>, target: &PodTarget, name: &str) -> Result<(), Failed> {
    let pod = Object::from_value(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": target.namespace,
            "labels": {"tier": "airflow", "component": target.component, "release": target.release},
        },
        "spec": {"containers": [
            {"name": "web", "image": "airflow", "ports": [{"containerPort": target.port}]},
        ]},
    }))
    .map_err(|value| format!("not an object: {value}"))?;
    let reference = pod.reference();
    cluster.create(pod, WriteOptions::default()).await?;
    let seam: Arc<dyn Cluster> = Arc::clone(cluster) as _;
    wait_until(
        &seam,
        &[Target::ready(reference)],
        LIMIT,
        &Observer::default(),
    )
    .await?;
    Ok(())
}

/// What goes in comes out, both ways at once.
async fn a_hundred_megabytes_come_back_equal() -> Result<(), Failed> {
    const SIZE: usize = 100 * 1024 * 1024;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    let (_plane, cluster) = plane("echo", port).await?;
    let target = PodTarget {
        namespace: "echo".into(),
        release: "echo".into(),
        component: "web".into(),
        port: 8080,
    };
    pod(&cluster, &target, "echo").await?;
    let stream = cluster.forward("echo".into(), "echo".into(), 8080).await?;
    let (mut from, mut to) = tokio::io::split(stream);
    let sent = bytes(SIZE);
    let copy = sent.clone();
    let writer = tokio::spawn(async move {
        to.write_all(&copy).await?;
        to.flush().await?;
        Ok::<_, std::io::Error>(to)
    });
    let mut received = vec![0; SIZE];
    tokio::time::timeout(LIMIT, from.read_exact(&mut received)).await??;
    drop(writer.await??);
    if received == sent {
        Ok(())
    } else {
        let at = sent
            .iter()
            .zip(&received)
            .position(|(one, other)| one != other);
        Err(format!("the first other byte is at {at:?}").into())
    }
}

fn bytes(size: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut bytes = vec![0; size];
    random.fill(&mut bytes);
    bytes
}

/// The UI's local port leads to Airflow, a run is triggered and followed to success, and when the
/// pod goes in the middle of a connection, the next request finds the other one.
async fn the_ui_and_the_api_reach_it(
    component: Component,
    chart: &str,
    airflow: &str,
) -> Result<(), Failed> {
    let settings = AirflowSettings {
        chart_version: chart.into(),
        airflow_version: airflow.into(),
        ..AirflowSettings::default()
    };
    let pair = settings.validate()?;
    let values = chart_values(&settings, &pair, &Map::new());
    let options = ConfigOption::of_chart_values(&values);
    let airflow = RealAirflow::start(component, &options).await?;
    let (_plane, cluster) = plane(&settings.namespace, airflow.port()).await?;
    let target = PodTarget::ui(&settings, &pair);
    pod(&cluster, &target, "web-1").await?;
    let api = api(&cluster, &target, &pair);
    let version = api.version().await?;
    if version != settings.airflow_version {
        return Err(format!("{version} answers").into());
    }
    api_sees(&api, GOOD_DAG).await?;
    let followed = trigger_and_follow(&api, GOOD_DAG, LIMIT, &Observer::default()).await?;
    if followed != Followed::Ended(RunState::Success) {
        return Err(format!("{followed:?}").into());
    }
    let seam: Arc<dyn Cluster> = Arc::clone(&cluster) as _;
    let forward = Arc::clone(&cluster) as _;
    let observer = Observer::default();
    let ui = UiServer::bind(seam, forward, target.clone(), &api, 0, observer).await?;
    let health = format!(
        "{}{}",
        ui.url(),
        if pair.airflow.is_three() {
            "/api/v2/monitor/health"
        } else {
            "/health"
        }
    );
    tokio::spawn(async move { ui.serve().await });
    let client = || {
        let builder = reqwest::Client::builder().no_proxy().timeout(LIMIT);
        builder.build()
    };
    let ask = |client: reqwest::Client| {
        let request = client.get(&health);
        async move {
            let answer = request.send().await?.error_for_status()?;
            answer.text().await
        }
    };
    let first = client()?;
    if !ask(first.clone()).await?.contains("healthy") {
        return Err("the UI's port does not lead to Airflow".into());
    }
    // The connection stays open while the pod behind it goes and another one comes.
    pod(&cluster, &target, "web-2").await?;
    let gone = ObjectRef::namespaced("v1", "Pod", &target.namespace, "web-1");
    cluster.delete(gone, DeleteOptions::default()).await?;
    for client in [client()?, first] {
        if !ask(client).await?.contains("healthy") {
            return Err("the next request fails".into());
        }
    }
    api.health().await?;
    Ok(())
}

fn api(cluster: &Arc<KubeCluster>, target: &PodTarget, pair: &Pair) -> ForwardedApi {
    let login = Login {
        username: USER.into(),
        password: Secret::new(PASSWORD),
    };
    let seam: Arc<dyn Cluster> = Arc::clone(cluster) as _;
    ForwardedApi::new(
        seam,
        Arc::clone(cluster) as _,
        target.clone(),
        pair,
        Some(login),
    )
}

/// A new DAG is there once its file has been parsed.
async fn api_sees(api: &ForwardedApi, dag: &str) -> Result<(), Failed> {
    let seen = async {
        while !api.dags().await?.iter().any(|one| one == dag) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    };
    tokio::time::timeout(LIMIT, seen).await?
}
