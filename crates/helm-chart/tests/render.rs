//! What a render promises beyond Helm's bytes: order of execution, questions to the cluster,
//! reproducible randomness, and errors in Helm's words.

use std::error::Error;

use helm_chart::render::{Answers, LookupSource, Query, RenderError, RenderOptions, RenderedFiles};
use helm_chart::{Chart, ChartFile, Environment, Profile, Release, Values};

fn chart(files: &[(&str, &str)]) -> Chart {
    let metadata = ChartFile::new("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n");
    let files = files
        .iter()
        .map(|(name, text)| ChartFile::new(*name, *text));
    Chart::from_files([metadata].into_iter().chain(files).collect())
        .expect("the test's own chart loads")
}

fn render(chart: &Chart, options: &RenderOptions) -> Result<RenderedFiles, RenderError> {
    let resolved = chart
        .resolve(Values::default().as_table(), options.profile)
        .expect("no dependencies");
    chart.render_resolved(
        &resolved,
        &Release::install("r", "ns"),
        &Environment::sealed(),
        options,
    )
}

fn error(files: &[(&str, &str)], profile: Profile) -> String {
    let options = RenderOptions::default().with_profile(profile);
    render(&chart(files), &options)
        .expect_err("the chart fails")
        .to_string()
}

#[test]
fn deeper_files_run_first_and_changes_are_seen_by_the_rest() {
    let subchart = [
        (
            "charts/s/Chart.yaml",
            "apiVersion: v2\nname: s\nversion: 0.1.0\n",
        ),
        (
            "charts/s/templates/x.yaml",
            r#"{{ $_ := set .Values "seen" "by all" }}{{ .Template.Name }}"#,
        ),
        (
            "templates/b.yaml",
            r#"{{ $_ := set .Values "order" "b" }}{{ .Values.s.seen }}"#,
        ),
        (
            "templates/a.yaml",
            "{{ .Values.order }} {{ .Subcharts.s.Chart.Name }}",
        ),
    ];
    let rendered = render(&chart(&subchart), &RenderOptions::default()).expect("it renders");
    assert_eq!(
        &*rendered.files["c/charts/s/templates/x.yaml"],
        "c/charts/s/templates/x.yaml"
    );
    assert_eq!(&*rendered.files["c/templates/b.yaml"], "by all");
    assert_eq!(&*rendered.files["c/templates/a.yaml"], "b s");
}

