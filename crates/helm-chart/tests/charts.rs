//! Loading and packaging charts, with the guards of Helm's loader.

use std::error::Error;

use helm_chart::archive::{read_archive, read_chart_yaml, write_archive};
use helm_chart::{Chart, ChartFile, Profile};

const METADATA: &str = "apiVersion: v2\nname: c\nversion: 1.2.3\nappVersion: 1.20\n";

fn chart(files: &[(&str, &str)]) -> Result<Chart, helm_chart::chart::ChartError> {
    Chart::from_files(
        files
            .iter()
            .map(|(name, text)| ChartFile::new(*name, *text))
            .collect(),
    )
}

/// An error and its causes, joined as Go joins wrapped errors.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn refused(files: &[(&str, &str)], wanted: &str) {
    assert_eq!(chain(&chart(files).unwrap_err()), wanted);
}

#[test]
fn files_find_their_place() {
    let loaded = chart(&[
        ("templates/a.yaml", "a"),
        ("Chart.yaml", METADATA),
        ("values.yaml", "\u{feff}size: 1"),
        ("crds/x.YAML", "kind: X"),
        ("README.md", "hi"),
        ("charts/.gitkeep", ""),
        ("charts/_skipped/Chart.yaml", "nonsense"),
        ("charts/a.tgz.prov", "signature"),
    ])
    .unwrap();
    assert_eq!(loaded.app_version(), "1.2");
    assert_eq!(loaded.templates()[0].name, "templates/a.yaml");
    let files: Vec<&str> = loaded
        .files()
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    assert_eq!(files, ["crds/x.YAML", "README.md", "charts/a.tgz.prov"]);
    assert_eq!(loaded.crds().count(), 1);
    assert_eq!(loaded.raw_values(), Some("size: 1"));
    assert_eq!(loaded.values(Profile::Helm4)["size"], 1.0);
    assert!(loaded.children().is_empty());
}

#[test]
fn unusable_charts_are_refused_in_helms_words() {
    refused(&[("values.yaml", "")], "Chart.yaml file is missing");
    refused(
        &[("Chart.yaml", "version: 1.0.0")],
        "validation: chart.metadata.name is required",
    );
    refused(
        &[("Chart.yaml", "name: a/b\nversion: 1.0.0")],
        "validation: chart.metadata.name \"a/b\" is invalid",
    );
    refused(
        &[("Chart.yaml", "name: a\nversion: x")],
        "validation: chart.metadata.version \"x\" is invalid",
    );
    refused(
        &[("Chart.yaml", "apiVersion: v3\nname: a\nversion: 1.0.0")],
        "invalid chart apiVersion",
    );
    refused(
        &[("Chart.yaml", "apiVersion: v4\nname: a\nversion: 1.0.0")],
        "unsupported chart version",
    );
    refused(
        &[("Chart.yaml", &format!("{METADATA}maintainers: [null]\n"))],
        "validation: maintainers must not contain empty or null nodes",
    );
    for (path, text, wanted) in [
        (
            "loose.txt",
            "x",
            "error unpacking subchart loose.txt in c: Chart.yaml file is missing",
        ),
        (
            "s.tgz",
            "short",
            "error unpacking subchart s.tgz in c: unexpected EOF",
        ),
        (
            "s.tgz",
            "long enough",
            "error unpacking subchart s.tgz in c: gzip: invalid header",
        ),
        (
            "s.tgz/Chart.yaml",
            METADATA,
            "error unpacking subchart tar in c: expected s.tgz, got s.tgz/Chart.yaml",
        ),
    ] {
        let path = format!("charts/{path}");
        refused(&[("Chart.yaml", METADATA), (&path, text)], wanted);
    }
    refused(
        &[("Chart.yaml", METADATA), ("charts/s/templates/x", "")],
        "error unpacking subchart s in c: Chart.yaml file is missing",
    );
    refused(
        &[("Chart.yaml", METADATA), ("values.yaml", "a: b: c")],
        "cannot load values.yaml: cannot unmarshal yaml document: error converting YAML to JSON: yaml: mapping values are not allowed in this context",
    );
    refused(
        &[(
            "Chart.yaml",
            &format!("{METADATA}dependencies: [{{name: a}}, {{name: b, alias: a}}]\n"),
        )],
        "validation: more than one dependency with name or alias \"a\"",
    );
}

