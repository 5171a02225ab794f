//! What goes wrong in the world is named: every fault fails the step it concerns with a code, a
//! sentence about the cause and a way to mend it, nothing behind it claims success, and once it is
//! mended the same command finishes.

mod guide_world;

use std::time::Duration;

use aks_sandbox::DEPLOYER;
use aks_sandbox::world::{Faults, MigrationFailure};
use converge::{Event, RequestLog};
use futures::StreamExt;
use guide_world::{DOCUMENT, Guide, NAMESPACE, Up, told};
use kube_cluster::{ConnectOptions, KubeCluster};
use orchestrate::{Deployment, Policy, StepResult, World};

/// What a failing step has to say.
struct Named {
    step: &'static str,
    /// Words `status` and `verify` say afterwards.
    seen: &'static [&'static str],
    code: &'static str,
    /// Words of the sentence and its causes.
    cause: &'static [&'static str],
    /// Words of the help.
    fix: &'static [&'static str],
}

/// Runs into a fault, looks at what is said, mends it and runs again.
async fn fails_and_heals(fault: impl FnOnce(&mut Faults), named: Named) {
    let guide = Guide::new();
    guide.sandbox.set_faults(fault);
    let up = guide.up().await;
    says(&up, &named);
    claims_nothing(&guide, &up, named.step);
    is_seen(&guide, named.seen).await;
    guide
        .sandbox
        .set_faults(|faults| *faults = Faults::default());
    guide.up().await.succeeded();
    let after = guide.plan().await;
    assert!(after.is_noop(), "{after}");
}

/// `status` and `verify` call the deployment unwell and name the cause, without a write.
async fn is_seen(guide: &Guide, words: &[&str]) {
    let mark = guide.mark();
    let world = guide.world();
    let look = async {
        let status = guide.deployment.status(&world).await;
        let claims = guide.deployment.verify(&world).await;
        (status.expect("a status"), claims.expect("claims"))
    };
    let (status, claims) = guide.bounded(Box::pin(look)).await;
    assert_eq!(guide.writes_since(mark), []);
    assert!(!status.is_healthy(), "{status:?}");
    let fails = |claim: &airflow_helm::Finding| claim.essential && !claim.readiness.is_current();
    assert!(claims.iter().any(fails), "{claims:?}");
    let causes = status.causes().join("\n");
    assert!(!causes.contains("hunter2"), "{causes}");
    for word in words {
        assert!(causes.contains(word), "no `{word}` in:\n{causes}");
    }
}

#[track_caller]
fn says(up: &Up, named: &Named) {
    assert!(!up.report.succeeded(), "{}", up.report);
    let (code, cause, help) = up.failure(named.step);
    assert_eq!(code, named.code, "{}", up.failures());
    for word in named.cause {
        assert!(cause.contains(word), "no `{word}` in: {cause}");
    }
    let events = format!("{:?}", up.events);
    assert!(!cause.contains("hunter2") && !events.contains("hunter2"));
    for word in named.fix {
        assert!(
            help.contains(word),
            "no `{word}` in the help: {help}\n({cause})"
        );
    }
}

