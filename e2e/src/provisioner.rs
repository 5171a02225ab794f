//! The provisioner of AKS' storage classes: binds a volume that holds nothing to each claim of
//! them. It owns the part of `disk.csi.azure.com` and `file.csi.azure.com`; binding, protection and
//! scheduling are the real controllers'.

use serde_json::{Value, json};

use crate::api::{Api, ApiError};

const CLAIMS: &str = "/api/v1/persistentvolumeclaims?resourceVersion=0";
const VOLUMES: &str = "/api/v1/persistentvolumes";
/// Who a volume was made by; also what the volume controller asks a provisioner with.
const ASKED: &str = "volume.kubernetes.io/storage-provisioner";
const MADE_BY: &str = "pv.kubernetes.io/provisioned-by";

/// What an AKS cluster has: the storage classes and the drivers of blob, disk and file.
///
/// # Errors
/// When they cannot be made.
pub(crate) async fn install(api: &Api) -> Result<(), ApiError> {
    for (name, driver, binding, is_default) in [
        (
            "default",
            "disk.csi.azure.com",
            "WaitForFirstConsumer",
            true,
        ),
        (
            "managed-csi",
            "disk.csi.azure.com",
            "WaitForFirstConsumer",
            false,
        ),
        ("azurefile-csi", "file.csi.azure.com", "Immediate", false),
        (
            "azureblob-fuse-premium",
            "blob.csi.azure.com",
            "Immediate",
            false,
        ),
    ] {
        let class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": name, "annotations": {
                "storageclass.kubernetes.io/is-default-class": is_default.to_string(),
            }},
            "provisioner": driver, "volumeBindingMode": binding, "reclaimPolicy": "Delete",
        });
        api.post("/apis/storage.k8s.io/v1/storageclasses", &class)
            .await?;
    }
    for name in [
        "blob.csi.azure.com",
        "disk.csi.azure.com",
        "file.csi.azure.com",
    ] {
        let driver = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver",
            "metadata": {"name": name}, "spec": {"attachRequired": false},
        });
        api.post("/apis/storage.k8s.io/v1/csidrivers", &driver)
            .await?;
    }
    Ok(())
}

/// One look: a volume for each claim that waits for one, and released volumes go.
///
/// # Errors
/// When the server refuses or cannot be asked.
pub(crate) async fn pass(api: &Api) -> Result<(), ApiError> {
    for claim in api.items(CLAIMS).await? {
        let driver = claim["metadata"]["annotations"][ASKED].as_str();
        let (Some(driver), "Pending") = (driver, text(&claim, "/status/phase")) else {
            continue;
        };
        // The blob class is for static volumes here.
        if driver != "blob.csi.azure.com" {
            provision(api, &claim, driver).await?;
        }
    }
    for volume in api.items(&format!("{VOLUMES}?resourceVersion=0")).await? {
        let ours = volume["metadata"]["annotations"][MADE_BY].is_string();
        if ours && volume["status"]["phase"] == "Released" {
            let name = text(&volume, "/metadata/name");
            api.delete(&format!("{VOLUMES}/{name}")).await?;
        }
    }
    Ok(())
}

async fn provision(api: &Api, claim: &Value, driver: &str) -> Result<(), ApiError> {
    let meta = &claim["metadata"];
    let name = format!("pvc-{}", text(claim, "/metadata/uid"));
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {MADE_BY: driver}},
        "spec": {
            "capacity": claim["spec"]["resources"]["requests"],
            "accessModes": claim["spec"]["accessModes"],
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": claim["spec"]["storageClassName"],
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": meta["namespace"], "name": meta["name"],
                "uid": meta["uid"], "resourceVersion": meta["resourceVersion"],
            },
            "csi": {"driver": driver, "volumeHandle": name},
        },
    });
    match api.post(VOLUMES, &volume).await {
        // Made by an earlier look; the binder has not come round yet.
        Err(ApiError::Refused { status: 409, .. }) => Ok(()),
        other => other.map(drop),
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
