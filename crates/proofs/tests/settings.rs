//! Every setting of the guide (S11) is a typed field that reaches a named field of a rendered
//! object: the chart is rendered before and after one change. It owns the check; the table is in
//! `settings/cases.rs`, and how settings become values is `airflow-helm`'s business.

#[path = "settings/cases.rs"]
mod cases;
mod charts;

use std::collections::BTreeMap;

use airflow_helm::{AirflowSettings, chart_values};
use cases::{Case, SCHEDULER, Shown, Then, cases, dag_cases, environment_cases, log_cases};
use charts::{compact, objects, official, render, values};
use helm_chart::Chart;
use serde_json::{Map, Value, json};

/// The settings the guide writes into `airflow_values.yaml`, and the two it leaves to the reader.
const GUIDE: [&str; 29] = [
    "images.airflow.repository",
    "images.airflow.tag",
    "images.airflow.pullPolicy",
    "images.useDefaultImageForMigration",
    "images.migrationsWaitTimeout",
    "images.pod_template",
    "images.flower",
    "images.statsd",
    "images.pgbouncer",
    "images.pgbouncerExporter",
    "images.gitSync",
    "executor",
    "env",
    "extraEnv",
    "postgresql.enabled",
    "pgbouncer.enabled",
    "dags.gitSync.enabled",
    "dags.gitSync.repo",
    "dags.gitSync.branch",
    "dags.gitSync.rev",
    "dags.gitSync.depth",
    "dags.gitSync.maxFailures",
    "dags.gitSync.subPath",
    "dags.gitSync.sshKeySecret",
    "dags.gitSync.knownHosts",
    "logs.persistence.enabled",
    "logs.persistence.existingClaim",
    "logs.persistence.storageClassName",
    "logGroomerSidecar.enabled",
];

fn with_flower() -> Map<String, Value> {
    json!({"flower": {"enabled": true}})
        .as_object()
        .expect("a table")
        .clone()
}

fn guide() -> AirflowSettings {
    let mut settings = AirflowSettings::default();
    settings.images.registry = Some("myacr.azurecr.io".into());
    settings
}

fn rendered(
    chart: &Chart,
    settings: &AirflowSettings,
    raw: &Map<String, Value>,
) -> BTreeMap<String, Value> {
    let pair = settings
        .validate()
        .unwrap_or_else(|error| panic!("{error}: {error:?}"));
    objects(&render(
        chart,
        "airflow",
        &values(chart_values(settings, &pair, raw)),
    ))
}

/// The value at a place; a list is entered by the `name` of its element.
fn at<'v>(objects: &'v BTreeMap<String, Value>, object: &str, place: &str) -> Option<&'v Value> {
    place
        .split('/')
        .skip(1)
        .try_fold(objects.get(object)?, |value, token| match value {
            Value::Array(list) => list.iter().find(|element| element["name"] == token),
            other => other.get(token),
        })
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn check(
    chart: &Chart,
    case: &Case,
    before: &BTreeMap<String, Value>,
    raw: &Map<String, Value>,
) -> Result<(), String> {
    let mut settings = guide();
    (case.change)(&mut settings);
    let after = rendered(chart, &settings, raw);
    let (was, is) = (
        at(before, case.object, case.place),
        at(&after, case.object, case.place),
    );
    let holds = match &case.then {
        Then::Is(wanted) => is == Some(wanted) && was != Some(wanted),
        Then::Holds(part) => text(is).contains(part) && !text(was).contains(part),
        Then::Gone => was.is_some() && is.is_none(),
        Then::There => was.is_none() && is.is_some(),
    };
    let report = || {
        format!(
            "{}: {}{}\n  was {}\n  is  {}",
            case.setting,
            case.object,
            case.place,
            text(was),
            text(is)
        )
    };
    if holds { Ok(()) } else { Err(report()) }
}

fn check_all(chart: &Chart, wanted: impl Fn(&Case) -> bool) {
    // The pods of flower are left out by default; with them the guide's setting shows.
    let raw = with_flower();
    let before = rendered(chart, &guide(), &raw);
    let cases = cases();
    let checked: Vec<_> = cases.iter().filter(|case| wanted(case)).collect();
    assert!(checked.len() > 30, "{} settings", checked.len());
    let problems: Vec<String> = checked
        .iter()
        .filter_map(|case| check(chart, case, &before, &raw).err())
        .collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// An image of one's own, while the migrations run in the default one.
fn check_migration_image(chart: &Chart) {
    const WAIT: &str = "/spec/template/spec/initContainers/wait-for-airflow-migrations/image";
    let raw = json!({"images": {"airflow": {"tag": "2.9.3-team"}}});
    let raw = raw.as_object().expect("a table");
    let mut settings = guide();
    let image =
        |settings: &AirflowSettings| text(at(&rendered(chart, settings, raw), SCHEDULER, WAIT));
    assert_eq!(image(&settings), "myacr.azurecr.io/airflow:2.9.3-team");
    settings.images.use_default_image_for_migration = true;
    assert_eq!(image(&settings), "myacr.azurecr.io/airflow:2.9.3");
}

#[test]
fn every_setting_of_the_guide_has_a_case() {
    let cases = cases();
    let known = |setting: &&str| {
        *setting == "images.useDefaultImageForMigration"
            || cases.iter().any(|case| case.setting == *setting)
    };
    let missing: Vec<_> = GUIDE.iter().filter(|setting| !known(setting)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_setting_changes_its_field_in_the_compact_chart() {
    check_all(&compact("airflow"), |case| case.shown == Shown::Everywhere);
}

#[test]
fn migrations_can_run_in_the_default_image() {
    check_migration_image(&compact("airflow"));
}

#[test]
#[ignore = "needs the official chart archives (AKS_AIRFLOW_SHARED)"]
fn every_setting_changes_its_field_in_the_official_chart() {
    let chart = official("airflow-1.15.0");
    check_all(&chart, |_| true);
    check_migration_image(&chart);
}

#[test]
#[ignore = "needs the official chart archives (AKS_AIRFLOW_SHARED)"]
fn the_settings_of_git_and_logs_reach_the_current_chart_too() {
    let chart = official("airflow-1.22.0");
    let current = |change: fn(&mut AirflowSettings)| {
        let mut settings = AirflowSettings {
            chart_version: "1.22.0".into(),
            airflow_version: "3.2.2".into(),
            ..guide()
        };
        change(&mut settings);
        rendered(&chart, &settings, &Map::new())
    };
    let before = current(|_| ());
    let mut checked = 0;
    for case in dag_cases()
        .iter()
        .chain(&log_cases())
        .chain(&environment_cases())
    {
        // The web server became the API server; DAGs are read by the DAG processor.
        let moved = case.object.contains("webserver") || case.place.contains("git-sync");
        if moved {
            continue;
        }
        let after = current(case.change);
        let (was, is) = (
            at(&before, case.object, case.place),
            at(&after, case.object, case.place),
        );
        assert_ne!(was, is, "{}: {}{}", case.setting, case.object, case.place);
        checked += 1;
    }
    assert!(checked > 15, "{checked} settings");
}
