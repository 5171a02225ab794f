//! Following the objects of one kind in one namespace. It owns positions and pauses; it refuses to
//! judge what it sees.
//!
//! One request is enough to begin: a watch without a position tells first all that is there. Where
//! absence matters, a list says what is there and the watch goes on from it; also after a position
//! was lost.
//! Source: <https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-watch>.

use std::sync::Arc;
use std::time::Duration;

use converge::Backoff;
use futures::stream::{BoxStream, StreamExt};

use crate::{Cluster, ClusterError, Kind, Object, ObjectRef, Query, WatchEvent, WatchStream};

pub(super) type Changes = BoxStream<'static, Result<Seen, (Group, ClusterError)>>;

/// What is followed together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) kind: Kind,
    pub(super) namespace: Option<String>,
    /// One object alone, so that little is sent.
    pub(super) name: Option<String>,
}

impl Group {
    pub(super) fn covers(&self, object: &ObjectRef) -> bool {
        self.kind == object.kind
            && self.namespace == object.namespace
            && self.name.as_ref().is_none_or(|name| *name == object.name)
    }

    fn query(&self) -> Query {
        let query = Query::all(self.kind.clone(), self.namespace.clone());
        match &self.name {
            Some(name) => query.with_fields(format!("metadata.name={name}")),
            None => query,
        }
    }
}

/// Something seen of a group.
pub(super) enum Seen {
    /// All there are.
    All(Group, Vec<Object>),
    /// All there are come one by one.
    Opened(Group),
    /// One is there, new or changed.
    Applied(Group, Object),
    /// One is gone.
    Deleted(Group, Object),
    /// The server cannot be asked right now, and why.
    Trouble(Group, String),
}

impl Seen {
    pub(super) fn group(&self) -> &Group {
        match self {
            Self::All(group, _)
            | Self::Opened(group)
            | Self::Applied(group, _)
            | Self::Deleted(group, _)
            | Self::Trouble(group, _) => group,
        }
    }
}

/// Follows a group without end. `listing` asks for all that is there at once.
pub(super) fn follow(cluster: Arc<dyn Cluster>, group: Group, listing: bool) -> Changes {
    let follower = Follower {
        cluster,
        query: group.query(),
        group,
        position: if listing {
            Position::Unknown
        } else {
            Position::At(String::new())
        },
        pauses: fresh_pauses(),
        rest: None,
        ended: false,
    };
    futures::stream::unfold(follower, |mut follower| async move {
        let seen = follower.next().await?;
        let group = follower.group.clone();
        Some((seen.map_err(|error| (group, error)), follower))
    })
    .boxed()
}

enum Position {
    /// List first.
    Unknown,
    /// Watch from here; from all that is there if it is empty.
    At(String),
    /// A watch that is open, and where it is.
    Open(WatchStream, String),
}

struct Follower {
    cluster: Arc<dyn Cluster>,
    query: Query,
    group: Group,
    position: Position,
    pauses: Backoff,
    /// A pause to make before the next request.
    rest: Option<Duration>,
    ended: bool,
}

fn fresh_pauses() -> Backoff {
    Backoff::new(Duration::from_millis(200), Duration::from_secs(10), 0)
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Seen, ClusterError>> {
        if self.ended {
            return None;
        }
        loop {
            if let Some(pause) = self.rest.take() {
                tokio::time::sleep(pause).await;
            }
            let step = match std::mem::replace(&mut self.position, Position::Unknown) {
                Position::Unknown => self.list().await,
                Position::At(version) => {
                    // Nothing was seen yet: the next try is the same.
                    if version.is_empty() {
                        self.position = Position::At(String::new());
                    }
                    self.open(version).await
                }
                Position::Open(stream, version) => self.advance(stream, version).await,
            };
            match step {
                Ok(Some(seen)) => return Some(Ok(seen)),
                Ok(None) => {}
                Err(error) if error.is_transient() || error.is_unknown_kind() => {
                    self.rest = self.pauses.next();
                    let trouble = format!("{error}: {}", error.kind);
                    return Some(Ok(Seen::Trouble(self.group.clone(), trouble)));
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }

    async fn list(&mut self) -> Result<Option<Seen>, ClusterError> {
        let list = self.cluster.list(self.query.clone()).await?;
        self.position = Position::At(list.resource_version);
        Ok(Some(Seen::All(self.group.clone(), list.items)))
    }

    async fn open(&mut self, version: String) -> Result<Option<Seen>, ClusterError> {
        let stream = self
            .cluster
            .watch(self.query.clone(), version.clone())
            .await?;
        let seen = version.is_empty();
        self.position = Position::Open(stream, version);
        Ok(seen.then(|| Seen::Opened(self.group.clone())))
    }

    async fn advance(
        &mut self,
        mut stream: WatchStream,
        version: String,
    ) -> Result<Option<Seen>, ClusterError> {
        let moved = |object: &Object| object.resource_version().unwrap_or(&version).to_owned();
        match stream.next().await {
            Some(Ok(WatchEvent::Applied(object))) => {
                self.pauses = fresh_pauses();
                self.position = Position::Open(stream, moved(&object));
                Ok(Some(Seen::Applied(self.group.clone(), object)))
            }
            Some(Ok(WatchEvent::Deleted(object))) => {
                self.pauses = fresh_pauses();
                self.position = Position::Open(stream, moved(&object));
                Ok(Some(Seen::Deleted(self.group.clone(), object)))
            }
            Some(Ok(WatchEvent::Bookmark(at))) => {
                self.position = Position::Open(stream, at);
                Ok(None)
            }
            Some(Ok(WatchEvent::Expired)) => {
                self.rest = self.pauses.next();
                Ok(None)
            }
            None => {
                self.rest = self.pauses.next();
                self.position = Position::At(version);
                Ok(None)
            }
            Some(Err(error)) => Err(error),
        }
    }
}
