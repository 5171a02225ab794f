//! [`HistoryRecord`]: one finished run, kept in a Secret of the deployment's namespace. It owns the
//! record and the step that writes it; it refuses secret values: the document in it holds
//! references.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use converge::{
    Change, ChangeKind, Decision, Proof, Slot, Step, StepContext, StepError, StepOutcome,
    Verification,
};
use helm_release::objects_of;
use kube_cluster::{
    Cluster, ClusterError, ClusterErrorKind, Created, DeleteOptions, Kind, Object, ObjectRef,
    Query, WriteOptions, insist,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The `type` of a history Secret.
const SECRET_TYPE: &str = "aks-airflow/history";
/// The label that carries the deployment's name.
const DEPLOYMENT_LABEL: &str = "aks-airflow/deployment";
/// How many records are kept.
const KEPT: usize = 10;

/// One finished run. It only proposes candidates (for `down`, `rollback`, prune); each is confirmed
/// live before anything is done to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryRecord {
    /// The number of the run, from 1.
    pub number: u32,
    /// SHA-256 of the normalised document, lower-case hex.
    pub document_digest: String,
    /// The normalised document; secrets are references.
    pub document: Value,
    /// The program's version.
    pub program: String,
    /// The versions that were installed: charts, Airflow, External Secrets.
    pub versions: Vec<(String, String)>,
    /// The Kubernetes objects of our own that the run declared, as `Kind namespace/name`.
    pub objects: Vec<String>,
}

/// Reads every record of a deployment, oldest first. Records that cannot be read are left out.
///
/// # Errors
/// When the cluster cannot be read. A missing namespace has no records.
pub async fn history(
    cluster: &dyn Cluster,
    namespace: &str,
    deployment: &str,
) -> Result<Vec<HistoryRecord>, ClusterError> {
    let query = Query::all(Kind::new("v1", "Secret"), Some(namespace.to_owned()))
        .with_labels(format!("{DEPLOYMENT_LABEL}={deployment}"));
    Ok(records(&cluster.list(query).await?.items, deployment))
}

/// The records of a deployment among Secrets, oldest first.
fn records(secrets: &[Object], deployment: &str) -> Vec<HistoryRecord> {
    let mut records: Vec<HistoryRecord> = secrets
        .iter()
        .filter(|secret| secret.label(DEPLOYMENT_LABEL) == Some(deployment))
        .filter_map(|secret| decode(secret.text("/data/record")?))
        .collect();
    records.sort_by_key(|record| record.number);
    records
}

fn decode(data: &str) -> Option<HistoryRecord> {
    serde_json::from_slice(&STANDARD.decode(data).ok()?).ok()
}

/// What the end of a run writes down, if the last record differs.
#[derive(Debug)]
pub(crate) struct RecordHistory {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) namespace: String,
    pub(crate) deployment: String,
    /// The record to write; its number is decided by what is there.
    pub(crate) record: HistoryRecord,
    /// Known once the namespace is.
    pub(crate) namespace_ready: Slot<()>,
}

impl RecordHistory {
    fn target(&self, number: u32) -> ObjectRef {
        let name = format!("aks-airflow.{}.v{number}", self.deployment);
        ObjectRef::namespaced("v1", "Secret", self.namespace.clone(), name)
    }

    fn secret(&self, number: u32) -> Object {
        let record = HistoryRecord {
            number,
            ..self.record.clone()
        };
        let text = serde_json::to_vec(&record).unwrap_or_default();
        let mut secret = Object::named(&self.target(number));
        secret.set_label(DEPLOYMENT_LABEL, self.deployment.clone());
        secret.set_label("app.kubernetes.io/managed-by", "aks-airflow");
        secret
            .as_map_mut()
            .insert("type".into(), SECRET_TYPE.into());
        secret.as_map_mut().insert("immutable".into(), true.into());
        secret
            .as_map_mut()
            .insert("data".into(), json!({"record": STANDARD.encode(text)}));
        secret
    }

