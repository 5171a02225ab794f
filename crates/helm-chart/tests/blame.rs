//! Blame: which template line wrote a line of output, and which values it read.

use helm_chart::render::{Blame, RenderOptions, Rendered};
use helm_chart::values::{Origin, Origins, ValueOptions};
use helm_chart::{Chart, ChartFile, Environment, Profile, Release, SourceKind, Values};

fn chart(files: &[(&str, &str)]) -> Chart {
    let metadata = ChartFile::new("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n");
    let files = files
        .iter()
        .map(|(name, text)| ChartFile::new(*name, *text));
    Chart::from_files([metadata].into_iter().chain(files).collect())
        .expect("the test's own chart loads")
}

fn render(chart: &Chart, values: &str) -> (Rendered, Blame) {
    let values = Values::parse(values).expect("the test's own values");
    let release = Release::install("r", "ns");
    let (environment, options) = (Environment::sealed(), RenderOptions::default());
    let (rendered, blame) = chart
        .render_with_blame(&release, &values, &environment, &options)
        .expect("the test's own chart renders");
    let plain = chart
        .render_with(&release, &values, &environment, &options)
        .expect("it renders");
    assert_eq!(plain, rendered, "listening changes nothing");
    (rendered, blame)
}

/// Each line of the first object as `text <- file:line read, read`.
fn lines(files: &[(&str, &str)], values: &str) -> Vec<String> {
    let (rendered, blame) = render(&chart(files), values);
    let object = &rendered.manifests()[0];
    let lines = blame.of(object);
    assert_eq!(lines.len(), object.text().lines().count());
    let shown = object.text().lines().zip(lines).map(|(text, line)| {
        let at = line.writers[0].at.to_string();
        let reads: Vec<String> = line.reads().iter().map(ToString::to_string).collect();
        let at = at.replace("c/templates/", "");
        format!("{} <- {at} {}", text.trim(), reads.join(","))
            .trim_end()
            .to_owned()
    });
    shown.collect()
}

const VALUES: &str = "image: {repo: app, tag: v1}\nlabels: {a: one, b: two}\nports: [{at: 1}, {at: 2}]\nhosts: [u, v]\nraw: 'k: {{ .Values.image.tag }}'\n";

#[test]
fn text_actions_conditions_and_loops_name_their_lines() {
    let template = "kind: Pod\nimage: {{ .Values.image.repo }}:{{ .Values.image.tag }}\n{{- if .Values.labels }}\non: yes\n{{- end }}\n{{- range .Values.ports }}\nport: {{ .at }}\n{{- end }}\n{{- range $h := .Values.hosts }}\nhost: {{ $h }}\n{{- end }}\n{{- with .Values.image }}\nrepo: {{ .repo }}\n{{- end }}\n";
    let found = lines(
        &[("templates/p.yaml", template), ("values.yaml", VALUES)],
        "",
    );
    let wanted = [
        "kind: Pod <- p.yaml:1",
        "image: app:v1 <- p.yaml:2 image.repo,image.tag",
        "on: yes <- p.yaml:4",
        "port: 1 <- p.yaml:7 ports[0].at",
        "port: 2 <- p.yaml:7 ports[1].at",
        "host: u <- p.yaml:10 hosts",
        "host: v <- p.yaml:10 hosts",
        "repo: app <- p.yaml:13 image.repo",
    ];
    assert_eq!(found, wanted);
}

#[test]
fn text_that_passed_through_functions_keeps_its_innermost_line() {
    let helpers = "{{ define \"labels\" -}}\nfixed: 1\ntag: {{ .Values.image.tag }}\n{{- end }}\n{{ define \"repo\" }}{{ .x.repo }}{{ end }}";
    let template = "kind: Pod\nlabels:\n  {{- include \"labels\" . | nindent 2 }}\nall:\n  {{- toYaml .Values.labels | nindent 2 }}\n{{ template \"repo\" (dict \"x\" .Values.image) }}: 1\nsum: {{ include \"labels\" . | sha256sum | trunc 3 }}\n{{- $l := include \"labels\" . }}\n{{ $l | replace \"1\" \"2\" }}\n";
    let files = [
        ("templates/p.yaml", template),
        ("templates/_h.tpl", helpers),
        ("values.yaml", VALUES),
    ];
    let found = lines(&files, "");
    let wanted = [
        "kind: Pod <- p.yaml:1",
        "labels: <- p.yaml:2",
        "fixed: 1 <- _h.tpl:2",
        "tag: v1 <- _h.tpl:3 image.tag",
        "all: <- p.yaml:4",
        "a: one <- p.yaml:5 labels",
        "b: two <- p.yaml:5 labels",
        "app: 1 <- _h.tpl:5 image.repo",
    ];
    assert_eq!(found[..8], wanted);
    assert!(found[8].ends_with("<- p.yaml:7 image.tag"), "{}", found[8]);
    assert_eq!(
        found[9..],
        [
            "fixed: 2 <- p.yaml:9 image.tag",
            "tag: v2 <- p.yaml:9 image.tag"
        ]
    );
}

