//! One container: image, configuration, start, readiness or end. It owns the container status and
//! its reasons; it refuses to look at other pods, but for what its process would wait for.

use serde_json::{Value, json};

use super::image::{self, Pull};
use super::pass::{Pass, list, number, text};
use super::pod;
use crate::world::Progress;

/// Milliseconds from the image being there to the process running.
const STARTING: i64 = 20;
/// Milliseconds from running to ready.
const BECOMING_READY: i64 = 40;
/// Milliseconds a container that ends by itself runs.
const WORKING: i64 = 50;
/// The first pause before a crashed container is started again; doubles.
const RESTARTING: i64 = 50;

/// What a container is doing; the status says it in Kubernetes' words.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// It has not started.
    Waiting(Value),
    /// It runs but is not ready.
    Running(Value),
    /// It runs and is ready.
    Ready(Value),
    /// It ended well.
    Done(Value),
    /// It ended badly and will not be started again.
    Failed(Value),
}

impl Outcome {
    pub(super) fn status(self) -> Value {
        match self {
            Self::Waiting(status)
            | Self::Running(status)
            | Self::Ready(status)
            | Self::Done(status)
            | Self::Failed(status) => status,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// The known status of a container.
pub(super) fn status_of<'v>(pod: &'v Value, key: &str, spec: &Value) -> Option<&'v Value> {
    pod.pointer("/status")?
        .get(key)?
        .as_array()?
        .iter()
        .find(|status| status["name"] == spec["name"])
}

/// A status of a container that waits.
pub(super) fn waiting(
    spec: &Value,
    known: Option<&Value>,
    reason: &str,
    message: Option<String>,
) -> Outcome {
    let mut state = json!({"reason": reason});
    if let Some(message) = message {
        state["message"] = message.into();
    }
    let mut status = base(spec, known);
    status["state"] = json!({"waiting": state});
    status["started"] = false.into();
    Outcome::Waiting(status)
}

fn base(spec: &Value, known: Option<&Value>) -> Value {
    let mut status = json!({
        "name": spec["name"],
        "image": spec["image"],
        "imageID": "",
        "ready": false,
        "restartCount": known.and_then(|status| number(status, "/restartCount")).unwrap_or(0),
        "lastState": {},
    });
    if let Some(known) = known {
        status["lastState"] = known["lastState"].clone();
    }
    status
}

/// What the process of a container does.
enum Process {
    /// It runs until it is stopped.
    Serves,
    /// It ends, with an exit code, after logging.
    Ends { code: i32, log: String },
    /// It waits for something, which it logs.
    Waits(String),
}

/// Moves one container on.
pub(super) fn step(
    pass: &mut Pass<'_>,
    pod: &Value,
    spec: &Value,
    known: Option<&Value>,
    init: bool,
) -> Outcome {
    let name = text(spec, "/name").to_owned();
    if let Some(known) = known
        && let Some(end) = last_end(known)
    {
        return ended_before(pass, pod, spec, known, &end, init);
    }
    let image = text(spec, "/image").to_owned();
    if let Pull::NotFound(error) = image::pull(pass.state, &image) {
        return pull_failed(pass, pod, spec, known, &image, &error);
    }
    if let Some(message) = configuration_obstacle(pass, pod, spec) {
        pass.event(pod, true, "Failed", &format!("Error: {message}"), "kubelet");
        return waiting(spec, known, "CreateContainerConfigError", Some(message));
    }
    if !pass.due(pod, &format!("start-{name}"), STARTING) {
        return waiting(spec, known, "ContainerCreating", None);
    }
    let running_since = pass
        .state
        .progress
        .get(&format!("{}/start-{name}", text(pod, "/metadata/uid")))
        .map_or(pass.now, |progress| progress.since + STARTING);
    let mut status = base(spec, known);
    status["imageID"] = format!("{image}@sandbox").into();
    status["started"] = true.into();
    status["state"] = json!({"running": {"startedAt": crate::world::seconds(running_since)}});
    match process(pass, pod, spec) {
        Process::Serves => {
            if pass.due(pod, &format!("ready-{name}"), BECOMING_READY) {
                log(pass, pod, &name, &format!("{name} is up (simulated)"));
                status["ready"] = true.into();
                Outcome::Ready(status)
            } else {
                Outcome::Running(status)
            }
        }
        Process::Waits(line) => {
            log(pass, pod, &name, &line);
            Outcome::Running(status)
        }
        Process::Ends { code, log: line } => {
            if !pass.due(pod, &format!("work-{name}"), WORKING) {
                return Outcome::Running(status);
            }
            log(pass, pod, &name, &line);
            end(pass, pod, spec, status, code)
        }
    }
}

/// A container whose process has just ended.
fn end(pass: &mut Pass<'_>, pod: &Value, spec: &Value, mut status: Value, code: i32) -> Outcome {
    let now = pass.timestamp();
    let reason = if code == 0 { "Completed" } else { "Error" };
    let started = status["state"]["running"]["startedAt"].clone();
    status["state"] = json!({"terminated": {
        "exitCode": code, "reason": reason, "startedAt": started, "finishedAt": now,
    }});
    status["started"] = false.into();
    status["ready"] = (code == 0).into();
    if code == 0 {
        if text(spec, "/name") == "run-airflow-migrations" {
            migrated(pass, pod, spec);
        }
        return Outcome::Done(status);
    }
    if text(pod, "/spec/restartPolicy") == "Never" {
        Outcome::Failed(status)
    } else {
        Outcome::Waiting(status)
    }
}

/// How a container that is not running ended: its state, or in a crash loop its last one.
fn last_end(known: &Value) -> Option<Value> {
    let looping = text(known, "/state/waiting/reason") == "CrashLoopBackOff";
    known
        .pointer(if looping {
            "/lastState/terminated"
        } else {
            "/state/terminated"
        })
        .cloned()
}

/// A container whose process ended before: done, or started again after a pause.
fn ended_before(
    pass: &mut Pass<'_>,
    pod: &Value,
    spec: &Value,
    known: &Value,
    end: &Value,
    init: bool,
) -> Outcome {
    let code = number(end, "/exitCode").unwrap_or(0);
    let policy = text(pod, "/spec/restartPolicy");
    if code == 0 && (init || policy == "OnFailure" || policy == "Never") {
        return Outcome::Done(known.clone());
    }
    if policy == "Never" {
        return Outcome::Failed(known.clone());
    }
    let name = text(spec, "/name");
    let restarts = number(known, "/restartCount").unwrap_or(0);
    let pause = RESTARTING << restarts.min(6);
    let step = format!("restart-{name}-{restarts}");
    if pass.due(pod, &step, pause) {
        for again in ["start", "ready", "work"] {
            pass.forget(pod, &format!("{again}-{name}"));
        }
        let mut status = base(spec, Some(known));
        status["restartCount"] = (restarts + 1).into();
        status["lastState"] = json!({"terminated": end});
        status["state"] = json!({"waiting": {"reason": "ContainerCreating"}});
        return Outcome::Waiting(status);
    }
    let message = format!(
        "back-off {}s restarting failed container={name} pod={}_{}",
        (pause / 1000).max(10),
        text(pod, "/metadata/name"),
        text(pod, "/metadata/namespace")
    );
    pass.event(
        pod,
        true,
        "BackOff",
        &format!(
            "Back-off restarting failed container {name} in pod {}",
            text(pod, "/metadata/name")
        ),
        "kubelet",
    );
    let mut status = known.clone();
    status["lastState"] = json!({"terminated": end});
    status["state"] = json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}});
    Outcome::Waiting(status)
}

