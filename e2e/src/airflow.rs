//! [`RealAirflow`]: Airflow itself as processes on loopback. It owns its database, its user and the
//! DAGs of the proofs; it refuses to run in containers, and so knows no chart.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::process::free_port;
use crate::service::{Service, http};
use crate::{Component, ServiceError};

/// The first user, as the chart's job makes it.
pub const USER: &str = "admin";
/// Their password.
pub const PASSWORD: &str = "not a secret: loopback only";
/// A DAG of one task that succeeds.
pub const GOOD_DAG: &str = "one_good_task";
/// A DAG of one task that fails.
pub const BAD_DAG: &str = "one_bad_task";
/// A file that cannot be imported.
pub const BROKEN_FILE: &str = "broken.py";
/// What the good task writes into its log.
pub const SAID: &str = "the task was here";

/// How long a cold start may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(240);

/// A running Airflow: web server or API server, scheduler, and in 3.x a DAG processor. Dropping it
/// stops them and removes the database.
#[derive(Debug)]
pub struct RealAirflow {
    service: Service,
    component: Component,
    port: u16,
}

/// One option of Airflow's configuration.
#[derive(Debug, Clone)]
pub struct ConfigOption {
    /// The section: `api`.
    pub section: String,
    /// The option: `auth_backends`.
    pub option: String,
    /// Its value.
    pub value: String,
}

impl ConfigOption {
    /// One option.
    pub fn new(section: &str, option: &str, value: &str) -> Self {
        Self {
            section: section.into(),
            option: option.into(),
            value: value.into(),
        }
    }

    /// The `config` table of the chart's values.
    pub fn of_chart_values(values: &Value) -> Vec<Self> {
        let sections = values.get("config").and_then(Value::as_object);
        let mut options = Vec::new();
        for (section, table) in sections.into_iter().flatten() {
            for (option, value) in table.as_object().into_iter().flatten() {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                options.push(Self::new(section, option, &value));
            }
        }
        options
    }

    fn variable(&self) -> (String, String) {
        let name = format!("AIRFLOW__{}__{}", self.section, self.option).to_uppercase();
        (name, self.value.clone())
    }
}

impl RealAirflow {
    /// Starts one and waits until its scheduler gives signs of life. `configuration` goes over the
    /// harness's own.
    ///
    /// # Errors
    /// What is missing, failed, or did not become ready in four minutes.
    pub async fn start(
        component: Component,
        configuration: &[ConfigOption],
    ) -> Result<Self, ServiceError> {
        Self::start_with(component, configuration, &[]).await
    }

