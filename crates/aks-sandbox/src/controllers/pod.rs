//! Pods: scheduling, volumes, init containers in order, containers, readiness, the end. This file
//! owns the pod's phase and conditions; what one container does is `container`'s.

use serde_json::{Value, json};

use super::container::{self, Outcome};
use super::identity;
use super::pass::{Pass, list, reference_to, set_condition, terminating, text};

/// How long scheduling takes, milliseconds.
const SCHEDULING: i64 = 10;
/// How long a pod takes to go away, milliseconds.
const STOPPING: i64 = 20;

/// Makes a pod of a template, controlled by `owner`.
pub(super) fn create(
    pass: &mut Pass<'_>,
    owner: &Value,
    template: &Value,
    name: &str,
    node: Option<&str>,
) {
    let namespace = text(owner, "/metadata/namespace").to_owned();
    let account = match text(template, "/spec/serviceAccountName") {
        "" => "default",
        account => account,
    };
    if pass.get("/serviceaccounts", &namespace, account).is_none() {
        let message = format!(
            "Error creating: pods \"{name}\" is forbidden: error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
        );
        pass.event(owner, true, "FailedCreate", &message, "controller-manager");
        return;
    }
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": template["metadata"],
        "spec": template["spec"],
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    });
    pod["metadata"]["name"] = name.into();
    pod["metadata"]["namespace"] = namespace.into();
    pod["metadata"]["ownerReferences"] = json!([reference_to(owner)]);
    if let Some(metadata) = pod["metadata"].as_object_mut() {
        metadata.remove("creationTimestamp");
    }
    if let Some(node) = node {
        pod["spec"]["nodeName"] = node.into();
    }
    pod["spec"]["serviceAccountName"] = account.into();
    identity::inject(pass.state, &mut pod);
    pass.create("/pods", pod);
    pass.event(
        owner,
        false,
        "SuccessfulCreate",
        &format!("Created pod: {name}"),
        "controller-manager",
    );
}

/// Whether a pod's `Ready` condition is true.
pub(super) fn ready(pod: &Value) -> bool {
    list(pod, "/status/conditions").iter().any(|condition| {
        text(condition, "/type") == "Ready" && text(condition, "/status") == "True"
    })
}

