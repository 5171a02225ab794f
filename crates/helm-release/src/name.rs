//! [`ReleaseName`], [`ReleaseId`] and [`Revision`]: how a release is named. They own Helm's rules
//! for names and refuse anything Helm would refuse.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest name Helm accepts: it leaves room for the suffixes charts append within 63.
const LONGEST: usize = 53;

/// A valid release name: 1 to 53 characters, lower-case DNS labels joined by dots.
///
/// Source: `pkg/chart/v2/util/validate_name.go` of Helm v4.2.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseName(String);

/// A text that cannot name a release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("`{text}` cannot name a release: {why}")]
#[diagnostic(
    code(aka::release::name),
    help("use at most 53 characters: lower-case letters, digits, `-` and `.`, such as `airflow`")
)]
pub struct InvalidReleaseName {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl ReleaseName {
    /// Checks a text and takes it as a name.
    ///
    /// # Errors
    /// [`InvalidReleaseName`], saying which rule is broken.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidReleaseName> {
        let text = text.into();
        let why = if text.is_empty() {
            "it is empty"
        } else if text.len() > LONGEST {
            "it is longer than 53 characters"
        } else if !text.split('.').all(is_label) {
            "every part between dots must be letters, digits and inner hyphens, in lower case"
        } else {
            return Ok(Self(text));
        };
        Err(InvalidReleaseName { text, why })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_label(part: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            alphanumeric(*first)
                && alphanumeric(*last)
                && bytes
                    .iter()
                    .all(|byte| alphanumeric(*byte) || *byte == b'-')
        }
        _ => false,
    }
}

impl fmt::Display for ReleaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for ReleaseName {
    type Error = InvalidReleaseName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(text)
    }
}

impl From<ReleaseName> for String {
    fn from(name: ReleaseName) -> Self {
        name.0
    }
}

/// A release within a cluster: its name and the namespace its records live in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReleaseId {
    /// The name.
    pub name: ReleaseName,
    /// The namespace of its records and, unless a template says otherwise, of its objects.
    pub namespace: String,
}

impl ReleaseId {
    /// Names a release.
    pub fn new(name: ReleaseName, namespace: impl Into<String>) -> Self {
        Self {
            name,
            namespace: namespace.into(),
        }
    }
}

/// As `airflow/airflow`: namespace, then name.
impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The number of one state of a release; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u32);

impl Revision {
    /// The first revision.
    pub const FIRST: Self = Self(1);

    /// The revision after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_helm_s_rules() {
        for good in ["a", "airflow", "air-flow.v2", "0", &"a".repeat(53)] {
            assert!(ReleaseName::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "A",
            "-a",
            "a-",
            "a..b",
            ".a",
            "a_b",
            "a b",
            &"a".repeat(54),
        ] {
            assert!(ReleaseName::parse(bad).is_err(), "{bad}");
        }
    }
}
