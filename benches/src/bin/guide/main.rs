//! The whole guide: `aks-airflow up` against a script of today's commands, on one real control
//! plane, in turns.
//!
//! Owns the rounds and the table. Both sides find the same empty cluster, take the same way of a
//! chosen length to the API server, and use the same archives. It refuses to count what nobody can
//! avoid against one side only: pods run at once for both, and Azure takes effect at once. Azure is as
//! far away as the API server for ours, and costs the script nothing.

mod sides;
mod waits;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use aks_airflow_benches::measure::{Pair, Row};
use aks_airflow_e2e::{Aks, Generation, Operator};
use clap::Parser;

use sides::{Sides, Took};

/// The whole guide against a script of today's commands.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program of profile `dist` or `release`.
    #[arg(long, default_value = "target/release/aks-airflow")]
    ours: PathBuf,
    /// A folder with the official archives in `charts/` and the guide's values in `oracle/values/`.
    #[arg(long)]
    shared: PathBuf,
    /// How often everything is done.
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// Round trips to the API server and to Azure, in milliseconds.
    #[arg(long, value_delimiter = ',', default_value = "1,30,100")]
    round_trips: Vec<u64>,
    /// How Helm waits for External Secrets: `--wait` (Helm 4: by watches) or `--wait=legacy`.
    #[arg(long, default_value = "--wait", allow_hyphen_values = true)]
    helm_wait: String,
    /// Only ours.
    #[arg(long)]
    ours_only: bool,
    /// A file to which every request of every run is written, a line each.
    #[arg(long)]
    requests: Option<PathBuf>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let charts = arguments.shared.join("charts").canonicalize()?;
    let aks = Aks::start(Generation::Guide2024, Operator::Simulated, &charts)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let measured = runtime.block_on(measure(&arguments, &aks));
    if measured.is_err() {
        aks.plane.keep_logs();
        say(&format!("logs: {}", aks.plane.folder().display()));
    }
    measured
}

async fn measure(arguments: &Arguments, aks: &Aks) -> Result<(), Failure> {
    let mut sides = Sides::new(&arguments.ours, &arguments.shared, aks)?;
    sides.requests.clone_from(&arguments.requests);
    // What `az` will have left behind for the script; and files are read once before it counts.
    aks.without_delays();
    let direct = sides.way(Duration::ZERO).await?;
    sides.ours(&direct, Duration::ZERO).await?;
    let prepared = aks.sandbox.world().read(|state| state.azure.clone());
    print("| measure | ours | today's commands | better by |\n|---|---|---|---|")?;
    for &trip in &arguments.round_trips {
        let round_trip = Duration::from_millis(trip);
        let mut rounds = [Vec::new(), Vec::new()];
        for round in 0..arguments.rounds {
            let api = sides.way(round_trip).await?;
            aks.reset().await?;
            aks.without_delays();
            let ours = sides.ours(&api, round_trip).await?;
            let ours_again = sides.ours(&api, round_trip).await?;
            let (mut today, mut today_again) = Default::default();
            if !arguments.ours_only {
                aks.reset().await?;
                let world = aks.sandbox.world();
                world.update(|state| state.azure = prepared.clone());
                let api = sides.way(round_trip).await?;
                today = sides
                    .today(&api, round_trip, &arguments.helm_wait, false)
                    .await?;
                today_again = sides
                    .today(&api, round_trip, &arguments.helm_wait, true)
                    .await?;
            }
            say(&format!(
                "{trip} ms, round {round}: {ours:.1?} {today:.1?}; again {ours_again:.1?} {today_again:.1?}"
            ));
            rounds[0].push((ours, today));
            rounds[1].push((ours_again, today_again));
        }
        for (name, rounds) in ["first run", "second run"].iter().zip(&rounds) {
            table(&format!("{name}, {trip} ms"), rounds)?;
        }
    }
    Ok(())
}

/// A measure's name, its unit, and where it is in what a run took.
type Measure = (&'static str, &'static str, fn(&Took) -> f64);

fn table(name: &str, rounds: &[(Took, Took)]) -> Result<(), Failure> {
    let measures: [Measure; 9] = [
        ("wall", "s", |took| took.wall),
        ("waits for the cluster", "s", |took| took.waits),
        ("tool time", "s", |took| took.wall - took.waits),
        ("requests to the API server", "", |took| took.requests),
        ("writes", "", |took| took.writes),
        ("longest chain of requests", "", |took| took.chain),
        ("bytes both ways", "kB", |took| took.kilobytes),
        ("pods rolled", "", |took| took.rolled),
        ("peak memory of a process", "MB", |took| took.memory),
    ];
    for (measure, unit, of) in measures {
        let mut pair = Pair::default();
        for (ours, today) in rounds {
            pair.add(of(ours), of(today));
        }
        let row = Row {
            name: format!("{name}: {measure}"),
            pair,
            unit,
            more_is_better: false,
        };
        print(&row.to_string())?;
    }
    Ok(())
}

fn print(line: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

fn say(line: &str) {
    // Nobody may be listening.
    let _ = writeln!(std::io::stderr(), "{line}");
}