#[test]
fn partials_are_parsed_and_not_executed() {
    let files = [
        ("templates/_p.tpl", r#"{{ define "p" }}P{{ end }}"#),
        ("templates/a.yaml", r#"{{ include "p" . }}"#),
    ];
    let rendered = render(&chart(&files), &RenderOptions::default()).expect("it renders");
    assert_eq!(rendered.files.len(), 1);
    assert_eq!(&*rendered.files["c/templates/a.yaml"], "P");
}

#[test]
fn the_first_file_by_name_wins_a_definition_unless_it_is_empty() {
    let files = [
        (
            "templates/_a.tpl",
            r#"{{ define "x" }}a{{ end }}{{ define "y" }} {{ end }}"#,
        ),
        (
            "templates/_b.tpl",
            r#"{{ define "x" }}b{{ end }}{{ define "y" }}b{{ end }}"#,
        ),
        (
            "templates/t.yaml",
            r#"{{ include "x" . }}{{ include "y" . }}"#,
        ),
    ];
    let rendered = render(&chart(&files), &RenderOptions::default()).expect("it renders");
    assert_eq!(&*rendered.files["c/templates/t.yaml"], "ab");
}

#[test]
fn a_question_to_the_cluster_ends_the_render_until_it_is_answered() {
    let files = [(
        "templates/t.yaml",
        r#"{{ randAlphaNum 8 }} {{ (lookup "v1" "Secret" .Release.Namespace "s").data }}"#,
    )];
    let chart = chart(&files);
    let query = Query::Lookup {
        api_version: "v1".to_owned(),
        kind: "Secret".to_owned(),
        namespace: "ns".to_owned(),
        name: "s".to_owned(),
    };
    let asking = RenderOptions::default().with_answers(Answers::none_yet());
    match render(&chart, &asking) {
        Err(RenderError::Needs { queries }) => assert_eq!(queries, std::slice::from_ref(&query)),
        other => panic!("no question: {other:?}"),
    }
    let answers = Answers::none_yet().with(query, serde_json::json!({"data": {"k": "v"}}));
    let answered =
        render(&chart, &RenderOptions::default().with_answers(answers)).expect("answered");
    let offline = render(&chart, &RenderOptions::default()).expect("nobody answers");
    let (with, without) = (
        &answered.files["c/templates/t.yaml"],
        &offline.files["c/templates/t.yaml"],
    );
    assert!(with.ends_with(" map[k:v]"), "{with}");
    assert_eq!(
        with[..8],
        without[..8],
        "the same environment draws the same bytes"
    );
    assert_eq!(answered.sources.len(), 1);
}

/// A cluster that holds one ConfigMap and refuses Secrets.
struct OneMap;

impl LookupSource for OneMap {
    fn answer(&self, query: &Query) -> Result<serde_json::Value, Box<dyn Error + Send + Sync>> {
        match query {
            Query::Lookup { kind, name, .. } if kind == "ConfigMap" && name == "there" => {
                Ok(serde_json::json!({"data": {"k": "v"}}))
            }
            Query::Lookup { kind, .. } if kind == "Secret" => Err("secrets is forbidden".into()),
            _ => Ok(serde_json::json!({})),
        }
    }
}

#[test]
fn a_source_is_asked_while_templates_run() {
    let text = |kind, name| format!("{{{{ lookup \"v1\" \"{kind}\" \"ns\" \"{name}\" }}}}");
    let options = RenderOptions::default().with_answers(Answers::from_source(OneMap));
    let read = |kind, name| {
        let text = text(kind, name);
        let chart = chart(&[("templates/t.yaml", text.as_str())]);
        render(&chart, &options).map(|rendered| rendered.files["c/templates/t.yaml"].to_string())
    };
    assert_eq!(read("ConfigMap", "there").unwrap(), "map[data:map[k:v]]");
    assert_eq!(read("ConfigMap", "absent").unwrap(), "map[]");
    let error = read("Secret", "s").unwrap_err().to_string();
    let wanted = "error calling lookup: secrets is forbidden";
    assert!(error.contains(wanted), "{error}");
}

#[test]
fn failures_read_as_in_helm() {
    let parse = [("templates/t.yaml", "\n{{ if }}")];
    assert_eq!(
        error(&parse, Profile::Helm4),
        "parse error at (c/templates/t.yaml:2): missing value for if"
    );
    let fail = [(
        "templates/t.yaml",
        r#"{{ define "f" }}{{ fail "a: b" }}{{ end }}{{ include "f" . }}"#,
    )];
    assert_eq!(
        error(&fail, Profile::Helm3),
        "execution error at (c/templates/t.yaml:1:45): a: b"
    );
    let nil = [(
        "templates/t.yaml",
        r#"{{ define "f" }}{{ .Values.a.b }}{{ end }}{{ include "f" . }}"#,
    )];
    assert_eq!(
        error(&nil, Profile::Helm4),
        "c/templates/t.yaml:1:45\n  executing \"c/templates/t.yaml\" at <include \"f\" .>:\n    error calling include:\n\
         c/templates/t.yaml:1:26\n  executing \"f\" at <.Values.a.b>:\n    nil pointer evaluating interface {}.b"
    );
    assert_eq!(
        error(&nil, Profile::Helm3),
        "template: c/templates/t.yaml:1:45: executing \"c/templates/t.yaml\" at <include \"f\" .>: error calling include: \
         template: c/templates/t.yaml:1:26: executing \"f\" at <.Values.a.b>: nil pointer evaluating interface {}.b"
    );
}

#[test]
fn what_is_no_manifest_is_told_in_the_words_of_each_helm() {
    let refused = |text: &str, profile| {
        let chart = chart(&[("templates/t.yaml", text)]);
        let options = RenderOptions::default().with_profile(profile);
        let release = Release::install("r", "ns");
        let values = Values::default();
        let rendered = chart.render_with(&release, &values, &Environment::sealed(), &options);
        let error = rendered.unwrap_err();
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        format!("{error}: {source}")
    };
    let decoding = "YAML parse error on c/templates/t.yaml: error unmarshaling JSON: while decoding \
                    JSON: json: cannot unmarshal";
    for (profile, package) in [(Profile::Helm4, "util"), (Profile::Helm3, "releaseutil")] {
        assert_eq!(
            refused("only words", profile),
            format!("{decoding} string into Go value of type {package}.SimpleHead")
        );
        assert_eq!(
            refused("metadata: x", profile),
            format!(
                "{decoding} string into Go struct field SimpleHead.metadata of type struct {{ Name \
                 string \"json:\\\"name\\\"\"; Annotations map[string]string \"json:\\\"annotations\\\"\" }}"
            )
        );
        assert_eq!(
            refused("metadata: {annotations: {a: [b]}}", profile),
            format!("{decoding} array into Go struct field .metadata.annotations of type string")
        );
        assert_eq!(
            refused("a: {{ b64dec \"/w==\" }}", profile),
            "YAML parse error on c/templates/t.yaml: error converting YAML to JSON: \
             yaml: invalid leading UTF-8 octet"
        );
    }
}

#[test]
fn library_charts_and_unfit_clusters_are_refused() {
    let library = "apiVersion: v2\nname: l\nversion: 0.1.0\ntype: library\n";
    let chart = Chart::from_files(vec![ChartFile::new("Chart.yaml", library)]).expect("it loads");
    let (release, values) = (Release::install("r", "ns"), Values::default());
    let refused = chart
        .render(&release, &values, &Environment::sealed())
        .expect_err("a library");
    assert_eq!(refused.to_string(), "library charts are not installable");

    let picky = "apiVersion: v2\nname: p\nversion: 0.1.0\nkubeVersion: <1.20\n";
    let chart = Chart::from_files(vec![ChartFile::new("Chart.yaml", picky)]).expect("it loads");
    let refused = chart
        .render(&release, &values, &Environment::sealed())
        .expect_err("a new cluster");
    assert_eq!(
        refused.to_string(),
        "chart requires kubeVersion: <1.20 which is incompatible with Kubernetes v1.36.0"
    );
}

#[test]
fn one_chart_renders_in_many_threads_at_once() {
    let chart = chart(&[("templates/t.yaml", r#"{{ tpl "{{ .Release.Name }}" . }}"#)]);
    let texts: Vec<String> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| render(&chart, &RenderOptions::default()).expect("it renders")))
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.join().expect("no panic").files["c/templates/t.yaml"].to_string())
            .collect()
    });
    assert!(texts.iter().all(|text| text == "r"));
}

