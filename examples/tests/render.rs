//! `aks-airflow render` from outside: arguments, standard input, files, exit codes, and the official
//! charts byte for byte as real Helm printed them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A chart folder that goes with this value.
struct Folder(PathBuf);

impl Folder {
    fn with(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        for (path, text) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Name of the render, release, chart, values files, further arguments.
type Row<'a> = (&'a str, &'a str, &'a str, &'a [&'a str], &'a [&'a str]);

const CHART: &[(&str, &str)] = &[
    ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n"),
    ("values.yaml", "who: world\n"),
    (".helmignore", "*.bak\n"),
    (
        "crds/crd.yaml",
        "kind: CustomResourceDefinition\nmetadata: {name: x}\n",
    ),
    (
        "templates/a.yaml",
        "kind: A\nto: {{ .Values.who }}\nupgrade: {{ .Release.IsUpgrade }}\n",
    ),
    (
        "templates/b.yaml",
        "kind: B\nkube: {{ .Capabilities.KubeVersion }}\nfoo: {{ .Capabilities.APIVersions.Has \"foo/v1\" }}\n",
    ),
    ("templates/broken.yaml.bak", "{{ nonsense"),
    (
        "templates/hook.yaml",
        "kind: H\nmetadata:\n  annotations:\n    helm.sh/hook: post-install\n",
    ),
    (
        "templates/test.yaml",
        "kind: T\nmetadata:\n  annotations:\n    helm.sh/hook: test\n",
    ),
];

const A: &str = "---\n# Source: c/templates/a.yaml\nkind: A\nto: world\nupgrade: false\n";

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aks-airflow"));
    command.arg("render").args(arguments);
    command
}

fn output(arguments: &[&str]) -> Output {
    command(arguments).stdin(Stdio::null()).output().unwrap()
}

fn rendered(arguments: &[&str]) -> String {
    let output = output(arguments);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_chart_folder_renders_without_what_it_ignores() {
    let chart = Folder::with("ignores", CHART);
    let text = rendered(&["r", chart.path(), "--profile", "helm3"]);
    assert!(text.starts_with(A), "{text}");
    assert!(
        text.contains("kind: H") && text.contains("kind: T"),
        "{text}"
    );
}

#[test]
fn options_choose_what_is_shown() {
    let chart = Folder::with("shown", CHART);
    let show =
        |more: &[&str]| rendered(&[&["r", chart.path(), "--profile", "helm3"], more].concat());
    assert_eq!(show(&["--show-only", "templates/a.yaml"]), A);
    assert!(!show(&["--no-hooks"]).contains("kind: H"));
    let tests_left_out = show(&["--skip-tests"]);
    assert!(tests_left_out.contains("kind: H") && !tests_left_out.contains("kind: T"));
    assert!(
        show(&["--include-crds"])
            .starts_with("---\n# Source: c/crds/crd.yaml\nkind: CustomResourceDefinition\n")
    );
    assert!(show(&["--is-upgrade"]).contains("upgrade: true"));
    let target = show(&["--kube-version", "1.30", "--api-versions", "foo/v1"]);
    assert!(target.contains("kube: v1.30\nfoo: true"), "{target}");
}

#[test]
fn values_come_from_standard_input_and_arguments() {
    let chart = Folder::with("stdin", CHART);
    let arguments = [
        "r",
        chart.path(),
        "-f",
        "-",
        "--set",
        "x=1",
        "-s",
        "templates/a.yaml",
    ];
    let mut child = command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"who: stdin\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("to: stdin\n")
    );
    let set = rendered(&[
        "r",
        chart.path(),
        "--set",
        "who=first",
        "--set-string",
        "who=7",
        "-s",
        "templates/a.yaml",
    ]);
    assert!(set.contains("to: 7\n"), "{set}");
}

#[test]
fn an_output_folder_gets_one_file_per_template() {
    let chart = Folder::with("written", CHART);
    let out = Folder::with("written-out", &[]);
    let said = rendered(&[
        "r",
        chart.path(),
        "--profile",
        "helm3",
        "--output-dir",
        out.path(),
        "--skip-tests",
    ]);
    let wrote = |name: &str| format!("wrote {}/c/templates/{name}\n", out.path());
    assert_eq!(
        said,
        format!(
            "{}{}{}\n",
            wrote("a.yaml"),
            wrote("b.yaml"),
            wrote("hook.yaml")
        )
    );
    assert_eq!(
        std::fs::read_to_string(out.0.join("c/templates/a.yaml")).unwrap(),
        A
    );
}

