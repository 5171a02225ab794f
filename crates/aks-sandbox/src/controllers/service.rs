//! Services: the EndpointSlice of the pods they select.

use serde_json::{Value, json};

use super::pass::{Pass, list, matches, owned_by, reference_to, terminating, text};
use super::pod;

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    for service in pass.all("/services") {
        if !terminating(&service)
            && service
                .pointer("/spec/selector")
                .is_some_and(Value::is_object)
        {
            publish(pass, &service);
        }
    }
}

fn publish(pass: &mut Pass<'_>, service: &Value) {
    let namespace = text(service, "/metadata/namespace").to_owned();
    let selector = &service["spec"]["selector"];
    let endpoints: Vec<Value> = pass
        .state
        .store
        .within("/pods", &namespace)
        .filter(|(_, found)| matches(selector, found) && !terminating(found) && !text(found, "/status/podIP").is_empty() && !pod::ended(found))
        .map(|(_, found)| {
            json!({
                "addresses": [found["status"]["podIP"]],
                "conditions": {"ready": pod::ready(found), "serving": pod::ready(found), "terminating": false},
                "targetRef": {"kind": "Pod", "namespace": namespace, "name": found["metadata"]["name"], "uid": found["metadata"]["uid"]},
            })
        })
        .collect();
    let ports: Vec<Value> = list(service, "/spec/ports")
        .iter()
        .map(|port| json!({"name": text(port, "/name"), "port": port.get("targetPort").filter(|target| target.is_number()).unwrap_or(&port["port"]), "protocol": port.get("protocol").cloned().unwrap_or_else(|| "TCP".into())}))
        .collect();
    let known = pass
        .state
        .store
        .within("discovery.k8s.io/endpointslices", &namespace)
        .find(|(_, slice)| owned_by(slice, service))
        .map(|(_, slice)| std::sync::Arc::clone(slice));
    if let Some(slice) = known {
        pass.update("discovery.k8s.io/endpointslices", &slice, |slice| {
            slice["endpoints"] = endpoints.into();
            slice["ports"] = ports.into();
        });
    } else {
        let name = format!(
            "{}-{}",
            text(service, "/metadata/name"),
            pass.state.entropy.suffix(5)
        );
        pass.create(
            "discovery.k8s.io/endpointslices",
            json!({
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": name,
                    "namespace": namespace,
                    "labels": {
                        "kubernetes.io/service-name": service["metadata"]["name"],
                        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                    },
                    "ownerReferences": [reference_to(service)],
                },
                "addressType": "IPv4",
                "endpoints": endpoints,
                "ports": ports,
            }),
        );
    }
}
