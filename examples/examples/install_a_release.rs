//! Installs External Secrets on a simulated cluster as Helm would, then asks twice: the second time
//! there is nothing to do. On a real cluster only the first three lines of `main` differ.
//!
//! `cargo run -p aks-airflow --example install_a_release`

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::error::Error;
use std::sync::Arc;

use aks_sandbox::{Sandbox, charts::COMPACT_CHARTS};
use converge::{Event, Observer};
use helm_chart::Chart;
use helm_release::{ClusterReleases, Policy, ReleaseIntent, ReleaseName, Releases};
use kube_cluster::{ConnectOptions, KubeCluster};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let sandbox = Sandbox::seeded(7);
    let options = ConnectOptions::default();
    let cluster = KubeCluster::with_connector(sandbox.connector(), &sandbox.api_url(), options)?;

    let releases = ClusterReleases::new(Arc::new(cluster));
    let chart = Arc::new(Chart::from_archive(&COMPACT_CHARTS[1].archive())?);
    let name = ReleaseName::parse("external-secrets")?;
    let mut intent = ReleaseIntent::new(name, "airflow", chart);
    intent.create_namespace = true;

    let plan = releases.plan(intent.clone(), Policy::default()).await?;
    println!("plan: {} changes", plan.changes.len());

    let told = |event: Event| {
        if let Event::Waiting { reason, .. } = event {
            println!("  … {reason}");
        }
    };
    let observer = Observer::new("external-secrets", Arc::new(told));
    let outcome = releases
        .apply(intent.clone(), Policy::default(), observer)
        .await?;
    println!("{}, {} objects", outcome.did, outcome.objects.len());
    println!("{}", outcome.notes.trim());

    let status = releases
        .status(intent.id())
        .await?
        .ok_or("it is there now")?;
    println!("{} {}", status.summary.chart, status.summary.chart_version);

    let again = releases.plan(intent, Policy::default()).await?;
    assert!(
        again.is_noop(),
        "nothing is left to do: {:?}",
        again.changes
    );
    println!("again: nothing to do");
    Ok(())
}
