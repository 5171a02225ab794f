//! Documents: bad ones are refused with every problem at once, each with its path, its place, its
//! code and a way to mend it; good ones, overlays and both examples are read. It owns the tables; it
//! refuses worlds: nothing here plans or applies.

use miette::Diagnostic;
use orchestrate::{Deployment, DocumentError, Rule, Source, schema};
use serde_json::Value;

/// The guide's document, without what the guide's defaults say anyway.
const BASE: &str = "\
apiVersion: aks-airflow/v1
azure:
  subscription: 22222222-2222-4222-8222-222222222222
  resourceGroup: apache-airflow-rg
  cluster: apache-airflow-aks
  managedIdentity: airflow-identity-123
  keyVault: airflow-vault-123-kv
  storageAccount: airflowsasa123
  containerRegistry: airflowregistry123
";

/// `BASE` has this many lines: what is appended begins on the next.
const LINES: usize = 9;

fn problems(text: &str) -> DocumentError {
    Deployment::parse(text).expect_err("a bad document")
}

/// One bad document and the one problem it must give.
struct Case {
    /// What is appended to the base.
    addition: &'static str,
    rule: Rule,
    path: &'static str,
    /// The line within the addition, from 1, and the column.
    place: (usize, usize),
    message: &'static str,
    help: Option<&'static str>,
}

const CASES: &[Case] = &[
    Case {
        addition: "airflow:\n  executer: KubernetesExecutor\n",
        rule: Rule::UnknownKey,
        path: "airflow.executer",
        place: (2, 3),
        message: "unknown key",
        help: Some("did you mean `executor`?"),
    },
    Case {
        addition: "namspace: data\n",
        rule: Rule::UnknownKey,
        path: "namspace",
        place: (1, 1),
        message: "unknown key",
        help: Some("did you mean `namespace`?"),
    },
    Case {
        addition: "colour: blue\n",
        rule: Rule::UnknownKey,
        path: "colour",
        place: (1, 1),
        message: "unknown key",
        help: None,
    },
    Case {
        addition: "airflow:\n  scheduler:\n    replicas: two\n",
        rule: Rule::Type,
        path: "airflow.scheduler.replicas",
        place: (3, 5),
        message: "must be a whole number, not the text `two`",
        help: None,
    },
    Case {
        addition: "airflow:\n  dags: [a, b]\n",
        rule: Rule::Type,
        path: "airflow.dags",
        place: (2, 3),
        message: "must be a table, not a list",
        help: None,
    },
    Case {
        addition: "profile: prodution\n",
        rule: Rule::Value,
        path: "profile",
        place: (1, 1),
        message: "`prodution` is not one of `guide`, `production`",
        help: Some("did you mean `production`?"),
    },
    Case {
        addition: "databasePassword: hunter2\n",
        rule: Rule::LiteralSecret,
        path: "databasePassword",
        place: (1, 1),
        message: "must be a reference, not the secret itself",
        help: Some("write `{keyVault: NAME}`, `{env: VARIABLE}` or `{file: PATH}`"),
    },
    Case {
        addition: "secrets:\n  git-login:\n    password: hunter2\n",
        rule: Rule::LiteralSecret,
        path: "secrets.git-login.password",
        place: (3, 5),
        message: "must be a reference, not the secret itself",
        help: Some("write `{keyVault: NAME}`, `{env: VARIABLE}` or `{file: PATH}`"),
    },
    Case {
        addition: "namespace: Airflow\n",
        rule: Rule::Value,
        path: "namespace",
        place: (1, 1),
        message: "`Airflow` would be refused",
        help: Some(
            "use 1 to 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit",
        ),
    },
    Case {
        addition: "logs:\n  container: Airflow--Logs\n",
        rule: Rule::Value,
        path: "logs.container",
        place: (2, 3),
        message: "`Airflow--Logs` would be refused",
        help: Some("use 3 to 63 lower-case letters, digits and single hyphens"),
    },
    Case {
        addition: "externalSecrets:\n  refreshInterval: hourly\n",
        rule: Rule::Value,
        path: "externalSecrets.refreshInterval",
        place: (2, 3),
        message: "`hourly` does not match `^([0-9]+(h|m|s))+$`",
        help: None,
    },
    Case {
        addition: "airflow:\n  chartVersion: latest\n",
        rule: Rule::Value,
        path: "airflow.chartVersion",
        place: (2, 3),
        message: "`latest` is not a version",
        help: Some("pin an exact version such as `1.15.0`"),
    },
    Case {
        addition: "objects:\n  - {kind: ConfigMap, metadata: {name: a}}\n",
        rule: Rule::Missing,
        path: "objects[0]",
        place: (2, 5),
        message: "`apiVersion` is missing",
        help: Some("write a whole Kubernetes object"),
    },
];

