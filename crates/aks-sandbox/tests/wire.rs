//! The API server at wire level: a plain HTTP client over the in-memory pipe, on virtual time.

use aks_sandbox::Sandbox;
use aks_sandbox::world::{Class, Verdict};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

struct Wire {
    sandbox: Sandbox,
    client: Client<aks_sandbox::mount::Pipe, Full<Bytes>>,
}

impl Wire {
    fn new(seed: u64) -> Self {
        Self::over(Sandbox::seeded(seed))
    }

    fn over(sandbox: Sandbox) -> Self {
        let client = Client::builder(TokioExecutor::new()).build(sandbox.connector());
        Self { sandbox, client }
    }

    async fn try_send(
        &self,
        method: &str,
        path: &str,
        media: &str,
        body: &Value,
    ) -> Option<(StatusCode, Value)> {
        let bytes = if body.is_null() {
            Bytes::new()
        } else {
            body.to_string().into()
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.sandbox.api_url()))
            .header("content-type", media)
            .header("user-agent", "wire-test/1.0")
            .body(Full::new(bytes))
            .unwrap();
        let response = self.client.request(request).await.ok()?;
        let status = response.status();
        let bytes = response.into_body().collect().await.ok()?.to_bytes();
        Some((
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        ))
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        self.try_send(method, path, "application/json", &body)
            .await
            .unwrap()
    }

    async fn apply(&self, path: &str, manager: &str, body: Value) -> (StatusCode, Value) {
        let path = format!("{path}?fieldManager={manager}");
        self.try_send("PATCH", &path, "application/apply-patch+yaml", &body)
            .await
            .unwrap()
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "tables read better with values"
)]
fn config(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

const CONFIGS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test(start_paused = true)]
async fn a_conflict_is_answered_in_the_servers_words() {
    let wire = Wire::new(1);
    let path = format!("{CONFIGS}/c");
    wire.apply(&path, "helm", config("c", json!({"a": "1", "b": "1"})))
        .await;
    let (status, answer) = wire
        .apply(&path, "aks-airflow", config("c", json!({"a": "2"})))
        .await;
    assert_eq!(status, 409);
    assert_eq!(
        answer,
        json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": "Apply failed with 1 conflict: conflict with \"helm\": .data.a",
            "reason": "Conflict",
            "details": {"causes": [{"reason": "FieldManagerConflict", "message": "conflict with \"helm\"", "field": ".data.a"}]},
            "code": 409,
        })
    );
    let (_, answer) = wire
        .apply(
            &path,
            "aks-airflow",
            config("c", json!({"a": "2", "b": "2"})),
        )
        .await;
    assert_eq!(
        answer["message"],
        "Apply failed with 2 conflicts: conflicts with \"helm\":\n- .data.a\n- .data.b"
    );
}

#[tokio::test(start_paused = true)]
async fn refusals_are_worded_as_the_servers() {
    let wire = Wire::new(1);
    let mut messages = Vec::new();
    for (method, path, body) in [
        (
            "GET",
            "/apis/apps/v1/namespaces/default/deployments/x",
            Value::Null,
        ),
        (
            "POST",
            "/api/v1/namespaces/absent/configmaps",
            config("c", json!({})),
        ),
        ("POST", CONFIGS, config("Bad_Name", json!({}))),
        ("GET", "/apis/apps/v1/gadgets", Value::Null),
        (
            "POST",
            "/apis/apps/v1/namespaces/default/deployments",
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "1"}}, "template": {"metadata": {"labels": {"a": "2"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}),
        ),
    ] {
        let (status, answer) = wire.send(method, path, body).await;
        messages.push(format!(
            "{} {}",
            status.as_u16(),
            answer["message"].as_str().unwrap()
        ));
    }
    assert_eq!(messages[0], "404 deployments.apps \"x\" not found");
    assert_eq!(messages[1], "404 namespaces \"absent\" not found");
    assert!(messages[2].starts_with("422 ConfigMap \"Bad_Name\" is invalid: metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain"), "{}", messages[2]);
    assert_eq!(
        messages[3],
        "404 the server could not find the requested resource"
    );
    assert_eq!(
        messages[4],
        "422 Deployment.apps \"d\" is invalid: spec.template.metadata.labels: Invalid value: {\"a\":\"2\"}: `selector` does not match template `labels`"
    );
}

