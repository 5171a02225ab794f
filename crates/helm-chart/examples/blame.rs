//! Which template line wrote each line of output, which values it read, and who set those.

use helm_chart::values::{Origins, ValueOptions};
use helm_chart::{Chart, ChartFile, Environment, Profile, Release, RenderOptions};

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let chart = Chart::from_files(vec![
        ChartFile::new("Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n"),
        ChartFile::new("values.yaml", "image:\n  repository: app\n  tag: v1\n"),
        ChartFile::new(
            "templates/_helpers.tpl",
            "{{ define \"image\" }}{{ .Values.image.repository }}:{{ .Values.image.tag }}{{ end }}",
        ),
        ChartFile::new(
            "templates/pod.yaml",
            "kind: Pod\nspec:\n  image: {{ include \"image\" . }}\n",
        ),
    ])?;
    let given = ValueOptions {
        set: vec!["image.tag=v2".to_owned()],
        ..ValueOptions::default()
    };
    let profile = Profile::Helm4;
    let values = given.merge(profile, |file| Err(format!("{file}: no files here")))?;
    let (rendered, blame) = chart.render_with_blame(
        &Release::install("shop", "default"),
        &values,
        &Environment::sealed(),
        &RenderOptions::default(),
    )?;
    let resolved = chart.resolve(values.as_table(), profile)?;
    let origins = Origins::new(&resolved, &given, profile)?;
    for object in rendered.manifests() {
        for (text, line) in object.text().lines().zip(blame.of(object)) {
            println!("{:<30} {text}", line.writers[0].at.to_string());
            for path in line.reads() {
                for origin in origins.of(path) {
                    println!("{:<30}   {path} from {origin}", "");
                }
            }
        }
    }
    Ok(())
}
