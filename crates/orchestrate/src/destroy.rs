//! [`TearDown`]: taking a deployment down in reverse order. It owns what goes by itself and what
//! only goes when named; every candidate is confirmed live before anything is done to it.

use converge::{Observer, Readiness};
use helm_release::{ReleaseError, ReleaseId, ReleaseName, UninstallOptions, Uninstalled};
use kube_cluster::{ClusterError, DeleteOptions, Deleted, Kind, ObjectRef, Query};
use serde::Serialize;

use crate::document::Deployment;
use crate::world::{World, resource_group};

/// What holds data or is shared, and goes only when named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarded {
    /// The keys: without the fernet key the metadata database cannot be read again.
    Keys,
    /// The claim of the embedded database.
    Database,
    /// The log volume and its claim; the blobs stay.
    Volumes,
    /// The External Secrets release.
    ExternalSecrets,
    /// The federated credential in Azure.
    FederatedCredential,
    /// The namespace and everything left in it.
    Namespace,
}

impl Guarded {
    /// Everything that can be named, with its name.
    pub const ALL: [(&'static str, Self); 6] = [
        ("keys", Self::Keys),
        ("database", Self::Database),
        ("volumes", Self::Volumes),
        ("external-secrets", Self::ExternalSecrets),
        ("federated-credential", Self::FederatedCredential),
        ("namespace", Self::Namespace),
    ];

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, guarded)| *guarded)
    }
}

/// What would go and what would stay.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TearDown {
    /// The format's version: 1.
    pub format: u32,
    /// What goes, in this order.
    pub goes: Vec<Doomed>,
    /// What stays, and why or how to name it.
    pub stays: Vec<String>,
}

/// One thing that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Doomed {
    /// A Helm release.
    Release {
        /// Its name.
        name: String,
    },
    /// A Kubernetes object.
    Object {
        /// Which.
        target: ObjectRef,
        /// Only this incarnation.
        uid: Option<String>,
    },
    /// The federated credential.
    FederatedCredential {
        /// Its name.
        name: String,
    },
}

/// A tear-down that failed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum TearDownError {
    /// The cluster refused.
    #[error("the deployment cannot be taken down")]
    #[diagnostic(code(aka::down::cluster))]
    Cluster(
        #[source]
        #[diagnostic_source]
        ClusterError,
    ),
    /// A release refused.
    #[error("the deployment cannot be taken down")]
    #[diagnostic(code(aka::down::release))]
    Release(
        #[source]
        #[diagnostic_source]
        ReleaseError,
    ),
    /// Azure refused.
    #[error("the deployment cannot be taken down")]
    #[diagnostic(code(aka::down::azure))]
    Azure(
        #[source]
        #[diagnostic_source]
        azure::ArmError,
    ),
    /// A name that slipped past the document's checks.
    #[error("{0}")]
    #[diagnostic(code(aka::down::name))]
    Name(String),
}

impl Deployment {
    /// What taking the deployment down would delete, of what is there now. Reads only.
    ///
    /// # Errors
    /// When the cluster cannot be read.
    pub async fn tear_down(
        &self,
        world: &World,
        named: &[Guarded],
    ) -> Result<TearDown, TearDownError> {
        let mut plan = TearDown {
            format: 1,
            goes: Vec::new(),
            stays: Vec::new(),
        };
        let named = |guarded| named.contains(&guarded);
        let namespace = &self.namespace;
        let settings = self.airflow_settings();
        let namespaced = |version: &str, kind: &str, name: &str| {
            ObjectRef::namespaced(version, kind, namespace.clone(), name)
        };

        plan.release(world, self, &self.airflow.release).await?;
        let names = airflow_helm::KeyNames::of(&settings);
        for name in [
            &names.metadata,
            &names.pgbouncer_config,
            &names.pgbouncer_stats,
        ] {
            plan.object(world, namespaced("v1", "Secret", name), true, "")
                .await?;
        }
        plan.object(
            world,
            namespaced("v1", "Secret", &names.keys),
            named(Guarded::Keys),
            "keys",
        )
        .await?;
        let claims = Query::all(
            Kind::new("v1", "PersistentVolumeClaim"),
            Some(namespace.clone()),
        );
        let claims = world
            .cluster
            .list(claims)
            .await
            .map_err(TearDownError::Cluster)?
            .items;
        for claim in claims.iter().filter(|claim| {
            claim
                .name()
                .starts_with(&format!("data-{}-", settings.release))
        }) {
            plan.object(
                world,
                claim.reference(),
                named(Guarded::Database),
                "database",
            )
            .await?;
        }
        let volumes = named(Guarded::Volumes);
        plan.object(
            world,
            namespaced("v1", "PersistentVolumeClaim", &self.logs.claim),
            volumes,
            "volumes",
        )
        .await?;
        let volume = ObjectRef::cluster_wide("v1", "PersistentVolume", self.logs.volume.clone());
        plan.object(world, volume, volumes, "volumes").await?;
        let secrets = &self.external_secrets;
        for version in ["external-secrets.io/v1", "external-secrets.io/v1beta1"] {
            plan.object(
                world,
                namespaced(version, "ExternalSecret", &secrets.external_secret),
                true,
                "",
            )
            .await?;
            plan.object(
                world,
                namespaced(version, "SecretStore", &secrets.store),
                true,
                "",
            )
            .await?;
        }
        for name in self.secrets.keys() {
            plan.object(world, namespaced("v1", "Secret", name), true, "")
                .await?;
        }
        let account = namespaced("v1", "ServiceAccount", &self.identity.service_account);
        plan.object(world, account, true, "").await?;
        if named(Guarded::ExternalSecrets) {
            plan.release(world, self, &secrets.release).await?;
        } else {
            plan.stays.push(format!(
                "release {} (--delete external-secrets)",
                secrets.release
            ));
        }
        let credential = self.identity.federated_credential.clone();
        if named(Guarded::FederatedCredential) {
            plan.goes
                .push(Doomed::FederatedCredential { name: credential });
        } else {
            plan.stays.push(format!(
                "federated credential {credential} (--delete federated-credential)"
            ));
        }
        let space = ObjectRef::cluster_wide("v1", "Namespace", namespace.clone());
        plan.object(world, space, named(Guarded::Namespace), "namespace")
            .await?;
        plan.stays.push(format!(
            "blobs in container {} and the vault's secrets (never deleted here)",
            self.logs.container
        ));
        Ok(plan)
    }

