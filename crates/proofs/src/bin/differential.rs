//! Compares our renders with those of a Helm binary: random templates, or real charts.
//!
//! Owns the command line and the report. Random mode tries cases of a seed, shrinks what differs
//! and shows it; with `--charts` it renders every archive and chart folder of a folder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use helm_chart::Profile;
use proofs::differential::batch::{self, Difference, Kind, Verdict};
use proofs::differential::chance;
use proofs::differential::helm::Helm;
use proofs::differential::{charts, shrink};

/// Compare our renders with those of a Helm binary, byte for byte.
///
/// Exit codes: 0 no difference, 1 differences, 64 wrong usage.
#[derive(Debug, Parser)]
struct Arguments {
    /// The Helm binary.
    #[arg(long, value_name = "PATH")]
    helm: PathBuf,
    /// Compare the charts in this folder instead of random templates.
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
    /// Which random cases.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many random cases.
    #[arg(long, default_value_t = 2000)]
    cases: usize,
    /// Only these cases of the seed, by the numbers that a report shows; may be repeated.
    #[arg(long = "case", value_name = "N", conflicts_with = "charts")]
    only: Vec<usize>,
    /// What random cases are.
    #[arg(long, value_enum, default_value_t, conflicts_with = "charts")]
    kind: Kind,
    /// Whose behaviour is meant; by default that of the binary.
    #[arg(long, value_enum)]
    profile: Option<ProfileArg>,
    /// How many differing cases are made small and shown.
    #[arg(long, default_value_t = 20)]
    show: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProfileArg {
    Helm4,
    Helm3,
}

/// How many cases share one chart.
const BATCH: usize = 80;

#[expect(
    clippy::print_stderr,
    reason = "the report is what this program is for"
)]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}: {error}", arguments.helm.display());
            ExitCode::from(64)
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]
fn run(arguments: &Arguments) -> std::io::Result<bool> {
    let helm = Helm::new(&arguments.helm)?;
    let (version, own) = helm.version()?;
    let profile = match arguments.profile {
        None => own,
        Some(ProfileArg::Helm4) => Profile::Helm4,
        Some(ProfileArg::Helm3) => Profile::Helm3,
    };
    println!("Helm {version}, compared as {profile:?}");
    match &arguments.charts {
        Some(folder) => compare_charts(&helm, profile, folder),
        None if !arguments.only.is_empty() => compare_again(&helm, profile, arguments),
        None => compare_random(&helm, profile, arguments),
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]
fn compare_charts(helm: &Helm, profile: Profile, folder: &Path) -> std::io::Result<bool> {
    let (mut equal, mut different, mut rendered) = (0, 0, 0);
    let (mut ours, mut theirs) = (Duration::ZERO, Duration::ZERO);
    charts::compare(helm, profile, folder, |one| {
        ours += one.ours;
        theirs += one.helm;
        rendered += usize::from(one.rendered);
        let took = format!(
            "{} ms, Helm {} ms",
            one.ours.as_millis(),
            one.helm.as_millis()
        );
        let kind = if one.rendered { "" } else { ", an error" };
        match one.verdict {
            chance::Verdict::Equal { random_lines: 0 } => {
                equal += 1;
                println!("equal      {} ({took}{kind})", one.name);
            }
            chance::Verdict::Equal { random_lines } => {
                equal += 1;
                println!(
                    "equal      {} ({took}{kind}; {random_lines} line(s) that Helm does not repeat)",
                    one.name
                );
            }
            chance::Verdict::Different(difference) => {
                different += 1;
                println!("different  {} ({took}{kind}): {difference}", one.name);
            }
        }
    })?;
    println!(
        "{rendered} rendered, {} refused by Helm; ours {:.1} s, Helm {:.1} s with its starts",
        equal + different - rendered,
        ours.as_secs_f64(),
        theirs.as_secs_f64()
    );
    println!("{equal} equal, {different} different");
    Ok(different == 0 && equal > 0)
}

#[expect(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]
fn compare_random(helm: &Helm, profile: Profile, arguments: &Arguments) -> std::io::Result<bool> {
    let (mut equal, mut equal_errors, mut different) = (0, 0, 0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let (sender, verdicts) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    if first >= arguments.cases {
                        break;
                    }
                    let verdict = batch_of(profile, arguments, first);
                    if sender.send(verdict).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for verdict in verdicts {
            let verdict = verdict?;
            equal += verdict.equal;
            equal_errors += verdict.equal_errors;
            for difference in verdict.different {
                different += 1;
                if different <= arguments.show {
                    show(&shrink::shrink(helm, profile, difference)?);
                }
            }
        }
        std::io::Result::Ok(())
    })?;
    println!("{equal_errors} of the equal answers are equal errors");
    println!("{equal} equal, {different} different");
    Ok(different == 0 && equal > 0)
}

/// The cases of `--case`, each alone.
#[expect(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]
fn compare_again(helm: &Helm, profile: Profile, arguments: &Arguments) -> std::io::Result<bool> {
    let mut different = 0;
    for number in &arguments.only {
        let mut cases = batch::cases(
            arguments.kind,
            arguments.seed,
            number / BATCH * BATCH,
            BATCH,
        );
        batch::make_readable(&mut cases, profile);
        let case = &cases[number % BATCH];
        match batch::difference(helm, profile, case, batch::ASKED)? {
            Ok(answer) => println!("case {number}: equal\n  {answer:?}"),
            Err(difference) => {
                different += 1;
                show(&shrink::shrink(helm, profile, difference)?);
            }
        }
    }
    println!(
        "{} equal, {different} different",
        arguments.only.len() - different
    );
    Ok(different == 0)
}

/// One batch of cases, with a folder of its own for Helm.
fn batch_of(profile: Profile, arguments: &Arguments, first: usize) -> std::io::Result<Verdict> {
    let helm = Helm::new(&arguments.helm)?;
    let count = BATCH.min(arguments.cases - first);
    let cases = batch::cases(arguments.kind, arguments.seed, first, count);
    batch::compare(&helm, profile, cases)
}

#[expect(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]
fn show(difference: &Difference) {
    let case = &difference.case;
    println!("case {}: {}", case.number, case.statements.concat());
    let used = case.values.lines().filter(|line| {
        let key = line.split(':').next().unwrap_or_default();
        case.statements
            .iter()
            .any(|statement| statement.contains(&format!(".Values.{key}")))
    });
    for line in used {
        println!("  values {line}");
    }
    for argument in &case.set {
        println!("  {argument}");
    }
    for (path, text) in &case.chart {
        println!("  {path}: {text:?}");
    }
    if !case.chart.is_empty() {
        println!("  values {:?}", case.values);
    }
    println!("  Helm {:?}\n  ours {:?}", difference.helm, difference.ours);
}
