//! From a document to a graph: which steps a deployment has, in which order, and which step's
//! output feeds which. It owns the graph's shape and nothing of what a step does.
//!
//! Azure comes first because it propagates slowly; everything that can runs at once.

mod secrets;

use std::sync::Arc;
use std::time::Duration;

use airflow_helm::{AirflowSettings, Database, EnsureKeys, InstallAirflow, KeysReady, roots_of};
use aks_identity::{
    CredentialName, Facts, FactsStep, FederatedCredentialStep, NameError, NamespaceName,
    NamespaceStep, ServiceAccountName, ServiceAccountStep,
};
use blob_storage::{
    ContainerName, EnsureClaim, EnsureContainer, EnsureLifecycle, EnsureVolume, FindAccount,
    LifecycleRule, ProveLogStore, VolumeSettings,
};
use converge::{ErasedStep, Slot};
use ext_secrets::ReaderIdentity;
use kube_cluster::Object;
use serde_json::Value;

use crate::charts::Charts;
use crate::document::Deployment;
use crate::graph::{Graph, GraphError, Node};
use crate::history::{HistoryRecord, RecordHistory};
use crate::objects::{ApplyObjects, ObjectSource, ResolveSecret, SecretObjects};
use crate::policy::Policy;
use crate::proof::ProveAirflow;
use crate::world::{World, cluster_id, resource_group};
use secrets::{SecretReady, wire_secrets};

/// A document that cannot be wired: names that slipped past the document's own checks.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum WiringError {
    /// A name Kubernetes or Entra refuses.
    #[error("the document has a name that would be refused")]
    #[diagnostic(code(aka::wiring::name))]
    Name(
        #[source]
        #[diagnostic_source]
        NameError,
    ),
    /// A resource id that cannot exist.
    #[error("the document names an Azure resource that cannot exist")]
    #[diagnostic(code(aka::wiring::resource))]
    Resource(
        #[source]
        #[diagnostic_source]
        azure::ResourceIdError,
    ),
    /// A vault secret's name.
    #[error("the document names a vault secret that cannot exist")]
    #[diagnostic(code(aka::wiring::secret_name))]
    SecretName(
        #[source]
        #[diagnostic_source]
        ext_secrets::InvalidSecretName,
    ),
    /// A container's name.
    #[error("the document names a container that cannot exist")]
    #[diagnostic(code(aka::wiring::container))]
    Container(
        #[source]
        #[diagnostic_source]
        blob_storage::InvalidContainerName,
    ),
    /// The graph itself is wrong, which is a mistake of this crate.
    #[error("the steps cannot be ordered")]
    #[diagnostic(code(aka::wiring::graph))]
    Graph(
        #[source]
        #[diagnostic_source]
        GraphError,
    ),
}

/// Steps as they are added.
#[derive(Default)]
struct Nodes(Vec<Node>);

