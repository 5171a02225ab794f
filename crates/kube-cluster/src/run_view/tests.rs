//! What a run asks, over a mocked cluster that refuses every question it is not told to expect.

use serde_json::json;

use super::*;
use crate::MockCluster;

fn namespace() -> ObjectRef {
    ObjectRef::cluster_wide("v1", "Namespace", "airflow")
}

fn secret() -> ObjectRef {
    ObjectRef::namespaced("v1", "Secret", "airflow", "keys")
}

fn dry_run() -> ApplyOptions {
    ApplyOptions {
        dry_run: true,
        ..ApplyOptions::default()
    }
}

#[tokio::test]
async fn equal_questions_go_out_once_while_a_run_looks_and_each_time_once_it_acts() {
    let mut cluster = MockCluster::new();
    cluster
        .expect_get()
        .times(3)
        .returning(|target| Ok(Some(Object::named(&target))));
    let view = RunView::new(Arc::new(cluster));
    let (one, other) = futures::join!(view.get(secret()), view.get(secret()));
    assert!(one.unwrap().is_some() && other.unwrap().is_some());
    assert!(view.get(secret()).await.unwrap().is_some());
    view.act();
    view.get(secret()).await.unwrap();
    view.get(secret()).await.unwrap();
}

#[tokio::test]
async fn an_object_that_a_probe_shows_in_another_version_is_read_again() {
    let at = |version: &str| {
        let mut object = Object::named(&secret()).as_map().clone();
        object["metadata"]["resourceVersion"] = version.into();
        Object::from_value(Value::Object(object)).unwrap()
    };
    let (older, newer) = (at("1"), at("2"));
    let mut cluster = MockCluster::new();
    let mut reads = vec![newer.clone(), older.clone()];
    cluster
        .expect_get()
        .times(2)
        .returning(move |_| Ok(reads.pop()));
    let mut probes = vec![newer.clone(), older.clone()];
    cluster
        .expect_apply()
        .times(2)
        .returning(move |_, _| Ok(Applied::Done(probes.pop().unwrap())));
    let view = RunView::new(Arc::new(cluster));
    for expected in [older, newer] {
        view.get(secret()).await.unwrap();
        view.apply(Object::named(&secret()), dry_run())
            .await
            .unwrap();
        let read = view.get(secret()).await.unwrap().unwrap();
        assert_eq!(read.resource_version(), expected.resource_version());
    }
}

#[tokio::test]
async fn nothing_is_asked_about_a_namespace_that_is_not_there() {
    let mut cluster = MockCluster::new();
    cluster.expect_get().times(1).returning(|_| Ok(None));
    let view = RunView::new(Arc::new(cluster));
    assert!(view.get(namespace()).await.unwrap().is_none());
    assert!(view.get(secret()).await.unwrap().is_none());
    let all = Query::all(Kind::new("v1", "Secret"), Some("airflow".into()));
    assert!(view.list(all).await.unwrap().items.is_empty());
    let error = view.apply(Object::named(&secret()), dry_run()).await;
    assert!(matches!(
        error.unwrap_err().kind,
        ClusterErrorKind::NamespaceMissing(name) if name == "airflow"
    ));
}

#[tokio::test]
async fn single_objects_of_a_gathered_kind_share_one_list_until_the_run_acts() {
    let all = || Query::all(Kind::new("v1", "Secret"), Some("airflow".into()));
    let other = ObjectRef::namespaced("v1", "Secret", "airflow", "other");
    let mut cluster = MockCluster::new();
    cluster.expect_list().times(1).returning(|_| {
        Ok(ObjectList {
            items: vec![Object::named(&secret())],
            resource_version: "1".into(),
        })
    });
    // Once after a probe, and once for the run that acts.
    cluster
        .expect_get()
        .times(2)
        .returning(|target| Ok(Some(Object::named(&target))));
    cluster
        .expect_apply()
        .times(1)
        .returning(|object, _| Ok(Applied::Done(object)));
    let view = RunView::new(Arc::new(cluster));
    view.gather(all());
    let (one, none) = futures::join!(view.get(secret()), view.get(other.clone()));
    assert!(one.unwrap().is_some() && none.unwrap().is_none());
    assert_eq!(view.list(all()).await.unwrap().items.len(), 1);
    view.apply(Object::named(&other), dry_run()).await.unwrap();
    assert!(view.get(other.clone()).await.unwrap().is_some());
    view.act();
    assert!(view.get(other).await.unwrap().is_some());
}

