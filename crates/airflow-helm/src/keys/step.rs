//! [`EnsureKeys`]: the step that makes the keys once. It owns the order of sources (ours that are
//! there, a mirror's, those an earlier chart-only install left, new ones) and refuses to make a
//! password for a database that already has another.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use converge::{
    Change, ChangeKind, Decision, Proof, Secret, Slot, Step, StepContext, StepError, StepOutcome,
    Verification,
};
use futures::future::{join_all, try_join_all};
use helm_release::{Record, ReleaseError, ReleaseId, ReleaseName, Releases};
use kube_cluster::{
    Applied, ApplyOptions, Cluster, ClusterError, Created, Object, ObjectRef, WriteOptions,
    differences, insist,
};

use serde_json::Value;

use super::{KeyMaterial, KeyNames, RandomBytes, decode, derived_secrets};
use crate::settings::{AirflowSettings, Database};

/// Our field manager.
const MANAGER: &str = "aks-airflow";

/// Secrets the chart makes, the key in them, and ours.
const LEFT_BEHIND: [(&str, &str, &str); 6] = [
    ("fernet-key", "fernet-key", "fernet-key"),
    (
        "webserver-secret-key",
        "webserver-secret-key",
        "webserver-secret-key",
    ),
    ("api-secret-key", "api-secret-key", "api-secret-key"),
    ("jwt-secret", "jwt-secret", "jwt-secret"),
    ("postgresql", "postgres-password", "postgres-password"),
    ("redis-password", "password", "password"),
];

/// Makes the keys' Secret once and keeps the connections derived from it.
#[derive(Debug, Clone)]
pub struct EnsureKeys {
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// Helm releases, to learn the first user's password of one that made its own keys.
    pub releases: Arc<dyn Releases>,
    /// The settings.
    pub settings: AirflowSettings,
    /// Randomness for new keys, drawn by the caller; not used when the keys are there.
    pub random: RandomBytes,
    /// Keys a mirror holds, by their names; they come before new ones.
    pub mirror: BTreeMap<String, Secret>,
    /// The external database's password.
    pub database_password: Slot<Secret>,
    /// Take fields of the derived Secrets that other managers own; off unless the caller allows it.
    pub take_fields: bool,
    /// Filled once the namespace is there.
    pub namespace: Slot<()>,
}

/// The keys are there.
#[derive(Clone)]
pub struct KeysReady {
    /// The Secrets' names.
    pub names: KeyNames,
    /// The keys; for the login and a mirror, never for an event.
    pub material: KeyMaterial,
}

impl fmt::Debug for KeysReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeysReady({})", self.names.keys)
    }
}

/// The keys cannot be had.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum KeyError {
    /// The cluster refused.
    #[error("cannot keep the keys in {target}")]
    #[diagnostic(code(aka::airflow::keys))]
    Cluster {
        /// Which object.
        target: String,
        /// Why.
        #[source]
        #[diagnostic_source]
        source: ClusterError,
    },

    /// The Secret is there and lacks a key.
    #[error("Secret {target} has no `{key}`")]
    #[diagnostic(
        code(aka::airflow::keys_incomplete),
        help(
            "it was made by something else: restore the key, or delete the Secret if nothing is encrypted with it yet"
        )
    )]
    Incomplete {
        /// `namespace/name`.
        target: String,
        /// Which key.
        key: &'static str,
    },

    /// The database's volume is there, its password is not.
    #[error("the database's volume {claim} is there, but no Secret holds its password")]
    #[diagnostic(
        code(aka::airflow::database_password_lost),
        help(
            "restore the keys' Secret from its mirror, or give the password as key `postgres-password`; a new one would lock the data out"
        )
    )]
    PasswordLost {
        /// The claim's name.
        claim: String,
    },

    /// An external database without a password.
    #[error("the external database's password is not known")]
    #[diagnostic(
        code(aka::airflow::database_password),
        help("give `airflow.database.external` a secret reference for its password")
    )]
    NoPassword,

    /// The release's record cannot be read.
    #[error("cannot read the release whose keys are taken over")]
    #[diagnostic(code(aka::airflow::keys_release))]
    Release(
        #[source]
        #[diagnostic_source]
        ReleaseError,
    ),

    /// Others own fields of a derived Secret.
    #[error("{target} is owned by another manager: {managers}")]
    #[diagnostic(
        code(aka::airflow::keys_conflict),
        help("delete the Secret, or let it be taken")
    )]
    Conflict {
        /// Which object.
        target: String,
        /// Who.
        managers: String,
    },
}

