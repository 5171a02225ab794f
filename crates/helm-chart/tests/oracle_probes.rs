//! One-template charts and what real Helm answers, output and errors alike.

use helm_chart::render::RenderOptions;
use helm_chart::{Capabilities, Chart, ChartFile, Environment, Profile, Release, Values};
use serde_json::Value;

fn probes() -> Vec<Value> {
    let root = std::env::var("AKS_AIRFLOW_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
    let text = std::fs::read_to_string(format!("{root}/oracle/probes.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn chart(template: &str) -> Chart {
    let metadata = "apiVersion: v2\nname: c\nversion: 0.1.0\nappVersion: \"1.2\"\nkeywords: [k1]\n";
    Chart::from_files(vec![
        ChartFile::new("Chart.yaml", metadata),
        ChartFile::new("templates/t.yaml", template),
        ChartFile::new("a/b.txt", "l1\nl2\n"),
        ChartFile::new("a/c.bin", [1, 2, 0xFF]),
        ChartFile::new("README.md", "hi"),
        ChartFile::new("empty", ""),
    ])
    .unwrap()
}

/// What the Helm that answered knew of itself and of the cluster: it was no release build.
fn capabilities(profile: Profile) -> Capabilities {
    let (helm, kube) = match profile {
        Profile::Helm4 => ("v4.2", "v1.36.0"),
        Profile::Helm3 => ("v3.21", "v1.20.0"),
    };
    let mut capabilities = Capabilities::assumed(profile)
        .with_kube_version(kube)
        .unwrap();
    helm.clone_into(&mut capabilities.helm_version.version);
    capabilities.helm_version.git_tree_state.clear();
    capabilities
}

fn answer(probe: &Value, profile: Profile) -> Result<String, String> {
    let chart = chart(probe["template"].as_str().unwrap());
    let text = probe["values"].as_str().unwrap_or_default();
    let mut values = Values::parse_as(text, profile).map_err(|error| error.to_string())?;
    for argument in probe["set"].as_array().into_iter().flatten() {
        values = values
            .set(argument.as_str().unwrap())
            .map_err(|error| error.to_string())?;
    }
    let resolved = chart
        .resolve(values.as_table(), profile)
        .map_err(|error| error.to_string())?;
    let options = RenderOptions::default()
        .with_profile(profile)
        .with_capabilities(capabilities(profile));
    let release = Release::install("r", "ns");
    let rendered = chart.render_resolved(&resolved, &release, &Environment::sealed(), &options);
    let mut rendered = rendered.map_err(|error| error.to_string())?;
    let text = rendered.files.remove("c/templates/t.yaml").unwrap();
    Ok(text.to_string())
}

fn check_all(profile: Profile, name: &str) {
    let probes = probes();
    let mut problems = Vec::new();
    for probe in &probes {
        let wanted = match (&probe[name]["output"], &probe[name]["error"]) {
            (Value::String(output), _) => Ok(output.clone()),
            (_, Value::String(error)) => Err(error.clone()),
            _ => panic!("a probe without an answer: {probe}"),
        };
        let ours = answer(probe, profile);
        if ours != wanted {
            let (id, template) = (&probe["id"], &probe["template"]);
            problems.push(format!(
                "{id} {template}\n  ours {ours:?}\n  Helm {wanted:?}"
            ));
        }
    }
    let count = problems.len();
    assert!(
        problems.is_empty(),
        "{count} of {}:\n{}",
        probes.len(),
        problems.join("\n")
    );
}

#[test]
#[ignore = "needs Helm's answers in AKS_AIRFLOW_SHARED"]
fn probes_answer_as_helm_4_answers() {
    check_all(Profile::Helm4, "helm4");
}

#[test]
#[ignore = "needs Helm's answers in AKS_AIRFLOW_SHARED"]
fn probes_answer_as_helm_3_answers() {
    check_all(Profile::Helm3, "helm3");
}
