//! [`EnsureStore`]: the SecretStore (S5 of the guide). It owns applying it in the API version the
//! cluster serves and waiting for the operator's verdict; it refuses to call a ready store a proof
//! of access, which it is not.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use converge::{
    Change, ChangeKind, Decision, FieldChange, Proof, Readiness, Slot, Step, StepContext,
    StepError, StepOutcome, Verification,
};
use kube_cluster::{
    Applied, ApplyOptions, Cluster, ClusterError, FieldConflict, Kind, Object, ObjectRef, Query,
    Target, WaitError, Watches, insistence, wait_on,
};
use serde_json::Value;

use crate::manifest::differences;
use crate::reason::entra_code;
use crate::{Blockage, OperatorFacts, SecretStoreSettings, StoreApi, VaultFacts, explain};

/// Keeps the SecretStore as declared and waits until the operator calls it valid.
#[derive(Debug, Clone)]
pub struct EnsureStore {
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// The API version, from [`EnsureOperator`](crate::EnsureOperator).
    pub operator: Slot<OperatorFacts>,
    /// The vault, from [`FindVault`](crate::FindVault).
    pub vault: Slot<VaultFacts>,
    /// Filled once [`ProveExchange`](crate::ProveExchange) has held: the operator caches refusals.
    pub exchange: Slot<()>,
    /// Names.
    pub settings: SecretStoreSettings,
    /// Take fields other managers own; off unless the caller allows it.
    pub take_fields: bool,
    /// How long the operator may take; two minutes is plenty, its requeue is five.
    pub limit: Duration,
}

/// What later steps may use: the store, in which API version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreReady {
    /// The API version it was made in.
    pub api: StoreApi,
    /// Its names.
    pub settings: SecretStoreSettings,
    /// Whether its definition was made by this run: no object of its group can be there yet.
    pub fresh: bool,
}

/// A SecretStore or ExternalSecret that does not come to be ready.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum StoreError {
    /// The cluster refused.
    #[error("cannot bring about {target}")]
    #[diagnostic(code(aka::secrets::apply))]
    Cluster {
        /// Which object.
        target: String,
        /// Why.
        #[source]
        #[diagnostic_source]
        source: ClusterError,
    },

    /// Another manager owns fields.
    #[error("{target} was changed by another manager: {}", fields(.conflicts))]
    #[diagnostic(
        code(aka::secrets::conflict),
        help("allow to take these fields, or declare them as they are")
    )]
    Conflict {
        /// Which object.
        target: String,
        /// The fields and their managers.
        conflicts: Vec<FieldConflict>,
    },

    /// The operator does not get there.
    #[error("{target} is not ready after {} s: {blockage}: {message}", .limit.as_secs())]
    #[diagnostic(code(aka::secrets::not_ready), help("{}", .blockage.help()))]
    NotReady {
        /// Which object.
        target: String,
        /// How long was waited.
        limit: Duration,
        /// What keeps it, as far as can be told.
        blockage: Blockage,
        /// The operator's own words.
        message: String,
    },

    /// The Secret lacks a key or has an empty one.
    #[error("Secret {target} has no value for `{key}`")]
    #[diagnostic(
        code(aka::secrets::key_missing),
        help("look at the ExternalSecret's condition; the vault secret may be empty")
    )]
    KeyMissing {
        /// `namespace/name`.
        target: String,
        /// Which key.
        key: String,
    },

    /// The Secret holds other values than the vault.
    #[error("Secret {target} does not hold what the vault holds for `{key}`")]
    #[diagnostic(
        code(aka::secrets::stale),
        help(
            "the operator refreshes by interval; force it with the annotation `force-sync` on the ExternalSecret"
        )
    )]
    Stale {
        /// `namespace/name`.
        target: String,
        /// Which key.
        key: String,
    },
}

fn fields(conflicts: &[FieldConflict]) -> String {
    conflicts
        .iter()
        .map(|conflict| format!("{} by {}", conflict.field, conflict.manager))
        .collect::<Vec<_>>()
        .join(", ")
}

impl StoreError {
    pub(crate) fn cluster(target: &ObjectRef) -> impl FnOnce(ClusterError) -> Self + '_ {
        |source| Self::Cluster {
            target: target.to_string(),
            source,
        }
    }
}

/// The operator's verdict on one of its objects, with the reason in words.
pub(crate) struct Verdict {
    pub(crate) readiness: Readiness,
    pub(crate) blockage: Blockage,
    pub(crate) message: String,
}

/// The `Ready` condition: its reason, its message, whether it holds; `None` before the operator has
/// looked.
fn ready(object: &Object) -> Option<(String, String, bool)> {
    let ready = kube_cluster::condition(object, "Ready")?;
    let is_true = ready.is_true();
    Some((ready.reason.to_owned(), ready.message.to_owned(), is_true))
}

