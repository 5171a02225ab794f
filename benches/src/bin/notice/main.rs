//! How soon a wait tells that a pod became ready, or why it will not, on a real API server with its
//! controllers; this program is the kubelet.
//!
//! Owns the injections, the clock and the table. It counts from before the status is sent to the API
//! server, so the server's own time is in every figure; it refuses to count a sentence that does not
//! name the cause.

mod causes;

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aks_airflow_e2e::{Api, ControlPlane, make_namespace};
use clap::Parser;
use converge::{Event, Observer};
use kube_cluster::{Cluster, KubeCluster, Object, ObjectRef, Target, wait_until};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use causes::{CAUSES, Cause};

/// How soon a wait tells that a pod became ready, or why it will not.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often each cause is injected.
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// How many pods become ready.
    #[arg(long, default_value_t = 200)]
    pods: u32,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

const NAMESPACE: &str = "notice";
/// How long a wait has lasted when something goes wrong: reasons are followed by then.
const SETTLED: Duration = Duration::from_millis(900);
/// How long a sentence is waited for.
const LIMIT: Duration = Duration::from_secs(5);

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let plane = ControlPlane::start()?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let cluster = plane.connect().await?;
        make_namespace(&cluster, NAMESPACE).await?;
        let bench = Bench {
            api: Api::administrator(&plane)?,
            cluster: Arc::new(cluster),
        };
        bench.measure(&arguments).await
    })
}

struct Bench {
    api: Api,
    cluster: Arc<KubeCluster>,
}