/// After a failure nothing downstream is called done, by report, event or the history.
#[track_caller]
fn claims_nothing(guide: &Guide, up: &Up, failed: &str) {
    for later in ["verify", "history"] {
        if later != failed {
            let result = up.report.step(later).map(|step| &step.result);
            assert!(
                matches!(result, Some(StepResult::KeptBack { .. })),
                "{later}: {result:?}"
            );
        }
    }
    let finished = up
        .events
        .iter()
        .filter(|event| matches!(event, Event::StepFinished { step, .. } if *step == failed));
    assert_eq!(finished.count(), 0, "{failed} was told as finished");
    let told = up
        .events
        .iter()
        .filter(|event| matches!(event, Event::StepFailed { step, .. } if *step == failed));
    assert_eq!(told.count(), 1, "{failed} was not told as failed");
    // A release that had begun beside the failed step says that it has failed.
    let pending = guide.objects().into_iter().filter(|(_, object)| {
        let status = object["metadata"]["labels"]["status"].as_str();
        object["type"] == "helm.sh/release.v1" && status.is_some_and(|it| it.contains("pending"))
    });
    assert_eq!(pending.count(), 0, "a release is left pending");
    assert!(
        guide
            .object("/secrets", NAMESPACE, "aks-airflow.guide.v1")
            .is_none(),
        "a run was recorded"
    );
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_there_is_named() {
    fails_and_heals(
        |faults| {
            faults
                .missing_images
                .insert("airflowregistry123.azurecr.io/airflow:2.9.3".into());
        },
        Named {
            step: "airflow",
            seen: &[
                "ImagePullBackOff",
                "airflowregistry123.azurecr.io/airflow:2.9.3",
            ],
            code: "aka::release::hook",
            cause: &[
                "ImagePullBackOff",
                "airflowregistry123.azurecr.io/airflow:2.9.3",
                "not found",
            ],
            fix: &["run again"],
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_vault_grant_without_effect_is_named() {
    fails_and_heals(
        |faults| faults.vault_grant_missing = true,
        Named {
            step: "token exchange",
            seen: &["token exchange", "does not have secrets get permission"],
            code: "aka::vault::forbidden",
            cause: &[
                "airflow-vault-123-kv",
                "does not have secrets get permission",
            ],
            fix: &["grant"],
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_federated_subject_that_entra_does_not_know_is_named() {
    fails_and_heals(
        |faults| faults.federated_subject = Some("system:serviceaccount:airflow:other".into()),
        Named {
            step: "token exchange",
            seen: &[
                "token exchange",
                "AADSTS700213",
                "system:serviceaccount:airflow:airflow",
            ],
            code: "aka::entra::subject_mismatch",
            cause: &["AADSTS700213", "system:serviceaccount:airflow:airflow"],
            fix: &["subject"],
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn slow_propagation_is_waited_for_and_told() {
    let guide = Guide::new();
    guide
        .sandbox
        .set_faults(|faults| faults.federated_propagation_ms = Some(50_000));
    let up = guide.up().await;
    let report = up.succeeded();
    assert!(report.took >= Duration::from_secs(45), "{report}");
    let waiting: Vec<&str> = up
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Waiting {
                step: "token exchange",
                reason,
                ..
            } => Some(reason.as_str()),
            _ => None,
        })
        .collect();
    assert!(
        waiting.iter().any(|reason| reason.contains("AADSTS")),
        "{waiting:?}"
    );
}

/// A trust that takes its time: `status` in the middle says what is waited for.
#[tokio::test(start_paused = true)]
async fn slow_propagation_is_seen_by_status_and_verify() {
    let guide = Guide::new();
    guide
        .sandbox
        .set_faults(|faults| faults.federated_propagation_ms = Some(50_000));
    let world = guide.world();
    let plan = guide.try_plan(&world, &Policy::default()).await.unwrap();
    let mut run = plan.apply(&world, &Policy::default()).unwrap();
    let waits = |event: &Event| {
        matches!(
            event,
            Event::Waiting {
                step: "token exchange",
                ..
            }
        )
    };
    guide
        .bounded(async { while !run.next().await.as_ref().is_some_and(waits) {} })
        .await;
    drop(run);
    is_seen(&guide, &["token exchange", "AADSTS"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_never_binds_is_named() {
    fails_and_heals(
        |faults| {
            faults
                .unbound_claims
                .insert("airflow/pvc-airflow-logs".into());
        },
        Named {
            step: "logs",
            seen: &["pvc-airflow-logs", "no persistent volumes available"],
            code: "aka::volume::unbound",
            cause: &[
                "pvc-airflow-logs",
                "not bound",
                "no persistent volumes available",
            ],
            fix: &["size, class and access modes"],
        },
    )
    .await;
}

const MIGRATION_LOG: &str = "\
DB: postgresql://airflow:hunter2@airflow-postgresql/airflow
sqlalchemy.exc.OperationalError: relation \"ab_user\" is locked";

#[tokio::test(start_paused = true)]
async fn a_failing_migration_is_named() {
    fails_and_heals(
        |faults| {
            faults.migration = Some(MigrationFailure {
                exit_code: 1,
                log: MIGRATION_LOG.into(),
            });
        },
        Named {
            step: "airflow",
            seen: &[
                "Job airflow/airflow-run-airflow-migrations",
                "BackoffLimitExceeded",
                "relation \"ab_user\" is locked",
            ],
            code: "aka::release::hook",
            cause: &[
                "Job airflow/airflow-run-airflow-migrations",
                "BackoffLimitExceeded",
                "POD LOGS: airflow-run-airflow-migrations-",
                "(run-airflow-migrations)",
                "postgresql://airflow:***@airflow-postgresql/airflow",
                "relation \"ab_user\" is locked",
            ],
            fix: &["run again"],
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_does_not_answer_is_named() {
    fails_and_heals(
        |faults| faults.webhook_silent = true,
        Named {
            step: "external-secrets",
            seen: &["external-secrets", "webhook"],
            code: "aka::secrets::gate",
            cause: &["External Secrets is not usable", "webhook"],
            fix: &["external-secrets-webhook"],
        },
    )
    .await;
}

/// A document with one thing changed, over the unchanged world: why there is no plan.
async fn refused(old: &str, new: &str) -> String {
    let mut guide = Guide::new();
    assert!(DOCUMENT.contains(old));
    guide.read(&DOCUMENT.replace(old, new));
    let error = guide
        .try_plan(&guide.world(), &Policy::default())
        .await
        .expect_err("there is nothing to plan for");
    assert_eq!(guide.writes_since(0), []);
    told(&error)
}

#[track_caller]
fn has_all(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no `{word}` in:\n{text}");
    }
    assert!(text.contains("help: "), "no way to mend it:\n{text}");
}

#[tokio::test(start_paused = true)]
async fn what_the_document_names_and_azure_does_not_have_is_named_before_any_write() {
    for (old, new) in [
        (
            "resourceGroup: apache-airflow-rg",
            "resourceGroup: no-such-group",
        ),
        ("cluster: apache-airflow-aks", "cluster: no-such-cluster"),
        (
            "managedIdentity: airflow-identity-123",
            "managedIdentity: no-such-identity",
        ),
        ("keyVault: airflow-vault-123-kv", "keyVault: no-such-vault"),
        (
            "storageAccount: airflowsasa123",
            "storageAccount: nosuchaccount",
        ),
    ] {
        let text = refused(old, new).await;
        let name = new.rsplit(' ').next().unwrap();
        has_all(&text, &[name, "aka::"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_not_ours_is_named() {
    let text = refused(
        "22222222-2222-4222-8222-222222222222",
        "99999999-9999-4999-8999-999999999999",
    )
    .await;
    has_all(&text, &["99999999-9999-4999-8999-999999999999", "aka::"]);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_refused_by_name_before_any_write() {
    let guide = Guide::new();
    let stranger = "77777777-7777-4777-8777-777777777777";
    let world = guide.world_of(stranger, guide.sandbox.spec().tenant);
    let error = guide
        .try_plan(&world, &Policy::default())
        .await
        .expect_err("a stranger plans nothing");
    has_all(&told(&error), &["AuthorizationFailed", stranger]);
    assert_eq!(guide.writes_since(0), []);
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_tenant_is_refused_before_any_write() {
    let guide = Guide::new();
    let world = guide.world_of(DEPLOYER, "88888888-8888-4888-8888-888888888888".into());
    let error = guide
        .try_plan(&world, &Policy::default())
        .await
        .expect_err("another tenant plans nothing");
    has_all(&told(&error), &["tenant"]);
    assert_eq!(guide.writes_since(0), []);
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_refused_before_any_write() {
    let guide = Guide::new();
    let tenant = guide.sandbox.spec().tenant;
    let world = guide.sandbox.world();
    let now = world.clock().now().as_second();
    let token = world.read(|state| {
        state.azure.issuer.sign(&serde_json::json!({
            "aud": "https://management.azure.com",
            "iss": format!("https://sts.aks-sandbox.invalid/{tenant}/"),
            "tid": tenant,
            "oid": DEPLOYER,
            "exp": now - 1,
        }))
    });
    let error = guide
        .try_plan(&guide.world_with_token(token), &Policy::default())
        .await
        .expect_err("who was logged in yesterday plans nothing");
    has_all(
        &told(&error),
        &["The access token expiry UTC time is earlier than current UTC time"],
    );
    assert_eq!(guide.writes_since(0), []);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_cannot_be_reached_is_named() {
    let guide = Guide::new();
    let options = ConnectOptions {
        requests: RequestLog::new(),
        ..ConnectOptions::default()
    };
    let nowhere = KubeCluster::with_connector(
        guide.sandbox.connector(),
        "http://gone.hcp.canadacentral.azmk8s.invalid",
        options,
    )
    .unwrap();
    let nowhere = std::sync::Arc::new(nowhere);
    let cluster: std::sync::Arc<dyn kube_cluster::Cluster> = std::sync::Arc::clone(&nowhere) as _;
    let world = World {
        releases: std::sync::Arc::new(helm_release::ClusterReleases::new(std::sync::Arc::clone(
            &cluster,
        ))),
        cluster,
        logs: std::sync::Arc::clone(&nowhere) as _,
        forward: nowhere,
        ..guide.world()
    };
    let error = guide
        .try_plan(&world, &Policy::default())
        .await
        .expect_err("nobody answers");
    has_all(&told(&error), &["gone.hcp.canadacentral.azmk8s.invalid"]);
    assert_eq!(guide.writes_since(0), []);
}

#[tokio::test(start_paused = true)]
async fn of_two_runs_at_once_one_wins_and_the_other_is_told_who_holds_the_release() {
    let guide = Guide::new();
    let (one, other) = (guide.world(), guide.world());
    let plans = (
        guide.try_plan(&one, &Policy::default()).await.unwrap(),
        guide.try_plan(&other, &Policy::default()).await.unwrap(),
    );
    let (mut first, mut second) = (
        plans.0.apply(&one, &Policy::default()).unwrap(),
        plans.1.apply(&other, &Policy::default()).unwrap(),
    );
    guide
        .bounded(async {
            futures::future::join(async { while first.next().await.is_some() {} }, async {
                while second.next().await.is_some() {}
            })
            .await
        })
        .await;
    let reports = [first.report().unwrap(), second.report().unwrap()];
    let losses: Vec<_> = reports
        .iter()
        .flat_map(|report| &report.steps)
        .filter_map(|step| match &step.result {
            StepResult::Failed {
                causes, code, help, ..
            } => Some((step.step.as_str(), code, causes, help)),
            _ => None,
        })
        .collect();
    for (step, code, causes, help) in &losses {
        let code = code.as_deref().unwrap_or_default();
        assert!(
            matches!(
                code,
                "aka::release::pending" | "aka::release::lost" | "aka::release::already_exists"
            ),
            "{step} [{code}] {causes:?} {help:?}"
        );
        assert!(help.is_some(), "{step} [{code}] {causes:?}");
    }
    // Whoever lost, running again finishes: nobody has to clean up.
    let up = guide.up().await;
    up.succeeded();
    let after = guide.plan().await;
    assert!(after.is_noop(), "{after}\n{losses:?}");
}

#[test]
fn the_document_is_the_guides() {
    assert_eq!(Deployment::parse(DOCUMENT).unwrap().namespace, NAMESPACE);
}
