//! [`Pass`]: one look of the controllers at the world. It owns reading, writing and timers; it
//! refuses to know any kind.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::world::{Key, Progress, State, seconds};

/// The world during one pass.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    /// Everything there is.
    pub(crate) state: &'a mut State,
    /// The time, milliseconds since 1970.
    pub(crate) now: i64,
    next: Option<i64>,
    before: u64,
}

impl<'a> Pass<'a> {
    /// A pass over `state` at `now`.
    pub(crate) fn new(state: &'a mut State, now: i64) -> Self {
        let before = state.store.revision();
        Self {
            state,
            now,
            next: None,
            before,
        }
    }

    /// Whether any object was written.
    pub(crate) fn changed(&self) -> bool {
        self.state.store.revision() != self.before
    }

    /// When the earliest pending timer is due.
    pub(crate) fn next_wake(&self) -> Option<i64> {
        self.next
    }

    /// The time as Kubernetes writes it.
    pub(crate) fn timestamp(&self) -> String {
        seconds(self.now)
    }

    /// All objects of a resource, by namespace and name.
    pub(crate) fn all(&self, resource: &str) -> Vec<Arc<Value>> {
        self.state
            .store
            .all(resource)
            .map(|(_, object)| Arc::clone(object))
            .collect()
    }

    /// One object.
    pub(crate) fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.state
            .store
            .get(resource, &Key::new(namespace, name))
            .cloned()
    }

    /// Creates an object unless its name is taken; gives it what the server gives.
    pub(crate) fn create(&mut self, resource: &str, mut object: Value) {
        let key = key_of(&object);
        if self.state.store.get(resource, &key).is_some() {
            return;
        }
        let uid = self.state.entropy.uuid();
        let metadata = &mut object["metadata"];
        metadata["uid"] = uid.into();
        metadata["creationTimestamp"] = seconds(self.now).into();
        if object.get("spec").is_some() {
            object["metadata"]["generation"] = 1.into();
        }
        self.state.store.put(resource, key, object);
    }

    /// Changes an object in place; nothing is written if nothing differs.
    pub(crate) fn update(
        &mut self,
        resource: &str,
        object: &Value,
        change: impl FnOnce(&mut Value),
    ) {
        let key = key_of(object);
        let Some(current) = self.state.store.get(resource, &key) else {
            return;
        };
        let mut next = Value::clone(current);
        change(&mut next);
        if next != **current {
            self.state.store.put(resource, key, next);
        }
    }

    /// Changes `status` only.
    pub(crate) fn set_status(&mut self, resource: &str, object: &Value, status: Value) {
        self.update(resource, object, |object| object["status"] = status);
    }

    /// Deletes as a client would: at once, or by a deletion time if something has to happen first.
    pub(crate) fn delete(&mut self, resource: &str, object: &Value) {
        let holds = !list(object, "/metadata/finalizers").is_empty()
            || resource == "/pods"
            || resource == "/namespaces";
        if holds {
            let now = seconds(self.now);
            self.update(resource, object, |object| {
                if object.pointer("/metadata/deletionTimestamp").is_none() {
                    object["metadata"]["deletionTimestamp"] = now.into();
                    object["metadata"]["deletionGracePeriodSeconds"] = 0.into();
                }
            });
        } else {
            self.remove(resource, object);
        }
    }

    /// Takes an object away.
    pub(crate) fn remove(&mut self, resource: &str, object: &Value) {
        self.state.store.remove(resource, &key_of(object));
        let uid = text(object, "/metadata/uid").to_owned();
        if !uid.is_empty() {
            self.state.progress.retain(|key, _| !key.starts_with(&uid));
        }
    }

    /// Whether `delay` milliseconds have passed since this was first asked about `(owner, step)`;
    /// if not, the controllers are woken then.
    pub(crate) fn due(&mut self, owner: &Value, step: &str, delay: i64) -> bool {
        let key = format!("{}/{step}", text(owner, "/metadata/uid"));
        let now = self.now;
        let progress = self.state.progress.entry(key).or_insert_with(|| Progress {
            step: step.to_owned(),
            since: now,
            tries: 0,
        });
        let at = progress.since + delay;
        if at <= now {
            return true;
        }
        self.wake_at(at);
        false
    }

    /// Whether a controller has `owner` in its queue: it has changed since the controller looked at
    /// it, or the controller's next round has begun, one every `period` milliseconds. Whoever asks
    /// looks.
    pub(crate) fn queued(&mut self, owner: &Value, controller: &str, period: i64) -> bool {
        let key = format!("{}/{controller}", text(owner, "/metadata/uid"));
        let version = text(owner, "/metadata/resourceVersion");
        let now = self.now;
        let looked = self.state.progress.get(&key);
        if let Some(looked) = looked.filter(|looked| looked.step == version) {
            let round = (looked.since.div_euclid(period) + 1) * period;
            if now < round {
                self.wake_at(round);
                return false;
            }
        }
        let looks = Progress {
            step: version.to_owned(),
            since: now,
            tries: 0,
        };
        self.state.progress.insert(key, looks);
        true
    }

    /// Starts a step's time anew and counts the try.
    pub(crate) fn restart(&mut self, owner: &Value, step: &str) -> u32 {
        let key = format!("{}/{step}", text(owner, "/metadata/uid"));
        let now = self.now;
        let progress = self.state.progress.entry(key).or_default();
        step.clone_into(&mut progress.step);
        progress.since = now;
        progress.tries += 1;
        progress.tries
    }

    /// Forgets a step, so that its time starts anew.
    pub(crate) fn forget(&mut self, owner: &Value, step: &str) {
        self.state
            .progress
            .remove(&format!("{}/{step}", text(owner, "/metadata/uid")));
    }

    /// How often a step was restarted.
    pub(crate) fn tries(&self, owner: &Value, step: &str) -> u32 {
        let key = format!("{}/{step}", text(owner, "/metadata/uid"));
        self.state
            .progress
            .get(&key)
            .map_or(0, |progress| progress.tries)
    }

    /// Asks to be woken at a time.
    pub(crate) fn wake_at(&mut self, at: i64) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// Tells an event about an object; the same reason again only counts up.
    pub(crate) fn event(
        &mut self,
        about: &Value,
        warning: bool,
        reason: &str,
        message: &str,
        component: &str,
    ) {
        let namespace = match text(about, "/metadata/namespace") {
            "" => "default",
            namespace => namespace,
        }
        .to_owned();
        let uid = text(about, "/metadata/uid").to_owned();
        let known = self
            .state
            .store
            .within("/events", &namespace)
            .map(|(_, event)| Arc::clone(event))
            .find(|event| {
                text(event, "/involvedObject/uid") == uid
                    && text(event, "/reason") == reason
                    && text(event, "/message") == message
            });
        let now = seconds(self.now);
        if let Some(event) = known {
            if text(&event, "/lastTimestamp") != now {
                self.update("/events", &event, |event| {
                    event["count"] = (event["count"].as_i64().unwrap_or(1) + 1).into();
                    event["lastTimestamp"] = now.into();
                });
            }
            return;
        }
        let name = format!(
            "{}.{:016x}",
            text(about, "/metadata/name"),
            self.state.entropy.number()
        );
        self.create(
            "/events",
            json!({
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": {
                    "apiVersion": about["apiVersion"],
                    "kind": about["kind"],
                    "name": about["metadata"]["name"],
                    "namespace": about["metadata"]["namespace"],
                    "uid": uid,
                },
                "type": if warning { "Warning" } else { "Normal" },
                "reason": reason,
                "message": message,
                "count": 1,
                "firstTimestamp": now,
                "lastTimestamp": now,
                "source": {"component": component},
                "reportingComponent": component,
            }),
        );
    }
}