#[test]
fn each_mistake_has_its_path_place_code_and_help() {
    for case in CASES {
        let error = problems(&format!("{BASE}{}", case.addition));
        let seen: Vec<_> = error
            .problems
            .iter()
            .map(|problem| (problem.rule, problem.path.as_str()))
            .collect();
        let problem = error
            .problems
            .iter()
            .find(|problem| problem.rule == case.rule && problem.path == case.path)
            .unwrap_or_else(|| panic!("{}: {seen:?}", case.addition));
        let place = problem
            .place
            .as_ref()
            .unwrap_or_else(|| panic!("{}: no place", case.addition));
        assert_eq!(
            (place.line, place.column),
            (LINES + case.place.0, case.place.1),
            "{}",
            case.addition
        );
        assert_eq!(problem.message, case.message);
        assert_eq!(problem.help.as_deref(), case.help, "{}", case.addition);
    }
}

#[test]
fn one_mistake_reads_as_one_line_with_a_code() {
    let error = problems(&format!("{BASE}airflow:\n  executer: KubernetesExecutor\n"));
    assert_eq!(
        error.to_string(),
        "document:11:3  airflow.executer: unknown key"
    );
    assert_eq!(
        error.code().expect("a code").to_string(),
        "aka::document::unknown_key"
    );
    assert_eq!(
        error.help().expect("help").to_string(),
        "did you mean `executor`?"
    );
}

#[test]
fn a_secret_in_the_document_is_not_repeated() {
    let error = problems(&format!("{BASE}databasePassword: hunter2\n"));
    assert!(
        !format!("{error} {error:?}").contains("hunter2"),
        "{error:?}"
    );
}

#[test]
fn what_is_not_yaml_is_shown_where_it_stops_being_yaml() {
    let error = problems("apiVersion: aks-airflow/v1\nazure: {subscription: [1\n");
    let [problem] = error.problems.as_slice() else {
        panic!("{:?}", error.problems)
    };
    assert_eq!(problem.rule, Rule::Syntax);
    assert!(
        problem.place.as_ref().expect("a place").line >= 2,
        "{problem}"
    );
    assert!(problem.message.starts_with("not YAML: "), "{problem}");

    let error = problems("- a\n- list\n");
    assert_eq!(error.problems[0].rule, Rule::Type);
    assert_eq!(error.problems[0].message, "the document must be a table");
}

#[test]
fn what_must_be_there_and_is_not_is_named() {
    let error = problems(
        "apiVersion: aks-airflow/v1\nazure:\n  subscription: 22222222-2222-4222-8222-222222222222\n",
    );
    let missing: Vec<_> = error
        .problems
        .iter()
        .filter(|problem| problem.rule == Rule::Missing && problem.path == "azure")
        .map(|problem| problem.message.as_str())
        .collect();
    for key in [
        "resourceGroup",
        "cluster",
        "managedIdentity",
        "keyVault",
        "storageAccount",
        "containerRegistry",
    ] {
        assert!(
            missing.contains(&format!("`{key}` is missing").as_str()),
            "{key}: {missing:?}"
        );
    }
    let error = problems("{}");
    let messages: Vec<_> = error
        .problems
        .iter()
        .map(|problem| problem.message.as_str())
        .collect();
    assert!(
        messages.contains(&"`apiVersion` is missing") && messages.contains(&"`azure` is missing"),
        "{messages:?}"
    );
}

