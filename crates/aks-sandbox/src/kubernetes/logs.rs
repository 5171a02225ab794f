//! `pods/log`: what the simulated containers wrote. Not modelled: times of lines (`timestamps`,
//! `sinceSeconds`) and logs of a container's previous run.

use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use serde_json::Value;

use super::resource::Resource;
use super::status::ApiError;
use super::target::Params;
use crate::mount::{Body, full, stream};
use crate::world::{Key, State, World};

/// Answers a log request: the lines so far, or with `follow` also those to come until the pod ends.
pub(crate) fn answer(
    world: &Arc<World>,
    namespace: &str,
    name: &str,
    params: &Params,
) -> Result<Body, ApiError> {
    let key = Key::new(namespace, name);
    let container = world.read(|state| container(state, &key, params))?;
    if params.is("previous") {
        let why = format!("previous terminated container {container:?} in pod {name:?} not found");
        return Err(ApiError::bad_request(why));
    }
    let place = format!("{namespace}/{name}/{container}");
    let lines = world.read(|state| state.logs.get(&place).cloned().unwrap_or_default());
    let skip = params
        .number("tailLines")
        .map_or(0, |tail| lines.len().saturating_sub(tail as usize));
    if params.is("follow") {
        return Ok(stream(follow(Arc::clone(world), key, place, skip)));
    }
    Ok(full(text(&lines[skip..])))
}

fn text(lines: &[String]) -> String {
    lines
        .iter()
        .fold(String::new(), |text, line| text + line + "\n")
}

/// The container asked about, if it has started.
fn container(state: &State, key: &Key, params: &Params) -> Result<String, ApiError> {
    let pods = Resource::find(&state.store, "", "v1", "pods").expect("a built-in resource");
    let pod = state
        .store
        .get("/pods", key)
        .ok_or_else(|| ApiError::not_found(&pods, &key.name))?;
    let named = |list: &str| -> Vec<String> {
        pod["spec"][list]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|container| container["name"].as_str().map(str::to_owned))
            .collect()
    };
    let (containers, all) = (
        named("containers"),
        [named("initContainers"), named("containers")].concat(),
    );
    let container = match params.text("container") {
        Some(container) if all.iter().any(|one| one == container) => container.to_owned(),
        Some(container) => {
            return Err(ApiError::bad_request(format!(
                "container {container} is not valid for pod {}",
                key.name
            )));
        }
        None => match containers.as_slice() {
            [only] => only.clone(),
            several => {
                let inits = named("initContainers");
                let tail = if inits.is_empty() {
                    String::new()
                } else {
                    format!(" or one of the init containers: [{}]", inits.join(" "))
                };
                return Err(ApiError::bad_request(format!(
                    "a container name must be specified for pod {}, choose one of: [{}]{tail}",
                    key.name,
                    several.join(" ")
                )));
            }
        },
    };
    let waiting = ["initContainerStatuses", "containerStatuses"]
        .iter()
        .flat_map(|list| pod["status"][*list].as_array().into_iter().flatten())
        .find(|status| status["name"] == container.as_str())
        .map(|status| status["state"]["waiting"]["reason"].as_str());
    match waiting {
        Some(None | Some("CrashLoopBackOff")) => Ok(container),
        Some(Some(reason)) => Err(ApiError::bad_request(format!(
            "container {container:?} in pod {:?} is waiting to start: {reason}",
            key.name
        ))),
        None => Err(ApiError::bad_request(format!(
            "container {container:?} in pod {:?} is waiting to start: ContainerCreating",
            key.name
        ))),
    }
}

fn follow(
    world: Arc<World>,
    key: Key,
    place: String,
    skip: usize,
) -> impl Stream<Item = Bytes> + Send + 'static {
    let changes = world.changes();
    futures::stream::unfold(
        (world, changes, key, place, skip),
        |(world, mut changes, key, place, sent)| async move {
            loop {
                changes.mark_unchanged();
                let (lines, over) = world.read(|state| {
                    let phase = state
                        .store
                        .get("/pods", &key)
                        .map(|pod| pod["status"]["phase"].clone());
                    let over = phase
                        .is_none_or(|phase| matches!(phase.as_str(), Some("Succeeded" | "Failed")));
                    (state.logs.get(&place).cloned().unwrap_or_default(), over)
                });
                if lines.len() > sent {
                    let piece = Bytes::from(text(&lines[sent..]));
                    let sent = lines.len();
                    return Some((piece, (world, changes, key, place, sent)));
                }
                if over || changes.changed().await.is_err() {
                    return None;
                }
            }
        },
    )
}

/// Whether a pod is there and runs.
pub(crate) fn running(pod: &Value) -> bool {
    pod["status"]["phase"] == "Running"
}
