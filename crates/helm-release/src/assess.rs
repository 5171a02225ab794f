//! What must be done about each declared object, found with as few probes as possible. It owns the
//! judgement of conflicts; it refuses to write.

use converge::{Change, ChangeKind, FieldChange, Verification};
use futures::{StreamExt, TryStreamExt, stream};
use kube_cluster::{
    Applied, ApplyOptions, Cluster, ClusterError, ClusterErrorKind, FieldConflict, FieldOwners,
    FieldPath, Object, ObjectRef, differences, hand_over_fields,
};

use serde_json::Value;

use crate::compare::{self, difference, plain_path};
use crate::live::{CONCURRENCY, Live};
use crate::manifest::Declared;
use crate::storage::{CLIENT_SIDE, HELM};
use crate::{Policy, ReleaseId, ownership};

/// What is to be done about one object.
#[derive(Debug, Clone)]
pub(crate) struct Assessed {
    /// Which.
    pub target: ObjectRef,
    /// What will be applied: marked as the release's, without fields that yield.
    pub declared: Object,
    /// What is there.
    pub live: Option<Object>,
    /// The verb: `None`, `Create`, `Update`, `Adopt` or `Conflict`.
    pub kind: ChangeKind,
    /// The fields that differ.
    pub fields: Vec<FieldChange>,
    /// Whether conflicts may be overridden: each of them was allowed.
    pub force: bool,
    /// Whether what is there, although it is not the release's, may be taken.
    pub adopts: bool,
    /// How sure this is.
    pub verification: Verification,
    /// A remark.
    pub note: Option<String>,
}

impl Assessed {
    /// The row of the plan.
    pub(crate) fn change(&self) -> Change {
        let target = if self.target.name.is_empty() {
            let prefix = self.declared.text("/metadata/generateName");
            format!("{}{}*", self.target, prefix.unwrap_or_default())
        } else {
            self.target.to_string()
        };
        let mut change = Change::new(self.kind, target, self.verification);
        change.fields.clone_from(&self.fields);
        change.note.clone_from(&self.note);
        change
    }
}

/// What an assessment may rely on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// Which release.
    pub release: &'a ReleaseId,
    /// What may be taken.
    pub policy: &'a Policy,
    /// Whether objects that would be created are dry-run too.
    pub probe_creates: bool,
    /// Whether a revision will be made. Its record says that the objects are applied server-side,
    /// so what Helm applied client-side must be handed over even where no field differs: otherwise
    /// fields that are no longer declared would stay, now or with Helm's next upgrade.
    pub makes_revision: bool,
}

/// One object to assess.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The object as the manifest declares it, with the release's marks.
    pub object: Object,
    /// Whether the last revisions declared exactly this; otherwise a field may have to go.
    pub is_as_before: bool,
}

impl Question {
    /// Marks a declared object as the release's and asks about it; the object is held once.
    pub(crate) fn about(declared: &mut Declared, is_as_before: bool, release: &ReleaseId) -> Self {
        ownership::stamp(&mut declared.object, release);
        Self {
            object: declared.object.clone(),
            is_as_before,
        }
    }
}

/// Assesses all objects, in order.
pub(crate) async fn assess(
    cluster: &dyn Cluster,
    questions: Vec<Question>,
    live: &Live,
    terms: Terms<'_>,
) -> Result<Vec<Assessed>, ClusterError> {
    let assessments: Vec<_> = questions
        .into_iter()
        .map(|question| {
            let found = live.get(&question.object.reference()).cloned();
            assess_one(cluster, question, found, terms)
        })
        .collect();
    stream::iter(assessments)
        .buffered(CONCURRENCY)
        .try_collect()
        .await
}

async fn assess_one(
    cluster: &dyn Cluster,
    question: Question,
    live: Option<Object>,
    terms: Terms<'_>,
) -> Result<Assessed, ClusterError> {
    let declared = question.object;
    let mut assessed = Assessed {
        target: declared.reference(),
        declared,
        live,
        kind: ChangeKind::None,
        fields: Vec::new(),
        force: terms.policy.force_conflicts,
        adopts: terms.policy.take_ownership,
        verification: Verification::Verified,
        note: None,
    };
    let Some(live) = assessed.live.clone() else {
        return assess_absent(cluster, assessed, terms).await;
    };
    if live.is_terminating() {
        assessed.kind = ChangeKind::Create;
        assessed.verification = Verification::Predicted;
        assessed.note = Some("after the one being deleted is gone".into());
        return Ok(assessed);
    }
    let is_ours = ownership::objection(&live, terms.release).is_none();
    let moves = terms.makes_revision && hand_over_fields(&live, CLIENT_SIDE, HELM).is_some();
    let is_settled = question.is_as_before && is_ours && !moves;
    if is_settled && differences(&assessed.declared, &live).is_empty() {
        return Ok(assessed);
    }
    settle(cluster, &mut assessed, live, terms.policy).await?;
    if assessed.kind == ChangeKind::None && !is_ours {
        assessed.kind = ChangeKind::Adopt;
    }
    if assessed.kind == ChangeKind::None && moves {
        assessed.kind = ChangeKind::Update;
        assessed.note = Some("moves from client-side to server-side apply".into());
    }
    Ok(assessed)
}

