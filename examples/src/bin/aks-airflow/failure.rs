//! [`Failure`]: why a command failed and what was written before. It owns the last words; it
//! refuses to be typed: this is where errors end.

use converge::Written;
use helm_release::ReleaseError;
use miette::Diagnostic;

use crate::console::{Console, Paint, line};
use crate::excerpt::Excerpt;
use crate::exit;
use crate::interruption::Interruption;

/// The program was asked to end.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{0}")]
#[diagnostic(
    code(aka::cli::interrupted),
    help("run the same command again to go on where it stopped")
)]
struct Interrupted(Interruption);

/// An error on its way to the user.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Box<dyn Diagnostic + Send + Sync>,
    written: &'static str,
    code: u8,
    in_reach: Vec<String>,
}

impl Failure {
    /// Nothing was written.
    pub(crate) fn before_writes(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self {
            error: Box::new(error),
            written: "nothing was written",
            code: exit::FAILED,
            in_reach: Vec::new(),
        }
    }

    /// Something may have been written.
    pub(crate) fn after_writes(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self {
            error: Box::new(error),
            written: "something was written; run again after the fix",
            code: exit::FAILED,
            in_reach: Vec::new(),
        }
    }

    /// The program was asked to end while a command ran that writes, or only reads.
    pub(crate) fn interrupted(by: Interruption, writes: bool) -> Self {
        Self {
            error: Box::new(Interrupted(by)),
            written: if writes {
                "what was done stays"
            } else {
                "nothing was written"
            },
            code: by.exit_code(),
            in_reach: Vec::new(),
        }
    }

    /// The same failure with what the failing template could see, a line each.
    pub(crate) fn with_reach(self, in_reach: Vec<String>) -> Self {
        Self { in_reach, ..self }
    }

    /// The exit code it ends the program with.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// What the release engine says it wrote.
    pub(crate) fn of_release(error: ReleaseError) -> Self {
        match error.written {
            Written::Nothing => Self::before_writes(error),
            Written::Something => Self::after_writes(error),
        }
    }

    /// Prints code, what was written, message, causes and help.
    pub(crate) fn show(&self, console: &Console) {
        if console.is_json() {
            let causes = causes(self.error.as_ref());
            let json = serde_json::json!({
                "format": 1,
                "error": {
                    "code": code(self.error.as_ref()),
                    "message": causes.first(),
                    "causes": causes.get(1..),
                    "help": help(self.error.as_ref()),
                    "at": excerpt(self.error.as_ref()).map(|excerpt| excerpt.json()),
                    "inReach": self.in_reach,
                    "written": self.written,
                },
            });
            line(&serde_json::to_string_pretty(&json).unwrap_or_default());
            return;
        }
        let mut text = String::new();
        block(self.error.as_ref(), self.written, &self.in_reach, &mut text);
        console.error_line(text.trim_end());
    }
}

/// One error: its most precise code and what was written, the chain of causes, where it points at
/// and what was in reach there, the help. Errors it gathers follow, each in the same form.
fn block(error: &dyn Diagnostic, written: &str, in_reach: &[String], text: &mut String) {
    let related: Vec<&dyn Diagnostic> = error.related().into_iter().flatten().collect();
    if !related.is_empty() {
        for one in related {
            block(one, written, in_reach, text);
            text.push('\n');
        }
        return;
    }
    let code = code(error).unwrap_or_else(|| "aka::failed".to_owned());
    let sign = Paint::Bad.on("×");
    text.push_str(&format!("{sign} {code}   {}\n", Paint::Dim.on(written)));
    for (depth, cause) in causes(error).iter().enumerate() {
        let indent = "  ".repeat(depth.min(1) + 1);
        for line in cause.lines() {
            text.push_str(&format!("{indent}{line}\n"));
        }
    }
    if let Some(excerpt) = excerpt(error) {
        text.push_str(&excerpt.to_string());
    }
    if !in_reach.is_empty() {
        text.push_str("  in reach there:\n");
        for one in in_reach {
            text.push_str(&format!("    {one}\n"));
        }
    }
    if let Some(help) = help(error) {
        text.push_str(&format!("  help: {help}\n"));
    }
}

/// Where the innermost error that knows its place points at.
fn excerpt(error: &dyn Diagnostic) -> Option<Excerpt> {
    let inner = error.diagnostic_source().and_then(excerpt);
    inner.or_else(|| Excerpt::of(error))
}

/// The innermost code: the most precise one.
fn code(error: &dyn Diagnostic) -> Option<String> {
    let inner = error.diagnostic_source().and_then(code);
    inner.or_else(|| error.code().map(|code| code.to_string()))
}

/// The message and its causes, without repetitions.
fn causes(error: &dyn Diagnostic) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(next) = cause {
        let text = next.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        cause = next.source();
    }
    texts
}

/// The innermost help.
fn help(error: &dyn Diagnostic) -> Option<String> {
    let inner = error.diagnostic_source().and_then(help);
    inner.or_else(|| error.help().map(|help| help.to_string()))
}
