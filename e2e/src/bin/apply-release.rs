//! A client to be killed: applies the sample chart once.
//!
//! `apply-release KUBECONFIG NAMESPACE VALUES [AT before|after]` writes one line: `done REQUESTS`,
//! `dead` when it has come to its request and hangs there, or `failed WHY`.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

use aks_airflow_e2e::sample;
use converge::Observer;
use helm_release::conformance::dying::{Death, Dying};
use helm_release::{ClusterReleases, Policy, Releases as _};
use kube_cluster::{ConnectOptions, KubeCluster};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kubeconfig, namespace, values, death @ ..] = arguments.as_slice() else {
        return Err("usage: apply-release KUBECONFIG NAMESPACE VALUES [AT before|after]".into());
    };
    let death = match death {
        [at, when] => Some(Death {
            at: at.parse()?,
            after_effect: when == "after",
        }),
        _ => None,
    };
    let cluster = KubeCluster::from_kubeconfig_file(kubeconfig, ConnectOptions::default()).await?;
    let dying = Dying::new(Arc::new(cluster), death);
    let releases = ClusterReleases::new(Arc::new(dying.clone()));
    let intent = sample::intent(namespace, serde_json::from_str(values)?);
    let work = releases.apply(intent, Policy::default(), Observer::default());
    match dying.run(work).await {
        Some(Ok(_)) => say(&format!("done {}", dying.requests()))?,
        Some(Err(error)) => say(&format!("failed {error:?}"))?,
        None => {
            say("dead")?;
            // Whoever started it kills it.
            std::future::pending::<()>().await;
        }
    }
    Ok(())
}

fn say(line: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout();
    writeln!(output, "{line}")?;
    output.flush()
}
