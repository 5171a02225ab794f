//! [`RequestLog`]: every request, numbered and classed, and the hook asked before each. It owns
//! the counters proofs read (0 Writes on a no-op) and the crash matrix uses; it refuses to keep
//! bodies, which may hold secrets: a [`Witness`] sees them pass.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::mount::{Body, full};

/// What a request could do to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    /// Changes nothing.
    Read,
    /// Asks the server to act as if: dry-run, TokenRequest, access review, `listKeys`, token
    /// exchange.
    Probe,
    /// May change the world.
    Write,
}

/// One request of a client; what the world's own controllers do is not logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// Its number, from 0.
    pub index: u64,
    /// What it could do.
    pub class: Class,
    /// The host it went to.
    pub host: String,
    /// `GET`, …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The answer's status; `None` while it runs, or when the connection was cut.
    pub status: Option<u16>,
}

/// What the hook wants done with a request.
#[derive(Debug, Clone, Default)]
pub enum Verdict {
    /// Nothing special.
    #[default]
    Proceed,
    /// The connection breaks before the request is executed.
    CutBefore,
    /// The request is executed, then the connection breaks without an answer.
    CutAfter,
    /// The request is executed this much later.
    Delay(Duration),
    /// This answer is given instead of executing it.
    Answer {
        /// The status.
        status: StatusCode,
        /// Headers: `retry-after`, …
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
}

impl Verdict {
    pub(crate) fn answer(&self) -> Option<Response<Body>> {
        let Self::Answer {
            status,
            headers,
            body,
        } = self
        else {
            return None;
        };
        let mut builder = Response::builder().status(*status);
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        builder.body(full(body.clone())).ok()
    }
}

/// Asked before each client request.
pub type Hook = Arc<dyn Fn(&RequestRecord) -> Verdict + Send + Sync>;

/// Shown each client request whole, headers and body, before it is executed.
pub type Witness = Arc<dyn Fn(&RequestRecord, &Request<Bytes>) + Send + Sync>;

/// The requests so far.
#[derive(Default)]
pub struct RequestLog {
    records: Vec<RequestRecord>,
    hook: Option<Hook>,
    witness: Option<Witness>,
}

impl fmt::Debug for RequestLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestLog")
            .field("records", &self.records.len())
            .finish_non_exhaustive()
    }
}

impl RequestLog {
    pub(super) fn set_hook(&mut self, hook: Option<Hook>) {
        self.hook = hook;
    }

    pub(super) fn hook(&self) -> Option<Hook> {
        self.hook.clone()
    }

    pub(super) fn set_witness(&mut self, witness: Option<Witness>) {
        self.witness = witness;
    }

    pub(super) fn witness(&self) -> Option<Witness> {
        self.witness.clone()
    }

    pub(super) fn begin(&mut self, host: &str, request: &Request<Bytes>) -> RequestRecord {
        let record = RequestRecord {
            index: self.records.len() as u64,
            class: classify(request),
            host: host.to_owned(),
            method: request.method().to_string(),
            path: request
                .uri()
                .path_and_query()
                .map_or_else(String::new, ToString::to_string),
            status: None,
        };
        self.records.push(record.clone());
        record
    }

    pub(super) fn finish(&mut self, index: u64, status: Option<u16>) {
        if let Some(record) = self.records.get_mut(index as usize) {
            record.status = status;
        }
    }

    /// The requests so far, in the order of their arrival.
    pub fn records(&self) -> &[RequestRecord] {
        &self.records
    }
}

/// Classes a request by method, path and query, for all protocols alike.
fn classify(request: &Request<Bytes>) -> Class {
    let path = request.uri().path();
    let query = request.uri().query().unwrap_or_default();
    let method = request.method();
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
        || path.ends_with("/portforward")
    {
        return Class::Read;
    }
    let lower = path.to_ascii_lowercase();
    let last = lower.rsplit('/').next().unwrap_or_default();
    let probes = query.contains("dryRun=All")
        || (*method == Method::POST
            && (lower.starts_with("/apis/authorization.k8s.io/")
                || lower.starts_with("/apis/authentication.k8s.io/")
                || (lower.contains("/serviceaccounts/") && last == "token")
                || lower.contains("/oauth2/")
                || last.starts_with("list")
                || last.starts_with("check")));
    if probes { Class::Probe } else { Class::Write }
}