/// The verdict from the object alone: good enough while it is waited for.
pub(crate) fn judged(object: &Object) -> Readiness {
    match ready(object) {
        None => Readiness::InProgress("the operator has not looked at it yet".into()),
        Some((reason, _, true)) => Readiness::Current(reason),
        Some((reason, message, false)) => {
            let blockage = explain(&reason, &message, &[]);
            Readiness::InProgress(format!("{reason}: {blockage}"))
        }
    }
}

/// Reads the `Ready` condition, and events where it is not true.
pub(crate) async fn verdict(cluster: &dyn Cluster, object: &Object) -> Verdict {
    let (reason, message) = match ready(object) {
        Some((reason, message, false)) => (reason, message),
        found => {
            return Verdict {
                readiness: judged(object),
                blockage: Blockage::Unknown,
                message: found.map_or("no condition yet".into(), |(_, message, _)| message),
            };
        }
    };
    let events = events_of(cluster, object).await;
    let blockage = explain(&reason, &message, &events);
    let code = entra_code(&message, &events);
    let code = code.map_or(String::new(), |code| format!(" ({code})"));
    Verdict {
        readiness: Readiness::InProgress(format!("{reason}: {blockage}{code}")),
        blockage,
        message: events.last().cloned().unwrap_or(message),
    }
}

/// Why the operator has not brought one of its objects about, in a sentence: what was refused, by whom,
/// with the number that Entra or the vault gave. `None` where it has, and where nothing is known but
/// the operator's own words.
pub async fn why_not_ready(cluster: &dyn Cluster, object: &Object) -> Option<String> {
    let verdict = verdict(cluster, object).await;
    let is_known = verdict.blockage != Blockage::Unknown;
    is_known.then(|| verdict.readiness.reason().to_owned())
}

/// Waits until the operator calls an object ready, from what applying it answered.
pub(crate) async fn wait_ready(
    watches: &mut Watches,
    target: &ObjectRef,
    live: Option<Object>,
    limit: Duration,
    context: &StepContext,
) -> Result<(), StoreError> {
    let mut wanted = Target::judged(target.clone(), judged);
    wanted.seen = live;
    match wait_on(watches, &[wanted], limit, &context.observer).await {
        Ok(_) => Ok(()),
        Err(WaitError::Cluster(source)) => Err(StoreError::cluster(target)(source)),
        Err(_) => {
            let cluster = watches.cluster();
            let read = cluster.get(target.clone()).await;
            let live = read.map_err(StoreError::cluster(target))?;
            let live = live.unwrap_or_else(|| Object::named(target));
            let verdict = verdict(&**cluster, &live).await;
            Err(StoreError::NotReady {
                target: target.to_string(),
                limit,
                blockage: verdict.blockage,
                message: verdict.message,
            })
        }
    }
}

/// The messages of an object's warning events, oldest first. Events are a courtesy: without the
/// right to read them the reason is less telling, not wrong.
async fn events_of(cluster: &dyn Cluster, object: &Object) -> Vec<String> {
    let query = Query::all(
        Kind::new("v1", "Event"),
        object.namespace().map(str::to_owned),
    )
    .with_fields(format!("involvedObject.name={}", object.name()));
    let Ok(list) = cluster.list(query).await else {
        return Vec::new();
    };
    let kind = object.kind().kind;
    let mut events: Vec<(String, String)> = list
        .items
        .iter()
        .filter(|event| {
            event.text("/involvedObject/kind") == Some(&kind)
                && event.text("/type") != Some("Normal")
        })
        .map(|event| {
            let at = event
                .text("/lastTimestamp")
                .or_else(|| event.text("/eventTime"))
                .unwrap_or_default();
            (
                at.to_owned(),
                event.text("/message").unwrap_or_default().to_owned(),
            )
        })
        .collect();
    events.sort();
    events.into_iter().map(|(_, message)| message).collect()
}

/// Declares an object by server-side apply. Of several API servers one may not know a kind yet that
/// another has just served.
pub(crate) async fn declare(
    cluster: &dyn Cluster,
    object: Object,
    take: bool,
) -> Result<Object, StoreError> {
    let target = object.reference();
    let options = ApplyOptions {
        force: take,
        ..ApplyOptions::default()
    };
    let mut pauses = insistence();
    let applied = loop {
        match cluster.apply(object.clone(), options.clone()).await {
            Err(error) if error.is_unknown_kind() => match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => break Err(error),
            },
            other => break other,
        }
    };
    match applied.map_err(StoreError::cluster(&target))? {
        Applied::Done(live) => Ok(live),
        Applied::Conflicts(conflicts) => Err(StoreError::Conflict {
            target: target.to_string(),
            conflicts,
        }),
    }
}

