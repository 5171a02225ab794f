//! Official charts rendered with real values, byte for byte against what real Helm printed.

use helm_chart::manifest::TextOptions;
use helm_chart::render::RenderOptions;
use helm_chart::values::ValueOptions;
use helm_chart::{Capabilities, Chart, Environment, Profile, Release};

fn shared(path: &str) -> String {
    let root = std::env::var("AKS_AIRFLOW_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
    format!("{root}/{path}")
}

struct Case {
    name: &'static str,
    release: &'static str,
    chart: &'static str,
    files: &'static [&'static str],
    set: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        name: "airflow-1.15.0-guide",
        release: "airflow",
        chart: "airflow-1.15.0",
        files: &["guide-1.15.0.yaml", "fixed-keys.yaml"],
        set: &[],
    },
    Case {
        name: "airflow-1.15.0-max",
        release: "airflow",
        chart: "airflow-1.15.0",
        files: &["max-1.15.0.yaml"],
        set: &[],
    },
    Case {
        name: "airflow-1.22.0-guide",
        release: "airflow",
        chart: "airflow-1.22.0",
        files: &["guide-1.22.0.yaml", "fixed-keys.yaml"],
        set: &[],
    },
    Case {
        name: "airflow-1.22.0-defaults",
        release: "airflow",
        chart: "airflow-1.22.0",
        files: &["fixed-keys.yaml"],
        set: &[],
    },
    Case {
        name: "external-secrets-0.10.5-guide",
        release: "external-secrets",
        chart: "external-secrets-0.10.5",
        files: &[],
        set: &["installCRDs=true"],
    },
    Case {
        name: "external-secrets-2.9.0-guide",
        release: "external-secrets",
        chart: "external-secrets-2.9.0",
        files: &[],
        set: &["installCRDs=true"],
    },
];

fn render(case: &Case, profile: Profile) -> String {
    let chart = std::fs::read(shared(&format!("charts/{}.tgz", case.chart))).unwrap();
    let chart = Chart::from_archive(&chart).unwrap();
    let text =
        |file: &str| std::fs::read_to_string(shared(&format!("oracle/values/{file}"))).unwrap();
    let options = ValueOptions {
        files: case
            .files
            .iter()
            .map(|file| ((*file).to_owned(), text(file)))
            .collect(),
        set: case.set.iter().map(|set| (*set).to_owned()).collect(),
        ..ValueOptions::default()
    };
    let values = options
        .merge(profile, |_| Err("no files".to_owned()))
        .unwrap();
    let kube_version = match profile {
        Profile::Helm4 => "v1.36.0",
        Profile::Helm3 => "v1.20.0",
    };
    let capabilities = Capabilities::assumed(profile)
        .with_kube_version(kube_version)
        .unwrap();
    let options = RenderOptions::default()
        .with_profile(profile)
        .with_capabilities(capabilities);
    let release = Release::install(case.release, "airflow");
    let rendered = chart.render_with(&release, &values, &Environment::sealed(), &options);
    rendered
        .unwrap()
        .manifests
        .template_text(TextOptions::default())
}

fn check(case: &Case, profile: Profile) -> Result<(), String> {
    let helm = match profile {
        Profile::Helm4 => "v4.2.4",
        Profile::Helm3 => "v3.21.4",
    };
    let path = shared(&format!("oracle/renders/{}.helm-{helm}.yaml", case.name));
    let wanted = std::fs::read_to_string(path).unwrap();
    let ours = render(case, profile);
    if ours == wanted {
        return Ok(());
    }
    let differing = ours
        .lines()
        .zip(wanted.lines())
        .enumerate()
        .find(|(_, (ours, wanted))| ours != wanted);
    let place = match differing {
        Some((line, (ours, wanted))) => {
            format!("line {}:\n  ours {ours:?}\n  Helm {wanted:?}", line + 1)
        }
        None => format!("length: ours {}, Helm {}", ours.len(), wanted.len()),
    };
    Err(format!("{} as {helm}: {place}", case.name))
}

fn check_all(profile: Profile) {
    let problems: Vec<String> = CASES
        .iter()
        .filter_map(|case| check(case, profile).err())
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
#[ignore = "needs the official charts and Helm's renders in AKS_AIRFLOW_SHARED"]
fn official_charts_render_as_helm_4_renders_them() {
    check_all(Profile::Helm4);
}

#[test]
#[ignore = "needs the official charts and Helm's renders in AKS_AIRFLOW_SHARED"]
fn official_charts_render_as_helm_3_renders_them() {
    check_all(Profile::Helm3);
}
