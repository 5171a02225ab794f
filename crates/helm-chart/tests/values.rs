//! How values of users, parents and charts combine, and which subcharts take part.

use helm_chart::chart::DependencyError;
use helm_chart::values::ValueOptions;
use helm_chart::{Chart, ChartFile, Profile, Values};
use serde_json::{Value, json};

/// A chart `p` with a subchart `s`; each text is a values file.
fn family(parent: &str, child: &str, more: &str) -> Chart {
    Chart::from_files(vec![
        ChartFile::new(
            "Chart.yaml",
            format!("apiVersion: v2\nname: p\nversion: 1.0.0\n{more}"),
        ),
        ChartFile::new("values.yaml", parent),
        ChartFile::new(
            "charts/s/Chart.yaml",
            "apiVersion: v2\nname: s\nversion: 0.1.0\n",
        ),
        ChartFile::new("charts/s/values.yaml", child),
    ])
    .unwrap()
}

fn combined(chart: &Chart, user: &str, profile: Profile) -> Value {
    let user = Values::parse(user).unwrap();
    let mut values = Value::Object(chart.resolve(user.as_table(), profile).unwrap().values);
    // Globals flow into every subchart, even where there are none.
    if let Some(child) = values.get_mut("s").and_then(Value::as_object_mut)
        && child.get("global") == Some(&json!({}))
    {
        child.remove("global");
    }
    values
}

fn check(parent: &str, user: &str, helm3: &Value, helm4: &Value) {
    let chart = family(parent, "k: 5", "");
    assert_eq!(
        &combined(&chart, user, Profile::Helm3),
        helm3,
        "Helm 3: {parent} / {user}"
    );
    assert_eq!(
        &combined(&chart, user, Profile::Helm4),
        helm4,
        "Helm 4: {parent} / {user}"
    );
}

fn check_both(parent: &str, user: &str, wanted: &Value) {
    check(parent, user, wanted, wanted);
}

#[test]
fn a_users_null_deletes_a_default() {
    check_both(
        "a: 1\nb: {c: 1, d: 2}",
        "{a: null, b: {c: null}}",
        &json!({"b": {"d": 2.0}, "s": {"k": 5.0}}),
    );
    check_both("", "s: {k: null}", &json!({"s": {}}));
    check_both("", "x: null", &json!({"x": null, "s": {"k": 5.0}}));
    check_both(
        "a: {b: 1}",
        "a: {x: null}",
        &json!({"a": {"b": 1.0, "x": null}, "s": {"k": 5.0}}),
    );
}

#[test]
fn a_charts_null_default_stays_in_helm_3_and_goes_in_helm_4() {
    check(
        "a: null\nb: {c: null}",
        "",
        &json!({"a": null, "b": {"c": null}, "s": {"k": 5.0}}),
        &json!({"b": {}, "s": {"k": 5.0}}),
    );
}

#[test]
fn a_parents_null_deletes_a_childs_default_unless_helm_4_forgets_it() {
    check(
        "s: {k: null}",
        "",
        &json!({"s": {}}),
        &json!({"s": {"k": 5.0}}),
    );
    check_both("s: {k: null}", "s: {z: 1}", &json!({"s": {"z": 1.0}}));
}

#[test]
fn tables_and_scalars_do_not_mix() {
    let chart = family("a: 1\nb: {c: 1}", "", "");
    let user = Values::parse("a: {x: 1}\nb: 2").unwrap();
    let resolved = chart.resolve(user.as_table(), Profile::Helm4).unwrap();
    assert_eq!(resolved.values["a"], json!({"x": 1.0}));
    assert_eq!(resolved.values["b"], json!(2.0));
    assert_eq!(
        resolved.warnings,
        ["warning: skipped value for p.a: Not a table."]
    );
    let user = Values::parse("s: 5").unwrap();
    let error = chart.resolve(user.as_table(), Profile::Helm4).unwrap_err();
    assert_eq!(error.to_string(), "type mismatch on s: %!t(float64=5)");
}

#[test]
fn globals_flow_down_and_the_parent_wins() {
    let chart = family(
        "global: {a: 1, t: {x: 1}}",
        "global: {a: 2, b: 3, t: {x: 9, z: 2}}",
        "",
    );
    let values = combined(&chart, "s: {global: {a: 7}}", Profile::Helm4);
    assert_eq!(
        values["s"]["global"],
        json!({"a": 1.0, "b": 3.0, "t": {"x": 1.0, "z": 2.0}})
    );
}

