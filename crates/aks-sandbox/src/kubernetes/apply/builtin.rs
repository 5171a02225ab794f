//! How the fields of the built-in kinds merge, as in Kubernetes' OpenAPI document (1.33): a table of
//! what differs from the rule "maps granular, lists atomic".

use super::schema::How;

/// `(type, field, how, type of the value or of the items)`. How: nothing is granular, `!` atomic,
/// `=` a set, anything else the keys of an associative list.
const FIELDS: &[(&str, &str, &str, &str)] = &[
    ("Object", "metadata", "", "ObjectMeta"),
    ("Object", "status", "", "Status"),
    ("ObjectMeta", "ownerReferences", "uid", "Atomic"),
    ("ObjectMeta", "finalizers", "=", ""),
    ("Status", "conditions", "type", ""),
    ("Status", "podIPs", "ip", ""),
    ("Status", "addresses", "type", ""),
    ("Status", "loadBalancer", "", "LoadBalancer"),
    ("LoadBalancer", "ingress", "!", ""),
    ("Pod", "metadata", "", "ObjectMeta"),
    ("Pod", "status", "", "Status"),
    ("Pod", "spec", "", "PodSpec"),
    ("PodSpec", "containers", "name", "Container"),
    ("PodSpec", "initContainers", "name", "Container"),
    ("PodSpec", "ephemeralContainers", "name", "Container"),
    ("PodSpec", "volumes", "name", "Volume"),
    ("PodSpec", "imagePullSecrets", "name", "Atomic"),
    ("PodSpec", "hostAliases", "ip", ""),
    (
        "PodSpec",
        "topologySpreadConstraints",
        "topologyKey,whenUnsatisfiable",
        "Spread",
    ),
    ("PodSpec", "schedulingGates", "name", ""),
    ("PodSpec", "resourceClaims", "name", ""),
    ("PodSpec", "nodeSelector", "!", ""),
    ("PodSpec", "affinity", "", "Affinity"),
    ("Spread", "labelSelector", "!", ""),
    ("Affinity", "nodeAffinity", "", "NodeAffinity"),
    (
        "NodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "!",
        "",
    ),
    ("Container", "ports", "containerPort,protocol", ""),
    ("Container", "env", "name", "EnvVar"),
    ("Container", "volumeMounts", "mountPath", ""),
    ("Container", "volumeDevices", "devicePath", ""),
    ("Container", "resources", "", "Resources"),
    ("Resources", "claims", "name", ""),
    ("EnvVar", "valueFrom", "", "EnvVarSource"),
    ("EnvVarSource", "fieldRef", "!", ""),
    ("EnvVarSource", "secretKeyRef", "!", ""),
    ("EnvVarSource", "configMapKeyRef", "!", ""),
    ("EnvVarSource", "resourceFieldRef", "!", ""),
    ("Volume", "csi", "", "VolumeCsi"),
    ("VolumeCsi", "nodePublishSecretRef", "!", ""),
    ("Volume", "ephemeral", "", "Ephemeral"),
    (
        "Ephemeral",
        "volumeClaimTemplate",
        "",
        "PersistentVolumeClaim",
    ),
    ("Template", "metadata", "", "ObjectMeta"),
    ("Template", "spec", "", "PodSpec"),
    ("Workload", "metadata", "", "ObjectMeta"),
    ("Workload", "status", "", "Status"),
    ("Workload", "spec", "", "WorkloadSpec"),
    ("WorkloadSpec", "selector", "!", ""),
    ("WorkloadSpec", "template", "", "Template"),
    ("CronJob", "metadata", "", "ObjectMeta"),
    ("CronJob", "status", "", "Status"),
    ("CronJob", "spec", "", "CronJobSpec"),
    ("CronJobSpec", "jobTemplate", "", "JobTemplate"),
    ("JobTemplate", "metadata", "", "ObjectMeta"),
    ("JobTemplate", "spec", "", "WorkloadSpec"),
    ("Service", "metadata", "", "ObjectMeta"),
    ("Service", "status", "", "Status"),
    ("Service", "spec", "", "ServiceSpec"),
    ("ServiceSpec", "ports", "port,protocol", ""),
    ("ServiceSpec", "selector", "!", ""),
    ("ServiceAccount", "metadata", "", "ObjectMeta"),
    ("ServiceAccount", "secrets", "name", ""),
    ("PersistentVolume", "metadata", "", "ObjectMeta"),
    ("PersistentVolume", "status", "", "Status"),
    ("PersistentVolume", "spec", "", "PersistentVolumeSpec"),
    ("PersistentVolumeSpec", "csi", "", "VolumeSource"),
    ("VolumeSource", "nodeStageSecretRef", "!", ""),
    ("VolumeSource", "nodePublishSecretRef", "!", ""),
    ("VolumeSource", "controllerExpandSecretRef", "!", ""),
    ("VolumeSource", "controllerPublishSecretRef", "!", ""),
    (
        "PersistentVolumeSpec",
        "nodeAffinity",
        "",
        "PersistentVolumeAffinity",
    ),
    ("PersistentVolumeAffinity", "required", "!", ""),
    ("PersistentVolumeClaim", "metadata", "", "ObjectMeta"),
    ("PersistentVolumeClaim", "status", "", "Status"),
    (
        "PersistentVolumeClaim",
        "spec",
        "",
        "PersistentVolumeClaimSpec",
    ),
    ("PersistentVolumeClaimSpec", "selector", "!", ""),
    ("PersistentVolumeClaimSpec", "dataSource", "!", ""),
    ("Binding", "metadata", "", "ObjectMeta"),
    ("Binding", "roleRef", "!", ""),
    ("Webhooks", "metadata", "", "ObjectMeta"),
    ("Webhooks", "webhooks", "name", "Webhook"),
    ("Webhook", "namespaceSelector", "!", ""),
    ("Webhook", "objectSelector", "!", ""),
    ("Webhook", "matchConditions", "name", ""),
    ("NetworkPolicy", "metadata", "", "ObjectMeta"),
    ("NetworkPolicy", "spec", "", "NetworkPolicySpec"),
    ("NetworkPolicySpec", "podSelector", "!", ""),
    ("Disruption", "metadata", "", "ObjectMeta"),
    ("Disruption", "status", "", "Status"),
    ("Disruption", "spec", "", "DisruptionSpec"),
    ("DisruptionSpec", "selector", "!", ""),
    ("ClusterRole", "metadata", "", "ObjectMeta"),
];

