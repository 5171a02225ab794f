//! The sandbox's stand-in for Airflow keeps the contract of `AirflowApi`, in both generations, over
//! the real client and a real port-forward.

use std::sync::Arc;
use std::time::Duration;

use airflow_helm::{
    AirflowApi, AirflowSettings, Followed, ForwardedApi, Login, PodTarget, RunState, conformance,
    trigger_and_follow,
};
use aks_sandbox::Sandbox;
use converge::{Observer, Secret};
use kube_cluster::{
    Cluster, ConnectOptions, KubeCluster, Object, ObjectRef, Target, WriteOptions, wait_until,
};
use serde_json::json;

/// A world with one ready pod of Airflow and the Secret that holds its password.
struct Scene {
    _sandbox: Sandbox,
    cluster: Arc<KubeCluster>,
    settings: AirflowSettings,
}

impl Scene {
    async fn of(chart: &str, airflow: &str, component: &str) -> Self {
        let sandbox = Sandbox::seeded(7);
        let options = ConnectOptions::default();
        let cluster =
            KubeCluster::with_connector(sandbox.connector(), &sandbox.api_url(), options).unwrap();
        let image = format!("docker.io/apache/airflow:{airflow}");
        for object in [
            Object::named(&ObjectRef::cluster_wide("v1", "Namespace", "airflow")),
            Object::from_value(json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "keys", "namespace": "airflow"},
                "stringData": {"admin-password": "right"},
            }))
            .unwrap(),
            Object::from_value(json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {
                    "name": "web", "namespace": "airflow",
                    "labels": {"tier": "airflow", "component": component, "release": "airflow"},
                },
                "spec": {"containers": [{"name": "web", "image": image, "ports": [{"containerPort": 8080}]}]},
            }))
            .unwrap(),
        ] {
            cluster.create(object, WriteOptions::default()).await.unwrap();
        }
        let cluster = Arc::new(cluster);
        let pod = ObjectRef::namespaced("v1", "Pod", "airflow", "web");
        let seam: Arc<dyn Cluster> = Arc::clone(&cluster) as _;
        let limit = Duration::from_secs(120);
        wait_until(&seam, &[Target::ready(pod)], limit, &Observer::default())
            .await
            .unwrap();
        Self {
            _sandbox: sandbox,
            cluster,
            settings: AirflowSettings {
                chart_version: chart.into(),
                airflow_version: airflow.into(),
                ..AirflowSettings::default()
            },
        }
    }

    async fn two() -> Self {
        Self::of("1.15.0", "2.9.3", "webserver").await
    }

    async fn three() -> Self {
        Self::of("1.22.0", "3.2.2", "api-server").await
    }

    fn api(&self, password: &str) -> ForwardedApi {
        let pair = self.settings.validate().unwrap();
        let login = Login {
            username: "admin".into(),
            password: Secret::new(password),
        };
        let target = PodTarget::ui(&self.settings, &pair);
        let cluster: Arc<dyn Cluster> = Arc::clone(&self.cluster) as _;
        ForwardedApi::new(
            cluster,
            Arc::clone(&self.cluster) as _,
            target,
            &pair,
            Some(login),
        )
    }
}

async fn keeps_the_contract(scene: &Scene) {
    let api = scene.api("right");
    conformance::a_healthy_airflow_says_so(&api).await;
    conformance::the_version_is_airflows(&api).await;
    conformance::an_absent_dag_is_none(&api).await;
    conformance::a_login_reads_dags_and_import_errors(&api).await;
    conformance::a_wrong_login_is_refused(&scene.api("wrong")).await;
}

async fn runs_to_success(scene: &Scene) {
    let api = scene.api("right");
    let dags = api.dags().await.unwrap();
    let limit = Duration::from_secs(60);
    let followed = trigger_and_follow(&api, &dags[0], limit, &Observer::default()).await;
    assert_eq!(followed.unwrap(), Followed::Ended(RunState::Success));
}

#[tokio::test(start_paused = true)]
async fn airflow_2_keeps_the_contract() {
    keeps_the_contract(&Scene::two().await).await;
}

#[tokio::test(start_paused = true)]
async fn airflow_3_keeps_the_contract() {
    keeps_the_contract(&Scene::three().await).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_is_followed_to_success_in_both() {
    runs_to_success(&Scene::two().await).await;
    runs_to_success(&Scene::three().await).await;
}