// What Helm 4.2.4 and 3.21.4 print.
#[test]
fn each_helm_refuses_a_chart_in_its_own_words() {
    let metadata = |more: &str| format!("{METADATA}{more}");
    let unmarshal = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal";
    for (file, text, helm4, helm3) in [
        (
            "Chart.yaml",
            "[1]".to_owned(),
            format!("cannot load Chart.yaml: {unmarshal} array into Go value of type loader.chartBase"),
            format!("cannot load Chart.yaml: {unmarshal} array into Go value of type chart.Metadata"),
        ),
        (
            "Chart.yaml",
            "apiVersion: [1]".to_owned(),
            format!("cannot load Chart.yaml: {unmarshal} array into Go struct field chartBase.apiVersion of type string"),
            format!("cannot load Chart.yaml: {unmarshal} array into Go struct field Metadata.apiVersion of type string"),
        ),
        (
            "Chart.yaml",
            metadata("maintainers: [x]"),
            format!("cannot load Chart.yaml: {unmarshal} string into Go struct field Metadata.maintainers of type v2.Maintainer"),
            format!("cannot load Chart.yaml: {unmarshal} string into Go struct field Metadata.maintainers of type chart.Maintainer"),
        ),
        (
            "Chart.yaml",
            metadata("dependencies: {a: 1}"),
            format!("cannot load Chart.yaml: {unmarshal} object into Go struct field Metadata.dependencies of type []*v2.Dependency"),
            format!("cannot load Chart.yaml: {unmarshal} object into Go struct field Metadata.dependencies of type []*chart.Dependency"),
        ),
        (
            "Chart.lock",
            "[1]".to_owned(),
            format!("cannot load Chart.lock: {unmarshal} array into Go value of type v2.Lock"),
            format!("cannot load Chart.lock: {unmarshal} array into Go value of type chart.Lock"),
        ),
        (
            "Chart.lock",
            "dependencies: [x]".to_owned(),
            format!("cannot load Chart.lock: {unmarshal} string into Go struct field Lock.dependencies of type v2.Dependency"),
            format!("cannot load Chart.lock: {unmarshal} string into Go struct field Lock.dependencies of type chart.Dependency"),
        ),
        (
            "charts/s/Chart.yaml",
            "[1]".to_owned(),
            format!("error unpacking subchart s in c: cannot load Chart.yaml: {unmarshal} array into Go value of type v2.Metadata"),
            format!("error unpacking subchart s in c: cannot load Chart.yaml: {unmarshal} array into Go value of type chart.Metadata"),
        ),
        (
            "values.yaml",
            "[1]".to_owned(),
            format!("cannot load values.yaml: cannot unmarshal yaml document: {unmarshal} array into Go value of type map[string]interface {{}}"),
            format!("cannot load values.yaml: {unmarshal} array into Go value of type map[string]interface {{}}"),
        ),
        (
            "values.yaml",
            "a: 1\n---foo\n".to_owned(),
            "cannot load values.yaml: error reading yaml document: invalid Yaml document separator: foo".to_owned(),
            "cannot load values.yaml: error converting YAML to JSON: yaml: line 3: could not find expected ':'".to_owned(),
        ),
    ] {
        for (profile, wanted) in [(Profile::Helm4, helm4), (Profile::Helm3, helm3)] {
            let mut files = vec![ChartFile::new(file, text.as_str())];
            if file != "Chart.yaml" {
                files.push(ChartFile::new("Chart.yaml", METADATA));
            }
            let error = Chart::from_files_as(files, profile).unwrap_err();
            assert_eq!(chain(&error), wanted, "{file}: {text}");
        }
    }
}

#[test]
fn helm_3_does_not_look_at_later_documents_nor_at_the_version_of_a_chart() {
    let loaded = |name: &str, text: &str, profile| {
        let files = [("Chart.yaml", METADATA), (name, text)]
            .into_iter()
            .rev()
            .map(|(name, text)| ChartFile::new(name, text));
        let mut files: Vec<_> = files.collect();
        files.dedup_by(|later, first| later.name == first.name);
        Chart::from_files_as(files, profile)
    };
    let documents = "a: 1\n---\n[1]\n";
    let chart = loaded("values.yaml", documents, Profile::Helm3).unwrap();
    assert_eq!(chart.values(Profile::Helm3)["a"], 1.0);
    loaded("values.yaml", documents, Profile::Helm4).unwrap_err();

    let unknown = METADATA.replace("v2", "v7");
    loaded("Chart.yaml", &unknown, Profile::Helm3).unwrap();
    loaded("Chart.yaml", &unknown, Profile::Helm4).unwrap_err();
    for profile in [Profile::Helm3, Profile::Helm4] {
        loaded("charts/s/Chart.yaml", &unknown, profile).unwrap();
    }
}

