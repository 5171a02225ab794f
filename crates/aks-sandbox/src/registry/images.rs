//! Container images of a registry: they exist or not. It owns manifests that name an image without
//! layers; it refuses to run or store one.

use bytes::Bytes;
use serde_json::json;

use crate::azure::AzureState;
use crate::world::Faults;

/// A manifest, its media type and its digest.
pub(super) type Manifest = (Bytes, &'static str, String);

/// The manifest of `host/repository:reference`, where `reference` is a tag or the manifest's digest.
pub(super) fn manifest(
    state: &AzureState,
    faults: &Faults,
    host: &str,
    repository: &str,
    reference: &str,
) -> Option<Manifest> {
    let prefix = format!("{host}/{repository}:");
    state
        .images
        .range(prefix.clone()..)
        .take_while(|image| image.starts_with(&prefix))
        .filter(|image| !faults.missing_images.contains(*image))
        .find_map(|image| {
            let made = made(image);
            (image[prefix.len()..] == *reference || made.2 == reference).then_some(made)
        })
}

/// The tags of a repository.
pub(super) fn tags(state: &AzureState, host: &str, repository: &str) -> Vec<String> {
    let prefix = format!("{host}/{repository}:");
    state
        .images
        .range(prefix.clone()..)
        .take_while(|image| image.starts_with(&prefix))
        .map(|image| image[prefix.len()..].to_owned())
        .collect()
}

fn made(image: &str) -> Manifest {
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let config = json!({"architecture": "amd64", "os": "linux", "sandbox": image}).to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": format!("sha256:{}", super::charts::hex(config.as_bytes())),
            "size": config.len(),
        },
        "layers": [],
    })
    .to_string();
    let digest = format!("sha256:{}", super::charts::hex(manifest.as_bytes()));
    (manifest.into(), media_type, digest)
}