#[test]
fn the_pair_of_the_edition_of_2025_is_refused_with_its_reason() {
    let error = problems(&format!(
        "{BASE}airflow:\n  airflowVersion: 3.0.2\n  chartVersion: 1.15.0\n"
    ));
    let [problem] = error.problems.as_slice() else {
        panic!("{:?}", error.problems)
    };
    assert_eq!(problem.rule, Rule::Pair);
    assert_eq!(problem.path, "airflow.airflowVersion");
    assert_eq!(problem.place.as_ref().expect("a place").line, LINES + 2);
    assert!(
        problem.message.starts_with(
            "Airflow 3.0.2 does not run on chart 1.15.0: the chart starts `airflow webserver`"
        ),
        "{problem}"
    );
    assert!(problem.help.as_deref().is_some_and(|help| !help.is_empty()));
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_text() {
    let error = problems(&format!(
        "{BASE}namspace: data\nprofile: prodution\nairflow:\n  executer: KubernetesExecutor\n  scheduler: {{replicas: two}}\ndatabasePassword: hunter2\n"
    ));
    let rules: Vec<_> = error.problems.iter().map(|problem| problem.rule).collect();
    assert_eq!(
        rules,
        [
            Rule::UnknownKey,
            Rule::Value,
            Rule::UnknownKey,
            Rule::Type,
            Rule::LiteralSecret
        ],
        "{:?}",
        error.problems
    );
    assert_eq!(error.to_string(), "the document has 5 problems");
    assert_eq!(
        error.code().expect("a code").to_string(),
        "aka::document::invalid"
    );
    assert_eq!(error.related().expect("each problem").count(), 5);
}

#[test]
fn the_profile_production_asks_for_what_the_guide_leaves_open() {
    let error = problems(&format!(
        "{BASE}profile: production\nlogs: {{retentionDays: 0}}\n"
    ));
    let paths: Vec<_> = error
        .problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    for path in [
        "airflow.database",
        "airflow.scheduler.replicas",
        "airflow.web.replicas",
        "airflow.scheduler.resources",
        "externalSecrets.chart.digest",
        "logs.retentionDays",
    ] {
        assert!(paths.contains(&path), "{path}: {paths:?}");
    }
    assert!(
        Deployment::parse(&format!(
            "{BASE}profile: guide\nlogs: {{retentionDays: 0}}\n"
        ))
        .is_ok()
    );
}

fn source(name: &str, text: &str) -> Source {
    Source {
        name: name.into(),
        text: text.into(),
    }
}

#[test]
fn overlays_merge_tables_replace_the_rest_and_null_takes_away() {
    let base = format!(
        "{BASE}namespace: airflow\nairflow:\n  env: [{{name: A, value: a}}]\n  scheduler: {{replicas: 2}}\nlogs: {{retentionDays: 7}}\n"
    );
    let team = "namespace: team\nairflow:\n  env: [{name: B, value: b}]\n  web: {replicas: 3}\nlogs: {retentionDays: null}\n";
    let read = Deployment::load(&[source("base.yaml", &base), source("team.yaml", team)])
        .expect("a good document");
    assert_eq!(read.namespace, "team");
    assert_eq!(read.airflow.scheduler.replicas, 2);
    assert_eq!(read.airflow.web.replicas, 3);
    assert_eq!(
        read.airflow
            .env
            .iter()
            .map(|variable| variable.name.as_str())
            .collect::<Vec<_>>(),
        ["B"]
    );
    assert_eq!(read.logs.retention_days, 90, "the default again");
}

#[test]
fn a_mistake_in_an_overlay_is_found_in_the_overlay() {
    let error = Deployment::load(&[
        source("base.yaml", BASE),
        source("team.yaml", "airflow:\n  chartVersion: latest\n"),
    ])
    .expect_err("a bad overlay");
    let problem = error
        .problems
        .iter()
        .find(|problem| problem.path == "airflow.chartVersion");
    let place = problem
        .and_then(|problem| problem.place.as_ref())
        .expect("a place");
    assert_eq!((place.file.as_str(), place.line), ("team.yaml", 2));
}

fn example(name: &str) -> Deployment {
    let path = format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    Deployment::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}: {:?}", error.problems))
}

