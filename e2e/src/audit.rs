//! [`Audit`]: what the API server wrote down about the requests of one user. It owns reading its
//! log; it refuses requests that have no answer yet.

use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::ControlPlane;

/// A place in the log to read on from.
#[derive(Debug, Clone)]
pub struct Audit {
    file: PathBuf,
    from: u64,
    user: String,
}

/// A request and its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Audited {
    /// When it arrived.
    pub received: Timestamp,
    /// When it was answered whole.
    pub answered: Timestamp,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: String,
    /// The API group; empty for the core group and for what is no resource.
    pub group: String,
    /// The resource with its subresource (`pods/portforward`), or a path.
    pub resource: String,
    /// The namespace, if any.
    pub namespace: String,
    /// The object's name, if any.
    pub name: String,
    /// The HTTP status.
    pub code: u16,
    /// The client's `User-Agent`.
    pub agent: String,
    /// Path and query.
    pub uri: String,
}

impl Audited {
    /// Whether it changes what is stored: no question that is asked by a `create`, and no dry run.
    pub fn is_write(&self) -> bool {
        let verbs = ["create", "update", "patch", "delete", "deletecollection"];
        let questions = ["accessreviews", "rulesreviews", "serviceaccounts/token"];
        verbs.contains(&self.verb.as_str())
            && !self.uri.contains("dryRun=All")
            && !questions.iter().any(|one| self.resource.ends_with(one))
    }
}

impl Audit {
    /// From now on.
    pub fn of(plane: &ControlPlane, user: &str) -> Self {
        let file = plane.audit();
        let from = fs::metadata(&file).map_or(0, |meta| meta.len());
        Self {
            file,
            from,
            user: user.to_owned(),
        }
    }

    /// Every answered request so far, in the order of their answers.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn requests(&self) -> io::Result<Vec<Audited>> {
        let mut file = fs::File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.from))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok(text.lines().filter_map(|line| self.read(line)).collect())
    }

    fn read(&self, line: &str) -> Option<Audited> {
        let event: Value = serde_json::from_str(line).ok()?;
        let text = |pointer: &str| event.pointer(pointer)?.as_str().map(str::to_owned);
        let is_ours = text("/user/username")? == self.user;
        if !is_ours || event["stage"] != "ResponseComplete" {
            return None;
        }
        let resource = match (text("/objectRef/resource"), text("/objectRef/subresource")) {
            (Some(resource), Some(part)) => format!("{resource}/{part}"),
            (Some(resource), None) => resource,
            (None, _) => text("/requestURI")?,
        };
        Some(Audited {
            received: text("/requestReceivedTimestamp")?.parse().ok()?,
            answered: text("/stageTimestamp")?.parse().ok()?,
            verb: text("/verb")?,
            group: text("/objectRef/apiGroup").unwrap_or_default(),
            resource,
            namespace: text("/objectRef/namespace").unwrap_or_default(),
            name: text("/objectRef/name").unwrap_or_default(),
            agent: text("/userAgent").unwrap_or_default(),
            uri: text("/requestURI")?,
            code: u16::try_from(event["responseStatus"]["code"].as_u64()?).ok()?,
        })
    }
}

/// The length of the longest row of requests each of which may have waited for the one before: it
/// arrived at least a round trip after that one was answered, since whoever waits hears the answer half
/// a round trip later and is heard after the other half. No run of that length can be had in fewer
/// round trips; what merely came later at the server counts as long as it came late enough. Watches are
/// left out: they are answered when they end.
pub fn longest_chain(requests: &[Audited], round_trip: Duration) -> usize {
    let mut by_answer: Vec<_> = requests.iter().filter(|one| one.verb != "watch").collect();
    by_answer.sort_by_key(|one| one.answered);
    let mut heard = None;
    let mut length = 0;
    for request in by_answer {
        if heard.is_none_or(|heard| request.received >= heard) {
            heard = Some(request.answered + round_trip);
            length += 1;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(verb: &str, received: i64, answered: i64) -> Audited {
        let at = |second| Timestamp::from_second(second).unwrap();
        Audited {
            received: at(received),
            answered: at(answered),
            verb: verb.into(),
            ..Audited::default()
        }
    }

    #[test]
    fn a_chain_is_of_requests_that_waited_for_each_other() {
        let at_once = [
            request("get", 0, 5),
            request("get", 1, 4),
            request("get", 2, 6),
        ];
        assert_eq!(longest_chain(&at_once, Duration::ZERO), 1);
        let in_turn = [
            request("get", 0, 1),
            request("get", 1, 2),
            request("watch", 0, 9),
        ];
        assert_eq!(longest_chain(&in_turn, Duration::ZERO), 2);
    }

    #[test]
    fn a_request_that_came_sooner_than_the_answer_could_be_heard_did_not_wait_for_it() {
        let requests = [
            request("get", 0, 1),
            request("get", 2, 3),
            request("get", 5, 6),
        ];
        assert_eq!(longest_chain(&requests, Duration::from_secs(4)), 2);
        assert_eq!(longest_chain(&requests, Duration::from_secs(1)), 3);
    }
}