/// The first user's password in a record: what the user said, else the chart's default.
fn first_password(record: &Record) -> Option<Secret> {
    let said = Value::Object(record.config.clone());
    let default = record.chart.get("values").cloned().unwrap_or_default();
    let find = |values: &Value| {
        ["/webserver/defaultUser", "/createUserJob/defaultUser"]
            .iter()
            .find_map(|place| {
                values
                    .pointer(&format!("{place}/password"))?
                    .as_str()
                    .map(Secret::new)
            })
    };
    find(&said).or_else(|| find(&default))
}

fn cluster_error(target: &ObjectRef) -> impl FnOnce(ClusterError) -> KeyError + '_ {
    |source| KeyError::Cluster {
        target: target.to_string(),
        source,
    }
}

/// What was seen.
#[derive(Debug)]
pub struct KeysObserved {
    /// The keys that are there, or those that would be made.
    material: KeyMaterial,
    exists: bool,
    /// Where keys would come from, for the plan.
    inherited: usize,
    /// The derived Secrets that are not as they should be, and the plan's rows for them.
    derived: Vec<(Object, Change)>,
}

/// What to do.
#[derive(Debug)]
pub struct KeysAction {
    material: KeyMaterial,
    create: bool,
    /// The derived Secrets to write, by what was seen.
    derived: Vec<Object>,
}

impl EnsureKeys {
    fn reference(&self, name: &str) -> ObjectRef {
        ObjectRef::namespaced("v1", "Secret", &self.settings.namespace, name)
    }

    async fn read(&self, name: &str) -> Result<Option<Object>, KeyError> {
        let target = self.reference(name);
        self.cluster
            .get(target.clone())
            .await
            .map_err(cluster_error(&target))
    }

    /// The keys our Secret holds.
    async fn held(&self) -> Result<Option<KeyMaterial>, KeyError> {
        let name = KeyNames::of(&self.settings).keys;
        let Some(secret) = self.read(&name).await? else {
            return Ok(None);
        };
        KeyMaterial::read(&secret)
            .map(Some)
            .map_err(|key| KeyError::Incomplete {
                target: format!("{}/{name}", self.settings.namespace),
                key,
            })
    }

    /// What a mirror or an install by the chart alone left.
    async fn known(&self) -> Result<BTreeMap<String, Secret>, KeyError> {
        let names = LEFT_BEHIND.map(|(suffix, ..)| format!("{}-{suffix}", self.settings.release));
        let left = try_join_all(names.iter().map(|name| self.read(name))).await?;
        let mut known: BTreeMap<String, Secret> = LEFT_BEHIND
            .iter()
            .zip(&left)
            .filter_map(|((_, key, ours), secret)| {
                Some(((*ours).to_owned(), decode(secret.as_ref()?, key)?))
            })
            .collect();
        if !known.is_empty()
            && let Some(password) = self.first_password().await?
        {
            known.insert("admin-password".to_owned(), password);
        }
        known.extend(self.mirror.clone());
        Ok(known)
    }

    /// The password the first user of an install by the chart alone got: it is in no Secret, and
    /// creating the user again does not change it.
    async fn first_password(&self) -> Result<Option<Secret>, KeyError> {
        let Ok(name) = ReleaseName::parse(self.settings.release.clone()) else {
            return Ok(None);
        };
        let id = ReleaseId::new(name, self.settings.namespace.clone());
        let record = self.releases.record(id, None).await;
        let record = record.map_err(KeyError::Release)?;
        Ok(record.as_ref().and_then(first_password))
    }

