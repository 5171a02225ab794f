//! Renders a chart for three teams: compiled once, no cluster, no network, no clock, no luck.
//!
//! `cargo run -p aks-airflow --example render_a_chart [CHART.tgz]`

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::error::Error;

use helm_chart::{Chart, Environment, Release, Values};

fn main() -> Result<(), Box<dyn Error>> {
    // Without an argument: the compact stand-in for the Airflow chart, from memory.
    let archive = match std::env::args().nth(1) {
        Some(path) => std::fs::read(path)?,
        None => aks_sandbox::charts::COMPACT_CHARTS[0].archive(),
    };
    let chart = Chart::from_archive(&archive)?;
    println!("{} {}", chart.name(), chart.version());

    let base = Values::parse("executor: KubernetesExecutor\n")?;
    for team in ["data", "risk", "web"] {
        let values = base.clone().set(&format!("labels.team={team}"))?;
        let release = Release::install(format!("airflow-{team}"), team);
        let rendered = chart.render(&release, &values, &Environment::sealed())?;

        println!(
            "{team}: {} objects, {} hooks",
            rendered.manifests().len(),
            rendered.hooks().len()
        );
        for object in rendered
            .manifests()
            .iter()
            .filter(|it| it.kind() == "Deployment")
        {
            println!("  {} {}", object.kind(), object.name());
        }
        // What would differ in another environment, so that nobody is surprised by a new key.
        for source in rendered.random_sources() {
            println!(
                "  drawn at random: {} in {}",
                source.function, source.template
            );
        }
    }
    Ok(())
}
