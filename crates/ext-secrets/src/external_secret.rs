//! [`EnsureExternalSecret`]: the ExternalSecret and the Secret it makes (S6 of the guide). It owns
//! the proof that the Secret holds every key, non-empty and equal to the vault's; it refuses to
//! believe a condition alone.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use converge::{
    Change, ChangeKind, Decision, Proof, Readiness, Secret, Slot, Step, StepContext, StepError,
    StepOutcome, Verification,
};
use futures::future::join_all;
use kube_cluster::{
    Cluster, Object, ObjectRef, Patience, Target, Watches, WriteOptions, insist, wait_on,
};
use serde_json::json;
use tokio::time::Instant;

use crate::store::{
    adopt_from_kubectl, adoption, declare, later, row, served_now, verdict, wait_ready,
};
use crate::{
    ExternalSecretSettings, SecretStoreSettings, StoreError, StoreReady, VaultFacts, VaultSecret,
    VaultSecrets,
};

/// How long after the operator's word its Secret may come.
const COMES: Duration = Duration::from_secs(1);

/// Keeps the ExternalSecret as declared and proves what it makes.
#[derive(Debug, Clone)]
pub struct EnsureExternalSecret {
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// The vault's data plane, to compare with.
    pub secrets: Arc<dyn VaultSecrets>,
    /// The store, from [`EnsureStore`](crate::EnsureStore).
    pub store: Slot<StoreReady>,
    /// The vault, from [`FindVault`](crate::FindVault).
    pub vault: Slot<VaultFacts>,
    /// Names and keys.
    pub settings: ExternalSecretSettings,
    /// The store a plan expects before it is known to work.
    pub expected: SecretStoreSettings,
    /// Take fields other managers own; off unless the caller allows it.
    pub take_fields: bool,
    /// How long the operator may take; its back-off is forced once where it had failed before.
    pub limit: Duration,
}

/// The Secret that is there and proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncedSecret {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its keys.
    pub keys: Vec<String>,
}

/// What was seen.
#[derive(Debug)]
pub struct SecretObserved {
    /// What is wanted, or is expected to be once the store is known.
    wanted: Option<Object>,
    /// Whether the store was known.
    after_store: bool,
    live: Option<Object>,
    ready: bool,
    proof: Option<Result<Proof, StoreError>>,
}

/// What to do.
#[derive(Debug)]
pub struct SecretAction {
    wanted: Object,
    /// It exists and had failed: nudge it past its back-off.
    nudge: bool,
    apply: bool,
    /// It is as `kubectl apply` left it, and only its owner changes.
    adopt: Option<(Object, Proof)>,
}

impl EnsureExternalSecret {
    /// Looks at what is there, also while the store is not known yet or is to change.
    async fn look(&self) -> Result<SecretObserved, StoreError> {
        let store = self.store.get();
        let mut observed = SecretObserved {
            wanted: None,
            after_store: store.is_some(),
            live: None,
            ready: false,
            proof: None,
        };
        observed.wanted = match &store {
            Some(store) => Some(self.wanted(store)),
            None => served_now(&*self.cluster)
                .await
                .map(|api| self.settings.manifest(api, &self.expected)),
        };
        let Some(wanted) = &observed.wanted else {
            return Ok(observed);
        };
        if store.is_some_and(|store| store.fresh) {
            return Ok(observed);
        }
        let target = wanted.reference();
        let (read, proof) = futures::join!(
            self.cluster.get(target.clone()),
            self.prove(wanted.namespace().unwrap_or_default())
        );
        observed.live = read.map_err(StoreError::cluster(&target))?;
        if let Some(live) = &observed.live {
            observed.ready = verdict(&*self.cluster, live).await.readiness.is_current();
            observed.proof = Some(proof);
        }
        Ok(observed)
    }

    fn wanted(&self, store: &StoreReady) -> Object {
        self.settings.manifest(store.api, &store.settings)
    }

    fn secret_ref(&self, namespace: &str) -> ObjectRef {
        ObjectRef::namespaced("v1", "Secret", namespace, &self.settings.target)
    }

    /// Reads the Secret and the vault, and compares every key.
    async fn prove(&self, namespace: &str) -> Result<Proof, StoreError> {
        let target = self.secret_ref(namespace);
        let (secret, originals) =
            futures::join!(self.cluster.get(target.clone()), self.originals());
        let secret = secret.map_err(StoreError::cluster(&target))?;
        self.compare(namespace, secret.as_ref(), originals)
    }

    /// What the vault holds, key by key; nothing for a caller without the right to read it, who
    /// still gets the weaker proof.
    async fn originals(&self) -> Vec<Option<VaultSecret>> {
        let vault = self.vault.get();
        join_all(self.settings.data.iter().map(async |mapping| {
            let name = mapping.vault_secret.clone();
            let read = self.secrets.get(vault.as_ref()?.uri.clone(), name).await;
            read.ok().flatten()
        }))
        .await
    }

