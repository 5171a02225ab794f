//! Objects of the document itself: the Secrets its references become, and objects of the user's
//! own. It owns two small steps; it refuses to delete anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use converge::{
    Change, ChangeKind, Decision, Proof, Secret, Slot, Step, StepContext, StepError, StepOutcome,
    Verification,
};
use ext_secrets::{SecretName, VaultFacts, VaultSecrets};
use kube_cluster::{Applied, ApplyOptions, Cluster, ClusterError, Object, ObjectRef, differences};
use serde_json::{Map, Value, json};

use crate::document::SecretRef;
use crate::world::LocalSecrets;

/// Our field manager.
const MANAGER: &str = "aks-airflow";

/// What can go wrong with objects of the document.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum ObjectError {
    /// The cluster refused.
    #[error("cannot keep {target}")]
    #[diagnostic(code(aka::objects::cluster))]
    Cluster {
        /// Which object.
        target: String,
        /// Why.
        #[source]
        #[diagnostic_source]
        source: ClusterError,
    },
    /// Another manager owns declared fields.
    #[error("{target}: {fields} is owned by another manager")]
    #[diagnostic(
        code(aka::objects::conflict),
        help("give the field up, or take it: `--take FIELD`")
    )]
    Conflict {
        /// Which object.
        target: String,
        /// Which fields and whose.
        fields: String,
    },
    /// A secret reference leads nowhere.
    #[error("{reference} is not there")]
    #[diagnostic(
        code(aka::objects::secret_missing),
        help("set it, or correct the reference")
    )]
    Missing {
        /// The reference, never the secret.
        reference: String,
    },
    /// A secret reference cannot be read.
    #[error("{reference} cannot be read: {message}")]
    #[diagnostic(code(aka::objects::secret_unreadable))]
    Unreadable {
        /// The reference, never the secret.
        reference: String,
        /// Why.
        message: String,
    },
}

/// Objects that are declared whole and applied server-side.
#[derive(Debug)]
pub(crate) struct ApplyObjects {
    pub(crate) name: &'static str,
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) source: ObjectSource,
    pub(crate) take: bool,
}

/// Where the declared objects come from.
#[derive(Debug)]
pub(crate) enum ObjectSource {
    /// Written in the document.
    Written(Vec<Object>),
    /// Secrets from references.
    Secrets(SecretObjects),
}

/// Secrets of the namespace, by name and key.
#[derive(Debug)]
pub(crate) struct SecretObjects {
    pub(crate) namespace: String,
    pub(crate) secrets: BTreeMap<String, BTreeMap<String, SecretRef>>,
    pub(crate) local: Arc<dyn LocalSecrets>,
    pub(crate) vault: Slot<VaultFacts>,
    pub(crate) vault_secrets: Arc<dyn VaultSecrets>,
}

/// Reads one secret reference.
#[derive(Debug)]
pub(crate) struct ResolveSecret {
    pub(crate) name: &'static str,
    pub(crate) reference: SecretRef,
    pub(crate) local: Arc<dyn LocalSecrets>,
    pub(crate) vault: Slot<VaultFacts>,
    pub(crate) vault_secrets: Arc<dyn VaultSecrets>,
}

#[async_trait]
impl Step for ResolveSecret {
    type Observed = Secret;
    type Action = ();
    type Output = Secret;

    fn name(&self) -> &'static str {
        self.name
    }

    async fn observe(&self, _: &StepContext) -> Result<Secret, StepError> {
        resolve(
            &self.reference,
            self.local.as_ref(),
            &self.vault,
            self.vault_secrets.as_ref(),
        )
        .await
        .map_err(StepError::before_writes)
    }

    fn decide(&self, secret: &Secret) -> Result<Decision<(), Secret>, StepError> {
        Ok(Decision::Done {
            output: secret.clone(),
            proof: Proof::observed("it is there"),
        })
    }

    async fn perform(
        &self,
        (): (),
        context: &StepContext,
    ) -> Result<StepOutcome<Secret>, StepError> {
        let output = self.observe(context).await?;
        Ok(StepOutcome {
            output,
            did: "read".into(),
            proof: Proof::observed("it is there"),
        })
    }
}

/// A declared object and its live one.
#[derive(Debug)]
pub(crate) struct Seen {
    declared: Object,
    live: Option<Object>,
    namespace_missing: bool,
}

impl ApplyObjects {
    async fn declared(&self) -> Result<Vec<Object>, StepError> {
        match &self.source {
            ObjectSource::Written(objects) => Ok(objects.clone()),
            ObjectSource::Secrets(secrets) => {
                secrets.objects().await.map_err(StepError::before_writes)
            }
        }
    }

    async fn see(&self, declared: Object) -> Result<Seen, StepError> {
        let target = declared.reference();
        let live = match self.cluster.get(target.clone()).await {
            Ok(live) => live,
            Err(error) if error.is_unknown_kind() => None,
            Err(source) => {
                return Err(StepError::before_writes(ObjectError::Cluster {
                    target: target.to_string(),
                    source,
                }));
            }
        };
        let namespace_missing = match (&live, &target.namespace) {
            (None, Some(namespace)) => {
                let namespace = ObjectRef::cluster_wide("v1", "Namespace", namespace.clone());
                matches!(self.cluster.get(namespace).await, Ok(None))
            }
            _ => false,
        };
        Ok(Seen {
            declared,
            live,
            namespace_missing,
        })
    }
}