/// A wait that goes on, and what it says with the time of each sentence.
struct Waiting {
    said: UnboundedReceiver<(Instant, String)>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bench {
    async fn measure(&self, arguments: &Arguments) -> Result<(), Failure> {
        let mut broken = Vec::new();
        let mut out = std::io::stdout();
        for (number, cause) in CAUSES.iter().enumerate() {
            let mut named = 0;
            for round in 0..arguments.rounds {
                if let Some(took) = self
                    .break_one(cause, &format!("workload-{number}-{round}"))
                    .await?
                {
                    named += 1;
                    broken.push(took);
                }
            }
            writeln!(out, "{named} of {} named: {}", arguments.rounds, cause.name)?;
        }
        let mut ready = Vec::new();
        for number in 0..arguments.pods {
            ready.push(self.make_one_ready(number).await?);
        }
        let injected = CAUSES.len() * arguments.rounds as usize;
        writeln!(
            out,
            "\n| what | how many | median | p99 | most |\n|---|---|---|---|---|"
        )?;
        let named = format!(
            "broken → the cause is told ({} of {injected})",
            broken.len()
        );
        for (what, mut took) in [(named.as_str(), broken), ("ready → the wait ends", ready)] {
            took.sort();
            let at = |part: usize| took.get((took.len() * part).div_ceil(100).saturating_sub(1));
            let shown = |moment: Option<&Duration>| {
                moment.map_or("–".to_owned(), |one| {
                    format!("{:.1} ms", one.as_secs_f64() * 1e3)
                })
            };
            writeln!(
                out,
                "| {what} | {} | {} | {} | {} |",
                took.len(),
                shown(at(50)),
                shown(at(99)),
                shown(took.last())
            )?;
        }
        Ok(())
    }

    /// A workload's pod breaks; how long until the wait for the workload names the cause. `None` if
    /// it never does.
    async fn break_one(&self, cause: &Cause, name: &str) -> Result<Option<Duration>, Failure> {
        let deployments = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments");
        self.api.post(&deployments, &deployment(name)).await?;
        let pod = self.pod_of(name).await?;
        let target = ObjectRef::namespaced("apps/v1", "Deployment", NAMESPACE, name);
        let mut waiting = self.wait_for(target);
        tokio::time::sleep(SETTLED).await;
        let started = Instant::now();
        self.set_status(pod.name(), &(cause.status)()).await?;
        if let Some((reason, message)) = cause.event {
            let event = event(&pod, reason, message);
            let events = format!("/api/v1/namespaces/{NAMESPACE}/events");
            self.api.post(&events, &event).await?;
        }
        let named = |said: &str| cause.says.iter().all(|word| said.contains(word));
        let mut took = None;
        while let Ok(Some((at, said))) = tokio::time::timeout(LIMIT, waiting.said.recv()).await {
            if named(&said) {
                took = Some(at.saturating_duration_since(started));
                break;
            }
        }
        self.api.delete(&format!("{deployments}/{name}")).await?;
        self.remove(pod.name()).await?;
        Ok(took)
    }

    /// A pod becomes ready; how long until the wait for it ends.
    async fn make_one_ready(&self, number: u32) -> Result<Duration, Failure> {
        let name = format!("pod-{number}");
        let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods");
        let mut pod = template(&name);
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["name"] = name.clone().into();
        self.api.post(&pods, &pod).await?;
        let mut waiting = self.wait_for(ObjectRef::namespaced("v1", "Pod", NAMESPACE, &name));
        tokio::time::sleep(Duration::from_millis(150)).await;
        let started = Instant::now();
        let ready =
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        self.set_status(&name, &ready).await?;
        let ended = tokio::time::timeout(LIMIT, async {
            loop {
                match waiting.said.recv().await {
                    Some((at, said)) if said == DONE => break Some(at),
                    Some(_) => {}
                    None => break None,
                }
            }
        });
        let at = ended.await?.ok_or("the wait ended without a word")?;
        self.remove(&name).await?;
        Ok(at.saturating_duration_since(started))
    }

    fn wait_for(&self, target: ObjectRef) -> Waiting {
        let (sender, said) = unbounded_channel();
        let told = sender.clone();
        let observer = Observer::new(
            "notice",
            Arc::new(move |event: Event| {
                if let Event::Waiting { reason, .. } = event {
                    // Whoever listens may have heard enough.
                    let _ = told.send((Instant::now(), reason));
                }
            }),
        );
        let cluster: Arc<dyn Cluster> = Arc::clone(&self.cluster) as Arc<dyn Cluster>;
        let task = tokio::spawn(async move {
            let targets = [Target::ready(target)];
            let ended = wait_until(&cluster, &targets, Duration::from_secs(60), &observer).await;
            let word = ended.map_or_else(|error| error.to_string(), |_| DONE.to_owned());
            let _ = sender.send((Instant::now(), word));
        });
        Waiting { said, task }
    }

    async fn pod_of(&self, workload: &str) -> Result<Object, Failure> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3D{workload}");
        for _ in 0..500 {
            if let Some(pod) = self.api.items(&path).await?.pop() {
                let pod = Object::from_value(json!({
                    "apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"],
                }));
                return pod.map_err(|_| "a pod is no object".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(format!("{workload} has no pod").into())
    }

    async fn set_status(&self, pod: &str, status: &Value) -> Result<(), Failure> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}/status");
        self.api.merge(&path, &json!({"status": status})).await?;
        Ok(())
    }

    async fn remove(&self, pod: &str) -> Result<(), Failure> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}?gracePeriodSeconds=0");
        Ok(self.api.delete(&path).await?)
    }
}

/// What is said when a wait has ended well.
const DONE: &str = "done";

/// A pod no scheduler takes, so that it stays ours.
fn template(name: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": name}},
        "spec": {
            "schedulerName": "nobody",
            "initContainers": [{"name": "wait-for-airflow-migrations", "image": "myacr.azurecr.io/airflow:2.9.3"}],
            "containers": [{"name": "main", "image": "myacr.azurecr.io/airflow:2.9.3"}],
        },
    })
}

fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name),
        },
    })
}

fn event(pod: &Object, reason: &str, message: &str) -> Value {
    let now = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    json!({
        "apiVersion": "v1", "kind": "Event", "type": "Warning",
        "metadata": {"generateName": "e", "namespace": NAMESPACE},
        "involvedObject": {
            "apiVersion": "v1", "kind": "Pod", "namespace": NAMESPACE,
            "name": pod.name(), "uid": pod.uid(),
        },
        "reason": reason, "message": message, "count": 1,
        "firstTimestamp": now, "lastTimestamp": now, "source": {"component": "kubelet"},
    })
}
