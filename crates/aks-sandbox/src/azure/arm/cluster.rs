//! AKS clusters as resources. It owns what a caller reads of them and their credentials; it refuses
//! to run them: that is the Kubernetes half of the world.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::store::{Made, need_location};
use super::{Named, Reply};
use crate::azure::state::last;
use crate::azure::{AzureState, Resource};

pub(super) fn cluster(
    state: &mut AzureState,
    named: &Named,
    body: &mut Value,
) -> Result<Made, Reply> {
    need_location(body)?;
    let old = state
        .resource(&named.id)
        .map(|old| old.body["properties"].clone());
    let location = body["location"].as_str().unwrap_or_default().to_owned();
    let issuer = state.issuer_url().to_owned();
    let kubelet = json!({
        "clientId": state.new_guid("kubelet client"),
        "objectId": state.new_guid("kubelet object"),
    });
    if !body["properties"].is_object() {
        body["properties"] = json!({});
    }
    let properties = &mut body["properties"];
    if old
        .as_ref()
        .is_some_and(|old| old["oidcIssuerProfile"]["enabled"] == true)
        && properties["oidcIssuerProfile"]["enabled"] == false
    {
        let message = "OIDC issuer feature can not be disabled once it is enabled.";
        return Err(Reply::refusal(
            400,
            "OIDCIssuerUnsupportedOperation",
            message,
        ));
    }
    if properties["oidcIssuerProfile"]["enabled"] == true {
        properties["oidcIssuerProfile"]["issuerURL"] = issuer.into();
    }
    let kept = |field: &str, fresh: Value| {
        old.as_ref()
            .map(|old| old[field].clone())
            .filter(|value| !value.is_null())
            .unwrap_or(fresh)
    };
    let name = &named.name;
    let group = named.group.rsplit('/').next().unwrap_or_default();
    properties["fqdn"] = kept("fqdn", format!("{name}.hcp.{location}.azmk8s.io").into());
    properties["nodeResourceGroup"] = kept(
        "nodeResourceGroup",
        format!("MC_{group}_{name}_{location}").into(),
    );
    properties["identityProfile"] = kept("identityProfile", json!({"kubeletidentity": kubelet}));
    properties["powerState"] = json!({"code": "Running"});
    properties["provisioningState"] = "Succeeded".into();
    Ok(Made {
        settles: state.delays.cluster,
        ..Made::default()
    })
}

/// `listClusterUserCredential` and its administrator's sibling.
pub(super) fn credential(
    state: &AzureState,
    cluster: &Resource,
    action: &str,
) -> Result<Reply, Reply> {
    let properties = &cluster.body["properties"];
    let admin = action == "listClusterAdminCredential";
    if admin && properties["disableLocalAccounts"] == true {
        return Err(Reply::refusal(
            400,
            "BadRequest",
            "Getting static credential is not allowed because this cluster is set to disable \
             local accounts.",
        ));
    }
    let name = last(&cluster.id);
    let kubeconfig = state
        .kubeconfigs
        .get(&name.to_ascii_lowercase())
        .cloned()
        .unwrap_or_else(|| default_kubeconfig(name, properties["fqdn"].as_str().unwrap_or(name)));
    let who = if admin { "clusterAdmin" } else { "clusterUser" };
    Ok(Reply::json(
        200,
        &json!({"kubeconfigs": [{"name": who, "value": STANDARD.encode(kubeconfig)}]}),
    ))
}

/// A kubeconfig for a cluster the world has not described: its address and an obviously fake token.
fn default_kubeconfig(name: &str, host: &str) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": format!("https://{host}:443")}}],
        "users": [{"name": "clusterUser", "user": {"token": "aks-sandbox"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "clusterUser"}}],
        "current-context": name,
    })
    .to_string()
}