impl SecretObjects {
    async fn objects(&self) -> Result<Vec<Object>, ObjectError> {
        let mut objects = Vec::new();
        for (name, keys) in &self.secrets {
            let mut data = Map::new();
            for (key, reference) in keys {
                let secret = resolve(
                    reference,
                    self.local.as_ref(),
                    &self.vault,
                    self.vault_secrets.as_ref(),
                )
                .await?;
                data.insert(key.clone(), STANDARD.encode(secret.expose()).into());
            }
            let mut object = Object::named(&ObjectRef::namespaced(
                "v1",
                "Secret",
                self.namespace.clone(),
                name.clone(),
            ));
            object.as_map_mut().insert("type".into(), "Opaque".into());
            object
                .as_map_mut()
                .insert("data".into(), Value::Object(data));
            objects.push(object);
        }
        Ok(objects)
    }
}

/// The secret behind a reference.
pub(crate) async fn resolve(
    reference: &SecretRef,
    local: &dyn LocalSecrets,
    vault: &Slot<VaultFacts>,
    vault_secrets: &dyn VaultSecrets,
) -> Result<Secret, ObjectError> {
    let shown = match reference {
        SecretRef::KeyVault(name) => format!("vault secret `{name}`"),
        SecretRef::Env(name) => format!("environment variable `{name}`"),
        SecretRef::File(path) => format!("file `{path}`"),
    };
    let unreadable = |message: String| ObjectError::Unreadable {
        reference: shown.clone(),
        message,
    };
    let found = match reference {
        SecretRef::KeyVault(name) => {
            let facts = vault
                .get()
                .ok_or_else(|| unreadable("the vault is not known yet".into()))?;
            let name =
                SecretName::parse(name.clone()).map_err(|error| unreadable(error.to_string()))?;
            vault_secrets
                .get(facts.uri, name)
                .await
                .map_err(|error| unreadable(error.to_string()))?
                .map(|secret| secret.value)
        }
        SecretRef::Env(_) | SecretRef::File(_) => local.resolve(reference).map_err(unreadable)?,
    };
    found.ok_or(ObjectError::Missing { reference: shown })
}

#[async_trait]
impl Step for ApplyObjects {
    type Observed = Vec<Seen>;
    type Action = Vec<Object>;
    type Output = ();

    fn name(&self) -> &'static str {
        self.name
    }

    async fn observe(&self, _: &StepContext) -> Result<Vec<Seen>, StepError> {
        let mut seen = Vec::new();
        for declared in self.declared().await? {
            seen.push(self.see(declared).await?);
        }
        Ok(seen)
    }

    fn decide(&self, observed: &Vec<Seen>) -> Result<Decision<Vec<Object>, ()>, StepError> {
        let mut changes = Vec::new();
        let mut action = Vec::new();
        for seen in observed {
            let target = seen.declared.reference().to_string();
            let Some(live) = &seen.live else {
                let sure = if seen.namespace_missing {
                    Verification::Predicted
                } else {
                    Verification::Verified
                };
                changes.push(Change::new(ChangeKind::Create, target, sure));
                action.push(seen.declared.clone());
                continue;
            };
            let found = differences(&seen.declared, live);
            if found.is_empty() {
                continue;
            }
            let foreign = !self.take
                && found.iter().any(|one| {
                    !one.owners.is_empty() && one.owners.iter().all(|owner| owner != MANAGER)
                });
            let kind = if foreign {
                ChangeKind::Conflict
            } else {
                ChangeKind::Update
            };
            let secret = seen.declared.kind().kind == "Secret";
            let fields = found
                .iter()
                .map(|one| one.to_change(MANAGER))
                .map(|mut field| {
                    if secret {
                        field.before = field.before.map(|_| json!("(secret)"));
                        field.after = field.after.map(|_| json!("(secret)"));
                    }
                    field
                });
            changes.push(
                Change::new(kind, target, Verification::Verified).with_fields(fields.collect()),
            );
            action.push(seen.declared.clone());
        }
        if action.is_empty() {
            let proof = Proof::observed(format!("{} objects as declared", observed.len()));
            return Ok(Decision::Done { output: (), proof });
        }
        Ok(Decision::Act { action, changes })
    }

    async fn perform(
        &self,
        action: Vec<Object>,
        _: &StepContext,
    ) -> Result<StepOutcome<()>, StepError> {
        let count = action.len();
        for object in action {
            let target = object.reference().to_string();
            let options = ApplyOptions {
                manager: MANAGER.into(),
                force: self.take,
                ..ApplyOptions::default()
            };
            match self.cluster.apply(object, options).await {
                Ok(Applied::Done(_)) => {}
                Ok(Applied::Conflicts(conflicts)) => {
                    let fields = conflicts
                        .iter()
                        .map(|conflict| format!("{} ({})", conflict.field, conflict.manager))
                        .collect::<Vec<_>>()
                        .join(", ");
                    return Err(StepError::after_writes(ObjectError::Conflict {
                        target,
                        fields,
                    }));
                }
                Err(source) => {
                    return Err(StepError::after_writes(ObjectError::Cluster {
                        target,
                        source,
                    }));
                }
            }
        }
        Ok(StepOutcome {
            output: (),
            did: format!("applied {count}"),
            proof: Proof::observed("the server took them"),
        })
    }
}