fn pull_failed(
    pass: &mut Pass<'_>,
    pod: &Value,
    spec: &Value,
    known: Option<&Value>,
    image: &str,
    error: &str,
) -> Outcome {
    let step = format!("pull-{}", text(spec, "/name"));
    let backing_off = pass.due(pod, &step, 50);
    pass.event(
        pod,
        true,
        "Failed",
        &format!("Failed to pull image \"{image}\": rpc error: code = NotFound desc = {error}"),
        "kubelet",
    );
    // The image may be imported later: look again.
    pass.wake_at(pass.now + 500);
    if backing_off {
        pass.event(
            pod,
            false,
            "BackOff",
            &format!("Back-off pulling image \"{image}\""),
            "kubelet",
        );
        waiting(
            spec,
            known,
            "ImagePullBackOff",
            Some(format!(
                "Back-off pulling image \"{image}\": ErrImagePull: rpc error: code = NotFound desc = {error}"
            )),
        )
    } else {
        waiting(
            spec,
            known,
            "ErrImagePull",
            Some(format!("rpc error: code = NotFound desc = {error}")),
        )
    }
}

/// A Secret or ConfigMap the environment refers to that is not there.
fn configuration_obstacle(pass: &Pass<'_>, pod: &Value, spec: &Value) -> Option<String> {
    let namespace = text(pod, "/metadata/namespace");
    for variable in list(spec, "/env") {
        for (source, resource, word) in [
            ("secretKeyRef", "/secrets", "secret"),
            ("configMapKeyRef", "/configmaps", "configmap"),
        ] {
            let reference = variable
                .pointer("/valueFrom")
                .and_then(|from| from.get(source));
            let Some(reference) = reference.filter(|reference| reference["optional"] != true)
            else {
                continue;
            };
            let (name, key) = (text(reference, "/name"), text(reference, "/key"));
            let Some(object) = pass.get(resource, namespace, name) else {
                return Some(format!("{word} \"{name}\" not found"));
            };
            if object
                .pointer("/data")
                .and_then(|data| data.get(key))
                .is_none()
            {
                let word = if word == "secret" {
                    "Secret"
                } else {
                    "ConfigMap"
                };
                return Some(format!(
                    "couldn't find key {key} in {word} {namespace}/{name}"
                ));
            }
        }
    }
    None
}

