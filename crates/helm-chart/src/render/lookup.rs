//! What templates ask of the cluster and the network: [`Query`], the [`Answers`] they get, and the
//! [`LookupSource`] that may give them.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// A question only the world outside can answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Query {
    /// `lookup`: an object, or a list of them where the name is empty.
    Lookup {
        /// API version, such as `apps/v1`.
        api_version: String,
        /// Kind, such as `Deployment`.
        kind: String,
        /// Namespace; empty means all, or a cluster-wide kind.
        namespace: String,
        /// Name; empty means a list.
        name: String,
    },
    /// `getHostByName`.
    Host {
        /// The name to resolve.
        name: String,
    },
}

impl Query {
    /// A `lookup`; an empty namespace means all, or a cluster-wide kind, an empty name a list.
    pub fn lookup(
        api_version: impl Into<String>,
        kind: impl Into<String>,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self::Lookup {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// Somebody who answers the questions of templates while they are rendered, as the API server does
/// under `helm install`.
///
/// A source is asked from within the render, once for each call, and the render waits for it. Where
/// answers come from asynchronous code, use [`Answers::Known`] instead: the render ends with its
/// questions, and runs again with the answers.
pub trait LookupSource: Send + Sync {
    /// The answer: an object, or a list with `items` where the query has no name; an empty table if
    /// there is none. For [`Query::Host`] the address as text, empty if there is none.
    ///
    /// # Errors
    /// Whatever keeps it from knowing. The template fails with `error calling lookup: …`.
    fn answer(&self, query: &Query) -> Result<Value, Box<dyn Error + Send + Sync>>;
}

/// Where `lookup` and `getHostByName` get their answers.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Answers {
    /// Nobody answers, as under `helm template`: objects are `{}`, addresses are empty.
    #[default]
    Offline,
    /// These are known; any other question ends the render with
    /// [`RenderError::Needs`](super::RenderError::Needs). An object that does not exist is an
    /// empty table, an unknown host an empty string.
    Known(BTreeMap<Query, Value>),
    /// A source is asked at each call.
    Source(Arc<dyn LookupSource>),
}

impl Answers {
    /// No answers yet: the first question ends the render.
    pub fn none_yet() -> Self {
        Self::Known(BTreeMap::new())
    }

    /// A source that is asked at each call.
    pub fn from_source(source: impl LookupSource + 'static) -> Self {
        Self::Source(Arc::new(source))
    }

    /// Adds an answer to those that are known; a source is asked no more.
    #[must_use]
    pub fn with(self, query: Query, answer: Value) -> Self {
        let mut known = match self {
            Self::Known(known) => known,
            Self::Offline | Self::Source(_) => BTreeMap::new(),
        };
        known.insert(query, answer);
        Self::Known(known)
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offline => f.write_str("Offline"),
            Self::Known(known) => f.debug_tuple("Known").field(known).finish(),
            Self::Source(_) => f.write_str("Source(..)"),
        }
    }
}
