//! [`Report`]: what a run did, step by step, each claim with its proof. It owns the table and its
//! JSON form; it refuses to call anything proven that was not looked at.

use std::fmt;
use std::time::Duration;

use converge::{Proof, RequestCount};
use serde::Serialize;

/// The version of the report's JSON form.
pub const REPORT_FORMAT: u32 = 1;

/// What a run did.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The format's version, [`REPORT_FORMAT`].
    pub format: u32,
    /// The deployment's name.
    pub deployment: String,
    /// Every step that ran, failed or was kept back, in the order of the graph.
    pub steps: Vec<StepReport>,
    /// How long the whole run took.
    #[serde(serialize_with = "milliseconds")]
    pub took: Duration,
    /// The requests it made.
    pub requests: RequestCount,
}

/// What one step did.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    /// The step's name.
    pub step: String,
    /// What became of it.
    pub result: StepResult,
    /// How long it took.
    #[serde(serialize_with = "milliseconds")]
    pub took: Duration,
}

/// What became of a step.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum StepResult {
    /// It is as declared.
    Done {
        /// What was done: `installed, revision 1`, `unchanged`.
        did: String,
        /// How the result is known.
        proof: Proof,
    },
    /// It failed.
    Failed {
        /// The error and its causes, outermost first.
        causes: Vec<String>,
        /// The diagnostic code.
        code: Option<String>,
        /// How to mend it.
        help: Option<String>,
        /// Whether the step had written something.
        written: bool,
    },
    /// It was kept back because these steps did not succeed.
    KeptBack {
        /// The steps.
        by: Vec<String>,
    },
}

impl Report {
    /// Whether every step is done.
    pub fn succeeded(&self) -> bool {
        self.steps
            .iter()
            .all(|step| matches!(step.result, StepResult::Done { .. }))
    }

    /// What a step did, by name.
    pub fn step(&self, name: &str) -> Option<&StepReport> {
        self.steps.iter().find(|step| step.step == name)
    }
}

fn milliseconds<S: serde::Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// The table: step, what it did, how long it took, how that is known.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 4]> = self.steps.iter().map(row).collect();
        let header = ["STEP", "DID", "TOOK", "PROOF"].map(str::to_owned);
        let width = |column: usize| {
            rows.iter()
                .chain([&header])
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths = [width(0), width(1), width(2)];
        for row in [&header].into_iter().chain(&rows) {
            writeln!(
                f,
                "{:<a$}  {:<b$}  {:>c$}  {}",
                row[0],
                row[1],
                row[2],
                row[3],
                a = widths[0],
                b = widths[1],
                c = widths[2]
            )?;
        }
        Ok(())
    }
}

fn row(step: &StepReport) -> [String; 4] {
    let (did, proof) = match &step.result {
        StepResult::Done { did, proof } => (did.clone(), proof.to_string()),
        StepResult::Failed { causes, .. } => {
            ("failed".into(), causes.first().cloned().unwrap_or_default())
        }
        StepResult::KeptBack { by } => ("kept back".into(), format!("by {}", by.join(", "))),
    };
    [
        step.step.clone(),
        did,
        format!("{:.1}s", step.took.as_secs_f64()),
        proof,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lines_up_and_carries_the_proof() {
        let step = |name: &str, result| StepReport {
            step: name.into(),
            result,
            took: Duration::from_millis(1250),
        };
        let report = Report {
            format: REPORT_FORMAT,
            deployment: "guide".into(),
            steps: vec![
                step(
                    "secret",
                    StepResult::Done {
                        did: "2 keys".into(),
                        proof: Proof::effect("keys present"),
                    },
                ),
                step(
                    "airflow",
                    StepResult::KeptBack {
                        by: vec!["logs".into()],
                    },
                ),
            ],
            took: Duration::from_secs(2),
            requests: RequestCount::default(),
        };
        assert_eq!(
            report.to_string(),
            "STEP     DID        TOOK  PROOF\nsecret   2 keys     1.2s  effect: keys present\nairflow  kept back  1.2s  by logs\n"
        );
        assert!(!report.succeeded());
    }
}
