//! Runs one-template probes of Helm behaviour in both profiles and compares with Helm's answers.
//!
//! Owns reading the probes and judging the answers. The probes themselves come as a file of JSON
//! lines: `{id, group, template, values?, set?, helm4: {output | error}, helm3: {output | error}}`.
//! The template is `templates/t.yaml` of a chart `c` with a few files, released as `r` in `ns`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use helm_chart::render::{RenderError, RenderOptions};
use helm_chart::{Capabilities, Chart, ChartFile, Environment, Profile, Release, Values};
use proofs::differential::ours::words;
use serde::Deserialize;

/// Compare one-template probes with Helm's answers, in both profiles.
#[derive(Parser)]
struct Arguments {
    /// The probes, one JSON object per line.
    file: PathBuf,
    /// Run only the probe with this id, and show it whole.
    #[arg(long)]
    only: Option<String>,
}

#[derive(Deserialize)]
struct Probe {
    id: String,
    #[serde(default)]
    group: String,
    template: String,
    #[serde(default)]
    values: String,
    #[serde(default)]
    set: Vec<String>,
    helm4: Answer,
    helm3: Answer,
}

#[derive(Deserialize, PartialEq)]
struct Answer {
    output: Option<String>,
    error: Option<String>,
}

impl Answer {
    fn show(&self) -> String {
        match self {
            Self {
                output: Some(output),
                ..
            } => format!("output {output:?}"),
            Self {
                error: Some(error), ..
            } => format!("error  {error:?}"),
            Self { .. } => "nothing".to_owned(),
        }
    }
}

impl From<Result<String, String>> for Answer {
    fn from(result: Result<String, String>) -> Self {
        Self {
            output: result.as_ref().ok().cloned(),
            error: result.err(),
        }
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the report is what this program is for"
)]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let probes = match read(&arguments) {
        Ok(probes) => probes,
        Err(problem) => {
            eprintln!("{}: {problem}", arguments.file.display());
            return ExitCode::from(64);
        }
    };
    let mut all_pass = !probes.is_empty();
    for (name, profile) in [("helm4", Profile::Helm4), ("helm3", Profile::Helm3)] {
        let mut failed = 0;
        for probe in &probes {
            let wanted = if profile == Profile::Helm4 {
                &probe.helm4
            } else {
                &probe.helm3
            };
            let found = Answer::from(run(probe, profile));
            if found == *wanted {
                continue;
            }
            failed += 1;
            println!("{name} {} ({}) {:?}", probe.id, probe.group, probe.template);
            println!("  helm: {}\n  ours: {}", wanted.show(), found.show());
        }
        println!("{name}: {} passed, {failed} failed", probes.len() - failed);
        all_pass &= failed == 0;
    }
    if all_pass {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn read(arguments: &Arguments) -> Result<Vec<Probe>, String> {
    let text = std::fs::read_to_string(&arguments.file).map_err(|error| error.to_string())?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let mut probes = Vec::new();
    for (index, line) in lines {
        let probe: Probe =
            serde_json::from_str(line).map_err(|error| format!("line {}: {error}", index + 1))?;
        if arguments.only.as_ref().is_none_or(|only| *only == probe.id) {
            probes.push(probe);
        }
    }
    if probes.is_empty() {
        Err("no probes".to_owned())
    } else {
        Ok(probes)
    }
}

/// The output of the probe's template, or the error.
fn run(probe: &Probe, profile: Profile) -> Result<String, String> {
    let chart = chart(&probe.template).map_err(|error| words(&error))?;
    let mut values = Values::parse_as(&probe.values, profile).map_err(|error| words(&error))?;
    for argument in &probe.set {
        values = values.set(argument).map_err(|error| words(&error))?;
    }
    let resolved = chart
        .resolve(values.as_table(), profile)
        .map_err(|error| words(&error))?;
    let options = RenderOptions::default()
        .with_profile(profile)
        .with_capabilities(capabilities(profile)?);
    let release = Release::install("r", "ns");
    let rendered = chart.render_resolved(&resolved, &release, &Environment::sealed(), &options);
    let mut rendered = rendered.map_err(|error: RenderError| words(&error))?;
    rendered
        .files
        .remove("c/templates/t.yaml")
        .map(|text| text.to_string())
        .ok_or_else(|| "the template did not run".to_owned())
}

fn chart(template: &str) -> Result<Chart, helm_chart::chart::ChartError> {
    const METADATA: &str =
        "apiVersion: v2\nname: c\nversion: 0.1.0\nappVersion: \"1.2\"\nkeywords: [k1]\n";
    Chart::from_files(vec![
        ChartFile::new("Chart.yaml", METADATA),
        ChartFile::new("templates/t.yaml", template),
        ChartFile::new("a/b.txt", "l1\nl2\n"),
        ChartFile::new("a/c.bin", [1, 2, 0xff]),
        ChartFile::new("README.md", "hi"),
        ChartFile::new("empty", ""),
    ])
}

/// What the Helm that answered the probes said of itself and of its target.
fn capabilities(profile: Profile) -> Result<Capabilities, String> {
    let (kubernetes, helm) = match profile {
        Profile::Helm4 => ("v1.36.0", "v4.2"),
        Profile::Helm3 => ("v1.20.0", "v3.21"),
    };
    let assumed = Capabilities::assumed(profile).with_kube_version(kubernetes);
    let mut capabilities = assumed.map_err(|error| error.to_string())?;
    helm.clone_into(&mut capabilities.helm_version.version);
    capabilities.helm_version.git_tree_state.clear();
    "go1.26.6".clone_into(&mut capabilities.helm_version.go_version);
    Ok(capabilities)
}