    /// Writes the record under this number; whether it is there now. Another run may have taken the
    /// number meanwhile.
    async fn write(&self, number: u32) -> Result<bool, StepError> {
        let secret = self.secret(number);
        let created = insist(|| self.cluster.create(secret.clone(), WriteOptions::default()))
            .await
            .map_err(StepError::after_writes)?;
        Ok(matches!(created, Created::New(_)) || self.is_recorded(&secret).await?)
    }

    /// Whether the record is there as we write it: the answer to an earlier try was lost.
    async fn is_recorded(&self, secret: &Object) -> Result<bool, StepError> {
        let found = self.cluster.get(secret.reference()).await;
        let found = found.map_err(StepError::after_writes)?;
        Ok(found.is_some_and(|found| found.at("/data") == secret.at("/data")))
    }
}

#[async_trait]
impl Step for RecordHistory {
    type Observed = Vec<HistoryRecord>;
    type Action = Vec<u32>;
    type Output = ();

    fn name(&self) -> &'static str {
        "history"
    }

    /// Among the Secrets that other steps look for, too: one list is enough for all.
    async fn observe(&self, _: &StepContext) -> Result<Self::Observed, StepError> {
        let all = objects_of(Kind::new("v1", "Secret"), Some(self.namespace.clone()));
        let found = self.cluster.list(all).await;
        let found = found.map_err(StepError::before_writes)?;
        Ok(records(&found.items, &self.deployment))
    }

    /// No step before it makes a record, and a number that another run took is noticed by the write.
    fn outlives(&self, _observed: &Self::Observed) -> bool {
        true
    }

    fn decide(&self, observed: &Self::Observed) -> Result<Decision<Self::Action, ()>, StepError> {
        let last = observed.last();
        if last.is_some_and(|last| {
            HistoryRecord {
                number: 0,
                ..last.clone()
            } == HistoryRecord {
                number: 0,
                ..self.record.clone()
            }
        }) {
            let proof = Proof::observed(format!(
                "run {} is recorded",
                last.map_or(0, |last| last.number)
            ));
            return Ok(Decision::Done { output: (), proof });
        }
        let number = last.map_or(1, |last| last.number + 1);
        let verification = if self.namespace_ready.get().is_some() {
            Verification::Verified
        } else {
            Verification::Predicted
        };
        let mut numbers: Vec<u32> = observed.iter().map(|record| record.number).collect();
        numbers.push(number);
        Ok(Decision::Act {
            action: numbers,
            changes: vec![Change::new(
                ChangeKind::Create,
                self.target(number).to_string(),
                verification,
            )],
        })
    }

    async fn perform(
        &self,
        mut numbers: Vec<u32>,
        _: &StepContext,
    ) -> Result<StepOutcome<()>, StepError> {
        let mut number = numbers.last().copied().unwrap_or(1);
        if !self.write(number).await? {
            // A run that finished while this one was under way has its record first.
            let found = history(self.cluster.as_ref(), &self.namespace, &self.deployment).await;
            let found = found.map_err(StepError::after_writes)?;
            number = found.last().map_or(number, |last| last.number) + 1;
            numbers = found.iter().map(|record| record.number).collect();
            numbers.push(number);
            if !self.write(number).await? {
                let kind =
                    ClusterErrorKind::Conflict("another run finished at the same time".into());
                return Err(StepError::after_writes(ClusterError::about(
                    "record",
                    &self.target(number),
                    kind,
                )));
            }
        }
        let surplus = numbers.len().saturating_sub(KEPT);
        for old in numbers.drain(..surplus) {
            insist(|| {
                self.cluster
                    .delete(self.target(old), DeleteOptions::default())
            })
            .await
            .map_err(StepError::after_writes)?;
        }
        Ok(StepOutcome {
            output: (),
            did: format!("recorded run {number}"),
            proof: Proof::observed("the record was created"),
        })
    }
}