/// The text at a pointer; empty where there is none.
pub(crate) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    at(object, pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// What is at a pointer. (`Value::pointer` copies each segment to unescape it; this one only those
/// that need it.)
pub(crate) fn at<'v>(object: &'v Value, pointer: &str) -> Option<&'v Value> {
    pointer
        .split('/')
        .skip(1)
        .try_fold(object, |value, segment| match value {
            Value::Object(map) if segment.contains('~') => {
                map.get(&segment.replace("~1", "/").replace("~0", "~"))
            }
            Value::Object(map) => map.get(segment),
            Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
            _ => None,
        })
}

/// The list at a pointer; empty where there is none.
pub(crate) fn list<'v>(object: &'v Value, pointer: &str) -> &'v [Value] {
    at(object, pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The number at a pointer.
pub(crate) fn number(object: &Value, pointer: &str) -> Option<i64> {
    at(object, pointer).and_then(Value::as_i64)
}

/// Where an object is kept.
pub(crate) fn key_of(object: &Value) -> Key {
    Key::new(
        text(object, "/metadata/namespace"),
        text(object, "/metadata/name"),
    )
}

/// Whether deletion has begun.
pub(crate) fn terminating(object: &Value) -> bool {
    at(object, "/metadata/deletionTimestamp").is_some_and(|time| !time.is_null())
}

/// Whether `owner` controls `object`.
pub(crate) fn owned_by(object: &Value, owner: &Value) -> bool {
    let uid = text(owner, "/metadata/uid");
    list(object, "/metadata/ownerReferences")
        .iter()
        .any(|reference| text(reference, "/uid") == uid)
}

/// A controller reference to `owner`.
pub(crate) fn reference_to(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// Whether `labels` satisfy a `matchLabels` table.
pub(crate) fn matches(selector: &Value, object: &Value) -> bool {
    selector.as_object().is_some_and(|wanted| {
        !wanted.is_empty()
            && wanted.iter().all(|(key, value)| {
                at(object, "/metadata/labels").and_then(|labels| labels.get(key)) == Some(value)
            })
    })
}

/// Sets one condition; its transition time moves only when the status does.
pub(crate) fn set_condition(
    conditions: &mut Vec<Value>,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: &str,
) {
    let known = conditions
        .iter_mut()
        .find(|condition| text(condition, "/type") == kind);
    let moved = known
        .as_ref()
        .is_none_or(|condition| text(condition, "/status") != status);
    let transition = match &known {
        Some(condition) if !moved => condition["lastTransitionTime"].clone(),
        _ => now.into(),
    };
    let next = json!({
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": transition,
    });
    match known {
        Some(condition) => *condition = next,
        None => conditions.push(next),
    }
}
