//! Following changes: the stream of a watch, event by event. It owns line splitting and what each
//! event means; it refuses to reconnect, which is the waiter's.

use std::collections::VecDeque;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt};
use http_body_util::BodyExt;
use serde_json::Value;

use super::KubeCluster;
use super::answer::Refusal;
use super::objects::{described, object};
use super::outage::Outage;
use super::request::{Ask, collection_path, query_parameters};
use crate::{ClusterError, ClusterErrorKind, Query, WatchEvent, WatchStream};

/// How long the server keeps a watch open, so that load moves between servers.
const WATCH_SECONDS: u64 = 290;
/// How much longer a silent connection is believed to be alive.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS + 30);

impl KubeCluster {
    pub(super) async fn open_watch(
        &self,
        query: &Query,
        resource_version: &str,
    ) -> Result<WatchStream, ClusterError> {
        let target = described(query);
        let fail = |kind| ClusterError::new("watch", target.clone(), kind);
        let resource = self.resource_of(&query.kind).await.map_err(fail)?;
        let mut parameters = query_parameters(query)
            .with("watch", "1")
            .with("allowWatchBookmarks", "true")
            .with("timeoutSeconds", &WATCH_SECONDS.to_string());
        if !resource_version.is_empty() {
            parameters.add("resourceVersion", resource_version);
        }
        let path = collection_path(&resource, query.namespace.as_deref());
        match self
            .open(&Ask::get(parameters.on(&path)))
            .await
            .map_err(fail)?
        {
            Ok(response) => Ok(events(
                lines(response.into_body().into_data_stream()),
                target,
                self.outage.clone(),
            )),
            Err(refusal) if refusal.is_expired() => {
                Ok(futures::stream::iter([Ok(WatchEvent::Expired)]).boxed())
            }
            Err(refusal) => {
                self.forget_if_unknown(&refusal, &query.kind).await;
                Err(fail(refusal.into_kind(&query.kind.to_string())))
            }
        }
    }
}

/// The lines of a body, as they come. The stream ends where the body does, also in the midst of a
/// line: a cut connection is how watches usually end.
pub(super) fn lines<S, E>(body: S) -> BoxStream<'static, Result<Vec<u8>, E>>
where
    S: futures::Stream<Item = Result<bytes::Bytes, E>> + Send + Unpin + 'static,
    E: Send + 'static,
{
    struct State<S> {
        body: S,
        partial: Vec<u8>,
        ready: VecDeque<Vec<u8>>,
        ended: bool,
    }
    let start = State {
        body,
        partial: Vec::new(),
        ready: VecDeque::new(),
        ended: false,
    };
    futures::stream::unfold(start, |mut state| async move {
        loop {
            if let Some(line) = state.ready.pop_front() {
                return Some((Ok(line), state));
            }
            if state.ended {
                return None;
            }
            match state.body.next().await {
                Some(Ok(bytes)) => {
                    let mut pieces = bytes.split(|byte| *byte == b'\n');
                    state.partial.extend(pieces.next().unwrap_or_default());
                    for piece in pieces {
                        let line = std::mem::replace(&mut state.partial, piece.to_vec());
                        state.ready.push_back(line);
                    }
                }
                Some(Err(error)) => {
                    state.ended = true;
                    return Some((Err(error), state));
                }
                None => {
                    state.ended = true;
                    if !state.partial.is_empty() {
                        let last = std::mem::take(&mut state.partial);
                        state.ready.push_back(last);
                    }
                }
            }
        }
    })
    .boxed()
}

fn events<E: Send + 'static>(
    lines: BoxStream<'static, Result<Vec<u8>, E>>,
    target: String,
    outage: Outage,
) -> WatchStream {
    futures::stream::unfold(Some(lines), move |open| {
        let (target, outage) = (target.clone(), outage.clone());
        async move {
            let mut lines = open?;
            loop {
                // The connection was cut, or is dead: the position is kept, the stream ends.
                let line = match tokio::time::timeout(SILENCE, lines.next()).await {
                    Ok(Some(Ok(line))) => line,
                    Ok(None) => return None,
                    Ok(Some(Err(_))) | Err(_) => {
                        outage.note();
                        return None;
                    }
                };
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                let Ok(value) = serde_json::from_slice::<Value>(&line) else {
                    // The rest of a line that was cut in the midst.
                    return None;
                };
                let event =
                    event(value).map_err(|kind| ClusterError::new("watch", target.clone(), kind));
                let goes_on = matches!(
                    event,
                    Ok(WatchEvent::Applied(_) | WatchEvent::Deleted(_) | WatchEvent::Bookmark(_))
                );
                return Some((event, goes_on.then_some(lines)));
            }
        }
    })
    .boxed()
}

fn event(mut value: Value) -> Result<WatchEvent, ClusterErrorKind> {
    let subject = value["object"].take();
    match value["type"].as_str() {
        Some("ADDED" | "MODIFIED") => object(subject).map(WatchEvent::Applied),
        Some("DELETED") => object(subject).map(WatchEvent::Deleted),
        Some("BOOKMARK") => Ok(WatchEvent::Bookmark(
            subject["metadata"]["resourceVersion"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )),
        Some("ERROR") => {
            let code = subject["code"].as_u64().unwrap_or(500);
            let refusal = Refusal::read(code as u16, None, subject.to_string().as_bytes());
            if refusal.is_expired() {
                Ok(WatchEvent::Expired)
            } else {
                Err(refusal.into_kind("the watched kind"))
            }
        }
        other => Err(ClusterErrorKind::Answer(
            format!("a watch event of type {other:?}").into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::convert::Infallible;

    fn stream(chunks: &[&'static str]) -> BoxStream<'static, Result<Vec<u8>, Infallible>> {
        let chunks: Vec<_> = chunks
            .iter()
            .map(|chunk| Ok(Bytes::from_static(chunk.as_bytes())))
            .collect();
        lines(futures::stream::iter(chunks))
    }

    #[tokio::test]
    async fn events_may_be_split_anywhere_and_a_cut_line_ends_the_stream() {
        let chunks = [
            "{\"type\":\"ADDED\",\"object\":{\"kind\":\"P",
            "od\",\"metadata\":{\"name\":\"a\"}}}\n{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"7\"}}}\n{\"type\":\"DEL",
        ];
        let seen: Vec<_> = events(stream(&chunks), "Pod".into(), Outage::default())
            .collect()
            .await;
        assert!(matches!(&seen[0], Ok(WatchEvent::Applied(object)) if object.name() == "a"));
        assert!(matches!(&seen[1], Ok(WatchEvent::Bookmark(at)) if at == "7"));
        assert_eq!(seen.len(), 2);
    }

    #[tokio::test]
    async fn an_expired_position_is_an_event_and_the_last_one() {
        let chunks = [
            "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}}\n{\"type\":\"ADDED\",\"object\":{}}\n",
        ];
        let seen: Vec<_> = events(stream(&chunks), "Pod".into(), Outage::default())
            .collect()
            .await;
        assert!(matches!(seen[..], [Ok(WatchEvent::Expired)]));
    }
}
