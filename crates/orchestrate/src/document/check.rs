//! What must hold beyond the schema: names Kubernetes and Azure would refuse, pairs that cannot
//! work, what the profile `production` asks for. It owns these rules, each with its path; it refuses
//! to ask any world.

use airflow_helm::{Database, SettingsError};

use super::problem::Rule;
use super::schema::{Violation, dotted};
use super::{Deployment, Operator, Problem, Profile};

/// Everything in a deployment that cannot work.
pub(super) fn violations(deployment: &Deployment) -> Vec<Violation> {
    let mut found = Vec::new();
    names(deployment, &mut found);
    airflow(deployment, &mut found);
    if deployment.profile == Profile::Production {
        production(deployment, &mut found);
    }
    found
}

fn refuse(
    found: &mut Vec<Violation>,
    rule: Rule,
    pointer: &str,
    message: impl Into<String>,
    help: impl Into<String>,
) {
    found.push(Violation {
        pointer: pointer.to_owned(),
        problem: Problem {
            rule,
            path: dotted(pointer),
            place: None,
            message: message.into(),
            help: Some(help.into()),
        },
    });
}

/// A rule for names: what is allowed, in words, and the judge.
struct NameRule {
    words: &'static str,
    holds: fn(&str) -> bool,
}

/// RFC 1123 label, as Kubernetes asks of namespaces.
const LABEL: NameRule = NameRule {
    words: "1 to 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit",
    holds: |name| is_label(name),
};

/// RFC 1123 subdomain, as Kubernetes asks of most objects.
const SUBDOMAIN: NameRule = NameRule {
    words: "up to 253 lower-case letters, digits, hyphens and dots",
    holds: |name| name.len() <= 253 && name.split('.').all(is_label),
};

/// Azure Resource Manager, "Naming rules and restrictions for Azure resources".
const SUBSCRIPTION: NameRule = NameRule {
    words: "a GUID such as 00000000-0000-0000-0000-000000000000",
    holds: |name| {
        let groups: Vec<_> = name.split('-').collect();
        groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && groups
                .iter()
                .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
    },
};
const RESOURCE_GROUP: NameRule = NameRule {
    words: "1 to 90 letters, digits, `_`, `-`, `.`, `(`, `)`, not ending with a dot",
    holds: |name| {
        (1..=90).contains(&name.chars().count())
            && !name.ends_with('.')
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || "_-.()".contains(c))
    },
};
const CLUSTER: NameRule = NameRule {
    words: "1 to 63 letters, digits, `_` and `-`, beginning and ending with a letter or digit",
    holds: |name| bounded(name, 1, 63, "_-") && edges_alphanumeric(name),
};
const IDENTITY: NameRule = NameRule {
    words: "3 to 128 letters, digits, `_` and `-`, beginning with a letter or digit",
    holds: |name| {
        bounded(name, 3, 128, "_-") && name.starts_with(|c: char| c.is_ascii_alphanumeric())
    },
};
const VAULT: NameRule = NameRule {
    words: "3 to 24 letters, digits and hyphens, beginning with a letter, no two hyphens in a row",
    holds: |name| {
        bounded(name, 3, 24, "-")
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && edges_alphanumeric(name)
            && !name.contains("--")
    },
};
const STORAGE_ACCOUNT: NameRule = NameRule {
    words: "3 to 24 lower-case letters and digits",
    holds: |name| {
        (3..=24).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    },
};
const REGISTRY: NameRule = NameRule {
    words: "5 to 50 letters and digits, without `.azurecr.io`",
    holds: |name| bounded(name, 5, 50, ""),
};
const CONTAINER: NameRule = NameRule {
    words: "3 to 63 lower-case letters, digits and single hyphens",
    holds: |name| (3..=63).contains(&name.len()) && is_label(name) && !name.contains("--"),
};
const VAULT_SECRET: NameRule = NameRule {
    words: "1 to 127 letters, digits and hyphens",
    holds: |name| bounded(name, 1, 127, "-"),
};