const LISTED: &str =
    "dependencies:\n- name: s\n  version: 0.x.x\n  condition: s.enabled\n  tags: [t]\n";

fn children(chart: &Chart, user: &str) -> Vec<String> {
    let user = Values::parse(user).unwrap();
    let resolved = chart.resolve(user.as_table(), Profile::Helm4).unwrap();
    resolved
        .root
        .children()
        .iter()
        .map(|child| child.name().to_owned())
        .collect()
}

#[test]
fn conditions_override_tags() {
    let chart = family("", "", LISTED);
    assert_eq!(children(&chart, ""), ["s"]);
    assert!(children(&chart, "tags: {t: false}").is_empty());
    assert_eq!(
        children(&chart, "{tags: {t: false}, s: {enabled: true}}"),
        ["s"]
    );
    assert!(children(&chart, "s: {enabled: false}").is_empty());
}

#[test]
fn an_alias_renames_and_repeats_a_subchart() {
    let listed = "dependencies:\n- {name: s, version: 0.x.x, alias: one}\n- {name: s, version: 0.x.x, alias: two}\n";
    let chart = family("one: {k: 1}", "k: 5", listed);
    assert_eq!(children(&chart, ""), ["one", "two"]);
    let values = combined(&chart, "", Profile::Helm4);
    assert_eq!(
        (&values["one"]["k"], &values["two"]["k"]),
        (&json!(1.0), &json!(5.0))
    );
}

#[test]
fn imported_values_lose_to_the_parents_own() {
    let listed = "dependencies:\n- name: s\n  version: 0.1.0\n  import-values:\n  - data\n  - {child: deep.er, parent: into}\n";
    let chart = family(
        "own: mine\n",
        "exports: {data: {own: theirs, new: 1}}\ndeep: {er: {x: 2}}",
        listed,
    );
    let values = combined(&chart, "", Profile::Helm4);
    assert_eq!(values["own"], json!("mine"));
    assert_eq!(values["new"], json!(1.0));
    assert_eq!(values["into"], json!({"x": 2.0}));
}

// Checked against both by `differential`, seed 1, case 39.
#[test]
fn only_helm_4_says_that_a_mismatch_was_found_while_dependencies_were_decided() {
    let listed = "dependencies:\n- {name: s, version: '*'}\n";
    let chart = family("s: 5", "k: 5", listed);
    for (profile, outer, inner) in [
        (Profile::Helm3, "type mismatch on s: %!t(float64=5)", None),
        (
            Profile::Helm4,
            "chart dependencies processing failed",
            Some("type mismatch on s: %!t(float64=5)"),
        ),
    ] {
        let error = chart
            .resolve(Values::default().as_table(), profile)
            .unwrap_err();
        assert_eq!(error.to_string(), outer, "{profile:?}");
        let source = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(source.as_deref(), inner, "{profile:?}");
    }
}

#[test]
fn a_listed_chart_that_is_not_there_stops_everything() {
    let chart = family("", "", "dependencies: [{name: a}, {name: b}]\n");
    let error = chart
        .resolve(&serde_json::Map::new(), Profile::Helm4)
        .unwrap_err();
    assert!(matches!(error, DependencyError::Missing { .. }));
    assert_eq!(
        error.to_string(),
        "found in Chart.yaml, but missing in charts/ directory: a, b"
    );
}

#[test]
fn the_grammar_of_set_is_that_of_the_profile() {
    let merged = |options: &ValueOptions, profile| {
        let read = |_: &str| Err("no files".to_owned());
        match options.merge(profile, read) {
            Ok(values) => serde_json::to_string(values.as_table()).unwrap(),
            Err(error) => error.to_string(),
        }
    };
    // An index without an end: for Helm 4 the argument ends before it.
    let open = ValueOptions {
        set: vec!["a=1,b[0=2".to_owned()],
        ..ValueOptions::default()
    };
    assert_eq!(merged(&open, Profile::Helm4), r#"{"a":1}"#);
    assert_eq!(
        merged(&open, Profile::Helm3),
        "failed parsing --set data: error parsing index: EOF"
    );
    // A whole object, which Helm 3 does not know.
    let object = ValueOptions {
        set_json: vec![r#"{"a":1}"#.to_owned()],
        ..ValueOptions::default()
    };
    assert_eq!(merged(&object, Profile::Helm4), r#"{"a":1.0}"#);
    assert_eq!(
        merged(&object, Profile::Helm3),
        r#"failed parsing --set-json data {"a":1}"#
    );
}
