//! `AirflowApi` on Airflow itself, both generations: the suite, and what only a real scheduler shows:
//! a run that succeeds, one that fails, and a file that cannot be imported.
//!
//! One Airflow of each generation for the whole run. Without them the tests are *ignored*; named in
//! `E2E_REQUIRE` they fail.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use airflow_helm::{
    AirflowApi, AirflowSettings, Followed, ForwardedApi, Login, PodTarget, RunState, chart_values,
    conformance, trigger_and_follow,
};
use aks_airflow_e2e::Failed;
use aks_airflow_e2e::airflow::{
    BAD_DAG, BROKEN_FILE, ConfigOption, GOOD_DAG, PASSWORD, SAID, USER, dag_file,
};
use aks_airflow_e2e::{Azurite, Component, GitDaemon, RealAirflow, SyncedTree, azurite, trial};
use async_trait::async_trait;
use azure::{Azure, AzureOptions};
use blob_storage::{AccountKey, BlobLogStore, LogContainer, LogStore as _};
use converge::{Observer, Secret};
use kube_cluster::{ClusterError, MockCluster, Object, ObjectList, PodStream, PortForward};
use libtest_mimic::{Arguments, Trial};
use serde_json::{Map, json};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

type Behaviour =
    for<'a> fn(&'a dyn AirflowApi) -> Pin<Box<dyn Future<Output = Result<(), Failed>> + 'a>>;

/// How long a run of one task may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(240);

/// What is proven of each generation, as a list of names and functions.
macro_rules! behaviours {
    ($($behaviour:path),* $(,)?) => {
        [$((stringify!($behaviour), (|api| Box::pin($behaviour(api))) as Behaviour)),*]
    };
}

fn main() {
    let mut arguments = Arguments::from_args();
    // They share an Airflow, and its scheduler runs one task at a time.
    arguments.test_threads.get_or_insert(2);
    let mut trials: Vec<Trial> = Vec::new();
    for generation in [&TWO, &THREE] {
        for (name, behaviour) in behaviours![
            suite::a_healthy_airflow_says_so,
            suite::the_version_is_airflows,
            suite::an_absent_dag_is_none,
            suite::a_login_reads_dags_and_import_errors,
            a_run_is_followed_to_success,
            a_run_that_fails_is_followed_to_its_failure,
            a_file_that_cannot_be_imported_is_named,
        ] {
            let name = name.rsplit("::").next().unwrap_or_default();
            let test = move || async move { behaviour(&generation.api(PASSWORD).await?).await };
            let name = format!("{}::{name}", generation.component.name());
            trials.push(trial(name, &[generation.component], test));
        }
        let test = move || async move {
            conformance::a_wrong_login_is_refused(&generation.api("wrong").await?).await;
            Ok(())
        };
        let name = format!("{}::a_wrong_login_is_refused", generation.component.name());
        trials.push(trial(name, &[generation.component], test));
        let test = move || async move { Ok(generation.airflow().await?.assert_loopback_only()?) };
        let name = format!(
            "{}::all_of_it_listens_on_loopback_only",
            generation.component.name()
        );
        trials.push(trial(name, &[generation.component], test));
    }
    trials.push(trial(
        "airflow2::a_tasks_log_is_kept_in_storage",
        &[Component::Airflow2, Component::Azurite],
        a_tasks_log_is_kept_in_storage,
    ));
    trials.push(trial(
        "airflow2::dags_follow_a_repository",
        &[Component::Airflow2, Component::Git],
        dags_follow_a_repository,
    ));
    let conclusion = libtest_mimic::run(&arguments, trials);
    for generation in [&TWO, &THREE] {
        if let Some(airflow) = generation.running.blocking_lock().take()
            && conclusion.has_failed()
        {
            airflow.keep_logs();
        }
    }
    conclusion.exit();
}

/// One generation and its Airflow of this run, started by the first test that needs it.
struct Generation {
    component: Component,
    chart: &'static str,
    airflow: &'static str,
    running: Mutex<Option<Arc<RealAirflow>>>,
}

static TWO: Generation = Generation {
    component: Component::Airflow2,
    chart: "1.15.0",
    airflow: "2.9.3",
    running: Mutex::const_new(None),
};

static THREE: Generation = Generation {
    component: Component::Airflow3,
    chart: "1.22.0",
    airflow: "3.2.2",
    running: Mutex::const_new(None),
};

impl Generation {
    fn settings(&self) -> AirflowSettings {
        AirflowSettings {
            chart_version: self.chart.into(),
            airflow_version: self.airflow.into(),
            ..AirflowSettings::default()
        }
    }