    /// The same with connections, each a name and its JSON.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(
        component: Component,
        configuration: &[ConfigOption],
        connections: &[(&str, Value)],
    ) -> Result<Self, ServiceError> {
        let tools = component.locate()?.join(component.name());
        let service = Service::new(component.name())?;
        let mut airflow = Self {
            service,
            component,
            port: free_port()?,
        };
        airflow.write_dags()?;
        let mut environment = airflow.environment(&tools, configuration);
        for (name, connection) in connections {
            let name = format!("AIRFLOW_CONN_{}", name.to_uppercase());
            environment.push((name, connection.to_string()));
        }
        let program = tools.join("bin/airflow");
        let command = |arguments: &[&str]| run(&program, arguments, &environment);
        command(&["db", "migrate"])?;
        #[rustfmt::skip]
        let user = [
            "users", "create", "--username", USER, "--password", PASSWORD, "--role", "Admin",
            "--firstname", "admin", "--lastname", "user", "--email", "admin@example.com",
        ];
        command(&user)?;
        let port = airflow.port.to_string();
        #[rustfmt::skip]
        let processes: &[(&str, &[&str])] = if airflow.is_three() {
            &[
                ("api-server", &["api-server", "--host", "127.0.0.1", "--port", &port, "--workers", "1"]),
                ("scheduler", &["scheduler", "--skip-serve-logs"]),
                ("dag-processor", &["dag-processor"]),
            ]
        } else {
            &[
                ("webserver", &["webserver", "--hostname", "127.0.0.1", "--port", &port, "--workers", "1"]),
                ("scheduler", &["scheduler", "--skip-serve-logs"]),
            ]
        };
        for (name, arguments) in processes {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            airflow
                .service
                .start(name, &program, &arguments, &environment)?;
        }
        let (client, url) = (http()?, airflow.health_url());
        airflow
            .service
            .wait("Airflow's scheduler", LIMIT, || is_healthy(&client, &url))
            .await?;
        Ok(airflow)
    }

    /// The port of the web or API server on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its DAGs.
    pub fn dags(&self) -> PathBuf {
        self.service.folder().join("dags")
    }

    /// Fails if any of its processes listens beyond loopback by now.
    ///
    /// # Errors
    /// Which one.
    pub fn assert_loopback_only(&self) -> Result<(), ServiceError> {
        self.service.assert_loopback_only()
    }

    /// Keeps the folder of logs when it stops.
    pub fn keep_logs(&self) {
        self.service.keep_logs();
    }

    fn is_three(&self) -> bool {
        self.component == Component::Airflow3
    }

    fn health_url(&self) -> String {
        let path = if self.is_three() {
            "/api/v2/monitor/health"
        } else {
            "/health"
        };
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn write_dags(&self) -> Result<(), ServiceError> {
        let folder = self.dags();
        fs::create_dir_all(&folder)?;
        for (dag, task) in [
            (GOOD_DAG, format!("print({SAID:?})")),
            (BAD_DAG, "raise RuntimeError(\"on purpose\")".into()),
        ] {
            fs::write(folder.join(format!("{dag}.py")), dag_file(dag, &task))?;
        }
        // Airflow looks into files that hold both words only.
        let broken = "# an airflow dag\nimport no_such_module_of_the_proofs\n";
        fs::write(folder.join(BROKEN_FILE), broken)?;
        Ok(())
    }

    fn environment(&self, tools: &Path, configuration: &[ConfigOption]) -> Vec<(String, String)> {
        let folder = self.service.folder();
        let database = format!("sqlite:///{}", folder.join("airflow.db").display());
        let dags = self.dags().display().to_string();
        let url = format!("http://127.0.0.1:{}", self.port);
        let execution = format!("{url}/execution/");
        let fernet = "bm90IGEgc2VjcmV0OiBub3RoaW5nIGxpc3RlbnMhISE=";
        let secret = "not a secret: this Airflow listens on loopback only";
        let mut options: Vec<(&str, &str, &str)> = vec![
            ("core", "load_examples", "False"),
            ("core", "dags_folder", &dags),
            ("core", "fernet_key", fernet),
            ("database", "sql_alchemy_conn", &database),
            ("usage_data_collection", "enabled", "False"),
        ];
        if self.is_three() {
            options.extend([
                ("core", "executor", "LocalExecutor"),
                ("core", "parallelism", "2"),
                // The chart's default, `config.core.auth_manager` of chart 1.22.
                (
                    "core",
                    "auth_manager",
                    "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
                ),
                ("core", "execution_api_server_url", &execution),
                ("api", "base_url", &url),
                ("api", "secret_key", secret),
                ("api_auth", "jwt_secret", secret),
                ("dag_processor", "refresh_interval", "5"),
                ("dag_processor", "min_file_process_interval", "5"),
            ]);
        } else {
            options.extend([
                ("core", "executor", "SequentialExecutor"),
                ("webserver", "secret_key", secret),
                ("webserver", "base_url", &url),
                ("scheduler", "dag_dir_list_interval", "5"),
                ("scheduler", "min_file_process_interval", "5"),
            ]);
        }
        let own = options
            .into_iter()
            .map(|(section, option, value)| ConfigOption::new(section, option, value));
        let mut environment: Vec<(String, String)> = vec![
            ("AIRFLOW_HOME".into(), folder.display().to_string()),
            // Tasks are started by name.
            (
                "PATH".into(),
                format!("{}:/usr/bin:/bin", tools.join("bin").display()),
            ),
            ("LC_ALL".into(), "C.UTF-8".into()),
        ];
        environment.extend(own.map(|option| option.variable()));
        environment.extend(configuration.iter().map(ConfigOption::variable));
        environment
    }
}

/// The file of a DAG with one task, for both generations.
pub fn dag_file(dag: &str, task: &str) -> String {
    format!(
        "import datetime\n\n\
         try:\n    from airflow.sdk import dag, task\n\
         except ImportError:\n    from airflow.decorators import dag, task\n\n\n\
         @dag(dag_id=\"{dag}\", schedule=None, start_date=datetime.datetime(2026, 1, 1), catchup=False)\n\
         def {dag}():\n    @task\n    def only():\n        {task}\n\n    only()\n\n\n{dag}()\n"
    )
}

/// Runs a command to its end.
fn run(
    program: &Path,
    arguments: &[&str],
    environment: &[(String, String)],
) -> Result<(), ServiceError> {
    let output = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let words: Vec<&str> = arguments.iter().take(2).copied().collect();
    Err(ServiceError::Refused {
        what: format!("airflow {}", words.join(" ")),
        why: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

async fn is_healthy(client: &reqwest::Client, url: &str) -> bool {
    let ask = async {
        let answer = client.get(url).send().await.ok()?.bytes().await.ok()?;
        let answer: Value = serde_json::from_slice(&answer).ok()?;
        let healthy = |part: &str| answer[part]["status"] == "healthy";
        Some(
            healthy("scheduler")
                && (answer["dag_processor"]["status"].is_null() || healthy("dag_processor")),
        )
    };
    ask.await.unwrap_or_default()
}
