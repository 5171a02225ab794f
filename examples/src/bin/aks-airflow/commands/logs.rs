//! `logs`: the log of a component's pods.

use kube_cluster::{ClusterError, Kind, LogQuery, Query, last_lines};

use crate::cli::LogsArgs;
use crate::console::Console;
use crate::failure::Failure;
use crate::session::Session;

/// Nothing has this name.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no pod belongs to `{component}`")]
#[diagnostic(code(aka::logs::no_pod), help("known components: {known}"))]
struct NoPod {
    component: String,
    known: String,
}

/// Prints the last lines of each container.
pub(crate) async fn logs(args: &LogsArgs, console: &Console) -> Result<u8, Failure> {
    let session = Session::open(&args.target)
        .await
        .map_err(Failure::before_writes)?;
    let failed = |error: ClusterError| Failure::before_writes(error);
    let namespace = session.deployment.namespace.clone();
    let query = Query::all(Kind::new("v1", "Pod"), Some(namespace.clone()));
    let pods = session
        .world
        .cluster
        .list(query)
        .await
        .map_err(failed)?
        .items;
    let wanted = match args.component.as_str() {
        "migrations" => "run-airflow-migrations",
        "api" => "api-server",
        other => other,
    };
    let chosen: Vec<_> = pods
        .iter()
        .filter(|pod| {
            let component = pod
                .label("component")
                .or_else(|| pod.label("app.kubernetes.io/name"));
            component == Some(wanted)
                || pod.name() == wanted
                || pod.name().contains(&format!("-{wanted}-"))
        })
        .collect();
    if chosen.is_empty() {
        let mut known: Vec<&str> = pods
            .iter()
            .filter_map(|pod| pod.label("component"))
            .collect();
        known.sort_unstable();
        known.dedup();
        return Err(Failure::before_writes(NoPod {
            component: args.component.clone(),
            known: known.join(", "),
        }));
    }
    let mut text = String::new();
    let mut json = Vec::new();
    for pod in chosen {
        for container in containers(pod) {
            if args
                .container
                .as_ref()
                .is_some_and(|only| *only != container)
            {
                continue;
            }
            let query = LogQuery {
                namespace: namespace.clone(),
                pod: pod.name().to_owned(),
                container: Some(container.clone()),
                previous: args.previous,
                ..LogQuery::default()
            };
            let lines = match last_lines(session.world.logs.as_ref(), query, args.tail).await {
                Ok(lines) => lines,
                Err(error) => vec![format!("(no log: {error})")],
            };
            text.push_str(&format!("== {} {container}\n", pod.name()));
            for line in &lines {
                text.push_str(line);
                text.push('\n');
            }
            json.push(
                serde_json::json!({"pod": pod.name(), "container": container, "lines": lines}),
            );
        }
    }
    console.result(&text, &serde_json::json!({"format": 1, "logs": json}));
    Ok(0)
}

fn containers(pod: &kube_cluster::Object) -> Vec<String> {
    ["/spec/initContainers", "/spec/containers"]
        .iter()
        .filter_map(|list| pod.at(list)?.as_array())
        .flatten()
        .filter_map(|container| container["name"].as_str().map(str::to_owned))
        .collect()
}