/// An object that is not there: created, which a dry-run may confirm.
async fn assess_absent(
    cluster: &dyn Cluster,
    mut assessed: Assessed,
    terms: Terms<'_>,
) -> Result<Assessed, ClusterError> {
    assessed.kind = ChangeKind::Create;
    assessed.verification = Verification::Predicted;
    if terms.probe_creates && !assessed.target.name.is_empty() {
        match cluster
            .apply(assessed.declared.clone(), dry_run(false))
            .await
        {
            Ok(_) => assessed.verification = Verification::Verified,
            Err(error) => match error.kind {
                ClusterErrorKind::NamespaceMissing(_) | ClusterErrorKind::UnknownKind(_) => {}
                ClusterErrorKind::Admission(why) => {
                    assessed.note = Some(format!("admission refuses it now: {why}"));
                }
                _ => return Err(error),
            },
        }
    }
    Ok(assessed)
}

/// How often an object that others keep writing is read again for one comparison.
const MOVES: usize = 4;

/// Asks the server what applying would change, and judges the conflicts. The answer is compared with
/// the very version it began from: a controller may have written since the object was read, and what
/// it wrote is no change of ours.
async fn settle(
    cluster: &dyn Cluster,
    assessed: &mut Assessed,
    mut live: Object,
    policy: &Policy,
) -> Result<(), ClusterError> {
    for _ in 0..MOVES {
        let Some(after) = probe(cluster, assessed, &live, policy).await? else {
            return Ok(());
        };
        if after.resource_version() != live.resource_version() {
            let Some(moved) = cluster.get(assessed.target.clone()).await? else {
                assessed.live = None;
                assessed.kind = ChangeKind::Create;
                return Ok(());
            };
            assessed.live = Some(moved.clone());
            live = moved;
        }
        assessed.fields = difference(&live, &after);
        if after.resource_version() == live.resource_version() {
            break;
        }
    }
    if !assessed.fields.is_empty() {
        assessed.kind = ChangeKind::Update;
    }
    Ok(())
}

/// What the object would be once applied; `None` if a conflict forbids it, which is then noted.
async fn probe(
    cluster: &dyn Cluster,
    assessed: &mut Assessed,
    live: &Object,
    policy: &Policy,
) -> Result<Option<Object>, ClusterError> {
    let first = cluster
        .apply(assessed.declared.clone(), dry_run(policy.force_conflicts))
        .await?;
    let conflicts = match first {
        Applied::Done(after) => return Ok(Some(after)),
        Applied::Conflicts(conflicts) => conflicts,
    };
    let verdict = judge(&conflicts, assessed, live, policy);
    if !verdict.blocking.is_empty() {
        assessed.kind = ChangeKind::Conflict;
        assessed.fields = verdict.blocking;
        return Ok(None);
    }
    for path in &verdict.yielding {
        remove(&mut assessed.declared, path);
        assessed.note = Some(format!("{path} yields to its autoscaler"));
    }
    assessed.force = true;
    match cluster
        .apply(assessed.declared.clone(), dry_run(true))
        .await?
    {
        Applied::Done(after) => Ok(Some(after)),
        Applied::Conflicts(conflicts) => {
            assessed.kind = ChangeKind::Conflict;
            assessed.fields = shown(&conflicts, assessed, live);
            Ok(None)
        }
    }
}

struct Verdict {
    blocking: Vec<FieldChange>,
    yielding: Vec<FieldPath>,
}

/// Sorts conflicts: Helm's own client-side ownership and fields that may be taken are none,
/// replicas yield to an autoscaler, everything else blocks.
fn judge(
    conflicts: &[FieldConflict],
    assessed: &Assessed,
    live: &Object,
    policy: &Policy,
) -> Verdict {
    let mut blocking = Vec::new();
    let mut yielding = Vec::new();
    let owners = FieldOwners::of(live);
    for conflict in conflicts {
        let found = owners.find(&conflict.manager, &conflict.field);
        let path = written(found.as_ref(), conflict);
        if conflict.manager == HELM || may_take(policy, &assessed.target, &path) {
            continue;
        }
        let is_scaled = path.ends_with("replicas") && is_scaled_by(&owners, &conflict.manager);
        if let Some(found) = found.filter(|_| is_scaled) {
            yielding.push(found);
        } else {
            blocking.extend(shown(std::slice::from_ref(conflict), assessed, live));
        }
    }
    Verdict { blocking, yielding }
}

/// A conflict's path as plans write it; as the server wrote it where it cannot be found.
fn written(found: Option<&FieldPath>, conflict: &FieldConflict) -> String {
    found.map_or_else(|| plain_path(&conflict.field), FieldPath::to_string)
}

fn remove(object: &mut Object, path: &FieldPath) {
    let mut whole = Value::Object(std::mem::take(object.as_map_mut()));
    path.remove(&mut whole);
    if let Value::Object(map) = whole {
        *object.as_map_mut() = map;
    }
}

