//! The render benchmarks: us and Helm in turns, on the same inputs, with the same bytes.
//!
//! Owns which benchmarks there are and their table. See the README of this folder for the commands.

use std::path::PathBuf;
use std::process::ExitCode;

use aks_airflow_benches::measure::{Pair, Row, median};
use aks_airflow_benches::process::{peak_memory, renders, run};
use aks_airflow_benches::renders::Took;
use aks_airflow_benches::synthetic::umbrella;
use clap::{Parser, ValueEnum};
use helm_chart::archive::write_archive;
use helm_chart::{Chart, ChartFile};

/// Measure renders, ours and Helm's, in turns.
#[derive(Debug, Parser)]
struct Arguments {
    /// Helm 4.
    #[arg(long, value_name = "PATH")]
    helm: PathBuf,
    /// Helm's SDK: the program of `benches/helm-sdk`.
    #[arg(long, value_name = "PATH")]
    helm_sdk: PathBuf,
    /// Our binary, `aks-airflow`.
    #[arg(long, value_name = "PATH")]
    ours: PathBuf,
    /// The folder with `charts/` and `oracle/values/`.
    #[arg(
        long,
        value_name = "DIR",
        env = "AKS_AIRFLOW_SHARED",
        default_value = "../shared"
    )]
    shared: PathBuf,
    /// Which benchmarks; all by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Bench>,
    /// How many rounds, each of which measures both.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many tenants.
    #[arg(long, default_value_t = 1000)]
    tenants: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bench {
    /// A process per render.
    Cold,
    /// One process, one thread, new values for each render.
    Warm,
    /// Distinct tenants on two threads.
    Tenants,
    /// The External Secrets chart, warm: new labels, and new annotations on every CRD.
    ExternalSecrets,
    /// A chart that grows.
    Linear,
}