#[tokio::test(start_paused = true)]
async fn pages_show_one_moment() {
    let wire = Wire::new(1);
    wire.send(
        "POST",
        "/api/v1/namespaces",
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "pages"}}),
    )
    .await;
    let path = "/api/v1/namespaces/pages/secrets";
    let secret =
        |name: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
    for name in ["a", "b", "c"] {
        wire.send("POST", path, secret(name)).await;
    }
    let (_, page) = wire
        .send("GET", &format!("{path}?limit=2"), Value::Null)
        .await;
    assert_eq!(
        (
            page["items"].as_array().unwrap().len(),
            &page["metadata"]["remainingItemCount"]
        ),
        (2, &json!(1))
    );
    wire.send("DELETE", &format!("{path}/c"), Value::Null).await;
    wire.send("POST", path, secret("d")).await;
    let token = page["metadata"]["continue"].as_str().unwrap();
    let (_, rest) = wire
        .send(
            "GET",
            &format!("{path}?limit=2&continue={token}"),
            Value::Null,
        )
        .await;
    let names: Vec<_> = rest["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["name"].clone())
        .collect();
    assert_eq!(names, ["c"], "as it was when the first page was read");
    assert_eq!(
        rest["metadata"]["resourceVersion"],
        page["metadata"]["resourceVersion"]
    );
    wire.sandbox.compact();
    let (status, _) = wire
        .send(
            "GET",
            &format!("{path}?limit=2&continue={token}"),
            Value::Null,
        )
        .await;
    assert_eq!(status, 410);
}

