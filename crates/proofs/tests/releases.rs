//! The release engine over the sandbox, at wire level through the real client: every behaviour of
//! its conformance suite, and a client that dies at any request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aks_sandbox::Sandbox;
use converge::Observer;
use helm_release::conformance::dying::{Death, Dying};
use helm_release::conformance::{Subject, chart};
use helm_release::{
    ClusterReleases, Policy, ReleaseError, ReleaseIntent, Releases, UninstallOptions,
};
use kube_cluster::{
    Cluster, ConnectOptions, Created, Kind, KubeCluster, Object, ObjectRef, Query, WriteOptions,
};
use serde_json::{Value, json};

static NAMESPACES: AtomicU32 = AtomicU32::new(0);

async fn setup() -> Subject {
    let sandbox = Sandbox::seeded(7);
    let cluster = KubeCluster::with_connector(
        sandbox.connector(),
        &sandbox.api_url(),
        ConnectOptions::default(),
    )
    .unwrap();
    let namespace = format!("suite-{}", NAMESPACES.fetch_add(1, Ordering::Relaxed));
    let object = Object::named(&ObjectRef::cluster_wide("v1", "Namespace", &namespace));
    let created = cluster.create(object, WriteOptions::default()).await;
    assert!(matches!(created, Ok(Created::New(_))));
    let mut subject = Subject::new(Arc::new(cluster), namespace);
    subject.guard = Box::new(sandbox);
    subject
}

helm_release::releases_conformance!(setup());

/// What a run does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Install,
    Upgrade,
    Uninstall,
}

fn engine(cluster: Arc<dyn Cluster>, holder: &str) -> ClusterReleases {
    ClusterReleases::new(cluster)
        .with_holder(holder)
        .with_luck(|| [7; 32])
}

fn intent(subject: &Subject, values: Value) -> ReleaseIntent {
    let id = subject.id();
    let mut intent = ReleaseIntent::new(id.name, id.namespace, Arc::new(chart()));
    intent.values = values;
    intent
}

async fn perform(
    act: Act,
    subject: &Subject,
    releases: &ClusterReleases,
) -> Result<(), ReleaseError> {
    let values = match act {
        Act::Install => json!({"hooks": {"early": 0}}),
        Act::Upgrade => json!({"hooks": {"early": 0}, "greeting": "new", "extra": true}),
        Act::Uninstall => {
            let options = UninstallOptions::default();
            let ended = releases.uninstall(subject.id(), options, Observer::default());
            return ended.await.map(drop);
        }
    };
    let intent = intent(subject, values);
    let applied = releases.apply(intent, Policy::default(), Observer::default());
    applied.await.map(drop)
}

async fn prepared(act: Act) -> Subject {
    let subject = setup().await;
    if !matches!(act, Act::Install) {
        let releases = engine(Arc::clone(&subject.cluster), "before");
        perform(Act::Install, &subject, &releases).await.unwrap();
    }
    subject
}

/// The end of a run: what ConfigMaps and Secrets hold, and the history. A client that dies after
/// its last write leaves its Lease, which runs out by itself.
async fn end(subject: &Subject) -> BTreeMap<String, Value> {
    let mut end = BTreeMap::new();
    for kind in [Kind::new("v1", "ConfigMap"), Kind::new("v1", "Secret")] {
        let query = Query::all(kind, Some(subject.namespace.clone()));
        for object in subject.cluster.list(query).await.unwrap().items {
            let is_record = object.text("/type") == Some("helm.sh/release.v1");
            let content = match object.at("/data") {
                Some(data) if !is_record => data.clone(),
                _ => Value::Null,
            };
            let kind = object.kind().kind;
            end.insert(format!("{kind} {}", object.name()), content);
        }
    }
    let releases = engine(Arc::clone(&subject.cluster), "looking");
    for one in releases.history(subject.id()).await.unwrap() {
        let status = format!("{} {}", one.status, one.description);
        end.insert(format!("revision {}", one.revision), status.into());
    }
    end
}

async fn every_death_converges(act: Act) {
    let subject = prepared(act).await;
    let counting = Dying::new(Arc::clone(&subject.cluster), None);
    let releases = engine(Arc::new(counting.clone()), "first");
    perform(act, &subject, &releases).await.unwrap();
    let expected = end(&subject).await;
    assert!(
        counting.requests() > 10,
        "{act:?} makes {}",
        counting.requests()
    );

    for at in 0..counting.requests() {
        for after_effect in [false, true] {
            let death = Death { at, after_effect };
            let subject = prepared(act).await;
            let dying = Dying::new(Arc::clone(&subject.cluster), Some(death));
            let first = engine(Arc::new(dying.clone()), "first");
            let outcome = dying.run(perform(act, &subject, &first)).await;
            assert!(outcome.is_none_or(|done| done.is_ok()), "{act:?} {death:?}");
            let second = engine(Arc::clone(&subject.cluster), "second");
            if let Err(error) = perform(act, &subject, &second).await {
                panic!("{act:?} {death:?}: {error:?}");
            }
            assert_eq!(end(&subject).await, expected, "{act:?} {death:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_install_that_dies_at_any_request_converges() {
    every_death_converges(Act::Install).await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_dies_at_any_request_converges() {
    every_death_converges(Act::Upgrade).await;
}

#[tokio::test(start_paused = true)]
async fn an_uninstall_that_dies_at_any_request_converges() {
    every_death_converges(Act::Uninstall).await;
}
