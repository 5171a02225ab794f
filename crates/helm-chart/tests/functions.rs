//! Every function of the library against what Go answers: `functions/*.jsonl` hold a template each,
//! perhaps values, and the output or the error text. The first line of a file tells where its
//! expectations come from.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use go_text_template::{Execution, Function, Map, MapType, Templates, Type, Value};
use helm_chart::functions::{self, TemplateValues};
use helm_chart::{Environment, yaml};

/// Functions that the render provides, because they need templates, the cluster or the network.
const OF_THE_RENDER: [&str; 6] = [
    "fail",
    "getHostByName",
    "include",
    "lookup",
    "required",
    "tpl",
];

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

fn render(template: &str, values: &str) -> Result<String, String> {
    const VALUES: MapType = MapType::named("common.Values", Type::Any);
    let values = match yaml::parse_with(values, &mut TemplateValues).unwrap() {
        Value::Map(map) => map,
        _ => Map::new(),
    };
    let dot = Value::map([("Values", values.retyped(VALUES))]);
    let mut templates = Templates::new(functions::helm4());
    templates
        .parse("t", template)
        .map_err(|error| error.to_string())?;
    let mut execution = Execution::new(&templates).with_state(Environment::sealed().tape());
    let text = execution
        .execute("t", dot)
        .map_err(|error| error.to_string())?;
    Ok(text.to_string().replace("<no value>", ""))
}

#[test]
fn functions_answer_as_go_does() {
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
        assert!(
            called.contains(entry.name()),
            "{} has no fixture",
            entry.name()
        );
    }
}

#[test]
fn the_names_are_those_of_helm() {
    let named: BTreeSet<&str> = functions::library().map(functions::Entry::name).collect();
    let expected: BTreeSet<&str> = include_str!("functions.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
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
