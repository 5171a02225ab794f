//! `aks-airflow`: takes an AKS cluster to a proven Apache Airflow, and keeps it there.

mod charts;
mod cli;
mod commands;
mod console;
mod excerpt;
mod failure;
mod interruption;
mod session;
#[cfg(feature = "sandbox")]
mod simulated;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::console::Console;
use crate::failure::Failure;
use crate::interruption::Interruption;

/// Exit codes that scripts can use; an [`Interruption`] has its own.
pub(crate) mod exit {
    /// It failed.
    pub(crate) const FAILED: u8 = 1;
    /// The plan has changes.
    pub(crate) const CHANGES: u8 = 2;
    /// Something differs from the document.
    pub(crate) const DRIFT: u8 = 3;
    /// The preflight failed.
    pub(crate) const PREFLIGHT: u8 = 4;
    /// Wrong usage.
    pub(crate) const USAGE: u8 = 64;
}

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(exit::USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let console = Console::new(&cli.global);
    subscribe(&cli.global.log);
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            console.error_line(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(until_interrupted(cli.command, &console)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.show(&console);
            ExitCode::from(failure.code())
        }
    }
}

/// Runs a command to its end or to an interruption, whichever is first. A command that has its own way
/// to end then goes first.
async fn until_interrupted(command: Command, console: &Console) -> Result<u8, Failure> {
    let writes = matches!(command, Command::Rollback(_) | Command::Down(_));
    tokio::select! {
        biased;
        ended = run(command, console) => ended,
        by = Interruption::next() => Err(Failure::interrupted(by, writes)),
    }
}

/// Logs go to standard error, only if asked for.
fn subscribe(filter: &str) {
    if filter == "off" {
        return;
    }
    let filter = tracing_subscriber::EnvFilter::try_new(filter).unwrap_or_default();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

async fn run(command: Command, console: &Console) -> Result<u8, Failure> {
    match command {
        Command::Plan(args) => commands::plan::plan(&args, console).await,
        Command::Apply(args) => commands::plan::apply(&args, console).await,
        Command::Up(args) => commands::up::up(&args, console).await,
        Command::Status(args) => commands::status::status(&args, console).await,
        Command::Verify(args) => commands::status::verify(&args, console).await,
        Command::Doctor(args) => commands::status::doctor(&args, console).await,
        Command::Ui(args) => commands::ui::ui(&args, console).await,
        Command::Logs(args) => commands::logs::logs(&args, console).await,
        Command::History(args) => commands::history::history(&args, console).await,
        Command::Rollback(args) => commands::history::rollback(&args, console).await,
        Command::Render(args) => commands::render::render(&args, console).await,
        Command::Repo(cli::RepoCommand::Search(args)) => {
            commands::repo::search(&args, console).await
        }
        Command::Down(args) => commands::down::down(&args, console).await,
        Command::Schema => {
            let schema = serde_json::to_string_pretty(orchestrate::schema()).unwrap_or_default();
            console::line(&schema);
            Ok(0)
        }
        #[cfg(feature = "sandbox")]
        Command::Sandbox(command) => commands::sandbox::sandbox(&command, console).await,
    }
}