/// The plan's row for an object, from what is declared and what is live.
/// A field another manager changed is a conflict, unless it may be taken.
pub(crate) fn row(wanted: &Object, live: Option<&Object>, take: bool) -> Option<Change> {
    let target = wanted.reference().to_string();
    let Some(live) = live else {
        return Some(Change::new(
            ChangeKind::Create,
            target,
            Verification::Verified,
        ));
    };
    let paths = differences(wanted.as_map(), live.as_map());
    if paths.is_empty() {
        return None;
    }
    let owned = kube_cluster::differences(wanted, live);
    let owner = |path: &str| {
        let found = owned.iter().find(|one| one.path.to_string() == path)?;
        let ours = found.owners.iter().any(|owner| owner == MANAGER);
        found.owners.first().filter(|_| !ours).cloned()
    };
    let fields: Vec<FieldChange> = paths
        .into_iter()
        .map(|path| FieldChange {
            before: at_path(live, &path),
            after: at_path(wanted, &path),
            manager: owner(&path),
            path,
        })
        .collect();
    let foreign = !take && fields.iter().any(|field| field.manager.is_some());
    let kind = if foreign {
        ChangeKind::Conflict
    } else {
        ChangeKind::Update
    };
    Some(Change::new(kind, target, Verification::Verified).with_fields(fields))
}

/// The version the server serves now, if it can be asked and serves any.
pub(crate) async fn served_now(cluster: &dyn Cluster) -> Option<StoreApi> {
    crate::negotiate(&cluster.discover().await.ok()?)
}

/// The rows of an object whose turn comes later: what is there is compared, what is not is expected.
pub(crate) fn later(
    wanted: Option<&Object>,
    live: Option<&Object>,
    target: String,
    take: bool,
    why: &str,
) -> Vec<Change> {
    let row = match (wanted, live) {
        (Some(wanted), Some(live)) => row(wanted, Some(live), take),
        _ => Some(Change::new(
            ChangeKind::Create,
            target,
            Verification::Predicted,
        )),
    };
    row.map(|row| row.with_note(why)).into_iter().collect()
}

/// The plan's row for an object that is as declared and still `kubectl apply`'s, and the object.
pub(crate) fn adoption(wanted: &Object, live: Option<&Object>) -> Option<(Change, Object)> {
    let live = live?;
    kube_cluster::take_declared_fields(wanted, live, MANAGER)?;
    let target = wanted.reference().to_string();
    let row = Change::new(ChangeKind::Adopt, target, Verification::Verified)
        .with_note("it was applied by kubectl");
    Some((row, live.clone()))
}

/// Takes the declared fields over from `kubectl apply`.
pub(crate) async fn adopt_from_kubectl(
    cluster: &dyn Cluster,
    wanted: &Object,
    live: &Object,
) -> Result<(), StoreError> {
    kube_cluster::take_over_from_kubectl(cluster, wanted, live, MANAGER)
        .await
        .map(|_| ())
        .map_err(StoreError::cluster(&wanted.reference()))
}

/// Azure gives a vault's address with a slash at its end, so a store made by hand has it; that is
/// the same vault, and no reason to change a store.
fn keep_spelling(wanted: &mut Object, live: &Object) {
    const PLACE: &str = "/spec/provider/azurekv/vaultUrl";
    let Some(theirs) = live.text(PLACE).map(str::to_owned) else {
        return;
    };
    let same = wanted
        .text(PLACE)
        .is_some_and(|ours| ours.trim_end_matches('/') == theirs.trim_end_matches('/'));
    if let (true, Some(spec)) = (same, wanted.as_map_mut().get_mut("spec"))
        && let Some(url) = spec.pointer_mut("/provider/azurekv/vaultUrl")
    {
        *url = theirs.into();
    }
}

/// Our field manager for objects that belong to no release.
const MANAGER: &str = "aks-airflow";

fn at_path(object: &Object, path: &str) -> Option<Value> {
    let pointer = path.replace(['.', '['], "/").replace(']', "");
    object.at(&format!("/{pointer}")).cloned()
}

/// What was seen.
#[derive(Debug)]
pub struct StoreObserved {
    wanted: Option<Object>,
    api: Option<StoreApi>,
    live: Option<Object>,
    readiness: Readiness,
}

/// What to do.
#[derive(Debug)]
pub struct StoreAction {
    api: StoreApi,
    wanted: Object,
    /// The store as `kubectl apply` left it, if only its owner changes.
    adopt: Option<Object>,
}