    async fn guard_database(&self, known: &BTreeMap<String, Secret>) -> Result<(), KeyError> {
        if !matches!(self.settings.database, Database::Embedded(_))
            || known.contains_key("postgres-password")
        {
            return Ok(());
        }
        let claim = format!("data-{}-postgresql-0", self.settings.release);
        let target = ObjectRef::namespaced(
            "v1",
            "PersistentVolumeClaim",
            &self.settings.namespace,
            &claim,
        );
        let there = self
            .cluster
            .get(target.clone())
            .await
            .map_err(cluster_error(&target))?;
        match there {
            Some(_) => Err(KeyError::PasswordLost { claim }),
            None => Ok(()),
        }
    }

    async fn look(&self) -> Result<KeysObserved, KeyError> {
        let (material, exists, inherited) = if let Some(material) = self.held().await? {
            (material, true, 0)
        } else {
            let known = self.known().await?;
            self.guard_database(&known).await?;
            let material = KeyMaterial::generate(&self.random).with_known(&known);
            (material, false, known.len())
        };
        let derived = self.unequal(&material).await?;
        Ok(KeysObserved {
            material,
            exists,
            inherited,
            derived,
        })
    }

    /// The derived Secrets that are not as they should be, each with its row.
    async fn unequal(&self, material: &KeyMaterial) -> Result<Vec<(Object, Change)>, KeyError> {
        let wanted = self.derived(material);
        let live = try_join_all(wanted.iter().map(|one| self.read(one.name()))).await?;
        let unequal = wanted.into_iter().zip(live).filter_map(|(wanted, live)| {
            let row = self.row(&wanted, live.as_ref())?;
            Some((wanted, row))
        });
        Ok(unequal.collect())
    }

    /// The plan's row for a derived Secret, if it is not as it should be. A field another manager
    /// changed is a conflict, unless it may be taken.
    fn row(&self, wanted: &Object, live: Option<&Object>) -> Option<Change> {
        let row =
            |kind, verification| Change::new(kind, wanted.reference().to_string(), verification);
        let Some(live) = live else {
            let verification = match self.namespace.get() {
                Some(()) => Verification::Verified,
                None => Verification::Predicted,
            };
            return Some(row(ChangeKind::Create, verification));
        };
        let found = differences(wanted, live);
        if found.is_empty() {
            return None;
        }
        let is_others =
            |owners: &[String]| !owners.is_empty() && owners.iter().all(|owner| owner != MANAGER);
        let is_foreign = found.iter().any(|one| is_others(&one.owners));
        let kind = if is_foreign && !self.take_fields {
            ChangeKind::Conflict
        } else {
            ChangeKind::Update
        };
        let fields = found.iter().map(|one| one.to_change(MANAGER)).collect();
        Some(row(kind, Verification::Verified).with_fields(fields))
    }

    fn derived(&self, material: &KeyMaterial) -> Vec<Object> {
        derived_secrets(
            &self.settings,
            material,
            self.database_password.get().as_ref(),
        )
    }

    fn ready(&self, material: KeyMaterial) -> KeysReady {
        KeysReady {
            names: KeyNames::of(&self.settings),
            material,
        }
    }

    /// Creates the Secret; a name taken meanwhile means: theirs. The second value is whether they are
    /// ours.
    async fn create(&self, material: KeyMaterial) -> Result<(KeyMaterial, bool), KeyError> {
        let name = KeyNames::of(&self.settings).keys;
        let target = self.reference(&name);
        let manifest = material.manifest(&self.settings.namespace, &name);
        // Repeated after a lost answer, the Secret that is there is our own.
        let created = insist(|| {
            self.cluster
                .create(manifest.clone(), WriteOptions::default())
        })
        .await
        .map_err(cluster_error(&target))?;
        match created {
            Created::New(_) => Ok((material, true)),
            Created::AlreadyExists => match self.held().await? {
                Some(theirs) => Ok((theirs, false)),
                None => Err(KeyError::Incomplete {
                    target: target.to_string(),
                    key: "fernet-key",
                }),
            },
        }
    }