#[test]
fn yaml_that_is_no_utf_8_is_refused_or_read_as_utf_16() {
    let load = |name: &str, bytes: &[u8]| {
        let mut files = vec![ChartFile::new("Chart.yaml", METADATA)];
        files.retain(|file| file.name != name);
        files.push(ChartFile::new(name, bytes));
        Chart::from_files(files)
    };
    assert_eq!(
        chain(&load("values.yaml", b"a: \xff\n").unwrap_err()),
        "cannot load values.yaml: cannot unmarshal yaml document: error converting YAML to JSON: \
         yaml: invalid leading UTF-8 octet"
    );
    let wide: Vec<u8> = METADATA.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let chart = load("Chart.yaml", &[&[0xFF, 0xFE], wide.as_slice()].concat()).unwrap();
    assert_eq!(chart.name(), "c");
}

#[test]
fn of_names_that_differ_in_case_the_last_one_counts() {
    let metadata = "apiVersion: v2\napiversion: v1\nNAME: d\nname: c\nversion: 1.2.3\n";
    let loaded = chart(&[("Chart.yaml", metadata)]).unwrap();
    assert_eq!(loaded.metadata().api_version, "v1");
    assert_eq!(loaded.name(), "c");
}

#[test]
fn packaging_and_loading_are_inverse() {
    let original = chart(&[
        ("Chart.yaml", METADATA),
        ("values.yaml", "a: 1 # kept\n"),
        ("values.schema.json", "{}"),
        ("templates/a.yaml", "x"),
        (
            "charts/s/Chart.yaml",
            "apiVersion: v1\nname: s\nversion: 0.1.0\n",
        ),
        ("other", "y"),
    ])
    .unwrap();
    let archive = write_archive(&original, 1_700_000_000).unwrap();
    assert_eq!(archive, write_archive(&original, 1_700_000_000).unwrap());
    let names: Vec<String> = read_archive(&archive)
        .unwrap()
        .into_iter()
        .map(|file| file.name)
        .collect();
    let wanted = [
        "Chart.yaml",
        "values.yaml",
        "values.schema.json",
        "templates/a.yaml",
        "other",
        "charts/s/Chart.yaml",
    ];
    assert_eq!(names, wanted);
    let again = Chart::from_archive(&archive).unwrap();
    assert_eq!(again.metadata(), original.metadata());
    assert_eq!(again.raw_values(), original.raw_values());
    assert_eq!(again.children()[0].name(), "s");
}

#[test]
fn damaged_archives_are_refused() {
    assert!(Chart::from_archive(b"").is_err());
    assert!(Chart::from_archive(b"no archive at all").is_err());
    let archive = write_archive(&chart(&[("Chart.yaml", METADATA)]).unwrap(), 0).unwrap();
    assert!(Chart::from_archive(&archive[..archive.len() / 2]).is_err());
}

#[test]
fn chart_yaml_is_read_without_what_follows() {
    let numbers: Vec<String> = (0..20_000_u32)
        .map(|number| number.wrapping_mul(2_654_435_761).to_string())
        .collect();
    let long = chart(&[("Chart.yaml", METADATA), ("templates/a", &numbers.concat())]).unwrap();
    let archive = write_archive(&long, 0).unwrap();
    let cut = &archive[..archive.len() / 2];
    assert!(read_archive(cut).is_err());
    let file = read_chart_yaml(cut).unwrap().unwrap();
    assert_eq!(file.name, "Chart.yaml");
    assert!(file.text().contains("name:"));
    assert!(read_chart_yaml(b"no archive at all").is_err());
}

#[test]
fn charts_are_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&chart(&[("Chart.yaml", METADATA)]).unwrap());
}

#[test]
#[ignore = "needs the official charts in AKS_AIRFLOW_SHARED"]
fn official_charts_load() {
    let shared = std::env::var("AKS_AIRFLOW_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
    for name in [
        "airflow-1.15.0",
        "airflow-1.22.0",
        "external-secrets-0.10.5",
        "external-secrets-2.9.0",
    ] {
        let bytes = std::fs::read(format!("{shared}/charts/{name}.tgz")).unwrap();
        let chart = Chart::from_archive(&bytes).unwrap();
        assert_eq!(format!("{}-{}", chart.name(), chart.version()), name);
        let resolved = chart
            .resolve(&serde_json::Map::new(), Profile::Helm4)
            .unwrap();
        assert!(!resolved.values.is_empty());
        #[cfg(feature = "schema")]
        helm_chart::schema::validate(&resolved.root, &resolved.values).unwrap();
    }
}
