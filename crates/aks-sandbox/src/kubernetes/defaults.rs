//! What the server fills in: the defaults of the built-in kinds that clients meet when they compare
//! declared with live objects (`k8s.io/kubernetes/pkg/apis/*/v1/defaults.go`, 1.33).

use serde_json::{Map, Value, json};

use super::pod_defaults::{pod_spec, template};

/// Sets a field that is absent or null.
pub(super) fn set(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(map) = object.as_object_mut() {
        let slot = map.entry(key).or_insert(Value::Null);
        if slot.is_null() {
            *slot = value.into();
        }
    }
}

/// The table under a key, made if absent.
pub(super) fn table<'v>(object: &'v mut Value, key: &str) -> &'v mut Value {
    set(object, key, Map::new());
    &mut object[key]
}

/// The items of a list, nothing if it is none.
pub(super) fn each<'v>(object: &'v mut Value, key: &str) -> impl Iterator<Item = &'v mut Value> {
    object
        .get_mut(key)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

/// Fills in the defaults of a built-in object; leaves unknown kinds alone.
pub(crate) fn fill(kind: &str, object: &mut Value) {
    if matches!(
        kind,
        "Deployment"
            | "ReplicaSet"
            | "StatefulSet"
            | "DaemonSet"
            | "Job"
            | "CronJob"
            | "Pod"
            | "Service"
            | "PersistentVolumeClaim"
            | "PersistentVolume"
            | "HorizontalPodAutoscaler"
    ) && object.get("spec").is_none_or(|spec| !spec.is_object())
    {
        return;
    }
    match kind {
        "Pod" => {
            set(&mut object["spec"], "enableServiceLinks", true);
            pod_spec(&mut object["spec"]);
        }
        "Deployment" => deployment(&mut object["spec"]),
        "ReplicaSet" => {
            set(&mut object["spec"], "replicas", 1);
            template(&mut object["spec"]);
        }
        "StatefulSet" => stateful_set(&mut object["spec"]),
        "DaemonSet" => daemon_set(&mut object["spec"]),
        "Job" => job(&mut object["spec"]),
        "CronJob" => cron_job(&mut object["spec"]),
        "Service" => service(&mut object["spec"]),
        "PersistentVolumeClaim" => set(&mut object["spec"], "volumeMode", "Filesystem"),
        "PersistentVolume" => {
            set(
                &mut object["spec"],
                "persistentVolumeReclaimPolicy",
                "Retain",
            );
            set(&mut object["spec"], "volumeMode", "Filesystem");
            // `omitempty` in the type: the server keeps no `readOnly: false`.
            let source = object
                .pointer_mut("/spec/csi")
                .and_then(Value::as_object_mut);
            if let Some(source) = source
                && source.get("readOnly") == Some(&Value::Bool(false))
            {
                source.remove("readOnly");
            }
        }
        "Secret" => secret(object),
        "RoleBinding" | "ClusterRoleBinding" => binding(object),
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => webhooks(kind, object),
        "StorageClass" => {
            set(object, "reclaimPolicy", "Delete");
            set(object, "volumeBindingMode", "Immediate");
        }
        "CustomResourceDefinition" => definition(object),
        "NetworkPolicy" => network_policy(object),
        "HorizontalPodAutoscaler" => set(&mut object["spec"], "minReplicas", 1),
        "Ingress" => {
            for rule in each(table(object, "spec"), "rules") {
                if let Some(http) = rule.get_mut("http") {
                    for path in each(http, "paths") {
                        set(path, "pathType", "ImplementationSpecific");
                    }
                }
            }
        }
        _ => {}
    }
}

fn deployment(spec: &mut Value) {
    set(spec, "replicas", 1);
    set(spec, "revisionHistoryLimit", 10);
    set(spec, "progressDeadlineSeconds", 600);
    let strategy = table(spec, "strategy");
    set(strategy, "type", "RollingUpdate");
    if strategy["type"] == "RollingUpdate" {
        let rolling = table(strategy, "rollingUpdate");
        set(rolling, "maxUnavailable", "25%");
        set(rolling, "maxSurge", "25%");
    }
    template(spec);
}

fn stateful_set(spec: &mut Value) {
    set(spec, "replicas", 1);
    set(spec, "podManagementPolicy", "OrderedReady");
    set(spec, "revisionHistoryLimit", 10);
    set(spec, "serviceName", "");
    let strategy = table(spec, "updateStrategy");
    set(strategy, "type", "RollingUpdate");
    if strategy["type"] == "RollingUpdate" {
        set(table(strategy, "rollingUpdate"), "partition", 0);
    }
    let retention = table(spec, "persistentVolumeClaimRetentionPolicy");
    set(retention, "whenDeleted", "Retain");
    set(retention, "whenScaled", "Retain");
    for claim in each(spec, "volumeClaimTemplates") {
        set(claim, "apiVersion", "v1");
        set(claim, "kind", "PersistentVolumeClaim");
        set(table(claim, "spec"), "volumeMode", "Filesystem");
        set(table(claim, "status"), "phase", "Pending");
    }
    template(spec);
}

fn daemon_set(spec: &mut Value) {
    set(spec, "revisionHistoryLimit", 10);
    let strategy = table(spec, "updateStrategy");
    set(strategy, "type", "RollingUpdate");
    if strategy["type"] == "RollingUpdate" {
        let rolling = table(strategy, "rollingUpdate");
        set(rolling, "maxUnavailable", 1);
        set(rolling, "maxSurge", 0);
    }
    template(spec);
}

