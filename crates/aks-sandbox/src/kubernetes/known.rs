//! Which fields the built-in kinds have (Kubernetes 1.33), so that unknown ones are dropped or, where
//! the client wants it, named. Types that are not listed keep whatever they hold.

use serde_json::Value;

/// Type, then its fields; a field of a listed type is written `name:Type`.
const TYPES: &[(&str, &str)] = &[
    (
        "ObjectMeta",
        "name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp deletionGracePeriodSeconds labels annotations ownerReferences finalizers managedFields",
    ),
    ("ConfigMap", "data binaryData immutable"),
    ("Secret", "data stringData type immutable"),
    (
        "ServiceAccount",
        "secrets imagePullSecrets automountServiceAccountToken",
    ),
    ("Role", "rules"),
    ("ClusterRole", "rules aggregationRule"),
    ("RoleBinding", "subjects roleRef"),
    ("ClusterRoleBinding", "subjects roleRef"),
    (
        "StorageClass",
        "provisioner parameters reclaimPolicy mountOptions allowVolumeExpansion volumeBindingMode allowedTopologies",
    ),
    ("ValidatingWebhookConfiguration", "webhooks"),
    ("MutatingWebhookConfiguration", "webhooks"),
    (
        "PriorityClass",
        "value globalDefault description preemptionPolicy",
    ),
    ("Namespace", "spec status"),
    ("Pod", "spec:PodSpec status"),
    ("Service", "spec:ServiceSpec status"),
    ("PersistentVolumeClaim", "spec:ClaimSpec status"),
    ("PersistentVolume", "spec:VolumeSpec status"),
    ("Deployment", "spec:DeploymentSpec status"),
    ("StatefulSet", "spec:StatefulSetSpec status"),
    ("DaemonSet", "spec:DaemonSetSpec status"),
    ("ReplicaSet", "spec:ReplicaSetSpec status"),
    ("Job", "spec:JobSpec status"),
    ("CronJob", "spec:CronJobSpec status"),
    ("Lease", "spec:LeaseSpec"),
    (
        "LeaseSpec",
        "holderIdentity leaseDurationSeconds acquireTime renewTime leaseTransitions strategy preferredHolder",
    ),
    (
        "DeploymentSpec",
        "replicas selector template:Template strategy minReadySeconds revisionHistoryLimit paused progressDeadlineSeconds",
    ),
    (
        "StatefulSetSpec",
        "replicas selector template:Template volumeClaimTemplates:Claim serviceName podManagementPolicy updateStrategy revisionHistoryLimit minReadySeconds persistentVolumeClaimRetentionPolicy ordinals",
    ),
    (
        "DaemonSetSpec",
        "selector template:Template updateStrategy minReadySeconds revisionHistoryLimit",
    ),
    (
        "ReplicaSetSpec",
        "replicas minReadySeconds selector template:Template",
    ),
    (
        "JobSpec",
        "parallelism completions activeDeadlineSeconds podFailurePolicy successPolicy backoffLimit backoffLimitPerIndex maxFailedIndexes selector manualSelector template:Template ttlSecondsAfterFinished completionMode suspend podReplacementPolicy managedBy",
    ),
    (
        "CronJobSpec",
        "schedule timeZone startingDeadlineSeconds concurrencyPolicy suspend jobTemplate:JobTemplate successfulJobsHistoryLimit failedJobsHistoryLimit",
    ),
    ("JobTemplate", "metadata:ObjectMeta spec:JobSpec"),
    ("Template", "metadata:ObjectMeta spec:PodSpec"),
    (
        "Claim",
        "apiVersion kind metadata:ObjectMeta spec:ClaimSpec status",
    ),
    (
        "ClaimSpec",
        "accessModes selector resources volumeName storageClassName volumeMode dataSource dataSourceRef volumeAttributesClassName",
    ),
    (
        "VolumeSpec",
        "capacity accessModes claimRef persistentVolumeReclaimPolicy storageClassName mountOptions volumeMode nodeAffinity volumeAttributesClassName csi:VolumeCsi hostPath nfs local azureDisk azureFile awsElasticBlockStore gcePersistentDisk iscsi fc rbd cephfs cinder glusterfs flexVolume flocker quobyte vsphereVolume photonPersistentDisk portworxVolume scaleIO storageos",
    ),
    (
        "VolumeCsi",
        "driver volumeHandle readOnly fsType volumeAttributes controllerPublishSecretRef nodeStageSecretRef nodePublishSecretRef controllerExpandSecretRef nodeExpandSecretRef",
    ),
    (
        "ServiceSpec",
        "ports:ServicePort selector clusterIP clusterIPs type externalIPs sessionAffinity loadBalancerIP loadBalancerSourceRanges externalName externalTrafficPolicy healthCheckNodePort publishNotReadyAddresses sessionAffinityConfig ipFamilies ipFamilyPolicy allocateLoadBalancerNodePorts loadBalancerClass internalTrafficPolicy trafficDistribution",
    ),
    (
        "ServicePort",
        "name protocol appProtocol port targetPort nodePort",
    ),
    (
        "PodSpec",
        "volumes initContainers:Container containers:Container ephemeralContainers restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName serviceAccount automountServiceAccountToken nodeName hostNetwork hostPID hostIPC shareProcessNamespace securityContext imagePullSecrets hostname subdomain affinity schedulerName tolerations hostAliases priorityClassName priority dnsConfig readinessGates runtimeClassName enableServiceLinks preemptionPolicy overhead topologySpreadConstraints setHostnameAsFQDN os hostUsers schedulingGates resourceClaims resources",
    ),
    (
        "Container",
        "name image command args workingDir ports:ContainerPort envFrom env:EnvVar resources resizePolicy restartPolicy volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty",
    ),
    (
        "ContainerPort",
        "name hostPort containerPort protocol hostIP",
    ),
    ("EnvVar", "name value valueFrom"),
];

