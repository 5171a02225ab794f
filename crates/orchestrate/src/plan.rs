//! [`Plan`]: what a run would do, row by row, and the digest that ties a saved plan to the world it
//! was made from. It owns comparison and serialisation; it refuses to hold secret values.

use std::fmt;
use std::sync::Arc;

use converge::{Change, ChangeKind, Verification};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::adoption::FoundTrap;
use crate::deploy::Prepared;

/// The version of a saved plan's format.
pub const PLAN_FORMAT: u32 = 1;

/// What a run would do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The format's version, [`PLAN_FORMAT`].
    pub format: u32,
    /// The deployment's name.
    pub deployment: String,
    /// SHA-256 of the normalised document, lower-case hex.
    pub document_digest: String,
    /// Every step, in the order of the graph.
    pub steps: Vec<StepPlan>,
    /// Where the guide is not followed to the letter, and why.
    pub deviations: Vec<Deviation>,
    /// What the guide's own commands led into, found in what they left behind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traps: Vec<FoundTrap>,
    /// What it takes to carry the plan out; not saved.
    #[serde(skip)]
    pub(crate) prepared: Option<Arc<Prepared>>,
}

/// Plans are equal if they say the same.
impl PartialEq for Plan {
    fn eq(&self, other: &Self) -> bool {
        self.deployment == other.deployment && self.digest() == other.digest()
    }
}

/// What one step would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepPlan {
    /// The step's name.
    pub step: String,
    /// Its rows; none if there is nothing to do.
    pub changes: Vec<Change>,
}

/// One deliberate deviation from the guide's letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deviation {
    /// The trap it avoids: `G29`.
    pub trap: String,
    /// What the guide does.
    pub guide: String,
    /// What is done here.
    pub ours: String,
    /// Why.
    pub reason: String,
}

/// How many rows of each verb a plan has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// New objects.
    pub create: usize,
    /// Changed, adopted or run.
    pub change: usize,
    /// Deleted objects.
    pub delete: usize,
    /// Fields that others changed.
    pub conflict: usize,
}

impl Plan {
    /// All rows that would write, with their steps.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &Change)> {
        self.steps.iter().flat_map(|step| {
            step.changes
                .iter()
                .filter(|change| change.writes())
                .map(move |change| (step.step.as_str(), change))
        })
    }

    /// What differs and is kept: another client's, whose change would restart or lose something
    /// that nobody has named.
    pub fn kept(&self) -> impl Iterator<Item = (&str, &Change)> {
        self.steps.iter().flat_map(|step| {
            step.changes
                .iter()
                .filter(|change| change.kind == ChangeKind::Keep)
                .map(move |change| (step.step.as_str(), change))
        })
    }

    /// Whether a run would write nothing.
    pub fn is_noop(&self) -> bool {
        self.rows().next().is_none()
    }

    /// The rows that stop a run before any write.
    pub fn conflicts(&self) -> impl Iterator<Item = &Change> {
        self.rows()
            .map(|(_, change)| change)
            .filter(|change| change.kind == ChangeKind::Conflict)
    }

    /// How many rows of each verb there are.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (_, change) in self.rows() {
            match change.kind {
                ChangeKind::Create => tally.create += 1,
                ChangeKind::Update | ChangeKind::Adopt | ChangeKind::Run => tally.change += 1,
                ChangeKind::Delete => tally.delete += 1,
                ChangeKind::Conflict => tally.conflict += 1,
                ChangeKind::None | ChangeKind::Keep => {}
            }
        }
        tally
    }

    /// SHA-256 over document and rows: equal plans have equal digests.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.document_digest.as_bytes());
        for step in &self.steps {
            hash.update(step.step.as_bytes());
            hash.update(serde_json::to_vec(&step.changes).unwrap_or_default());
        }
        hex(&hash.finalize())
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} create · {} change · {} delete",
            self.create, self.change, self.delete
        )?;
        if self.conflict > 0 {
            write!(f, " · {} conflict", self.conflict)?;
        }
        Ok(())
    }
}