#[test]
fn the_way_to_an_included_line_is_told_from_the_nearest_on() {
    let helpers = "{{ define \"outer\" }}\n{{ include \"inner\" . }}{{ end }}\n{{ define \"inner\" }}x: 1{{ end }}";
    let files = [
        (
            "templates/p.yaml",
            "kind: P\n{{ include \"outer\" . | trim }}\n",
        ),
        ("templates/_h.tpl", helpers),
    ];
    let (rendered, blame) = render(&chart(&files), "");
    let writer = &blame.of(&rendered.manifests()[0])[1].writers[0];
    assert_eq!(writer.at.to_string(), "c/templates/_h.tpl:3");
    let through: Vec<String> = writer.through.iter().map(ToString::to_string).collect();
    assert_eq!(through, ["c/templates/_h.tpl:2", "c/templates/p.yaml:2"]);
}

#[test]
fn a_text_run_by_tpl_belongs_to_the_line_that_runs_it() {
    let files = [
        ("templates/p.yaml", "kind: P\n{{ tpl .Values.raw . }}\n"),
        ("values.yaml", VALUES),
    ];
    let found = lines(&files, "");
    assert_eq!(found[1], "k: v1 <- p.yaml:2 raw,image.tag");
}

#[test]
fn documents_of_one_file_and_of_subcharts_find_their_lines() {
    let files = [
        (
            "templates/p.yaml",
            "---\nkind: A\n---\n\nkind: B\nv: {{ .Values.v }}\n",
        ),
        ("values.yaml", "v: 1\ns: {w: 3}\n"),
        (
            "charts/s/Chart.yaml",
            "apiVersion: v2\nname: s\nversion: 0.1.0\n",
        ),
        ("charts/s/values.yaml", "w: 2\nx: 4\n"),
        (
            "charts/s/templates/q.yaml",
            "kind: C\nw: {{ .Values.w }}\nx: {{ .Values.x }}\n",
        ),
    ];
    let chart = chart(&files);
    let (rendered, blame) = render(&chart, "");
    let of = |kind: &str| {
        let object = rendered.manifests().iter().find(|one| one.kind() == kind);
        blame.of(object.expect("it is rendered"))
    };
    assert_eq!(of("B")[1].writers[0].at.to_string(), "c/templates/p.yaml:6");
    let line = &of("C")[1];
    assert_eq!(
        line.writers[0].at.to_string(),
        "c/charts/s/templates/q.yaml:2"
    );
    assert_eq!(line.reads()[0].to_string(), "s.w");
    let given = ValueOptions {
        files: vec![("mine.yaml".into(), "# first\ns:\n  x: 5\n".into())],
        set: vec!["v=2".into()],
        ..ValueOptions::default()
    };
    let values = given
        .merge(Profile::Helm4, |_| Err("no files".into()))
        .expect("values");
    let resolved = chart
        .resolve(values.as_table(), Profile::Helm4)
        .expect("no dependencies");
    let origins = Origins::new(&resolved, &given, Profile::Helm4).expect("they were read before");
    let told = |path: &helm_chart::values::ValuePath| -> Vec<String> {
        origins.of(path).iter().map(Origin::to_string).collect()
    };
    assert_eq!(told(line.reads()[0]), ["c/values.yaml:2:5"]);
    assert_eq!(told(of("C")[2].reads()[0]), ["mine.yaml:3:3"]);
    assert_eq!(told(of("B")[1].reads()[0]), ["--set v=2"]);
}

#[test]
fn draws_name_the_line_that_asked() {
    let files = [
        (
            "templates/p.yaml",
            "kind: P\na: {{ include \"pw\" . }}\n\nb: {{ now | date \"2006\" }}\n",
        ),
        (
            "templates/_h.tpl",
            "\n{{ define \"pw\" }}{{ randAlphaNum 3 }}{{ end }}",
        ),
    ];
    let (_, blame) = render(&chart(&files), "");
    let draws: Vec<(String, &str, SourceKind)> = blame
        .draws()
        .iter()
        .map(|draw| (draw.at.to_string(), draw.function, draw.kind))
        .collect();
    let wanted = [
        (
            "c/templates/_h.tpl:2".to_owned(),
            "randAlphaNum",
            SourceKind::Random,
        ),
        ("c/templates/p.yaml:4".to_owned(), "now", SourceKind::Clock),
    ];
    assert_eq!(draws, wanted);
}

#[test]
#[ignore = "needs the official charts in AKS_AIRFLOW_SHARED"]
fn every_line_of_the_official_chart_has_a_writer() {
    let root = std::env::var("AKS_AIRFLOW_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
    let archive = std::fs::read(format!("{root}/charts/airflow-1.15.0.tgz")).expect("the archive");
    let chart = Chart::from_archive(&archive).expect("a chart");
    let (rendered, blame) = render(&chart, "executor: KubernetesExecutor\n");
    let mut helpers = 0;
    for object in rendered.manifests() {
        let lines = blame.of(object);
        assert_eq!(
            lines.len(),
            object.text().lines().count(),
            "{}",
            object.source()
        );
        for (text, line) in object.text().lines().zip(lines) {
            assert!(!line.writers.is_empty(), "{}: {text:?}", object.source());
            helpers += usize::from(line.writers[0].at.file.contains("_helpers"));
        }
    }
    assert!(helpers > 100, "{helpers} lines come from helpers");
    let scheduler = rendered
        .manifests()
        .iter()
        .find(|one| one.source().ends_with("scheduler-deployment.yaml"))
        .expect("a scheduler");
    let replicas = scheduler
        .text()
        .lines()
        .position(|line| line.trim().starts_with("replicas:"));
    let line = &blame.of(scheduler)[replicas.expect("it has replicas")];
    assert_eq!(line.reads()[0].to_string(), "scheduler.replicas");
}
