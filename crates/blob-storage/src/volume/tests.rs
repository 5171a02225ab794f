//! The documents of S9 and S10, and what a live volume means.

use super::*;

fn source() -> VolumeSource {
    VolumeSource {
        account: "airflowsasa123".into(),
        resource_group: "apache-airflow-rg".into(),
        container: ContainerName::default(),
        cluster: "/subscriptions/s/resourceGroups/rg/…/managedClusters/aks".into(),
    }
}

#[test]
fn the_volume_is_that_of_the_guide_but_for_its_handle() {
    let settings = VolumeSettings::default();
    let handle = settings.handle(&source());
    let volume = settings.volume(&source(), &handle).into_value();
    assert_eq!(
        volume,
        json!({
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "pv-airflow-logs", "labels": {"type": "local"}},
            "spec": {
                "capacity": {"storage": "5Gi"},
                "accessModes": ["ReadWriteMany"],
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": "azureblob-fuse-premium",
                "mountOptions": ["-o allow_other", "--file-cache-timeout-in-seconds=120"],
                "csi": {
                    "driver": "blob.csi.azure.com",
                    "readOnly": false,
                    "volumeHandle": handle,
                    "volumeAttributes": {
                        "resourceGroup": "apache-airflow-rg",
                        "storageAccount": "airflowsasa123",
                        "containerName": "airflow-logs",
                    },
                    "nodeStageSecretRef": {
                        "name": "storage-account-credentials",
                        "namespace": "airflow",
                    },
                },
            },
        })
    );
}

#[test]
fn the_claim_is_that_of_the_guide() {
    assert_eq!(
        VolumeSettings::default().claim().into_value(),
        json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "pvc-airflow-logs", "namespace": "airflow"},
            "spec": {
                "storageClassName": "azureblob-fuse-premium",
                "accessModes": ["ReadWriteMany"],
                "resources": {"requests": {"storage": "5Gi"}},
                "volumeName": "pv-airflow-logs",
            },
        })
    );
}

#[test]
fn handles_differ_by_account_container_cluster_and_namespace_and_by_nothing_else() {
    let base = VolumeSettings::default().handle(&source());
    assert!(base.starts_with("airflowsasa123_airflow-logs_"), "{base}");
    assert!(!base.contains(['#', '/']), "reserved by the driver: {base}");
    let mut sources = [source(), source(), source()];
    sources[0].account = "other".into();
    sources[1].container = "other".parse().unwrap();
    sources[2].cluster = "other".into();
    let mut handles: Vec<String> = sources
        .iter()
        .map(|source| VolumeSettings::default().handle(source))
        .collect();
    handles.push(VolumeSettings::for_namespace("team-b").handle(&source()));
    handles.push(base.clone());
    handles.sort();
    handles.dedup();
    assert_eq!(handles.len(), 5);
    let mut shouted = source();
    shouted.cluster = shouted.cluster.to_uppercase();
    assert_eq!(VolumeSettings::default().handle(&shouted), base);
}

#[test]
fn a_second_environment_has_a_volume_of_its_own() {
    assert_eq!(
        VolumeSettings::for_namespace("airflow").volume,
        "pv-airflow-logs"
    );
    assert_eq!(
        VolumeSettings::for_namespace("team-b").volume,
        "pv-airflow-logs-team-b"
    );
}

#[test]
fn the_guides_handle_is_kept_where_everything_else_agrees() {
    let settings = VolumeSettings::default();
    let ours = settings.handle(&source());
    let mut guide = settings.volume(&source(), "airflow-logs-1");
    assert_eq!(
        settings.handle_beside(&source(), Some(&guide)),
        "airflow-logs-1"
    );
    assert_eq!(settings.handle_beside(&source(), None), ours);
    let csi = guide.as_map_mut()["spec"]["csi"].as_object_mut().unwrap();
    csi.remove("readOnly");
    assert_eq!(
        settings.handle_beside(&source(), Some(&guide)),
        "airflow-logs-1"
    );
    guide.as_map_mut()["spec"]["csi"]["volumeAttributes"]["containerName"] = "other".into();
    assert_eq!(settings.handle_beside(&source(), Some(&guide)), ours);
    let chosen = VolumeSettings {
        handle: Some("mine".into()),
        ..VolumeSettings::default()
    };
    let guide = settings.volume(&source(), "airflow-logs-1");
    assert_eq!(chosen.handle_beside(&source(), Some(&guide)), "mine");
}

#[test]
fn a_volume_is_free_ours_left_behind_or_somebodys() {
    let settings = VolumeSettings::default();
    let live = |claim: Value| {
        let mut volume = settings.volume(&source(), "h");
        if !claim.is_null() {
            volume.as_map_mut()["spec"]["claimRef"] = claim;
        }
        volume
    };
    let ours = json!({"namespace": "airflow", "name": "pvc-airflow-logs", "uid": "u"});
    let reserved = json!({"namespace": "airflow", "name": "pvc-airflow-logs"});
    let theirs = json!({"namespace": "airflow", "name": "other", "uid": "u"});
    let gone = || Holder::OursGone { uid: "u".into() };
    for (claim, uid, holder) in [
        (Value::Null, None, Holder::Nobody),
        (ours.clone(), Some("u"), Holder::Ours),
        (reserved, None, Holder::Ours),
        (ours.clone(), None, gone()),
        (ours, Some("another"), gone()),
        (theirs, Some("u"), Holder::Other("airflow/other".into())),
    ] {
        assert_eq!(
            settings.holder(&live(claim.clone()), uid),
            holder,
            "{claim} {uid:?}"
        );
    }
}
