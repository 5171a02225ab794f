//! What the guide's commands left behind is taken over (S18): nothing is made twice, nothing is
//! deleted, no pod is rolled, each trap the guide led into is named, and afterwards there is nothing
//! to do.

mod guide_world;

#[path = "adoption/by_hand.rs"]
mod by_hand;

use std::collections::BTreeSet;

use aks_sandbox::world::WorldSpec;
use by_hand::{ByHand, Helm};
use converge::ChangeKind;
use guide_world::{DOCUMENT, Guide, NAMESPACE};
use orchestrate::{Plan, Policy};
use serde_json::Value;

/// The world of November 2024: Docker Hub still has the database's image.
fn then() -> WorldSpec {
    WorldSpec {
        removed_repositories: Vec::new(),
        ..WorldSpec::default()
    }
}

/// What holds data or identity, by resource and name: it may neither go nor be made anew.
const KEPT: [(&str, &str, &str); 7] = [
    ("/namespaces", "", NAMESPACE),
    ("/serviceaccounts", NAMESPACE, "airflow"),
    ("external-secrets.io/secretstores", NAMESPACE, "azure-store"),
    (
        "external-secrets.io/externalsecrets",
        NAMESPACE,
        "airflow-aks-azure-logs-secrets",
    ),
    ("/persistentvolumes", "", "pv-airflow-logs"),
    ("/persistentvolumeclaims", NAMESPACE, "pvc-airflow-logs"),
    (
        "/persistentvolumeclaims",
        NAMESPACE,
        "data-airflow-postgresql-0",
    ),
];

fn uids(guide: &Guide) -> Vec<Value> {
    KEPT.iter()
        .map(|(resource, namespace, name)| {
            guide
                .object(resource, namespace, name)
                .unwrap_or_else(|| panic!("{resource} {namespace}/{name} is not there"))["metadata"]
                ["uid"]
                .clone()
        })
        .collect()
}

/// The pods that serve. Those of finished Jobs go by themselves after a while.
fn serving(guide: &Guide) -> BTreeSet<String> {
    guide
        .objects()
        .into_iter()
        .filter(|(resource, _)| resource == "/pods")
        .map(|(_, pod)| pod["metadata"].clone())
        .filter(|metadata| metadata["ownerReferences"][0]["kind"] != "Job")
        .map(|metadata| metadata["uid"].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn secret(guide: &Guide, name: &str, key: &str) -> Value {
    guide.object("/secrets", NAMESPACE, name).unwrap()["data"][key].clone()
}

fn traps(plan: &Plan) -> BTreeSet<&str> {
    plan.traps.iter().map(|found| found.trap.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_the_guide_left_is_taken_over_without_a_restart() {
    for helm in [Helm::Three, Helm::Four] {
        let guide = Guide::with(then(), DOCUMENT);
        ByHand::new(&guide, helm).follow_the_guide().await;
        let (pods, objects) = (serving(&guide), uids(&guide));
        let plan = guide.plan().await;
        assert_eq!(plan.tally().delete, 0, "{plan}");
        assert_eq!(plan.tally().conflict, 0, "{plan}");
        let adopted: BTreeSet<&str> = plan
            .rows()
            .filter(|(_, row)| row.kind == ChangeKind::Adopt)
            .map(|(_, row)| row.target.as_str())
            .collect();
        assert_eq!(
            adopted,
            BTreeSet::from([
                "ExternalSecret airflow/airflow-aks-azure-logs-secrets",
                "PersistentVolume pv-airflow-logs",
                "PersistentVolumeClaim airflow/pvc-airflow-logs",
                "SecretStore airflow/azure-store",
                "ServiceAccount airflow/airflow",
            ]),
            "{plan}"
        );
        for (step, row) in plan.rows() {
            let is_new = row.kind == ChangeKind::Create;
            assert!(
                !is_new || !adopted.contains(row.target.as_str()),
                "{step}: {}",
                row.target
            );
        }
        let named = [
            "G1", "G11", "G29", "G39", "O1", "S1", "S10", "S2", "S3", "S8", "V1",
        ];
        let found = traps(&plan);
        assert!(named.iter().all(|trap| found.contains(trap)), "{plan}");
        assert_eq!(
            plan.kept().count(),
            6,
            "the release and its workloads: {plan}"
        );

        guide.up().await.succeeded();
        assert_eq!(serving(&guide), pods, "{helm:?}: a pod was rolled");
        assert_eq!(uids(&guide), objects, "{helm:?}");
        assert_eq!(
            secret(&guide, "airflow-keys", "fernet-key"),
            secret(&guide, "airflow-fernet-key", "fernet-key")
        );
        let mark = guide.mark();
        let again = guide.up().await;
        again.succeeded();
        assert!(again.plan.is_noop(), "{}", again.plan);
        assert_eq!(guide.writes_since(mark), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_named_restart_takes_the_release_over_and_keeps_keys_passwords_and_volumes() {
    let guide = Guide::with(then(), DOCUMENT);
    ByHand::new(&guide, Helm::Three).follow_the_guide().await;
    let objects = uids(&guide);
    let fernet = secret(&guide, "airflow-fernet-key", "fernet-key");
    let database = secret(&guide, "airflow-postgresql", "postgres-password");
    let policy = Policy {
        restart: vec!["airflow".into()],
        ..Policy::default()
    };
    let up = guide.up_with(&guide.world(), &policy).await;
    up.succeeded();
    assert_eq!(secret(&guide, "airflow-keys", "fernet-key"), fernet);
    assert_eq!(
        secret(&guide, "airflow-keys", "postgres-password"),
        database
    );
    assert_eq!(uids(&guide), objects);
    let mark = guide.mark();
    let again = guide.up().await;
    again.succeeded();
    assert!(
        again.plan.is_noop() && again.plan.kept().count() == 0,
        "{}",
        again.plan
    );
    assert_eq!(guide.writes_since(mark), []);
}
