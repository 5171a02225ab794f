//! The official Airflow chart on nodes where pods wait for the migrations, as real ones do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aks_airflow_e2e::Failed;
use aks_airflow_e2e::{Component, Helm, let_migrations_through};
use converge::{Observer, RequestClass};
use helm_chart::Chart;
use helm_release::{Policy, ReleaseIntent, ReleaseName, Releases as _};
use serde_json::{Value, json};

use crate::ground::{Ground, assert_ready, expect, same, words};
use crate::official_chart;

/// Everything on that waits for the migrations, nothing that needs a disk: the harness has no
/// provisioner.
fn values() -> Value {
    json!({
        "executor": "KubernetesExecutor",
        "triggerer": {"persistence": {"enabled": false}},
        "postgresql": {"primary": {"persistence": {"enabled": false}}},
        "webserverSecretKey": "not a secret: nothing listens",
        "fernetKey": "bm90IGEgc2VjcmV0OiBub3RoaW5nIGxpc3RlbnMhISE=",
    })
}

/// The schedule runs the migrations before what waits for them, with Helm's own hooks in place.
pub(crate) async fn the_schedule_installs_the_official_chart(ground: Ground) -> Result<(), Failed> {
    let gate = Gate::open(&ground).await?;
    let bytes = std::fs::read(official_chart())?;
    let chart = Chart::from_archive(&bytes)?;
    let name = ReleaseName::parse("airflow")?;
    let mut intent = ReleaseIntent::new(name, &ground.namespace, Arc::new(chart));
    intent.values = values();
    intent.schedule = airflow_helm::schedule("airflow");
    intent.timeout = Duration::from_secs(120);
    let started = Instant::now();
    let outcome = ground
        .releases()
        .apply(intent.clone(), Policy::default(), Observer::default())
        .await
        .map_err(|error| words(&error))?;
    same(outcome.did.as_str(), "installed, revision 1")?;
    let status = ground.releases().status(intent.id()).await?;
    let status = status.ok_or("no status")?;
    assert_ready(&status)?;
    expect(started.elapsed() < Duration::from_secs(120), || {
        format!("it took {:?}", started.elapsed())
    })?;
    let before = ground.cluster.requests().count();
    let again = ground
        .releases()
        .apply(intent, Policy::default(), Observer::default())
        .await
        .map_err(|error| words(&error))?;
    let made = ground.cluster.requests().count().since(&before);
    expect(again.unchanged, || again.did.clone())?;
    expect(made.of(RequestClass::Write) == 0, || made.to_string())?;
    drop(gate);
    Ok(())
}

/// The dead-lock on the same ground: Helm waits for pods that wait for a hook that Helm runs only
/// after the wait.
pub(crate) async fn helm_waits_for_ever_on_the_official_chart(
    ground: Ground,
) -> Result<(), Failed> {
    let gate = Gate::open(&ground).await?;
    let helm = Helm::new(Component::Helm4, ground.plane)?;
    let file = ground.plane.folder().join("airflow-values.json");
    std::fs::write(&file, values().to_string())?;
    let namespace = &ground.namespace;
    let command = format!(
        "install airflow {} -n {namespace} -f {} --wait --timeout 40s",
        official_chart().display(),
        file.display()
    );
    let started = Instant::now();
    let said = match helm.run(&command).await {
        Ok(_) => return Err("Helm installed it: the ground does not model the wait".into()),
        Err(error) => error.to_string(),
    };
    expect(started.elapsed() >= Duration::from_secs(35), || {
        format!("not a timeout: {said}")
    })?;
    expect(said.contains("airflow-scheduler"), || said.clone())?;
    let jobs = kube_cluster::Query::all(
        kube_cluster::Kind::new("batch/v1", "Job"),
        Some(namespace.clone()),
    );
    let cluster: &dyn kube_cluster::Cluster = &ground.cluster;
    let jobs = cluster.list(jobs).await?.items;
    expect(jobs.is_empty(), || "a migration Job was started".into())?;
    drop(gate);
    Ok(())
}

/// The migration gate of one namespace, while this lives.
struct Gate(tokio::task::JoinHandle<()>);

impl Gate {
    /// With a client of its own, so that its requests do not count as the test's.
    async fn open(ground: &Ground) -> Result<Self, Failed> {
        let cluster = Arc::new(ground.plane.connect().await?);
        let namespace = ground.namespace.clone();
        Ok(Self(tokio::spawn(let_migrations_through(
            cluster, namespace,
        ))))
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.0.abort();
    }
}