// What Helm 3.21.4 prints; in Helm 4 `.Chart` is a map.
#[test]
fn the_chart_of_helm_3_is_a_struct_printed_field_by_field() {
    let shown = |verb: &str| {
        let template = format!("{{{{ printf {verb:?} .Chart }}}}");
        let options = RenderOptions::default().with_profile(Profile::Helm3);
        let chart = chart(&[("templates/a.yaml", &template)]);
        render(&chart, &options).expect("it renders").files["c/templates/a.yaml"].to_string()
    };
    assert_eq!(
        shown("%v"),
        "{{c  [] 0.1.0  [] []  v2    false map[]  [] } true}"
    );
    assert_eq!(
        shown("%.5x"),
        "{{63  [] 302e312e30  [] []  7632    %!x(bool=false) map[]  [] } %!x(bool=true)}"
    );
    assert_eq!(
        shown("%2d"),
        "{{%!d(string= c) %!d(string=  ) [] %!d(string=0.1.0) %!d(string=  ) [] [] %!d(string=  ) %!d(string=v2) %!d(string=  ) %!d(string=  ) %!d(string=  ) %!d(bool=false) map[] %!d(string=  ) [] %!d(string=  )} %!d(bool=true)}"
    );
    assert_eq!(
        shown("%+v"),
        "{Metadata:{Name:c Home: Sources:[] Version:0.1.0 Description: Keywords:[] Maintainers:[] Icon: APIVersion:v2 Condition: Tags: AppVersion: Deprecated:false Annotations:map[] KubeVersion: Dependencies:[] Type:} IsRoot:true}"
    );
    assert!(
        shown("%#v").contains("Maintainers:[]*chart.Maintainer(nil), "),
        "{}",
        shown("%#v")
    );
    assert!(shown("%#v").contains("Dependencies:[]*chart.Dependency(nil), "));
    let compared = error(
        &[("templates/a.yaml", "{{ eq .Chart .Chart }}")],
        Profile::Helm3,
    );
    assert_eq!(
        compared,
        r#"template: c/templates/a.yaml:1:3: executing "c/templates/a.yaml" at <eq .Chart .Chart>: error calling eq: non-comparable type {{c  [] 0.1.0  [] []  v2    %!s(bool=false) map[]  [] } %!s(bool=true)}: struct { chart.Metadata; IsRoot bool }"#
    );
}
