//! Records what a Helm binary answers to the fixtures of the template functions, or checks them.
//!
//! A fixture is a line of JSON: `{template, values?, output | error}`; the first line of a file says
//! where its answers come from. The template is the partial `_t.tpl` of a chart `c`; its output
//! reaches the document as base64, so that nothing splits or trims it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use go_text_template::Text;
use proofs::differential::helm::{Answer, Helm, Release};
use serde::{Deserialize, Serialize};

/// Record or check the answers of a Helm binary in files of fixtures.
///
/// Exit codes: 0 every answer is Helm's (or was recorded), 1 some are not, 64 wrong usage.
#[derive(Debug, Parser)]
struct Arguments {
    /// The Helm binary.
    #[arg(long, value_name = "PATH")]
    helm: PathBuf,
    /// Write Helm's answers into the files.
    #[arg(long)]
    write: bool,
    /// Files of fixtures, one JSON object a line.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Provenance {
    provenance: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Fixture {
    template: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    values: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

const DOCUMENT: &str = "out: {{ include \"c/templates/_t.tpl\" . | b64enc | quote }}\n";
const METADATA: &str = "apiVersion: v2\nname: c\nversion: 0.1.0\n";
const RELEASE: Release<'static> = Release {
    name: "r",
    namespace: "ns",
};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the report is what this program is for"
)]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (mut same, mut other) = (0, 0);
    for file in &arguments.files {
        match run(&arguments, file) {
            Ok((equal, different)) => {
                same += equal;
                other += different;
            }
            Err(error) => {
                eprintln!("{}: {error}", file.display());
                return ExitCode::from(64);
            }
        }
    }
    let became = if arguments.write {
        "recorded anew"
    } else {
        "different"
    };
    println!("{same} equal, {other} {became}");
    if arguments.write || other == 0 && same > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]
fn run(arguments: &Arguments, file: &Path) -> std::io::Result<(usize, usize)> {
    let helm = Helm::new(&arguments.helm)?;
    let (version, _) = helm.version()?;
    let provenance = Provenance {
        provenance: format!(
            "Recorded from Helm {version}, zone UTC, by `cargo run -p proofs --bin fixtures -- --helm PATH \
             --write FILE`. Templates are ours."
        ),
    };
    let mut lines = vec![serde_json::to_string(&provenance)?];
    let (mut same, mut other) = (0, 0);
    for (index, line) in std::fs::read_to_string(file)?.lines().enumerate().skip(1) {
        let mut fixture: Fixture = serde_json::from_str(line)?;
        let recorded = (fixture.output.take(), fixture.error.take());
        match ask(&helm, &fixture)? {
            Ok(output) => fixture.output = Some(output),
            Err(error) => fixture.error = Some(error),
        }
        if recorded == (fixture.output.clone(), fixture.error.clone()) {
            same += 1;
        } else {
            other += 1;
            println!(
                "{}:{} {}\n  was  {recorded:?}\n  Helm {:?}",
                file.display(),
                index + 1,
                fixture.template,
                (&fixture.output, &fixture.error)
            );
        }
        lines.push(serde_json::to_string(&fixture)?);
    }
    if arguments.write {
        std::fs::write(file, lines.join("\n") + "\n")?;
    }
    Ok((same, other))
}

fn ask(helm: &Helm, fixture: &Fixture) -> std::io::Result<Answer> {
    let chart = helm.folder().join("fixture");
    std::fs::create_dir_all(chart.join("templates"))?;
    std::fs::write(chart.join("Chart.yaml"), METADATA)?;
    std::fs::write(chart.join("a.txt"), "l1\nl2\n")?;
    std::fs::write(chart.join("templates/t.yaml"), DOCUMENT)?;
    std::fs::write(chart.join("templates/_t.tpl"), &fixture.template)?;
    let values = helm.folder().join("values.yaml");
    std::fs::write(&values, &fixture.values)?;
    let answer = helm.template(&RELEASE, &chart, std::slice::from_ref(&values), &[])?;
    let Ok(text) = answer else {
        return Ok(answer);
    };
    let encoded = text
        .lines()
        .find_map(|line| line.strip_prefix("out: \"")?.strip_suffix('"'))
        .ok_or_else(|| std::io::Error::other(format!("no document in {text:?}")))?;
    let bytes = STANDARD.decode(encoded).map_err(std::io::Error::other)?;
    Ok(Ok(Text::from(bytes).to_string()))
}