fn job(spec: &mut Value) {
    if spec.get("completions").is_none_or(Value::is_null)
        && spec.get("parallelism").is_none_or(Value::is_null)
    {
        set(spec, "completions", 1);
    }
    set(spec, "parallelism", 1);
    set(spec, "backoffLimit", 6);
    set(spec, "completionMode", "NonIndexed");
    set(spec, "suspend", false);
    set(
        spec,
        "podReplacementPolicy",
        if spec.get("podFailurePolicy").is_some() {
            "Failed"
        } else {
            "TerminatingOrFailed"
        },
    );
    template(spec);
}

fn cron_job(spec: &mut Value) {
    set(spec, "concurrencyPolicy", "Allow");
    set(spec, "suspend", false);
    set(spec, "successfulJobsHistoryLimit", 3);
    set(spec, "failedJobsHistoryLimit", 1);
    let jobs = table(table(spec, "jobTemplate"), "spec");
    template(jobs);
}

fn service(spec: &mut Value) {
    set(spec, "type", "ClusterIP");
    set(spec, "sessionAffinity", "None");
    let external = spec["type"] == "ExternalName";
    if !external {
        set(spec, "internalTrafficPolicy", "Cluster");
        set(spec, "ipFamilies", json!(["IPv4"]));
        set(spec, "ipFamilyPolicy", "SingleStack");
    }
    if spec["type"] == "NodePort" || spec["type"] == "LoadBalancer" {
        set(spec, "externalTrafficPolicy", "Cluster");
    }
    if spec["type"] == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", true);
    }
    for port in each(spec, "ports") {
        set(port, "protocol", "TCP");
        let same = port["port"].clone();
        set(port, "targetPort", same);
    }
}

fn secret(object: &mut Value) {
    set(object, "type", "Opaque");
    let Some(plain) = object
        .as_object_mut()
        .and_then(|map| map.remove("stringData"))
    else {
        return;
    };
    for (key, value) in plain.as_object().into_iter().flatten() {
        use base64::Engine as _;
        let encoded =
            base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
        table(object, "data")[key] = encoded.into();
    }
}

fn binding(object: &mut Value) {
    if let Some(role) = object.get_mut("roleRef") {
        set(role, "apiGroup", "rbac.authorization.k8s.io");
    }
    for subject in each(object, "subjects") {
        if subject["kind"] != "ServiceAccount" {
            set(subject, "apiGroup", "rbac.authorization.k8s.io");
        }
    }
}

fn webhooks(kind: &str, object: &mut Value) {
    for hook in each(object, "webhooks") {
        set(hook, "failurePolicy", "Fail");
        set(hook, "matchPolicy", "Equivalent");
        set(hook, "namespaceSelector", Map::new());
        set(hook, "objectSelector", Map::new());
        set(hook, "timeoutSeconds", 10);
        if kind == "MutatingWebhookConfiguration" {
            set(hook, "reinvocationPolicy", "Never");
        }
        if let Some(service) = hook.pointer_mut("/clientConfig/service") {
            set(service, "port", 443);
        }
        for rule in each(hook, "rules") {
            set(rule, "scope", "*");
        }
    }
}

fn definition(object: &mut Value) {
    let spec = table(object, "spec");
    set(table(spec, "conversion"), "strategy", "None");
    let names = table(spec, "names");
    let kind = names["kind"].as_str().unwrap_or_default().to_owned();
    set(names, "singular", kind.to_ascii_lowercase());
    set(names, "listKind", format!("{kind}List"));
}

fn network_policy(object: &mut Value) {
    let spec = table(object, "spec");
    let mut types = vec!["Ingress"];
    if spec.get("egress").is_some_and(|egress| !egress.is_null()) {
        types.push("Egress");
    }
    set(spec, "policyTypes", json!(types));
    for direction in ["ingress", "egress"] {
        for rule in each(spec, direction) {
            for port in each(rule, "ports") {
                set(port, "protocol", "TCP");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_gets_what_a_cluster_gives_it() {
        let mut object = json!({"spec": {"template": {"spec": {"containers": [{
            "name": "web", "image": "x/y:1", "ports": [{"containerPort": 80}],
            "readinessProbe": {"httpGet": {"port": 80}},
        }]}}}});
        fill("Deployment", &mut object);
        let spec = &object["spec"];
        assert_eq!(spec["strategy"]["rollingUpdate"]["maxSurge"], "25%");
        let pod = &spec["template"]["spec"];
        assert_eq!(
            (&pod["restartPolicy"], &pod["dnsPolicy"]),
            (&json!("Always"), &json!("ClusterFirst"))
        );
        let container = &pod["containers"][0];
        assert_eq!(container["imagePullPolicy"], "IfNotPresent");
        assert_eq!(container["ports"][0]["protocol"], "TCP");
        assert_eq!(
            container["readinessProbe"]["httpGet"],
            json!({"port": 80, "path": "/", "scheme": "HTTP"})
        );
        let before = object.clone();
        fill("Deployment", &mut object);
        assert_eq!(object, before, "defaults are a fixed point");
    }

    #[test]
    fn plain_secret_data_is_encoded_and_dropped() {
        let mut object = json!({"data": {"a": "MQ=="}, "stringData": {"b": "2"}});
        fill("Secret", &mut object);
        assert_eq!(
            object,
            json!({"type": "Opaque", "data": {"a": "MQ==", "b": "Mg=="}})
        );
    }
}
