//! [`ByHand`]: part 3 of the guide as its reader carries it out: the requests of `kubectl apply`,
//! `helm install` and `az`, in the guide's order and under those tools' field managers. It owns what
//! those tools leave behind; it refuses to know what becomes of it.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use aks_sandbox::DEPLOYER;
use aks_sandbox::charts::COMPACT_CHARTS;
use azure::{ApiVersion, Arm, Azure, ResourceId, SandboxCredential};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use converge::RequestLog;
use ext_secrets::{KeyVault, KeyVaultOptions, SecretName, VaultSecrets};
use flate2::Compression;
use flate2::write::GzEncoder;
use helm_chart::manifest::Manifest;
use helm_chart::{Capabilities, Chart, Profile};
use helm_release::{
    Hook, HookRun, Info, Record, ReleaseChart, ReleaseId, ReleaseName, RenderInput, Rendered,
    Rendering, Revision, Status, TapeSeed,
};
use kube_cluster::{
    Applied, ApplyOptions, Cluster, ConnectOptions, Created, DeleteOptions, KubeCluster, Object,
    ObjectRef, WriteOptions,
};
use serde_json::{Value, json};

use crate::guide_world::{Guide, NAMESPACE};

/// The manager of `kubectl apply` without `--server-side`.
pub(crate) const KUBECTL: &str = "kubectl-client-side-apply";

/// How long a reader waits for anything before giving up, in the world's time.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

/// Which Helm the reader has: their conventions differ in how objects and records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Helm {
    Three,
    Four,
}

impl Helm {
    fn profile(self) -> Profile {
        match self {
            Self::Three => Profile::Helm3,
            Self::Four => Profile::Helm4,
        }
    }
}

/// A reader of the guide with kubectl, helm and az.
pub(crate) struct ByHand<'a> {
    guide: &'a Guide,
    helm: Helm,
    cluster: Arc<dyn Cluster>,
    arm: Arc<dyn Arm>,
    vault: KeyVault,
}

impl<'a> ByHand<'a> {
    pub(crate) fn new(guide: &'a Guide, helm: Helm) -> Self {
        let sandbox = &guide.sandbox;
        let cluster = KubeCluster::with_connector(
            sandbox.connector(),
            &sandbox.api_url(),
            ConnectOptions::default(),
        )
        .unwrap();
        let credential = SandboxCredential::new(sandbox.spec().tenant, DEPLOYER);
        let azure = Azure::sandbox_over(sandbox.connector(), credential, RequestLog::new());
        let options = KeyVaultOptions {
            client: azure.client_options(),
            ..KeyVaultOptions::default()
        };
        Self {
            guide,
            helm,
            cluster: Arc::new(cluster),
            arm: azure.arm(),
            vault: KeyVault::new(azure.credential(), options),
        }
    }

    /// The guide from its first to its last command, and the wait until every pod runs.
    pub(crate) async fn follow_the_guide(&self) {
        self.part_two().await;
        self.apply(namespace()).await;
        self.apply(self.service_account()).await;
        let values = json!({"installCRDs": true});
        self.install("external-secrets", "external-secrets", &values)
            .await;
        self.pods_run(3).await;
        self.apply(self.store()).await;
        self.apply(external_secret()).await;
        self.federate().await;
        self.set_policy().await;
        self.apply(self.volume()).await;
        self.apply(claim()).await;
        self.until("the operator to make the Secret", async || {
            let secret = ("v1", "Secret", "storage-account-credentials");
            self.read(secret).await.is_some()
        })
        .await;
        self.install("airflow", "airflow", &self.airflow_values())
            .await;
        self.pods_run(9).await;
    }