impl Nodes {
    fn add(&mut self, step: Arc<dyn ErasedStep>, after: &[&'static str]) -> &'static str {
        self.add_looking(step, after, None)
    }

    /// A step that a plan may let look after fewer steps than it comes after: what it sees depends on
    /// nothing that the others find out.
    fn add_looking(
        &mut self,
        step: Arc<dyn ErasedStep>,
        after: &[&'static str],
        looks_after: Option<&[&'static str]>,
    ) -> &'static str {
        self.add_node(Node {
            looks_after: looks_after.map(<[_]>::to_vec),
            ..Node::new(step, after)
        })
    }

    fn add_node(&mut self, node: Node) -> &'static str {
        let name = node.step.name();
        self.0.push(node);
        name
    }
}

/// The graph of a deployment in a world.
///
/// # Errors
/// Names that cannot be; nothing was read or written.
pub(crate) fn wire(
    deployment: &Deployment,
    world: &World,
    charts: &Charts,
    policy: &Policy,
) -> Result<Graph, WiringError> {
    let mut nodes = Nodes::default();
    let identity = wire_identity(&mut nodes, deployment, world, policy)?;
    let storage = wire_account(&mut nodes, deployment, world)?;
    let secret = wire_secrets(
        &mut nodes, deployment, world, charts, policy, &identity, &storage,
    )?;
    let logs = wire_volume(
        &mut nodes,
        deployment,
        world,
        policy,
        &storage,
        identity.after_namespace,
    )?;
    wire_airflow(
        &mut nodes, deployment, world, charts, policy, &identity, &secret, &logs,
    );
    Graph::new(nodes.0).map_err(WiringError::Graph)
}

/// What the identity's steps give to others.
struct Identity {
    namespace: NamespaceName,
    account: ServiceAccountName,
    facts: Slot<Facts>,
    namespace_ready: Slot<NamespaceName>,
    /// Who reads the vault; known once Entra has been told to trust it.
    reader: Slot<ReaderIdentity>,
    after_namespace: &'static str,
    after_trust: [&'static str; 2],
}

fn wire_identity(
    nodes: &mut Nodes,
    deployment: &Deployment,
    world: &World,
    policy: &Policy,
) -> Result<Identity, WiringError> {
    let namespace =
        NamespaceName::parse(deployment.namespace.clone()).map_err(WiringError::Name)?;
    let account = ServiceAccountName::parse(deployment.identity.service_account.clone())
        .map_err(WiringError::Name)?;
    let credential = CredentialName::parse(deployment.identity.federated_credential.clone())
        .map_err(WiringError::Name)?;
    let identity = resource_group(deployment)
        .and_then(|group| {
            group.provider(
                "Microsoft.ManagedIdentity",
                "userAssignedIdentities",
                &deployment.azure.managed_identity,
            )
        })
        .map_err(WiringError::Resource)?;

    let facts = Slot::<Facts>::new();
    let after_facts = nodes.add(
        facts.of(FactsStep {
            arm: Arc::clone(&world.arm),
            identities: Arc::clone(&world.identities),
            cluster: cluster_id(deployment).map_err(WiringError::Resource)?,
            identity: identity.clone(),
        }),
        &[],
    );
    let trusted = Slot::new();
    let after_credential = nodes.add(
        trusted.of(FederatedCredentialStep {
            identities: Arc::clone(&world.identities),
            identity,
            credential,
            issuer: facts.map(|facts| facts.issuer),
            namespace: namespace.clone(),
            service_account: account.clone(),
            take_over: policy.take_ownership,
            limit: Duration::from_secs(deployment.identity.propagation_seconds),
        }),
        &[after_facts],
    );
    let namespace_ready = Slot::new();
    let after_namespace = nodes.add(
        namespace_ready.of(NamespaceStep {
            cluster: Arc::clone(&world.cluster),
            name: namespace.clone(),
            labels: std::collections::BTreeMap::new(),
            take: policy.takes("Namespace"),
        }),
        &[],
    );
    let after_account = nodes.add(
        Slot::new().of(ServiceAccountStep {
            cluster: Arc::clone(&world.cluster),
            namespace: namespace.clone(),
            name: account.clone(),
            identity: facts.map(|facts| facts.identity),
            take: policy.takes("ServiceAccount"),
        }),
        &[after_facts, after_namespace],
    );
    let reader = facts
        .map(|facts| ReaderIdentity {
            client_id: facts.identity.client_id.to_string(),
            tenant_id: facts.tenant.to_string(),
        })
        .after(&trusted);
    Ok(Identity {
        namespace,
        account,
        facts,
        namespace_ready,
        reader,
        after_namespace,
        after_trust: [after_account, after_credential],
    })
}

/// What the storage account's steps give to others.
struct Storage {
    account: Slot<blob_storage::AccountAccess>,
    container: ContainerName,
    after_account: &'static str,
}

fn wire_account(
    nodes: &mut Nodes,
    deployment: &Deployment,
    world: &World,
) -> Result<Storage, WiringError> {
    let id = resource_group(deployment)
        .and_then(|group| {
            group.provider(
                "Microsoft.Storage",
                "storageAccounts",
                &deployment.azure.storage_account,
            )
        })
        .map_err(WiringError::Resource)?;
    let container = deployment
        .logs
        .container
        .parse::<ContainerName>()
        .map_err(WiringError::Container)?;
    let account = Slot::new();
    let after_account = nodes.add(
        account.of(FindAccount {
            accounts: Arc::clone(&world.storage),
            account: id,
            needs_key: true,
        }),
        &[],
    );
    let log_container = Slot::new();
    let after_container = nodes.add(
        log_container.of(EnsureContainer {
            accounts: Arc::clone(&world.storage),
            account: account.clone(),
            container: container.clone(),
        }),
        &[after_account],
    );
    if deployment.logs.retention_days > 0 {
        nodes.add_looking(
            Slot::new().of(EnsureLifecycle {
                accounts: Arc::clone(&world.storage),
                account: account.clone(),
                rule: LifecycleRule {
                    container: container.clone(),
                    days: deployment.logs.retention_days,
                    ..LifecycleRule::default()
                },
            }),
            &[after_container],
            Some(&[after_account]),
        );
    }
    nodes.add(
        Slot::new().of(ProveLogStore {
            store: Arc::clone(&world.log_store),
            container: log_container,
            limit: Duration::from_secs(120),
        }),
        &[after_container],
    );
    Ok(Storage {
        account,
        container,
        after_account,
    })
}

/// What the volume's steps give to others.
struct LogsReady {
    bound: Slot<blob_storage::BoundClaim>,
    after_claim: &'static str,
}

fn wire_volume(
    nodes: &mut Nodes,
    deployment: &Deployment,
    world: &World,
    policy: &Policy,
    storage: &Storage,
    after_namespace: &'static str,
) -> Result<LogsReady, WiringError> {
    let logs = &deployment.logs;
    let settings = VolumeSettings {
        volume: logs.volume.clone(),
        claim: logs.claim.clone(),
        capacity: logs.size.clone(),
        storage_class: logs.storage_class.clone(),
        mount_options: vec![
            "-o allow_other".into(),
            format!(
                "--file-cache-timeout-in-seconds={}",
                logs.file_cache_seconds
            ),
        ],
        secret: deployment.external_secrets.target.clone(),
        ..VolumeSettings::for_namespace(&deployment.namespace)
    };
    let volume = Slot::new();
    let after_volume = nodes.add(
        volume.of(EnsureVolume {
            cluster: Arc::clone(&world.cluster),
            account: storage.account.clone(),
            container: storage.container.clone(),
            cluster_id: cluster_id(deployment)
                .map_err(WiringError::Resource)?
                .to_string(),
            settings: settings.clone(),
            take_fields: policy.takes("PersistentVolume"),
            predict_creates: policy.predict_creates,
        }),
        &[storage.after_account],
    );
    let bound = Slot::new();
    let after_claim = nodes.add_looking(
        bound.of(EnsureClaim {
            cluster: Arc::clone(&world.cluster),
            volume,
            settings,
            take_fields: policy.takes("PersistentVolumeClaim"),
            predict_creates: policy.predict_creates,
            limit: Duration::from_secs(180),
        }),
        // As soon as may be: the volume controller often binds it only in its next round, up to 15 s later,
        // which passes while the operator is installed.
        &[after_volume, after_namespace],
        Some(&[after_namespace]),
    );
    Ok(LogsReady { bound, after_claim })
}

#[expect(
    clippy::too_many_arguments,
    reason = "the last part of the graph joins all others"
)]
fn wire_airflow(
    nodes: &mut Nodes,
    deployment: &Deployment,
    world: &World,
    charts: &Charts,
    policy: &Policy,
    identity: &Identity,
    secret: &SecretReady,
    logs: &LogsReady,
) {
    let settings = deployment.airflow_settings();
    // The claim mounts with what the secret holds. The release begins beside all this, and its pods wait
    // for what they mount.
    let mut beside_airflow = vec![logs.after_claim, secret.after_secret];
    let mut storage = logs.bound.map(|_| ()).after(&secret.synced);
    if !deployment.secrets.is_empty() {
        let ready = Slot::new();
        beside_airflow.push(nodes.add(
            ready.of(document_secrets(deployment, world, policy, secret)),
            &[identity.after_namespace, secret.after_vault],
        ));
        storage = storage.after(&ready);
    }
    let password = Slot::new();
    let mut before_keys = vec![identity.after_namespace];
    if let (Database::External(_), Some(reference)) =
        (&settings.database, &deployment.database_password)
    {
        before_keys.push(nodes.add(
            password.of(ResolveSecret {
                name: "database password",
                reference: reference.clone(),
                local: Arc::clone(&world.local),
                vault: secret.vault.clone(),
                vault_secrets: Arc::clone(&world.vault_secrets),
            }),
            &[secret.after_vault],
        ));
    }
    let keys = Slot::<KeysReady>::new();
    beside_airflow.push(nodes.add(
        keys.of(EnsureKeys {
            cluster: Arc::clone(&world.cluster),
            releases: Arc::clone(&world.releases),
            settings: settings.clone(),
            random: world.fresh_random(),
            mirror: std::collections::BTreeMap::new(),
            database_password: password,
            take_fields: policy.takes("Secret"),
            namespace: identity.namespace_ready.map(|_| ()),
        }),
        &before_keys,
    ));
    let after_airflow = nodes.add_node(Node {
        beside: beside_airflow.clone(),
        looks_after: Some(vec![secret.after_operator]),
        ..Node::new(
            Slot::new().of(InstallAirflow {
                releases: Arc::clone(&world.releases),
                chart: Arc::clone(&charts.airflow) as Arc<dyn helm_release::ReleaseChart>,
                roots: chart_roots(&charts.airflow),
                settings: settings.clone(),
                raw: deployment.values.clone(),
                policy: policy.release(),
                restart: policy.restarts(&settings.release),
                keys: keys.clone(),
                storage,
                api_versions: secret.api_versions.clone(),
            }),
            &[identity.after_namespace],
        )
    });
    // The release's record may end while it is proven.
    let mut before_proof = beside_airflow;
    before_proof.push(after_airflow);
    let mut last = nodes.add_node(Node {
        on_effect: vec![after_airflow],
        ..Node::new(
            Slot::new().of(prove_airflow(world, settings, keys)),
            &before_proof,
        )
    });
    if !deployment.objects.is_empty() {
        last = nodes.add(
            Slot::new().of(written_objects(deployment, world, policy)),
            &[after_airflow, last],
        );
    }
    nodes.add_looking(
        Slot::new().of(RecordHistory {
            cluster: Arc::clone(&world.cluster),
            namespace: deployment.namespace.clone(),
            deployment: deployment.name.clone(),
            record: record(deployment, charts),
            namespace_ready: identity.namespace_ready.map(|_| ()),
        }),
        &[after_airflow, last, "log store"],
        Some(&[identity.after_namespace]),
    );
}

fn prove_airflow(world: &World, settings: AirflowSettings, keys: Slot<KeysReady>) -> ProveAirflow {
    ProveAirflow {
        cluster: Arc::clone(&world.cluster),
        view: world.view.clone(),
        forward: Arc::clone(&world.forward),
        logs: Arc::clone(&world.logs),
        settings,
        keys,
        limit: Duration::from_secs(300),
    }
}

fn document_secrets(
    deployment: &Deployment,
    world: &World,
    policy: &Policy,
    secret: &SecretReady,
) -> ApplyObjects {
    ApplyObjects {
        name: "document secrets",
        cluster: Arc::clone(&world.cluster),
        source: ObjectSource::Secrets(SecretObjects {
            namespace: deployment.namespace.clone(),
            secrets: deployment.secrets.clone(),
            local: Arc::clone(&world.local),
            vault: secret.vault.clone(),
            vault_secrets: Arc::clone(&world.vault_secrets),
        }),
        take: policy.takes("Secret"),
    }
}

fn written_objects(deployment: &Deployment, world: &World, policy: &Policy) -> ApplyObjects {
    let objects = deployment.objects.iter().cloned().map(|map| {
        Object::from_value(Value::Object(map))
            .unwrap_or_else(|_| unreachable!("a table is an object"))
    });
    ApplyObjects {
        name: "objects",
        cluster: Arc::clone(&world.cluster),
        source: ObjectSource::Written(objects.collect()),
        take: !policy.take.is_empty(),
    }
}

/// The root keys the chart knows.
fn chart_roots(chart: &helm_chart::Chart) -> std::collections::BTreeSet<String> {
    let values = Value::Object(chart.values(helm_chart::Profile::Helm4).clone());
    let schema = chart
        .schema()
        .and_then(|text| serde_json::from_slice(text).ok());
    let children: Vec<String> = chart
        .children()
        .iter()
        .map(|child| child.name().to_owned())
        .collect();
    roots_of(&values, schema.as_ref(), &children)
}

/// What the end of a run writes down.
fn record(deployment: &Deployment, charts: &Charts) -> HistoryRecord {
    let mut versions = vec![
        (
            "airflow".to_owned(),
            deployment.airflow.airflow_version.clone(),
        ),
        (
            "airflow chart".to_owned(),
            charts.airflow.version().to_owned(),
        ),
    ];
    if let Some(chart) = &charts.external_secrets {
        versions.push((
            "external-secrets chart".to_owned(),
            chart.version().to_owned(),
        ));
    }
    let namespace = &deployment.namespace;
    let secrets = &deployment.external_secrets;
    let mut objects = vec![
        format!(
            "ServiceAccount {namespace}/{}",
            deployment.identity.service_account
        ),
        format!("SecretStore {namespace}/{}", secrets.store),
        format!("ExternalSecret {namespace}/{}", secrets.external_secret),
        format!("PersistentVolume {}", deployment.logs.volume),
        format!(
            "PersistentVolumeClaim {namespace}/{}",
            deployment.logs.claim
        ),
    ];
    objects.extend(
        deployment
            .secrets
            .keys()
            .map(|name| format!("Secret {namespace}/{name}")),
    );
    HistoryRecord {
        number: 0,
        document_digest: deployment.digest(),
        document: deployment.normalised(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        versions,
        objects,
    }
}
