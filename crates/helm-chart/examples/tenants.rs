//! One chart, many tenants: compiled once, rendered for each with values of its own.

use helm_chart::{Chart, ChartFile, Environment, Release, Values};

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let chart = Chart::from_files(vec![
        ChartFile::new("Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n"),
        ChartFile::new("values.yaml", "replicas: 1\nlabels: {app: web}\n"),
        ChartFile::new(
            "templates/web.yaml",
            "kind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\n  labels: {{- toYaml .Values.labels | nindent 4 }}\nspec:\n  replicas: {{ .Values.replicas }}\n",
        ),
    ])?;
    let base = Values::parse("labels: {tier: front}")?;
    for (tenant, replicas) in [("ada", 1), ("zoe", 3)] {
        let values = base
            .clone()
            .set(&format!("replicas={replicas},labels.tenant={tenant}"))?;
        let release = Release::install(tenant, tenant);
        let rendered = chart.render(&release, &values, &Environment::sealed())?;
        for object in rendered.manifests() {
            println!("# {} {}\n{}", object.kind(), object.name(), object.text());
        }
        assert!(rendered.random_sources().is_empty());
    }
    Ok(())
}