    fn compare(
        &self,
        namespace: &str,
        secret: Option<&Object>,
        originals: Vec<Option<VaultSecret>>,
    ) -> Result<Proof, StoreError> {
        let place = format!("{namespace}/{}", self.settings.target);
        let mut equal = 0_usize;
        for (mapping, original) in self.settings.data.iter().zip(originals) {
            let held = secret.and_then(|secret| secret_value(secret, &mapping.key));
            let Some(held) = held.filter(|held| !held.is_empty()) else {
                return Err(StoreError::KeyMissing {
                    target: place,
                    key: mapping.key.clone(),
                });
            };
            if let Some(original) = original {
                if !original.value.same_as(&held) {
                    return Err(StoreError::Stale {
                        target: place,
                        key: mapping.key.clone(),
                    });
                }
                equal += 1;
            }
        }
        Ok(if equal == self.settings.data.len() {
            Proof::effect("keys present, hash equal")
        } else {
            Proof::observed("keys present; the vault's values cannot be read from here")
        })
    }

    /// Waits for the operator and looks at the Secret that came meanwhile. `None` where that proves
    /// nothing: it may not be there yet, and what was seen of it or of the vault may be older.
    async fn first_proof(
        &self,
        watches: &mut Watches,
        target: &ObjectRef,
        live: Option<Object>,
        originals: Vec<Option<VaultSecret>>,
        context: &StepContext,
    ) -> Result<Option<Proof>, StoreError> {
        let namespace = target.namespace.as_deref().unwrap_or_default();
        let keys: Vec<String> = self.output(namespace).keys;
        let has_keys = move |secret: &Object| {
            let held = |key: &String| secret_value(secret, key).is_some_and(|one| !one.is_empty());
            match keys.iter().find(|key| !held(key)) {
                None => Readiness::Current("every key is there".into()),
                Some(key) => Readiness::InProgress(format!("key `{key}` is not there yet")),
            }
        };
        let secret = Target::judged(self.secret_ref(namespace), has_keys);
        wait_ready(watches, target, live, self.limit, context).await?;
        let came = wait_on(watches, &[secret], COMES, &context.observer).await;
        let came = came.ok().and_then(|states| states.into_iter().next());
        Ok(self.compare(namespace, came.as_ref(), originals).ok())
    }

    /// Waits until the Secret is proven. Without `originals`, which were just read from the vault, the
    /// operator is nudged first: it has failed before, or made an older Secret.
    async fn wait_synced(
        &self,
        watches: &mut Watches,
        target: ObjectRef,
        mut live: Option<Object>,
        originals: Option<Vec<Option<VaultSecret>>>,
        context: &StepContext,
    ) -> Result<Proof, StoreError> {
        let started = Instant::now();
        let namespace = target.namespace.clone().unwrap_or_default();
        match originals {
            None => live = self.force_sync(&target).await?,
            Some(originals) => {
                let seen = live.take();
                let proof = self.first_proof(watches, &target, seen, originals, context);
                if let Some(proof) = proof.await? {
                    return Ok(proof);
                }
            }
        }
        let mut patience = Patience::new(
            &context.observer,
            self.limit,
            Duration::from_millis(200),
            Duration::from_secs(5),
        );
        let mut last = None;
        loop {
            let left = self.limit.saturating_sub(started.elapsed());
            let ready = wait_ready(watches, &target, live.take(), left, context).await;
            match (ready, last.take()) {
                (Ok(()), _) => {}
                // What was wrong with the Secret says more than that there is no time left.
                (Err(StoreError::NotReady { .. }), Some(error)) | (Err(error), _) => {
                    return Err(error);
                }
            }
            match self.prove(&namespace).await {
                Ok(proof) => return Ok(proof),
                Err(error @ StoreError::Cluster { .. }) => return Err(error),
                Err(error) => {
                    if !patience.pause(&error.to_string()).await {
                        return Err(error);
                    }
                    last = Some(error);
                }
            }
        }
    }

    /// The operator does not watch the store and backs off for up to seven minutes; a changed
    /// annotation makes it look again at once. Source: External Secrets, FAQ on manual refresh.
    async fn force_sync(&self, target: &ObjectRef) -> Result<Option<Object>, StoreError> {
        let Some(live) = self
            .cluster
            .get(target.clone())
            .await
            .map_err(StoreError::cluster(target))?
        else {
            return Ok(None);
        };
        let mark = live.resource_version().unwrap_or("0").to_owned();
        let operations = if live.at("/metadata/annotations").is_some() {
            json!([{"op": "add", "path": "/metadata/annotations/force-sync", "value": mark}])
        } else {
            json!([{"op": "add", "path": "/metadata/annotations", "value": {"force-sync": mark}}])
        };
        insist(|| {
            self.cluster
                .patch(target.clone(), operations.clone(), WriteOptions::default())
        })
        .await
        .map_err(StoreError::cluster(target))
    }

