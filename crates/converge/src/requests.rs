//! [`RequestLog`]: how many requests of which class went to which service. It owns the counting
//! and refuses to keep bodies, headers or tokens.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

/// What a request does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestClass {
    /// Looks: get, list, watch, discovery.
    Read,
    /// Asks without changing anything that is kept: dry-run, TokenRequest, access review, listKeys,
    /// token exchange.
    Probe,
    /// Changes something.
    Write,
}

/// Where a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// The Kubernetes API server.
    Kubernetes,
    /// Anything of Azure: Entra, Resource Manager, Key Vault, storage.
    Azure,
    /// A chart repository or registry.
    Charts,
}

const CLASSES: usize = 3;
const SERVICES: usize = 3;

/// A shared counter of requests; clones count together.
#[derive(Clone, Default)]
pub struct RequestLog(Arc<[[AtomicU32; CLASSES]; SERVICES]>);

impl RequestLog {
    /// A counter at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one request.
    pub fn record(&self, service: Service, class: RequestClass) {
        self.0[service as usize][class as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn count(&self) -> RequestCount {
        let mut count = RequestCount::default();
        for (into, from) in count.0.iter_mut().zip(self.0.iter()) {
            for (number, counter) in into.iter_mut().zip(from) {
                *number = counter.load(Ordering::Relaxed);
            }
        }
        count
    }
}

impl fmt::Debug for RequestLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestLog({})", self.count())
    }
}

/// A snapshot of a [`RequestLog`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestCount([[u32; CLASSES]; SERVICES]);

impl RequestCount {
    /// All requests.
    pub fn total(&self) -> u32 {
        self.0.iter().flatten().sum()
    }

    /// All requests to one service.
    pub fn to(&self, service: Service) -> u32 {
        self.0[service as usize].iter().sum()
    }

    /// All requests of one class.
    pub fn of(&self, class: RequestClass) -> u32 {
        self.0.iter().map(|row| row[class as usize]).sum()
    }

    /// What came since an earlier snapshot.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut difference = *self;
        for (row, before) in difference.0.iter_mut().zip(&earlier.0) {
            for (number, less) in row.iter_mut().zip(before) {
                *number = number.saturating_sub(*less);
            }
        }
        difference
    }
}

impl fmt::Display for RequestCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests: {} Kubernetes, {} Azure ({} reads, {} probes, {} writes)",
            self.total(),
            self.to(Service::Kubernetes),
            self.to(Service::Azure),
            self.of(RequestClass::Read),
            self.of(RequestClass::Probe),
            self.of(RequestClass::Write)
        )
    }
}

impl Serialize for RequestCount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("RequestCount", 7)?;
        fields.serialize_field("total", &self.total())?;
        fields.serialize_field("kubernetes", &self.to(Service::Kubernetes))?;
        fields.serialize_field("azure", &self.to(Service::Azure))?;
        fields.serialize_field("charts", &self.to(Service::Charts))?;
        fields.serialize_field("reads", &self.of(RequestClass::Read))?;
        fields.serialize_field("probes", &self.of(RequestClass::Probe))?;
        fields.serialize_field("writes", &self.of(RequestClass::Write))?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_count_together_and_differences_are_by_class() {
        let log = RequestLog::new();
        log.record(Service::Azure, RequestClass::Probe);
        let before = log.count();
        log.clone().record(Service::Kubernetes, RequestClass::Write);
        let since = log.count().since(&before);
        assert_eq!(
            (
                since.total(),
                since.of(RequestClass::Write),
                since.to(Service::Azure)
            ),
            (1, 1, 0)
        );
    }
}