    /// Configured as our typed values configure the chart.
    async fn airflow(&self) -> Result<Arc<RealAirflow>, Failed> {
        let mut running = self.running.lock().await;
        if let Some(airflow) = running.as_ref() {
            return Ok(Arc::clone(airflow));
        }
        let settings = self.settings();
        let values = chart_values(&settings, &settings.validate()?, &Map::new());
        let options = ConfigOption::of_chart_values(&values);
        let airflow = Arc::new(RealAirflow::start(self.component, &options).await?);
        *running = Some(Arc::clone(&airflow));
        Ok(airflow)
    }

    async fn api(&self, password: &str) -> Result<ForwardedApi, Failed> {
        self.api_of(&*self.airflow().await?, password)
    }

    /// The API as the product speaks it, but for the way to the port.
    fn api_of(&self, airflow: &RealAirflow, password: &str) -> Result<ForwardedApi, Failed> {
        let settings = self.settings();
        let pair = settings.validate()?;
        let way = Direct(airflow.port());
        let login = Login {
            username: USER.into(),
            password: Secret::new(password),
        };
        let target = PodTarget::ui(&settings, &pair);
        let cluster = Arc::new(one_ready_pod());
        Ok(ForwardedApi::new(
            cluster,
            Arc::new(way),
            target,
            &pair,
            Some(login),
        ))
    }
}

