//! Every function a template can call against what Helm answers: each line of `functions/*.jsonl`
//! holds a template, perhaps values, and the output or the error text. The first line of a file
//! tells how its answers were recorded.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use go_text_template::{Function, Text};
use helm_chart::functions;
use helm_chart::{Chart, ChartFile, Environment, Release, Values};

struct Fixture {
    place: String,
    template: String,
    values: String,
    expected: Result<String, String>,
}

fn fixtures() -> Vec<Fixture> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/functions");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        for (index, line) in text.lines().enumerate() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let field = |key: &str| {
                row.get(key)
                    .and_then(|value| value.as_str())
                    .map(str::to_owned)
            };
            if index == 0 {
                assert!(
                    field("provenance").is_some(),
                    "{name} does not say where it comes from"
                );
                continue;
            }
            all.push(Fixture {
                place: format!("{name}:{}", index + 1),
                template: field("template").unwrap(),
                values: field("values").unwrap_or_default(),
                expected: field("output").ok_or_else(|| field("error").unwrap()),
            });
        }
    }
    all
}

/// The chart the answers were recorded with: the output reaches its document as base64, so that
/// nothing splits or trims it.
fn chart(template: &str) -> Chart {
    const DOCUMENT: &str = "out: {{ include \"c/templates/_t.tpl\" . | b64enc | quote }}\n";
    Chart::from_files(vec![
        ChartFile::new("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n"),
        ChartFile::new("a.txt", "l1\nl2\n"),
        ChartFile::new("templates/t.yaml", DOCUMENT),
        ChartFile::new("templates/_t.tpl", template),
    ])
    .unwrap()
}

fn render(template: &str, values: &str) -> Result<String, String> {
    let values = Values::parse(values).unwrap();
    let release = Release::install("r", "ns");
    let rendered = chart(template)
        .render(&release, &values, &Environment::sealed())
        .map_err(|error| error.to_string())?;
    let document = &rendered.files.files["c/templates/t.yaml"];
    let encoded = document.trim_end().strip_prefix("out: ").unwrap();
    let bytes = STANDARD.decode(encoded.trim_matches('"')).unwrap();
    Ok(Text::from(bytes).to_string())
}

#[test]
fn functions_answer_as_helm_does() {
    let mut wrong = Vec::new();
    for fixture in fixtures() {
        let found = render(&fixture.template, &fixture.values);
        if found != fixture.expected {
            wrong.push(format!(
                "{}: {}\n  want {:?}\n  got  {found:?}",
                fixture.place, fixture.template, fixture.expected
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_function_has_a_description_and_a_fixture() {
    let called: BTreeSet<String> = fixtures()
        .iter()
        .flat_map(|fixture| {
            let words = fixture
                .template
                .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            words.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    for entry in functions::library() {
        assert!(
            !entry.docs().is_empty(),
            "{} has no description",
            entry.name()
        );
    }
    let without: Vec<&str> = names().filter(|name| !called.contains(*name)).collect();
    assert!(without.is_empty(), "without a fixture: {without:?}");
}

/// The names of all functions that Helm 4.2 adds to those of Go's `text/template`.
fn names() -> impl Iterator<Item = &'static str> {
    include_str!("functions.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
}

/// Functions that the render provides, because they need templates, the cluster or the network.
const OF_THE_RENDER: [&str; 6] = [
    "fail",
    "getHostByName",
    "include",
    "lookup",
    "required",
    "tpl",
];

#[test]
fn the_names_are_those_of_helm() {
    let named: BTreeSet<&str> = functions::library().map(functions::Entry::name).collect();
    let expected: BTreeSet<&str> = names().collect();
    let mut complete = named.clone();
    complete.extend(OF_THE_RENDER);
    assert_eq!(complete, expected);
    assert_eq!(
        functions::library().count(),
        named.len(),
        "a name is there twice"
    );
    let missing: Vec<&str> = functions::helm4()
        .iter()
        .map(Function::name)
        .filter(|name| functions::helm3().get(name).is_none())
        .collect();
    assert_eq!(missing, ["mustToYaml", "mustToToml"]);
}

#[test]
fn a_render_is_repeated_by_an_equal_environment() {
    let template = r#"{{ $ca := genCA "ca" 30 }}{{ randAlphaNum 20 }} {{ uuidv4 }} {{ bcrypt "p" }} {{ now }}
        {{ (genSignedCert "host" nil (list "host.local") 30 $ca).Cert }} {{ genPrivateKey "ecdsa" }} {{ encryptAES "k" "x" }}"#;
    let first = render(template, "").unwrap();
    assert_eq!(render(template, "").unwrap(), first);
    assert!(first.contains("2024-01-01 00:00:00 +0000 UTC"), "{first}");
}

#[test]
fn a_certificate_names_its_subject_as_go_encodes_it() {
    for (name, tag) in [("a.b", 0x13), ("*.b", 0x0c), ("ü", 0x0c)] {
        let template = format!("{{{{ (genSelfSignedCert {name:?} nil nil 30).Cert }}}}");
        let pem = render(&template, "").unwrap();
        let lines = pem.lines().filter(|line| !line.starts_with('-'));
        let der = STANDARD.decode(lines.collect::<String>()).unwrap();
        // The object identifier of a common name, and the type of the string behind it.
        let subject = [0x06, 0x03, 0x55, 0x04, 0x03, tag];
        assert!(der.windows(6).any(|bytes| bytes == subject), "{name}");
    }
}
