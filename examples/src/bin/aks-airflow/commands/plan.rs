//! `plan` and `apply`: what `up` would do, and doing exactly that.

use converge::Observer;
use orchestrate::{Plan, Policy};

use crate::cli::{ApplyArgs, PlanArgs, PolicyArgs};
use crate::commands::up::carry_out;
use crate::console::{Console, Paint};
use crate::exit;
use crate::failure::Failure;
use crate::session::{Session, SessionError};

/// Shows the plan; exit 2 if it has changes.
pub(crate) async fn plan(args: &PlanArgs, console: &Console) -> Result<u8, Failure> {
    let session = Session::open(&args.target)
        .await
        .map_err(Failure::before_writes)?;
    let plan = session
        .deployment
        .plan_with(&session.world, &policy(&args.policy), &Observer::default())
        .await
        .map_err(Failure::before_writes)?;
    let mut text = plan.to_string();
    if args.explain {
        for deviation in &plan.deviations {
            text.push_str(&format!(
                "\n{}  guide: {}\n     ours:  {}\n     {}",
                deviation.trap,
                deviation.guide,
                deviation.ours,
                Paint::Dim.on(&deviation.reason)
            ));
        }
    } else if !plan.deviations.is_empty() {
        text.push_str(" (--explain)");
    }
    console.result(&text, &plan);
    if let Some(path) = &args.out {
        let json = serde_json::to_string_pretty(&plan).unwrap_or_default();
        std::fs::write(path, json).map_err(|source| {
            Failure::before_writes(SessionError::Unwritable {
                path: path.display().to_string(),
                source,
            })
        })?;
    }
    session.save().map_err(Failure::before_writes)?;
    Ok(if plan.is_noop() { 0 } else { exit::CHANGES })
}

/// A saved plan that no longer fits.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum SavedPlanError {
    /// It is no plan.
    #[error("{path} is not a saved plan")]
    #[diagnostic(code(aka::plan::file), help("make one: `aks-airflow plan --out FILE`"))]
    NotAPlan {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Document or world have changed.
    #[error("the plan was made for another document or another state of the world")]
    #[diagnostic(code(aka::plan::stale), help("look at a new one: `aks-airflow plan`"))]
    Stale,
}

/// Carries a saved plan out, if a fresh one says the same.
pub(crate) async fn apply(args: &ApplyArgs, console: &Console) -> Result<u8, Failure> {
    let path = args.plan.display().to_string();
    let text = std::fs::read_to_string(&args.plan).map_err(|source| {
        Failure::before_writes(SessionError::File {
            path: path.clone(),
            source,
        })
    })?;
    let saved: Plan = serde_json::from_str(&text)
        .map_err(|source| Failure::before_writes(SavedPlanError::NotAPlan { path, source }))?;
    let session = Session::open(&args.target)
        .await
        .map_err(Failure::before_writes)?;
    let policy = policy(&args.policy);
    let fresh = session
        .deployment
        .plan_with(&session.world, &policy, &Observer::default())
        .await
        .map_err(Failure::before_writes)?;
    if fresh != saved {
        return Err(Failure::before_writes(SavedPlanError::Stale));
    }
    carry_out(&session, &fresh, &policy, console).await
}

pub(crate) fn policy(args: &PolicyArgs) -> Policy {
    Policy {
        take: args.take.clone(),
        take_ownership: args.take_ownership,
        take_over: args.take_over,
        restart: args.restart.clone(),
        ..Policy::default()
    }
}
