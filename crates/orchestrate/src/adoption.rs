//! [`FoundTrap`]: what the guide's commands led into, found in what they left behind. It owns the
//! evidence for each trap and what to do about it; it refuses to change anything, and to call a trap
//! what was only likely.
//!
//! It looks only where something of another client's is there to be taken over, so that a deployment
//! of ours pays no request for it.

use airflow_helm::AirflowSettings;
use aks_identity::AUDIENCE;
use converge::{ChangeKind, StepError};
use ext_secrets::negotiate;
use helm_release::{Record, ReleaseId, ReleaseName};
use jiff::Timestamp;
use kube_cluster::{KUBECTL_APPLY, Object, ObjectRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::deploy::StepFailure;
use crate::document::Deployment;
use crate::plan::StepPlan;
use crate::world::World;

/// A trap that what is there fell into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundTrap {
    /// The trap's id: `G29`.
    pub trap: String,
    /// What was seen, and where.
    pub found: String,
    /// What becomes of it, or what to do.
    pub remedy: String,
}

/// How long after its creation an ExternalSecret that found everything in place is ready.
const PROMPT: i64 = 60;

/// What was read.
#[derive(Debug, Default)]
struct Evidence {
    airflow: Option<Record>,
    operator: Option<Record>,
    store: Option<Object>,
    secret: Option<Object>,
    volume: Option<Object>,
}

/// The traps that what is there fell into; none where nothing of another client's is there.
///
/// # Errors
/// What could not be read. Nothing was written.
pub(crate) async fn find(
    deployment: &Deployment,
    world: &World,
    steps: &[StepPlan],
) -> Result<Vec<FoundTrap>, StepFailure> {
    let is_foreign = steps
        .iter()
        .flat_map(|step| &step.changes)
        .any(|change| matches!(change.kind, ChangeKind::Adopt | ChangeKind::Keep));
    if !is_foreign {
        return Ok(Vec::new());
    }
    let evidence = look(deployment, world).await.map_err(|error| StepFailure {
        step: "traps",
        error,
    })?;
    Ok(judge(deployment, &evidence, steps))
}

async fn look(deployment: &Deployment, world: &World) -> Result<Evidence, StepError> {
    let secrets = &deployment.external_secrets;
    let record = async |name: &str| {
        let Ok(name) = ReleaseName::parse(name.to_owned()) else {
            return Ok(None);
        };
        let id = ReleaseId::new(name, deployment.namespace.clone());
        let read = world.releases.record(id, None).await;
        read.map_err(StepError::before_writes)
    };
    let get = async |target: Option<ObjectRef>| match target {
        Some(target) => {
            let read = world.cluster.get(target).await;
            read.map_err(StepError::before_writes)
        }
        None => Ok(None),
    };
    let discovery = world.cluster.discover().await;
    let api = negotiate(&discovery.map_err(StepError::before_writes)?);
    let custom = |kind: &str, name: &str| {
        api.map(|api| ObjectRef::namespaced(api.api_version(), kind, &deployment.namespace, name))
    };
    let volume = ObjectRef::cluster_wide("v1", "PersistentVolume", &deployment.logs.volume);
    let (airflow, operator, store, secret, volume) = futures::try_join!(
        record(&deployment.airflow.release),
        record(&secrets.release),
        get(custom("SecretStore", &secrets.store)),
        get(custom("ExternalSecret", &secrets.external_secret)),
        get(Some(volume)),
    )?;
    Ok(Evidence {
        airflow,
        operator,
        store,
        secret,
        volume,
    })
}

/// Finds the traps in what was read; pure.
fn judge(deployment: &Deployment, evidence: &Evidence, steps: &[StepPlan]) -> Vec<FoundTrap> {
    let mut found = Vec::new();
    if let Some(record) = &evidence.airflow {
        airflow(&mut found, deployment, record);
    }
    if let Some(record) = &evidence.operator {
        operator(&mut found, deployment, record);
    }
    objects(&mut found, deployment, evidence);
    let lifecycle = steps.iter().find(|step| step.step == "log lifecycle");
    if lifecycle.is_some_and(|step| {
        step.changes
            .iter()
            .any(|change| change.kind == ChangeKind::Create)
    }) {
        found.push(trap(
            "O1",
            "no lifecycle rule deletes logs, and the chart's own groomers are off".into(),
            "`up` makes the rule".into(),
        ));
    }
    found
}

fn trap(id: &str, found: String, remedy: String) -> FoundTrap {
    FoundTrap {
        trap: id.into(),
        found,
        remedy,
    }
}

/// A value of a release: what its user said, else the chart's default.
fn value<'a>(record: &'a Record, path: &str) -> Option<&'a Value> {
    let mut keys = path.split('.');
    let first = record.config.get(keys.next()?);
    let said = first.and_then(|first| keys.try_fold(first, |value, key| value.get(key)));
    let place = format!("/values/{}", path.replace('.', "/"));
    said.or_else(|| record.chart.pointer(&place))
        .filter(|value| !value.is_null())
}