/// The plan as a table: verb, object, how sure, fields and remarks.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let mut rows = step
                .changes
                .iter()
                .filter(|change| change.is_shown())
                .peekable();
            if rows.peek().is_none() {
                continue;
            }
            writeln!(f, "{}", step.step)?;
            for change in rows {
                write!(
                    f,
                    "  {} {:<8} {}",
                    sign(change.kind),
                    change.kind,
                    change.target
                )?;
                if change.verification == Verification::Predicted {
                    write!(f, "  (predicted)")?;
                }
                if let Some(note) = &change.note {
                    write!(f, "  {note}")?;
                }
                writeln!(f)?;
                for field in &change.fields {
                    write!(
                        f,
                        "      {}: {} → {}",
                        field.path,
                        text(field.before.as_ref()),
                        text(field.after.as_ref())
                    )?;
                    if let Some(manager) = &field.manager {
                        write!(f, "  (owned by {manager})")?;
                    }
                    writeln!(f)?;
                }
            }
        }
        if !self.traps.is_empty() {
            writeln!(f, "traps of the guide, found in what is there")?;
            for found in &self.traps {
                writeln!(f, "  {:<4} {}", found.trap, found.found)?;
                writeln!(f, "       {}", found.remedy)?;
            }
        }
        let kept = self.kept().count();
        match (self.is_noop(), kept) {
            (true, 0) => writeln!(f, "nothing to do: the world is as declared")?,
            (true, _) => writeln!(f, "nothing to do but what is kept until it is named")?,
            _ => {}
        }
        write!(f, "plan  {}", self.tally())?;
        if kept > 0 {
            write!(f, " · {kept} kept")?;
        }
        if !self.deviations.is_empty() {
            write!(f, " · {} deviations from the guide", self.deviations.len())?;
        }
        Ok(())
    }
}

fn sign(kind: ChangeKind) -> char {
    match kind {
        ChangeKind::None => ' ',
        ChangeKind::Keep => '=',
        ChangeKind::Create => '+',
        ChangeKind::Update | ChangeKind::Adopt => '~',
        ChangeKind::Delete => '-',
        ChangeKind::Conflict => '!',
        ChangeKind::Run => '>',
    }
}

/// A value on one line, shortened.
fn text(value: Option<&serde_json::Value>) -> String {
    const LONGEST: usize = 60;
    let full = match value {
        None => return "(absent)".into(),
        Some(serde_json::Value::String(text)) => text.replace('\n', "⏎"),
        Some(other) => other.to_string(),
    };
    if full.chars().count() <= LONGEST {
        return full;
    }
    full.chars().take(LONGEST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(changes: Vec<Change>) -> Plan {
        Plan {
            format: PLAN_FORMAT,
            deployment: "guide".into(),
            document_digest: "d".into(),
            steps: vec![StepPlan {
                step: "namespace".into(),
                changes,
            }],
            deviations: Vec::new(),
            traps: Vec::new(),
            prepared: None,
        }
    }

    #[test]
    fn a_plan_prints_verbs_certainty_and_fields() {
        let create = Change::new(
            ChangeKind::Create,
            "Namespace airflow",
            Verification::Predicted,
        );
        let update = Change::new(ChangeKind::Update, "Deployment a/b", Verification::Verified)
            .with_fields(vec![converge::FieldChange {
                path: "spec.replicas".into(),
                before: Some(3.into()),
                after: Some(1.into()),
                manager: Some("kubectl-edit".into()),
            }]);
        let unchanged = Change::new(ChangeKind::None, "Secret a/c", Verification::Verified);
        let plan = plan(vec![create, update, unchanged]);
        assert_eq!(
            plan.to_string(),
            "namespace\n  + create   Namespace airflow  (predicted)\n  ~ change   Deployment a/b\n      \
             spec.replicas: 3 → 1  (owned by kubectl-edit)\nplan  1 create · 1 change · 0 delete"
        );
        assert!(!plan.is_noop());
    }

    #[test]
    fn equal_plans_have_equal_digests_and_differ_by_a_row() {
        let row = |name: &str| {
            vec![Change::new(
                ChangeKind::Create,
                name,
                Verification::Verified,
            )]
        };
        assert_eq!(plan(row("a")).digest(), plan(row("a")).digest());
        assert_ne!(plan(row("a")).digest(), plan(row("b")).digest());
        assert!(plan(Vec::new()).is_noop());
    }
}