/// Drops the fields a built-in object does not have; the dropped paths.
pub(crate) fn drop_unknown(kind: &str, object: &mut Value) -> Vec<String> {
    let mut dropped = Vec::new();
    let Some(fields) = fields(kind) else {
        return dropped;
    };
    let root: Vec<(&str, Option<&str>)> = [
        ("apiVersion", None),
        ("kind", None),
        ("metadata", Some("ObjectMeta")),
    ]
    .into_iter()
    .chain(fields)
    .collect();
    walk(object, &root, "", &mut dropped);
    dropped
}

fn fields(kind: &str) -> Option<Vec<(&'static str, Option<&'static str>)>> {
    let (_, names) = TYPES.iter().find(|(name, _)| *name == kind)?;
    Some(
        names
            .split(' ')
            .map(|name| {
                name.split_once(':')
                    .map_or((name, None), |(name, kind)| (name, Some(kind)))
            })
            .collect(),
    )
}

fn walk(value: &mut Value, known: &[(&str, Option<&str>)], path: &str, dropped: &mut Vec<String>) {
    let Some(map) = value.as_object_mut() else {
        return;
    };
    map.retain(|name, _| {
        let keeps = known.iter().any(|(field, _)| field == name);
        if !keeps {
            dropped.push(join(path, name));
        }
        keeps
    });
    for (name, child) in map {
        let Some(kind) = known
            .iter()
            .find(|(field, _)| field == name)
            .and_then(|(_, kind)| *kind)
        else {
            continue;
        };
        let Some(below) = fields(kind) else { continue };
        let at = join(path, name);
        match child {
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    walk(item, &below, &format!("{at}[{index}]"), dropped);
                }
            }
            child => walk(child, &below, &at, dropped),
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_are_dropped_and_named() {
        let mut object = json!({"metadata": {"name": "d", "label": 1}, "spec": {"replica": 1, "template": {"spec": {"containers": [{"name": "a", "imagePolicy": "x"}]}}}, "bogus": 1});
        let mut dropped = drop_unknown("Deployment", &mut object);
        dropped.sort();
        assert_eq!(
            dropped,
            [
                "bogus",
                "metadata.label",
                "spec.replica",
                "spec.template.spec.containers[0].imagePolicy"
            ]
        );
        assert_eq!(
            object,
            json!({"metadata": {"name": "d"}, "spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}})
        );
    }

    #[test]
    fn every_named_type_is_listed() {
        for (_, names) in TYPES {
            for kind in names
                .split(' ')
                .filter_map(|name| name.split_once(':'))
                .map(|(_, kind)| kind)
            {
                assert!(fields(kind).is_some(), "{kind}");
            }
        }
    }
}