/// A cluster that knows one thing: the pod is ready.
fn one_ready_pod() -> MockCluster {
    let mut cluster = MockCluster::new();
    cluster.expect_list().returning(|_| {
        let pod = Object::from_value(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web-1", "namespace": "airflow"},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        }));
        Ok(ObjectList {
            items: pod.into_iter().collect(),
            resource_version: "1".into(),
        })
    });
    cluster
}

/// A port of this machine instead of one of a pod.
#[derive(Debug)]
struct Direct(u16);

#[async_trait]
impl PortForward for Direct {
    async fn forward(
        &self,
        _: String,
        _: String,
        _: u16,
    ) -> Result<Box<dyn PodStream>, ClusterError> {
        let stream = TcpStream::connect(("127.0.0.1", self.0)).await;
        Ok(Box::new(stream.expect("Airflow listens")))
    }
}

/// The suite's behaviours, which fail by panic.
mod suite {
    use super::{AirflowApi, Failed, conformance};

    pub(crate) async fn a_healthy_airflow_says_so(api: &dyn AirflowApi) -> Result<(), Failed> {
        conformance::a_healthy_airflow_says_so(api).await;
        Ok(())
    }

    pub(crate) async fn the_version_is_airflows(api: &dyn AirflowApi) -> Result<(), Failed> {
        conformance::the_version_is_airflows(api).await;
        Ok(())
    }

    pub(crate) async fn an_absent_dag_is_none(api: &dyn AirflowApi) -> Result<(), Failed> {
        conformance::an_absent_dag_is_none(api).await;
        Ok(())
    }

    pub(crate) async fn a_login_reads_dags_and_import_errors(
        api: &dyn AirflowApi,
    ) -> Result<(), Failed> {
        conformance::a_login_reads_dags_and_import_errors(api).await;
        Ok(())
    }
}

/// A new DAG is there once its file has been parsed.
async fn wait_for(api: &dyn AirflowApi, dag: &str) -> Result<(), Failed> {
    let seen = async {
        while !api.dags().await?.iter().any(|one| one == dag) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    };
    match tokio::time::timeout(LIMIT, seen).await {
        Ok(seen) => seen,
        Err(_) => Err(format!("{dag} is not there after {LIMIT:?}").into()),
    }
}

async fn ends(api: &dyn AirflowApi, dag: &str, end: RunState) -> Result<(), Failed> {
    wait_for(api, dag).await?;
    let followed = trigger_and_follow(api, dag, LIMIT, &Observer::default()).await?;
    if followed == Followed::Ended(end) {
        Ok(())
    } else {
        Err(format!("{dag}: {followed:?}").into())
    }
}

async fn a_run_is_followed_to_success(api: &dyn AirflowApi) -> Result<(), Failed> {
    ends(api, GOOD_DAG, RunState::Success).await
}

async fn a_run_that_fails_is_followed_to_its_failure(api: &dyn AirflowApi) -> Result<(), Failed> {
    ends(api, BAD_DAG, RunState::Failed).await
}

async fn a_file_that_cannot_be_imported_is_named(api: &dyn AirflowApi) -> Result<(), Failed> {
    wait_for(api, GOOD_DAG).await?;
    let found = async {
        loop {
            let errors = api.import_errors().await?;
            let found = errors
                .into_iter()
                .find(|one| one.filename.ends_with(BROKEN_FILE));
            if let Some(error) = found {
                return Ok::<_, Failed>(error);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let error = tokio::time::timeout(LIMIT, found).await??;
    let wanted = "ModuleNotFoundError: No module named 'no_such_module_of_the_proofs'";
    if error.last_line() == wanted {
        Ok(())
    } else {
        Err(format!("{error:?}").into())
    }
}

/// Airflow writes a task's log into a container of Azurite, and our client reads it there.
async fn a_tasks_log_is_kept_in_storage() -> Result<(), Failed> {
    let azurite = Azurite::start().await?;
    azurite.make_container("airflow-logs").await?;
    let settings = TWO.settings();
    let values = chart_values(&settings, &settings.validate()?, &Map::new());
    let mut options = ConfigOption::of_chart_values(&values);
    for (section, option, value) in [
        ("logging", "remote_logging", "True"),
        ("logging", "remote_base_log_folder", "wasb-logs"),
        ("logging", "remote_log_conn_id", "storage"),
        (
            "azure_remote_logging",
            "remote_wasb_log_container",
            "airflow-logs",
        ),
    ] {
        options.push(ConfigOption::new(section, option, value));
    }
    let storage = json!({
        "conn_type": "wasb",
        "extra": {"connection_string": azurite.connection_string()},
    });
    let connections = [("storage", storage)];
    let airflow = RealAirflow::start_with(Component::Airflow2, &options, &connections).await?;
    let api = TWO.api_of(&airflow, PASSWORD)?;
    wait_for(&api, GOOD_DAG).await?;
    let run = api.trigger(GOOD_DAG.into()).await?.ok_or("no run")?;
    let container = LogContainer {
        account: azurite::ACCOUNT.into(),
        endpoint: azurite.endpoint().parse()?,
        container: "airflow-logs".parse()?,
        key: Some(AccountKey {
            name: "key1".into(),
            value: Secret::new(azurite.key()),
        }),
    };
    let store = BlobLogStore::new(Azure::connect(AzureOptions::default())?);
    let blob = format!("wasb-logs/dag_id={GOOD_DAG}/run_id={run}/task_id=only/attempt=1.log");
    let log = async {
        loop {
            if let Some(log) = store.read(container.clone(), blob.clone()).await? {
                return Ok::<_, Failed>(log);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let log = tokio::time::timeout(LIMIT, log).await??;
    let log = String::from_utf8_lossy(&log);
    if log.contains(SAID) {
        Ok(())
    } else {
        Err(format!("the log says: {log}").into())
    }
}

/// DAGs come from a repository as git-sync lays it out: a new commit brings its DAG, and the commit,
/// also that of a way back, is what the worktree says.
async fn dags_follow_a_repository() -> Result<(), Failed> {
    let git = GitDaemon::start().await?;
    let first = git.commit("dags/first.py", &dag_file("first", "pass"))?;
    let tree = SyncedTree::new(
        &std::env::temp_dir().join(format!("aks-airflow-tree-{}", std::process::id())),
    )?;
    tree.sync(&git.url(), "main")?;
    let settings = TWO.settings();
    let values = chart_values(&settings, &settings.validate()?, &Map::new());
    let mut options = ConfigOption::of_chart_values(&values);
    let dags = tree.link().join("dags");
    options.push(ConfigOption::new(
        "core",
        "dags_folder",
        &dags.display().to_string(),
    ));
    let airflow = RealAirflow::start(Component::Airflow2, &options).await?;
    let api = TWO.api_of(&airflow, PASSWORD)?;
    wait_for(&api, "first").await?;

    let second = git.commit("dags/second.py", &dag_file("second", "pass"))?;
    tree.sync(&git.url(), "main")?;
    expect_commit(&tree, &second)?;
    wait_for(&api, "second").await?;

    tree.sync(&git.url(), &first)?;
    expect_commit(&tree, &first)?;
    wait_for(&api, "first").await?;
    Ok(std::fs::remove_dir_all(
        tree.link().parent().ok_or("no root")?,
    )?)
}

fn expect_commit(tree: &SyncedTree, commit: &str) -> Result<(), Failed> {
    let found = tree.commit()?;
    if found == commit {
        Ok(())
    } else {
        Err(format!("{found} is checked out, not {commit}").into())
    }
}