#[test]
fn both_examples_are_read_and_the_first_is_the_guide() {
    let guide = example("guide.yaml");
    let minimal = Deployment::parse(BASE).expect("the base");
    assert_eq!(
        guide.airflow, minimal.airflow,
        "the guide's document writes out the defaults"
    );
    assert_eq!(guide.logs, minimal.logs);
    assert_eq!(guide.external_secrets, minimal.external_secrets);
    assert_eq!(guide.identity, minimal.identity);

    let current = example("guide-2025.yaml");
    assert_eq!(current.airflow.airflow_version, "3.2.2");
    assert_ne!(current.digest(), guide.digest());
}

#[test]
fn the_normal_form_reads_back_as_the_same_deployment() {
    for name in ["guide.yaml", "guide-2025.yaml"] {
        let deployment = example(name);
        let again =
            Deployment::parse(&deployment.normalised().to_string()).expect("the normal form");
        assert_eq!(again, deployment);
        assert_eq!(again.digest(), deployment.digest());
    }
}

/// Every path of a value's tables.
fn paths(value: &Value, prefix: &str, found: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = format!("{prefix}/{key}");
        paths(value, &path, found);
        found.push(path);
    }
}

/// Whether the schema speaks about a path, through references and alternatives.
fn describes(root: &Value, node: &Value, path: &[&str]) -> bool {
    if let Some(reference) = node["$ref"].as_str() {
        let target = root
            .pointer(reference.trim_start_matches('#'))
            .expect("a target");
        if describes(root, target, path) {
            return true;
        }
    }
    let alternatives = ["anyOf", "oneOf", "allOf"]
        .iter()
        .filter_map(|key| node[*key].as_array())
        .flatten();
    let Some((first, rest)) = path.split_first() else {
        return true;
    };
    let own = node["properties"]
        .get(*first)
        .is_some_and(|next| describes(root, next, rest));
    own || alternatives
        .into_iter()
        .any(|next| describes(root, next, path))
}

#[test]
fn the_json_schema_has_every_field_and_a_word_about_each() {
    let schema = schema();
    let mut all = Vec::new();
    paths(&example("guide.yaml").normalised(), "", &mut all);
    assert!(all.len() > 100, "{} fields", all.len());
    for path in &all {
        let tokens: Vec<_> = path.split('/').skip(1).collect();
        assert!(
            describes(schema, schema, &tokens),
            "{path} is not in the schema"
        );
    }
    let mut silent = Vec::new();
    undescribed(schema, "", &mut silent);
    assert!(silent.is_empty(), "without description: {silent:?}");
}

/// Properties without a description, of their own or of what they refer to.
fn undescribed(node: &Value, path: &str, found: &mut Vec<String>) {
    for (key, property) in node["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}/{key}");
        if property["description"].as_str().is_none_or(str::is_empty) {
            found.push(path.clone());
        }
        undescribed(property, &path, found);
    }
    for (name, definition) in node["$defs"].as_object().into_iter().flatten() {
        undescribed(definition, &format!("{path}#{name}"), found);
    }
}

#[test]
fn the_readme_lists_the_deviations_of_the_guide_and_no_other() {
    let path = format!("{}/../../README.md", env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let table = readme
        .split("| trap | the guide |")
        .nth(1)
        .expect("the table of deviations");
    let mut listed: Vec<&str> = table
        .lines()
        .skip(2)
        .map_while(|line| line.strip_prefix("| ")?.split(" |").next())
        .collect();
    let deviations = orchestrate::deviations(&example("guide.yaml"));
    let mut ours: Vec<&str> = deviations
        .iter()
        .map(|deviation| deviation.trap.as_str())
        .collect();
    listed.sort_unstable();
    ours.sort_unstable();
    assert_eq!(listed, ours);
}
