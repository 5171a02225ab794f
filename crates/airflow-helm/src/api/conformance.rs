//! What every backend of [`AirflowApi`] must do, one public function per behaviour. The world a
//! function needs is its argument: a healthy Airflow, logged in.

use super::{AirflowApi, ApiErrorKind};

/// The database of a healthy Airflow is healthy, and its scheduler gives signs of life.
pub async fn a_healthy_airflow_says_so(api: &dyn AirflowApi) {
    let health = api.health().await.expect("health may not fail");
    assert!(health.metadatabase.is_healthy(), "{health:?}");
    assert!(health.scheduler.is_healthy(), "{health:?}");
    assert!(health.scheduler.heartbeat.is_some(), "{health:?}");
}

/// The version is that of Airflow: three numbers.
pub async fn the_version_is_airflows(api: &dyn AirflowApi) {
    let version = api.version().await.expect("the version may not fail");
    assert!(crate::AirflowVersion::parse(&version).is_ok(), "{version}");
}

/// A run of a DAG that is not there is `None`, and so is starting one.
pub async fn an_absent_dag_is_none(api: &dyn AirflowApi) {
    let dag = "no-such-dag".to_owned();
    assert_eq!(
        api.trigger(dag.clone()).await.expect("absence is no error"),
        None
    );
    let run = api
        .run_state(dag, "no-such-run".into())
        .await
        .expect("absence is no error");
    assert_eq!(run, None);
}

/// Import errors and DAGs can be read after a login.
pub async fn a_login_reads_dags_and_import_errors(api: &dyn AirflowApi) {
    api.import_errors()
        .await
        .expect("import errors may not fail");
    api.dags().await.expect("DAGs may not fail");
}

/// A wrong password is a refused login, not absence.
pub async fn a_wrong_login_is_refused(wrong: &dyn AirflowApi) {
    let error = wrong
        .dags()
        .await
        .expect_err("a wrong login must be refused");
    assert!(
        matches!(error.kind, ApiErrorKind::Login { .. }),
        "{error:?}"
    );
}
