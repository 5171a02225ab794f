//! [`Readiness`]: what one observed thing is doing, with the sentence a person needs. It refuses
//! to be a bool.

use serde::{Deserialize, Serialize};

/// The state of one object or effect, after kstatus, with the reason in words.
///
/// Source: `cli-utils/pkg/kstatus`; the observed generation is compared before any condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "reason")]
pub enum Readiness {
    /// It is what was asked for; the text says how that was seen.
    Current(String),
    /// It is on its way; the text says what it is waiting for.
    InProgress(String),
    /// It will not get there by waiting; the text says why.
    Failed(String),
    /// It is being deleted; the text says what holds it.
    Terminating(String),
    /// It does not exist.
    NotFound,
}

impl Readiness {
    /// Whether the thing is what was asked for.
    pub fn is_current(&self) -> bool {
        matches!(self, Self::Current(_))
    }

    /// Whether waiting longer cannot help.
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// The sentence for a person.
    pub fn reason(&self) -> &str {
        match self {
            Self::Current(reason)
            | Self::InProgress(reason)
            | Self::Failed(reason)
            | Self::Terminating(reason) => reason,
            Self::NotFound => "not found",
        }
    }

    /// The one word for a table: `current`, `in progress`, `failed`, `terminating`, `not found`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Current(_) => "current",
            Self::InProgress(_) => "in progress",
            Self::Failed(_) => "failed",
            Self::Terminating(_) => "terminating",
            Self::NotFound => "not found",
        }
    }

    /// The less ready of two states: `Failed` before `NotFound`, `Terminating`, `InProgress`,
    /// `Current`. Of equals, the first.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if other.rank() > self.rank() {
            other
        } else {
            self
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Current(_) => 0,
            Self::InProgress(_) => 1,
            Self::Terminating(_) => 2,
            Self::NotFound => 3,
            Self::Failed(_) => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_of_two_states_wins_and_the_first_of_equals_stays() {
        let current = Readiness::Current("a".into());
        let failed = Readiness::Failed("b".into());
        assert_eq!(current.clone().worse(failed.clone()), failed);
        assert_eq!(
            current.clone().worse(Readiness::Current("c".into())),
            current
        );
        assert_eq!(Readiness::NotFound.worse(current), Readiness::NotFound);
    }
}
