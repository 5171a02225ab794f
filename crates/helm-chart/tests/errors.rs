//! What an error of a render carries beside Helm's words: the place, what was in reach, no secret.

use helm_chart::render::{Glimpse, Reach};
use helm_chart::{Chart, ChartFile, Environment, Release, RenderError, RenderOptions, Values};
use miette::Diagnostic;

fn failure(template: &str, values: &str) -> RenderError {
    let chart = Chart::from_files(vec![
        ChartFile::new("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n"),
        ChartFile::new("templates/a.yaml", template),
    ])
    .unwrap();
    let values = Values::parse(values).unwrap();
    let release = Release::install("r", "ns");
    let options = RenderOptions::default();
    let rendered = chart.render_with(&release, &values, &Environment::sealed(), &options);
    rendered.unwrap_err()
}

fn shown(reach: &Reach) -> Vec<String> {
    let all = std::iter::once(&reach.dot).chain(&reach.variables);
    all.map(ToString::to_string).collect()
}

/// The line the error points at, and the part of it.
fn pointed_at(error: &RenderError) -> Option<(String, usize, String)> {
    let source = error.source_code()?;
    let label = error.labels()?.next()?;
    let part = source.read_span(label.inner(), 0, 0).ok()?;
    let text = String::from_utf8_lossy(part.data()).into_owned();
    let length = label.len();
    Some((
        part.name()?.to_owned(),
        part.line() + 1,
        text.get(..length)?.to_owned(),
    ))
}

#[test]
fn the_place_and_what_was_in_reach_go_with_the_words() {
    let template =
        "a: 1\nb:\n{{- range $i, $port := .Values.ports }}\n- {{ $port.number.low }}\n{{- end }}\n";
    let error = failure(template, "ports: [{number: 1}]");
    assert_eq!(
        error.to_string(),
        "c/templates/a.yaml:4:10\n  executing \"c/templates/a.yaml\" at <$port.number.low>:\n    can't evaluate field low in type interface {}"
    );
    let (file, line, part) = pointed_at(&error).unwrap();
    assert_eq!(
        (file.as_str(), line, part.as_str()),
        ("c/templates/a.yaml", 4, "$port.number.low")
    );
    assert_eq!(
        shown(error.reach().unwrap()),
        [
            ".  map of 1: number",
            "$  map of 7: Capabilities, Chart, Files, Release, Subcharts, Template, Values",
            "$i  int 0",
            "$port  map of 1: number",
        ]
    );
}

#[test]
fn a_file_that_is_no_template_is_pointed_at_too() {
    let error = failure("a: 1\nb: {{ if }}\n", "");
    let RenderError::Parse { .. } = &error else {
        panic!("{error:?}");
    };
    let (file, line, part) = pointed_at(&error).unwrap();
    assert_eq!(
        (file.as_str(), line, part.as_str()),
        ("c/templates/a.yaml", 2, "")
    );
    assert!(error.reach().is_none());
}

#[test]
fn the_author_s_refusal_is_pointed_at() {
    let error = failure(
        "a: {{ required \"give a name\" .Values.name }}\n",
        "other: x",
    );
    assert_eq!(
        error.to_string(),
        "execution error at (c/templates/a.yaml:1:6): give a name"
    );
    let (_, line, part) = pointed_at(&error).unwrap();
    assert_eq!(
        (line, part.as_str()),
        (1, "required \"give a name\" .Values.name")
    );
}

#[test]
fn no_secret_is_shown() {
    const SECRET: &str = "hunter2-hunter2";
    let values = "db: {password: hunter2-hunter2, pin: 4711, host: db.example.com}\nurl: 'postgres://u:pw@db/x'\nlist: [hunter2-hunter2]\nkeys: [a, b]\n";
    let template = "{{ $pw := .Values.db.password }}{{ $host := .Values.db.host }}\
        {{ $copy := index .Values.list 0 }}{{ $in := printf \"x %s\" $copy }}\
        {{ $coded := b64enc $copy }}{{ $number := .Values.db.pin }}{{ $url := .Values.url }}\
        {{ $random := randAlphaNum 5 }}{{ $enabled := true }}{{ $apiKey := \"abc\" }}\
        {{ range $key, $value := .Values.list }}{{ $key.x }}{{ end }}";
    let error = failure(template, values);
    let reach = error.reach().unwrap();
    let hidden: Vec<&str> = reach
        .variables
        .iter()
        .filter(|seen| seen.value == Glimpse::Hidden)
        .map(|seen| seen.name.as_str())
        .collect();
    assert_eq!(
        hidden,
        [
            "$pw", "$copy", "$in", "$coded", "$number", "$url", "$random", "$apiKey", "$value"
        ]
    );
    let text = shown(reach).join("\n");
    assert!(text.contains("$host  string \"db.example.com\""), "{text}");
    assert!(text.contains("$enabled  bool true"), "{text}");
    assert!(text.contains("$key  int 0"), "{text}");
    assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
}

#[test]
fn a_text_with_a_secret_in_it_is_not_pointed_at() {
    let template = "a: {{ tpl .Values.text . }}\n";
    let values =
        "token: hunter2-hunter2\ntext: \"t: hunter2-hunter2\\nb: {{ .Release.Name.x }}\"\n";
    let error = failure(template, values);
    assert!(error.source_code().is_none());
    // Without the secret it is.
    let error = failure(template, "text: \"t: x\\nb: {{ .Release.Name.x }}\"\n");
    let (_, line, _) = pointed_at(&error).unwrap();
    assert_eq!(line, 2);
}
