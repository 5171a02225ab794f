//! The whole workflow over the simulated world: the plan tells what the run does, the run does it
//! and proves it, a second run writes nothing, and what others changed is named before any write.

mod guide_world;

use std::collections::BTreeSet;

use aks_sandbox::world::{Class, WorldSpec};
use bytes::Bytes;
use converge::{ChangeKind, ProofKind, RequestClass, Verification};
use guide_world::{DOCUMENT, Guide, NAMESPACE, told};
use http::Request;
use http_body_util::BodyExt;
use orchestrate::{Plan, Policy, StepResult};
use serde_json::{Value, json};

/// The steps whose success is seen by its effect; all others are observed.
const BY_EFFECT: [&str; 5] = [
    "external-secrets",
    "log store",
    "secret",
    "token exchange",
    "verify",
];

/// Does something to the cluster as another client.
async fn by_hand(guide: &Guide, method: &str, path: &str, body: Value) -> Value {
    let request = Request::builder()
        .method(method)
        .uri(format!("{path}?fieldManager=kubectl-edit"))
        .header("host", guide.sandbox.spec().api_host())
        .header("content-type", "application/merge-patch+json")
        .body(Bytes::from(body.to_string()))
        .unwrap();
    let response = guide.sandbox.router().call(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(
        status.is_success(),
        "{method} {path}: {status} {}",
        String::from_utf8_lossy(&body)
    );
    serde_json::from_slice(&body).unwrap()
}

fn targets(plan: &Plan, kind: ChangeKind) -> BTreeSet<String> {
    plan.rows()
        .filter(|(_, change)| change.kind == kind)
        .map(|(_, change)| change.target.clone())
        .collect()
}

/// The cluster's objects as a plan names them, without those that controllers made.
fn named(guide: &Guide) -> BTreeSet<String> {
    guide
        .objects()
        .into_iter()
        .filter(|(_, object)| {
            let managers = object["metadata"]["managedFields"].as_array();
            managers.into_iter().flatten().any(|entry| {
                entry["operation"] == "Apply"
                    || (entry["manager"] == "aks-airflow" && entry["subresource"].is_null())
            })
        })
        .map(|(_, object)| {
            let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
            let place = match text("namespace") {
                "" => text("name").to_owned(),
                namespace => format!("{namespace}/{}", text("name")),
            };
            format!("{} {place}", object["kind"].as_str().unwrap_or_default())
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_run_does_every_step_and_says_how_each_is_known() {
    let guide = Guide::new();
    let up = guide.up().await;
    let report = up.succeeded();
    assert_eq!(report.steps.len(), up.plan.steps.len(), "{report}");
    let by_effect: Vec<&str> = report
        .steps
        .iter()
        .filter_map(|step| match &step.result {
            StepResult::Done { proof, .. } if proof.kind == ProofKind::Effect => {
                Some(step.step.as_str())
            }
            StepResult::Done { proof, .. } => {
                assert_eq!(proof.kind, ProofKind::Observed, "{}: {proof}", step.step);
                None
            }
            other => panic!("{}: {other:?}", step.step),
        })
        .collect();
    let mut by_effect = by_effect;
    by_effect.sort_unstable();
    assert_eq!(by_effect, BY_EFFECT, "{report}");
    assert_eq!(
        report.requests.of(RequestClass::Write) as usize,
        guide.writes_since(0).len()
    );
}

#[tokio::test(start_paused = true)]
async fn the_plan_of_an_empty_world_lists_what_the_run_makes_and_writes_nothing() {
    let guide = Guide::new();
    let plan = guide.plan().await;
    assert_eq!(guide.writes_since(0), []);
    assert!(!plan.is_noop());
    let planned = targets(&plan, ChangeKind::Create);
    for (step, change) in plan.rows() {
        assert!(
            matches!(change.kind, ChangeKind::Create | ChangeKind::Run),
            "{step}: {} {}",
            change.kind,
            change.target
        );
        // The namespace is not there: what goes into it can only be predicted.
        if change.target.contains(&format!(" {NAMESPACE}/")) {
            assert_eq!(
                change.verification,
                Verification::Predicted,
                "{}",
                change.target
            );
        }
    }
    guide.up().await.succeeded();
    let made = named(&guide);
    let bookkeeping = |name: &&String| {
        // Helm's records and our leases are not what was asked for; hooks are rows of kind `run`.
        !name.contains("sh.helm.release.v1.") && !name.starts_with("Job ")
    };
    let unplanned: Vec<_> = made
        .iter()
        .filter(bookkeeping)
        .filter(|name| !planned.contains(*name))
        .collect();
    assert_eq!(
        unplanned,
        Vec::<&String>::new(),
        "made without being planned"
    );
    let kubernetes = |name: &&String| {
        name.split(' ')
            .next()
            .is_some_and(|kind| kind.starts_with(char::is_uppercase))
    };
    let unmade: Vec<_> = planned
        .iter()
        .filter(kubernetes)
        .filter(|name| !made.contains(*name))
        // Applied without a field of its own, a namespace names no manager.
        .filter(|name| *name != "Namespace airflow")
        .collect();
    assert_eq!(unmade, Vec::<&String>::new(), "planned and not made");
}

#[tokio::test(start_paused = true)]
async fn a_second_run_writes_nothing_takes_no_lease_and_rolls_no_pod() {
    let guide = Guide::new();
    guide.up().await.succeeded();
    let pods = guide.sandbox.pod_uids(NAMESPACE);
    assert!(!pods.is_empty());
    let mark = guide.mark();
    let plan = guide.plan().await;
    assert!(plan.is_noop(), "{plan}");
    let again = guide.up().await;
    let report = again.succeeded();
    assert_eq!(guide.writes_since(mark), []);
    assert_eq!(
        report.requests.of(RequestClass::Write),
        0,
        "{}",
        report.requests
    );
    let leases = guide
        .sandbox
        .requests()
        .into_iter()
        .skip(mark)
        .filter(|record| record.path.contains("/leases"));
    assert_eq!(leases.collect::<Vec<_>>(), []);
    assert_eq!(guide.sandbox.pod_uids(NAMESPACE), pods);
    for step in &report.steps {
        let StepResult::Done { did, .. } = &step.result else {
            panic!("{}", step.step)
        };
        assert!(
            step.step == "verify" || did == "unchanged",
            "{}: {did}",
            step.step
        );
    }
}

#[tokio::test(start_paused = true)]
async fn our_count_of_requests_agrees_with_the_worlds_own() {
    let guide = Guide::new();
    let world = guide.world();
    guide.up_with(&world, &Policy::default()).await.succeeded();
    let records = guide.sandbox.requests();
    let theirs = |class| {
        records
            .iter()
            .filter(|record| record.class == class)
            .count()
    };
    let ours = world.requests.count();
    assert_eq!(
        ours.of(RequestClass::Write) as usize,
        theirs(Class::Write),
        "{ours}"
    );
    assert!(ours.total() as usize >= theirs(Class::Read), "{ours}");
}

/// A declared field and what another manager makes of it.
struct Edit {
    path: String,
    patch: Value,
    target: &'static str,
    field: &'static str,
}

fn edits() -> Vec<Edit> {
    let edit = |path: &str, patch, target, field| Edit {
        path: path.replace('~', &format!("namespaces/{NAMESPACE}")),
        patch,
        target,
        field,
    };
    vec![
        edit(
            "/apis/apps/v1/~/deployments/airflow-scheduler",
            json!({"spec": {"replicas": 3}}),
            "Deployment airflow/airflow-scheduler",
            "spec.replicas",
        ),
        edit(
            "/api/v1/~/configmaps/airflow-statsd",
            json!({"data": {"mappings.yml": "mappings: [by hand]\n"}}),
            "ConfigMap airflow/airflow-statsd",
            "mappings.yml",
        ),
        edit(
            "/api/v1/~/serviceaccounts/airflow",
            json!({"metadata": {"annotations": {"azure.workload.identity/client-id": "nobody"}}}),
            "ServiceAccount airflow/airflow",
            "azure.workload.identity/client-id",
        ),
        edit(
            "/apis/external-secrets.io/v1beta1/~/externalsecrets/airflow-aks-azure-logs-secrets",
            json!({"spec": {"refreshInterval": "24h"}}),
            "ExternalSecret airflow/airflow-aks-azure-logs-secrets",
            "spec.refreshInterval",
        ),
        edit(
            "/apis/external-secrets.io/v1beta1/~/secretstores/azure-store",
            json!({"spec": {"provider": {"azurekv": {"vaultUrl": "https://other.vault.azure.net/"}}}}),
            "SecretStore airflow/azure-store",
            "spec.provider.azurekv.vaultUrl",
        ),
        edit(
            "/apis/apps/v1/~/deployments/external-secrets-webhook",
            json!({"spec": {"replicas": 2}}),
            "Deployment airflow/external-secrets-webhook",
            "spec.replicas",
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_declared_field_that_another_manager_changed_stops_a_run_until_it_is_taken() {
    let guide = Guide::new();
    guide.up().await.succeeded();
    for edit in edits() {
        by_hand(&guide, "PATCH", &edit.path, edit.patch.clone()).await;
        let mark = guide.mark();
        let world = guide.world();
        let plan = guide.plan().await;
        let rows: Vec<_> = plan.conflicts().cloned().collect();
        let [row] = rows.as_slice() else {
            panic!("{}: one conflict is expected, not\n{plan}", edit.target);
        };
        assert_eq!(
            (row.kind, row.target.as_str()),
            (ChangeKind::Conflict, edit.target),
            "{plan}"
        );
        let [field] = row.fields.as_slice() else {
            panic!(
                "{}: one field is expected, not {:?}",
                edit.target, row.fields
            );
        };
        assert!(
            field.path.contains(edit.field),
            "{}: {}",
            edit.target,
            field.path
        );
        assert_eq!(
            field.manager.as_deref(),
            Some("kubectl-edit"),
            "{}",
            edit.target
        );
        let refused = plan
            .apply(&world, &Policy::default())
            .expect_err("a conflict is refused");
        let text = told(&refused);
        assert!(
            text.contains("aka::apply::conflict")
                && text.contains(edit.field)
                && text.contains("kubectl-edit"),
            "{text}"
        );
        assert_eq!(guide.writes_since(mark), [], "{}", edit.target);

        let take = Policy {
            take: vec![format!("{} {}", row.target, field.path)],
            ..Policy::default()
        };
        guide.up_with(&guide.world(), &take).await.succeeded();
        let healed = guide.plan().await;
        assert!(healed.is_noop(), "{} after --take:\n{healed}", edit.target);
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_nobody_declared_belongs_to_whoever_set_it() {
    let guide = Guide::new();
    guide.up().await.succeeded();
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/airflow-statsd");
    by_hand(
        &guide,
        "PATCH",
        &path,
        json!({"metadata": {"annotations": {"team.example/note": "ours"}}}),
    )
    .await;
    let plan = guide.plan().await;
    assert!(plan.is_noop(), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_object_is_named_and_made_again() {
    let guide = Guide::new();
    guide.up().await.succeeded();
    for (path, target) in [
        (
            "/apis/apps/v1/~/deployments/airflow-statsd",
            "Deployment airflow/airflow-statsd",
        ),
        (
            "/api/v1/~/configmaps/airflow-statsd",
            "ConfigMap airflow/airflow-statsd",
        ),
        (
            "/api/v1/~/serviceaccounts/airflow",
            "ServiceAccount airflow/airflow",
        ),
        (
            "/apis/external-secrets.io/v1beta1/~/secretstores/azure-store",
            "SecretStore airflow/azure-store",
        ),
        (
            "/apis/apps/v1/~/deployments/external-secrets-webhook",
            "Deployment airflow/external-secrets-webhook",
        ),
    ] {
        let path = path.replace('~', &format!("namespaces/{NAMESPACE}"));
        by_hand(&guide, "DELETE", &path, json!({})).await;
        let plan = guide.plan().await;
        let rows: Vec<_> = plan
            .rows()
            .map(|(_, change)| (change.kind, change.target.as_str()))
            .collect();
        assert!(
            rows.contains(&(ChangeKind::Create, target)),
            "{target}:\n{plan}"
        );
        guide.up().await.succeeded();
        assert!(named(&guide).contains(target), "{target}");
        let after = guide.plan().await;
        assert!(after.is_noop(), "{target}:\n{after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_document_changes_that_and_nothing_else() {
    let mut guide = Guide::new();
    guide.up().await.succeeded();
    guide.read(&DOCUMENT.replace("refreshInterval: 1h", "refreshInterval: 2h"));
    let plan = guide.plan().await;
    let secret = "ExternalSecret airflow/airflow-aks-azure-logs-secrets";
    assert_eq!(
        targets(&plan, ChangeKind::Update),
        BTreeSet::from([secret.to_owned()]),
        "{plan}"
    );
    assert_eq!(
        targets(&plan, ChangeKind::Delete),
        BTreeSet::new(),
        "{plan}"
    );
    let pods = guide.sandbox.pod_uids(NAMESPACE);
    guide.up().await.succeeded();
    assert_eq!(guide.sandbox.pod_uids(NAMESPACE), pods);
    let after = guide.plan().await;
    assert!(after.is_noop(), "{after}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_calls_nothing_new_that_is_there() {
    let mut guide = Guide::new();
    guide.up().await.succeeded();
    guide.read(&DOCUMENT.replace("refreshInterval: 1h", "refreshInterval: 2h"));
    let plan = guide.plan().await;
    let rows: Vec<_> = plan
        .rows()
        .map(|(step, change)| (step, change.kind, change.target.as_str()))
        .collect();
    assert_eq!(
        rows,
        [
            (
                "secret",
                ChangeKind::Update,
                "ExternalSecret airflow/airflow-aks-azure-logs-secrets"
            ),
            (
                "history",
                ChangeKind::Create,
                "Secret airflow/aks-airflow.guide.v2"
            ),
        ],
        "{plan}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_authorises_by_roles_is_granted_by_role() {
    let spec = WorldSpec {
        vault_uses_roles: true,
        ..WorldSpec::default()
    };
    let guide = Guide::with(spec, DOCUMENT);
    guide.up().await.succeeded();
    let mark = guide.mark();
    guide.up().await.succeeded();
    assert_eq!(guide.writes_since(mark), []);
}