fn text<'a>(record: &'a Record, path: &str) -> &'a str {
    value(record, path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn is_on(record: &Record, path: &str) -> bool {
    value(record, path) == Some(&Value::Bool(true))
}

fn airflow(found: &mut Vec<FoundTrap>, deployment: &Deployment, record: &Record) {
    let release = format!("release {}/{}", record.namespace, record.name);
    let keys = format!("{}-keys", record.name);
    let restart = format!("--restart {}", record.name);
    let settings = deployment.airflow_settings();
    let tag = match text(record, "images.airflow.tag") {
        "" => text(record, "defaultAirflowTag"),
        tag => tag,
    };
    let pair = AirflowSettings {
        chart_version: record.chart_version().into(),
        airflow_version: tag.into(),
        ..AirflowSettings::default()
    };
    if let Err(why) = pair.validate() {
        found.push(trap(
            "G12",
            format!(
                "{release} runs Airflow {tag} on chart {}: {why}",
                record.chart_version()
            ),
            format!(
                "chart {} with Airflow {}, as the document pins: `{restart}`",
                settings.chart_version, settings.airflow_version
            ),
        ));
    }
    if record.manifest.contains("docker.io/bitnami/") {
        found.push(trap(
            "G11",
            format!("{release} takes its database's image from docker.io/bitnami, which is gone: a pod on a new node cannot start"),
            format!("the image of your registry: `{restart}`"),
        ));
    }
    for user in ["webserver.defaultUser", "createUserJob.defaultUser"] {
        let password = text(record, &format!("{user}.password"));
        if is_on(record, &format!("{user}.enabled")) && password == "admin" {
            let name = text(record, &format!("{user}.username"));
            found.push(trap(
                "S1",
                format!("user `{name}` of {release} has the password `admin`"),
                format!("set another in Airflow; Secret {keys} takes over the one there is, so that `verify` can log in"),
            ));
        }
    }
    if is_on(record, "postgresql.enabled")
        && text(record, "postgresql.auth.postgresPassword") == "postgres"
    {
        found.push(trap(
            "S2",
            format!("the database of {release} has the password `postgres`"),
            format!("it was initialised with it, so it stays, in Secret {keys}; an external database has its own"),
        ));
    }
    if text(record, "fernetKeySecretName").is_empty() && text(record, "fernetKey").is_empty() {
        found.push(trap(
            "S3",
            format!("{release} drew its own keys: uninstalled, every stored connection is unreadable"),
            format!("`up` copies them into Secret {keys}, which outlives the release; it is read after `{restart}`"),
        ));
    }
    let pinned = ["branch", "rev"].map(|key| text(record, &format!("dags.gitSync.{key}")));
    if is_on(record, "dags.gitSync.enabled") && pinned.iter().any(|said| !said.is_empty()) {
        found.push(trap(
            "G39",
            format!("{release} syncs DAGs by branch and rev, which override every pin"),
            format!("`ref` alone: `{restart}`"),
        ));
    }
    let repository = text(record, "dags.gitSync.repo");
    if repository.contains("donhighmsft/airflowexamples") {
        found.push(trap(
            "S10",
            format!("{release} runs whatever is pushed to {repository}"),
            "a repository of yours, pinned to a commit: `airflow.dags.gitSync`".into(),
        ));
    }
    let backends = text(record, "config.api.auth_backends");
    if settings.web.basic_auth && tag.starts_with("2.") && !backends.contains("basic_auth") {
        found.push(trap(
            "V1",
            format!("the API of {release} takes the browser's sessions only"),
            format!("user and password too: `{restart}`"),
        ));
    }
}

fn operator(found: &mut Vec<FoundTrap>, deployment: &Deployment, record: &Record) {
    let release = format!("release {}/{}", record.namespace, record.name);
    let pinned = &deployment.external_secrets.chart.version;
    let deployed = record.chart_version();
    if deployed.trim_end_matches("-sandbox") != pinned {
        found.push(trap(
            "G2",
            format!("{release} is of chart {deployed}, the document pins {pinned}: it was installed unpinned"),
            format!("pin {deployed}, or change the operator: `--restart {}`", record.name),
        ));
    }
    if text(record, "scopedNamespace").is_empty() && record.namespace == deployment.namespace {
        found.push(trap(
            "S8",
            format!("the operator of {release} may read every Secret of the cluster, from Airflow's namespace"),
            "`externalSecrets.values: {scopedNamespace: …, scopedRBAC: true}`, or one operator in a namespace of its own".into(),
        ));
    }
}

fn objects(found: &mut Vec<FoundTrap>, deployment: &Deployment, evidence: &Evidence) {
    for object in [&evidence.store, &evidence.secret].into_iter().flatten() {
        if was_applied_in(object, "external-secrets.io/v1beta1") {
            found.push(trap(
                "G1",
                format!(
                    "{} was applied as v1beta1, which External Secrets no longer serves since 0.17",
                    object.reference()
                ),
                "`up` writes the version the cluster serves; the file it was applied from does not"
                    .into(),
            ));
        }
    }
    if let Some(late) = evidence.secret.as_ref().and_then(seconds_until_ready)
        && late > PROMPT
    {
        found.push(trap(
            "G3",
            format!("ExternalSecret {}/{} became ready {late} s after it was made: credential and grant came later", deployment.namespace, deployment.external_secrets.external_secret),
            format!("nothing to mend; `up` proves the exchange for {AUDIENCE} first"),
        ));
    }
    let handle = evidence
        .volume
        .as_ref()
        .and_then(|volume| volume.text("/spec/csi/volumeHandle"));
    if handle == Some("airflow-logs-1") {
        found.push(trap(
            "G29",
            format!("PersistentVolume {} has the handle `airflow-logs-1`", deployment.logs.volume),
            "a handle never changes, so it stays, with its data; no other environment on this cluster may have it".into(),
        ));
    }
}

fn was_applied_in(object: &Object, version: &str) -> bool {
    let entries = object
        .at("/metadata/managedFields")
        .and_then(Value::as_array);
    entries
        .into_iter()
        .flatten()
        .any(|entry| entry["manager"] == KUBECTL_APPLY && entry["apiVersion"] == version)
}

/// The time between an object's creation and its being ready.
fn seconds_until_ready(object: &Object) -> Option<i64> {
    let created: Timestamp = object.text("/metadata/creationTimestamp")?.parse().ok()?;
    let conditions = object.at("/status/conditions")?.as_array()?;
    let ready = conditions
        .iter()
        .find(|condition| condition["type"] == "Ready" && condition["status"] == "True")?;
    let ready: Timestamp = ready["lastTransitionTime"].as_str()?.parse().ok()?;
    Some(ready.as_second() - created.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Deployment {
        Deployment::parse(include_str!("../../../examples/guide.yaml")).unwrap()
    }

    fn record(name: &str, version: &str, config: &Value) -> Record {
        let value = json!({
            "name": name, "namespace": "airflow", "version": 1, "info": {"status": "deployed"},
            "chart": {
                "metadata": {"name": name, "version": version},
                "values": {
                    "webserver": {"defaultUser": {"enabled": true, "username": "admin", "password": "admin"}},
                    "postgresql": {"enabled": true, "auth": {"postgresPassword": "postgres"}},
                },
            },
            "config": config,
            "manifest": "",
        });
        serde_json::from_value(value).unwrap()
    }

    fn ids(evidence: &Evidence) -> Vec<String> {
        let traps = judge(&document(), evidence, &[]);
        traps.into_iter().map(|found| found.trap).collect()
    }

    #[test]
    fn what_the_user_said_counts_before_the_chart_s_default() {
        let said = json!({"images": {"airflow": {"tag": "2.9.3"}}, "webserver": {"defaultUser": {"password": "long and secret"}}});
        let evidence = Evidence {
            airflow: Some(record("airflow", "1.15.0", &said)),
            ..Evidence::default()
        };
        assert_eq!(ids(&evidence), ["S2", "S3", "V1"]);
    }

    #[test]
    fn a_newest_chart_with_an_older_image_is_named() {
        let said = json!({"images": {"airflow": {"tag": "2.9.3"}}, "fernetKeySecretName": "k",
            "postgresql": {"enabled": false}, "webserver": {"defaultUser": {"enabled": false}},
            "config": {"api": {"auth_backends": "airflow.api.auth.backend.basic_auth"}}});
        let evidence = |version: &str| Evidence {
            airflow: Some(record("airflow", version, &said)),
            ..Evidence::default()
        };
        assert_eq!(ids(&evidence("1.22.0")), ["G12"]);
        assert_eq!(ids(&evidence("1.15.0")), Vec::<String>::new());
    }

    #[test]
    fn order_version_handle_and_pin_show_in_the_objects() {
        let secret = json!({"kind": "ExternalSecret", "apiVersion": "external-secrets.io/v1beta1",
            "metadata": {"name": "e", "creationTimestamp": "2026-01-05T09:00:00Z", "managedFields": [
                {"manager": KUBECTL_APPLY, "apiVersion": "external-secrets.io/v1beta1"}]},
            "status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-05T09:07:00Z"}]}});
        let volume = json!({"spec": {"csi": {"volumeHandle": "airflow-logs-1"}}});
        let evidence = Evidence {
            operator: Some(record("external-secrets", "2.9.0", &json!({}))),
            secret: Object::from_value(secret).ok(),
            volume: Object::from_value(volume).ok(),
            ..Evidence::default()
        };
        assert_eq!(ids(&evidence), ["G2", "S8", "G1", "G3", "G29"]);
    }
}