const ALL: [Bench; 5] = [
    Bench::Cold,
    Bench::Warm,
    Bench::Tenants,
    Bench::ExternalSecrets,
    Bench::Linear,
];

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is what this program is for"
)]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    println!("| measure | ours | Helm | better by |\n|---|---|---|---|");
    for bench in if arguments.only.is_empty() {
        ALL.to_vec()
    } else {
        arguments.only.clone()
    } {
        match measure(bench, &arguments) {
            Ok(rows) => rows.iter().for_each(|row| println!("{row}")),
            Err(error) => {
                eprintln!("{bench:?}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn measure(bench: Bench, arguments: &Arguments) -> Result<Vec<Row>, String> {
    let airflow = arguments.input(
        "airflow-1.15.0",
        "airflow",
        &["guide-1.15.0.yaml", "fixed-keys.yaml"],
    );
    match bench {
        Bench::Cold => cold(arguments, &airflow),
        Bench::Warm => {
            let airflow = airflow.distinct("labels.team");
            warm(arguments, &airflow, "warm render, Airflow 1.15.0")
        }
        Bench::Tenants => tenants(arguments, &airflow.distinct("labels.team")),
        Bench::ExternalSecrets => {
            let chart = arguments.input("external-secrets-2.9.0", "external-secrets", &[]);
            let labels = chart.clone().distinct("commonLabels.team");
            let crds = chart.distinct("crds.annotations.team");
            let mut rows = warm(arguments, &labels, "warm render, External Secrets 2.9.0")?;
            rows.extend(warm(arguments, &crds, "… with every CRD annotated anew")?);
            Ok(rows)
        }
        Bench::Linear => linear(arguments),
    }
}

/// What both sides render.
#[derive(Debug, Clone)]
struct Input {
    chart: PathBuf,
    release: &'static str,
    values: Vec<PathBuf>,
    /// The value that differs from render to render.
    distinct: Option<&'static str>,
}

impl Input {
    fn distinct(self, path: &'static str) -> Self {
        Self {
            distinct: Some(path),
            ..self
        }
    }
}

impl Arguments {
    fn input(&self, chart: &str, release: &'static str, values: &[&str]) -> Input {
        Input {
            chart: self.shared.join(format!("charts/{chart}.tgz")),
            release,
            values: values
                .iter()
                .map(|name| self.shared.join("oracle/values").join(name))
                .collect(),
            distinct: None,
        }
    }

    /// Both programs on the same input; the bytes must be the same.
    fn both(&self, input: &Input, count: usize, workers: usize) -> Result<(Took, Took), String> {
        let warm = std::env::current_exe()
            .map_err(|error| error.to_string())?
            .with_file_name("warm");
        let arguments = |dashes: &str| {
            let mut list = vec![
                format!("{dashes}chart={}", input.chart.display()),
                format!("{dashes}renders={count}"),
                format!("{dashes}workers={workers}"),
                format!("{dashes}release={}", input.release),
            ];
            let distinct = input.distinct;
            list.extend(distinct.map(|path| format!("{dashes}distinct={path}")));
            list.extend(input.values.iter().map(|path| path.display().to_string()));
            list
        };
        let (ours, helm) = (
            renders(&warm, &arguments("--"))?,
            renders(&self.helm_sdk, &arguments("-"))?,
        );
        if (&ours.sha256, ours.bytes) != (&helm.sha256, helm.bytes) {
            return Err(format!("{}: the renders differ", input.chart.display()));
        }
        Ok((ours, helm))
    }
}

/// A process per render: time from start to end, and the most memory.
fn cold(arguments: &Arguments, input: &Input) -> Result<Vec<Row>, String> {
    let mut list = vec![
        input.release.to_owned(),
        input.chart.display().to_string(),
        "-n".into(),
        "airflow".into(),
    ];
    for path in &input.values {
        list.extend(["-f".to_owned(), path.display().to_string()]);
    }
    let with = |command: &str| -> Vec<String> {
        std::iter::once(command.to_owned())
            .chain(list.clone())
            .collect()
    };
    let (ours, helm) = (with("render"), with("template"));
    let (mut time, mut memory) = (Pair::default(), Pair::default());
    for _ in 0..arguments.rounds {
        let (mine, theirs) = (run(&arguments.ours, &ours)?, run(&arguments.helm, &helm)?);
        if mine.output != theirs.output {
            return Err("the renders differ".to_owned());
        }
        time.add(
            mine.wall.as_secs_f64() * 1e3,
            theirs.wall.as_secs_f64() * 1e3,
        );
        let (mine, theirs) = (
            peak_memory(&arguments.ours, &ours)?,
            peak_memory(&arguments.helm, &helm)?,
        );
        memory.add(mebibytes(mine), mebibytes(theirs));
    }
    Ok(vec![
        row("cold process, Airflow 1.15.0", time, "ms"),
        row("cold process, peak memory", memory, "MiB"),
    ])
}

/// One thread of one process; the median of all renders of a round but the first.
fn warm(arguments: &Arguments, input: &Input, name: &str) -> Result<Vec<Row>, String> {
    const RENDERS: usize = 12;
    let mut time = Pair::default();
    for _ in 0..arguments.rounds {
        let (ours, helm) = arguments.both(input, RENDERS, 1)?;
        time.add(typical(&ours), typical(&helm));
    }
    Ok(vec![row(name, time, "ms")])
}

fn typical(took: &Took) -> f64 {
    let later: Vec<f64> = took
        .render_nanos
        .iter()
        .skip(1)
        .map(|nanos| *nanos as f64 / 1e6)
        .collect();
    median(&later)
}

/// Distinct tenants on two threads, once.
fn tenants(arguments: &Arguments, input: &Input) -> Result<Vec<Row>, String> {
    let (ours, helm) = arguments.both(input, arguments.tenants, 2)?;
    let (mut rate, mut memory) = (Pair::default(), Pair::default());
    let per_second = |took: &Took| took.render_nanos.len() as f64 / (took.total_nanos as f64 / 1e9);
    rate.add(per_second(&ours), per_second(&helm));
    memory.add(
        mebibytes(ours.peak_rss_bytes),
        mebibytes(helm.peak_rss_bytes),
    );
    let name = format!("{} tenants, two threads", arguments.tenants);
    Ok(vec![
        Row {
            name,
            pair: rate,
            unit: "renders/s",
            more_is_better: true,
        },
        row("… peak memory", memory, "MiB"),
    ])
}

/// A chart with 15, 30 and 60 subcharts: the time per subchart should stay.
fn linear(arguments: &Arguments) -> Result<Vec<Row>, String> {
    let folder = std::env::temp_dir().join(format!("umbrella-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let rows = [15, 30, 60].map(|subcharts| {
        let chart = folder.join(format!("umbrella-{subcharts}.tgz"));
        let files: Vec<ChartFile> = umbrella(subcharts)
            .into_iter()
            .map(|(name, text)| ChartFile::new(name, text))
            .collect();
        let packaged = Chart::from_files(files).map_err(|error| error.to_string())?;
        let archive = write_archive(&packaged, 0).map_err(|error| error.to_string())?;
        std::fs::write(&chart, archive).map_err(|error| error.to_string())?;
        let input = Input {
            chart,
            release: "airflow",
            values: Vec::new(),
            distinct: Some("global.team"),
        };
        warm(
            arguments,
            &input,
            &format!("{subcharts} subcharts, `tpl` in `tpl`"),
        )
    });
    let _ = std::fs::remove_dir_all(&folder);
    rows.into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map(|rows| rows.into_iter().flatten().collect())
}

fn row(name: &str, pair: Pair, unit: &'static str) -> Row {
    Row {
        name: name.to_owned(),
        pair,
        unit,
        more_is_better: false,
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
