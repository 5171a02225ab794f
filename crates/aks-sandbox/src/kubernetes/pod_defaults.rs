//! The defaults of pods and pod templates (`k8s.io/kubernetes/pkg/apis/core/v1/defaults.go`).

use serde_json::{Map, Value};

use super::defaults::{each, set, table};

/// The template of a workload's `spec`.
pub(super) fn template(spec: &mut Value) {
    let template = table(spec, "template");
    if template.get("spec").is_some_and(Value::is_object) {
        pod_spec(&mut template["spec"]);
    }
}

/// A pod's `spec`.
pub(super) fn pod_spec(spec: &mut Value) {
    set(spec, "restartPolicy", "Always");
    set(spec, "dnsPolicy", "ClusterFirst");
    set(spec, "schedulerName", "default-scheduler");
    set(spec, "terminationGracePeriodSeconds", 30);
    set(spec, "securityContext", Map::new());
    // The deprecated alias follows the name, as conversion makes it.
    if let Some(account) = spec
        .get("serviceAccountName")
        .filter(|name| name.as_str().is_some_and(|name| !name.is_empty()))
        .cloned()
    {
        spec["serviceAccount"] = account;
    }
    for containers in ["initContainers", "containers"] {
        for container in each(spec, containers) {
            container_defaults(container);
        }
    }
    for volume in each(spec, "volumes") {
        volume_defaults(volume);
    }
}

fn container_defaults(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    let latest = !image.contains('@') && (!name.contains(':') || name.ends_with(":latest"));
    set(
        container,
        "imagePullPolicy",
        if latest { "Always" } else { "IfNotPresent" },
    );
    set(container, "terminationMessagePath", "/dev/termination-log");
    set(container, "terminationMessagePolicy", "File");
    set(container, "resources", Map::new());
    for port in each(container, "ports") {
        set(port, "protocol", "TCP");
    }
    for variable in each(container, "env") {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            set(field, "apiVersion", "v1");
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) else {
            continue;
        };
        set(probe, "timeoutSeconds", 1);
        set(probe, "periodSeconds", 10);
        set(probe, "successThreshold", 1);
        set(probe, "failureThreshold", 3);
        if let Some(get) = probe.get_mut("httpGet") {
            set(get, "path", "/");
            set(get, "scheme", "HTTP");
        }
    }
    // Limits without requests are requests too.
    let limits = container
        .pointer("/resources/limits")
        .and_then(Value::as_object)
        .cloned();
    for (name, amount) in limits.into_iter().flatten() {
        set(
            table(&mut container["resources"], "requests"),
            &name,
            amount,
        );
    }
}

fn volume_defaults(volume: &mut Value) {
    if volume.as_object().is_some_and(|map| map.len() == 1) {
        set(volume, "emptyDir", Map::new());
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(source).filter(|source| source.is_object()) {
            set(source, "defaultMode", 420);
        }
    }
    if let Some(path) = volume.get_mut("hostPath").filter(|path| path.is_object()) {
        set(path, "type", "");
    }
    if let Some(projected) = volume.get_mut("projected") {
        for source in each(projected, "sources") {
            if let Some(token) = source.get_mut("serviceAccountToken") {
                set(token, "expirationSeconds", 3600);
            }
        }
    }
    if let Some(items) = volume.get_mut("downwardAPI") {
        for item in each(items, "items") {
            if let Some(field) = item.get_mut("fieldRef") {
                set(field, "apiVersion", "v1");
            }
        }
    }
}
