//! `status`, `verify`, `doctor`: how everything is, and why. They read; they write nothing.

use converge::{Observer, Readiness};
use orchestrate::{Status, StepState, Verdict};

use crate::cli::TargetArgs;
use crate::console::{Console, Paint};
use crate::exit;
use crate::failure::Failure;
use crate::session::Session;

/// Shows how everything is; exit 3 if something differs.
pub(crate) async fn status(args: &TargetArgs, console: &Console) -> Result<u8, Failure> {
    let session = Session::open(args).await.map_err(Failure::before_writes)?;
    let status = session
        .deployment
        .status(&session.world)
        .await
        .map_err(Failure::before_writes)?;
    console.result(&status_text(&status), &status);
    session.save().map_err(Failure::before_writes)?;
    Ok(if status.is_healthy() { 0 } else { exit::DRIFT })
}

fn status_text(status: &Status) -> String {
    let mut text = String::new();
    let good = Paint::Good.on("✔");
    let bad = Paint::Bad.on("✘");
    for line in &status.steps {
        match &line.state {
            StepState::AsDeclared => {
                text.push_str(&format!("{good} {:<22} as declared\n", line.step));
            }
            StepState::KeptBack => text.push_str(&format!("· {:<22} not looked at\n", line.step)),
            StepState::Failed { causes, help } => {
                text.push_str(&format!("{bad} {:<22} {}\n", line.step, causes.join(": ")));
                if let Some(help) = help {
                    text.push_str(&format!("    help: {help}\n"));
                }
            }
            StepState::Differs { changes } => {
                text.push_str(&format!("{bad} {:<22} differs\n", line.step));
                for change in changes.iter().filter(|change| change.writes()) {
                    text.push_str(&format!("    {} {}", change.kind, change.target));
                    if let Some(note) = &change.note {
                        text.push_str(&format!("  {note}"));
                    }
                    for field in &change.fields {
                        text.push_str(&format!("\n      {}", field.path));
                        if let Some(manager) = &field.manager {
                            text.push_str(&format!(" (by {manager})"));
                        }
                    }
                    text.push('\n');
                }
            }
        }
    }
    text.push('\n');
    for release in &status.releases {
        text.push_str(&format!(
            "release {:<18} {}\n",
            release.name, release.summary
        ));
    }
    for object in &status.unhealthy {
        text.push_str(&format!(
            "{bad} {}: {}: {}\n",
            object.object,
            object.readiness.word(),
            object.readiness.reason()
        ));
    }
    text.push('\n');
    text.push_str(&findings_text(&status.airflow));
    text
}

fn findings_text(findings: &[airflow_helm::Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let sign = match (&finding.readiness, finding.essential) {
            (Readiness::Current(_), _) => Paint::Good.on("✔"),
            (_, true) => Paint::Bad.on("✘"),
            (_, false) => Paint::Busy.on("!"),
        };
        text.push_str(&format!(
            "{sign} {:<22} {}\n    {}\n",
            finding.name,
            finding.readiness.reason(),
            Paint::Dim.on(&finding.proof.to_string())
        ));
    }
    text
}

/// Checks that Airflow works; exit 1 if an essential claim does not hold.
pub(crate) async fn verify(args: &TargetArgs, console: &Console) -> Result<u8, Failure> {
    let session = Session::open(args).await.map_err(Failure::before_writes)?;
    let first = session
        .deployment
        .verify(&session.world)
        .await
        .map_err(Failure::before_writes)?;
    // What fails now will not mend by waiting for heartbeats: say it at once.
    let broken = first
        .iter()
        .any(|finding| finding.essential && !finding.readiness.is_current());
    let findings = if broken {
        first
    } else {
        session
            .deployment
            .verify_by_effect(&session.world, &Observer::default())
            .await
            .map_err(Failure::before_writes)?
    };
    let holds = findings
        .iter()
        .all(|finding| !finding.essential || finding.readiness.is_current());
    let mut text = findings_text(&findings);
    let mut causes = Vec::new();
    if !holds {
        // The causes lie in the cluster: name them too.
        let status = session
            .deployment
            .status(&session.world)
            .await
            .map_err(Failure::before_writes)?;
        causes = status.causes();
        for cause in &causes {
            text.push_str(&format!("\n{cause}"));
        }
    }
    console.result(
        &text,
        &serde_json::json!({"format": 1, "findings": findings, "causes": causes}),
    );
    session.save().map_err(Failure::before_writes)?;
    Ok(u8::from(!holds))
}

/// Checks that the deployment can succeed; exit 4 if it cannot.
pub(crate) async fn doctor(args: &TargetArgs, console: &Console) -> Result<u8, Failure> {
    let session = Session::open(args).await.map_err(Failure::before_writes)?;
    let diagnosis = session.deployment.doctor(&session.world).await;
    let mut text = String::new();
    for check in &diagnosis.checks {
        let sign = match check.verdict {
            Verdict::Good => Paint::Good.on("✔"),
            Verdict::Warning => Paint::Busy.on("!"),
            Verdict::Bad => Paint::Bad.on("✘"),
        };
        text.push_str(&format!("{sign} {:<22} {}\n", check.subject, check.seen));
        if let Some(fix) = &check.fix {
            text.push_str(&format!("    fix: {fix}\n"));
        }
    }
    console.result(&text, &diagnosis);
    Ok(if diagnosis.passed() {
        0
    } else {
        exit::PREFLIGHT
    })
}