    fn output(&self, namespace: &str) -> SyncedSecret {
        SyncedSecret {
            namespace: namespace.to_owned(),
            name: self.settings.target.clone(),
            keys: self
                .settings
                .data
                .iter()
                .map(|mapping| mapping.key.clone())
                .collect(),
        }
    }
}

/// The decoded value of one key of a Secret, if it is text.
fn secret_value(secret: &Object, key: &str) -> Option<Secret> {
    let encoded = secret.at("/data")?.get(key)?.as_str()?;
    let bytes = azure_core::base64::decode(encoded).ok()?;
    String::from_utf8(bytes).ok().map(Secret::new)
}

#[async_trait]
impl Step for EnsureExternalSecret {
    type Observed = SecretObserved;
    type Action = SecretAction;
    type Output = SyncedSecret;

    fn name(&self) -> &'static str {
        "secret"
    }

    async fn observe(&self, _context: &StepContext) -> Result<Self::Observed, StepError> {
        self.look().await.map_err(StepError::before_writes)
    }

    /// Once the store is known, only its own object and Secret were looked at.
    fn outlives(&self, observed: &Self::Observed) -> bool {
        observed.after_store
    }

    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        let now = self.store.get().map(|store| self.wanted(&store));
        let (Some(wanted), true) = (&now, now == observed.wanted) else {
            let namespace = &self.expected.namespace;
            let target = format!("ExternalSecret {namespace}/{}", self.settings.name);
            let (wanted, live) = (observed.wanted.as_ref(), observed.live.as_ref());
            let why = "waits for the store";
            let changes = later(wanted, live, target, self.take_fields, why);
            return Ok(Decision::Later { changes });
        };
        let change = row(wanted, observed.live.as_ref(), self.take_fields);
        let namespace = wanted.namespace().unwrap_or_default();
        if let (None, true, Some(Ok(proof))) = (&change, observed.ready, &observed.proof) {
            if let Some((row, live)) = adoption(wanted, observed.live.as_ref()) {
                return Ok(Decision::Adopt {
                    action: SecretAction {
                        wanted: wanted.clone(),
                        nudge: false,
                        apply: false,
                        adopt: Some((live, proof.clone())),
                    },
                    output: self.output(namespace),
                    changes: vec![row],
                });
            }
            return Ok(Decision::Done {
                output: self.output(namespace),
                proof: proof.clone(),
            });
        }
        let action = SecretAction {
            wanted: wanted.clone(),
            nudge: observed.live.is_some(),
            apply: change.is_some(),
            adopt: None,
        };
        let change = change.unwrap_or_else(|| {
            let why = match &observed.proof {
                Some(Err(error)) => error.to_string(),
                _ => "not ready; it is nudged".into(),
            };
            Change::new(
                ChangeKind::Run,
                wanted.reference().to_string(),
                Verification::Verified,
            )
            .with_note(why)
        });
        Ok(Decision::Act {
            action,
            changes: vec![change],
        })
    }

    async fn perform(
        &self,
        action: Self::Action,
        context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError> {
        let namespace = action.wanted.namespace().unwrap_or_default().to_owned();
        if let Some((live, proof)) = action.adopt {
            adopt_from_kubectl(&*self.cluster, &action.wanted, &live)
                .await
                .map_err(StepError::before_writes)?;
            return Ok(StepOutcome {
                output: self.output(&namespace),
                did: "adopted".into(),
                proof,
            });
        }
        let applied = action.apply;
        let target = action.wanted.reference();
        let (mut live, mut originals) = (None, None);
        let mut watches = Watches::of_single_objects(Arc::clone(&self.cluster));
        if applied {
            let declaring = declare(&*self.cluster, action.wanted, self.take_fields);
            let declared = if action.nudge {
                watches.beside([target.clone()], declaring).await
            } else {
                // Of one that is new the Secret is new, too: it is followed and compared as it comes.
                let followed = [target.clone(), self.secret_ref(&namespace)];
                let (declared, read) =
                    futures::join!(watches.beside(followed, declaring), self.originals());
                originals = Some(read);
                declared
            };
            live = Some(declared.map_err(StepError::before_writes)?);
        }
        let proof = self
            .wait_synced(&mut watches, target, live, originals, context)
            .await
            .map_err(StepError::after_writes)?;
        Ok(StepOutcome {
            output: self.output(&namespace),
            did: format!(
                "{} keys{}",
                self.settings.data.len(),
                if applied { "" } else { ", refreshed" }
            ),
            proof,
        })
    }
}

#[cfg(test)]
#[path = "external_secret/tests.rs"]
mod tests;