    /// What part 3 presumes of part 2 and the world does not have yet: container and vault secrets.
    async fn part_two(&self) {
        let spec = self.guide.sandbox.spec();
        let account = self.resource(
            "Microsoft.Storage",
            "storageAccounts",
            &spec.storage_account,
        );
        let container = account
            .child("blobServices", "default")
            .and_then(|service| service.child("containers", "airflow-logs"))
            .unwrap();
        self.put(container, "2025-08-01", json!({"properties": {}}))
            .await;
        let vault = format!("https://{}.vault.azure.net/", spec.vault);
        for (name, value) in [
            (
                "AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-NAME",
                spec.storage_account,
            ),
            ("AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-KEY", spec.storage_key),
        ] {
            let name = SecretName::parse(name.to_owned()).unwrap();
            let value = converge::Secret::new(value);
            self.vault
                .set(vault.parse().unwrap(), name, value)
                .await
                .unwrap();
        }
    }

    fn resource(&self, provider: &str, kind: &str, name: &str) -> ResourceId {
        let spec = self.guide.sandbox.spec();
        ResourceId::resource_group(&spec.subscription, &spec.resource_group)
            .unwrap()
            .provider(provider, kind, name)
            .unwrap()
    }

    async fn put(&self, id: ResourceId, version: &'static str, body: Value) -> Value {
        self.arm
            .put(id, ApiVersion(version), body, Duration::from_secs(60))
            .await
            .unwrap()
    }

    /// `az identity federated-credential create`.
    async fn federate(&self) {
        let spec = self.guide.sandbox.spec();
        let identity = self.resource(
            "Microsoft.ManagedIdentity",
            "userAssignedIdentities",
            &spec.identity,
        );
        let credential = identity
            .child("federatedIdentityCredentials", "external-secret-operator")
            .unwrap();
        let body = json!({"properties": {
            "issuer": spec.issuer_url(),
            "subject": "system:serviceaccount:airflow:airflow",
            "audiences": ["api://AzureADTokenExchange"],
        }});
        self.put(credential, "2024-11-30", body).await;
    }

    /// `az keyvault set-policy`: the whole vault is read and written back.
    async fn set_policy(&self) {
        const VERSION: &str = "2023-07-01";
        let spec = self.guide.sandbox.spec();
        let id = self.resource("Microsoft.KeyVault", "vaults", &spec.vault);
        let mut vault = self
            .arm
            .get(id.clone(), ApiVersion(VERSION))
            .await
            .unwrap()
            .unwrap();
        let policies = vault["properties"]["accessPolicies"]
            .as_array_mut()
            .unwrap();
        policies.push(json!({
            "tenantId": spec.tenant, "objectId": spec.principal_id,
            "permissions": {"secrets": ["get"]},
        }));
        let body = json!({
            "location": vault["location"], "tags": vault["tags"], "properties": vault["properties"],
        });
        self.put(id, VERSION, body).await;
    }

    /// `kubectl apply -f`. A reader whose command is refused waits a little and repeats it: the
    /// operator's webhook is not up as soon as `helm install --wait` says so.
    async fn apply(&self, manifest: Value) {
        let mut object = Object::from_value(manifest.clone()).unwrap();
        let applied = format!("{manifest}\n");
        object.set_annotation("kubectl.kubernetes.io/last-applied-configuration", applied);
        let what = object.reference().to_string();
        self.until(&what, async || {
            let created = self.cluster.create(object.clone(), by(KUBECTL)).await;
            matches!(created, Ok(Created::New(_)))
        })
        .await;
    }

    /// `helm install NAME CHART -n airflow -f VALUES`, with hooks, without waiting for pods.
    async fn install(&self, name: &str, chart: &str, values: &Value) {
        let chart = COMPACT_CHARTS.iter().find(|one| one.name == chart).unwrap();
        let chart = Chart::from_archive(&chart.archive()).unwrap();
        let release = ReleaseId::new(ReleaseName::parse(name.to_owned()).unwrap(), NAMESPACE);
        let rendered = self.render(&chart, &release, values);
        let now = self.guide.sandbox.world().clock().now().to_string();
        let mut record = self.record(&release, values, &rendered, &now);
        self.run_hooks(&mut record, "pre-install").await;
        for manifest in Manifest::parse_all(&record.manifest, self.helm.profile()).unwrap() {
            if !manifest.is_empty() {
                self.write(manifest.object(), &release).await;
            }
        }
        self.run_hooks(&mut record, "post-install").await;
        record.info.status = Status::Deployed;
        record.info.description = "Install complete".into();
        self.store_record(&record).await;
    }