#[tokio::test(start_paused = true)]
async fn an_idle_watch_tells_its_position_each_minute() {
    let wire = Wire::new(1);
    let uri = format!(
        "{}{CONFIGS}?watch=1&allowWatchBookmarks=true&timeoutSeconds=150&resourceVersion={}",
        wire.sandbox.api_url(),
        wire.sandbox.world().read(|state| state.store.revision())
    );
    let response = wire.client.get(uri.parse().unwrap()).await.unwrap();
    let text = String::from_utf8(
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
    .unwrap();
    let kinds: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].clone())
        .collect();
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "BOOKMARK").count(),
        2,
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn requests_are_classed_and_a_dry_run_leaves_no_trace() {
    let wire = Wire::new(1);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let before = wire
        .sandbox
        .world()
        .read(|state| (state.store.revision(), state.entropy.clone()));
    wire.send("GET", "/version", Value::Null).await;
    let (status, answer) = wire
        .send(
            "POST",
            &format!("{CONFIGS}?dryRun=All"),
            config("dry", json!({})),
        )
        .await;
    assert_eq!(
        (status.as_u16(), answer["metadata"]["uid"].is_string()),
        (201, true)
    );
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {}});
    wire.send(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        review,
    )
    .await;
    wire.send(
        "POST",
        "/api/v1/namespaces/default/serviceaccounts/default/token",
        json!({"spec": {"audiences": ["a"]}}),
    )
    .await;
    let after = wire
        .sandbox
        .world()
        .read(|state| (state.store.revision(), state.entropy.clone()));
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    wire.send("POST", CONFIGS, config("wet", json!({}))).await;
    let classes: Vec<Class> = wire
        .sandbox
        .requests()
        .iter()
        .map(|record| record.class)
        .collect();
    assert_eq!(
        classes,
        [
            Class::Read,
            Class::Probe,
            Class::Probe,
            Class::Probe,
            Class::Write
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_can_be_cut_before_and_after_its_request() {
    let wire = Wire::new(1);
    wire.sandbox
        .on_request(Some(std::sync::Arc::new(|record| match record.index {
            0 => Verdict::CutBefore,
            1 => Verdict::CutAfter,
            2 => Verdict::Answer {
                status: StatusCode::TOO_MANY_REQUESTS,
                headers: vec![("retry-after".into(), "1".into())],
                body: String::new(),
            },
            _ => Verdict::Proceed,
        })));
    let post = |name: &'static str| {
        let wire = &wire;
        async move {
            wire.try_send(
                "POST",
                CONFIGS,
                "application/json",
                &config(name, json!({})),
            )
            .await
            .map(|(status, _)| status.as_u16())
        }
    };
    assert_eq!(post("before").await, None);
    assert_eq!(post("after").await, None);
    assert_eq!(post("refused").await, Some(429));
    for (name, there) in [("before", 404), ("after", 200), ("refused", 404)] {
        assert_eq!(
            wire.send("GET", &format!("{CONFIGS}/{name}"), Value::Null)
                .await
                .0,
            there,
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_world() {
    let mut worlds = Vec::new();
    for _ in 0..2 {
        let wire = Wire::new(42);
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "1"}}, "template": {"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}}});
        wire.send(
            "POST",
            "/apis/apps/v1/namespaces/default/deployments",
            deployment,
        )
        .await;
        tokio::time::sleep(std::time::Duration::from_secs(30)).await;
        let (_, pods) = wire
            .send("GET", "/api/v1/namespaces/default/pods", Value::Null)
            .await;
        assert_eq!(pods["items"].as_array().unwrap().len(), 2);
        worlds.push(pods);
    }
    assert_eq!(worlds[0], worlds[1]);
}

#[tokio::test(start_paused = true)]
async fn a_kept_world_is_found_again() {
    let folder = std::env::temp_dir().join(format!("aks-sandbox-test-{}", std::process::id()));
    let open = || {
        Sandbox::open(
            &folder,
            7,
            aks_sandbox::world::WorldSpec::default(),
            aks_sandbox::registry::Charts::none(),
        )
        .unwrap()
    };
    let wire = Wire::over(open());
    let (_, made) = wire
        .send("POST", CONFIGS, config("kept", json!({"a": "1"})))
        .await;
    wire.sandbox.save().unwrap();
    drop(wire);
    let wire = Wire::over(open());
    let (status, found) = wire
        .send("GET", &format!("{CONFIGS}/kept"), Value::Null)
        .await;
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!((status.as_u16(), found), (200, made));
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_cannot_be_reached_refuses_writes_until_it_can() {
    let wire = Wire::new(1);
    let hook = |policy: &str| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "w"},
            "webhooks": [{
                "name": "check.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": policy, "timeoutSeconds": 5,
                "clientConfig": {"service": {"name": "hook", "namespace": "default", "path": "/check"}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
            }],
        })
    };
    let hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    wire.send("POST", hooks, hook("Fail")).await;
    let (status, answer) = wire.send("POST", CONFIGS, config("c", json!({}))).await;
    assert_eq!(status, 500);
    assert_eq!(
        answer["message"],
        "Internal error occurred: failed calling webhook \"check.example.com\": failed to call webhook: Post \"https://hook.default.svc:443/check?timeout=5s\": service \"hook\" not found"
    );
    wire.send("DELETE", &format!("{hooks}/w"), Value::Null)
        .await;
    wire.send("POST", hooks, hook("Ignore")).await;
    assert_eq!(
        wire.send("POST", CONFIGS, config("c", json!({}))).await.0,
        201
    );
}

#[tokio::test(start_paused = true)]
async fn strict_writes_name_unknown_fields() {
    let wire = Wire::new(1);
    let mut object = config("c", json!({}));
    object["dat"] = json!({});
    let (status, answer) = wire
        .send("POST", &format!("{CONFIGS}?fieldValidation=Strict"), object)
        .await;
    assert_eq!(status, 400);
    assert_eq!(
        answer["message"],
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"dat\""
    );
}
