//! [`SharedWatch`]: one watch that several waits of a run follow. It owns what it has told so far, and
//! who has heard how much of it; it refuses to hold back for one that does not listen.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use futures::task::{ArcWake, waker_ref};
use futures::{Stream, StreamExt};

use crate::{ClusterError, Object, ObjectRef, WatchEvent, WatchStream};

/// How far behind a listener may be. One that is further finds its watch ended, and takes it up again
/// from where it was.
const LAG: usize = 4096;

/// A watch from the start that can be joined while somebody follows it, or for as long as it is kept.
#[derive(Default)]
pub(super) struct SharedWatch {
    shared: Weak<Mutex<Shared>>,
    /// Held, so that it stays open.
    _kept: Option<Arc<Mutex<Shared>>>,
}

struct Shared {
    /// `None` once it has ended.
    stream: Option<WatchStream>,
    /// What is there, as far as it has told.
    objects: BTreeMap<ObjectRef, Object>,
    listeners: BTreeMap<usize, VecDeque<WatchEvent>>,
    next: usize,
    wakers: Arc<Wakers>,
}

/// Wakes everybody: whoever is polled first takes what has come.
#[derive(Default)]
struct Wakers(Mutex<BTreeMap<usize, Waker>>);

impl ArcWake for Wakers {
    fn wake_by_ref(wakers: &Arc<Self>) {
        let all: Vec<Waker> = lock(&wakers.0).values().cloned().collect();
        all.into_iter().for_each(Waker::wake);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SharedWatch {
    /// A watch that has just been opened, and its first listener.
    pub(super) fn open(stream: WatchStream) -> (Self, WatchStream) {
        let shared = Arc::new(Mutex::new(Shared {
            stream: Some(stream),
            objects: BTreeMap::new(),
            listeners: BTreeMap::new(),
            next: 0,
            wakers: Arc::default(),
        }));
        let listener = Listener::join(&shared);
        let watch = Self {
            shared: Arc::downgrade(&shared),
            _kept: None,
        };
        (watch, listener.boxed())
    }

    /// The same, open although nobody may follow it for a while: what comes meanwhile waits unread.
    pub(super) fn kept(self) -> Self {
        Self {
            _kept: self.shared.upgrade(),
            ..self
        }
    }

    /// Listens to it as if it were opened now: first what is there, then what changes; `None` once it has
    /// ended or nobody keeps or follows it any more.
    pub(super) fn join(&self) -> Option<WatchStream> {
        let shared = self.shared.upgrade()?;
        // What has come and was not heard yet is told first to those who are there.
        lock(&shared).catch_up();
        let is_open = lock(&shared).stream.is_some();
        is_open.then(|| Listener::join(&shared).boxed())
    }

    /// What is there, as far as it has told; `None` as for [`join`](Self::join).
    pub(super) fn told(&self) -> Option<Vec<Object>> {
        let shared = self.shared.upgrade()?;
        let mut shared = lock(&shared);
        shared.catch_up();
        let is_open = shared.stream.is_some();
        is_open.then(|| shared.objects.values().cloned().collect())
    }
}

impl Shared {
    /// Takes one event in for everybody but the one it is answered to.
    fn advance(&mut self, but: Option<usize>) -> Poll<Option<Result<WatchEvent, ClusterError>>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        let waker = waker_ref(&self.wakers);
        let Poll::Ready(told) = stream.poll_next_unpin(&mut Context::from_waker(&waker)) else {
            return Poll::Pending;
        };
        match &told {
            Some(Ok(event)) => {
                match event {
                    WatchEvent::Applied(object) => {
                        self.objects.insert(object.reference(), object.clone());
                    }
                    WatchEvent::Deleted(object) => {
                        self.objects.remove(&object.reference());
                    }
                    WatchEvent::Bookmark(_) | WatchEvent::Expired => {}
                }
                for (listener, queue) in &mut self.listeners {
                    if Some(*listener) != but {
                        queue.push_back(event.clone());
                    }
                }
                self.listeners.retain(|_, queue| queue.len() <= LAG);
            }
            Some(Err(_)) | None => self.stream = None,
        }
        // Who waits has something to hear.
        ArcWake::wake_by_ref(&self.wakers);
        Poll::Ready(told)
    }

    fn catch_up(&mut self) {
        while let Poll::Ready(Some(Ok(_))) = self.advance(None) {}
    }
}

/// Somebody who follows a shared watch.
struct Listener {
    shared: Arc<Mutex<Shared>>,
    number: usize,
}

impl Listener {
    fn join(shared: &Arc<Mutex<Shared>>) -> Self {
        let mut inside = lock(shared);
        let number = inside.next;
        inside.next += 1;
        let there = inside.objects.values().cloned();
        let there = there.map(WatchEvent::Applied).collect();
        inside.listeners.insert(number, there);
        Self {
            shared: Arc::clone(shared),
            number,
        }
    }
}

impl Stream for Listener {
    type Item = Result<WatchEvent, ClusterError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let number = self.number;
        let mut shared = lock(&self.shared);
        lock(&shared.wakers.0).insert(number, context.waker().clone());
        let Some(queue) = shared.listeners.get_mut(&number) else {
            return Poll::Ready(None);
        };
        match queue.pop_front() {
            Some(event) => Poll::Ready(Some(Ok(event))),
            None => shared.advance(Some(number)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.listeners.remove(&self.number);
        lock(&shared.wakers.0).remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc;
    use futures::{FutureExt, stream};

    use super::*;

    fn at(name: &str, version: &str) -> Object {
        let mut object = Object::named(&ObjectRef::namespaced("v1", "Pod", "airflow", name));
        let version = version.into();
        object.metadata().insert("resourceVersion".into(), version);
        object
    }

    fn told(listener: &mut WatchStream) -> Vec<String> {
        let events = std::iter::from_fn(|| listener.next().now_or_never().flatten());
        let line = |event| match event {
            Ok(WatchEvent::Applied(object)) => {
                format!("{} {}", object.name(), object.resource_version().unwrap())
            }
            Ok(WatchEvent::Deleted(object)) => format!("no {}", object.name()),
            other => format!("{other:?}"),
        };
        events.map(line).collect()
    }

    #[test]
    fn who_joins_hears_what_is_there_and_all_hear_what_changes() {
        let (tell, events) = mpsc::unbounded();
        let (watch, mut first) = SharedWatch::open(events.boxed());
        let applied =
            |name, version| tell.unbounded_send(Ok(WatchEvent::Applied(at(name, version))));
        applied("a", "1").unwrap();
        applied("b", "2").unwrap();
        assert_eq!(told(&mut first), ["a 1", "b 2"]);
        applied("a", "3").unwrap();
        let gone = WatchEvent::Deleted(at("b", "4"));
        tell.unbounded_send(Ok(gone)).unwrap();
        // Also what nobody has heard yet.
        let mut second = watch.join().unwrap();
        assert_eq!(told(&mut second), ["a 3"]);
        assert_eq!(told(&mut first), ["a 3", "no b"]);
        applied("c", "5").unwrap();
        assert_eq!(told(&mut second), ["c 5"]);
        assert_eq!(told(&mut first), ["c 5"]);
        drop(first);
        applied("d", "6").unwrap();
        assert_eq!(told(&mut second), ["d 6"]);
        drop(second);
        assert!(watch.join().is_none(), "nobody follows it");
        assert!(tell.is_closed());
    }

    #[test]
    fn one_that_is_kept_can_be_joined_though_nobody_followed_it() {
        let (tell, events) = mpsc::unbounded();
        let (watch, mut first) = SharedWatch::open(events.boxed());
        let watch = watch.kept();
        let applied =
            |name, version| tell.unbounded_send(Ok(WatchEvent::Applied(at(name, version))));
        applied("a", "1").unwrap();
        assert_eq!(told(&mut first), ["a 1"]);
        drop(first);
        applied("a", "2").unwrap();
        applied("b", "3").unwrap();
        let mut second = watch.join().unwrap();
        assert_eq!(told(&mut second), ["a 2", "b 3"]);
        drop(second);
        applied("c", "4").unwrap();
        let names = |told: Vec<Object>| told.iter().map(|one| one.name().to_owned()).collect();
        let names: Option<Vec<String>> = watch.told().map(names);
        assert_eq!(names.unwrap(), ["a", "b", "c"]);
        drop(watch);
        assert!(tell.is_closed());
    }

    #[tokio::test]
    async fn one_that_waits_is_woken_though_another_took_the_event_in() {
        let (tell, events) = mpsc::unbounded();
        let (watch, mut first) = SharedWatch::open(events.boxed());
        let mut second = watch.join().unwrap();
        let waiting = tokio::spawn(async move { second.next().await });
        tokio::task::yield_now().await;
        tell.unbounded_send(Ok(WatchEvent::Applied(at("a", "1"))))
            .unwrap();
        assert_eq!(told(&mut first), ["a 1"]);
        assert!(waiting.await.unwrap().is_some());
    }

    #[test]
    fn an_end_is_everybody_s_and_it_is_joined_no_more() {
        let ends = stream::iter([Ok(WatchEvent::Applied(at("a", "1")))]);
        let (watch, mut first) = SharedWatch::open(ends.chain(stream::pending().take(0)).boxed());
        let mut second = watch.join();
        assert!(second.is_none(), "it has ended while it was caught up");
        assert_eq!(told(&mut first), ["a 1"]);
        assert!(matches!(first.next().now_or_never(), Some(None)));
        second.take();
    }

    #[test]
    fn one_that_does_not_listen_finds_its_watch_ended() {
        let (tell, events) = mpsc::unbounded();
        let (watch, mut first) = SharedWatch::open(events.boxed());
        let mut second = watch.join().unwrap();
        for number in 0..=LAG {
            tell.unbounded_send(Ok(WatchEvent::Applied(at("a", &number.to_string()))))
                .unwrap();
        }
        assert_eq!(told(&mut first).len(), LAG + 1);
        assert!(matches!(second.next().now_or_never(), Some(None)));
    }
}
