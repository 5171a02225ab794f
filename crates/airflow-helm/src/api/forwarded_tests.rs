//! The API over a stream to a scripted server: what is sent and what is read, in both dialects.

use kube_cluster::{MockCluster, MockPortForward, Object, ObjectList};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

fn pod() -> Object {
    Object::from_value(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-1", "namespace": "airflow"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }))
    .unwrap()
}

/// Reads one request to its end and answers it by the script.
async fn serve(mut stream: DuplexStream, script: fn(&str) -> (u16, &'static str)) {
    let mut request = Vec::new();
    let text = loop {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse::<usize>().unwrap());
        match text.split_once("\r\n\r\n") {
            Some((_, body)) if body.len() >= length => break text,
            _ => {}
        }
    };
    let (status, body) = script(&text);
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
}

fn api(airflow: &str, script: fn(&str) -> (u16, &'static str)) -> ForwardedApi {
    let mut cluster = MockCluster::new();
    cluster.expect_list().returning(|query| {
        assert!(query.labels.unwrap().contains("release=airflow"));
        Ok(ObjectList {
            items: vec![pod()],
            resource_version: "1".into(),
        })
    });
    let mut forward = MockPortForward::new();
    forward.expect_forward().returning(move |_, pod, port| {
        assert_eq!((pod.as_str(), port), ("web-1", 8080));
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(serve(theirs, script));
        Ok(Box::new(ours))
    });
    let chart = if airflow.starts_with('3') {
        "1.22.0"
    } else {
        "1.15.0"
    };
    let pair = Pair::check(chart, airflow).unwrap();
    let target = PodTarget::ui(&crate::AirflowSettings::default(), &pair);
    let login = Login {
        username: "admin".into(),
        password: Secret::new("pw"),
    };
    ForwardedApi::new(
        Arc::new(cluster),
        Arc::new(forward),
        target,
        &pair,
        Some(login),
    )
}

#[tokio::test]
async fn airflow_2_is_asked_with_user_and_password() {
    let api = api("2.9.3", |request| {
        // `admin:pw` in base64.
        let known = request.contains("authorization: Basic YWRtaW46cHc=");
        match request.split_whitespace().nth(1).unwrap() {
            "/health" => (200, r#"{"scheduler":{"status":"healthy"}}"#),
            "/api/v1/importErrors?limit=100" if known => (
                200,
                r#"{"import_errors":[{"filename":"a.py","stack_trace":"x\nValueError: y\n"}]}"#,
            ),
            _ => (401, r#"{"title":"Unauthorized"}"#),
        }
    });
    assert!(api.health().await.unwrap().scheduler.is_healthy());
    assert_eq!(
        api.import_errors().await.unwrap()[0].last_line(),
        "ValueError: y"
    );
}

#[tokio::test]
async fn airflow_3_is_asked_with_a_token() {
    let api = api("3.2.2", |request| {
        let known = request.contains("authorization: Bearer t0ken");
        match request.split_whitespace().nth(1).unwrap() {
            "/auth/token" if request.contains(r#""password":"pw""#) => {
                (201, r#"{"access_token":"t0ken"}"#)
            }
            "/api/v2/version" => (200, r#"{"version":"3.2.2"}"#),
            "/api/v2/dags/smoke" if known => (200, "{}"),
            "/api/v2/dags/smoke/dagRuns"
                if known && request.contains(r#","logical_date":null}"#) =>
            {
                (200, "{}")
            }
            run if known && run.starts_with("/api/v2/dags/smoke/dagRuns/aks-airflow__2") => {
                (200, r#"{"state":"success"}"#)
            }
            _ => (404, "{}"),
        }
    });
    assert_eq!(api.version().await.unwrap(), "3.2.2");
    let run = api.trigger("smoke".into()).await.unwrap().unwrap();
    let state = api.run_state("smoke".into(), run).await.unwrap();
    assert_eq!(state, Some(RunState::Success));
    assert_eq!(api.trigger("absent".into()).await.unwrap(), None);
}

/// Airflow 3 on a locked database: 500 to the first attempt at anything, though the run was made.
#[tokio::test(start_paused = true)]
async fn what_failed_for_a_moment_is_asked_again_and_starts_one_run() {
    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let api = api("2.9.3", |request| {
        let line = request.lines().next().unwrap().to_owned();
        let mut seen = SEEN.lock().unwrap();
        seen.push(line.clone());
        let first = seen.iter().filter(|one| **one == line).count() == 1;
        match line.split_whitespace().next().unwrap() {
            _ if first => (500, r#"{"title":"Internal Server Error"}"#),
            "POST" => (409, r#"{"title":"Conflict"}"#),
            _ => (200, r#"{"state":"queued"}"#),
        }
    });
    let run = api.trigger("smoke".into()).await.unwrap().unwrap();
    assert!(run.starts_with("aks-airflow__"), "{run}");
    let seen = SEEN.lock().unwrap();
    let count = |method: &str| seen.iter().filter(|line| line.starts_with(method)).count();
    assert_eq!((count("PATCH"), count("POST"), count("GET")), (2, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_only_read_is_soon_given_up() {
    let api = api("2.9.3", |_| (500, r#"{"title":"Internal Server Error"}"#));
    let begun = tokio::time::Instant::now();
    let error = api.health().await.unwrap_err();
    assert!(error.may_pass(), "{error:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_run_that_another_conflict_refused_is_not_claimed() {
    let api = api("2.9.3", |request| {
        match request.split_whitespace().next().unwrap() {
            "PATCH" => (200, "{}"),
            "POST" => (
                409,
                r#"{"title":"Conflict","detail":"another run is at this date"}"#,
            ),
            _ => (404, "{}"),
        }
    });
    let error = api.trigger("smoke".into()).await.unwrap_err();
    assert!(error.kind.is_conflict(), "{error:?}");
}

#[tokio::test]
async fn a_wrong_password_is_a_refused_login() {
    let api = api("2.9.3", |_| (401, r#"{"title":"Unauthorized"}"#));
    let error = api.dags().await.unwrap_err();
    assert!(matches!(
        error.kind,
        ApiErrorKind::Login { status: 401, .. }
    ));
    assert!(!error.may_pass());
}

#[tokio::test]
async fn a_page_is_not_taken_for_health() {
    let api = api("3.2.2", |_| (200, "<!DOCTYPE html>"));
    assert!(matches!(
        api.health().await.unwrap_err().kind,
        ApiErrorKind::Unreadable(_)
    ));
}
