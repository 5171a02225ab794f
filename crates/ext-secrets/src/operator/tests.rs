//! The gate over a mocked cluster with an operator that is there: what opens it and what is said.

use kube_cluster::{Applied, ClusterErrorKind, Discovery, Kind, MockCluster, Resource};
use serde_json::json;

use super::*;

#[derive(Debug)]
struct NoReleases;

#[async_trait]
impl Releases for NoReleases {
    async fn plan(&self, _: ReleaseIntent, _: Policy) -> Result<ReleasePlan, ReleaseError> {
        unreachable!("an existing operator is no release of ours")
    }
    async fn apply(
        &self,
        _: ReleaseIntent,
        _: Policy,
        _: converge::Observer,
    ) -> Result<helm_release::Outcome, ReleaseError> {
        unreachable!("an existing operator is no release of ours")
    }
    async fn status(
        &self,
        _: ReleaseId,
    ) -> Result<Option<helm_release::ReleaseStatus>, ReleaseError> {
        unreachable!("an existing operator is no release of ours")
    }
    async fn history(
        &self,
        _: ReleaseId,
    ) -> Result<Vec<helm_release::RevisionSummary>, ReleaseError> {
        unreachable!("an existing operator is no release of ours")
    }
    async fn list(
        &self,
        _: Option<String>,
    ) -> Result<Vec<helm_release::ReleaseSummary>, ReleaseError> {
        unreachable!("an existing operator is no release of ours")
    }
    async fn record(
        &self,
        _: ReleaseId,
        _: Option<Revision>,
    ) -> Result<Option<helm_release::Record>, ReleaseError> {
        unreachable!("an existing operator is no release of ours")
    }
    async fn rollback(
        &self,
        _: ReleaseId,
        _: helm_release::RollbackOptions,
        _: converge::Observer,
    ) -> Result<helm_release::Outcome, ReleaseError> {
        unreachable!("an existing operator is no release of ours")
    }
    async fn uninstall(
        &self,
        _: ReleaseId,
        _: helm_release::UninstallOptions,
        _: converge::Observer,
    ) -> Result<helm_release::Uninstalled, ReleaseError> {
        unreachable!("an existing operator is no release of ours")
    }
}

fn cluster(served: bool) -> MockCluster {
    let mut cluster = MockCluster::new();
    cluster.expect_discover().returning(move || {
        let resource = |kind: &str| Resource {
            kind: Kind::new("external-secrets.io/v1", kind),
            plural: format!("{}s", kind.to_lowercase()),
            namespaced: true,
            verbs: Vec::new(),
        };
        Ok(Discovery {
            version: "v1.33.1".into(),
            resources: if served {
                vec![resource("SecretStore"), resource("ExternalSecret")]
            } else {
                Vec::new()
            },
        })
    });
    cluster.expect_get().returning(move |target| {
        let mut crd = Object::named(&target);
        crd.as_map_mut().insert(
            "status".into(),
            json!({"conditions": [{"type": "Established", "status": "True"}]}),
        );
        Ok(served.then_some(crd))
    });
    cluster
}

fn step(cluster: MockCluster) -> EnsureOperator {
    EnsureOperator {
        cluster: Arc::new(cluster),
        releases: Arc::new(NoReleases),
        mode: OperatorMode::Existing,
        namespace: "airflow".into(),
        gate: Duration::from_secs(120),
        restart: false,
        api_versions: Slot::new(),
    }
}

fn webhook_down(message: &str) -> ClusterError {
    ClusterError::new(
        "create",
        "SecretStore airflow/x",
        ClusterErrorKind::Admission(format!("failed calling webhook: {message}")),
    )
}

#[tokio::test]
async fn an_existing_operator_whose_webhook_admits_is_done() {
    let mut cluster = cluster(true);
    cluster
        .expect_apply()
        .times(1)
        .returning(|object, options| {
            assert!(options.dry_run);
            Ok(Applied::Done(object))
        });
    let step = step(cluster);
    let observed = step.observe(&StepContext::default()).await.unwrap();
    let Decision::Done { output, proof } = step.decide(&observed).unwrap() else {
        panic!("the gate is open");
    };
    assert_eq!(output.api, StoreApi::V1);
    assert_eq!(proof.to_string(), "effect: webhook admitted a dry-run");
}

#[tokio::test]
async fn without_an_operator_the_error_says_what_to_do() {
    let step = step(cluster(false));
    let observed = step.observe(&StepContext::default()).await.unwrap();
    let error = step.decide(&observed).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the cluster serves no External Secrets API this version writes"
    );
}

#[tokio::test(start_paused = true)]
async fn a_webhook_without_its_ca_bundle_is_waited_for() {
    let mut cluster = cluster(true);
    let mut tries = 0;
    cluster.expect_apply().returning(move |object, _| {
        tries += 1;
        if tries < 3 {
            Err(webhook_down(
                "x509: certificate signed by unknown authority",
            ))
        } else {
            Ok(Applied::Done(object))
        }
    });
    let step = step(cluster);
    let observed = step.observe(&StepContext::default()).await.unwrap();
    let Decision::Act { action, changes } = step.decide(&observed).unwrap() else {
        panic!("the webhook is down");
    };
    assert_eq!(
        changes[0].note.as_deref(),
        Some("webhook: its CA bundle is not in place yet")
    );
    let outcome = step.perform(action, &StepContext::default()).await.unwrap();
    assert_eq!(outcome.did, "found");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_stays_down_ends_at_the_deadline_with_its_reason() {
    let mut cluster = cluster(true);
    cluster
        .expect_apply()
        .returning(|_, _| Err(webhook_down("no endpoints available for service")));
    let step = step(cluster);
    let error = step
        .perform(OperatorAction::Wait, &StepContext::default())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "External Secrets is not usable after 120 s: webhook: it has no ready pod yet"
    );
}

#[test]
fn raw_values_win_over_the_default() {
    let mut settings = OperatorSettings::default();
    assert_eq!(settings.chart_values(), json!({"installCRDs": true}));
    settings.values.insert("installCRDs".into(), false.into());
    assert_eq!(settings.chart_values(), json!({"installCRDs": false}));
}