fn is_label(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn bounded(name: &str, least: usize, most: usize, extra: &str) -> bool {
    (least..=most).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
}

fn edges_alphanumeric(name: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    name.starts_with(alphanumeric) && name.ends_with(alphanumeric)
}

fn names(deployment: &Deployment, found: &mut Vec<Violation>) {
    let azure = &deployment.azure;
    let secrets = &deployment.external_secrets;
    let logs = &deployment.logs;
    let rules: [(&str, &str, &NameRule); 20] = [
        ("/name", &deployment.name, &LABEL),
        ("/namespace", &deployment.namespace, &LABEL),
        ("/azure/subscription", &azure.subscription, &SUBSCRIPTION),
        (
            "/azure/resourceGroup",
            &azure.resource_group,
            &RESOURCE_GROUP,
        ),
        ("/azure/cluster", &azure.cluster, &CLUSTER),
        ("/azure/managedIdentity", &azure.managed_identity, &IDENTITY),
        ("/azure/keyVault", &azure.key_vault, &VAULT),
        (
            "/azure/storageAccount",
            &azure.storage_account,
            &STORAGE_ACCOUNT,
        ),
        (
            "/azure/containerRegistry",
            &azure.container_registry,
            &REGISTRY,
        ),
        (
            "/identity/serviceAccount",
            &deployment.identity.service_account,
            &SUBDOMAIN,
        ),
        (
            "/identity/federatedCredential",
            &deployment.identity.federated_credential,
            &IDENTITY,
        ),
        ("/externalSecrets/release", &secrets.release, &LABEL),
        ("/externalSecrets/store", &secrets.store, &SUBDOMAIN),
        (
            "/externalSecrets/externalSecret",
            &secrets.external_secret,
            &SUBDOMAIN,
        ),
        ("/externalSecrets/target", &secrets.target, &SUBDOMAIN),
        (
            "/externalSecrets/accountNameSecret",
            &secrets.account_name_secret,
            &VAULT_SECRET,
        ),
        (
            "/externalSecrets/accountKeySecret",
            &secrets.account_key_secret,
            &VAULT_SECRET,
        ),
        ("/logs/container", &logs.container, &CONTAINER),
        ("/logs/volume", &logs.volume, &SUBDOMAIN),
        ("/logs/claim", &logs.claim, &SUBDOMAIN),
    ];
    for (pointer, name, rule) in rules {
        if !(rule.holds)(name) {
            refuse(
                found,
                Rule::Value,
                pointer,
                format!("`{name}` would be refused"),
                format!("use {}", rule.words),
            );
        }
    }
    if secrets.operator == Operator::Install {
        version(
            found,
            "/externalSecrets/chart/version",
            &secrets.chart.version,
        );
    }
    version(
        found,
        "/airflow/chartVersion",
        &deployment.airflow.chart_version,
    );
    for (index, object) in deployment.objects.iter().enumerate() {
        for key in ["apiVersion", "kind", "metadata"] {
            if !object.contains_key(key) {
                let pointer = format!("/objects/{index}");
                refuse(
                    found,
                    Rule::Missing,
                    &pointer,
                    format!("`{key}` is missing"),
                    "write a whole Kubernetes object",
                );
            }
        }
    }
}

fn version(found: &mut Vec<Violation>, pointer: &str, text: &str) {
    if helm_chart::semver::Version::parse(text).is_err() {
        refuse(
            found,
            Rule::Value,
            pointer,
            format!("`{text}` is not a version"),
            "pin an exact version such as `1.15.0`",
        );
    }
}

fn airflow(deployment: &Deployment, found: &mut Vec<Violation>) {
    if helm_chart::semver::Version::parse(&deployment.airflow.chart_version).is_err() {
        return; // told already; the pair cannot be judged
    }
    match deployment.airflow_settings().validate() {
        Ok(_) => {}
        Err(SettingsError::Pair(pair)) => {
            let help =
                miette::Diagnostic::help(&pair).map_or_else(String::new, |help| help.to_string());
            refuse(
                found,
                Rule::Pair,
                "/airflow/airflowVersion",
                pair.to_string(),
                help,
            );
        }
        Err(SettingsError::Problems(problems)) => {
            for problem in problems {
                let path = problem
                    .path
                    .strip_prefix("airflow.")
                    .unwrap_or(problem.path);
                let pointer = format!("/airflow/{}", path.replace('.', "/"));
                refuse(found, Rule::Pair, &pointer, problem.message, problem.help);
            }
        }
        Err(other) => refuse(
            found,
            Rule::Pair,
            "/airflow",
            other.to_string(),
            "see the message",
        ),
    }
}

/// What the guide leaves open and production must not.
fn production(deployment: &Deployment, found: &mut Vec<Violation>) {
    let airflow = &deployment.airflow;
    let mut ask = |missing: bool, pointer: &str, message: &str, help: &str| {
        if missing {
            refuse(
                found,
                Rule::Value,
                pointer,
                format!("profile `production`: {message}"),
                help,
            );
        }
    };
    ask(
        matches!(airflow.database, Database::Embedded(_)),
        "/airflow/database",
        "the embedded database has one replica on one zonal disk and no backup",
        "point `airflow.database.external` to a managed server",
    );
    ask(
        airflow.scheduler.replicas < 2,
        "/airflow/scheduler/replicas",
        "one scheduler is no high availability",
        "set it to 2 or more",
    );
    ask(
        airflow.web.replicas < 2,
        "/airflow/web/replicas",
        "one web server is no high availability",
        "set it to 2 or more",
    );
    ask(
        airflow.scheduler.resources.is_empty(),
        "/airflow/scheduler/resources",
        "a pod without requests is evicted first",
        "set `requests`",
    );
    ask(
        deployment.external_secrets.operator == Operator::Install
            && deployment.external_secrets.chart.digest.is_none(),
        "/externalSecrets/chart/digest",
        "a chart without a digest may change under its version",
        "pin `sha256:…`",
    );
    ask(
        deployment.logs.retention_days == 0,
        "/logs/retentionDays",
        "logs would grow without bound",
        "set how many days to keep them",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_as_kubernetes_and_azure_judge_them() {
        let cases: &[(&NameRule, &str, bool)] = &[
            (&LABEL, "airflow", true),
            (&LABEL, "Airflow", false),
            (&LABEL, "-a", false),
            (&SUBDOMAIN, "a.b-c", true),
            (&SUBDOMAIN, "a..b", false),
            (&SUBSCRIPTION, "00000000-0000-0000-0000-000000000001", true),
            (&SUBSCRIPTION, "my subscription", false),
            (&VAULT, "kv-1", true),
            (&VAULT, "kv--1", false),
            (&VAULT, "1kv", false),
            (&STORAGE_ACCOUNT, "airflowlogs1", true),
            (&STORAGE_ACCOUNT, "airflow-logs", false),
            (&REGISTRY, "myacr", true),
            (&REGISTRY, "my-acr", false),
            (&CONTAINER, "airflow-logs", true),
            (&CONTAINER, "Airflow", false),
            (&RESOURCE_GROUP, "rg.", false),
            (&VAULT_SECRET, "../admin", false),
        ];
        for (rule, name, expected) in cases {
            assert_eq!((rule.holds)(name), *expected, "{name}: {}", rule.words);
        }
    }
}
