//! The steps of `blob-storage` over the sandbox: they converge, a second run writes nothing, and a
//! claim made anew binds to the volume the old one left.

use std::sync::Arc;
use std::time::Duration;

use aks_sandbox::{DEPLOYER, Sandbox};
use azure::{Azure, ResourceId, SandboxCredential};
use blob_storage::{
    ArmStorageAccounts, BlobLogStore, ContainerName, EnsureClaim, EnsureContainer, EnsureLifecycle,
    EnsureVolume, FindAccount, LifecycleRule, ProveLogStore, VolumeSettings,
};
use converge::{ErasedStep, RequestClass, RequestLog, Slot, StepContext, StepError, StepOutcome};
use kube_cluster::{
    Cluster, ConnectOptions, DeleteOptions, KubeCluster, Object, ObjectRef, WriteOptions, wait_gone,
};

struct Scene {
    sandbox: Sandbox,
    azure: Azure,
    cluster: Arc<dyn Cluster>,
}

impl Scene {
    async fn new() -> Self {
        let sandbox = Sandbox::seeded(7);
        let credential = SandboxCredential::new(sandbox.spec().tenant, DEPLOYER);
        let azure = Azure::sandbox_over(sandbox.connector(), credential, RequestLog::new());
        let cluster: Arc<dyn Cluster> = Arc::new(
            KubeCluster::with_connector(
                sandbox.connector(),
                &sandbox.api_url(),
                ConnectOptions::default(),
            )
            .unwrap(),
        );
        let namespace = Object::named(&ObjectRef::cluster_wide("v1", "Namespace", "airflow"));
        cluster
            .create(namespace, WriteOptions::default())
            .await
            .unwrap();
        Self {
            sandbox,
            azure,
            cluster,
        }
    }

    /// The steps in order, freshly wired.
    fn steps(&self) -> Vec<Arc<dyn ErasedStep>> {
        let spec = self.sandbox.spec();
        let group = ResourceId::resource_group(&spec.subscription, &spec.resource_group).unwrap();
        let accounts = Arc::new(ArmStorageAccounts::new(self.azure.arm()));
        let account = Slot::new();
        let container = Slot::new();
        let volume = Slot::new();
        let settings = VolumeSettings::default();
        let find = FindAccount {
            accounts: accounts.clone(),
            account: group
                .provider(
                    "Microsoft.Storage",
                    "storageAccounts",
                    &spec.storage_account,
                )
                .unwrap(),
            needs_key: true,
        };
        let ensure_container = EnsureContainer {
            accounts: accounts.clone(),
            account: account.clone(),
            container: ContainerName::default(),
        };
        let lifecycle = EnsureLifecycle {
            accounts,
            account: account.clone(),
            rule: LifecycleRule::default(),
        };
        let prove = ProveLogStore {
            store: Arc::new(BlobLogStore::new(self.azure.clone())),
            container: container.clone(),
            limit: Duration::from_secs(60),
        };
        let ensure_volume = EnsureVolume {
            cluster: self.cluster.clone(),
            account: account.clone(),
            container: ContainerName::default(),
            cluster_id: spec.cluster.clone(),
            settings: settings.clone(),
            take_fields: false,
            predict_creates: false,
        };
        let claim = EnsureClaim {
            cluster: self.cluster.clone(),
            volume: volume.clone(),
            settings,
            take_fields: false,
            predict_creates: false,
            limit: Duration::from_secs(60),
        };
        vec![
            account.of(find),
            container.of(ensure_container),
            Slot::new().of(lifecycle),
            Slot::new().of(prove),
            volume.of(ensure_volume),
            Slot::new().of(claim),
        ]
    }

    async fn run(&self) -> Result<Vec<StepOutcome<()>>, StepError> {
        let context = StepContext::default();
        let mut outcomes = Vec::new();
        for step in self.steps() {
            outcomes.push(step.run(&context).await?);
        }
        Ok(outcomes)
    }

    fn writes(&self) -> usize {
        let writes = |record: &&aks_sandbox::world::RequestRecord| {
            record.class == aks_sandbox::world::Class::Write
        };
        self.sandbox.requests().iter().filter(writes).count()
    }
}

#[tokio::test(start_paused = true)]
async fn the_logs_converge_and_a_second_run_writes_nothing() {
    let scene = Scene::new().await;
    let first = scene.run().await.unwrap();
    let last = first.last().unwrap();
    assert_eq!(last.did, "Bound");
    assert_eq!(last.proof.to_string(), "observed: Bound; mount not checked");

    let before = (scene.writes(), scene.azure.requests().count());
    let second = scene.run().await.unwrap();
    let did: Vec<&str> = second.iter().map(|outcome| outcome.did.as_str()).collect();
    assert_eq!(did, ["unchanged"; 6]);
    assert_eq!(scene.writes(), before.0);
    let since = scene.azure.requests().count().since(&before.1);
    assert_eq!(since.of(RequestClass::Write), 0);
}

/// Kubernetes' controller gives up over a claim whose volume is new, and looks again up to 15 seconds
/// later.
#[tokio::test(start_paused = true)]
async fn a_claim_waits_for_no_round_of_the_volume_controller() {
    for made_before in [false, true] {
        let scene = Scene::new().await;
        let claim = VolumeSettings::default().claim();
        if made_before {
            let created = scene.cluster.create(claim.clone(), WriteOptions::default());
            created.await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let context = StepContext::default();
        let mut steps = scene.steps();
        let bind = steps.pop().unwrap();
        for step in steps {
            step.run(&context).await.unwrap();
        }
        let started = tokio::time::Instant::now();
        bind.run(&context).await.unwrap();
        let took = started.elapsed();
        assert!(took < Duration::from_secs(1), "{made_before}: {took:?}");

        // What is left on the claim is nobody's declaration.
        let writes = scene.writes();
        scene.run().await.unwrap();
        assert_eq!(scene.writes(), writes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_a_new_world_lists_every_row_and_writes_nothing() {
    let scene = Scene::new().await;
    let before = scene.writes();
    let mut rows = Vec::new();
    for step in scene.steps() {
        rows.extend(step.plan(&StepContext::default()).await.unwrap());
    }
    let targets: Vec<&str> = rows.iter().map(|row| row.target.as_str()).collect();
    assert_eq!(
        targets,
        [
            "container airflow-logs",
            "lifecycle rule expire-airflow-logs",
            "blob _aks-airflow/marker",
            "PersistentVolume pv-airflow-logs",
            "PersistentVolumeClaim airflow/pvc-airflow-logs",
        ]
    );
    assert_eq!(scene.writes(), before);
}

#[tokio::test(start_paused = true)]
async fn a_claim_made_anew_binds_to_the_volume_the_old_one_left() {
    let scene = Scene::new().await;
    scene.run().await.unwrap();
    let claim = VolumeSettings::default().claim_ref();
    scene
        .cluster
        .delete(claim.clone(), DeleteOptions::default())
        .await
        .unwrap();
    let observer = converge::Observer::default();
    wait_gone(&scene.cluster, &[claim], Duration::from_secs(60), &observer)
        .await
        .unwrap();
    // The controllers see the loss a moment later.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let again = scene.run().await.unwrap();
    let did: Vec<&str> = again.iter().map(|outcome| outcome.did.as_str()).collect();
    assert_eq!(did[4..], ["taken into use again", "Bound"]);
}