/// What the process of this container does in this world.
fn process(pass: &Pass<'_>, pod: &Value, spec: &Value) -> Process {
    let name = text(spec, "/name");
    match name {
        "wait-for-airflow-migrations" if migrations_done(pass, pod, spec) => Process::Ends {
            code: 0,
            log: "There are no unapplied migrations (simulated)".into(),
        },
        "wait-for-airflow-migrations" => {
            Process::Waits("Waiting for migrations... (simulated)".into())
        }
        "run-airflow-migrations" => match (&pass.state.faults.migration, database_ready(pass, pod))
        {
            (_, false) => Process::Waits(
                "could not connect to server: Connection refused; trying again (simulated)".into(),
            ),
            (Some(failure), true) => Process::Ends {
                code: failure.exit_code,
                log: failure.log.clone(),
            },
            (None, true) => Process::Ends {
                code: 0,
                log: "Database migrating done! (simulated)".into(),
            },
        },
        "create-user" if !migrations_done(pass, pod, spec) => Process::Ends {
            code: 1,
            log: "relation \"ab_user\" does not exist (simulated)".into(),
        },
        _ => {
            let ends = name.ends_with("-init")
                || matches!(text(pod, "/spec/restartPolicy"), "OnFailure" | "Never");
            if ends {
                Process::Ends {
                    code: 0,
                    log: format!("{name} is done (simulated)"),
                }
            } else {
                Process::Serves
            }
        }
    }
}

/// The key under which the world remembers which image's migrations a release's database has.
fn migration_key(pod: &Value) -> String {
    format!(
        "migrated/{}/{}",
        text(pod, "/metadata/namespace"),
        text(pod, "/metadata/labels/release")
    )
}

/// Whether the database is where this container's image wants it: the check compares heads for
/// equality, so one migrated for another image does not do.
fn migrations_done(pass: &Pass<'_>, pod: &Value, spec: &Value) -> bool {
    pass.state
        .progress
        .get(&migration_key(pod))
        .is_some_and(|done| done.step == text(spec, "/image"))
}

fn migrated(pass: &mut Pass<'_>, pod: &Value, spec: &Value) {
    let done = Progress {
        step: text(spec, "/image").to_owned(),
        since: pass.now,
        tries: 1,
    };
    pass.state.progress.insert(migration_key(pod), done);
}

/// Whether the release's database and pool, where it has them, are ready.
fn database_ready(pass: &Pass<'_>, pod: &Value) -> bool {
    let namespace = text(pod, "/metadata/namespace");
    let release = text(pod, "/metadata/labels/release");
    pass.state
        .store
        .within("/pods", namespace)
        .filter(|(key, _)| {
            ["postgresql", "pgbouncer"]
                .iter()
                .any(|part| key.name.starts_with(&format!("{release}-{part}-")))
        })
        .all(|(_, pod)| pod::ready(pod))
}

/// Adds a line to a container's log, unless it is the last one already.
fn log(pass: &mut Pass<'_>, pod: &Value, container: &str, line: &str) {
    let key = format!(
        "{}/{}/{container}",
        text(pod, "/metadata/namespace"),
        text(pod, "/metadata/name")
    );
    let lines = pass.state.logs.entry(key).or_default();
    if lines.last().map(String::as_str) != Some(line) {
        lines.push(line.to_owned());
    }
}
