//! `down`: take the deployment down in reverse order; data stays unless named.

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use converge::{Event, Observer};
use orchestrate::{Doomed, Guarded, TearDown};

use crate::cli::DownArgs;
use crate::console::Console;
use crate::exit;
use crate::failure::Failure;
use crate::session::Session;

/// A word of `--delete` nobody knows.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{0}` cannot be named with --delete")]
#[diagnostic(
    code(aka::down::unknown),
    help(
        "name any of: keys, database, volumes, external-secrets, federated-credential, namespace"
    )
)]
struct Unknown(String);

/// Nobody said yes.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("not confirmed")]
#[diagnostic(code(aka::down::unconfirmed), help("answer `yes`, or give --yes"))]
struct Unconfirmed;

/// Shows what goes and what stays, asks, and does it.
pub(crate) async fn down(args: &DownArgs, console: &Console) -> Result<u8, Failure> {
    let mut named = Vec::new();
    for word in &args.delete {
        named.push(
            Guarded::parse(word).ok_or_else(|| Failure::before_writes(Unknown(word.clone())))?,
        );
    }
    let session = Session::open(&args.target)
        .await
        .map_err(Failure::before_writes)?;
    let plan = session
        .deployment
        .tear_down(&session.world, &named)
        .await
        .map_err(Failure::before_writes)?;
    let text = text(&plan);
    if args.dry_run || plan.goes.is_empty() {
        console.result(&text, &plan);
        return Ok(if plan.goes.is_empty() {
            0
        } else {
            exit::CHANGES
        });
    }
    console.note(&text);
    if !args.yes && !confirmed(console) {
        return Err(Failure::before_writes(Unconfirmed));
    }
    let quiet = console.is_json();
    let observer = Observer::new(
        "down",
        Arc::new(move |event: Event| {
            if let (false, Event::Progress { message, .. }) = (quiet, &event) {
                crate::console::remark(message);
            }
        }),
    );
    let gone = session
        .deployment
        .carry_out(&plan, &session.world, &observer)
        .await
        .map_err(Failure::after_writes)?;
    session.save().map_err(Failure::after_writes)?;
    console.result(
        &format!("{gone} objects are gone"),
        &serde_json::json!({"format": 1, "gone": gone, "plan": plan}),
    );
    Ok(0)
}

fn text(plan: &TearDown) -> String {
    let mut text = String::new();
    for doomed in &plan.goes {
        let line = match doomed {
            Doomed::Release { name } => format!("- release {name}"),
            Doomed::Object { target, .. } => format!("- {target}"),
            Doomed::FederatedCredential { name } => format!("- federated credential {name}"),
        };
        text.push_str(&line);
        text.push('\n');
    }
    for stays in &plan.stays {
        text.push_str(&format!("  stays: {stays}\n"));
    }
    text
}

/// Asks on a terminal; elsewhere nobody can answer.
fn confirmed(console: &Console) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    console.error_line("Delete these? Only `yes` goes on:");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}
