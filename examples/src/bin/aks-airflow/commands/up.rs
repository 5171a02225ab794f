//! `up`: bring the cluster to what the document declares, and prove it.

use std::time::Duration;

use converge::{Observer, RequestClass};
use futures::StreamExt;
use orchestrate::{Plan, Policy, Report, StepResult};

use crate::cli::UpArgs;
use crate::commands::plan::policy;
use crate::console::{Console, Paint, short};
use crate::failure::Failure;
use crate::interruption::Interruption;
use crate::session::Session;

/// Plans, then carries the plan out.
pub(crate) async fn up(args: &UpArgs, console: &Console) -> Result<u8, Failure> {
    let session = Session::open(&args.target)
        .await
        .map_err(Failure::before_writes)?;
    let airflow = &session.deployment.airflow;
    let place = if session.world.simulated {
        "sandbox, nothing real"
    } else {
        "Azure"
    };
    console.note(&format!(
        "aks-airflow {}  {place}  Airflow {} on chart {}",
        env!("CARGO_PKG_VERSION"),
        airflow.airflow_version,
        airflow.chart_version
    ));
    let policy = Policy {
        predict_creates: true,
        ..policy(&args.policy)
    };
    let plan = session
        .deployment
        .plan_with(&session.world, &policy, &Observer::default())
        .await
        .map_err(Failure::before_writes)?;
    console.note(&format!(
        "plan  {} · {} deviations from the guide (plan --explain)\n",
        plan.tally(),
        plan.deviations.len()
    ));
    carry_out(&session, &plan, &policy, console).await
}

/// Runs a plan to its end or to an interrupt, shows what happens and what came of it.
pub(crate) async fn carry_out(
    session: &Session,
    plan: &Plan,
    policy: &Policy,
    console: &Console,
) -> Result<u8, Failure> {
    let mut run = plan
        .apply(&session.world, policy)
        .map_err(Failure::before_writes)?;
    let mut progress = console.progress();
    let mut keep = tokio::time::interval(Duration::from_secs(2));
    let mut interrupt = std::pin::pin!(Interruption::next());
    let interrupted = loop {
        tokio::select! {
            event = run.next() => match event {
                Some(event) => progress.show(&event),
                None => break None,
            },
            by = &mut interrupt => break Some(by),
            _ = keep.tick() => session.save().map_err(Failure::after_writes)?,
        }
    };
    progress.end();
    session.save().map_err(Failure::after_writes)?;
    if let Some(by) = interrupted {
        return Err(Failure::interrupted(by, true));
    }
    let Some(report) = run.report() else {
        return Ok(1);
    };
    console.result(&text(session, report), report);
    Ok(u8::from(!report.succeeded()))
}

/// The report for people: the headline, the table, failures, and what to do next.
fn text(session: &Session, report: &Report) -> String {
    let airflow = &session.deployment.airflow;
    let mut text = String::new();
    if report.succeeded() {
        let sign = Paint::Good.on("✔");
        text.push_str(&format!(
            "\n{sign} Airflow {} is up in {}       {}\n\n{report}",
            airflow.airflow_version,
            short(report.took),
            report.requests
        ));
        let (flag, remark) = if session.world.simulated {
            (" --sandbox", "       (a simulated page, not Airflow)")
        } else {
            (" -f FILE", "")
        };
        text.push_str(&format!(
            "\nUI      aks-airflow ui{flag}{remark}\nLogin   {}; password: aks-airflow ui{flag} --show-password\nAgain   aks-airflow up{flag}       (should write nothing)",
            airflow.user.username
        ));
        return text;
    }
    text.push_str(&format!("\n{report}\n"));
    let writes = report.requests.of(RequestClass::Write);
    for step in &report.steps {
        if let StepResult::Failed {
            causes, code, help, ..
        } = &step.result
        {
            let code = code.as_deref().unwrap_or("aka::failed");
            let sign = Paint::Bad.on("×");
            text.push_str(&format!(
                "{sign} {code}   {writes} writes so far; run again after the fix\n"
            ));
            text.push_str(&format!("  {}: {}\n", step.step, causes.join("\n    ")));
            if let Some(help) = help {
                text.push_str(&format!("  help: {help}\n"));
            }
        }
    }
    text
}
