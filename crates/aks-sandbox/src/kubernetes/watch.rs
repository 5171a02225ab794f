//! Watches: changes as newline-separated JSON, with bookmarks, and 410 for positions that are
//! forgotten. Driven by the world's changes and tokio timers only.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::list::Form;
use super::resource::Resource;
use super::selector::Selector;
use super::status::ApiError;
use super::target::Params;
use crate::world::{Change, ChangeKind, World};

/// How often an idle watch tells its position, as the API server does about once a minute.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How long a watch lasts if the client does not say; the API server chooses half to one hour.
const LASTS: Duration = Duration::from_secs(1800);

struct Watch {
    world: Arc<World>,
    changes: Receiver<u64>,
    resource: Resource,
    namespace: Option<String>,
    selector: Selector,
    form: Form,
    bookmarks: bool,
    position: u64,
    queue: VecDeque<Bytes>,
    end: Instant,
    bookmark_at: Instant,
    over: bool,
}

/// Starts a watch; its lines end with its time, or with an `ERROR` event.
pub(crate) fn watch(
    world: &Arc<World>,
    resource: Resource,
    namespace: Option<String>,
    params: &Params,
    form: Form,
) -> Result<impl Stream<Item = Bytes> + Send + 'static, ApiError> {
    let selector = Selector::parse(params.text("labelSelector"), params.text("fieldSelector"))?;
    let asked = match params.text("resourceVersion") {
        None => 0,
        Some(text) => text
            .parse()
            .map_err(|_| ApiError::bad_request(format!("invalid resource version {text:?}")))?,
    };
    let lasts = params
        .number("timeoutSeconds")
        .map_or(LASTS, Duration::from_secs);
    let now = Instant::now();
    let initial = params.is("sendInitialEvents")
        || (asked == 0 && params.text("sendInitialEvents").is_none());
    let mut watch = Watch {
        changes: world.changes(),
        world: Arc::clone(world),
        resource,
        namespace,
        selector,
        form,
        bookmarks: params.is("allowWatchBookmarks"),
        position: asked,
        queue: VecDeque::new(),
        end: now + lasts,
        bookmark_at: now + BOOKMARK_EVERY,
        over: false,
    };
    if initial {
        watch.send_what_is_there(params.is("sendInitialEvents"));
    }
    Ok(futures::stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((line, watch))
    }))
}

impl Watch {
    fn line(&mut self, kind: &str, object: &Value) {
        let mut bytes = json!({"type": kind, "object": object})
            .to_string()
            .into_bytes();
        bytes.push(b'\n');
        self.queue.push_back(bytes.into());
    }

    fn in_scope(&self, object: &Value) -> bool {
        self.namespace
            .as_deref()
            .is_none_or(|namespace| object["metadata"]["namespace"] == namespace)
    }

    fn send_what_is_there(&mut self, marked: bool) {
        let world = Arc::clone(&self.world);
        let storage = self.resource.storage();
        let (objects, revision) = world.read(|state| {
            (
                state
                    .store
                    .all(&storage)
                    .map(|(_, object)| Arc::clone(object))
                    .collect::<Vec<_>>(),
                state.store.revision(),
            )
        });
        for object in objects {
            if self.in_scope(&object) && self.selector.matches(&object) {
                let shown = self.form.show(&object, &self.resource);
                self.line("ADDED", &shown);
            }
        }
        self.position = revision;
        if marked {
            self.bookmark(Some("k8s.io/initial-events-end"));
        }
    }

    fn bookmark(&mut self, annotation: Option<&str>) {
        let mut metadata =
            json!({"resourceVersion": self.position.to_string(), "creationTimestamp": null});
        if let Some(annotation) = annotation {
            metadata["annotations"] = json!({annotation: "true"});
        }
        let object = json!({"kind": self.resource.kind, "apiVersion": self.resource.api_version(), "metadata": metadata});
        self.line("BOOKMARK", &object);
    }

    /// Takes what happened since the last look.
    fn collect(&mut self) {
        let world = Arc::clone(&self.world);
        let storage = self.resource.storage();
        let found: Result<(Vec<Change>, u64), ApiError> = world.read(|state| {
            let revision = state.store.revision();
            let Some(changes) = state.store.after(self.position) else {
                return Err(ApiError::expired(format!(
                    "too old resource version: {} ({})",
                    self.position,
                    state.store.oldest()
                )));
            };
            Ok((
                changes
                    .filter(|change| change.resource == storage)
                    .cloned()
                    .collect(),
                revision,
            ))
        });
        match found {
            Err(expired) => {
                self.line("ERROR", &expired.to_value());
                self.over = true;
            }
            Ok((changes, revision)) => {
                for change in changes {
                    self.send(&change);
                }
                self.position = self.position.max(revision);
            }
        }
    }

    fn send(&mut self, change: &Change) {
        if !self.in_scope(&change.object) {
            return;
        }
        let was = change
            .previous
            .as_ref()
            .is_some_and(|previous| self.selector.matches(previous));
        let is = change.kind != ChangeKind::Deleted && self.selector.matches(&change.object);
        let kind = match (was, is) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return,
        };
        // An object that leaves the selection is shown as it was, under the new revision.
        let mut shown = match (&change.previous, kind) {
            (Some(previous), "DELETED") => self.form.show(previous, &self.resource),
            _ => self.form.show(&change.object, &self.resource),
        };
        shown["metadata"]["resourceVersion"] = change.revision.to_string().into();
        self.line(kind, &shown);
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.queue.pop_front() {
                return Some(line);
            }
            if self.over {
                return None;
            }
            self.changes.mark_unchanged();
            self.collect();
            if !self.queue.is_empty() {
                continue;
            }
            tokio::select! {
                changed = self.changes.changed() => if changed.is_err() { return None },
                () = tokio::time::sleep_until(self.end) => return None,
                () = tokio::time::sleep_until(self.bookmark_at), if self.bookmarks => {
                    self.bookmark_at += BOOKMARK_EVERY;
                    self.bookmark(None);
                }
            }
        }
    }
}
