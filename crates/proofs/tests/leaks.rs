//! No secret value is ever shown: not in plans, reports, events or errors, whatever goes wrong, and
//! not in any object but Secrets.

mod guide_world;

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use guide_world::{DOCUMENT, Guide, Up, told};
use orchestrate::Policy;
use serde_json::Value;

/// Every secret value there is, by where it lives.
fn secrets(guide: &Guide) -> BTreeMap<String, Vec<u8>> {
    // Names and certificates are in Secrets too; they are nobody's secret. The sandbox's webhook has
    // one made-up text for its certificate and its key.
    const OPEN: [&str; 4] = ["azurestorageaccountname", "ca.crt", "tls.crt", "tls.key"];
    let mut found = BTreeMap::new();
    for (resource, object) in guide.objects() {
        let kind = object["type"].as_str().unwrap_or_default();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if resource != "/secrets"
            || kind.starts_with("helm.sh/")
            || name.starts_with("aks-airflow.")
        {
            continue;
        }
        for (key, value) in object["data"].as_object().into_iter().flatten() {
            let value = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap();
            if !OPEN.contains(&key.as_str()) && value.len() >= 12 {
                found.insert(format!("{name}/{key}"), value);
            }
        }
    }
    found.insert(
        "the storage account's key".into(),
        guide.sandbox.spec().storage_key.into_bytes(),
    );
    found
}

/// A value as it could show up: as it is, escaped, encoded once more.
fn forms(value: &[u8]) -> Vec<String> {
    let mut forms = vec![
        STANDARD.encode(value),
        URL_SAFE.encode(value),
        URL_SAFE_NO_PAD.encode(value),
        value.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
        format!("{value:?}"),
    ];
    if let Ok(text) = std::str::from_utf8(value) {
        forms.push(text.to_owned());
        forms.push(text.escape_default().to_string());
        forms.push(Value::from(text).to_string().trim_matches('"').to_owned());
        forms.push(text.bytes().fold(String::new(), |mut escaped, byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                escaped.push(char::from(byte));
            } else {
                let _ = write!(escaped, "%{byte:02X}");
            }
            escaped
        }));
    }
    forms
}

#[track_caller]
fn holds_none(where_: &str, text: &str, secrets: &BTreeMap<String, Vec<u8>>) {
    for (name, value) in secrets {
        for form in forms(value) {
            assert!(!text.contains(&form), "{where_} shows {name}");
        }
    }
}

/// Everything a run says, in every way it can be written down.
fn said(up: &Up) -> String {
    let mut text = format!(
        "{}\n{:?}\n{}\n{:?}\n",
        up.plan, up.plan, up.report, up.report
    );
    text.push_str(&serde_json::to_string(&up.plan).unwrap());
    text.push_str(&serde_json::to_string(&up.report).unwrap());
    for event in &up.events {
        let _ = write!(
            text,
            "{event:?}\n{}\n",
            serde_json::to_string(event).unwrap()
        );
    }
    text.push_str(&up.failures());
    text
}

#[tokio::test(start_paused = true)]
async fn a_run_that_succeeds_shows_no_secret() {
    let guide = Guide::new();
    let world = guide.world();
    let first = guide.up_with(&world, &Policy::default()).await;
    first.succeeded();
    let secrets = secrets(&guide);
    assert!(
        secrets.len() >= 6,
        "too few secrets to prove anything: {:?}",
        secrets.keys()
    );
    for wanted in [
        "airflow-keys/fernet-key",
        "airflow-keys/admin-password",
        "storage-account-credentials/azurestorageaccountkey",
    ] {
        assert!(
            secrets.contains_key(wanted),
            "{wanted} is not among {:?}",
            secrets.keys()
        );
    }
    holds_none("the first run", &said(&first), &secrets);
    holds_none("the second run", &said(&guide.up().await), &secrets);
    holds_none(
        "the world's Debug",
        &format!("{world:?} {:?}", guide.deployment),
        &secrets,
    );
}

#[tokio::test(start_paused = true)]
async fn only_secrets_hold_secrets_in_the_cluster() {
    let guide = Guide::new();
    guide.up().await.succeeded();
    let secrets = secrets(&guide);
    for (resource, object) in guide.objects() {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if resource != "/secrets" || name.starts_with("aks-airflow.") {
            holds_none(&format!("{resource} {name}"), &object.to_string(), &secrets);
        } else {
            // A Secret's labels and annotations are read by many more than its data.
            holds_none(
                &format!("the metadata of {name}"),
                &object["metadata"].to_string(),
                &secrets,
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_request_names_a_secret_in_its_path() {
    let guide = Guide::new();
    guide.up().await.succeeded();
    let secrets = secrets(&guide);
    for record in guide.sandbox.requests() {
        holds_none("a request", &record.path, &secrets);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_fails_shows_no_secret() {
    let guide = Guide::new();
    guide
        .sandbox
        .set_faults(|faults| faults.vault_grant_missing = true);
    let failed = guide.up().await;
    assert!(!failed.report.succeeded());
    holds_none("a failed run", &said(&failed), &secrets(&guide));
    guide.sandbox.set_faults(|faults| {
        faults.vault_grant_missing = false;
        faults
            .missing_images
            .insert("airflowregistry123.azurecr.io/airflow:2.9.3".into());
    });
    let failed = guide.up().await;
    assert!(!failed.report.succeeded());
    holds_none("a failed run", &said(&failed), &secrets(&guide));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_changed_in_azure_is_planned_without_being_shown() {
    let guide = Guide::new();
    guide.up().await.succeeded();
    let rotated = "cm90YXRlZC1rZXktd29ydGgtbm90aGluZy1vdXRzaWRlLW9mLWEtc2FuZGJveC0wMTIzNDU2Nzg5YWJjZGVmZ2hpams=";
    guide.sandbox.world().update(|state| {
        let account = state.spec.storage_account.clone();
        for key in ["key1", "key2"] {
            state
                .azure
                .account_keys
                .insert(format!("{account}|{key}"), rotated.into());
        }
    });
    let plan = guide.plan().await;
    let text = format!(
        "{plan}\n{plan:?}\n{}",
        serde_json::to_string(&plan).unwrap()
    );
    assert!(!plan.is_noop(), "the rotation was not seen");
    let mut secrets = secrets(&guide);
    secrets.insert("the new key".into(), rotated.into());
    holds_none("the plan", &text, &secrets);
    let up = guide.up().await;
    up.succeeded();
    holds_none("the run", &said(&up), &secrets);
}

#[tokio::test(start_paused = true)]
async fn errors_show_no_secret_in_any_form() {
    let mut guide = Guide::new();
    guide.up().await.succeeded();
    let secrets = secrets(&guide);
    guide.read(&DOCUMENT.replace("keyVault: airflow-vault-123-kv", "keyVault: no-such-vault"));
    let error = guide
        .try_plan(&guide.world(), &Policy::default())
        .await
        .expect_err("there is no such vault");
    holds_none(
        "an error",
        &format!("{}\n{error:?}\n{error:#?}", told(&error)),
        &secrets,
    );
}