/// Whether a manager writes through the `scale` subresource and is no person's tool: an autoscaler.
fn is_scaled_by(owners: &FieldOwners, manager: &str) -> bool {
    !manager.starts_with("kubectl")
        && owners
            .entries()
            .iter()
            .any(|owner| owner.manager == manager && owner.subresource == "scale")
}

/// Whether the policy names this field, for this object or for all.
fn may_take(policy: &Policy, target: &ObjectRef, path: &str) -> bool {
    policy.take_fields.iter().any(|taken| {
        let (object, field) = match taken.rsplit_once(' ') {
            Some((object, field)) => (Some(object), field),
            None => (None, taken.as_str()),
        };
        plain_path(field) == plain_path(path)
            && object.is_none_or(|object| object == target.to_string())
    })
}

fn shown(conflicts: &[FieldConflict], assessed: &Assessed, live: &Object) -> Vec<FieldChange> {
    let owners = FieldOwners::of(live);
    let whole = |object: &Object| Value::Object(object.as_map().clone());
    let (before, after) = (whole(live), whole(&assessed.declared));
    conflicts
        .iter()
        .map(|conflict| {
            let found = owners.find(&conflict.manager, &conflict.field);
            let value = |root| found.as_ref()?.lookup(root).cloned();
            let mut change = FieldChange {
                path: written(found.as_ref(), conflict),
                before: value(&before),
                after: value(&after),
                manager: Some(conflict.manager.clone()),
            };
            if assessed.target.kind.kind == "Secret" {
                compare::mask(&mut change);
            }
            change
        })
        .collect()
}

fn dry_run(force: bool) -> ApplyOptions {
    ApplyOptions {
        manager: HELM.into(),
        dry_run: true,
        force,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_autoscaler_is_known_by_the_scale_subresource() {
        let object = Object::from_value(json!({"metadata": {"managedFields": [
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale"},
            {"manager": "kubectl", "operation": "Update", "subresource": "scale"},
        ]}}))
        .unwrap();
        let object = FieldOwners::of(&object);
        assert!(is_scaled_by(&object, "kube-controller-manager"));
        assert!(
            !is_scaled_by(&object, "kubectl"),
            "a person is no autoscaler"
        );
        assert!(!is_scaled_by(&object, "other"));
    }

    #[test]
    fn a_taken_field_is_named_for_one_object_or_for_all() {
        let target = ObjectRef::namespaced("apps/v1", "Deployment", "ns", "d");
        let allows = |taken: &str| {
            let policy = Policy {
                take_fields: vec![taken.into()],
                ..Policy::default()
            };
            may_take(&policy, &target, "spec.replicas")
        };
        assert!(allows("spec.replicas") && allows(".spec.replicas"));
        assert!(allows("Deployment ns/d spec.replicas"));
        assert!(!allows("Deployment ns/other spec.replicas") && !allows("spec"));
    }

    /// A Deployment as a controller has left it by a version, and how often it is declared to run.
    fn deployment(version: &str, replicas: u32, rollout: &str) -> Object {
        Object::from_value(json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": "web", "namespace": "ns", "resourceVersion": version,
                "annotations": {"deployment.kubernetes.io/revision": rollout},
            },
            "spec": {"replicas": replicas},
        }))
        .unwrap()
    }

    async fn settled(probed: &[(&str, &str)], read: &[(&str, &str)]) -> Assessed {
        let mut cluster = kube_cluster::MockCluster::new();
        let answers = |versions: &[(&str, &str)], replicas| {
            let objects = versions.iter().map(|(at, by)| deployment(at, replicas, by));
            objects.collect::<Vec<_>>().into_iter()
        };
        let (mut probes, mut reads) = (answers(probed, 3), answers(read, 1));
        cluster
            .expect_apply()
            .times(probed.len())
            .returning(move |_, _| Ok(Applied::Done(probes.next().unwrap())));
        cluster
            .expect_get()
            .times(read.len())
            .returning(move |_| Ok(reads.next()));
        let (declared, live) = (deployment("", 3, ""), deployment("1", 1, "1"));
        let mut assessed = Assessed {
            target: declared.reference(),
            declared,
            live: Some(live.clone()),
            kind: ChangeKind::None,
            fields: Vec::new(),
            force: false,
            adopts: false,
            verification: Verification::Verified,
            note: None,
        };
        let policy = Policy::default();
        settle(&cluster, &mut assessed, live, &policy)
            .await
            .unwrap();
        assessed
    }

    #[tokio::test]
    async fn what_a_controller_writes_meanwhile_is_no_change_of_ours() {
        for (probed, read) in [
            (vec![("1", "1")], vec![]),
            (vec![("2", "2")], vec![("2", "2")]),
            (vec![("2", "2"), ("3", "3")], vec![("3", "3")]),
        ] {
            let assessed = settled(&probed, &read).await;
            let paths: Vec<_> = assessed.fields.iter().map(|field| &field.path).collect();
            assert_eq!(paths, ["spec.replicas"], "{probed:?}");
            assert_eq!(assessed.kind, ChangeKind::Update);
            let live = assessed.live.unwrap();
            assert_eq!(live.resource_version(), Some(probed[probed.len() - 1].0));
        }
    }
}