#[tokio::test]
async fn without_the_right_to_list_each_object_is_read() {
    let mut cluster = MockCluster::new();
    cluster.expect_list().times(1).returning(|_| {
        let kind = ClusterErrorKind::Forbidden("no".into());
        Err(ClusterError::new("list", "secrets", kind))
    });
    cluster.expect_get().times(2).returning(|_| Ok(None));
    let view = RunView::new(Arc::new(cluster));
    view.gather(Query::all(
        Kind::new("v1", "Secret"),
        Some("airflow".into()),
    ));
    for name in ["a", "b"] {
        let target = ObjectRef::namespaced("v1", "Secret", "airflow", name);
        assert!(view.get(target).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn what_is_looked_for_ahead_is_not_asked_for_again() {
    let volumes = || Query::all(Kind::new("v1", "PersistentVolume"), None);
    let secrets = || Query::all(Kind::new("v1", "Secret"), Some("airflow".into()));
    for is_there in [true, false] {
        let mut cluster = MockCluster::new();
        let found = is_there.then(|| Object::named(&namespace()));
        cluster
            .expect_get()
            .times(1)
            .returning(move |_| Ok(found.clone()));
        let lists = if is_there { 2 } else { 1 };
        cluster
            .expect_list()
            .times(lists)
            .returning(|_| Ok(ObjectList::default()));
        let view = RunView::new(Arc::new(cluster));
        view.gather(volumes());
        view.gather(secrets());
        view.look_ahead().await;
        assert!(view.get(secret()).await.unwrap().is_none());
        assert!(view.list(volumes()).await.is_ok());
        assert!(view.list(secrets()).await.is_ok());
    }
}

#[tokio::test]
async fn a_list_that_was_refused_ahead_is_not_asked_for_again() {
    let mut cluster = MockCluster::new();
    cluster.expect_list().times(1).returning(|_| {
        let kind = ClusterErrorKind::Forbidden("no".into());
        Err(ClusterError::new("list", "volumes", kind))
    });
    cluster.expect_get().times(1).returning(|_| Ok(None));
    let view = RunView::new(Arc::new(cluster));
    view.gather(Query::all(Kind::new("v1", "PersistentVolume"), None));
    view.look_ahead().await;
    let volume = ObjectRef::cluster_wide("v1", "PersistentVolume", "v");
    assert!(view.get(volume).await.unwrap().is_none());
}

#[tokio::test]
async fn once_a_run_acts_a_missing_namespace_is_asked_about_again() {
    let mut cluster = MockCluster::new();
    cluster.expect_get().times(2).returning(|_| Ok(None));
    let view = RunView::new(Arc::new(cluster));
    view.get(namespace()).await.unwrap();
    view.act();
    view.get(secret()).await.unwrap();
}

#[tokio::test]
async fn a_definition_that_is_applied_is_served_and_one_that_is_deleted_asks_again() {
    let mut cluster = MockCluster::new();
    cluster
        .expect_discover()
        .times(2)
        .returning(|| Ok(Discovery::default()));
    cluster
        .expect_apply()
        .returning(|object, _| Ok(Applied::Done(object)));
    cluster.expect_delete().returning(|_, _| Ok(Deleted::Gone));
    let view = RunView::new(Arc::new(cluster));
    assert!(view.discover().await.unwrap().resources.is_empty());
    view.act();
    let definition = Object::from_value(json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "as.g"},
        "spec": {"group": "g", "scope": "Namespaced", "names": {"kind": "A", "plural": "as"},
            "versions": [{"name": "v1", "served": true}, {"name": "v0", "served": false}]},
    }))
    .unwrap();
    let target = definition.reference();
    view.apply(definition, ApplyOptions::default())
        .await
        .unwrap();
    let served = view.discover().await.unwrap().resources;
    assert_eq!(served.len(), 1);
    assert_eq!(served[0].kind, Kind::new("g/v1", "A"));
    view.delete(target, DeleteOptions::default()).await.unwrap();
    assert!(view.discover().await.unwrap().resources.is_empty());
}

#[tokio::test]
async fn a_question_that_failed_is_asked_again() {
    let mut cluster = MockCluster::new();
    let mut tries = 0;
    cluster.expect_get().times(2).returning(move |target| {
        tries += 1;
        if tries == 1 {
            let kind = ClusterErrorKind::Conflict("busy".into());
            return Err(ClusterError::about("read", &target, kind));
        }
        Ok(None)
    });
    let view = RunView::new(Arc::new(cluster));
    assert!(view.get(secret()).await.is_err());
    assert!(view.get(secret()).await.unwrap().is_none());
}

#[tokio::test]
async fn lists_that_differ_in_one_label_share_a_list_while_a_run_looks() {
    let labelled = |name: &str| {
        let mut object = Object::named(&secret());
        object.set_label("name", name);
        object
    };
    let all = || Query::all(Kind::new("v1", "Secret"), Some("airflow".into()));
    let of = |name: &str| all().with_labels(format!("owner=helm,name={name}"));
    let mut cluster = MockCluster::new();
    let whole = all().with_labels("owner=helm,name in (one,two)");
    cluster
        .expect_list()
        .withf(move |query| *query == whole)
        .times(1)
        .returning(move |_| {
            Ok(ObjectList {
                items: vec![labelled("one"), labelled("two"), labelled("one")],
                resource_version: "7".into(),
            })
        });
    let alone = of("one");
    cluster
        .expect_list()
        .withf(move |query| *query == alone)
        .times(1)
        .returning(|_| Ok(ObjectList::default()));
    let view = RunView::new(Arc::new(cluster));
    let names = ["one".to_owned(), "two".to_owned()];
    view.gather_by_label(
        &Kind::new("v1", "Secret"),
        Some("airflow"),
        "owner=helm",
        "name",
        &names,
    );
    for (name, count) in [("one", 2), ("two", 1)] {
        let list = view.list(of(name)).await.unwrap();
        assert_eq!(list.items.len(), count);
        assert_eq!(list.resource_version, "7");
    }
    view.act();
    assert!(view.list(of("one")).await.unwrap().items.is_empty());
}