/// Whether a pod has ended.
pub(super) fn ended(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

pub(super) fn reconcile(pass: &mut Pass<'_>) {
    for pod in pass.all("/pods") {
        if terminating(&pod) {
            if list(&pod, "/metadata/finalizers").is_empty() && pass.due(&pod, "stopping", STOPPING)
            {
                forget_logs(pass, &pod);
                pass.remove("/pods", &pod);
            }
        } else if text(&pod, "/spec/nodeName").is_empty() {
            schedule(pass, &pod);
        } else if !ended(&pod) {
            live(pass, &pod);
        }
    }
}

fn forget_logs(pass: &mut Pass<'_>, pod: &Value) {
    let prefix = format!(
        "{}/{}/",
        text(pod, "/metadata/namespace"),
        text(pod, "/metadata/name")
    );
    pass.state.logs.retain(|key, _| !key.starts_with(&prefix));
}

/// Gives a pod a node once its claims are bound.
fn schedule(pass: &mut Pass<'_>, pod: &Value) {
    let namespace = text(pod, "/metadata/namespace").to_owned();
    let nodes = pass.all("/nodes");
    let mut obstacle = None;
    for volume in list(pod, "/spec/volumes") {
        let claim = text(volume, "/persistentVolumeClaim/claimName");
        if claim.is_empty() {
            continue;
        }
        obstacle = match pass.get("/persistentvolumeclaims", &namespace, claim) {
            None => Some(format!("persistentvolumeclaim \"{claim}\" not found")),
            Some(found) if text(&found, "/status/phase") != "Bound" => {
                Some("pod has unbound immediate PersistentVolumeClaims".to_owned())
            }
            Some(_) => obstacle,
        };
    }
    if nodes.is_empty() {
        obstacle = Some("no nodes available to schedule pods".to_owned());
    }
    let now = pass.timestamp();
    if let Some(obstacle) = obstacle {
        let message = format!(
            "0/{0} nodes are available: {obstacle}. preemption: 0/{0} nodes are available: {0} Preemption is not helpful for scheduling.",
            nodes.len()
        );
        let mut conditions = list(pod, "/status/conditions").to_vec();
        set_condition(
            &mut conditions,
            "PodScheduled",
            "False",
            "Unschedulable",
            &message,
            &now,
        );
        pass.update("/pods", pod, |pod| {
            pod["status"]["phase"] = "Pending".into();
            pod["status"]["conditions"] = conditions.into();
        });
        pass.event(pod, true, "FailedScheduling", &message, "default-scheduler");
        return;
    }
    if !pass.due(pod, "scheduling", SCHEDULING) {
        return;
    }
    let node = text(
        &nodes[(pass.state.entropy.number() % nodes.len() as u64) as usize],
        "/metadata/name",
    )
    .to_owned();
    let mut conditions = list(pod, "/status/conditions").to_vec();
    set_condition(&mut conditions, "PodScheduled", "True", "", "", &now);
    pass.update("/pods", pod, |pod| {
        pod["spec"]["nodeName"] = node.clone().into();
        pod["status"]["phase"] = "Pending".into();
        pod["status"]["startTime"] = now.into();
        pod["status"]["conditions"] = conditions.into();
    });
    let message = format!(
        "Successfully assigned {namespace}/{} to {node}",
        text(pod, "/metadata/name")
    );
    pass.event(pod, false, "Scheduled", &message, "default-scheduler");
}

/// Moves a scheduled pod on by one step.
fn live(pass: &mut Pass<'_>, pod: &Value) {
    let obstacle = mount_obstacle(pass, pod);
    if let Some(message) = &obstacle {
        pass.event(pod, true, "FailedMount", message, "kubelet");
    }
    let mut initialised = obstacle.is_none();
    let mut init_statuses = Vec::new();
    let mut failed = false;
    for spec in list(pod, "/spec/initContainers") {
        let known = container::status_of(pod, "initContainerStatuses", spec);
        let outcome = if initialised {
            container::step(pass, pod, spec, known, true)
        } else {
            container::waiting(spec, known, "PodInitializing", None)
        };
        initialised &= outcome.is_done();
        failed |= outcome.has_failed();
        init_statuses.push(outcome.status());
    }
    let mut statuses = Vec::new();
    let (mut all_ready, mut all_done, mut any_running) = (true, true, false);
    let reason = if obstacle.is_some() {
        "ContainerCreating"
    } else {
        "PodInitializing"
    };
    for spec in list(pod, "/spec/containers") {
        let known = container::status_of(pod, "containerStatuses", spec);
        let outcome = if initialised {
            container::step(pass, pod, spec, known, false)
        } else {
            container::waiting(spec, known, reason, None)
        };
        all_ready &= matches!(outcome, Outcome::Ready(_));
        all_done &= outcome.is_done();
        any_running |= matches!(outcome, Outcome::Ready(_) | Outcome::Running(_));
        failed |= outcome.has_failed();
        statuses.push(outcome.status());
    }
    let phase = if failed {
        "Failed"
    } else if initialised && all_done && !statuses.is_empty() {
        "Succeeded"
    } else if initialised && any_running {
        "Running"
    } else {
        "Pending"
    };
    write(
        pass,
        pod,
        phase,
        initialised,
        all_ready,
        init_statuses,
        statuses,
    );
}

/// What keeps the volumes from being mounted, in the kubelet's words.
fn mount_obstacle(pass: &Pass<'_>, pod: &Value) -> Option<String> {
    let namespace = text(pod, "/metadata/namespace");
    for volume in list(pod, "/spec/volumes") {
        let name = text(volume, "/name");
        let optional = |pointer: &str| volume.pointer(pointer).is_some_and(|value| value == true);
        for (source, key, resource) in [
            ("secret", "secretName", "/secrets"),
            ("configMap", "name", "/configmaps"),
        ] {
            let wanted = text(volume, &format!("/{source}/{key}"));
            if !wanted.is_empty()
                && !optional(&format!("/{source}/optional"))
                && pass.get(resource, namespace, wanted).is_none()
            {
                let kind = source.to_ascii_lowercase();
                return Some(format!(
                    "MountVolume.SetUp failed for volume \"{name}\" : {kind} \"{wanted}\" not found"
                ));
            }
        }
        let claim = text(volume, "/persistentVolumeClaim/claimName");
        if claim.is_empty() {
            continue;
        }
        let bound = pass.get("/persistentvolumeclaims", namespace, claim)?;
        let Some(volume) = pass.get("/persistentvolumes", "", text(&bound, "/spec/volumeName"))
        else {
            continue;
        };
        let secret = text(&volume, "/spec/csi/nodeStageSecretRef/name");
        let secret_namespace = text(&volume, "/spec/csi/nodeStageSecretRef/namespace");
        if !secret.is_empty() && pass.get("/secrets", secret_namespace, secret).is_none() {
            return Some(format!(
                "MountVolume.MountDevice failed for volume \"{}\" : fetching NodeStageSecretRef {secret_namespace}/{secret} failed: kubernetes.io/csi: failed to find the secret {secret} in the namespace {secret_namespace} with error: secrets \"{secret}\" not found",
                text(&volume, "/metadata/name")
            ));
        }
    }
    None
}

fn write(
    pass: &mut Pass<'_>,
    pod: &Value,
    phase: &str,
    initialised: bool,
    all_ready: bool,
    init: Vec<Value>,
    statuses: Vec<Value>,
) {
    let now = pass.timestamp();
    let names = |of: &[Value]| {
        of.iter()
            .filter(|status| status["ready"] != true)
            .map(|status| text(status, "/name").to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let done = phase == "Succeeded";
    let mut conditions = list(pod, "/status/conditions").to_vec();
    let flag = |yes: bool| if yes { "True" } else { "False" };
    let unready = format!("containers with unready status: [{}]", names(&statuses));
    let incomplete = format!("containers with incomplete status: [{}]", names(&init));
    let (reason, message) = if initialised {
        ("", "")
    } else {
        ("ContainersNotInitialized", incomplete.as_str())
    };
    set_condition(
        &mut conditions,
        "Initialized",
        flag(initialised),
        reason,
        message,
        &now,
    );
    let (reason, message) = match (all_ready, done) {
        (true, _) => ("", ""),
        (false, true) => ("PodCompleted", ""),
        (false, false) => ("ContainersNotReady", unready.as_str()),
    };
    set_condition(
        &mut conditions,
        "ContainersReady",
        flag(all_ready),
        reason,
        message,
        &now,
    );
    set_condition(
        &mut conditions,
        "Ready",
        flag(all_ready),
        reason,
        message,
        &now,
    );
    let octet = super::pass::text(pod, "/metadata/uid")
        .bytes()
        .fold(7u8, u8::wrapping_add)
        .max(2);
    pass.update("/pods", pod, |pod| {
        let status = &mut pod["status"];
        status["phase"] = phase.into();
        status["conditions"] = conditions.into();
        status["hostIP"] = "10.224.0.4".into();
        status["podIP"] = format!("10.244.0.{octet}").into();
        if !init.is_empty() {
            status["initContainerStatuses"] = init.into();
        }
        status["containerStatuses"] = statuses.into();
    });
}
