//! The world in a folder, so that another process finds it: JSON files, each replaced atomically.
//! It owns the format and its version; it refuses formats it does not know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Entropy, Faults, Key, Progress, State, Store, WorldSpec};
use crate::azure::AzureState;

/// The format this version writes and reads.
const FORMAT: u32 = 1;

/// A world could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} the sandbox's world in `{path}`")]
#[non_exhaustive]
pub struct FolderError {
    /// `read` or `write`.
    pub action: &'static str,
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    format: u32,
    /// The world's time when it was saved.
    millis: i64,
    revision: u64,
    spec: WorldSpec,
    entropy: Entropy,
    azure: AzureState,
    faults: Faults,
    progress: BTreeMap<String, Progress>,
    logs: BTreeMap<String, Vec<String>>,
    /// Objects by resource.
    objects: BTreeMap<String, Vec<Value>>,
}

fn world_file(folder: &Path) -> PathBuf {
    folder.join("world.json")
}

/// Writes the state; either the old or the new file is there, never half of one.
pub(crate) fn save(folder: &Path, state: &State, millis: i64) -> Result<(), FolderError> {
    let objects = state
        .store
        .resources()
        .into_iter()
        .map(|resource| {
            let objects = state
                .store
                .all(&resource)
                .map(|(_, object)| Value::clone(object))
                .collect();
            (resource, objects)
        })
        .collect();
    let saved = Saved {
        format: FORMAT,
        millis,
        revision: state.store.revision(),
        spec: state.spec.clone(),
        entropy: state.entropy.clone(),
        azure: state.azure.clone(),
        faults: state.faults.clone(),
        progress: state.progress.clone(),
        logs: state.logs.clone(),
        objects,
    };
    let path = world_file(folder);
    let write = || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        std::fs::create_dir_all(folder)?;
        let bytes = serde_json::to_vec(&saved)?;
        let unfinished = folder.join(format!("world.json.{}", std::process::id()));
        std::fs::write(&unfinished, bytes)?;
        std::fs::rename(&unfinished, &path)?;
        Ok(())
    };
    write().map_err(|source| FolderError {
        action: "write",
        path,
        source,
    })
}

/// Reads the state and the time it was saved at; `None` when the folder holds no world.
pub(crate) fn load(folder: &Path) -> Result<Option<(State, i64)>, FolderError> {
    let path = world_file(folder);
    if !path.exists() {
        return Ok(None);
    }
    let read = || -> Result<(State, i64), Box<dyn std::error::Error + Send + Sync>> {
        let value: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        if value["format"] != FORMAT {
            return Err(format!(
                "format {} is not {FORMAT}; remove the folder to start anew",
                value["format"]
            )
            .into());
        }
        let saved: Saved = serde_json::from_value(value)?;
        let mut objects = BTreeMap::new();
        for (resource, listed) in saved.objects {
            let by_key: BTreeMap<Key, Arc<Value>> = listed
                .into_iter()
                .map(|object| {
                    let text = |key: &str| {
                        object["metadata"][key]
                            .as_str()
                            .unwrap_or_default()
                            .to_owned()
                    };
                    (Key::new(text("namespace"), text("name")), Arc::new(object))
                })
                .collect();
            objects.insert(resource, by_key);
        }
        let state = State {
            spec: saved.spec,
            entropy: saved.entropy,
            store: Store::restored(saved.revision, objects),
            progress: saved.progress,
            logs: saved.logs,
            azure: saved.azure,
            faults: saved.faults,
        };
        Ok((state, saved.millis))
    };
    read().map(Some).map_err(|source| FolderError {
        action: "read",
        path: path.clone(),
        source,
    })
}
