//! What templates ask of the cluster and the network: [`Query`], and the [`Answers`] they get.

use std::collections::BTreeMap;

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

/// Where `lookup` and `getHostByName` get their answers.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Answers {
    /// Nobody answers, as under `helm template`: objects are `{}`, addresses are empty.
    #[default]
    Offline,
    /// These are known; any other question ends the render with
    /// [`RenderError::Needs`](super::RenderError::Needs). An object that does not exist is an
    /// empty table, an unknown host an empty string.
    Known(BTreeMap<Query, Value>),
}

impl Answers {
    /// No answers yet: the first question ends the render.
    pub fn none_yet() -> Self {
        Self::Known(BTreeMap::new())
    }

    /// Adds an answer.
    #[must_use]
    pub fn with(self, query: Query, answer: Value) -> Self {
        let mut known = match self {
            Self::Offline => BTreeMap::new(),
            Self::Known(known) => known,
        };
        known.insert(query, answer);
        Self::Known(known)
    }
}