    fn render(&self, chart: &Chart, release: &ReleaseId, values: &Value) -> Rendered {
        let profile = self.helm.profile();
        let input = RenderInput {
            release: release.clone(),
            revision: 1,
            is_upgrade: false,
            values: values.clone(),
            profile,
            kube_version: self.guide.sandbox.spec().kubernetes_version,
            api_versions: Capabilities::assumed(profile).api_versions,
            tape: TapeSeed {
                seed: [0x4e; 32],
                now: self.guide.sandbox.world().clock().now(),
            },
            lookups: Vec::new(),
        };
        match ReleaseChart::render(chart, &input) {
            Ok(Rendering::Done(rendered)) => rendered,
            Ok(Rendering::Needs(lookups)) => {
                panic!("the compact charts look nothing up: {lookups:?}")
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn record(
        &self,
        release: &ReleaseId,
        values: &Value,
        rendered: &Rendered,
        now: &str,
    ) -> Record {
        let hooks = rendered.hooks.iter().map(|hook| Hook {
            name: hook.name.clone(),
            kind: hook.kind.clone(),
            path: hook.path.clone(),
            manifest: hook.manifest.clone(),
            events: hook.events.clone(),
            weight: hook.weight,
            delete_policies: hook.delete_policies.clone(),
            ..Hook::default()
        });
        Record {
            name: release.name.to_string(),
            info: Info {
                first_deployed: Some(now.into()),
                last_deployed: Some(now.into()),
                notes: rendered.notes.clone(),
                ..Info::default()
            },
            chart: rendered.stored_chart.clone(),
            config: values.as_object().cloned().unwrap(),
            manifest: rendered.manifest.clone(),
            hooks: hooks.collect(),
            revision: Revision::FIRST,
            namespace: NAMESPACE.into(),
            apply_method: match self.helm {
                Helm::Three => String::new(),
                Helm::Four => "ssa".into(),
            },
            other: serde_json::Map::new(),
        }
    }

    /// Writes one object of a release: Helm 3 creates it, Helm 4 applies it server-side.
    async fn write(&self, object: &Value, release: &ReleaseId) {
        let mut object = Object::from_value(object.clone()).unwrap();
        object.set_label("app.kubernetes.io/managed-by", "Helm");
        object.set_annotation("meta.helm.sh/release-name", release.name.as_str());
        object.set_annotation("meta.helm.sh/release-namespace", NAMESPACE);
        self.place(&mut object).await;
        let what = object.reference().to_string();
        match self.helm {
            Helm::Three => {
                let created = self.cluster.create(object, by("helm")).await;
                assert!(
                    matches!(created, Ok(Created::New(_))),
                    "{what}: {created:?}"
                );
            }
            Helm::Four => {
                let options = ApplyOptions {
                    manager: "helm".into(),
                    ..ApplyOptions::default()
                };
                let applied = self.cluster.apply(object, options).await;
                assert!(
                    matches!(applied, Ok(Applied::Done(_))),
                    "{what}: {applied:?}"
                );
            }
        }
    }

    /// Gives an object of a namespaced kind the release's namespace, as Helm's client does.
    async fn place(&self, object: &mut Object) {
        let discovery = self.cluster.discover().await.unwrap();
        let resource = discovery.resource(&object.kind());
        if object.namespace().is_none() && resource.is_none_or(|resource| resource.namespaced) {
            object.set_namespace(NAMESPACE);
        }
    }

    async fn run_hooks(&self, record: &mut Record, event: &str) {
        let mut order: Vec<usize> = (0..record.hooks.len()).collect();
        order.sort_by_key(|index| {
            (
                record.hooks[*index].weight,
                record.hooks[*index].name.clone(),
            )
        });
        for index in order {
            let hook = record.hooks[index].clone();
            if !hook.events.iter().any(|one| one == event) {
                continue;
            }
            let manifest = Manifest::parse_all(&hook.manifest, self.helm.profile()).unwrap();
            let mut object = Object::from_value(manifest[0].object().clone()).unwrap();
            self.place(&mut object).await;
            let target = object.reference();
            let created = self.cluster.create(object, by("helm")).await;
            assert!(
                matches!(created, Ok(Created::New(_))),
                "{target}: {created:?}"
            );
            if hook.kind == "Job" {
                self.until(&target.to_string(), async || {
                    let live = self.cluster.get(target.clone()).await.unwrap();
                    live.is_some_and(|live| live.at("/status/succeeded") == Some(&json!(1)))
                })
                .await;
            }
            if hook
                .delete_policies
                .iter()
                .any(|policy| policy == "hook-succeeded")
            {
                let options = DeleteOptions::default();
                self.cluster.delete(target, options).await.unwrap();
            }
            let now = self.guide.sandbox.world().clock().now().to_string();
            record.hooks[index].last_run = HookRun {
                started_at: Some(now.clone()),
                completed_at: Some(now),
                phase: "Succeeded".into(),
            };
        }
    }

    /// Stores a record as this Helm does.
    async fn store_record(&self, record: &Record) {
        let mut value = serde_json::to_value(record).unwrap();
        if self.helm == Helm::Three {
            value.as_object_mut().unwrap().remove("apply_method");
            value["info"]["deleted"] = "".into();
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(value.to_string().as_bytes()).unwrap();
        let payload = STANDARD.encode(STANDARD.encode(gzip.finish().unwrap()));
        let now = self.guide.sandbox.world().clock().now().as_second();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
            "metadata": {
                "name": format!("sh.helm.release.v1.{}.v1", record.name), "namespace": NAMESPACE,
                "labels": {"name": record.name, "owner": "helm", "status": "deployed", "version": "1", "modifiedAt": now.to_string()},
            },
            "data": {"release": payload},
        });
        let secret = Object::from_value(secret).unwrap();
        let created = self.cluster.create(secret, by("helm")).await;
        assert!(matches!(created, Ok(Created::New(_))), "{created:?}");
    }

    async fn read(&self, (version, kind, name): (&str, &str, &str)) -> Option<Object> {
        let target = ObjectRef::namespaced(version, kind, NAMESPACE, name);
        self.cluster.get(target).await.unwrap()
    }

    /// Waits until this many pods are there and each of them is ready or done.
    pub(crate) async fn pods_run(&self, least: usize) {
        self.until("the pods to run", async || {
            let pods: Vec<Value> = self
                .guide
                .objects()
                .into_iter()
                .filter(|(resource, _)| resource == "/pods")
                .map(|(_, pod)| pod)
                .collect();
            let is_ready = |pod: &Value| {
                let conditions = pod["status"]["conditions"].as_array();
                pod["status"]["phase"] == "Succeeded"
                    || conditions.into_iter().flatten().any(|condition| {
                        condition["type"] == "Ready" && condition["status"] == "True"
                    })
            };
            pods.len() >= least && pods.iter().all(is_ready)
        })
        .await;
    }

    async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        let start = tokio::time::Instant::now();
        while !is_so().await {
            assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }

    fn service_account(&self) -> Value {
        let spec = self.guide.sandbox.spec();
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {
            "name": "airflow", "namespace": NAMESPACE,
            "annotations": {
                "azure.workload.identity/client-id": spec.client_id,
                "azure.workload.identity/tenant-id": spec.tenant,
            },
        }})
    }

