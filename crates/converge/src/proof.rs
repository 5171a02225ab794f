//! [`Proof`]: how a claim is known. It owns the three grades and refuses a fourth.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How strongly a claim is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofKind {
    /// Nobody looked.
    NotChecked,
    /// A status field said so.
    Observed,
    /// We saw the thing work.
    Effect,
}

impl fmt::Display for ProofKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotChecked => "not checked",
            Self::Observed => "observed",
            Self::Effect => "effect",
        })
    }
}

/// A claim's grade and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The grade.
    pub kind: ProofKind,
    /// What was seen, or why nobody looked.
    pub statement: String,
}

impl Proof {
    /// We saw the thing work.
    pub fn effect(statement: impl Into<String>) -> Self {
        Self {
            kind: ProofKind::Effect,
            statement: statement.into(),
        }
    }

    /// A status said so.
    pub fn observed(statement: impl Into<String>) -> Self {
        Self {
            kind: ProofKind::Observed,
            statement: statement.into(),
        }
    }

    /// Nobody looked, and why.
    pub fn not_checked(statement: impl Into<String>) -> Self {
        Self {
            kind: ProofKind::NotChecked,
            statement: statement.into(),
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.statement.is_empty() {
            write!(f, "{}", self.kind)
        } else {
            write!(f, "{}: {}", self.kind, self.statement)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_reads_as_grade_and_statement() {
        assert_eq!(
            Proof::effect("keys present").to_string(),
            "effect: keys present"
        );
        assert_eq!(Proof::not_checked("").to_string(), "not checked");
    }
}
