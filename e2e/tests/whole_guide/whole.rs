//! The guide from an empty cluster to a proven Airflow, and once more.

use aks_airflow_e2e::Failed;
use aks_airflow_e2e::{Generation, NAMESPACE};
use converge::{ProofKind, RequestClass};
use orchestrate::StepResult;
use serde_json::Value;

use crate::ground::{Ground, expect, same};

/// The steps whose success is seen by its effect; all others are observed.
const BY_EFFECT: [&str; 5] = [
    "external-secrets",
    "log store",
    "secret",
    "token exchange",
    "verify",
];

/// Every step is done, each as well known as it can be; the real controllers did their parts.
pub(crate) async fn the_guide_installs(ground: &Ground) -> Result<(), Failed> {
    let up = ground.up().await?;
    let report = up.succeeded()?;
    for step in &report.steps {
        let StepResult::Done { proof, .. } = &step.result else {
            return Err(format!("{}: {:?}", step.step, step.result).into());
        };
        let want = if BY_EFFECT.contains(&step.step.as_str()) {
            ProofKind::Effect
        } else {
            ProofKind::Observed
        };
        expect(proof.kind == want, || format!("{}: {proof}", step.step))?;
    }
    let space = format!("/api/v1/namespaces/{NAMESPACE}");
    // The volume controller bound what is static, and what the claims of the database asked for.
    for claim in ground
        .items(&format!("{space}/persistentvolumeclaims"))
        .await?
    {
        expect(claim["status"]["phase"] == "Bound", || claim.to_string())?;
    }
    let volume = ground
        .get("/api/v1/persistentvolumes/pv-airflow-logs")
        .await?;
    same(volume["status"]["phase"].as_str().unwrap_or(""), "Bound")?;
    same(
        volume["spec"]["claimRef"]["name"].as_str().unwrap_or(""),
        "pvc-airflow-logs",
    )?;
    // The operator's Secret has its owner, so the garbage collector knows it.
    let secret = ground
        .get(&format!("{space}/secrets/storage-account-credentials"))
        .await?;
    let owner = &secret["metadata"]["ownerReferences"][0]["kind"];
    same(owner.as_str().unwrap_or(""), "ExternalSecret")?;
    same(
        &secret["data"].as_object().map_or(0, serde_json::Map::len),
        &2,
    )?;
    let api = match ground.generation {
        Generation::Guide2024 => "external-secrets.io/v1beta1",
        Generation::Current => "external-secrets.io/v1",
    };
    let store = format!("/apis/{api}/namespaces/{NAMESPACE}/secretstores/azure-store");
    expect(is_ready(&ground.get(&store).await?), || store)?;
    // Entra took the real API server's token, and refuses it once it is touched.
    let pods = ground.items(&format!("{space}/pods")).await?;
    for pod in &pods {
        let phase = pod["status"]["phase"].as_str().unwrap_or("");
        let name = &pod["metadata"]["name"];
        expect(matches!(phase, "Running" | "Succeeded"), || {
            format!("{name}: {phase}")
        })?;
    }
    expect(pods.len() >= 8, || format!("{} pods", pods.len()))
}

/// Nothing to do: no write, no lease, no pod is another.
pub(crate) async fn a_second_run_writes_nothing(ground: &Ground) -> Result<(), Failed> {
    let pods = ground.pods().await?;
    let plan = ground.plan().await?;
    expect(plan.is_noop(), || plan.to_string())?;
    let up = ground.up().await?;
    let report = up.succeeded()?;
    same(&report.requests.of(RequestClass::Write), &0)?;
    same(&ground.pods().await?, &pods)
}

fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|one| one["type"] == "Ready" && one["status"] == "True")
}