    fn store(&self) -> Value {
        let vault = format!(
            "https://{}.vault.azure.net/",
            self.guide.sandbox.spec().vault
        );
        json!({"apiVersion": "external-secrets.io/v1beta1", "kind": "SecretStore",
        "metadata": {"name": "azure-store", "namespace": NAMESPACE},
        "spec": {"provider": {"azurekv": {
            "authType": "WorkloadIdentity", "vaultUrl": vault,
            "serviceAccountRef": {"name": "airflow"},
        }}}})
    }

    fn volume(&self) -> Value {
        let spec = self.guide.sandbox.spec();
        json!({"apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": "pv-airflow-logs", "labels": {"type": "local"}},
        "spec": {
            "capacity": {"storage": "5Gi"}, "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "azureblob-fuse-premium",
            "mountOptions": ["-o allow_other", "--file-cache-timeout-in-seconds=120"],
            "csi": {
                "driver": "blob.csi.azure.com", "readOnly": false,
                "volumeHandle": "airflow-logs-1",
                "volumeAttributes": {
                    "resourceGroup": spec.resource_group,
                    "storageAccount": spec.storage_account,
                    "containerName": "airflow-logs",
                },
                "nodeStageSecretRef": {"name": "storage-account-credentials", "namespace": NAMESPACE},
            },
        }})
    }

    /// The guide's `airflow_values.yaml`.
    fn airflow_values(&self) -> Value {
        let host = self.guide.sandbox.spec().registry_host();
        let image = |repository: &str, tag: &str| json!({"repository": format!("{host}/{repository}"), "tag": tag, "pullPolicy": "IfNotPresent"});
        json!({
            "images": {
                "airflow": image("airflow", "2.9.3"),
                "pod_template": image("airflow", "2.9.3"),
                "flower": image("airflow", "2.9.3"),
                "statsd": image("statsd-exporter", "v0.26.1"),
                "pgbouncer": image("airflow", "airflow-pgbouncer-2024.01.19-1.21.0"),
                "pgbouncerExporter": image("airflow", "airflow-pgbouncer-exporter-2024.06.18-0.17.0"),
                "gitSync": image("git-sync", "v4.1.0"),
                "useDefaultImageForMigration": false,
                "migrationsWaitTimeout": 60,
            },
            "executor": "KubernetesExecutor",
            "env": [{"name": "ENVIRONMENT", "value": "dev"}],
            "extraEnv": "- name: AIRFLOW__CORE__DEFAULT_TIMEZONE\n  value: 'America/New_York'\n",
            "postgresql": {"enabled": true},
            "pgbouncer": {"enabled": true},
            "dags": {"gitSync": {
                "enabled": true, "repo": "https://github.com/donhighmsft/airflowexamples.git",
                "branch": "main", "rev": "HEAD", "depth": 1, "maxFailures": 0, "subPath": "dags",
            }},
            "logs": {"persistence": {
                "enabled": true, "existingClaim": "pvc-airflow-logs", "storageClassName": "azureblob-fuse-premium",
            }},
            "triggerer": {"logGroomerSidecar": {"enabled": false}},
            "scheduler": {"logGroomerSidecar": {"enabled": false}},
            "workers": {"logGroomerSidecar": {"enabled": false}},
        })
    }
}

fn by(manager: &str) -> WriteOptions {
    WriteOptions {
        manager: manager.into(),
        dry_run: false,
    }
}

fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
}

fn external_secret() -> Value {
    let data = |key: &str, name: &str| json!({"secretKey": key, "remoteRef": {"key": name}});
    json!({"apiVersion": "external-secrets.io/v1beta1", "kind": "ExternalSecret",
    "metadata": {"name": "airflow-aks-azure-logs-secrets", "namespace": NAMESPACE},
    "spec": {
        "refreshInterval": "1h",
        "secretStoreRef": {"kind": "SecretStore", "name": "azure-store"},
        "target": {"name": "storage-account-credentials", "creationPolicy": "Owner"},
        "data": [
            data("azurestorageaccountname", "AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-NAME"),
            data("azurestorageaccountkey", "AKS-AIRFLOW-LOGS-STORAGE-ACCOUNT-KEY"),
        ],
    }})
}

fn claim() -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
    "metadata": {"name": "pvc-airflow-logs", "namespace": NAMESPACE},
    "spec": {
        "storageClassName": "azureblob-fuse-premium", "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "5Gi"}}, "volumeName": "pv-airflow-logs",
    }})
}