    async fn apply(&self, wanted: Object) -> Result<(), KeyError> {
        let target = wanted.reference();
        let applied = self
            .cluster
            .apply(
                wanted,
                ApplyOptions {
                    force: self.take_fields,
                    ..ApplyOptions::default()
                },
            )
            .await
            .map_err(cluster_error(&target))?;
        match applied {
            Applied::Done(_) => Ok(()),
            Applied::Conflicts(conflicts) => Err(KeyError::Conflict {
                target: target.to_string(),
                managers: conflicts
                    .into_iter()
                    .map(|conflict| conflict.manager)
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }
}

#[async_trait]
impl Step for EnsureKeys {
    type Observed = KeysObserved;
    type Action = KeysAction;
    type Output = KeysReady;

    fn name(&self) -> &'static str {
        "keys"
    }

    async fn observe(&self, _context: &StepContext) -> Result<Self::Observed, StepError> {
        self.look().await.map_err(StepError::before_writes)
    }

    /// Making the namespace puts no Secret of ours into it; an external database's password may have
    /// come to be known.
    fn outlives(&self, _observed: &Self::Observed) -> bool {
        !matches!(self.settings.database, Database::External(_))
    }

    fn decide(
        &self,
        observed: &Self::Observed,
    ) -> Result<Decision<Self::Action, Self::Output>, StepError> {
        if observed.exists && observed.derived.is_empty() {
            return Ok(Decision::Done {
                output: self.ready(observed.material.clone()),
                proof: Proof::observed("keys present, connections match"),
            });
        }
        let later = self.namespace.get().is_none();
        let verification = if later {
            Verification::Predicted
        } else {
            Verification::Verified
        };
        let mut changes = Vec::new();
        if !observed.exists {
            let name = self
                .reference(&KeyNames::of(&self.settings).keys)
                .to_string();
            let note = match observed.inherited {
                0 => "made once, immutable, outside the release".to_owned(),
                count => format!("made once, {count} keys taken over"),
            };
            changes.push(Change::new(ChangeKind::Create, name, verification).with_note(note));
        }
        changes.extend(observed.derived.iter().map(|(_, row)| row.clone()));
        Ok(if later {
            Decision::Later { changes }
        } else {
            Decision::Act {
                action: KeysAction {
                    material: observed.material.clone(),
                    create: !observed.exists,
                    derived: observed
                        .derived
                        .iter()
                        .map(|(wanted, _)| wanted.clone())
                        .collect(),
                },
                changes,
            }
        })
    }

    async fn perform(
        &self,
        action: Self::Action,
        _context: &StepContext,
    ) -> Result<StepOutcome<Self::Output>, StepError> {
        let external = matches!(self.settings.database, Database::External(_));
        if external && self.database_password.get().is_none() {
            return Err(StepError::before_writes(KeyError::NoPassword));
        }
        let (material, is_as_seen) = if action.create {
            self.create(action.material)
                .await
                .map_err(StepError::before_writes)?
        } else {
            (action.material, true)
        };
        let derived = if is_as_seen {
            action.derived
        } else {
            let look = self.unequal(&material).await;
            let found = look.map_err(StepError::after_writes)?;
            found.into_iter().map(|(wanted, _)| wanted).collect()
        };
        let written = derived.len();
        // Every write is waited for, also after one that failed.
        let applied = join_all(derived.into_iter().map(|wanted| self.apply(wanted))).await;
        let applied: Result<Vec<()>, KeyError> = applied.into_iter().collect();
        applied.map_err(StepError::after_writes)?;
        Ok(StepOutcome {
            output: self.ready(material),
            did: match (action.create, written) {
                (true, _) => "made".into(),
                (false, count) => format!("{count} connections written"),
            },
            proof: Proof::observed("keys present, connections match"),
        })
    }
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