    /// Carries a tear-down out and waits until everything is gone, within five minutes each.
    ///
    /// # Errors
    /// The first refusal; what came before is gone. Run again to go on.
    pub async fn carry_out(
        &self,
        plan: &TearDown,
        world: &World,
        observer: &Observer,
    ) -> Result<usize, TearDownError> {
        let mut gone = 0;
        for doomed in &plan.goes {
            match doomed {
                Doomed::Release { name } => {
                    observer.progress(format!("uninstalling release {name}"));
                    let release = release_id(self, name)?;
                    let done = world
                        .releases
                        .uninstall(release, UninstallOptions::default(), observer.clone())
                        .await
                        .map_err(TearDownError::Release)?;
                    if let Uninstalled::Done { deleted, .. } = done {
                        gone += deleted.len();
                    }
                }
                Doomed::Object { target, uid } => {
                    let options = DeleteOptions {
                        uid: uid.clone(),
                        ..DeleteOptions::default()
                    };
                    let deleted = world
                        .cluster
                        .delete(target.clone(), options)
                        .await
                        .map_err(TearDownError::Cluster)?;
                    if !matches!(
                        deleted,
                        Deleted::AlreadyAbsent | Deleted::PreconditionFailed
                    ) {
                        observer.progress(format!("deleted {target}"));
                        gone += 1;
                    }
                }
                Doomed::FederatedCredential { name } => {
                    gone += self.delete_credential(world, name).await?;
                    observer.progress(format!("deleted federated credential {name}"));
                }
            }
        }
        Ok(gone)
    }

    async fn delete_credential(&self, world: &World, name: &str) -> Result<usize, TearDownError> {
        let bad = |error: azure::ResourceIdError| TearDownError::Name(error.to_string());
        let id = resource_group(self)
            .and_then(|group| {
                group.provider(
                    "Microsoft.ManagedIdentity",
                    "userAssignedIdentities",
                    &self.azure.managed_identity,
                )
            })
            .and_then(|identity| identity.child("federatedIdentityCredentials", name))
            .map_err(bad)?;
        let limit = std::time::Duration::from_secs(300);
        let deleted = world
            .arm
            .delete(id, azure::ApiVersion("2024-11-30"), limit)
            .await
            .map_err(TearDownError::Azure)?;
        Ok(usize::from(deleted == azure::ArmDeleted::Gone))
    }
}

impl TearDown {
    async fn release(
        &mut self,
        world: &World,
        deployment: &Deployment,
        name: &str,
    ) -> Result<(), TearDownError> {
        let release = release_id(deployment, name)?;
        if world
            .releases
            .status(release)
            .await
            .map_err(TearDownError::Release)?
            .is_some()
        {
            self.goes.push(Doomed::Release {
                name: name.to_owned(),
            });
        }
        Ok(())
    }

    /// An object that is there goes, or stays with the word that would let it go.
    async fn object(
        &mut self,
        world: &World,
        target: ObjectRef,
        goes: bool,
        word: &str,
    ) -> Result<(), TearDownError> {
        let live = match world.cluster.get(target.clone()).await {
            Ok(live) => live,
            Err(error) if error.is_unknown_kind() => None,
            Err(error) => return Err(TearDownError::Cluster(error)),
        };
        let Some(live) = live else { return Ok(()) };
        let known = |doomed: &Doomed| matches!(doomed, Doomed::Object { uid, .. } if uid.as_deref() == live.uid());
        if matches!(kube_cluster::readiness(&live), Readiness::Terminating(_))
            || self.goes.iter().any(known)
        {
            return Ok(());
        }
        if goes {
            self.goes.push(Doomed::Object {
                target,
                uid: live.uid().map(str::to_owned),
            });
        } else {
            self.stays.push(format!("{target} (--delete {word})"));
        }
        Ok(())
    }
}

fn release_id(deployment: &Deployment, name: &str) -> Result<ReleaseId, TearDownError> {
    let name = ReleaseName::parse(name.to_owned())
        .map_err(|error| TearDownError::Name(error.to_string()))?;
    Ok(ReleaseId::new(name, deployment.namespace.clone()))
}
