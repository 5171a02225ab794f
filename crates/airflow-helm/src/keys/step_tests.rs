//! The keys' step over a mocked cluster: made once, never replaced, and what was there is used.

use kube_cluster::MockCluster;

use super::super::RANDOM_BYTES;
use super::*;

fn step(cluster: MockCluster) -> EnsureKeys {
    let step = EnsureKeys {
        cluster: Arc::new(cluster),
        releases: Arc::new(releases()),
        settings: AirflowSettings::default(),
        random: RandomBytes([1; RANDOM_BYTES]),
        mirror: BTreeMap::new(),
        database_password: Slot::new(),
        take_fields: false,
        namespace: Slot::new(),
    };
    step.namespace.fill(());
    step
}

/// A release whose user was made by the chart's defaults.
fn releases() -> helm_release::MockReleases {
    let mut releases = helm_release::MockReleases::new();
    releases.expect_record().returning(|_, _| {
        let record = serde_json::json!({
            "name": "airflow", "version": 1, "info": {"status": "deployed"},
            "chart": {"values": {"webserver": {"defaultUser": {"password": "admin"}}}},
        });
        Ok(Some(serde_json::from_value(record).unwrap()))
    });
    releases
}

fn holding(objects: Vec<Object>) -> MockCluster {
    let mut cluster = MockCluster::new();
    cluster.expect_get().returning(move |target| {
        Ok(objects
            .iter()
            .find(|object| object.reference() == target)
            .cloned())
    });
    cluster
}

fn theirs() -> KeyMaterial {
    KeyMaterial::generate(&RandomBytes([2; RANDOM_BYTES]))
}

#[tokio::test]
async fn keys_and_connections_in_place_are_done() {
    let settings = AirflowSettings::default();
    let mut objects = derived_secrets(&settings, &theirs(), None);
    objects.push(theirs().manifest("airflow", "airflow-keys"));
    let step = step(holding(objects));
    let observed = step.observe(&StepContext::default()).await.unwrap();
    let Decision::Done { output, .. } = step.decide(&observed).unwrap() else {
        panic!("everything is in place");
    };
    assert!(
        output
            .material
            .get("fernet-key")
            .same_as(theirs().get("fernet-key"))
    );
}

#[tokio::test]
async fn a_name_taken_meanwhile_means_their_keys() {
    let mut cluster = MockCluster::new();
    let mut created = false;
    let made = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = Arc::clone(&made);
    cluster.expect_get().returning(move |target| {
        let there = seen.load(std::sync::atomic::Ordering::SeqCst);
        Ok((there && target.name == "airflow-keys")
            .then(|| theirs().manifest("airflow", "airflow-keys")))
    });
    cluster.expect_create().times(1).returning(move |_, _| {
        assert!(!std::mem::replace(&mut created, true));
        made.store(true, std::sync::atomic::Ordering::SeqCst);
        Ok(Created::AlreadyExists)
    });
    cluster.expect_apply().times(4).returning(|object, _| {
        if object.name() == "airflow-metadata-connection" {
            let text = decode(&object, "connection").unwrap();
            assert!(
                text.expose()
                    .contains(theirs().get("postgres-password").expose())
            );
        }
        Ok(Applied::Done(object))
    });
    let step = step(cluster);
    let observed = step.observe(&StepContext::default()).await.unwrap();
    let Decision::Act { action, .. } = step.decide(&observed).unwrap() else {
        panic!("nothing is there");
    };
    let outcome = step.perform(action, &StepContext::default()).await.unwrap();
    assert!(
        outcome
            .output
            .material
            .get("fernet-key")
            .same_as(theirs().get("fernet-key"))
    );
}

#[tokio::test]
async fn what_the_chart_alone_left_behind_is_taken_over() {
    let mut fernet = Object::named(&ObjectRef::namespaced(
        "v1",
        "Secret",
        "airflow",
        "airflow-fernet-key",
    ));
    fernet
        .as_map_mut()
        .insert("data".into(), serde_json::json!({"fernet-key": "b2xk"}));
    let step = step(holding(vec![fernet]));
    let observed = step.observe(&StepContext::default()).await.unwrap();
    assert_eq!(observed.material.get("fernet-key").expose(), "old");
    // The first user's password is in no Secret; the release's record has it.
    assert_eq!(observed.material.get("admin-password").expose(), "admin");
    assert_eq!(observed.inherited, 2);
}

#[tokio::test]
async fn a_new_password_is_not_made_for_an_old_database() {
    let claim = ObjectRef::namespaced(
        "v1",
        "PersistentVolumeClaim",
        "airflow",
        "data-airflow-postgresql-0",
    );
    let step = step(holding(vec![Object::named(&claim)]));
    let error = step.observe(&StepContext::default()).await.unwrap_err();
    assert!(
        error.to_string().contains("no Secret holds its password"),
        "{error}"
    );
}

#[tokio::test]
async fn a_secret_that_lacks_a_key_is_not_replaced() {
    let mut secret = theirs().manifest("airflow", "airflow-keys");
    secret.as_map_mut()["data"]
        .as_object_mut()
        .unwrap()
        .remove("fernet-key");
    let step = step(holding(vec![secret]));
    let error = step.observe(&StepContext::default()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Secret airflow/airflow-keys has no `fernet-key`"
    );
}
