//! The compact charts stand for the official ones: rendered with the guide's values they own the
//! same objects, containers, images, accounts, hooks, weights and delete policies. The comparison
//! needs the official archives; that the compact charts render and look unofficial does not.

mod charts;

use std::collections::{BTreeMap, BTreeSet};

use airflow_helm::{AirflowSettings, Executor, Executors, chart_values};
use charts::{compact, objects, official, render, shared, values};
use helm_chart::{Chart, Values};
use serde_json::{Value, json};

/// What the sandbox's controllers, the schedule and a reader of `kubectl get` see of one object.
#[derive(Debug, PartialEq)]
struct Shape {
    hook: BTreeMap<String, String>,
    replicas: Value,
    account: Value,
    init_containers: Vec<(String, String)>,
    containers: Vec<(String, String)>,
    /// Names of Secrets, ConfigMaps and claims its pods need.
    needs: BTreeSet<String>,
    /// Keys of a Secret or ConfigMap.
    keys: BTreeSet<String>,
    /// Ports of a Service.
    ports: BTreeSet<u64>,
}

impl Shape {
    fn of(object: &Value) -> Self {
        let annotations = object["metadata"]["annotations"].as_object();
        let hook = annotations
            .into_iter()
            .flatten()
            .filter(|(key, _)| key.starts_with("helm.sh/hook"));
        let pod = &object["spec"]["template"]["spec"];
        Self {
            hook: hook
                .map(|(key, text)| (key.clone(), text.as_str().expect("a text").to_owned()))
                .collect(),
            replicas: object["spec"]["replicas"].clone(),
            account: pod["serviceAccountName"].clone(),
            init_containers: images(&pod["initContainers"]),
            containers: images(&pod["containers"]),
            needs: needs(pod),
            keys: ["data", "stringData"]
                .iter()
                .flat_map(|part| keys(&object[*part]))
                .collect(),
            ports: list(&object["spec"]["ports"])
                .filter_map(|port| port["port"].as_u64())
                .collect(),
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn keys(value: &Value) -> impl Iterator<Item = String> {
    value
        .as_object()
        .into_iter()
        .flat_map(|table| table.keys().cloned())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn images(containers: &Value) -> Vec<(String, String)> {
    list(containers)
        .map(|container| (text(&container["name"]), text(&container["image"])))
        .collect()
}

fn needs(pod: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for volume in list(&pod["volumes"]) {
        for place in [
            "/secret/secretName",
            "/configMap/name",
            "/persistentVolumeClaim/claimName",
        ] {
            found.extend(volume.pointer(place).map(text));
        }
    }
    for container in list(&pod["initContainers"]).chain(list(&pod["containers"])) {
        for variable in list(&container["env"]) {
            found.extend(variable.pointer("/valueFrom/secretKeyRef/name").map(text));
        }
    }
    found
}

fn shapes(chart: &Chart, release: &str, values: &Values) -> BTreeMap<String, Shape> {
    let rendered = render(chart, release, values);
    objects(&rendered)
        .iter()
        .map(|(name, object)| (name.clone(), Shape::of(object)))
        .collect()
}

/// The guide's settings in a registry, as values of chart 1.15.0; `change` alters the settings.
fn typed(change: impl FnOnce(&mut AirflowSettings)) -> Values {
    let mut settings = AirflowSettings::default();
    settings.images.registry = Some("myacr.azurecr.io".into());
    change(&mut settings);
    let pair = settings.validate().expect("the guide's settings are valid");
    values(chart_values(&settings, &pair, &serde_json::Map::new()))
}

fn assert_equal(release: &str, ours: (&Chart, &Values), theirs: &Chart) {
    let compact = shapes(ours.0, release, ours.1);
    let official = shapes(theirs, release, ours.1);
    let names = |shapes: &BTreeMap<String, Shape>| shapes.keys().cloned().collect::<BTreeSet<_>>();
    let (left, right) = (names(&compact), names(&official));
    let missing: Vec<_> = right.difference(&left).collect();
    let extra: Vec<_> = left.difference(&right).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "missing {missing:#?}, too many {extra:#?}"
    );
    let differing: Vec<String> = compact
        .iter()
        .filter(|(name, shape)| official[*name] != **shape)
        .map(|(name, shape)| {
            format!(
                "{name}\n  compact  {shape:?}\n  official {:?}",
                official[name]
            )
        })
        .collect();
    assert!(differing.is_empty(), "\n{}", differing.join("\n"));
}

#[test]
fn compact_charts_look_unofficial() {
    for name in ["airflow", "external-secrets"] {
        let chart = compact(name);
        assert_eq!(chart.name(), name);
        assert!(chart.version().ends_with("-sandbox"), "{}", chart.version());
        assert!(
            chart.metadata().description.contains("stand-in"),
            "{:?}",
            chart.metadata().description
        );
    }
}

#[test]
fn the_compact_airflow_renders_the_guide_without_chance() {
    let rendered = render(&compact("airflow"), "airflow", &typed(|_| ()));
    assert!(
        rendered.random_sources().is_empty(),
        "{:?}",
        rendered.random_sources()
    );
    assert!(rendered.notes().contains("airflow"), "{}", rendered.notes());
    let objects = objects(&rendered);
    for name in [
        "Deployment/airflow-scheduler",
        "Deployment/airflow-webserver",
        "StatefulSet/airflow-triggerer",
        "Deployment/airflow-pgbouncer",
        "StatefulSet/airflow-postgresql",
        "Deployment/airflow-statsd",
        "Job/airflow-run-airflow-migrations",
        "Job/airflow-create-user",
    ] {
        assert!(objects.contains_key(name), "lacks {name}");
    }
    let hooks: Vec<(&str, i32)> = rendered
        .hooks()
        .iter()
        .map(|hook| (hook.name.as_str(), hook.weight))
        .collect();
    assert_eq!(
        hooks,
        [
            ("airflow-run-airflow-migrations", 1),
            ("airflow-create-user", 2)
        ]
    );
}

#[test]
fn the_compact_airflow_draws_keys_as_the_official_one_does_when_none_are_given() {
    let rendered = render(&compact("airflow"), "airflow", &Values::default());
    let drawn: BTreeSet<&str> = rendered
        .random_sources()
        .iter()
        .map(|source| source.function)
        .collect();
    assert_eq!(drawn, BTreeSet::from(["randAlphaNum"]));
}

#[test]
fn the_compact_operator_installs_its_types_unless_told_not_to() {
    let chart = compact("external-secrets");
    let kinds = |values: &Values| -> BTreeSet<String> {
        objects(&render(&chart, "external-secrets", values))
            .into_keys()
            .collect()
    };
    let crd = "CustomResourceDefinition/externalsecrets.external-secrets.io";
    assert!(kinds(&Values::default()).contains(crd));
    assert!(!kinds(&values(json!({"installCRDs": false}))).contains(crd));
}

#[test]
#[ignore = "needs the official chart archives (AKS_AIRFLOW_SHARED)"]
fn the_guides_values_give_what_the_official_airflow_gives() {
    let read = |file: &str| {
        let path = shared(&format!("oracle/values/{file}"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Values::parse(&text).expect("values")
    };
    let guide = read("guide-1.15.0.yaml").merge(read("fixed-keys.yaml"));
    assert_equal(
        "airflow",
        (&compact("airflow"), &guide),
        &official("airflow-1.15.0"),
    );
}

#[test]
#[ignore = "needs the official chart archives (AKS_AIRFLOW_SHARED)"]
fn our_values_give_what_the_official_airflow_gives() {
    let official = official("airflow-1.15.0");
    for values in [
        typed(|_| ()),
        typed(|settings| settings.release = "second".into()),
        typed(|settings| settings.pgbouncer.enabled = false),
        typed(|settings| settings.statsd.enabled = false),
        typed(|settings| settings.user.enabled = false),
        typed(|settings| settings.triggerer.enabled = false),
        typed(|settings| settings.dags.git_sync = None),
        typed(|settings| settings.logs.persistence = false),
        typed(|settings| settings.scheduler.log_groomer.enabled = true),
        typed(|settings| settings.scheduler.replicas = 2),
    ] {
        assert_equal("airflow", (&compact("airflow"), &values), &official);
    }
}

#[test]
#[ignore = "needs the official chart archives (AKS_AIRFLOW_SHARED)"]
fn the_operator_is_what_the_official_chart_installs() {
    let values = values(json!({"installCRDs": true}));
    let (ours, theirs) = (
        compact("external-secrets"),
        official("external-secrets-0.10.5"),
    );
    assert_equal("external-secrets", (&ours, &values), &theirs);
}

#[test]
fn the_compact_airflow_does_not_pretend_to_run_workers() {
    let values = typed(|settings| settings.executor = Executors(vec![Executor::Celery]));
    let objects = objects(&render(&compact("airflow"), "airflow", &values));
    assert!(
        !objects
            .keys()
            .any(|name| name.ends_with("airflow-worker") && name.starts_with("StatefulSet"))
    );
}
