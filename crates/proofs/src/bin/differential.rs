//! Compares our renders with those of a Helm binary: random templates, or real charts.
//!
//! Owns the command line and the report. Random mode tries cases of a seed, shrinks what differs
//! and shows it; with `--charts` it renders every archive and chart folder of a folder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use helm_chart::Profile;
use proofs::differential::batch::{self, Difference};
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
        None => compare_random(&helm, profile, arguments),
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]
fn compare_charts(helm: &Helm, profile: Profile, folder: &Path) -> std::io::Result<bool> {
    let comparisons = charts::compare(helm, profile, folder)?;
    let mut different = 0;
    for one in &comparisons {
        let random = match one.random_lines {
            0 => String::new(),
            lines => format!(", {lines} random line(s) not compared"),
        };
        match &one.difference {
            None => println!("equal      {}{random}", one.name),
            Some(difference) => {
                different += 1;
                println!("different  {}: {difference}", one.name);
            }
        }
    }
    println!(
        "{} equal, {different} different",
        comparisons.len() - different
    );
    Ok(different == 0 && !comparisons.is_empty())
}

#[expect(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]
fn compare_random(helm: &Helm, profile: Profile, arguments: &Arguments) -> std::io::Result<bool> {
    let (mut equal, mut equal_errors, mut different) = (0, 0, 0);
    let mut first = 0;
    while first < arguments.cases {
        let count = BATCH.min(arguments.cases - first);
        let verdict = batch::compare(helm, profile, batch::cases(arguments.seed, first, count))?;
        equal += verdict.equal;
        equal_errors += verdict.equal_errors;
        for difference in verdict.different {
            different += 1;
            if different <= arguments.show {
                show(&shrink::shrink(helm, profile, difference)?);
            }
        }
        first += count;
    }
    println!("{equal} equal ({equal_errors} of them equal errors), {different} different");
    println!("{equal} equal, {different} different");
    Ok(different == 0 && equal > 0)
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
        println!("  --set  {argument}");
    }
    println!("  Helm {:?}\n  ours {:?}", difference.helm, difference.ours);
}
