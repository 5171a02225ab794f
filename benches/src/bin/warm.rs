//! Our side of the warm benchmarks: renders a chart many times in one process and prints how long
//! each render took. The rival, `helm-sdk`, takes the same arguments and prints the same fields.

use std::path::PathBuf;
use std::process::ExitCode;

use aks_airflow_benches::renders::{Work, run};
use clap::Parser;

/// Render a chart many times in one process.
#[derive(Debug, Parser)]
struct Arguments {
    /// The chart's archive.
    #[arg(long)]
    chart: PathBuf,
    /// How many renders.
    #[arg(long, default_value_t = 10)]
    renders: usize,
    /// How many at a time.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// The value that differs from render to render, such as `labels.team`.
    #[arg(long, value_name = "PATH")]
    distinct: Option<String>,
    /// The release's name.
    #[arg(long, default_value = "airflow")]
    release: String,
    /// Values files.
    values: Vec<PathBuf>,
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the numbers are what this program is for"
)]
fn main() -> ExitCode {
    match measure(Arguments::parse()) {
        Ok(json) => {
            println!("{json}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: Arguments) -> Result<String, String> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let text = |path| read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let work = Work {
        archive: read(&arguments.chart)?,
        values: arguments
            .values
            .iter()
            .map(text)
            .collect::<Result<_, _>>()?,
        release: arguments.release,
        renders: arguments.renders,
        workers: arguments.workers,
        distinct: arguments.distinct,
    };
    serde_json::to_string(&run(&work)?).map_err(|error| error.to_string())
}