#[test]
fn what_cannot_render_says_why_on_standard_error() {
    let chart = Folder::with("refused", CHART);
    for (arguments, words, code) in [
        (
            vec!["r", chart.path(), "--show-only", "templates/x.yaml"],
            "could not find template templates/x.yaml in chart",
            1,
        ),
        (vec!["R", chart.path()], "release name \"R\" is invalid", 1),
        (vec!["r", "nowhere"], "path \"nowhere\" not found", 1),
        (
            vec!["r", chart.path(), "--set", "a"],
            "failed parsing --set data: key \"a\" has no value",
            1,
        ),
        (vec!["r"], "CHART", 64),
    ] {
        let output = output(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert_eq!(
            (output.status.code(), output.stdout.is_empty()),
            (Some(code), true),
            "{arguments:?}"
        );
    }
}

#[test]
fn random_functions_are_named_with_the_objects_they_reach() {
    let files = [
        ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n"),
        (
            "templates/s.yaml",
            "kind: Secret\nmetadata:\n  name: s\ndata: {{ randAlphaNum 9 }}\n",
        ),
        ("templates/t.yaml", "kind: T\n"),
    ];
    let chart = Folder::with("random", &files);
    let output = output(&["r", chart.path(), "--explain-random"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("random  c/templates/s.yaml:4  randAlphaNum ×1"),
        "{said}"
    );
    assert!(
        said.contains("differs  Secret s  c/templates/s.yaml:4"),
        "{said}"
    );
    assert!(!said.contains("t.yaml"), "{said}");
}

const WHY: &[(&str, &str)] = &[
    ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n"),
    (
        "values.yaml",
        "image:\n  tag: v1\n  repo: app\nreplicas: 1\n",
    ),
    (
        "templates/_h.tpl",
        "{{ define \"image\" }}image: {{ .Values.image.repo }}:{{ .Values.image.tag }}{{ end }}\n",
    ),
    (
        "templates/p.yaml",
        "kind: Pod\nmetadata:\n  name: p\nspec:\n  {{- include \"image\" . | nindent 2 }}\n  n: {{ .Values.replicas }}\n",
    ),
    ("templates/q.yaml", "kind: Q\nmetadata: {name: q}\n"),
];

#[test]
fn why_shows_the_template_line_and_the_values_of_each_line() {
    let chart = Folder::with("why", WHY);
    let output = output(&["r", chart.path(), "--set", "image.tag=v2", "--why", "pod/p"]);
    let wanted = "\
---
# Source: c/templates/p.yaml
c/templates/p.yaml:1 | kind: Pod
c/templates/p.yaml:2 | metadata:
c/templates/p.yaml:3 |   name: p
c/templates/p.yaml:4 | spec:
c/templates/_h.tpl:1 |   image: app:v2  <- image.repo (c/values.yaml:3:3), image.tag (--set image.tag=v2)
c/templates/p.yaml:6 |   n: 1  <- replicas (c/values.yaml:4:1)
";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), wanted);
}

#[test]
fn why_as_json_names_writers_reads_and_origins() {
    let chart = Folder::with("why-json", WHY);
    let whole = output(&["r", chart.path(), "--why", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&whole.stdout).unwrap();
    assert_eq!(json["objects"].as_array().unwrap().len(), 2);
    let pod = json["objects"].as_array().unwrap();
    let pod = pod.iter().find(|object| object["kind"] == "Pod").unwrap();
    let writer = &pod["lines"][4]["writers"][0];
    assert_eq!(writer["file"], "c/templates/_h.tpl");
    assert_eq!(writer["through"][0], "c/templates/p.yaml:5");
    assert_eq!(writer["reads"][1]["path"], "image.tag");
    let wanted = serde_json::json!([
        {"kind": "default", "file": "c/values.yaml", "line": 2, "column": 3}
    ]);
    assert_eq!(writer["reads"][1]["from"], wanted);
    let missing = output(&["r", chart.path(), "--why=Pod/x"]);
    assert!(!missing.status.success());
}

#[test]
#[ignore = "needs the official charts and Helm's renders in AKS_AIRFLOW_SHARED"]
fn official_charts_print_what_helm_prints() {
    let shared = std::env::var("AKS_AIRFLOW_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").to_owned());
    let crds: &[&str] = &["--set", "installCRDs=true"];
    let (old, new) = ("guide-1.15.0.yaml", "guide-1.22.0.yaml");
    let rows: [Row<'_>; 6] = [
        (
            "airflow-1.15.0-guide",
            "airflow",
            "airflow-1.15.0",
            &[old, "fixed-keys.yaml"],
            &[],
        ),
        (
            "airflow-1.15.0-max",
            "airflow",
            "airflow-1.15.0",
            &["max-1.15.0.yaml"],
            &[],
        ),
        (
            "airflow-1.22.0-guide",
            "airflow",
            "airflow-1.22.0",
            &[new, "fixed-keys.yaml"],
            &[],
        ),
        (
            "airflow-1.22.0-defaults",
            "airflow",
            "airflow-1.22.0",
            &["fixed-keys.yaml"],
            &[],
        ),
        (
            "external-secrets-0.10.5-guide",
            "external-secrets",
            "external-secrets-0.10.5",
            &[],
            crds,
        ),
        (
            "external-secrets-2.9.0-guide",
            "external-secrets",
            "external-secrets-2.9.0",
            &[],
            crds,
        ),
    ];
    for (name, release, chart, values, more) in rows {
        for (profile, helm, kube) in [
            ("helm4", "v4.2.4", "v1.36.0"),
            ("helm3", "v3.21.4", "v1.20.0"),
        ] {
            let archive = format!("{shared}/charts/{chart}.tgz");
            let files: Vec<String> = values
                .iter()
                .map(|file| format!("{shared}/oracle/values/{file}"))
                .collect();
            let mut arguments = vec![
                release,
                &archive,
                "-n",
                "airflow",
                "--profile",
                profile,
                "--kube-version",
                kube,
            ];
            for file in &files {
                arguments.extend(["-f", file]);
            }
            arguments.extend(more);
            let wanted =
                std::fs::read_to_string(format!("{shared}/oracle/renders/{name}.helm-{helm}.yaml"))
                    .unwrap();
            assert!(rendered(&arguments) == wanted, "{name} as {helm} differs");
        }
    }
}

#[test]
fn a_failing_template_is_shown_with_what_was_in_reach() {
    let chart = Folder::with(
        "excerpt",
        &[
            ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n"),
            ("values.yaml", "image: {tag: 5}\npassword: hunter2\n"),
            (
                "templates/a.yaml",
                "{{ $secret := .Values.password }}\n{{ $image := .Values.image }}\nimage: {{ $image.tag.name }}\n",
            ),
        ],
    );
    let failed = output(&["r", chart.path(), "--color", "never"]);
    let words = "× aka::render::execute   nothing was written\n  c/templates/a.yaml:3:16\n    executing \"c/templates/a.yaml\" at <$image.tag.name>:\n      can't evaluate field name in type interface {}\n";
    let shown = String::from_utf8(failed.stderr).unwrap();
    assert_eq!(
        shown,
        format!(
            "{words}   --> c/templates/a.yaml:3\n  3 | image: {{{{ $image.tag.name }}}}\n    |           ^^^^^^^^^^^^^^^\n  in reach there:\n    .  map of 7: Capabilities, Chart, Files, Release, Subcharts, Template, Values\n    $  map of 7: Capabilities, Chart, Files, Release, Subcharts, Template, Values\n    $secret  string (hidden)\n    $image  map of 1: tag\n"
        )
    );
    let failed = output(&["r", chart.path(), "--output", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&failed.stdout).unwrap();
    assert_eq!(json["error"]["at"]["line"], 3);
    assert_eq!(json["error"]["at"]["column"], 11);
    assert_eq!(json["error"]["inReach"][2], "$secret  string (hidden)");
}

#[test]
fn lookup_is_answered_from_manifests() {
    let chart = Folder::with(
        "lookup",
        &[
            ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n"),
            (
                "templates/a.yaml",
                "{{ $old := lookup \"v1\" \"Secret\" .Release.Namespace \"kept\" }}\nkey: {{ dig \"data\" \"key\" \"new\" $old }}\nall: {{ len (lookup \"v1\" \"Secret\" \"\" \"\").items }}\n",
            ),
        ],
    );
    let state = Folder::with(
        "lookup-state",
        &[
            (
                "a/list.yaml",
                "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: kept, namespace: default}, data: {key: b2xk}}\n- {apiVersion: v1, kind: Secret, metadata: {name: other, namespace: x}}\n",
            ),
            (
                "b.json",
                r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "third", "namespace": "x"}}"#,
            ),
            ("notes.txt", "no manifest"),
        ],
    );
    let text = rendered(&["r", chart.path(), "--lookup", state.path()]);
    assert_eq!(
        text,
        "---\n# Source: c/templates/a.yaml\nkey: b2xk\nall: 3\n"
    );
    let file = format!("{}/b.json", state.path());
    let text = rendered(&["r", chart.path(), "--lookup", &file]);
    assert_eq!(
        text,
        "---\n# Source: c/templates/a.yaml\nkey: new\nall: 1\n"
    );
    let notes = format!("{}/notes.txt", state.path());
    let failed = output(&["r", chart.path(), "--lookup", &notes]);
    assert!(!failed.status.success());
    let words = String::from_utf8(failed.stderr).unwrap();
    assert!(
        words.contains("aka::render::lookup") && words.contains("notes.txt"),
        "{words}"
    );
}