/// The type of a kind's root.
pub(super) fn root(kind: &str) -> &'static str {
    match kind {
        "Pod" => "Pod",
        "Deployment"
        | "StatefulSet"
        | "DaemonSet"
        | "ReplicaSet"
        | "Job"
        | "ReplicationController" => "Workload",
        "CronJob" => "CronJob",
        "Service" => "Service",
        "ServiceAccount" => "ServiceAccount",
        "PersistentVolume" => "PersistentVolume",
        "PersistentVolumeClaim" => "PersistentVolumeClaim",
        "RoleBinding" | "ClusterRoleBinding" => "Binding",
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => "Webhooks",
        "NetworkPolicy" => "NetworkPolicy",
        "PodDisruptionBudget" => "Disruption",
        _ => "Object",
    }
}

/// How a field of a type merges and the type below it; `None` where the rule holds.
pub(super) fn field(kind: &str, name: &str) -> Option<(How, &'static str)> {
    let (_, _, how, child) = FIELDS
        .iter()
        .find(|(owner, field, _, _)| *owner == kind && *field == name)?;
    let how = match *how {
        "" => How::Granular,
        "!" => How::Atomic,
        "=" => How::Set,
        keys => How::Keyed(keys.split(',').map(str::to_owned).collect()),
    };
    Some((how, child))
}

/// How the items of a list merge.
pub(super) fn item(kind: &str) -> How {
    if kind == "Atomic" {
        How::Atomic
    } else {
        How::Granular
    }
}