impl EnsureStore {
    async fn look(&self) -> Result<StoreObserved, StoreError> {
        let mut observed = StoreObserved {
            wanted: None,
            api: None,
            live: None,
            readiness: Readiness::NotFound,
        };
        let Some(vault) = self.vault.get() else {
            return Ok(observed);
        };
        let operator = self.operator.get();
        observed.api = operator.as_ref().map(|operator| operator.api);
        // A store that is there is compared even while its operator is to change.
        let served = match observed.api {
            Some(api) => Some(api),
            None => served_now(&*self.cluster).await,
        };
        let Some(api) = served else {
            return Ok(observed);
        };
        let target = self.settings.reference(api);
        observed.wanted = Some(self.settings.manifest(api, &vault.uri));
        if !operator.is_some_and(|operator| operator.fresh) {
            let read = self.cluster.get(target.clone()).await;
            observed.live = read.map_err(StoreError::cluster(&target))?;
        }
        if let (Some(live), Some(wanted)) = (&observed.live, &mut observed.wanted) {
            keep_spelling(wanted, live);
        }
        if let Some(live) = &observed.live {
            observed.readiness = verdict(&*self.cluster, live).await.readiness;
        }
        Ok(observed)
    }

    fn ready(&self, api: StoreApi) -> StoreReady {
        StoreReady {
            api,
            settings: self.settings.clone(),
            fresh: self.operator.get().is_some_and(|operator| operator.fresh),
        }
    }

    fn proof() -> Proof {
        Proof::observed("the operator calls it valid")
    }
}

#[async_trait]
impl Step for EnsureStore {
    type Observed = StoreObserved;
    type Action = StoreAction;
    type Output = StoreReady;

    fn name(&self) -> &'static str {
        "secret store"
    }

    async fn observe(&self, _context: &StepContext) -> Result<Self::Observed, StepError> {
        self.look().await.map_err(StepError::before_writes)
    }

    /// Once the operator is known, only the store itself was looked at.
    fn outlives(&self, observed: &Self::Observed) -> bool {
        observed.wanted.is_some()
    }

    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        let (Some(wanted), Some(api)) = (&observed.wanted, observed.api) else {
            let target = format!(
                "SecretStore {}/{}",
                self.settings.namespace, self.settings.name
            );
            let (wanted, live) = (observed.wanted.as_ref(), observed.live.as_ref());
            let why = "waits for the operator and the vault";
            let changes = later(wanted, live, target, self.take_fields, why);
            return Ok(Decision::Later { changes });
        };
        let change = row(wanted, observed.live.as_ref(), self.take_fields);
        if change.is_none() && observed.readiness.is_current() {
            let output = self.ready(api);
            if let Some((row, live)) = adoption(wanted, observed.live.as_ref()) {
                return Ok(Decision::Adopt {
                    action: StoreAction {
                        api,
                        wanted: wanted.clone(),
                        adopt: Some(live),
                    },
                    output,
                    changes: vec![row],
                });
            }
            return Ok(Decision::Done {
                output,
                proof: Self::proof(),
            });
        }
        let change = change.unwrap_or_else(|| {
            Change::new(
                ChangeKind::Run,
                wanted.reference().to_string(),
                Verification::Verified,
            )
            .with_note(observed.readiness.reason())
        });
        if self.exchange.get().is_none() {
            return Ok(Decision::Later {
                changes: vec![change.with_note("waits for the token exchange")],
            });
        }
        Ok(Decision::Act {
            action: StoreAction {
                api,
                wanted: wanted.clone(),
                adopt: None,
            },
            changes: vec![change],
        })
    }

    async fn perform(
        &self,
        StoreAction { api, wanted, adopt }: Self::Action,
        context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError> {
        if let Some(live) = adopt {
            adopt_from_kubectl(&*self.cluster, &wanted, &live)
                .await
                .map_err(StepError::before_writes)?;
            return Ok(StepOutcome {
                output: self.ready(api),
                did: "adopted".into(),
                proof: Self::proof(),
            });
        }
        let target = wanted.reference();
        let mut watches = Watches::of_single_objects(Arc::clone(&self.cluster));
        let declaring = declare(&*self.cluster, wanted, self.take_fields);
        let live = watches
            .beside([target.clone()], declaring)
            .await
            .map_err(StepError::before_writes)?;
        wait_ready(&mut watches, &target, Some(live), self.limit, context)
            .await
            .map_err(StepError::after_writes)?;
        Ok(StepOutcome {
            output: self.ready(api),
            did: format!("applied as {api}"),
            proof: Self::proof(),
        })
    }
}

#[cfg(test)]
#[path = "store/tests.rs"]
mod tests;
